"""Packing: the files of a stage into one tar archive, the same files to the same bytes."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from thor.core.atomic import replacing
from thor.core.checksums import combined_sha256, file_sha256, files_of
from thor.core.errors import DataError
from thor.core.progress import progress_bar
from thor.handover.manifest import Dataset, File, Manifest, Place, Provenance

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MANIFEST = "manifest.json"
MANIFEST_CHECKSUM = "manifest.json.sha256"
DATA = "data/"
"""Folder of the archive in which files lie at their paths below `data_root`."""

END = bytes(2 * tarfile.BLOCKSIZE)
"""Two empty blocks end an archive."""

CHUNK = 2**20
"""Bytes read at once."""
_LARGEST_USTAR = 8**11
_COMPRESSED = (".nc", ".npz", ".png", ".gz")
_LEAST_COMPRESSIBLE = 0.1
"""Share of bytes in files that are not compressed already, above which the archive is compressed."""


@dataclass(frozen=True)
class Made:
    """The node and run that made a dataset, as far as known, and the checksum of the content of each input.

    `changed`: the record is of other content.
    """

    node: str | None = None
    run: Provenance | None = None
    changed: bool = False
    made_from: Mapping[str, str] = field(default_factory=dict)


def made_by(record: Mapping[str, Any], name: str, checksum: str, *, groups: Iterable[str]) -> Made:
    """Return what the run record holds about the making of a dataset with this content.

    Parameters
    ----------
    record : mapping
        As `thor.core.run_record.RunRecord.content`.
    name, checksum : str
        The dataset, and the checksum of its present content (`thor.core.checksums.sha256`).
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
    made_from = entry.get("made_from") or {}
    if about is None:
        return Made(made_from=made_from)
    parameters = {group: about["parameters"][group] for group in sorted(groups) if group in about.get("parameters", {})}
    facts = {key: about.get(key) for key in ("seed", "git", "python")}
    run = Provenance(**facts, versions=about.get("versions", {}), parameters=parameters)
    return Made(node, run, made_from=made_from)


def pack(
    places: Iterable[Place],
    target: Path | Callable[[bool], Path],
    *,
    root: Path,
    made: Callable[[str, str], Made] = lambda name, checksum: Made(),
    **about: Any,
) -> tuple[Path, Manifest, str]:
    """Write an archive; an error or interrupt leaves no new archive, and an old one as it was.

    Parameters
    ----------
    places : iterable of Place
        The datasets to pack.
    target : Path or callable
        The archive, or a function that returns it; its argument is whether the archive is compressed.
    root : Path
        `data_root`.
    made : callable
        Returns what made the dataset of this name and checksum.
    **about : str
        `pipeline`, `environment` and `thor_version`, recorded in the manifest.

    Returns
    -------
    tuple of Path, Manifest and str
        The archive, its manifest and its SHA-256 (hex).

    Raises
    ------
    DataError
        For a file that is missing, changes meanwhile or has a name that cannot be packed; when the archive cannot be
        written.
    """
    found = {place: files_of(root / place.path) for place in sorted(places, key=lambda place: place.name)}
    for place, files in found.items():
        if not place.folder and files != [root / place.path]:
            raise DataError(f"'{place.name}' is missing: {root / place.path} is no file.")
    n_bytes = sum(path.stat().st_size for files in found.values() for path in files)
    # Every byte is read twice: for its checksum, which the manifest at the beginning holds, and for the archive.
    with progress_bar(total=2 * n_bytes, label="packing", unit="B", scaled=True) as bar:
        datasets, runs = _describe(found, root, made, bar)
        manifest = Manifest(**about, datasets=tuple(datasets), runs=tuple(runs))
        manifest.require_safe_paths()
        n_plain = sum(file.size for file in manifest.files if not file.path.endswith(_COMPRESSED))
        compressed = n_plain > _LEAST_COMPRESSIBLE * manifest.n_bytes
        target = target if isinstance(target, Path) else target(compressed)
        with replacing(target, make_folder=False, elsewhere="name another place with --output") as temporary:
            with temporary.open("xb") as file, _compressor(file) if compressed else nullcontext(file) as stream:
                _write(manifest, stream, root, bar)
            checksum = file_sha256(temporary)
    return target, manifest, checksum


def add(write: Callable[[bytes], Any], name: str, size: int, content: "SupportsRead[bytes]") -> str:
    """Write one file as THOR's archives hold it: header, content, zeros up to a whole block.

    Parameters
    ----------
    write : callable
        Takes the bytes.
    name : str
        Path in the archive.
    size : int
        Bytes of the content.
    content : stream of bytes

    Returns
    -------
    str
        SHA-256 (hex) of the content.
    """
    digest = hashlib.sha256()
    write(header(name, size))
    while block := content.read(CHUNK):
        digest.update(block)
        write(block)
    write(bytes(-size % tarfile.BLOCKSIZE))
    return digest.hexdigest()


def header(name: str, size: int) -> bytes:
    """Return the block before a file's content, without times, owners and permissions.

    Raises
    ------
    DataError
        For a name that does not fit into one block.
    """
    info = tarfile.TarInfo(name)
    info.size = size
    try:
        # Sizes from 8 GiB on are written in the format of GNU.
        block = info.tobuf(tarfile.USTAR_FORMAT if size < _LARGEST_USTAR else tarfile.GNU_FORMAT, encoding="utf-8")
    except ValueError as error:
        raise DataError(f"'{name}' cannot be packed: {error}. Shorten the name.") from error
    if len(block) != tarfile.BLOCKSIZE:
        raise DataError(f"'{name}' cannot be packed: its name is too long. Shorten it.")
    return block


class Counted:
    """A stream that keeps SHA-256 and size of what is read from it, and moves a progress bar."""

    def __init__(self, stream: "SupportsRead[bytes]", bar: Any = None) -> None:
        self._stream, self._bar = stream, bar
        self.digest, self.size = hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes."""
        block = self._stream.read(size)
        self.count(block)
        return block

    def count(self, block: bytes) -> None:
        """Count bytes that come from elsewhere."""
        self.digest.update(block)
        self.size += len(block)
        if self._bar is not None:
            self._bar.update(len(block))


def _describe(
    found: Mapping[Place, list[Path]], root: Path, made: Callable[[str, str], Made], bar: Any
) -> tuple[list[Dataset], list[Provenance]]:
    datasets: list[Dataset] = []
    runs: list[Provenance] = []
    for place, paths in found.items():
        files = tuple(_file(path, root, bar) for path in paths)
        maker = made(place.name, dataset_checksum(place.path, files))
        if maker.run is not None and maker.run not in runs:
            runs.append(maker.run)
        run = None if maker.run is None else runs.index(maker.run)
        made_from = dict(maker.made_from)
        datasets.append(Dataset(**place.model_dump(), node=maker.node, run=run, made_from=made_from, files=files))
    return datasets, runs


def dataset_checksum(path: str, files: Iterable[File]) -> str:
    """Return the checksum of a dataset from those of its files, as `thor.core.checksums.sha256` would."""
    return combined_sha256({PurePosixPath(file.path).relative_to(path).as_posix(): file.sha256 for file in files})


def _file(path: Path, root: Path, bar: Any) -> File:
    with path.open("rb") as stream:
        content = Counted(stream, bar)
        while content.read(CHUNK):
            pass
    return File(path=path.relative_to(root).as_posix(), size=content.size, sha256=content.digest.hexdigest())


def _compressor(file: Any) -> gzip.GzipFile:
    """Return a stream that compresses, with neither name nor time in its header."""
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)


def _write(manifest: Manifest, stream: Any, root: Path, bar: Any) -> None:
    text = manifest.to_json()
    for name, line in ((MANIFEST, text), (MANIFEST_CHECKSUM, checksum_line(text))):
        add(stream.write, name, len(line), io.BytesIO(line))
    for file in manifest.files:
        with (root / file.path).open("rb") as source:
            content = Counted(source, bar)
            checksum = add(stream.write, DATA + file.path, file.size, content)
        if (content.size, checksum) != (file.size, file.sha256):
            raise DataError(f"{root / file.path} changed while it was packed. Pack again when no run writes it.")
    stream.write(END)


def checksum_line(content: bytes) -> bytes:
    """Return the checksum of the manifest as `sha256sum` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode("ascii")
