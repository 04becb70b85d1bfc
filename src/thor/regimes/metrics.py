"""Quality, stability and areas of the regimes, as one dictionary that JSON can hold."""

from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import DataError
from thor.core.metrics import Metric, Metrics, count, share, text
from thor.ocean.budget import closure_rms
from thor.regimes.clustering import budget_points
from thor.regimes.consensus import adjusted_rand_index, build_consensus, contingency, mean_of_pairs, pairwise_agreement
from thor.regimes.regime_model import RegimeModel, reference_labels

CLUSTERING_METRICS: Metrics = {
    "inertia": Metric("lowest sum of squared distances to centroids of all runs", "std2", 0, None, 0, False),
    "inertia_min": Metric("the same, lowest of the group", "std2", 0, None, 0, False),
    "inertia_mean": Metric("the same, mean over runs", "std2", 0, None, 0, False),
    "inertia_max": Metric("the same, largest of the runs", "std2", 0, None, 0, False),
    "closure_rms": Metric("rms of the sum of the budget's terms", "m s-2", 0, None, 0, False),
    "stability_ari": Metric("adjusted Rand index between independent consensuses; chance is 0", "1", -0.5, 1, 1, True),
    "single_run_ari": Metric("the same between single runs", "1", -0.5, 1, 1, True),
    "mean_ari_within": Metric("the same between the runs of a group", "1", -0.5, 1, 1, True),
    "ari_to_elected_group": Metric("the same between a group's runs and those of group 0", "1", -0.5, 1, 1, True),
    "reference_ari": Metric("the same between the consensus regimes and given labels", "1", -0.5, 1, 1, True),
    "reference_agreement": share("cells whose consensus regime is the given label", perfect=1, higher_is_better=True),
    "mean_confidence": share("clustering runs that agree on the regime", perfect=1, higher_is_better=True),
    "area_fraction.<regime>": share("area of the regime"),
    "group": count("number of the group; group 0 assigns the regimes"),
    "share": share("runs that are in the group"),
    "n_cells": count("cells of the budget"),
    "n_clusters": count("clusters of a run"),
    "n_regimes": count("regimes, the merged small clusters among them"),
    "n_runs": count("clustering runs"),
    "n_runs_per_consensus": count("runs of one independent consensus"),
    "n_consensus": count("independent consensuses"),
    "n_labels_outside_analysis_mask": count("given labels off the cells of the budget, which are dropped"),
    "n_cells_without_label": count("cells of the budget that have no given label"),
    "regimes": text("names of the regimes"),
    "naming": text("how regimes got their names"),
    "labels": text("where the regimes come from"),
    "algorithm": text("of one run"),
    "region": text("cells that the numbers come from"),
    "weighting.<metric>": text("whether a number counts cells, areas or runs"),
}


def clustering_metrics(
    budget: xr.Dataset, regimes: xr.Dataset, model: RegimeModel, *, region: str = "analysis_mask, global"
) -> dict[str, Any]:
    """Return the metrics of the regimes of the budget the model was fitted on.

    Parameters
    ----------
    budget : xarray.Dataset
        Terms, `analysis_mask`, `areacello` [m2], optionally `reference_regime`.
    regimes : xarray.Dataset
        What `RegimeModel.predict` or `RegimeModel.with_reference_labels` gave for this budget.
    model : RegimeModel
    region : str
        Cells on which the metrics were computed, as stated in them.

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
    dims = budget["analysis_mask"].dims
    regime = regimes["regime"].transpose(*dims).values[mask]
    confidence = regimes["regime_confidence"].transpose(*dims).values[mask].astype(float)
    area = cell_areas(budget)[mask]
    metrics: dict[str, Any] = {
        "n_cells": int(mask.sum()),
        "region": region,
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
        "mean_confidence": float(np.average(confidence, weights=area)),
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
        table.append(
            {
                "group": number,
                "n_runs": int(runs.sum()),
                "share": float(runs.mean()),
                "inertia_min": float(inertia.min()),
                "inertia_mean": float(inertia.mean()),
                "inertia_max": float(inertia.max()),
                "mean_ari_within": _number(mean_of_pairs(agreement[np.ix_(runs, runs)])),
                "ari_to_elected_group": _number(float(agreement[np.ix_(runs, model.group == 0)].mean())),
            }
        )
    return table


def area_fractions(regime: np.ndarray, area: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return the area share of each regime among labelled cells, from regime (n_cells,) and area (n_cells,) [m2]."""
    total = area[regime >= 0].sum()
    return {name: float(area[regime == number].sum() / total) for number, name in enumerate(names)}


def cell_areas(budget: xr.Dataset) -> np.ndarray:
    """Return `areacello` [m2] in the dims order of `analysis_mask`; raise DataError when a cell of it has none."""
    if "areacello" not in budget:
        raise DataError("The vorticity budget has no 'areacello' [m2]: areas and means cannot be weighted.")
    area = np.asarray(budget["areacello"].transpose(*budget["analysis_mask"].dims).values, dtype=float)
    inside = area[budget["analysis_mask"].values == 1]
    if not (np.isfinite(inside).all() and (inside > 0).all()):
        raise DataError("'areacello' must be positive in every cell of analysis_mask [m2].")
    return area


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
