"""Regimes from the surface alone compared with those from a further input set: where they differ, which are right."""

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.networks.predictor import set_of
from thor.ocean.cells import on_same_grid
from thor.tracking import RunDatasets
from thor.tracking.areas import require_regimes
from thor.tracking.perfect_model import ALL_WINDOWS
from thor.tracking.shown_run import window_to_show
from thor.tracking.true_regimes import TrueRegimes
from thor.tracking.truth import share_of_area

_OF_CHANGE = (
    *("base_rate", "mean_probability", "brier_score", "brier_skill"),
    *("expected_calibration_error", "calibration_error_above_tenth", "resolution_share"),
)


def set_disagreement(
    surface: RunDatasets, richest: RunDatasets, features: RunDatasets, true_regimes: RunDatasets
) -> dict[str, Any]:
    """Return where the most probable regimes by the surface and by a further input set differ, by area.

    Parameters
    ----------
    surface, richest : mapping of str to callable
        Read the regimes of each run, as from `thor.tracking.track.track_run`; the runs of `richest` with the
        predictors of a further set.
    features : mapping of str to callable
        Read the features of the runs, for their basins.
    true_regimes : mapping of str to callable
        As for `thor.tracking.perfect_model.perfect_model_skill`; may lack runs.

    Returns
    -------
    dict
        {run: {window: {predictor of the set: numbers}}}: `n_cells`, `area_m2` of the cells with both labels;
        `different_share` where they differ, `different_by_regime` and `different_by_basin`: the same of the area of
        each regime (by the surface) and basin; `applicable_share` of the area inside both areas of applicability, and
        `different_share_applicable`, the part of it where the labels differ; `mean_distance` of the probabilities, half
        the sum of the magnitudes of their differences. Where the truth is known `right`: parts of the area of different
        labels where that of the `surface`, that of the `set` or `neither` is the true regime.
    """
    truth = TrueRegimes(true_regimes)
    result: dict[str, Any] = {}
    for key in sorted(richest):
        basin, of_surface, of_set = features[key]()["basin"], surface[key](), richest[key]()
        for label, predictor in product(*(map(str, of_set[dim].values) for dim in ("window", "predictor"))):
            first = of_surface.sel(window=label, predictor=set_of(predictor)[0])
            second = of_set.sel(window=label, predictor=predictor)
            known = truth.regime(key, label, second["valid"]) if key in true_regimes else None
            numbers = _numbers(first, second, basin, known)
            result.setdefault(key, {}).setdefault(label, {})[predictor] = numbers
    return result


def label_difference(surface: xr.Dataset, richest: xr.Dataset, predictor: str) -> xr.Dataset:
    """Return the labels of the shown window of a run by the surface and by a further set, and how much they differ.

    Parameters
    ----------
    surface, richest : xarray.Dataset
        Of one run, as from `thor.tracking.track.track_run`.
    predictor : str
        Of the set.

    Returns
    -------
    xarray.Dataset
        On the grid of the run, NaN where one of the labels is missing: `surface` and `set` (numbers of regimes with CF
        flags) and `distance` of the probabilities (half the sum of the magnitudes of their differences) in the
        last window with a baseline, else the last; `window_share` of the windows in which the labels differ;
        `areacello`.
    """
    first, second = (
        run.sel(predictor=name, drop=True) for run, name in ((surface, set_of(predictor)[0]), (richest, predictor))
    )
    both = (first["regime"] >= 0) & (second["regime"] >= 0)
    distance = abs(first["regime_probability"] - second["regime_probability"]).sum("regime") / 2
    fields, shown = {"surface": first["regime"], "set": second["regime"], "distance": distance}, window_to_show(richest)
    # Read from a file, `regime` is also a coordinate, since it has the name of a dim.
    known = {
        name: field.where(both).isel(window=shown).drop_vars("regime", errors="ignore")
        for name, field in fields.items()
    }
    out = xr.Dataset(known)
    for name in ("surface", "set"):
        out[name].attrs = richest["regime"].attrs
    different = (first["regime"] != second["regime"]).where(both).mean("window").drop_vars("regime", errors="ignore")
    return out.assign(window_share=different, areacello=richest["areacello"]).assign_attrs(richest.attrs)


def set_run_to_show(metrics: Mapping[str, Any], shown: str | None) -> str | None:
    """Return the run whose labels by both sets are drawn: the one shown, else that with the most different labels.

    Parameters
    ----------
    metrics : mapping
        As from `set_disagreement`.
    shown : str or None
        As from `thor.tracking.shown_run.shown_key`.

    Returns
    -------
    str or None
        None where no run has a further set.
    """
    if shown in metrics or not metrics:
        return shown if metrics else None

    def last_share(key: str) -> float:
        *_, of_last = metrics[key].values()
        return max(numbers["different_share"] for numbers in of_last.values())

    return max(sorted(metrics), key=last_share)


def on_same_cells(surface: RunDatasets, richest: RunDatasets) -> RunDatasets:
    """Return the runs of `richest` with the predictors of the surface, valid and compared in the same cells only.

    Parameters
    ----------
    surface, richest : mapping of str to callable
        As for `set_disagreement`.
    """
    return {key: partial(_on_cells_of, surface[key], load) for key, load in richest.items()}


def same_cells_skill(surface: Mapping[str, Any], of_sets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the skill of the predictors of the surface and of further sets in the same runs, windows and cells.

    Parameters
    ----------
    surface, of_sets : mapping
        `pooled` of `thor.tracking.perfect_model.perfect_model_skill`, of `on_same_cells` and of the runs of the sets.

    Returns
    -------
    dict
        {experiment: {predictor: numbers}} over all windows and runs: `region`, `n_cells`, `area_m2`, `weighting`,
        `accuracy`, `balanced_accuracy`, and the scores of P(change), as in `thor.tracking.truth.change_scores`.
    """
    result: dict[str, Any] = {}
    for pooled in (surface, of_sets):
        for experiment, windows in pooled.items():
            for predictor, scores in windows.get(ALL_WINDOWS, {}).items():
                change = scores.get("change", {})
                result.setdefault(experiment, {})[predictor] = {
                    **{name: scores[name] for name in ("region", "n_cells", "area_m2", "weighting")},
                    **scores["predictor"],
                    **{name: change[name] for name in _OF_CHANGE if name in change},
                }
    return result


def _numbers(first: xr.Dataset, second: xr.Dataset, basin: xr.DataArray, truth: AnyArray | None) -> dict[str, Any]:
    dims = second["valid"].dims
    labels = [part["regime"].transpose(*dims).values for part in (first, second)]
    both = (labels[0] >= 0) & (labels[1] >= 0)
    before, after = (regime[both] for regime in labels)
    area = second["areacello"].transpose(*dims).values[both].astype(np.float64)
    inside = np.logical_and(*(part["applicable"].transpose(*dims).values[both] == 1 for part in (first, second)))
    probability = [part["regime_probability"].transpose("regime", *dims).values[:, both] for part in (first, second)]
    distance = np.abs(probability[0] - probability[1]).sum(axis=0) / 2
    differ = before != after
    codes = on_same_grid(second["valid"], basin.to_dataset(name="basin"), "basin")[both]
    basins = zip(np.atleast_1d(basin.attrs["flag_values"]), str(basin.attrs["flag_meanings"]).split(), strict=True)
    by_basin = {name: codes == code for code, name in basins}
    by_regime = {name: before == k for k, name in enumerate(require_regimes(second))}
    result: dict[str, Any] = {
        "n_cells": int(both.sum()),
        "area_m2": float(area.sum()),
        "different_share": share_of_area(differ, area),
        "applicable_share": share_of_area(inside, area),
        "different_share_applicable": share_of_area(differ, area, of=inside),
        "mean_distance": float(np.average(distance, weights=area)),
        "different_by_regime": {name: share_of_area(differ, area, of=there) for name, there in by_regime.items()},
        "different_by_basin": {
            name: share_of_area(differ, area, of=there) for name, there in by_basin.items() if there.any()
        },
    }
    if truth is not None:
        true = truth[both]
        known = differ & (true >= 0)
        right = {"surface": true == before, "set": true == after, "neither": (true != before) & (true != after)}
        result["right"] = {name: share_of_area(where, area, of=known) for name, where in right.items()}
    return result


def _on_cells_of(surface: Any, richest: Any) -> xr.Dataset:
    run, of_set = surface(), richest()
    run = run.sel(predictor=list(dict.fromkeys(set_of(str(name))[0] for name in of_set["predictor"].values)))
    compared = (of_set["baseline_regime"] >= 0).all("predictor")
    return run.assign(valid=of_set["valid"], baseline_regime=run["baseline_regime"].where(compared, -1))
