"""Planetary advection from transports: analytic flows, true budgets, a real ocean model, and data that are wrong."""

import numpy as np
import pytest
import xarray as xr

from tests.curvilinear_ocean import SETTINGS
from thor.core.errors import DataError, GridError
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.budget import circulation_budget
from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.circulation import CirculationModel
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.ocean.idealized.geography import build_geography
from thor.ocean.idealized.winds import stress_on_faces, winds_of
from thor.ocean.transport_checks import (
    LARGEST_LEVEL_CHANGE,
    check_transports,
    drake_passage_is_open,
    measure_transports,
)
from thor.ocean.transports import (
    beta_advection,
    faces_from_streamfunction,
    net_outflow,
    outflows,
    planetary_flux_convergence,
    to_next_faces,
    transport_vector,
)


def rms(field, where=...):
    return float(np.sqrt(np.nanmean(np.square(field[where]))))


def streamfunction(lat, lon):
    """Smooth gyres over the whole sphere [m3 s-1]."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return 3e7 * np.cos(phi) ** 2 * (np.sin(2 * phi) + 0.5 * np.cos(2 * lam))


def true_advection(lat, lon):
    """-beta V = -beta / (a cos phi) d(psi)/d(lambda), exact."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    northward = -3e7 * np.cos(phi) * np.sin(2 * lam) / EARTH_RADIUS
    return -2 * EARTH_ROTATION * np.cos(phi) / EARTH_RADIUS * northward


def analytic(spacing, *, flip_rows=False):
    """Return the grid, exact transports through its faces and where the sea is: all but the poles."""
    place = regular_grid(spacing)
    if flip_rows:
        place = place.isel(lat=slice(None, None, -1))
    grid = Grid.from_dataset(place)
    half = spacing / 2 * (-1 if flip_rows else 1)
    corner = {(r, c): streamfunction(grid.lat + r * half, grid.lon + c * spacing / 2) for r in (-1, 1) for c in (-1, 1)}
    turn = -1 if flip_rows else 1
    u, v = -turn * (corner[1, 1] - corner[-1, 1]), turn * (corner[1, 1] - corner[1, -1])
    sea = np.abs(grid.lat) < 80
    closed = {step: ~(sea & (grid.neighbour(sea.astype(float), step) == 1)) for step in ((0, 1), (1, 0))}
    return grid, np.where(closed[0, 1], np.nan, u), np.where(closed[1, 0], np.nan, v), sea


@pytest.mark.parametrize("flip_rows", [False, True])
def test_both_forms_converge_to_the_exact_advection_at_second_order(flip_rows):
    errors = {}
    for spacing in (4.0, 2.0):
        grid, u, v, sea = analytic(spacing, flip_rows=flip_rows)
        inner = np.abs(grid.lat) < 65
        exact = true_advection(grid.lat, grid.lon)
        flux = planetary_flux_convergence(u, v, grid, sea=sea)
        clean = beta_advection(transport_vector(u, v, grid)[1], grid.lat)
        assert rms(net_outflow(u, v, grid), inner) < 1e-12 * rms(u, inner)
        errors[spacing] = rms(flux - exact, inner) / rms(exact, inner), rms(clean - exact, inner) / rms(exact, inner)
    assert max(errors[2.0]) < 0.01
    assert all(coarse / fine > 3.5 for coarse, fine in zip(errors[4.0], errors[2.0], strict=True))


def test_transports_are_recovered_from_a_streamfunction_whatever_its_constant():
    grid, u, v, sea = analytic(2.0)
    corners = streamfunction(grid.lat + 1, grid.lon + 1)
    for constant in (0.0, 5e8):
        found = faces_from_streamfunction(corners + constant, grid, sea=sea, offset=(1, 1))
        np.testing.assert_allclose(found[0], u, atol=1e-6 * np.nanmax(np.abs(u)))
        np.testing.assert_allclose(found[1], v, atol=1e-6 * np.nanmax(np.abs(v)))
    # corners to the south-west of the T points of the same index
    found = faces_from_streamfunction(streamfunction(grid.lat - 1, grid.lon - 1), grid, sea=sea, offset=(-1, -1))
    np.testing.assert_allclose(found[0], u, atol=1e-6 * np.nanmax(np.abs(u)))
    # from T points the averages smooth, but no mass is lost
    found = faces_from_streamfunction(streamfunction(grid.lat, grid.lon), grid, sea=sea)
    inner = np.abs(grid.lat) < 70
    assert rms(found[1] - v, inner) < 0.01 * rms(v, inner)
    assert rms(net_outflow(*found, grid), inner) < 1e-12 * rms(v, inner)
    with pytest.raises(GridError, match=r"expected T points or corners"):
        faces_from_streamfunction(corners, grid, sea=sea, offset=(0, 1))


def test_corners_that_a_few_cells_lack_close_their_faces():
    grid, u, _, sea = analytic(2.0)
    corners = streamfunction(grid.lat + 1, grid.lon + 1)
    corners[40, 50] = np.nan
    found = faces_from_streamfunction(corners, grid, sea=sea, offset=(1, 1))
    assert np.isnan(found[0][40:42, 50]).all() and np.isfinite(u[40:42, 50]).all()
    assert np.isfinite(found[0]).sum() == np.isfinite(u).sum() - 2
    # land without positions stores corners of coasts
    known = sea | (grid.lat > 0)
    place = {"lat": np.where(known, grid.lat, np.nan), "lon": np.where(known, grid.lon, np.nan)}
    bare = Grid.from_dataset(xr.Dataset(coords={name: (("y", "x"), values) for name, values in place.items()}))
    found = faces_from_streamfunction(corners, bare, sea=sea, offset=(1, 1))
    assert np.isfinite(found[0]).sum() == np.isfinite(u).sum() - 2


def test_transports_on_western_and_southern_faces_move_to_the_next_ones():
    grid, u, v, _ = analytic(4.0)
    west, south = np.roll(u, 1, axis=1), np.vstack([np.full_like(v[:1], np.nan), v[:-1]])
    np.testing.assert_array_equal(to_next_faces(west, "u", (0, -1), grid), u)
    np.testing.assert_array_equal(to_next_faces(south, "v", (-1, 0), grid)[:-1], v[:-1])
    assert to_next_faces(u, "u", (0, 1), grid) is u
    with pytest.raises(GridError, match="'vmo' lies .* get them on the native grid"):
        to_next_faces(v, "v", (0, 0), grid)
    # rows from north to south: northward is against the rows
    flipped, _, against, _ = analytic(4.0, flip_rows=True)
    np.testing.assert_array_equal(to_next_faces(-against, "v", (1, 0), flipped), against)


def solved(make_grid):
    grid = make_grid(4.0)
    model = CirculationModel(grid, build_geography(grid, SETTINGS, seed=1), SETTINGS)
    stress = stress_on_faces(grid, winds_of(SETTINGS))
    circulation, advection = model.solve_nonlinear(stress, iterations=1)
    budget = circulation_budget(model, circulation, stress, advection)
    return grid, model.geography.mask, circulation.transport, budget


@pytest.mark.parametrize("make_grid", [regular_c_grid, displaced_pole_c_grid])
@pytest.mark.parametrize("positions_on_land", [True, False])
def test_flux_form_is_the_true_term_of_a_closed_budget(make_grid, positions_on_land):
    c_grid, sea, transport, budget = solved(make_grid)
    known = sea | positions_on_land
    coords = {"lat": np.where(known, c_grid.t.lat, np.nan), "lon": np.where(known, c_grid.t.lon, np.nan)}
    grid = Grid.from_dataset(xr.Dataset(coords={name: (("y", "x"), values) for name, values in coords.items()}))
    u, v = transport.u * c_grid.u.dy, transport.v * c_grid.v.dx
    truth, cells = budget.cells["planetary_vorticity_advection"], budget.cell_mask
    found = planetary_flux_convergence(u, v, grid, sea=sea)
    # measured: 2e-4; positions without bounds give slightly other areas
    assert rms(found - truth, cells) < 1e-3 * rms(truth, cells)
    clean = beta_advection(transport_vector(u, v, grid)[1], grid.lat)
    assert np.corrcoef(clean[cells], truth[cells])[0, 1] > 0.94
    east, north = transport_vector(u, v, grid)
    eastward = np.cos(c_grid.t.angle) * (transport.u + np.roll(transport.u, 1, axis=1)) / 2
    south = np.vstack([np.zeros_like(transport.v[:1]), transport.v[:-1]])
    along_j = (transport.v + south) / 2
    eastward -= np.sin(c_grid.t.angle) * along_j
    assert rms(east - eastward, cells) < 0.02 * rms(eastward, cells)
    assert np.isfinite(north[cells]).all()


@pytest.fixture(scope="module")
def mitgcm(data_mirror):
    ocean = xr.open_dataset(data_mirror / "mitgcm_4deg" / "mitgcm_4deg_mean10yr.nc").load()
    grid = Grid.from_dataset(ocean[["lat", "lon"]])
    u = (ocean["uo"] * ocean["face_height_u"] * ocean["face_width_u"]).sum("lev").values
    v = (ocean["vo"] * ocean["face_height_v"] * ocean["face_width_v"]).sum("lev").values
    u, v = to_next_faces(u, "u", (0, -1), grid), to_next_faces(v, "v", (-1, 0), grid)
    return grid, u, v, (ocean["deptho"] > 0).values


def test_mean_of_a_real_ocean_model(mitgcm):
    grid, u, v, sea = mitgcm
    numbers = check_transports(u, v, grid, sea=sea, where="MITgcm")
    assert 103 < numbers.drake_passage_sv < 106
    assert numbers.net_outflow_ratio < 1e-3
    assert numbers.subpolar_circulation > 0
    flux = planetary_flux_convergence(u, v, grid, sea=sea)
    clean = beta_advection(transport_vector(u, v, grid)[1], grid.lat)
    inner = sea & grid.topology.surrounded(sea) & np.isfinite(flux)
    # from transports alone both forms agree; the model's form with velocities has rms 2.5e-10, correlation 0.25
    assert rms(flux, inner) == pytest.approx(1.07e-10, rel=0.01)
    assert rms(clean, inner) == pytest.approx(1.39e-10, rel=0.01)
    assert np.corrcoef(flux[inner], clean[inner])[0, 1] > 0.95


def test_wrong_transports_are_errors(mitgcm):
    grid, u, v, sea = mitgcm
    with pytest.raises(DataError, match=r"RUN: the transports do not balance: .* expected at most 5%.*native grid"):
        check_transports(u, -v, grid, sea=sea, where="RUN")
    # sea level changes by less than 3e-6 m s-1 where currents are weak
    assert measure_transports(u / 100, -v / 100, grid, sea=sea).level_change < LARGEST_LEVEL_CHANGE
    with pytest.raises(DataError, match=r"do not balance"):
        check_transports(u / 100, -v / 100, grid, sea=sea, where="RUN")
    with pytest.raises(DataError, match=r"RUN: -105 Sv flow eastward .* expected 80 to 250 Sv.*streamfunction_sign"):
        check_transports(-u, -v, grid, sea=sea, where="RUN")
    with pytest.raises(DataError, match=r"108\d+ Sv flow eastward.*units are not those"):
        check_transports(1029 * u, 1029 * v, grid, sea=sea, where="RUN")
    with pytest.raises(DataError, match=r" 0 Sv flow eastward.*Are 'umo' and 'vmo' in other units"):
        check_transports(u / 1029, v / 1029, grid, sea=sea, where="RUN")
    with pytest.raises(DataError, match=r"53 Sv flow eastward.*strict to false"):
        check_transports(u / 2, v / 2, grid, sea=sea, where="RUN", strict=True)
    north = np.abs(grid.lat - 57) < 15
    high = 3e7 * np.exp(-(((grid.lat - 57) / 6) ** 2) - ((grid.lon - 320) / 15) ** 2)
    with pytest.raises(DataError, match="anticyclonically.*expected a cyclonic gyre"):
        check_transports(*faces_from_streamfunction(high, grid, sea=north), grid, sea=north, where="RUN")
    assert measure_transports(u, v, grid, sea=sea).level_change < 1e-7


def test_a_closed_drake_passage_is_no_fault_and_a_still_open_one_is(mitgcm):
    grid, _, _, sea = mitgcm
    barrier = (np.abs(grid.lon - 297) < 3) & (grid.lat < -45)
    gyre = 1e7 * np.exp(-(((grid.lat + 60) / 3) ** 2) - ((grid.lon - 284) / 5) ** 2)
    u, v = faces_from_streamfunction(gyre, grid, sea=sea & ~barrier)
    assert drake_passage_is_open(grid, sea=sea) and not drake_passage_is_open(grid, sea=sea & ~barrier)
    assert np.isnan(check_transports(u, v, grid, sea=sea & ~barrier, where="RUN").drake_passage_sv)
    with pytest.raises(DataError, match="RUN: -?0 Sv flow eastward through Drake Passage .* Is msftbarot zero"):
        check_transports(u, v, grid, sea=sea, where="RUN")


def test_outflows_of_neighbours_are_opposite():
    grid, u, v, _ = analytic(4.0)
    out = outflows(u, v, grid)
    np.testing.assert_array_equal(out[0, 1], -grid.neighbour(out[0, -1], (0, 1)))
    inside = np.abs(grid.lat) < 85
    np.testing.assert_array_equal(out[1, 0][inside], -grid.neighbour(out[-1, 0], (1, 0))[inside])
