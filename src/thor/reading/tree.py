"""The folders of an archive, and which version of a variable is taken."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from thor.core.errors import ConfigError, DataError
from thor.core.warn import warn_once
from thor.reading.time_axis import named_months

_NUMBERED = re.compile(r"v?(\d+(?:\.\d+)*)")
_SPAN = re.compile(r"_(\d+)(?:-(\d+))?\.nc$")


@dataclass(frozen=True)
class Stored:
    """One version of a variable of a run on one grid.

    Attributes
    ----------
    grid_label, version : str
        Empty where the layout does not say.
    folder : Path
    tree : Tree
    newer : tuple of str
        Newer versions that hold no file.
    older : tuple of str
        Older versions beside it.
    fuller : tuple of str
        Those of them that have more months, by the names of their files.
    further : tuple of Path
        Folders of the same version in other trees, or below other institutions: files of other months count too.
    """

    grid_label: str
    version: str
    folder: Path
    tree: "Tree"
    newer: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    further: tuple[Path, ...] = ()
    fuller: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        """Files in the order of their names; fetched when the archive is in the cloud."""
        found = self.tree.files(self.folder)
        spans = [span for path in found if (span := _span(path.name))]
        for folder in self.further if len(spans) == len(found) else ():
            for path in self.tree.files(folder):
                span = _span(path.name)
                if span and all(span[1] < first or last < span[0] for first, last in spans):
                    found.append(path)
                    spans.append(span)
        return sorted(found, key=lambda path: path.name)


def _span(name: str) -> tuple[str, str] | None:
    """Return the first and last date at the end of a file's name, which may have one for both."""
    span = _SPAN.search(name)
    return span and (span[1], span[2] or span[1])


class Tree:
    """The folders of a file system; each is listed once.

    Attributes
    ----------
    closed : list of Path
        Folders that may not be listed.
    """

    def __init__(self) -> None:
        self.closed: list[Path] = []
        self._listed: dict[Path, tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def folders(self, folder: Path) -> tuple[str, ...]:
        """Return the names of the folders in a folder, sorted; none where there is no such folder."""
        return self._list(folder)[0]

    def exists(self, folder: Path) -> bool:
        """Return whether a folder is there now."""
        return folder.is_dir()

    def has_files(self, folder: Path) -> bool:
        """Return whether a folder holds NetCDF files."""
        return bool(self.files(folder))

    def files(self, folder: Path) -> list[Path]:
        """Return the NetCDF files in a folder, sorted."""
        return [folder / name for name in self._list(folder)[1]]

    def months(self, folder: Path) -> set[int]:
        """Return the months in the names of the files in a folder."""
        spans = (span for path in self.files(folder) if (span := named_months(path)))
        return {month for first, last in spans for month in range(first, last + 1)}

    def _list(self, folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the folders and of the NetCDF files in a folder."""
        if folder not in self._listed:
            folders, files = [], []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.name.endswith(".nc") and not entry.is_dir(follow_symlinks=False):
                            files.append(entry.name)
                        elif entry.is_dir():
                            folders.append(entry.name)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except PermissionError:
                self.closed.append(folder)
                warn_once(str(folder), "this folder may not be listed and counts as empty")
            except OSError as error:
                raise DataError(f"{folder} cannot be listed: {error.strerror}. Is the archive still there?") from error
            self._listed[folder] = tuple(sorted(folders)), tuple(sorted(files))
        return self._listed[folder]


def newest(
    tree: Tree, label: str, folders: Mapping[str, Sequence[Path]], *, named: str | None, where: str
) -> Stored | None:
    """Return the version to take on one grid: the one named, or else the newest that holds files.

    Parameters
    ----------
    tree : Tree
    label : str
        Of the grid.
    folders : mapping of str to sequence of Path
        By version.
    named : str or None
    where : str
        Name of variable and run in messages.

    Raises
    ------
    ConfigError
        When the version named is not there.
    """
    ordered = sorted(folders, key=_age, reverse=True)
    if named is not None:
        fitting = [version for version in ordered if version.removeprefix("v") == named.removeprefix("v")]
        if not fitting:
            raise ConfigError(f"versions asks for '{named}' of {where}; the archive has {', '.join(ordered)}.")
        ordered = fitting
    for k, version in enumerate(ordered):
        there = [folder for folder in folders[version] if tree.has_files(folder)]
        if there:
            newer, older = (tuple(filter(_NUMBERED.fullmatch, part)) for part in (ordered[:k], ordered[k + 1 :]))
            n_months = {each: len(set().union(*map(tree.months, folders[each]))) for each in (version, *older) if older}
            fuller = tuple(each for each in older if 0 < n_months[version] < n_months[each])
            return Stored(label, version, there[0], tree, newer, older, tuple(there[1:]), fuller)
    return None


def _age(version: str) -> tuple[list[int], str]:
    """Return a key by which versions are ordered in time: dates and numbers, with or without v; then ``latest``."""
    numbered = _NUMBERED.fullmatch(version)
    return ([int(part) for part in numbered[1].split(".")] if numbered else [], version)
