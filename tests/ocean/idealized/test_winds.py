"""The wind blows the right way in every belt and round every centre, and is not the same at all longitudes."""

import numpy as np

from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.winds import stress_at, stress_on_faces, wind_stress, winds_of


def test_belts_blow_the_right_way(settings):
    grid = regular_c_grid(2.0)
    eastward, _ = wind_stress(grid.t.lat, grid.t.lon, winds_of(settings))
    mean = dict(zip(grid.t.lat[:, 0], eastward.mean(1), strict=True))
    assert mean[15] < -0.03
    assert mean[-15] < -0.03
    assert mean[45] > 0.04
    assert mean[-49] > 1.3 * mean[45]
    assert mean[-73] < 0


def test_air_circles_highs_anticyclonically_and_without_divergence(settings):
    grid = regular_c_grid(1.0)
    calm = {"trades": 0.0, "northern_westerlies": 0.0, "southern_westerlies": 0.0, "polar_easterlies": 0.0}
    winds = winds_of(settings.replace(**calm))
    stress = stress_on_faces(grid, winds)
    curl = grid.curl(stress)
    for lat, lon, sign in ((33, 220, -1), (32, 322, -1), (-29, 262, 1), (51, 188, 1), (-68, 245, -1)):
        j, i = lat + 90, lon
        assert np.sign(curl[j, i]) == sign
    outflow = grid.apply(grid.outflow.u, stress.u) + grid.apply(grid.outflow.v, stress.v)
    tropics = np.abs(grid.t.lat) < 70
    rms = [np.sqrt(np.mean(x[tropics] ** 2)) for x in (outflow / grid.t.area, curl)]
    assert rms[0] < 0.02 * rms[1]


def test_stress_curl_is_not_zonal_stripes(settings):
    grid = regular_c_grid(2.0)
    curl = grid.curl(stress_on_faces(grid, winds_of(settings)))[np.abs(grid.q.lat[:, 0]) < 60]
    assert np.var(curl.mean(1)) / np.var(curl) < 0.7


def test_southern_westerlies_follow_their_latitude(settings):
    lat, lon = np.meshgrid(np.arange(-75.0, -30.0, 0.5), np.arange(0.0, 360.0, 5.0), indexing="ij")
    peaks = []
    for latitude in (-51.0, -54.0):
        winds = winds_of(settings.replace(southern_westerlies_latitude=latitude, centres_stress=0.0, trades=0.0))
        peaks.append(lat[wind_stress(lat, lon, winds)[0].mean(1).argmax(), 0])
    np.testing.assert_allclose(peaks[0] - peaks[1], 3.0, atol=0.6)


def test_stress_turns_with_the_grid_axes(settings, turned_grid):
    winds = winds_of(settings)
    east, north = wind_stress(turned_grid.t.lat, turned_grid.t.lon, winds)
    along_i, along_j = stress_at(turned_grid.t, winds)
    np.testing.assert_allclose(np.hypot(along_i, along_j), np.hypot(east, north))
    assert np.abs(along_i - east).max() > 0.05
