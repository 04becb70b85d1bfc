"""Skill of regimes and their changes in climate models whose true vorticity budget is known.

The regime model labels the true vorticity budget of every window. This is the truth for the networks' predictions from
sea level, stress and depth alone. References without networks are persistence and a tree on the wind stress curl.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.networks.baselines import Baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.inputs import cell_inputs
from thor.networks.scores import number
from thor.ocean.cells import valid_cells
from thor.regimes.regime_model import RegimeModel
from thor.tracking import RunDatasets
from thor.tracking.areas import area_errors, area_intervals, require_regimes
from thor.tracking.forced import CONTROL_SHARES
from thor.tracking.likelihood import supported_words
from thor.tracking.term_changes import term_skill
from thor.tracking.true_regimes import TrueRegimes
from thor.tracking.truth import TREE, TrueCells, together, truth_scores
from thor.uncertainty.set_calibration import ExpectedAccuracy

ALL_WINDOWS = "all"
"""Entry of the pooled tables beside single windows."""


_FIELDS = {
    "predicted": "regime",
    "predicted_before": "baseline_regime",
    "change_probability": "change_probability",
    "shift": "forced_shift",
    "forced": "forced_change",
}
"""Attributes of `TrueCells` that are fields of a run."""


def perfect_model_skill(
    runs: RunDatasets,
    true_regimes: RunDatasets,
    features: RunDatasets,
    *,
    true_budgets: RunDatasets,
    model: RegimeModel,
    baselines: Baselines,
    expected_accuracy: Mapping[str, ExpectedAccuracy],
    settings: BootstrapSettings | None,
    seed: int,
) -> dict[str, Any]:
    """Return the skill of predicted regimes and changes in runs whose true budget is known.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, `<source_id>/<experiment_id>/<variant_label>`, as from
        `thor.tracking.track.track_run`.
    true_regimes : mapping of str to callable
        Reads the true regimes by `window` of those runs that have any, as from
        `thor.tracking.true_regimes.true_regime_plans`.
    features : mapping of str to callable
        Reads the features of the runs, for the tree.
    true_budgets : mapping of str to callable
        Reads the true vorticity budget by `window` of the same runs, for the terms.
    model : RegimeModel
        Whose regimes the networks were trained on.
    baselines : Baselines
        With the tree on the wind stress curl.
    expected_accuracy : mapping of str to ExpectedAccuracy
        Of the predictors of the runs at least.
    settings : BootstrapSettings or None
        Of the intervals; None: no intervals. Without a given size blocks measure 10 degrees: errors of P(change) are
        correlated over about 100 km (see `thor.networks.bootstrap`).
    seed : int

    Returns
    -------
    dict
        Plain numbers. `runs`: {run: {window: {predictor: scores}}}, with the `expected_accuracy` of the scored cells,
        which may be fewer than those of the run. `pooled`: {experiment: {window: {predictor:
        scores}}}, all runs of an experiment together, and all their windows under `ALL_WINDOWS`. `control`: {run:
        {predictor: shares}}, false discoveries as from `thor.tracking.forced.control_shares`. `without_truth`: runs
        without a known budget, of themselves or of their baseline, and single windows of others,
        `<run> <window>`. `terms`: as from `thor.tracking.term_changes.term_skill`, where networks predict terms.
        `area_interval`: as from `thor.tracking.areas.area_intervals`. Scores are those of
        `thor.tracking.truth.truth_scores`.

    Raises
    ------
    DataError
        When regimes of runs, regime model and baselines differ, or a run has no features.
    GridError
        When the truth is on another grid than its run.
    """
    source = TrueRegimes(true_regimes)
    result: dict[str, Any] = {"runs": {}, "pooled": {}, "control": {}, "without_truth": []}
    errors: list[pd.DataFrame] = []
    options: dict[str, Any] = {"classes": model.names, "settings": settings, "seed": seed}
    for experiment in sorted({key.split("/")[1] for key in runs}):
        pool: dict[tuple[str, str], list[TrueCells]] = {}
        for key in sorted(key for key in runs if key.split("/")[1] == experiment):
            if key not in true_regimes:
                result["without_truth"].append(key)
                continue
            run = runs[key]()
            _require_same_regimes(key, run, model, baselines)
            parent = str(run.attrs.get("parent"))
            compared = any(map(str, run["baseline_window"].values))
            if compared and not (parent in true_regimes and parent in runs):
                result["without_truth"].append(key)
                continue
            if key not in features:
                raise DataError(f"There are no features of {key}, which the tree needs. Run data_engineering again.")
            scored: dict[str, dict[str, Any]] = {}
            for window, predictor, cells, dissimilarity in _true_cells(
                key, run, runs[parent]() if compared else None, features[key](), source, baselines
            ):
                # Intervals of pooled scores only: there are hundreds of single windows.
                scores = truth_scores(cells, **options | {"settings": None})
                if cells.area.any():
                    scores["expected_accuracy"] = expected_accuracy[predictor].of_cells(dissimilarity, cells.area)
                scored.setdefault(window, {})[predictor] = scores
                transition = run["transition_area"].sel(window=window, predictor=predictor)
                transition = transition.transpose("regime_before", "regime")
                found = area_errors(cells, transition.values if cells.compared else None)
                errors.append(found.assign(model=key.split("/")[0], experiment=experiment, predictor=predictor))
                for place in (window, ALL_WINDOWS):
                    pool.setdefault((place, predictor), []).append(cells)
            result["runs"][key] = scored
            if shares := control_shares_of(run):
                result["control"][key] = shares
        for (window, predictor), parts in pool.items():
            of_experiment = result["pooled"].setdefault(experiment, {})
            of_experiment.setdefault(window, {})[predictor] = truth_scores(together(parts), **options)
    result["area_interval"] = area_intervals(pd.concat(errors)) if errors else {}
    if terms := term_skill(runs, true_budgets):
        result["terms"] = terms
    result["without_truth"] = sorted([*result["without_truth"], *source.unknown])
    return result


def words_by_predictor(skill: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the words of the likelihood scale that the frequencies of all experiments together support.

    Parameters
    ----------
    skill : mapping
        As from `perfect_model_skill`; only cells inside the area of applicability count.

    Returns
    -------
    dict of str to tuple of str
        By predictor, from unlikely to certain; none for a predictor without known truth.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for windows in skill["pooled"].values():
        for predictor, scores in windows.get(ALL_WINDOWS, {}).items():
            rows.setdefault(predictor, []).extend(scores["applicable"].get("change", {}).get("likelihood", []))
    return {name: supported_words(pd.DataFrame(table)) if table else () for name, table in rows.items()}


def _true_cells(
    key: str,
    run: xr.Dataset,
    parent: xr.Dataset | None,
    features: xr.Dataset,
    source: TrueRegimes,
    baselines: Baselines,
) -> Iterator[tuple[str, str, TrueCells, AnyArray]]:
    """Yield the cells of each window and predictor, and their dissimilarity to the training cells.

    Windows without a baseline count only in runs without any.
    """
    lat, lon, valid = valid_cells(run)
    dims = run["valid"].dims
    for place, label in enumerate(map(str, run["window"].values)):
        here, baseline = run.isel(window=place), str(run["baseline_window"].values[place])
        if parent is not None and not baseline:
            continue
        truth, applicable = source.regime(key, label, run["valid"]), here["applicable"].transpose(*dims).values == 1
        if truth is None:
            continue
        before, start = np.full(truth.shape, -1, dtype=np.int8), None
        used = valid & (truth >= 0)
        if parent is not None:
            earlier = source.regime(str(run.attrs["parent"]), baseline, run["valid"])
            if earlier is None:
                continue
            before = earlier
            start = parent.sel(window=baseline)
            applicable = applicable & (start["applicable"].transpose(*dims).values == 1)
            used &= before >= 0
        tree = _tree_regime(baselines, features.isel(window=place))
        area = here["areacello"].transpose(*dims).values.astype(np.float64)
        dissimilarity = here["dissimilarity_index"].transpose(*dims).values
        of_window = {"lat": lat, "lon": lon, "area": area, "applicable": applicable}
        of_window |= {"truth": truth, "truth_before": before, "tree": tree}
        for predictor in map(str, run["predictor"].values):
            predicted = here.sel(predictor=predictor).transpose(..., *dims)
            of_run = {name: predicted[field].values for name, field in _FIELDS.items()}
            probability = predicted["regime_probability"].values
            probability_before = np.full_like(probability, np.nan)
            if start is not None:
                of_start = start["regime_probability"].sel(predictor=predictor)
                probability_before = of_start.transpose(..., *dims).values
            # Cells without inputs in the baseline were not compared.
            cells = used & ((of_run["predicted_before"] >= 0) if parent is not None else True)
            found = {name: values[cells] for name, values in (of_window | of_run).items()}
            found |= {"probability": probability[:, cells].T, "probability_before": probability_before[:, cells].T}
            yield label, predictor, TrueCells(**found), dissimilarity[cells]


def _tree_regime(baselines: Baselines, features: xr.Dataset) -> AnyArray:
    inputs, index = cell_inputs(features, names=baselines.scaler.features)
    regime = np.full(features["valid"].shape, -1, dtype=np.int8)
    regime.flat[index] = baselines.predict_proba(TREE, inputs).argmax(axis=1)
    return regime


def control_shares_of(run: xr.Dataset) -> dict[str, dict[str, float | None]]:
    """Return the shares of a control run's area with false discoveries (`CONTROL_SHARES`); empty for other runs."""
    if "control_forced_share" not in run:
        return {}
    nominal: dict[str, float | None] = {"nominal": 1 - float(run.attrs["null_quantile"])}
    return {
        str(name): nominal | {kind: number(run[f"control_{kind}_share"].values[k]) for kind in CONTROL_SHARES}
        for k, name in enumerate(run["predictor"].values)
    }


def _require_same_regimes(key: str, run: xr.Dataset, model: RegimeModel, baselines: Baselines) -> None:
    for what, names in ((key, require_regimes(run)), ("the baselines", baselines.classes)):
        if tuple(names) != tuple(model.names):
            raise DataError(
                f"The regime model has {', '.join(model.names)}, but {what} {', '.join(names)}: the true regimes "
                "cannot be compared. Run regime_clustering, modelling and scenario_tracking again."
            )
