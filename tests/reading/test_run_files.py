"""A run is read from the first of its grids that can be, and a fixed field from the first run that has a sound file."""

import re
import shutil
from pathlib import Path

import pytest
import xarray as xr

from tests.made_archive import N_COLUMNS, write_fixed, write_run, write_series, years
from thor.core.errors import DataError, DiskError
from thor.reading import grids, run_files
from thor.reading.archive import Archive
from thor.reading.plans import plan_runs
from thor.reading.runs import Run

FIXED = ("deptho", "areacello", "sftof")


def damaged(path):
    path.write_bytes(b"<html>")


def edited(path, change=lambda dataset: dataset.isel(lon=slice(None, None, 2))):
    """Store a file again after `change` of its dataset; by default on every other meridian."""
    with xr.open_dataset(path, decode_cf=False) as stored:
        dataset = change(stored.load())
    path.unlink()
    dataset.to_netcdf(path)


def in_furlongs(path):
    edited(path, lambda d: d.assign(zos=d["zos"].assign_attrs(units="furlong")))


def only_march(path):
    edited(path, lambda d: d.isel(time=[2]))
    next(path.parent.glob("*_185201-*.nc")).unlink()


@pytest.fixture
def two_grids(root):
    """The same run on a native grid, and on every other meridian of it."""
    for k, name in enumerate(("zos", "tauuo", "tauvo")):
        for path in write_series(root, name, years(1850, 1853), grid_label="gr", seed=k):
            edited(path)
    for name in FIXED:
        (path,) = root.rglob(f"{name}_Ofx_*.nc")
        regridded = Path(str(path).replace("/gn/", "/gr/"))
        regridded.parent.mkdir(parents=True)
        shutil.copy(path, regridded)
        edited(regridded)
    return root


def files(root, label, name):
    return sorted(path for path in root.rglob(f"{name}_*.nc") if path.parts[-3] == label)


def plan_of(root, windows):
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    (plan,) = plan_runs(archive, runs, windows, missing="error")
    return plan


@pytest.mark.parametrize("label", ["gn", "gr"])
@pytest.mark.parametrize(
    ("name", "number", "spoil", "words"),
    [
        ("zos", 0, damaged, "185001-185112.nc .* cannot be read as NetCDF"),
        ("tauuo", 1, damaged, "185201-185312.nc .* cannot be read as NetCDF"),
        ("zos", 1, in_furlongs, "units 'furlong'"),
        ("tauvo", 0, only_march, "no year of which all variables have every month: zos 1850-01"),
        ("deptho", 0, damaged, "cannot be read as NetCDF"),
        ("deptho", 0, Path.unlink, "'deptho' does not lie on the cells of 'zos'"),
    ],
)
def test_a_grid_that_cannot_be_read_does_not_cost_the_other(
    two_grids, windows, make_climatology, label, name, number, spoil, words
):
    assert plan_of(two_grids, windows).grid_label == "gn"
    spoil(files(two_grids, label, name)[number])
    plan = plan_of(two_grids, windows)
    other = {"gn": "gr", "gr": "gn"}[label]
    assert plan.grid_label == other
    assert make_climatology(two_grids).sizes["lon"] == N_COLUMNS // (2 if other == "gr" else 1)
    said = " ".join(plan.warnings)
    # files on the regridded one are opened no further than needed
    if label == "gn" or (name, number) == ("zos", 0):
        assert re.search(f"files on grid '{label}' are not used: .*{words}", said)
    assert len(plan.warnings) <= 1


def test_a_grid_that_is_none_for_thor_is_named_once_for_all_members(two_grids, windows, caplog):
    write_run(two_grids, variant_label="r2i1p1f1", fixed=False)
    write_run(two_grids, variant_label="r2i1p1f1", fixed=False, grid_label="gr")
    for path in list(two_grids.rglob("Omon/*/gr/*/*.nc")):
        edited(path, lambda d: d.stack(cell=("lat", "lon")).reset_index("cell").transpose("time", "cell", ...))
    archive = Archive(two_grids)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    found = list(plan_runs(archive, runs, windows, missing="error"))
    assert [(plan.grid_label, plan.warnings) for plan in found] == [("gn", ()), ("gn", ())]
    assert caplog.text.count("files on grid 'gr' are not used: MADE-1: latitude and longitude share the dim") == 1


def test_a_grid_with_more_months_than_the_native_one_is_named(two_grids, windows):
    assert not plan_of(two_grids, windows).warnings
    files(two_grids, "gn", "tauvo")[1].unlink()
    plan = plan_of(two_grids, windows)
    assert (plan.grid_label, len(plan.windows)) == ("gn", 1)
    words = "files on grid 'gr' are not used, though they have more months; grid_labels can choose them"
    assert plan.warnings[0] == words and "tauvo 1850-01 to 1851-12" in plan.warnings[1]


@pytest.mark.parametrize(("module", "step"), [(run_files, "read_series"), (grids, "read_positions")])
def test_a_full_disk_is_no_fault_of_a_grid(two_grids, windows, monkeypatch, module, step):
    def full(*_, **__):
        monkeypatch.undo()
        raise DiskError("The disk is full.")

    monkeypatch.setattr(module, step, full)
    with pytest.raises(DiskError, match="full"):
        plan_of(two_grids, windows)


def test_the_error_is_that_of_the_native_grid_where_no_other_can_be_read(two_grids, windows):
    damaged(files(two_grids, "gn", "zos")[0])
    for path in files(two_grids, "gr", "tauvo"):
        path.unlink()
    with pytest.raises(DataError, match="zos/gn/.*185001-185112.nc .* cannot be read as NetCDF"):
        plan_of(two_grids, windows)


@pytest.mark.parametrize("name", FIXED)
def test_a_damaged_fixed_file_is_replaced_by_that_of_another_run(root, windows, caplog, name):
    (path,) = files(root, "gn", name)
    damaged(path)
    assert plan_of(root, windows).fixed[name] == (path,)
    sound = write_fixed(root, name, experiment_id="ssp585")
    (plan,) = plan_runs(Archive(root), [Run("MADE-1", "historical", "r1i1p1f1")], windows, missing="error")
    assert plan.fixed[name] == (sound,)
    assert caplog.text.count(f"'{name}' of another run is read") == caplog.text.count(f"{path} (6 bytes)") == 1


def test_a_decadal_prediction_is_read_whose_folder_begins_with_its_start(tmp_path, make_climatology):
    """The folder has the member, s1960-r1i1p1f1; the files have both parts by themselves."""
    stated = {"variant_label": "r1i1p1f1", "sub_experiment_id": "s1960"}
    write_run(tmp_path, experiment_id="dcppA-hindcast", variant_label="s1960-r1i1p1f1", attrs=stated)
    assert make_climatology(tmp_path).attrs["variant_label"] == "s1960-r1i1p1f1"
    write_run(
        tmp_path,
        experiment_id="dcppA-hindcast",
        variant_label="s1960-r1i1p1f1",
        attrs=stated | {"sub_experiment_id": "s1961"},
    )
    with pytest.raises(
        DataError, match="variant_label is 's1961-r1i1p1f1', but the file lies in the folder of 's1960-"
    ):
        make_climatology(tmp_path)


def test_variables_of_other_years_are_named_with_the_versions_that_may_have_more(root, windows, caplog):
    """As where the newest version is there in part."""
    zos = sorted(root.rglob("zos_*.nc"))
    newer = zos[0].parent.with_name("v20230101")
    newer.mkdir()
    shutil.copy(zos[0], newer)
    archive = Archive(root)
    (plan,) = plan_runs(archive, [Run("MADE-1", "historical", "r1i1p1f1")], windows, missing="skip")
    spans = "zos 1850-01 to 1851-12; tauuo 1850-01 to 1853-12; tauvo 1850-01 to 1853-12"
    assert plan.warnings == (
        f"the years 1850 to 1851 are read, which all variables have: {spans}. Older versions lie beside v20230101: "
        "v20200101; `versions` can choose one.",
        "v20200101 of zos has more months than v20230101, which is read; `versions` can choose it",
    )
    assert plan.warnings[0] in caplog.text
    chosen = Archive(root, versions={"MADE-1/historical/r1i1p1f1/zos": "v20200101"})
    (plan,) = plan_runs(chosen, [Run("MADE-1", "historical", "r1i1p1f1")], windows, missing="skip")
    assert not plan.warnings and len(plan.windows) == 2
