"""The table of metrics (`metrics.yml`) as Python: meaning, units, range, perfect value and direction of each number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from thor.core.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Metric:
    """What a number means and what it can be; None where there is no bound, no best value, no better direction."""

    meaning: str
    units: str = "1"
    minimum: float | None = None
    maximum: float | None = None
    perfect: float | None = None
    higher_is_better: bool | None = None
    label: str = ""


Metrics = Mapping[str, Metric]
"""By the end of the path to a number: `coverage`, or `f1.<regime>` where any name may stand for `<regime>`."""

_KINDS: dict[str, dict[str, Any]] = {
    "share": {"minimum": 0, "maximum": 1},
    "count": {"minimum": 0},
    "area": {"units": "m2", "minimum": 0},
    "text": {"units": ""},
}
_KEYS = ("kind", *(field.name for field in fields(Metric)))


def metrics(section: str) -> Metrics:
    """Return the metrics of a section of the table, in its order.

    Raises
    ------
    DataError
        When the table has no such section.
    """
    sections = _table()[1]
    _require(section, sections, "sections")
    return sections[section]


def metric_tables() -> dict[str, Metrics]:
    """Return the metrics of each file of metrics, by the name of its dataset."""
    return {name: metrics(section) for name, section in _table()[0].items()}


def read_sections(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Metrics]:
    """Return the metrics of each section of a table in the form of `metrics.yml`.

    Parameters
    ----------
    table : mapping
        {section: {metric: row}}. A section refers only to those above it.

    Raises
    ------
    DataError
        When a row has an unknown key or kind, has no meaning, or refers to a section or row that is not above it.
    """
    sections: dict[str, Metrics] = {}
    for section, rows in table.items():
        found: dict[str, Metric] = {}
        for name, row in rows.items():
            where = f"{section}, {name}"
            if name == "include":
                for other in row:
                    _require(other, sections, where)
                    found |= sections[other]
            elif "of" in row:
                found[name] = _referred(name, row, sections, where)
            else:
                found[name] = _metric(row, where)
        sections[section] = found
    return sections


@cache
def _table() -> tuple[dict[str, str], dict[str, Metrics]]:
    table = yaml.safe_load(files("thor.core").joinpath("metrics.yml").read_text(encoding="utf-8"))
    return table.pop("files"), read_sections(table)


def _referred(name: str, row: Mapping[str, str], sections: Mapping[str, Metrics], where: str) -> Metric:
    for key in row:
        _require(key, ("of", "row"), where)
    _require(row["of"], sections, where)
    source = sections[row["of"]]
    source_name = row.get("row", name)
    _require(source_name, source, where)
    return source[source_name]


def _metric(row: Mapping[str, Any], where: str) -> Metric:
    for key in row:
        _require(key, _KEYS, where)
    _require("meaning", row, where)
    values = dict(row)
    if "kind" in row:
        _require(row["kind"], _KINDS, where)
        values = _KINDS[values.pop("kind")] | values
    return Metric(**values)


def _require(name: str, valid: Iterable[str], where: str) -> None:
    valid = tuple(valid)
    if name not in valid:
        raise DataError(f"metrics.yml, {where}: '{name}' is missing or unknown.{did_you_mean(name, valid)}")
