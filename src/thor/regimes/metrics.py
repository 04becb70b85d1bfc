"""Quality, stability and areas of the regimes, as one dictionary that JSON can hold."""

from typing import Any

import numpy as np
import xarray as xr

from thor.ocean.budget import closure_rms
from thor.ocean.cells import on_same_grid
from thor.regimes.clustering import budget_points, cell_areas
from thor.regimes.consensus import adjusted_rand_index, build_consensus, contingency, mean_of_pairs, pairwise_agreement
from thor.regimes.regime_model import RegimeModel, reference_labels


def clustering_metrics(budget: xr.Dataset, regimes: xr.Dataset, model: RegimeModel) -> dict[str, Any]:
    """Return the metrics of the regimes of the budget the model was fitted on.

    Parameters
    ----------
    budget : xarray.Dataset
        Terms, `analysis_mask`, `areacello` [m2], optionally `reference_regime`.
    regimes : xarray.Dataset
        What `RegimeModel.predict` or `RegimeModel.with_reference_labels` gave for this budget.
    model : RegimeModel

    Returns
    -------
    dict
        `inertia` (lowest of all runs, in squared standard deviations; lower is better), `closure_rms` [m
        s-2], `stability_ari` (mean adjusted Rand index between independent consensuses; 0 chance, 1 best;
        None with fewer than two consensuses), `single_run_ari` (the same between single runs), `groups`,
        `mean_confidence` (1/n to 1), `area_fraction` by regime, and with reference labels `reference_ari` and
        `reference_agreement` of the consensus regimes; `weighting` gives for each what it counts: cells, areas or runs.
    """
    points, mask = budget_points(budget, terms=model.terms)
    of_run, clusters = model.cell_regimes(points)
    agreement = pairwise_agreement(of_run, model.n_regimes)
    consensuses = independent_consensuses(model, clusters)
    regime, confidence = (
        on_same_grid(budget["analysis_mask"], regimes, name)[mask] for name in ("regime", "regime_confidence")
    )
    area = cell_areas(budget)[mask]
    metrics: dict[str, Any] = {
        "n_cells": int(mask.sum()),
        "region": "analysis_mask, global",
        "algorithm": model.settings.algorithm,
        "n_clusters": model.settings.n_clusters,
        "n_regimes": model.n_regimes,
        "n_runs": len(model.inertia),
        "n_runs_per_consensus": model.settings.n_runs,
        "n_consensus": len(consensuses),
        "regimes": list(model.names),
        "naming": model.naming,
        "labels": regimes["regime"].attrs.get("labels", "clustering"),
        "inertia": float(model.inertia.min()),
        "inertia_mean": float(model.inertia.mean()),
        "inertia_max": float(model.inertia.max()),
        "closure_rms": closure_rms(budget),
        "stability_ari": _number(mean_of_pairs(pairwise_agreement(consensuses, model.n_regimes))),
        "single_run_ari": _number(mean_of_pairs(agreement)),
        "groups": group_table(model, agreement),
        "mean_confidence": float(np.average(confidence.astype(float), weights=area)),
        "area_fraction": area_fractions(regime, area, model.names),
        "weighting": dict.fromkeys(("inertia", "closure_rms", "stability_ari", "single_run_ari"), "cell")
        | {"groups": "run", "mean_confidence": "area", "area_fraction": "area"},
    }
    if "reference_regime" in budget:
        metrics |= _reference_metrics(budget, mask, model.assign(of_run), model.n_regimes)
        metrics["weighting"] |= {"reference_ari": "cell", "reference_agreement": "cell"}
    return metrics


def independent_consensuses(model: RegimeModel, clusters: np.ndarray) -> np.ndarray:
    """Return the map of each independent consensus, (n_consensus, n_cells), from the clusters of every run.

    Each is built from the runs of one consensus alone, grouping and representative included. Its classes are
    numbered independently, which the adjusted Rand index ignores.
    """
    maps = []
    for number in np.unique(model.consensus_of_run):
        runs = model.consensus_of_run == number
        consensus = build_consensus(clusters[runs], model.inertia[runs], model.settings)
        maps.append(consensus.assign(clusters[runs]))
    return np.stack(maps)


def group_table(model: RegimeModel, agreement: np.ndarray) -> list[dict[str, Any]]:
    """Return one entry for each group of agreeing runs, group 0 first: runs, share, inertia, agreement."""
    table = []
    for number in range(int(model.group.max()) + 1):
        runs = model.group == number
        inertia = model.inertia[runs]
        within = _number(mean_of_pairs(agreement[np.ix_(runs, runs)]))
        to_first = _number(float(agreement[np.ix_(runs, model.group == 0)].mean()))
        table.append(
            {
                "group": number,
                "n_runs": int(runs.sum()),
                "share": float(runs.mean()),
                "inertia_min": float(inertia.min()),
                "inertia_mean": float(inertia.mean()),
                "inertia_max": float(inertia.max()),
                "mean_ari_within": within,
                # a run's agreement with itself does not count
                "ari_to_first_group": to_first if number else within,
            }
        )
    return table


def area_fractions(regime: np.ndarray, area: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return the area share of each regime among labelled cells, from regime (n_cells,) and area (n_cells,) [m2]."""
    total = area[regime >= 0].sum()
    return {name: float(area[regime == number].sum() / total) for number, name in enumerate(names)}


def _reference_metrics(
    budget: xr.Dataset, mask: np.ndarray, assigned: np.ndarray, n_regimes: int
) -> dict[str, float | int]:
    """Return agreement of the consensus regimes with the given labels, which share names once aligned."""
    reference = reference_labels(budget, n_regimes=n_regimes)
    given = reference[mask]
    labelled = given >= 0
    table = contingency(assigned[labelled], given[labelled], n_regimes)
    return {
        "reference_ari": adjusted_rand_index(table),
        "reference_agreement": float(np.trace(table) / table.sum()),
        "n_labels_outside_analysis_mask": int((reference[~mask] >= 0).sum()),
        "n_cells_without_label": int((~labelled).sum()),
    }


def _number(value: float) -> float | None:
    """Return the value, or None where there is nothing to average: JSON has no NaN."""
    return None if np.isnan(value) else value
