"""How right the results for climate models can be expected to be, in numbers and sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thor.report.words import PREDICTOR_NAMES, in_order, in_words, level_percent, percent, predictor_name, signed

_AREA_KINDS = (
    ("regime_area", "the area of a regime", 1),
    ("change", "its change", 1),
    ("transition", "the area that changes from one regime to another", 2),
)


def expected_accuracy_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the accuracy expected in each climate model, mean over windows, and its error where the truth is known."""
    predictors = in_order(next(iter(metrics.get("summary", {}).values()), {}), PREDICTOR_NAMES)
    if not predictors:
        return {}
    predictor = next(iter(predictors))
    values: dict[str, list[float]] = {}
    for run, windows in metrics["runs"].items():
        found = (window[predictor]["expected_accuracy"] for window in windows.values())
        values.setdefault(run.split("/")[0], []).extend(value for value in found if value is not None)
    means = {model: float(np.mean(of_model)) for model, of_model in values.items() if of_model}
    errors = metrics["expected_accuracy"].get(predictor, {})
    return {"predictor": predictor, "models": means, "errors": dict(errors)}


def false_rate(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the false rate of the test of single cells in the control runs, for the first predictor; or nothing.

    Returns
    -------
    dict
        `nominal`; `mean` and `high` (95th percentile) over pairs of windows, each the largest of the climate models.
    """
    shares = [next(iter(in_order(of_run, PREDICTOR_NAMES).values())) for of_run in metrics.get("control", {}).values()]
    known = [share for share in shares if share["exceedance"] is not None]
    if not known:
        return {}
    mean, high = (max(share[name] for share in known) for name in ("exceedance", "exceedance_high"))
    return {"nominal": known[0]["nominal"], "mean": mean, "high": high}


def model_sentences(
    expected: Mapping[str, Any], areas: Mapping[str, Any], false_rate: Mapping[str, float]
) -> list[str]:
    """Return the expected accuracy, the interval of areas, and the false rate of changes, as far as they are known."""
    of_areas = [_area_sentence(name, entry) for name, entry in areas.items()]
    return [*_expected_accuracy_sentences(expected), *of_areas, *_false_rate_sentences(false_rate)]


def _expected_accuracy_sentences(expected: Mapping[str, Any]) -> list[str]:
    """Return the accuracy that is expected in the climate models, and how right this is where the truth is known."""
    if not expected.get("models"):
        return []
    models = expected["models"]
    worst = min(models, key=lambda name: models[name])
    low, high = percent(models[worst]), percent(max(models.values()))
    shares = f"{low} of the area" if low == high else f"{low} to {high} of the area, least in {worst}"
    if len(models) == 1:
        shares += f" of {worst}"
    lines = [
        f"From the dissimilarity of models to the training cells, {predictor_name(expected['predictor'])} is "
        f"expected to predict the correct regime on {shares}."
    ]
    if errors := expected["errors"]:
        bias = signed(100 * errors["bias"], 1, plus=True)
        lines.append(
            f"Where the truth is known ({errors['n_models']} climate models, {errors['n_windows']} windows), the "
            f"expected minus the true accuracy is {bias} percentage points on average (rms "
            f"{100 * errors['rms_error']:.1f})."
        )
    return lines


def _area_sentence(predictor: str, entry: Mapping[str, Any]) -> str:
    known = [(entry[kind], what, digits) for kind, what, digits in _AREA_KINDS if kind in entry]
    widths = [f"{percent(numbers['half_width_share'], digits)} for {what}" for numbers, what, digits in known]
    covered = [percent(numbers["coverage"]) for numbers, *_ in known]
    return (
        f"Intervals of expected areas by {predictor_name(predictor)}, in shares of the ocean: plus or minus "
        f"{in_words(widths)}. Computed without each known model in turn, they contain {in_words(covered)} of "
        f"its true areas in the experiment with the lowest coverage (mean of {known[0][0]['n_models']} models)."
    )


def _false_rate_sentences(rate: Mapping[str, float]) -> list[str]:
    """Return how uncertain the false rate is that a control run of few windows gives."""
    if not rate:
        return []
    return [
        f"In the unforced control runs, at most {percent(rate['mean'])} of the area exceeds the null quantile on "
        f"average (nominally {level_percent(rate['nominal'])}), but up to {percent(rate['high'])} in one of twenty "
        "pairs of windows: with few control windows the false rate of a single map is this uncertain."
    ]
