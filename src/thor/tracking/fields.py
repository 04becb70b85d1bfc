"""A tracked run as a dataset: fields on its grid, areas with intervals over networks, coordinates and attributes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.core.contracts import CONTRACTS
from thor.core.variables import BUDGET_TERMS, variable
from thor.regimes.naming import class_flags
from thor.tracking.cells import RUN_FACETS, Cells
from thor.tracking.regime_shares import Spread, spread_over_networks
from thor.tracking.tools import TrackingTools

GLOBAL = "global"
"""Entry of dim `basin` for all valid cells, including those of no basin."""

MOST_CHANGED = "most_changed_term"

LABELS = ("regime", "baseline_regime", MOST_CHANGED)
"""Fields of numbers of regimes or terms, -1 where there is none."""

FLAGS = ("applicable", "forced_shift", "forced_change", "natural_variability_mask")
"""Fields of 1 or 0, -1 where neither is known. All fields beside these and `LABELS` are NaN where they are missing."""

TERM_FIELDS = ("predicted_term", "predicted_term_spread", "term_change", "term_change_lower", "term_change_upper")

VARIANCES = ("change_label_variance", "change_network_variance", "change_residual_variance")

_BY_CELL = {**CONTRACTS["scenario_regimes"].extra_dims, "dissimilarity": ("state",)}
"""Dims of a field before those of the grid; of fields that no file has, they are window and predictor but for one."""

_BY_NETWORK = {
    "expected_area": ("window", "network", "basin", "regime"),
    "expected_area_change": ("window", "network", "basin", "regime"),
    "transition_area": ("window", "network", "regime_before", "regime"),
    "argmax_area": ("window", "basin", "regime"),
}
"""Dims of the sums over cells of one predictor."""


def empty_fields(names: Iterable[str], sizes: Mapping[str, int], n_cells: int) -> dict[str, AnyArray]:
    """Return the named fields without any value, as arrays whose last axis is the cell."""
    shapes = {name: (*(sizes[dim] for dim in field_dims(name)), n_cells) for name in names}
    return {
        name: np.full(shape, -1, np.int8) if name in LABELS + FLAGS else np.full(shape, np.nan, np.float32)
        for name, shape in shapes.items()
    }


def empty_sums(sizes: Mapping[str, int]) -> dict[str, Array]:
    """Return the sums over the cells of one predictor [m2], all zero."""
    return {name: np.zeros([sizes[dim] for dim in dims]) for name, dims in _BY_NETWORK.items()}


def field_dims(name: str) -> tuple[str, ...]:
    """Return the dims of a field before those of the grid."""
    return _BY_CELL.get(name, ("window", "predictor"))


def grid_field(name: str, values: AnyArray, like: xr.DataArray, classes: Iterable[str]) -> xr.DataArray:
    """Return values on the flattened grid, the last axis, as a field on the grid of `like`."""
    attrs: dict[str, Any] = dict(variable(name).attrs)
    if name in LABELS:
        names = list(BUDGET_TERMS if name == MOST_CHANGED else classes)
        attrs |= class_flags(names)
    field = values.reshape(*values.shape[:-1], *like.shape)
    return xr.DataArray(field, dims=(*field_dims(name), *like.dims), attrs=attrs)


def area_fields(sums: Mapping[str, Mapping[str, Array]], level: float, compared: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the areas [m2] with the ends of their intervals over networks, from the sums of each predictor.

    Changes and transitions are NaN where `compared`, of shape (n_windows,), is False: those windows have no baseline.
    """
    out: dict[str, Any] = {}
    for name, dims in _BY_NETWORK.items():
        each = [found[name] for found in sums.values()]
        if "network" in dims:
            spreads = (spread_over_networks(values, level, axis=1) for values in each)
            parts = Spread(*(np.stack(ends, axis=1) for ends in zip(*spreads, strict=True))).named(name)
        else:
            parts = {name: np.stack(each, axis=1)}
        for part, values in parts.items():
            if name in ("expected_area_change", "transition_area"):
                values[~compared] = np.nan
            of_cells = (dim for dim in dims if dim not in ("window", "network"))
            out[part] = ("window", "predictor", *of_cells), values, variable(part).attrs
    return out


def run_dataset(fields: Mapping[str, Any], run: xr.Dataset, cells: Cells, tools: TrackingTools) -> xr.Dataset:
    """Return the fields of a run as a dataset with its coordinates and attributes."""
    predictors = list(tools.predictors)
    n_networks = [predictor.n_members for predictor in tools.predictors.values()]
    coords: dict[Any, Any] = {
        **{name: run[name].variable for name in run.coords},
        "predictor": predictors,
        "basin": [*cells.basins, GLOBAL],
        "regime_before": list(tools.classes),
        "n_networks": ("predictor", n_networks, {"units": "1", "long_name": "Networks of each predictor"}),
    } | ({} if tools.term_networks is None else {"term": list(BUDGET_TERMS)})
    facets = (*RUN_FACETS, "parent", "baseline", "first_year", "grid_label", "institution_id")
    settings = tools.settings
    out = xr.Dataset({**fields, "valid": run["valid"].variable, "areacello": run["areacello"].variable}, coords)
    return out.assign_attrs(
        {name: run.attrs[name] for name in facets if name in run.attrs},
        regimes=" ".join(tools.classes),
        false_discovery_rate=settings.false_discovery_rate,
        null_quantile=settings.null_quantile,
        min_probability=settings.min_probability,
        interval_level=settings.interval_level,
        applicability_threshold=tools.applicability.threshold,
        change="of the window means of this run, by maximal coupling inside each network; 0 for identical inputs",
        shift="P(change) above the null quantile of control windows null_separation apart, false discovery rate "
        "controlled over the cells inside the area of applicability; expected_false_area is an upper bound",
        forced="a shift where P(change) is at least min_probability",
    )
