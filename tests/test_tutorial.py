"""The tutorial, followed word by word in the test environment; its numbers are those of the default run.

Elsewhere: that its commands are valid and its links resolve (`test_docs`), the red notice of mixed results and every
control of the report (`pipelines/test_report`), Kedro-Viz and MLflow (`pipelines/test_whole_graph`), and misspelt keys
(`app/test_cli`).
"""

import json
import os
import re
import shutil
import subprocess
from itertools import pairwise

import pytest
import yaml
from kedro.framework.project import configure_project

from tests.kedro_runs import PROJECT as REPOSITORY
from tests.kedro_runs import kedro
from tests.test_results import rows
from thor.app.configuration import default_configuration
from thor.app.mlflow_store import open_store
from thor.app.parameters import MODELS
from thor.app.run import whole_name
from thor.core.settings import validate
from thor.ocean.features import features
from thor.ocean.idealized.training import idealized_training_ocean
from thor.pipeline_registry import register_pipelines
from thor.reading.training_ocean import harmonise

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
RESULTS = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [
    line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line and not line.startswith("#")
]
CLUSTERING = "kedro run --pipeline regime_clustering --params regime_clustering.runs.n_clusters=30"
REST = (
    "kedro run --pipelines modelling,uncertainty,explainability,scenario_tracking,reporting"
    " --params regime_clustering.runs.n_clusters=30"
)
NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
PIPELINES = register_pipelines()


def steps() -> list[list[str]]:
    """What happens, its pipeline and the line that it prints, for each row of the first table."""
    table = PAGE.partition("| what happens |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def quoted() -> list[str]:
    """The log lines that the page quotes, without their times."""
    (log,) = (block for kind, block in BLOCKS if kind == "text")
    of_steps = [line for _, _, cell in steps() for line in re.findall(r"`([^`]+)`", cell)]
    return [*(line.partition(" ")[2] for line in log.splitlines()), *of_steps]


# -- run it ------------------------------------------------------------------------------------------------------------
def test_the_commands_are_those_that_this_test_follows():
    followed = [
        *("git clone <address of the repository> thor", "cd thor", "make run"),
        *("source .venv/bin/activate", CLUSTERING, REST),
        *(
            "kedro viz run --no-browser",
            "kedro viz build --include-previews",
            "python -m http.server --directory build",
        ),
        "mlflow ui",
    ]
    assert followed == COMMANDS
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (target,) = re.findall(r"^run: .*\n((?:\t.*\n)+)", makefile, re.M)
    assert target == "\t@$(BIN)/kedro run\n", "`make run` is the run of the fixture `whole_run`, in another environment"
    assert "\nVENV := .venv\nBIN := $(VENV)/bin\n" in makefile


def test_a_row_of_the_first_table_is_a_pipeline_of_the_default_run_in_its_order():
    named = [re.fullmatch(r"`(\w+)`", pipeline).group(1) for _, pipeline, _ in steps()]
    whole = {node.name for node in PIPELINES["__default__"].nodes}
    assert {node.name for name in named for node in PIPELINES[name].nodes} == whole
    for earlier, later in pairwise(named):
        made = PIPELINES[later].all_outputs()
        assert not made & PIPELINES[earlier].inputs() or earlier == "idealized_ocean", f"{later} before {earlier}"
    assert f"each of the {len(whole)}\nsteps" in PAGE and f"/{len(whole)}] " in PAGE
    assert "eight boxes" in PAGE and len(named) == 8


@pytest.mark.parametrize("line", quoted())
def test_a_run_prints_the_line_in_the_form_shown(whole_run, line):
    form = re.sub(NUMBER, lambda _: "#", line)
    # "1 group" and "2 groups"; a step that is fast here has no line when it ends
    form = re.escape(form).replace(r"\#", NUMBER).replace("group,", "groups?,")
    printed = " ".join(re.sub(r"^\d\d:\d\d:\d\d ", "", whole_run[1].stdout, flags=re.M).split())
    if line.endswith(" s") and ": done in " in line:
        form = NUMBER.join([r"\w+\.\w+: done in ", " s"])
    assert re.search(form, printed), form


def test_numbers_of_the_log_are_those_of_the_results():
    text = " ".join(quoted())
    regimes = {row[0]: row[2] for row in rows(RESULTS, after="Regimes")}
    head, _, *skill = rows(RESULTS, after="Skill in oceans that were left out of training")
    first = next(number for number, row in enumerate(skill) if row[0] == "test sector")
    scores = {row[1]: row[head.index("networks")] for row in skill[first : first + 4]}
    assert f"adjusted Rand index {regimes['`stability_ari`']}" in text
    assert f"accuracy {scores['accuracy']}, negative log-likelihood {scores['NLL (nat)']} nat" in text
    n_runs, n_windows = re.search(r"; (\d+) runs and (\d+) windows of 3 climate models", RESULTS).groups()
    assert f"reading {n_runs} runs, {n_windows} windows in all" in text and f"the truth of {n_runs} is known" in text
    assert f"clustered {regimes['`n_runs`']} times" in PAGE and f"{regimes['`n_runs`']} runs in 1 group" in text


def test_the_settings_of_the_default_run_are_those_of_the_page():
    settings = validate(default_configuration()["parameters"], MODELS)
    ocean, archive = settings["idealized_ocean"].training_ocean, settings["idealized_ocean"].archive
    engineering, modelling = settings["data_engineering"], settings["modelling"]
    assert f"solved at {ocean.resolution_degrees:g} degrees, and three climate models" in PAGE
    assert len(archive.models) == 3
    assert tuple(archive.experiments) == ("piControl", "historical", "ssp585", "abrupt-4xCO2")
    assert f"windows of {engineering.windows.length_years} years" in PAGE and engineering.windows.length_years == 20
    assert "Fifty networks" in PAGE and f"{modelling.training.n_networks} networks, " in PAGE
    (region,) = modelling.split.test_regions
    assert (region.name, region.south, region.north) == ("atlantic", -90, 90)
    # 18 runs: of each model the control and abrupt-4xCO2 runs and the members of the others; one more at 2 K
    n_runs = 2 + archive.historical_members + archive.scenario_members
    assert f"{len(archive.models) * (n_runs + len(engineering.windows.warming_levels))} runs, " in PAGE

    made = harmonise(idealized_training_ocean(ocean, seed=settings["idealized_ocean"].seed))
    options = {name: getattr(engineering, name) for name in ("stress_curl", "metric", "reference_density")}
    found = features(
        made,
        **options,
        extended=engineering.extended_features,
        neighbourhood_radii_km=engineering.neighbourhood_radii_km,
        polar_filter=False,
    )
    assert f"{int(found['valid'].sum())} cells" in PAGE


# -- read the report ---------------------------------------------------------------------------------------------------
def test_the_sections_of_the_report_stand_in_the_order_of_the_page(whole_run):
    html = (whole_run[0] / "08_reporting" / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r'<a href="#\w+">([^<]+)</a>', html.partition("<nav")[2].partition("</nav>")[0])
    listed = PAGE.partition("## Read the report")[2].partition("\n## ")[0]
    items = re.findall(r"^\d\. (\*\*.*?)(?::| and \*\*Files)", listed, re.M)
    named = [name for item in items for name in re.findall(r"\*\*([^*]+)\*\*", item)]
    assert [*named, "Files"] == shown


def test_numbers_of_the_report_are_those_of_the_results():
    head, _, *change = rows(RESULTS, after="Change where the truth is known")
    first = {re.search(r"`([\w.]+)`", row[0]).group(1): row[head.index("networks and boosting")] for row in change}
    text = PAGE.replace("\n   ", " ")
    expected, true = (first[f"change.{name}"].replace("\u00a0", " ") for name in ("mean_probability", "base_rate"))
    assert f"{expected} is expected to have a different one, and {true} truly has" in text

    head, _, *skill = rows(RESULTS, after="Skill in oceans that were left out of training")
    place = next(number for number, row in enumerate(skill) if row[0] == "test sector")
    accuracy, likelihood = (dict(zip(head, skill[place + k], strict=True)) for k in (0, 3))
    points = 100 * (float(accuracy["networks"]) - float(accuracy["tree"]))
    assert f"about {points:.0f} percentage points higher than that of the tree" in text
    points = 100 * (float(accuracy["networks"]) - float(accuracy["boosting"]))
    assert f"about {points:.0f} point higher than that of boosting" in text
    assert abs(float(likelihood["networks and boosting"]) - float(likelihood["networks"])) < 0.005, "about the same"
    assert all(float(likelihood[name]) > float(likelihood["networks"]) for name in ("boosting", "tree", "majority"))
    head, _, *sets = rows(RESULTS, after="Coverage of conformal sets")
    sector = next(row for row in sets if row[0] == "test sector")
    assert all(float(re.match(r"[\d.]+", value).group()) > 90 for value in sector[1:])


# -- change one number -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def changed(whole_run, tmp_path_factory):
    """The folder of a run after the command that changes the number, and what that prints."""
    root = tmp_path_factory.mktemp("tutorial") / "data"
    shutil.copytree(whole_run[0], root, ignore=shutil.ignore_patterns("01_raw", "mlartifacts"))
    shutil.copytree(whole_run[0] / "01_raw", root / "01_raw", copy_function=os.link)
    done = kedro(root, *CLUSTERING.split()[1:], "--env", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    return root, " ".join(done.stdout.split())


def test_more_clusters_give_another_map_and_lower_inertia(whole_run, changed):
    before, after = whole_run[0], changed[0]
    text = PAGE.partition("## Change one number")[2]
    for name in re.findall(r"`data/(08_reporting/[\w/.]+)`", text):
        assert (before / name).read_bytes() != (after / name).read_bytes(), name
    old, new = (json.loads((root / "08_reporting" / "clustering_metrics.json").read_text()) for root in (before, after))
    assert "`clustering_metrics.json`" in text and "`stability_ari`" in text and "`inertia`" in text
    assert new["n_clusters"] == 30 and new["inertia"] < old["inertia"] and -0.5 <= new["stability_ari"] <= 1


def test_the_log_names_the_results_of_the_old_regimes_and_the_next_command_of_the_page(changed):
    end = changed[1].split("results in")[1]
    assert "Results that do not belong together: ensemble, " in end
    advice = re.search(r"Make them again with `([^`]+)`", end).group(1).split()
    advice.remove("--env")
    advice.remove("test")
    assert sorted(advice) == sorted(REST.split())


def test_the_file_in_local_holds_the_value_of_the_command():
    (block,) = (block for kind, block in BLOCKS if kind == "yaml")
    configured = default_configuration(runtime_params=yaml.safe_load(block))["parameters"]
    assert validate(configured, MODELS)["regime_clustering"].runs.n_clusters == 30
    assert CLUSTERING.endswith("n_clusters=30") and "conf/local/parameters_regime_clustering.yml" in PAGE
    assert subprocess.run(
        ["git", "check-ignore", "conf/local/parameters_regime_clustering.yml"], cwd=REPOSITORY, capture_output=True
    ).stdout


# -- view the pipelines and the networks -------------------------------------------------------------------------------
def test_both_names_of_a_step_are_known():
    configure_project("thor")
    assert whole_name("train_ensemble") == whole_name("modelling.train_ensemble") == "modelling.train_ensemble"
    assert "`modelling.train_ensemble`" in PAGE and "`kedro run --from-nodes train_ensemble`" in PAGE


def test_every_network_below_the_run_in_mlflow_can_be_sorted_by_its_accuracy(whole_run):
    (score,) = re.findall(r"Sort the fifty networks of\s+the ensemble by `([\w.]+)`", PAGE)
    client, experiment = open_store(whole_run[0] / "mlflow" / "mlflow.db")
    found = client.search_runs([experiment], max_results=500)
    networks = [run for run in found if re.fullmatch(r"ensemble \d+", run.info.run_name)]
    assert len(networks) == 4 and all(0 < run.data.metrics[score] <= 1 for run in networks)
    assert all("mlflow.parentRunId" in run.data.tags for run in networks)


def test_files_that_the_page_names_are_there(whole_run):
    named = re.findall(r"`(?:data/)?(0\d_\w+/[\w/]+\.\w+)`|`(\w+\.(?:json|csv|html))`", PAGE)
    assert len(named) >= 4
    for path, name in named:
        place = whole_run[0] / path if path else whole_run[0] / "08_reporting" / name
        assert place.stat().st_size > 0, place
