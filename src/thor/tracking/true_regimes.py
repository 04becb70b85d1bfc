"""True regimes of climate models whose vorticity budget is known: the regime model's labels of that budget."""

from functools import lru_cache

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import GridError
from thor.regimes.regime_model import RegimeModel
from thor.tracking import RunDatasets

_TOLERANCE = 1e-4
"""Degrees by which positions of one cell may differ between two files."""


class TrueRegimes:
    """True regimes of windows, each determined once: several runs share a baseline.

    Parameters
    ----------
    budgets : mapping of str to callable
        Reads the true vorticity budget of a run by `window`.
    model : RegimeModel

    Attributes
    ----------
    unknown : set of str
        Requested windows that are not in the budgets, `<run> <window>`.
    """

    def __init__(self, budgets: RunDatasets, model: RegimeModel) -> None:
        self._model = model
        self._known: dict[tuple[str, str], AnyArray] = {}
        # The budgets of a run and its parent stay open.
        self._budget = lru_cache(maxsize=2)(lambda key: budgets[key]())
        self.unknown: set[str] = set()

    def regime(self, key: str, window: str, like: xr.DataArray) -> AnyArray | None:
        """Return the true regime of one window of a run in the dims order of `like`, -1 outside the budget's cells.

        None where the budget lacks the window.

        Raises
        ------
        GridError
            When the budget is on another grid than `like`.
        """
        if (key, window) not in self._known:
            budget = self._budget(key)
            held = [str(label) for label in budget["window"].values]
            if window not in held:
                self.unknown.add(f"{key} {window}")
                return None
            _require_same_grid(key, like, budget["analysis_mask"])
            regime = self._model.predict(budget.isel(window=held.index(window)))["regime"]
            self._known[key, window] = regime.transpose(*like.dims).values
        return self._known[key, window]


def _require_same_grid(key: str, like: xr.DataArray, mask: xr.DataArray) -> None:
    if mask.sizes == like.sizes:
        # Land may have a position in one file and none in the other.
        gaps = [np.abs(mask[axis].values - like[axis].transpose(*mask[axis].dims).values) for axis in ("lat", "lon")]
        if all(gap[np.isfinite(gap)].max(initial=0.0) < _TOLERANCE for gap in gaps):
            return
    raise GridError(
        f"The true budget of {key} is on another grid ({dict(mask.sizes)}) than its features ({dict(like.sizes)}). "
        "Make both from one run of idealized_ocean."
    )
