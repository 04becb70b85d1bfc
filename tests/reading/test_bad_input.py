"""Faults of an archive are named, or corrected with a warning where that is safe."""

import os
import re
import shutil

import numpy as np
import pytest
import xarray as xr

from tests.made_archive import (
    N_COLUMNS,
    N_ROWS,
    centres,
    field,
    fixed_field,
    folder,
    land,
    write_fixed,
    write_run,
    write_series,
    years,
)
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import ConfigError, DataError, GridError, IncompleteWindowError, UnitsError
from thor.core.warn import warn_once
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology, climatology_marks
from thor.reading.fields import read_field
from thor.reading.plans import plan_runs
from thor.reading.quirks import Quirks


def files(root, variable_id):
    return sorted((root / "CMIP6").rglob(f"{variable_id}_Omon_*.nc"))


def rewrite(path, change):
    """Store a file again after `change` of its dataset, as it is on disk."""
    with xr.open_dataset(path, decode_cf=False) as stored:
        dataset = change(stored.load())
    path.unlink()
    dataset.to_netcdf(path)


def test_a_missing_time_step_is_named(root, make_climatology):
    rewrite(files(root, "zos")[1], lambda d: d.isel(time=[k for k in range(24) if k != 4]))
    with pytest.raises(IncompleteWindowError, match="zos: the window 1852-1853 lacks 1 of 24 months: 1852-05"):
        make_climatology(root)


def test_doubled_time_steps_are_named(root, make_climatology):
    rewrite(files(root, "zos")[0], lambda d: d.isel(time=[*range(24), 3]))
    with pytest.raises(DataError, match="1850-04 is there twice in zos_Omon.*1 months are doubled. Take out steps"):
        make_climatology(root)


def test_overlapping_files_are_named(root, make_climatology):
    write_series(root, "zos", years(1851, 1852), n_files=1)
    with pytest.raises(DataError, match="1851-01 is there in zos_.*185001-185112.nc and in zos_.*185101-185212.nc; 24"):
        make_climatology(root)


def test_the_order_of_time_steps_does_not_matter(root, make_climatology):
    expected = make_climatology(root)["zos"].values
    rewrite(files(root, "zos")[0], lambda d: d.isel(time=slice(None, None, -1)))
    np.testing.assert_allclose(make_climatology(root)["zos"].values, expected, atol=1e-12)


def test_two_calendars_in_one_series_are_named(root, make_climatology):
    path = files(root, "tauuo")[1]
    rewrite(path, lambda d: d.assign(time=d["time"].assign_attrs(calendar="360_day")))
    with pytest.raises(DataError, match="has calendar '360_day'.*'noleap'; expected one in a series"):
        make_climatology(root)


def test_a_file_of_another_variant_is_named(root, make_climatology):
    rewrite(files(root, "zos")[1], lambda d: d.assign_attrs(variant_label="r2i1p1f1"))
    with pytest.raises(DataError, match="has variant_label 'r2i1p1f1'.*take it out"):
        make_climatology(root)


@pytest.mark.parametrize("attrs", [{}, {"source_id": "", "variant_label": ""}, {"source_id": "MADE-1 "}])
def test_global_attributes_that_are_missing_empty_or_end_in_blanks_contradict_nothing(root, make_climatology, attrs):
    expected = make_climatology(root)["zos"].values
    for path in files(root, "zos")[1:] + files(root, "tauuo"):
        rewrite(path, lambda d: d.drop_attrs(deep=False).assign_attrs(attrs))
    np.testing.assert_array_equal(make_climatology(root)["zos"].values, expected)


def test_a_file_of_another_variant_is_named_where_the_first_has_no_attributes(root, make_climatology):
    first, second = files(root, "zos")
    rewrite(first, lambda d: d.drop_attrs(deep=False))
    rewrite(second, lambda d: d.assign_attrs(variant_label="r2i1p1f1"))
    with pytest.raises(DataError, match=f"{second.name}: variant_label is 'r2i1p1f1', but the file lies in the folder"):
        make_climatology(root)
    write_series(root, "zos", years(1854, 1854))
    with pytest.raises(DataError, match="has variant_label 'r1i1p1f1', .* has 'r2i1p1f1'; expected one in a series"):
        make_climatology(root)


def test_further_dims_are_named_with_the_remedy(root, make_climatology):
    rewrite(files(root, "zos")[0], lambda d: d.assign(zos=d["zos"].expand_dims(depth=2, axis=1)))
    with pytest.raises(DataError, match=r"dims \(time, depth, lat, lon\); expected time and a grid. .*: ncwa -a DIM"):
        make_climatology(root)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_further_dim_of_one_entry_costs_nothing(root, make_climatology, axis):
    expected = make_climatology(root)
    for name in ("zos", "tauuo"):
        for path in files(root, name):
            rewrite(path, lambda d, name=name: d.assign({name: d[name].expand_dims("depth", axis=axis)}))
    found = make_climatology(root)
    for name in ("zos", "tauuo", "tauvo"):
        np.testing.assert_array_equal(found[name].values, expected[name].values)


def test_time_that_is_not_first_is_named_with_the_remedy(root, make_climatology):
    rewrite(files(root, "zos")[0], lambda d: d.transpose(..., "time"))
    with pytest.raises(DataError, match=r"expected time and a grid. Put time first, in a dim of that name: ncpdq -a T"):
        make_climatology(root)


def _counted(dataset):
    """Times beside a dim that only counts the steps, as ocean models write them."""
    return dataset.drop_indexes("time").rename_dims(time="time_counter").reset_coords("time")


@pytest.mark.parametrize("change", [lambda d: d.rename(time="t"), _counted])
def test_times_may_have_another_name_or_dim(root, make_climatology, change):
    expected = make_climatology(root)["zos"].values
    for path in files(root, "zos"):
        rewrite(path, lambda d: change(d).drop_encoding())
    np.testing.assert_array_equal(make_climatology(root)["zos"].values, expected)


def test_units_may_be_a_number(root, make_climatology):
    share = fixed_field("sftof") / 100
    rewrite(write_fixed(root, "sftof", values=share), lambda d: d.assign(sftof=d["sftof"].assign_attrs(units=1)))
    assert np.nanmax(make_climatology(root)["sftof"].values) == 100
    rewrite(files(root, "zos")[0], lambda d: d.assign(zos=d["zos"].assign_attrs(units=1)))
    with pytest.raises(UnitsError, match="'zos' has units '1'; expected one of 'm', 'cm'"):
        make_climatology(root)


def test_a_mask_of_true_and_false_is_a_sea_area(root, make_climatology, caplog):
    expected = make_climatology(root)["sftof"]
    sea = ~land()
    sea[5, 2] = False
    rewrite(write_fixed(root, "sftof"), lambda d: d.assign(sftof=(d["sftof"].dims, sea, {"units": "1"})))
    np.testing.assert_array_equal(make_climatology(root)["sftof"], np.where(sea, expected, 0))
    assert "sftof' cannot be read" not in caplog.text


def test_units_that_change_within_a_series_are_converted_file_by_file(root, make_climatology, caplog):
    expected = make_climatology(root)["zos"].values

    def to_centimetres(dataset):
        return dataset.assign(zos=(dataset["zos"] * 100).assign_attrs(dataset["zos"].attrs | {"units": "cm"}))

    rewrite(files(root, "zos")[1], to_centimetres)
    np.testing.assert_allclose(make_climatology(root)["zos"].values, expected, atol=1e-6)
    assert caplog.text.count("units change within the series (m, cm)") == 1


def test_a_series_in_centimetres_is_converted(root, make_climatology):
    expected = make_climatology(root)["zos"].values
    for path in files(root, "zos"):
        rewrite(path, lambda d: d.assign(zos=(d["zos"] * 100).assign_attrs(d["zos"].attrs | {"units": "cm"})))
    np.testing.assert_allclose(make_climatology(root)["zos"].values, expected, atol=1e-6)


def test_unknown_units_are_named(root, make_climatology):
    rewrite(files(root, "zos")[0], lambda d: d.assign(zos=d["zos"].assign_attrs(units="furlong")))
    with pytest.raises(UnitsError, match="185001-185112.nc: 'zos' has units 'furlong'; expected one of 'm', 'cm'"):
        make_climatology(root)


@pytest.mark.parametrize(("factor", "units"), [(0.01, "%"), (1.0, "1")])
def test_shares_of_sea_whose_units_are_those_of_the_other_form_are_per_cent(
    root, make_climatology, caplog, factor, units
):
    expected = make_climatology(root)["sftof"].values
    write_fixed(root, "sftof", values=factor * fixed_field("sftof"), units=units)
    np.testing.assert_allclose(make_climatology(root)["sftof"].values, expected)
    assert caplog.text.count("% by its units; taken as up to 100 %") == 1


def test_a_sea_level_with_rows_against_its_latitudes_is_noticed(root, make_climatology, caplog):
    make_climatology(root)
    assert "have no sea level in every month" not in caplog.text
    for path in files(root, "zos"):
        rewrite(path, lambda d: d.assign_coords(lat=("lat", d["lat"].values[::-1], d["lat"].attrs)))
    words = "15 % of the cells with a depth have no sea level in every month and are left out"
    assert f"masks: {words}" in make_climatology(root).attrs["checks_failed"]
    assert caplog.text.count(words) == 1


@pytest.mark.parametrize(
    ("name", "published", "words"),
    [
        ("deptho", True, "cells with a sea level have no depth and are left out"),
        ("deptho", False, "cells with a sea level have no depth and are left out"),
        ("sftof", True, "cells with a depth and a sea level have no sea area and are left out"),
    ],
)
def test_a_depth_or_sea_area_of_half_of_the_sea_is_noticed(root, make_climatology, caplog, name, published, words):
    if not published:
        next((root / "CMIP6").rglob("sftof_*.nc")).unlink()
    for path in files(root, "zos"):
        rewrite(path, lambda d: d.assign(zos=d["zos"].where(~land(), 0.0).assign_attrs(d["zos"].attrs)))
    make_climatology(root)
    assert "are left out" not in caplog.text
    write_fixed(root, name, values=np.where(np.arange(N_ROWS)[:, None] < 3, 0.0, fixed_field(name)))
    make_climatology(root)
    assert re.search(rf"2\d % of the {words}", caplog.text)


@pytest.mark.parametrize("name", ["deptho", "areacello"])
def test_a_fixed_field_of_text_costs_its_run_or_field_alone(root, make_climatology, caplog, name):
    rewrite(write_fixed(root, name), lambda d: d.assign({name: d[name].astype(str).assign_attrs(units="m")}))
    words = f"'{name}' is of type .*; expected numbers. Fetch the file again"
    if name == "deptho":
        with pytest.raises(GridError, match=words):
            make_climatology(root)
    else:
        make_climatology(root)
        assert re.search(words, caplog.text)


def test_a_folder_without_netcdf_files_is_named(root, make_climatology):
    for path in files(root, "zos"):
        path.rename(path.with_suffix(".nc.gz"))
    with pytest.raises(DataError, match=r"no 'zos' .* not read: .*/Omon/zos \(no file \*.nc\). Get the variable"):
        make_climatology(root)


@pytest.mark.parametrize("on_land", [0.0, np.nan])
def test_cells_with_a_depth_whose_sea_level_is_that_of_land_are_land(root, make_climatology, caplog, on_land):
    expected = make_climatology(root)
    for path in files(root, "zos"):
        rewrite(path, lambda d: d.assign(zos=d["zos"].where(~land(), on_land).assign_attrs(d["zos"].attrs)))
    for name in ("deptho", "sftof"):
        write_fixed(root, name, values=np.where(land(), np.arange(N_ROWS)[:, None] > 1, 1.0) * fixed_field(name)[5, 0])
    found = make_climatology(root)
    np.testing.assert_allclose(found["zos"].values, expected["zos"].values, atol=1e-7)
    assert caplog.text.count("zos is 0 at all times in 3 cells with a depth, as on land: left out") == (on_land == 0)


def test_a_window_of_zeros_is_noticed(root, make_climatology):
    assert "sea_level_range" in make_climatology(root).attrs["checks_passed"]
    rewrite(files(root, "zos")[1], lambda d: d.assign(zos=(0 * d["zos"]).assign_attrs(d["zos"].attrs)))
    failed = make_climatology(root).attrs["checks_failed"]
    assert "sea_level_range: span of zos in 1852-1853 is 0 m, expected 0.2 to 5." in failed


def test_areas_declared_in_square_kilometres_are_converted(root, make_climatology):
    expected = make_climatology(root)["areacello"].values
    write_fixed(root, "areacello", values=fixed_field("areacello") / 1e6, units="km2")
    np.testing.assert_allclose(make_climatology(root)["areacello"].values, expected, rtol=1e-12)


def test_areas_in_square_kilometres_that_claim_square_metres_are_left_aside(root, make_climatology, caplog):
    expected = make_climatology(root)["areacello"]
    write_fixed(root, "areacello", values=fixed_field("areacello") / 1e6)
    result = make_climatology(root)["areacello"]
    assert "MADE-1: 'areacello' is 1.005e-06 times the areas of the positions" in caplog.text
    assert "km2 called m2; cell areas follow from the positions" in caplog.text
    np.testing.assert_allclose(result.where(expected.notnull()), expected, rtol=0.006)


def test_areas_on_another_grid_are_left_aside(root, make_climatology, caplog):
    expected = make_climatology(root)["areacello"]
    known = np.isfinite(expected.values)
    path = write_fixed(root, "areacello")
    rewrite(path, lambda d: d.isel(lon=slice(None, -1)))
    result = make_climatology(root)["areacello"]
    np.testing.assert_allclose(result.values[known], expected.values[known], rtol=0.01)
    assert "'areacello' does not lie on the cells of 'zos' (9 rows, 16 columns)" in caplog.text
    assert "9 rows, 15 columns, total" in caplog.text
    path = write_fixed(root, "areacello")
    rewrite(path, lambda d: d.assign_coords(lon=d["lon"] + 5))
    warn_once.cache_clear()
    make_climatology(root)
    assert "9 rows, 16 columns, up to 5 degrees away, total" in caplog.text
    np.testing.assert_array_equal(make_climatology(root)["areacello"].values, result.values)


def test_a_depth_on_another_grid_is_named(root, make_climatology):
    path = write_fixed(root, "deptho")
    rewrite(path, lambda d: d.isel(lon=slice(None, -1)))
    with pytest.raises(GridError, match=r"'deptho' does not lie on the cells of 'zos' \(9 rows, 16 columns\)"):
        make_climatology(root)


@pytest.mark.parametrize("variable_id", ["deptho", "areacello", "sftof"])
def test_a_fixed_field_stored_longitude_first_is_put_beside_sea_level(root, make_climatology, caplog, variable_id):
    expected = make_climatology(root)
    rewrite(write_fixed(root, variable_id), lambda d: d.transpose("lon", "lat"))
    np.testing.assert_array_equal(make_climatology(root)[variable_id].values, expected[variable_id].values)
    assert caplog.text.count(f"'{variable_id}' is stored as (lon, lat); put latitude before longitude") == 1


def test_a_field_on_as_many_rows_as_columns_is_not_taken_transposed(tmp_path):
    lat, lon = np.linspace(-60, 60, 12), 30.0 * np.arange(12)
    depth = xr.DataArray(1000.0 * (1 + np.arange(12))[:, None] + np.arange(12), {"lat": lat, "lon": lon}, name="deptho")
    depth.assign_attrs(units="m").transpose("lon", "lat").to_netcdf(tmp_path / "deptho.nc")
    field = read_field(tmp_path / "deptho.nc", "deptho", where="MADE-1")
    np.testing.assert_array_equal(field["deptho"].values, depth.values)


def test_no_areas_are_made_from_the_positions(root, make_climatology, caplog):
    expected = make_climatology(root)["areacello"]
    for path in (root / "CMIP6").rglob("areacello_*.nc"):
        path.unlink()
    result = make_climatology(root)["areacello"]
    assert "no areacello" in caplog.text
    # those of the archive are midpoint areas, these are exact
    known = np.isfinite(expected.values)
    np.testing.assert_allclose(result.values[known], expected.values[known], rtol=0.01)


def test_no_depth_anywhere_is_named(root, make_climatology):
    for path in (root / "CMIP6").rglob("deptho_*.nc"):
        path.unlink()
    with pytest.raises(DataError, match="MADE-1 has no 'deptho'"):
        make_climatology(root)


def test_stress_declared_on_velocity_points_but_given_with_sea_level_is_placed(root, make_climatology, caplog):
    lat, lon = centres()
    for side, columns in (("north_east", 0.5), ("south_west", -0.5)):
        quirks = {"MADE-1": Quirks(stress_convention="grid_axes_c_grid", stress_side=side)}
        result = make_climatology(root, quirks=quirks)
        assert result.attrs["stress_convention"] == "grid_axes_c_grid" and result.attrs["stress_side"] == side
        away = (result["lon_u"].values - lon - columns * 360 / lon.size + 180) % 360 - 180
        np.testing.assert_allclose(away, 0, atol=1e-9)
        np.testing.assert_allclose(result["lat_v"].values[4], lat[4] + np.sign(columns) * 10, rtol=1e-9)
        assert f"half a cell to the {side.replace('_', '-')}" in caplog.text
    with pytest.raises(ConfigError, match="'stress_side' must be .*Did you mean 'north_west'"):
        Quirks(stress_convention="grid_axes_c_grid", stress_side="northwest")
    unchecked = Quirks.model_construct(stress_convention="grid_axes_c_grid", stress_side="northwest")
    with pytest.raises(GridError, match="MADE-1/historical/r1i1p1f1: .*Did you mean 'north_west'"):
        make_climatology(root, quirks={"MADE-1": unchecked})


def test_stress_of_the_wrong_sign_is_turned_by_the_quirk_table(root, make_climatology):
    expected = make_climatology(root)["tauuo"].values
    turned = make_climatology(root, quirks={"MADE-1": Quirks(stress_sign=-1)})["tauuo"].values
    np.testing.assert_array_equal(turned, -expected)


def curvilinear(dataset, *, on_land):
    """The same grid with 2-D coordinates, with other values on land."""
    lat, lon = np.meshgrid(*centres(), indexing="ij")
    lat, lon = (np.where(land(), value, array) for value, array in zip(on_land, (lat, lon), strict=True))
    dataset = dataset.drop_vars(["lat", "lon"]).rename({"lat": "j", "lon": "i"})
    return dataset.assign_coords(
        latitude=(("j", "i"), lat, {"standard_name": "latitude"}),
        longitude=(("j", "i"), lon, {"standard_name": "longitude"}),
    )


@pytest.mark.parametrize(
    ("on_land", "warning"),
    [
        ((0.0, 0.0), "cells with latitude and longitude zero "),
        ((9.97e36, 9.97e36), "19 cells have no position but the undeclared fill value 9.97e.36"),
    ],
)
def test_positions_left_out_on_land_are_missing_and_warned_of_once(root, make_climatology, caplog, on_land, warning):
    for path in (root / "CMIP6").rglob("*.nc"):
        rewrite(path, lambda d: curvilinear(d, on_land=on_land))
    result = make_climatology(root)
    assert result["zos"].dims == ("window", "y", "x")
    assert (np.isnan(result["lat"].values) == land()).all()
    assert (np.isnan(result["zos"].values) == land()).all()
    assert [warning.split(" cells")[0] in line for line in caplog.text.splitlines() if "MADE-1" in line].count(
        True
    ) == 1


def test_fields_on_a_curvilinear_grid_are_those_on_the_regular_one(root, make_climatology):
    expected = make_climatology(root)
    for path in (root / "CMIP6").rglob("*.nc"):
        rewrite(path, lambda d: curvilinear(d, on_land=(np.nan, np.nan)))
    np.testing.assert_allclose(make_climatology(root)["zos"].values, expected["zos"].values, atol=1e-12)


def test_undeclared_fill_values_are_missing(root, make_climatology, caplog):
    for path in files(root, "zos"):
        rewrite(path, lambda d: d.assign(zos=d["zos"].fillna(np.float32(1e20)).assign_attrs(units="m")))
    for path in files(root, "zos"):
        with xr.open_dataset(path, decode_cf=False) as dataset:
            assert "_FillValue" not in dataset["zos"].attrs or np.isnan(dataset["zos"].attrs["_FillValue"])
    assert (np.isnan(make_climatology(root)["zos"].values) == land()).all()
    assert "19 cells hold a fill value that is not declared" in caplog.text


def test_depth_of_each_level_is_taken_as_the_depth_of_the_column(root, make_climatology, caplog):
    expected = make_climatology(root)["deptho"].values
    levels = np.array([0.1, 0.5, 1.0])[:, None, None] * fixed_field("deptho")
    for path in (root / "CMIP6").rglob("deptho_*.nc"):
        path.unlink()
    path = write_fixed(root, "deptho")
    rewrite(path, lambda d: d.assign(deptho=(("lev", "lat", "lon"), levels, {"units": "m"})))
    np.testing.assert_allclose(make_climatology(root)["deptho"].values, expected)
    assert "'deptho' is given along lev; the column's maximum is taken" in caplog.text


def test_a_damaged_file_in_the_middle_is_named_and_the_others_untouched(root, make_climatology):
    before = {path: path.read_bytes() for path in files(root, "zos")}
    damaged = files(root, "zos")[1]
    damaged.write_bytes(before[damaged][:3000])
    with pytest.raises(
        DataError, match="185201-185312.nc .3000 bytes. cannot be read as NetCDF.*fetch this file again"
    ):
        make_climatology(root)
    assert files(root, "zos")[0].read_bytes() == before[files(root, "zos")[0]]


def test_a_file_damaged_behind_its_header_is_named(root, make_climatology):
    path = files(root, "zos")[1]
    with xr.open_dataset(path, decode_cf=False) as dataset:
        stored = dataset.load().drop_encoding()
    path.unlink()
    stored.to_netcdf(path, encoding={"zos": {"zlib": True, "chunksizes": (1, N_ROWS, N_COLUMNS), "fletcher32": True}})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="185201-185312.nc.*cannot be read as NetCDF"):
        make_climatology(root)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("name", ["zos", "deptho"])
def test_a_truncated_file_in_a_classic_format_is_named(root, make_climatology, form, name):
    expected = make_climatology(root)[name].values
    path = next((root / "CMIP6").rglob(f"{name}_*.nc"))
    with xr.open_dataset(path, decode_cf=False) as dataset:
        stored = dataset.load().drop_encoding()
    path.unlink()
    stored.assign_attrs(mode="monthly", dimensions="time lat lon").to_netcdf(path, format=form, engine="netcdf4")
    np.testing.assert_array_equal(make_climatology(root)[name].values, expected)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=f"{path.name}.* cannot be read as NetCDF: it is shorter than its header says"):
        make_climatology(root)


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"<html>"), lambda path: path.symlink_to("nowhere")])
def test_fixed_files_that_cannot_be_read_cost_their_run_alone(tmp_path, windows, caplog, spoil):
    for source_id in ("MADE-1", "MADE-2", "MADE-3"):
        write_run(tmp_path, source_id=source_id)
    for name, source_id in (("deptho", "MADE-2"), ("areacello", "MADE-3")):
        path = next((tmp_path / "CMIP6").rglob(f"{name}_Ofx_{source_id}_*.nc"))
        path.unlink()
        spoil(path)
    archive = Archive(tmp_path)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    settings = ClimatologySettings(windows=windows, masked_basins=())
    plans = plan_runs(archive, runs, windows, missing="skip")
    assert len(set(climatology_marks(plans, settings).values())) == 3
    first, without_depth, without_area = plans
    expected = climatology(first, settings, NoCheckpoint())["zos"].values
    with pytest.raises(
        DataError, match="deptho_.* (cannot be read as NetCDF|is a link to nowhere, which is not there)"
    ):
        climatology(without_depth, settings, NoCheckpoint())
    np.testing.assert_allclose(climatology(without_area, settings, NoCheckpoint())["zos"].values, expected, atol=0.01)
    assert "MADE-3: 'areacello' cannot be read: " in caplog.text


def test_folders_named_like_files_are_none(root, make_climatology):
    expected = make_climatology(root)["zos"].values
    for path in (files(root, "zos")[0], next((root / "CMIP6").rglob("deptho_*.nc"))):
        path.with_name("extra.nc").mkdir()
    np.testing.assert_array_equal(make_climatology(root)["zos"].values, expected)


def test_a_folder_that_may_not_be_listed_costs_no_other_model(root, make_climatology, caplog, monkeypatch):
    write_run(root, source_id="MADE-2")
    scandir = os.scandir

    def guarded(folder):
        if "MADE-2" in str(folder):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    assert make_climatology(root).attrs["source_id"] == "MADE-1"
    assert "MADE-2: this folder may not be listed and counts as empty" in caplog.text


def test_a_variable_in_a_folder_that_may_not_be_listed_is_not_called_absent(root, windows, monkeypatch):
    (closed,) = root.glob("CMIP6/*/*/MADE-1/*/*/Omon/tauuo")
    scandir = os.scandir

    def guarded(folder):
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, windows, missing="skip")
    (reason,) = plans.left_out.values()
    assert "MADE-1/historical/r1i1p1f1 has no 'tauuo' in" in reason and "no file *.nc" not in reason
    assert f"Without permission to list, ask for it: {closed}." in reason and closed.is_dir()


def test_variables_without_a_common_year_are_named_with_their_months(root, make_climatology):
    for path in files(root, "tauvo"):
        rewrite(path, lambda d: d.isel(time=slice(3, 10)))
    files(root, "tauvo")[1].unlink()
    with pytest.raises(
        IncompleteWindowError, match="no year of .*: zos 1850-01 to 1853-12.*; tauvo 1850-04 to 1850-10"
    ):
        make_climatology(root)


def test_an_archive_that_disappears_while_it_is_read_is_named(root, windows):
    for number in range(2, 5):  # more folders than are listed to recognise the layout
        write_run(root, variant_label=f"r{number}i1p1f1")
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    shutil.rmtree(root / "CMIP6")
    with pytest.raises(DataError, match="is gone since .* was listed. Is the archive still mounted"):
        plan_runs(archive, runs, windows, missing="error")
    assert list(plan_runs(archive, runs, windows, missing="skip").left_out) == runs


def test_a_file_that_disappears_between_header_and_fields_is_named(root, make_climatology):
    class Vanishing:
        def load(self, name):
            return None

        def save(self, name, part):
            shutil.rmtree(root / "CMIP6", ignore_errors=True)

    with pytest.raises(DataError, match="its folder is gone. Is the archive still mounted"):
        make_climatology(root, checkpoint=Vanishing())


def test_a_file_without_time_steps_or_time_axis_is_named(root, make_climatology):
    path = files(root, "zos")[0]
    rewrite(path, lambda d: d.isel(time=slice(0, 0)))
    with pytest.raises(DataError, match="has no time step"):
        make_climatology(root)
    rewrite(files(root, "zos")[0], lambda d: d.drop_vars("time"))
    with pytest.raises(DataError, match="'time' is no time axis"):
        make_climatology(root)


def test_a_file_without_its_variable_is_named(root, make_climatology):
    rewrite(files(root, "zos")[0], lambda d: d.rename(zos="ssh"))
    with pytest.raises(DataError, match="has no variable 'zos'; it has .* Name it so .ncrename -v OLD,zos"):
        make_climatology(root)


def test_variables_in_a_group_are_named(root, make_climatology):
    path = files(root, "zos")[0]
    with xr.open_dataset(path, decode_cf=False) as dataset:
        dataset.load()
    path.unlink()
    dataset.to_netcdf(path, group="means")
    with pytest.raises(DataError, match="has no variable 'zos'; it has group means"):
        make_climatology(root)


def test_areas_in_cm2_are_named_by_their_units_not_as_fill_values(root, make_climatology, caplog):
    write_fixed(root, "areacello", values=1e4 * fixed_field("areacello"), units="cm2")
    make_climatology(root)
    assert "'areacello' has units 'cm2'" in caplog.text and "undeclared fill value" not in caplog.text


def test_masks_without_a_common_cell_are_refused(root, make_climatology):
    write_fixed(root, "sftof", values=np.zeros((N_ROWS, N_COLUMNS)))
    with pytest.raises(DataError, match="no cell has sea level, depth and sea area at once"):
        make_climatology(root)


# -- sea ice -------------------------------------------------------------------------------------------------------
@pytest.fixture
def depressed(root):
    """Sea level with the weight of 3 m of water in the northernmost row."""
    ice = np.zeros((N_ROWS, N_COLUMNS))
    ice[-1] = 3.0 * 1029.0
    for k, variable_id in enumerate(["zos"]):
        values = field(variable_id, years(1850, 1853), seed=k) - (ice / 1029.0).astype("float32")
        write_series(root, variable_id, years(1850, 1853), values=values, seed=k)
    return root, ice


def test_depression_by_sea_ice_is_suspected(depressed, make_climatology, caplog):
    root, _ = depressed
    result = make_climatology(root)
    assert caplog.text.count("does it hold the weight of sea ice?") == 1
    assert "sea_ice: zos lies below -2.5 m in" in result.attrs["checks_failed"]
    assert np.isfinite(result["zos"].values[:, -1]).all()


def test_depressed_cells_are_masked_where_the_model_left_it_in(depressed, make_climatology, caplog):
    root, _ = depressed
    result = make_climatology(root, quirks={"MADE-1": Quirks(sea_ice_depression="left_in")})
    low = np.isnan(result["zos"].values[0]) & ~land()
    assert low[-1].sum() > 0.5 * N_COLUMNS
    assert not low[:-1].any()
    assert result.attrs["cells_masked_under_sea_ice"] == low.sum()
    assert f"{low.sum()} cells below -2.5 m under sea ice are masked" in caplog.text
    weights = np.where(np.isnan(result["zos"].values[0]), 0, fixed_field("areacello"))
    assert np.average(np.nan_to_num(result["zos"].values[0]), weights=np.nan_to_num(weights)) == pytest.approx(
        0, abs=1e-9
    )


@pytest.mark.parametrize("no_ice", [None, 0.0, np.nan, 1e20])
def test_depression_is_added_back_from_the_masses_of_ice_and_snow(root, make_climatology, depressed, no_ice):
    """Also those of winter ice alone, which is missing in summer in some models."""
    _, ice = depressed
    for name, share in (("simass", 0.9), ("sisnmass", 0.1)):
        target = folder(
            root, name, source_id="MADE-1", experiment_id="historical", variant_label="r1i1p1f1", table_id="SImon"
        )
        target.mkdir(parents=True)
        for path in files(root, "zos"):
            with xr.open_dataset(path, decode_cf=False) as dataset:
                mass = xr.zeros_like(dataset["zos"]) + share * ice
                if no_ice is not None:  # 181 days of 365 hold the mass of the year
                    winter = xr.DataArray(np.arange(mass.sizes["time"]) % 12 < 6, dims="time")
                    mass = (mass * 365 / 181).where(winter & (mass != 0), no_ice)
                mass = mass.assign_attrs(units="kg m-2")
                dataset.drop_vars("zos").assign({name: mass}).to_netcdf(
                    target / path.name.replace("zos_Omon", f"{name}_SImon")
                )
    result = make_climatology(root, quirks={"MADE-1": Quirks(sea_ice_depression="left_in")})
    write_series(root, "zos", years(1850, 1853), seed=0)
    expected = make_climatology(root)["zos"].values
    np.testing.assert_allclose(result["zos"].values, expected, atol=1e-5)
    assert "simass" not in result
    assert "sha256" in result.attrs["files_simass"]


def test_enclosed_seas_are_land_where_so_set(root, make_climatology):
    whole = make_climatology(root)
    result = make_climatology(root, masked_basins=("arctic_ocean",))
    lost = np.isfinite(whole["zos"].values[0]) & np.isnan(result["zos"].values[0])
    lat = np.broadcast_to(centres()[0][:, None], lost.shape)
    assert lost.any()
    assert (lat[lost] > 60).all()
    assert (result["sftof"].values[lost] == 0).all()
