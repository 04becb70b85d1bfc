"""`thor archive fetch`: get output of climate models from ESGF into an archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thor.app.configuration import data_configuration
from thor.app.failures import short_errors
from thor.app.options import configuration_options, names_option, path_option
from thor.core.errors import ConfigError, counted

if TYPE_CHECKING:
    from thor.reading.fetch import FetchPlan


def _years(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, dash, last = value.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise click.BadParameter(f"'{value}' is no span of years. Expected FIRST-LAST, such as 1995-2014.")
    return int(first), int(last)


@click.command(
    "fetch",
    short_help="Fetch what THOR needs of climate models from ESGF.",
    epilog="Example: thor archive fetch --source IPSL-CM6A-LR --experiment historical,ssp585 --root CMIP6 --dry-run",
)
@names_option("--source", "Climate models (source_id); source_ids of globals.yml without it.")
@names_option("--experiment", "Experiments, which every model must have; experiment_ids of globals.yml without it.")
@names_option(
    "--variant",
    "Variants; each experiment gives those it has of them. Without it variant_labels of globals.yml, or else the first "
    "variant that has all variables, the same for all experiments of a model where possible.",
)
@names_option("--variables", "These variables instead of all that THOR needs.")
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
@path_option("--root", file_okay=False, help="Folder of the archive; archive_root of globals.yml without it.")
@click.option("--dry-run", is_flag=True, help="List files and sizes, and fetch nothing.")
@click.option("--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="Files fetched at once.")
@configuration_options
def fetch_command(
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
    same command continues where it stopped.
    """
    with short_errors():
        from thor.reading.download import activities_folder, download
        from thor.reading.esgf_index import EsgfIndex
        from thor.reading.fetch import plan_fetch
        from thor.reading.fetch_settings import FetchSettings

        globals_, engineering = data_configuration(env, conf_source)
        folder = activities_folder(root or archive_folder(globals_))
        refuse_idealized(folder, globals_)
        settings = FetchSettings(
            source_ids=source or _required_names(globals_, "source_ids", "--source"),
            experiment_ids=experiment or _required_names(globals_, "experiment_ids", "--experiment"),
            variant_labels=variant or _names(globals_.get("variant_labels")),
            variable_ids=variables or None,
            years=years,
            windows=engineering.windows,
            parents=with_parents,
            quirks=engineering.quirks,
        )
        plan = plan_fetch(EsgfIndex(), settings, folder=folder)
        _print_plan(plan, folder, list_files=dry_run)
        if dry_run:
            click.echo("Nothing was fetched (--dry-run).")
            return
        fetched = download(plan.files, folder, n_parallel=parallel)
        click.echo(
            f"Fetched {counted(fetched.n_fetched, 'file')}, {size_text(fetched.n_bytes)}, into {folder}; "
            f"{fetched.n_present} {'was' if fetched.n_present == 1 else 'were'} there already."
        )
        if root is not None and str(globals_.get("archive_root")) != str(root):
            click.echo(f"To read them, set archive_root: {root.resolve()} in conf/local/globals.yml.")


def archive_folder(globals_: dict[str, Any]) -> Path:
    """Return `archive_root` where it is a folder that can be written to."""
    configured = globals_.get("archive_root")
    if isinstance(configured, list):
        raise ConfigError(f"archive_root is a list, {configured}. Name the folder to fetch into with --root.")
    if configured in (None, "idealized") or "://" in str(configured) or str(configured).endswith(".json"):
        advice = "Name one with --root, or set archive_root in conf/local/globals.yml."
        raise ConfigError(f"archive_root is {configured or 'null'}, which is no folder to fetch into. {advice}")
    if not Path(configured).is_dir():
        raise ConfigError(f"The archive {configured} does not exist. Make that folder, or name another with --root.")
    return Path(configured)


def refuse_idealized(folder: Path, globals_: dict[str, Any]) -> None:
    """Raise ConfigError where files would go among those that `idealized_ocean` makes and removes."""
    idealized = Path(globals_["data_root"]) / "01_raw" / "archive"
    if folder.resolve().is_relative_to(idealized.resolve()):
        raise ConfigError(f"{idealized} is the idealized archive, whose files THOR makes. Name another --root.")


def _required_names(globals_: dict[str, Any], key: str, option: str) -> list[str]:
    """Return the names in globals.yml; ConfigError where it has none."""
    names = _names(globals_.get(key))
    if not names:
        raise ConfigError(f"Which ones? Name them with {option}, or list them as {key} in conf/local/globals.yml.")
    return names


def _names(value: Any) -> list[str] | None:
    return None if value in (None, "all") else [str(name) for name in value]


def _print_plan(plan: "FetchPlan", folder: Path, *, list_files: bool) -> None:
    """Print what is to be fetched: files, sizes, and a total for each model."""
    there = {file.path for file in plan.files if (folder / file.path).exists()}
    if list_files:
        for file in plan.files:
            state = "there" if file.path in there else size_text(file.size)
            click.echo(f"{state:>10}  {file.path}")
    for source_id in sorted({file.dataset.source_id for file in plan.files}):
        files = [file for file in plan.files if file.dataset.source_id == source_id]
        missing = [file for file in files if file.path not in there]
        whole, rest = (size_text(sum(file.size for file in some)) for some in (files, missing))
        click.echo(f"{source_id}: {counted(len(files), 'file')}, {whole}; {len(missing)} to fetch, {rest}")
    for note in plan.notes:
        click.echo(f"Note: {note}.", err=True)


def size_text(n_bytes: int) -> str:
    """Return a number of bytes in GB, MB or kB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"
