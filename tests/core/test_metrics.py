"""The table of metrics: rows found by the end of their path, with valid ranges; errors in rows are reported."""

import pytest

from tests.metric_tables import find_metric
from thor.core.errors import DataError
from thor.core.metrics import Metric, metric_tables, metrics, read_sections

TABLE = {"value": Metric("any"), "f1.<regime>": Metric("of a regime"), "skill.value": Metric("of the skill")}
TABLE["area_<place>"] = Metric("by size")


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


@pytest.mark.parametrize("name", metric_tables())
def test_ranges_hold_the_perfect_value_and_directions_point_to_it(name):
    for key, metric in metric_tables()[name].items():
        low = -float("inf") if metric.minimum is None else metric.minimum
        high = float("inf") if metric.maximum is None else metric.maximum
        assert metric.meaning, key
        assert low < high, key
        if metric.perfect is not None:
            assert low <= metric.perfect <= high, key
            if metric.higher_is_better is not None and {low, high} & {metric.perfect}:
                assert metric.perfect == (high if metric.higher_is_better else low) or key == "mean_set_size", key


def test_rows_have_the_values_of_their_kind_and_rows_of_other_sections_keep_their_place():
    table = {
        "first": {"share": {"meaning": "of the area", "kind": "share"}, "area": {"meaning": "all", "kind": "area"}},
        "second": {
            "name": {"meaning": "of the region", "kind": "text"},
            "include": ["first"],
            "gain": {"of": "first", "row": "share"},
            "count": {"meaning": "cells", "kind": "count", "label": "Cells"},
        },
    }
    sections = read_sections(table)
    assert list(sections["second"]) == ["name", "share", "area", "gain", "count"]
    assert sections["second"]["share"] == sections["second"]["gain"] == Metric("of the area", "1", 0, 1)
    assert sections["second"]["area"] == Metric("all", "m2", 0)
    assert sections["second"]["name"] == Metric("of the region", "")
    assert sections["second"]["count"] == Metric("cells", "1", 0, label="Cells")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"n": {"meaning": "cells", "unit": "1"}}, "second, n: 'unit' .* Did you mean 'units'"),
        ({"n": {"meaning": "cells", "kind": "counts"}}, "second, n: 'counts' .* Did you mean 'count'"),
        ({"n": {"meanin": "cells"}}, "second, n: 'meanin' .* Did you mean 'meaning'"),
        ({"n": {"units": "1"}}, "second, n: 'meaning' is missing"),
        ({"n": {"of": "frist"}}, "second, n: 'frist' .* Did you mean 'first'"),
        ({"n": {"of": "first", "row": "n_cell"}}, "second, n: 'n_cell' .* Did you mean 'n_cells'"),
        ({"n": {"of": "first", "rows": "n_cells"}}, "second, n: 'rows' .* Did you mean 'row'"),
        ({"include": ["firsts"]}, "second, include: 'firsts' .* Did you mean 'first'"),
    ],
)
def test_an_error_in_a_row_is_reported_with_the_nearest_valid_word(row, message):
    with pytest.raises(DataError, match=message):
        read_sections({"first": {"n_cells": {"meaning": "cells", "kind": "count"}}, "second": row})


def test_an_unknown_section_is_reported_with_the_nearest_one():
    with pytest.raises(DataError, match="'skil' .* Did you mean 'skill'"):
        metrics("skil")
