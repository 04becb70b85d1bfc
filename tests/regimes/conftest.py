"""A made ocean whose six regimes are known: five tight ones and one far-flung, on bands of a regular grid."""

import numpy as np
import pytest
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.budget import vorticity_budget
from thor.ocean.grid import cell_area, regular_grid
from thor.regimes.settings import ClusteringSettings

# Means of wind_stress_curl and nonlinear_torque [1e-10 m s-2] of MD, S-SV, N-SV, TR, SO; planetary advection balances.
TRUE_MEANS = np.array([[-0.1, 0.0], [0.6, 0.1], [-0.9, -0.1], [1.4, 0.2], [-2.3, 0.3]])
SHARES = np.array([0.34, 0.24, 0.16, 0.1, 0.08, 0.08])
# Whether a regime exists south of 30S, between, and north of 30N, as the published ones do.
PLACES = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 0, 0], [1, 1, 1]])


@pytest.fixture(scope="session")
def settings() -> ClusteringSettings:
    """Few and quick runs of few clusters."""
    return ClusteringSettings(n_clusters=30, n_runs=4, n_consensus=2, n_breaths=20, n_micro=1000, n_jobs=1)


@pytest.fixture(scope="session")
def made_budget() -> xr.Dataset:
    """A closed budget of about 2,800 cells with its true regimes as `reference_regime` in the published order."""
    return make_budget()


def make_budget(*, seed: int = 3, spacing: float = 4.0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    ocean = regular_grid(spacing)
    shape = (ocean.sizes["lat"], ocean.sizes["lon"])
    # Parcels of 20 degrees each hold one regime, so that regimes are patches and not noise.
    rows, columns = np.indices(shape) // 5
    band = np.digitize(np.arange(rows.max() + 1), [3, 6])
    shares = (SHARES / PLACES.mean(axis=1) * PLACES.T)[band]
    size = columns.max() + 1
    parcels = np.stack([rng.choice(6, size=size, p=share / share.sum()) for share in shares])
    true = parcels[rows, columns]
    wind, nonlinear = (np.append(column, 0.0)[true] for column in TRUE_MEANS.T)
    spreads = [np.where(true == 5, wide, 0.05) for wide in (2.5, 2.5, 2.5, 5.0)]
    means = (wind, -wind, np.zeros(shape), nonlinear)
    terms = [mean + spread * rng.standard_normal(shape) for mean, spread in zip(means, spreads, strict=True)]
    terms.append(-sum(terms))
    mask = rng.random(shape) > 0.3
    for name, term in zip(BUDGET_TERMS, terms, strict=True):
        ocean[name] = (("lat", "lon"), np.where(mask, 1e-10 * term, np.nan), variable(name).attrs)
    ocean["analysis_mask"] = (("lat", "lon"), mask.astype("int8"))
    ocean["reference_regime"] = (("lat", "lon"), true.astype("int8"))
    ocean["areacello"] = (("lat", "lon"), cell_area(ocean), variable("areacello").attrs)
    return ocean


@pytest.fixture(scope="session")
def ecco_budget(ecco_ocean) -> xr.Dataset:
    """The released ECCO budget on its half-degree grid."""
    return vorticity_budget(ecco_ocean, closure_tolerance=1e-3)
