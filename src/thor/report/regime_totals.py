"""Changes of the Atlantic overturning and of the heat uptake, and the regimes in which they are: numbers and text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thor.report.words import in_words, regime_name, signed, window_words
from thor.tracking.members import of_one_forcing
from thor.tracking.regime_shares import NO_REGIME
from thor.tracking.shared_window import WindowYears, shared_windows

_TOTALS = {
    "amoc": ("amoc", "Sv", 1, "The Atlantic overturning at 26.5\u00b0\u00a0N"),
    "heat_uptake": ("properties", "PW", 2, "The heat flux into the sea"),
}
"""Quantities of the whole ocean that are divided among regimes: section of `tracking_metrics`, unit (in keys in small
letters), digits in text, and the words that begin a sentence."""


def total_numbers(
    metrics: Mapping[str, Any], windows: Mapping[str, Mapping[WindowYears, str]]
) -> dict[str, dict[str, Any]]:
    """Return by quantity and experiment its change in the last window that most climate models have, over these.

    Parameters
    ----------
    metrics : mapping
        `tracking_metrics`; may be empty.
    windows : mapping of str to mapping
        Of each run, as from `thor.tracking.shared_window.compared_windows`.

    Returns
    -------
    dict
        For `amoc` (the Atlantic overturning at 26.5N) and `heat_uptake`, {experiment: numbers}: `change_<unit>`, the
        least and largest change (`low`, `high`) of the climate models, means over their runs; `regime` with the largest
        part of it on average, and this part as `part_<unit>`; `n_models`; `window`, its name; `without_window`, the
        climate models that lack it. Only runs whose baseline window has the quantity count.
    """
    return {
        name: _by_experiment(metrics.get(section, {}), windows, name, unit.lower())
        for name, (section, unit, *_) in _TOTALS.items()
    }


def total_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return the change of each quantity, and the regime in which most of it is, for each experiment."""
    lines = []
    for name, (_, unit, digits, subject) in _TOTALS.items():
        for experiment, entry in numbers[name].items():
            models = "one climate model" if entry["n_models"] == 1 else f"{entry['n_models']} climate models"
            where = "outside all regimes" if entry["regime"] == NO_REGIME else f"in {regime_name(entry['regime'])}"
            change, part = (_span(entry[f"{what}_{unit.lower()}"], digits, unit) for what in ("change", "part"))
            lines.append(
                f"{subject} in {experiment}, {window_words(experiment, entry['window'])}, differs from that of "
                f"its baseline window by {change} ({models}); the largest part, {part}, is {where}."
                + without_window_text(entry["without_window"])
            )
    return lines


def without_window_text(models: Sequence[str]) -> str:
    """Return which climate models do not count since they lack the window, to follow a sentence; empty without any."""
    return f" Left out, without this window: {in_words(models)}." if models else ""


def _by_experiment(
    runs: Mapping[str, Any], windows: Mapping[str, Mapping[WindowYears, str]], name: str, unit: str
) -> dict[str, Any]:
    whole, by_regime = f"{name}_change_{unit}", f"{name}_change_by_regime_{unit}"
    known = {
        key: {years: label for years, label in windows.get(key, {}).items() if whole in entries.get(label, {})}
        for key, entries in ((key, runs[key]) for key in of_one_forcing(runs))
    }
    found = {}
    for experiment, (window, labels) in shared_windows(known).items():
        models: dict[str, list[Mapping[str, Any]]] = {}
        for key, label in labels.items():
            models.setdefault(key.split("/")[0], []).append(runs[key][label])
        others = {key.split("/")[0] for key in known if known[key] and key.split("/")[1] == experiment}
        change = [np.mean([run[whole] for run in of_model]) for of_model in models.values()]
        parts = {
            regime: [np.mean([run[by_regime].get(regime, 0.0) for run in of_model]) for of_model in models.values()]
            for regime in next(iter(models.values()))[0][by_regime]
        }
        most = max(parts, key=lambda regime: float(np.sign(np.mean(change)) * np.mean(parts[regime])))
        found[experiment] = {
            "n_models": len(models),
            "window": window,
            "without_window": sorted(others - {*models}),
            f"change_{unit}": _ends(change),
            "regime": most,
            f"part_{unit}": _ends(parts[most]),
        }
    return found


def _ends(values: list[Any]) -> dict[str, float]:
    return {"low": float(min(values)), "high": float(max(values))}


def _span(entry: Mapping[str, float], digits: int, unit: str) -> str:
    low, high = (signed(entry[end], digits, plus=True) for end in ("low", "high"))
    return f"{low}\u00a0{unit}" if low == high else f"{low} to {high}\u00a0{unit}"
