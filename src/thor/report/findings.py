"""The main findings of a run in plain words, at most five, and the limits of its results, made from its numbers."""

from collections.abc import Mapping
from typing import Any

from thor.attribution.methods import in_sentence
from thor.figures.attribution import feature_label
from thor.report.sentences import METRIC
from thor.report.words import (
    capital,
    in_words,
    interval,
    leading,
    level_percent,
    number_word,
    percent,
    predictor_name,
    regime_name,
    window_words,
)


def findings(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return `section`, `headline` and `text` of each finding, in the order of the report; without numbers, none.

    Parameters
    ----------
    numbers : mapping
        As from `thor.report.summary.summarise`.
    """
    found = [
        ("regimes", _regimes(numbers["regimes"])),
        ("skill", _skill(numbers["skill"])),
        ("uncertainty", _certainty(numbers["calibration"], numbers["uncertainty"])),
        ("explanations", _reasons(numbers["explanations"])),
        ("scenarios", _change(numbers["experiments"])),
    ]
    return [{"section": section, "headline": entry[0], "text": entry[1]} for section, entry in found if entry]


def limit_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return the limits of the results; `numbers` are those of `thor.report.summary.summarise`."""
    lines = [
        f"The regimes are those of one training ocean ({numbers['ocean']['title']}); climate models are described by "
        "them, not by regimes of their own.",
        "Networks see sea level, wind stress, depth and position, not the budget: what these do not determine remains "
        "uncertain.",
    ]
    if numbers["uncertainty"]:
        share = percent(numbers["uncertainty"]["not_applicable_share"], 1)
        lines.append(f"On {share} of the area of the training ocean, inputs are unlike the training cells.")
    for name, means in numbers["experiments"].items():
        known = (means["known_truth"] or {}).get("forced", {})
        if means["forced_share"] is None:
            lines.append(f"{name}: changes are not tested against internal variability.")
        elif not known:
            lines.append(f"{name}: precision and recall of forced regime changes are not known.")
        elif known["precision"] is not None:
            lines.append(
                f"{name}: {_missed(known['recall'])}, and {percent(1 - known['precision'])} of the marked area did not "
                "change (test with known truth)."
            )
    return lines


def _missed(recall: float | None) -> str:
    if recall is None:
        return "no regime of the tested area truly changed"
    return f"forced regime changes miss {percent(1 - recall)} of the true changes of the tested area"


def _regimes(regimes: Mapping[str, Any]) -> tuple[str, str]:
    shares = regimes["area_fraction"]
    largest = max(shares, key=lambda name: shares[name])
    text = (
        f"The ocean divides into {len(shares)} regimes by the balance of its vorticity budget. "
        f"{capital(regime_name(largest))} is the largest with {percent(shares[largest])} of the area."
    )
    if (regimes["n_runs"] or 1) > 1:
        text += f" On average {percent(regimes['mean_confidence'])} of the {regimes['n_runs']} clustering runs agree."
    return f"{len(shares)} regimes", text


def _skill(skill: Mapping[str, Any]) -> tuple[str, str]:
    lead = leading(skill["predictors"])
    scores = skill["predictors"][lead][METRIC]
    text = (
        f"From sea level, stress, depth and latitude, {predictor_name(lead)} finds the correct regime in "
        f"{percent(scores['value'])} of the cells{interval(scores)} of the {skill['region']}, held out from training"
    )
    simple = [name for name in ("stress_curl_tree", "majority") if name in skill["predictors"]]
    if simple:
        best = max(simple, key=lambda name: skill["predictors"][name][METRIC]["value"])
        text += f"; {predictor_name(best)} in {percent(skill['predictors'][best][METRIC]['value'])}"
    return f"{percent(scores['value'])} correct", f"{text}."


def _certainty(calibration: Mapping[str, Any], uncertainty: Mapping[str, Any]) -> tuple[str, str] | None:
    if not calibration:
        return None
    errors = calibration[leading(calibration)]
    points = f"{100 * errors['after']:.1f}"
    text = (
        f"The probability of the most probable regime differs from its observed frequency by {points} percentage "
        "points on average."
    )
    conformal = errors.get("conformal", {})
    if conformal.get("coverage") is not None:
        text += (
            f" Sets that should contain the true regime in {level_percent(conformal['confidence_level'])} of the cells "
            f"contain it in {percent(conformal['coverage'])}, with {conformal['mean_set_size']:.1f} regimes on average."
        )
    if uncertainty:
        outside = percent(uncertainty["not_applicable_share"], 1)
        text += f" On {outside} of the area inputs are unlike the training cells."
    return f"{points} points off", text


def _reasons(explanations: Mapping[str, Any]) -> tuple[str, str] | None:
    if not (importance := explanations.get("importance")):
        return None
    scores = explanations["faithfulness"]  # methods without one come last
    method = max(importance, key=lambda name: scores.get(name, {}).get("value") or -1.0)
    shares = importance[method]
    ranked = sorted(shares, key=lambda name: -shares[name])
    first, *others = (f"{feature_label(name)} ({percent(shares[name])})" for name in ranked[:3])
    text = f"By {in_sentence(method)}, {first} contributes most to the predicted regimes"
    text += f", then {in_words(others)}." if others else "."
    if signs := [pair["sign_agreement"] for pair in explanations["agreement"].values()]:
        low, high = percent(min(signs)), percent(max(signs))
        text += f" Pairs of methods agree on the sign of {low} to {high} of the magnitude."
    if (share := explanations["converged"].get(method, 1)) < 1:
        text += f" On {percent(1 - share, 1)} of the area {in_sentence(method)} did not converge."
    headline = feature_label(ranked[0])
    return f"{capital(headline)} first", text


def _change(experiments: Mapping[str, Any]) -> tuple[str, str] | None:
    tested = {name: means for name, means in experiments.items() if means["forced_share"] is not None}
    if tested:
        name = max(tested, key=lambda experiment: tested[experiment]["forced_share"]["mean"])
        means, share = tested[name], tested[name]["forced_share"]
        text = (
            f"In {name} by {window_words(name, means['window'])}, the change of regime is beyond internal variability "
            f"and probable on {percent(share['mean'], 1)} of the tested area{_range(share)}."
        )
        text += f" {_how_often_true((means['known_truth'] or {}).get('forced'))}"
        return f"{percent(share['mean'], 1)} forced change", text
    changes = {name: share for name, means in experiments.items() if (share := means["expected_changed_share"])}
    if not changes:
        return None
    name = max(changes, key=lambda experiment: changes[experiment]["mean"])
    changed = (
        f"{percent(changes[name]['mean'])} of the area is expected to have a different regime{_range(changes[name])}"
    )
    text = f"In {name}, {changed}. It is not tested against internal variability."
    return f"{percent(changes[name]['mean'])} expected change", text


def _how_often_true(scores: Mapping[str, float | None] | None) -> str:
    if not scores:
        return "How often this is true is not known."
    if scores["precision"] is None:
        return "Where the truth is known, no area is marked."
    found = f"{percent(scores['recall'])} of the changes of the tested area are marked"
    if scores["recall"] is None:
        found = "no regime of the tested area changed"
    return f"Where the truth is known, {percent(scores['precision'])} of the marked area changed, and {found}."


def _range(share: Mapping[str, Any]) -> str:
    if share["n_models"] == 1:
        return " of one climate model"
    models = f"{number_word(share['n_models'])} climate models"
    return f" ({percent(share['low'], 1)} to {percent(share['high'], 1)} in {models})"
