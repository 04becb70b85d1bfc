"""How far methods agree: on order, sign and the most important players, in every cell."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from thor.core.arrays import Array
from thor.core.variables import variable

TOP = 3
"""Players whose overlap is told."""

MEASURES = ("rank_correlation", "sign_agreement", "top_overlap")


def agreement(first: Array, second: Array) -> dict[str, Array]:
    """Return how far two attributions of the same samples agree.

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
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    norms = [np.sqrt((values**2).sum(axis=1)) for values in centred]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (centred[0] * centred[1]).sum(axis=1) / (norms[0] * norms[1])
        magnitude = sum(np.abs(values) / np.abs(values).sum(axis=1, keepdims=True) for values in (first, second)) / 2
    same = np.sign(first) == np.sign(second)
    n_top = min(TOP, first.shape[1])
    tops = [np.argsort(-np.abs(values), axis=1, kind="stable")[:, :n_top] for values in (first, second)]
    common = (tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2).sum(axis=1)
    return {
        "rank_correlation": correlation,
        "sign_agreement": np.asarray((magnitude * same).sum(axis=1)),
        "top_overlap": common / n_top,
    }


def agreement_fields(explanations: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return the agreement of every pair of methods in every cell.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method, as from `thor.attribution.fields.attribution_fields`, of the same features.

    Returns
    -------
    xarray.Dataset, dims (pair, predictor, y, x)
        `rank_correlation` (0 where one is constant), `sign_agreement`, `top_overlap`; `pair` is ``<method> and
        <method>``.
    """
    first = next(iter(explanations.values()))
    grid = first["valid"].dims
    valid = first["valid"].values == 1
    parts = []
    for one, other in combinations(explanations, 2):
        by_predictor = []
        for predictor in map(str, first["predictor"].values):
            values = [
                explanations[name]["attribution"].sel(predictor=predictor).transpose(*grid, "feature").values[valid]
                for name in (one, other)
            ]
            fields = {}
            for name, measured in agreement(*(value.astype(float) for value in values)).items():
                field = np.full(valid.shape, np.nan, np.float32)
                field[valid] = np.nan_to_num(measured)
                fields[name] = (grid, field, variable(name).attrs)
            by_predictor.append(xr.Dataset(fields))
        parts.append(xr.concat(by_predictor, xr.Variable("predictor", first["predictor"].values)))
    pairs = [f"{one} and {other}" for one, other in combinations(explanations, 2)]
    combined = xr.concat(parts, xr.Variable("pair", pairs))
    beside = {name: first[name] for name in ("areacello", "valid", "explained_regime")}
    return combined.assign(beside).assign_coords({name: first[name] for name in ("lat", "lon")})


def network_sign_agreement(explanations: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Return the mean over features of the share of networks with the sign of the mean, dims (method, predictor, y, x).

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method, as from `thor.attribution.fields.attribution_fields`.
    """
    fields = [own["attribution_sign_agreement"].mean("feature", skipna=False) for own in explanations.values()]
    of_all = xr.concat(fields, xr.Variable("method", list(explanations)))
    return of_all.rename("network_sign_agreement").assign_attrs(variable("network_sign_agreement").attrs)


def agreement_table(fields: xr.Dataset) -> dict[str, Any]:
    """Return area-weighted means of the agreement, {predictor: {region: {pair: {measure: value}}}}.

    Regions are ``global`` and each explained regime; every region also tells `n_cells` and `weighting`.
    """
    area = fields["areacello"].values
    names = str(fields["explained_regime"].attrs["flag_meanings"]).split()
    table: dict[str, Any] = {}
    for predictor in map(str, fields["predictor"].values):
        own = fields.sel(predictor=predictor)
        explained = own["explained_regime"].values
        regions = {"global": explained >= 0} | {name: explained == code for code, name in enumerate(names)}
        table[predictor] = {
            region: {"n_cells": int(inside.sum()), "weighting": "area"}
            | {
                str(pair): {
                    name: float(np.average(own[name].sel(pair=pair).values[inside], weights=area[inside]))
                    for name in MEASURES
                }
                for pair in fields["pair"].values
            }
            for region, inside in regions.items()
            if inside.any()
        }
    return table


def network_agreement(explanation: xr.Dataset) -> dict[str, Any]:
    """Return how far the networks of one method agree, {predictor: {measure: value}}, area-weighted.

    `sign_agreement` is the mean over cells and features of the share of networks with the sign of the mean;
    `relative_spread` the standard deviation over networks, root mean square, over the root mean square of the mean.
    """
    area = explanation["areacello"].where(explanation["valid"] == 1).fillna(0)
    table = {}
    for predictor in map(str, explanation["predictor"].values):
        own = explanation.sel(predictor=predictor)
        squares = [
            float((own[name] ** 2).mean("feature").weighted(area).mean())
            for name in ("attribution_spread", "attribution")
        ]
        table[predictor] = {
            "sign_agreement": float(own["attribution_sign_agreement"].mean("feature").weighted(area).mean()),
            "relative_spread": float(np.sqrt(squares[0] / squares[1])) if squares[1] else None,
            "weighting": "area",
        }
    return table
