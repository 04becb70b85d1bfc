"""The change of the Atlantic overturning in runs with transports: numbers and sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thor.report.words import signed


def amoc_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return by experiment the change of the Atlantic overturning at 26.5N in the last window, over climate models.

    Parameters
    ----------
    metrics : mapping
        `tracking_metrics`; may be empty.

    Returns
    -------
    dict
        {experiment: numbers}: `change_sv`, the least and largest change (`low`, `high`) of the climate models, means
        over their runs; `regime` with the largest part of it on average, and this part as `part_sv`; `n_models`. Only
        runs whose baseline window has transports count.
    """
    changes: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for key, windows in metrics.get("amoc", {}).items():
        known = [entry for _, entry in sorted(windows.items()) if "amoc_change_sv" in entry]
        if known:
            model, experiment, _ = key.split("/")
            changes.setdefault(experiment, {}).setdefault(model, []).append(known[-1])
    found = {}
    for experiment, models in changes.items():
        change = [np.mean([run["amoc_change_sv"] for run in runs]) for runs in models.values()]
        parts = {
            name: [
                np.mean([run["amoc_change_by_regime_sv"].get(name, 0.0) for run in runs]) for runs in models.values()
            ]
            for name in next(iter(models.values()))[0]["amoc_change_by_regime_sv"]
        }
        most = max(parts, key=lambda name: float(np.sign(np.mean(change)) * np.mean(parts[name])))
        found[experiment] = {
            "n_models": len(models),
            "change_sv": _ends(change),
            "regime": most,
            "part_sv": _ends(parts[most]),
        }
    return found


def amoc_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return the change of the Atlantic overturning, and the regime in which most of it is, for each experiment."""
    lines = []
    for experiment, entry in numbers.items():
        models = "one climate model" if entry["n_models"] == 1 else f"{entry['n_models']} climate models"
        where = "outside all regimes" if entry["regime"] == "no_regime" else f"in regime {entry['regime']}"
        lines.append(
            f"The Atlantic overturning at 26.5\u00b0\u00a0N in the last window of {experiment} differs from that of "
            f"its baseline window by {_span(entry['change_sv'])} ({models}); most of this, {_span(entry['part_sv'])}, "
            f"is {where}."
        )
    return lines


def _ends(values: list[Any]) -> dict[str, float]:
    return {"low": float(min(values)), "high": float(max(values))}


def _span(entry: Mapping[str, float]) -> str:
    low, high = (signed(entry[end], 1, plus=True) for end in ("low", "high"))
    return f"{low}\u00a0Sv" if low == high else f"{low} to {high}\u00a0Sv"
