"""Tables of regime areas and of the areas that change from one regime to another, for all runs.

There are two estimates of the area of a regime. The expected area, the sum of cell areas times probabilities, is
unbiased where the probabilities are calibrated. The area of the cells whose most probable regime it is underestimates
rare regimes. Their spread over networks is that of predictions, not an interval of the true area; `area_intervals`
makes such intervals from climate models whose true regimes are known.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.core.metrics import metrics
from thor.reading.inventory import run_keys
from thor.tracking.cells import facets_of, run_key
from thor.tracking.truth import TrueCells


def regime_areas(runs: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Return the area of each regime in each run, window and basin, with its change from the baseline window.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        Regimes of runs, as from `thor.tracking.track.track_run`; one is in memory at a time.

    Returns
    -------
    pandas.DataFrame
        One row for each run, window, predictor, basin (`global`: all of them) and regime: `source_id`,
        `experiment_id`, `variant_label`, `window`, `window_start`, `window_end` (years), `n_months`,
        `baseline_window`, `predictor`, `basin`, `regime`; in m2 `expected_area_m2` with the ends `lower` and `upper`
        of its spread over networks, `argmax_area_m2`, and `change_m2` of the expected area with `change_lower` and
        `change_upper`; `change_percent` of the expected area without the change: that of the baseline, if both windows
        have the same cells. NaN where there is no baseline.

    Raises
    ------
    DataError
        When a run lacks an area.
    """
    return joined_tables(map(_areas_of, runs), [name for name in metrics("areas") if name != "regime_before"])


def regime_transitions(runs: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Return the area that changes from each regime of the baseline window to each regime.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        As for `regime_areas`.

    Returns
    -------
    pandas.DataFrame
        One row for each run, window with a baseline, predictor and pair of regimes: the first columns of
        `regime_areas` without `basin`, then `regime_before`, `regime`, and `area_m2` with the ends `lower` and
        `upper` of its spread over networks. Rows with the same regime before and after are the area without a change.

    Raises
    ------
    DataError
        When a run lacks a transition area.
    """
    return joined_tables(map(_transitions_of, runs), [name for name in metrics("transitions") if name != "basin"])


def first_variants(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first variant, by name, of each experiment and climate model."""
    first = table.groupby(["source_id", "experiment_id"])["variant_label"].transform("min")
    return table[table["variant_label"] == first]


def with_common_start(table: pd.DataFrame, starts: Mapping[str, int]) -> pd.DataFrame:
    """Return a table of runs with the years of windows as if all of one experiment began in the latest start.

    Parameters
    ----------
    table : pandas.DataFrame
        With facets of the runs, `window_start` and `window_end`.
    starts : mapping of str to int
        Years in which runs begin, as from `thor.tracking.shared_window.starts_of_runs`; others keep their years.
    """
    first = run_keys(table).map(dict(starts))
    shift = (first.groupby(table["experiment_id"]).transform("max") - first).fillna(0).astype(int)
    return table.assign(window_start=table["window_start"] + shift, window_end=table["window_end"] + shift)


def require_regimes(run: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the regimes in the order of dim `regime`; raise DataError where they are missing."""
    names = tuple(str(run.attrs.get("regimes", "")).split())
    if not names or len(names) != run.sizes.get("regime"):
        raise DataError(
            f"{run_key(run)} names {len(names)} regimes in its attribute 'regimes' and has {run.sizes.get('regime', 0)}"
            " of them. Run scenario_tracking again."
        )
    return names


def require_alike(first: xr.Dataset, other: xr.Dataset, *facets: str) -> None:
    """Raise DataError unless two runs that are averaged have the same facets, regimes and predictors."""
    for what, of_first, of_other in (
        *((name, first.attrs[name], other.attrs[name]) for name in facets),
        ("list of regimes", require_regimes(first), require_regimes(other)),
        ("list of predictors", [*first["predictor"].values], [*other["predictor"].values]),
    ):
        if of_first != of_other:
            raise DataError(
                f"Runs that are averaged have one {what}: {run_key(first)} has {of_first}, {run_key(other)} {of_other}."
                " Average them apart, or track them with the same networks."
            )


def _areas_of(run: xr.Dataset) -> pd.DataFrame:
    columns = {
        "expected_area": "expected_area_m2",
        "expected_area_lower": "lower",
        "expected_area_upper": "upper",
        "argmax_area": "argmax_area_m2",
        "expected_area_change": "change_m2",
        "expected_area_change_lower": "change_lower",
        "expected_area_change_upper": "change_upper",
    }
    table = _table(run, ("window", "predictor", "basin", "regime"), columns)
    before = table["expected_area_m2"] - table["change_m2"]
    return table.assign(change_percent=(100 * table["change_m2"] / before).where(before > 0))


def _transitions_of(run: xr.Dataset) -> pd.DataFrame:
    columns = {"transition_area": "area_m2", "transition_area_lower": "lower", "transition_area_upper": "upper"}
    table = _table(run, ("window", "predictor", "regime_before", "regime"), columns)
    return table[table["baseline_window"] != ""]


def _table(run: xr.Dataset, dims: tuple[str, ...], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the named fields, which have these dims, as columns, with the facets of the run and its windows."""
    names = list(require_regimes(run))
    for name in columns:
        if name not in run or set(run[name].dims) != set(dims):
            found = f"dims {run[name].dims}" if name in run else "nothing"
            raise DataError(
                f"{run_key(run)} needs '{name}' with dims {dims}; got {found}. Run scenario_tracking again."
            )
    fields = run[list(columns)].assign_coords({dim: names for dim in dims if dim.startswith("regime")})
    table = fields.to_dataframe(dim_order=list(dims)).reset_index()
    return table.rename(columns={**columns, "months": "n_months"}).assign(**facets_of(run))


def joined_tables(tables: Iterable[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of all tables; without any an empty table with the same columns."""
    given, columns = list(tables), list(columns)
    return pd.concat(given, ignore_index=True).reindex(columns=columns) if given else pd.DataFrame(columns=columns)


LEVEL = 0.9
"""Share of the errors of one model in each of its experiments that the half-width contains."""


def area_errors(cells: TrueCells, transition: AnyArray | None = None) -> pd.DataFrame:
    """Return the absolute errors of expected areas in a window whose true regimes are known.

    Parameters
    ----------
    cells : TrueCells
    transition : ndarray of shape (n_regimes, n_regimes), optional
        Expected area that changes from each regime (row) to each (column); without a baseline there is none.

    Returns
    -------
    pandas.DataFrame
        `kind` and `error`: `regime_area`, and `change` of it, one for each regime, as shares of the area of the cells;
        `transition`, one for each pair of different regimes, of shares of the compared area, in which the truth may be
        known for a part only.
    """
    if not cells.area.any():
        return pd.DataFrame({"kind": [], "error": np.empty(0)})
    n_regimes = cells.probability.shape[1]
    one = np.eye(n_regimes)
    errors = {"regime_area": cells.probability - one[cells.truth]}
    if cells.compared:
        errors["change"] = errors["regime_area"] - (cells.probability_before - one[cells.truth_before])
    found = {kind: np.average(error.astype(np.float64), axis=0, weights=cells.area) for kind, error in errors.items()}
    if transition is not None:
        pair = cells.truth_before.astype(int) * n_regimes + cells.truth
        true = np.bincount(pair, cells.area, minlength=n_regimes**2).reshape(n_regimes, n_regimes)
        found["transition"] = (transition / transition.sum() - true / true.sum())[~one.astype(bool)]
    kinds = [kind for kind, values in found.items() for _ in values]
    return pd.DataFrame({"kind": kinds, "error": np.abs(np.concatenate(list(found.values())))})


def area_intervals(errors: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return half-widths of intervals about expected areas, and their coverage in models that were not used for them.

    Parameters
    ----------
    errors : pandas.DataFrame
        As from `area_errors`, with `model`, `experiment` and `predictor`.

    Returns
    -------
    dict
        {predictor: {kind: numbers}}, where at least two models have a known truth: `half_width_share` of the area,
        `level`, `coverage` (share of the errors of a model that the half-width made from the other models contains,
        in the experiment with the lowest, mean over the models) and `n_models`.

    Notes
    -----
    Conformal prediction with climate models as units: errors of one model are nearly the same in all its windows. The
    score of a model is the quantile `LEVEL` of its errors, over regimes and windows, in the experiment where it is
    largest: errors of changes grow with the forcing, and windows without much of it would hide them. The half-width is
    the largest score of all models. If a new model is exchangeable with n known ones, its score exceeds the half-width
    with a probability of at most 1 / (n + 1).
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (predictor, kind), table in errors.groupby(["predictor", "kind"], sort=False):
        score = table.groupby(["model", "experiment"])["error"].quantile(LEVEL).groupby("model").max()
        if len(score) < 2:
            continue
        covered = [
            (of_model["error"] <= score.drop(name).max()).groupby(of_model["experiment"]).mean().min()
            for name, of_model in table.groupby("model")
        ]
        found.setdefault(str(predictor), {})[str(kind)] = {
            "half_width_share": float(score.max()),
            "level": LEVEL,
            "coverage": float(np.mean(covered)),
            "n_models": len(score),
        }
    return found
