"""Regimes of the released and of the corrected vorticity budget of ECCO: scale, stability, balances, skill.

    THOR_DATA_MIRROR=<folder> python benchmarks/corrected_budget.py FOLDER [--quick]

Prints the tables of docs/corrected_budget.md in Markdown:

* the side of the block of cells over which the curl of the surface stress is to be averaged to become the released one;
* size of the terms of both budgets; the released Coriolis term against -beta V over blocks of growing size; Sverdrup
  balance in the interiors of five subtropical gyres; where the corrected pressure torque is large;
* regimes with the settings of `conf/ecco` (k = 50, 36 runs, seed 42): stability, areas, agreement, balances;
* skill of gradient boosting in the Atlantic sector, eight features in true geometry with the surface stress curl, with
  and without -beta V as a ninth; differences with 90 % intervals from a paired spatial block bootstrap.

FOLDER keeps the fitted runs (seven minutes of one core for each budget), which the next run reads instead of fitting
them again, and `<budget>_regimes.nc`, `<budget>_balances.nc` for docs/make_corrected_figure.py.

--quick: every fourth row and column, two consensuses of two runs, three trees of each regime.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import all_inputs
import numpy as np
import xarray as xr
from networks import ecco_ocean
from numpy.typing import NDArray

from thor.core.variables import BUDGET_TERMS, FEATURES
from thor.datasets import ModelDataset
from thor.networks.baselines import fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings
from thor.networks.skill import skill_table
from thor.networks.split import make_split
from thor.ocean.budget import corrected_budget, vorticity_budget
from thor.ocean.ecco import block_mean, surface_from_files
from thor.ocean.features import features
from thor.regimes.balances import regime_balances
from thor.regimes.clustering import cell_areas
from thor.regimes.consensus import adjusted_rand_index, contingency
from thor.regimes.metrics import clustering_metrics
from thor.regimes.naming import REGIMES, regime_names
from thor.regimes.regime_model import RegimeModel, fit_regimes
from thor.regimes.settings import BalanceSettings, ClusteringSettings

SEED = 42
SETTINGS = ClusteringSettings(n_clusters=50, n_consensus=3, n_breaths=450, n_jobs=1)
BLOCKS = (1, 3, 5, 7)
DEGREES = (0.5, 1, 2, 4, 6, 10, 15, 20)
ADVECTION, TORQUE = "planetary_vorticity_advection", "bottom_pressure_torque"
GYRES = {
    "North Pacific": (15, 30, 160, 220),
    "South Pacific": (-30, -15, 200, 270),
    "North Atlantic": (15, 30, 310, 335),
    "South Atlantic": (-30, -15, 335, 360),
    "South Indian Ocean": (-30, -15, 65, 95),
}
"""Interiors: south, north, west, east [degrees]."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="keeps fitted runs, regimes and balances")
    parser.add_argument("--quick", action="store_true", help="fewer cells, runs and trees")
    options = parser.parse_args()
    released = ecco_ocean()
    oceans = {"released": released, "corrected": corrected_budget(released)}
    budgets = {name: vorticity_budget(ocean, closure_tolerance=1e-3) for name, ocean in oceans.items()}
    fields = features(
        released,
        stress_curl="surface",
        metric="spherical",
        reference_density=1029.0,
        extended=False,
        neighbourhood_radii_km=[],
        polar_filter=False,
    )
    show("Scale of the released stress curl", ("cells", "rms difference / rms"), scales(budgets["released"], fields))
    show("Terms", ("term", "budget", "rms", "median magnitude"), sizes(budgets))
    head = ("blocks", "number", "Coriolis", "-beta V", "correlation", "slope", "rms of difference")
    show("Released Coriolis term and -beta V", head, coarse(budgets))
    show("Corrected terms", ("blocks", *BUDGET_TERMS, "correlation of torques"), coarse_terms(budgets["corrected"]))
    head = ("gyre", "curl", "-beta V", "sum", "released Coriolis", "local deviation", "released")
    show("Sverdrup balance, area means in 1e-11 m s-2", head, sverdrup(budgets))
    head = ("cells", "share", "rms", "median magnitude", "share of squares", "correlation with viscous torque")
    show("Corrected pressure torque", head, noisy(budgets["corrected"], released))
    if options.quick:
        every = {"lat": slice(None, None, 4), "lon": slice(None, None, 4)}
        budgets = {name: budget.isel(every) for name, budget in budgets.items()}
    models = {name: model_of(name, budget, options) for name, budget in budgets.items()}
    regimes = {name: models[name].predict(budget) for name, budget in budgets.items()}
    if not options.quick:
        head = ("cells", "rms of -beta V", "cells of the same regime")
        show("Averaging of the transports", head, averaging(released, models["corrected"], regimes["corrected"]))
    show("Regimes", ("", *budgets), stability(budgets, regimes, models))
    names = ("map", *(f"{name}, {ari}" for name in ("released", "corrected") for ari in ("ARI", "cells")))
    show("Agreement of maps", names, agreement(budgets["released"], regimes))
    show("Overlap", ("map", "regime", "regimes of the other map"), overlaps(budgets, regimes))
    head = ("map", "terms", "regime", "area", *BUDGET_TERMS, "balance", "M", "frequency")
    show("Balances, mean (mean magnitude) in 1e-11 m s-2", head, balances(budgets, regimes, options))
    if options.quick:
        fields, advection = fields.isel(every), oceans["corrected"][ADVECTION].isel(every)
    else:
        advection = oceans["corrected"][ADVECTION]
    head = ("labels", "predictor", "inputs", "accuracy", "balanced", "NLL", "gain in points", "90 % interval")
    show("Skill in the Atlantic sector", head, skill(fields, regimes, advection, options))


def show(title: str, head: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


# -- terms -------------------------------------------------------------------------------------------------------------
def scales(budget: xr.Dataset, fields: xr.Dataset) -> Iterator[tuple[int, str]]:
    """Yield, for each side of a block, the difference of the averaged surface curl from the released curl."""
    deep = (budget["analysis_mask"] == 1) & (fields["deptho"] > 3000) & (abs(budget["lat"]) > 10)
    cells = (deep & (abs(budget["lat"]) < 60)).values
    target, curl, area = (
        array.values for array in (budget["wind_stress_curl"], fields["wind_stress_curl"], budget["areacello"])
    )
    for side in BLOCKS:
        averaged = block_mean(curl, area, cells=side)
        yield side, f"{rms((averaged - target)[cells & np.isfinite(averaged)]) / rms(target[cells]):.3f}"


def sizes(budgets: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, ...]]:
    """Yield the size of each term that differs, and of the others once; then correlation and closure."""
    for term in BUDGET_TERMS:
        for name in budgets if term in (ADVECTION, TORQUE) else ("released",):
            values = inside(budgets[name], term)
            yield term, name, f"{rms(values):.3e}", f"{np.median(np.abs(values)):.2e}"
    for name, budget in budgets.items():
        together = np.corrcoef(inside(budget, ADVECTION), inside(budget, TORQUE))[0, 1]
        side = np.corrcoef(inside(budget, "viscous_torque"), inside(budget, TORQUE))[0, 1]
        yield f"correlation of torque with advection {together:.3f}, with viscous torque {side:.3f}", name, "", ""
        yield "closure", name, f"{budget.attrs['closure_rms']:.6e}", ""


def coarse(budgets: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, ...]]:
    """Yield size and agreement of the released Coriolis term and -beta V over blocks without other cells."""
    for degrees in DEGREES:
        step = round(2 * degrees)
        coriolis, advection = (block_means(budgets[name], ADVECTION, step) for name in ("released", "corrected"))
        slope = (coriolis * advection).sum() / (advection**2).sum()
        together = np.corrcoef(coriolis, advection)[0, 1]
        yield (
            *(f"{degrees:g}°", f"{len(advection):,}", f"{rms(coriolis):.2e}", f"{rms(advection):.2e}"),
            *(f"{together:.2f}", f"{slope:.2f}", f"{rms(coriolis - advection):.2e}"),
        )


def coarse_terms(budget: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """Yield the size of all terms over the same blocks, and the correlation of pressure and viscous torque."""
    for degrees in DEGREES:
        terms = {term: block_means(budget, term, round(2 * degrees)) for term in BUDGET_TERMS}
        together = np.corrcoef(terms[TORQUE], terms["viscous_torque"])[0, 1]
        yield f"{degrees:g}°", *(f"{rms(values):.2e}" for values in terms.values()), f"{together:.2f}"


def sverdrup(budgets: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, ...]]:
    """Yield area means in the interior of gyres, and rms of curl + advection over rms of the curl of both budgets."""
    budget, given = budgets["corrected"], budgets["released"]
    for name, (south, north, west, east) in GYRES.items():
        box = {"lat": slice(south, north), "lon": slice(west, east)}
        area = budget["areacello"].sel(box).fillna(0)
        curl, advection, coriolis = (
            1e11 * float(field.sel(box).weighted(area).mean())
            for field in (budget["wind_stress_curl"], budget[ADVECTION], given[ADVECTION])
        )
        deviations = []
        for terms in (budget, given):
            here = terms.sel(box)
            total = here["wind_stress_curl"] + here[ADVECTION]
            deviations.append(np.sqrt(float((total**2).mean() / (here["wind_stress_curl"] ** 2).mean())))
        means = (f"{value:+.2f}" for value in (curl, advection, curl + advection, coriolis))
        yield name, *means, *(f"{value:.2f}" for value in deviations)


def noisy(budget: xr.Dataset, ocean: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """Yield, for groups of cells, their share, the pressure torque's size, and its agreement with viscous torque."""
    mask = budget["analysis_mask"].values == 1
    # Cells with land, or without a budget, in the 5 x 5 cells around them.
    edge = block_mean((~mask).astype(float), budget["areacello"].fillna(0).values + 1.0, cells=5) > 0
    depth = np.nan_to_num(ocean["deptho"].values)
    lat = np.abs(np.broadcast_to(budget["lat"].values[:, None], mask.shape))
    groups = {
        "within 2 cells of the edge of the budget": edge,
        "others, depth below 3000 m, 10 to 60 degrees": ~edge & (depth > 3000) & (lat > 10) & (lat < 60),
        "others, depth below 3000 m, within 10 degrees": ~edge & (depth > 3000) & (lat <= 10),
        "others": ~edge & ~((depth > 3000) & (lat < 60)),
    }
    torque, viscous = budget[TORQUE].values, budget["viscous_torque"].values
    for name, group in groups.items():
        cells = group & mask
        share = np.square(torque[cells]).sum() / np.square(torque[mask]).sum()
        together = np.corrcoef(torque[cells], viscous[cells])[0, 1]
        yield (
            *(name, f"{cells.sum() / mask.sum():.1%}", f"{rms(torque[cells]):.2e}"),
            *(f"{np.median(np.abs(torque[cells])):.2e}", f"{share:.1%}", f"{together:.2f}"),
        )


def block_means(budget: xr.Dataset, term: str, step: int) -> NDArray[np.float64]:
    """Return the area-weighted means of a term over step x step cells that all have a budget."""
    mask = budget["analysis_mask"] == 1
    area = xr.zeros_like(mask, dtype=float) + budget["areacello"].fillna(0)
    blocks = {"lat": step, "lon": step}
    # Blocks that do not fit into the grid are left out.
    total, known, whole = (
        field.coarsen(blocks, boundary="trim").sum()
        for field in ((budget[term] * area).where(mask, 0.0), area.where(mask, 0.0), mask.astype(int))
    )
    return (total / known).values[(whole == step**2).values]


def inside(budget: xr.Dataset, term: str) -> NDArray[np.float64]:
    """Return a term at the cells of the budget."""
    return budget[term].values[budget["analysis_mask"].values == 1]


def rms(values: NDArray[np.float64]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


# -- regimes -----------------------------------------------------------------------------------------------------------
def model_of(name: str, budget: xr.Dataset, options: argparse.Namespace) -> RegimeModel:
    """Return the fitted runs of a budget, from the folder if they are there."""
    settings = SETTINGS.replace(n_runs=2, n_consensus=2) if options.quick else SETTINGS
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = ModelDataset(filepath=str(options.folder / f"{name}{'_quick' if options.quick else ''}.pkl"))
    if not kept.exists():
        kept.save(fit_regimes(budget, settings=settings, seed=SEED))
    model: RegimeModel = kept.load()
    return model


def averaging(ocean: xr.Dataset, model: RegimeModel, regimes: xr.Dataset) -> Iterator[tuple[Any, ...]]:
    """Yield, for other blocks of averaging, the share of cells that keep their regime with the same clusters."""
    file = Path(os.environ["THOR_DATA_MIRROR"]) / "ecco_v4r2" / "ecco_v4r2_mean_0p5deg.nc"
    given = surface_from_files([file])["transport_northward"]
    given = given.assign_coords(lon=given["lon"] % 360).sortby("lon")
    area = ocean["areacello"].fillna(1.0).values
    for side in BLOCKS[:3]:
        transports = given.copy(data=block_mean(given.values, area, cells=side))
        budget = vorticity_budget(
            corrected_budget(ocean.assign(transport_northward=transports)), closure_tolerance=1e-3
        )
        here = budget["analysis_mask"].values == 1
        same = (model.predict(budget)["regime"] == regimes["regime"]).values[here].mean()
        yield side, f"{rms(inside(budget, ADVECTION)):.2e}", f"{same:.1%}"


def stability(
    budgets: Mapping[str, xr.Dataset], regimes: Mapping[str, xr.Dataset], models: Mapping[str, RegimeModel]
) -> Iterator[tuple[str, ...]]:
    """Yield quality and stability of the regimes of each budget."""
    found = [clustering_metrics(budgets[name], regimes[name], models[name]) for name in budgets]
    for metric in ("stability_ari", "single_run_ari", "mean_confidence", "reference_ari", "reference_agreement"):
        yield metric, *(f"{metrics[metric]:.3f}" for metrics in found)
    yield "variance in clusters", *(f"{one['inertia'] / one['n_cells'] / len(BUDGET_TERMS):.3f}" for one in found)
    yield "groups of runs", *(", ".join(str(group["n_runs"]) for group in one["groups"]) for one in found)
    for name, (low, high) in {"vote share above 0.9, area": (0.9, 1.1), "vote share below 0.6, area": (0, 0.6)}.items():
        shares = []
        for budget, given in zip(budgets.values(), regimes.values(), strict=True):
            votes, area = given["regime_confidence"], budget["areacello"].where(budget["analysis_mask"] == 1)
            shares.append(f"{float(area.where((votes > low) & (votes < high)).sum() / area.sum()):.1%}")
        yield name, *shares


def agreement(budget: xr.Dataset, regimes: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, ...]]:
    """Yield the adjusted Rand index between maps, published labels included, and the share of cells that agree."""
    mask = budget["analysis_mask"].values == 1
    maps = {name: given["regime"].values[mask].astype(int) for name, given in regimes.items()}
    maps["published"] = budget["reference_regime"].values[mask].astype(int)
    for name, first in maps.items():
        row = []
        for other in ("released", "corrected"):
            both = (first >= 0) & (maps[other] >= 0)
            table = contingency(first[both], maps[other][both], len(REGIMES))
            row += [f"{adjusted_rand_index(table):.3f}", f"{most_agreeing(table):.1%}"]
        yield name, *row


def most_agreeing(table: NDArray[np.integer]) -> float:
    """Return the largest share of cells that agree over all pairings of regimes."""
    from scipy.optimize import linear_sum_assignment

    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def overlaps(budgets: Mapping[str, xr.Dataset], regimes: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, ...]]:
    """Yield, for each regime, the regimes of the other map that cover at least a tenth of its area."""
    mask = budgets["released"]["analysis_mask"].values == 1
    area = cell_areas(budgets["released"])[mask]
    for name, other in (("released", "corrected"), ("corrected", "released")):
        here, there = (regimes[key]["regime"].values[mask].astype(int) for key in (name, other))
        for number, regime in enumerate(regime_names(regimes[name])):
            parts = np.bincount(there[here == number], area[here == number], minlength=len(REGIMES))
            parts = parts / parts.sum()
            order = [k for k in np.argsort(-parts) if parts[k] >= 0.1]
            yield name, regime, ", ".join(f"{regime_names(regimes[other])[k]} {parts[k]:.0%}" for k in order)


def balances(
    budgets: Mapping[str, xr.Dataset], regimes: Mapping[str, xr.Dataset], options: argparse.Namespace
) -> Iterator[tuple[str, ...]]:
    """Yield the balances of both maps in their terms, and of the released map in corrected terms; keep the former."""
    settings = BalanceSettings(n_bootstrap=100 if options.quick else 1000)
    for name, terms in (("released", "released"), ("corrected", "corrected"), ("released", "corrected")):
        found = regime_balances(budgets[terms], regimes[name], settings=settings, seed=SEED)
        if name == terms and not options.quick:
            found.to_netcdf(options.folder / f"{name}_balances.nc")
            regimes[name].to_netcdf(options.folder / f"{name}_regimes.nc")
        for regime in found["regime_name"].values:
            one = found.sel(regime_name=regime)
            yield (
                *(name, terms, str(regime), f"{float(one['area_fraction']):.1%}"),
                *(f"{mean:+.1f} ({size:.1f})" for mean, size in 1e11 * np.c_[one["mean"], one["mean_magnitude"]]),
                *(str(one["best_subset"].values), f"{float(one['best_m_score']):.2f}"),
                f"{float(one['best_subset_frequency']):.0%}",
            )


# -- skill -------------------------------------------------------------------------------------------------------------
def skill(
    fields: xr.Dataset, regimes: Mapping[str, xr.Dataset], advection: xr.DataArray, options: argparse.Namespace
) -> Iterator[tuple[str, ...]]:
    """Yield the scores of boosting for the labels of each budget, with and without -beta V among the inputs."""
    fields = fields.assign({ADVECTION: advection})
    fields["valid"] = fields["valid"].where(advection.notnull(), 0).astype("int8")
    boosting = BoostingSettings(**all_inputs.BOOSTING | ({"max_iter": 3} if options.quick else {}))
    for name, labels in regimes.items():
        split = make_split(fields, labels, SplitSettings(reflect=False, rescale=False), seed=SEED)
        found: dict[str, NDArray[np.float64]] = {}
        for inputs in ((*FEATURES, ADVECTION), FEATURES):
            samples = samples_from(fields, labels, split, names=inputs)
            train, test = samples.with_role("train"), samples.with_role("test")
            fitted = fit_baselines(train, FeatureScaler.fit(train), boosting=boosting, seed=0)
            found[f"boosting, {len(inputs)}"] = fitted.predict_proba("gradient_boosting", test.inputs)
        found["tree on the curl, 1"] = fitted.predict_proba("stress_curl_tree", test.inputs)
        found["majority, 0"] = fitted.predict_proba("majority", test.inputs)
        everywhere = {"test": np.ones(len(test), bool)}
        table = skill_table(found, test, regions=everywhere, correlations={}, settings=BootstrapSettings(), seed=SEED)
        gain = table["boosting, 9"]["test"]["difference_to"]["boosting, 8"]["accuracy"]
        points = [f"{100 * gain[part]:+.1f}" for part in ("difference", "low", "high")]
        for predictor in reversed(found):
            entry = table[predictor]["test"]
            scores = [f"{entry[score]:.3f}" for score in ("accuracy", "balanced_accuracy", "negative_log_likelihood")]
            ninth = (points[0], " to ".join(points[1:])) if predictor == "boosting, 9" else ("", "")
            yield name, *predictor.split(", "), *scores, *ninth


if __name__ == "__main__":
    main()
