"""Skill of the predicted regimes: tables of scores, and of their differences, by predictor and region."""

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from thor.core.errors import NetworkError
from thor.networks.bootstrap import BlockBootstrap, BootstrapSettings, block_bootstraps
from thor.networks.scores import score_sums, score_values, scores, total_sums

if TYPE_CHECKING:
    from thor.networks.samples import Samples


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
    table = region_scores(probabilities, samples, regions=regions)
    for region, inside in regions.items():
        labels, area, lat, lon = (getattr(samples, name)[inside] for name in ("labels", "area", "lat", "lon"))
        here = {predictor: values[inside] for predictor, values in probabilities.items()}
        bootstraps = block_bootstraps(wrong_cells(here, labels), lat, lon, area, settings=settings, seed=seed)
        for (predictor, values), bootstrap in zip(here.items(), bootstraps, strict=True):
            entry = table[predictor][region]
            entry |= {"blocks": bootstrap.describe(), "intervals": score_intervals(bootstrap, values, labels, None)}
            entry["area_weighted"]["intervals"] = score_intervals(bootstrap, values, labels, area)
        differences = paired_differences(here, labels, lat=lat, lon=lon, area=area, settings=settings, seed=seed)
        for predictor, others in differences.items():
            table[predictor][region]["difference_to"] = others
    return table


def region_scores(
    probabilities: Mapping[str, np.ndarray], samples: "Samples", *, regions: Mapping[str, np.ndarray]
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
    bootstrap: BlockBootstrap, probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, dict[str, float | None]]:
    """Return the interval of each score but the F1 of single regimes, {metric: {low, high, level}}."""
    draws = _draws(bootstrap, probabilities, labels, weights)
    return {name: bootstrap.interval(value) for name, value in draws.items()}


def wrong_cells(probabilities: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Return 1 where each predictor is wrong and 0 elsewhere, shape (n_samples, n_predictors)."""
    return np.column_stack([values.argmax(axis=1) != labels for values in probabilities.values()]).astype(float)


def require_cells(region: str, inside: np.ndarray) -> None:
    """Raise NetworkError when a region holds no sample."""
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
