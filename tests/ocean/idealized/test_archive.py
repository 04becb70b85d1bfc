"""The archive is laid out, named, described and encoded as CMIP6 archives are."""

import uuid
from hashlib import sha256

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.ocean.idealized.conftest import SEED
from thor.ocean.idealized.archive import idealized_archive
from thor.ocean.idealized.climate_models import STRESS_POINT_KINDS, solve_climate_model
from thor.ocean.idealized.scenarios import IdealizedRun

CONTROL = {"IDEAL-REG": 1, "IDEAL-POLE": 1960, "IDEAL-LAND": 1850}
NAMES = {"IDEAL-REG": ("lat", "lon"), "IDEAL-POLE": ("latitude", "longitude"), "IDEAL-LAND": ("nav_lat", "nav_lon")}
DIMS = {"IDEAL-REG": ("lat", "lon"), "IDEAL-POLE": ("j", "i"), "IDEAL-LAND": ("y", "x")}


@pytest.fixture(scope="module")
def archive(archive_settings):
    return idealized_archive(archive_settings, seed=SEED)


def _only(archive, *parts):
    found = [key for key in archive if all(part in key for part in parts)]
    assert len(found) == 1, found
    return found[0]


# -- names and attributes --------------------------------------------------------------------------------------
def test_files_are_named_as_in_cmip6(archive):
    # four monthly variables of all variants, four annual ones of piControl and abrupt-4xCO2, four fixed fields; and two
    # more annual ones of the first model
    assert len(archive) == 3 * (4 + 4 * (1 + 3 * 2 + 2 + 1 + 1) + 4 * (1 + 1)) + 2 * (1 + 1)
    assert (
        "CMIP6/CMIP/THOR/IDEAL-REG/historical/r2i1p1f1/Omon/zos/gn/v20240101/"
        "zos_Omon_IDEAL-REG_historical_r2i1p1f1_gn_185401-185712.nc"
    ) in archive
    assert (
        "CMIP6/CMIP/THOR/IDEAL-POLE/piControl/r1i1p1f1/Ofx/deptho/gn/v20240101/"
        "deptho_Ofx_IDEAL-POLE_piControl_r1i1p1f1_gn.nc"
    ) in archive
    assert _only(archive, "zos_Omon_IDEAL-REG_piControl").endswith("_000101-000812.nc")
    assert (
        "CMIP6/ScenarioMIP/THOR/IDEAL-LAND/ssp585/r2i1p1f1/Amon/tas/gn/v20240101/"
        "tas_Amon_IDEAL-LAND_ssp585_r2i1p1f1_gn_185801-186212.nc"
    ) in archive
    assert "/fx/areacella/" in _only(archive, "areacella", "IDEAL-POLE")


def test_the_atmosphere_has_a_label_of_its_own_in_cmip7(archive_settings):
    keys = [key for key in idealized_archive(archive_settings.replace(mip_era="CMIP7"), seed=SEED) if "/ssp585/" in key]
    assert all(key.startswith("MIP-DRS7/CMIP7/ScenarioMIP/THOR/") for key in keys)
    labels = {name: {key.split("/")[-3] for key in keys if f"/{name}/" in key} for name in ("zos", "tas")}
    assert len(labels["tas"]) == len(labels["zos"]) == 3 and not labels["tas"] & labels["zos"]
    assert any("/glb/mon/tas/tavg-h2m-hxy-u/g104/v20240101/tas_tavg-h2m-hxy-u_mon_glb_g104_" in key for key in keys)


def test_attributes_repeat_the_path(archive):
    names = ("mip_era", "activity_id", "institution_id", "source_id", "experiment_id", "variant_label", "table_id")
    names += ("variable_id", "grid_label")
    for key, (_, make) in archive.items():
        dataset = make()
        assert [dataset.attrs[name] for name in names] == key.split("/")[:9]
        assert dataset.attrs["frequency"] == ("fx" if "fx/" in key else "mon")
        assert dataset.attrs["realm"] == ("atmos" if "/tas/" in key or "/areacella/" in key else "ocean")
        assert dataset.attrs["realization_index"] == int(key.split("/")[5][1])
        # the classic formats of NetCDF have no wider ones
        assert not [name for name, value in dataset.attrs.items() if np.asarray(value).dtype == np.int64]
        assert dataset.attrs["variable_id"] in dataset
    tracking = [make().attrs["tracking_id"] for _, make in archive.values()]
    assert len(set(tracking)) == len(archive)
    assert all(uuid.UUID(name.removeprefix("hdl:21.14100/")).version == 5 for name in tracking)


def test_branch_times_point_at_the_month_of_the_control(archive, archive_settings, read_run):
    for model in archive_settings.models:
        control = read_run(model.source_id, "piControl", "r1i1p1f1", "zos")
        for variant, year in (("r1", 0), ("r2", 2), ("r3", 4)):
            attrs = archive[_only(archive, f"tauuo_Omon_{model.source_id}_historical_{variant}", "185001")][1]().attrs
            assert attrs["parent_time_units"] == control.time.attrs["units"]
            assert attrs["parent_experiment_id"] == "piControl"
            assert attrs["parent_source_id"] == model.source_id
            assert attrs["branch_time_in_child"] == 0.0
            month = int(np.flatnonzero(control.time_bnds[:, 0].values == attrs["branch_time_in_parent"])[0])
            assert month == 12 * year
        attrs = control.attrs
        assert attrs["parent_experiment_id"] == attrs["parent_time_units"] == "no parent"


def test_scenarios_branch_off_the_end_of_their_variant_of_historical(archive, archive_settings, read_run):
    for model in archive_settings.models:
        for variant in ("r1i1p1f1", "r2i1p1f1"):
            past = read_run(model.source_id, "historical", variant, "zos")
            attrs = read_run(model.source_id, "ssp585", variant, "zos").attrs
            assert (attrs["activity_id"], attrs["parent_activity_id"]) == ("ScenarioMIP", "CMIP")
            assert (attrs["parent_experiment_id"], attrs["parent_variant_label"]) == ("historical", variant)
            assert attrs["parent_time_units"] == past.time.attrs["units"] == "days since 1850-01-01"
            assert attrs["branch_time_in_parent"] == past.time_bnds.values[-1, 1]
            first = read_run(model.source_id, "ssp585", variant, "zos")
            assert (first.time.attrs["units"], first.time_bnds.values[0, 0]) == ("days since 1858-01-01", 0)
            assert attrs["branch_time_in_child"] == 0.0


# -- time --------------------------------------------------------------------------------------------------------
def test_time_is_the_middle_of_whole_consecutive_months(read_run, archive_settings):
    for model in archive_settings.models:
        for experiment_id, first in (("historical", 1850), ("piControl", CONTROL[model.source_id])):
            assert IdealizedRun(archive_settings, model, experiment_id, "r1i1p1f1", SEED).first_year == first
            run = read_run(model.source_id, experiment_id, "r1i1p1f1", "zos")
            assert run.time.attrs["calendar"] == model.calendar
            assert run.sizes["time"] == 96
            bounds = run.time_bnds.values
            np.testing.assert_array_equal(bounds[1:, 0], bounds[:-1, 1])
            np.testing.assert_array_equal(run.time.values, bounds.mean(1))
            dates = xr.decode_cf(run, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)).time.values
            assert [(d.year, d.month) for d in dates] == [(first + k // 12, k % 12 + 1) for k in range(96)]
            days = {"noleap": 8 * 365, "360_day": 8 * 360, "gregorian": 8 * 365 + 2}
            assert bounds[-1, 1] == days[model.calendar]


# -- fields and coordinates ------------------------------------------------------------------------------------
def test_fields_are_where_the_ocean_is(read_run, model_settings):
    source_id, model = model_settings.source_id, solve_climate_model(model_settings, seed=SEED)
    kinds = dict(zip(("zos", "tauuo", "tauvo"), ("t", *STRESS_POINT_KINDS[model_settings.stress_points]), strict=True))
    for name, kind in kinds.items():
        run = read_run(source_id, "historical", "r1i1p1f1", name)
        assert run[name].dims == ("time", *DIMS[source_id])
        assert run[name].dtype == np.float32
        np.testing.assert_array_equal(
            np.isfinite(run[name].values), np.broadcast_to(model.masks[kind], run[name].shape)
        )
        lat, lon = (run[coordinate].values for coordinate in NAMES[source_id])
        points = getattr(model.grid, kind)
        if model_settings.grid == "regular":
            lat, lon = np.meshgrid(lat, lon, indexing="ij")
        here = model.masks[kind]
        np.testing.assert_allclose(lat[here], points.lat[here])
        np.testing.assert_allclose(lon[here] % 360, points.lon[here])


def test_suppressed_coordinates_are_zero_on_land_without_an_attribute(read_run):
    run = read_run("IDEAL-LAND", "1pctCO2", "r1i1p1f1", "zos")
    land = np.isnan(run.zos.values[0])
    assert 0.2 < land.mean() < 0.6
    for name in ("nav_lat", "nav_lon", "bounds_nav_lat", "bounds_nav_lon"):
        assert np.all(run[name].values[land] == 0)
        assert run[name].encoding["_FillValue"] is None
        assert not {"_FillValue", "missing_value"} & set(run[name].attrs)
    assert np.all(np.abs(run.nav_lat.values[~land]) > 0)


def test_vertices_surround_their_points(read_run):
    """The corners of neighbouring cells are the same, and cells lie in the middle of theirs."""
    for name in ("zos", "tauuo", "tauvo"):
        run = read_run("IDEAL-POLE", "1pctCO2", "r1i1p1f1", name)
        corners = _unit(run.vertices_latitude.values, run.vertices_longitude.values)
        np.testing.assert_allclose(corners[:, :-1, 1], corners[:, 1:, 0], atol=1e-12)
        np.testing.assert_allclose(corners[:-1, :, 3], corners[1:, :, 0], atol=1e-12)
        middle = corners[2:-2].mean(2)
        middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
        centre = _unit(run.latitude.values, run.longitude.values)[2:-2]
        side = np.linalg.norm(corners[2:-2, :, 1] - corners[2:-2, :, 0], axis=-1)
        assert np.all(np.linalg.norm(middle - centre, axis=-1) < 0.25 * np.maximum(side, np.deg2rad(1)))


def _unit(lat, lon):
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def test_stress_declares_the_axes_of_its_components(read_run):
    expected = {"IDEAL-REG": ("eastward", "northward"), "IDEAL-POLE": ("x", "y"), "IDEAL-LAND": ("x", "y")}
    for source_id, axes in expected.items():
        for name, axis in zip(("tauuo", "tauvo"), axes, strict=True):
            attrs = read_run(source_id, "1pctCO2", "r1i1p1f1", name)[name].attrs
            assert attrs["standard_name"] == f"surface_downward_{axis}_stress"
            assert attrs["units"] == "N m-2"
    # westerlies push the ocean eastward: stress downward is positive
    westerlies = read_run("IDEAL-REG", "1pctCO2", "r1i1p1f1", "tauuo").tauuo.sel(lat=slice(-55, -45))
    assert 0.05 < float(westerlies.mean()) < 0.2


def test_velocity_points_lie_half_a_cell_from_zos(read_run):
    zos, u, v = (read_run("IDEAL-POLE", "1pctCO2", "r1i1p1f1", name) for name in ("zos", "tauuo", "tauvo"))
    at = [_unit(run.latitude.values, run.longitude.values) for run in (zos, u, v)]
    for points, axis in ((at[1], 1), (at[2], 0)):
        next_cell = np.roll(at[0], -1, axis=axis)[5:-5]
        between = (at[0][5:-5] + next_cell) / 2
        step = np.linalg.norm(next_cell - at[0][5:-5], axis=-1)
        assert np.all(np.linalg.norm(points[5:-5] - between, axis=-1) < 0.05 * step)


def test_fixed_fields(read_run, archive_settings):
    for settings in archive_settings.models:
        model = solve_climate_model(settings, seed=SEED)
        depth, area, sea = (
            read_run(settings.source_id, "piControl", "r1i1p1f1", name)[name]
            for name in ("deptho", "areacello", "sftof")
        )
        ocean = model.geography.mask
        assert (
            np.all(depth.values[~ocean] == 0) if settings.zero_depth_on_land else np.isnan(depth.values[~ocean]).all()
        )
        np.testing.assert_allclose(depth.values[ocean], model.geography.depth[ocean], rtol=1e-6)
        np.testing.assert_array_equal(sea.values, np.where(ocean, 100, 0))
        np.testing.assert_allclose(area.values[ocean], model.grid.t.area[ocean], rtol=1e-6)
        assert (depth.attrs["units"], area.attrs["units"], sea.attrs["units"]) == ("m", "m2", "%")


def test_zos_has_the_datum_of_its_model(read_run, archive_settings):
    for settings in archive_settings.models:
        model = solve_climate_model(settings, seed=SEED)
        ocean = model.geography.mask
        for experiment_id in ("piControl", "abrupt-4xCO2"):
            zos = read_run(settings.source_id, experiment_id, "r1i1p1f1", "zos").zos.values[:, ocean].astype(float)
            mean = np.average(zos, weights=model.grid.t.area[ocean], axis=1)
            np.testing.assert_allclose(mean, settings.zos_datum, atol=2e-5)
    assert len({settings.zos_datum for settings in archive_settings.models}) == 3


def test_months_are_rounded_to_four_digits(read_run, model_settings):
    for name in ("zos", "tauuo", "tauvo"):
        values = read_run(model_settings.source_id, "1pctCO2", "r1i1p1f1", name)[name].values
        assert np.all(values[np.isfinite(values)].view(np.uint32) % 2**9 == 0)
        assert np.unique(values).size > 2000


# -- files ----------------------------------------------------------------------------------------------------------
def _write(make, path):
    make().to_netcdf(path, format="NETCDF4")
    return sha256(path.read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(archive, archive_settings, tmp_path):
    again = idealized_archive(archive_settings, seed=SEED)
    key = _only(archive, "zos_Omon_IDEAL-POLE_historical_r3", "185001")
    first, second = (_write(each[key][1], tmp_path / f"{k}.nc") for k, each in enumerate((archive, again)))
    assert first == second
    assert archive[key][0] == again[key][0]
    other = idealized_archive(archive_settings, seed=SEED + 1)[key]
    assert other[0] != archive[key][0]
    difference = other[1]().zos.values - archive[key][1]().zos.values
    assert np.nanstd(difference) > 0.01


def test_files_are_written_as_climate_models_write_them(archive, tmp_path):
    for source_id in NAMES:
        _write(archive[_only(archive, f"tauuo_Omon_{source_id}_1pctCO2")][1], tmp_path / f"{source_id}.nc")
        with netCDF4.Dataset(tmp_path / f"{source_id}.nc") as file:
            stress = file["tauuo"]
            assert file.data_model == "NETCDF4"
            assert file.dimensions["time"].isunlimited()
            assert stress.dtype == np.float32
            assert stress._FillValue == stress.missing_value == np.float32(1e20)
            assert stress.chunking() == [12, *stress.shape[1:]]
            assert not stress.filters()["zlib"]
            assert file["time"].bounds == "time_bnds"
            assert "_FillValue" not in file["time"].ncattrs() + file[NAMES[source_id][0]].ncattrs()
            if source_id != "IDEAL-REG":
                assert set(stress.coordinates.split()) == set(NAMES[source_id])
            stress.set_auto_mask(False)
            land = stress[:] == np.float32(1e20)
            assert 0.1 < land.mean() < 0.7
            assert np.abs(stress[:][~land]).max() < 1


def test_a_file_depends_on_its_model_and_the_common_settings(archive, archive_settings):
    *others, last = archive_settings.models
    changed = archive_settings.replace(models=(*others, last.replace(zos_datum=0.1)))
    marks = {key: mark for key, (mark, _) in idealized_archive(changed, seed=SEED).items()}
    assert {key.split("/")[3] for key in archive if marks[key] != archive[key][0]} == {"IDEAL-LAND"}
    slower = idealized_archive(archive_settings.replace(adjustment_years=3.0), seed=SEED)
    assert all(slower[key][0] != archive[key][0] for key in archive)


def test_a_short_archive_has_fewer_files(archive_settings):
    one_year = archive_settings.replace(n_years=1, historical_years=1, window_years=1)
    keys = [key for key in idealized_archive(one_year, seed=SEED) if "zos_Omon_IDEAL-REG_historical_r1" in key]
    assert [key.rsplit("_", 1)[1] for key in keys] == ["185001-185012.nc"]
