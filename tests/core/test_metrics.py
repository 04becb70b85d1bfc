"""Descriptions of metrics: found by the end of their path, with valid ranges."""

import pytest

from tests.metric_tables import find_metric
from thor.core.metrics import Metric, share
from thor.report.metric_tables import METRIC_TABLES

TABLE = {"value": Metric("any"), "f1.<regime>": share("of a regime"), "skill.value": Metric("of the skill")}
TABLE["area_<place>"] = share("by size")


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("ensemble/test/value", "any"),
        ("value", "any"),
        ("a/skill/value", "of the skill"),
        ("a/f1/SO", "of a regime"),
        ("area_12", "by size"),
    ],
)
def test_the_longest_end_of_the_path_decides(path, meaning):
    assert find_metric(path.split("/"), TABLE).meaning == meaning


@pytest.mark.parametrize("path", ["f1", "value/x", "SO"])
def test_what_is_in_no_table_is_not_described(path):
    assert find_metric(path.split("/"), TABLE) is None


@pytest.mark.parametrize("name", METRIC_TABLES)
def test_ranges_hold_the_perfect_value_and_directions_point_to_it(name):
    for key, metric in METRIC_TABLES[name].items():
        low = -float("inf") if metric.minimum is None else metric.minimum
        high = float("inf") if metric.maximum is None else metric.maximum
        assert metric.meaning, key
        assert low < high, key
        if metric.perfect is not None:
            assert low <= metric.perfect <= high, key
            if metric.higher_is_better is not None and {low, high} & {metric.perfect}:
                assert metric.perfect == (high if metric.higher_is_better else low) or key == "mean_set_size", key
