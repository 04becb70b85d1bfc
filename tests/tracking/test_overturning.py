"""Overturning by regime and basin: a known cell, additivity, the AMOC, a real ocean model, and bounded memory."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from tests.made_transports import DENSITY, cell_of_overturning, faces_of_streamfunction, mitgcm, transports_on
from tests.ocean.test_density import layered_ocean
from tests.ocean.test_native_grids import curvilinear
from thor.core.errors import DataError
from thor.networks.split import OCEANS
from thor.ocean.basins import basin_codes
from thor.ocean.density import transports_in_density_classes
from thor.ocean.faces import CellFaces
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.tracking.overturning import amoc_change, overturning
from thor.tracking.regime_shares import NO_REGIME, probabilities_on_grid

REGIMES = ("a", "b", "c")


def random_probabilities(transports, n_networks=4, seed=0, *, known=True, dtype=np.float32):
    """Probabilities of three regimes in single precision, as networks give them."""
    grid = Grid.from_dataset(transports)
    values = np.random.default_rng(seed).dirichlet(np.ones(3), size=(n_networks, *grid.shape)).astype(dtype)
    values = np.where(np.broadcast_to(known, grid.shape)[..., None], values, np.nan)
    return probabilities_on_grid(xr.DataArray(values, dims=("network", *grid.dims, "regime")), grid)


def all_sea(transports):
    grid = Grid.from_dataset(transports)
    return basin_codes(grid, ocean=np.ones(grid.shape, bool))


def relative(difference, whole):
    return float(np.abs(difference).max() / np.abs(whole).max())


def test_a_known_cell_is_found():
    transports, psi, edges = cell_of_overturning()
    north_edges = transports["lat"].values + 2.0
    found = overturning(
        transports,
        random_probabilities(transports),
        basin=all_sea(transports),
        regimes=REGIMES,
        level=0.9,
        reference_density=DENSITY,
        latitudes=north_edges[:-1],
    )
    whole = found["overturning"].sel(basin="global")
    expected = psi[:, :-1].T
    np.testing.assert_allclose(np.nan_to_num(whole), expected, atol=1e-12)
    assert whole.max() > 19.9 and whole.attrs["units"] == "Sv" and "northward" in found.attrs["sign"]
    np.testing.assert_array_equal(found["lev"], edges[1:])
    # Every column of the cell is alike, so a regime has its mean probability of the overturning.
    with_all = overturning(
        transports,
        [(np.arange(45 * 90), np.full((2, 45 * 90, 2), [0.3, 0.7]))],
        basin=all_sea(transports),
        regimes=REGIMES[:2],
        level=0.9,
        reference_density=DENSITY,
        latitudes=north_edges[:-1],
    )
    of_first = with_all["overturning_by_regime"].sel(basin="global", regime="a")
    np.testing.assert_allclose(np.nan_to_num(of_first), 0.3 * expected, atol=1e-12)
    assert (with_all["overturning_by_regime"].sel(regime=NO_REGIME).fillna(0) == 0).all()
    assert np.isnan(found["overturning"].sel(basin="arctic_ocean", lat=north_edges[10])).all()


def check_additivity(found):
    by_regime, whole = found["overturning_by_regime"], found["overturning"]
    assert relative((by_regime.sum("regime", skipna=False) - whole).fillna(0), whole.fillna(0)) < 1e-10
    basins = whole.drop_sel(basin="global").sum("basin")
    assert relative((basins - whole.sel(basin="global")).fillna(0), whole.fillna(0)) < 1e-10
    assert float(abs(found["amoc_by_regime"].sum() - found["amoc"])) < 1e-10 * float(found["amoc"])
    net = found["net_transport_by_regime"]
    xr.testing.assert_allclose(net, by_regime.isel({by_regime.dims[-1]: -1}, drop=True).rename(net.name))
    assert (found["overturning_by_regime_lower"] <= by_regime + 1e-12).where(by_regime.notnull(), True).all()
    return net


def test_parts_of_regimes_and_basins_add_up_on_a_displaced_pole():
    c_grid = displaced_pole_c_grid(4.0)
    rng = np.random.default_rng(2)
    corners = np.zeros((5, 46, 90))
    corners[:, 1:-1] = rng.normal(size=(5, 44, 90))
    u, v = faces_of_streamfunction(corners)
    transports = transports_on(curvilinear(c_grid.t.lat, c_grid.t.lon), u, v, [0, 100, 500, 1000, 2000, 5000])
    known = rng.random(c_grid.shape) > 0.2
    found = overturning(
        transports,
        random_probabilities(transports, known=known),
        basin=all_sea(transports),
        regimes=REGIMES,
        level=0.9,
        reference_density=DENSITY,
    )
    net = check_additivity(found)
    assert float(abs(found["net_transport"].sel(basin="global")).max()) < 1e-12  # closed lines
    assert float(abs(net.sel(basin="global")).max()) > 1  # parts are not closed to zonal flow
    assert float(abs(net.sel(basin="global", regime=NO_REGIME)).max()) > 0.1


def test_parts_in_density_classes_add_up_and_have_the_net_transport_of_the_depth_levels():
    ocean = layered_ocean()
    options = {"basin": all_sea(ocean), "regimes": REGIMES, "level": 0.9, "reference_density": DENSITY}
    binned = transports_in_density_classes(ocean)
    found, in_depth = (overturning(part, random_probabilities(ocean), **options) for part in (binned, ocean))
    assert found["overturning_by_regime"].dims[-1] == "sigma2"
    net = check_additivity(found)
    assert float(abs(net).max()) > 1
    for name in ("net_transport", "net_transport_by_regime"):
        assert relative((found[name] - in_depth[name]).fillna(0), in_depth["overturning"].fillna(0)) < 1e-10


def test_what_a_part_gains_between_two_lines_flows_in_from_other_regimes():
    transports = transports_on(regular_grid(10.0), *np.zeros((2, 1, 18, 36)), [0, 1000])
    corners = np.zeros((1, 19, 36))
    corners[:, 1:-1] = np.random.default_rng(3).normal(size=(1, 17, 36))
    u, v = faces_of_streamfunction(corners)
    transports = transports_on(regular_grid(10.0), u, v, [0, 1000])
    labels = np.random.default_rng(4).integers(0, 2, (18, 36))
    labels[:, 20:] = 1
    probability = np.eye(2)[labels].reshape(1, -1, 2)
    found = overturning(
        transports,
        [(np.arange(18 * 36), probability)],
        basin=all_sea(transports),
        regimes=REGIMES[:2],
        level=0.9,
        reference_density=DENSITY,
        latitudes=[0.0, 10.0],
    )
    south, north = found["net_transport_by_regime"].sel(basin="global", regime="a").values
    faces = CellFaces.of(Grid.from_dataset(transports))
    lat = Grid.from_dataset(transports).lat.ravel()
    inside = (lat > 0) & (lat < 10) & (labels.ravel() == 0)
    flow = faces.values(u[0], v[0])
    # Zonal faces between two regimes of the band, and what meridional ones at its edges exchange by halves.
    zonal = faces.stored < 18 * 36
    into = (flow[zonal] * (inside[faces.ahead[zonal]].astype(float) - inside[faces.behind[zonal]])).sum()
    is_a, halves = labels.ravel() == 0, 0.0
    for edge, side in ((0.0, 1), (10.0, -1)):
        at = ~zonal & (lat[faces.behind] < edge) & (lat[faces.ahead] >= edge)
        within, beyond = (faces.ahead, faces.behind) if side > 0 else (faces.behind, faces.ahead)
        halves += side * (flow[at] * 0.5 * (is_a[within[at]].astype(float) - is_a[beyond[at]])).sum()
    np.testing.assert_allclose(north - south, into + halves, atol=1e-12)


def test_the_amoc_and_its_change_inside_each_network():
    windows = []
    for strength in (1.0, 0.6):
        transports, psi, edges = cell_of_overturning()
        transports["vmo"] = transports["vmo"].copy(data=strength * transports["vmo"].values)
        windows.append(
            overturning(
                transports,
                random_probabilities(transports),
                basin=all_sea(transports),
                regimes=REGIMES,
                level=0.9,
                reference_density=DENSITY,
            )
        )
    before, after = windows
    row = np.abs(transports["lat"].values + 2.0 - 26.5).argmin()
    share = (all_sea(transports) == 1).isel(lat=[row, row + 1]).mean().item()
    np.testing.assert_allclose(before["amoc"], share * psi[:, row].max())
    assert before["amoc_level"] == edges[1:][psi[:, row].argmax()] and before.attrs["amoc_latitude"] == 26.5
    change = amoc_change(after, before)
    np.testing.assert_allclose(change["amoc_change"], -0.4 * before["amoc"])
    np.testing.assert_allclose(change["amoc_change_by_regime"].sum(), change["amoc_change"])
    # The same networks in both windows: the spread of the change is 0.4 of that of the AMOC.
    width = (before["amoc_by_regime_upper"] - before["amoc_by_regime_lower"]).values
    of_change = (change["amoc_change_by_regime_upper"] - change["amoc_change_by_regime_lower"]).values
    np.testing.assert_allclose(of_change, 0.4 * width, atol=1e-12)


def test_no_atlantic_at_the_line_has_no_amoc():
    transports = cell_of_overturning()[0]
    pacific = all_sea(transports).copy(data=np.full((45, 90), 2, np.int8))
    found = overturning(
        transports,
        random_probabilities(transports),
        basin=pacific,
        regimes=REGIMES,
        level=0.9,
        reference_density=DENSITY,
    )
    assert np.isnan(found["amoc"]) and np.isnan(found["amoc_by_regime"]).all()


def test_probabilities_that_cannot_be_used():
    transports = cell_of_overturning()[0]
    options = {"basin": all_sea(transports), "regimes": REGIMES, "level": 0.9, "reference_density": DENSITY}
    blocks = list(random_probabilities(transports))
    with pytest.raises(DataError, match="There are probabilities of 3 regimes; expected a, b"):
        overturning(
            transports, blocks, basin=options["basin"], regimes=REGIMES[:2], level=0.9, reference_density=DENSITY
        )
    with pytest.raises(DataError, match="come in two blocks"):
        overturning(transports, [*blocks, blocks[0]], **options)
    with pytest.raises(DataError, match="no probabilities"):
        overturning(transports, [], **options)


@pytest.fixture(scope="module")
def real(data_mirror):
    """The MITgcm mean, its transports, and their overturning at the edges of its rows."""
    model, transports = mitgcm(data_mirror / "mitgcm_4deg" / "mitgcm_4deg_mean10yr.nc")
    grid = Grid.from_dataset(transports)
    basin = basin_codes(grid, ocean=model["deptho"].values > 0)
    blocks = random_probabilities(transports, 5, known=model["deptho"].values > 500)
    found = overturning(
        transports,
        blocks,
        basin=basin,
        regimes=REGIMES,
        level=0.9,
        reference_density=DENSITY,
        latitudes=model["lat_v"].values[1:],
    )
    return model, basin, found


def test_a_real_model_agrees_with_an_independent_integration(real):
    model, basin, found = real
    transport = (model["vo"] * model["face_height_v"] * model["face_width_v"]).fillna(0).astype(float) / 1e6
    psi = transport.sum("lon").cumsum("lev").transpose("lat_v", "lev").values[1:]
    whole = found["overturning"].sel(basin="global")
    np.testing.assert_allclose(np.nan_to_num(whole), np.where(np.isnan(whole), 0, psi), atol=1e-10)
    assert np.abs(psi[np.isnan(whole)]).max() == 0  # two rows of land
    assert -33.6 < psi.min() < -33.4 and 43.4 < psi.max() < 43.6
    codes = dict(zip(basin.attrs["flag_meanings"].split(), basin.attrs["flag_values"], strict=True))
    for name in OCEANS:
        inside = (basin.values == codes[name]).astype(float)
        share = 0.5 * (inside[1:] + inside[:-1])
        of_basin = np.cumsum((transport.values[:, 1:] * share).sum(axis=2), axis=0).T
        got = found["overturning"].sel(basin=name)
        np.testing.assert_allclose(np.nan_to_num(got), np.where(np.isnan(got), 0, of_basin), atol=1e-10)


def test_a_real_model_adds_up_and_has_a_known_circulation(real):
    model, _, found = real
    check_additivity(found)
    assert 12.5 < found["amoc"] < 13.0 and found["amoc_level"] == 1080 and found.attrs["amoc_latitude"] == 28.0
    # Precipitation and evaporation pass through the surface.
    assert 1.0 < float(abs(found["net_transport"].sel(basin="global")).max()) < 1.1
    through = (model["uo"] * model["face_height_u"] * model["face_width_u"]).fillna(0).sum("lev") / 1e6
    drake = through.sel(lon_u=slice(284, 296), lat=slice(-70, -54)).sum("lat")
    assert ((drake > 103) & (drake < 106)).all()


def test_memory_is_the_stated_one():
    spacing, n_levels, n_networks = 1.0, 24, 6
    coords = regular_grid(spacing)
    flow = np.random.default_rng(0).normal(size=(n_levels, 180, 360)).astype(np.float32)
    transports = transports_on(coords, flow, flow, np.linspace(0, 5000, n_levels + 1))
    basin = all_sea(transports)
    probability = np.full((1, 4096, 3), 1 / 3, np.float32)
    index = np.arange(180 * 360)
    blocks = (
        (index[start : start + 4096], np.repeat(probability[:, : index[start : start + 4096].size], n_networks, axis=0))
        for start in range(0, index.size, 4096)
    )
    tracemalloc.start()
    found = overturning(
        transports,
        blocks,
        basin=basin,
        regimes=REGIMES,
        level=0.9,
        reference_density=DENSITY,
        latitudes=np.arange(-79.0, 90.0),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n_lines = found.sizes["lat"]
    beside = 8 * n_levels * 2 * n_lines * 360
    by_network = 3 * 8 * n_networks * 3 * n_lines * 4 * n_levels
    assert peak < beside + by_network + 250 * index.size
