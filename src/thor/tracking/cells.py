"""Valid cells of a run, its windows with their baselines, pairs of control windows, and the networks' scaled inputs.

Also what all results of runs have alike: the facets of their key, and the type of their plans.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import DataError, NetworkError
from thor.core.fingerprint import ATTRIBUTE, fingerprint
from thor.networks.inputs import feature_fields
from thor.networks.scaler import FeatureScaler
from thor.ocean.cells import on_same_grid
from thor.tracking.shared_window import window_years

RUN_FACETS = ("source_id", "experiment_id", "variant_label")
"""Facets of the key of a run."""

PlannedResult = tuple[str, Callable[[], xr.Dataset]]  # a fingerprint of what a result depends on, and what makes it
PlannedResults = dict[str, PlannedResult]

NO_BASELINE = -1

NOT_COMPARED = "not_compared"
NOT_JUDGED = "not_judged"
"""Attributes with the reason why a run has no baseline, or why its changes are not tested for forcing."""


class NoControlPairsError(DataError):
    """A control run without any pair of windows to estimate internal variability from."""


def run_key(run: xr.Dataset) -> str:
    """Return `<source>/<experiment>/<variant>` of a run."""
    return "/".join(str(run.attrs.get(facet, "?")) for facet in RUN_FACETS)


def facets_of(run: xr.Dataset) -> dict[str, str]:
    """Return the facets of the key of a run by name."""
    return {facet: str(run.attrs[facet]) for facet in RUN_FACETS}


def run_mark(run: xr.Dataset) -> str:
    """Return the fingerprint of what a file of a run was made from, or else of its content."""
    return str(run.attrs.get(ATTRIBUTE) or fingerprint(run))


@dataclass(frozen=True, eq=False)
class Cells:
    """The valid cells of a run.

    Attributes
    ----------
    like : xarray.DataArray
        `valid` of the run, which gives the grid.
    index : ndarray of int, shape (n_cells,)
        Positions in the flattened grid.
    area : ndarray of shape (n_cells,), [m2]
    basin : ndarray of int, shape (n_cells,)
        Number of the basin in `basins`, -1 for none.
    basins : tuple of str
        Basins with at least one cell.
    """

    like: xr.DataArray
    index: NDArray[np.int64]
    area: NDArray[np.float64]
    basin: NDArray[np.int64]
    basins: tuple[str, ...]

    @classmethod
    def of(cls, run: xr.Dataset) -> "Cells":
        """Return the valid cells of a run; raise DataError when there are none, or areas are missing."""
        key = run_key(run)
        valid = run["valid"].values == 1
        if not valid.any():
            raise DataError(f"{key}: no cell is valid (valid is 1 nowhere), so there is nothing to track.")
        if "areacello" not in run:
            raise DataError(f"{key} has no 'areacello', so regimes have no area. Make its scenario_features again.")
        area = on_same_grid(run["valid"], run, "areacello")[valid].astype(np.float64)
        if not (np.isfinite(area) & (area >= 0)).all() or not area.any():
            raise DataError(f"{key}: 'areacello' is missing or negative in valid cells, or 0 in all of them.")
        codes = on_same_grid(run["valid"], run, "basin")[valid]
        flags = run["basin"].attrs
        names = dict(zip(np.atleast_1d(flags["flag_values"]), str(flags["flag_meanings"]).split(), strict=True))
        present = [code for code in names if (codes == code).any()]
        number = np.full(codes.shape, -1)
        for k, code in enumerate(present):
            number[codes == code] = k
        return cls(run["valid"], np.flatnonzero(valid), area, number, tuple(names[code] for code in present))

    def take(self, chosen: NDArray[np.bool_]) -> "Cells":
        """Return the cells where a mask is True."""
        return replace(self, index=self.index[chosen], area=self.area[chosen], basin=self.basin[chosen])


@dataclass(frozen=True)
class Windows:
    """The windows of a run and their baselines.

    Attributes
    ----------
    state : tuple of int
        For each window the number of its baseline in the list of the run's windows followed by `baselines`; or -1.
    separation : tuple of int
        Distance from its baseline in windows, at least 1; for a parallel segment since the branch; or -1.
    baselines : tuple of int
        The parent's windows that are needed, by number in its file.
    """

    state: tuple[int, ...]
    separation: tuple[int, ...]
    baselines: tuple[int, ...]

    @property
    def compared(self) -> list[int]:
        """Windows that have a baseline."""
        return [window for window, state in enumerate(self.state) if state != NO_BASELINE]

    def baseline_place(self, window: int) -> int:
        """Return the place among the windows of the parent of that with which a window is compared."""
        return self.baselines[self.state[window] - len(self.state)]

    @classmethod
    def of(cls, run: xr.Dataset, parent: xr.Dataset | None) -> "Windows":
        """Return the windows of a run; without a parent none has a baseline.

        The year of the branch is the attribute `branch_year`, else the first window in the file counts as that of the
        branch.

        Raises
        ------
        DataError
            When the parent is another run, or its file lacks a baseline window.
        """
        n_windows, labels = run.sizes["window"], list(map(str, run["baseline_window"].values))
        if parent is None or not any(labels):
            return cls((NO_BASELINE,) * n_windows, (NO_BASELINE,) * n_windows, ())
        if run_key(parent) != run.attrs.get("parent"):
            raise DataError(
                f"{run_key(run)} branches off {run.attrs.get('parent')}; expected its file, got {run_key(parent)}."
            )
        available = list(map(str, parent["window"].values))
        used = {label for label in labels if label}
        if missing := sorted(used - set(available)):
            raise DataError(
                f"{run_key(run)} is compared with the window {', '.join(missing)} of {run_key(parent)}, whose file "
                f"has {', '.join(available)}. Make the features of both with the same data_engineering.windows."
            )
        needed = sorted(map(available.index, used))
        starts, parent_starts = run["window_start"].values, parent["window_start"].values
        parallel = run.attrs.get("baseline") == "parallel segment"
        state, separation = [NO_BASELINE] * n_windows, [NO_BASELINE] * n_windows
        for window, label in enumerate(labels):
            if label:
                number = available.index(label)
                since = run.attrs.get("branch_year", starts.min()) if parallel else parent_starts[number]
                state[window] = n_windows + needed.index(number)
                separation[window] = max(1, windows_apart(since, starts[window], run))
        return cls(tuple(state), tuple(separation), tuple(needed))


def windows_apart(first: int, second: int, run: xr.Dataset) -> int:
    """Return the distance between two first years in windows of a run."""
    length = float(np.median(run["window_end"].values - run["window_start"].values)) + 1
    return round(abs(float(second) - float(first)) / length)


@dataclass(frozen=True, eq=False)
class ControlPairs:
    """Pairs of windows that differ by internal variability only.

    Attributes
    ----------
    states : ndarray of int, shape (n_pairs, 2)
        Windows of each pair, numbered through the control run and then its variants.
    separation : ndarray of int, shape (n_pairs,)
        Distance in windows; 0 for two variants of one experiment in the same window.
    overlap : ndarray of bool, shape (n_windows, n_windows)
        Whether two windows have months in common, as each has with itself: they are not pairs.
    """

    states: NDArray[np.int64]
    separation: NDArray[np.int64]
    overlap: NDArray[np.bool_]

    @classmethod
    def of(cls, control: xr.Dataset, variants: Sequence[xr.Dataset] = ()) -> "ControlPairs":
        """Return pairs of control windows without common months, and of variants of one experiment in one window.

        Windows of variants are those of the same years, since the start of each where years count from it.

        Raises
        ------
        NoControlPairsError
            When there is none.
        """
        runs = (control, *variants)
        experiments = [run.attrs.get("experiment_id") for run in runs]
        number_of_run = np.repeat(np.arange(len(runs)), [run.sizes["window"] for run in runs])
        starts, ends = map(np.concatenate, zip(*map(window_years, runs), strict=True))
        overlap = number_of_run[:, None] == number_of_run
        overlap &= (starts[:, None] <= ends) & (starts <= ends[:, None])
        pairs, separation = [], []
        for i, j in combinations(range(len(starts)), 2):
            of_control = number_of_run[i] == number_of_run[j] == 0
            of_variants = number_of_run[i] > 0 and number_of_run[i] != number_of_run[j]
            of_variants &= experiments[number_of_run[i]] == experiments[number_of_run[j]]
            if of_control and not overlap[i, j]:
                pairs.append((i, j))
                separation.append(max(1, windows_apart(starts[i], starts[j], control)))
            elif of_variants and (starts[i], ends[i]) == (starts[j], ends[j]):
                pairs.append((i, j))
                separation.append(0)
        if not pairs:
            raise NoControlPairsError(
                f"{run_key(control)} has no two windows without common months to estimate internal variability from. "
                "Use a longer control run or shorter windows (data_engineering.windows.length_years)."
            )
        return cls(np.array(pairs, dtype=np.int64), np.array(separation, dtype=np.int64), overlap)


@dataclass(frozen=True, eq=False)
class WindowInputs:
    """The features of one window of a run at given cells, scaled when they are needed.

    Attributes
    ----------
    fields : tuple of ndarray
        Each feature on the flattened grid, in its unit.
    index : ndarray of int, shape (n_cells,)
        Positions of the cells in the flattened grid.
    known : ndarray of bool, shape (n_cells,)
        Where the window has features.
    scaler : FeatureScaler
    """

    fields: tuple[AnyArray, ...]
    index: NDArray[np.int64]
    known: NDArray[np.bool_]
    scaler: FeatureScaler

    @classmethod
    def of(cls, run: xr.Dataset, window: int, cells: Cells, scaler: FeatureScaler) -> "WindowInputs":
        """Return the inputs of a window at the given cells.

        Raises
        ------
        GridError
            When the grids differ.
        NetworkError
            When a feature of the scaler is missing, in another unit or not finite, or no cell is valid.
        """
        here = run.isel(window=window)
        valid = on_same_grid(cells.like, here, "valid") == 1
        try:
            fields = feature_fields(here, names=scaler.features)
        except NetworkError as error:
            raise NetworkError(f"{run_key(run)}, window {here['window'].values}: {error}") from error
        return cls(tuple(field.ravel() for field in fields), cells.index, valid.ravel()[cells.index], scaler)

    def take(self, chosen: NDArray[np.bool_]) -> "WindowInputs":
        """Return the inputs at the cells where a mask is True."""
        return replace(self, index=self.index[chosen], known=self.known[chosen])

    def scaled(self, part: slice | NDArray[Any] = slice(None)) -> NDArray[np.float32]:
        """Return the scaled inputs of some cells, by default all, (n_cells, n_features); 0 where not known."""
        index = self.index[part]
        table = np.stack([field[index] for field in self.fields], axis=1)
        return self.scaler.transform(np.where(self.known[part, None], table, self.scaler.mean))
