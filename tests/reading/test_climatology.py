"""Climatologies of a run: means, mask, datum, stress, record of their origin."""

import re
import shutil

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.made_archive import centres, field, fixed_field, land, write_run, write_series, years
from tests.reading.small_archives import rewritten
from tests.reading.test_baselines import BRANCH, branch_time
from thor.core.contracts import check
from thor.core.errors import DataError
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology_marks
from thor.reading.files import sampled_checksum
from thor.reading.plans import plan_runs


def weighted_mean(variable_id, first, last, seed):
    months = years(first, last)
    days = np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], last - first + 1)
    return np.average(field(variable_id, months, seed).astype(float), axis=0, weights=days)


def test_windows_are_means_weighted_by_the_lengths_of_months(root, make_climatology):
    result = make_climatology(root)
    assert list(result["window"].values) == ["1850-1851", "1852-1853"]
    assert list(result["months"].values) == [24, 24]
    for k, (first, last) in enumerate([(1850, 1851), (1852, 1853)]):
        expected = weighted_mean("tauuo", first, last, seed=1)
        np.testing.assert_allclose(result["tauuo"][k].values, expected, rtol=1e-6)
        expected = weighted_mean("zos", first, last, seed=0)
        mean = np.average(expected[~land()], weights=fixed_field("areacello")[~land()])
        assert result["removed_mean"].values[k] == pytest.approx(mean, rel=1e-6)
        np.testing.assert_allclose(result["zos"][k].values, expected - mean, atol=1e-6)


def test_removing_the_mean_of_each_month_or_of_the_window_is_the_same(root, make_climatology):
    months = field("zos", years(1850, 1851), 0).astype(float)
    weights = fixed_field("areacello")[~land()]
    each = months - np.average(months[:, ~land()], weights=weights, axis=1)[:, None, None]
    days = np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], 2)
    expected = np.average(each, axis=0, weights=days)
    np.testing.assert_allclose(make_climatology(root)["zos"][0].values, expected, atol=1e-6)


def test_attributes_name_files_steps_and_convention(root, make_climatology):
    result = make_climatology(root)
    lines = result["zos"].attrs["files"].splitlines()
    assert len(lines) == 2
    assert all("hdl:21.14100/zos_Omon" in line and "sha256:" in line and line.endswith("24 steps") for line in lines)
    assert result.attrs["stress_convention"] == "true_east_north"
    assert result.attrs["calendar"] == "noleap"
    assert result.attrs["source_id"] == "MADE-1"


def test_attributes_have_the_year_of_the_branch_also_where_the_files_begin_later(tmp_path, make_climatology):
    attrs = BRANCH | {"branch_time_in_parent": branch_time(4)}
    write_run(tmp_path, first=1852, last=1855, attrs=attrs)
    assert make_climatology(tmp_path).attrs["branch_year"] == 1850


def test_land_is_missing_and_coordinates_are_kept(root, make_climatology):
    result = make_climatology(root)
    assert (np.isnan(result["zos"].values) == land()).all()
    assert (np.isnan(result["deptho"].values) == land()).all()
    np.testing.assert_array_equal(result["lat"].values, centres()[0])


def heat_flux(months):
    """A flux on land too, as where it is not masked."""
    return 20.0 + np.asarray(months)[:, None, None] / 100 + np.zeros((1, *land().shape), "float32")


def test_fields_to_be_divided_among_regimes_are_averaged_where_the_run_has_them(root, make_climatology, caplog):
    months = years(1850, 1851)
    write_series(root, "hfds", months, values=heat_flux(months))
    write_series(root, "mlotst", years(1850, 1853), values=50 + heat_flux(years(1850, 1853)))
    result = make_climatology(root)
    expected = np.average(20 + months / 100, weights=np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], 2))
    np.testing.assert_allclose(result["hfds"][0].values[~land()], expected, rtol=1e-6)
    assert np.isnan(result["hfds"][0].values[land()]).all() and np.isnan(result["hfds"][1]).all()
    assert result["mlotst"].notnull().any(["lat", "lon"]).all() and result["hfds"].attrs["units"] == "W m-2"
    assert "hdl:21.14100/hfds_Omon" in result["hfds"].attrs["files"]
    assert "months of hfds are missing in 1852-1853" in caplog.text
    check(result, "climatologies", where="MADE-1")


def test_a_field_with_months_of_no_whole_window_costs_nothing_else(root, make_climatology, caplog):
    months = years(1851, 1852)
    write_series(root, "hfds", months, values=heat_flux(months))
    result = make_climatology(root)
    assert "hfds" not in result and result["zos"].notnull().any()
    assert "months of hfds are missing in 1850-1851, 1852-1853" in caplog.text


def test_the_sign_and_the_units_of_such_fields_are_checked(root, make_climatology):
    months = years(1850, 1853)
    ones = np.ones((48, *land().shape), "float32")
    for flux, depth, failed in (
        (40, 80, []),
        (-40, 80, ["tropical_heat_flux"]),
        (0.04, 0.08, ["trop", "mixed_layers"]),
    ):
        write_series(root, "hfds", months, values=flux * ones)
        write_series(root, "mlotst", months, values=depth * ones)
        attrs = make_climatology(root).attrs
        found = [row for row in attrs["checks_failed"].split(" | ") if row.startswith(("tropical", "mixed"))]
        assert len(found) == len(failed)
        assert all(row.startswith(name) for row, name in zip(found, failed, strict=True))


@pytest.mark.parametrize(
    ("attrs", "factor", "message"),
    [
        ({"units": "kW"}, 1.0, "'hfds' has units 'kW'; expected one of 'W m-2'"),
        ({"units": "W m-2"}, 1e4, "'hfds' has means of .* W m-2; expected -5000 to 5000"),
    ],
)
def test_such_a_field_that_cannot_be_used_costs_no_run(root, make_climatology, caplog, attrs, factor, message):
    months = years(1850, 1853)
    for path in write_series(root, "hfds", months, values=factor * heat_flux(months)):
        with xr.open_dataset(path, decode_times=False) as dataset:
            changed = dataset.load()
        changed["hfds"].attrs |= attrs
        changed.to_netcdf(path)
    assert "hfds" not in make_climatology(root)
    assert re.search(f"hfds is left out: .*{message}", caplog.text)


def test_such_a_field_that_cannot_be_planned_costs_no_other(root, make_climatology, windows):
    months = years(1850, 1853)
    for path in write_series(root, "hfds", months, values=heat_flux(months), n_files=1):
        path.write_bytes(b"")
    write_series(root, "mlotst", months, values=heat_flux(months))
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    (plan,) = plan_runs(archive, runs, windows, missing="skip")
    assert list(plan.regime_fields) == ["mlotst"]
    assert len(plan.warnings) == 1 and re.search("^hfds is left out: .* cannot be read as NetCDF", plan.warnings[0])


def test_such_a_field_under_another_grid_label_is_named(root, make_climatology, windows):
    months = years(1850, 1853)
    write_series(root, "hfds", months, values=heat_flux(months), grid_label="gr")
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    (plan,) = plan_runs(archive, runs, windows, missing="skip")
    fault = f"{plan.run.key}: hfds on gr, but sea level is read on gn; expected one grid"
    assert len(plan.warnings) == 1 and plan.warnings[0].startswith(f"hfds is left out: {fault}")
    with pytest.raises(DataError, match=f"^{fault}"):
        plan_runs(archive, runs, windows, missing="error")


def test_such_a_field_on_other_cells_is_left_out(root, make_climatology, caplog):
    months = years(1850, 1853)
    for path in write_series(root, "mlotst", months, values=heat_flux(months)):
        with xr.open_dataset(path, decode_times=False) as dataset:
            changed = dataset.load()
        changed.assign_coords(lon=changed["lon"] + 5).to_netcdf(path)
    assert "mlotst" not in make_climatology(root)
    assert "mlotst is left out: 'mlotst' does not lie on the cells of 'zos'" in caplog.text


def mark_of_only_run(root, windows):
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, windows, missing="error")
    (found,) = climatology_marks(plans, ClimatologySettings(windows=windows)).values()
    return found


@pytest.mark.parametrize("name", ["deptho", "areacello", "zos", "zos without tracking_id"])
def test_the_fingerprint_changes_with_the_content_of_a_file_of_the_same_size(tmp_path, windows, name):
    name, _, without = name.partition(" ")
    write_run(tmp_path, n_files=1)

    def edit(dataset, factor=1.0):
        changed = dataset.assign({name: (dataset[name].dims, factor * dataset[name].values, dataset[name].attrs)})
        # a new version of a file has a new tracking_id
        changed.attrs["tracking_id"] = "" if without else f"hdl:21.14100/{factor}"
        return changed

    marks, sizes = [], set()
    for factor in (1.0, 0.5):
        rewritten(tmp_path, name, lambda dataset, factor=factor: edit(dataset, factor))
        (path,) = tmp_path.rglob(f"{name}_*.nc")
        sizes.add(path.stat().st_size)
        marks += [mark_of_only_run(tmp_path, windows), mark_of_only_run(tmp_path, windows)]
    assert len(sizes) == 1
    assert marks[0] == marks[1] != marks[2] == marks[3]


def test_a_file_edited_in_place_has_another_fingerprint_and_a_copy_the_same(tmp_path, windows):
    write_run(tmp_path)
    (path, _) = sorted(tmp_path.rglob("tauuo_*.nc"))

    first, size = mark_of_only_run(tmp_path, windows), path.stat().st_size
    shutil.copyfile(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    assert mark_of_only_run(tmp_path, windows) == first
    with netCDF4.Dataset(path, "r+") as file:
        file["tauuo"][:] = -file["tauuo"][:]
    assert path.stat().st_size == size and mark_of_only_run(tmp_path, windows) != first


def test_a_sample_of_a_file_is_of_its_whole_length(tmp_path):
    path, seen = tmp_path / "file", set()
    for change in (None, 10, 3_000_000, 5_999_990):
        content = np.zeros(6_000_000, dtype=np.uint8)
        if change is not None:
            content[change : change + 200_000] = 1
        path.write_bytes(content.tobytes())
        seen.add(sampled_checksum(path))
    path.write_bytes(b"")
    assert len(seen | {sampled_checksum(path)}) == 5
