"""What is found of a run as a dataset: fields on its grid, areas with intervals, coordinates and attributes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.variables import variable
from thor.tracking.blocks import VARIANCES, TrackWork
from thor.tracking.cells import NO_BASELINE, Cells
from thor.tracking.settings import TrackingSettings

GLOBAL = "global"
"""Entry of dim `basin` for all valid cells, those of no basin included."""

_DIMS = (
    dict.fromkeys(("regime_probability", "change_to_probability"), ("window", "predictor", "regime"))
    | dict.fromkeys(("applicable", "dissimilarity_index", *VARIANCES), ("window",))
    | dict.fromkeys(("forced_emergence", "natural_variability_mask"), ("predictor",))
)
"""Dims of a field before those of the grid, where they are not window and predictor."""


def on_grid(name: str, values: AnyArray, cells: Cells, classes: Sequence[str]) -> xr.DataArray:
    """Return values of cells, the last axis, as a field; NaN, or -1 for integers, where there is no cell."""
    missing = -1 if values.dtype.kind == "i" else np.nan
    field = np.full((*values.shape[:-1], cells.like.size), missing, dtype=values.dtype)
    field[..., cells.index] = values
    attrs: dict[str, Any] = dict(variable(name).attrs)
    if name in ("regime", "baseline_regime"):
        attrs |= {"flag_values": np.arange(len(classes), dtype=np.int8), "flag_meanings": " ".join(classes)}
    dims = (*_DIMS.get(name, ("window", "predictor")), *cells.like.dims)
    return xr.DataArray(field.reshape(*values.shape[:-1], *cells.like.shape), dims=dims, attrs=attrs)


def area_fields(sums: Mapping[str, Mapping[str, NDArray[np.float64]]], level: float) -> dict[str, Any]:
    """Return means and intervals over networks of what is summed over cells."""
    by_basin, between = ("window", "predictor", "basin", "regime"), ("window", "predictor", "regime_before", "regime")
    tails = 0.5 * (1 - level), 0.5 * (1 + level)
    out: dict[str, Any] = {}
    for kind, name, dims in (
        ("area", "expected_area", by_basin),
        ("area_change", "expected_area_change", by_basin),
        ("transition", "transition_area", between),
    ):
        # Where there is no baseline nothing was added.
        each = [own[kind] for own in sums.values()]
        out[name] = dims, np.stack([values.mean(axis=1) for values in each], axis=1), variable(name).attrs
        ends = np.stack([np.quantile(values, tails, axis=1) for values in each], axis=2)
        for end, values in zip(("lower", "upper"), ends, strict=True):
            out[f"{name}_{end}"] = dims, values, variable(f"{name}_{end}").attrs
    argmax = np.stack([own["argmax_area"] for own in sums.values()], axis=1)
    return out | {"argmax_area": (by_basin, argmax, variable("argmax_area").attrs)}


def described(
    out: xr.Dataset, run: xr.Dataset, cells: Cells, work: TrackWork, settings: TrackingSettings
) -> xr.Dataset:
    """Return the dataset with coordinates and attributes, and nothing where a window has no baseline."""
    compared = xr.DataArray(np.array(work.baseline) != NO_BASELINE, dims="window")
    for name in ("expected_area_change", "transition_area"):
        for field in (name, f"{name}_lower", f"{name}_upper"):
            out[field] = out[field].where(compared).assign_attrs(out[field].attrs)
    coords: dict[Any, Any] = {name: run[name].variable for name in run.coords}
    coords |= {"predictor": list(work.stacks), "basin": [*cells.basins, GLOBAL], "regime_before": list(work.classes)}
    n_networks = [stack.n_networks for stack in work.stacks.values()]
    out = out.assign(valid=run["valid"].variable, areacello=run["areacello"].variable).assign_coords(
        coords | {"n_networks": ("predictor", n_networks, {"units": "1", "long_name": "Networks of each predictor"})}
    )
    facets = ("source_id", "experiment_id", "variant_label", "parent", "baseline", "grid_label", "institution_id")
    return out.assign_attrs(
        {name: run.attrs[name] for name in facets if name in run.attrs},
        regimes=" ".join(work.classes),
        false_discovery_rate=settings.false_discovery_rate,
        null_quantile=settings.null_quantile,
        interval_level=settings.interval_level,
        applicability_threshold=work.applicability.threshold,
        change="of the window means of this run, by maximal coupling inside each network; 0 for identical inputs",
        forced="above the null quantile of control windows null_separation apart, false discovery rate controlled over "
        "the cells inside the area of applicability; expected_false_area is an upper bound",
    )
