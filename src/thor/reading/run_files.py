"""The files of one run: on which of its grids it can be read, and its series and fixed fields there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from thor.core.errors import DataError, DiskError, GridError
from thor.core.variables import ICE_MASS, STRESS, published
from thor.core.warn import warn_once
from thor.reading.archive import Archive
from thor.reading.fields import read_field, stored_factor
from thor.reading.files import attributes
from thor.reading.grids import Group, grid_groups, label_of, not_used
from thor.reading.orders import storage_order
from thor.reading.positions import read_positions, same_positions
from thor.reading.quirks import Quirks
from thor.reading.runs import Run
from thor.reading.senses import sense
from thor.reading.series import Series, read_series
from thor.reading.time_axis import named_months
from thor.reading.tree import Stored

SURFACE = published(fixed=False, needed=True)
FIXED_FIELDS = published(fixed=True)


_Fixed = dict[str, tuple[Path, ...]]


def files_of_run(archive: Archive, run: Run, quirks: Quirks) -> tuple[Group, dict[str, Series], _Fixed, list[str]]:
    """Return what a run is read from, on the first of its grids that can be read, and a warning on each other tried.

    Returns
    -------
    group : Group
    series : dict of str to Series
        As in `thor.reading.run_plan.RunPlan`.
    fixed : dict of str to tuple of Path
        Files that may hold each field without time, the likeliest first.
    warnings : list of str

    Raises
    ------
    DataError
        When none can be read: that of the native one.
    """
    groups, warnings = grid_groups(archive, run, SURFACE)
    refused: list[DataError] = []
    for group in groups:
        try:
            series = _surface(archive, run, group, quirks)
            fixed = {name: _fixed_files(archive, run, name, group) for name in FIXED_FIELDS}
            if not fixed["deptho"]:
                raise DataError(
                    f"{run.source_id} has no 'deptho' in any run of {archive.where}."
                    f"{archive.elsewhere('deptho', source_id=run.source_id)} "
                    "Depth is an input of the networks: get it for one experiment of this model."
                )
            if len(groups) > 1:
                _require_usable(run, series, fixed["deptho"], quirks)
        except DiskError:
            raise
        except DataError as error:
            refused.append(error)
            warnings.append(not_used(label_of(group), error))
            continue
        warnings += [
            f"files on grid '{label_of(other)}' are not used, though they have more months; grid_labels can choose them"
            for other in groups[groups.index(group) + 1 :]
            if 0 < _months_by_name(group) < _months_by_name(other)
        ]
        return group, series, fixed, warnings
    raise refused[0]


def _months_by_name(group: Group) -> float:
    """Return how many months the variables of a group have by the names of their files; zero if one is without."""
    spans = [[named_months(path) or (0, -np.inf) for path in stored.files()] for stored in group.values()]
    return max(0, min(sum(last - first + 1 for first, last in part) for part in spans))


def _surface(archive: Archive, run: Run, group: Group, quirks: Quirks) -> dict[str, Series]:
    series = {name: series_of(run, name, stored, quirks) for name, stored in group.items()}
    if quirks.sea_ice_depression == "left_in":
        ice = _beside(archive, run, group, ICE_MASS)
        if len(ice) == len(ICE_MASS):
            series |= {name: series_of(run, name, stored, quirks) for name, stored in ice.items()}
    require_facets(run, series)
    _require_one_turn(series, quirks)
    return series


def _require_one_turn(series: Mapping[str, Series], quirks: Quirks) -> None:
    """Raise DataError where both the quirk and the attributes of a file turn the stress."""
    for name in STRESS if quirks.stress_sign < 0 else ():
        for file in series[name].files:
            if sense(name, file.field_attrs, str(file.path)) < 0:
                raise DataError(
                    f"{file.path}: attributes of '{name}' say that its sign is to be turned, and so does stress_sign "
                    "-1 in the quirks of the model; expected one of the two. Take stress_sign out of the quirks."
                )


def _require_usable(run: Run, series: Mapping[str, Series], depths: tuple[Path, ...], quirks: Quirks) -> None:
    """Raise DataError without a common year, shape, known unit or depth on the cells of sea level: others are there."""
    first, last = (pick(part.whole_years[k] for part in series.values()) for k, pick in enumerate((max, min)))
    if first > last:
        spans = "; ".join(f"{name} {part.span}" for name, part in series.items())
        raise DataError(f"no year of which all variables have every month: {spans}.")
    for name, part in series.items():
        if (got := part.files[0].shape) != (expected := series["zos"].files[0].shape):
            raise GridError(f"'{name}' has {got} rows and columns, 'zos' {expected}; expected one grid.")
        for file in part.files:
            stored_factor(name, file.field_attrs, str(file.path))
    place = read_positions(series["zos"].files[0].path, "zos", where=run.source_id)
    stated = quirks.stated("deptho")
    fields = (read_field(path, "deptho", where=run.source_id, stated=stated) for path in depths)
    if not any(same_positions(field.isel(storage_order(field, place)), place) for field in fields):
        names = ", ".join(path.name for path in depths)
        raise GridError(f"'deptho' does not lie on the cells of 'zos': {names}. Get that of this grid.")


def _beside(archive: Archive, run: Run, group: Group, names: tuple[str, ...]) -> dict[str, Stored]:
    """Return what there is of these variables under the grid label of sea level."""
    label = group["zos"].grid_label
    there = {name: archive.stored(run, name).get(label) for name in names}
    return {name: stored for name, stored in there.items() if stored is not None}


def series_of(run: Run, name: str, stored: Stored, quirks: Quirks) -> Series:
    """Return the series of a variable, with the attributes that the quirks state; errors as from `read_series`."""
    series = read_series(stored.files(), name, where=run.key, hint=_older_versions(stored))
    stated = quirks.stated(name)
    files = (replace(file, field_attrs={**file.field_attrs, **stated}) for file in series.files)
    return replace(series, files=tuple(files)) if stated else series


def _fixed_files(archive: Archive, run: Run, variable_id: str, group: Group) -> tuple[Path, ...]:
    """Return the files that may hold a fixed field on this grid: the first under its label that can be opened.

    Only where no file has the label of sea level, those under others are candidates: their positions decide.
    """
    there = [stored for _, stored in archive.fixed(run, variable_id)]
    own = [stored for stored in there if stored.grid_label == group["zos"].grid_label]
    refused: list[str] = []
    for path in (stored.files()[-1] for stored in own):
        try:
            attributes(path, variable_id)
        except DataError as error:
            refused.append(str(error))
            continue
        for sentence in refused:
            warn_once(run.source_id, f"{sentence} '{variable_id}' of another run is read")
        return (path,)
    if own:
        return (own[0].files()[-1],)
    others: dict[str, Path] = {}
    for stored in there:
        others.setdefault(stored.grid_label, stored.files()[-1])
    return tuple(others.values())


def require_facets(run: Run, series: Mapping[str, Series]) -> None:
    """Raise DataError where a file names another model, experiment or variant than the folder of its run."""
    for name, part in series.items():
        for facet in ("source_id", "experiment_id", "variant_label"):
            expected = getattr(run, facet)
            file = next((file for file in part.files if _stated(file.attrs, facet) not in ("", expected)), None)
            if file is not None:
                got = _stated(file.attrs, facet)
                raise DataError(
                    f"{file.path}: {facet} is '{got}', but the file lies in the folder of '{expected}' "
                    f"({name} of {run.key}). Put it where it belongs."
                )


def _stated(attrs: Mapping[str, object], facet: str) -> str:
    """Return a facet by the attributes of a file, as folders have it: a decadal prediction begins with its start."""
    stated, start = (str(attrs.get(name, "")) for name in (facet, "sub_experiment_id"))
    return f"{start}-{stated}" if facet == "variant_label" and stated and start not in ("", "none") else stated


def _older_versions(stored: Stored) -> str:
    if not stored.older:
        return ""
    return f" Older versions lie beside {stored.version}: {', '.join(stored.older)}; `versions` can choose one."
