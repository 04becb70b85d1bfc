"""Transports of climate models: through the whole reading path against the truth, bounded memory, and odd archives."""

import re
import tracemalloc
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.ocean.idealized.conftest import ARCHIVE, SEED
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import DataError, GridError, IncompleteWindowError
from thor.core.variables import DIAGNOSED_TERMS, TRANSPORTS
from thor.core.warn import warn_once
from thor.ocean.diagnosed_terms import column_transports, diagnosed_terms
from thor.ocean.grid import with_bounds
from thor.ocean.idealized.archive import idealized_archive
from thor.ocean.idealized.scenarios import runs_of
from thor.ocean.idealized.true_budgets import true_budget
from thor.ocean.transport_checks import DRAKE_PASSAGE
from thor.reading import transports
from thor.reading.archive import Archive
from thor.reading.climatology import climatology
from thor.reading.means import window_means
from thor.reading.plans import plan_runs
from thor.reading.quirks import Quirks
from thor.reading.series import read_series
from thor.reading.transport_points import TPoints
from thor.reading.transports import plan_transports, transport_climatology
from thor.reading.windows import ClimatologySettings, Window, WindowSettings

SETTINGS = ClimatologySettings(windows=WindowSettings(length_years=3))
EXPERIMENTS = ("piControl", "abrupt-4xCO2")


def rms(values):
    return float(np.sqrt(np.nanmean(np.square(values))))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive of the three idealized models, without the variants."""
    root = tmp_path_factory.mktemp("archive")
    for key, (_, make) in idealized_archive(ARCHIVE.replace(experiments=EXPERIMENTS), seed=SEED).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(path, format="NETCDF4")
    return root


@pytest.fixture
def one(made, tmp_path):
    """Links to the files of one run, to be replaced by odd ones."""
    for file in made.rglob("*.nc"):
        if "IDEAL-POLE/abrupt" in str(file) or "IDEAL-POLE/piControl" in str(file):
            path = tmp_path / file.relative_to(made)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(file)
    return tmp_path


def plans_of(root, *, missing="error", **quirks):
    archive = Archive([str(root)])
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    named = {run.source_id: Quirks(**quirks) for run in runs} if quirks else None
    return plan_runs(archive, runs, SETTINGS.windows, missing=missing, quirks=named)


def read(root, **quirks):
    parts = plan_transports(plans_of(root, **quirks), missing="error")
    return {part.key: transport_climatology(part, SETTINGS, NoCheckpoint()) for part in parts}


def change(root, name, edit, *, experiment="abrupt-4xCO2"):
    """Replace the files of a variable by an edited copy."""
    for link in list(root.rglob(f"{name}_Omon_IDEAL-POLE_{experiment}*.nc")):
        with xr.open_dataset(link, decode_times=False) as dataset:
            edited = edit(dataset.load())
        link.unlink()
        if edited is not None:
            edited.to_netcdf(link)


def test_planetary_advection_is_the_true_one_in_every_model_and_window(made):
    plans = plans_of(made)
    parts = list(plan_transports(plans, missing="error"))
    datasets = {part.key: transport_climatology(part, SETTINGS, NoCheckpoint()) for part in parts}
    columns = column_transports([plan.run.key for plan in plans], {k: lambda d=d: d for k, d in datasets.items()})
    assert len(columns) == len(plans) == 6
    for plan in plans:
        means = climatology(plan, SETTINGS, NoCheckpoint())
        found = diagnosed_terms(means, columns[plan.run.key], reference_density=1029.0)
        model = next(model for model in ARCHIVE.models if model.source_id == plan.run.source_id)
        runs = runs_of(ARCHIVE.replace(models=(model,), experiments=EXPERIMENTS), model, seed=SEED)
        truth = true_budget(next(run for run in runs if run.key == plan.run.key)).sel(window=found["window"])
        cells = np.broadcast_to(truth["analysis_mask"].values == 1, found["residual_torque"].shape)
        true = truth["planetary_vorticity_advection"].values[cells]
        # required 2 %; measured 0.04 to 0.08 %, the rounding of the files
        assert rms(found["planetary_vorticity_advection"].values[cells] - true) < 0.002 * rms(true)
        assert np.corrcoef(found["transport_planetary_advection"].values[cells], true)[0, 1] > 0.96
        total = found["wind_stress_curl"] + found["planetary_vorticity_advection"] + found["residual_torque"]
        assert rms(total) < 1e-12 * rms(true)
        rest = -(truth["wind_stress_curl"].values[cells] + true)
        # the stress of the bottom, and the curl of published stress
        assert rms(found["residual_torque"].values[cells] - rest) < 0.2 * rms(rest)


def test_levels_and_depth_sums_belong_together(made):
    for key, window in read(made).items():
        assert window["umo"].dtype == np.float32 and window["umo"].dims[0] == "lev"
        np.testing.assert_array_equal(window["lev"], window["lev_bnds"].mean("bnds"))
        np.testing.assert_allclose(
            window["vmo"].sum("lev"), window["vmo_column"].fillna(0), atol=1e-5 * float(abs(window["vmo"]).max())
        )
        assert window.attrs["window"] == key.rpartition("/")[2] and window.attrs["source"] == "umo, vmo"
        assert 0 < window.attrs["drake_passage_sv"] < DRAKE_PASSAGE[1] and window.attrs["net_outflow_ratio"] < 1e-3
        assert "files" in " ".join(window.attrs)


def test_a_run_without_transports_goes_on_without(one):
    for file in one.rglob("[uv]mo_*abrupt*.nc"):
        file.unlink()
    plans = plans_of(one)
    assert len(plans) == 2
    assert {part.plan.run.experiment_id for part in plan_transports(plans, missing="error")} == {"piControl"}


def test_one_component_alone_is_named(one):
    for file in one.rglob("vmo_*abrupt*.nc"):
        file.unlink()
    control, plan = sorted(plans_of(one), key=lambda plan: plan.run.experiment_id, reverse=True)
    assert not plan.transports and control.transports
    assert "it has umo alone: its transports need both umo and vmo" in plan.warnings


def streamfunction(root, sign=1.0, constant=0.0, *, beside=False):
    """Replace umo and vmo of a run by the streamfunction on corners that has these depth sums, or put it beside."""
    model = ARCHIVE.models[1]
    run = next(r for r in runs_of(ARCHIVE, model, seed=SEED) if r.experiment_id == "abrupt-4xCO2")
    solved = run.solved_model()
    paths = list(root.rglob("umo_Omon_IDEAL-POLE_abrupt*.nc"))
    with xr.open_dataset(paths[0], decode_times=False) as dataset:
        umo = dataset.load()
    psi = -umo["umo"].fillna(0).sum("lev").cumsum("j").astype(float) * sign + constant
    out = umo[["time_bnds"]]
    q = solved.grid.q
    out = out.assign_coords({"latitude": (("j", "i"), q.lat), "longitude": (("j", "i"), q.lon)})
    for name, standard in (("latitude", "latitude"), ("longitude", "longitude")):
        out[name].attrs = {"standard_name": standard}
    out["msftbarot"] = (("time", "j", "i"), psi.values, {"units": "kg s-1", "coordinates": "latitude longitude"})
    out.attrs = umo.attrs | {"variable_id": "msftbarot"}
    path = Path(str(paths[0]).replace("umo", "msftbarot"))
    path.parent.mkdir(parents=True)
    out.to_netcdf(path)
    for file in list(root.rglob("[uv]mo_*abrupt*.nc")) if not beside else ():
        file.unlink()


def test_streamfunction_in_place_of_transports(one):
    run = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[run]
    streamfunction(one, constant=7e9)
    found = read(one)[run]
    assert "umo" not in found and found.attrs["source"] == "msftbarot"
    assert found.attrs["drake_passage_sv"] == pytest.approx(expected.attrs["drake_passage_sv"], rel=1e-3)
    for name in ("umo_column", "vmo_column"):
        assert rms(found[name] - expected[name]) < 0.002 * rms(expected[name])


@pytest.mark.parametrize("around", [1, 2, 4])
def test_streamfunction_that_is_missing_at_coasts(one, around):
    """Known where the T point of its index is sea, or at least two or all four around it: masks that models apply."""
    run = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[run]
    streamfunction(one)
    with xr.open_dataset(next(one.rglob("deptho_*IDEAL-POLE*.nc"))) as fixed:
        sea = fixed["deptho"].values > 0
    north = np.vstack([sea[1:], np.zeros_like(sea[:1])])
    n_sea = np.sum([sea, north, np.roll(sea, -1, axis=1), np.roll(north, -1, axis=1)], axis=0)
    known = sea if around == 1 else n_sea >= around
    change(one, "msftbarot", lambda d: d.assign(msftbarot=d["msftbarot"].where(known)))
    if around == 4:
        with pytest.raises(DataError, match=r"1850-1852: 'msftbarot' is missing at one .* of 384 of 2073 .*\(18.5%\)"):
            read(one)
        return
    found = read(one)[run]
    for name in ("umo_column", "vmo_column"):
        np.testing.assert_array_equal(np.isfinite(found[name]), np.isfinite(expected[name]))
        assert rms(found[name] - expected[name]) < 0.002 * rms(expected[name])


@pytest.mark.parametrize("constant", [0.0, 7e9])
def test_streamfunction_that_is_zero_at_all_coasts_is_an_error(one, constant):
    streamfunction(one, constant=constant)
    with xr.open_dataset(next(one.rglob("deptho_*IDEAL-POLE*.nc"))) as fixed:
        sea = fixed["deptho"].values > 0
    north = np.vstack([sea[1:], np.zeros_like(sea[:1])])
    wet = sea & north & np.roll(sea, -1, axis=1) & np.roll(north, -1, axis=1)
    change(one, "msftbarot", lambda d: d.assign(msftbarot=d["msftbarot"].where(wet, 0.0).assign_attrs(units="kg s-1")))
    with pytest.raises(DataError, match=" 0 Sv flow eastward through Drake Passage .* Is msftbarot zero at all"):
        read(one)


def test_reversed_streamfunction_is_an_error_until_it_is_declared(one):
    streamfunction(one, sign=-1.0)
    with pytest.raises(DataError, match=r"IDEAL-POLE/abrupt.*eastward through Drake.*streamfunction_sign: -1"):
        read(one)
    assert read(one, streamfunction_sign=-1)["IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"].attrs["drake_passage_sv"] > 0


def test_volume_transports_are_converted_by_their_units(one):
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[key]

    def as_volume(name):
        return lambda d: d.assign({name: (d[name] / 1029.0).assign_attrs(d[name].attrs | {"units": "m3 s-1"})})

    for name in ("umo", "vmo"):
        change(one, name, as_volume(name))
    np.testing.assert_allclose(read(one)[key]["vmo"], expected["vmo"], rtol=1e-5)


def twice_as_deep(dataset):
    lev = (2 * dataset["lev"]).assign_attrs(dataset["lev"].attrs)
    return dataset.assign(lev_bnds=2 * dataset["lev_bnds"]).assign_coords(lev=lev)


@pytest.mark.parametrize("stated", ["m", "cm", None])
def test_levels_in_centimetres_with_bounds_in_metres(one, caplog, stated):
    """As CESM2 has them; the bounds have units of their own, right or wrong, or none."""
    warn_once.cache_clear()
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[key]["lev_bnds"].values

    def in_centimetres(dataset):
        lev = (100 * dataset["lev"]).assign_attrs(dataset["lev"].attrs | {"units": "centimeters"})
        out = dataset.assign_coords(lev=lev)
        out["lev_bnds"].attrs = {} if stated is None else {"units": stated}
        return out

    for name in ("umo", "vmo"):
        change(one, name, in_centimetres)
    np.testing.assert_allclose(read(one)[key]["lev_bnds"], expected)
    assert ("bounds 'lev_bnds': taken in 'm'; in" in caplog.text) == (stated != "m")


def test_levels_in_centimetres_that_claim_metres_are_named(one):
    def in_centimetres(dataset):
        bounds = (("lev", "bnds"), 100 * dataset["lev_bnds"].values)
        return dataset.assign_coords(lev=100 * dataset["lev"].assign_attrs(units="m")).assign(lev_bnds=bounds)

    for name in ("umo", "vmo"):
        change(one, name, in_centimetres)
    with pytest.raises(DataError, match="reach down to 800000 m; expected levels that begin above 12000 m. Are they"):
        read(one)


@pytest.mark.parametrize(
    ("levels", "fault"),
    [([1, 2, 3, 4, 5], "leave a gap from 0 to 50 m"), ([0, 1, 1, 2, 3, 4, 5], "overlap from 50 to 250 m")],
)
def test_levels_that_both_components_leave_out_or_hold_twice_are_named(one, levels, fault):
    for name in ("umo", "vmo"):
        change(one, name, lambda d: d.isel(lev=levels))
    with pytest.raises(DataError, match=f"bounds 'lev_bnds' of the levels {fault}"):
        read(one)


def test_bounds_that_leave_a_part_of_a_level_out_are_warned_of(one, caplog):
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[key]["umo_column"].values

    for name in ("umo", "vmo"):
        change(one, name, lambda d: d.assign(lev_bnds=(("lev", "bnds"), d["lev_bnds"].values * [1.0, 0.98])))
    np.testing.assert_array_equal(read(one)[key]["umo_column"], expected)
    assert "of the levels leave a gap from" in caplog.text


FAULTS = {
    "without level bounds": (
        "umo",
        lambda d: d.drop_vars("lev_bnds"),
        DataError,
        "'lev' of 'umo' have no bounds",
    ),
    "of another grid": ("vmo", lambda d: d.isel(i=slice(1, None)), GridError, "'vmo' has .* columns, 'zos'.*one grid"),
    "of another member": ("umo", lambda d: d.assign_attrs(variant_label="r7i1p1f1"), DataError, "variant_label is 'r7"),
    "of another experiment": (
        "vmo",
        lambda d: d.assign_attrs(experiment_id="amip"),
        DataError,
        "id is 'amip",
    ),
    "of another model": ("vmo", lambda d: d.assign_attrs(source_id="X"), DataError, "source_id is 'X'"),
    "with a component reversed": ("vmo", lambda d: d.assign(vmo=-d["vmo"].assign_attrs()), DataError, "do not balance"),
    "on other levels": (
        "vmo",
        twice_as_deep,
        DataError,
        r"vmo_Omon.*\.nc has 6 levels from 50 to .* m, umo_Omon.* from 25 to .*; expected the same in one order",
    ),
    "with the deepest level first in one component": (
        "vmo",
        lambda d: d.isel(lev=slice(None, None, -1)),
        DataError,
        "has 6 levels from 5750 to 25 m, umo_Omon.* 6 levels from 25 to 5750 m",
    ),
    "with all bounds in one row": (
        "vmo",
        lambda d: d.drop_vars("lev_bnds").assign(lev_bnds=("edge", np.arange(7.0))),
        DataError,
        r"'lev' of 'vmo' have bounds 'lev_bnds' of shape \(7,\); expected 'lev', and 'lev_bnds' of shape \(6, 2\)",
    ),
    "of levels outside their bounds": (
        "umo",
        lambda d: d.assign(lev_bnds=d["lev_bnds"] * 2),
        DataError,
        "bounds 'lev_bnds' do not have the levels between them: these run from .* m, the bounds from 0 to .* 'm'",
    ),
    "with levels after the grid": (
        "vmo",
        lambda d: d.transpose("time", "j", "i", "lev", ...),
        DataError,
        r"'vmo' is stored as \(time, j, i, lev\); expected levels after time. .*ncpdq -a time,lev,j,i in.nc out.nc",
    ),
    "without a level in the middle": (
        "vmo",
        lambda d: d.isel(lev=[0, 1, 3, 4, 5]),
        DataError,
        "bounds 'lev_bnds' of the levels leave a gap from .* m; expected each to begin where the one above ends",
    ),
    "without the first level": ("umo", lambda d: d.isel(lev=slice(1, None)), DataError, "leave a gap from 0 to 50 m"),
    "with a level twice": (
        "umo",
        lambda d: d.isel(lev=[0, 1, 1, 2, 3, 4, 5]),
        DataError,
        "bounds 'lev_bnds' of the levels overlap from .* m.*Get all levels once",
    ),
    "upside down": ("vmo", lambda d: d.isel(j=slice(None, None, -1)), GridError, "stored in another order of rows"),
    "without one year": (
        "umo",
        lambda d: d.isel(time=slice(1, None)),
        IncompleteWindowError,
        "the window .* lacks",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_transports_are_named(one, fault):
    name, edit, error, message = FAULTS[fault]

    def edited(dataset):
        out = edit(dataset)
        out[name].attrs = dataset[name].attrs
        return out

    change(one, name, edited)
    with pytest.raises(error, match=message):
        read(one)
    # what is wrong with them never costs the run
    plans = plans_of(one, missing="skip")
    assert len(plans) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_streamfunction_replaces_transports_that_cannot_be_used(one, caplog, fault):
    name, edit, _, message = FAULTS[fault]
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[key]
    streamfunction(one, beside=True)
    assert read(one)[key].attrs["source"] == "umo, vmo"

    def edited(dataset):
        out = edit(dataset)
        out[name].attrs = dataset[name].attrs
        return out

    change(one, name, edited)
    (part,) = (part for part in plan_transports(plans_of(one, missing="skip"), missing="skip") if part.key == key)
    found = transport_climatology(part, SETTINGS, NoCheckpoint())
    assert found.attrs["source"] == "msftbarot" and "umo" not in found
    assert rms(found["umo_column"] - expected["umo_column"]) < 0.002 * rms(expected["umo_column"])
    assert re.search(message, caplog.text) and "missing: skip" not in caplog.text
    assert re.search(message, found.attrs["not_used"]) if TRANSPORTS in part.sources else "not_used" not in found.attrs


def test_a_streamfunction_that_is_not_needed_costs_nothing(one, caplog):
    streamfunction(one, beside=True)
    change(one, "msftbarot", lambda dataset: dataset.isel(time=slice(1, None)))
    assert {window.attrs["source"] for window in read(one).values()} == {"umo, vmo"}
    (path,) = one.rglob("msftbarot_*.nc")
    path.write_bytes(b"<html>")
    for missing in ("skip", "error"):
        plans = plans_of(one, missing=missing)
        assert {part.sources for part in plan_transports(plans, missing="error")} == {(TRANSPORTS,)}
    assert "msftbarot is left out: " in caplog.text and "its transports are left out" not in caplog.text


def test_a_streamfunction_on_another_grid_beside_transports_is_no_defect(one, caplog):
    streamfunction(one, beside=True)
    change(one, "msftbarot", lambda dataset: dataset.isel(j=slice(None, None, 2)))
    (path,) = one.rglob("msftbarot_*.nc")
    path.parents[1].rename(path.parents[2] / "gr")
    plans = plans_of(one)
    assert {part.sources for part in plan_transports(plans, missing="error")} == {(TRANSPORTS,)}
    assert "msftbarot" not in caplog.text


def test_files_with_positions_of_t_points_are_taken_on_the_declared_side(one):
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1850-1852"
    expected = read(one)[key]
    with xr.open_dataset(next(one.rglob("zos_Omon_IDEAL-POLE_abrupt*.nc")), decode_times=False) as zos:
        place = {name: zos[name].load() for name in ("latitude", "longitude")}
    for name in ("umo", "vmo"):
        change(one, name, lambda d: d.drop_vars(["vertices_latitude", "vertices_longitude"]).assign_coords(place))
    np.testing.assert_array_equal(read(one)[key]["umo"], expected["umo"])
    with pytest.raises(DataError, match="do not balance"):
        read(one, stress_side="south_west")


def test_memory_is_that_of_a_few_fields_however_many_steps(tmp_path):
    """So many fields of 1440 x 1080 cells with 75 levels, and the other component, stay below 3 GB."""
    shape, n_years = (40, 120, 160), 6
    path = tmp_path / "umo_Omon_MADE_historical_r1i1p1f1_gn_185001-185512.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("time", "lev", "y", "x", "bnds"), (n_years, *shape, 2), strict=True):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar, time.bounds = "days since 1850-01-01", "noleap", "time_bnds"
        edges = 365.0 * np.arange(n_years + 1)
        time[:] = (edges[1:] + edges[:-1]) / 2
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack([edges[:-1], edges[1:]], axis=1)
        field = file.createVariable("umo", "f4", ("time", "lev", "y", "x"), zlib=True, chunksizes=(1, 10, *shape[1:]))
        field.units = "kg s-1"
        for year in range(n_years):
            field[year] = np.full(shape, year, dtype=np.float32)
    series = read_series([path], "umo", where="MADE")
    size = 4 * np.prod(shape)
    points, order = _points(shape[1:]), np.arange(shape[0])
    transports._on_faces(np.zeros((1, *shape[1:])), order[:1], "u", (0, 1), points)
    tracemalloc.start()
    means = window_means(series, [Window(1850, 1855)], checkpoint=NoCheckpoint())
    values, _ = transports._on_faces(means.values[0], order, "u", (0, 1), points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.mean() == pytest.approx(2.5)
    # sums in double precision count for two fields; the other component is one more
    assert peak < 4.2 * size
    assert (peak / size + 1) * 4 * 1440 * 1080 * 75 < 3e9


def test_a_year_without_transports_and_a_part_of_one_are_named(one, caplog):
    def edited(value, names=TRANSPORTS, **part):
        place = {"time": 1} | part
        for name in names:

            def edit(dataset, name=name):
                dataset[name][place] = value
                return dataset

            change(one, name, edit)

    edited(0.0, lev=2)
    read(one)
    sentence = r"% of the cells are 0 or missing in 1851-01, unlike in other months. Is {}_Omon.* damaged"
    assert all(re.search(sentence.format(name), caplog.text) for name in TRANSPORTS)
    for names, axis in ((["vmo"], "rows"), (TRANSPORTS, "columns")):
        edited(np.nan, names)
        with pytest.raises(
            DataError, match=f"1850-1852: no water flows .* along {axis}. .* a part of them not written"
        ):
            read(one)


@pytest.mark.parametrize("last", [1852, 1853])
def test_files_of_a_series_with_levels_in_another_order_are_an_error_in_one_window(one, last):
    """As where historical and a scenario are stored differently: of a window only the files that it needs count."""
    key = "IDEAL-POLE/abrupt-4xCO2/r1i1p1f1/1853-1855"
    expected = read(one)[key]
    for name in TRANSPORTS:
        (path,) = one.rglob(f"{name}_Omon_IDEAL-POLE_abrupt*.nc")
        with xr.open_dataset(path, decode_times=False) as dataset:
            whole = dataset.load()
        path.unlink()
        parts = np.split(np.arange(8), [last - 1849])
        for part, levels, years in (
            (parts[0], slice(None), f"185001-{last}12"),
            (parts[1], slice(None, None, -1), f"{last + 1}01-185712"),
        ):
            whole.isel(time=part, lev=levels).to_netcdf(path.with_name(path.name.replace("185001-185712", years)))
    if last == 1853:
        message = "185401-185712.nc has 6 levels from 5750 to 25 m, umo_.*-185312.nc 6 levels"
        with pytest.raises(DataError, match=message):
            read(one)
        return
    np.testing.assert_array_equal(read(one)[key]["vmo"], expected["vmo"])


def test_levels_that_differ_by_rounding_are_the_same_in_all_windows(one):
    """As in centimetres or in single precision: overturning of the windows has one dim of levels."""
    (path,) = one.rglob("umo_Omon_IDEAL-POLE_abrupt*.nc")
    with xr.open_dataset(path, decode_times=False) as dataset:
        whole = dataset.load()
    path.unlink()
    deeper = whole["lev_bnds"] * (1 + 1e-7)
    for years, part in (
        ("185001-185212", whole.isel(time=slice(0, 3))),
        ("185301-185712", whole.isel(time=slice(3, None)).assign(lev_bnds=deeper)),
    ):
        part.to_netcdf(path.with_name(path.name.replace("185001-185712", years)))
    first, second = (window for key, window in read(one).items() if "abrupt" in key)
    np.testing.assert_array_equal(first["lev"], second["lev"])


def _points(shape):
    lat, lon = np.linspace(-80, 80, shape[0]), np.linspace(1, 359, shape[1])
    return TPoints(with_bounds(lat, lon))


def north_to_south(dataset):
    return dataset.isel(lat=slice(None, None, -1))


def from_180_west(dataset):
    out = dataset.roll(lon=dataset.sizes["lon"] // 2, roll_coords=True)
    lon = ((out["lon"] + 180) % 360 - 180).assign_attrs(dataset["lon"].attrs)
    if "lon_bnds" in out:
        out["lon_bnds"] = (out["lon_bnds"] - out["lon"] + 180) % 360 - 180 + lon
    return out.assign_coords(lon=lon)


def bottom_first(dataset):
    return dataset.isel(lev=slice(None, None, -1)) if "lev" in dataset.dims else dataset


@pytest.mark.parametrize("stress_points", ["t_points", "c_grid"])
@pytest.mark.parametrize("stored", [north_to_south, from_180_west, bottom_first])
def test_the_order_in_which_a_regular_grid_is_stored_does_not_matter(tmp_path, stored, stress_points):
    model = ARCHIVE.models[0].replace(stress_points=stress_points)
    archive = ARCHIVE.replace(models=(model,), experiments=("piControl",))
    found = {}
    for name, edit in (("as made", lambda dataset: dataset), ("edited", stored)):
        for key, (_, make) in idealized_archive(archive, seed=SEED).items():
            path = tmp_path / name / key
            path.parent.mkdir(parents=True, exist_ok=True)
            dataset = make()
            (dataset if "/Amon/" in key or "/fx/" in key else edit(dataset)).to_netcdf(path)
        plans = plans_of(tmp_path / name)
        windows = {
            part.key: transport_climatology(part, SETTINGS, NoCheckpoint())
            for part in plan_transports(plans, missing="error")
        }
        columns = column_transports([plan.run.key for plan in plans], {k: lambda d=d: d for k, d in windows.items()})
        (plan,) = plans
        terms = diagnosed_terms(
            climatology(plan, SETTINGS, NoCheckpoint()), columns[plan.run.key], reference_density=1029.0
        )
        found[name] = windows, terms
    (windows, terms), (edited_windows, edited_terms) = found.values()
    for term in DIAGNOSED_TERMS:
        # a regular grid of 2-D positions, as beside a stress on other points, keeps the order of the files
        cells = [np.sort(part[term].values, axis=None) for part in (terms, edited_terms)]
        np.testing.assert_allclose(*cells, rtol=1e-6, atol=1e-14)
        if stress_points == "t_points":
            np.testing.assert_array_equal(terms[term], edited_terms[term])
    for key, window in windows.items():
        if stress_points == "t_points":
            xr.testing.assert_equal(window[["umo", "vmo", "lev"]], edited_windows[key][["umo", "vmo", "lev"]])


def test_transports_on_other_cells_than_the_climatology_are_an_error(made):
    plan = next(iter(plans_of(made)))
    windows = {
        str(part.window): transport_climatology(part, SETTINGS, NoCheckpoint())
        for part in plan_transports([plan], missing="error")
    }
    elsewhere = {key: window.assign_coords(lon=window["lon"] + 30) for key, window in windows.items()}
    with pytest.raises(GridError, match="or they lie elsewhere; expected those of one run"):
        diagnosed_terms(climatology(plan, SETTINGS, NoCheckpoint()), elsewhere, reference_density=1029.0)
