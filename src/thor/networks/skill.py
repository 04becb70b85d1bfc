"""How well regimes are predicted: tables of scores by predictor and region, of single networks, and of differences."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from thor.core.errors import NetworkError
from thor.core.metrics import Metric, Metrics, count, share, text
from thor.networks.bootstrap import INTERVAL_METRICS, BlockBootstrap, BootstrapSettings, block_bootstraps
from thor.networks.scores import SCORES, confidence_bins, number, score_sums, score_values, scores, total_sums

if TYPE_CHECKING:
    from thor.networks.samples import Samples

NetworkSums = dict[tuple[str, str], np.ndarray]

_WEIGHTINGS = ("", "area_weighted_")
"""Prefixes of the columns of single networks: by cells, and by area."""


SKILL_METRICS: Metrics = {
    **{name: score for name, score in SCORES.items() if name != "f1"},
    "f1.<regime>": SCORES["f1"],
    "accuracy_confident": share(
        "the same of cells that most clustering runs agree on", perfect=1, higher_is_better=True
    ),
    "n_cells_confident": count("of such cells"),
    "confusion_matrix": Metric("rows are labels, columns predictions; cells, or shares of the area", "1", 0),
    "difference": Metric("score of this predictor less that of the other one, on the same cells"),
    "n_cells": count("cells that the numbers beside it come from"),
    "n_networks": count("networks that are summed up"),
    "classes": text("regimes in the order of rows and columns"),
    "region": text("cells that the numbers beside it come from"),
    "split": text("how cells were divided into roles"),
    "weighting": text("whether every cell counts the same (cell) or by its area (area)"),
    **INTERVAL_METRICS,
}
"""What the tables of this module hold; difference in a score has the better direction of the score."""


def skill_table(
    probabilities: Mapping[str, np.ndarray],
    samples: "Samples",
    *,
    regions: Mapping[str, np.ndarray],
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of predictors in regions, {predictor: {region: {metric: value}}}, as JSON can hold them.

    Parameters
    ----------
    probabilities : mapping of str to ndarray of shape (n_samples, n_classes)
    samples : Samples
        `labels`, `area` [m2], `lat`, `lon` [degrees], `confidence`, `classes`.
    regions : mapping of str to ndarray of bool, shape (n_samples,)
        Which cells are in each region; regions may overlap.
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        In each region what `scores` returns, and `region`; `intervals`, {metric: {low, high, level}}, and the
        same in `area_weighted`, from blocks described in `blocks`; `difference_to`, {other predictor: {metric:
        {difference, low, high, level}}}, this predictor minus each later one (see `paired_differences`).

    Raises
    ------
    NetworkError
        When a region holds no cell, or as in `scores`.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {predictor: {} for predictor in probabilities}
    for region, inside in regions.items():
        _require_cells(region, inside)
        labels, area, lat, lon = (getattr(samples, name)[inside] for name in ("labels", "area", "lat", "lon"))
        here = {predictor: values[inside] for predictor, values in probabilities.items()}
        for predictor, values in here.items():
            table[predictor][region] = {"region": region} | scores(
                values, labels, classes=samples.classes, area=area, confidence=samples.confidence[inside]
            )
        bootstraps = block_bootstraps(wrong_cells(here, labels), lat, lon, area, settings=settings, seed=seed)
        for (predictor, values), bootstrap in zip(here.items(), bootstraps, strict=True):
            entry = table[predictor][region]
            entry |= {"blocks": bootstrap.describe(), "intervals": score_intervals(bootstrap, values, labels, None)}
            entry["area_weighted"]["intervals"] = score_intervals(bootstrap, values, labels, area)
        differences = paired_differences(here, labels, lat=lat, lon=lon, area=area, settings=settings, seed=seed)
        for predictor, others in differences.items():
            table[predictor][region]["difference_to"] = others
    return table


def paired_differences(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    lat: np.ndarray,
    lon: np.ndarray,
    area: np.ndarray,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Return each predictor's scores minus those of each later one, on the same cells and the same resamples.

    Whether one predictor is better is far better known than how good either is: both fail in the same places.
    The blocks of a pair come from the correlation length of the difference of their errors.

    Parameters
    ----------
    probabilities : mapping of str to ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    lat, lon : ndarray of shape (n_samples,), [degrees]
    area : ndarray of shape (n_samples,), [m2]
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        {predictor: {later predictor: {metric: {difference, low, high, level}}}}, with `weighting`, `blocks` and
        `area_weighted` beside the metrics.
    """
    result: dict[str, dict[str, Any]] = {predictor: {} for predictor in probabilities}
    pairs = list(combinations(probabilities, 2))
    if not pairs:
        return result
    wrong = dict(zip(probabilities, wrong_cells(probabilities, labels).T, strict=True))
    contrasts = np.column_stack([wrong[first] - wrong[second] for first, second in pairs])
    bootstraps = block_bootstraps(contrasts, lat, lon, area, settings=settings, seed=seed)
    for (first, second), bootstrap in zip(pairs, bootstraps, strict=True):
        both = probabilities[first], probabilities[second]
        result[first][second] = {
            "weighting": "cell",
            "blocks": bootstrap.describe(),
            **_difference(bootstrap, *both, labels, None),
            "area_weighted": {"weighting": "area", **_difference(bootstrap, *both, labels, area)},
        }
    return result


def network_sums(
    blocks: Iterable[tuple[slice, np.ndarray]], samples: "Samples", *, regions: Mapping[str, np.ndarray]
) -> NetworkSums:
    """Return for every single network the sums of which its scores are functions.

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
        _require_cells(region, inside)
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
    """Return how often each network is right where it says so, one row for each network, region and bin with cells.

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
            columns = {"network": network, "region": region, "n_cells": count.astype(int)}
            columns |= {"confidence": confidence[network, place] / count, "accuracy": right[network, place] / count}
            frames.append(pd.DataFrame(columns))
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "predictor", predictor)
    return table


def predictor_reliability(
    probabilities: Mapping[str, np.ndarray], samples: "Samples", *, regions: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return the table of `network_reliability` for predictors that are one network each."""
    return pd.concat(
        [
            network_reliability(
                network_sums([(slice(None), values[None])], samples, regions=regions), predictor=predictor
            )
            for predictor, values in probabilities.items()
        ],
        ignore_index=True,
    )


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


def score_intervals(
    bootstrap: BlockBootstrap, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, dict[str, float | None]]:
    """Return the interval of each score but the F1 of single regimes, {metric: {low, high, level}}."""
    draws = _draws(bootstrap, probabilities, labels, weights)
    return {name: bootstrap.interval(value) for name, value in draws.items()}


def wrong_cells(probabilities: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Return 1 where each predictor is wrong and 0 elsewhere, shape (n_samples, n_predictors)."""
    return np.column_stack([values.argmax(axis=1) != labels for values in probabilities.values()]).astype(float)


def _require_cells(region: str, inside: np.ndarray) -> None:
    if not inside.any():
        raise NetworkError(f"Region '{region}' holds no labelled cell: nothing can be scored there.")


def _draws(
    bootstrap: BlockBootstrap, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return the scores of every resample, but for the F1 of single regimes."""
    sums = score_sums(probabilities, labels, weights, group=bootstrap.block, n_groups=bootstrap.n_blocks)
    values = score_values(bootstrap.draws(sums), probabilities.shape[1])
    return {name: value for name, value in values.items() if name != "f1"}


def _difference(
    bootstrap: BlockBootstrap,
    first: np.ndarray,
    second: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
) -> dict[str, dict[str, float | None]]:
    of_first, of_second = (_draws(bootstrap, values, labels, weights) for values in (first, second))
    mine, theirs = (score_values(total_sums(values, labels, weights), values.shape[1]) for values in (first, second))
    return {
        name: {"difference": float(mine[name] - theirs[name]), **bootstrap.interval(draws - of_second[name])}
        for name, draws in of_first.items()
    }


def _member_scores(rows: pd.DataFrame, by: str, statistic: str, classes: tuple[str, ...]) -> dict[str, Any]:
    def of(column: str) -> float | None:
        return number(rows[by + column].agg(statistic))

    return {name: {c: of(f"f1_{c}") for c in classes} if name == "f1" else of(name) for name in SCORES}
