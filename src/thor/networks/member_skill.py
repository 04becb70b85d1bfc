"""Scores of each network of an ensemble in every region, and their spread."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from thor.core.errors import NetworkError
from thor.core.metrics import metrics
from thor.networks.samples import Samples
from thor.networks.scores import confidence_bins, number, score_sums, score_values
from thor.networks.skill import require_cells

NetworkSums = dict[tuple[str, str], np.ndarray]

_WEIGHTINGS = ("", "area_weighted_")
"""Prefixes of the columns of single networks: by cells, and by area."""


def network_sums(
    blocks: Iterable[tuple[slice, np.ndarray]], samples: Samples, *, regions: Mapping[str, np.ndarray]
) -> NetworkSums:
    """Return for every single network the sums from which its scores are computed.

    Parameters
    ----------
    blocks : iterable of (slice, ndarray of shape (n_networks, n_block, n_classes))
        Probabilities of consecutive cells, as `thor.networks.prediction.probability_blocks` gives them: only one
        block is in memory at a time.
    samples : Samples
    regions : mapping of str to ndarray of bool, shape (n_samples,)

    Returns
    -------
    dict
        {(region, weighting): ndarray of shape (n_networks, n_sums)} as from `thor.networks.scores.score_sums`; the
        weighting is empty for cells, ``area_weighted_`` for area.

    Raises
    ------
    NetworkError
        When there is no block, or a region holds no cell.
    """
    for region, inside in regions.items():
        require_cells(region, inside)
    totals: dict[tuple[str, str], Any] = {(region, by): 0.0 for region in regions for by in _WEIGHTINGS}
    n_networks, n_classes = 0, len(samples.classes)
    for cells, values in blocks:
        n_networks = len(values)
        for region, inside in regions.items():
            kept = inside[cells]
            labels, area = (np.tile(getattr(samples, name)[cells][kept], n_networks) for name in ("labels", "area"))
            group = np.repeat(np.arange(n_networks), np.count_nonzero(kept))
            every = values[:, kept].reshape(-1, n_classes)
            for by, weights in zip(_WEIGHTINGS, (None, area), strict=True):
                totals[region, by] += score_sums(every, labels, weights, group=group, n_groups=n_networks)
    if not n_networks:
        raise NetworkError("There are no probabilities of single networks to score.")
    return totals


def network_scores(sums: NetworkSums, *, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return the scores of every single network, one row for each network and region.

    Parameters
    ----------
    sums : dict
        As from `network_sums`.
    classes : tuple of str

    Returns
    -------
    pandas.DataFrame
        `network`, `region`, `n_cells`, the scores by cells, and by area with the prefix `area_weighted_`; the
        F1 of a regime is `f1_<regime>`. NaN where a score is undefined.
    """
    frames = []
    for region in dict.fromkeys(region for region, _ in sums):
        weight = confidence_bins(sums[region, ""])[0]
        columns: dict[str, Any] = {"network": np.arange(len(weight)), "region": region}
        columns["n_cells"] = weight.sum(axis=1).astype(int)
        for by in _WEIGHTINGS:
            of_networks = score_values(sums[region, by], len(classes))
            of_regimes = zip(classes, of_networks.pop("f1").T, strict=True)
            columns |= {by + name: value for name, value in of_networks.items()}
            columns |= {f"{by}f1_{regime}": f1 for regime, f1 in of_regimes}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def network_reliability(sums: NetworkSums, *, predictor: str) -> pd.DataFrame:
    """Return the reliability of each network, one row for each network, region and bin with cells.

    Parameters
    ----------
    sums : dict
        As from `network_sums`.
    predictor : str

    Returns
    -------
    pandas.DataFrame
        `predictor`, `network`, `region`, `n_cells` in the bin, `confidence` (mean largest probability there),
        `accuracy` (share of its cells that are right).
    """
    frames = []
    for (region, by), values in sums.items():
        if by == "":
            weight, confidence, right = confidence_bins(values)
            network, place = np.nonzero(weight)
            count = weight[network, place]
            columns = {"predictor": predictor, "network": network, "region": region, "n_cells": count.astype(int)}
            columns |= {"confidence": confidence[network, place] / count, "accuracy": right[network, place] / count}
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def member_table(networks: pd.DataFrame, *, classes: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return mean, minimum and maximum over networks of each score, in the form of `skill_table`.

    Parameters
    ----------
    networks : pandas.DataFrame
        As from `network_scores`.
    classes : tuple of str

    Returns
    -------
    dict
        {`member_mean` | `member_min` | `member_max`: {region: {metric: value}}}. The minimum is the numerically
        smallest of each score by itself: no single network need have them all.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for statistic in ("mean", "min", "max"):
        table[f"member_{statistic}"] = {
            str(region): {"region": region, "n_cells": int(rows["n_cells"].iloc[0]), "n_networks": len(rows)}
            | {"weighting": "cell", **_member_scores(rows, "", statistic, classes)}
            | {"area_weighted": {"weighting": "area", **_member_scores(rows, "area_weighted_", statistic, classes)}}
            for region, rows in networks.groupby("region", sort=False)
        }
    return table


def _member_scores(rows: pd.DataFrame, by: str, statistic: str, classes: tuple[str, ...]) -> dict[str, Any]:
    def of(column: str) -> float | None:
        return number(rows[by + column].agg(statistic))

    return {name: {c: of(f"f1_{c}") for c in classes} if name == "f1" else of(name) for name in metrics("scores")}


def predictor_reliability(
    probabilities: Mapping[str, np.ndarray], samples: Samples, *, regions: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return the table of `network_reliability` for predictors that are one network each."""
    frames = []
    for predictor, values in probabilities.items():
        sums = network_sums([(slice(None), values[None])], samples, regions=regions)
        frames.append(network_reliability(sums, predictor=predictor))
    return pd.concat(frames, ignore_index=True)
