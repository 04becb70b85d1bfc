"""A given archive and training ocean are used by a run of all pipelines and left unchanged."""

import json
import shutil
from types import SimpleNamespace

import pytest
import xarray as xr

from tests.app.test_clean import files, thor
from tests.kedro_runs import PROJECT, kedro

VARIABLES = dict.fromkeys(("THOR_ARCHIVE_ROOT", "THOR_ECCO_ROOT", "KEDRO_ENV"), "")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with a configuration whose environment `tiny` is as small as `test`, but reads `local`."""
    folder = tmp_path_factory.mktemp("given")
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf, ignore=lambda place, _: ["local"] if place.endswith("conf") else [])
    shutil.copytree(conf / "test", conf / "tiny")
    (conf / "tiny/globals.yml").write_text("data_root: data/tiny\nn_processes: 1\narchive_processes: 1\n")
    (conf / "local").mkdir()

    def configure(**settings):
        settings |= {"data_root": str(folder / "data"), "mlflow_store": None}
        (conf / "local/globals.yml").write_text(json.dumps(settings))

    def run(*arguments, code=0):
        done = kedro(folder, "run", "--conf-source", str(conf), "--env", "tiny", *arguments, **VARIABLES)
        assert done.returncode == code, done.stdout + done.stderr
        # long lines of the log are broken
        return " ".join((done.stderr if code else done.stdout).split())

    configure()
    run("--pipelines", "idealized_ocean")
    return SimpleNamespace(folder=folder, conf=conf, root=folder / "data/tiny", configure=configure, run=run)


def test_a_given_archive_and_ocean_are_used_and_stay(project):
    root = project.root
    given = shutil.copytree(root / "01_raw/archive", project.folder / "CMIP6")
    with xr.open_dataset(root / "01_raw/training_ocean.nc") as made:
        mine = made.load().drop_vars(["tauuo", "tauvo", "sftof", "bottom_stress_curl"])
    mine.attrs = {"title": "My ocean"}
    mine.to_netcdf(root / "01_raw/training_ocean.nc")
    before = (root / "01_raw/training_ocean.nc").read_bytes(), files(given)
    assert len(files(root / "01_raw/true_budgets")) == 18

    project.configure(archive_root=str(given), source_ids=["IDEAL-REG"])
    options = ["--params", "data_engineering.stress_curl=released,data_engineering.extended_features=false"]
    out = project.run("--pipelines", "idealized_ocean,data_engineering", *options)
    assert f"archive_root is {given}: no idealized climate models are made" in out
    assert "true_budgets: 0 files written, 18 removed" in out
    assert "01_raw/training_ocean.nc was not written by THOR, or was changed since: it is used as it is" in out
    assert ((root / "01_raw/training_ocean.nc").read_bytes(), files(given)) == before
    assert files(root / "01_raw/true_budgets") == []
    assert {name.split("/")[0] for name in files(root / "04_feature/scenario_features")} == {"IDEAL-REG"}
    with xr.open_dataset(root / "02_intermediate/training_ocean.nc") as ocean:
        assert ocean.attrs["title"] == "My ocean"
    record = json.loads((root / "logs/run_record.json").read_text())["datasets"]
    assert record["raw_training_ocean"]["node"] is None
    assert record["features"]["node"] == "compute_features"

    cleaned = thor(project.folder, "clean", "--env", "tiny")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "kept: 01_raw/training_ocean.nc" in cleaned.stdout
    assert files(root) == ["01_raw/training_ocean.nc", "logs/run_record.json"]
    assert ((root / "01_raw/training_ocean.nc").read_bytes(), files(given)) == before


def test_an_archive_that_is_not_there_stops_before_any_node_and_names_its_setting(project):
    project.configure(archive_root="/no/CMIP6")
    for pipeline in ("idealized_ocean", "data_engineering", "__default__"):
        err = project.run("--pipelines", pipeline, code=1)
        assert "DataError: /no/CMIP6 does not exist; conf/local/globals.yml names it as archive_root." in err
        assert "idealized_ocean" not in err.replace(f"--pipelines {pipeline}", "")


def test_an_idealized_archive_that_is_not_there_is_made_by_its_pipeline(project):
    project.configure(archive_root="idealized")
    shutil.rmtree(project.root / "01_raw/archive", ignore_errors=True)
    err = project.run("--pipelines", "data_engineering", code=1)
    assert f"Input 'raw_archive' is missing: {project.root}/01_raw/archive does not exist." in err
    assert "--pipelines idealized_ocean`, or check the data_root of conf/local/globals.yml." in err
