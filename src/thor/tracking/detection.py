"""Precision and recall of forced regime changes and probability shifts, in words beside maps.

Both are measured where the true regime is known (`thor.tracking.truth`), by area, for all models of an experiment
together. Without a known truth the words say so.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from thor.reading.runs import is_at_level
from thor.tracking.shown_run import window_to_show

KINDS = {"forced": "forced regime changes", "shift": "probability shifts beyond internal variability"}
"""Kinds of detected changes in words, by their name in the scores."""


def detection_scores(
    skill: Mapping[str, Any], experiment: str, window: str, predictor: str
) -> dict[str, dict[str, float | None]] | None:
    """Return `area_share`, `precision` and `recall` of each of `KINDS` in one window of an experiment.

    Parameters
    ----------
    skill : mapping
        As from `thor.tracking.perfect_model.perfect_model_skill`; may be empty.
    experiment, window, predictor : str

    Returns
    -------
    dict or None
        None without a known truth.
    """
    scores = skill.get("pooled", {}).get(experiment, {}).get(window, {}).get(predictor, {}).get("change")
    return {kind: scores[kind] for kind in KINDS} if scores else None


def detection_text(skill: Mapping[str, Any], experiment: str, window: str, predictor: str) -> str:
    """Return precision and recall of the changes detected in one window of an experiment, in words.

    The parameters are those of `detection_scores`.
    """
    scores = detection_scores(skill, experiment, window, predictor)
    if scores is None:
        return (
            f"Precision and recall of {' and '.join(KINDS.values())} are not known: no run of {experiment} has a known "
            f"truth{'' if window == 'all' else f' in {window}'}."
        )
    models = sorted({key.split("/")[0] for key in skill["runs"] if key.split("/")[1] == experiment})
    parts = [f"{name}: {_numbers(scores[kind])}" for kind, name in KINDS.items()]
    where = ", all windows" if window == "all" and not is_at_level(experiment) else ""
    return f"Test with known truth ({', '.join(models)}{where}), {'; '.join(parts)}."


def detection_notes(skill: Mapping[str, Any], shown: xr.Dataset | None, predictors: Iterable[str]) -> list[str]:
    """Return `detection_text` for the window of a run that is shown, or for the models of one window, by predictor.

    Where windows of the models have different labels, at a level of warming or in years since the start of an
    experiment, it is that of all windows of the experiment.

    Parameters
    ----------
    skill : mapping
        As for `detection_text`.
    shown : xarray.Dataset or None
        As from `thor.tracking.track.track_run` or `thor.tracking.multimodel.multimodel_summary`; None: no run.
    predictors : iterable of str
    """
    if shown is None:
        return []
    experiment = str(shown.attrs["experiment_id"])
    window = shown.attrs["window"] if "window" in shown.attrs else shown["window"].values[window_to_show(shown)]
    labels = {label for of_model in shown.get("model_window", ()) for label in str(of_model.values).split(", ")}
    window = "all" if is_at_level(experiment) or len(labels) > 1 else str(window)
    texts = {name: detection_text(skill, experiment, window, name) for name in predictors}
    if len(set(texts.values())) == 1:
        return [*texts.values()][:1]
    return [f"{name[:1].upper()}{name[1:]}. {text}" for name, text in texts.items()]


def _numbers(scores: Mapping[str, float | None]) -> str:
    if scores["area_share"] is None:
        return "not tested"
    if scores["area_share"] == 0:
        return "none"
    precision, recall = scores["precision"], scores["recall"]
    found = "no regime truly changed" if recall is None else f"recall {100 * recall:.0f}\u00a0%"
    return f"precision {100 * (precision or 0.0):.0f}\u00a0%, {found}"
