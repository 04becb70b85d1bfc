"""Grids of a run: its files are grouped by grid label, or by positions where T, u and v points have different labels.

CMIP6 has one label for all variables of a grid (``gn`` for the native one). In CMIP7 every set of points has another
one: sea level, eastward and northward stress of one C grid lie under three labels, so files are grouped by the
positions of their points. Where a run is there natively and regridded, the native group is taken.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr

from thor.core.errors import ConfigError, DataError, DiskError, GridError
from thor.core.warn import warn_once
from thor.ocean.sphere import distance, unit_vectors
from thor.reading.archive import Archive
from thor.reading.files import attributes
from thor.reading.orders import storage_order
from thor.reading.positions import meshed, read_positions
from thor.reading.runs import Run
from thor.reading.tree import Stored

NATIVE = "gn"
"""Label of native grids in CMIP6."""

FARTHEST = 0.8
"""Largest median distance of the points of one grid from its T points, in spacings; corners lie at 0.71."""

_Places = dict[tuple[str, str], xr.Dataset]
_REGRIDDED = re.compile(r"regrid|re-grid|interpolat|remap", re.IGNORECASE)


Group = Mapping[str, Stored]
"""The files of a run on one grid, by variable."""


def label_of(group: Group) -> str:
    """Return the grid labels of a group, each once, in the order of variables."""
    return " ".join(dict.fromkeys(stored.grid_label for stored in group.values()))


def grid_groups(archive: Archive, run: Run, variable_ids: Sequence[str]) -> tuple[list[Group], list[str]]:
    """Return the files of these variables of a run that lie on one grid, for each such grid, the native one first.

    The sentences beside them name the grid labels that are not used because their first file cannot be read, or because
    the variables share no grid under them. A label of no grid, as of an unstructured model, is warned of once.

    Parameters
    ----------
    archive : Archive
        Its `grid_labels` of the model, if any, say which labels count.
    run : Run
    variable_ids : sequence of str
        The first has its values on T points.

    Raises
    ------
    ConfigError
        When `grid_labels` names labels under which the run has no common grid.
    GridError
        When the only positions of a variable span no grid that THOR reads.
    DataError
        When a variable is missing or cannot be read, or the variables share no grid.
    """
    there = {name: archive.stored(run, name) for name in variable_ids}
    missing = [name for name, stored in there.items() if not stored]
    if missing:
        raise DataError(_missing(archive, run, missing))
    asked = archive.grid_labels.get(run.source_id)
    if asked is not None:
        wanted = {asked} if isinstance(asked, str) else set(asked)
        kept = {name: {label: s for label, s in stored.items() if label in wanted} for name, stored in there.items()}
        if not all(kept.values()):
            raise ConfigError(f"{run.key}: grid_labels asks for {', '.join(sorted(wanted))}; {_labels(there)}.")
        there = kept
    if len({label for stored in there.values() for label in stored}) == 1:
        return [{name: part for name, stored in there.items() for part in stored.values()}], []
    places, refused = _places(there, run.source_id)
    groups = _groups(there, places)
    if not groups and refused:
        raise next(iter(refused.values()))
    if not groups:
        raise GridError(
            f"{run.key}: {', '.join(variable_ids)} share no grid ({_labels(there)}). Get all of them on one grid."
        )
    foreign = {sentence for sentence, error in refused.items() if isinstance(error, GridError)}
    for sentence in sorted(foreign):
        warn_once(sentence)
    warnings = [sentence for sentence in refused if sentence not in foreign]
    used = {(name, stored.grid_label) for group in groups for name, stored in group.items()}
    spare = {
        name: {label for label in stored if (name, label) in places.keys() - used} for name, stored in there.items()
    }
    if all(spare.values()):
        warnings.append(f"{_labels(spare)} share no grid and are not used")
    return sorted(groups, key=lambda group: _rank(group, places)), warnings


def not_used(label: str, error: DataError, path: Path | None = None) -> str:
    """Return the sentence of a grid label that is not read; without the path of the file where that is given."""
    return f"files on grid '{label}' are not used: {str(error).removeprefix(f'{path}: ')}"


def _places(there: Mapping[str, Mapping[str, Stored]], where: str) -> tuple[_Places, dict[str, DataError]]:
    """Return the positions by variable and label, and why others have none, by the sentence that says so.

    Raises
    ------
    DataError
        When a variable has none.
    """
    places: _Places = {}
    refused: dict[str, DataError] = {}
    for name, stored in there.items():
        for label, path in ((label, part.files()[0]) for label, part in stored.items()):
            try:
                places[name, label] = read_positions(path, name, where=where)[["lat", "lon"]]
            except DiskError:
                raise
            except DataError as error:
                last = error
                refused[not_used(label, error, path)] = error
        if not any((name, label) in places for label in stored):
            raise last
    return places, refused


def _groups(there: Mapping[str, Mapping[str, Stored]], places: _Places) -> list[Group]:
    names = list(there)
    labels_of = [sorted(label for label in there[name] if (name, label) in places) for name in names]
    mixed = any(labels != labels_of[0] for labels in labels_of)
    groups: list[Group] = []
    # T points may have a label that u or v points share with other grids: every label is tried
    for labels in product(*labels_of):
        first, *rest = (places[key] for key in zip(names, labels, strict=True))
        if len(set(labels)) == 1 or (mixed and all(_apart(first, other) < FARTHEST for other in rest)):
            groups.append({name: there[name][label] for name, label in zip(names, labels, strict=True)})
    return groups


def _rank(group: Group, places: _Places) -> tuple[bool, bool, bool, bool, int, str]:
    """Return a key by which the native group comes first.

    Labelled ``gn``; not called regridded by its files; on staggered points; with 2-D coordinates; of most cells.
    """
    of_group = [places[name, stored.grid_label] for name, stored in group.items()]
    about = attributes(next(iter(group.values())).files()[0])
    words = " ".join(str(about.get(name, "")) for name in ("grid", "comment"))
    staggered = any(_apart(of_group[0], other) > 0.1 for other in of_group[1:])
    return (
        label_of(group) != NATIVE,
        bool(_REGRIDDED.search(words)),
        not staggered,
        of_group[0]["lat"].ndim == 1,
        -meshed(of_group[0])[0].size,
        label_of(group),
    )


def _apart(first: xr.Dataset, other: xr.Dataset) -> float:
    """Return the median distance between points of the same index, in spacings of the first; infinite on other shapes.

    Rows and columns are taken in the order of the first.
    """
    points, others = meshed(first), meshed(other.isel(storage_order(other, first)))
    if points[0].shape != others[0].shape:
        return np.inf
    here, there = unit_vectors(*points), unit_vectors(*others)
    rows, columns = (distance(np.roll(here, -1, axis), here) for axis in (1, 2))
    spacing = np.sqrt(np.nanmedian(rows) * np.nanmedian(columns))
    gaps = distance(here, there)
    return float(np.nanmedian(gaps) / spacing) if np.isfinite(gaps).any() else np.inf


def _missing(archive: Archive, run: Run, names: Sequence[str]) -> str:
    if archive.is_gone(run):
        return f"{run.key} is gone since {archive.where} was listed. Is the archive still mounted?"
    has = ", ".join(archive.variables(run)) or "none"
    return (
        f"{run.key} has no {', '.join(map(repr, names))} in {archive.where}; of the variables that THOR reads it "
        f"has {has}.{archive.elsewhere(*names, **run.facets)} "
        "Get the variable, or leave this run out of experiment_ids or variant_labels."
    )


def _labels(there: Mapping[str, Collection[str]]) -> str:
    return "; ".join(f"{name} on {', '.join(sorted(labels))}" for name, labels in there.items())
