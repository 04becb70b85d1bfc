"""Areas of regimes over the members of each model, with intervals, and over models: mean and range."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from thor.core.metrics import metrics
from thor.reading.inventory import run_keys
from thor.reading.runs import is_at_level, level_words
from thor.tracking.cells import RUN_FACETS
from thor.tracking.families import families_of
from thor.tracking.members import of_one_forcing
from thor.tracking.settings import AgreementSettings
from thor.tracking.shared_window import years_from_start

_ROW = ("source_id", "experiment_id", "window", "window_start", "window_end", "predictor", "basin", "regime")
_OVER_MODELS = ("experiment_id", "window", "predictor", "basin", "regime")


def member_areas(areas: pd.DataFrame, *, level: float, starts: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return mean areas over the members of each model and experiment, with intervals and spread over members.

    Parameters
    ----------
    areas : pandas.DataFrame
        As from `thor.tracking.areas.regime_areas`; runs that `thor.tracking.members.of_one_forcing` leaves out do not
        count.
    level : float
        Of the intervals.
    starts : mapping of str to int, optional
        Years in which runs begin whose years count from there, as from `thor.tracking.shared_window.starts_of_runs`.
        Where members of a model start in different years, their windows are named `years 131-150`, and first and last
        year are these.

    Returns
    -------
    pandas.DataFrame
        One row for each model, experiment, window, predictor, basin and regime: `n_members`; `expected_area_m2` with
        the ends `lower` and `upper` of the interval of the forced response, and `spread_m2`, the standard deviation
        over members, which is internal variability; the same of the change from the baseline over the
        `n_members_change` members that have one there: `change_m2`, `change_lower`, `change_upper`,
        `change_spread_m2`. Intervals and spread are NaN for one member. Windows at a level of warming, in which members
        have different years, are named after the level.

    Notes
    -----
    Intervals are those of Student's t for the mean of independent members. They do not contain the error of the
    networks, which the members share.
    """
    columns = list(metrics("member_areas"))
    if areas.empty:
        return pd.DataFrame(columns=columns)
    keys = run_keys(areas)
    areas = areas[keys.isin(of_one_forcing(keys.unique()))]
    first = run_keys(areas).map(dict(starts or {}))
    different = first.groupby([areas[name] for name in RUN_FACETS[:2]]).transform("nunique")
    areas = _since_start(areas, first, different > 1)
    groups = _with_level_windows(areas).groupby(list(_ROW), sort=False)
    table = groups.agg(n_members=("expected_area_m2", "count"), n_members_change=("change_m2", "count"))
    for name, low, high, spread in (
        ("expected_area_m2", "lower", "upper", "spread_m2"),
        ("change_m2", "change_lower", "change_upper", "change_spread_m2"),
    ):
        count, mean, deviation = groups[name].count(), groups[name].mean(), groups[name].std()
        freedom = (count - 1).where(count > 1)
        half = deviation * student.ppf(0.5 + level / 2, freedom) / np.sqrt(count)
        table[name], table[spread], table[low], table[high] = mean, deviation, mean - half, mean + half
    return table.reset_index()[columns]


def model_areas(
    of_members: pd.DataFrame, settings: AgreementSettings, *, starts: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Return areas and their changes over climate models: mean, smallest and largest.

    Parameters
    ----------
    of_members : pandas.DataFrame
        As from `member_areas`, which has those of each model.
    settings : AgreementSettings
        `model_weights` and `families`.
    starts : mapping of str to int, optional
        As for `member_areas`. Where models number the years differently, their windows are named `years 131-150`.

    Returns
    -------
    pandas.DataFrame
        One row for each experiment, window, predictor, basin and regime: `models` (separated by blanks) and their
        number `n_models`, `n_votes`; `expected_area_m2`, `smallest_m2`, `largest_m2`, and of those with a baseline
        `n_models_change`, `n_votes_change`, `change_m2`, `smallest_change_m2`, `largest_change_m2`. Every model counts
        once, or every family; the range is that of models.
    """
    columns = list(metrics("model_areas"))
    if of_members.empty:
        return pd.DataFrame(columns=columns)
    voter = {name: name for name in of_members["source_id"].unique()}
    if settings.model_weights == "family":
        voter = families_of(list(voter), settings.families)
    first = _starts_of_models(of_members, starts or {})
    years = of_members["window_start"] - first, of_members["window_end"] - first
    labels = of_members.groupby([of_members["experiment_id"], *years])["window"].transform("nunique")
    of_members = _since_start(of_members, first, labels > 1)
    groups = of_members.groupby(list(_OVER_MODELS), sort=False)
    table = groups["source_id"].agg(models=" ".join)
    for name, kind in (("expected_area_m2", ""), ("change_m2", "_change")):
        by_voter = _mean_by_voter(of_members, name, voter)
        table[name], table[f"n_votes{kind}"] = by_voter.mean(), by_voter.count()
        table[f"smallest{kind}_m2"], table[f"largest{kind}_m2"] = groups[name].min(), groups[name].max()
        table[f"n_models{kind}"] = groups[name].count()
    return table.reset_index()[columns]


def _with_level_windows(areas: pd.DataFrame) -> pd.DataFrame:
    """Return the table with windows at a level of warming named after the level, from the first to the last year."""
    at_level = areas["experiment_id"].map(is_at_level)
    if not at_level.any():
        return areas
    rows = areas[at_level]
    years = rows.groupby(["source_id", "experiment_id"])
    rows = rows.assign(
        window=rows["experiment_id"].map(level_words),
        window_start=years["window_start"].transform("min"),
        window_end=years["window_end"].transform("max"),
    )
    return pd.concat([areas[~at_level], rows])


def _starts_of_models(table: pd.DataFrame, starts: Mapping[str, int]) -> "pd.Series[int]":
    """Return the year in which the members of each row begin: 1 where their windows are named so; NaN if unknown."""
    of_models = {key.rpartition("/")[0]: starts[key] for key in of_one_forcing(list(starts))}
    first = (table["source_id"] + "/" + table["experiment_id"]).map(of_models)
    return first.mask(first.notna() & table["window"].str.startswith("years "), 1)


def _since_start(table: pd.DataFrame, first: "pd.Series[int]", where: "pd.Series[bool]") -> pd.DataFrame:
    """Return the table with windows in some rows named by their years since the first, and these years."""
    where &= first.notna()
    before = (first - 1).where(where, 0).astype(int)
    start, end = table["window_start"] - before, table["window_end"] - before
    names = [years_from_start(*years) for years in zip(start, end, strict=True)]
    return table.assign(window=table["window"].where(~where, names), window_start=start, window_end=end)


def _mean_by_voter(table: pd.DataFrame, name: str, voter: Mapping[str, str]) -> Any:
    """Return the means over the models of each voter, grouped like the rows of `model_areas`."""
    by_voter = table.assign(voter=table["source_id"].map(voter)).groupby([*_OVER_MODELS, "voter"], sort=False)[name]
    return by_voter.mean().groupby(level=list(_OVER_MODELS), sort=False)
