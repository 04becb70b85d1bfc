"""Which parts of a report are left out: absent or older than their inputs; and the sentences about them."""

import pytest

from thor.report.content import captions
from thor.report.parts import NOTHING, REPORT_PARTS, LeftOut, left_out_sentences, select

EARLY, LATE = "2026-01-01T10:00:00+00:00", "2026-01-01T11:00:00+01:00"
"""The second is written as later, and is the same moment."""
LATER = "2026-01-01T12:00:00+00:00"


def record(**made):
    """What the hooks keep: by dataset its run and time, each made by a different node."""
    return {
        "datasets": {name: {"node": f"make_{name}"} for name in made} | {"regimes": {"node": None}},
        "nodes": {f"make_{name}": {"run": run, "finished": time} for name, (run, time) in made.items()},
    }


def test_what_is_there_and_newer_than_its_source_is_kept():
    found = {"relevance": 1, "explanation_metrics": {}, "features": 2}
    kept, left = select(found, record(ensemble=("a", EARLY), relevance=("b", LATER)))
    assert (kept, left) == (found, NOTHING)


@pytest.mark.parametrize(
    ("ensemble", "relevance", "outdated"),
    [
        (("b", LATER), ("a", EARLY), True),
        (("b", EARLY), ("a", LATER), False),
        (("a", LATER), ("a", EARLY), False),  # in one run what is made last may be listed first
        (("b", LATE), ("a", EARLY), False),  # the same moment
    ],
)
def test_what_is_older_than_its_source_is_out_of_date(ensemble, relevance, outdated):
    kept, left = select({"relevance": 1, "features": 2}, record(ensemble=ensemble, relevance=relevance))
    assert (kept["relevance"] is None) == outdated
    assert kept["features"] == 2
    assert left == LeftOut((), ("relevance",) if outdated else ())


def test_of_what_was_handed_over_no_time_is_known():
    made = record(ensemble=("b", LATER), relevance=("a", EARLY))
    made["datasets"]["relevance"]["node"] = None
    assert select({"relevance": 1}, made)[1] == NOTHING
    assert select({"relevance": 1}, {})[1] == NOTHING


def test_figures_belong_to_their_pipeline():
    made = record(ensemble=("b", LATER), explainability_cell=("a", EARLY), modelling_skill=("a", EARLY))
    kept, left = select({"explainability_cell": b"1", "modelling_skill": b"2"}, made)
    assert kept == {"explainability_cell": None, "modelling_skill": b"2"}
    assert left == LeftOut((), ("explainability_cell",))
    assert all(name.startswith((*REPORT_PARTS, "data_engineering", "modelling")) for name in captions())


def test_figures_that_are_not_shown_are_distinguished_by_the_record():
    shown = [name for name in captions() if name not in ("explainability_cell", "modelling_skill")]
    made = record(ensemble=("b", LATER), explainability_cell=("a", EARLY))
    assert select({}, made, figures=shown)[1] == LeftOut(("modelling_skill",), ("explainability_cell",))


def test_an_empty_collection_is_absent_only_where_nothing_was_tracked():
    assert select({"scenario_regimes": {}, "tracking_metrics": {"runs": {}}}, {})[1] == NOTHING
    assert select({"scenario_regimes": {}, "tracking_metrics": None}, {})[1].missing == (
        "tracking_metrics",
        "scenario_regimes",
    )


def test_whole_parts_have_their_title_and_single_datasets_their_name():
    everything = [name for part in REPORT_PARTS.values() for name in (*part.numbers, *part.fields)]
    assert left_out_sentences(NOTHING) == []
    assert left_out_sentences(LeftOut([*everything, "modelling_skill"])) == [
        "Not computed in this run: clustering scores and balances (pipeline regime_clustering); calibration and "
        "uncertainty (pipeline uncertainty); explanations (pipeline explainability); scenarios of climate models "
        "(pipeline scenario_tracking); modelling_skill (pipeline modelling)."
    ]
    assert left_out_sentences(LeftOut(["lime_weights", "explainability_cell"])) == [
        "Not computed in this run: lime_weights, explainability_cell (pipeline explainability)."
    ]
    (sentence,) = left_out_sentences(LeftOut((), ["explanation_metrics", "relevance"]))
    assert sentence == ("Left out, because their input was made again later: explanations (pipeline explainability).")


def test_two_are_put_together():
    assert LeftOut(("b", "a"), ("c",)) | LeftOut(("a",), ()) == LeftOut(["a", "b"], ["c"])
