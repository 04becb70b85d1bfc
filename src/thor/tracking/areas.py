"""Tables of regime areas and of the areas that change from one regime to another, for all runs.

There are two estimates of the area of a regime. The expected area, the sum of cell areas times probabilities, is
unbiased where the probabilities are calibrated. The area of the cells whose most probable regime it is underestimates
rare regimes. Their spread over networks is that of predictions, not an interval of the true area.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import xarray as xr

from thor.core.errors import DataError
from thor.core.metrics import metrics
from thor.tracking.cells import facets_of, run_key


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
        `change_upper`; `change_percent` of the expected area of the baseline. NaN where there is no baseline.

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
