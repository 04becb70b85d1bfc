"""Agreement of attributions, between methods and between networks, and all numbers of the explanations."""

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from thor.attribution.fields import valid_area
from thor.attribution.methods import all_methods
from thor.core.arrays import Array
from thor.core.variables import variable
from thor.ocean.cells import grid_dims, on_one_grid

TOP = 3
"""Number of the largest players whose overlap is computed."""

_MEASURES = ("rank_correlation", "sign_agreement", "top_overlap")


def cosine(first: Array, second: Array) -> Array:
    """Return the cosine of the angle between rows, shape (n_samples,); NaN where one is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (first * second).sum(axis=1) / (np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))


def correlation(first: Array, second: Array) -> Array:
    """Return the correlation of rows, shape (n_samples,); NaN where one is constant."""
    return cosine(*(values - values.mean(axis=1, keepdims=True) for values in (first, second)))


def rank_correlation(first: Array, second: Array) -> Array:
    """Return Spearman's rank correlation of rows, shape (n_samples,); NaN where one is constant."""
    return correlation(rankdata(first, axis=1), rankdata(second, axis=1))


def agreement(first: Array, second: Array) -> dict[str, Array]:
    """Return the agreement of two attributions of the same samples.

    Parameters
    ----------
    first, second : ndarray, shape (n_samples, n_players)

    Returns
    -------
    dict of str to ndarray of shape (n_samples,)
        `rank_correlation`: Spearman's, over players, of the signed values (-1 to 1; NaN where one is constant);
        `sign_agreement`: share of the magnitude (mean of both, each scaled to one) in players on whose sign both agree;
        `top_overlap`: share of the `TOP` players of largest magnitude that both have.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        magnitude = sum(np.abs(values) / np.abs(values).sum(axis=1, keepdims=True) for values in (first, second)) / 2
    n_top = min(TOP, first.shape[1])
    tops = [np.argsort(-np.abs(values), axis=1, kind="stable")[:, :n_top] for values in (first, second)]
    return {
        "rank_correlation": rank_correlation(first, second),
        "sign_agreement": np.asarray((magnitude * (np.sign(first) == np.sign(second))).sum(axis=1)),
        "top_overlap": (tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2).sum(axis=1) / n_top,
    }


def compare(explanations: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return the agreement of every pair of methods, and of the networks of each method, in every cell.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method, as from `thor.attribution.explanations.explain_cells`.

    Returns
    -------
    xarray.Dataset, dims (pair, predictor, y, x)
        `rank_correlation` (0 where one is constant), `sign_agreement`, `top_overlap` of the players that all methods
        have, for the predictors that all methods explain; `pair` is ``<method> and <method>``.
        `network_sign_agreement`, dims (method, predictor, y, x), is the mean over features of the share of networks
        with the sign of the mean.
    """
    on_grid = on_one_grid(*explanations.values())
    explanations = same_predictors(dict(zip(explanations, on_grid, strict=True)))
    alike = same_players(explanations)
    first = next(iter(explanations.values()))
    grid, valid = grid_dims(first), first["valid"].values == 1
    pairs = {f"{one} and {other}": (one, other) for one, other in combinations(explanations, 2)}
    dims, shape = ("pair", "predictor", *grid), (len(pairs), first.sizes["predictor"], *valid.shape)
    fields: dict[str, Any] = {
        name: (dims, np.full(shape, np.nan, np.float32), variable(name).attrs) for name in _MEASURES
    }
    for row, pair in enumerate(pairs.values()):
        for column, predictor in enumerate(first["predictor"].values):
            values = (
                alike[name]["attribution"].sel(predictor=predictor).transpose(*grid, "feature").values[valid]
                for name in pair
            )
            for name, measured in agreement(*(value.astype(float) for value in values)).items():
                fields[name][1][row, column, valid] = np.nan_to_num(measured)
    agreeing = [each["attribution_sign_agreement"].mean("feature", skipna=False) for each in explanations.values()]
    fields["network_sign_agreement"] = xr.concat(agreeing, xr.Variable("method", list(explanations))).assign_attrs(
        variable("network_sign_agreement").attrs
    )
    fields |= {name: first[name] for name in ("areacello", "valid", "explained_regime")}
    coordinates = {name: first[name] for name in ("predictor", "lat", "lon")}
    return xr.Dataset(fields, coords={"pair": list(pairs)} | coordinates)


def same_predictors(explanations: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return explanations of those predictors, and by those single features, that all methods have."""
    kept: dict[str, Any] = {}
    for dim in ("predictor", "feature"):
        names = [list(each[dim].values) for each in explanations.values() if dim == "predictor" or not _groups_in(each)]
        kept[dim] = [name for name in names[0] if all(name in others for others in names)] if names else []
    return {
        name: each.sel(predictor=kept["predictor"]) if _groups_in(each) else each.sel(kept)
        for name, each in explanations.items()
    }


def same_players(explanations: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return explanations with the same players: features are summed over the groups that one of them has.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        As from `thor.attribution.explanations.explain_cells`; the attribute `groups` holds the features of each group.
    """
    grouped = {name: _groups_in(each) for name, each in explanations.items()}
    groups = next((found for found in grouped.values() if found), {})
    if not groups:
        return dict(explanations)
    same = dict(explanations)
    for name in (name for name in explanations if not grouped[name]):
        of_features = explanations[name]["attribution"]
        sums = [of_features.sel(feature=some).sum("feature", skipna=False) for some in groups.values()]
        attribution = xr.concat(sums, xr.Variable("feature", list(groups)))
        fields = explanations[name][["explained_regime", "valid", "areacello"]]
        same[name] = fields.assign(attribution=attribution)
    return same


def _groups_in(explanation: xr.Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(explanation.attrs.get("groups", "{}"))
    return found


def pair_agreement(fields: xr.Dataset) -> dict[str, Any]:
    """Return area-weighted means of the agreement, {predictor: {region: {pair: {measure: value}}}}.

    Regions are ``global`` and each explained regime; every region also holds `n_cells` and `weighting`.
    """
    area = fields["areacello"].values
    names = str(fields["explained_regime"].attrs["flag_meanings"]).split()
    table: dict[str, Any] = {}
    for predictor in map(str, fields["predictor"].values):
        here = fields.sel(predictor=predictor)
        explained = here["explained_regime"].values
        regions = {"global": explained >= 0} | {name: explained == code for code, name in enumerate(names)}
        table[predictor] = {
            region: {"n_cells": int(inside.sum()), "weighting": "area"}
            | {
                str(pair): {
                    name: float(np.average(here[name].sel(pair=pair).values[inside], weights=area[inside]))
                    for name in _MEASURES
                }
                for pair in fields["pair"].values
            }
            for region, inside in regions.items()
            if inside.any()
        }
    return table


def network_agreement(explanation: xr.Dataset) -> dict[str, Any]:
    """Return the agreement of the networks of one method, {predictor: {measure: value}}, area-weighted.

    `sign_agreement` is the mean over cells and features of the share of networks with the sign of the mean;
    `relative_spread` the standard deviation over networks, root mean square, over the root mean square of the mean.
    """
    area = valid_area(explanation)
    table = {}
    for predictor in map(str, explanation["predictor"].values):
        here = explanation.sel(predictor=predictor)
        squares = [
            float((here[name] ** 2).mean("feature").weighted(area).mean())
            for name in ("attribution_spread", "attribution")
        ]
        table[predictor] = {
            "sign_agreement": float(here["attribution_sign_agreement"].mean("feature").weighted(area).mean()),
            "relative_spread": float(np.sqrt(squares[0] / squares[1])) if squares[1] else None,
            "weighting": "area",
        }
    return table


def explanation_metrics(
    explanations: Mapping[str, xr.Dataset],
    agreement: xr.Dataset,
    evaluation: pd.DataFrame,
    truth: pd.DataFrame,
) -> dict[str, Any]:
    """Return the numbers of the explanations, by method.

    Returns
    -------
    dict
        `methods`, {method: {predictor: {...}}} with `n_cells`, `n_networks`, `target`, largest and mean absolute
        remainder (named by `Method.remainder`: `conservation_error`, `additivity_error`, `misfit`), `mean_fidelity`,
        `converged_area_share`, `relative_standard_error`, and agreement of the networks; `agreement` of the methods,
        {predictor: {global or regime: {pair: {measure: value}}}}; `evaluation`, {method: {measure: {...}}}; `truth`,
        {function: {method: {...}}}. Means are weighted by area.
    """
    methods = {name: _of_method(name, explanation) for name, explanation in explanations.items()}
    return {
        "methods": methods,
        "agreement": pair_agreement(agreement),
        "evaluation": _nested(evaluation, "method", "measure"),
        "truth": _nested(truth, "function", "method"),
    }


def _of_method(name: str, explanation: xr.Dataset) -> dict[str, Any]:
    networks = network_agreement(explanation)
    n_cells = int((explanation["valid"] == 1).sum())
    area = valid_area(explanation)
    table = {}
    for place, predictor in enumerate(map(str, explanation["predictor"].values)):
        here = explanation.sel(predictor=predictor)
        size = float(np.sqrt((here["attribution"] ** 2).mean("feature").weighted(area).mean()))
        error = float(np.sqrt((here["attribution_standard_error"] ** 2).mean("feature").weighted(area).mean()))
        entry: dict[str, Any] = {
            "n_cells": n_cells,
            "n_networks": int(np.atleast_1d(explanation.attrs["n_networks"])[place]),
            "target": explanation.attrs["target"],
            "networks": networks[predictor],
            "relative_standard_error": error / size if size else None,
        }
        if "remainder" in here:
            entry[all_methods()[name].remainder] = {
                "largest": float(np.atleast_1d(explanation.attrs["largest_remainder"])[place]),
                "mean_absolute": float(abs(here["remainder"]).weighted(area).mean()),
                "mean_absolute_target": float(abs(here["explained_target"]).weighted(area).mean()),
            }
        for field, metric in (("fidelity", "mean_fidelity"), ("converged", "converged_area_share")):
            if field in here:
                entry[metric] = float(here[field].weighted(area).mean())
        table[predictor] = entry
    return table


def _nested(table: pd.DataFrame, outer: str, inner: str) -> dict[str, Any]:
    return {
        str(name): {
            str(row[inner]): {
                name: value for name, value in row.items() if name not in (outer, inner) and not pd.isna(value)
            }
            for row in rows
        }
        for name, part in table.groupby(outer, sort=False)
        for rows in [part.to_dict(orient="records")]
    }
