"""Directory layouts of archives: the facet that each folder names, and recognition of the layout of a tree.

A layout is a template of folder names, ``{facet}`` for a facet, ``*`` for any folder, other words for themselves. The
layouts of CMIP6 and CMIP7 are recognised; any other tree is described by a template in `archive_layout`.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thor.core.errors import ConfigError, DataError, did_you_mean
from thor.core.variables import variable

FOLDER_FACETS = (
    *("activity_id", "institution_id", "source_id", "experiment_id", "variant_label", "table_id", "region"),
    *("frequency", "variable_id", "branding_suffix", "grid_label", "version"),
)
"""Names that a template may use; those of CMIP's global attributes."""

REQUIRED = ("source_id", "experiment_id", "variable_id")
"""Facets without which files of different runs or variables could not be distinguished."""

GLOBAL_REGION = "glb"
"""Region of CMIP7 that is taken where a variable is there for several."""

TEMPLATES = {
    "CMIP6": "{activity_id}/{institution_id}/{source_id}/{experiment_id}/{variant_label}/{table_id}/{variable_id}"
    "/{grid_label}/{version}",
    "CMIP7": "{activity_id}/{institution_id}/{source_id}/{experiment_id}/{variant_label}/{region}/{frequency}"
    "/{variable_id}/{branding_suffix}/{grid_label}/{version}",
}
"""Below the folder ``CMIP6``, and below ``MIP-DRS7/CMIP7``, as in the guidance on global attributes of either phase."""

_CMIP5 = "{institution_id}/{source_id}/{experiment_id}/{frequency}/*/{table_id}/{variant_label}"
_KNOWN_ELSEWHERE = {"CMIP5": (f"{_CMIP5}/{{variable_id}}/{{version}}", f"{_CMIP5}/{{version}}/{{variable_id}}")}
"""Layouts, in the orders that data centres have, that are named in messages, and read when they are given as
`archive_layout`."""

_PATTERNS = {
    "variant_label": re.compile(r"(s\d+-)?[a-z]*r\d+i\d+p\d+(f\d+)?"),
    "table_id": re.compile(r"[A-Z]\w+|fx|day|mon"),
    "region": re.compile(r"[A-Za-z0-9-]+"),
    "frequency": re.compile(r"fx|yr|mon|day|\w*hr\w*"),
    "variable_id": re.compile(r"[a-zA-Z0-9-]+"),
    "branding_suffix": re.compile(r"\w+-\w+-\w+-\w+"),
    "grid_label": re.compile(r"g\w+"),
    "version": re.compile(r"v?\d+(\.\d+)*|latest"),
}

_MOST_FOLDERS = 2000
"""Folders that are listed while looking for a file from which to recognise the layout."""

_MOST_DEPTH = 16


@dataclass(frozen=True)
class Layout:
    """A template of folders.

    Attributes
    ----------
    name : str
        ``CMIP6``, ``CMIP7``, or the template itself.
    parts : tuple of str
        What each folder below the top is: a facet in braces, ``*``, or a literal name.
    """

    name: str
    parts: tuple[str, ...]

    def facet(self, level: int) -> str | None:
        """Return the facet that the folder of this level names, or None."""
        part = self.parts[level]
        return part[1:-1] if part.startswith("{") else None

    @property
    def facets(self) -> tuple[str, ...]:
        """Facets that the template has, in its order."""
        return tuple(facet for k in range(len(self.parts)) if (facet := self.facet(k)))

    def level(self, facet: str) -> int:
        """Return how many folders lie above the one that names this facet; the last for a facet it does not have."""
        part = f"{{{facet}}}"
        return self.parts.index(part) if part in self.parts else len(self.parts) - 1

    def deepest(self, facets: Iterable[str]) -> int:
        """Return the level below which none of these facets names a folder."""
        return max(self.level(facet) for facet in facets if facet in self.facets)

    def address(self, variable_id: str) -> dict[str, str] | None:
        """Return the facets that single out a published variable in this layout; None where it cannot hold it."""
        source = variable(variable_id).published
        if source is None:
            return {"variable_id": variable_id}
        if "branding_suffix" in self.facets and source.cmip7 is None:
            return None
        # CMIP5 has one table for what does not change with time
        table = "fx" if source.fixed and {"table_id", "frequency"} <= set(self.facets) else source.cmip6
        facets = {"table_id": table, "frequency": source.frequency, "branding_suffix": source.cmip7 or ""}
        return {"variable_id": variable_id} | {facet: facets[facet] for facet in facets if facet in self.facets}

    def __str__(self) -> str:
        return "/".join(part.strip("{}") for part in self.parts)


def layout_of(template: str) -> Layout:
    """Return the layout of a template, or the known layout of that name.

    Raises
    ------
    ConfigError
        When a facet is unknown, double, or one of `REQUIRED` is missing.
    """
    known = TEMPLATES | {name: orders[0] for name, orders in _KNOWN_ELSEWHERE.items()}
    if template in known:
        return Layout(template, tuple(known[template].split("/")))
    parts = tuple(part for part in template.strip("/").split("/") if part)
    layout = Layout(template, parts)
    for facet in layout.facets:
        if facet not in FOLDER_FACETS:
            raise ConfigError(
                f"archive_layout '{template}' has no known facet '{facet}'.{did_you_mean(facet, FOLDER_FACETS)}"
            )
    missing = [facet for facet in REQUIRED if facet not in layout.facets]
    if missing or len(set(layout.facets)) < len(layout.facets):
        what = f"lacks {{{missing[0]}}}" if missing else "names a facet twice"
        raise ConfigError(
            f"archive_layout '{template}' {what}. Expected {', '.join(known)}, auto, or folders such as "
            "'{source_id}/{experiment_id}/{variant_label}/{variable_id}', * for any folder."
        )
    return layout


def recognise(top: Path, list_folders: Callable[[Path], Sequence[str]]) -> Layout:
    """Return the layout of the tree below a folder, from the place of a NetCDF file in it.

    The tree may begin at any level down to the model: an archive of one activity or institution is one too.

    Parameters
    ----------
    top : Path
    list_folders : callable
        Returns the names of the folders in a folder.

    Raises
    ------
    DataError
        When there is no NetCDF file, or the folders of none fit a known layout; names what was seen.
    """
    folders, n_listed = _folders_with_files(top, list_folders)
    if layout := _most_common(folders, top, [layout_of(name) for name in TEMPLATES]):
        return layout
    expected = "; ".join(f"{name}: {layout_of(name)!s}" for name in TEMPLATES)
    if not folders:
        names = ", ".join(list_folders(top)[:8]) or "no folder"
        raise DataError(
            f"The archive {top} holds no NetCDF file: {n_listed} folders were listed, at the top {names}. "
            "Set archive_root (or THOR_ARCHIVE_ROOT) to the folder above the activities, or above CMIP6 or MIP-DRS7."
        )
    seen = "/".join(folders[0].relative_to(top).parts) or "."
    raise DataError(
        f"The archive {top} has a layout that is not known: a file lies in '{seen}'{_alike(folders[0], top)}. "
        f"Expected {expected}. Describe the folders in archive_layout, for example "
        "'{source_id}/{experiment_id}/{variant_label}/{variable_id}'."
    )


def layout_below(top: Path, template: str, list_folders: Callable[[Path], Sequence[str]]) -> Layout:
    """Return the layout of a template or name, for `CMIP5` with the folders above it and in the order that a tree has.

    Parameters and errors as for `recognise` and `layout_of`.
    """
    layouts = [Layout(template, tuple(order.split("/"))) for order in _KNOWN_ELSEWHERE.get(template, ())]
    folders = _folders_with_files(top, list_folders)[0] if layouts else []
    return _most_common(folders, top, layouts) or layout_of(template)


def _most_common(folders: Sequence[Path], top: Path, layouts: Sequence[Layout]) -> Layout | None:
    """Return the layout that most of these folders fit; None where none fits."""
    fitting = Counter(found for folder in folders if (found := _fitting(folder.relative_to(top).parts, layouts)))
    return fitting.most_common(1)[0][0] if fitting else None


def _fitting(parts: Sequence[str], layouts: Sequence[Layout]) -> Layout | None:
    """Return the layout that ends in these folders; folders above it are arbitrary, absent ones are left out."""
    for layout in layouts:
        first = layout.level("source_id")
        if _end_in(parts, layout.parts[first:]):
            above = len(parts) - len(layout.parts) + first
            kept = layout.parts[max(0, first - above) : first]
            return Layout(layout.name, ("*",) * (above - len(kept)) + kept + layout.parts[first:])
    return None


def _end_in(folders: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether the last folders can be those of these parts of a layout."""
    patterns = [_PATTERNS.get(part.strip("{}")) for part in parts]
    tail = zip(patterns, folders[len(folders) - len(parts) :], strict=True) if len(folders) >= len(parts) else None
    return tail is not None and all(pattern is None or pattern.fullmatch(folder) for pattern, folder in tail)


def _alike(folder: Path, top: Path) -> str:
    """Return the words that name a layout which THOR does not recognise by itself."""
    parts = folder.relative_to(top).parts
    for name, orders in _KNOWN_ELSEWHERE.items():
        if layout := _fitting(parts, [Layout(name, tuple(order.split("/"))) for order in orders]):
            return f", which is a tree of {name} ({layout}): archive_layout: {name} reads it"
    return ""


def _folders_with_files(top: Path, list_folders: Callable[[Path], Sequence[str]]) -> tuple[list[Path], int]:
    """Return some folders that hold NetCDF files, from different branches, and how many folders were listed."""
    found: list[Path] = []
    n_listed = 0
    # depth first, but each branch in turn: a stray file near the top decides nothing
    waiting = deque([top])
    while waiting and n_listed < _MOST_FOLDERS and len(found) < 8:
        folder = waiting.pop()
        n_listed += 1
        if any(folder.glob("*.nc")):
            found.append(folder)
            if len(waiting) > 1:
                waiting.rotate(len(waiting) // 2)
        if len(folder.relative_to(top).parts) < _MOST_DEPTH:
            waiting.extend(folder / name for name in reversed(list_folders(folder)))
    return found, n_listed
