"""Quantities of cells divided among regimes: sums that add up, means by area, networks in blocks, other grids."""

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_native_grids import curvilinear
from tests.tracking.conftest import CLASSES, make_run, make_tools
from thor.core.errors import DataError, GridError, UnitsError
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.tracking.cells import Cells
from thor.tracking.regime_properties import properties_over_networks, regime_properties
from thor.tracking.regime_shares import (
    NO_REGIME,
    basin_numbers,
    probabilities_by_network,
    probabilities_on_grid,
    regime_sums,
    spread_over_networks,
)
from thor.tracking.track import track_run

REGIMES = ("a", "b")
FLAGS = {"flag_values": np.array([1, 2], np.int8), "flag_meanings": "atlantic_ocean pacific_ocean"}


def made_fields(coords, seed=0):
    grid = Grid.from_dataset(coords)
    rng = np.random.default_rng(seed)
    land = rng.random(grid.shape) < 0.2
    values = {
        "hfds": (rng.normal(scale=50, size=grid.shape), "W m-2"),
        "mlotst": (rng.uniform(0, 1000, grid.shape), "m"),
        "eastward_transport": (rng.normal(scale=30, size=grid.shape), "m2 s-1"),
        "northward_transport": (rng.normal(scale=30, size=grid.shape), "m2 s-1"),
    }
    fields = {
        name: (grid.dims, np.where(land, np.nan, field), {"units": units}) for name, (field, units) in values.items()
    }
    basin = xr.DataArray(np.where(land, -1, 1 + (grid.lon > 180)).astype(np.int8), dims=grid.dims, attrs=FLAGS)
    probability = rng.dirichlet(np.ones(2), (7, *grid.shape))
    probability[:, rng.random(grid.shape) < 0.1] = np.nan
    return coords.assign(fields), basin, xr.DataArray(probability, dims=("network", *grid.dims, "regime")), grid


def displaced():
    t = displaced_pole_c_grid(6.0).t
    return curvilinear(t.lat, t.lon)


@pytest.mark.parametrize("coords", [regular_grid(10.0), displaced()], ids=["regular", "displaced pole"])
def test_sums_and_means_are_those_of_the_cells(coords):
    fields, basin, probability, grid = made_fields(coords)
    found = properties_over_networks(
        regime_properties(
            fields, probabilities_on_grid(probability, grid), basin=basin, regimes=REGIMES, deep_mixed_layer=500.0
        ),
        level=0.9,
    )
    area = xr.DataArray(grid.area, dims=grid.dims)
    share = probability.isel(regime=0).fillna(0)
    weight = (area * share).where(fields["hfds"].notnull()).where(basin == 1)
    at = {"basin": "atlantic_ocean", "regime": "a"}
    dims = list(grid.dims)

    uptake = (weight * fields["hfds"]).sum(dims) / 1e15
    np.testing.assert_allclose(found["heat_uptake"].sel(at), uptake.mean())
    np.testing.assert_allclose(found["heat_uptake_lower"].sel(at), uptake.quantile(0.05))
    depth = (weight * fields["mlotst"]).sum(dims) / weight.sum(dims)
    np.testing.assert_allclose(found["mixed_layer_depth"].sel(at), depth.mean())
    np.testing.assert_allclose(found["mixed_layer_depth_upper"].sel(at), depth.quantile(0.95))
    deep = (weight * (fields["mlotst"] > 500)).sum(dims)
    np.testing.assert_allclose(found["deep_mixed_area"].sel(at), deep.mean())
    magnitude = np.hypot(fields["eastward_transport"], fields["northward_transport"])
    np.testing.assert_allclose(
        found["transport_magnitude"].sel(at), ((weight * magnitude).sum(dims) / weight.sum(dims)).mean()
    )


def test_regimes_and_basins_add_up_to_the_whole():
    fields, basin, probability, grid = made_fields(regular_grid(10.0))
    found = regime_properties(
        fields,
        probabilities_on_grid(probability, grid),
        basin=basin,
        regimes=REGIMES,
        basins=["pacific_ocean"],
        deep_mixed_layer=100.0,
    )
    found = properties_over_networks(found, level=0.9)
    assert found["basin"].values.tolist() == ["pacific_ocean", "other", "global"]
    for name, values in (("heat_uptake", fields["hfds"] / 1e15), ("deep_mixed_area", fields["mlotst"] > 100.0)):
        whole = float((values * grid.area).sum())
        np.testing.assert_allclose(found[name].sel(basin="global").sum("regime"), whole, rtol=1e-10)
        np.testing.assert_allclose(found[name].drop_sel(basin="global").sum(), whole, rtol=1e-10)
    assert float(abs(found["heat_uptake"].sel(basin="global", regime=NO_REGIME))) > 1e-3
    assert found.attrs["deep_mixed_layer"] == 100.0 and found.attrs["n_networks"] == 7


def test_probabilities_of_networks_give_the_areas_of_tracking(made):
    run, tools = make_run("historical", n_windows=2), make_tools(made)
    tracked = track_run(run, None, None, tools)
    predictor = next(iter(tools.predictors))
    cells = Cells.of(run)
    number, names = basin_numbers(run["basin"])
    sums = regime_sums(
        probabilities_by_network(run, 1, tools, predictor),
        cells.index,
        number[cells.index],
        cells.area[:, None],
        n_groups=len(names),
    )
    assert sums.shape == (tools.predictors[predictor].n_members, len(names), len(CLASSES) + 1, 1)
    area = spread_over_networks(sums[:, :-1, :-1, 0], 0.9)
    of_tracking = tracked.isel(window=1).sel(predictor=predictor, basin=list(names[:-1]))
    for end, values in area.named("expected_area").items():
        np.testing.assert_allclose(values, of_tracking[end].transpose("basin", "regime"), rtol=2e-6)
    assert (sums[:, :, -1] == 0).all()


def test_one_network_has_an_interval_without_width():
    fields, basin, probability, grid = made_fields(regular_grid(10.0))
    blocks = probabilities_on_grid(probability.isel(network=0), grid)
    found = properties_over_networks(
        regime_properties(fields[["hfds"]], blocks, basin=basin, regimes=REGIMES, deep_mixed_layer=500.0), level=0.9
    )
    assert set(found.data_vars) == {"heat_uptake", "heat_uptake_lower", "heat_uptake_upper"}
    np.testing.assert_array_equal(found["heat_uptake_lower"], found["heat_uptake_upper"])
    assert found.attrs["n_networks"] == 1


def test_changes_are_made_inside_each_network():
    fields, basin, probability, grid = made_fields(regular_grid(10.0))
    half = fields[["hfds"]].assign(hfds=(0.5 * fields["hfds"]).assign_attrs(fields["hfds"].attrs))
    window, baseline = (
        regime_properties(
            part, probabilities_on_grid(probability, grid), basin=basin, regimes=REGIMES, deep_mixed_layer=500.0
        )
        for part in (fields, half)
    )
    found = properties_over_networks(window, baseline, level=0.9)
    assert {str(name) for name in found if "_change" in str(name)} == {
        f"heat_uptake_change{end}" for end in ("", "_lower", "_upper")
    }
    np.testing.assert_allclose(found["heat_uptake_change"], found["heat_uptake"] / 2, rtol=1e-10)
    # half as wide as that of the uptake; the difference of two intervals would be wider
    width = found["heat_uptake_upper"] - found["heat_uptake_lower"]
    np.testing.assert_allclose(found["heat_uptake_change_upper"] - found["heat_uptake_change_lower"], width / 2)
    assert found["heat_uptake_change"].attrs["units"] == "PW"


def test_fields_that_cannot_be_used():
    fields, basin, probability, grid = made_fields(regular_grid(10.0))

    def properties(changed, **options):
        blocks = probabilities_on_grid(probability, grid)
        return regime_properties(
            changed, blocks, **{"basin": basin, "regimes": REGIMES, "deep_mixed_layer": 500.0} | options
        )

    with pytest.raises(UnitsError, match="'hfds' has units 'W'; expected 'W m-2'"):
        properties(fields.assign(hfds=fields["hfds"].assign_attrs(units="W")))
    with pytest.raises(GridError, match="'mlotst' needs the dims lat, lon"):
        properties(fields.assign(mlotst=fields["mlotst"].expand_dims("time")))
    with pytest.raises(DataError, match="None of hfds, mlotst"):
        properties(fields[[]].assign_coords(fields.coords))
    with pytest.raises(DataError, match="probabilities of 2 regimes; expected a, b, c"):
        properties(fields, regimes=("a", "b", "c"))
    turned = basin.assign_coords(lat=grid.lat[:, 0], lon=grid.lon[0]).isel(lat=slice(None, None, -1))
    with pytest.raises(GridError, match="'basin' .* is on another grid"):
        properties(fields, basin=turned.rename("basin"))
    with pytest.raises(GridError, match=r"\(network 7, lat 17, lon 36, regime 2\) is on another grid"):
        list(probabilities_on_grid(probability[:, 1:], grid))
    with pytest.raises(DataError, match="There is no basin north_sea"):
        properties(fields, basins=["north_sea"])
