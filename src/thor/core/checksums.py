"""Checksums of files and folders, and signatures that show without reading whether they have changed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def file_checksum(path: Path, algorithm: str) -> str:
    """Return the checksum (hex) of a file's content.

    Parameters
    ----------
    path : Path
    algorithm : str
        One of `hashlib`, or ``git-blob``: SHA-1 of header and content, as git names it.
    """
    start = b""
    if algorithm == "git-blob":
        algorithm, start = "sha1", b"blob %d\0" % path.stat().st_size
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, start, usedforsecurity=False)).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's content."""
    return file_checksum(path, "sha256")


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, or of names and contents of all files below a folder."""
    return combined_sha256(file_checksums(path))


def file_checksums(path: Path) -> dict[str, str]:
    """Return the SHA-256 (hex) of each of `files_of` a path, by path below it; that of a file itself is ``.``."""
    return {file.relative_to(path).as_posix(): file_sha256(file) for file in files_of(path)}


def combined_sha256(checksums: Mapping[str, str]) -> str:
    """Return the SHA-256 (hex) of a file or folder from its `file_checksums`."""
    if "." in checksums:
        return checksums["."]
    digest = hashlib.sha256()
    for name, checksum in checksums.items():
        digest.update(f"{name}\0{checksum}\n".encode())
    return digest.hexdigest()


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or all files below a folder in the order of their names; hidden ones are left out."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(
        (file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)),
        key=lambda file: file.relative_to(path).as_posix(),
    )


def signature(path: Path) -> dict[str, Any]:
    """Return number of files, bytes and latest change of a file or folder: where they differ, so may the content."""
    states = [file.stat() for file in files_of(path)]
    return {
        "n_files": len(states),
        "bytes": sum(state.st_size for state in states),
        "modified_ns": max((state.st_mtime_ns for state in states), default=0),
    }
