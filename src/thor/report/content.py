"""Contents of the page: maps and numbers of the training ocean by cell, and figures with their captions."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr
import yaml

from thor.attribution.methods import each_method
from thor.core.arrays import AnyArray
from thor.core.errors import ConfigError, did_you_mean
from thor.core.parallel import in_threads
from thor.core.units import printed_units
from thor.core.variables import BUDGET_TERMS, FEATURES, is_known, variable
from thor.figures.attribution import feature_label
from thor.figures.style import colour_map, flags, regime_colours
from thor.ocean.cells import on_one_grid
from thor.regimes.naming import regime_meanings
from thor.report.arrays import packed, packed_labels, packed_numbers, packed_range, packed_shares
from thor.report.rasters import CellMap, cell_map
from thor.report.words import capital

_SWATCHES = 64
_ROLES = {
    "train": "training",
    "select": "choice of the best epoch",
    "test": "test",
    "buffer": "none, near a cell of another use",
}
"""Uses of cells in words."""


@dataclass(frozen=True)
class Caption:
    """Texts of a figure of the report.

    Attributes
    ----------
    section : str
        Section of the report.
    title, caption : str
        Above and below it.
    alt : str
        Alternative text.
    shown : bool
        Whether it is unfolded when the page opens.
    """

    section: str
    title: str
    caption: str
    alt: str
    shown: bool = False


@cache
def captions() -> dict[str, Caption]:
    """Return the captions of all figures of the report, in its order."""
    rows = yaml.safe_load(files("thor.report").joinpath("figures.yml").read_text(encoding="utf-8"))
    return {name: Caption(**row) for name, row in each_method(rows).items()}


def figure_index(figures: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return section, title, caption, alternative text and size of each figure.

    Raises
    ------
    ConfigError
        For a figure without a caption.
    """
    from PIL import Image

    index = {}
    for name, content in figures.items():
        if name not in captions():
            near = did_you_mean(name, captions())
            raise ConfigError(f"Figure '{name}' has no caption in report/figures.yml.{near} Add a row there.")
        with Image.open(io.BytesIO(content)) as image:
            index[name] = {**vars(captions()[name]), "width": image.width, "height": image.height}
    return index


def small_images(figures: Mapping[str, bytes], *, colours: int) -> dict[str, str]:
    """Return PNGs with at most so many colours as data URLs: a third of the bytes without visible difference."""
    return dict(zip(figures, in_threads(partial(_small_image, colours=colours), figures.values()), strict=True))


def _small_image(content: bytes, *, colours: int) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        reduced = image.convert("RGB").quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        reduced.save(buffer, "PNG")
    smaller = min(buffer.getvalue(), content, key=len)
    return f"data:image/png;base64,{base64.b64encode(smaller).decode('ascii')}"


def regime_styles(long_names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return name, long name (without the name, where it begins with that) and colour of each regime."""
    return [
        {"name": name, "long_name": long_name.removeprefix(name).strip(), "colour": colour}
        for (name, long_name), colour in zip(long_names.items(), regime_colours(list(long_names)), strict=True)
    ]


def swatches(name: str) -> list[str]:
    """Return a colour map of variables.yml as hexadecimal colours from low to high."""
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colour_map(name)(np.linspace(0.0, 1.0, _SWATCHES))]


def ocean_content(
    features: xr.Dataset,
    vorticity_budget: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    regime_uncertainty: xr.Dataset | None,
    attributions: Mapping[str, xr.Dataset],
    *,
    max_cells: int,
) -> dict[str, Any]:
    """Return maps and numbers of the training ocean's cells.

    Parameters
    ----------
    features, vorticity_budget, regimes, split, regime_uncertainty : xarray.Dataset
        On one grid; without the last the networks are left out.
    attributions : mapping of str to xarray.Dataset
        By method.
    max_cells : int
        Finer grids are thinned.

    Returns
    -------
    dict
        `grid`: the cell map; `regimes`: names and colours; `layers`: maps with their colours and legends; `cells`:
        packed numbers of every cell; `features`, `terms`, `methods`, `predictors`: their axes; `start`: the first cell.
    """
    features, vorticity_budget, regimes, split = on_one_grid(features, vorticity_budget, regimes, split)
    names = list(flags(regimes["regime"]).values())
    shown = (features["valid"] == 1) | (regimes["regime"] >= 0)
    cells = cell_map(features, shown, max_cells=max_cells)
    roles = list(flags(split["role"]).values())
    # Players that are groups of features have no place among the features of the explorer.
    explained = (str(name) for attribution in attributions.values() for name in attribution["feature"].values)
    used = [name for name in dict.fromkeys(explained) if name in features] or [f for f in FEATURES if f in features]
    take = cells.take
    content: dict[str, dict[str, Any]] = {
        "regime": packed_labels(take(regimes["regime"])),
        "confidence": packed_shares(take(regimes["regime_confidence"])),
        "role": packed_labels(take(split["role"])),
        "basin": packed_labels(take(features["basin"])),
        "terms": packed(np.stack([take(vorticity_budget[term]) for term in BUDGET_TERMS]).astype(np.float32)),
        "features": packed(np.stack([take(features[name]) for name in used]).astype(np.float32)),
    }
    bits = float(np.log2(len(names)))
    doubt = 1 - take(regimes["regime_confidence"])
    right = take(regimes["regime"]) >= 0
    uncertain = np.zeros(len(right), dtype=bool)
    predictors: list[str] = []
    if regime_uncertainty is not None:
        predictors = [str(name) for name in regime_uncertainty["predictor"].values]
        _, regime_uncertainty = on_one_grid(features, regime_uncertainty)
        content |= _of_networks(regime_uncertainty, cells, bits)
        doubt = take(regime_uncertainty["predictive_entropy"])[0]
        right &= take(_most_probable(regime_uncertainty))[0] == take(regimes["regime"])
        several = (regime_uncertainty["regime_set"] == 1).sum("regime") > 1
        uncertain = take(several & (regime_uncertainty["applicable"] == 1))[0]
    for method, attribution in zip(attributions, on_one_grid(features, *attributions.values())[1:], strict=True):
        for name in ("attribution", "attribution_lower_quartile", "attribution_upper_quartile"):
            values = take(attribution[name].reindex(feature=used).transpose("predictor", "feature", ...))
            content[f"{method}.{name}"] = packed_numbers(values)
        if "converged" in attribution:
            content[f"{method}.converged"] = packed_labels(take(attribution["converged"].transpose("predictor", ...)))
    test = {name: value for value, name in flags(split["role"]).items()}.get("test", -1)
    start = _first_cell(doubt, right, take(split["role"]) == test, uncertain)
    return {
        "grid": cells.to_page(),
        "start": start,
        "regimes": regime_styles(regime_meanings(regimes)),
        "layers": [layer for layer in _layers(roles, bits) if layer["name"] in content],
        "cells": content,
        "predictors": predictors,
        "explained": {name: [*map(str, each["predictor"].values)] for name, each in attributions.items()},
        "features": [_axis_entry(name) for name in used],
        "terms": [_axis_entry(term) | {"label": variable(term).label} for term in BUDGET_TERMS],
        "methods": list(attributions),
        "roles": [_ROLES[name] for name in roles],
        "basins": {str(value): name.replace("_", " ").title() for value, name in flags(features["basin"]).items()},
    }


def _of_networks(fields: xr.Dataset, cells: CellMap, bits: float) -> dict[str, dict[str, Any]]:
    """Return the predictions of the networks in every cell."""
    fields, take = fields.transpose("predictor", "regime", ...), cells.take
    in_set = np.tensordot(2 ** np.arange(fields.sizes["regime"]), take(fields["regime_set"] == 1), axes=(0, 1))
    content = {
        "predicted": packed_labels(take(_most_probable(fields))),
        "probability_of_predicted": packed_shares(take(fields["regime_probability"].max("regime"))),
        "predictive_entropy": packed_range(take(fields["predictive_entropy"]), 0.0, bits),
        "mutual_information": packed_range(take(fields["mutual_information"]), 0.0, bits),
        "superiority": packed_shares(take(fields["superiority"])),
        "applicable": packed_labels(take(fields["applicable"])),
        "regime_set": packed(in_set.astype(np.uint32)),
    }
    names = [f"regime_probability{end}" for end in ("", "_lower", "_upper")]
    return content | {name: packed_shares(take(fields[name])) for name in names}


def _first_cell(doubt: AnyArray, right: AnyArray, test: AnyArray, uncertain: AnyArray) -> int:
    """Return the first cell of the explorer: an uncertain test cell whose regime is predicted correctly.

    `uncertain` are cells like the training cells with several regimes in their conformal set; other cells only where
    none of these is correct.
    """
    known = np.isfinite(doubt)
    best = known & right & test
    wanted = next((cells for cells in (best & uncertain, best, known & right) if cells.any()), known)
    order = np.argsort(np.where(wanted, doubt, np.inf), kind="stable")
    return int(order[round(0.9 * max(int(wanted.sum()) - 1, 0))])


def _most_probable(fields: xr.Dataset) -> xr.DataArray:
    """Return the most probable regime by predictor, NaN where there is no prediction."""
    return fields["regime_probability"].fillna(0.0).argmax("regime").where(fields["valid"] == 1)


def _axis_entry(name: str) -> dict[str, str]:
    units = variable(name).units if is_known(name) else "1"
    return {"name": name, "label": capital(feature_label(name)), "units": "" if units == "1" else printed_units(units)}


def _layers(roles: Sequence[str], bits: float) -> list[dict[str, Any]]:
    """Return the maps of the explorer: their names, labels and colours, and whether they depend on the predictor."""

    def scale(colours: str, low: float, high: float, unit: str) -> dict[str, Any]:
        return {"kind": "scale", "colours": swatches(colours), "low": low, "high": high, "unit": unit}

    def classes(names: Sequence[str], *colours: str) -> dict[str, Any]:
        return {"kind": "labels", "labels": list(names), "colours": list(colours[: len(names)])}

    regime = {"kind": "regime"}
    role_colours = ("#DDDDDD", "#56B4E9", "#E69F00", "#0072B2", "#F5F5F5", "#CC79A7", "#009E73")
    rows = (
        ("regime", "Regime (clustering)", False, regime),
        ("confidence", "Clustering runs that agree", False, scale("cmo.matter", 0.5, 1.0, "share")),
        ("predicted", "Regime (networks)", True, regime),
        ("probability_of_predicted", "Probability of that regime", True, scale("cmo.matter", 0.4, 1.0, "share")),
        ("predictive_entropy", "Total uncertainty", True, scale("cmo.amp", 0.0, round(0.75 * bits, 1), "bit")),
        ("mutual_information", "Disagreement between networks", True, scale("cmo.amp", 0.0, 0.5, "bit")),
        ("applicable", "Like the training cells", False, classes(("unlike", "like"), "#D55E00", "#DDDDDD")),
        ("role", "Use of the cell in training", False, classes([_ROLES[name] for name in roles], *role_colours)),
    )
    return [{"name": name, "label": label, "predictor": of_each, **kind} for name, label, of_each, kind in rows]
