"""`thor export` as a user starts it: what it writes, says and refuses."""

import signal
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.programs import started
from tests.tracking.conftest import made, make_tools  # noqa: F401 (`made` is a fixture)
from tests.waiting import wait_until
from thor.datasets.netcdf import write
from thor.tracking.track import track_run

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(made, tmp_path):  # noqa: F811
    """A data root with two tracked runs of one model."""
    tools = make_tools(made)
    for run in (made.control, made.control.assign_attrs(experiment_id="historical")):
        file = tmp_path / f"root/07_model_output/scenario_regimes/MADE/{run.attrs['experiment_id']}/r1i1p1f1.nc"
        file.parent.mkdir(parents=True)
        write(track_run(run, None, None, tools), file)
    return tmp_path / "root"


def start(root, *arguments):
    options = ("--env", "test", "--conf-source", REPOSITORY / "conf")
    return started("thor", "export", *options, *arguments, folder=root.parent, THOR_TEST_ROOT=str(root))


def export(root, *arguments, code=0):
    """Return output and error of the command after checking its exit code."""
    process = start(root, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err and len(err.splitlines()) <= 12
    return out, " ".join(err.split())


def test_all_runs_are_written_and_never_replaced_unasked(root):
    out, err = export(root, "--grid", "5x5")
    assert err == "" and "2 runs of 1 climate model, 7 windows and 2 predictors written to thor_regimes_5x5.zarr" in out
    line = next(line for line in out.splitlines() if line.startswith("Open with: "))
    got = eval(line.removeprefix("Open with: "), {"xr": _Below(root.parent)})
    assert got.sizes["experiment_id"] == 2 and float(got["ocean_area"].sum()) > 8e13  # areas of the made run

    before = (root.parent / "thor_regimes_5x5.zarr/.zmetadata").stat().st_mtime_ns
    _, err = export(root, "--grid", "5x5", code=1)
    assert "thor_regimes_5x5.zarr is there: --overwrite replaces an export" in err
    assert (root.parent / "thor_regimes_5x5.zarr/.zmetadata").stat().st_mtime_ns == before
    export(root, "--grid", "5x5", "--overwrite", "--experiment", "historical")
    assert xr.open_zarr(root.parent / "thor_regimes_5x5.zarr").attrs["experiment_id"] == "historical"


def test_netcdf_and_a_choice_of_runs(root):
    out, _ = export(
        root,
        "--format",
        "netcdf",
        "--grid",
        "10x10",
        "-o",
        "new/out.nc",
        "--experiment",
        "historical",
        "--license",
        "CC0",
    )
    assert "1 run of 1 climate model" in out and 'xr.open_dataset("new/out.nc", chunks={})' in out
    with xr.open_dataset(root.parent / "new/out.nc") as got:
        assert (got.attrs["experiment_id"], got.attrs["license"]) == ("historical", "CC0")
        np.testing.assert_allclose(got["regime_probability"].sum("regime").max(), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--grid", "1x2"], 2, "'1x2' is no grid. Expected DEGREESxDEGREES, the same twice, such as 1x1"),
        (["--grid", "one"], 2, "'one' is no grid"),
        (["--grid", "0.001x0.001"], 2, "'0.001x0.001' is too fine. The finest grid is 0.05x0.05."),
        (["--source", ",,"], 2, "no name is given. Leave the option out for its default."),
        (["--grid", "7x7"], 1, "must divide 180 degrees; got 7"),
        (["--format", "grib"], 2, "'grib' is not one of 'zarr', 'netcdf'"),
        (["--format", "netcdf", "-o", "a.zarr"], 1, "has the ending of another format than netcdf"),
        (["--source", "MAD"], 1, "--source MAD: no tracked run has it. Did you mean 'MADE'?"),
        (["-o", "mine.zarr", "--overwrite"], 1, "mine.zarr is no export of this format, and not replaced"),
        (["-o", "mine.nc", "--format", "netcdf", "--overwrite"], 1, "mine.nc is no export of this format"),
    ],
)
def test_what_is_refused(root, arguments, code, message):
    (root.parent / "mine.zarr").mkdir()
    (root.parent / "mine.zarr/notes").write_text("mine")
    xr.Dataset({"mine": 1}).to_netcdf(root.parent / "mine.nc")
    before = sorted(root.parent.iterdir())
    assert message in export(root, *arguments, code=code)[1]
    assert sorted(root.parent.iterdir()) == before and (root.parent / "mine.zarr/notes").read_text() == "mine"


def test_nothing_tracked_and_the_wrong_folder(tmp_path):
    _, err = export(tmp_path / "empty", code=1)
    assert "No tracked run is in empty/07_model_output/scenario_regimes/" in err
    assert "run --pipelines scenario_tracking --env test" in err and "(--env) in which they were tracked" in err


def test_an_interrupt_leaves_nothing_behind(root):
    process = start(root, "--grid", "0.25x0.25", "-o", "out/fine.zarr")
    wait_until(lambda: list((root.parent).glob("out/.fine.*.zarr/regime_probability/0*")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted." in err
    assert list((root.parent / "out").iterdir()) == []


class _Below:
    """The functions of xarray with paths below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def open_zarr(self, path):
        return xr.open_zarr(self.folder / path)
