"""Typed parameters and the run log, without a Kedro run; tests/app/test_cli.py tests them in whole runs."""

import errno
import logging
import os
import threading
from types import SimpleNamespace
from typing import Literal
from unittest.mock import Mock

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from pydantic import Field

from thor.app.hooks import RunHooks
from thor.app.parameter_hooks import ParameterHooks
from thor.core.errors import ConfigError, DataError
from thor.core.run_log import RunLog, describe_run, git_state
from thor.core.settings import Settings, validate
from thor.figures.style import PALETTES, regime_colours
from thor.report.settings import ReportSettings


class Kmeans(Settings):
    n_clusters: int = Field(ge=2, le=200)
    seeds: list[int]


class Runs(Settings):
    n_runs: int
    n_init: int


class Clustering(Settings):
    labels: Literal["own", "published"]
    runs: Runs
    kmeans: Kmeans
    sweep: Kmeans | None


MODELS = {"regime_clustering": Clustering, "modelling": Settings}
GOOD = {
    "regime_clustering": {
        "labels": "own",
        "runs": {"n_runs": 2, "n_init": 1},
        "kmeans": {"n_clusters": 50, "seeds": [1]},
        "sweep": None,
    },
    "modelling": {},
}


def changed(path: str, value):
    *groups, key = path.split(".")
    parameters = {name: dict(group) for name, group in GOOD.items()}
    for name in ("kmeans", "runs"):
        parameters["regime_clustering"][name] = dict(GOOD["regime_clustering"][name])
    place = parameters
    for group in groups:
        place = place[group]
    place[key] = value
    return parameters


def test_good_parameters_come_back_typed():
    typed = validate(GOOD, MODELS)
    assert typed["regime_clustering"].kmeans.n_clusters == 50


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("regime_clustring", {}, "there is no parameter group 'regime_clustring'. Did you mean 'regime_clustering'?"),
        ("regime_clustering.label", "own", "there is no parameter 'regime_clustering.label'. Did you mean 'labels'?"),
        ("regime_clustering.kmeans.n_cluster", 5, "'regime_clustering.kmeans.n_cluster'. Did you mean 'n_clusters'?"),
        ("regime_clustering.sweep", {"n_cluster": 5, "n_clusters": 5, "seeds": []}, "Did you mean 'n_clusters'?"),
        ("regime_clustering.kmeans.xyz", 5, "Valid are: n_clusters, seeds."),
        ("regime_clustering.runs.n_run", 3, "no parameter 'regime_clustering.runs.n_run'. Did you mean 'n_runs'?"),
        (
            "regime_clustering.labels",
            "publishd",
            "must be 'own' or 'published'; got 'publishd'. Did you mean 'published'?",
        ),
        ("regime_clustering.kmeans.n_clusters", 1, "must be a whole number from 2 to 200; got 1."),
        (
            "regime_clustering.kmeans.seeds",
            [1, "a"],
            "parameter 'regime_clustering.kmeans.seeds.1' must be a whole number; got 'a'.",
        ),
        ("regime_clustering.kmeans", {"seeds": []}, "parameter 'regime_clustering.kmeans.n_clusters' is missing."),
    ],
)
def test_a_bad_parameter_is_named(path, value, message):
    with pytest.raises(ConfigError) as caught:
        validate(changed(path, value), MODELS, find_source=lambda steps: f"conf/{'/'.join(steps)}")
    assert message in str(caught.value)
    assert str(caught.value).startswith("conf/reg")
    assert len(str(caught.value).splitlines()) == 1


def test_a_misspelt_key_comes_before_the_missing_one():
    parameters = changed("regime_clustering.runs", {"n_run": 3, "n_init": 1})
    with pytest.raises(ConfigError) as caught:
        validate(parameters, MODELS)
    first, second = str(caught.value).splitlines()
    assert "Did you mean 'n_runs'?" in first
    assert "'regime_clustering.runs.n_runs' is missing" in second


def test_a_missing_group_is_named():
    with pytest.raises(
        ConfigError, match=r"Parameter group 'modelling' is missing. Give it in conf/base/parameters_mod"
    ):
        validate({"regime_clustering": GOOD["regime_clustering"]}, MODELS)


def test_at_most_three_errors_are_reported():
    with pytest.raises(ConfigError) as caught:
        validate({f"unknown_{n}": {} for n in range(8)}, MODELS)
    assert str(caught.value).splitlines()[-1] == "... and 5 more."
    assert len(str(caught.value).splitlines()) == 4


@pytest.fixture
def run_log(tmp_path):
    log = RunLog(tmp_path / "logs")
    yield log
    log.close()


def test_the_run_log_holds_what_results_must_not(run_log, tmp_path):
    about = describe_run(project=tmp_path, parameters={"a": {"b": 1}}, run={"env": "test", "tags": None})
    run_log.header(about)
    logger = logging.getLogger("thor.test_hooks")
    logger.setLevel(logging.INFO)
    logger.info("halfway")
    try:
        raise ValueError("the sea")
    except ValueError as error:
        run_log.write("stopped", error=error)
    run_log.close()
    logger.info("after")
    text = run_log.path.read_text()
    for words in (
        "host:",
        "xarray: 20",
        "git: no git",
        "b: 1",
        "env: test",
        "halfway",
        "Traceback",
        "ValueError: the sea",
    ):
        assert words in text
    assert "after" not in text
    assert "tags" not in text


def test_two_runs_have_two_logs(tmp_path):
    logs = [RunLog(tmp_path) for _ in range(2)]
    for log in logs:
        log.close()
    assert logs[0].path != logs[1].path


def test_a_log_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        RunLog(tmp_path / "file" / "logs")


def test_a_log_on_a_full_disk_ends_with_one_warning(run_log, caplog, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    logger = logging.getLogger("thor.test_hooks")
    logger.warning("before")
    run_log._handler.stream = Mock(wraps=run_log._handler.stream, write=full)
    for _ in range(3):
        logger.warning("after")
    run_log.write("stopped", error=ValueError("the sea"))
    assert caplog.messages == ["before", "The run log ends here: No space left on device.", *["after"] * 3]
    assert "before" in run_log.path.read_text() and "after" not in run_log.path.read_text()
    assert capsys.readouterr().err == ""


def test_git_state_is_the_commit(tmp_path):
    assert git_state(tmp_path) == "no git"
    assert git_state(tmp_path / "nowhere") == "no git"


class Node:
    def __init__(self, name, outputs):
        self.name, self.outputs = name, outputs


def test_a_node_is_finished_by_its_last_output(caplog):
    caplog.set_level(logging.INFO, logger="thor")
    hooks, node = RunHooks(), Node("fit", ["model", "metrics"])
    hooks.n_nodes = 7
    hooks.before_dataset_loaded(dataset_name="features", node=node)
    assert hooks.running["fit"].doing() == " while loading 'features'"
    hooks.before_node_run(node=node)
    assert hooks.running["fit"].doing() == ""
    hooks.after_node_run(node=node)
    hooks.before_dataset_saved(dataset_name="model", node=node)
    hooks.after_dataset_saved(dataset_name="model", node=node)
    assert hooks.finished == []
    hooks.before_dataset_saved(dataset_name="metrics", node=node)
    assert hooks.running["fit"].doing() == " while saving 'metrics'"
    hooks.after_dataset_saved(dataset_name="metrics", node=node)
    assert hooks.finished == ["fit"]
    assert hooks.running == {}
    assert caplog.messages == ["[1/7] fit"]
    hooks.before_node_run(node=Node("count", []))
    hooks.after_node_run(node=Node("count", []))
    assert hooks.finished == ["fit", "count"]


def test_a_run_that_was_interrupted_in_a_notebook_is_closed_by_the_next_one(tmp_path):
    hooks, logs = RunHooks(), []
    loader = {"globals": {"data_root": "data"}, "parameters": {}}
    hooks.after_context_created(SimpleNamespace(config_loader=loader, project_path=tmp_path))
    for _ in range(2):
        hooks.before_pipeline_run(run_params={}, pipeline=Pipeline([]), catalog=DataCatalog())
        logs.append(hooks.log.path)
    logging.getLogger("thor").warning("of the second run")
    assert [thread.name for thread in threading.enumerate()].count("memory watch") == 1
    hooks.close()
    assert ["of the second run" in path.read_text() for path in logs] == [False, True]


def test_of_many_inputs_of_other_code_the_first_are_named_before_the_advice():
    hooks, names = RunHooks(), [f"input_{number}" for number in range(30)]
    hooks.failed = "write_report"
    hooks._pipeline = SimpleNamespace(nodes=[SimpleNamespace(name="write_report", inputs=names)])
    hooks._record = SimpleNamespace(of_other_code=lambda names: dict.fromkeys(names, "modelling"))
    said = hooks.inputs_of_other_code()
    assert "code: input_0, input_1, input_2 and 27 more. If they do not fit, make them again with `" in said
    assert said.endswith(" --pipelines modelling`.") and len(said) < 300


def test_nodes_side_by_side_are_kept_apart():
    hooks, fit, draw = RunHooks(), Node("fit", ["model"]), Node("draw", ["figure"])
    hooks.before_dataset_loaded(dataset_name="features", node=fit)
    hooks.before_dataset_saved(dataset_name="figure", node=draw)
    assert set(hooks.stopped()) == {"fit", "draw"}
    hooks.on_node_error(node=fit)
    assert {name: node.doing() for name, node in hooks.stopped().items()} == {"fit": " while loading 'features'"}
    hooks.after_node_measured(node=draw, seconds=100.0, peak_memory_mb=5.0)
    hooks.after_dataset_saved(dataset_name="figure", node=draw)
    assert hooks.finished == ["draw"]
    assert set(hooks.running) == {"fit"}


def test_a_run_has_the_colours_of_regimes_in_its_parameters(monkeypatch):
    monkeypatch.setenv("THOR_REGIME_PALETTE", "distinct")  # restored after the test

    class Loader(dict):
        def without_effect(self):
            return []

    loader = Loader(parameters={"reporting": {"regime_palette": "published"}})
    context = SimpleNamespace(config_loader=loader, _runtime_params=None)
    ParameterHooks({"reporting": ReportSettings}).after_context_created(context)
    assert regime_colours(["SO"]) == [PALETTES["published"]["SO"]]
