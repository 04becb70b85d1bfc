"""The commands of the documentation, and checks that they are valid without running them.

Commands are the lines of fenced ``bash`` blocks, and inline code that begins with one of `PROGRAMS`. A requirement
that tests do not have (the network, a cluster) is stated on the page: `needs the network` in a comment of the
block, in the text of the section, or in the introduction of the page.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.project import configure_project
from kedro.pipeline import Pipeline

from thor.app.configuration import default_configuration
from thor.app.parameters import MODELS
from thor.app.program import program as thor_program
from thor.core.settings import validate
from thor.pipeline_registry import register_pipelines

REPOSITORY = Path(__file__).parents[1]
PROGRAMS = ("kedro", "thor", "make", "mlflow", "dask", "python", "pip", "git", "sbatch")
NEEDS = re.compile(r"\bneeds?\s(the\snetwork|SLURM|Kubernetes|a cluster|a JupyterHub|uv)\b")
"""Requirements stated on the page that the tests do not have."""

PLACEHOLDER = re.compile(r"<[^>]+>")
SHELL = ("cd", "cp", "echo", "export", "mkdir", "source")
ENVIRONMENTS = ("base", "test", "ecco", "local")


@dataclass(frozen=True)
class Command:
    """One command of the documentation.

    Attributes
    ----------
    place : str
        File and line.
    text : str
    needs : str
        What it needs that a test has not; empty if nothing.
    made : frozenset of str
        Environments that the page has the reader make (`conf/<name>/globals.yml`).
    """

    place: str
    text: str
    needs: str
    made: frozenset[str] = frozenset()


def pages() -> list[Path]:
    """Hand-written pages; pages generated from the code contain no commands."""
    written = {"variables.md", "parameters.md", "scores.md", "metrics.md", "datasets.md"}
    found = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    return [page for page in found if page.name not in written]


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page, in their order."""
    name, section, fence, block = page.relative_to(REPOSITORY), "", "", ""
    text = page.read_text(encoding="utf-8")
    lines, introduction = text.splitlines(), text.partition("\n## ")[0]
    made = frozenset(re.findall(r"`conf/(\w+)/globals\.yml`", text))
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            fence = "" if fence else (line.strip("`{} ") or "text")
            block = "\n".join(lines[number : _end(lines, number)]) if fence else ""
        elif fence == "bash":
            command = line.split(" #")[0].strip()
            if command and not line.lstrip().startswith("#"):
                yield Command(
                    f"{name}:{number}", command, _needs(block) or _needs(section) or _needs(introduction), made
                )
        elif not fence:
            if line.startswith("#"):
                section = "\n".join(lines[number - 1 : _end(lines, number, "#")])
            for code in re.findall(r"`([^`]+)`", line):
                if re.match(rf"(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)}) ", code):
                    yield Command(f"{name}:{number}", code, _needs(section) or _needs(introduction), made)


def _end(lines: list[str], start: int, sign: str = "```") -> int:
    return next((k for k in range(start, len(lines)) if lines[k].startswith(sign)), len(lines))


def _needs(text: str) -> str:
    found = NEEDS.search(text)
    return " ".join(found.group(0).split()) if found else ""


def check(text: str, *, made: Collection[str] = ()) -> None:
    """Raise an error when a command is not one of THOR's, or names what does not exist."""
    words = shlex.split(PLACEHOLDER.sub("placeholder", text), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([a-z]+):.*##", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
        named = {word for word in rest if not re.fullmatch(r"[A-Z]+=\S+", word)}
        assert named <= set(targets), f"no such target: {rest}"
    elif program in ("kedro", "thor"):
        _pipelines()
        found = parse(KedroCLI(project_path=REPOSITORY) if program == "kedro" else thor_program, rest)
        if rest[0] == "run" and "--help" not in rest:
            check_run(found.params, made)
    elif program == "dask":
        from distributed.cli import dask_scheduler, dask_worker

        {"scheduler": dask_scheduler, "worker": dask_worker}[rest[0]].main.make_context(rest[0], rest[1:])
    elif program == "mlflow":
        from mlflow.cli import cli as mlflow

        parse(mlflow, rest)
    elif program == "sbatch":
        place = next(number for number, word in enumerate(rest) if not word.startswith("--"))
        assert (REPOSITORY / rest[place]).is_file(), f"no such script: {rest[place]}"
        check(shlex.join(["kedro", "run", *rest[place + 1 :]]), made=made)
    elif program in ("python", "python3"):
        if rest[0] == "-m":
            assert find_spec(rest[1]) is not None, f"no such module: {rest[1]}"
        else:
            assert (REPOSITORY / rest[0]).is_file(), f"no such script: {rest[0]}"
    else:
        assert program in (*SHELL, "pip", "git"), f"'{program}' is none of {PROGRAMS}"


def parse(command: click.Command, words: list[str]) -> click.Context:
    """Follow the words down to a command, which reads the rest as its options."""
    context = click.Context(command)
    while isinstance(command, click.Group) and words:  # a group alone lists its commands
        found = command.get_command(context, words[0])
        assert found is not None, f"no such command: {words[0]}"
        command, words = found, words[1:]
    options = [word for word in words if word != "--help"]  # `--help` would end the process
    return context if isinstance(command, click.Group) else command.make_context(command.name, options)


def check_run(options: dict[str, Any], made: Collection[str]) -> None:
    """Raise an error when `kedro run` would not know an environment, parameter, pipeline, node or dataset."""
    from thor.app.run import whole_name

    environment = options["env"] or "base"
    assert environment in {*ENVIRONMENTS, *made}, f"no such environment: {environment}"
    environment = environment if environment in ENVIRONMENTS else "base"
    default = _default_pipeline(environment, json.dumps(options["params"]))
    named = options["pipelines"] or [options["pipeline"] or default or "__default__"]
    chosen = sum((_pipelines()[name] for name in named), Pipeline([]))
    chosen.filter(
        tags=options["tags"] or None,
        from_nodes=[whole_name(name) for name in options["from_nodes"]] or None,
        to_nodes=[whole_name(name) for name in options["to_nodes"]] or None,
        node_names=[whole_name(name) for name in options["node_names"]] or None,
        from_inputs=options["from_inputs"] or None,
        to_outputs=options["to_outputs"] or None,
        node_namespaces=options["namespaces"] or None,
    )


@cache
def _pipelines() -> dict[str, Pipeline]:
    configure_project("thor")
    return register_pipelines()


@cache
def _default_pipeline(environment: str, params: str) -> str | None:
    """Check what the configuration becomes with these `--params`; return the pipeline of a bare run."""
    configuration = default_configuration(environment, runtime_params=json.loads(params))
    validate(configuration["parameters"], MODELS)
    return configuration["globals"]["default_pipeline"]
