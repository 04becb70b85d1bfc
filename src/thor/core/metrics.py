"""Meaning of the numbers in files of metrics: units, range, perfect value and orientation.

Each module that makes metrics has a table of them; `thor.report.metric_tables` has the table of each file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import yaml


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


def share(meaning: str, *, perfect: float | None = None, higher_is_better: bool | None = None) -> Metric:
    """Return a number between 0 and 1."""
    return Metric(meaning, "1", 0, 1, perfect, higher_is_better)


def count(meaning: str) -> Metric:
    """Return a number of things, which is neither good nor bad."""
    return Metric(meaning, "1", 0)


def area(meaning: str) -> Metric:
    """Return an area, which is neither good nor bad."""
    return Metric(meaning, "m2", 0)


def text(meaning: str) -> Metric:
    """Return what is no number: a name, or a list of names."""
    return Metric(meaning, "")


_KINDS: Mapping[str, Callable[..., Metric]] = {
    "number": Metric,
    "share": share,
    "count": count,
    "area": area,
    "text": text,
}


def read_metrics(package: str) -> Metrics:
    """Return the metrics in the file `metrics.yml` of a package.

    Each row starts with the kind (number, share, count, area or text) and the meaning; fields of `Metric` that differ
    from those of the kind follow.
    """
    rows = yaml.safe_load(files(package).joinpath("metrics.yml").read_text(encoding="utf-8"))
    metrics = {}
    for name, row in rows.items():
        (kind, meaning), *others = row.items()
        metrics[name] = _KINDS[kind](meaning, **dict(others))
    return metrics
