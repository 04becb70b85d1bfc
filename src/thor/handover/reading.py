"""Reading an archive from first to last byte: everything is held against the manifest before anything is believed."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from thor.core.errors import DataError
from thor.handover import tar
from thor.handover.manifest import File, Manifest, is_plain, parse, shown
from thor.handover.packing import CHUNK, DATA, MANIFEST, MANIFEST_CHECKSUM, checksum_line, progress

_LARGEST_MANIFEST = 64 * 2**20
_MOST_DEFLATED = 1100
"""No deflated file holds more than 1032 times its size."""

_GZIP = b"\x1f\x8b"


class Receiver(Protocol):
    """What is told of an archive as it is read."""

    def begin(self, manifest: Manifest) -> None:
        """Learn what will come, and refuse it in good time."""

    def open(self, file: File) -> IO[bytes]:
        """Return where this file's content goes."""


def verify(archive: Path, *, sha256: str | None = None, receiver: Receiver | None = None) -> tuple[Manifest, str]:
    """Return what an archive holds, and its SHA-256 (hex), when everything about it is right.

    Parameters
    ----------
    archive : Path
        As `pack` writes it.
    sha256 : str, optional
        What the SHA-256 of the archive must be.
    receiver : Receiver, optional
        Takes the files; what it took may be used only after this function has returned.

    Raises
    ------
    DataError
        When the archive is none of THOR's, damaged, incomplete, changed, or holds anything that the manifest does not
        tell or that is no ordinary file below `data_root`.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"--sha256 takes 64 hexadecimal digits; got {shown(sha256)}.")
    if not archive.is_file():
        raise DataError(f"There is no archive {archive}.")
    try:
        with archive.open("rb") as file:
            hashed: Any = _Hashed(file)
            compressed = file.peek(2)[:2] == _GZIP
            with _damage_told(), gzip.GzipFile(mode="rb", fileobj=hashed) if compressed else hashed as stream:
                room = archive.stat().st_size * (_MOST_DEFLATED if compressed else 1)
                manifest = _Reader(stream, room).read(receiver)
            checksum = hashed.digest.hexdigest()
        if sha256 is not None and checksum != sha256.lower():
            raise DataError(
                f"Its SHA-256 is {checksum}; expected {sha256.lower()}. It is not the archive that was announced."
            )
    except DataError as error:
        raise DataError(f"{archive} is refused: {error}") from error
    return manifest, checksum


class _Hashed:
    """A file that keeps the SHA-256 of all that was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block

    def __enter__(self) -> "_Hashed":
        return self

    def __exit__(self, *error: object) -> None:
        pass


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError("It is damaged or cut off: it cannot be decompressed. Have it sent again.") from error


class _Reader:
    """Goes through the members of an archive in the manifest's order."""

    def __init__(self, stream: Any, room: int) -> None:
        self._stream = stream
        self._room = room
        self._seen: set[str] = set()

    def read(self, receiver: Receiver | None) -> Manifest:
        content = self._small(MANIFEST, _LARGEST_MANIFEST)
        if self._small(MANIFEST_CHECKSUM, len(checksum_line(b""))) != checksum_line(content):
            raise DataError("Its manifest is not what its checksum tells. Have it sent again.")
        manifest = parse(content)
        if manifest.n_bytes > self._room:
            raise DataError(f"It says that it holds {manifest.n_bytes} bytes, more than its own size can hold.")
        if receiver is not None:
            receiver.begin(manifest)
        names = {DATA + file.path for file in manifest.files}
        with progress(manifest.n_bytes, "verifying") as bar:
            for file in manifest.files:
                self._require_header(DATA + file.path, file.size, names)
                self._content(file, receiver, bar)
        self._require_end(names)
        return manifest

    def _small(self, name: str, most: int) -> bytes:
        """Return the content of one of the first members, which tell what else there is."""
        block = self._exactly(tar.BLOCK)
        try:
            found, kind = tar.name_and_kind(block)
        except DataError as error:
            raise DataError("It is not an archive of `thor stage pack`.") from error
        if found != name or kind is not None:
            raise DataError(f"It is not an archive of `thor stage pack`: {name} is not where it must be.")
        size = tar.size(block)
        if not 0 <= size <= most:
            raise DataError(f"{name} has {size} bytes; expected at most {most}.")
        if block != tar.header(name, size):
            raise DataError(f"The header of {name} is not as THOR writes it.")
        content = self._exactly(size)
        self._require_padding(name, size)
        self._seen.add(name)
        return content

    def _require_header(self, name: str, size: int, names: set[str]) -> None:
        block = self._exactly(tar.BLOCK)
        if block != tar.header(name, size):
            self._complain(block, name, size, names)
        self._seen.add(name)

    def _complain(self, block: bytes, name: str, size: int, names: set[str]) -> None:
        """Raise: this header is not that of the file that should be next."""
        if not any(block):
            raise DataError(f"{shown(name)} is missing. It is incomplete; have it sent again.")
        self._require_known(block, names)
        found, _ = tar.name_and_kind(block)
        if found != name:
            raise DataError(f"{shown(name)} is missing, or not where the manifest has it. Have it sent again.")
        if tar.size(block) != size:
            raise DataError(f"{shown(name)} has {tar.size(block)} bytes; the manifest says {size}.")
        raise DataError(f"The header of {shown(name)} is not as THOR writes it: owner, rights or time were changed.")

    def _require_known(self, block: bytes, names: set[str]) -> None:
        """Return when the header is that of an ordinary file of the manifest, not read before."""
        found, kind = tar.name_and_kind(block)
        if kind is not None:
            raise DataError(f"Its member {shown(found)} is {kind}; only ordinary files are taken.")
        if not is_plain(found):
            raise DataError(f"Its member {shown(found)} would lie outside data_root.")
        if found in self._seen:
            raise DataError(f"Its member {shown(found)} is there twice.")
        if found not in names:
            raise DataError(f"Its member {shown(found)} is not in the manifest.")

    def _content(self, file: File, receiver: Receiver | None, bar: Any) -> None:
        digest, left = hashlib.sha256(), file.size
        target = receiver.open(file) if receiver is not None else None
        try:
            while left:
                block = self._exactly(min(left, CHUNK))
                left -= len(block)
                digest.update(block)
                bar.update(len(block))
                if target is not None:
                    target.write(block)
        finally:
            if target is not None:
                target.close()
        if digest.hexdigest() != file.sha256:
            raise DataError(
                f"{shown(file.path)} was changed or damaged: its SHA-256 is {digest.hexdigest()[:16]}..., "
                f"the manifest says {file.sha256[:16]}.... Have it sent again."
            )
        self._require_padding(file.path, file.size)

    def _require_padding(self, name: str, size: int) -> None:
        if any(self._exactly(tar.padding(size))):
            raise DataError(f"There is something between {shown(name)} and what follows it.")

    def _require_end(self, names: set[str]) -> None:
        block = self._exactly(tar.BLOCK)
        if any(block):
            self._require_known(block, names)
        if self._exactly(len(tar.END) - tar.BLOCK) + block != tar.END or self._stream.read(1):
            raise DataError("There is something behind its end.")

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            block = self._stream.read(size - len(content))
            if not block:
                raise DataError("It ends too early: it is cut off. Have it sent again.")
            content += block
        return content
