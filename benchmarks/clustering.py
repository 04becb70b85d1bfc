"""Regime clustering beside the plain scikit-learn recipe and the bkmeans package: time, inertia, stability.

    THOR_DATA_MIRROR=<folder> python benchmarks/clustering.py [--quick]

Ours is the consensus of `fit_regimes`: 3 independent consensuses of 12 breathing k-means runs each. The plain recipe
is the published one, StandardScaler and KMeans(50, n_init=50), made twice (seeds 42 and 0) because its agreement with
itself takes two. bkmeans is timed on a few single runs. All get the same cores. Without THOR_DATA_MIRROR the budget is
that of the idealized ocean at 1 degree.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import xarray as xr
import yaml
from bkmeans import BKMeans
from sklearn.cluster import KMeans

from thor.ocean.ecco import ecco_training_ocean
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.regimes.clustering import budget_points, run_labels
from thor.regimes.consensus import mean_of_pairs, merge_small_clusters, pairwise_agreement
from thor.regimes.metrics import clustering_metrics
from thor.regimes.regime_model import fit_regimes, fit_scaler
from thor.regimes.settings import ClusteringSettings
from thor.variables import BUDGET_TERMS

ECCO_ARRAYS = ("curlTau", "curlCori", "BPT", "curlB", "curlA")
RECIPE_SEEDS = (42, 0)
CONF = Path(__file__).parents[1] / "conf" / "base"


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 runs a consensus, 5 starts of plain k-means")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings = ClusteringSettings(n_runs=4 if arguments.quick else 12)
    starts = 5 if arguments.quick else 50

    budget, where = load_budget()
    points, _ = budget_points(budget)
    standardised = fit_scaler(points).transform(points)
    print(f"{where}: {len(points):,} cells, k = {settings.n_clusters}, {joblib.effective_n_jobs(-1)} cores")

    def ours() -> dict[str, object]:
        model = fit_regimes(budget, settings=settings, seed=arguments.seed)
        return clustering_metrics(budget, model.predict(budget), model)

    metrics, our_time = timed(ours)
    plain, plain_time = timed(lambda: plain_recipe(standardised, starts, settings))
    packaged, packaged_time = timed(lambda: bkmeans_runs(standardised, settings, n_runs=4))

    print(f"\n{'':44}{'seconds':>9}{'lowest inertia':>16}{'mean of runs':>14}{'stability ARI':>15}")
    label = f"ours, {settings.n_consensus} consensuses of {settings.n_runs} runs"
    row(label, our_time, metrics["inertia"], metrics["inertia_mean"], metrics["stability_ari"])
    row(f"scikit-learn, n_init={starts}, seeds 42 and 0", plain_time, *plain)
    row("bkmeans package, 4 single runs", packaged_time, *packaged)
    print("\nratios                                  time  lowest inertia  disagreement (1 - ARI)")
    for name, (lowest, _, stability), spent in (
        ("ours / scikit-learn", plain, plain_time),
        ("ours / bkmeans", packaged, packaged_time),
    ):
        disagreement = (1 - metrics["stability_ari"]) / (1 - stability)
        print(f"{name:<34}{our_time / spent:>10.2f}{metrics['inertia'] / lowest:>16.4f}{disagreement:>24.2f}")
    our_run = our_time * joblib.effective_n_jobs(-1) / settings.n_runs_total
    print(f"\none breathing run: {our_run:.1f} core seconds; one bkmeans run: {packaged_time / 4:.1f} s on all cores")
    print(f"agreement of single runs: ours ARI {metrics['single_run_ari']:.3f}, bkmeans {packaged[2]:.3f}")
    if "reference_ari" in metrics:
        agreement = f"ARI {metrics['reference_ari']:.3f}, {metrics['reference_agreement']:.1%} of cells"
        print(f"ours and the published labels: {agreement}")


def load_budget() -> tuple[xr.Dataset, str]:
    """Return the ECCO budget where it is at hand, otherwise that of the idealized ocean at 1 degree, and its name."""
    mirror = os.environ.get("THOR_DATA_MIRROR")
    if mirror:
        arrays = {path.stem: path for path in (Path(mirror) / "ecco_v4r3").iterdir()}
        ocean = ecco_training_ocean(arrays, xr.Dataset(), terms=dict(zip(BUDGET_TERMS, ECCO_ARRAYS, strict=True)))
        return ocean, "ECCO v4r3"
    group = yaml.safe_load((CONF / "parameters_idealized_ocean.yml").read_text(encoding="utf-8"))["idealized_ocean"]
    settings = OceanSettings(**group["training_ocean"] | {"resolution_degrees": 1.0})
    return idealized_training_ocean(settings, seed=0), "idealized ocean, 1 degree (set THOR_DATA_MIRROR for ECCO)"


def plain_recipe(points: np.ndarray, starts: int, settings: ClusteringSettings) -> tuple[float, float, float]:
    """Return lowest and mean inertia and the agreement of the published recipe with itself, on all threads."""
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
    maps = np.stack([merge_small_clusters(own, **sizes)[own] for own in labels])
    return min(inertia), float(np.mean(inertia)), mean_of_pairs(pairwise_agreement(maps, settings.n_regimes))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `work` returns and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def row(name: str, *numbers: float) -> None:
    """Print one line of the table."""
    seconds, lowest, mean, stability = numbers
    print(f"{name:<44}{seconds:>9.1f}{lowest:>16,.0f}{mean:>14,.0f}{stability:>15.3f}")


if __name__ == "__main__":
    main()
