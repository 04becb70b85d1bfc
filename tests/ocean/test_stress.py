"""The curl of the stress under every convention: analytic stress on real grids, and the stress of a climate model."""

import numpy as np
import pytest
import xarray as xr

from tests.ocean.test_native_grids import (
    curvilinear,
    native_grid,
    open_esgf,
    read_native,
    rms,
    solid_body_rotation,
    with_all_neighbours,
)
from tests.ocean.test_operators import spherical_harmonic
from thor.core.errors import GridError
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import NEIGHBOURS, Grid, regular_grid
from thor.ocean.operators import curl
from thor.ocean.sphere import distance, local_basis, normalised, unit_vectors
from thor.ocean.stress import detect_convention, stress_curl, stress_eastward_northward
from thor.ocean.stress_points import CONVENTIONS, SIDES, mask_stress_on_land, stress_on_assumed_points, suggest_points

STAGGERED = ("grid_axes_c_grid", "grid_axes_corners")
X_STRESS = {"tauuo": "surface_downward_x_stress", "tauvo": "surface_downward_y_stress"}
TRUE_STRESS = {"tauuo": "surface_downward_eastward_stress", "tauvo": "surface_downward_northward_stress"}


def positions(points):
    return np.rad2deg(np.arcsin(np.clip(points[2], -1, 1))), np.rad2deg(np.arctan2(points[1], points[0]))


def rotation(points):
    """Solid-body rotation as a vector in space, and so without regard to any axes."""
    lat, lon = positions(points)
    east, north = local_basis(lat, lon)
    eastward, northward, _ = solid_body_rotation(Grid(lat, lon, lat, None, ("y", "x")))
    return eastward * east + northward * north


def harmonic_gradient(points):
    lat, lon = positions(points)
    east, north = local_basis(lat, lon)
    _, eastward, northward = spherical_harmonic(Grid(lat, lon, lat, None, ("y", "x")), 12, 5)
    return eastward * east + northward * north


def sampled(grid, vector, convention, *, east=1, north=1):
    """The stress a model of this convention would publish, its points `east`, `north` half cells along i, j of T.

    Axes are taken from the differences of T points.
    """
    centres, dims = grid.centres, grid.dims
    dataset = xr.Dataset(coords={"lat": (dims, grid.lat), "lon": (dims, grid.lon)})
    beside, above, across = (grid.neighbour(centres, step) for step in ((0, east), (north, 0), (north, east)))
    if convention == "grid_axes_c_grid":
        points = {"u": normalised(centres + beside), "v": normalised(centres + above)}
        axes = {"u": east * (beside - centres), "v": north * (above - centres)}
    elif convention == "grid_axes_corners":
        points = dict.fromkeys("uv", normalised(centres + beside + above + across))
        axes = {"u": east * (beside - centres + across - above), "v": north * (above - centres + across - beside)}
    else:
        points = dict.fromkeys("uv", centres)
        axes = {
            "u": grid.neighbour(centres, (0, 1)) - grid.neighbour(centres, (0, -1)),
            "v": grid.neighbour(centres, (1, 0)) - grid.neighbour(centres, (-1, 0)),
        }
    axes = {name: normalised(axis) for name, axis in axes.items()}
    if convention == "true_east_north":
        axes = dict(zip("uv", local_basis(grid.lat, grid.lon), strict=True))
    for name, place in points.items():
        dataset[f"tau{name}o"] = (dims, (vector(place) * axes[name]).sum(axis=0))
        if convention in STAGGERED:
            lat, lon = positions(place)
            dataset = dataset.assign_coords({f"lat_{name}": (dims, lat), f"lon_{name}": (dims, lon)})
    return dataset.assign_attrs(stress_convention=convention)


def named(dataset, names):
    return dataset.assign({name: dataset[name].assign_attrs(standard_name=text) for name, text in names.items()})


ARRANGEMENTS = [
    ("true_east_north", 1, 1),
    ("grid_axes_t_points", 1, 1),
    ("grid_axes_c_grid", 1, 1),
    ("grid_axes_c_grid", -1, -1),
    ("grid_axes_corners", 1, 1),
    ("grid_axes_corners", -1, -1),
]


@pytest.fixture(scope="module", params=["CESM2", "IPSL-CM6A-LR"])
def native(request, data_mirror):
    grid, ocean = native_grid(data_mirror, request.param)
    cells = with_all_neighbours(ocean, grid)
    if request.param == "IPSL-CM6A-LR":
        cells[-2:] = False  # corners south-west of T points are not stored beyond the fold
    return grid, cells


@pytest.mark.parametrize(("convention", "east", "north"), ARRANGEMENTS)
def test_curl_of_solid_body_rotation(native, convention, east, north):
    grid, cells = native
    stress = sampled(grid, rotation, convention, east=east, north=north)
    error = np.abs(stress_curl(stress, grid) - solid_body_rotation(grid)[2])[cells] / 2e-6
    assert error.max() < 3e-3 and rms(error) < 2e-4


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_curl_of_a_gradient_vanishes(native, convention):
    grid, cells = native
    stress = sampled(grid, harmonic_gradient, convention)
    scale = rms(np.hypot(*spherical_harmonic(grid, 12, 5)[1:])[cells])
    vorticity = np.abs(stress_curl(stress, grid) * np.sqrt(grid.area))[cells] / scale
    assert vorticity.max() < 1e-3  # largest on T points of the coarse tropical rows of IPSL: 6e-4


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_true_components_at_t_points(native, convention):
    grid, cells = native
    stress = sampled(grid, rotation, convention)
    for got, expected in zip(stress_eastward_northward(stress, grid), solid_body_rotation(grid), strict=False):
        assert np.abs(got - expected)[cells].max() < 3e-3 * 1e-6 * EARTH_RADIUS


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("change", ["a turn of longitude", "rolled along i", "rows from the north"])
def test_the_way_a_grid_is_stored_does_not_matter(data_mirror, convention, change):
    lat, lon, _ = read_native(data_mirror, "CESM2")
    grid = Grid.from_dataset(curvilinear(lat, lon))
    stress = sampled(grid, rotation, convention)
    stored = {
        "a turn of longitude": lambda d: d.assign_coords(lon=d["lon"] + 360),
        "rolled along i": lambda d: d.roll(x=77, roll_coords=True),
        "rows from the north": lambda d: d.isel(y=slice(None, None, -1)),
    }[change](stress)
    got = stress_curl(stored, Grid.from_dataset(stored))
    turned = {"rolled along i": lambda a: np.roll(a, 77, axis=1), "rows from the north": lambda a: a[::-1]}
    expected = turned.get(change, lambda a: a)(stress_curl(stress, grid))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-15)


def test_true_components_on_t_points_need_no_conversion():
    grid = Grid.from_dataset(regular_grid(5.0))
    stress = sampled(grid, rotation, "true_east_north")
    expected = curl(stress["tauuo"].values, stress["tauvo"].values, grid)
    np.testing.assert_array_equal(stress_curl(stress, grid), expected)
    np.testing.assert_array_equal(stress_curl(stress.drop_attrs(), grid), expected)


def test_true_components_on_the_points_of_a_c_grid(native):
    grid, cells = native
    c_grid = sampled(grid, rotation, "grid_axes_c_grid")
    for name in "uv":
        lat, lon = c_grid[f"lat_{name}"].values, c_grid[f"lon_{name}"].values
        eastward, northward, _ = solid_body_rotation(Grid(lat, lon, lat, None, ("y", "x")))
        c_grid[f"tau{name}o"] = (grid.dims, eastward if name == "u" else northward)
    stress = c_grid.assign_attrs(stress_convention="true_east_north")
    error = np.abs(stress_curl(stress, grid) - solid_body_rotation(grid)[2]) / 2e-6
    # Around the North Pole, east at one point is another direction than at the next.
    assert rms(error[cells & (grid.lat < 89)]) < 7e-4 and error[cells & (grid.lat < 88)].max() < 0.014


def test_coasts_take_whole_circulations_only(native):
    grid, _ = native
    stress = sampled(grid, rotation, "grid_axes_c_grid")
    land = np.zeros(grid.shape, bool)
    land[150:153, 200:203] = True
    dry_u = land | (grid.neighbour(land.astype(float), (0, 1)) == 1)
    dry_v = land | (grid.neighbour(land.astype(float), (1, 0)) == 1)
    stress["tauuo"], stress["tauvo"] = stress["tauuo"].where(~dry_u), stress["tauvo"].where(~dry_v)
    got, expected = stress_curl(stress, grid), solid_body_rotation(grid)[2]
    assert np.isnan(got[land]).all()
    coast = np.zeros(grid.shape, bool)
    coast[149:154, 199:204] = True
    coast &= ~land
    assert np.isfinite(got[coast]).all()
    # Half a circulation would be off by the size of the stress over that of a cell, 50 times the curl.
    assert np.abs(got - expected)[coast].max() < 0.02 * 2e-6


@pytest.mark.parametrize(
    ("convention", "names", "expected"),
    [
        ("grid_axes_c_grid", X_STRESS, "grid_axes_c_grid"),
        ("grid_axes_c_grid", {}, "grid_axes_c_grid"),
        ("grid_axes_c_grid", TRUE_STRESS, "true_east_north"),
        ("grid_axes_corners", X_STRESS, "grid_axes_corners"),
        ("grid_axes_t_points", X_STRESS, "grid_axes_t_points"),
        ("grid_axes_t_points", {}, "true_east_north"),
        ("grid_axes_t_points", TRUE_STRESS, "true_east_north"),
    ],
)
@pytest.mark.parametrize(("east", "north"), [(1, 1), (-1, 1), (1, -1)])
def test_detected_conventions(data_mirror, convention, names, expected, east, north):
    grid, _ = native_grid(data_mirror, "CESM2")
    stress = named(sampled(grid, rotation, convention, east=east, north=north), names)
    assert detect_convention(stress, grid=grid) == expected


def test_words_count_where_names_are_silent():
    grid = Grid.from_dataset(regular_grid(5.0))
    stress = sampled(grid, rotation, "grid_axes_c_grid")
    stress["tauuo"].attrs["comment"] = "true eastward component"
    assert detect_convention(stress) == "true_east_north"
    stress["tauvo"].attrs["comment"] = "component along the y-axis of the native grid"
    with pytest.raises(GridError, match="contradict each other"):
        detect_convention(stress)


def test_what_is_declared_must_fit():
    grid = Grid.from_dataset(regular_grid(5.0))
    on_t = sampled(grid, rotation, "grid_axes_t_points")
    assert detect_convention(on_t, declared="grid_axes_t_points") == "grid_axes_t_points"
    with pytest.raises(GridError, match=r"declared as 'grid_axes_c_grid'.*grid_axes_t_points"):
        detect_convention(on_t, declared="grid_axes_c_grid")
    with pytest.raises(GridError, match="Did you mean 'grid_axes_c_grid'"):
        stress_curl(on_t.assign_attrs(stress_convention="grid_axis_c_grid"), grid)


def test_points_that_fit_no_arrangement():
    grid = Grid.from_dataset(regular_grid(5.0))
    stress = named(sampled(grid, rotation, "grid_axes_c_grid"), X_STRESS)
    swapped = stress.rename(lat_u="lat_v", lon_u="lon_v", lat_v="lat_u", lon_v="lon_u")
    with pytest.raises(GridError, match="expected a C grid"):
        detect_convention(swapped)
    elsewhere = stress.assign_coords(lon_u=stress["lon_u"] + 20)
    with pytest.raises(GridError, match="of another grid"):
        detect_convention(elsewhere)
    with pytest.raises(GridError, match="only lat_u is there"):
        detect_convention(stress.drop_vars("lon_u"))
    with pytest.raises(GridError, match="take one time step"):
        stress_curl(stress.assign(tauuo=stress["tauuo"].expand_dims(time=2)), grid)
    with pytest.raises(GridError, match="needs 'tauvo'"):
        stress_curl(stress.drop_vars("tauvo"), grid)


@pytest.fixture(scope="module")
def mpi(data_mirror):
    """Real stress of MPI-ESM1-2-LR, January 1850, with its grid and the mask of its sister's T points."""
    lat, lon, ocean = read_native(data_mirror, "MPI-ESM1-2-LR")
    stress = curvilinear(lat, lon)
    for point in "uv":
        with open_esgf(data_mirror, f"tau{point}o_Omon_MPI-ESM1-2-LR_*.nc") as file:
            stress[f"tau{point}o"] = (("y", "x"), file[f"tau{point}o"].values[0], file[f"tau{point}o"].attrs)
            stress = stress.assign_coords(
                {f"lat_{point}": (("y", "x"), file["latitude"].values)}
                | {f"lon_{point}": (("y", "x"), file["longitude"].values)}
            )
    stress.attrs["stress_convention"] = detect_convention(stress)
    return stress, Grid.from_dataset(stress), ocean


def test_real_stress_is_found_on_a_c_grid(mpi):
    stress, grid, ocean = mpi
    assert stress.attrs["stress_convention"] == "grid_axes_c_grid"
    finite = np.isfinite(stress_curl(stress, grid))
    assert finite[with_all_neighbours(ocean, grid)].all() and not finite[~ocean].any()
    assert (ocean & ~finite).sum() < 0.01 * ocean.sum()


def test_real_curl_agrees_with_one_from_turned_components(mpi):
    stress, grid, _ = mpi
    direct = stress_curl(stress, grid)
    turned = curl(*stress_eastward_northward(stress, grid), grid)
    both = np.isfinite(direct) & np.isfinite(turned) & ~grid.duplicate & (np.abs(grid.lat) < 60)
    # The way by T points smooths: it is another number, not a better one.
    assert np.corrcoef(direct[both], turned[both])[0, 1] > 0.997
    assert np.std(turned[both]) == pytest.approx(np.std(direct[both]), rel=0.02)


def test_real_winds_and_gyres(mpi):
    """January over the Pacific: trades, westerlies, and curls that drive the gyres the way they turn."""
    stress, grid, _ = mpi
    vorticity = stress_curl(stress, grid)
    eastward, northward = stress_eastward_northward(stress, grid)

    def mean(values, south, north):
        cells = (grid.lat > south) & (grid.lat < north) & (grid.lon > 140) & (grid.lon < 230)
        cells &= np.isfinite(values) & ~grid.duplicate
        return np.average(values[cells], weights=grid.area[cells])

    assert mean(eastward, 10, 20) < -0.08 and mean(northward, 10, 20) < -0.02  # north-east trades
    assert mean(eastward, -60, -45) > 0.08  # the roaring forties and fifties
    subtropical, subpolar = mean(vorticity, 20, 35), mean(vorticity, 50, 60)
    assert -1.2e-7 < subtropical < -0.7e-7 and 0.9e-7 < subpolar < 1.5e-7
    assert mean(vorticity, -40, -25) > 0.7e-7 and mean(vorticity, -60, -45) < -0.4e-7


@pytest.mark.parametrize("convention", STAGGERED)
@pytest.mark.parametrize("side", SIDES)
def test_staggered_stress_with_the_positions_of_t_points(data_mirror, convention, side):
    """Made on points half a cell away and published without them, on grids with a seam, a fold, and rows turned."""
    north, east = SIDES[side]
    for name in ("CESM2", "IPSL-CM6A-LR", "MPI-ESM1-2-LR"):
        grid, ocean = native_grid(data_mirror, name)
        turned = -1 if name == "MPI-ESM1-2-LR" else 1  # its rows run from the north
        stress = sampled(grid, rotation, convention, east=east, north=turned * north)
        if turned < 0:
            stress["tauvo"] = -stress["tauvo"]
        collocated = stress.drop_vars([coord for coord in stress.coords if coord[-2:] in ("_u", "_v")])
        placed = stress_on_assumed_points(collocated, grid, convention=convention, side=side)
        assert detect_convention(placed, declared=convention, grid=grid) == convention
        cells = with_all_neighbours(with_all_neighbours(ocean, grid), grid)
        got, expected = stress_curl(placed, grid)[cells], stress_curl(stress, grid)[cells]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-13)
        wrong = stress_curl(collocated.assign_attrs(stress_convention="grid_axes_t_points"), grid)[cells]
        there = np.isfinite(got)  # corners south of T points are not stored beyond the fold
        assert there.mean() > 0.99
        assert rms((wrong - expected)[there]) > 100 * rms((got - expected)[there])


def test_only_staggered_stress_without_positions_is_placed():
    grid = Grid.from_dataset(regular_grid(5.0))
    on_t, on_c = (sampled(grid, rotation, name) for name in ("grid_axes_t_points", "grid_axes_c_grid"))
    for convention in (None, "grid_axes_t_points", "true_east_north"):
        assert stress_on_assumed_points(on_t, grid, convention=convention) is on_t
    assert stress_on_assumed_points(on_c, grid, convention="grid_axes_c_grid") is on_c
    with pytest.raises(GridError, match="Did you mean 'south_west'"):
        stress_on_assumed_points(on_t, grid, convention=None, side="southwest")


@pytest.mark.parametrize(("convention", "east", "north"), ARRANGEMENTS)
def test_stress_on_land_is_masked_as_ocean_models_mask_it(data_mirror, convention, east, north):
    grid, sea = native_grid(data_mirror, "IPSL-CM6A-LR")
    stress = sampled(grid, rotation, convention, east=east, north=north)
    masked = mask_stress_on_land(stress.expand_dims(window=2), grid, sea)
    assert masked["tauuo"].dims == ("window", *grid.dims)
    wet = sea.astype(float)
    beside = {(0, 0)} if convention not in STAGGERED else {(0, 0), (0, east)}
    if convention == "grid_axes_corners":
        beside |= {(north, 0), (north, east)}
    expected = np.logical_and.reduce([grid.neighbour(wet, step) == 1 for step in beside])
    kept = np.isfinite(masked["tauuo"].values)
    once = np.isfinite(stress["tauuo"].values) & ~grid.duplicate
    np.testing.assert_array_equal(kept[0][once], expected[once])
    np.testing.assert_array_equal(kept[0], kept[1])
    # What is masked already is not changed, and the curl is that of a stress without land.
    zero = masked.isel(window=0).fillna(0.0)
    again = mask_stress_on_land(zero, grid, sea)
    np.testing.assert_array_equal(stress_curl(again, grid), stress_curl(masked.isel(window=0), grid))
    assert not np.array_equal(np.isnan(stress_curl(zero, grid)), np.isnan(stress_curl(again, grid)))


def test_the_end_of_a_grid_is_not_land():
    grid = Grid.from_dataset(curvilinear(*np.meshgrid(np.arange(10.0, 20), np.arange(30.0, 50), indexing="ij")))
    lat, lon = grid.lat.copy(), grid.lon.copy()
    lat[4, 7], lon[4, 7] = np.nan, np.nan  # land without position
    grid = Grid.from_dataset(curvilinear(lat, lon))
    stress = curvilinear(lat, lon).assign({name: (("y", "x"), np.ones(lat.shape)) for name in ("tauuo", "tauvo")})
    placed = stress_on_assumed_points(stress, grid, convention="grid_axes_c_grid")
    dry = {
        name: np.argwhere(np.isnan(mask_stress_on_land(placed, grid, np.isfinite(lat))[name].values)) for name in stress
    }
    assert dry["tauuo"].tolist() == [[4, 6], [4, 7]] and dry["tauvo"].tolist() == [[3, 7], [4, 7]]


def winds(points):
    """Stress of the scale of basins [N m-2] as a vector in space."""
    lat, lon = positions(points)
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    east, north = local_basis(lat, lon)
    eastward = -0.1 * np.cos(3 * phi) * np.cos(phi) * (1 + 0.4 * np.sin(3 * lam))
    return eastward * east + 0.05 * np.cos(phi) ** 2 * np.sin(4 * lam + 2 * phi) * north


def curl_of_winds(grid):
    """By calculus."""
    phi, lam = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    d_northward = 0.2 * np.cos(phi) ** 2 * np.cos(4 * lam + 2 * phi)
    # d/dphi of cos(3 phi) cos(phi)^2
    slope = -3 * np.sin(3 * phi) * np.cos(phi) ** 2 - 2 * np.cos(3 * phi) * np.cos(phi) * np.sin(phi)
    d_eastward_cos = -0.1 * slope * (1 + 0.4 * np.sin(3 * lam))
    return (d_northward - d_eastward_cos) / (EARTH_RADIUS * np.cos(phi))


def ocean_with_coasts(spacing):
    """A grid, its sea with round continents and islands of one cell, and the sea with no land around."""
    regular = Grid.from_dataset(regular_grid(spacing))
    grid = Grid.from_dataset(curvilinear(regular.lat, regular.lon))
    rng = np.random.default_rng(0)
    sea = (grid.lat > -70) & ~((rng.random(grid.shape) < 0.01) & (np.abs(grid.lat) < 60))
    for lat, lon, radius in zip(rng.uniform(-60, 70, 12), rng.uniform(0, 360, 12), rng.uniform(5, 20, 12), strict=True):
        angle = distance(grid.centres, unit_vectors(np.full((1, 1), lat), np.full((1, 1), lon)))
        sea &= np.rad2deg(angle) > radius * (1 + 0.4 * np.sin(5 * np.deg2rad(grid.lon)))
    inner = sea.copy()
    for step in (*NEIGHBOURS, (1, 1), (1, -1), (-1, 1), (-1, -1)):
        inner &= grid.neighbour(sea.astype(float), step) == 1
    return grid, sea, inner


def as_true(stress, grid):
    """The same stress as eastward and northward components on the same points."""
    out = stress.assign_attrs(stress_convention="true_east_north")
    for axis, name in enumerate("uv"):
        lat, lon = (stress.coords.get(f"{what}_{name}", stress[what]).values for what in ("lat", "lon"))
        out[f"tau{name}o"] = (grid.dims, (winds(unit_vectors(lat, lon)) * local_basis(lat, lon)[axis]).sum(axis=0))
    return out


@pytest.mark.parametrize(("spacing", "at_coasts", "inside"), [(2.5, 0.08, 0.007), (1.25, 0.04, 0.003)])
@pytest.mark.parametrize("true", [False, True], ids=["along the grid", "true"])
@pytest.mark.parametrize("convention", ["grid_axes_t_points", *STAGGERED])
def test_error_at_coasts(convention, true, spacing, at_coasts, inside):
    grid, sea, inner = ocean_with_coasts(spacing)
    stress = sampled(grid, winds, convention)
    stress = mask_stress_on_land(as_true(stress, grid) if true else stress, grid, sea)
    got, exact = stress_curl(stress, grid), curl_of_winds(grid)
    low = np.abs(grid.lat) < 65
    for cells, limit in ((sea & ~inner & low, at_coasts), (inner & low, inside)):
        known = cells & np.isfinite(got)
        assert known.sum() > 0.97 * cells.sum()
        assert rms((got - exact)[known]) < limit * rms(exact[known])
    assert not np.isfinite(got[~sea]).any()


# Vectors fitted at T points to whatever points are wet lie beside them at coasts, and are smoothed everywhere: so the
# curl of staggered true components is not made of them.
@pytest.mark.parametrize(
    ("convention", "at_coasts", "inside"), [("grid_axes_corners", 0.33, 0.05), ("grid_axes_c_grid", 0.1, 0.005)]
)
def test_error_at_coasts_by_way_of_t_points(convention, at_coasts, inside):
    grid, sea, inner = ocean_with_coasts(2.5)
    stress = mask_stress_on_land(as_true(sampled(grid, winds, convention), grid), grid, sea)
    got, exact = curl(*stress_eastward_northward(stress, grid), grid), curl_of_winds(grid)
    low = (np.abs(grid.lat) < 65) & np.isfinite(got)
    for cells, limit in ((sea & ~inner & low, at_coasts), (inner & low, inside)):
        assert rms((got - exact)[cells]) > limit * rms(exact[cells])


@pytest.mark.parametrize("spacing", [5.0, 2.5])
def test_every_convention_covers_the_same_ocean(spacing):
    grid, sea, _ = ocean_with_coasts(spacing)
    share = {}
    for convention in ("grid_axes_t_points", *STAGGERED):
        stress = mask_stress_on_land(sampled(grid, winds, convention), grid, sea)
        for name, dataset in (
            (convention, stress),
            (f"{convention} true", as_true(stress, grid).where(stress.notnull())),
        ):
            share[name] = np.isfinite(stress_curl(dataset.assign_attrs(stress.attrs), grid))[sea].mean()
    assert max(share.values()) > 0.99 and max(share.values()) - min(share.values()) < 0.01


@pytest.mark.parametrize("true", [False, True])
def test_coastal_curl_from_corners(true):
    """A gradient has none, a rotation the exact one, and where four corners are wet nothing depends on land."""
    grid, sea, inner = ocean_with_coasts(2.5)
    inner &= np.abs(grid.lat) < 85  # at the poles all corners of a row are one point
    for vector, exact in ((rotation, solid_body_rotation(grid)[2]), (harmonic_gradient, 0.0)):
        stress = sampled(grid, vector, "grid_axes_corners")
        everywhere = stress_curl(stress, grid)
        masked = stress_curl(mask_stress_on_land(stress, grid, sea), grid)
        np.testing.assert_array_equal(masked[inner], everywhere[inner])
        at_coast = sea & ~inner & np.isfinite(masked) & (np.abs(grid.lat) < 65)
        if vector is rotation:
            error = (masked - exact)[at_coast] / 2e-6  # a cell is 0.044 of a radius wide
            assert np.abs(error).max() < 0.065 and rms(error) < 0.019
        else:
            scale = rms(np.hypot(*spherical_harmonic(grid, 12, 5)[1:])) / np.sqrt(grid.area)
            assert rms((masked / scale)[at_coast]) < 0.012


def without_positions(stress):
    return stress.drop_vars([name for name in stress.coords if name[-2:] in ("_u", "_v")])


@pytest.mark.parametrize("land", ["missing", "zero"])
@pytest.mark.parametrize("convention", STAGGERED)
@pytest.mark.parametrize("side", SIDES)
def test_land_shows_where_stress_sits(convention, side, land):
    grid, sea, _ = ocean_with_coasts(2.5)
    north, east = SIDES[side]
    stress = mask_stress_on_land(sampled(grid, winds, convention, east=east, north=north), grid, sea)
    rng = np.random.default_rng(1)
    stress = stress + xr.DataArray(0.02 * rng.standard_normal(grid.shape), dims=grid.dims)
    stress = stress.fillna(0.0) if land == "zero" else stress
    assert suggest_points(stress, grid, sea) is None  # its positions are given
    found = suggest_points(without_positions(stress).expand_dims(window=2), grid, sea)
    # Beyond the northern and the southern end of the sea corners on one side are not stored.
    assert (found.convention, found.side) == (convention, side) and found.unlike < 0.03
    assert found.unlike_on_t_points > 0.18
    assert f"declare stress_convention: {convention} and stress_side: {side}" in found.sentence


def test_stress_on_t_points_suggests_nothing():
    grid, sea, _ = ocean_with_coasts(2.5)
    stress = sampled(grid, winds, "grid_axes_t_points")
    rng = np.random.default_rng(2)
    masked = mask_stress_on_land(stress, grid, sea)
    spoiled = masked.where(xr.DataArray(rng.random(grid.shape) > 0.05, dims=grid.dims))
    other_sea = sea & (rng.random(grid.shape) > 0.05)
    for dataset, mask in ((stress, sea), (masked, sea), (spoiled, sea), (masked, other_sea), (masked, sea | ~sea)):
        assert suggest_points(dataset, grid, mask) is None


def test_real_stress_without_its_positions_is_detected(mpi):
    """Without positions MPI-ESM1-2-LR's land agrees with the quirk table: tauuo east, tauvo south of zos."""
    stress, grid, ocean = mpi
    assert suggest_points(stress, grid, ocean) is None
    found = suggest_points(without_positions(stress), grid, ocean)
    assert (found.convention, found.side) == ("grid_axes_c_grid", "south_east")
    assert found.unlike == 0 and found.unlike_on_t_points == pytest.approx(0.26, abs=0.01)


def test_smoothness_does_not_show_where_stress_sits():
    """Reason for using the land mask: the same operator's curl is as rough wherever the stress was sampled."""
    grid, _, inner = ocean_with_coasts(2.5)
    cells = inner & (np.abs(grid.lat) < 65)
    rough = []
    for sampled_on in ("grid_axes_t_points", *STAGGERED):
        stress = without_positions(sampled(grid, winds, sampled_on))
        vorticity = stress_curl(stress.assign_attrs(stress_convention="grid_axes_t_points"), grid)
        around = np.mean([grid.neighbour(vorticity, step) for step in NEIGHBOURS], axis=0)
        rough.append(np.median(np.abs(vorticity - around)[cells]))
    assert rough == pytest.approx(rough[:1] * 3, rel=0.01)


def test_a_strait_takes_the_curl_beside_it_where_depth_distinguishes_it_from_land():
    grid, sea, _ = ocean_with_coasts(5.0)
    stress = mask_stress_on_land(sampled(grid, winds, "grid_axes_corners"), grid, sea)
    bare = stress_curl(stress, grid)
    deep = stress_curl(stress.assign(deptho=(grid.dims, np.where(sea, 4000.0, np.nan))), grid)
    np.testing.assert_array_equal(deep[np.isfinite(bare)], bare[np.isfinite(bare)])
    more = np.isfinite(deep) & np.isnan(bare)
    assert 0 < more.sum() < 0.02 * sea.sum() and sea[more].all()
