"""The data dictionary: every dataset of the catalog, as a page, from catalog, pipelines, contracts and variables."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.pipeline import Pipeline

from thor.app.configuration import default_configuration
from thor.core.contracts import CONTRACTS, Contract
from thor.core.variables import variable
from thor.pipeline_registry import register_pipelines
from thor.report.content import captions

CONF = Path(__file__).parents[1] / "conf"

LAYERS = ("raw", "intermediate", "primary", "feature", "model_input", "models", "model_output", "reporting")

FORMATS = {
    "EccoTrainingOcean": "released arrays and NetCDF",
    "EsgfArchive": "folder of NetCDF in ESGF layout",
    "FieldCollection": "folder of NetCDF",
    "FieldDataset": "NetCDF",
    "FigureDataset": "PNG, its numbers beside it as CSV or NetCDF",
    "GivenFieldDataset": "NetCDF",
    "MetricsDataset": "JSON",
    "ModelDataset": "pickle behind a header with versions and checksum",
    "NetworkDataset": "folder of NumPy arrays and JSON",
    "PageDataset": "HTML",
    "PublishedNetworks": "Keras files (HDF5)",
    "TableDataset": "CSV",
}
OTHER_ENVIRONMENTS = ("ecco",)
GIVEN = {
    "published_networks": "others: public data",
    "run_record": "every `kedro run`",
}
"""Origin of the datasets that no node writes."""


def dictionary() -> str:
    """Return the page."""
    catalog, pipelines = _catalog("base"), _pipelines()
    lines = [
        "# Data dictionary",
        "",
        "Every dataset of the catalog, by layer. Files are below `data_root` (`globals.yml` of each environment); a"
        " pipeline reads the files that another one wrote there or that were [handed over](handover.md). NetCDF files"
        " have attributes of the Climate and Forecast (CF) conventions, longitudes in [0, 360), depth positive down and"
        " land as NaN; those with a [contract](#contracts) are checked against it when they are saved and loaded.",
        "",
    ]
    for layer in LAYERS:
        rows = {name: entry for name, entry in catalog.items() if _layer(entry) == layer}
        lines += [f"## {layer.replace('_', ' ').capitalize()}", ""]
        lines += _table(("dataset, file, format", "contents, written by, read by"))
        lines += [_row(name, entry, pipelines) for name, entry in rows.items()] + [""]
        lines += [line for name in rows for line in _elsewhere(name, catalog[name])]
    lines += [
        "## Contracts",
        "",
        "Guaranteed contents of the files of a stage. *cell* is `lat, lon` on regular grids and `y, x` on all others;"
        " `[window]` is a dimension of fields that change between windows. The [table of variables](variables.md)"
        " gives meaning and valid range of every variable.",
        "",
    ]
    used = {entry["contract"] for entry in catalog.values() if "contract" in entry}
    for name, contract in CONTRACTS.items():
        if name in used:
            lines += _contract(contract, [key for key, entry in catalog.items() if entry.get("contract") == name])
    return "\n".join(lines) + "\n"


def description(name: str, entry: Mapping[str, Any]) -> str:
    """Return the contents of a dataset, from its catalog entry or, for a figure, from the report."""
    text = (entry.get("metadata") or {}).get("description")
    figure = captions().get(name)
    return text or (f"{figure.title}: {figure.alt}" if figure else "")


def makers(name: str, pipelines: Mapping[str, Pipeline]) -> list[tuple[str, str]]:
    """Return pipeline and node that write a dataset."""
    return [
        (key, node.name.rpartition(".")[2])
        for key, pipeline in pipelines.items()
        for node in pipeline.nodes
        if name in node.outputs
    ]


def readers(name: str, pipelines: Mapping[str, Pipeline]) -> list[str]:
    """Return the pipelines that read a dataset."""
    return [key for key, pipeline in pipelines.items() if any(name in node.inputs for node in pipeline.nodes)]


@cache
def _catalog(environment: str) -> dict[str, dict[str, Any]]:
    loader = default_configuration(environment)
    root, catalog = loader["globals"]["data_root"], loader["catalog"]
    return {name: entry | {"place": _place(entry, root)} for name, entry in catalog.items()}


def _place(entry: Mapping[str, Any], root: str) -> str:
    place = PurePosixPath(entry.get("filepath") or entry.get("path") or entry["folder"])
    return place.relative_to(root).as_posix() + ("/" if not place.suffix else "")


def _pipelines() -> dict[str, Pipeline]:
    return {name: pipeline for name, pipeline in register_pipelines().items() if name not in ("__default__", "study")}


def _layer(entry: Mapping[str, Any]) -> str:
    """Return the layer of the folder; Kedro-Viz draws a few datasets in an earlier one."""
    folder = entry["place"].partition("/")[0]
    return folder[3:] if folder[3:] in LAYERS else entry["metadata"]["kedro-viz"]["layer"]


def _row(name: str, entry: Mapping[str, Any], pipelines: Mapping[str, Pipeline]) -> str:
    made = ", ".join(f"{pipeline} (`{node}`)" for pipeline, node in makers(name, pipelines)) or GIVEN[name]
    read = ", ".join(readers(name, pipelines)) or "users"
    where = f"`{name}`<br>`{entry['place']}`<br>{_format(entry)}"
    return f"| {where} | {description(name, entry)}<br>Made by {made}<br>Read by {read} |"


def _format(entry: Mapping[str, Any]) -> str:
    kind = FORMATS[entry["type"].rpartition(".")[2].removeprefix("Optional")]
    if "contract" not in entry:
        return kind
    return f"{kind}, contract [{entry['contract']}](#contract-{entry['contract']})"


def _elsewhere(name: str, entry: Mapping[str, Any]) -> list[str]:
    """Return the form of a dataset in other environments, if it differs."""
    lines = []
    for environment in OTHER_ENVIRONMENTS:
        other = _catalog(environment)[name]
        if other["type"] != entry["type"]:
            text = f"{_format(other)}. {description(name, other)}"
            lines += [f"In the environment `{environment}`, `{name}` has another format: {text}", ""]
    return lines


def _contract(contract: Contract, names: list[str]) -> list[str]:
    lines = [f"### Contract {contract.name}", "", f"Applies to {', '.join(f'`{name}`' for name in names)}.", ""]
    lines += _table(("variable", "dims", "units", "meaning", "needed"))
    window = ("[window]",) if contract.over_windows else ()
    for name in contract.required:
        lines.append(_field(name, (*window, *contract.extra_dims.get(name, ()), "*cell*"), "yes"))
    for name, dims in contract.tables.items():
        lines.append(_field(name, dims, "no" if name in (contract.optional or ()) else "yes"))
    for name in contract.optional or ():
        if name not in contract.tables:
            lines.append(_field(name, (*window, *contract.extra_dims.get(name, ()), "*cell*"), "no"))
    if contract.optional is None:
        lines += ["", "Any other variable of the [table of variables](variables.md) is allowed in addition."]
    return [*lines, ""]


def _field(name: str, dims: tuple[str, ...], needed: str) -> str:
    row = variable(name)
    return f"| `{name}` | {', '.join(dims)} | {row.units} | {row.long_name} | {needed} |"


def _table(columns: tuple[str, ...]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
