"""Packing: the files of a stage into one archive, the same files to the same bytes."""

import gzip
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from thor.core.checksums import combined_sha256, files_of
from thor.core.errors import DataError
from thor.handover import tar
from thor.handover.manifest import Dataset, File, Manifest, Run

MANIFEST = "manifest.json"
MANIFEST_CHECKSUM = "manifest.json.sha256"
DATA = "data/"
"""Where files lie in the archive: their path below `data_root` behind this."""

CHUNK = 2**20

_COMPRESSED = (".nc", ".npz", ".png", ".gz")
_PAYS = 0.1
"""Share of bytes that are not compressed already, from which on the archive is."""


@dataclass(frozen=True)
class Place:
    """Where a project keeps a dataset.

    Attributes
    ----------
    name, type, layer, contract : str
        Name, class, layer, and contract (or None), as in the catalog.
    path : str
        The file or folder below `data_root`, with ``/``.
    folder : bool
        Whether it is a folder of files.
    """

    name: str
    type: str
    layer: str
    path: str
    folder: bool
    contract: str | None = None


@dataclass(frozen=True)
class Made:
    """What made a dataset: a node in a run, or nothing that is known; and whether the record tells of other content."""

    node: str | None = None
    run: Run | None = None
    changed: bool = False


def made_by(record: Mapping[str, Any], name: str, checksum: str, *, groups: Iterable[str]) -> Made:
    """Return what the run record tells of a dataset with this content.

    Parameters
    ----------
    record : mapping
        As `thor.core.run_record.RunRecord.content`.
    name, checksum : str
        The dataset, and what it holds now (`thor.core.checksums.sha256`).
    groups : iterable of str
        Parameter groups that belong to the stage.
    """
    entry = record["datasets"].get(name)
    if entry is None:
        return Made()
    if entry["sha256"] != checksum:
        return Made(node=entry["node"], changed=True)
    about, node = record["runs"].get(entry["run"]), entry["node"]
    if about is None:
        received = entry.get("made_by") or {}
        about, node = received.get("run"), received.get("node")
    if about is None:
        return Made()
    parameters = {group: about["parameters"][group] for group in sorted(groups) if group in about.get("parameters", {})}
    facts = {key: about.get(key) for key in ("seed", "git", "python")}
    return Made(node, Run(**facts, versions=about.get("versions", {}), parameters=parameters))


def pack(
    places: Iterable[Place],
    target: Path | Callable[[bool], Path],
    *,
    root: Path,
    pipeline: str,
    environment: str,
    thor_version: str,
    made: Callable[[str, str], Made] = lambda name, checksum: Made(),
) -> tuple[Path, Manifest, str]:
    """Write an archive; whatever ends the work early leaves none, and the old one as it was.

    Parameters
    ----------
    places : iterable of Place
        What is packed.
    target : Path or callable
        The archive, or a function that names it when told whether it is compressed.
    root : Path
        `data_root`.
    pipeline, environment, thor_version : str
        Told in the manifest.
    made : callable
        Returns what made the dataset of this name and checksum.

    Returns
    -------
    tuple of Path, Manifest and str
        The archive, what it holds and its SHA-256 (hex).

    Raises
    ------
    DataError
        For a file that is missing, changes meanwhile or has a name that cannot be handed over; when the archive
        cannot be written.
    """
    places = sorted(places, key=lambda place: place.name)
    found = {place: files_of(root / place.path) for place in places}
    for place, own in found.items():
        if not place.folder and own != [root / place.path]:
            raise DataError(f"'{place.name}' is missing: {root / place.path} is no file.")
    n_bytes = sum(file.stat().st_size for own in found.values() for file in own)
    # Every byte is read twice: for its checksum, which the manifest tells first, and for the archive.
    with progress(2 * n_bytes, "packing") as bar:
        datasets, runs = _describe(found, root, made, bar)
        manifest = Manifest(
            thor_version=thor_version,
            pipeline=pipeline,
            environment=environment,
            datasets=tuple(datasets),
            runs=tuple(runs),
        )
        manifest.require_safe_paths()
        compressed = _pays(manifest)
        target = target if isinstance(target, Path) else target(compressed)
        with _replacing(target) as temporary, temporary.open("xb") as file:
            if compressed:
                # Neither name nor time in its header.
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as stream:
                    _write(manifest, stream, root, bar)
            else:
                _write(manifest, file, root, bar)
            file.flush()
            os.fsync(file.fileno())
            with temporary.open("rb") as written:
                checksum = hashlib.file_digest(written, "sha256").hexdigest()
    return target, manifest, checksum


@contextmanager
def progress(n_bytes: int, doing: str) -> Iterator[Any]:
    """Give a progress bar that shows itself when the work takes more than a few seconds."""
    with tqdm(total=n_bytes, desc=doing, unit="B", unit_scale=True, delay=3, leave=False, disable=None) as bar:
        yield bar


def blocks(file: IO[bytes], bar: Any) -> Iterator[bytes]:
    """Yield a file's content bit by bit."""
    while block := file.read(CHUNK):
        bar.update(len(block))
        yield block


def _describe(
    found: Mapping[Place, list[Path]], root: Path, made: Callable[[str, str], Made], bar: Any
) -> tuple[list[Dataset], list[Run]]:
    datasets: list[Dataset] = []
    runs: dict[str, Run] = {}
    for place, own in found.items():
        files = [_file(path, root, bar) for path in own]
        checksum = dataset_checksum(place.path, place.folder, files)
        maker = made(place.name, checksum)
        number = None
        if maker.run is not None:
            key = json.dumps(maker.run.model_dump(mode="json"), sort_keys=True)
            runs.setdefault(key, maker.run)
            number = list(runs).index(key)
        about = {key: getattr(place, key) for key in ("name", "type", "layer", "contract", "path", "folder")}
        datasets.append(Dataset(**about, node=maker.node, run=number, files=tuple(files)))
    return datasets, list(runs.values())


def dataset_checksum(path: str, folder: bool, files: Iterable[File]) -> str:
    """Return the checksum of a dataset from those of its files, as `thor.core.checksums.sha256` would."""
    if not folder:
        return next(iter(files)).sha256
    return combined_sha256({file.path.removeprefix(f"{path}/"): file.sha256 for file in files})


def _file(path: Path, root: Path, bar: Any) -> File:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for block in blocks(file, bar):
            digest.update(block)
            size += len(block)
    return File(path=path.relative_to(root).as_posix(), size=size, sha256=digest.hexdigest())


def _write(manifest: Manifest, stream: IO[bytes] | gzip.GzipFile, root: Path, bar: Any) -> None:
    content = manifest.to_json()
    for name, text in ((MANIFEST, content), (MANIFEST_CHECKSUM, checksum_line(content))):
        stream.write(tar.header(name, len(text)) + text + bytes(tar.padding(len(text))))
    for entry in manifest.files:
        stream.write(tar.header(DATA + entry.path, entry.size))
        digest, size = hashlib.sha256(), 0
        with (root / entry.path).open("rb") as file:
            for block in blocks(file, bar):
                digest.update(block)
                size += len(block)
                stream.write(block)
        if (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise DataError(f"{root / entry.path} changed while it was packed. Pack again when no run writes it.")
        stream.write(bytes(tar.padding(entry.size)))
    stream.write(tar.END)


def checksum_line(content: bytes) -> bytes:
    """Return the manifest's own checksum as `sha256sum` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode("ascii")


def _pays(manifest: Manifest) -> bool:
    plain = sum(file.size for file in manifest.files if not file.path.endswith(_COMPRESSED))
    return plain > _PAYS * manifest.n_bytes


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside the archive, and put it in its place when the block ends well."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        full = shutil.disk_usage(target.parent).free < 2 * CHUNK if target.parent.is_dir() else False
        about = f" ({error.filename})" if error.filename not in (None, str(temporary)) else ""
        reason = "the disk is full" if full else f"{error.strerror}{about}"
        raise DataError(
            f"{target} was not written: {reason}. Name another place with --output; none was left half-written."
        ) from error
    finally:
        if target.parent.is_dir():
            temporary.unlink(missing_ok=True)
