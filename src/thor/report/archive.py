"""The archive of climate models: what was read of each, runs that were not and why, and physical checks not passed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from thor.core.errors import DataError
from thor.reading.inventory import INVENTORY_COLUMNS
from thor.reading.quirks import quirks_of
from thor.tracking.cells import RUN_FACETS

_TEXTS = ("reason", "grid_label", "calendar", "version", "parent", "checks", "warnings")
_NAMED = 3


def archive_rows(inventory: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the rows of an inventory with `run`, runs that were not read first; missing texts are empty, numbers None.

    Parameters
    ----------
    inventory : pandas.DataFrame or None
        With `thor.reading.inventory.INVENTORY_COLUMNS`; None without an archive.

    Raises
    ------
    DataError
        When a column is missing.
    """
    if inventory is None:
        return []
    if missing := [name for name in INVENTORY_COLUMNS if name not in inventory]:
        raise DataError(f"archive_inventory has no column {', '.join(missing)}. Run data_engineering again.")
    rows = []
    for row in inventory[list(INVENTORY_COLUMNS)].to_dict(orient="records"):
        known = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        known |= {name: str(known[name] or "").strip() for name in _TEXTS}
        run = "/".join(str(known[facet]) for facet in RUN_FACETS)
        # Read from CSV, a column with gaps has texts.
        rows.append(known | {"run": run, "usable": str(known["usable"]).lower() in ("true", "1", "1.0")})
    return sorted(rows, key=lambda row: row["usable"])


def model_rows(inventory: pd.DataFrame | None, expected: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row for each climate model: what was read, what was missing, and what was repaired.

    Parameters
    ----------
    inventory : pandas.DataFrame or None
        As for `archive_rows`.
    expected : mapping of str to float
        Expected accuracy of models that were tracked.

    Returns
    -------
    list of dict
        `source_id`, `n_runs`, `n_read`, `expected_accuracy` (None where it is not known), `missing`: runs that were not
        read, with the reasons; `repaired`: warnings about runs that were read; `known`: what the table of quirks states
        and corrects. The last three are texts, empty where there is nothing.
    """
    models: dict[str, list[dict[str, Any]]] = {}
    for row in archive_rows(inventory):
        models.setdefault(str(row["source_id"]), []).append(row | {"short": row["run"].split("/", 1)[1]})
    return [
        {
            "source_id": source_id,
            "n_runs": len(rows),
            "n_read": sum(row["usable"] for row in rows),
            "expected_accuracy": expected.get(source_id),
            "missing": by_reason({row["short"]: row["reason"] for row in rows if not row["usable"]}),
            "repaired": by_reason({row["short"]: row["warnings"] for row in rows if row["usable"] and row["warnings"]}),
            "known": quirks_of(source_id).reason.strip(),
        }
        for source_id, rows in sorted(models.items())
    ]


def archive_numbers(inventory: pd.DataFrame | None) -> dict[str, Any]:
    """Return the numbers of all runs and of those read, and by run the reason why not, and the checks not passed."""
    rows = archive_rows(inventory)
    return {
        "n_runs": len(rows),
        "n_read": sum(row["usable"] for row in rows),
        "not_read": {row["run"]: row["reason"] for row in rows if not row["usable"]},
        "not_passed": {row["run"]: row["checks"] for row in rows if row["checks"]},
    }


def archive_sentences(archive: Mapping[str, Any]) -> list[str]:
    """Return sentences on the runs that were read or not, and on the physical checks that are not passed."""
    sentences = []
    if archive["not_read"]:
        read, others = f"{archive['n_read']} of {archive['n_runs']} runs", by_reason(archive["not_read"])
        sentences.append(f"{read} of the archive were read; the others: {others}.")
    elif archive["n_runs"]:
        n_runs = archive["n_runs"]
        sentences.append(f"All {n_runs} runs of the archive were read." if n_runs > 1 else "The one run was read.")
    if archive["not_passed"]:
        sentences.append(f"Physical checks that were not passed: {by_reason(archive['not_passed'])}.")
    return sentences


def by_reason(runs: Mapping[str, str]) -> str:
    """Return runs with their reasons, runs with the same reason together; of many only the first."""
    together: dict[str, list[str]] = {}
    for run, reason in runs.items():
        together.setdefault(reason.rstrip("."), []).append(run)
    parts = [_some(names) + (f" ({reason})" if reason else "") for reason, names in together.items()]
    return _some(parts, separator="; ")


def _some(parts: Sequence[str], *, separator: str = ", ") -> str:
    more = len(parts) - _NAMED
    return separator.join(parts[:_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
