"""Climate models with a further input set, such as transports: numbers and sentences beside those of the surface."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thor.core.errors import counted
from thor.networks.predictor import set_of
from thor.report.words import in_order, in_words, percent, regime_name, signed

_SCORES = ("balanced_accuracy", "brier_skill", "expected_calibration_error")


def input_set_numbers(metrics: Mapping[str, Any], regimes: Sequence[str]) -> dict[str, Any]:
    """Return where regimes by the richest input set differ from those by the surface, and the skill of both.

    Parameters
    ----------
    metrics : mapping
        `tracking_metrics`; may be empty.
    regimes : sequence of str
        Names in their order.

    Returns
    -------
    dict
        `runs`: of each run in the window of its `summary`: `run`, `window`, `predictor`, `different_share` where the
        regimes differ, and `changed_share` and `forced_share` by both predictors under `surface` and `set`;
        `different_by_regime`: by regime of the surface the mean over runs of the share with another regime, `right`:
        that of the area of different regimes where the label of the `surface`, of the `set` or `neither` is true;
        `skill`: scores by experiment and predictor. Empty without such a run.
    """
    rows, shares, right = [], [], []
    for key, windows in metrics.get("disagreement", {}).items():
        summary, predictor = metrics["summary"][key], next(iter(next(iter(windows.values()))))
        window = summary[predictor]["window"]
        numbers = windows[window][predictor]
        parts = {"surface": summary[set_of(predictor)[0]], "set": summary[predictor]}
        rows.append(
            {"run": key, "window": window, "predictor": predictor, "different_share": numbers["different_share"]}
            | {part: {n: found.get(n) for n in ("changed_share", "forced_share")} for part, found in parts.items()}
        )
        shares.append(numbers["different_by_regime"])
        right.append(numbers.get("right", {}))
    if not rows:
        return {}
    kept = {
        experiment: {name: {score: entry.get(score) for score in _SCORES} for name, entry in predictors.items()}
        for experiment, predictors in metrics["input_sets"].items()
    }
    different = in_order(_means(shares), regimes)
    return {"runs": rows, "different_by_regime": different, "right": _means(right), "skill": kept}


def input_set_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return where the surface alone gives another regime than the richest input set, and which of them is right."""
    if not numbers:
        return []
    rows, regimes = numbers["runs"], numbers["different_by_regime"]
    predictor, input_set = set_of(rows[0]["predictor"])
    shares = [row["different_share"] for row in rows]
    most = max(regimes, key=lambda name: regimes[name])
    lines = [
        f"In {counted(len(rows), 'run')} with {input_set} data, predictors that use them give a different most "
        "probable regime than those that use sea level, wind stress and depth alone on "
        f"{percent(min(shares), 1)} to {percent(max(shares), 1)} of the area (last window with a baseline, of control "
        f"runs the last), most in {regime_name(most)} ({percent(regimes[most])} of its area)."
    ]
    if right := numbers["right"]:
        lines.append(
            f"Where the two differ and the truth is known, the regime with {input_set} is right on "
            f"{percent(right['set'])} of the area, that from the surface alone on {percent(right['surface'])}."
        )
    for experiment, scores in numbers["skill"].items():
        pair = [scores.get(name, {}) for name in (predictor, rows[0]["predictor"])]
        named = {"brier_skill": "the Brier skill of P(change)", "balanced_accuracy": "balanced accuracy"}
        parts = [
            f"{words} from {signed(pair[0][score], 2)} to {signed(pair[1][score], 2)}"
            for score, words in named.items()
            if all(entry.get(score) is not None for entry in pair)
        ]
        if parts:
            lines.append(f"In the same cells and windows of {experiment}, {input_set} data change {in_words(parts)}.")
    return lines


def _means(rows: list[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the mean of each number over the rows that have it."""
    known: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                known.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in known.items()}
