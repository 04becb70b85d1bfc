"""Features from transports: analytic flow, windows of a run, cells without transports, other runs and grids."""

import numpy as np
import pytest
import xarray as xr

from thor.core.errors import DataError, GridError
from thor.core.variables import TRANSPORT_TORQUES, groups_of, input_sets, variable
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.features import feature_names, features, window_features
from thor.ocean.grid import Grid
from thor.ocean.polar_filter import polar_filter
from thor.ocean.torques import transport_torques
from thor.ocean.transport_features import CORNER_FEATURE, TRANSPORT_FEATURE, corner_mean, valid_in_set
from thor.reading.training_ocean import harmonise

PLAIN = {"reference_density": 1029.0, "extended": False, "neighbourhood_radii_km": [], "polar_filter": False}
OPTIONS = PLAIN | {"stress_curl": "surface", "metric": "spherical"}
FACETS = {"source_id": "MADE-1", "experiment_id": "piControl", "variant_label": "r1i1p1f1"}


@pytest.fixture
def ocean(raw_ocean):
    return harmonise(raw_ocean)


@pytest.fixture
def with_transports(ocean):
    """Northward flow of 10 m2 s-1 everywhere."""
    northward = xr.where(ocean["deptho"].notnull(), 10.0, np.nan).transpose(*ocean["zos"].dims)
    return ocean.assign(transport_northward=northward.assign_attrs(variable("transport_northward").attrs))


@pytest.fixture
def run(ocean):
    """Two windows of a run, and its diagnosed terms: -beta V of 1e-11 and 2e-11 m s-2."""
    fields = ["zos", "tauuo", "tauvo", "deptho", "areacello", "sftof"]
    windows = xr.concat([ocean[fields]] * 2, "window", data_vars=["zos", "tauuo", "tauvo"])
    windows = windows.assign_coords(window=["1850-1869", "1870-1889"], months=("window", [240, 240]))
    advection = xr.DataArray([1e-11, 2e-11], dims="window") * xr.ones_like(ocean["zos"]).drop_attrs()
    fields = {TRANSPORT_FEATURE: advection, **dict.fromkeys(TRANSPORT_TORQUES, 2 * advection)}
    terms = xr.Dataset(fields).assign_coords(window=windows["window"])
    return windows.assign_attrs(FACETS), terms.assign_attrs(FACETS)


def test_the_set_is_declared_beside_the_variable():
    assert input_sets() == ("surface", "transport")
    assert groups_of(TRANSPORT_FEATURE).group == "transport"
    around = groups_of(f"{TRANSPORT_FEATURE}_mean_200km")
    assert (around.group, around.input_set) == (f"around {TRANSPORT_FEATURE}", "transport")


def test_advection_of_a_northward_flow(with_transports):
    got = features(with_transports, **OPTIONS)
    expected = -10 * 2 * EARTH_ROTATION * np.cos(np.deg2rad(got["lat"])) / EARTH_RADIUS
    field = got[TRANSPORT_FEATURE]
    np.testing.assert_allclose(field.where(got["valid"] == 1), expected.where(got["valid"] == 1).transpose(*field.dims))
    assert feature_names(got, "transport") == [TRANSPORT_FEATURE, CORNER_FEATURE]


def test_both_components_also_give_torques(with_transports):
    eastward = with_transports["transport_northward"].assign_attrs(variable("transport_eastward").attrs)
    ocean = with_transports.assign(transport_eastward=eastward)
    got = features(ocean, **OPTIONS)
    assert feature_names(got, "transport") == [TRANSPORT_FEATURE, CORNER_FEATURE, *TRANSPORT_TORQUES]
    depth = ocean["deptho"].transpose(*ocean["zos"].dims).values
    expected = transport_torques(*[10.0 + 0 * depth] * 2, depth, Grid.from_dataset(ocean))
    for name, field in zip(TRANSPORT_TORQUES, expected.values(), strict=True):
        np.testing.assert_allclose(got[name], field)


def test_mean_over_corners(ocean):
    grid = Grid.from_dataset(ocean)
    checks = (-1.0) ** np.add.outer(*map(np.arange, grid.shape))
    land = np.ones(grid.shape, bool)
    land[4:7, 5:9] = land[10, 10] = False
    sea = np.where(land, np.nan, 1 + checks)
    got = corner_mean(sea, grid)
    # what alternates from cell to cell is not in the mean of four; a lone cell keeps its value
    np.testing.assert_allclose(got[4:7, 5:9], 1)
    assert got[10, 10] == sea[10, 10]
    assert np.isnan(got[land]).all()
    sea[5, 6] += 16
    # its share in the corners (1, 1) and (1, -1) of its neighbours, of which the western one has two at the coast
    np.testing.assert_allclose(corner_mean(sea, grid)[5, 5:9], [5, 5, 3, 1])


def test_the_surface_features_do_not_depend_on_transports(ocean, with_transports):
    hole = with_transports["transport_northward"].where(with_transports["lat"] > 0)
    options = OPTIONS | {"neighbourhood_radii_km": [800]}
    without, got = features(ocean, **options), features(with_transports.assign(transport_northward=hole), **options)
    assert feature_names(got) == feature_names(without)
    for name in (*feature_names(got), "valid"):
        xr.testing.assert_identical(got[name], without[name])
    assert feature_names(without, "transport") == []
    around = [f"{TRANSPORT_FEATURE}_{statistic}_800km" for statistic in ("mean", "spread")]
    assert feature_names(got, "transport") == [TRANSPORT_FEATURE, CORNER_FEATURE, *around]
    # south of the equator the transport is unknown: these cells are valid in the set of the surface only
    known = valid_in_set(got, tuple(feature_names(got, "transport")))["valid"]
    assert bool(((known == 1) == ((got["valid"] == 1) & (got["lat"] > 0))).all())


def test_windows_of_a_run(run):
    windows, terms = run
    got = window_features(windows, terms.isel(window=[1, 0]), **PLAIN | {"neighbourhood_radii_km": [800]})
    sea = got["valid"].values == 1
    for k, value in enumerate((1e-11, 2e-11)):
        for name in (TRANSPORT_FEATURE, CORNER_FEATURE, f"{TRANSPORT_FEATURE}_mean_800km"):
            np.testing.assert_allclose(got[name].isel(window=k).values[sea], value)
        for name in TRANSPORT_TORQUES:
            np.testing.assert_allclose(got[name].isel(window=k).values[sea], 2 * value)
    without = window_features(windows, **PLAIN)
    assert feature_names(without, "transport") == []
    # a run has the set if all of its windows have transports
    assert feature_names(window_features(windows, terms.isel(window=[0]), **PLAIN), "transport") == []


def test_the_polar_filter_reaches_the_transports_of_the_training_ocean_and_of_runs(with_transports, run):
    """-beta V has the same factor all along a row, so that it does not matter which of the two is averaged."""
    random = np.random.default_rng(1)
    grid = Grid.from_dataset(with_transports)
    northward = with_transports["transport_northward"]
    noisy = with_transports.assign(transport_northward=northward.copy(data=random.normal(size=northward.shape)))
    plain, filtered = (features(noisy, **OPTIONS | {"polar_filter": used})[TRANSPORT_FEATURE] for used in (False, True))
    windows, terms = run
    names = (TRANSPORT_FEATURE, *TRANSPORT_TORQUES)
    sea = with_transports["deptho"].notnull().transpose(*northward.dims).values
    noise = {name: np.where(sea, random.normal(size=terms[name].shape), np.nan) for name in names}
    terms = terms.assign({name: terms[name].copy(data=noise[name]) for name in names})
    of_run = window_features(windows, terms, **PLAIN | {"polar_filter": True})
    polar = np.abs(grid.lat[:, 0]) > 61
    for given, got in ((plain, filtered), *((terms[name], of_run[name]) for name in names)):
        np.testing.assert_allclose(got, polar_filter(given.values, grid), rtol=1e-12)
        assert np.nanstd(got.values[..., polar, :]) < 0.8 * np.nanstd(given.values[..., polar, :])


def test_transports_of_another_run_or_grid_are_errors(run):
    windows, terms = run
    with pytest.raises(DataError, match=r"features of MADE-1/piControl/r1i1p1f1 .* terms of MADE-2/piControl"):
        window_features(windows, terms.assign_attrs(source_id="MADE-2"), **PLAIN)
    moved = terms.assign_coords(lat=terms["lat"] + 1)
    with pytest.raises(GridError, match="'transport_planetary_advection' and 'zos' are on different grids"):
        window_features(windows, moved, **PLAIN)


def test_no_cell_with_transports_is_an_error(with_transports):
    got = features(with_transports, **OPTIONS)
    with pytest.raises(DataError, match="No cell has all of transport_planetary_advection"):
        valid_in_set(got.assign({TRANSPORT_FEATURE: got[TRANSPORT_FEATURE] * np.nan}), (TRANSPORT_FEATURE,))
