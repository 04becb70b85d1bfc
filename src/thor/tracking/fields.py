"""What is found of a run as a dataset: fields on its grid, areas with intervals, coordinates and attributes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.tracking.blocks import VARIANCES, TrackWork
from thor.tracking.cells import NO_BASELINE, Cells
from thor.tracking.settings import TrackingSettings
from thor.variables import variable

Array = NDArray[Any]

GLOBAL = "global"
"""Entry of dim `basin` for all valid cells, those of no basin included."""

_DIMS = (
    dict.fromkeys(("regime_probability", "change_to_probability"), ("window", "predictor", "regime"))
    | dict.fromkeys(("applicable", "dissimilarity_index", *VARIANCES), ("window",))
    | dict.fromkeys(("forced_emergence", "natural_variability_mask"), ("predictor",))
)
"""Dims of a field before those of the grid, where they are not window and predictor."""

_NEW = {
    "baseline_regime": ("1", "Most probable regime in the baseline window, -1 where there is none"),
    "change_probability": ("1", "Probability that the regime differs from that of the baseline window"),
    "change_probability_independent": ("1", "The same if the windows were drawn independently: an upper bound"),
    "change_to_probability": ("1", "Probability of a change to each regime"),
    "change_p_value": ("1", "Share of natural variability with a probability of change at least as high"),
    "forced_change": ("1", "Change beyond natural variability: 1 forced, 0 not, -1 not judged"),
    "forced_emergence": ("1", "First year of the first window from which on changes are forced"),
    "natural_variability_mask": ("1", "1 where the last three windows have one regime, 0 where not"),
    "change_label_variance": ("1", "Variance of change because clustering runs differ"),
    "change_network_variance": ("1", "Variance of change because networks taught the same differ"),
    "change_residual_variance": ("1", "Variance of change because single networks are unsure"),
    "expected_area": ("m2", "Sum of cell areas times regime probability, mean over networks"),
    "argmax_area": ("m2", "Area of the cells whose most probable regime it is"),
    "expected_area_change": ("m2", "Expected area less that in the baseline window, mean over networks"),
    "transition_area": ("m2", "Area that goes from one regime to another, mean over networks"),
    "expected_false_area": ("m2", "Area expected to be called a forced change falsely, at most"),
    "separation": ("1", "Windows between a window and its baseline, -1 without one"),
    "null_separation": ("1", "Windows between the control windows of the null distribution, -1 without one"),
    "null_pairs": ("1", "Pairs of control windows in the null distribution"),
    "control_forced_share": ("1", "Share of the control run's area called a forced change"),
    "control_emergence_share": ("1", "Share of the control run's area where a forced change emerges"),
}


def attributes(name: str) -> dict[str, Any]:
    """Return the attributes of a variable of a tracked run."""
    if name not in _NEW:
        return variable(name).attrs
    units, long_name = _NEW[name]
    return {"units": units, "long_name": long_name}


def on_grid(name: str, values: Array, cells: Cells, classes: Sequence[str]) -> xr.DataArray:
    """Return values of cells, the last axis, as a field; NaN, or -1 for integers, where there is no cell."""
    missing = -1 if values.dtype.kind == "i" else np.nan
    field = np.full((*values.shape[:-1], cells.like.size), missing, dtype=values.dtype)
    field[..., cells.index] = values
    attrs = attributes(name)
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
        out[name] = dims, np.stack([values.mean(axis=1) for values in each], axis=1), attributes(name)
        ends = np.stack([np.quantile(values, tails, axis=1) for values in each], axis=2)
        for end, values in zip(("lower", "upper"), ends, strict=True):
            attrs = attributes(name) | {
                "long_name": f"{attributes(name)['long_name'].split(',')[0]}, {end} end over networks"
            }
            out[f"{name}_{end}"] = dims, values, attrs
    argmax = np.stack([own["argmax_area"] for own in sums.values()], axis=1)
    return out | {"argmax_area": (by_basin, argmax, attributes("argmax_area"))}


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
