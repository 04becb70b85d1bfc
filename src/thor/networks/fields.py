"""Values of cells as fields on the grid, and histories and scores as tables."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.core.metrics import metrics
from thor.core.variables import variable
from thor.networks.prediction import Prediction, predict
from thor.networks.published import published_scaler
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import CELL_WEIGHTS
from thor.networks.split import ROLES
from thor.networks.stack import NetworkStack
from thor.ocean.basins import basin_names
from thor.regimes.naming import class_flags

log = logging.getLogger(__name__)

REGIONS = ("train", "select", "test")


def on_grid(
    values: NDArray[Any], index: NDArray[np.int64], features: xr.Dataset, name: str, *, dim: str = "regime"
) -> xr.DataArray:
    """Return values of cells as a field with the attributes of the table of variables.

    Parameters
    ----------
    values : ndarray of shape (n_cells,) or (n_cells, n_classes)
        The second axis becomes a first dim.
    index : ndarray of int, shape (n_cells,)
        Positions in the flattened grid.
    features : xarray.Dataset
        Its `valid` gives the grid.
    name : str
        A variable of the table.
    dim : str
        Name of the first dim.

    Returns
    -------
    xarray.DataArray, dims (y, x) or (dim, y, x)
        NaN, or -1 for integers, where there is no cell.
    """
    valid = features["valid"]
    missing = -1 if values.dtype.kind in "iu" else np.nan
    field = np.full((*values.shape[1:], valid.size), missing, dtype=values.dtype)
    field[..., index] = values.T
    dims = (*((dim,) if values.ndim == 2 else ()), *valid.dims)
    return xr.DataArray(
        field.reshape(*values.shape[1:], *valid.shape), dims=dims, name=name, attrs=variable(name).attrs
    ).assign_coords({c: features[c].variable for c in ("lat", "lon")})


def probability_fields(
    prediction: Prediction, index: NDArray[np.int64], features: xr.Dataset, classes: tuple[str, ...]
) -> xr.Dataset:
    """Return mean and spread of the probabilities of networks as fields, with the most probable regime."""
    fields = {
        "regime_probability": on_grid(prediction.mean, index, features, "regime_probability"),
        "regime_probability_spread": on_grid(prediction.spread, index, features, "regime_probability_spread"),
        "regime": on_grid(prediction.mean.argmax(axis=1).astype("int8"), index, features, "regime"),
    }
    fields["regime"].attrs |= class_flags(classes)
    return xr.Dataset(fields | {"areacello": features["areacello"], "valid": features["valid"]}).assign_attrs(
        regimes=" ".join(classes)
    )


def published_scaling(features: xr.Dataset) -> FeatureScaler:
    """Return the published scaler, shifted to features whose sea level has its mean removed, unlike the published."""
    scaler = published_scaler()
    mean = scaler.mean.copy()
    mean[scaler.features.index("zos")] -= features["zos"].attrs.get("removed_mean", 0.0)
    return replace(scaler, mean=mean)


def published_probabilities(networks: NetworkStack, samples: Samples, scaler: FeatureScaler) -> NDArray[np.float64]:
    """Return the probabilities of the published networks, with columns in the order of the samples' regimes.

    Raises
    ------
    NetworkError
        When the regimes are not the published ones, or a published feature is missing.
    """
    if set(networks.classes) != set(samples.classes) or not set(scaler.features) <= set(samples.features):
        raise NetworkError(
            f"The published networks predict the regimes {', '.join(networks.classes)} from the published features; "
            f"here they are {', '.join(samples.classes)}. Set modelling.compare_published: false."
        )
    inputs = samples.inputs[:, [samples.features.index(name) for name in scaler.features]]
    order = [networks.classes.index(name) for name in samples.classes]
    return predict(networks, scaler.transform(inputs)).mean[:, order]


def role_masks(samples: Samples) -> dict[str, NDArray[np.bool_]]:
    """Return the samples of each region of the scores; a published split selects on test."""
    return {name: samples.role == ROLES.index(samples.roles[name]) for name in REGIONS}


def basin_masks(samples: Samples, inside: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return which samples inside a region lie in each basin, as ``test_<basin>``; basins without any are left out."""
    masks = {f"test_{name}": inside & (samples.basin == code) for code, name in basin_names().items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def history_table(history: xr.Dataset, *, predictor: str, weighted_by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the learning curves, one row for each epoch of each network, as long as it was trained.

    The clustering run on whose labels each network was trained, `label_run`, is a column if it is known, and so is the
    number of inputs that it uses, `n_inputs`. Columns such as `area_weights`, 1, say what the loss weighted cells by
    (`TrainingSettings.weighted_by`). Networks that were not trained here have no curves: the table is empty.
    """
    if "train_loss" not in history:
        return pd.DataFrame(columns=["predictor", "network", "epoch", "train_loss", "select_loss", "best_epoch"])
    curves = history[[name for name in history.data_vars if "epoch" in history[name].dims]]
    table = curves.to_dataframe().reset_index().dropna(subset=["train_loss"])
    of_network = [name for name in ("best_epoch", "n_inputs", "label_run") if name in history]
    for name in of_network:
        table[name] = history[name].values[table["network"]]
    weights = {f"{name}_weights": 1 for name in weighted_by}
    return table.assign(predictor=predictor, **weights)[
        ["predictor", "network", "epoch", *map(str, curves.data_vars), *of_network, *weights]
    ]


def trained_weights(history: pd.DataFrame) -> tuple[str, ...]:
    """Return what the loss of networks weighted cells by, from their `history_table`; see `scaled_tables`."""
    return tuple(name for name in CELL_WEIGHTS if f"{name}_weights" in history)


def label_runs(history: pd.DataFrame) -> NDArray[np.int64] | None:
    """Return the clustering run on whose labels each network was trained; None for the consensus.

    Also None, with a warning, where no two networks share a run: the effects of labels and networks on the entropy
    cannot then be separated.
    """
    if "label_run" not in history:
        return None
    runs = history.groupby("network")["label_run"].first().to_numpy()
    if np.unique(runs).size == runs.size:
        log.warning("%d networks trained on as many clustering runs: entropy is not split into parts", runs.size)
        return None
    return runs


def network_table(scores: pd.DataFrame, *, predictor: str, history: pd.DataFrame, settings: str) -> pd.DataFrame:
    """Return one row for each network: its settings, best epoch and scores as ``region.metric``.

    Parameters
    ----------
    scores : pandas.DataFrame
        As from `thor.networks.member_skill.network_scores`, a row for each network and region.
    predictor : str
    history : pandas.DataFrame
        As from `history_table`; empty for networks that were not trained here.
    settings : str
        Description of the settings that all of them share.
    """
    wide = scores.pivot(index="network", columns="region")
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]}.{pair[0]}")
    best = history.groupby("network")["best_epoch"].first() if len(history) else None
    wide.insert(0, "best_epoch", np.nan if best is None else best.reindex(wide.index))
    wide = wide.reset_index()
    wide.insert(0, "predictor", predictor)
    return wide.assign(settings=settings)


def predictor_rows(skill: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row for each predictor of a table of scores, in the form of `network_table`."""
    rows = []
    for predictor, regions in skill.items():
        row = {"predictor": predictor, "network": 0, "best_epoch": np.nan}
        for region, entry in regions.items():
            row |= {f"{region}.{name}": entry[name] for name in metrics("scores") if isinstance(entry.get(name), float)}
        rows.append(row | {"settings": ""})
    return pd.DataFrame(rows)
