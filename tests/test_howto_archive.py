"""The how-to for archives, followed word by word on a small archive, with a small training ocean in place of ECCO."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.programs import finished
from tests.tiny_archive import write_tiny

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "howto_archive.md").read_text(encoding="utf-8")
STEPS = PAGE.partition("## 1.")[2].partition("## When something is missing")[0]
SMALL = ("regime_clustering", "modelling", "explainability", "uncertainty", "scenario_tracking")
PARENT = {
    "parent_experiment_id": "piControl",
    "parent_time_units": "days since 0001-01-01",
    "branch_time_in_parent": 0.0,
    "branch_time_in_child": 0.0,
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two models of the names that the page uses, one run of which lacks its stress."""
    root = tmp_path_factory.mktemp("archive") / "CMIP6"
    for source_id, variant_label in (("IPSL-CM6A-LR", "r1i1p1f2"), ("CESM2", "r1i1p1f1")):
        parent = PARENT | {"parent_source_id": source_id, "parent_variant_label": variant_label}
        for experiment_id, first in (("piControl", 1), ("historical", 1850), ("1pctCO2", 1850), ("abrupt-4xCO2", 1850)):
            attrs = {} if experiment_id == "piControl" else parent
            run = {"source_id": source_id, "experiment_id": experiment_id, "variant_label": variant_label}
            write_tiny(root, years=(first, first + 39), attrs=attrs, **run)
    shutil.rmtree(root / "CMIP6/CMIP/INST/CESM2/abrupt-4xCO2/r1i1p1f1/Omon/tauuo")
    return root


@pytest.fixture(scope="module")
def followed(archive, whole_run, data_mirror, tmp_path_factory):
    """The folder in which every step was done, and what each command printed."""
    folder = tmp_path_factory.mktemp("followed")
    # A folder that a variable of this machine names must not be written.
    environment = {name: "" for name in os.environ if name.startswith("THOR_")}
    environment |= {"THOR_DATA_MIRROR": str(data_mirror), "COLUMNS": "200"}

    def run(command):
        words = shlex.split(command.replace("/path/to/CMIP6", str(archive)))
        assert words[0] in ("kedro", "thor")
        done = finished("thor", *words[1:], folder=folder, **environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    run("thor conf conf")
    for name in SMALL:  # what makes a run small, as in the tests of the whole graph
        shutil.copy(REPOSITORY / "conf" / "test" / f"parameters_{name}.yml", folder / "conf" / "local")
    entry = {"type": "thor.datasets.FieldDataset", "contract": "raw_training_ocean"}
    entry |= {"filepath": str(whole_run[0] / "01_raw" / "training_ocean.nc")}
    (folder / "conf" / "local" / "catalog.yml").write_text(yaml.safe_dump({"raw_training_ocean": entry}))
    printed = {}
    for kind, block in re.findall(r"```(bash|yaml)\n(.*?)```", STEPS, flags=re.S):
        if kind == "yaml":
            text = block.replace("/path/to/CMIP6", str(archive))
            (folder / "conf" / "local" / "globals.yml").write_text(text, encoding="utf-8")
        for command in block.strip().splitlines() if kind == "bash" else ():
            printed[command] = run(command)
    return folder / "data" / "ecco", printed


def test_the_steps_are_those_of_the_page(followed):
    assert list(followed[1]) == [
        "thor archive check /path/to/CMIP6",
        "kedro run --env ecco --pipeline data_engineering",
        "kedro run --env ecco",
    ]


def test_the_check_names_the_run_that_cannot_be_read(followed):
    lines = followed[1]["thor archive check /path/to/CMIP6"].splitlines()
    assert any("CESM2/abrupt-4xCO2/r1i1p1f1" in line and "no   " in line and "has no 'tauuo'" in line for line in lines)
    assert any(line.startswith("7 of 8 runs can be read") for line in lines)


def test_all_other_runs_are_read_and_tracked(followed):
    root, _ = followed
    table = pd.read_csv(root / "08_reporting" / "archive_inventory.csv")
    assert table["usable"].sum() == 7 and len(table) == 8
    keys = {
        path.relative_to(root / "07_model_output" / "scenario_regimes").with_suffix("").as_posix()
        for path in (root / "07_model_output" / "scenario_regimes").rglob("*.nc")
    }
    expected = table[table["usable"]]
    assert keys == set(expected["source_id"] + "/" + expected["experiment_id"] + "/" + expected["variant_label"])
    assert not (root / "01_raw" / "archive").exists()  # no idealized models beside a real archive


def test_the_report_has_the_table_of_the_archive(followed):
    page = (followed[0] / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert "CESM2/abrupt-4xCO2" in page or "abrupt-4xCO2" in page
    assert "has no 'tauuo'" in page or "has no &#39;tauuo&#39;" in page
