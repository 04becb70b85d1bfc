"""Nodes of `regime_clustering`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import RegimeClustering
from thor.core.errors import counted
from thor.core.variables import BUDGET_TERMS
from thor.figures import curves, maps
from thor.tracking import RunDatasets

log = logging.getLogger(__name__)


def fit_regime_model(vorticity_budget: xr.Dataset, parameters: RegimeClustering) -> Any:
    """Cluster the budget's terms many times and return the runs, grouped, aligned and named, as a RegimeModel."""
    from thor.regimes.regime_model import fit_regimes

    numbering = "reference" if parameters.labels == "published" else parameters.numbering
    model = fit_regimes(vorticity_budget, settings=parameters.runs, seed=parameters.seed, numbering=numbering)
    runs, groups = counted(len(model.inertia), "run"), counted(1 + int(model.group.max()), "group")
    log.info("%s in %s, lowest inertia %.0f", runs, groups, model.inertia.min())
    return model


def label_regimes(vorticity_budget: xr.Dataset, regime_model: Any, parameters: RegimeClustering) -> xr.Dataset:
    """Return the regime of every cell with the votes of all runs, or the published labels with the same votes."""
    from thor.regimes.similar_regimes import similar_regimes

    if parameters.labels == "published":
        regimes = regime_model.with_reference_labels(vorticity_budget)
    else:
        regimes = regime_model.predict(vorticity_budget)
    similar = similar_regimes(vorticity_budget, regimes, regime_model, amplitudes=parameters.amplitudes)
    regimes = regimes.assign(similar_regime=similar)
    for name in ("areacello", "analysis_mask"):
        regimes[name] = vorticity_budget[name]
    confidence = regimes["regime_confidence"].weighted(vorticity_budget["areacello"].fillna(0))
    log.info("mean vote share of the regimes %.2f (area-weighted)", float(confidence.mean()))
    return regimes


def label_true_budgets(
    scenario_features: RunDatasets, true_budgets: RunDatasets, regime_model: Any
) -> dict[str, tuple[str, Any]]:
    """Return, for each run with a true budget, the fingerprint of its true regimes and a function that finds them."""
    from thor.tracking.true_regimes import true_regime_plans

    return true_regime_plans(scenario_features, true_budgets, regime_model)


def select_number_of_clusters(vorticity_budget: xr.Dataset, parameters: RegimeClustering) -> pd.DataFrame:
    """Return the criteria for each number of clusters and repeat."""
    from thor.regimes.selection import cluster_selection, selected_number

    options: dict[str, Any] = {"seed": parameters.seed, "block_degrees": parameters.block_degrees}
    table = cluster_selection(vorticity_budget, parameters.selection, settings=parameters.runs, **options)
    selected = selected_number(table, parameters.selection) or "none"
    log.info("number of clusters selected: %s; in use: %d", selected, parameters.runs.n_clusters)
    return table


def measure_balances(vorticity_budget: xr.Dataset, regimes: xr.Dataset, parameters: RegimeClustering) -> xr.Dataset:
    """Return the mean of each term in each regime, its interval, and the dominant balance."""
    from thor.regimes.balances import regime_balances

    balances = regime_balances(vorticity_budget, regimes, settings=parameters, seed=parameters.seed)
    for name, balance in zip(balances["regime_name"].values, balances["best_subset"].values, strict=True):
        log.info("%s: %s", name, balance.replace("_", " "))
    return balances


def measure_clustering(vorticity_budget: xr.Dataset, regimes: xr.Dataset, regime_model: Any) -> dict[str, Any]:
    """Return quality, stability and areas of the regimes."""
    from thor.regimes.metrics import clustering_metrics

    metrics = clustering_metrics(vorticity_budget, regimes, regime_model)
    stability = metrics["stability_ari"]
    agreement = "one consensus only" if stability is None else f"adjusted Rand index {stability:.3f}"
    log.info("agreement between independent consensuses: %s", agreement)
    return metrics


def draw_terms(vorticity_budget: xr.Dataset) -> Any:
    """Draw the terms that are clustered."""
    title = "Barotropic vorticity budget, all terms on one scale"
    return maps.field_maps(vorticity_budget, BUDGET_TERMS, title=title, grey=maps.NO_BUDGET, one_scale=True)


def draw_regimes(regimes: xr.Dataset) -> Any:
    """Draw the regimes and their vote share."""
    return maps.regime_map(regimes)


def draw_balances(regime_balances: xr.Dataset) -> Any:
    """Draw the mean terms of each regime."""
    return curves.balance_bars(regime_balances)


def draw_selection(cluster_selection: pd.DataFrame, parameters: RegimeClustering) -> Any:
    """Draw the criteria for the number of clusters."""
    from thor.regimes.selection import selected_number

    selected = selected_number(cluster_selection, parameters.selection)
    return curves.selection_curves(cluster_selection, n_clusters=parameters.runs.n_clusters, selected=selected)
