"""The how-to for a multi-model study, followed on the idealized archive of the run of the whole graph."""

import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
import xarray as xr

from tests.programs import finished

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "howto_multi_model_study.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [line for kind, block in BLOCKS if kind == "bash" for line in block.strip().splitlines()]
MODELS = ["IDEAL-LAND", "IDEAL-POLE", "IDEAL-REG"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def root(whole_run):
    return whole_run[0]


def follow(step, root, folder):
    """Run the command of a step with the test environment in place of ECCO, and return what it prints."""
    command = (
        COMMANDS[step].replace("/path/to/CMIP6", str(root / "01_raw" / "archive")).replace("--env ecco", "--env test")
    )
    words = shlex.split(command)
    assert words[0] == "thor"
    configuration = ["--conf-source", REPOSITORY / "conf", *(["--env", "test"] if "--env" not in words else [])]
    done = finished(*words, *configuration, folder=folder, THOR_TEST_ROOT=str(root), COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_steps_are_those_of_the_page():
    assert [command.split(" -")[0] for command in COMMANDS] == [
        "thor archive check /path/to/CMIP6",
        "kedro run",
        "thor export",
        "thor figures",
    ]


def test_the_check_counts_the_runs_that_can_be_read(root, folder):
    out = follow(0, root, folder)
    n_runs = len(pd.read_csv(root / "08_reporting" / "archive_inventory.csv"))
    assert re.search(rf"^{n_runs} of {n_runs} runs can be read", out, re.M)


def test_the_run_leaves_what_the_page_names(root):
    names = re.findall(r"`(?:data/ecco/)?(08_reporting/[\w.]+)`", PAGE)
    assert len(set(names)) == 5
    for name in names:
        assert (root / name).stat().st_size > 0, name
    areas = pd.read_csv(root / "08_reporting" / "regime_areas.csv")
    assert sorted(areas["source_id"].unique()) == MODELS and areas["variant_label"].nunique() > 1
    assert "Climate models" in (root / "08_reporting" / "report.html").read_text(encoding="utf-8")


def test_the_export_has_all_runs_and_gives_the_figure(root, folder, monkeypatch):
    out = follow(2, root, folder)
    tracked = list((root / "07_model_output" / "scenario_regimes").rglob("*.nc"))
    assert f"{len(tracked)} runs of 3 climate models" in out
    with xr.open_zarr(folder / "regimes.zarr") as regimes:
        assert sorted(regimes["source_id"].values) == MODELS and int(regimes["tracked"].sum()) == len(tracked)

    (code,) = (block for kind, block in BLOCKS if kind == "python")
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    with mpl.rc_context({"backend": "agg"}):
        exec(code, names)
    mean = names["mean"]
    assert mean.dims == ("lat", "lon") and 0 < float(mean.max()) <= 1
    with xr.open_zarr(folder / "regimes.zarr") as regimes:
        run = regimes["change_probability"].sel(
            experiment_id="ssp585", predictor="average", window=names["last"]["window"]
        )
        by_hand = run.sel(source_id="IDEAL-REG").mean("variant_label")
    assert by_hand.equals(names["by_model"].sel(source_id="IDEAL-REG"))
    assert ", 3 climate models" in names["ax"].get_title()
    assert (folder / "change.pdf").read_bytes().startswith(b"%PDF")


def test_the_figures_are_written_at_both_widths_with_their_numbers(root, folder):
    out = follow(3, root, folder)
    pdf = {path.name for path in (folder / "paper_figures").glob("*.pdf")}
    names = {"scenario_tracking_areas", "scenario_tracking_agreement"}
    assert pdf == {f"{name}_{width}cm.pdf" for name in names for width in (8.9, 18.3)}
    assert "2 figures at 8.9 and 18.3 cm written to paper_figures/" in out
    numbers = {path.stem for path in (folder / "paper_figures").iterdir() if path.suffix in (".csv", ".nc")}
    assert numbers == names
