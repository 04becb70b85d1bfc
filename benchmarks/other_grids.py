"""Skill of boosting on grids coarser than the one it was taught on, in oceans left out of training.

    THOR_DATA_MIRROR=<folder> python benchmarks/other_grids.py [--curl surface] [--reflect FILE] [--terms] [--quick]

ECCO on half a degree, published labels, true geometry. Boosting is taught without one ocean basin, or without the
Atlantic sector, on half a degree and tested there on half a degree, and on one and two degrees: sea level, stress,
depth and curl are averaged over 2 x 2 and 4 x 4 cells before features are made of them, and a coarse cell has the most
frequent label of its cells. Basins are tested outside the Atlantic sector, so that features are chosen without it.
Prints a table in Markdown: accuracy and negative log-likelihood (NLL) [nat], mean over the left-out basins, and in the
Atlantic sector; and the accuracy of the tree on the stress curl alone.

--reflect FILE: regimes.nc of `kedro run --env ecco --params regime_clustering.labels=published`, with which boosting is
taught on the reflected ocean as well. --terms: half of the logits are those of trees that see the terms of the budget
alone. Both are defaults of THOR. --quick: three trees of each regime.
"""

import argparse

import all_inputs
import numpy as np
import xarray as xr
from networks import ecco_ocean, published_labels
from numpy.typing import NDArray

from thor.core.variables import FEATURES
from thor.networks.baselines import Baselines, fit_baselines
from thor.networks.inputs import cell_inputs
from thor.networks.predictor import columns
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings
from thor.networks.split import TEST, basin_folds, make_split
from thor.ocean.features import feature_groups, feature_names, features

STEPS = (1, 2, 4)
"""Cells of half a degree along each axis of a cell."""

MANY = {"max_features": 0.5}
"""Settings of boosting with many features, as in `conf/ecco`."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curl", choices=("surface", "released"), default="surface")
    parser.add_argument("--reflect", metavar="FILE", help="regimes with those of the reflected ocean")
    parser.add_argument("--terms", action="store_true", help="trees on the terms of the budget alone as well")
    parser.add_argument("--quick", action="store_true", help="three trees of each regime")
    options = parser.parse_args()
    ocean, settings_of_split = ecco_ocean(), SplitSettings(reflect=bool(options.reflect), rescale=False)
    regimes = xr.load_dataset(options.reflect) if options.reflect else published_labels(ocean)
    all_trees = ({} if options.terms else all_inputs.BOOSTING) | ({"max_iter": 3} if options.quick else {})
    fields = {step: features_of(coarse(ocean, step), options.curl) for step in STEPS}
    labels = {step: coarse_labels(regimes, step) for step in STEPS}
    names = tuple(feature_names(fields[1]))
    folds = {"atlantic sector": make_split(fields[1], regimes, settings_of_split, seed=42)}
    folds |= basin_folds(fields[1], regimes, settings_of_split, seed=42, without_test=True)
    print(
        "| features of boosting | number | grid | left-out basins: accuracy | NLL | tree | Atlantic: accuracy | NLL |",
        "|---|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for label, (used, settings) in sets(names).items():
        boosting = BoostingSettings(**settings | all_trees)
        found: dict[int, list[NDArray[np.float64]]] = {step: [] for step in STEPS}
        for split in folds.values():
            train = samples_from(fields[1], regimes, split, names=used).with_role("train")
            fitted = fit_baselines(train, FeatureScaler.fit(train), boosting=boosting, seed=0)
            for step in STEPS:
                found[step].append(scores(fitted, fields[step], labels[step], split["role"], step, names))
        for step in STEPS:
            atlantic, basins = found[step][0], np.mean(found[step][1:], axis=0)
            print(
                f"| {label} | {len(used)} | {0.5 * step:g}° | {basins[0]:.3f} | {basins[1]:.3f} | {basins[2]:.3f} | "
                f"{atlantic[0]:.3f} | {atlantic[1]:.3f} |",
                flush=True,
            )


def sets(names: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], dict[str, float]]]:
    """Return the features and settings that are compared."""
    groups = feature_groups(names)
    around = [
        name for group in groups if group.startswith("around") and "jacobian" not in group for name in groups[group]
    ]
    terms = (*FEATURES, *groups["geostrophic"])
    means = (*terms, *(name for name in around if "_mean_" in name))
    return {
        "published": (FEATURES, {}),
        "and geostrophic": (terms, {}),
        "and means within 100 and 200 km": (means, MANY),
        "and spreads within 100 and 200 km": ((*terms, *around), MANY),
    }


def features_of(ocean: xr.Dataset, curl: str) -> xr.Dataset:
    """Return all features of an ocean."""
    return features(
        ocean,
        stress_curl=curl,
        metric="spherical",
        reference_density=1029.0,
        extended=True,
        neighbourhood_radii_km=[100, 200],
        polar_filter=False,
    )


def coarse(ocean: xr.Dataset, step: int) -> xr.Dataset:
    """Return means over the ocean cells of step x step cells, and the sum of their areas."""
    if step == 1:
        return ocean
    blocks = {"lat": step, "lon": step}
    fields = {}
    for name, field in ocean.data_vars.items():
        if field.dtype.kind == "f":
            made = field.coarsen(blocks).sum() if name == "areacello" else field.coarsen(blocks).mean()
        else:
            made = field.coarsen(blocks).max()
        fields[name] = made.assign_attrs(field.attrs)
    found = xr.Dataset(fields, attrs=ocean.attrs)
    for name in ("lat", "lon"):
        found[name].attrs = ocean[name].attrs
    return found


def coarse_labels(regimes: xr.Dataset, step: int) -> NDArray[np.int64]:
    """Return the most frequent regime of step x step cells, -1 where fewer than three quarters have one."""
    blocks = _blocks(regimes["regime"].transpose("lat", "lon").values, step)
    counts = np.stack([(blocks == regime).sum(axis=-1) for regime in range(6)], axis=-1)
    return np.where(counts.sum(axis=-1) < 0.75 * step**2, -1, counts.argmax(axis=-1))


def roles_of(role: xr.DataArray, step: int) -> NDArray[np.integer]:
    """Return the roles of step x step cells: that of the cell at the centre."""
    return _blocks(role.transpose("lat", "lon").values, step)[..., (step // 2) * (step + 1)]


def _blocks(field: NDArray[np.integer], step: int) -> NDArray[np.integer]:
    rows, width = (size // step for size in field.shape)
    return field.reshape(rows, step, width, step).transpose(0, 2, 1, 3).reshape(rows, width, step**2)


def scores(
    fitted: Baselines,
    fields: xr.Dataset,
    labels: NDArray[np.int64],
    role: xr.DataArray,
    step: int,
    names: tuple[str, ...],
) -> NDArray[np.float64]:
    """Return accuracy and NLL of boosting, and accuracy of the tree, in the test cells of a grid."""
    table, index = cell_inputs(fields, names=names)
    label, tested = labels.ravel()[index], roles_of(role, step).ravel()[index] == TEST
    chosen = tested & (label >= 0)
    inputs, truth = columns(table[chosen], names, fitted.scaler.features), label[chosen]
    found, tree = (fitted.predict_proba(name, inputs) for name in ("gradient_boosting", "stress_curl_tree"))
    loss = -np.log(np.maximum(found[np.arange(len(truth)), truth], 1e-9)).mean()
    return np.array([(found.argmax(axis=1) == truth).mean(), loss, (tree.argmax(axis=1) == truth).mean()])


if __name__ == "__main__":
    main()
