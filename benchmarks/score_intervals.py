"""Measure how often the interval of a score contains the expected score: made errors on the cells of ECCO.

    THOR_DATA_MIRROR=<folder> python benchmarks/score_intervals.py [--fields 200] [--every 3]

Errors are Gaussian random fields, cut where the given share of cells is wrong, with a correlation like that of the real
errors in the Atlantic: between 0 and 1 errors 0.08 at 500 km, 0.055 at 1,200 km, 0.03 at 2,400 km. Their correlation is
estimated in the basins outside the Atlantic sector, each about its own mean, and gives the interval of the share of
wrong cells in the Atlantic sector; the expected share is known. For comparison the block bootstrap of the sector alone,
and independent cells.
"""

import argparse

import numpy as np
from networks import ecco_features, ecco_ocean, published_labels
from scipy.stats import norm

from thor.core.arrays import Array
from thor.networks.bootstrap import BootstrapSettings, block_bootstraps
from thor.networks.correlogram import error_correlation
from thor.networks.samples import Samples, samples_from
from thor.networks.settings import SplitSettings
from thor.networks.skill import wilson_interval
from thor.networks.split import OCEANS, make_split
from thor.ocean.basins import basin_names
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import unit_vectors

SHARE = 0.142
PARTS = {120.0: 0.167, 250.0: 0.327, 2000.0: 0.22, 4000.0: 0.029}
"""Share of the variance of the Gaussian field by e-folding length [km]; the rest is uncorrelated."""


def main() -> None:
    """Print the coverage of each kind of interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=200)
    parser.add_argument("--every", type=int, default=3, help="one cell of so many")
    options = parser.parse_args()
    ocean = ecco_ocean()
    fields, regimes = ecco_features(ocean, stress_curl="released"), published_labels(ocean)
    samples = samples_from(fields, regimes, make_split(fields, regimes, SplitSettings(reflect=False, rescale=False)))
    samples = samples.take(slice(None, None, options.every))
    test = (samples.lon - 280) % 360 < 100
    codes = [code for code, name in basin_names().items() if name in OCEANS and name != "atlantic_ocean"]
    errors = np.stack([made_errors(samples, seed) for seed in range(options.fields)], axis=1)
    basins = [
        (errors[here], samples.lat[here], samples.lon[here]) for here in (~test & (samples.basin == c) for c in codes)
    ]
    shares = errors[test].mean(axis=0)
    lat, lon = samples.lat[test], samples.lon[test]
    cells = [correlation.effective_cells(lat, lon) for correlation in error_correlation(basins)]
    print(f"standard deviation of the share {shares.std():.4f}")
    print(f"effective cells of {test.sum()}, median {np.median(cells):.0f}")
    kinds = {
        "interval of the scores": [wilson_interval(s, n, level=0.9) for s, n in zip(shares, cells, strict=True)],
        "block bootstrap": [block_interval(errors[test][:, k], lat, lon) for k in range(options.fields)],
        "independent cells": [wilson_interval(s, int(test.sum()), level=0.9) for s in shares],
    }
    for name, ends in kinds.items():
        low, high = np.transpose(ends)
        covered = ((low <= SHARE) & (high >= SHARE)).mean()
        print(f"{name}: covers {covered:.3f} at a nominal 0.9; half-width, median {np.median(high - low) / 2:.4f}")


def made_errors(samples: Samples, seed: int, n_waves: int = 200) -> Array:
    """Return 1 where a predictor is wrong and 0 elsewhere; waves of a Cauchy spectrum have exponential correlation."""
    rng = np.random.default_rng(seed)
    positions = unit_vectors(samples.lat, samples.lon).T.astype(np.float32)
    field = np.sqrt(1 - sum(PARTS.values())) * rng.normal(size=len(samples))
    for length, share in PARTS.items():
        scale = rng.normal(size=(n_waves, 3)) / np.abs(rng.normal(size=(n_waves, 1))) * EARTH_RADIUS / (1000 * length)
        phases = rng.uniform(0, 2 * np.pi, n_waves).astype(np.float32)
        waves = np.zeros(len(samples))
        for part in np.array_split(np.arange(n_waves), 10):
            waves += np.cos(positions @ scale[part].T.astype(np.float32) + phases[part]).sum(axis=1)
        field += np.sqrt(2 * share / n_waves) * waves
    return (field < norm.ppf(SHARE)).astype(float)


def block_interval(errors: Array, lat: Array, lon: Array) -> tuple[float, float]:
    """Return the percentile interval of the block bootstrap."""
    (bootstrap,) = block_bootstraps(errors[:, None], lat, lon, settings=BootstrapSettings(n_bootstrap=300), seed=0)
    draws = bootstrap.draws(bootstrap.sums(np.column_stack([errors, np.ones(len(errors))])))
    found = bootstrap.interval(draws[:, 0] / draws[:, 1])
    return float(found["low"] or np.nan), float(found["high"] or np.nan)


if __name__ == "__main__":
    main()
