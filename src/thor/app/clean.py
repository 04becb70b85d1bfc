"""`thor clean`: remove what runs made, and nothing else."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from thor.app.configuration import conf_source, run_record, working_folder
from thor.app.failures import short_errors
from thor.app.mlflow_store import ARTIFACTS
from thor.core.atomic import show
from thor.core.checksums import combined_sha256, file_checksums, file_sha256, files_of
from thor.core.errors import DataError, counted
from thor.core.run_record import RunRecord
from thor.datasets.checkpoints import stored_mark

_LAYERS, _LOGS = "0[1-8]_*", "logs/run_????-??-??T*.log"
_LEFT_BY_THE_KILLED = re.compile(r"\..+\.([0-9a-f]{8}-\d+(-[0-9a-f]{8})?\.(tmp|old)\b.*|part\.nc)")
"""Unfinished files and checkpoints, as `thor.core.atomic` and `thor.datasets.checkpoints` name them."""


@dataclass
class Cleaned:
    """What was removed from one folder of data, and what was kept.

    Attributes
    ----------
    removed, kept : list of Path
    n_bytes : int
        Of what was removed.
    """

    removed: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    n_bytes: int = 0


def clean(root: Path, *, store: Path | None = None, dry_run: bool = False) -> Cleaned:
    """Remove the files below a `data_root` that a run made and that are unchanged since, with the logs of the runs.

    A file belongs to a run when the run record (`thor.core.run_record`) lists its checksum and the node that made it;
    in a folder of NetCDF files each also has a fingerprint of THOR. Downloads, files from another team and all other
    files are kept.

    Parameters
    ----------
    root : Path
    store : Path, optional
        An MLflow store below it that is removed too, with its artifacts.
    dry_run : bool
        Remove nothing, only return what would be.

    Returns
    -------
    Cleaned
    """
    root, cleaned = root.resolve(), Cleaned()
    record = run_record(root)
    cleaned.removed = sorted({*_made(record, root), *_leftovers(root), *root.glob(_LOGS), *_stored(root, store)})
    removed = set(cleaned.removed)
    below = (file for folder in root.glob(_LAYERS) for file in folder.rglob("*"))
    cleaned.kept = sorted(file for file in below if file.is_file() and file not in removed)
    cleaned.n_bytes = sum(file.stat().st_size for file in cleaned.removed)
    if not dry_run:
        for file in cleaned.removed:
            file.unlink()
        _forget(record, root)
        for folder in sorted({folder for file in cleaned.removed for folder in file.parents}, reverse=True):
            if root in folder.parents and not any(folder.iterdir()):
                folder.rmdir()
    return cleaned


def _made(record: RunRecord, root: Path) -> Iterator[Path]:
    for name, entry in record.content["datasets"].items():
        place = root / entry["path"]
        # A link leads to files of others, as does a record that names a place outside.
        if entry["node"] is None or not place.exists() or place.resolve() != place or root not in place.parents:
            continue
        for file, checksum in _recorded_files(record, name, entry, place).items():
            path = place / file
            if not path.is_file() or path.is_symlink() or file_sha256(path) != checksum:
                continue
            # User files in a folder of a run are in its record, but have no fingerprint.
            if place.is_file() or path.suffix != ".nc" or stored_mark(path) is not None:
                yield path


def _recorded_files(record: RunRecord, name: str, entry: dict[str, Any], place: Path) -> dict[str, str]:
    if name in record.content["files"]:
        return record.content["files"][name]
    # The record of an older version: the checksum is that of the file or of all files together.
    files = file_checksums(place)
    return files if combined_sha256(files) == entry["sha256"] else {}


def _leftovers(root: Path) -> Iterator[Path]:
    for path in (path for folder in root.glob(_LAYERS) for path in folder.rglob(".*")):
        if _LEFT_BY_THE_KILLED.fullmatch(path.name) and path.resolve() == path:
            yield from (path,) if path.is_file() else (file for file in path.rglob("*") if file.is_file())


def _stored(root: Path, store: Path | None) -> Iterator[Path]:
    if store is not None and root in store.parents and store.is_file():
        yield store
        yield from (file for file in (store.parent / ARTIFACTS).rglob("*") if file.is_file())


def _forget(record: RunRecord, root: Path) -> None:
    """Keep the provenance of files that still exist."""
    there = {name: entry for name, entry in record.content["datasets"].items() if (root / entry["path"]).exists()}
    there = {name: entry for name, entry in there.items() if files_of(root / entry["path"])}
    record.content["datasets"] = there
    record.content["files"] = {name: files for name, files in record.content["files"].items() if name in there}
    record.content["nodes"] = {}
    if there:
        record.write()
    else:
        record.path.unlink(missing_ok=True)
    record.lock.unlink(missing_ok=True)


@click.command("clean", short_help="Remove what runs made, and nothing else.")
@click.option("--env", "-e", "environments", multiple=True, help="Only the data of this environment; may be repeated.")
@click.option("--conf-source", type=click.Path(exists=True, file_okay=False), help="Folder of the configuration.")
@click.option("--dry-run", is_flag=True, help="List what would be removed.")
def clean_command(environments: tuple[str, ...], conf_source: str | None, dry_run: bool) -> None:
    """Remove the files that runs made below the data_root of every environment, and the logs of these runs.

    Kept are downloads, archives, what was handed over, and each file that no run is on record to have made or that was
    changed since. `mlflow.db` is kept too, but for that of the environment `test`.
    """
    with short_errors():
        for root, store in _data_roots(environments, conf_source).items():
            try:
                cleaned = clean(root, store=store, dry_run=dry_run)
            except OSError as error:
                raise DataError(f"{error.filename} cannot be removed: {error.strerror}.") from error
            _print_cleaned(root, cleaned, dry_run=dry_run)


def _data_roots(environments: Iterable[str], source: str | None) -> dict[Path, Path | None]:
    """Return the existing data folders of the environments (default: all), each with its removable MLflow store."""
    from thor.app.config_loader import ALONE, OPTIONS, ConfigLoader

    project = working_folder()
    conf = Path(source) if source else project / conf_source()
    roots: dict[Path, Path | None] = {}
    for name in environments or sorted(folder.name for folder in conf.iterdir() if any(folder.glob("globals*"))):
        settings = ConfigLoader(str(conf), env=name, **OPTIONS)["globals"]
        root, store = (project / settings["data_root"]).resolve(), settings.get("mlflow_store")
        if root.is_dir():
            # Trained networks are kept, except in an environment that is removed as a whole.
            roots[root] = (project / store).resolve() if store and name in ALONE else roots.get(root)
    return roots


def _print_cleaned(root: Path, cleaned: Cleaned, *, dry_run: bool) -> None:
    """Print what was done, by folder."""
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{show(root)}/: {counted(len(cleaned.removed), 'file')} {verb} ({cleaned.n_bytes / 1e6:.1f} MB)")
    for what, files in ((verb, cleaned.removed), ("kept", cleaned.kept)):
        parts = [file.relative_to(root).parts for file in files]
        for name, number in Counter("/".join(p[:2]) + "/" * (len(p) > 2) for p in parts).items():
            click.echo(f"  {what}: {name}" + f" ({number} files)" * (number > 1))
