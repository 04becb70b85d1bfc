"""Scores where the true regime is known: regimes, their areas, and the probability of their change."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from thor.core.arrays import AnyArray
from thor.networks.bootstrap import LEAST_DEGREES, BlockBootstrap, BootstrapSettings
from thor.networks.scores import number
from thor.tracking.likelihood import LIKELIHOOD, likelihood_class

CHANGE_BINS = 10
"""Equal bins of P(change) in the reliability table."""

TREE = "stress_curl_tree"


@dataclass(frozen=True, eq=False)
class TrueCells:
    """The cells of a window whose true regime is known, and in the baseline too where there is one.

    Attributes
    ----------
    lat, lon : ndarray of shape (n_cells,), [degrees]
    area : ndarray of shape (n_cells,), [m2]
    applicable : ndarray of bool, shape (n_cells,)
        Inside the area of applicability, in the baseline too where there is one.
    truth, predicted, tree : ndarray of int, shape (n_cells,)
        Regime by the true budget, by the networks, and by the tree.
    probability : ndarray of shape (n_cells, n_regimes)
    truth_before, predicted_before : ndarray of int, shape (n_cells,)
        In the baseline window; -1 without a baseline.
    probability_before : ndarray of shape (n_cells, n_regimes)
        NaN without a baseline.
    change_probability : ndarray of shape (n_cells,)
        NaN without a baseline.
    shift, forced : ndarray of int, shape (n_cells,)
        1 for a probability shift beyond internal variability, and for a forced change, 0 for none, -1 where not tested.
    """

    lat: AnyArray
    lon: AnyArray
    area: AnyArray
    applicable: AnyArray
    truth: AnyArray
    predicted: AnyArray
    tree: AnyArray
    probability: AnyArray
    truth_before: AnyArray
    predicted_before: AnyArray
    probability_before: AnyArray
    change_probability: AnyArray
    shift: AnyArray
    forced: AnyArray

    def take(self, chosen: AnyArray) -> "TrueCells":
        """Return the cells where a mask is True."""
        return TrueCells(**{entry.name: getattr(self, entry.name)[chosen] for entry in fields(self)})

    @property
    def compared(self) -> bool:
        """Whether there is a baseline."""
        return bool((self.truth_before >= 0).all()) and len(self.truth_before) > 0


def together(parts: Sequence[TrueCells]) -> TrueCells:
    """Return the cells of several windows or runs together; only those with a baseline, if any has one."""
    compared = [part for part in parts if part.compared]
    chosen = compared or parts
    return TrueCells(
        **{entry.name: np.concatenate([getattr(part, entry.name) for part in chosen]) for entry in fields(TrueCells)}
    )


# -- scores ------------------------------------------------------------------------------------------------------------
def truth_scores(
    cells: TrueCells, *, classes: Sequence[str], settings: BootstrapSettings | None, seed: int
) -> dict[str, Any]:
    """Return the scores of one predictor as plain numbers; without settings there are no intervals.

    Returns
    -------
    dict
        `region`, `n_cells`, `area_m2`, `weighting` ("area": every number is weighted by it). `predictor`,
        `stress_curl_tree`, `persistence` (the true baseline regime stays) and `predicted_persistence` (the predicted
        one does): `accuracy` and `balanced_accuracy`, the mean recall of the regimes that occur.
        `error_removed`, 1 - (1 - b) / (1 - b_reference) in balanced accuracy b, relative to each of these references.
        `regime_area`: {regime: {true_m2, expected_m2, argmax_m2, expected_error_percent, argmax_error_percent}}.
        `change`: as from `change_scores`. `applicable`: the same of the cells inside the area of applicability.
        Without a baseline neither persistence nor change; None where a number is undefined.
    """
    region = "valid cells whose true regime is known" + " in both windows" * cells.compared
    whole = {"region": region} | _scores(cells, classes, settings, seed)
    inside = _scores(cells.take(cells.applicable), classes, settings, seed)
    return whole | {"applicable": {"region": f"{region}, inside the area of applicability"} | inside}


def _scores(cells: TrueCells, classes: Sequence[str], settings: BootstrapSettings | None, seed: int) -> dict[str, Any]:
    result: dict[str, Any] = {"n_cells": len(cells.area), "area_m2": float(cells.area.sum()), "weighting": "area"}
    if not result["area_m2"]:
        return result
    predictions = {"predictor": cells.predicted, TREE: cells.tree}
    if cells.compared:
        predictions |= {"persistence": cells.truth_before, "predicted_persistence": cells.predicted_before}
    scores = {name: _accuracy(regime, cells, len(classes)) for name, regime in predictions.items()}
    balanced = {name: score["balanced_accuracy"] for name, score in scores.items()}
    error = 1 - balanced.pop("predictor")
    removed = {name: 1 - error / (1 - reference) if reference < 1 else None for name, reference in balanced.items()}
    result |= scores | {"error_removed": removed, "regime_area": _regime_areas(cells, classes)}
    if cells.compared:
        bootstrap = None
        if settings is not None:
            degrees = settings.block_degrees or LEAST_DEGREES
            bootstrap = BlockBootstrap.of_cells(cells.lat, cells.lon, degrees, settings, seed=seed)
        result["change"] = change_scores(cells, bootstrap)
    return result


def change_scores(cells: TrueCells, bootstrap: BlockBootstrap | None) -> dict[str, Any]:
    """Return the scores of the probability of a change against true changes, weighted by area.

    Returns
    -------
    dict
        `base_rate`: share of the area whose regime truly changed, `mean_probability` of a change. `brier_score` and
        `brier_skill`, 1 - score / score of the base rate. `expected_calibration_error` over the bins of
        `reliability`, which the base rate everywhere makes zero, too; therefore also `calibration_error_above_tenth`,
        of the area with a probability from 0.1, and `resolution_share`, the resolution of the bins as a share of the
        largest possible (Murphy 1973, doi 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2), which is zero for the
        base rate. `reliability` is a list of rows as `thor.tracking.likelihood.supported_words` takes them: `from` and
        `to` of the bin, `n_cells`, `area` [m2], `mean_probability`, `observed_frequency`, with a bootstrap its interval
        `low` to `high`. `likelihood`: the same rows by `word`. `likely_or_more`: share of the area with a probability
        above 0.66, and its parts that `changed`, changed to the predicted regime (`as_predicted`) or `stayed`.
        `shift` and `forced`: share of the tested area with a probability shift, and with a forced regime change, its
        part whose regime changed (`precision`), and the part of the changed area where it was detected (`recall`).
    """
    probability, area = cells.change_probability.astype(np.float64), cells.area
    changed = cells.truth != cells.truth_before
    base, brier = np.average(changed, weights=area), np.average((probability - changed) ** 2, weights=area)
    bins = np.minimum((probability * CHANGE_BINS).astype(int), CHANGE_BINS - 1)
    reliability = _reliability(bins, CHANGE_BINS, cells, changed, bootstrap)
    table = pd.DataFrame(list(reliability.values()))
    spread = np.average((table["observed_frequency"] - base) ** 2, weights=table["area"])
    words = _reliability(likelihood_class(probability).astype(int), len(LIKELIHOOD), cells, changed, bootstrap)
    likely = probability > LIKELIHOOD["likely"][0]
    return {
        "base_rate": float(base),
        "mean_probability": float(np.average(probability, weights=area)),
        "brier_score": float(brier),
        "brier_skill": number(1 - brier / (base * (1 - base))) if 0 < base < 1 else None,
        "expected_calibration_error": _calibration_error(table),
        "calibration_error_above_tenth": _calibration_error(table[[k / CHANGE_BINS >= 0.1 for k in reliability]]),
        "resolution_share": number(spread / (base * (1 - base))) if 0 < base < 1 else None,
        "reliability": [{"from": k / CHANGE_BINS, "to": (k + 1) / CHANGE_BINS} | row for k, row in reliability.items()],
        "likelihood": [{"word": list(LIKELIHOOD)[k]} | row for k, row in words.items()],
        "likely_or_more": {
            "area_share": share_of_area(likely, area),
            "changed": share_of_area(changed, area, of=likely),
            "as_predicted": share_of_area(changed & (cells.truth == cells.predicted), area, of=likely),
            "stayed": share_of_area(~changed, area, of=likely),
        },
        "shift": _detection(cells.shift, changed, area),
        "forced": _detection(cells.forced, changed, area),
    }


def share_of_area(chosen: AnyArray, area: AnyArray, *, of: AnyArray | None = None) -> float | None:
    """Return the share of the area, or of that where `of` is True, where `chosen` is True; None without any area."""
    of = np.ones(len(area), bool) if of is None else of
    return float(area[chosen & of].sum() / area[of].sum()) if area[of].any() else None


def _detection(found: AnyArray, changed: AnyArray, area: AnyArray) -> dict[str, float | None]:
    """Return the share of the tested area that was detected, its precision and its recall; -1 is not tested."""
    tested, called = found >= 0, found == 1
    return {
        "area_share": share_of_area(called, area, of=tested),
        "precision": share_of_area(changed, area, of=called),
        "recall": share_of_area(called, area, of=changed & tested),
    }


def _calibration_error(rows: pd.DataFrame) -> float | None:
    """Return the mean gap of probability and frequency over the area of the rows, None without rows."""
    gaps = (rows["mean_probability"] - rows["observed_frequency"]).abs()
    return float(np.average(gaps, weights=rows["area"])) if len(rows) else None


def _reliability(
    place: AnyArray, n_places: int, cells: TrueCells, changed: AnyArray, bootstrap: BlockBootstrap | None
) -> dict[int, dict[str, Any]]:
    """Return mean probability and observed frequency of a change in each class with area."""
    n_blocks = bootstrap.n_blocks if bootstrap else 1
    key = place if bootstrap is None else bootstrap.block * n_places + place

    def sums(weights: AnyArray) -> AnyArray:
        return np.bincount(key, weights, minlength=n_blocks * n_places).reshape(n_blocks, n_places)

    area, observed, stated = (sums(cells.area * factor) for factor in (1.0, changed, cells.change_probability))
    if bootstrap is not None:
        with np.errstate(invalid="ignore"):
            draws = bootstrap.draws(observed) / bootstrap.draws(area)
    counts = np.bincount(place, minlength=n_places)
    rows: dict[int, dict[str, Any]] = {}
    for k in np.flatnonzero(area.sum(axis=0) > 0):
        total = area[:, k].sum()
        rows[int(k)] = {
            "n_cells": int(counts[k]),
            "area": float(total),
            "mean_probability": float(stated[:, k].sum() / total),
            "observed_frequency": float(observed[:, k].sum() / total),
            **(bootstrap.interval(draws[:, k]) if bootstrap is not None else {}),
        }
    return rows


def _accuracy(regime: AnyArray, cells: TrueCells, n_regimes: int) -> dict[str, float]:
    right = np.bincount(cells.truth, cells.area * (regime == cells.truth), minlength=n_regimes)
    there = np.bincount(cells.truth, cells.area, minlength=n_regimes)
    recall = right[there > 0] / there[there > 0]
    return {"accuracy": float(right.sum() / there.sum()), "balanced_accuracy": float(recall.mean())}


def _regime_areas(cells: TrueCells, classes: Sequence[str]) -> dict[str, dict[str, float | None]]:
    true, argmax = (np.bincount(of, cells.area, minlength=len(classes)) for of in (cells.truth, cells.predicted))
    expected = cells.area @ cells.probability.astype(np.float64)
    result: dict[str, dict[str, float | None]] = {}
    for k, name in enumerate(classes):
        result[name] = {"true_m2": float(true[k])}
        for kind, area in (("expected", expected[k]), ("argmax", argmax[k])):
            result[name][f"{kind}_m2"] = float(area)
            result[name][f"{kind}_error_percent"] = float(100 * (area / true[k] - 1)) if true[k] else None
    return result
