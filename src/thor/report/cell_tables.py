"""Numbers of one cell of the training ocean as small tables: probabilities, attributions, agreement, reliability."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.methods import labels
from thor.figures.attribution import feature_label
from thor.figures.style import exact_percent
from thor.ocean.cells import grid_dims, on_one_grid


def probability_table(
    uncertainty: xr.Dataset, regimes: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return the probability of each regime in a cell, with its interval over networks, and the votes of clustering.

    Parameters
    ----------
    uncertainty : xarray.Dataset
        As from `thor.uncertainty.regime_uncertainty.uncertainty_fields`.
    regimes : xarray.Dataset
        `regime` and `regime_votes` on the same grid.
    place : tuple of int
        Row and column of the cell.
    predictor : str
    """
    uncertainty, regimes = on_one_grid(uncertainty, regimes)
    cell, votes = _cell(uncertainty, place, predictor), _cell(regimes, place)["regime_votes"].values
    level = f"{exact_percent(float(uncertainty.attrs['credible_level']))} %"
    in_set = cell["regime_set"].values
    return pd.DataFrame(
        {
            "probability (%)": 100 * cell["regime_probability"].values,
            f"lower end, {level} of networks (%)": 100 * cell["regime_probability_lower"].values,
            f"upper end, {level} of networks (%)": 100 * cell["regime_probability_upper"].values,
            "in the conformal set": np.select([in_set == 1, in_set == 0], ["yes", "no"], "no set"),
            "clustering runs that vote for it (%)": 100 * votes,
        },
        index=pd.Index(str(uncertainty.attrs["regimes"]).split(), name="regime"),
    )


def attribution_table(
    explanations: Mapping[str, xr.Dataset], place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return the attribution of each feature in a cell by each method: mean over networks, standard error, quartiles.

    Methods that do not explain the predictor are left out.

    The standard error is that of the mean over networks from the sampling of the method; exact methods have none. The
    quartiles are over networks; sums over the features of a group have none.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        By method, with the same players.
    place : tuple of int
    predictor : str
    """
    table = {}
    for method, explanation in zip(explanations, on_one_grid(*explanations.values()), strict=True):
        if predictor not in explanation["predictor"].values:
            continue
        cell = _cell(explanation, place, predictor)
        table[f"{labels(method)} (1)"] = {
            feature_label(str(name)): _attribution(cell.sel(feature=name)) for name in cell["feature"].values
        }
    return pd.DataFrame(table).rename_axis("feature")


def method_agreement_table(
    agreement: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return the agreement of each pair of methods in a cell.

    Parameters
    ----------
    agreement : xarray.Dataset
        As from `thor.attribution.agreement.compare`.
    place : tuple of int
    predictor : str
    """
    cell = _cell(agreement, place, predictor)
    return pd.DataFrame(
        {
            "rank correlation (1)": cell["rank_correlation"].values.astype(float),
            "agreement on signs (%)": 100.0 * cell["sign_agreement"].values.astype(float),
            "overlap of the three largest (%)": 100.0 * cell["top_overlap"].values.astype(float),
        },
        index=pd.Index([labels(str(pair)) for pair in cell["pair"].values], name="methods"),
    )


def trust_table(
    uncertainty: xr.Dataset, regimes: xr.Dataset, place: tuple[int, ...], *, predictor: str = "ensemble"
) -> pd.DataFrame:
    """Return the numbers that show how reliable the regime of a cell is.

    Parameters
    ----------
    uncertainty, regimes : xarray.Dataset
        As for `probability_table`.
    place : tuple of int
    predictor : str
    """
    uncertainty, regimes = on_one_grid(uncertainty, regimes)
    cell, label = _cell(uncertainty, place, predictor), _cell(regimes, place)
    names = str(uncertainty.attrs["regimes"]).split()
    label_number = int(label["regime"])
    entropy, disagreement = float(cell["predictive_entropy"]), float(cell["mutual_information"])
    share, threshold = 100 * disagreement / entropy if entropy else 0.0, uncertainty.attrs["applicability_threshold"]
    rows = {
        "Regime of the budget": (names[label_number] if label_number >= 0 else "no budget in this cell", "name"),
        "Most probable regime of the networks": (names[int(cell["regime_probability"].argmax("regime"))], "name"),
        "Clustering runs that agree with the budget's regime": (100 * float(label["regime_confidence"]), "%"),
        "Probability of the most probable regime": (100 * float(cell["regime_probability"].max()), "%"),
        "Networks that prefer it to the second": (100 * float(cell["superiority"]), "%"),
        "Uncertainty, total (0: certain)": (entropy, "bit"),
        f"Largest possible uncertainty with {len(names)} regimes": (float(np.log2(len(names))), "bit"),
        "Share of the uncertainty from disagreement between networks": (share, "%"),
        "Regimes in the conformal set": (int((cell["regime_set"] == 1).sum()), "1"),
        "Dissimilarity to the training cells": (float(cell["dissimilarity_index"]), "1"),
        "Largest dissimilarity inside the area of applicability": (float(threshold), "1"),
    }
    shown = {name: (_short(value), units) for name, (value, units) in rows.items()}
    return pd.DataFrame.from_dict(shown, orient="index", columns=["value", "units"]).rename_axis("question")


def _cell(fields: xr.Dataset, place: tuple[int, ...], predictor: str | None = None) -> xr.Dataset:
    cell = fields.isel(dict(zip(grid_dims(fields), place, strict=True)))
    return cell if predictor is None else cell.sel(predictor=predictor)


def _attribution(cell: xr.Dataset) -> str:
    text = f"{float(cell['attribution']):+z.2f}"
    if float(cell.get("attribution_standard_error", 0.0)) > 0:
        text += f" ± {float(cell['attribution_standard_error']):.2f}"
    if "attribution_lower_quartile" in cell:
        lower, upper = (float(cell[f"attribution_{end}_quartile"]) for end in ("lower", "upper"))
        text += f" ({lower:+z.2f} to {upper:+z.2f})"
    return text


def _short(value: Any) -> str:
    if isinstance(value, float):
        if not np.isfinite(value):
            return "unknown"
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"
    return str(value)
