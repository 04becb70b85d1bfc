"""The published networks on the fields of ECCO, interpolated to the grids of CESM2 and IPSL-CM6A-LR.

What stands between the two is interpolation, the geometry of a curvilinear grid and its coasts; the ocean is the same.
"""

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from tests.ocean.test_native_grids import curvilinear, read_native
from thor.networks.fields import published_scaling
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import predict
from thor.networks.published import published_networks
from thor.ocean.features import features
from thor.ocean.grid import Grid
from thor.ocean.sphere import unit_vectors

OPTIONS = {
    "stress_curl": "surface",
    "metric": "spherical",
    "reference_density": 1029.0,
    "extended": False,
    "neighbourhood_radii_km": (),
    "polar_filter": False,
}
FIELDS = ("zos", "tauuo", "tauvo", "deptho")


def interpolated(field: xr.DataArray, lat, lon):
    """Bilinear, across the seam; at coasts from the wet corners alone, where they weigh half at least."""
    values = field.transpose("lat", "lon").values
    rows, columns = field["lat"].values, field["lon"].values
    wrapped = np.concatenate([[columns[-1] - 360], columns, [columns[0] + 360]])

    def on_points(array):
        whole = np.concatenate([array[:, -1:], array, array[:, :1]], axis=1)
        return RegularGridInterpolator((rows, wrapped), whole)((np.clip(lat, rows[0], rows[-1]), lon % 360))

    wet = np.isfinite(values)
    weight = on_points(wet.astype(float))
    return np.where(weight > 0.5, on_points(np.where(wet, values, 0.0)) / np.maximum(weight, 0.5), np.nan)


def native_ocean(ecco_ocean, lat, lon, ocean):
    """ECCO's fields on a native grid, with its land where the model or ECCO has land."""
    known = np.isfinite(lat)
    out = curvilinear(lat, lon % 360)
    for name in FIELDS:
        values = np.full(lat.shape, np.nan)
        values[known] = interpolated(ecco_ocean[name], lat[known], lon[known])
        out[name] = ("y", "x"), np.where(ocean, values, np.nan), ecco_ocean[name].attrs
    out["areacello"] = ("y", "x"), Grid.from_dataset(out).area, {"units": "m2"}
    return out


@pytest.fixture(scope="module")
def regimes_of(data_mirror, ecco_ocean):
    """Most probable regime of every cell, -1 where there is none; one scaler for all grids."""
    networks = published_networks((data_mirror / "published_networks").glob("*.h5"))
    scaler = published_scaling(features(ecco_ocean, **OPTIONS))

    def of(ocean):
        fields = features(ocean, **OPTIONS)
        table, index = cell_inputs(fields)
        regime = np.full(fields["valid"].shape, -1)
        regime.flat[index] = predict(networks, scaler.transform(table)).mean.argmax(axis=1)
        return regime

    return of


@pytest.fixture(scope="module", params=["CESM2", "IPSL-CM6A-LR"])
def agreement(request, data_mirror, ecco_ocean, regimes_of):
    """Latitude, area, and whether the regime is that of the nearest ECCO cell, of all cells with both."""
    lat, lon, ocean = read_native(data_mirror, request.param)
    native = native_ocean(ecco_ocean, lat, lon, ocean)
    here, there = regimes_of(native), regimes_of(ecco_ocean)
    points = unit_vectors(*np.meshgrid(ecco_ocean["lat"].values, ecco_ocean["lon"].values, indexing="ij"))
    known = np.isfinite(lat)
    nearest = np.zeros(lat.shape, dtype=int)
    _, nearest[known] = cKDTree(points.reshape(3, -1).T).query(unit_vectors(lat[known], lon[known]).T)
    nearest_regime = there.ravel()[nearest]
    both = known & (here >= 0) & (nearest_regime >= 0)
    assert both.sum() > 0.99 * (here >= 0).sum() > 50_000
    return lat[both], native["areacello"].values[both], (here == nearest_regime)[both]


def test_regimes_on_a_native_grid_are_those_on_the_ecco_grid(agreement):
    """Measured: 92.2 % of the cells of CESM2, 91.5 % of those of IPSL-CM6A-LR."""
    _, area, same = agreement
    assert same.mean() >= 0.85
    assert np.average(same, weights=area) >= 0.85


@pytest.mark.parametrize(("south", "north", "least"), [(-90, -30, 0.9), (-30, 30, 0.9), (30, 60, 0.85), (60, 90, 0.75)])
def test_where_they_differ(agreement, south, north, least):
    """Most in the Arctic (80 and 79 % agree): half a degree of longitude is a fraction of a native cell there."""
    lat, _, same = agreement
    band = (lat >= south) & (lat < north)
    assert band.sum() > 1000
    assert same[band].mean() >= least
