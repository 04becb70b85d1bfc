"""The metric that the tables give for a number in a file of metrics."""

import re
from collections.abc import Sequence
from functools import cache

from thor.core.metrics import Metric, Metrics


def find_metric(path: Sequence[str], metrics: Metrics) -> Metric | None:
    """Return the metric at the end of a path, by the longest end of the path in the table; None if there is none.

    Parameters
    ----------
    path : sequence of str
        Keys from the top of a file to the number, such as ``["ensemble", "test", "f1", "SO"]``.
    metrics : mapping of str to Metric
    """
    fitting = [key for key in metrics if _ends_with(path, key.split("."))]
    return metrics[max(fitting, key=lambda key: key.count("."))] if fitting else None


def _ends_with(path: Sequence[str], end: Sequence[str]) -> bool:
    if len(end) > len(path):
        return False
    pairs = zip(path[len(path) - len(end) :], end, strict=True)
    return all(wanted == key or ("<" in wanted and _pattern(wanted).fullmatch(key)) for key, wanted in pairs)


@cache
def _pattern(wanted: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\w+>", ".+", wanted))
