"""The manifest of a report: whether all files are from one commit, seed and set of parameters."""

import pytest

from thor.report.manifest import manifest

RUN = {"git": "abc", "seed": 1, "parameters": {"modelling": {"n": 1}, "uncertainty": {"m": 2}}}


def record(**received):
    """A record of one dataset made here and one handed over by the run given."""
    made = {"node": "label", "run": "run_1", "bytes": 1}
    got = {"node": None, "run": None, "bytes": 1, "made_by": {"node": "train", **received}}
    node = {"run": "run_1", "finished": "2026-01-01T10:00:00+00:00", "seconds": 1.0, "peak_memory_mb": 2.0}
    return {"runs": {"run_1": RUN}, "nodes": {"label": node}, "datasets": {"regimes": made, "ensemble": got}}


@pytest.mark.parametrize(
    ("sender", "differences"),
    [
        ({}, []),
        ({"parameters": {"modelling": {"n": 1}}}, []),  # a sender names the parameters of the stage alone
        ({"parameters": {"modelling": {"n": 3}}}, ["parameters"]),
        ({"seed": 2}, ["seed"]),
        ({"seed": 2, "git": "def"}, ["git", "seed"]),
    ],
)
def test_the_run_of_a_sender_is_compared(sender, differences):
    found = manifest(record(run=RUN | sender))
    assert (found["differences"], found["makers_known"]) == (differences, True)


def test_a_sender_without_a_run_is_not_known():
    found = manifest(record(run=None))
    assert (found["differences"], found["makers_known"]) == ([], False)


def test_the_report_of_an_earlier_commit_makes_no_difference():
    found = record(run=RUN)
    found["runs"]["run_0"] = RUN | {"git": "old"}
    for name in ("manifest", "report"):
        found["datasets"][name] = {"node": f"write_{name}", "run": "run_0", "bytes": 1}
        found["nodes"][f"write_{name}"] = found["nodes"]["label"] | {"run": "run_0"}
    assert manifest(found)["differences"] == []
    found["datasets"]["features"] = {"node": "compute", "run": "run_0", "bytes": 1}
    assert manifest(found)["differences"] == ["git"]
