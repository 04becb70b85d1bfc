"""The numbers of a summary in words, for the report and the end of a run.

Every sentence is built from the numbers beside it, so it cannot say what the run did not find; where an interval holds
zero it says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from thor.attribution.methods import in_sentence
from thor.core.errors import DataError
from thor.core.variables import variable
from thor.figures.style import years_text
from thor.regimes.naming import LONG_NAMES
from thor.report.archive import by_reason, say_archive

PREDICTOR_NAMES = {
    "ensemble": "the ensemble",
    "bayesian": "the Bayesian network",
    "laplace": "the Laplace approximation",
    "member_mean": "single networks, mean",
    "member_min": "single networks, lowest score",
    "member_max": "single networks, highest score",
    "gradient_boosting": "gradient boosting",
    "stress_curl_tree": "a tree on the stress curl",
    "majority": "always the commonest regime",
}
"""Predictors in words, in the order in which they are told."""
_PERCENT = "\u00a0%"

METRIC = "accuracy"
"""In which predictors are told apart in the sentences; the report shows the others too."""


def sentences(numbers: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what the numbers say, by topic."""
    return {
        "regimes": _say_regimes(numbers["regimes"], numbers["balances"]),
        "skill": _say_skill(numbers["skill"]),
        "calibration": _say_calibration(numbers["calibration"], numbers["uncertainty"]),
        "explanations": _say_explanations(numbers["explanations"]),
        "scenarios": _say_scenarios(numbers["experiments"], numbers["perfect_model"], numbers["n_tracked"]),
        "archive": say_archive(numbers["archive"]),
        "caveats": _say_caveats(numbers),
    }


def _say_regimes(regimes: Mapping[str, Any], balances: Mapping[str, Any]) -> list[str]:
    shares = regimes["area_fraction"]
    ranked = sorted(shares, key=lambda name: -shares[name])
    largest, smallest = ranked[0], ranked[-1]
    said = [
        f"{regimes['n_cells']:,} cells fall into {len(regimes['regimes'])} dynamical regimes. The largest, "
        f"{regime_name(largest)}, covers {percent(shares[largest])} of their area; the smallest, "
        f"{regime_name(smallest)}, {percent(shares[smallest])}."
    ]
    stability, single = regimes.get("stability_ari"), regimes.get("single_run_ari")
    if stability is not None and single is not None:
        said.append(
            f"On average {percent(regimes['mean_confidence'])} of {regimes['n_runs']} clustering runs agree on the "
            f"regime of a place. Maps elected by separate sets of runs agree to {stability:.3f} (adjusted Rand index: "
            f"1 is the same map, 0 is chance), single runs to {single:.3f}."
        )
    if largest in balances:
        terms = in_words([variable(term).label.lower() for term in balances[largest]["terms"]])
        said.append(f"In {regime_name(largest)} the balance is between {terms}.")
    return said


def _say_skill(skill: Mapping[str, Any]) -> list[str]:
    ensemble = skill["predictors"]["ensemble"]
    said = (
        f"In the {skill['region']}, which no network has seen ({skill['n_cells']:,} cells), the ensemble finds the "
        f"right regime in {percent(ensemble[METRIC]['value'])} of the cells{_interval(ensemble[METRIC])}"
    )
    if ensemble["area_accuracy"] is not None:
        said += f" and on {percent(ensemble['area_accuracy'])} of the area"
    others = [
        f"{PREDICTOR_NAMES.get(name, name.replace('_', ' '))} in {percent(skill['predictors'][name][METRIC]['value'])}"
        for name in skill["difference_to"]
        if name in skill["predictors"]
    ]
    lines = [said + ("; " + in_words(others) if others else "") + "."]
    for name, entry in skill["difference_to"].items():
        called = PREDICTOR_NAMES.get(name, name.replace("_", " "))
        size = f"{_signed(100 * entry['difference'], 1, plus=True)} percentage points, {_span(entry, 100)}"
        if entry["low"] > 0:
            lines.append(f"The ensemble is better than {called}: {size}.")
        elif entry["high"] < 0:
            lines.append(f"The ensemble is worse than {called}: {size}.")
        else:
            lines.append(f"Whether the ensemble is better or worse than {called} cannot be told: {size}.")
    return lines


def _say_caveats(numbers: Mapping[str, Any]) -> list[str]:
    """Return what a reader has to know of the climate models before all else."""
    said = say_archive(numbers["archive"]) if numbers["archive"]["not_read"] or numbers["archive"]["not_passed"] else []
    if runs := numbers["implausible"]:
        said.append(
            f"Regimes are implausible as a whole in {len(runs)} of {numbers['n_tracked']} runs: {by_reason(runs)}. "
            "Check sign, units and grid of their stress, sea level and depth."
        )
    if runs := numbers["not_compared"]:
        said.append(f"No change is stated where there is no baseline: {by_reason(runs)}.")
    if runs := numbers["not_judged"]:
        said.append(
            f"Whether changes exceed natural variability is not judged without control windows: {by_reason(runs)}."
        )
    return said


def _say_calibration(calibration: Mapping[str, Any], uncertainty: Mapping[str, Any]) -> list[str]:
    said = []
    if "ensemble" in calibration:
        own = calibration["ensemble"]
        said.append(
            f"In the test cells the ensemble's stated probabilities differ from observed frequencies by "
            f"{100 * own['after']:.1f} percentage points on average (expected calibration error; "
            f"{100 * own['before']:.1f} before calibration)."
        )
        if "conformal" in own:
            conformal = own["conformal"]
            promised, held = conformal["confidence_level"], conformal["coverage"]
            ends = conformal["interval"]
            verdict = "as promised"
            if ends.get("high") is not None and ends["high"] < promised:
                verdict = "less than promised: the test ocean differs from the cells that calibrated"
            elif ends.get("low") is not None and ends["low"] > promised:
                verdict = "more than promised"
            said.append(
                f"Sets of regimes meant to hold the true one in {percent(promised)} of the cells hold it in "
                f"{percent(held)}{_interval(ends)}, {verdict}; they name {conformal['mean_set_size']:.2f} regimes on "
                "average."
            )
    parts = uncertainty.get("predictors", {})
    if "ensemble" in parts and parts["ensemble"]["disagreement_share"] is not None:
        said.append(
            f"Of the ensemble's uncertainty (entropy, mean over the area) "
            f"{percent(parts['ensemble']['disagreement_share'])} is disagreement between networks, which more data "
            "would lessen; the rest is what sea level, wind stress and depth do not tell. "
            f"{percent(uncertainty['not_applicable_share'], 1)} of the area is outside the area of applicability: "
            "unlike the cells the networks learned from."
        )
    return said


def _say_explanations(explanations: Mapping[str, Any]) -> list[str]:
    said: list[str] = []
    if not explanations:
        return said
    signs = {pair: numbers["sign_agreement"] for pair, numbers in explanations["agreement"].items()}
    if signs:
        least, most = min(signs, key=lambda pair: signs[pair]), max(signs, key=lambda pair: signs[pair])
        said.append(
            f"Explanation methods agree whether a feature speaks for or against the regime in {percent(signs[least])} "
            f"({in_sentence(least)}) to {percent(signs[most])} ({in_sentence(most)}) of all cells and features."
        )
    faithful = {name: entry for name, entry in explanations["faithfulness"].items() if entry.get("value") is not None}
    if faithful:
        best = max(faithful, key=lambda name: faithful[name]["value"])
        own = faithful[best]
        said.append(
            f"Most faithful to the networks of {len(faithful)} methods: {in_sentence(best)}. What they give "
            f"to a set of features correlates to {own['value']:.2f}{_bounds(own)} with what the networks' verdict "
            f"loses without it (random attributions: {own['random']:.2f})."
        )
    return said


def _say_scenarios(experiments: Mapping[str, Any], perfect: Mapping[str, Any], n_tracked: int | None) -> list[str]:
    if n_tracked == 0:
        return ["No archive of climate models is configured, so no scenario was tracked (archive_root in globals.yml)."]
    said = []
    if n_tracked and not any(own["expected_changed_share"] for own in experiments.values()):
        said.append(f"None of the tracked runs ({n_tracked}) has a baseline to compare with, so no change is stated.")
    for experiment, own in experiments.items():
        changed, forced = own["expected_changed_share"], own["forced_share"]
        if changed is None:
            continue
        windows = in_words([years_text(window) for window in own["windows"]])
        text = (
            f"{experiment}, {windows} against {in_words(own['baselines'])}: {percent(changed['mean'])} of the area is "
            f"expected to have another regime{_over_models(changed, own['n_models'])}"
        )
        if forced is not None:
            text += (
                f"; on {percent(forced['mean'])} of the judged area{_over_models(forced, own['n_models'])} a change is "
                "likelier than natural variability explains"
            )
        said.append(text + ".")
    for experiment, predictors in perfect.items():
        own = predictors.get("ensemble")
        if own and own.get("brier_skill") is not None:
            said.append(
                f"Held against true regimes of idealized climate models ({experiment}, all windows): they changed on "
                f"{percent(own['base_rate'], 1)} of the area, and the mean stated probability of a change was "
                f"{percent(own['mean_probability'], 1)}; its Brier skill is {own['brier_skill']:.2f} (1 is perfect, "
                "0 is no better than stating the mean everywhere)."
            )
    return said


def _over_models(shares: Mapping[str, Any], n_models: int) -> str:
    if n_models == 1:
        return " (one climate model)"
    low, high = percent(shares["low"]), percent(shares["high"])
    return (
        f" ({low} in all {n_models} climate models)"
        if low == high
        else f" ({low} to {high} in {n_models} climate models)"
    )


def closing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return what a run ends with on the console: at most ten lines of what it found."""
    regimes, skill, said = summary["regimes"], summary["skill"], summary["sentences"]
    shares = regimes["area_fraction"]
    ranked = ", ".join(f"{name} {percent(shares[name])}" for name in sorted(shares, key=lambda name: -shares[name]))
    lines = [
        f"Regimes: {len(shares)} in {regimes['n_cells']:,} cells, by area {ranked}; "
        f"{percent(regimes['mean_confidence'])} of {regimes['n_runs'] or 'the'} clustering runs agree."
    ]
    ensemble = skill["predictors"]["ensemble"][METRIC]
    others = [
        f"{PREDICTOR_NAMES.get(name, name)} {percent(skill['predictors'][name][METRIC]['value'])}"
        for name in in_order(skill["difference_to"], PREDICTOR_NAMES)
        if name in skill["predictors"]
    ]
    lines.append(
        f"Skill in the {skill['region']}, unseen: {percent(ensemble['value'])} of cells right{_interval(ensemble)}"
        + (f"; {', '.join(others)}." if others else ".")
    )
    lines += said["calibration"][:1] + said["explanations"][-1:]
    for experiment, own in list(summary["experiments"].items())[:4]:
        changed = own["expected_changed_share"]
        if changed is None:
            continue
        text = (
            f"Change by {years_text(own['windows'][-1])}, {experiment}: {percent(changed['mean'])} of the area "
            f"expected to have another regime{_over_models(changed, own['n_models'])}"
        )
        if own["forced_share"] is not None:
            text += f"; beyond natural variability on {percent(own['forced_share']['mean'])}"
        lines.append(text + ".")
    if not summary["experiments"]:
        lines += said["scenarios"]
    known = [
        f"{experiment} {own['brier_skill']:.2f}"
        for experiment, predictors in summary["perfect_model"].items()
        if (own := predictors.get("ensemble", {})).get("brier_skill") is not None
    ]
    if known:
        lines.append(
            f"Likelihood of change against known truth, Brier skill: {', '.join(known)} (1 is perfect, 0 none)."
        )
    lines += said["caveats"] + said["left_out"]
    return [line.replace("\u00a0", " ") for line in lines]


# -- words -------------------------------------------------------------------------------------------------------------
def regime_name(name: str) -> str:
    """Return a regime's short and long name."""
    return f"{name} ({LONG_NAMES[name]})" if name in LONG_NAMES else name


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as text; a small one is not rounded to nothing."""
    if share is None or not np.isfinite(share):
        return "an unknown share"
    if 0 < share < 0.5 * 10.0 ** -(digits + 2):
        return f"less than {10.0**-digits:g}{_PERCENT}"
    return f"{100 * share:.{digits}f}{_PERCENT}"


def in_words(parts: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    if not parts:
        raise DataError("A list in words needs at least one part; got none.")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def in_order(entries: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return entries in the order of `names`, others after them: files keep entries by the alphabet."""
    known = [name for name in names if name in entries]
    return {name: entries[name] for name in dict.fromkeys([*known, *entries])}


def _interval(entry: Mapping[str, Any]) -> str:
    if entry.get("low") is None or entry.get("high") is None:
        return ""
    return f" ({_span(entry, 100, digits=0)}{_PERCENT})"


def _bounds(entry: Mapping[str, Any]) -> str:
    """Return the interval of a number that is no share."""
    if entry.get("low") is None or entry.get("high") is None:
        return ""
    return f" ({_span(entry, 1, digits=2)})"


def _span(entry: Mapping[str, Any], factor: float, *, digits: int = 1) -> str:
    low, high = (factor * entry[end] for end in ("low", "high"))
    level = f"{100 * entry['level']:.0f}{_PERCENT} interval " if entry.get("level") else ""
    return f"{level}{_signed(low, digits)} to {_signed(high, digits)}"


def _signed(value: float, digits: int, *, plus: bool = False) -> str:
    text = f"{value:+.{digits}f}" if plus else f"{value:.{digits}f}"
    return text.replace("-", "\u2212")
