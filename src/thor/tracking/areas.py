"""Tables of regime areas and of the areas that change from one regime to another, for all runs.

There are three estimates of the area of a regime. The expected area, the sum of cell areas times probabilities, is
unbiased where the probabilities are calibrated. The area of the cells whose most probable regime it is underestimates
rare regimes. The corrected area adjusts the latter by the confusion of the networks where the labels are known.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError, did_you_mean
from thor.core.metrics import metrics
from thor.tracking.cells import RUN_FACETS, run_key

_CORRECTED_BY = "calibrate"


def regime_areas(runs: Iterable[xr.Dataset], corrections: Mapping[str, Array] | None = None) -> pd.DataFrame:
    """Return the area of each regime in each run, window and basin, with its change from the baseline window.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        Regimes of runs, as from `thor.tracking.track.track_run`; one is in memory at a time.
    corrections : mapping of str to ndarray of shape (n_regimes, n_regimes), optional
        By predictor, as from `label_shares`; a predictor without one has no corrected area.

    Returns
    -------
    pandas.DataFrame
        One row for each run, window, predictor, basin (`global`: all of them) and regime: `source_id`,
        `experiment_id`, `variant_label`, `window`, `window_start`, `window_end` (years), `n_months`,
        `baseline_window`, `predictor`, `basin`, `regime`; in m2 `expected_area_m2` with the ends `lower` and `upper`
        of its interval over networks, `argmax_area_m2`, `corrected_area_m2`, and `change_m2` of the expected area
        with `change_lower` and `change_upper`; `change_percent` of the expected area of the baseline. NaN where
        there is no baseline or no correction.

    Raises
    ------
    DataError
        When a run lacks an area, or a correction is of another number of regimes.
    """
    tables = [_areas_of(run, corrections or {}) for run in runs]
    return _joined(tables, [name for name in metrics("areas") if name != "regime_before"])


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
        `upper` of its interval over networks. Rows with the same regime before and after are the area without a change.

    Raises
    ------
    DataError
        When a run lacks a transition area.
    """
    return _joined([_transitions_of(run) for run in runs], [name for name in metrics("transitions") if name != "basin"])


def label_shares(
    skill: Mapping[str, Mapping[str, Any]], classes: Sequence[str], *, region: str = _CORRECTED_BY
) -> Array:
    """Return the shares of the labels in the area in which each regime is predicted, in a region with known labels.

    Parameters
    ----------
    skill : mapping
        {region: {metric: value}} of one predictor, as from `thor.networks.skill.skill_table`.
    classes : sequence of str
        Names of the regimes in the order in which they are numbered.
    region : str
        Whose labels are used neither to train nor to score the networks.

    Returns
    -------
    ndarray of shape (n_regimes, n_regimes)
        P(label k | predicted j) by area, row k and column j; columns sum to one, and are NaN for a regime that is
        not predicted in the region.

    Raises
    ------
    DataError
        When there is no such region, or it has other regimes.
    """
    if region not in skill:
        raise DataError(f"The scores have no region '{region}'.{did_you_mean(region, skill)}")
    names = list(skill[region]["classes"])
    if set(names) != set(classes):
        raise DataError(
            f"The confusion matrix is of the regimes {', '.join(names)}; expected {', '.join(classes)}. Run modelling "
            "and uncertainty again, so that scores and networks belong to one clustering."
        )
    order = [names.index(name) for name in classes]
    confusion = np.array(skill[region]["area_weighted"]["confusion_matrix"], dtype=np.float64)[np.ix_(order, order)]
    predicted = confusion.sum(axis=0)
    return np.divide(confusion, predicted, out=np.full_like(confusion, np.nan), where=predicted > 0)


def corrections(skill: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Array]:
    """Return the `label_shares` of every predictor of a table of scores.

    Parameters
    ----------
    skill : mapping
        {predictor: {region: {metric: value}}}, as from `thor.networks.skill.skill_table`.
    classes : sequence of str
        Names of the regimes in the order in which the networks number them.

    Raises
    ------
    DataError
        When the scores are of other regimes.
    """
    return {
        name: label_shares(regions, classes)
        for name, regions in skill.items()
        if "confusion_matrix" in regions.get(_CORRECTED_BY, {}).get("area_weighted", {})
    }


def first_variants(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first variant, by name, of each experiment and climate model."""
    first = table.groupby(["source_id", "experiment_id"])["variant_label"].transform("min")
    return table[table["variant_label"] == first]


def corrected_area(argmax_area: Array, shares: Array) -> Array:
    r"""Return the area of each regime, corrected for the confusion of the networks.

    Parameters
    ----------
    argmax_area : ndarray of shape (..., n_regimes), [m2]
        Area in which each regime is the most probable one.
    shares : ndarray of shape (n_regimes, n_regimes)
        As from `label_shares`.

    Returns
    -------
    ndarray of shape (..., n_regimes), [m2]
        All NaN where a regime with unknown shares has area. The total is that of `argmax_area`.

    Notes
    -----
    :math:`A_k = \sum_j A_j P(\mathrm{label}\ k | \mathrm{predicted}\ j)`, the stratified estimator of Olofsson et al.
    (2014), doi:10.1016/j.rse.2014.02.015, whose strata are the predicted regimes. It assumes that the networks
    err as in the region of the shares, which is part of the training ocean, not of this run.
    """
    argmax_area = np.asarray(argmax_area, dtype=np.float64)
    unknown = np.isnan(shares).any(axis=0)
    area = argmax_area @ np.where(unknown, 0.0, shares).T
    area[(argmax_area[..., unknown] > 0).any(axis=-1)] = np.nan
    return area


def require_regimes(run: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the regimes in the order of dim `regime`; raise DataError where they are missing."""
    names = tuple(str(run.attrs.get("regimes", "")).split())
    if not names or len(names) != run.sizes.get("regime"):
        raise DataError(
            f"{run_key(run)} names {len(names)} regimes in its attribute 'regimes' and has {run.sizes.get('regime', 0)}"
            " of them. Run scenario_tracking again."
        )
    return names


def _areas_of(run: xr.Dataset, corrections: Mapping[str, Array]) -> pd.DataFrame:
    columns = {
        "expected_area": "expected_area_m2",
        "expected_area_lower": "lower",
        "expected_area_upper": "upper",
        "argmax_area": "argmax_area_m2",
        "expected_area_change": "change_m2",
        "expected_area_change_lower": "change_lower",
        "expected_area_change_upper": "change_upper",
    }
    table = _table(run, ("window", "predictor", "basin", "regime"), columns).assign(corrected_area_m2=np.nan)
    n_regimes = run.sizes["regime"]
    for predictor in set(run["predictor"].values) & set(corrections):
        shares, rows = corrections[predictor], table["predictor"] == predictor
        if shares.shape != (n_regimes, n_regimes):
            raise DataError(
                f"The correction of '{predictor}' has shape {shares.shape}, but {run_key(run)} has {n_regimes} "
                "regimes. Run modelling and scenario_tracking again."
            )
        argmax_area = table.loc[rows, "argmax_area_m2"].to_numpy().reshape(-1, n_regimes)
        table.loc[rows, "corrected_area_m2"] = corrected_area(argmax_area, shares).ravel()
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
    return table.rename(columns={**columns, "months": "n_months"}).assign(
        **{facet: str(run.attrs[facet]) for facet in RUN_FACETS}
    )


def _joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return the rows of all tables; without any run an empty table with the same columns."""
    return pd.concat(tables, ignore_index=True).reindex(columns=columns) if tables else pd.DataFrame(columns=columns)
