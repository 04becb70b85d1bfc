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
        kedro_run.callback(**options)  # type: ignore[misc]


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
