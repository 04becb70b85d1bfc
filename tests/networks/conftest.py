"""A made ocean whose regimes are functions of its features, and real ECCO samples with the published labels."""

import numpy as np
import pytest
import xarray as xr

from tests.made_input_sets import trained_set, vorticity_terms, with_transport  # noqa: F401
from thor.core.variables import FEATURES, variable
from thor.networks.samples import Samples, samples_from
from thor.networks.settings import SplitSettings
from thor.networks.split import make_split
from thor.ocean.basins import basin_codes
from thor.ocean.features import features
from thor.ocean.grid import Grid, cell_area, regular_grid
from thor.ocean.similar_oceans import SimilarOcean
from thor.regimes.naming import REGIMES

REFLECTED = SimilarOcean(sign=-1)

SCALES = (1e-10, 0.7, 2e-7, 4e-7, 1500.0, 5e-3, 5e-3, 1e-4)


@pytest.fixture(scope="session")
def made_features() -> xr.Dataset:
    """All features on a 4-degree grid with a continent; smooth in space and of the real sizes."""
    grid = regular_grid(4.0)
    lat, lon = (field.values for field in xr.broadcast(grid["lat"], grid["lon"]))
    rng = np.random.default_rng(7)
    wet = ~((lon > 60) & (lon < 100) & (np.abs(lat) < 30))
    out = grid.copy()
    for name, scale in zip(FEATURES, SCALES, strict=True):
        waves = [
            np.sin(k * np.deg2rad(lon) + rng.uniform(0, 6)) * np.cos(m * np.deg2rad(lat))
            for k in range(1, 5)
            for m in range(1, 4)
        ]
        field = np.tensordot(rng.normal(size=len(waves)), np.stack(waves), axes=1) + 0.3 * rng.normal(size=lat.shape)
        out[name] = (("lat", "lon"), np.where(wet, scale * field / field.std(), np.nan), variable(name).attrs)
    out["valid"] = (("lat", "lon"), wet.astype("int8"), variable("valid").attrs)
    out["basin"] = basin_codes(Grid.from_dataset(grid), ocean=wet)
    out["areacello"] = (("lat", "lon"), cell_area(grid), variable("areacello").attrs)
    return out


@pytest.fixture(scope="session")
def made_regimes(made_features) -> xr.Dataset:
    """Six regimes cut out of stress curl and depth, with a tenth of the cells of no regime."""
    curl = made_features["wind_stress_curl"].values / SCALES[0]
    depth = made_features["deptho"].values / SCALES[4]
    regime = np.digitize(np.nan_to_num(curl), [-1.2, -0.5, 0.5, 1.2])
    regime = np.where(np.nan_to_num(depth) > 1.0, 5, regime).astype("int8")
    unlabelled = np.random.default_rng(8).random(regime.shape) < 0.1
    regime[(made_features["valid"].values == 0) | unlabelled] = -1
    # Depth has the same sign in the reflected ocean, and gives the same regime there.
    reflected = np.where(np.isin(regime, (-1, 5)), regime, 4 - regime)
    return as_regimes(made_features, regime, similar={REFLECTED: reflected})


@pytest.fixture(scope="session")
def made_samples(made_features, made_regimes) -> Samples:
    return samples_from(made_features, made_regimes, make_split(made_features, made_regimes, SplitSettings()))


@pytest.fixture(scope="session")
def ecco_features(ecco_ocean) -> xr.Dataset:
    """The eight features as the published study made them, but for the datum of sea level."""
    return features(
        ecco_ocean,
        stress_curl="released",
        metric="published",
        reference_density=1029.0,
        extended=False,
        neighbourhood_radii_km=(),
        polar_filter=False,
    )


@pytest.fixture(scope="session")
def ecco_regimes(ecco_ocean) -> xr.Dataset:
    """The published labels."""
    return as_regimes(ecco_ocean, ecco_ocean["reference_regime"].values.astype("int8"))


def as_regimes(
    grid: xr.Dataset, regime: np.ndarray, *, similar: dict[SimilarOcean, np.ndarray] | None = None
) -> xr.Dataset:
    flags = {"flag_values": np.arange(len(REGIMES), dtype="int8"), "flag_meanings": " ".join(REGIMES)}
    confidence = np.where(regime >= 0, 0.5 + 0.1 * (regime % 5), np.nan)
    fields = {"regime": regime, "regime_confidence": confidence}
    out = xr.Dataset(
        {name: (("lat", "lon"), values) for name, values in fields.items()},
        coords={name: grid[name] for name in ("lat", "lon")},
    )
    if similar:
        along = "similar_ocean"
        out["similar_regime"] = (along, "lat", "lon"), np.stack(list(similar.values())).astype("int8")
        for name in ("sign", "amplitude"):
            out.coords[f"similar_{name}"] = along, [getattr(ocean, name) for ocean in similar]
    out["regime"].attrs = flags
    return out
