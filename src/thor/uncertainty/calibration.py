"""Calibration of probabilities: reliability, calibration errors, and uncertainty as a predictor of mistakes."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from thor.networks.bootstrap import BlockBootstrap, BootstrapSettings, block_bootstraps
from thor.networks.correlogram import ErrorCorrelation
from thor.networks.samples import Samples
from thor.networks.scores import N_BINS, check_probabilities, equal_bins, number, score_values, total_sums
from thor.networks.skill import require_cells, score_intervals, widened, widening, wrong_cells
from thor.uncertainty.predictive import entropy
from thor.uncertainty.selective import mistake_auroc, risk_coverage
from thor.uncertainty.temperature import temperature_of_mean

CalibrationError = Literal["top_label", "class_wise", "adaptive"]


_SCORES = ("accuracy", "expected_calibration_error", "negative_log_likelihood", "brier_score")


def calibration_table(
    probabilities: Mapping[str, Mapping[str, np.ndarray]],
    samples: Samples,
    *,
    regions: Mapping[str, np.ndarray],
    correlations: Mapping[str, ErrorCorrelation],
    settings: BootstrapSettings,
    seed: int,
    uncertainties: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]] | None = None,
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Return the calibration of predictors, {predictor: {region: {stage: {metric: value}}}}, as JSON can hold it.

    Parameters
    ----------
    probabilities : mapping of str to mapping of str to ndarray of shape (n_samples, n_classes)
        {predictor: {stage: probabilities}}, the stages being `before` and `after` calibration.
    samples : Samples
        `labels`, `area` [m2], `lat`, `lon` [degrees], `classes`.
    regions : mapping of str to ndarray of bool, shape (n_samples,)
        Which cells are in each region; basins, for instance. Regions may overlap.
    correlations : mapping of str to ErrorCorrelation
        Of the errors of each predictor in basins that it did not see.
    settings : BootstrapSettings
    seed : int
    uncertainties : mapping, optional
        {predictor: {stage: {name: ndarray of shape (n_samples,)}}}, such as the mutual information, beside `entropy`
        [bits] and `one_minus_maximum`, which come from the probabilities.

    Returns
    -------
    dict
        As from `calibration_metrics`, with `region`, `blocks`, `intervals` and `area_weighted` scores. The intervals
        of the calibration error are biased high: it is an absolute value, which the noise of a resample increases.

    Raises
    ------
    NetworkError
        When a region holds no cell, or probabilities and labels do not match.
    """
    table: dict[str, dict[str, dict[str, dict[str, Any]]]] = {predictor: {} for predictor in probabilities}
    for region, inside in regions.items():
        require_cells(region, inside)
        labels, area, lat, lon = (getattr(samples, name)[inside] for name in ("labels", "area", "lat", "lon"))
        first = {predictor: next(iter(stages.values()))[inside] for predictor, stages in probabilities.items()}
        bootstraps = block_bootstraps(wrong_cells(first, labels), lat, lon, area, settings=settings, seed=seed)
        for (predictor, stages), bootstrap in zip(probabilities.items(), bootstraps, strict=True):
            given = (uncertainties or {}).get(predictor, {})
            of_errors = correlations[predictor]
            effective = (
                of_errors.effective_cells(lat, lon, seed=seed),
                of_errors.effective_cells(lat, lon, area, seed=seed),
            )
            table[predictor][region] = {
                stage: {"region": region}
                | calibration_metrics(
                    values[inside],
                    labels,
                    classes=samples.classes,
                    uncertainties={name: field[inside] for name, field in given.get(stage, {}).items()},
                )
                | _weighted_and_intervals(bootstrap, effective, values[inside], labels, area)
                | {"reliability_curve": reliability_curve(values[inside], labels, bootstrap, effective[0])}
                for stage, values in stages.items()
            }
    return table


def calibration_metrics(
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    classes: tuple[str, ...],
    uncertainties: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return the calibration of probabilities, with equal weights of all cells.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    classes : tuple of str
    uncertainties : mapping of str to ndarray of shape (n_samples,), optional
        Beside `entropy` [bits] and `one_minus_maximum`.

    Returns
    -------
    dict
        `n_cells`, `weighting`, `accuracy`, `expected_calibration_error` (top label), `class_wise_calibration_error`,
        `adaptive_calibration_error`, `negative_log_likelihood` [nats], `brier_score`, `brier_decomposition`,
        `temperature_left` (the temperature fitted to these cells again: 1 is perfect, above 1 the probabilities are
        overconfident), `uncertainties` with `mean_right`, `mean_wrong`, `auroc` and
        `risk_coverage_area` of each, and `risk_coverage_curves`.
    """
    check_probabilities(probabilities, labels, classes)
    wrong = probabilities.argmax(axis=1) != labels
    values = score_values(total_sums(probabilities, labels, None), len(classes))
    every = {
        "entropy": entropy(probabilities.astype(float)),
        "one_minus_maximum": 1.0 - probabilities.max(axis=1),
        **(uncertainties or {}),
    }
    curves = {name: risk_coverage(field, wrong) for name, field in every.items()}
    return {
        "n_cells": len(labels),
        "weighting": "cell",
        **{name: number(values[name]) for name in _SCORES},
        "class_wise_calibration_error": calibration_error(probabilities, labels, kind="class_wise"),
        "adaptive_calibration_error": calibration_error(probabilities, labels, kind="adaptive"),
        "brier_decomposition": brier_decomposition(probabilities, labels),
        "temperature_left": temperature_of_mean(probabilities, labels),
        "uncertainties": {
            name: {
                "mean_right": float(field[~wrong].mean()) if not wrong.all() else None,
                "mean_wrong": float(field[wrong].mean()) if wrong.any() else None,
                "auroc": mistake_auroc(field, wrong),
                "risk_coverage_area": curves[name]["area"],
            }
            for name, field in every.items()
        },
        "risk_coverage_curves": curves,
    }


def reliability_curve(
    probabilities: np.ndarray, labels: np.ndarray, bootstrap: BlockBootstrap, effective_cells: float
) -> dict[str, list[float | None]]:
    """Return the frequency with which the most probable regime is the label, in `N_BINS` bins of its probability.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    bootstrap : BlockBootstrap
        Of these cells.
    effective_cells : float
        As from `thor.networks.correlogram.ErrorCorrelation.effective_cells`.

    Returns
    -------
    dict
        `confidence` (mean largest probability), `accuracy`, `share` (of the cells), one value for each bin that holds
        a cell. Perfect: accuracy equals confidence. `low` and `high`, the interval of the accuracy for an unseen ocean
        with errors of the same correlation, as in `thor.networks.skill.score_intervals`.
    """
    confidence, right = probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == labels
    bins = equal_bins(confidence, N_BINS)
    count, sum_confidence, hits = (
        np.bincount(bins, values, minlength=N_BINS) for values in (np.ones(len(labels)), confidence, right)
    )
    filled = count > 0
    accuracy = hits[filled] / count[filled]
    inside = bins[:, None] == np.flatnonzero(filled)
    cells, correct = (bootstrap.draws(bootstrap.sums(inside * of[:, None])) for of in (np.ones(len(bins)), right))
    factor = widening(correct.sum(axis=1) / cells.sum(axis=1), float(right.mean()), effective_cells)
    shares = np.divide(correct, cells, out=np.full_like(correct, np.nan), where=cells > 0)
    found = [
        bootstrap.interval(widened(of_bin, value, factor)) for of_bin, value in zip(shares.T, accuracy, strict=True)
    ]
    return {
        **{end: [interval[end] for interval in found] for end in ("low", "high")},
        "confidence": (sum_confidence[filled] / count[filled]).tolist(),
        "accuracy": accuracy.tolist(),
        "share": (count[filled] / len(labels)).tolist(),
    }


def calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, *, kind: CalibrationError = "top_label", n_bins: int = N_BINS
) -> float:
    """Return the expected calibration error; 0 perfect, 1 worst.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)
    kind : {"top_label", "class_wise", "adaptive"}
        The mean gap between probability and frequency: of the most probable regime in equal bins of its probability;
        of every regime in turn, averaged over regimes; or of the most probable one in bins of equally many cells,
        which resolve the high probabilities where most cells lie.
    n_bins : int

    Notes
    -----
    sum over bins b of n_b / n |mean p_b - mean o_b|. Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; class-wise and
    adaptive: Nixon et al. 2019, doi:10.48550/arXiv.1904.01685.
    """
    if kind == "class_wise":
        outcomes = _outcomes(probabilities, labels)
        gaps = [_gap(p, o, equal_bins(p, n_bins)) for p, o in zip(probabilities.T, outcomes.T, strict=True)]
        return float(np.mean(gaps))
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    return _gap(confidence, right, (equal_bins if kind == "top_label" else _even_bins)(confidence, n_bins))


def brier_decomposition(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the parts of the Brier score, each summed over the regimes, from `N_BINS` bins of their probabilities.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)

    Returns
    -------
    dict
        `reliability` (0 perfect), `resolution` (0 to `uncertainty`, which is perfect), `uncertainty` (of the labels
        alone) and `within_bin` (variations inside bins). reliability - resolution + uncertainty + within_bin is the
        Brier score exactly.

    Notes
    -----
    Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; within bins: Stephenson et al. 2008,
    doi:10.1175/2007WAF2006116.1.
    """
    parts = {"reliability": 0.0, "resolution": 0.0, "uncertainty": 0.0, "within_bin": 0.0}
    for probability, outcome in zip(probabilities.T.astype(float), _outcomes(probabilities, labels).T, strict=True):
        bins = equal_bins(probability, N_BINS)
        count = np.maximum(np.bincount(bins, minlength=N_BINS), 1)
        forecast, observed = (
            np.bincount(bins, x, minlength=N_BINS)[bins] / count[bins] for x in (probability, outcome)
        )
        base_rate = outcome.mean()
        within = (probability - forecast) ** 2 - 2 * (probability - forecast) * (outcome - observed)
        parts["reliability"] += float(np.mean((forecast - observed) ** 2))
        parts["resolution"] += float(np.mean((observed - base_rate) ** 2))
        parts["uncertainty"] += float(base_rate * (1 - base_rate))
        parts["within_bin"] += float(np.mean(within))
    return parts


def _weighted_and_intervals(
    bootstrap: BlockBootstrap,
    effective_cells: tuple[float, float],
    probabilities: np.ndarray,
    labels: np.ndarray,
    area: np.ndarray,
) -> dict[str, Any]:
    def of_scores(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in _SCORES}

    weighted = score_values(total_sums(probabilities, labels, area), probabilities.shape[1])
    cells, by_area = effective_cells
    return {
        "blocks": bootstrap.describe() | {"effective_cells": cells},
        "intervals": of_scores(score_intervals(bootstrap, cells, probabilities, labels)),
        "area_weighted": {
            "weighting": "area",
            **{name: number(value) for name, value in of_scores(weighted).items()},
            "intervals": of_scores(score_intervals(bootstrap, by_area, probabilities, labels, area)),
        },
    }


def _outcomes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.arange(probabilities.shape[1])).astype(float)


def _even_bins(values: np.ndarray, n_bins: int) -> np.ndarray:
    edges = np.quantile(values, np.linspace(0.0, 1.0, n_bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def _gap(probability: np.ndarray, outcome: np.ndarray, bins: np.ndarray) -> float:
    return float(np.abs(np.bincount(bins, probability.astype(float) - outcome)).sum() / len(bins))
