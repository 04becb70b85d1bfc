"""The numbers of a summary in sentences, for the report and the end of a run.

Every sentence is made from the numbers of the run. Where an interval includes zero, the sentence states that the
difference is not statistically significant.
"""

from collections.abc import Mapping
from typing import Any

from thor.core.variables import variable
from thor.report.archive import archive_sentences, by_reason
from thor.report.explained import explanation_sentences
from thor.report.input_sets import input_set_sentences
from thor.report.model_trust import model_sentences
from thor.report.regime_totals import total_sentences, without_window_text
from thor.report.words import (
    PREDICTOR_NAMES,
    capital,
    in_order,
    in_words,
    interval,
    leading,
    level_percent,
    number_word,
    percent,
    predictor_name,
    regime_name,
    signed,
    span,
    window_words,
)

METRIC = "accuracy"
"""Score that the sentences compare; the report shows all others too."""

BALANCED = "balanced_accuracy"
"""Score in which the leading predictor is also compared with better ones."""


_BUDGETS: Mapping[str | None, str] = {
    "released": " of the vorticity budget as released",
    "corrected": " of the corrected vorticity budget (planetary advection from the ocean's transports)",
}


def sentences(numbers: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return sentences on the numbers, by topic."""
    return {
        "regimes": _regime_sentences(numbers["regimes"], numbers["balances"], numbers["ocean"].get("budget")),
        "skill": skill_sentences(numbers["skill"]),
        "calibration": _calibration_sentences(numbers["calibration"], numbers["uncertainty"]),
        "explanations": explanation_sentences(numbers["explanations"]) if numbers["explanations"] else [],
        "scenarios": [
            *scenario_sentences(numbers["experiments"], numbers["perfect_model"], numbers["n_tracked"]),
            *input_set_sentences(numbers["input_sets"]),
            *total_sentences(numbers),
            *model_sentences(numbers["expected_accuracy"], numbers["area_interval"], numbers["false_rate"]),
        ],
        "archive": archive_sentences(numbers["archive"]),
        "caveats": caveat_sentences(numbers),
    }


def _regime_sentences(regimes: Mapping[str, Any], balances: Mapping[str, Any], budget: str | None) -> list[str]:
    shares = regimes["area_fraction"]
    ranked = sorted(shares, key=lambda name: -shares[name])
    largest, smallest = ranked[0], ranked[-1]
    long_names = regimes["long_names"]
    first, last = (f"{regime_name(name)} ({percent(shares[name])}" for name in (largest, smallest))
    lines = [
        f"{regimes['n_cells']:,} cells belong to {len(regimes['regimes'])} dynamical regimes"
        f"{_BUDGETS.get(budget, '')}. The largest is {first} of their area): "
        f"{long_names[largest]}; the smallest is {last}): {long_names[smallest]}."
    ]
    terms = [variable(term).label.lower() for term in balances.get(largest, {}).get("terms", ())]
    # The long name of a regime without a published name is its balance.
    if not all(term in long_names[largest] for term in terms):
        what = f"the dominant balance is between {in_words(terms)}" if len(terms) > 1 else f"{terms[0]} dominates"
        lines.append(f"In {regime_name(largest)} {what}.")
    stability, single = regimes.get("stability_ari"), regimes.get("single_run_ari")
    if stability is not None and single is not None:
        lines.append(
            f"On average {percent(regimes['mean_confidence'])} of the {regimes['n_runs']} clustering runs assign a "
            f"cell to the same regime. The adjusted Rand index (1: the same map, 0: chance) is {stability:.3f} between "
            f"consensus maps of separate sets of runs, and {single:.3f} between single runs."
        )
    return lines


def skill_sentences(skill: Mapping[str, Any]) -> list[str]:
    """Return the skill of the leading predictor in the test region, and its difference to the others."""
    lead = leading(skill["predictors"])
    name_of_lead, scores = predictor_name(lead), skill["predictors"][lead]
    first = (
        f"In the {skill['region']}, which is held out ({skill['n_cells']:,} cells), {name_of_lead} predicts the "
        f"correct regime in {percent(scores[METRIC]['value'])} of the cells{interval(scores[METRIC])}"
    )
    if scores["area_accuracy"] is not None:
        first += f" and on {percent(scores['area_accuracy'])} of the area"
    others = _scores_of_others(skill, " in ")
    lines = [first + ("; " + in_words(others) if others else "") + "."]
    if len(oceans := skill["by_ocean"]) > 1:
        shares = [
            f"{percent(entry['value'])} of {entry['n_cells']:,} cells of the {name.replace('_', ' ').title()}"
            for name, entry in oceans.items()
        ]
        lines.append(f"By ocean within this region, the correct regime is predicted for {in_words(shares)}.")
    for name, entry in skill["difference_to"].items():
        lines.append(f"{capital(name_of_lead)} {_compared(entry, predictor_name(name))}.")
    recall = {name: skill["predictors"][name][BALANCED]["value"] for name in (lead, *skill["difference_to"])}
    of_lead = recall.pop(lead)
    if better := [f"{predictor_name(name)} {value:.2f}" for name, value in recall.items() if value > of_lead]:
        lines.append(
            f"With every regime counted equally (balanced accuracy: the mean recall of the regimes), "
            f"{name_of_lead} has {of_lead:.2f}, less than {in_words(better)}."
        )
    return lines


def _compared(entry: Mapping[str, Any], other: str) -> str:
    """Return whether a predictor is better than another, from the difference of their scores and its interval."""
    size = f"{signed(100 * entry['difference'], 1, plus=True)} percentage points"
    if entry["low"] is None:
        return f"differs from {other} by {size}; the test region has too few blocks of cells for an interval"
    verdict = "not significantly different from"
    if entry["low"] > 0 or entry["high"] < 0:
        verdict = "better than" if entry["low"] > 0 else "worse than"
    return f"is {verdict} {other}: {size}, {span(entry, 100)}"


def _scores_of_others(skill: Mapping[str, Any], separator: str) -> list[str]:
    """Return name and score of each predictor with which the leading one is compared."""
    return [
        f"{predictor_name(name)}{separator}{percent(skill['predictors'][name][METRIC]['value'])}"
        for name in in_order(skill["difference_to"], PREDICTOR_NAMES)
        if name in skill["predictors"]
    ]


def caveat_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of the climate models before all else."""
    archive = numbers["archive"]
    lines = archive_sentences(archive) if archive["not_read"] or archive["not_passed"] else []
    if runs := numbers["implausible"]:
        lines.append(
            f"The regimes of {len(runs)} of {numbers['n_tracked']} runs are implausible as a whole: {by_reason(runs)}. "
            "Check sign, units and grid of their stress, sea level and depth."
        )
    if runs := numbers["not_compared"]:
        lines.append(f"No change is stated for runs without a baseline: {by_reason(runs)}.")
    if runs := numbers["not_judged"]:
        lines.append(f"Changes are not tested against internal variability without control windows: {by_reason(runs)}.")
    return lines


def _calibration_sentences(calibration: Mapping[str, Any], uncertainty: Mapping[str, Any]) -> list[str]:
    lines = []
    if calibration:
        lead = leading(calibration)
        errors = calibration[lead]
        lines.append(
            f"In the test cells the probability of the most probable regime by {predictor_name(lead)} differs from its "
            f"observed frequency by {100 * errors['after']:.1f} percentage points on average (expected calibration "
            f"error; {100 * errors['before']:.1f} before calibration)."
        )
        if "conformal" in errors:
            lines.append(_conformal_sentence(errors["conformal"]))
    parts = uncertainty.get("predictors", {}).get("ensemble", {})
    if share := parts.get("disagreement_share"):  # a single network disagrees with none
        lines.append(
            f"Disagreement between networks, which more data may reduce, is {percent(share)} of the ensemble's "
            "uncertainty (entropy, mean over the area); the inputs do not resolve the rest."
        )
    if uncertainty:
        outside = percent(uncertainty["not_applicable_share"], 1)
        lines.append(f"On {outside} of the area (outside that of applicability) inputs are unlike the training cells.")
    return lines


def _conformal_sentence(conformal: Mapping[str, Any]) -> str:
    nominal = level_percent(conformal["confidence_level"])
    if conformal["coverage"] is None:
        return f"No {nominal} conformal set is given: no known cells resemble the test cells."
    given = "" if conformal["set_share"] == 1 else f" in {percent(conformal['set_share'])} of the test cells, and there"
    return (
        f"{nominal} conformal sets{f' are given{given}' if given else ''} contain the true regime in "
        f"{percent(conformal['coverage'])} of the {'' if given else 'test '}cells; a set has "
        f"{conformal['mean_set_size']:.2f} regimes on average."
    )


def scenario_sentences(experiments: Mapping[str, Any], perfect: Mapping[str, Any], n_tracked: int | None) -> list[str]:
    """Return the mean change of each experiment, and the skill of the probability of a change where truth is known."""
    if n_tracked == 0:
        return ["No archive of climate models is configured, so no scenario was tracked (archive_root in globals.yml)."]
    lines = []
    if n_tracked and not any(means["expected_changed_share"] for means in experiments.values()):
        lines.append(f"None of the tracked runs ({n_tracked}) has a baseline, so no change is stated.")
    for experiment, means in experiments.items():
        if means["expected_changed_share"] is not None:
            window, others = window_words(experiment, means["window"]), without_window_text(means["without_window"])
            lines.append(f"{experiment}, {window} against {in_words(means['baselines'])}: {_change(means)}.{others}")
            if means["forced_share"] is not None:
                lines.append(means["detection"])
    for experiment, predictors in perfect.items():
        known = {name: scores for name, scores in predictors.items() if scores.get("brier_skill") is not None}
        if known:
            base_rate = next(iter(known.values()))["base_rate"]
            skill = [_change_skill(name, scores) for name, scores in in_order(known, PREDICTOR_NAMES).items()]
            lines.append(
                f"In idealized climate models, whose true regimes are known ({experiment}, all windows), "
                f"{percent(base_rate, 1)} of the area changed regime; {in_words(skill)}. A Brier skill of 1 is "
                "perfect, 0 no better than the mean frequency everywhere."
            )
    return lines


def _change_skill(predictor: str, scores: Mapping[str, Any]) -> str:
    details = f"Brier skill {signed(scores['brier_skill'], 2)}"
    if (error := scores.get("calibration_error_above_tenth")) is not None:
        details += f"; mean error where at least {percent(0.1)}: {100 * error:.1f} percentage points"
    mean = percent(scores["mean_probability"], 1)
    return f"{predictor_name(predictor)} gives a mean probability of {mean} ({details})"


def _change(means: Mapping[str, Any]) -> str:
    """Return the change of an experiment in words: mean and range over climate models."""
    changed, forced, shift = (means[name] for name in ("expected_changed_share", "forced_share", "shift_share"))
    text = f"{percent(changed['mean'])} of the area is expected to have a different regime{_over_models(changed)}"
    if forced is None:
        return text
    return (
        f"the regime change is forced (beyond internal variability, P(change) of at least "
        f"{level_percent(means['min_probability'])}) on {percent(forced['mean'], 1)} of the tested area"
        f"{_over_models(forced, 1)}; {text}; the probabilities shift beyond internal variability, by however "
        f"little, on {percent(shift['mean'])}{_over_models(shift)}"
    )


def _over_models(shares: Mapping[str, Any], digits: int = 0) -> str:
    low, high = percent(shares["low"], digits), percent(shares["high"], digits)
    if shares["n_models"] == 1:
        return " (one climate model)"
    number = number_word(shares["n_models"])
    all_models = "both" if shares["n_models"] == 2 else f"all {number}"
    where = f"{low} in {all_models}" if low == high else f"{low} to {high} in {number}"
    return f" ({where} climate models)"


def closing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Return at most ten lines of results for the console at the end of a run."""
    regimes, skill, by_topic = summary["regimes"], summary["skill"], summary["sentences"]
    shares = regimes["area_fraction"]
    ranked = ", ".join(f"{name} {percent(shares[name])}" for name in sorted(shares, key=lambda name: -shares[name]))
    lead = skill["predictors"][leading(skill["predictors"])][METRIC]
    others = ", ".join(_scores_of_others(skill, " "))
    correct, n_runs = f"{percent(lead['value'])} of cells correct{interval(lead)}", regimes["n_runs"]
    agree = (
        ""
        if n_runs == 1
        else f"; {percent(regimes['mean_confidence'])} of the {f'{n_runs} ' if n_runs else ''}clustering runs agree"
    )
    lines = [
        f"Regimes: {len(shares)} in {regimes['n_cells']:,} cells, by area {ranked}{agree}.",
        f"Skill in the {skill['region']}, held out: {'; '.join(filter(None, [correct, others]))}.",
        *(*by_topic["calibration"][:1], *by_topic["explanations"][-1:]),
    ]
    for experiment, means in list(summary["experiments"].items())[:4]:
        if means["expected_changed_share"] is not None:
            lines.append(f"Change by {window_words(experiment, means['window'])}, {experiment}: {_change(means)}.")
    if not summary["experiments"]:
        lines += by_topic["scenarios"]
    known = [
        f"{experiment} {signed(scores['brier_skill'], 2)}"
        for experiment, predictors in summary["perfect_model"].items()
        if predictors and (scores := predictors[leading(predictors)]).get("brier_skill") is not None
    ]
    if known:
        lines.append(f"Brier skill of the probability of a change where the truth is known: {', '.join(known)}.")
    lines += by_topic["caveats"] + by_topic["left_out"]
    return [line.replace("\u00a0", " ") for line in lines]
