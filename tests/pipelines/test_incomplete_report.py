"""Reports of thinned, incomplete and mixed results, and of a run without an archive."""

import json
import re
import shutil

import pandas as pd
import pytest

from tests.browser import Page
from tests.report_page import READY, SECTIONS, cell_shown, kedro, opened
from thor.reading.inventory import INVENTORY_COLUMNS
from thor.report.content import captions

REPAIR = "kedro run --env test --pipelines modelling,uncertainty,explainability,scenario_tracking,reporting"


@pytest.fixture(scope="module")
def root(whole_run):
    return whole_run[0]


def copied(root, tmp_path, *gone):
    """Copy a run without the files that match patterns."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("01_raw", "mlartifacts"))
    for pattern in gone:
        found = list(tmp_path.glob(pattern))
        assert found, pattern
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_thinned_grid_is_reported_and_the_run_ends_with_its_results(root, tmp_path):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("01_raw", "mlartifacts"))
    output = kedro(
        tmp_path, "--pipelines", "reporting", "--params", "reporting.max_cells=200,reporting.max_run_cells=200"
    )
    # a line of the log may go on, indented, on the next lines
    last = [" ".join(line.split()) for line in re.split(r"\n(?=\d\d:\d\d:\d\d )", output.split("write_manifest\n")[1])]
    assert 10 <= len(last) <= 18
    for part in ("Regimes: 6 in", "Skill in the Atlantic", "Change by", "Brier skill", "report.html in a browser"):
        assert any(part in line for line in last), part
    page = opened(tmp_path)
    try:
        stride = page.run("JSON.parse(document.querySelector('#report-data').textContent).ocean.grid.stride")
        assert stride > 1
        assert f"one cell of each {stride} by {stride} is shown" in page.run(
            "document.querySelector('#explorer').innerText"
        )
        for model in ("IDEAL-LAND", "IDEAL-REG"):
            page.choose("#a-model", model)
            stride = page.run(
                f"JSON.parse(document.querySelector('#report-data').textContent).scenarios.grids['{model}'].stride"
            )
            caption = page.run("document.querySelector('#a-caption').innerText")
            assert f"one cell of each {stride} by {stride} is shown" in caption
    finally:
        page.close()


@pytest.fixture(scope="module")
def without_archive(root, tmp_path_factory):
    """A run whose archive is gone, as on ECCO without a CMIP6 archive: nothing to track is no error."""
    folder = tmp_path_factory.mktemp("without_archive")
    shutil.copytree(root, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("archive", "mlartifacts"))
    for gone in ("04_feature/scenario_features", "01_raw/true_budgets"):
        shutil.rmtree(folder / gone)
    kedro(folder, "--pipelines", "scenario_tracking,reporting")
    return folder


def test_without_an_archive_an_empty_tracking_is_no_error(without_archive):
    """What an earlier archive left is removed."""
    assert not list((without_archive / "07_model_output/scenario_regimes").rglob("*.nc"))
    assert not list((without_archive / "07_model_output/model_agreement").rglob("*.nc"))
    for name in ("08_reporting/regime_areas.csv", "08_reporting/regime_transitions.csv"):
        table = pd.read_csv(without_archive / name)
        assert table.empty and {"source_id", "window", "predictor", "regime"} <= set(table.columns)
    assert pd.read_csv(without_archive / "07_model_output/change_attribution.csv").empty
    metrics = json.loads((without_archive / "08_reporting/tracking_metrics.json").read_text())
    assert metrics["runs"] == metrics["summary"] == metrics["agreement"] == {}
    assert metrics["perfect_model"]["runs"] == {}


def test_without_an_archive_the_report_states_it(without_archive):
    file = without_archive / "08_reporting/report.html"
    assert "No archive of climate models is configured" in file.read_text()
    page = opened(without_archive)
    try:
        assert page.errors == []
        assert page.run("document.querySelector('#a-map')") is None
        page.click("#ocean-map", across=0.55, down=0.45)
        assert re.search(r"°", cell_shown(page)[1])
    finally:
        page.close()


@pytest.fixture(scope="module")
def mixed_root(root, tmp_path_factory):
    """A folder with new regimes and old networks, and what the two runs that made it and its report printed."""
    folder = tmp_path_factory.mktemp("mixed")
    copied(root, folder)
    clustering = kedro(folder, "--pipelines", "regime_clustering", "--params", "regime_clustering.runs.n_clusters=15")
    return folder, clustering, kedro(folder, "--pipelines", "reporting")


def sections(page):
    found = page.run("[...document.querySelectorAll('main > section')].map(s => s.id)")
    assert page.run("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))") == found
    return found


def notes(page):
    return page.run("[...document.querySelectorAll('.left-out')].map(p => p.innerText)")


def test_without_explainability_all_else_is_reported(root, tmp_path):
    """A user interested only in regimes of climate models runs no explanations."""
    explanations = ("relevance.nc", "shapley_values.nc", "lime_weights.nc")
    gone = [
        "08_reporting/explanation_metrics.json",
        "08_reporting/figures/explainability_*.png",
        "08_reporting/figures/supplement",
    ]
    copied(root, tmp_path, *gone, *(f"07_model_output/{name}" for name in explanations))
    output = kedro(tmp_path, "--pipelines", "reporting")
    assert "Not computed in this run: explanations (pipeline explainability)." in output
    page = opened(tmp_path)
    try:
        assert sections(page) == [name for name in SECTIONS if name != "explanations"]
        assert notes(page) == ["Not computed in this run: explanations (pipeline explainability)."]
        page.click("#ocean-map", across=0.55, down=0.45)
        assert "Conformal set" in page.run("document.querySelector('#cell-text').innerText")
        assert page.run("document.querySelector('#chart-attributions')") is None
        assert page.run("document.querySelectorAll('#chart-probabilities svg').length") > 0
        for k in range(page.run("document.querySelector('#ocean-layer').options.length")):
            page.choose("#ocean-layer", k)
        page.choose("#a-model", "IDEAL-REG")
        assert page.errors == []
    finally:
        page.close()


def test_regimes_and_networks_alone_make_a_report(root, tmp_path):
    gone = ("explanation", "tracking", "calibration", "bayesian_skill", "clustering")
    copied(
        root,
        tmp_path,
        *(f"08_reporting/{name}_metrics.json" for name in gone),
        "08_reporting/regime_areas.csv",
        *(
            "08_reporting/figures/supplement",
            "08_reporting/figures/explainability_*",
            "08_reporting/figures/uncertainty_*",
        ),
        *("08_reporting/figures/scenario_tracking_*", "08_reporting/figures/modelling_skill.png"),
        *(f"07_model_output/{name}.nc" for name in ("relevance", "shapley_values", "lime_weights")),
        *("07_model_output/regime_uncertainty.nc", "07_model_output/regime_balances.nc"),
        "07_model_output/scenario_regimes",
    )
    kedro(tmp_path, "--pipelines", "reporting")
    page = opened(tmp_path)
    try:
        gone = ("uncertainty", "explanations")
        assert sections(page) == [name for name in SECTIONS if name not in gone]
        (note,) = notes(page)
        assert note == (
            "Not computed in this run: clustering scores and balances (pipeline regime_clustering); calibration and "
            "uncertainty (pipeline uncertainty); explanations (pipeline explainability); scenarios of climate models "
            "(pipeline scenario_tracking); modelling_skill (pipeline modelling)."
        )
        assert "Scenarios were not tracked" in page.run("document.querySelector('#scenarios').innerText")
        assert page.run("[...document.querySelector('#ocean-layer').options].map(o => o.label)") == [
            "Regime (clustering)",
            "Clustering runs that agree",
            "Use of the cell in training",
        ]
        page.click("#ocean-map", across=0.55, down=0.45)
        assert "Clustering assigns it to" in page.run("document.querySelector('#cell-text').innerText")
        assert page.run("document.querySelector('#cell-features tbody').rows.length") == 8
        assert page.errors == []
    finally:
        page.close()
    summary = json.loads((tmp_path / "08_reporting/summary.json").read_text())
    assert summary["calibration"] == summary["uncertainty"] == summary["explanations"] == {}
    assert summary["n_tracked"] is None


def test_what_is_older_than_its_networks_is_not_shown(root, tmp_path):
    copied(root, tmp_path)
    file = tmp_path / "logs/run_record.json"
    record = json.loads(file.read_text())
    for node in record["nodes"].values():  # all that depends on the networks, but for explanations, came later
        if node["pipeline"] in ("modelling", "uncertainty", "scenario_tracking"):
            node |= {"run": "a later one", "finished": "2999-01-01T00:00:00+00:00"}
    file.write_text(json.dumps(record))
    output = kedro(tmp_path, "--pipelines", "reporting")
    assert "Left out" not in output, "networks of the same content"
    for entry in record["datasets"].values():  # explanations were made from other networks
        if "ensemble" in entry["made_from"] and record["nodes"][entry["node"]]["pipeline"] == "explainability":
            entry["made_from"]["ensemble"] = "0" * 64
    file.write_text(json.dumps(record))
    output = kedro(tmp_path, "--pipelines", "reporting")
    expected = "Left out, because their input was made again later: explanations (pipeline explainability)."
    assert expected in output
    summary = json.loads((tmp_path / "08_reporting/summary.json").read_text())
    assert summary["explanations"] == {} and summary["calibration"] != {}
    index = json.loads((tmp_path / "08_reporting/figures/index.json").read_text())
    assert not any(name.startswith("explainability") for name in index) and "uncertainty_maps" in index
    text = (tmp_path / "08_reporting/report.html").read_text()
    assert text.count(expected.replace("'", "&#39;")) == 1 and 'id="explanations"' not in text


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)], ids=["laptop", "phone"])
def test_results_that_do_not_belong_together_are_named_in_red_on_the_first_screen(mixed_root, width, height):
    page = Page(width=width, height=height)
    try:
        page.open(mixed_root[0] / "08_reporting/report.html", ready=READY)
        notice = "document.querySelector('.mixed')"
        top, bottom = page.run(f"(r => [r.top, r.bottom])({notice}.getBoundingClientRect())")
        assert 0 < top < bottom <= height
        red, green, blue = map(int, re.findall(r"\d+", page.run(f"getComputedStyle({notice}).color"))[:3])
        assert red > 2 * max(green, blue)
        first, second, _ = page.run(f"[...{notice}.children].map(p => p.innerText)")
        assert first.startswith("Results that do not belong together: ensemble, bayesian_network, calibration_model, ")
        assert "made from other versions of regimes, regime_model, true_regimes than those in the folder" in first
        assert re.search(r"06_models/ensemble \(of .*\) was made from another 05_model_input/regimes.nc \(of ", second)
        assert page.run(f"{notice}.querySelector('code').innerText") in REPAIR
        marked = "[...document.querySelectorAll('.findings div')].map(e => e.innerText.includes('do not belong'))"
        assert page.run(marked) == [False, True], (
            "the map is that of the present regimes, the skill of the earlier ones"
        )
        consistent = "[...document.querySelectorAll('#manifest tr')].find(r => r.innerText.startsWith('Consistent'))"
        assert first in page.run(f"{consistent}.innerText") and page.errors == []
    finally:
        page.close()


def test_a_run_on_mixed_results_warns_at_its_start_and_its_end(mixed_root):
    clustering, reporting = (" ".join(output.split()) for output in mixed_root[1:])
    assert "belong together" not in clustering.split("[1/10]")[0], "it makes both regimes and their model again"
    for output in (clustering, reporting):
        end = output.split("results in")[1]
        assert "Results that do not belong together: ensemble, bayesian_network, calibration_model, " in end
        assert "06_models/ensemble" in end and "05_model_input/regimes.nc" in end and REPAIR.split("--")[-1] in end
    assert "belong together" in reporting.split("[1/4]")[0]


def test_missing_required_inputs_of_the_report_are_named(root, tmp_path):
    copied(root, tmp_path, "08_reporting/skill_metrics.json", "05_model_input/split.nc")
    with pytest.raises(AssertionError) as output:
        kedro(tmp_path, "--pipeline", "reporting")
    assert "Input 'skill_metrics' (and 1 more) is missing" in str(output.value)
    assert "kedro run --env test --pipelines modelling" in " ".join(str(output.value).split())


def test_the_archive_stands_in_the_report_with_what_was_not_read(root, tmp_path):
    copied(root, tmp_path)
    columns = dict.fromkeys(INVENTORY_COLUMNS, "") | {
        "variant_label": "r1i1p1f1",
        "first_year": 1850,
        "last_year": 1857,
    }
    rows = [columns | {"source_id": f"M{k}", "experiment_id": "historical", "usable": k > 1} for k in range(16)]
    rows[0]["reason"] = rows[1]["reason"] = "no file of 'tauuo'"
    rows[5]["checks"] = "<b>the stress has the wrong sign</b>"
    pd.DataFrame(rows).to_csv(tmp_path / "08_reporting/archive_inventory.csv", index=False)
    file = tmp_path / "08_reporting/tracking_metrics.json"
    metrics = json.loads(file.read_text())
    run = "IDEAL-REG/abrupt-4xCO2/r1i1p1f1"
    metrics["plausibility"][run]["average"]["objections"] = ["SO covers 93% of the ocean, 12% of the training ocean"]
    metrics["not_judged"][run] = "there is no control run of IDEAL-REG"
    file.write_text(json.dumps(metrics))
    kedro(tmp_path, "--pipelines", "reporting")
    page = opened(tmp_path)
    try:
        first = page.run("document.querySelector('#summary .check b').innerText")
        assert first == "To check first"
        caveats = page.run("[...document.querySelector('#summary .sentences').children].map(e => e.innerText)")
        assert "Physical checks that were not passed." in page.run("document.querySelector('#scenarios').innerText")
        assert caveats == [
            "14 of 16 runs of the archive were read; the others: M0/historical/r1i1p1f1, M1/historical/r1i1p1f1 (no "
            "file of 'tauuo').",
            "Physical checks that were not passed: M5/historical/r1i1p1f1 (<b>the stress has the wrong sign</b>).",
            f"The regimes of 1 of 22 runs are implausible as a whole: {run} (SO covers 93% of the ocean, 12% of the "
            "training ocean). Check sign, units and grid of their stress, sea level and depth.",
            f"Changes are not tested against internal variability without control windows: {run} (there is no "
            "control run of IDEAL-REG).",
        ]
        text = page.run("document.querySelector('#scenarios').innerText")
        assert "Implausible as a whole." in text and "there is no control run of IDEAL-REG" in text
        unread = page.run("[...document.querySelectorAll('table.unread tbody tr')].map(r => r.innerText)")
        assert unread == [f"M{k}/historical/r1i1p1f1\tno file of 'tauuo'" for k in (0, 1)]
        assert page.run("document.querySelector('table.unread').offsetHeight") > 0
        details = "[...document.querySelectorAll('#scenarios details')].at(-1)"
        assert page.run(f"[{details}.open, {details}.querySelector('tbody').rows.length]") == [False, 14]
        assert page.errors == []
    finally:
        page.close()


def test_single_figures_that_are_missing_are_named(root, tmp_path):
    copied(root, tmp_path, "08_reporting/figures/modelling_skill.png", "08_reporting/figures/uncertainty_maps.png")
    output = kedro(tmp_path, "--pipeline", "reporting")
    assert "Not computed in this run: uncertainty_maps (pipeline uncertainty); modelling_skill (pipeline mo" in output
    text = (tmp_path / "08_reporting/report.html").read_text()
    assert "modelling_skill (pipeline modelling)" in text and captions()["modelling_skill"].alt not in text
