"""`kedro run` and `thor run`: Kedro's command, with short failures and the environment's default pipeline."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.project import pipelines
from yaml import YAMLError

from thor.app.configuration import begin, load_configuration
from thor.app.failures import short_errors
from thor.core.errors import ConfigError, did_you_mean
from thor.core.memory import keep_freed_memory, search_garbage_rarely


class RunCommand(click.Command):
    """Kedro's `run`, whose help lists the pipelines, and which says what is wrong with `--params` and `--config`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments that are left; values of `--params` and the file of `--config` are read as YAML."""
        from kedro.framework.cli.utils import KedroCliError

        try:
            return super().parse_args(ctx, args)
        except KedroCliError as error:
            # Shown by click 8.3 or later, the error would have no text: Kedro takes it from an exception then handled.
            raise click.UsageError(" ".join(str(error).split()), ctx) from error
        except YAMLError as error:
            problem = " ".join(str(getattr(error, "problem", None) or error).split())
            expected = "name=value, such as a.b=1; a value with commas needs conf/local/parameters.yml"
            text = f"a value cannot be read as YAML: {problem}. Expected {expected}."
            raise click.BadParameter(text, ctx, param_hint="--params") from error

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the pipelines, each with the first sentence of its description."""
        with formatter.section("Pipelines"):
            formatter.write_dl([(name, _description(name)) for name in pipelines if name != "__default__"])


def checked_options(options: Sequence[click.Parameter]) -> list[click.Parameter]:
    """Return Kedro's options, of which `--config` names a file that is checked before Kedro reads it."""
    options = [copy(option) for option in options]
    config = next(option for option in options if option.name == "config")
    kedros = config.callback

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        expected = f"Expected a section with options, as {ctx.info_name}: {{env: test, pipelines: modelling}}"
        if value is not None:
            try:
                content = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
            except (YAMLError, UnicodeDecodeError) as error:
                raise click.BadParameter(f"{value} cannot be read as YAML. {expected}.", ctx, param) from error
            if not isinstance(content, dict) or not isinstance(content.get(ctx.info_name), dict):
                raise click.BadParameter(f"{value} has no section {ctx.info_name}. {expected}.", ctx, param)
        return kedros(ctx, param, value) if kedros else value

    config.callback = read
    return options


def run(**options: Any) -> None:
    """Run Kedro's `run` with these options; any failure ends the process with its report and a non-zero code."""
    from kedro.framework.cli.project import run as kedro_run

    with short_errors(partial(begin, options.get("conf_source"))):
        if options["pipeline"] and not options["pipelines"]:
            # The older spelling, which Kedro still takes but warns about.
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        configuration = load_configuration(options.get("env"), options.get("conf_source"))
        settings = configuration["globals"]
        if not options["pipelines"]:
            options["pipelines"] = list(filter(None, [settings.get("default_pipeline")]))
        for option in ("node_names", "from_nodes", "to_nodes"):
            options[option] = [whole_name(name) for name in options[option]]
        _require_known(options)
        if options["load_versions"]:
            _require_versions(options["load_versions"], configuration["catalog"])
        choose_runner(options, settings.get("n_processes", 1))
        search_garbage_rarely()
        keep_freed_memory()
        kedro_run.callback(**options)  # type: ignore[misc]


def _require_versions(names: Collection[str], catalog: Mapping[str, Any]) -> None:
    """Raise ConfigError where a version is asked for of a dataset without any, which Kedro would take as it is."""
    if without := [name for name in names if name in catalog and not catalog[name].get("versioned")]:
        raise ConfigError(
            f"--load-versions: {', '.join(without)} has no versions. Keep results apart by data_root, in globals.yml "
            "of an environment, or by `thor stage pack`."
        )


def choose_runner(options: dict[str, Any], n_processes: int | None) -> None:
    """Set the runner of Kedro's options: nodes run side by side, `n_processes` of globals.yml at a time.

    A run in which every node needs the one before has one process. ``--runner ParallelRunner`` takes one for each core
    where the setting is 1.

    Raises
    ------
    ConfigError
        For an unknown runner, threads of nodes or of datasets (``--async``), and a number of processes that is none.
    """
    from kedro import runner
    from kedro.pipeline import Pipeline

    from thor.app.runner import ProcessRunner, start_server

    if options["runner"] and "." not in options["runner"]:
        _require_in([name for name in dir(runner) if name.endswith("Runner")], "runner", [options["runner"]])
    if options["runner"] == "ThreadRunner":
        raise ConfigError(
            "Nodes cannot run in threads: the NetCDF library and matplotlib do not allow it. Without --runner they run "
            "in processes side by side; with --runner SequentialRunner one after the other."
        )
    if options["is_async"] or (options["runner_params"] or {}).get("is_async"):
        raise ConfigError(
            "Datasets cannot be read and written in threads: the NetCDF library does not allow it. Leave out --async "
            "and is_async: nodes run in processes side by side."
        )
    if options["runner"] not in (None, "ParallelRunner"):
        return
    if options["runner"] == "ParallelRunner" and n_processes == 1:
        n_processes = None
    given: dict[str, Any] = {"max_workers": n_processes} | dict(options["runner_params"] or {})
    pipeline = sum((pipelines[name] for name in options["pipelines"] or ["__default__"]), Pipeline([]))
    filters = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
    pipeline = pipeline.filter(node_namespaces=options["namespaces"], **{name: options[name] for name in filters})
    if ProcessRunner(**given).n_workers(pipeline) > 1:
        start_server(pipeline)
        options |= {"runner": f"{ProcessRunner.__module__}.{ProcessRunner.__name__}", "runner_params": given}
    else:
        given.pop("max_workers")
        options |= {"runner": "SequentialRunner", "runner_params": given}


def whole_name(node: str) -> str:
    """Return `<pipeline>.<node>` where a node is named without its pipeline; a name that nothing has stays as it is."""
    names = {known.name for pipeline in pipelines.values() for known in pipeline.nodes}
    found = [name for name in names if name.rpartition(".")[2] == node]
    return found[0] if len(found) == 1 else node


def _require_known(options: dict[str, Any]) -> None:
    """Raise ConfigError for a name that no pipeline, or nothing in the named ones, has."""
    _require_in(pipelines, "pipeline", options["pipelines"])
    nodes = [node for name in options["pipelines"] or ["__default__"] for node in pipelines[name].nodes]
    of_nodes: dict[tuple[str, str], Callable[[Any], Collection[str]]] = {
        ("node", "node_names from_nodes to_nodes"): lambda node: (node.name, node.name.rpartition(".")[2]),
        ("dataset", "from_inputs to_outputs"): lambda node: (*node.inputs, *node.outputs),
        ("tag", "tags"): lambda node: node.tags,
        ("namespace", "namespaces"): lambda node: (node.namespace,) if node.namespace else (),
    }
    for (kind, names), of_node in of_nodes.items():
        wanted = [word for option in names.split() for word in options[option]]
        where = f" in {', '.join(options['pipelines'])}" if options["pipelines"] else ""
        _require_in({name for node in nodes for name in of_node(node)}, kind, wanted, where)


def _require_in(known: Collection[str], kind: str, wanted: Sequence[str], where: str = "") -> None:
    for name in wanted:
        if name not in known:
            alike = [choice for choice in known if ("." in choice) == ("." in name)]
            raise ConfigError(f"There is no {kind} '{name}'{where}.{did_you_mean(name, alike)}")


def _description(pipeline: str) -> str:
    """Return the first line of the module of a pipeline."""
    if pipeline == "study":
        return "All that a bare run has but idealized_ocean: the study of given data."
    try:
        return (import_module(f"thor.pipelines.{pipeline}.pipeline").__doc__ or "").partition("\n")[0]
    except ModuleNotFoundError:  # a pipeline of a project that uses this command
        return ""
