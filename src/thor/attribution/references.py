"""The reference of attributions: rows of inputs drawn from the training cells, a basin, a regime or a run."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.attribution.settings import ReferenceSettings
from thor.core.errors import AttributionError, did_you_mean
from thor.networks.inputs import cell_inputs
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import Weights
from thor.ocean.basins import basin_names
from thor.ocean.cells import valid_cells

FeaturesOfRuns = Mapping[str, Callable[[], xr.Dataset]]
"""Functions that read the features of climate models, by run."""

PLACE = ["lat", "lon"]


def draw_reference(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    *,
    names: tuple[str, ...],
    settings: ReferenceSettings,
    seed: int,
    runs: FeaturesOfRuns | None = None,
) -> pd.DataFrame:
    """Return reference rows in the units of the features, drawn without replacement.

    Parameters
    ----------
    features, regimes, split : xarray.Dataset
        Of the training ocean.
    names : tuple of str
        Features of the predictors.
    settings : ReferenceSettings
    seed : int
    runs : mapping of str to callable, optional
        Functions that read the features of climate models, by run.

    Returns
    -------
    pandas.DataFrame
        One row for each cell: `lat`, `lon` [degrees] and the features.

    Raises
    ------
    AttributionError
        When there is no such basin, regime, run or window, or no cell of it.
    """
    if settings.source == "run":
        table, area, place = _cells_of_run(names, settings, runs or {})
    else:
        samples = samples_from(features, regimes, split, names=names)
        chosen = samples.with_role("train")
        if settings.source == "basin":
            codes = {name: code for code, name in basin_names().items()}
            chosen = samples.take(samples.basin == codes[_known("basin", settings.name, codes)])
        elif settings.source == "regime":
            number = samples.classes.index(_known("regime", settings.name, samples.classes))
            chosen = chosen.take(chosen.labels == number)
        table, area, place = chosen.inputs, chosen.area, np.column_stack([chosen.lat, chosen.lon])
    if not len(table):
        raise AttributionError(
            f"The reference ({settings.source} {settings.name or ''}) holds no cell. Choose another in "
            "explainability.reference."
        )
    random = np.random.default_rng(seed)
    chance = area / area.sum() if settings.area_weights else None
    rows = np.sort(random.choice(len(table), size=min(settings.n_rows, len(table)), replace=False, p=chance))
    return pd.DataFrame(np.column_stack([place[rows], table[rows]]), columns=[*PLACE, *names])


def reference_inputs(reference: pd.DataFrame | None, scaler: FeatureScaler) -> Weights:
    """Return the rows scaled for the predictors, shape (n_rows, n_features); none where there is no reference.

    Raises
    ------
    AttributionError
        When a feature is missing, a value is not finite, or there is no row.
    """
    if reference is None:
        return np.empty((0, len(scaler.features)), np.float32)
    found = [column for column in reference.columns if column not in PLACE]
    if not set(scaler.features) <= set(found):
        raise AttributionError(
            f"The reference holds the features {', '.join(found)}; the predictors take {', '.join(scaler.features)}. "
            "Run choose_reference again."
        )
    values = reference[list(scaler.features)].to_numpy(dtype=float)
    if not len(values) or not np.isfinite(values).all():
        raise AttributionError(
            f"The reference has {len(values)} rows, {np.count_nonzero(~np.isfinite(values).all(axis=1))} not finite. "
            "Expected finite rows. Run choose_reference again."
        )
    return scaler.transform(values)


def _cells_of_run(
    names: tuple[str, ...], settings: ReferenceSettings, runs: FeaturesOfRuns
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    run = runs[_known("run", settings.name, runs)]()
    windows = [str(window) for window in run["window"].values]
    window = windows[-1] if settings.window is None else _known("window", settings.window, windows)
    here = run.isel(window=windows.index(window))
    table, index = cell_inputs(here, names=names)
    lat, lon, _ = valid_cells(here)
    place = np.column_stack([lat.ravel()[index], lon.ravel()[index]])
    area = here["areacello"].transpose(*here["valid"].dims).values.ravel()[index]
    return table, area.astype(float), place


def _known(kind: str, name: str | None, choices: Mapping[str, object] | tuple[str, ...] | list[str]) -> str:
    if name is None or name not in choices:
        raise AttributionError(
            f"There is no {kind} '{name}' to take a reference from.{did_you_mean(str(name), choices)}"
        )
    return name
