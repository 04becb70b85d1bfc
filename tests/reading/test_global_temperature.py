"""Global mean temperature: weights of cells and months, runs without, and what is missing."""

import numpy as np
import pytest
import xarray as xr

from tests.made_archive import N_COLUMNS, N_ROWS, centres, write_run, write_series, years
from tests.reading.conftest import WINDOWS
from thor.core.errors import DataError
from thor.reading import global_temperature as module
from thor.reading.archive import Archive
from thor.reading.global_temperature import global_temperature, plan_temperatures
from thor.reading.warming_levels import warming_of_runs

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
CONTROL = {
    "parent_experiment_id": "piControl",
    "parent_source_id": "MADE-1",
    "parent_variant_label": "r1i1p1f1",
    "branch_time_in_child": 0.0,
    "branch_time_in_parent": 0.0,
    "parent_time_units": "days since 0001-01-01",
}


def write_temperature(root, months, values, **options):
    write_series(root, "tas", months, values=values.astype("float32"), table_id="Amon", **options)


def by_latitude(months):
    """Return 280 K + 10 K sin2(lat), whose global mean is 280 K + 10/3 K, + 1 K in Januaries."""
    lat = np.deg2rad(centres()[0])[:, None] * np.ones(N_COLUMNS)
    return 280 + 10 * np.sin(lat) ** 2 + (np.asarray(months) % 12 == 0)[:, None, None]


def plans(root):
    archive = Archive(root)
    return {plan.run.experiment_id: plan for plan in plan_temperatures(archive, archive.runs(**ALL))}


def test_cells_are_weighted_by_area_and_months_by_length(root):
    write_temperature(root, years(1850, 1853), by_latitude(years(1850, 1853)), attrs=CONTROL)
    tas = global_temperature(plans(root)["historical"])
    assert (tas["tas"].attrs["units"], tas.attrs["parent"]) == ("K", "MADE-1/piControl/r1i1p1f1")
    np.testing.assert_array_equal(tas["year"], [1850, 1851, 1852, 1853])
    lat = np.deg2rad(centres()[0])
    mean = np.average(np.sin(lat) ** 2, weights=np.cos(lat))
    np.testing.assert_allclose(tas["tas"], 280 + 10 * mean + 31 / 365, rtol=1e-6)
    # 20-degree rows: the exact mean of sin2(lat) is 1/3
    assert mean == pytest.approx(1 / 3, abs=0.02)
    assert len(tas.attrs["files"].splitlines()) == 2 and "hdl:21.14100" in tas.attrs["files"]


@pytest.mark.parametrize("cyclic", [True, False])
def test_a_column_that_is_repeated_counts_once_and_half_of_the_earth_has_no_global_mean(root, cyclic):
    months = years(1850, 1853)
    values = by_latitude(months) + 10 * (np.arange(N_COLUMNS) == 0)
    write_temperature(root, months, values)
    expected = global_temperature(plans(root)["historical"])["tas"]
    for path in root.rglob("tas_*.nc"):
        with xr.open_dataset(path, decode_times=False) as stored:
            dataset = stored.load()
        path.unlink()
        first = dataset.isel(lon=[0]).assign_coords(lon=dataset["lon"][:1] + 360)
        longer = xr.concat([dataset, first], "lon", data_vars="minimal")
        (longer if cyclic else dataset.isel(lat=slice(5))).to_netcdf(path)
    if cyclic:
        np.testing.assert_allclose(global_temperature(plans(root)["historical"])["tas"], expected, rtol=1e-9)
    else:
        with pytest.raises(DataError, match="tas: its cells cover 59% of the Earth; expected all of it. Get the file"):
            global_temperature(plans(root)["historical"])


def test_any_number_of_years_at_once_gives_the_same(root, monkeypatch):
    months = years(1850, 1853)
    values = by_latitude(months) + np.random.default_rng(0).normal(size=(months.size, N_ROWS, N_COLUMNS))
    write_temperature(root, months, values)
    at_once = global_temperature(plans(root)["historical"])
    monkeypatch.setattr(module, "SUMS_BYTES", 8 * 3 * N_ROWS * N_COLUMNS)
    assert global_temperature(plans(root)["historical"]).identical(at_once)


def test_runs_without_temperature_have_no_plan_and_unreadable_files_say_so(root):
    write_run(root, experiment_id="ssp585", first=1854, last=1857, fixed=False)
    write_temperature(root, years(1850, 1853), by_latitude(years(1850, 1853)))
    found = plans(root)
    assert set(found) == {"historical"} and found["historical"].series is not None
    path = found["historical"].series.files[0].path
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read as NetCDF.*damaged or truncated"):
        global_temperature(plans(root)["historical"])


def test_a_damaged_delivery_on_one_grid_does_not_cost_the_other(root, caplog):
    months = years(1850, 1853)
    write_temperature(root, months, by_latitude(months))
    write_temperature(root, months, by_latitude(months), grid_label="gr")
    native, other = (sorted(root.rglob(f"tas/{label}/*/*.nc")) for label in ("gn", "gr"))
    assert plans(root)["historical"].series.files[0].path == native[0]
    native[1].write_bytes(b"<html>")
    assert plans(root)["historical"].series.files[0].path == other[0]
    assert f"tas is read on grid 'gr'. {native[1]} (6 bytes) cannot be read" in caplog.text


def test_a_branch_without_date_costs_no_warming_level(root):
    months, undated = years(1850, 1853), CONTROL | {"branch_time_in_parent": "N/A"}
    for experiment, warming, attrs in (("historical", 0, undated), ("1pctCO2", 2, undated), ("piControl", 0, {})):
        write_temperature(root, months, by_latitude(months) + warming, experiment_id=experiment, attrs=attrs)
    found = {plan.run.key: global_temperature(plan) for plan in plans(root).values()}
    assert found["MADE-1/historical/r1i1p1f1"].attrs["parent"] == "MADE-1/piControl/r1i1p1f1"
    warming = warming_of_runs({key: lambda key=key: found[key] for key in found}, WINDOWS)["MADE-1/1pctCO2/r1i1p1f1"]
    np.testing.assert_allclose(warming.values, 2, atol=1e-4)
    assert warming.reference == "MADE-1/piControl/r1i1p1f1"


def test_degrees_celsius_with_units_of_kelvin_are_an_error(root):
    """Else a scenario stored so, beside historical in kelvin, would cool."""
    months = years(1850, 1853)
    write_temperature(root, months, by_latitude(months) - 273.15)
    with pytest.raises(
        DataError, match="tas: global means run from 10.* K; expected 100 to 400. Has the file other units"
    ):
        global_temperature(plans(root)["historical"])


@pytest.mark.parametrize("kind", ["month", "cell"])
def test_a_missing_month_or_cell_is_an_error(root, kind):
    months = years(1850, 1853)
    values = by_latitude(months)
    if kind == "month":
        keep = months != 12 * 1851 + 5
        months, values = months[keep], values[keep]
    else:
        values[3, 1, 1] = np.nan
    write_temperature(root, months, values)
    lacking = r"lacks 1 of 12 months: 1851-06. Get the missing files or choose other windows\.$"
    message = lacking if kind == "month" else "cells are missing.*warming_level_table"
    with pytest.raises(DataError, match=message):
        global_temperature(plans(root)["historical"])
