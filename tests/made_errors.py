"""Made fields of errors on the sphere, with known correlation."""

import numpy as np
from scipy.stats import norm

from thor.ocean.sphere import unit_vectors


def smooth_errors(lat, lon, *, length_km, share, seed, n_waves=300):
    """0/1 errors: a Gaussian field of exponential correlation, cut where the given share lies below."""
    field = gaussian_field(lat, lon, length_km=length_km, seed=seed, n_waves=n_waves)
    return (field < norm.ppf(share)).astype(float)


def gaussian_field(lat, lon, *, length_km, seed, n_waves=300):
    """Unit variance and correlation exp(-distance / length): waves of a three-dimensional Cauchy spectrum."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(n_waves, 3)) / np.abs(rng.normal(size=(n_waves, 1))) / (length_km / 6371.0)
    phases = rng.uniform(0, 2 * np.pi, n_waves)
    positions = unit_vectors(lat, lon)
    field = np.zeros(len(lat))
    for wave, phase in zip(waves, phases, strict=True):
        field += np.cos(wave @ positions + phase)
    return np.sqrt(2 / n_waves) * field


def patches(lat, lon, *, degrees, seed):
    """0/1 errors, one value for each latitude-longitude box."""
    boxes = np.random.default_rng(seed).integers(0, 2, (200, 400)).astype(float)
    return boxes[((lat + 90) // degrees).astype(int), (lon // degrees).astype(int)]


def whole_globe(step):
    lat, lon = np.meshgrid(np.arange(-90 + step / 2, 90, step), np.arange(step / 2, 360, step), indexing="ij")
    return lat.ravel(), lon.ravel(), np.cos(np.deg2rad(lat)).ravel()
