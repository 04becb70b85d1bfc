"""Means over climatological windows, every file read once."""

import itertools
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array, IntArray, Mask
from thor.core.checkpoint import Checkpoint
from thor.core.errors import GridError, listed
from thor.core.progress import progress_bar
from thor.core.variables import ICE_MASS, STRESS, UNDECLARED_FILL
from thor.reading.dims import without_dims
from thor.reading.fields import stored_factor, warn_of_conversions
from thor.reading.files import naming, opened, opened_with_checksum
from thor.reading.positions import same_positions, some_positions
from thor.reading.senses import TURNED, sense
from thor.reading.series import Series, SeriesFile
from thor.reading.time_axis import month_text
from thor.reading.windows import Window

log = logging.getLogger(__name__)

READ_BYTES = 4 * 2**20
"""Of a field as it is stored; one time step, or one chunk of the file, where that is more."""

UNWRITTEN = 0.01
"""Share of the sea that has no value in a part of a series beyond which that is taken for damage."""

DAMAGED = "Is {} damaged, or a part of it not written? Fetch it again."
"""Question on such a part, with the name of the file."""

_FILLED = "Does {} hold a fill value that is not declared, such as -999, or are the others damaged?"

_MAY_BE_ZERO = (*STRESS, *ICE_MASS)
"""Variables that may be exactly 0 at sea, under or without sea ice; 0 is land, or a part not written, in the others."""


@dataclass(frozen=True, eq=False)
class WindowMeans:
    """Means of one variable.

    Attributes
    ----------
    values : ndarray of shape (n_windows, n_rows, n_columns), or with levels before the rows
        In the units of the table of variables; NaN where a month has none, 0 in such months for masses of ice.
    sources : tuple of str
        A line for each file: name, tracking id, checksum, steps used.
    doubts : tuple of str
        Sentences on months that lack what other months have.
    """

    values: Array
    sources: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def window_means(series: Series, windows: Sequence[Window], *, checkpoint: Checkpoint) -> WindowMeans:
    """Return the means over windows, months weighted by their lengths.

    Each file is read once, in blocks of a few time steps, for all windows together, which may overlap. After each file
    the sums are kept in the checkpoint, under the name of the variable.

    Parameters
    ----------
    series : Series
        Holds every month of every window.
    windows : sequence of Window
    checkpoint : Checkpoint
        Sums of the same files and windows are continued.

    Raises
    ------
    DataError, UnitsError, GridError
        When a file cannot be read, its units are unknown, or its cells do not lie where those of the first file do.

    Notes
    -----
    Memory: one block of `READ_BYTES`, and one field in double precision for each window; fields with levels are added
    up, checked and divided level by level, without copies of them. A file with chunks of many time steps is read in
    bands.
    """
    files = [file for file in series.files if any(steps_in(file, window).size for window in windows)]
    state = _resume(series, files, windows, checkpoint)
    for file in progress_bar(files[len(state.sources) :], label=series.where, unit="file"):
        _add(state, file, series, windows)
        checkpoint.save(series.variable_id, state.to_dataset(_identity(files, windows)))
    warn_of_conversions(series.variable_id, [file.field_attrs for file in files], series.where)
    doubts = tuple(_doubts(series, state.filled))
    for doubt in doubts:
        log.warning("%s: %s", series.where, doubt)
    if n_undeclared := _divide(state):
        text = "%s: %d cells hold a fill value that is not declared as _FillValue; taken as missing"
        log.warning(text, series.where, n_undeclared)
    return WindowMeans(state.sums, tuple(state.sources), doubts)


def _doubts(series: Series, filled: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence on the months without any value, and on those with fewer or more values than most."""
    usual = median_high([n_cells for n_cells in filled.values() if n_cells] or [0])
    low, high = (1 - UNWRITTEN) * usual, (1 + UNWRITTEN) * usual
    if series.variable_id in ICE_MASS:
        low, high = 1, np.inf  # where there is sea ice changes with the month
    empty = [month for month, n_cells in filled.items() if n_cells == 0 < usual]
    partly = [month for month, n_cells in filled.items() if 0 < n_cells < low]
    more = [month for month, n_cells in filled.items() if n_cells > high]
    shares = [filled[month] / usual - 1 for month in (*partly, *more)]
    less, excess = -min(shares, default=0), max(shares, default=0)
    lacking = "missing" if series.variable_id in _MAY_BE_ZERO else "0 or missing"
    for what, months, question in (
        ("every cell is 0 or missing", empty, DAMAGED),
        (f"up to {100 * less:.2g} % of the cells are {lacking}", partly, DAMAGED),
        (f"up to {100 * excess:.2g} % more cells have a value", more, _FILLED),
    ):
        if months:
            first = next(file.path.name for file in series.files if months[0] in map(month_text, file.months))
            yield f"{what} in {listed(months, most=6)}, unlike in other months. {question.format(first)}"


def _divide(state: "_State") -> int:
    """Turn the sums into means, undeclared fill values into NaN, and return how many cells have these."""
    n_windows, *_, n_rows, n_columns = state.sums.shape
    state.sums /= state.days.reshape(n_windows, *(1,) * (state.sums.ndim - 1))
    fields = state.sums.reshape(n_windows, -1, n_rows, n_columns)
    n_undeclared = 0
    for level in range(fields.shape[1]):
        undeclared = np.abs(fields[:, level]) > UNDECLARED_FILL
        if undeclared.any():
            n_undeclared += int(undeclared.any(axis=0).sum())
            fields[:, level][undeclared] = np.nan
    return n_undeclared


@dataclass(eq=False)
class _State:
    """Sums over time [units x days], the days in them, a line for each file in them, some positions in the first.

    `filled` has the number of cells with a value by month; none where there is no value other than zero.
    """

    sums: Array
    days: Array
    sources: list[str]
    filled: dict[str, int]
    cells: xr.Dataset | None = None

    def to_dataset(self, identity: str) -> xr.Dataset:
        dims = ("window", *("lev", "y", "x")[-self.sums.ndim + 1 :])
        return xr.Dataset(
            {"sums": (dims, self.sums), "days": ("window", self.days)},
            attrs={"identity": identity, "sources": "\n".join(self.sources), "filled": json.dumps(self.filled)},
        )


def _identity(files: Sequence[SeriesFile], windows: Sequence[Window]) -> str:
    return repr([file.identity for file in files]) + str([str(window) for window in windows])


def _resume(series: Series, files: Sequence[SeriesFile], windows: Sequence[Window], checkpoint: Checkpoint) -> _State:
    kept = checkpoint.load(series.variable_id)
    if kept is not None and kept.attrs.get("identity") == _identity(files, windows) and "filled" in kept.attrs:
        sources, filled = str(kept.attrs["sources"]).splitlines(), json.loads(kept.attrs["filled"])
        log.info("%s: %d of %d files were summed before and are not read again", series.where, len(sources), len(files))
        return _State(kept["sums"].values.copy(), kept["days"].values.copy(), sources, filled)
    return _State(np.zeros((len(windows), *series.files[0].shape)), np.zeros(len(windows)), [], {})


def _add(state: _State, file: SeriesFile, series: Series, windows: Sequence[Window]) -> None:
    """Add one file to the sums, or leave them as they were when it cannot be read."""
    variable_id = series.variable_id
    factor = stored_factor(variable_id, file.field_attrs, str(file.path))
    days = file.days.reshape(-1, file.step_months).sum(axis=1)
    used = np.zeros(days.size, dtype=bool)
    in_windows = [steps_in(file, window) for window in windows]
    for steps in in_windows:
        used[steps] = True
    n_cells = np.zeros((2, days.size), dtype=int)
    with opened_with_checksum(file.path) as (dataset, checksum):
        if len(series.files) > 1:
            _require_cells_of_first(state, series, file, dataset)
        field = without_dims(dataset[variable_id], file.single_dims)
        for start, stop in time_blocks(file, used):
            inside = [steps[(steps >= start) & (steps < stop)] for steps in in_windows]
            for band in _bands(field, stop - start):
                block = field[(slice(start, stop), *band)].values
                n_cells[:, start:stop] += _n_cells(block)
                if variable_id in ICE_MASS:  # missing where there is no ice in a month
                    block = np.where(np.abs(block) < UNDECLARED_FILL, block, 0)
                for sums, steps in zip(state.sums, inside, strict=True):
                    if steps.size:
                        _add_block(sums[band], block, steps - start, factor * days[steps])
                del block  # before the next one is read
            state.days += [days[steps].sum() for steps in inside]
    state.sources.append(source_line(variable_id, file, checksum, int(used.sum())))
    months = file.months[:: file.step_months]
    with_value, other_than_zero = n_cells
    filled = np.where(other_than_zero > 0, with_value if variable_id in _MAY_BE_ZERO else other_than_zero, 0)
    state.filled |= {month_text(months[k]): int(filled[k]) for k in np.flatnonzero(used)}


def _n_cells(block: AnyArray) -> IntArray:
    """Return the numbers of cells with a value, and with one other than zero, in each step of a block (2, n_steps)."""
    total = np.zeros((2, len(block)), dtype=int)
    for level in np.ndindex(block.shape[1:-2]):  # one after another: without a copy of the block
        part = block[(slice(None), *level)]
        there = np.abs(part) < UNDECLARED_FILL
        total += [np.count_nonzero(cells, axis=(1, 2)) for cells in (there, there & (part != 0))]
    return total


def _bands(field: xr.DataArray, n_steps: int) -> Iterator[tuple[slice, ...]]:
    """Yield ranges of levels, rows and columns that cover a field, the whole of it if so many time steps fit.

    They are cut at the ends of the file's chunks, each of which is decompressed once.
    """
    shape = field.shape[1:]
    band, budget = list(shape), max(READ_BYTES, 4 * math.prod(shape))
    for axis, chunk in enumerate((field.encoding.get("chunksizes") or field.shape)[1:]):
        n_bytes = 4 * n_steps * math.prod(band)
        if n_bytes > budget:
            band[axis] = max(1, budget * band[axis] // (n_bytes * chunk)) * chunk
    starts = (range(0, size, length) for size, length in zip(shape, band, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + length) for start, length in zip(corner, band, strict=True))


def _add_block(sums: Array, block: AnyArray, steps: IntArray, weights: Array) -> None:
    """Add these time steps of a block to the sums of its cells."""
    levels = block.shape[1:-2]
    # levels one after another: in double precision without a copy of the block, and without threads to wait for
    rows = block.reshape(len(block), *levels, -1)
    if steps.size < len(block):
        rows = rows[steps]
    for level in np.ndindex(levels):
        part = sums[level]
        part += np.einsum("t,tc->c", weights, rows[(slice(None), *level)]).reshape(part.shape)


def _require_cells_of_first(state: _State, series: Series, file: SeriesFile, dataset: xr.Dataset) -> None:
    """Raise GridError unless the cells of an open file lie where those of the first file of its series do."""
    first = series.files[0]
    with naming(file.path):
        cells = some_positions(dataset, series.variable_id, where=series.where)
    if file is first:
        state.cells = cells
    elif state.cells is None:
        # the first file is in no window, or was summed by an earlier call
        with opened(first.path) as earlier:
            state.cells = some_positions(earlier, series.variable_id, where=series.where)
    if not same_positions(cells, state.cells):
        raise GridError(
            f"{series.where}: the cells of {file.path.name} do not lie where those of {first.path.name} do; expected "
            "one order of rows and columns in a series. Store this file like the others, or fetch it again."
        )


def source_line(variable_id: str, file: SeriesFile, checksum: str, n_steps: int) -> str:
    """Return what attributes of results say of a file: name, tracking id, checksum, steps used, `TURNED` if it is."""
    tracking_id = file.attrs.get("tracking_id", "no tracking_id")
    note = f", {TURNED}" if sense(variable_id, file.field_attrs, str(file.path)) < 0 else ""
    return f"{file.path.name} {tracking_id} sha256:{checksum} {n_steps} steps{note}"


def time_blocks(file: SeriesFile, used: Mask) -> list[tuple[int, int]]:
    """Return ranges of time steps that hold all used ones, cut at the ends of the file's chunks."""
    piece = max(1, file.chunk_steps)
    step_bytes = 4 * math.prod(file.shape)
    length = max(1, READ_BYTES // (step_bytes * piece)) * piece if step_bytes * piece < READ_BYTES else piece
    starts = range(0, used.size, length)
    return [(start, min(start + length, used.size)) for start in starts if used[start : start + length].any()]


def steps_in(file: SeriesFile, window: Window) -> IntArray:
    """Return the time steps in a window, which holds whole years."""
    months = window.months
    inside = np.flatnonzero((file.months >= months.start) & (file.months < months.stop))
    return np.unique(inside // file.step_months)


def first_month(series: Series) -> WindowMeans:
    """Return the first month of a series in place of a mean, to test a run without reading it.

    Raises
    ------
    DataError, UnitsError
        When the file cannot be read, or its units are unknown.
    """
    file = series.files[0]
    factor = stored_factor(series.variable_id, file.field_attrs, str(file.path))
    with opened(file.path) as dataset:
        values = factor * without_dims(dataset[series.variable_id], file.single_dims)[:1].values.astype(float)
    return WindowMeans(np.where(np.abs(values) > UNDECLARED_FILL, np.nan, values), (file.path.name,))
