"""`thor archive check`: which runs of an archive can be read, why the others cannot, and which are done."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thor.app.archive_fetch import fetch_command, size_text
from thor.app.configuration import data_configuration, load_configuration, program_name, same_options, working_folder
from thor.app.failures import short_errors
from thor.app.options import configuration_options, names_option, path_option
from thor.core.atomic import replacing, require_writable
from thor.core.errors import counted
from thor.core.warn import logging_from

if TYPE_CHECKING:
    import pandas as pd

_ELSEWHERE = "choose another file with --csv"


@click.group()
def archive() -> None:
    """Check an archive of climate models, or get output from ESGF into one."""


archive.add_command(fetch_command)


@archive.command("check", short_help="List which runs of an archive can be read, and why the others cannot.")
@click.argument("root", required=False, type=click.Path(path_type=Path))
@names_option(
    "--source", "Climate models (source_id); all without it, or where ROOT is not given those of globals.yml."
)
@names_option("--experiment", "Experiments; likewise.")
@names_option("--variant", "Variants; likewise.")
@path_option("--csv", dir_okay=False, help="Write the table to this file.")
@click.option("--headers-only", is_flag=True, help="Read no field: no check of one month of each model.")
@configuration_options
def check_command(
    root: Path | None,
    source: list[str],
    experiment: list[str],
    variant: list[str],
    csv: Path | None,
    headers_only: bool,
    env: str | None,
    conf_source: str | None,
) -> None:
    """List the runs of the archive at ROOT, or of archive_root, that can be read, and why the others cannot.

    Reads the headers of all files, and one month of one run of each model for its grid and for physical checks.
    A run is done when data_root holds its climatology, made from these files with these settings; the others are left
    for the next `kedro run`. Exits with 1 where no run can be read.
    """
    with short_errors():
        from thor.reading.climatology import climatology_marks
        from thor.reading.inventory import inventory, with_first_month, with_progress
        from thor.reading.plans import plan_runs
        from thor.reading.transports import plan_transports, transport_marks
        from thor.reading.transports_sigma2 import sigma2_marks, with_tracers
        from thor.reading.warming_levels import level_windows

        if csv is not None:
            require_writable(csv, elsewhere=_ELSEWHERE)
        _, engineering = data_configuration(env, conf_source)
        datasets = _datasets(root, env, conf_source)
        there, configured = datasets["raw_archive"].load(), {} if root else engineering.archive.model_dump()
        given = {"source_ids": source, "experiment_ids": experiment, "variant_labels": variant}
        runs = there.runs(**{key: names or configured.get(key, "all") for key, names in given.items()})
        settings = engineering.climatology_settings()
        with logging_from(logging.ERROR, "thor"):  # the table contains the warnings of the reader
            found = datasets["warming_levels"]
            levels = level_windows(found.load()) if found.exists() else {}
            options = {"quirks": engineering.quirks, "levels": levels}
            plans = plan_runs(there, runs, engineering.windows, **options, missing="skip")
            table = inventory(plans)
            if not headers_only:
                table = with_first_month(table, plans, settings)
            parts = list(plan_transports(plans, missing="skip"))
            tracers = with_tracers(parts, missing="skip") if engineering.density_classes else ()
            marks = {"transport_climatologies": transport_marks(parts, settings)}
            marks["transports_sigma2"] = sigma2_marks(tracers, settings)
        table = with_progress(table, datasets["climatologies"].left(climatology_marks(plans, settings)))
        if csv is not None:
            with replacing(csv, elsewhere=_ELSEWHERE) as temporary:
                table.to_csv(temporary, index=False)
        _print_inventory(table, there)
        if not table["usable"].any():
            raise SystemExit(1)
        _print_progress(table, [(len(of) - len(datasets[name].left(of)), len(of)) for name, of in marks.items()])


def _datasets(root: Path | None, env: str | None, conf_source: str | None) -> dict[str, Any]:
    """Return the archive at `root`, or the one configured, and the collections that are made of it."""
    from kedro.io import AbstractDataset

    catalog = load_configuration(env, conf_source)["catalog"]
    datasets = {}
    for name in ("raw_archive", "warming_levels", "climatologies", "transport_climatologies", "transports_sigma2"):
        entry = dict(catalog[name])
        place = "filepath" if "filepath" in entry else "path"
        entry[place] = str(working_folder() / entry[place])
        if name == "raw_archive" and root:
            entry["root"] = str(root)
        datasets[name] = AbstractDataset.from_config(name, entry)
    return datasets


def _print_inventory(table: "pd.DataFrame", archive: Any) -> None:
    """Print a line for each run, and below it failed checks and warnings."""
    from thor.datasets.collections import NOT_MADE
    from thor.reading.inventory import run_keys

    keys = run_keys(table)
    width = max([len(key) for key in keys], default=0)
    for key, (_, row) in zip(keys, table.iterrows(), strict=True):
        if not row["usable"]:
            click.echo(f"{key:<{width}}  no   {row['reason']}")
            continue
        windows, size = counted(row["n_windows"], "window"), size_text(int(row["size_gb"] * 1e9))
        parent = f", {row['n_baselines']} with a baseline in {row['parent']}" if row["parent"] else ""
        state = "done" if row["done"] else "left"
        click.echo(
            f"{key:<{width}}  yes  {state}  {row['first_year']:04d}-{row['last_year']:04d}, {windows}{parent}; "
            f"{row['calendar']}, {row['grid_label']}, {row['version']}, {size}"
        )
        for kind in ("left", "checks", "warnings"):
            if row[kind] and row[kind] != NOT_MADE:
                click.echo(f"{'':<{width}}       {row[kind]}")
    usable = table[table["usable"]]
    line = f"{len(usable)} of {counted(len(table), 'run')} can be read"
    if len(usable):
        size, n_odd = size_text(int(usable["size_gb"].sum() * 1e9)), int((usable["checks"] != "").sum())
        line += f", {size}; {n_odd} of them do not pass a physical check"
    click.echo(f"{line}.{f' {archive.searched()}' if table.empty else ''}{archive.closed()}")


def _print_progress(table: "pd.DataFrame", windows: Sequence[tuple[int, int]]) -> None:
    """Print how many climatologies are made, of how many windows the transports, and how much is left to read."""
    left = table[table["usable"] & ~table["done"]]
    line = f"{int(table['done'].sum())} of {int(table['usable'].sum())} climatologies are done"
    for (n_done, n_windows), words in zip(windows, ("the transports", "density classes"), strict=True):
        if n_windows:
            line += f", {words} of {n_done} of {counted(n_windows, 'window')}"
    if len(left):
        size = size_text(int(left["size_gb"].sum() * 1e9))
        line += f"; {counted(len(left), 'run')} left, {size}, for the next `{program_name()} run{same_options()}`"
    click.echo(f"{line}.")
