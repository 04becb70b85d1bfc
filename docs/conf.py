"""Configuration of the documentation; some pages are generated from the code so that they agree with it."""

import re
import shutil
import sys
from pathlib import Path

from pydantic import BaseModel
from sphinx.addnodes import toctree
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import thor
from thor.app.configuration import default_configuration
from thor.app.parameters import MODELS
from thor.core.metrics import Metrics, metric_tables, metrics
from thor.core.settings import expected
from thor.core.variables import table

project = "THOR"
author = copyright = "THOR maintainers"
version = release = thor.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
html_theme = "furo"
html_title = "THOR"
exclude_patterns = ["_build", "scores.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
autosummary_generate = True
suppress_warnings = ["ref.*", "autodoc", "autodoc.import_object"]

HERE = Path(__file__).parent

# The page of a removed module would remain and cause a warning.
shutil.rmtree(HERE / "generated", ignore_errors=True)


def write_variables() -> None:
    """Write the table of variables as a page."""
    lines = ["# Variables", "", "All fields in all files, from the table `src/thor/core/variables.yml`.", ""]
    lines += ["| name | meaning | units | valid range | finite over |", "|---|---|---|---|---|"]
    for row in table().values():
        low, high = row.valid_range
        lines.append(f"| `{row.name}` | {row.long_name} | {row.units} | {low:g} to {high:g} | {row.over} |")
    _write("variables.md", lines)


def write_parameters() -> None:
    """Write the parameters of every pipeline with range and meaning as a page."""
    lines = ["# Parameters", "", "All values are in `conf/base/parameters_<pipeline>.yml`.", ""]
    for group, model in MODELS.items():
        lines += [f"## {group}", "", "| parameter | type and range | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {text} |" for name, kind, text in _rows(model)] + [""]
    _write("parameters.md", lines)


def write_metrics() -> None:
    """Write the definitions of all metrics as a page, and the scores as part of the page on skill."""
    _write("scores.md", _metric_table(metrics("scores")))
    places = default_configuration()["catalog"]
    lines = [
        *("# Metrics", ""),
        "Meaning, range, perfect value and direction of each metric. A row applies to every path in a file that ends",
        "with its name; a name in angle brackets is a placeholder. Empty: no bound, no perfect value, no direction.",
        "The same or a higher level of the file gives the number of cells (`n_cells`), the region (`region`) and the",
        "weights, by cell or by area (`weighting`). Intervals are 90 % intervals unless `level` has another value.",
        "",
        "`network_metrics.csv` and `bayesian_network_metrics.csv` contain the scores of `skill_metrics` for each",
        "network, in columns `<region>.<score>` and, weighted by area, `<region>.area_weighted_<score>`.",
    ]
    written: dict[int, str] = {}
    for name, section in metric_tables().items():
        lines += ["", f"## {name}", "", f"`{places[name]['filepath'].removeprefix('data/')}`", ""]
        if id(section) in written:
            lines.append(f"As [{written[id(section)]}](#{written[id(section)]}).")
            continue
        written[id(section)] = name
        lines += _metric_table(section)
    _write("metrics.md", lines)


def _metric_table(section: Metrics) -> list[str]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    lines = ["| metric | meaning | units | range | perfect | better |", "|---|---|---|---|---|---|"]
    for name, metric in section.items():
        low, high = number(metric.minimum), number(metric.maximum)
        span = f"{low} to {high}" if low and high else f"from {low}" * bool(low) + f"up to {high}" * bool(high)
        better = {None: "", True: "higher", False: "lower"}[metric.higher_is_better]
        meaning = metric.meaning.replace("|", "\\|")
        lines.append(f"| `{name}` | {meaning} | {metric.units} | {span} | {number(metric.perfect)} | {better} |")
    return lines


def write_datasets() -> None:
    """Write the data dictionary as a page."""
    sys.path.insert(0, str(HERE))
    from data_dictionary import dictionary

    _write("datasets.md", dictionary().splitlines())


def _rows(model: type[BaseModel], prefix: str = "") -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows += _rows(field.annotation, f"{prefix}{name}.")
        else:
            sentence = " ".join((field.description or "").split())
            rows.append((prefix + name, expected(field), re.sub(r" \[[^\]]+\]\.$", ".", sentence)))
    return rows


def _write(name: str, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    path = HERE / name
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


write_variables()
write_parameters()
write_metrics()
write_datasets()


def setup(app: Sphinx) -> None:
    app.connect("env-updated", _shorten_navigation)


def _shorten_navigation(app: Sphinx, env: BuildEnvironment) -> None:
    """List the packages of the library in the navigation, and their modules only on their own pages.

    Furo makes the navigation anew for every page: with all modules this took half the time of a build.
    """
    for page, contents in env.tocs.items():
        if page.startswith("generated/"):
            for modules in list(contents.findall(toctree)):
                modules.parent.remove(modules)
