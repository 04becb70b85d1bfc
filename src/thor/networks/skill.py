"""Skill of the predicted regimes: tables of scores, and of their differences, by predictor and region."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import norm

from thor.core.errors import NetworkError
from thor.networks.bootstrap import BlockBootstrap, BootstrapSettings, block_bootstraps
from thor.networks.correlogram import ErrorCorrelation
from thor.networks.samples import Samples
from thor.networks.scores import score_sums, score_values, scores

LEFT_OUT_REGION = "left_out_"
"""Prefix of a basin's name as the region of scores of predictors that were trained without it."""

_WITHOUT_LIMIT = ("negative_log_likelihood", "brier_score")
"""Scores that may exceed 1."""


def skill_table(
    probabilities: Mapping[str, np.ndarray],
    samples: Samples,
    *,
    regions: Mapping[str, np.ndarray],
    correlations: Mapping[str, ErrorCorrelation],
    settings: BootstrapSettings,
    seed: int,
    differences: bool = True,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of predictors in regions, {predictor: {region: {metric: value}}}, as JSON can hold them.

    Parameters
    ----------
    probabilities : mapping of str to ndarray of shape (n_samples, n_classes)
    samples : Samples
        `labels`, `area` [m2], `lat`, `lon` [degrees], `confidence`, `classes`.
    regions : mapping of str to ndarray of bool, shape (n_samples,)
        Which cells are in each region; regions may overlap.
    correlations : mapping of str to ErrorCorrelation
        Of the errors of each predictor in basins that it did not see; predictors without one have no intervals.
    settings : BootstrapSettings
    seed : int
    differences : bool
        Whether predictors are compared with one another.

    Returns
    -------
    dict
        In each region what `scores` returns, and `region`; `intervals`, {metric: {low, high, level}}, and the same in
        `area_weighted` (see `score_intervals`), from blocks described in `blocks`; `difference_to`, {other predictor:
        {metric: {difference, low, high, level}}}, this predictor minus each later one (see `paired_differences`).

    Raises
    ------
    NetworkError
        When a region holds no cell, or as in `scores`.
    """
    table = region_scores(probabilities, samples, regions=regions)
    for region, inside in regions.items():
        labels, area, lat, lon = (getattr(samples, name)[inside] for name in ("labels", "area", "lat", "lon"))
        here = {predictor: values[inside] for predictor, values in probabilities.items()}
        bootstraps = block_bootstraps(wrong_cells(here, labels), lat, lon, area, settings=settings, seed=seed)
        for (predictor, values), bootstrap in zip(here.items(), bootstraps, strict=True):
            entry = table[predictor][region]
            if predictor in correlations:
                cells, by_area = (correlations[predictor].effective_cells(lat, lon, w, seed=seed) for w in (None, area))
                entry["blocks"] = bootstrap.describe() | {"effective_cells": cells}
                entry["intervals"] = score_intervals(bootstrap, cells, values, labels)
                entry["area_weighted"]["intervals"] = score_intervals(bootstrap, by_area, values, labels, area)
        if differences:
            of_pairs = paired_differences(here, labels, lat=lat, lon=lon, area=area, settings=settings, seed=seed)
            for predictor, others in of_pairs.items():
                table[predictor][region]["difference_to"] = others
    return table


def region_scores(
    probabilities: Mapping[str, np.ndarray], samples: Samples, *, regions: Mapping[str, np.ndarray]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of `skill_table` alone, without intervals and differences; arguments and errors as there."""
    for region, inside in regions.items():
        require_cells(region, inside)
    return {
        predictor: {
            region: {"region": region}
            | scores(
                values[inside],
                samples.labels[inside],
                classes=samples.classes,
                area=samples.area[inside],
                confidence=samples.confidence[inside],
            )
            for region, inside in regions.items()
        }
        for predictor, values in probabilities.items()
    }


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

    The difference of two predictors has a smaller uncertainty than the score of either, because their errors coincide.
    The blocks of a pair follow from the correlation length of the difference of their errors.

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


def score_intervals(
    bootstrap: BlockBootstrap,
    effective_cells: float,
    probabilities: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
) -> dict[str, dict[str, float | None]]:
    """Return the interval of each score but the F1 of single regimes, {metric: {low, high, level}}.

    Intervals are for the expected score in an unseen ocean with errors of the same correlation, not for these cells.

    Parameters
    ----------
    bootstrap : BlockBootstrap
    effective_cells : float
        As from `thor.networks.correlogram.ErrorCorrelation.effective_cells`.
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    weights : ndarray of shape (n_samples,), optional

    Notes
    -----
    Accuracy has the interval of Wilson (1927, doi:10.1080/01621459.1927.10502953) for so many independent cells; the
    deviations of all other scores are multiplied by the factor of `widening`.
    """
    draws, values = _draws(bootstrap, probabilities, labels, weights)
    accuracy = values["accuracy"]
    factor = widening(draws["accuracy"], accuracy, effective_cells)
    intervals = {
        name: bootstrap.interval(
            widened(drawn, values[name], factor, largest=np.inf if name in _WITHOUT_LIMIT else 1.0)
        )
        for name, drawn in draws.items()
    }
    low, high = wilson_interval(accuracy, effective_cells, level=bootstrap.level)
    return intervals | {"accuracy": {"low": low, "high": high, "level": bootstrap.level}}


def widening(draws: np.ndarray, accuracy: float, effective_cells: float) -> float:
    """Return the factor, at least 1, by which resamples vary too little for an unseen ocean.

    Blocks that fit into a region are too small for the longest correlations of errors. The factor brings the standard
    deviation of the accuracy over resamples, shape (n_bootstrap,), to that of so many independent cells.
    """
    spread = draws.std()
    # a weighted mean of cells that are all correct may exceed 1 by a rounding error
    needed = np.sqrt(max(accuracy * (1 - accuracy), 0.0) / effective_cells)
    return max(1.0, float(needed / spread)) if spread > 0 else 1.0


def widened(draws: np.ndarray, value: float, factor: float, *, largest: float = 1.0) -> np.ndarray:
    """Return resampled scores about that of all cells, their deviations multiplied by a factor, from 0 to `largest`."""
    return np.clip(value + factor * (draws - np.nanmedian(draws)), 0.0, largest)


def wilson_interval(share: float, n_cells: float, *, level: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval of a share of so many independent cells."""
    squared = norm.ppf(0.5 * (1 + level)) ** 2 / n_cells
    centre, half = share + squared / 2, np.sqrt(squared * (share * (1 - share) + squared / 4))
    return float((centre - half) / (1 + squared)), float((centre + half) / (1 + squared))


def wrong_cells(probabilities: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Return 1 where each predictor is wrong and 0 elsewhere, shape (n_samples, n_predictors)."""
    return np.column_stack([values.argmax(axis=1) != labels for values in probabilities.values()]).astype(float)


def require_cells(region: str, inside: np.ndarray) -> None:
    """Raise NetworkError when a region holds no sample."""
    if not inside.any():
        raise NetworkError(f"Region '{region}' holds no labelled cell: nothing can be scored there.")


def _draws(
    bootstrap: BlockBootstrap, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the scores of every resample and of all cells, but for the F1 of single regimes."""
    sums = score_sums(probabilities, labels, weights, group=bootstrap.block, n_groups=bootstrap.n_blocks)
    drawn = score_values(bootstrap.draws(sums), probabilities.shape[1])
    of_all = score_values(sums.sum(axis=0), probabilities.shape[1])
    names = [name for name in drawn if name != "f1"]
    return {name: drawn[name] for name in names}, {name: float(of_all[name]) for name in names}


def _difference(
    bootstrap: BlockBootstrap,
    first: np.ndarray,
    second: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
) -> dict[str, dict[str, float | None]]:
    (first_draws, mine), (second_draws, theirs) = (
        _draws(bootstrap, values, labels, weights) for values in (first, second)
    )
    return {
        name: {"difference": mine[name] - theirs[name], **bootstrap.interval(draws - second_draws[name])}
        for name, draws in first_draws.items()
    }
