"""`thor archive check`: which runs of an archive of climate models can be read, and why the others cannot."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thor.app.archive_fetch import fetch_command, size_text
from thor.app.configuration import data_configuration
from thor.app.failures import short_errors
from thor.app.options import CONFIGURATION, ENVIRONMENT, names_option, path_option

if TYPE_CHECKING:
    import pandas as pd


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
@ENVIRONMENT
@CONFIGURATION
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
    Exits with 1 where no run can be read.
    """
    with short_errors():
        from thor.datasets.archive import EsgfArchive
        from thor.reading.inventory import inventory, with_first_month
        from thor.reading.plans import plan_runs

        globals_, engineering = data_configuration(env, conf_source)
        place = Path(globals_["data_root"]) / "01_raw" / "archive"
        there = EsgfArchive(
            path=str(place),
            root=str(root) if root else globals_["archive_root"],
            layout=globals_["archive_layout"],
            versions=globals_["versions"],
            grid_labels=globals_["grid_labels"],
        ).load()
        configured = engineering.archive
        runs = there.runs(
            source_ids=source or ("all" if root else configured.source_ids),
            experiment_ids=experiment or ("all" if root else configured.experiment_ids),
            variant_labels=variant or ("all" if root else configured.variant_labels),
        )
        with _quiet():
            plans = plan_runs(there, runs, engineering.windows, quirks=engineering.quirks, missing="skip")
            table = inventory(plans)
            if not headers_only:
                table = with_first_month(table, plans, engineering.climatology_settings())
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(csv, index=False)
        _print_inventory(table, there)
        if not table["usable"].any():
            raise SystemExit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log no warning of the reader: the table contains them."""
    logger = logging.getLogger("thor")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _print_inventory(table: "pd.DataFrame", archive: Any) -> None:
    """Print a line for each run, and below it failed checks and warnings."""
    keys = table["source_id"] + "/" + table["experiment_id"] + "/" + table["variant_label"]
    width = max([len(key) for key in keys], default=0)
    for key, (_, row) in zip(keys, table.iterrows(), strict=True):
        if not row["usable"]:
            click.echo(f"{key:<{width}}  no   {row['reason']}")
            continue
        parent = f", {row['n_baselines']} with a baseline in {row['parent']}" if row["parent"] else ""
        click.echo(
            f"{key:<{width}}  yes  {row['first_year']:04d}-{row['last_year']:04d}, {row['n_windows']} windows{parent}; "
            f"{row['calendar']}, {row['grid_label']}, {row['version']}, {size_text(int(row['size_gb'] * 1e9))}"
        )
        for kind in ("checks", "warnings"):
            if row[kind]:
                click.echo(f"{'':<{width}}       {row[kind]}")
    usable = table[table["usable"]]
    n_odd = int((usable["checks"] != "").sum())
    click.echo(
        f"{len(usable)} of {len(table)} runs can be read, {size_text(int(usable['size_gb'].sum() * 1e9))}; "
        f"{n_odd} of them do not pass a physical check. {archive.searched() if table.empty else ''}".strip()
    )
