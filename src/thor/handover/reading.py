"""Reading an archive from its first to its last byte: it must equal the output of `pack` bit for bit."""

import gzip
import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, Self

from thor.core.errors import DataError
from thor.core.progress import progress_bar
from thor.handover.manifest import File, Manifest, is_plain, parse, shown
from thor.handover.packing import CHUNK, DATA, END, MANIFEST, MANIFEST_CHECKSUM, Counted, add, checksum_line, header

_LARGEST_MANIFEST = 64 * 2**20
_MOST_DEFLATED = 1100
"""No deflated file holds more than 1032 times its size."""

_GZIP = b"\x1f\x8b"
_CUT_OFF = "It ends too early: it is cut off. Have it sent again."

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
}


class Receiver(Protocol):
    """Takes the files of an archive as it is read."""

    def begin(self, manifest: Manifest) -> None:
        """Prepare for these files, or raise before any is read."""

    def target(self, file: File) -> Path | None:
        """Return where a file is to be extracted; None: nowhere."""


def verify(archive: Path, *, sha256: str | None = None, receiver: Receiver | None = None) -> tuple[Manifest, str]:
    """Return the manifest of an archive and its SHA-256 (hex), when everything in it is right.

    Parameters
    ----------
    archive : Path
        As `pack` writes it.
    sha256 : str, optional
        Expected SHA-256 of the archive.
    receiver : Receiver, optional
        Takes the files, which may be used only after this function has returned.

    Raises
    ------
    DataError
        When the archive was not written by THOR, is damaged, incomplete, changed, or holds anything that is not in the
        manifest or is no ordinary file below `data_root`.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"--sha256 takes 64 hexadecimal digits; got {shown(sha256)}.")
    if not archive.is_file():
        raise DataError(f"There is no archive {archive}.")
    size = archive.stat().st_size
    try:
        shown_bar = progress_bar(total=size, label="verifying", unit="B", scaled=True)
        with archive.open("rb") as file, shown_bar as bar, _damage_as_data_error():
            whole: Any = Counted(file, bar)
            compressed = file.peek(2)[:2] == _GZIP
            stream = Counted(gzip.GzipFile(mode="rb", fileobj=whole)) if compressed else whole
            manifest = _read(stream, size * (_MOST_DEFLATED if compressed else 1), receiver)
        checksum = whole.digest.hexdigest()
        if sha256 is not None and checksum != sha256.lower():
            differs = f"Its SHA-256 is {checksum}; expected {sha256.lower()}"
            raise DataError(f"{differs}. It is not the archive that was announced.")
    except DataError as error:
        raise DataError(f"{archive} is refused: {error}") from error
    return manifest, checksum


@contextmanager
def _damage_as_data_error() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError("It is damaged or cut off: it cannot be decompressed. Have it sent again.") from error
    except tarfile.ReadError as error:
        raise DataError(_CUT_OFF) from error


class _OrdinaryFile(tarfile.TarInfo):
    """A member of an archive; anything but an ordinary file with THOR's plain header is refused when it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the member that a header describes."""
        if len(buf) < tarfile.BLOCKSIZE:
            raise DataError(_CUT_OFF)
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):  # the end of the archive
                raise
            fault = f"{str(error).capitalize()} where a file should begin"
            raise DataError(f"{fault}. It is damaged, or not an archive of `thor stage pack`.") from error
        if info.type != tarfile.REGTYPE:
            kind = _KINDS.get(info.type, f"of type {info.type!a}")
            raise DataError(f"Its member {shown(info.name)} is {kind}; only ordinary files are taken.")
        if not is_plain(info.name):
            raise DataError(f"Its member {shown(info.name)} would lie outside data_root.")
        if buf != header(info.name, info.size):
            name = shown(info.name)
            raise DataError(f"The header of {name} is not as THOR writes it: owner, rights or time were changed.")
        return info


def _read(stream: Any, room: int, receiver: Receiver | None) -> Manifest:
    """Return the manifest of an archive with at most `room` bytes of files; each file is extracted and verified."""
    expected = Counted(io.BytesIO())  # of the archive that `pack` would write
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_OrdinaryFile, encoding="utf-8") as tar:
        content = _small(tar, MANIFEST, _LARGEST_MANIFEST)
        line = _small(tar, MANIFEST_CHECKSUM, len(checksum_line(b"")))
        if line != checksum_line(content):
            raise DataError("Its manifest does not have its checksum. Have it sent again.")
        for name, text in ((MANIFEST, content), (MANIFEST_CHECKSUM, line)):
            add(expected.count, name, len(text), io.BytesIO(text))
        manifest = parse(content)
        if manifest.n_bytes > room:
            raise DataError(f"Its manifest lists {manifest.n_bytes} bytes, more than a file of its size can hold.")
        if receiver is not None:
            receiver.begin(manifest)
        awaited = {DATA + file.path for file in manifest.files}
        known = awaited | {MANIFEST, MANIFEST_CHECKSUM}
        for file in manifest.files:
            member = _next(tar, file, awaited, known)
            target = receiver.target(file) if receiver is not None else None
            with _content(tar, member, target) as stored:
                checksum = add(expected.count, member.name, file.size, stored)
            if checksum != file.sha256:
                raise DataError(
                    f"{shown(file.path)} was changed or damaged: its SHA-256 is {checksum[:16]}..., "
                    f"the manifest lists {file.sha256[:16]}.... Have it sent again."
                )
            awaited.discard(member.name)
        if (more := tar.next()) is not None:
            raise _unexpected(more.name, known)
    expected.count(END)
    while stream.size <= expected.size and stream.read(CHUNK):
        pass
    if stream.size != expected.size:
        raise DataError("There are data after its end." if stream.size > expected.size else _CUT_OFF)
    if stream.digest.digest() != expected.digest.digest():
        raise DataError("There is something between its files that THOR does not write.")
    return manifest


def _small(tar: tarfile.TarFile, name: str, most: int) -> bytes:
    """Return the content of one of the first two members."""
    member = tar.next()
    if member is None or member.name != name:
        raise DataError(f"It is not an archive of `thor stage pack`: {name} is not where it must be.")
    if member.size > most:
        raise DataError(f"{name} has {member.size} bytes; expected at most {most}.")
    return _content(tar, member, None).read()


def _next(tar: tarfile.TarFile, file: File, awaited: set[str], known: set[str]) -> tarfile.TarInfo:
    """Return the next member, which has to be this file of the manifest."""
    name, member = DATA + file.path, tar.next()
    if member is None:
        raise DataError(f"{shown(name)} is missing. It is incomplete; have it sent again.")
    if member.name != name:
        if member.name not in awaited:
            raise _unexpected(member.name, known)
        raise DataError(f"{shown(name)} is missing, or not where the manifest has it. Have it sent again.")
    if member.size != file.size:
        raise DataError(f"{shown(name)} has {member.size} bytes; the manifest lists {file.size}.")
    return member


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path | None) -> IO[bytes]:
    """Return the content of a member, extracted to `target` unless that is None."""
    content = tar.extractfile(member)
    assert content is not None  # an ordinary file
    if target is None:
        return content
    # Not by `extract` with its filters, which Python has from 3.11.4 only: here every member is an ordinary file, and
    # only its content goes to a new file at a place that is not named by the archive.
    with target.open("xb") as file:
        shutil.copyfileobj(content, file)
    return target.open("rb")


def _unexpected(name: str, known: set[str]) -> DataError:
    return DataError(f"Its member {shown(name)} is {'there twice' if name in known else 'not in the manifest'}.")
