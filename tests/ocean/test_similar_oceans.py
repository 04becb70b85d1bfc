"""What variables.yml declares of every feature in similar oceans: reflected at the equator, or with stronger flow."""

import numpy as np
import pytest

from thor.core.variables import extended_features, groups_of, variable
from thor.ocean.features import feature_names, features
from thor.reading.training_ocean import harmonise

OPTIONS = {
    "stress_curl": "surface",
    "metric": "spherical",
    "reference_density": 1029.0,
    "extended": True,
    "neighbourhood_radii_km": [800],
    "polar_filter": False,
}


def reflected(ocean):
    """The ocean with every field at the opposite latitude; northward components have the other sign."""
    out = ocean.copy()
    for name, field in ocean.data_vars.items():
        if "lat" in field.dims and name != "areacello":
            sign = -1.0 if name in ("tauvo", "transport_northward") else 1.0
            out[name] = field.copy(data=sign * np.flip(field.values, field.dims.index("lat")))
    return out


@pytest.fixture
def ocean(raw_ocean):
    """With sea level and land that differ between the hemispheres, and transports."""
    lat, lon = np.meshgrid(np.deg2rad(raw_ocean["lat"].values), np.deg2rad(raw_ocean["lon"].values), indexing="ij")
    land = (lat > 0.35) & (lon > 3.5) & (lon < 4.2)
    made = raw_ocean.map(lambda field: field.where(~land), keep_attrs=True)
    made["zos"] = made["zos"].copy(data=made["zos"].values + 0.2 * np.sin(lat))
    flows = {
        "transport_eastward": 50 * np.cos(lat) * np.sin(lat + lon),
        "transport_northward": 30 * np.cos(lat) ** 2 * np.cos(2 * lon),
    }
    dry = made["zos"].isnull().values
    fields = {name: (("lat", "lon"), np.where(dry, np.nan, flow), variable(name).attrs) for name, flow in flows.items()}
    return harmonise(made).assign(fields)


def test_every_feature_has_the_symmetry_that_its_row_declares(ocean):
    here, there = (features(fields, **OPTIONS) for fields in (ocean, reflected(ocean)))
    names = feature_names(here) + feature_names(here, "transport")
    assert set(extended_features()) <= set(names)
    both = (here["valid"] == 1).values & np.isfinite(here["transport_viscous_torque"].values)
    assert both.sum() > 1000
    for name in names:
        sign = {"odd": -1.0, "even": 1.0}[groups_of(name).reflected]
        expected = sign * here[name].values
        scale = np.nanstd(expected[both])
        np.testing.assert_allclose(np.flip(there[name].values, 0)[both], expected[both], rtol=1e-6, atol=1e-6 * scale)
        assert np.abs(2 * expected[both]).max() > 1e-3 * scale, "the other sign would fail"


def test_every_feature_has_the_degree_that_its_row_declares(ocean):
    """With winds, sea level and transports three times as strong."""
    flow = [name for name in ocean if name.startswith(("zos", "tau", "transport"))]
    stronger = ocean.assign({name: ocean[name].copy(data=3 * ocean[name].values) for name in flow})
    here, there = (features(fields, **OPTIONS) for fields in (ocean, stronger))
    both = (here["valid"] == 1).values & np.isfinite(here["transport_viscous_torque"].values)
    for name in feature_names(here) + feature_names(here, "transport"):
        expected = 3.0 ** variable(name).degree * here[name].values[both]
        np.testing.assert_allclose(there[name].values[both], expected, rtol=1e-5, atol=1e-5 * np.std(expected))


def test_means_within_a_radius_follow_their_feature_and_spreads_have_no_sign():
    symmetry = {name: groups_of(name).reflected for name in ("zos_mean_200km", "wind_stress_curl_mean_200km")}
    assert symmetry == {"zos_mean_200km": "even", "wind_stress_curl_mean_200km": "odd"}
    assert groups_of("wind_stress_curl_spread_200km").reflected == "even"
