"""A table of what an archive holds: every run asked for, whether it can be read, and why not."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from thor.core.errors import DataError
from thor.reading.climatology import ClimatologySettings, first_month_of
from thor.reading.plans import Plans
from thor.reading.run_plan import RunPlan

INVENTORY_COLUMNS = {
    "source_id": "climate model",
    "experiment_id": "experiment",
    "variant_label": "variant",
    "usable": "whether it can be read",
    "reason": "why it cannot be read",
    "grid_label": "grid labels; several where T, u and v points have different labels",
    "version": "version of sea level",
    "calendar": "calendar",
    "first_year": "first whole year",
    "last_year": "last whole year",
    "n_windows": "windows with all their months",
    "n_baselines": "windows with a baseline in the parent run",
    "parent": "run from which it branches off",
    "size_gb": "size of the files to read [GB]",
    "checks": "physical checks that are not passed",
    "warnings": "defects that do not keep the run from being read",
}
"""Columns of the table and their meaning."""

PROGRESS_COLUMNS = {
    "done": "whether its climatology is made, from these files and with these settings",
    "left": "why its climatology is not made",
}
"""Columns that `with_progress` adds, and their meaning."""


def inventory(plans: Plans) -> pd.DataFrame:
    """Return the table of plans, from the headers of files alone.

    Parameters
    ----------
    plans : Plans

    Returns
    -------
    pandas.DataFrame
        Columns as in `COLUMNS`, a row for each run.
    """
    none = dict.fromkeys(("grid_label", "version", "calendar", "parent", "checks", "warnings"), "") | {"usable": False}
    rows = [_row(plan) for plan in plans]
    rows += [run.facets | none | {"reason": reason} for run, reason in plans.left_out.items()]
    table = pd.DataFrame(rows, columns=list(INVENTORY_COLUMNS))
    whole = ["first_year", "last_year", "n_windows", "n_baselines"]
    table[whole] = table[whole].astype("Int64")
    return table.sort_values(["source_id", "experiment_id", "variant_label"], ignore_index=True)


def with_first_month(table: pd.DataFrame, plans: Plans, settings: ClimatologySettings) -> pd.DataFrame:
    """Return the table completed from a month of each model: whether its fields can be read and pass the checks.

    Parameters
    ----------
    table : pandas.DataFrame
        From `inventory`.
    plans : Plans
    settings : ClimatologySettings

    Returns
    -------
    pandas.DataFrame
        Runs whose month cannot be read are not usable, and the month of the model's next run is read; checks that the
        month does not pass are named in all runs of the model.
    """
    reasons: dict[str, str] = {}
    checks: dict[str, str] = {}
    for plan in plans.usable:
        if plan.run.source_id not in checks:
            try:
                checks[plan.run.source_id] = failed_checks(first_month_of(plan, settings).attrs)
            except DataError as error:
                reasons[plan.run.key] = str(error)
    out = table.copy()
    unread = run_keys(out).map(reasons)
    out.loc[unread.notna(), "usable"], out.loc[unread.notna(), "reason"] = False, unread.dropna()
    rows = out["usable"]
    out.loc[rows, "checks"] = out.loc[rows, "source_id"].map(checks).fillna("")
    return out


def with_progress(table: pd.DataFrame, left: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with `PROGRESS_COLUMNS`.

    Parameters
    ----------
    table : pandas.DataFrame
        From `inventory`.
    left : mapping of str to str
        Reason for each run whose climatology is not made, by the run's key.
    """
    usable = table["usable"].astype(bool)
    reasons = run_keys(table).map(dict(left)).fillna("").where(usable, "")
    return table.assign(done=usable & (reasons == ""), left=reasons)


def run_keys(table: pd.DataFrame) -> pd.Series:
    """Return the key of each run in the table."""
    return table["source_id"] + "/" + table["experiment_id"] + "/" + table["variant_label"]


def completed(
    table: pd.DataFrame, attributes: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, str]
) -> pd.DataFrame:
    """Return the table after the runs have been read.

    Parameters
    ----------
    table : pandas.DataFrame
        From `inventory`.
    attributes : mapping of str to mapping
        Attributes of each climatology, by the run's key.
    left_out : mapping of str to str
        Reason for each run that could not be read after all.
    """
    out = table.copy()
    for name in ("reason", "grid_label", "version", "calendar", "parent", "checks", "warnings"):
        out[name] = out[name].astype(object).fillna("")  # a CSV file has nothing there
    keys = run_keys(out)
    out["checks"] = [failed_checks(attributes.get(key, {})) for key in keys]
    unread = out["usable"].astype(bool) & ~keys.isin(list(attributes))
    out.loc[unread, "reason"] = [left_out.get(key, "not read") for key in keys[unread]]
    out.loc[unread, "usable"] = False
    return out


def failed_checks(attributes: Mapping[str, Any]) -> str:
    """Return the sentences of the checks that an ocean did not pass, for a table."""
    return str(attributes.get("checks_failed", "")).replace(" | ", "; ")


def _row(plan: RunPlan) -> dict[str, Any]:
    first, last = plan.years
    return plan.run.facets | {
        "usable": True,
        "reason": "",
        "grid_label": plan.grid_label,
        "version": plan.version,
        "calendar": plan.series["zos"].calendar,
        "first_year": first,
        "last_year": last,
        "n_windows": len(plan.windows),
        "n_baselines": len(plan.baselines),
        "parent": plan.parent.run.key if plan.parent else "",
        "size_gb": round(plan.size / 1e9, 6),
        "checks": "",
        "warnings": "; ".join(plan.warnings),
    }
