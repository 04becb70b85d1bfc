"""Blocks of a tar file as THOR writes them: plain headers of ordinary files, nothing else.

Python's `tarfile` follows links, extended headers and sparse maps; what is not needed cannot be misused.
"""

import tarfile

from thor.core.errors import DataError

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two empty blocks end an archive."""

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
}
_LARGEST_PLAIN = 8**11


def header(name: str, size: int) -> bytes:
    """Return the one block before a file's content: without times, owners and rights of its own.

    Raises
    ------
    DataError
        For a name that one block cannot hold.
    """
    info = tarfile.TarInfo(name)
    info.size = size
    # From 8 GiB on the size needs GNU's way to write it.
    plain = size < _LARGEST_PLAIN
    try:
        block = info.tobuf(tarfile.USTAR_FORMAT if plain else tarfile.GNU_FORMAT, encoding="utf-8")
    except ValueError as error:
        raise DataError(f"'{name}' cannot be packed: {error}. Shorten the name.") from error
    if len(block) != BLOCK:
        raise DataError(f"'{name}' cannot be packed: its name is too long. Shorten it.")
    return block


def padding(size: int) -> int:
    """Return how many zeros fill up the last block of a file."""
    return -size % BLOCK


def name_and_kind(block: bytes) -> tuple[str, str | None]:
    """Return a member's name, and what it is where it is no ordinary file.

    Raises
    ------
    DataError
        When the block is no header.
    """
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise DataError(f"{str(error).capitalize()} where a file should begin.") from error
    if info.type == tarfile.REGTYPE:
        return info.name, None
    return info.name, _KINDS.get(info.type, f"of type {info.type!a}")


def size(block: bytes) -> int:
    """Return the bytes that a header tells."""
    return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size
