"""`thor archive`: what an archive of climate models holds, and getting output from ESGF into one."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thor.app.failures import short_errors
from thor.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from thor.reading.fetch import FetchPlan


def _split(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> list[str]:
    """Return the words of an option that may be repeated and may hold several, separated by commas."""
    return list(dict.fromkeys(word for value in values for word in value.replace(",", " ").split()))


def _years(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, dash, last = value.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise click.BadParameter(f"'{value}' is no span of years. Expected FIRST-LAST, such as 1995-2014.")
    return int(first), int(last)


def _listed(name: str, help: str) -> Any:
    return click.option(name, multiple=True, callback=_split, metavar="NAME[,NAME...]", help=help)


@click.group()
def archive() -> None:
    """Check an archive of climate models, or get output from ESGF into one."""


@archive.command(short_help="List which runs of an archive can be read, and why the others cannot.")
@click.argument("root", required=False, type=click.Path(path_type=Path))
@_listed("--source", "Climate models (source_id); all without it, or where ROOT is not given those of globals.yml.")
@_listed("--experiment", "Experiments; likewise.")
@_listed("--variant", "Variants; likewise.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to this file.")
@click.option("--headers-only", is_flag=True, help="Read no field: skip the look at one month of each model.")
@click.option("--env", "-e", help="Kedro environment; base and local without it.")
@click.option("--conf-source", type=click.Path(exists=True, file_okay=False), help="Folder of the configuration.")
def check(
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
        from thor.reading.inventory import inventory, looked_at
        from thor.reading.plans import plan_runs

        globals_, engineering = _configuration(env, conf_source)
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
            plans = plan_runs(there, runs, engineering.windows, quirks=engineering.quirks)
            table = inventory(plans)
            if not headers_only:
                table = looked_at(table, plans, engineering.climatology_settings())
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(csv, index=False)
        _print_inventory(table, there)
        if not table["usable"].any():
            raise SystemExit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log no warning of the reader: the table has them all."""
    logger = logging.getLogger("thor.reading")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _print_inventory(table: "pd.DataFrame", archive: Any) -> None:
    """Print a line for each run, and below it what is odd about it."""
    keys = table["source_id"] + "/" + table["experiment_id"] + "/" + table["variant_label"]
    width = max([len(key) for key in keys], default=0)
    for key, (_, row) in zip(keys, table.iterrows(), strict=True):
        if not row["usable"]:
            click.echo(f"{key:<{width}}  no   {row['reason']}")
            continue
        parent = f", {row['n_baselines']} with a baseline in {row['parent']}" if row["parent"] else ""
        click.echo(
            f"{key:<{width}}  yes  {row['first_year']:04d}-{row['last_year']:04d}, {row['n_windows']} windows{parent}; "
            f"{row['calendar']}, {row['grid_label']}, {row['version']}, {_size(int(row['size_gb'] * 1e9))}"
        )
        for kind in ("checks", "warnings"):
            if row[kind]:
                click.echo(f"{'':<{width}}       {row[kind]}")
    usable = table[table["usable"]]
    n_odd = int((usable["checks"] != "").sum())
    click.echo(
        f"{len(usable)} of {len(table)} runs can be read, {_size(int(usable['size_gb'].sum() * 1e9))}; "
        f"{n_odd} of them do not pass a physical check. {archive.searched() if table.empty else ''}".strip()
    )


@archive.command(
    short_help="Fetch what THOR needs of climate models from ESGF.",
    epilog="Example: thor archive fetch --source IPSL-CM6A-LR --experiment historical,ssp585 --root CMIP6 --dry-run",
)
@_listed("--source", "Climate models (source_id); source_ids of globals.yml without it.")
@_listed("--experiment", "Experiments, which every model must have; experiment_ids of globals.yml without it.")
@_listed(
    "--variant",
    "Variants; each experiment gives those it has of them. Without it variant_labels of globals.yml, or else the first "
    "variant that has all variables, the same for all experiments of a model where possible.",
)
@_listed("--variables", "These variables instead of all that THOR needs.")
@click.option(
    "--years",
    callback=_years,
    metavar="FIRST-LAST",
    help="Only files that overlap these years. Without it those of the windows in parameters_data_engineering.yml.",
)
@click.option(
    "--with-parents/--without-parents",
    default=True,
    show_default=True,
    help="Also the run that each run branches off (piControl, historical), for the years of its baseline.",
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the archive; archive_root of globals.yml without it.",
)
@click.option("--dry-run", is_flag=True, help="List files and sizes, and fetch nothing.")
@click.option("--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="Files fetched at once.")
@click.option("--env", "-e", help="Kedro environment; base and local without it.")
@click.option("--conf-source", type=click.Path(exists=True, file_okay=False), help="Folder of the configuration.")
def fetch(
    source: list[str],
    experiment: list[str],
    variant: list[str],
    variables: list[str],
    years: tuple[int, int] | None,
    with_parents: bool,
    root: Path | None,
    dry_run: bool,
    parallel: int,
    env: str | None,
    conf_source: str | None,
) -> None:
    """Fetch what THOR needs of climate models from ESGF, in ESGF layout.

    For each run zos, tauuo and tauvo on one grid (gn where there is one), each in its newest version that is not
    retracted; for each model deptho, areacello and sftof of any run.

    Files that are there with the right size and checksum are not fetched again. After an interrupt or a failure the
    same command goes on where it stopped.
    """
    with short_errors():
        from thor.reading.download import activities_folder, download
        from thor.reading.esgf_index import EsgfIndex
        from thor.reading.fetch import plan_fetch
        from thor.reading.fetch_settings import FetchSettings

        globals_, engineering = _configuration(env, conf_source)
        folder = activities_folder(root or _archive_root(globals_))
        _refuse_idealized(folder, globals_)
        settings = FetchSettings(
            source_ids=source or _from_globals(globals_, "source_ids", "--source"),
            experiment_ids=experiment or _from_globals(globals_, "experiment_ids", "--experiment"),
            variant_labels=variant or _a_list(globals_.get("variant_labels")),
            variable_ids=variables or None,
            years=years,
            windows=engineering.windows,
            parents=with_parents,
            quirks=engineering.quirks,
        )
        plan = plan_fetch(EsgfIndex(), settings, folder=folder)
        _print(plan, folder, list_files=dry_run)
        if dry_run:
            click.echo("Nothing was fetched (--dry-run).")
            return
        fetched = download(plan.files, folder, n_parallel=parallel)
        click.echo(
            f"Fetched {fetched.n_fetched} files, {_size(fetched.n_bytes)}, into {folder}; {fetched.n_present} were "
            "there already."
        )
        if root is not None and str(globals_.get("archive_root")) != str(root):
            click.echo(f"To read them, set archive_root: {root.resolve()} in conf/local/globals.yml.")


def _configuration(env: str | None, conf_source: str | None) -> tuple[dict[str, Any], Any]:
    """Return globals.yml and the parameters of data_engineering, as a run in this environment has them."""
    from thor.app.configuration import load_configuration
    from thor.app.parameters import DataEngineering

    loader = load_configuration(env, conf_source)
    return loader["globals"], DataEngineering(**loader["parameters"]["data_engineering"])


def _archive_root(globals_: dict[str, Any]) -> Path:
    """Return `archive_root` where it is a folder that can be written to."""
    configured = globals_.get("archive_root")
    if configured in (None, "idealized") or "://" in str(configured) or str(configured).endswith(".json"):
        raise ConfigError(
            f"archive_root is {configured or 'null'}, which is no folder to fetch into. Name one with --root, or set "
            "archive_root in conf/local/globals.yml."
        )
    if not Path(configured).is_dir():
        raise ConfigError(f"The archive {configured} does not exist. Make that folder, or name another with --root.")
    return Path(configured)


def _refuse_idealized(folder: Path, globals_: dict[str, Any]) -> None:
    """Raise ConfigError where files would go among those that `idealized_ocean` makes and removes."""
    idealized = Path(globals_["data_root"]) / "01_raw" / "archive"
    if folder.resolve().is_relative_to(idealized.resolve()):
        raise ConfigError(f"{idealized} is the idealized archive, whose files THOR makes itself. Name another --root.")


def _from_globals(globals_: dict[str, Any], key: str, option: str) -> list[str]:
    names = _a_list(globals_.get(key))
    if not names:
        raise ConfigError(f"Which ones? Name them with {option}, or list them as {key} in conf/local/globals.yml.")
    return names


def _a_list(value: Any) -> list[str] | None:
    return None if value in (None, "all") else [str(name) for name in value]


def _print(plan: "FetchPlan", folder: Path, *, list_files: bool) -> None:
    """Print what is to be fetched: files, sizes, and a total for each model."""
    there = {file.path for file in plan.files if (folder / file.path).exists()}
    if list_files:
        for file in plan.files:
            state = "there" if file.path in there else _size(file.size)
            click.echo(f"{state:>10}  {file.path}")
    for source_id in sorted({file.dataset.source_id for file in plan.files}):
        files = [file for file in plan.files if file.dataset.source_id == source_id]
        missing = [file for file in files if file.path not in there]
        click.echo(
            f"{source_id}: {len(files)} files, {_size(sum(file.size for file in files))}; "
            f"{len(missing)} to fetch, {_size(sum(file.size for file in missing))}"
        )
    for note in plan.notes:
        click.echo(f"Note: {note}.", err=True)


def _size(n_bytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"
