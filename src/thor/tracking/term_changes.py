"""Changes of the terms of the vorticity budget that networks predict: by transition, and against known truth."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.variables import BUDGET_TERMS
from thor.networks.predictor import columns
from thor.networks.scaler import FeatureScaler
from thor.networks.scores import number
from thor.networks.stack import NetworkStack
from thor.networks.terms import over_networks
from thor.reading.runs import without_level
from thor.tracking import RunDatasets
from thor.tracking.areas import joined_tables
from thor.tracking.cells import RUN_FACETS
from thor.tracking.reasons import LastChange, fields_to_draw, rows_to_draw
from thor.tracking.tools import term_widths
from thor.tracking.true_regimes import budget_in_windows

TERM_COLUMNS = (
    *(*RUN_FACETS, "window", "baseline_window", "predictor", "regime_before", "regime", "n_cells", "area_m2"),
    *("term", "change", "lower", "upper"),
)

_BLOCK_CELLS = 500
"""Cells whose terms of all networks are in memory at a time."""


def term_changes(
    runs: RunDatasets,
    features: RunDatasets,
    networks: NetworkStack,
    *,
    scaler: FeatureScaler,
    term_spread: Mapping[str, float] | None,
    predictor: str,
) -> pd.DataFrame:
    """Return the mean change of each term of the budget by transition, between baseline and last window of each run.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, as from `thor.tracking.track.track_run`.
    features : mapping of str to callable
        Reads the features of the same runs and of their parents.
    networks : NetworkStack
        Without a terms head the table is empty.
    scaler : FeatureScaler
    term_spread : mapping of str to float, or None
        By term, factor of the spread; needed with a terms head.
    predictor : str
        Whose most probable regimes define the transitions.

    Returns
    -------
    pandas.DataFrame
        One row for each run, transition and term: facets of the run, `window`, `baseline_window`, `predictor`,
        `regime_before`, `regime`, `n_cells`, `area_m2`, `term`, `change` [m s-2] averaged by area, with the ends
        `lower` and `upper` of its interval.

    Raises
    ------
    DataError
        When a run has no features.

    Notes
    -----
    The mean is computed inside each network, so that the interval contains their spread with all its correlation
    between cells. The predicted spreads of the cells are taken as fully correlated, which makes it wide.
    """
    if networks.terms_head is None or term_spread is None:
        return joined_tables([], TERM_COLUMNS)
    changes = (LastChange.of(key, load(), features, scaler) for key, load in runs.items())
    tables = (table for change in changes if change for table in _of_run(change, networks, term_spread, predictor))
    return joined_tables(tables, TERM_COLUMNS)


def terms_to_draw(changes: pd.DataFrame, key: str | None, *, predictor: str, transitions: Sequence[str]) -> xr.Dataset:
    """Return the changes of the terms in one run, for these transitions; without any, an empty dataset.

    Returns
    -------
    xarray.Dataset, dims (transition, term)
        `mean`, `lower`, `upper` [m s-2].
    """
    rows = rows_to_draw(changes, key, predictor)
    kept = [name for name in transitions if name in set(rows["transition"])]
    fields = fields_to_draw(rows, kept, "term", BUDGET_TERMS, mean="change")
    return xr.Dataset(fields, coords={"transition": kept, "term": [*BUDGET_TERMS]})


def term_skill(runs: RunDatasets, true_budgets: RunDatasets) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the skill of predicted changes of terms where the true budget is known, all windows of an experiment.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run; those without predicted terms or a baseline are left out.
    true_budgets : mapping of str to callable
        Reads the true vorticity budget by `window`.

    Returns
    -------
    dict
        {experiment: {term: numbers}}, by area: `n_cells`, `rms_change` of the true change and `rms_error` of the
        predicted one [m s-2], `correlation`, `coverage` of the interval and its nominal `level`, and
        `most_changed_share` and `most_changed_found`, the area where the term truly changes most, and its part where
        it is predicted to.
    """
    pool: dict[str, list[pd.DataFrame]] = {}
    levels: dict[str, float] = {}
    for key in sorted(key for key in runs if without_level(key) in true_budgets):
        run = runs[key]()
        parent = str(run.attrs.get("parent"))
        if "term_change" in run and parent in true_budgets:
            experiment = key.split("/")[1]
            windows = {name: [str(label) for label in run[name].values] for name in ("window", "baseline_window")}
            truth = (
                budget_in_windows(true_budgets, key, windows["window"]),
                budget_in_windows(true_budgets, parent, sorted({*windows["baseline_window"]} - {""})),
            )
            levels[experiment] = float(run.attrs["interval_level"])
            pool.setdefault(experiment, []).extend(_errors(run, *truth))
    return {
        experiment: {
            term: _skill(table[table["term"] == term]) | {"level": levels[experiment]} for term in BUDGET_TERMS
        }
        for experiment, tables in pool.items()
        if tables and len(table := pd.concat(tables, ignore_index=True))
    }


def _of_run(
    last: LastChange, networks: NetworkStack, term_spread: Mapping[str, float], predictor: str
) -> Iterator[pd.DataFrame]:
    run, cells = last.regimes, last.cells
    old, regime, moved = last.moved(predictor)
    width = term_widths(term_spread, float(run.attrs["interval_level"]))
    names = str(run.attrs["regimes"]).split()
    for before_number, after_number in sorted(set(zip(old[moved], regime[moved], strict=True))):
        chosen = np.flatnonzero(moved & (old == before_number) & (regime == after_number))
        area, sums = cells.area[chosen], [0.0, 0.0]
        for start in range(0, len(chosen), _BLOCK_CELLS):
            part = chosen[start : start + _BLOCK_CELLS]
            terms = (networks.terms(columns(x.scaled(part), x.scaler.features, networks.features)) for x in last.states)
            # value and spread of every network, by area
            for number_of, pair in enumerate(zip(*terms, strict=True)):
                sums[number_of] = sums[number_of] + np.einsum("c,nct->nt", cells.area[part], pair[1] - pair[0])
        change, deviation = over_networks(*(np.asarray(total) / area.sum() for total in sums))
        yield pd.DataFrame(
            {
                **last.columns(predictor),
                "regime_before": names[before_number],
                "regime": names[after_number],
                "n_cells": len(chosen),
                "area_m2": float(area.sum()),
                "term": [*BUDGET_TERMS],
                "change": change,
                "lower": change - width * deviation,
                "upper": change + width * deviation,
            }
        )


def _errors(run: xr.Dataset, budget: xr.Dataset, before: xr.Dataset) -> Iterator[pd.DataFrame]:
    """Yield true and predicted changes of the terms in each window with a baseline, a row for each cell and term."""
    dims = run["valid"].dims
    for place, baseline in enumerate(map(str, run["baseline_window"].values)):
        label = str(run["window"].values[place])
        if not baseline or label not in budget["window"].values or baseline not in before["window"].values:
            continue
        now, then = budget.sel(window=label), before.sel(window=baseline)
        true = np.stack([(now[name] - then[name].values).transpose(*dims).values for name in BUDGET_TERMS])
        here = run.isel(window=place)
        fields = {
            name: here[f"term_change{end}"].transpose("term", *dims).values
            for name, end in (("predicted", ""), ("lower", "_lower"), ("upper", "_upper"))
        }
        known = np.isfinite(true).all(axis=0) & np.isfinite(fields["predicted"]).all(axis=0)
        largest = np.abs(true[:, known]).argmax(axis=0)
        found = here["most_changed_term"].transpose(*dims).values[known]
        area = here["areacello"].transpose(*dims).values[known]
        for number_of, term in enumerate(BUDGET_TERMS):
            columns_of = {name: values[number_of][known] for name, values in fields.items()}
            yield pd.DataFrame(
                {"term": term, "area": area, "true": true[number_of][known], **columns_of}
                | {"largest": largest == number_of, "called": found == number_of}
            )


def _skill(rows: pd.DataFrame) -> dict[str, Any]:
    area, true, predicted = (rows[name].to_numpy(float) for name in ("area", "true", "predicted"))
    inside = (rows["lower"] <= rows["true"]) & (rows["true"] <= rows["upper"])
    largest, called = rows["largest"].to_numpy(), rows["called"].to_numpy()

    def mean(values: AnyArray) -> float:
        return float(np.average(values, weights=area))

    (x, y) = (values - mean(values) for values in (true, predicted))
    scale = np.sqrt(mean(x**2) * mean(y**2))
    return {
        "n_cells": len(rows),
        "rms_change": np.sqrt(mean(true**2)),
        "rms_error": np.sqrt(mean((predicted - true) ** 2)),
        "correlation": number(mean(x * y) / scale) if scale > 0 else None,
        "coverage": mean(inside.to_numpy(float)),
        "most_changed_share": mean(largest.astype(float)),
        "most_changed_found": number(area[largest & called].sum() / area[largest].sum()) if largest.any() else None,
    }
