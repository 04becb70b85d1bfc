"""Tables of regime areas and of the areas that go from one regime to another, for all runs.

Three areas of a regime stand beside one another. The expected one, the sum of cell areas times probabilities, is right
where the probabilities are. The area of cells whose most probable regime it is loses rare regimes to common ones. The
corrected one mends that with how often the networks took one regime for another where the labels are known.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError, did_you_mean
from thor.core.metrics import Metric, Metrics, area, count, text
from thor.tracking.cells import run_key

FACETS = ("source_id", "experiment_id", "variant_label")

_CORRECTED_BY = "calibrate"

_BY_BASIN = ("window", "predictor", "basin", "regime")
_BETWEEN = ("window", "predictor", "regime_before", "regime")

_WINDOW_COLUMNS = (*FACETS, "window", "window_start", "window_end", "n_months", "baseline_window")
_AREA_COLUMNS = (
    *("expected_area_m2", "lower", "upper", "argmax_area_m2", "corrected_area_m2"),
    *("change_m2", "change_lower", "change_upper", "change_percent"),
)
_TRANSITION_COLUMNS = ("area_m2", "lower", "upper")


WINDOW_METRICS: Metrics = {
    "source_id": text("climate model"),
    "experiment_id": text("experiment"),
    "variant_label": text("variant"),
    "window": text("years that means are taken over"),
    "window_start": Metric("first year of the window", "year"),
    "window_end": Metric("last year of the window", "year"),
    "n_months": count("months that went into the means"),
    "baseline_window": text("window it is compared with; none where there is no baseline"),
    "predictor": text("networks that said so"),
    "basin": text("ocean basin; global is all of them"),
    "regime": text("regime of the window"),
    "regime_before": text("regime of the baseline window"),
}
"""What the rows of tables of runs are about."""

AREA_METRICS: Metrics = {
    **WINDOW_METRICS,
    "expected_area_m2": area("sum of cell areas times the probability of the regime"),
    "lower": area("lower end of its interval over networks"),
    "upper": area("upper end of its interval over networks"),
    "argmax_area_m2": area("of the cells where the regime is the most probable one"),
    "corrected_area_m2": area("expected, corrected by the confusion of the calibrate region"),
    "change_m2": Metric("expected area less that of the baseline", "m2"),
    "change_lower": Metric("lower end of its interval, paired inside each network", "m2"),
    "change_upper": Metric("upper end of its interval", "m2"),
    "change_percent": Metric("the change in per cent of the expected area of the baseline", "%", -100),
}
"""What `regime_areas` holds."""

TRANSITION_METRICS: Metrics = {
    **WINDOW_METRICS,
    "area_m2": area("that goes from the one regime to the other"),
    "lower": area("lower end of its interval over networks"),
    "upper": area("upper end of its interval over networks"),
}
"""What `regime_transitions` holds."""


def regime_areas(runs: Iterable[xr.Dataset], corrections: Mapping[str, Array] | None = None) -> pd.DataFrame:
    """Return the area of each regime in each run, window and basin, with its change from the baseline window.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        Regimes of runs, as from `thor.tracking.track.track_run`; one is held at a time.
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
    return _joined(tables, [*_WINDOW_COLUMNS, *_BY_BASIN[1:], *_AREA_COLUMNS])


def regime_transitions(runs: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Return the area that goes from each regime of the baseline window to each regime.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        As for `regime_areas`.

    Returns
    -------
    pandas.DataFrame
        One row for each run, window with a baseline, predictor and pair of regimes: the first columns of
        `regime_areas` without `basin`, then `regime_before`, `regime`, and `area_m2` with the ends `lower` and
        `upper` of its interval over networks. Rows of one regime before and after are the area that stays.

    Raises
    ------
    DataError
        When a run lacks a transition area.
    """
    return _joined([_transitions_of(run) for run in runs], [*_WINDOW_COLUMNS, *_BETWEEN[1:], *_TRANSITION_COLUMNS])


def label_shares(
    skill: Mapping[str, Mapping[str, Any]], classes: Sequence[str], *, region: str = _CORRECTED_BY
) -> Array:
    """Return how the area in which each regime is predicted is shared by the labels, where these are known.

    Parameters
    ----------
    skill : mapping
        {region: {metric: value}} of one predictor, as from `thor.networks.skill.skill_table`.
    classes : sequence of str
        Names of the regimes in the order in which they are numbered.
    region : str
        Whose labels neither taught the networks nor score them.

    Returns
    -------
    ndarray of shape (n_regimes, n_regimes)
        P(label k | predicted j) by area, row k and column j; columns sum to one, and are NaN for a regime that is
        predicted nowhere in the region.

    Raises
    ------
    DataError
        When there is no such region, or its regimes are others.
    """
    if region not in skill:
        raise DataError(f"The scores have no region '{region}'.{did_you_mean(region, skill)}")
    named = list(skill[region]["classes"])
    if set(named) != set(classes):
        raise DataError(
            f"The confusion matrix is of the regimes {', '.join(named)}; expected {', '.join(classes)}. Run modelling "
            "and uncertainty again, so that scores and networks are of one clustering."
        )
    confusion = np.array(skill[region]["area_weighted"]["confusion_matrix"], dtype=np.float64)
    order = [named.index(name) for name in classes]
    confusion = confusion[np.ix_(order, order)]
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
    with_matrix = {
        name: regions
        for name, regions in skill.items()
        if "confusion_matrix" in regions.get(_CORRECTED_BY, {}).get("area_weighted", {})
    }
    return {name: label_shares(regions, classes, region=_CORRECTED_BY) for name, regions in with_matrix.items()}


def first_variants(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first variant, by name, of each experiment and climate model."""
    first = table.groupby(["source_id", "experiment_id"])["variant_label"].transform("min")
    return table[table["variant_label"] == first]


def corrected_area(argmax_area: Array, shares: Array) -> Array:
    r"""Return the area of each regime, corrected for how often the networks take one for another.

    Parameters
    ----------
    argmax_area : ndarray of shape (..., n_regimes), [m2]
        Area in which each regime is the most probable one.
    shares : ndarray of shape (n_regimes, n_regimes)
        As from `label_shares`.

    Returns
    -------
    ndarray of shape (..., n_regimes), [m2]
        All NaN where an area is of a regime of which the shares are unknown. The total is that of `argmax_area`.

    Notes
    -----
    :math:`A_k = \sum_j A_j P(\mathrm{label}\ k | \mathrm{predicted}\ j)`, the stratified estimator of Olofsson et al.
    (2014), doi:10.1016/j.rse.2014.02.015, whose strata are the predicted regimes. It takes for granted that the
    networks err here as they do in the region of the shares; they were measured in the training ocean, not in this run.
    """
    argmax_area = np.asarray(argmax_area, dtype=np.float64)
    unknown = np.isnan(shares).any(axis=0)
    area = argmax_area @ np.where(unknown, 0.0, shares).T
    area[(argmax_area[..., unknown] > 0).any(axis=-1)] = np.nan
    return area


def require_regimes(run: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the regimes in the order of dim `regime`; raise DataError when the run does not tell them."""
    names = tuple(str(run.attrs.get("regimes", "")).split())
    if not names or len(names) != run.sizes.get("regime"):
        raise DataError(
            f"{run_key(run)} names {len(names)} regimes in its attribute 'regimes' and has {run.sizes.get('regime', 0)}"
            " of them. Run scenario_tracking again."
        )
    return names


def _areas_of(run: xr.Dataset, corrections: Mapping[str, Array]) -> pd.DataFrame:
    names = require_regimes(run)
    area, change = _values(run, "expected_area", _BY_BASIN), _values(run, "expected_area_change", _BY_BASIN)
    argmax = _values(run, "argmax_area", _BY_BASIN)
    corrected = np.full_like(argmax, np.nan)
    for number, predictor in enumerate(run["predictor"].values):
        if predictor in corrections:
            shares = corrections[predictor]
            if shares.shape != (len(names), len(names)):
                raise DataError(
                    f"The correction of '{predictor}' has shape {shares.shape}, but {run_key(run)} has {len(names)} "
                    "regimes. Run modelling and scenario_tracking again."
                )
            corrected[:, number] = corrected_area(argmax[:, number], shares)
    before = area - change
    return _described(run, _BY_BASIN).assign(
        expected_area_m2=area.ravel(),
        lower=_values(run, "expected_area_lower", _BY_BASIN).ravel(),
        upper=_values(run, "expected_area_upper", _BY_BASIN).ravel(),
        argmax_area_m2=argmax.ravel(),
        corrected_area_m2=corrected.ravel(),
        change_m2=change.ravel(),
        change_lower=_values(run, "expected_area_change_lower", _BY_BASIN).ravel(),
        change_upper=_values(run, "expected_area_change_upper", _BY_BASIN).ravel(),
        change_percent=np.divide(100 * change, before, out=np.full_like(change, np.nan), where=before > 0).ravel(),
    )


def _transitions_of(run: xr.Dataset) -> pd.DataFrame:
    require_regimes(run)
    table = _described(run, _BETWEEN).assign(
        area_m2=_values(run, "transition_area", _BETWEEN).ravel(),
        lower=_values(run, "transition_area_lower", _BETWEEN).ravel(),
        upper=_values(run, "transition_area_upper", _BETWEEN).ravel(),
    )
    return table[table["baseline_window"] != ""]


def _described(run: xr.Dataset, dims: tuple[str, ...]) -> pd.DataFrame:
    """Return one row for each entry of an array with these dims in C order, and what they are."""
    labels = {"regime": require_regimes(run), "regime_before": require_regimes(run)}
    levels = [labels.get(dim, run[dim].values) for dim in dims]
    table = pd.MultiIndex.from_product(levels, names=dims).to_frame(index=False)
    each = len(table) // run.sizes["window"]
    of_window = {name: np.repeat(run[name].values, each) for name in ("window_start", "window_end", "baseline_window")}
    if "months" in run:
        of_window["n_months"] = np.repeat(run["months"].values, each)
    facets = {name: str(run.attrs[name]) for name in FACETS}
    return table.assign(**facets, **of_window).reindex(columns=[*_WINDOW_COLUMNS, *dims[1:]])


def _values(run: xr.Dataset, name: str, dims: tuple[str, ...]) -> Array:
    if name not in run or set(run[name].dims) != set(dims):
        found = f"dims {run[name].dims}" if name in run else "nothing"
        raise DataError(f"{run_key(run)} needs '{name}' with dims {dims}; got {found}. Run scenario_tracking again.")
    return run[name].transpose(*dims).values.astype(np.float64)


def _joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return all rows; without any run there are the columns all the same."""
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
