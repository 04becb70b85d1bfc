"""The inventory of an archive: forty models, a dozen named faults, and the other runs are read."""

import errno
import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from kedro.framework.project import configure_project

from tests.made_archive import NO_LEVELS
from tests.tiny_archive import FIELDS, centres, sea, write, write_tiny
from thor.app.archive import archive as commands
from thor.app.parameters import DataEngineering
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import DataError, left_out_on_error
from thor.datasets.archive import EsgfArchive
from thor.datasets.collections import FieldCollection
from thor.pipelines.data_engineering import nodes
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.inventory import INVENTORY_COLUMNS, PROGRESS_COLUMNS, inventory, with_first_month
from thor.reading.plans import plan_runs
from thor.reading.windows import WindowSettings

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
WINDOWS = WindowSettings(
    years=[(1995, 1996)], first_year=None, last_year=None, length_years=2, reference_years=(1995, 1996)
)
SETTINGS = ClimatologySettings(windows=WINDOWS, masked_basins=(), reference_density=1029.0, strict=False)
LAT, LON = centres(18, 36)
N_MODELS = 40


def without(root, model, name):
    for path in (root / "CMIP6/CMIP/INST" / model).rglob(f"{name}_*.nc"):
        path.unlink()


def _no_stress(root, model):
    without(root, model, "tauvo")


def _no_depth(root, model):
    without(root, model, "deptho")


def _one_year(root, model):
    without(root, model, "zos")
    write(root, "zos", np.zeros((18, 36)), LAT, LON, source_id=model, years=(1995, 1995))


def _unknown_units(root, model):
    write(root, "zos", np.zeros((18, 36)), LAT, LON, source_id=model, units="fathom")


def _other_shape(root, model):
    write(root, "tauuo", np.zeros((18, 35)), LAT, LON[:-1], source_id=model)


def _damaged(root, model):
    next((root / "CMIP6/CMIP/INST" / model).rglob("tauuo_*.nc")).write_bytes(b"CDF gone")


def _two_calendars(root, model):
    without(root, model, "zos")
    for year, calendar in ((1995, "noleap"), (1996, "360_day")):
        write(root, "zos", np.zeros((18, 36)), LAT, LON, source_id=model, years=(year, year), calendar=calendar)


def _doubled_months(root, model):
    write(root, "zos", np.zeros((18, 36)), LAT, LON, source_id=model, years=(1996, 1997))


def _depth_of_other_grid(root, model):
    without(root, model, "deptho")
    lat, lon = centres(9, 18)
    write(root, "deptho", np.full((9, 18), 4000.0), lat, lon, source_id=model)


def _wrong_folder(root, model):
    folder = root / "CMIP6/CMIP/INST" / model
    shutil.rmtree(folder)
    shutil.copytree(root / "CMIP6/CMIP/INST" / "MODEL-00", folder)


def _flipped_stress(root, model):
    write_tiny_model(root, model, tauuo=-1)


def _area_of_other_grid(root, model):
    lat, lon = centres(9, 18)
    write(root, "areacello", np.full((9, 18), 1e12), lat, lon, source_id=model)


LEFT_OUT = {
    _no_stress: "no 'tauvo'",
    _no_depth: "no 'deptho'",
    _one_year: "none of the windows 1995-1996 is whole",
    _unknown_units: "'zos' has units 'fathom'",
    _other_shape: "'tauuo' has 18 rows, 35 columns",
    _damaged: "cannot be read as NetCDF",
    _two_calendars: "calendar",
    _doubled_months: "12 months are doubled",
    _depth_of_other_grid: "'deptho' does not lie on the cells of 'zos'",
    _wrong_folder: "source_id is 'MODEL-00'",
}
READ = {_flipped_stress: "southern_westerlies", _area_of_other_grid: ""}


def write_tiny_model(root, model, **factors):
    write_tiny(root, lat=LAT, lon=LON, source_id=model)
    for name, factor in factors.items():
        field = factor * FIELDS[name](LAT, LON)
        write(root, name, np.where(sea(LAT, LON), field, np.nan), LAT, LON, source_id=model)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("forty")
    write_tiny_model(root, "MODEL-00")
    for k in range(1, N_MODELS):
        folder = root / f"CMIP6/CMIP/INST/MODEL-{k:02d}"
        write_tiny_model(root, folder.name)
    for k, spoil in enumerate((*LEFT_OUT, *READ), start=1):
        spoil(root, f"MODEL-{k:02d}")
    return root


@pytest.fixture(scope="module")
def table(root):
    archive = Archive(root)
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="skip")
    return with_first_month(inventory(plans), plans, SETTINGS).set_index("source_id")


def test_every_fault_is_named_and_the_others_are_usable(table):
    assert len(table) == N_MODELS
    for k, (spoil, words) in enumerate(LEFT_OUT.items(), start=1):
        row = table.loc[f"MODEL-{k:02d}"]
        assert not row["usable"] and words in row["reason"], (spoil.__name__, row["reason"])
    assert table["usable"].sum() == N_MODELS - len(LEFT_OUT)
    usable = table[table["usable"]]
    assert (usable["n_windows"] == 1).all() and (usable["size_gb"] > 0).all()
    flipped = f"MODEL-{len(LEFT_OUT) + 1:02d}"
    assert "southern_westerlies" in usable.loc[flipped, "checks"] and "stress_sign" in usable.loc[flipped, "checks"]
    assert (usable.drop(flipped)["checks"] == "").all()


def test_masks_that_do_not_belong_together_are_among_the_checks(tmp_path):
    write_tiny_model(tmp_path, "MASKED")
    without(tmp_path, "MASKED", "deptho")
    depth = np.where(sea(LAT, LON) & (LAT[:, None] > -45), FIELDS["deptho"](LAT, LON), np.nan)
    write(tmp_path, "deptho", depth, LAT, LON, source_id="MASKED")
    archive = Archive(tmp_path)
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="skip")
    words = "masks: 20 % of the cells with a sea level have no depth and are left out"
    assert words in with_first_month(inventory(plans), plans, SETTINGS)["checks"].item()
    with pytest.raises(DataError, match=f"MASKED/historical/r1i1p1f1: {words}"):
        climatology(plans.usable[0], SETTINGS.replace(strict=True), NoCheckpoint())


def test_a_run_that_cannot_be_read_is_left_out_alone(tmp_path):
    for k in range(3):
        write_tiny(tmp_path, lat=LAT, lon=LON, source_id="MANY", variant_label=f"r{k + 1}i1p1f1")
    place = {"source_id": "MANY", "variant_label": "r1i1p1f1"}
    for path in tmp_path.rglob("zos_*_r1i1p1f1_*.nc"):
        path.unlink()
    write(tmp_path, "zos", np.zeros((18, 36)), LAT, LON, units="fathom", **place)
    archive = Archive(tmp_path)
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="skip")
    table = with_first_month(inventory(plans), plans, SETTINGS)
    assert table["usable"].tolist() == [False, True, True]
    assert "'zos' has units 'fathom'" in table["reason"][0] and (table["reason"][1:] == "").all()


def test_the_command_lists_them_in_seconds_and_writes_the_table(root, tmp_path):
    configure_project("thor")
    start = time.perf_counter()
    options = ["check", str(root), "--csv", str(tmp_path / "sub" / "table.csv"), "--env", "test"]
    result = CliRunner().invoke(commands, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert time.perf_counter() - start < 60  # 20 s on two idle cores
    written = pd.read_csv(tmp_path / "sub" / "table.csv")
    assert list(written.columns) == [*INVENTORY_COLUMNS, *PROGRESS_COLUMNS] and len(written) == N_MODELS
    assert ", 1 window" in result.output and "1 windows" not in result.output


def test_an_archive_without_a_readable_run_has_nothing_to_count(tmp_path):
    configure_project("thor")
    write_tiny(tmp_path, skip=("deptho",))
    result = CliRunner().invoke(commands, ["check", str(tmp_path), "--env", "test"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "0 of 1 run can be read."


def test_a_table_that_cannot_be_written_is_refused_before_the_work_and_never_half_written(root, tmp_path, monkeypatch):
    configure_project("thor")
    table = tmp_path / "table.csv"
    table.write_text("old")
    options = ["check", str(root), "--env", "test", "--headers-only", "--csv"]
    result = CliRunner().invoke(commands, [*options, str(table / "below.csv")])
    assert result.exit_code == 1 and "where a folder is needed" in " ".join(result.output.split())
    assert "runs can be read" not in result.output

    def full(self, file, **settings):
        Path(file).write_text("half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    result = CliRunner().invoke(commands, [*options, str(table)])
    assert result.exit_code == 1 and "the disk is full" in " ".join(result.output.split())
    assert "choose another file with --csv" in " ".join(result.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"] and table.read_text() == "old"


def test_all_readable_runs_are_read_in_one_run(root, tmp_path):
    parameters = DataEngineering(
        stress_curl="surface",
        metric="spherical",
        reference_density=1029.0,
        closure_tolerance=1e-3,
        extended_features=False,
        neighbourhood_radii_km=[],
        polar_filter=False,
        archive=ALL,
        windows=WINDOWS,
        missing="skip",
        strict=False,
        masked_basins=[],
        quirks={},
    )
    outputs = nodes.compute_climatologies(EsgfArchive(path=str(tmp_path), root=str(root)).load(), NO_LEVELS, parameters)
    folder = FieldCollection(path=str(tmp_path / "climatologies"), contract="climatologies", may_be_empty=True)
    folder.save(outputs["climatologies"])
    features = FieldCollection(path=str(tmp_path / "features"), contract="scenario_features", may_be_empty=True)
    features.save(nodes.compute_scenario_features(folder.load(), {}, parameters))
    final = nodes.list_archive(outputs["archive_plan"], folder.load()).set_index("source_id")
    assert len(features.load()) == final["usable"].sum() == N_MODELS - len(LEFT_OUT)
    for k, words in enumerate(LEFT_OUT.values(), start=1):
        assert words in final.loc[f"MODEL-{k:02d}", "reason"]


def test_a_run_whose_fields_cannot_be_read_is_left_out_with_its_reason(tmp_path):
    root = tmp_path / "archive"
    write_tiny_model(root, "GOOD")
    write_tiny_model(root, "BAD")
    path = next((root / "CMIP6/CMIP/INST/BAD").rglob("tauvo_*.nc"))
    with xr.open_dataset(path, decode_cf=False) as stored:
        dataset = stored.load().drop_encoding()
    path.unlink()
    dataset.to_netcdf(path, encoding={"tauvo": {"zlib": True, "chunksizes": (1, 18, 36), "fletcher32": True}})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(bytes(content))
    archive = Archive(root)
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="skip")
    assert len(plans) == 2  # headers show no fault
    read = left_out_on_error(lambda plan: climatology(plan, SETTINGS, NoCheckpoint()))
    collection = FieldCollection(path=str(tmp_path / "out"), may_be_empty=True)
    collection.save({plan.run.key: ("mark", partial(read, plan)) for plan in plans})
    assert list(collection.load()) == ["GOOD/historical/r1i1p1f1"]
    (reason,) = collection.load().left_out.values()
    assert "tauvo" in reason and "cannot be read as NetCDF" in reason
    # earlier results belong to other files and are removed
    collection.save({plan.run.key: ("later", partial(read, plan)) for plan in plans if plan.run.source_id == "GOOD"})
    assert collection.load().left_out == {}
