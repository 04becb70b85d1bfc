"""Transports in density classes: each step is binned, against the truth; bounded memory, checkpoints, odd files."""

import tracemalloc
from types import SimpleNamespace

import gsw
import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from tests.reading.test_transports import SETTINGS, bottom_first, from_180_west, north_to_south, twice_as_deep
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import DataError, GridError, IncompleteWindowError, UnitsError
from thor.core.warn import warn_once
from thor.ocean.basins import basin_codes
from thor.ocean.density import SIGMA2_EDGES, transports_in_density_classes
from thor.ocean.grid import Grid, with_bounds
from thor.ocean.idealized.archive import idealized_archive
from thor.ocean.idealized.hydrography import tracer_factors, tracer_patterns
from thor.ocean.idealized.scenarios import runs_of
from thor.ocean.idealized.vertical import LEVEL_EDGES, level_bounds, transport_factors, vertical_structure
from thor.reading import sigma2_sums, transports_sigma2
from thor.reading.archive import Archive
from thor.reading.plans import plan_runs
from thor.reading.series import read_series
from thor.reading.transport_points import TPoints
from thor.reading.transports import plan_transports, transport_climatology
from thor.reading.windows import Window
from thor.tracking.overturning import overturning

EXPERIMENT = "abrupt-4xCO2"
MADE = ARCHIVE.replace(experiments=("piControl", EXPERIMENT), density_models=3)
NAMES = ("umo", "vmo", "thetao", "so")


def write(archive, root, edit=lambda dataset: dataset):
    for key, (_, make) in idealized_archive(archive, seed=SEED).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        (make() if "/Amon/" in key or "/fx/" in key else edit(make())).to_netcdf(path, format="NETCDF4")
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive of the three idealized models with temperature and salinity beside their transports."""
    return write(MADE, tmp_path_factory.mktemp("archive"))


@pytest.fixture
def one(made, tmp_path):
    """Links to the files of the regular model, to be replaced by odd ones."""
    for file in made.rglob("*.nc"):
        if "IDEAL-REG" in str(file):
            path = tmp_path / file.relative_to(made)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(file)
    return tmp_path


def parts_of(root, *, missing="error"):
    archive = Archive([str(root)])
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, SETTINGS.windows, missing=missing)
    parts = list(plan_transports(plans, missing=missing))
    return parts, list(transports_sigma2.with_tracers(parts, missing=missing))


def read(root, wanted=EXPERIMENT):
    parts = [part for part in parts_of(root)[1] if wanted in part.key]
    return {part.key: transports_sigma2.transports_sigma2(part, SETTINGS, NoCheckpoint()) for part in parts}


def change(root, name, edit):
    """Replace the files of a variable of the warming run by an edited copy."""
    for link in list(root.rglob(f"{name}_Omon_IDEAL-REG_{EXPERIMENT}*.nc")):
        with xr.open_dataset(link, decode_times=False) as dataset:
            edited = edit(dataset.load())
        edited[name].attrs = dataset[name].attrs | edited[name].attrs
        link.unlink()
        edited.to_netcdf(link)


def test_sums_over_the_classes_are_the_depth_sums(made):
    parts, binned = parts_of(made)
    assert len(parts) == len(binned) == 12
    for part in binned:
        found = transports_sigma2.transports_sigma2(part, SETTINGS, NoCheckpoint())
        column = transport_climatology(part, SETTINGS, NoCheckpoint())
        assert found["vmo"].dtype == np.float32 and found["vmo"].dims[0] == "sigma2"
        for name in ("umo", "vmo"):
            expected = column[f"{name}_column"].fillna(0)
            difference = abs(found[name].astype(float).sum("sigma2") - expected)
            assert float(difference.max()) < 2e-7 * float(abs(expected).max())
            used = SIGMA2_EDGES[:-1][(abs(found[name]) > 0).any(found[name].dims[1:])]
            assert used.min() < 35 and used.max() > 36.5
        assert found.attrs["window"] == str(part.window) and "thetao_Omon" in found.attrs["files_thetao"]
        assert found.attrs["binned"] == "3 time steps of 12 months each, then averaged"


def true_overturning(run, years):
    """Return psi [Sv] of shape (n_rows, n_classes) along the rows of v faces, from the fields before rounding."""
    model, structure = run.solved_model(), vertical_structure(run.model, seed=SEED)[1]
    flows, tracers = run.annual_means(transport_factors(run)), run.annual_means(tracer_factors(run))
    lat, lon, psi = model.grid.t.lat, model.grid.t.lon, np.zeros((len(model.grid.t.lat), SIGMA2_EDGES.size - 1))
    floor = np.where(model.geography.mask, model.geography.depth, 0.0)
    for year in years:
        for level, (top, bottom) in enumerate(level_bounds()):
            thetao, so = (
                np.where(floor > top, np.tensordot(tracers[year], tracer_patterns(model, name, level), axes=1), np.nan)
                for name in ("thetao", "so")
            )
            salinity = gsw.SA_from_SP(so, gsw.p_from_z(-0.5 * (top + bottom), lat), lon, lat)
            density = gsw.sigma2(salinity, gsw.CT_from_pt(salinity, thetao))
            flow = np.tensordot(flows[year], structure.patterns(level), axes=1)
            for row in range(len(lat) - 1):
                open_ = flow[row] != 0
                of_face = 0.5 * (density[row] + density[row + 1])[open_]
                psi[row] += np.histogram(of_face, SIGMA2_EDGES, weights=flow[row][open_])[0] / 1e6 / len(years)
    return np.cumsum(psi, axis=1)


def global_overturning(transports, latitudes):
    """Return psi [Sv], global, shape (n_lines, n_classes)."""
    grid = Grid.from_dataset(transports)
    found = overturning(
        transports,
        [(np.arange(grid.lat.size), np.ones((1, grid.lat.size, 1)))],
        basin=basin_codes(grid, ocean=np.ones(grid.shape, bool)),
        regimes=("all",),
        level=0.9,
        reference_density=1029.0,
        latitudes=latitudes,
    )
    return found["overturning"].sel(basin="global").transpose("lat", "sigma2").fillna(0).values


def test_overturning_in_density_classes_is_the_true_one(one):
    model = MADE.models[0]
    run = next(r for r in runs_of(MADE, model, seed=SEED) if r.experiment_id == EXPERIMENT)
    edges = run.solved_model().grid.v.lat[:-1, 0]
    windows = {key.rpartition("/")[2]: found for key, found in read(one).items()}
    assert list(windows) == ["1850-1852", "1853-1855"]
    for number, found in enumerate(windows.values()):
        truth = true_overturning(run, range(3 * number, 3 * number + 3))[:-1]
        assert np.abs(truth).max() > 15
        # rounding moves single faces to another class, each of which changes psi at the one edge that it crosses
        difference = np.abs(global_overturning(found, edges) - truth)
        assert difference.max() < 0.3 and np.count_nonzero(difference > 0.005) <= 3


def test_binned_steps_differ_from_binned_means_where_the_ocean_warms(one):
    part = next(part for part in parts_of(one)[1] if EXPERIMENT in part.key)
    found = transports_sigma2.transports_sigma2(part, SETTINGS, NoCheckpoint())
    means = transport_climatology(part, SETTINGS, NoCheckpoint())
    for name in ("thetao", "so"):
        with xr.open_dataset(part.plan.tracers[name].files[0].path, decode_times=False) as file:
            means[name] = (("lev", "lat", "lon"), file[name][:3].mean("time").values, file[name].attrs)
    of_means = transports_in_density_classes(means)
    lines = np.arange(-60.0, 61.0, 10.0)
    apart = np.abs(global_overturning(found, lines) - global_overturning(of_means, lines))
    assert apart[:, -1].max() < 1e-4  # both have the same depth sums
    assert apart.max() > 1


@pytest.mark.parametrize("stored", [north_to_south, from_180_west, bottom_first])
def test_the_order_in_which_the_files_are_stored_does_not_matter(made, tmp_path, stored):
    archive = MADE.replace(models=MADE.models[:1], experiments=("piControl",), n_years=3)
    found = [
        read(write(archive, tmp_path / name, edit), "piControl") for name, edit in (("a", lambda d: d), ("b", stored))
    ]
    ((first,), (second,)) = (list(windows.values()) for windows in found)
    for name in ("umo", "vmo"):
        np.testing.assert_array_equal(first[name], second[name])


def test_faces_on_the_other_side_of_the_cells_and_volume_transports(one):
    expected = read(one)

    def on_western_faces(dataset):
        step = float(dataset["lon"][1] - dataset["lon"][0])
        lon = (dataset["lon"] - step).assign_attrs(dataset["lon"].attrs)
        moved = dataset.drop_vars("lon_bnds").assign_coords(lon=lon)
        return moved.assign(umo=dataset["umo"].roll(lon=1, roll_coords=False).assign_coords(lon=lon))

    change(one, "umo", on_western_faces)
    change(one, "vmo", lambda d: d.assign(vmo=(d["vmo"] / 1029.0).assign_attrs(units="m3 s-1")))
    for key, found in read(one).items():
        np.testing.assert_array_equal(found["umo"], expected[key]["umo"])
        np.testing.assert_allclose(found["vmo"], expected[key]["vmo"], rtol=1e-5, atol=1e3)


def test_land_without_a_declared_fill_value_has_no_density(one):
    expected = read(one)
    change(one, "thetao", lambda d: d.fillna(0.0))
    change(one, "so", lambda d: d.fillna(0.0))
    for name in ("umo", "vmo"):
        change(one, name, lambda d: d.fillna(9.9e36))
    for key, found in read(one).items():
        for name in ("umo", "vmo"):
            np.testing.assert_array_equal(found[name], expected[key][name])


def test_a_part_of_the_temperature_that_was_not_written_is_named(one, caplog):
    warn_once.cache_clear()
    read(one)
    assert "exactly 0" not in caplog.text

    def with_hole(dataset):
        values = dataset["thetao"].values.copy()
        hole = values[0, 2, 20:30, 40:60]
        hole[np.isfinite(hole)] = 0.0
        return dataset.assign(thetao=(dataset["thetao"].dims, values))

    change(one, "thetao", with_hole)
    read(one)
    words = "'thetao' is exactly 0 in more than 1% of the water of a level. Is it damaged, or a part of it not written?"
    assert caplog.text.count(words) == len(list(one.rglob(f"thetao_Omon_IDEAL-REG_{EXPERIMENT}*.nc"))) == 1


class Kept(dict):
    """A checkpoint in memory."""

    load = dict.get
    save = dict.__setitem__


def test_sums_are_continued_and_no_step_is_binned_twice(one, monkeypatch):
    part = next(part for part in parts_of(one)[1] if EXPERIMENT in part.key)
    whole = transports_sigma2.transports_sigma2(part, SETTINGS, NoCheckpoint())
    binned, add = [], sigma2_sums._add

    def stopping(sums, step, fields, ocean):
        if len(binned) == 2:
            binned.append("stopped")
            raise KeyboardInterrupt
        binned.append(step)
        add(sums, step, fields, ocean)

    monkeypatch.setattr(sigma2_sums, "KEPT_AFTER", 1)
    monkeypatch.setattr(sigma2_sums, "_add", stopping)
    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        transports_sigma2.transports_sigma2(part, SETTINGS, kept)
    assert list(kept) == ["sigma2"] and kept["sigma2"].attrs["n_steps"] == 2
    continued = transports_sigma2.transports_sigma2(part, SETTINGS, kept)
    xr.testing.assert_identical(continued, whole)
    assert len(binned) == 4
    # sums of other files are not continued
    kept["sigma2"].attrs["identity"] = "another"
    xr.testing.assert_identical(transports_sigma2.transports_sigma2(part, SETTINGS, kept), whole)
    assert len(binned) == 7


def test_salinity_in_kg_kg_1_is_converted(one, caplog):
    warn_once.cache_clear()
    key = next(key for key in read(one) if EXPERIMENT in key)
    expected = read(one)[key]["umo"].values
    for factor in (1.0, 1000.0):
        caplog.clear()
        change(one, "so", lambda d, f=factor: d.assign(so=(d["so"] / f).assign_attrs(d["so"].attrs | {"units": "1"})))
        found = read(one)[key]["umo"].values
        # rounding puts a few faces into the next class
        assert np.nanmean(np.abs(found - expected)) < 1e-3 * np.nanmean(np.abs(expected))
        assert ("'so' with units '1' is below 1 everywhere: taken in kg kg-1" in caplog.text) == (factor == 1000)


def as_months(dataset):
    """Eight years of single months, all with the values of the first year."""
    attrs = {name: value for name, value in dataset["time"].attrs.items() if name != "bounds"}
    months = ("time", 15.0 + 365.0 / 12 * np.arange(96), attrs)
    return dataset.drop_vars("time_bnds").isel(time=[0] * 96).assign_coords(time=months)


FAULTS = {
    "on other levels": ("thetao", twice_as_deep, DataError, "thetao_Omon.* has 6 levels from 50 to 11500 m, umo_"),
    "of fewer levels": (
        "so",
        lambda d: d.isel(lev=slice(4)),
        DataError,
        "so_Omon.* has 4 levels from 25 to 1500 m, umo_.* 6",
    ),
    "on other cells": (
        "thetao",
        lambda d: d.assign_coords(lon=d["lon"] + 2.5).drop_vars("lon_bnds"),
        GridError,
        "'thetao' does not lie on the cells of 'zos'",
    ),
    "of another grid": ("so", lambda d: d.isel(lon=slice(1, None)), GridError, "'so' does not lie on the cells"),
    "of months": (
        "thetao",
        as_months,
        DataError,
        "'thetao' has 36 time steps of 1 months, 'umo' 3 of 12; .* same times",
    ),
    "in kelvin": (
        "thetao",
        lambda d: d.assign(thetao=(d["thetao"] + 273.15).assign_attrs(units="K")),
        UnitsError,
        "'thetao' has units 'K'; expected one of 'degC'",
    ),
    "in kelvin by its values": (
        "thetao",
        lambda d: d.assign(thetao=d["thetao"] + 273.15),
        DataError,
        "'thetao' runs from 27.* degC; expected -5 to 60. Has the file other units, such as K",
    ),
    "in kg kg-1 by its values": (
        "so",
        lambda d: d.assign(so=(d["so"] / 1000).assign_attrs(d["so"].attrs)),
        DataError,
        "'so' is at most 0.03.* on a level, in '1e-3'; expected about 35",
    ),
    "of another run": ("so", lambda d: d.assign_attrs(variant_label="r7i1p1f1"), DataError, "variant_label is 'r7"),
    "without one year": ("so", lambda d: d.isel(time=slice(1, None)), IncompleteWindowError, "so: the window .* lacks"),
    "missing at sea": (
        "thetao",
        lambda d: d.assign(thetao=d["thetao"].where(d["lat"] < 0)),
        DataError,
        "transports water through .* faces of level 0 beside which 'thetao' and 'so' are missing",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_temperature_or_salinity_is_named_and_costs_the_density_classes_only(one, fault):
    name, edit, error, message = FAULTS[fault]
    change(one, name, edit)
    with pytest.raises(error, match=message):
        read(one)
    parts, binned = parts_of(one, missing="skip")
    assert len(parts) == 4
    for part in binned:
        if EXPERIMENT in part.key and "1850" in part.key:
            with pytest.raises(error, match=message):
                transports_sigma2.transports_sigma2(part, SETTINGS, NoCheckpoint())
    assert len(transport_climatology(parts[0], SETTINGS, NoCheckpoint())["umo"].lev) == LEVEL_EDGES.size - 1


def test_a_year_without_transports_is_named(one):
    for name in ("umo", "vmo"):
        change(one, name, lambda d, name=name: d.assign({name: d[name].where(d["time"] > 400)}))
    with pytest.raises(DataError, match=r"'umo' is 0 or missing in all of 1850-01. Is umo_Omon_.*\.nc damaged"):
        read(one)


def test_transports_that_fail_their_checks_are_not_binned(one):
    change(one, "vmo", lambda d: d.assign(vmo=(-d["vmo"]).assign_attrs(d["vmo"].attrs)))
    _, binned = parts_of(one, missing="skip")
    with pytest.raises(DataError, match="the transports do not balance"):
        transports_sigma2.transports_sigma2(next(iter(binned)), SETTINGS, NoCheckpoint())


@pytest.mark.parametrize("names", [("thetao",), ("so",), ("thetao", "so")])
def test_without_temperature_or_salinity_nothing_changes(one, names):
    marks = [transports_sigma2.sigma2_marks(parts_of(one)[1], SETTINGS)]
    for name in names:
        for file in one.rglob(f"{name}_*.nc"):
            file.unlink()
    parts, binned = parts_of(one)
    assert len(parts) == 4 and binned == [] and len(marks[0]) == 4


@pytest.mark.parametrize("piece", [10, 30])  # levels that the files store together
def test_memory_is_that_of_both_sums_and_a_few_levels(tmp_path, monkeypatch, piece):
    """Sums over 1440 x 1080 cells, 70 % of them at sea, and blocks of 25 of 75 levels stay below 3 GB."""
    shape, n_years, n_levels = (30, 120, 160), 3, 10
    monkeypatch.setattr(sigma2_sums, "LEVELS_AT_ONCE", n_levels)
    rng = np.random.default_rng(0)
    for name, values in {"umo": 1e6, "vmo": -1e6, "thetao": 12.0, "so": 35.0}.items():
        with netCDF4.Dataset(tmp_path / f"{name}.nc", "w") as file:
            for dim, size in zip(("time", "lev", "y", "x", "bnds"), (n_years, *shape, 2), strict=True):
                file.createDimension(dim, size)
            time = file.createVariable("time", "f8", ("time",))
            time.units, time.calendar, time.bounds = "days since 1850-01-01", "noleap", "time_bnds"
            edges = 365.0 * np.arange(n_years + 1)
            time[:] = (edges[1:] + edges[:-1]) / 2
            file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack([edges[:-1], edges[1:]], axis=1)
            field = file.createVariable(
                name, "f4", ("time", "lev", "y", "x"), zlib=True, chunksizes=(1, piece, *shape[1:]), fill_value=1e20
            )
            field.units = {"thetao": "degC", "so": "1e-3"}.get(name, "kg s-1")
            for year in range(n_years):
                field[year] = values * rng.uniform(0.9, 1.1, size=shape)
    series = {name: read_series([tmp_path / f"{name}.nc"], name, where="MADE") for name in NAMES}
    plan = SimpleNamespace(
        transports={name: series[name] for name in NAMES[:2]}, tracers={name: series[name] for name in NAMES[2:]}
    )
    steps = transports_sigma2._time_steps(SimpleNamespace(plan=plan, window=Window(1850, 1852)))
    lat, lon = np.linspace(-80, 80, shape[1]), np.linspace(1, 359, shape[2])
    points, n_cells, n_classes = TPoints(with_bounds(lat, lon)), shape[1] * shape[2], SIGMA2_EDGES.size - 1
    ocean = sigma2_sums.BinnedOcean(
        points=points,
        depths=np.linspace(10, 5000, shape[0]),
        offsets={"umo": (0, 1), "vmo": (1, 0)},
        faces={name: np.arange(n_cells) for name in ("umo", "vmo")},
    )
    tracemalloc.start()
    sums = sigma2_sums.sums_by_class(ocean, steps, mark="", checkpoint=NoCheckpoint())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sums["umo"].sum() == pytest.approx(3 * 365 * 1e6 * 30 * n_cells, rel=1e-2)
    of_sums, of_grid, of_level = 16 * n_classes, 450, 15
    assert peak / n_cells < of_sums + of_grid + n_levels * of_level
    assert 1440 * 1080 * (0.7 * of_sums + of_grid + 25 * of_level) < 3e9
