"""The months of time steps: axes that cannot be read cost one run, steps without bounds are in their own month."""

import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.made_archive import write_run, write_series, years
from thor.core.errors import DataError
from thor.reading.archive import Archive
from thor.reading.plans import plan_runs
from thor.reading.series import read_header, read_series
from thor.reading.time_axis import clean_units, named_months


def first_file(root, source_id="MADE-1"):
    return min((root / "CMIP6").rglob(f"zos_Omon_{source_id}_*.nc"))


def set_last(name, value):
    def change(file):
        file[name][-1] = value

    return change


def without_bounds(change):
    def both(file):
        file["time"].delncattr("bounds")
        change(file)

    return both


ODD = [
    (set_last("time_bnds", 9.969209968386869e36), "2 of 48 values of 'time_bnds' are missing"),
    (set_last("time_bnds", np.nan), "2 of 48 values of 'time_bnds' are missing"),
    (set_last("time_bnds", 1e14), "cannot be read"),
    (without_bounds(set_last("time", 9.969209968386869e36)), "1 of 24 values of 'time' are missing"),
    (lambda file: file["time"].setncattr("units", "days since 1850/01/01"), "'days since 1850/01/01'.* cannot be read"),
    (lambda file: file["time"].setncattr("bounds", "lat"), "cannot be read"),
]


@pytest.mark.parametrize(("change", "message"), ODD)
def test_a_time_axis_that_cannot_be_read_costs_its_run_alone(root, windows, change, message):
    write_run(root, source_id="ODD-1")
    path = first_file(root, "ODD-1")
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_mask(False)
        change(file)
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        read_header(path, "zos")
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, windows, missing="skip")
    assert [plan.run.source_id for plan in plans] == ["MADE-1"]
    assert [run.source_id for run in plans.left_out] == ["ODD-1"]


def edit(path, change):
    with netCDF4.Dataset(path, "a") as file:
        file["time"].delncattr("bounds")
        file["time"][:] = change(file["time"][:], file["time_bnds"][:])
    return path


@pytest.mark.parametrize(
    ("stamp", "warned"),
    [
        (lambda time, edges: edges[:, 1], 1),
        (lambda time, edges: edges[:, 0], 0),
        (lambda time, edges: edges.mean(axis=1), 0),
        (lambda time, edges: edges[:, 1] - 0.5, 0),
    ],
)
def test_the_month_of_steps_without_bounds_follows_from_the_name_of_the_file(root, caplog, stamp, warned):
    for path in sorted((root / "CMIP6").rglob("zos_*.nc")):
        expected = read_header(path, "zos")
        header = read_header(edit(path, stamp), "zos")
        np.testing.assert_array_equal(header.months, expected.months)
        np.testing.assert_array_equal(header.days, expected.days)
    np.testing.assert_array_equal(header.months, years(1852, 1853))
    assert caplog.text.count("MADE-1: steps without bounds are stamped at the end of the month") == warned


@pytest.mark.parametrize(
    ("span", "side"),
    [("1850-1851", 1), ("18500101-18511231", 1), ("184901-185112", 1), ("185001-190012", 0)],
)
def test_years_and_days_in_the_name_count_and_the_file_may_be_cut(root, span, side):
    path = edit(first_file(root), lambda time, edges: edges[:, side])
    header = read_header(path.rename(path.with_name(f"zos_MADE-1_{span}.nc")), "zos")
    np.testing.assert_array_equal(header.months, years(1850, 1851))


@pytest.mark.parametrize("name", ["zos_{:%Y%m}.nc", "zos_{:%Y-%m}.nc", "zos_y{:%Ym%m}.nc", "zos_{:%Y%m}-{:%Y%m}.nc"])
@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_files_of_a_month_or_a_few_have_their_months_wherever_they_are_stamped(root, caplog, name, length, share):
    path = edit(first_file(root), lambda time, edges: (1 - share) * edges[:, 0] + share * edges[:, 1])
    with xr.open_dataset(path, decode_times=False) as dataset:
        stored = dataset.load()
    path.unlink()
    parts = []
    for start in range(0, 24, length):
        dates = (np.datetime64("1850-01") + k for k in (start, start + length - 1))
        parts.append(path.with_name(name.format(*(date.astype(object) for date in dates))))
        stored.isel(time=slice(start, start + length)).to_netcdf(parts[-1])
    series = read_series(parts, "zos", where="MADE-1")
    np.testing.assert_array_equal(series.months, years(1850, 1851))
    assert "other months" not in caplog.text


@pytest.mark.parametrize("name", ["zos.nc", "zos_184901-185212.nc", "zos_185001-185111.nc"])
@pytest.mark.parametrize("side", [0, 1])
def test_steps_at_midnight_between_months_need_bounds_or_a_name_with_months(root, name, side):
    path = edit(first_file(root), lambda time, edges: edges[:, side])
    path = path.rename(path.with_name(name))
    with pytest.raises(
        DataError, match=f"{name}: its steps have no bounds .*expected bounds, or the first and last month"
    ):
        read_header(path, "zos")


@pytest.mark.parametrize("edges", [lambda edges: edges - 3650, lambda edges: 0 * edges])
def test_bounds_that_do_not_lie_around_their_steps_give_no_months(root, caplog, edges):
    path = first_file(root)
    with netCDF4.Dataset(path, "a") as file:
        file["time"][:] = file["time_bnds"][:].mean(axis=1)
        file["time_bnds"][:] = edges(file["time_bnds"][:])
    np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))
    assert caplog.text.count("MADE-1: time bounds do not lie around their time steps; months are those of the") == 1


def test_the_order_of_both_bounds_does_not_matter(root, caplog):
    path = first_file(root)
    with netCDF4.Dataset(path, "a") as file:
        edges = file["time_bnds"][:]
        file["time"][:], file["time_bnds"][:] = edges[:, 1], edges[:, ::-1]
    header = read_header(path.rename(path.with_name("zos_Omon_MADE-1_gn.nc")), "zos")
    np.testing.assert_array_equal(header.months, years(1850, 1851))
    assert not caplog.text


@pytest.mark.parametrize("steps", [lambda time: time + 3650, lambda time: np.where(time > 100, time, 9.97e36)])
def test_bounds_count_where_the_name_of_the_file_has_their_months_and_not_those_of_its_steps(root, caplog, steps):
    path = first_file(root)
    with netCDF4.Dataset(path, "a") as file:
        file["time"][:] = steps(file["time"][:])
    np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))
    assert not caplog.text


def test_parts_of_a_store_in_the_cloud_have_no_months_in_their_names_and_are_read_as_stamped(root, caplog):
    path = edit(first_file(root), lambda time, edges: edges[:, 0])
    (path.parent / ".complete").touch()
    for name in ("zos_Omon_MADE-1_gn_000240.nc", "zos_Omon_MADE-1_gn_185001.nc"):
        path = path.rename(path.with_name(name))
        np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))
    assert "steps without bounds at midnight are taken for the start of their month" in caplog.text


@pytest.mark.parametrize(
    ("bounds", "every", "words"),
    [
        (None, 12, "365 days apart"),
        (None, 3, "90.5 to 92 days apart"),
        (None, 0.03, "0.913 days apart"),
        ("time_bnds", 3, "90 to 92 days long by their bounds"),
        ("time_bnds", 24, "730 days long by their bounds"),
        ("time_bnds", 0.03, "0.913 days long by their bounds"),
    ],
)
def test_steps_that_are_no_months_are_named_with_their_length(root, bounds, every, words):
    path = first_file(root)
    with xr.open_dataset(path, decode_times=False) as stored:
        edges = [*stored["time_bnds"].values[:, 0].tolist(), 730.0]
        dataset = stored.drop_vars("time_bnds").load()
    path.unlink()
    edges = np.array(edges[::every] if every > 1 else [every * 30.4375 * k for k in range(25)])
    dataset = dataset.isel(time=slice(edges.size - 1))
    attrs = {"units": "days since 1850-01-01", "calendar": "noleap"} | ({"bounds": bounds} if bounds else {})
    dataset = dataset.assign_coords(time=("time", (edges[1:] + edges[:-1]) / 2, attrs))
    dataset.assign(time_bnds=(("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))).to_netcdf(path)
    with pytest.raises(DataError, match=f"its time steps are {words}; expected means over months"):
        read_header(path, "zos")


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (lambda edges: edges.mean(axis=1)[:, None] + [-9.999, 9.999], None),  # FGOALS-f3-L, KACE-1-0-G, IITM-ESM
        (lambda edges: np.where(edges == edges[-1, 1], edges[-1, 0] + 18, edges), None),
        (lambda edges: np.where(edges == edges[0, 0], edges[0, 0] - 20, edges), None),
        (lambda edges: np.where(edges == edges[0, 0], -600000, edges), "28 to 6e.05 days long"),
        (lambda edges: edges.mean(axis=1)[:, None] + [-5, 5], "10 days long"),
    ],
)
def test_bounds_of_months_may_be_too_short_or_one_too_long(root, bounds, words):
    path = first_file(root)
    with netCDF4.Dataset(path, "a") as file:
        edges = file["time_bnds"][:].data
        file["time"][:] = edges.mean(axis=1)
        file["time_bnds"][:] = bounds(edges)
    if words:
        with pytest.raises(DataError, match=f"its time steps are {words} by their bounds"):
            read_header(path, "zos")
    else:
        np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))


def test_a_time_axis_in_dates_is_named_with_the_remedy(root):
    with netCDF4.Dataset(first_file(root), "a") as file:
        file["time"].units = "day as %Y%m%d.%f"
    with pytest.raises(DataError, match="it has 'day as %Y%m%d.%f'. Store its times in days: cdo setreftime"):
        read_header(first_file(root), "zos")


def test_months_outside_those_in_the_name_of_their_file_are_warned_of(root, caplog):
    paths = sorted((root / "CMIP6").rglob("zos_Omon_MADE-1_*.nc"))
    read_series(paths, "zos", where="MADE-1")
    assert not caplog.text
    with netCDF4.Dataset(paths[0], "a") as file:
        file["time"].units = "days since 1849-11-27"
    read_series(paths, "zos", where="MADE-1")
    words = f"MADE-1 zos: 1 of 2 files have other months .* than by their name: 1849-12 to 1851-11 in {paths[0].name}"
    assert re.search(words, caplog.text)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("bounds", [True, False])
def test_times_without_a_calendar_are_read_in_that_in_which_their_months_fit(tmp_path, caplog, calendar, bounds):
    months = years(1850, 2014)
    paths = write_series(tmp_path, "zos", months, calendar=calendar, n_files=83)
    for path in paths:
        with netCDF4.Dataset(path, "a") as file:
            file["time"].delncattr("calendar")
            if not bounds:
                file["time"][:] = file["time_bnds"][:].mean(axis=1)
                file["time"].delncattr("bounds")
    found = read_series(paths, "zos", where="MADE-1")
    assert found.calendar == calendar
    np.testing.assert_array_equal(found.months, months)
    days = sum(int(file.days.sum()) for file in found.files)
    assert days == {"standard": 365 * 165 + 40, "noleap": 365 * 165, "360_day": 360 * 165}[calendar]
    assert (f"times have no calendar; their months fit in '{calendar}'" in caplog.text) == (calendar != "standard")


@pytest.mark.parametrize(
    ("units", "cleaned"),
    [
        ("days since 1850-01-01", "days since 1850-01-01 0:0"),
        ("days since 0001-01-01-06-30-00", "days since 0001-01-01 06:30"),
        ("hours since 1850-1-1T06:00:00Z", "hours since 1850-1-1 06:00"),
        ("days since 1850-01-01 12", "days since 1850-01-01 12:0"),
        ("days since 0001-01-01 (noleap)", "days since 0001-01-01 0:0"),
        ("days since 1850-01-01 06:00:00.0 UTC", "days since 1850-01-01 06:00"),
        ("Days Since 1850", "Days since 1850-01-01 0:0"),
    ],
)
def test_the_time_of_the_reference_date_counts(root, units, cleaned):
    assert clean_units(units) == cleaned
    path = edit(first_file(root), lambda time, edges: edges[:, 0] - 0.25)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].units = "days since 1850-01-01 06:00:00"
    np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))


def test_years_of_five_digits_are_no_months():
    assert named_months(Path("zos_185003-185111.nc")) == (12 * 1850 + 2, 12 * 1851 + 10)
    assert named_months(Path("zos_1850-1851.nc")) == (12 * 1850, 12 * 1851 + 11)
    assert named_months(Path("zos_18500316-18511116.nc")) == (12 * 1850 + 2, 12 * 1851 + 10)
    assert named_months(Path("zos_1200101-1200412.nc")) is None
    assert named_months(Path("zos_1200101.nc")) is None
    assert named_months(Path("zos_185013.nc")) is None
    assert named_months(Path("zos_1850.nc")) == (12 * 1850, 12 * 1850 + 11)


def test_packed_times_are_unpacked(root):
    path = first_file(root)
    with xr.open_dataset(path, decode_cf=False) as dataset:
        dataset = dataset.load()
    middles = dataset["time_bnds"].mean("bnds").values
    path.unlink()
    attrs = {key: value for key, value in dataset["time"].attrs.items() if key != "bounds"} | {"scale_factor": 0.5}
    times = ("time", np.round(2 * middles).astype("int32"), attrs)
    dataset.drop_vars("time_bnds").assign_coords(time=times).to_netcdf(path)
    np.testing.assert_array_equal(read_header(path, "zos").months, years(1850, 1851))
