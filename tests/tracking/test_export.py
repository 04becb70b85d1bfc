"""Tracked runs on a common grid: area times probability is conserved, and one dataset has all runs."""

import numpy as np
import pytest
import xarray as xr

from tests.curvilinear_ocean import curvilinear_training_ocean
from tests.ocean.test_native_grids import curvilinear, read_native
from tests.tracking.conftest import CLASSES, make_run, make_tools
from thor.core.errors import DataError, GridError
from thor.ocean.grid import Grid, cell_area
from thor.tracking.export import export_runs
from thor.tracking.regridding import AREA_MEANS, AREA_SHARES, AreaWeights, common_grid, regridded_window
from thor.tracking.track import natural_variability, track_run

SHAPE = (36, 72)


@pytest.fixture(scope="module")
def tracked(made):
    """A control run and a scenario with two variants of one model, and a scenario of another on a curvilinear grid."""
    tools = make_tools(made)
    natural = natural_variability(made.control, tools)
    runs = {"MADE/piControl/r1i1p1f1": track_run(made.control, None, None, tools)}
    for seed, variant in ((2, "r1i1p1f1"), (3, "r2i1p1f1")):
        scenario = (
            made.scenario
            if seed == 2
            else make_run(
                "abrupt-4xCO2",
                first_year=1850,
                signal=-0.4,
                seed=seed,
                parent="MADE/piControl/r1i1p1f1",
                baseline=made.control["window"].values,
            )
        )
        runs[f"MADE/abrupt-4xCO2/{variant}"] = track_run(
            scenario.assign_attrs(variant_label=variant, institution_id="MADE-INST", grid_label="gn"),
            made.control,
            natural,
            tools,
        )
    other = make_run("abrupt-4xCO2", first_year=2000, n_windows=3, shape=SHAPE, curvilinear=True, seed=4)
    other.attrs["source_id"] = "OTHER"
    runs["OTHER/abrupt-4xCO2/r1i1p1f1"] = track_run(other, None, None, tools)
    return runs


def exported(runs, path, kind="zarr", **options):
    export_runs({key: lambda run=run: run for key, run in runs.items()}, path, spacing=5.0, kind=kind, **options)
    return xr.open_zarr(path) if kind == "zarr" else xr.open_dataset(path)


def native_fields(dataset, probability, ocean):
    """A tracked window with these probabilities, shape (regime, row, column), on a grid with 2-D coordinates."""
    grid = Grid.from_dataset(dataset)
    valid = ocean & ~grid.duplicate
    masked = np.where(valid, probability, np.nan)
    flags = np.where(valid, (grid.lat > 0).astype(np.int8), -1)
    fields = dict.fromkeys(AREA_MEANS, (("predictor", "y", "x"), masked[None, 0]))
    fields |= dict.fromkeys(AREA_SHARES, (("predictor", "y", "x"), flags[None]))
    fields |= dict.fromkeys(
        ("regime_probability", "change_to_probability"), (("predictor", "regime", "y", "x"), masked[None])
    )
    # published areas of an Earth that is 0.1 % larger
    fields |= {"valid": (("y", "x"), valid.astype(np.int8)), "areacello": (("y", "x"), 1.001 * grid.area)}
    return dataset.assign(fields), valid


@pytest.mark.parametrize("name", ["CESM2", "IPSL-CM6A-LR", "MPI-ESM1-2-LR"])
def test_probabilities_keep_their_area_on_real_tripolar_grids(data_mirror, name):
    lat, lon, ocean = read_native(data_mirror, name)
    wave = 0.5 + 0.4 * np.sin(np.deg2rad(3 * lon)) * np.cos(np.deg2rad(lat))
    run, valid = native_fields(curvilinear(lat, lon), np.stack([0.5 * wave, 1 - wave, 0.5 * wave]), ocean)
    grid = common_grid(1.0)
    weights = AreaWeights.of(run, grid)
    got = regridded_window(run, weights)
    area, probability = run["areacello"].values[valid], run["regime_probability"].values[0][:, valid]
    np.testing.assert_allclose(weights.ocean_area.sum(), area.sum(), rtol=1e-12)
    on_grid = np.nan_to_num(got["regime_probability"][0]).astype(float) @ weights.ocean_area
    np.testing.assert_allclose(on_grid, probability @ area, rtol=1e-7)  # float32
    known = weights.ocean_area > 0
    np.testing.assert_allclose(got["regime_probability"][0].sum(axis=0)[known], 1, atol=1e-6)
    # whole cells have the value of the analytic field; a cell's mean differs by its curvature over a degree
    lat1, lon1 = (axis.ravel() for axis in np.meshgrid(grid["lat"], grid["lon"], indexing="ij"))
    expected = 0.5 - 0.4 * np.sin(np.deg2rad(3 * lon1)) * np.cos(np.deg2rad(lat1))
    whole = weights.ocean_share > 0.999
    assert whole.sum() > 30_000
    # a native cell counts with one value, wherever it is cut
    assert np.abs(got["regime_probability"][0, 1] - expected)[whole].max() < 0.03
    assert np.sqrt(np.mean((got["regime_probability"][0, 1] - expected)[whole] ** 2)) < 0.003
    assert weights.ocean_share.max() <= 1


def test_the_regime_is_the_most_probable_one_and_labels_are_not_averaged():
    lat, lon = np.meshgrid(np.arange(-9.5, 10), np.arange(0.5, 40), indexing="ij")
    # regimes 0 and 2 in turn: the mean of the numbers would be 1, which is nowhere
    probability = np.zeros((3, *lat.shape))
    probability[0, :, ::2], probability[2, :, ::2] = 0.9, 0.1
    probability[0, :, 1::2], probability[2, :, 1::2] = 0.2, 0.8
    run, _ = native_fields(curvilinear(lat, lon), probability, lat > -90)
    grid = common_grid(2.0)
    got = regridded_window(run, AreaWeights.of(run, grid))
    regime = xr.DataArray(got["most_probable_regime"][0].reshape(90, 180), coords=[grid["lat"], grid["lon"]])
    assert set(np.unique(regime.sel(lat=slice(-8, 8), lon=slice(3, 36)))) == {0}
    assert int(regime.sel(lat=45, lon=100, method="nearest")) == -1


def test_flags_become_the_share_of_the_tested_area():
    lat, lon = np.meshgrid(np.arange(-9.5, 10), np.arange(0.5, 40), indexing="ij")
    run, _ = native_fields(curvilinear(lat, lon), np.full((3, *lat.shape), 1 / 3), lat > -90)
    flag = np.where(lon < 10, -1, lon % 2 < 1)  # not tested in the west; every second column is forced
    run["forced_change"] = ("predictor", "y", "x"), flag[None].astype(np.int8)
    grid = common_grid(2.0)
    share = regridded_window(run, AreaWeights.of(run, grid))["forced_change_share"][0].reshape(90, 180)
    np.testing.assert_allclose(share[43, 6:18], 0.5, atol=1e-3)
    assert np.isnan(share[43, 1:4]).all()


@pytest.mark.filterwarnings("error")
def test_one_dataset_has_all_runs(tracked, tmp_path):
    got = exported(tracked, tmp_path / "out.zarr")
    assert got.sizes["source_id"] == 2 and got.sizes["experiment_id"] == 2 and got.sizes["variant_label"] == 2
    assert list(got["regime"].values) == list(CLASSES)
    assert int(got["tracked"].sum()) == 4
    for key, run in tracked.items():
        here = got.sel(dict(zip(("source_id", "experiment_id", "variant_label"), key.split("/"), strict=True)))
        assert int(here["tracked"]) == 1 and str(here["parent"].values) == run.attrs.get("parent", "")
        area = run["areacello"].where(run["valid"] == 1)
        for window in run["window"].values:
            mean = here["regime_probability"].sel(window=window) * here["ocean_area"]
            native = (run["regime_probability"].sel(window=window) * area).sum(area.dims)
            np.testing.assert_allclose(mean.sum(("lat", "lon")), native, rtol=1e-6)
            assert float(here["window_start"].sel(window=window)) == float(run["window_start"].sel(window=window))
        table = here["expected_area"].sel(window=run["window"].values, basin=run["basin"].values)
        np.testing.assert_array_equal(table, run["expected_area"].transpose(*table.dims))
    absent = got.sel(source_id="OTHER", experiment_id="piControl")
    assert absent["regime_probability"].isnull().all() and absent["most_probable_regime"].isnull().all()


def test_both_formats_have_the_same_content(tracked, tmp_path):
    zarr, netcdf = (exported(tracked, tmp_path / kind, kind).load() for kind in ("zarr", "netcdf"))
    for one, other in ((zarr, netcdf), (netcdf, zarr)):
        for name in one.variables:
            kinds = {each[name].dtype.kind for each in (one, other)}
            assert len(kinds) == 1 or kinds == set("OU")  # names
            assert one[name].equals(other[name]), name
    assert zarr.attrs == netcdf.attrs


def test_attributes_follow_cf_and_cmip(tracked, tmp_path):
    got = exported(tracked, tmp_path / "out.zarr", license_text="CC BY 4.0")
    assert got.attrs["Conventions"] == "CF-1.11" and got.attrs["license"] == "CC BY 4.0"
    assert (got.attrs["source_id"], got.attrs["experiment_id"]) == ("MADE OTHER", "abrupt-4xCO2 piControl")
    assert got.attrs["variant_label"] == "r1i1p1f1 r2i1p1f1" and got.attrs["grid_label"] == "gr"
    assert got.attrs["nominal_resolution"] == "500 km"  # 5 degrees
    probability = got["regime_probability"].attrs
    assert (probability["units"], probability["cell_methods"]) == ("1", "area: mean where sea")
    for name in got.data_vars:
        if "lat" in got[name].dims or "basin" in got[name].dims:
            assert {"units", "long_name"} <= set(got[name].attrs), name
    flags = got["most_probable_regime"].attrs
    assert (flags["flag_values"], flags["flag_meanings"]) == ([0, 1, 2], " ".join(CLASSES))
    assert got["lat"].attrs["bounds"] == "lat_bnds" and got["lat_bnds"].shape == (36, 2)


def test_the_files_of_the_input_are_named(tracked, tmp_path):
    made = xr.Dataset({"zos": ("x", [1.0], {"files": "zos.nc hdl:21/a 12 steps\nzos2.nc hdl:21/b 12 steps"})})
    inputs = {"OTHER/abrupt-4xCO2/r1i1p1f1": lambda: made}
    got = exported(tracked, tmp_path / "out.zarr", inputs=inputs)
    files = got["input_files"].sel(source_id="OTHER", experiment_id="abrupt-4xCO2", variant_label="r1i1p1f1")
    assert str(files.values).splitlines() == ["zos.nc hdl:21/a 12 steps", "zos2.nc hdl:21/b 12 steps"]


def test_what_cannot_be_exported(tracked, tmp_path):
    with pytest.raises(DataError, match="no tracked run"):
        exported({}, tmp_path / "out.zarr")
    key = "OTHER/abrupt-4xCO2/r1i1p1f1"
    others = tracked | {key: tracked[key].assign_attrs(regimes="a b c")}
    with pytest.raises(DataError, match=r"same regimes: MADE/piControl/r1i1p1f1 has north, middle, south, OTHER"):
        exported(others, tmp_path / "out.zarr")
    with pytest.raises(GridError, match="divide 180"):
        export_runs({}, tmp_path / "out.zarr", spacing=7.0, kind="zarr")
    assert not list(tmp_path.iterdir())


def test_a_displaced_pole_ocean_has_its_area(tmp_path):
    ocean = curvilinear_training_ocean()
    sea = ocean["deptho"].notnull().values
    run, valid = native_fields(xr.Dataset(coords=ocean[["lat", "lon"]].coords), np.ones((1, *sea.shape)), sea)
    weights = AreaWeights.of(run, common_grid(2.0))
    np.testing.assert_allclose(weights.ocean_area.sum(), run["areacello"].values[valid].sum(), rtol=1e-12)
    shares = weights.ocean_share * cell_area(common_grid(2.0)).ravel()
    np.testing.assert_allclose(shares.sum(), weights.ocean_area.sum() / 1.001, rtol=2e-3)
