"""Small archives read whole: the climatology and the features of every run, and how they differ."""

import numpy as np
import xarray as xr

from thor.core.checkpoint import NoCheckpoint
from thor.ocean.features import window_features
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.plans import plan_runs
from thor.reading.windows import WindowSettings

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
WINDOWS = WindowSettings(
    years=[(1995, 1996)], first_year=None, last_year=None, length_years=2, reference_years=(1995, 1996)
)


def read(root, *, missing="error", strict=False, masked_basins=(), quirks=None, archive=None):
    """Return the climatology and the features of every run."""
    settings = ClimatologySettings(
        windows=WINDOWS, masked_basins=masked_basins, reference_density=1029.0, strict=strict
    )
    archive = archive or Archive(root)
    runs = archive.runs(**ALL)
    out = {}
    for plan in plan_runs(archive, runs, WINDOWS, quirks=quirks, missing=missing):
        ocean = climatology(plan, settings, NoCheckpoint())
        out[plan.run.key] = (
            ocean,
            window_features(
                ocean, reference_density=1029.0, extended=False, neighbourhood_radii_km=[], polar_filter=False
            ),
        )
    return out


def only(root, **options):
    ((ocean, features),) = read(root, **options).values()
    return ocean, features


def relative_rms(values, expected):
    both = np.isfinite(values) & np.isfinite(expected)
    assert both.sum() > 0.9 * np.isfinite(expected).sum()
    return float(np.sqrt(np.mean((values - expected)[both] ** 2) / np.mean(expected[both] ** 2)))


def rewritten(root, name, edit):
    """Edit the only file of a variable."""
    (path,) = root.rglob(f"{name}_*.nc")
    with xr.open_dataset(path, decode_times=False) as dataset:
        dataset = edit(dataset.load())
    path.unlink()
    dataset.to_netcdf(path)
