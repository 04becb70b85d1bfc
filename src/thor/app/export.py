"""`thor export`: the regimes of all tracked runs in one dataset on a common regular grid."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from thor.app.archive_fetch import size_text
from thor.app.configuration import load_configuration, program_name, same_options, working_folder
from thor.app.failures import short_errors
from thor.app.options import configuration_options, names_option, path_option
from thor.core.atomic import show
from thor.core.errors import ConfigError, DataError, counted, did_you_mean

_FINEST = 0.05
"""Spacing of the finest grid [degrees], which has 26 million cells."""

SUFFIXES = {"zarr": ".zarr", "netcdf": ".nc"}


def _spacing(context: click.Context, parameter: click.Parameter, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", value)
    if match is None or float(match[1]) != float(match[2]) or not float(match[1]):
        expected = "DEGREESxDEGREES, the same twice, such as 1x1 or 2.5x2.5"
        raise click.BadParameter(f"'{value}' is no grid. Expected {expected}.")
    if float(match[1]) < _FINEST:
        raise click.BadParameter(f"'{value}' is too fine. The finest grid is {_FINEST:g}x{_FINEST:g}.")
    return float(match[1])


@click.command(
    short_help="Write all tracked runs to one dataset on a common grid.",
    epilog="Example: thor export --grid 1x1 --format zarr --output regimes.zarr",
)
@click.option("--grid", "spacing", default="1x1", show_default=True, callback=_spacing, help="Grid in degrees.")
@click.option(
    "--format", "kind", type=click.Choice(list(SUFFIXES)), default="zarr", show_default=True, help="Zarr or NetCDF."
)
@path_option("--output", "-o", help="What is written; thor_regimes_GRID.zarr or .nc in this folder without it.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export that lies there.")
@names_option("--source", "Climate models (source_id); all without it.")
@names_option("--experiment", "Experiments; likewise.")
@names_option("--variant", "Variants; likewise.")
@click.option("--license", "license_text", metavar="TEXT", help="Global attribute license.")
@configuration_options
def export(
    spacing: float,
    kind: Any,
    output: Path | None,
    overwrite: bool,
    source: list[str],
    experiment: list[str],
    variant: list[str],
    license_text: str | None,
    env: str | None,
    conf_source: str | None,
) -> None:
    """Write the regimes of all tracked runs to one dataset over models, experiments, members and windows.

    Probabilities and uncertainties are means over the ocean area of each cell, from any native grid; the regime of a
    cell is the most probable one. Needs the outputs of scenario_tracking.
    """
    with short_errors():
        from thor.tracking.export import LICENSE, export_runs

        path = output or Path(f"thor_regimes_{spacing:g}x{spacing:g}{SUFFIXES[kind]}")
        _require_free(path, kind, overwrite=overwrite)
        catalog = load_configuration(env, conf_source)["catalog"]
        folders = [working_folder() / catalog[name]["path"] for name in ("scenario_regimes", "climatologies")]
        runs, inputs = map(_collection, folders)
        if not runs:
            raise DataError(
                f"No tracked run is in {show(folders[0])}/. Track the runs of an "
                f"archive with `{program_name()} run --pipelines scenario_tracking{same_options()}`, or export in the "
                "folder and environment (--env) in which they were tracked."
            )
        chosen, license_text = _chosen(runs, (source, experiment, variant)), license_text or LICENSE
        header = export_runs(chosen, path, spacing=spacing, kind=kind, inputs=inputs, license_text=license_text)
        n_bytes = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
        sizes = ((header.sizes[dim], noun) for dim, noun in (("source_id", "climate model"), ("window", "window")))
        click.echo(
            f"{counted(int(header['tracked'].sum()), 'run')} of {', '.join(counted(*size) for size in sizes)} and "
            f"{counted(header.sizes['predictor'], 'predictor')} written to {show(path)}, {size_text(n_bytes)}."
        )
        opened = f'xr.open_zarr("{path}")' if kind == "zarr" else f'xr.open_dataset("{path}", chunks={{}})'
        click.echo(f"Open with: {opened}")


def _collection(folder: Path) -> dict[str, Any]:
    """Return functions that open the files of a collection lazily, by key; an empty dict without the folder.

    They kept their contract when they were saved; checking it again would take longer than the export.
    """
    from thor.datasets import FieldCollection

    return FieldCollection(path=str(folder), chunks={"window": 1}, may_be_empty=True).load()


def _chosen(runs: dict[str, Any], wanted: Sequence[Iterable[str]]) -> dict[str, Any]:
    """Return the runs of these models, experiments and variants, each list empty for all."""
    keys = [key.split("/") for key in runs]
    for option, position, names in zip(("--source", "--experiment", "--variant"), range(3), wanted, strict=True):
        known = {key[position] for key in keys}
        for name in names:
            if name not in known:
                raise ConfigError(f"{option} {name}: no tracked run has it.{did_you_mean(name, known)}")
    chosen = {
        key: load
        for key, load in runs.items()
        if all(not names or part in names for part, names in zip(key.split("/"), wanted, strict=True))
    }
    if not chosen:
        raise ConfigError("No tracked run has all of --source, --experiment and --variant. Choose fewer of them.")
    return chosen


def _require_free(path: Path, kind: str, *, overwrite: bool) -> None:
    """Raise ConfigError when the name is that of another format, or something that may not be replaced lies there."""
    other = next(suffix for name, suffix in SUFFIXES.items() if name != kind)
    if path.suffix == other:
        raise ConfigError(f"--output {path} has the ending of another format than {kind}. Give --format too.")
    if not path.exists() or (overwrite and _is_export(path, kind)):
        return
    no_export, there = "is no export of this format, and not replaced", "is there: --overwrite replaces an export"
    advice = no_export if overwrite else there
    raise ConfigError(f"{show(path)} {advice}. Choose another place with --output.")


def _is_export(path: Path, kind: str) -> bool:
    """Return whether a path is a dataset that this command wrote."""
    import xarray as xr

    if path.is_dir() != (kind == "zarr"):
        return False
    try:
        with xr.open_dataset(path, engine="zarr" if kind == "zarr" else "netcdf4", chunks=None) as dataset:
            return {"thor_version", "nominal_resolution"} <= set(dataset.attrs)
    except (OSError, ValueError, RuntimeError):
        return False
