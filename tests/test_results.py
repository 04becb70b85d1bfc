"""The page of results: its tables are those of the script, and its other numbers those of the pages it links to."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture
def results(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    for name in ("run", "results"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("results")


def rows(text, *, after):
    """The cells of the first table below a heading."""
    lines = text.partition(f"## {after}\n")[2].split("\n#")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_tables_of_a_run_hold_its_metrics_and_replace_those_of_the_page(
    results, whole_run, tmp_path, monkeypatch, capsys
):
    root, page = whole_run[0], tmp_path / "results.md"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["results.py", "--only", "run", "--data", str(root), "--page", str(page)])
    results.main()
    written = page.read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in written
    outside = re.compile(r"(?<=<!-- run: ).*?(?=<!-- end of run -->)", re.S)
    assert outside.sub("", written) == outside.sub("", PAGE) and written != PAGE

    metrics = {
        name: json.loads((root / "08_reporting" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("clustering_metrics", "skill_metrics", "tracking_metrics")
    }
    regimes = {row[0]: row[2] for row in rows(written, after="Regimes")}
    assert regimes["`stability_ari`"] == f"{metrics['clustering_metrics']['stability_ari']:.3f}"
    head, _, *skill = rows(written, after="Skill in oceans that were left out of training")
    test = next(row for row in skill if row[0] == "test sector")
    assert test[head.index("networks")] == f"{metrics['skill_metrics']['ensemble']['test']['accuracy']:.3f}"
    head, _, *change = rows(written, after="Change where the truth is known")
    pooled = metrics["tracking_metrics"]["perfect_model"]["pooled"]["abrupt-4xCO2"]
    last = max(name for name in pooled if name != "all")
    assert last in head[0]
    brier = next(row for row in change if "brier_skill" in row[0])
    assert brier[head.index("Bayesian network")] == f"{pooled[last]['bayesian']['change']['brier_skill']:.2f}"


@pytest.mark.parametrize("table", ["Coverage of conformal sets", "Change where the truth is known", "Areas"])
def test_the_page_was_written_by_this_version_of_the_script(results, whole_run, table):
    made, found = (rows(text, after=table) for text in (results.run_tables(whole_run[0]), PAGE))
    assert made[0][1:] == found[0][1:] and [row[0] for row in made[2:]] == [row[0] for row in found[2:]]


def test_the_table_of_another_ocean_holds_the_scores_of_each_experiment(results, whole_run):
    table = results.other_models(whole_run[0])
    head, _, *found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    path = whole_run[0] / "08_reporting" / "tracking_metrics.json"
    pooled = json.loads(path.read_text(encoding="utf-8"))["perfect_model"]["pooled"]
    begins = {row[0]: number for number, row in enumerate(found) if row[0]}
    assert list(begins) == list(pooled)
    for experiment, first in begins.items():
        scores = pooled[experiment]["all"]["average"]
        area, balanced = found[first : first + 2]
        assert area[2] == f"{scores['predictor']['accuracy']:.3f}"
        assert balanced[head.index("tree")] == f"{scores['stress_curl_tree']['balanced_accuracy']:.3f}"
    brier = next(row for row in found[begins["ssp585"] :] if "brier_skill" in row[1])
    average = pooled["ssp585"]["all"]["average"]["change"]["brier_skill"]
    assert brier[head.index("networks and boosting")] == f"{average:.2f}"
    on_page = rows(PAGE, after="Trained on ECCO, tested on the idealized models")
    assert {row[1] for row in on_page[2:]} == {row[1] for row in found}


def test_the_circulation_of_mitgcm_is_that_of_the_page(results, data_mirror):
    table = results.mitgcm_table(data_mirror / "mitgcm_4deg" / "mitgcm_4deg_mean10yr.nc")
    assert results.replaced(PAGE, "mitgcm", table) == PAGE


def test_a_page_without_the_part_is_named(results):
    with pytest.raises(SystemExit, match="no part between '<!-- run: "):
        results.replaced("# Results\n", "run", "")


def test_numbers_on_ecco_stand_in_the_tables_that_they_are_taken_from():
    _, _, *found = rows(PAGE, after="ECCO")
    assert len(found) >= 10
    for _, value, command, link in found:
        assert command == "the same" or re.search(r"`(python benchmarks/\w+\.py|kedro run --env ecco)\b", command)
        page, anchor = re.search(r"\((\w+\.md)#([\w-]+)\)", link).groups()
        text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
        sections = {
            re.sub(r"[^\w -]", "", title).lower().replace(" ", "-"): body
            for title, body in re.findall(r"^#+ (.*)\n((?:(?!^#).*\n?)*)", text, re.M)
        }
        for number in re.findall(r"[+-]?\d+\.\d+", value):
            assert number in sections[anchor], f"{number} is not in {page}#{anchor}"
