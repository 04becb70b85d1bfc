"""What a run of the whole graph prints where there is no terminal."""

import re
from collections import Counter

from thor.core.run_log import LINE_WIDTH
from thor.pipeline_registry import register_pipelines

RULES = {
    "a raw float": r"\d\.\d{6,}",
    "a negative zero": r"(?<![\w.])-0(\.0+)?(?![\w.])",
    "a plural of one": r"(?<![\w./])1 (?!s\b)[a-z]+s\b(?<!ss)",
    "a list of paths": r"\w/\w\S*, \S*\w/\w",
    "advice of a plug-in": r"kedro-viz|Workflow tracking|telemetry",
    "a warning of a library": r"\w+Warning\b",
}


def complaints(text: str) -> list[str]:
    """What is wrong with the lines of a log."""
    lines = text.splitlines()
    found = [f"{len(line)} characters: {line}" for line in lines if len(line) > LINE_WIDTH]
    return found + [f"{what}: {line}" for what, rule in RULES.items() for line in lines if re.search(rule, line)]


def test_the_rules_find_what_they_are_for():
    bad = [
        "x" * 121,
        "adjusted Rand index 0.9900964865797734",
        "-0.0000 m removed from zos",
        "ended after 1 nodes",
        "written: CMIP/one.nc, CMIP/two.nc",
        "Workflow tracking is disabled",
        "RuntimeWarning: overflow",
    ]
    assert [len(complaints(line)) for line in bad] == [1] * len(bad)
    assert complaints("12:00:00 4 starts, 1 loss of 0.123 nat; -0.05 m in 21 runs of data/a.nc, 1 s left") == []


def test_each_node_is_named_when_it_starts(whole_run):
    nodes = {node.name for node in register_pipelines()["__default__"].nodes}
    started = re.findall(r"^\d\d:\d\d:\d\d \[(\d+)/(\d+)\] (\S+)$", whole_run[1].stdout, re.M)
    assert {name for *_, name in started} == nodes
    assert [(int(number), int(total)) for number, total, _ in started] == [
        (number, len(nodes)) for number in range(1, len(nodes) + 1)
    ]


def test_lines_are_short_and_plain(whole_run):
    result = whole_run[1]
    assert complaints(result.stdout) + complaints(result.stderr) == []


def test_no_warning_stands_twice(whole_run):
    """Not even with another number."""
    (log,) = (whole_run[0] / "logs").glob("run_*.log")
    warnings = re.findall(r"^\S+ \S+ WARNING +(.*)$", log.read_text(encoding="utf-8"), re.M)
    assert warnings, "the test archive has runs without baselines"
    counts = Counter(re.sub(r"(?<![\w/.-])\d[\d.]*(?![\w/-])", "#", line) for line in warnings)
    assert {line: number for line, number in counts.items() if number > 1} == {}
