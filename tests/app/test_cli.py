"""`kedro run` as a user starts it: its output, and the files on disk afterwards."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.programs import finished, started
from thor.app.run import _require_in
from thor.core.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]

FILES = {
    "pyproject.toml": """
        [tool.kedro]
        package_name = "mini"
        project_name = "mini"
        kedro_init_version = "1.7.0"
        source_dir = "src"
        """,
    ".telemetry": "consent: false\n",
    "src/mini/__init__.py": "",
    "src/mini/settings.py": """
        from pydantic import BaseModel, ConfigDict, Field
        from thor.app.hooks import RunHooks
        from thor.app.parameter_hooks import ParameterHooks
        from thor.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS, DISABLE_HOOKS_FOR_PLUGINS  # noqa

        class Mini(BaseModel):
            model_config = ConfigDict(extra="forbid")
            n_cells: int = Field(ge=2)
            behaviour: str

        HOOKS = (ParameterHooks({"mini": Mini}), RunHooks())
        """,
    "src/mini/cli.py": "from thor.cli import cli  # noqa",
    "src/mini/nodes.py": """
        import time
        import numpy as np
        import pandas as pd
        from thor.core.errors import ConfigError

        def make_table(parameters):
            print("make_table ran", flush=True)
            return pd.DataFrame({"value": np.arange(parameters["n_cells"])})

        def make_metrics(table, parameters):
            if parameters["behaviour"] == "fail":
                raise ValueError("the sea\\n" * 50)
            if parameters["behaviour"] == "wrong":
                raise ConfigError("behaviour is 'wrong'; expected 'work'.")
            if parameters["behaviour"] == "wait":
                print("waiting", flush=True)
                for _ in range(1200):  # short: a signal that comes just before a sleep is handled after it
                    time.sleep(0.05)
            return {"total": table["value"].sum() / (0.0 if parameters["behaviour"] == "infinite" else 1.0)}
        """,
    "src/mini/pipeline_registry.py": """
        from kedro.pipeline import Node, Pipeline
        from mini.nodes import make_metrics, make_table

        def register_pipelines():
            first = Pipeline([Node(make_table, "params:mini", "table", name="make_table")])
            second = Pipeline([Node(make_metrics, ["table", "params:mini"], "metrics", name="make_metrics")])
            return {"first": first, "second": second, "__default__": first + second}
        """,
    "conf/base/globals.yml": "data_root: data\ndefault_pipeline: null\n",
    "conf/base/parameters_mini.yml": "mini:\n  n_cells: 4\n  behaviour: work\n",
    "conf/base/catalog.yml": """
        table:
          type: thor.datasets.TableDataset
          filepath: ${globals:data_root}/table.csv
        metrics:
          type: thor.datasets.MetricsDataset
          filepath: ${globals:data_root}/metrics.json
        """,
    "conf/short/globals.yml": "default_pipeline: first\n",
    "conf/local/.gitkeep": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Kedro project of two nodes with THOR's command, hooks, datasets and logging."""
    return write_project(tmp_path, FILES)


def write_project(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
    (folder / "conf/logging.yml").write_text((REPOSITORY / "conf/logging.yml").read_text())
    return folder


def start(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return started("kedro", "run", *arguments, folder=project, **environment)


def run(project: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = finished("kedro", "run", *arguments, folder=project, **environment)
    return done.returncode, done.stdout, done.stderr


def test_a_run_on_results_that_do_not_belong_together_says_so(project):
    assert "belong together" not in run(project)[2]
    code, out, err = run(project, "--pipelines", "first", "--params", "mini.n_cells=5")
    text = " ".join((out + err).split())
    assert code == 0 and "metrics, made from other versions of table than those in the folder" in text
    assert "metrics.json (of 20" in text and "from another table.csv (of 20" in text
    assert "Make them again with `kedro run --params mini.n_cells=5" in text
    code, out, err = run(project, "--pipelines", "second")
    assert code == 0 and "belong together" not in out + err


def test_a_run_prints_a_line_when_a_node_starts_and_logs_the_rest(project):
    code, out, err = run(project)
    assert code == 0, err
    lines = [line for line in out.splitlines() if line != "make_table ran"]
    assert len(lines) == 3, out
    assert lines[0].endswith(" [1/2] make_table")
    assert lines[1].endswith(" [2/2] make_metrics")
    assert "2 nodes in" in lines[2]
    assert (project / "data/metrics.json").read_text() == '{\n  "total": 6.0\n}\n'
    (log,) = (project / "data/logs").glob("run_*.log")
    text = log.read_text()
    for words in ("host:", "versions:", "git:", "n_cells: 4", "[2/2] make_metrics"):
        assert words in text


def test_the_environment_names_the_pipeline_of_a_bare_run(project):
    code, _, err = run(project, "--env", "short")
    assert code == 0, err
    assert (project / "data/table.csv").exists()
    assert not (project / "data/metrics.json").exists()
    code, _, err = run(project, "--env", "short", "--pipeline", "second")
    assert code == 0, err
    assert (project / "data/metrics.json").exists()


def test_an_unexpected_failure_names_inputs_that_other_code_has_made(project):
    """A table of an earlier version that lacks a column of today."""
    assert run(project)[0] == 0
    nodes, record = project / "src/mini/nodes.py", project / "data/logs/run_record.json"
    nodes.write_text(nodes.read_text().replace('table["value"]', 'table["amount"]'))
    code, out, err = run(project, "--pipelines", "second")
    assert code == 1 and "KeyError: 'amount'" in err and "another version" not in out + err
    content = json.loads(record.read_text())
    content["runs"][content["datasets"]["table"]["run"]]["versions"]["thor"] = "0.0.1"
    content["nodes"]["make_table"]["pipeline"] = "first"
    record.write_text(json.dumps(content))
    code, out, err = run(project, "--pipelines", "second")
    assert code == 1 and len(err.splitlines()) <= 12 and "KeyError: 'amount'" in err
    said = " ".join(err.split())
    assert "Made by another version of the code: table." in said
    assert "If they do not fit, make them again with `kedro run --pipelines first`." in said
    code, out, err = run(project, "--params", "mini.behaviour=fail", "--pipelines", "second")
    assert len(err.splitlines()) <= 12 and "table. If they do not fit" in " ".join(err.split())


def test_a_failing_node_is_reported_in_twelve_lines(project):
    code, out, err = run(project, "--params", "mini.behaviour=fail")
    assert code == 1
    lines = (out + err).splitlines()
    report = [line for line in lines if "make_table" not in line and "[2/2]" not in line]
    assert len(report) <= 12, lines
    assert "Failed in node 'make_metrics'." in report
    assert "ValueError: the sea" in report
    assert "Saved before that: the outputs of 1 node, in data/." in report
    assert "Go on with: kedro run --params mini.behaviour=fail --from-nodes make_metrics" in report
    (log,) = (project / "data/logs").glob("run_*.log")
    assert "Traceback (most recent call last)" in log.read_text()
    assert "in make_metrics" in log.read_text()
    assert f"Full traceback: {log.relative_to(project)}" in report


def test_a_wrong_setting_is_to_be_corrected_before_the_run_goes_on(project):
    _, _, err = run(project, "--params", "mini.behaviour=wrong")
    assert "ConfigError: behaviour is 'wrong'; expected 'work'." in err
    line = next(line for line in err.splitlines() if "on with: " in line)
    assert line.startswith("Correct the setting, then go on with: kedro run ")


def test_a_run_goes_on_within_its_limits(project):
    limits = ("--nodes", "make_metrics,make_table", "--to-outputs", "metrics", "--runner=SequentialRunner")
    options = ("--params", "mini.behaviour=fail", "--only-missing-outputs", *limits)
    code, _, err = run(project, *options, "--from-nodes", "make_table")
    assert code == 1 and len(err.splitlines()) <= 12 and max(map(len, err.splitlines())) <= 120
    said = err.replace(" \\\n ", "")
    assert f"Go on with: kedro run {' '.join(options)} --from-nodes make_metrics\n" in said
    assert "[1/1] make_metrics" in run(project, *options, "--from-nodes", "make_metrics")[1]


def test_a_failing_save_names_the_dataset_and_leaves_no_file(project):
    code, _, err = run(project, "--params", "mini.behaviour=infinite")
    assert code == 1
    assert "Failed in node 'make_metrics' while saving 'metrics'." in err
    assert "DataError: data/metrics.json: 'total' is infinite" in err
    assert sorted(file.name for file in (project / "data").glob("*.*")) == ["table.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--params", "mini.n_cell=3"], "--params: there is no parameter 'mini.n_cell'. Did you mean 'n_cells'?"),
        (["--params", "mini.n_cells=1"], "parameter 'mini.n_cells' must be a whole number >= 2; got 1."),
        (["--params", "mimi.n_cells=3"], "there is no parameter group 'mimi'. Did you mean 'mini'?"),
    ],
)
def test_a_misspelt_parameter_stops_before_any_node(project, arguments, message):
    code, out, err = run(project, *arguments)
    assert code == 1
    assert "make_table ran" not in out
    assert "ConfigError: " in err
    assert message in err
    assert len((out + err).splitlines()) <= 12
    assert not (project / "data").exists()


def test_a_parameter_that_is_no_yaml_is_a_wrong_use_of_the_option(project):
    code, out, err = run(project, "--params", "mini.n_cells=[1")
    assert code == 2 and len((out + err).splitlines()) <= 12, err
    assert "Invalid value for --params: a value cannot be read as YAML: did not find expected" in " ".join(err.split())
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: {nodes: a}", "Key `nodes` in provided configuration is not valid. Did you mean"),
        ("pipelines: mini", "options.yml has no section run. Expected a section with options, as run: {env: test"),
        ("run: [mini]", "options.yml has no section run"),
        ("", "options.yml has no section run"),
        ("run: {env: [", "options.yml cannot be read as YAML"),
    ],
)
def test_a_file_of_options_is_checked(project, content, message):
    (project / "options.yml").write_text(content)
    code, out, err = run(project, "--config", "options.yml")
    assert code == 2 and len((out + err).splitlines()) <= 12, err
    assert message in " ".join(err.split())
    assert not (project / "data").exists()


def test_versions_of_datasets_without_any_are_refused(project):
    code, out, err = run(project, "--load-versions", "table:2026-01-01T00.00.00.000Z")
    assert code == 1 and "--load-versions: table has no versions" in " ".join(err.split())
    assert "make_table ran" not in out + err


@pytest.mark.parametrize(("name", "near"), [("clustering.fit_regim", "clustering.fit_regimes"), ("drow", "draw")])
def test_the_nearest_node_is_one_with_or_without_its_pipeline_as_the_name_has_it(name, near):
    with pytest.raises(ConfigError, match=rf"There is no node '{name}'\. Did you mean '{near}'\?"):
        _require_in(["clustering.fit_regimes", "fit_regimes", "clustering.draw", "draw"], "node", [name])


def test_options_are_read_from_a_file(project):
    (project / "options.yml").write_text("run: {to_nodes: make_table}")
    code, out, err = run(project, "--config", "options.yml")
    assert code == 0, err
    assert "make_table ran" in out + err and "[1/1]" in out + err


def test_a_misspelt_pipeline_names_the_nearest(project):
    code, out, err = run(project, "--pipelines", "first,secnd")
    assert code == 1
    assert "ConfigError: There is no pipeline 'secnd'. Did you mean 'second'?" in err
    assert "make_table ran" not in out and not (project / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "shrot"], "There is no environment 'shrot': conf/shrot does not exist. Did you mean 'short'?"),
        (["--from-nodes", "make_tabel"], "There is no node 'make_tabel'. Did you mean 'make_table'?"),
        (["--pipeline", "first", "--nodes", "zzz"], "There is no node 'zzz' in first. Valid are: make_table."),
        (["--runner", "ParalelRunner"], "There is no runner 'ParalelRunner'. Did you mean 'ParallelRunner'?"),
        (["--to-outputs", "metric"], "There is no dataset 'metric'. Did you mean 'metrics'?"),
        (["--from-inputs", "tabel"], "There is no dataset 'tabel'. Did you mean 'table'?"),
        (["--tags", "slow"], "There is no tag 'slow'."),
    ],
)
def test_a_misspelt_name_names_the_nearest(project, arguments, message):
    code, out, err = run(project, *arguments)
    assert code == 1
    assert f"ConfigError: {message}" in " ".join(err.split())
    assert "make_table ran" not in out and not (project / "data").exists()


def test_help_names_the_program_and_lists_the_pipelines():
    done = subprocess.run(
        [sys.executable, "-m", "thor", "run", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    text = " ".join(done.stdout.split())
    assert text.startswith("Usage: thor run [OPTIONS]")
    listed = text.partition(" Pipelines: ")[2]
    assert "study All that a bare run has but idealized_ocean" in listed
    for name in ("regime_clustering Dynamical regimes from", "reporting The results of a run on one page"):
        assert name in listed


def test_advice_repeats_the_options_that_determine_files_and_numbers(project):
    (project / "conf/other").mkdir()
    code, _, err = run(project, "-e", "other", "--params=mini.n_cells=5", "--pipelines", "second")
    assert code == 1
    assert "Make it with `kedro run -e other --params=mini.n_cells=5 --pipelines first`" in " ".join(err.split())


def test_a_misspelt_key_in_a_file_names_the_file(project):
    (project / "conf/local/parameters.yml").write_text("mini:\n  behavior: fail\n")
    code, _, err = run(project)
    assert code == 1
    assert "conf/local/parameters.yml: there is no parameter 'mini.behavior'. Did you mean 'behaviour'?" in err


def test_what_local_holds_is_used_under_every_environment(project):
    (project / "conf/local/sub").mkdir()
    (project / "conf/local/sub/parameters_mine.yml").write_text("mini:\n  n_cells: 6\n")
    (project / "conf/local/globals.yml").write_text("data_root: disk\n")
    code, _, err = run(project, "--env", "short")
    assert code == 0, err
    assert len((project / "disk/table.csv").read_text().splitlines()) == 7
    (project / "conf/local/sub/parameters_mine.yml").write_text("mini:\n  n_cell: 6\n")
    code, _, err = run(project, "--env", "short")
    assert code == 1
    assert "conf/local/sub/parameters_mine.yml: there is no parameter 'mini.n_cell'. Did you mean 'n_cells'?" in err


def test_a_file_of_local_that_cannot_be_read_stops_before_any_node(project):
    (project / "conf/local/parameters.yml").write_text("mini:\n  n_cells: [6\n")
    code, out, err = run(project, "--env", "short")
    assert code == 1
    assert "ConfigError: conf/local/parameters.yml, line 3 cannot be read: " in err
    assert len((out + err).splitlines()) <= 12
    (project / "conf/local/parameters.yml").unlink()
    (project / "conf/local/global.yml").write_text("data_root: disk\n")
    code, out, err = run(project, "--env", "short")
    assert code == 0, err
    assert "conf/local/global.yml is not read: the name of a file begins with one of catalog," in out


def test_lines_of_the_log_are_short_with_the_logging_of_any_configuration(project):
    name = "settings_of_this_machine_and_of_its_disks.yml"
    (project / "conf/local" / name).write_text("data_root: disk\n")
    code, out, _ = run(project, "--pipelines", "first", "--conf-source", "conf")
    assert code == 0 and f"conf/local/{name} is not read:" in out
    assert max(map(len, out.splitlines())) <= 120, out


def test_a_missing_input_names_file_and_pipeline_before_any_node(project):
    code, out, err = run(project, "--pipelines", "second")
    assert code == 1
    assert "Input 'table' is missing: data/table.csv does not exist." in err
    assert "Make it with `kedro run --pipelines first`" in err
    assert len((out + err).splitlines()) <= 12


def test_the_traceback_is_printed_on_request(project):
    code, _, err = run(project, "--params", "mini.behaviour=fail", THOR_TRACEBACK="1")
    assert code == 1
    assert "Traceback (most recent call last)" in err


WORD = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_with_a_short_message_and_its_code(project, number, code):
    process = start(project, "--params", "mini.behaviour=wait")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("waiting"):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in out + err
    assert len((out + err).splitlines()) <= 12
    assert sorted(file.name for file in (project / "data").glob("*.*")) == ["table.csv"]
    assert f"{WORD[number]} in node 'make_metrics'." in err


def test_every_option_of_kedro_run_is_kept():
    from kedro.framework.cli.project import run as kedro_run

    from thor.cli import cli

    ours = cli.get_command(None, "run")
    assert {option.name for option in kedro_run.params} == {option.name for option in ours.params}
    assert {"env", "params", "pipelines", "from_nodes"} <= {option.name for option in ours.params}
