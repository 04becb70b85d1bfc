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


def leaves(tree, path=()):
    """Every number of a file and its path; rows of a table have that of the table."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        for value in tree:
            yield from leaves(value, path)
    else:
        yield path, tree


def _ends_with(path: Sequence[str], end: Sequence[str]) -> bool:
    if len(end) > len(path):
        return False
    pairs = zip(path[len(path) - len(end) :], end, strict=True)
    return all(wanted == key or ("<" in wanted and _pattern(wanted).fullmatch(key)) for key, wanted in pairs)


@cache
def _pattern(wanted: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\w+>", ".+", wanted))
