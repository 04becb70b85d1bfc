"""Configuration of the documentation; two pages are written from the code so that they cannot drift from it."""

from dataclasses import fields, is_dataclass
from pathlib import Path

from pydantic import BaseModel

import thor
from thor.parameters import MODELS
from thor.variables import table

project = "THOR"
author = copyright = "THOR maintainers"
version = release = thor.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
html_theme = "furo"
html_title = "THOR"
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
autosummary_generate = True
suppress_warnings = ["ref.*"]

HERE = Path(__file__).parent


def write_variables() -> None:
    """Write the table of variables as a page."""
    lines = ["# Variables", "", "Every field in every file; the table is `src/thor/variables.yml`.", ""]
    lines += ["| name | meaning | units | valid range | finite over |", "|---|---|---|---|---|"]
    for row in table().values():
        low, high = row.valid_range
        lines.append(f"| `{row.name}` | {row.long_name} | {row.units} | {low:g} to {high:g} | {row.over} |")
    _write("variables.md", lines)


def write_parameters() -> None:
    """Write the parameters of every pipeline, with their sentence and their limits, as a page."""
    lines = ["# Parameters", "", "Values are in `conf/base/parameters_<pipeline>.yml`; none is hidden.", ""]
    for group, model in MODELS.items():
        lines += [f"## {group}", "", "| parameter | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {text} |" for name, kind, text in _rows(model)] + [""]
    _write("parameters.md", lines)


def _rows(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str, str]]:
    rows = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows += _rows(kind, f"{prefix}{name}.")
            continue
        rows.append((prefix + name, getattr(kind, "__name__", str(kind)).replace("|", "or"), field.description or ""))
        if is_dataclass(kind):
            rows += [(f"{prefix}{name}.{part.name}", str(part.type).replace("|", "or"), "") for part in fields(kind)]
    return rows


def _write(name: str, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    path = HERE / name
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


write_variables()
write_parameters()
