"""Compare regime clustering with the plain scikit-learn recipe and the bkmeans package: time, inertia, stability.

    THOR_DATA_MIRROR=<folder> python benchmarks/clustering.py [--quick] [--json FILE]

THOR's part is the consensus of `fit_regimes`: 3 independent consensuses of 12 breathing k-means runs each. The plain
recipe is the published one, StandardScaler and KMeans(50, n_init=50), run twice (seeds 42 and 0) to measure its
stability. bkmeans is timed on a few single runs. All use the same cores. Without THOR_DATA_MIRROR the budget is that
of the idealized ocean at 1 degree.
"""

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import xarray as xr
import yaml
from bkmeans import BKMeans
from rows import Rows, parse, timed
from sklearn.cluster import KMeans

from thor.core.memory import MemoryWatch
from thor.core.variables import BUDGET_TERMS
from thor.ocean.ecco import ecco_training_ocean
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.regimes.clustering import budget_points, run_labels
from thor.regimes.consensus import mean_of_pairs, merge_small_clusters, pairwise_agreement
from thor.regimes.metrics import clustering_metrics
from thor.regimes.regime_model import fit_regimes, fit_term_scaler
from thor.regimes.settings import ClusteringSettings

ECCO_ARRAYS = ("curlTau", "curlCori", "BPT", "curlB", "curlA")
RECIPE_SEEDS = (42, 0)
CONF = Path(__file__).parents[1] / "conf" / "base"


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="a quarter of the cells, 2 consensuses of 2 runs, 2 starts of plain k-means")
    settings, starts, n_single = ClusteringSettings(n_clusters=50, n_runs=12, n_consensus=3, n_breaths=450), 50, 4
    if options.quick:
        settings, starts, n_single = ClusteringSettings(n_clusters=50, n_runs=2, n_consensus=2, n_breaths=450), 2, 2
    rows, cores = Rows(options.json), joblib.effective_n_jobs(-1)
    if "THOR_DATA_MIRROR" not in os.environ:
        rows.leave_out("clustering of ECCO's budget", "THOR_DATA_MIRROR is not set; the idealized ocean is used")
    budget, where = load_budget()
    if options.quick:
        budget, where = budget.isel(lat=slice(None, None, 2), lon=slice(None, None, 2)), f"{where}, thinned"
    points, _ = budget_points(budget)
    standardised = fit_term_scaler(points).transform(points)

    metrics, ours, memory = consensus(budget, settings)
    plain, theirs = timed(lambda: plain_recipe(standardised, starts, settings))
    packaged, single = timed(lambda: bkmeans_runs(standardised, settings, n_runs=n_single))

    what = f"regimes of {len(points):,} cells of {where}, k = {settings.n_clusters}: "
    rows.add(
        what + f"{settings.n_consensus} consensuses of {settings.n_runs} breathing runs",
        ours,
        alternative=f"scikit-learn KMeans, n_init={starts}, {len(RECIPE_SEEDS)} seeds",
        theirs=theirs,
        peak_memory_mb=memory,
        remark=compared(metrics, plain) + published(metrics),
    )
    rows.add(
        what + "one breathing run, seconds of one core",
        ours * cores / settings.n_runs_total,
        alternative="bkmeans package, one run",
        theirs=single * min(cores, n_single) / n_single,
        remark=f"THOR with consensus and metrics, alternative from {n_single} runs; agreement of single runs ARI "
        f"{metrics['single_run_ari']:.3f}, "
        f"alternative {packaged[2]:.3f}; ratio of lowest inertias {metrics['inertia'] / packaged[0]:.4f}",
    )


def consensus(budget: xr.Dataset, settings: ClusteringSettings) -> tuple[dict[str, Any], float, float]:
    """Return metrics, seconds and peak memory [MB] of the consensus with its worker processes; call it first."""
    memory = MemoryWatch()

    def fitted() -> dict[str, Any]:
        model = fit_regimes(budget, settings=settings, seed=0)
        return clustering_metrics(budget, model.predict(budget), model)

    metrics, seconds = timed(fitted)
    peak = memory.peak_mb()
    memory.close()
    return metrics, seconds, peak


def compared(metrics: dict[str, Any], plain: tuple[float, float, float]) -> str:
    """Return the comparison of inertia and stability with those of the recipe."""
    lowest, _, stability = plain
    return (
        f"ratio of lowest inertias {metrics['inertia'] / lowest:.4f}; stability ARI "
        f"{metrics['stability_ari']:.3f}, alternative {stability:.3f}"
    )


def published(metrics: dict[str, Any]) -> str:
    """Return the agreement with the published labels, if there are any."""
    if "reference_ari" not in metrics:
        return ""
    return f"; published labels in {metrics['reference_agreement']:.1%} of the cells"


def load_budget() -> tuple[xr.Dataset, str]:
    """Return the ECCO budget if it is available, otherwise that of the idealized ocean at 1 degree, and its name."""
    mirror = os.environ.get("THOR_DATA_MIRROR")
    if mirror:
        arrays = {path.stem: path for path in (Path(mirror) / "ecco_v4r3").iterdir()}
        ocean = ecco_training_ocean(arrays, xr.Dataset(), terms=dict(zip(BUDGET_TERMS, ECCO_ARRAYS, strict=True)))
        return ocean, "ECCO"
    group = yaml.safe_load((CONF / "parameters_idealized_ocean.yml").read_text(encoding="utf-8"))["idealized_ocean"]
    settings = OceanSettings(**group["training_ocean"] | {"resolution_degrees": 1.0})
    return idealized_training_ocean(settings, seed=0), "the idealized ocean at 1 degree"


def plain_recipe(points: np.ndarray, starts: int, settings: ClusteringSettings) -> tuple[float, float, float]:
    """Return lowest and mean inertia and the stability of the published recipe, on all threads."""
    fits = [KMeans(settings.n_clusters, n_init=starts, random_state=seed).fit(points) for seed in RECIPE_SEEDS]
    return summary(points, [fit.cluster_centers_ for fit in fits], [fit.inertia_ for fit in fits], settings)


def bkmeans_runs(points: np.ndarray, settings: ClusteringSettings, *, n_runs: int) -> tuple[float, float, float]:
    """Return the same of single runs of the bkmeans package, in processes: its generator is module-wide."""
    fits = joblib.Parallel(n_jobs=-1)(joblib.delayed(one_bkmeans)(points, settings, seed) for seed in range(n_runs))
    return summary(points, [centroids for centroids, _ in fits], [inertia for _, inertia in fits], settings)


def one_bkmeans(points: np.ndarray, settings: ClusteringSettings, seed: int) -> tuple[np.ndarray, float]:
    """Return centroids and inertia of one run of the package."""
    fit = BKMeans(n_clusters=settings.n_clusters, random_state=seed).fit(points)
    return fit.cluster_centers_, float(fit.inertia_)


def summary(
    points: np.ndarray, centroids: list[np.ndarray], inertia: list[float], settings: ClusteringSettings
) -> tuple[float, float, float]:
    """Return lowest inertia, mean inertia and mean agreement of the class maps."""
    labels = run_labels(points, np.stack(centroids))
    sizes = {"n_clusters": settings.n_clusters, "n_classes": settings.n_regimes}
    maps = np.stack([merge_small_clusters(clusters, **sizes)[clusters] for clusters in labels])
    return min(inertia), float(np.mean(inertia)), mean_of_pairs(pairwise_agreement(maps, settings.n_regimes))


if __name__ == "__main__":
    main()
