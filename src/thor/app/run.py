"""`kedro run` and `thor run`: Kedro's command, with short failures and the environment's default pipeline."""

from collections.abc import Sequence
from typing import Any

from thor.app.failures import short_errors


def run(**options: Any) -> None:
    """Run Kedro's `run` with these options; any failure ends the process with its report and a non-zero code."""
    from kedro.framework.cli.project import run as kedro_run

    from thor.app.configuration import begin

    with short_errors():
        begin(options.get("conf_source"))
        if options["pipeline"] and not options["pipelines"]:
            # The older spelling, which Kedro still takes but warns about.
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        if not options["pipelines"]:
            default = default_pipeline(options.get("env"), options.get("conf_source"))
            options["pipelines"] = [default] if default else []
        _require_pipelines(options["pipelines"])
        for option in ("node_names", "from_nodes", "to_nodes"):
            options[option] = [whole_name(name) for name in options[option]]
        choose_runner(options)
        kedro_run.callback(**options)  # type: ignore[misc]


def choose_runner(options: dict[str, Any]) -> None:
    """Set the runner of Kedro's options: nodes run side by side, `n_processes` of globals.yml at a time.

    A run in which every node needs the one before has one process. ``--runner ParallelRunner`` is the same as none.

    Raises
    ------
    ConfigError
        For threads, and for a number of processes that is none.
    """
    from kedro.framework.project import pipelines
    from kedro.pipeline import Pipeline

    from thor.app.configuration import load_configuration
    from thor.app.runner import ProcessRunner, start_server
    from thor.core.errors import ConfigError

    if options["runner"] == "ThreadRunner":
        raise ConfigError(
            "Nodes cannot run in threads: the NetCDF library and matplotlib do not allow it. Without --runner they run "
            "in processes side by side; with --runner SequentialRunner one after the other."
        )
    if options["runner"] not in (None, "ParallelRunner"):
        return
    settings = load_configuration(options.get("env"), options.get("conf_source"))["globals"]
    given = {"max_workers": settings.get("n_processes")} | dict(options["runner_params"] or {})
    pipeline = sum((pipelines[name] for name in options["pipelines"] or ["__default__"]), Pipeline([]))
    filters = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
    pipeline = pipeline.filter(node_namespaces=options["namespaces"], **{name: options[name] for name in filters})
    if ProcessRunner(**given).n_workers(pipeline) > 1:
        start_server(pipeline)
        options |= {"runner": f"{ProcessRunner.__module__}.{ProcessRunner.__name__}", "runner_params": given}
    else:
        given.pop("max_workers")
        options |= {"runner": "SequentialRunner", "runner_params": given}


def _require_pipelines(names: Sequence[str]) -> None:
    from kedro.framework.project import pipelines

    from thor.core.errors import ConfigError, did_you_mean

    for name in names:
        if name not in pipelines:
            raise ConfigError(f"There is no pipeline '{name}'.{did_you_mean(name, pipelines)}")


def default_pipeline(env: str | None, conf_source: str | None = None) -> str | None:
    """Return `default_pipeline` of the environment's globals.yml, the pipeline of a bare `kedro run`; None for all."""
    from thor.app.configuration import load_configuration

    return load_configuration(env, conf_source)["globals"].get("default_pipeline")


def whole_name(node: str) -> str:
    """Return `<pipeline>.<node>` where a node is named without its pipeline; a name that nothing has stays as it is."""
    from kedro.framework.project import pipelines

    names = {known.name for pipeline in pipelines.values() for known in pipeline.nodes}
    found = [name for name in names if name.rpartition(".")[2] == node]
    return found[0] if len(found) == 1 else node
