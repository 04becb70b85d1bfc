"""Skill on other grids when the inputs of training ocean and models are filtered to one scale, or not.

    kedro run && THOR_DATA_MIRROR=<folder> python benchmarks/feature_scale.py [--data data] [--only PART ...] [--quick]

Sea level, depth and stress curl of both are filtered (`scale_filter.py`) before other features are made of them;
labels are not. Prints tables in Markdown.

gradients: root mean square gradient of depth on other grids over that on the grid of the training ocean.
ecco: boosting is taught on ECCO at half a degree without one ocean basin and tested there, on half a degree and on one
and two degrees, as in `other_grids.py`.
idealized: mean of 12 networks and boosting, taught on the training ocean of a default run (2 degrees) without one ocean
basin and tested there, on 2 and 4 degrees; then taught on the whole of it and compared with the true regimes of the
three idealized climate models (2.5 to 4 degrees), weighted by area, in the last window of abrupt-4xCO2.

Differences to unfiltered inputs on the same cells have the 90 % interval of a paired spatial block bootstrap. The scale
marked by * has the lowest negative log-likelihood (NLL) [nat], averaged over the grids, in left-out basins of the
training ocean outside the Atlantic sector: neither this sector nor a climate model is used to choose it. The parts take
8, 25 and 22 minutes side by side on two busy cores.

--quick: three trees of each regime, one network, two epochs, two scales.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import all_inputs
import numpy as np
import xarray as xr
from change_skill import baseline, first_run
from networks import ecco_ocean, published_labels
from numpy.typing import NDArray
from other_grids import MANY, coarse, coarse_labels, roles_of
from scale_filter import smoothed

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import FEATURES
from thor.datasets.models import ModelDataset
from thor.networks.baselines import fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import member_probabilities
from thor.networks.predictor import Average, Predictor
from thor.networks.samples import Samples, samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings, TrainingSettings
from thor.networks.skill import paired_differences
from thor.networks.split import TEST, basin_folds, final_split, make_split
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.ocean.cells import valid_cells
from thor.ocean.features import feature_groups, feature_names, features
from thor.ocean.grid import Grid
from thor.ocean.operators import gradient
from thor.ocean.stress import stress_curl
from thor.tracking.change import change_probability
from thor.tracking.truth import TrueCells, together, truth_scores

SCALES = {"ecco": (0, 100, 200, 300, 400, 600), "idealized": (0, 300, 400, 600, 800, 1000)}
"""Filter scales [km]; 0: none."""

STEPS = {"ecco": (1, 2, 4), "idealized": (1, 2)}
"""Cells of the training ocean along each axis of a cell."""

DENSITY = 1029.0
FIELDS = ("zos", "deptho", "wind_stress_curl")
CONTROL, WARM = "piControl", "abrupt-4xCO2"


@dataclass(frozen=True)
class Taught:
    """A predictor and the scaler of its inputs."""

    scaler: FeatureScaler
    predictor: Predictor

    def members(self, inputs: Array) -> Array:
        """Return the probabilities of each member, shape (n_members, n_cells, n_regimes)."""
        return member_probabilities(self.predictor, self.scaler.transform(inputs)).astype(float)


@dataclass(frozen=True)
class Tested:
    """Cells of left-out oceans with their probabilities."""

    probability: Array
    label: NDArray[np.int64]
    lat: Array
    lon: Array
    area: Array


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"gradients": depth_gradients, "ecco": on_ecco, "idealized": on_idealized}
    parser.add_argument("--data", type=Path, default=Path("data"), help="data_root of a finished default run")
    parser.add_argument("--only", nargs="+", choices=parts, metavar="PART", default=list(parts), help=", ".join(parts))
    parser.add_argument("--quick", action="store_true", help="three trees of each regime, one network, two scales")
    options = parser.parse_args()
    for name in options.only:
        print(f"\n## {name}\n", flush=True)
        parts[name](options.data, options.quick)


# -- gradients of depth ------------------------------------------------------------------------------------------------
def depth_gradients(data: Path, quick: bool) -> None:
    """Print root mean square gradients of depth over that of the training ocean, before and after the filter."""
    scales = sorted({*SCALES["ecco"], *SCALES["idealized"]})[: 2 if quick else None]
    print(
        f"| training ocean | grid | {' | '.join(_scale(scale) for scale in scales)} |",
        "|---" * (2 + len(scales)) + "|",
        sep="\n",
    )
    for reference, others in ((ecco_ocean(), other_depths()), (idealized_ocean(data), model_depths(data))):
        taught = gradient_rms(reference, scales)
        for name, ocean in others:
            ratios = gradient_rms(ocean, scales) / taught
            kind = "ECCO 0.5°" if "ECCO" in reference.attrs["title"] else "idealized 2°"
            print(f"| {kind} | {name} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)


def gradient_rms(ocean: xr.Dataset, scales: list[int]) -> Array:
    """Return the root mean square gradient of depth by area at each scale."""
    grid, deptho = Grid.from_dataset(ocean), ocean["deptho"].values.astype(float)
    found = []
    for scale in scales:
        slope = np.hypot(*gradient(at_scale(deptho, grid, scale), grid))
        used = np.isfinite(slope) & np.isfinite(grid.area) & ~grid.duplicate
        found.append(np.sqrt(np.average(slope[used] ** 2, weights=grid.area[used])))
    return np.array(found)


def other_depths() -> Iterator[tuple[str, xr.Dataset]]:
    """Yield ECCO on coarser grids and climate models on their native grids."""
    for step in STEPS["ecco"][1:]:
        yield f"ECCO {0.5 * step:g}°", coarse(ecco_ocean(), step)
    mirror = Path(os.environ["THOR_DATA_MIRROR"])
    with np.load(mirror / "native_grids/CESM2_Ofx_lat_lon_deptho.npz") as file:
        yield "CESM2", _native(file["lat"], file["lon"], file["deptho"])
    with xr.open_dataset(mirror / "native_grids/gridInfoIPSL.nc") as file:
        yield "IPSL-CM6A-LR", _native(file["nav_lat"].values, file["nav_lon"].values, file["deptho"].values)
    (path,) = (mirror / "esgf").rglob("deptho_Ofx_EC-Earth3-Veg_*.nc")
    with xr.open_dataset(path) as file:
        yield "EC-Earth3-Veg", _native(file["latitude"].values, file["longitude"].values, file["deptho"].values)


def model_depths(data: Path) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the idealized climate models."""
    for source in sources(data):
        yield source, climatology(data, source, CONTROL)


def _native(lat: Array, lon: Array, deptho: Array) -> xr.Dataset:
    # Land may have a position at (0, 0).
    known = (lat != 0) | (lon != 0)
    coords = {name: (("y", "x"), np.where(known, axis, np.nan)) for name, axis in (("lat", lat), ("lon", lon))}
    return xr.Dataset({"deptho": (("y", "x"), np.where(deptho > 0, deptho, np.nan))}, coords=coords)


# -- inputs ------------------------------------------------------------------------------------------------------------
def features_at(ocean: xr.Dataset, scale: int, radii_km: tuple[int, ...] = ()) -> xr.Dataset:
    """Return the features of an ocean whose sea level, depth and stress curl are filtered."""
    grid = Grid.from_dataset(ocean)
    made = ocean.copy()
    made["wind_stress_curl"] = grid.wrap(stress_curl(ocean, grid) / DENSITY, "wind_stress_curl")
    for name in FIELDS:
        made[name] = made[name].copy(data=at_scale(made[name].values.astype(float), grid, scale))
    return features(
        made,
        stress_curl="released",  # as it stands in the dataset: the filtered curl of the surface stress
        metric="spherical",
        reference_density=DENSITY,
        extended=True,
        neighbourhood_radii_km=radii_km,
        polar_filter=False,
        neighbourhood_statistics=["mean"],
    )


def at_scale(field: Array, grid: Grid, scale: int) -> Array:
    """Return a field filtered to a scale [km]; as it is for 0."""
    return smoothed(field, grid, scale_km=scale) if scale else field


# -- left-out oceans ---------------------------------------------------------------------------------------------------
def on_ecco(_: Path, quick: bool) -> None:
    """Print the skill of boosting in left-out basins of ECCO on three grids."""
    ocean = ecco_ocean()
    kept = ocean[["zos", "deptho", "tauuo", "tauvo", "areacello"]]
    regimes = published_labels(ocean)
    probe = feature_groups(feature_names(features_at(kept, 0, (100, 200))))
    means = [name for group in probe if group.startswith("around") and "jacobian" not in group for name in probe[group]]
    sets = {
        "published": (FEATURES, boosting_settings(quick)),
        "geostrophic and means": ((*FEATURES, *probe["geostrophic"], *means), boosting_settings(quick, **MANY)),
    }
    compare_scales("ecco", kept, regimes, sets, None, quick, radii_km=(100, 200))


def on_idealized(data: Path, quick: bool) -> None:
    """Print the skill in left-out basins of the idealized training ocean, and in the idealized climate models."""
    ocean = idealized_ocean(data)
    regimes = xr.load_dataset(data / "05_model_input/regimes.nc")
    geostrophic = feature_groups(feature_names(features_at(ocean, 0)))["geostrophic"]
    sets = {
        "published": (FEATURES, boosting_settings(quick)),
        "geostrophic": ((*FEATURES, *geostrophic), boosting_settings(quick)),
    }
    training = TrainingSettings(n_networks=1 if quick else 12, epochs=2 if quick else 60, **all_inputs.TRAINING)
    compare_scales("idealized", ocean, regimes, sets, training, quick)
    print()
    in_models(data, ocean, regimes, sets, training, quick)


def boosting_settings(quick: bool, **settings: float) -> BoostingSettings:
    """Return the settings of boosting."""
    return BoostingSettings(**all_inputs.BOOSTING | settings | ({"max_iter": 3} if quick else {}))


def compare_scales(
    where: str,
    ocean: xr.Dataset,
    regimes: xr.Dataset,
    sets: dict[str, tuple[tuple[str, ...], BoostingSettings]],
    training: TrainingSettings | None,
    quick: bool,
    radii_km: tuple[int, ...] = (),
) -> None:
    """Print one table: skill by features, scale and grid."""
    spacing = 180 / ocean.sizes["lat"]
    oceans = {step: coarse(ocean, step) for step in STEPS[where]}
    labels = {step: coarse_labels(regimes, step) for step in STEPS[where]}
    found: dict[tuple[str, int, int], tuple[Tested, Tested]] = {}
    for scale in SCALES[where][: 2 if quick else None]:
        fields = {step: features_at(made, scale, radii_km) for step, made in oceans.items()}
        folds = {"sector": make_split(fields[1], regimes, SplitSettings(reflect=False, rescale=False), seed=42)}
        folds |= basin_folds(
            fields[1], regimes, SplitSettings(reflect=False, rescale=False), seed=42, without_test=True
        )
        for label, (names, boosting) in sets.items():
            parts: dict[int, list[Tested]] = {step: [] for step in oceans}
            for split in folds.values():
                taught = teach(samples_from(fields[1], regimes, split, names=names), boosting, training)
                for step in oceans:
                    role = roles_of(split["role"], step)
                    parts[step].append(tested(taught, fields[step], labels[step], role, names))
            for step, (sector, *basins) in parts.items():
                found[label, scale, step] = sector, joined(basins)
    print(
        "| features | scale | grid | left-out basins: accuracy | minus unfiltered (points) | NLL | minus unfiltered "
        "| Atlantic sector: accuracy | NLL |",
        "|---|---|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for label in sets:
        chosen = chosen_scale({key[1:]: cells for key, (_, cells) in found.items() if key[0] == label})
        for (name, scale, step), (sector, basins) in found.items():
            if name == label:
                mark = " *" * (scale == chosen)
                print(
                    f"| {label} | {_scale(scale)}{mark} | {spacing * step:g}° | {accuracy(basins):.3f} "
                    f"| {' | '.join(difference(basins, found[label, 0, step][1], scale))} "
                    f"| {accuracy(sector):.3f} | {loss(sector):.3f} |",
                    flush=True,
                )


def teach(samples: Samples, boosting: BoostingSettings, training: TrainingSettings | None) -> Taught:
    """Return boosting, or with settings of training the mean of networks and boosting, taught on the train cells."""
    train = samples.with_role("train")
    scaler = FeatureScaler.fit(train)
    trees = fit_baselines(train, scaler, boosting=boosting, seed=0).boosting
    if training is None:
        return Taught(scaler, trees)
    tables = [Table(scaler.transform(part.inputs), part.labels) for part in (train, samples.with_role("select"))]
    stack = train_stack(
        *tables, features=samples.features, classes=samples.classes, settings=training, seed=0, progress=False
    ).stack
    return Taught(scaler, Average(stack, trees))


def tested(
    taught: Taught, fields: xr.Dataset, labels: NDArray[np.int64], role: Array, names: tuple[str, ...]
) -> Tested:
    """Return the labelled test cells of a grid with their probabilities."""
    table, index = cell_inputs(fields, names=names)
    lat, lon, valid = valid_cells(fields)
    label = labels.ravel()[index]
    used = (role.ravel()[index] == TEST) & (label >= 0)
    area = fields["areacello"].transpose(*fields["valid"].dims).values[valid]
    probability = taught.members(table[used]).mean(axis=0)
    return Tested(probability, label[used], lat[valid][used], lon[valid][used], area[used])


def joined(parts: list[Tested]) -> Tested:
    """Return the cells of several oceans together."""
    return Tested(*(np.concatenate([getattr(part, name) for part in parts]) for name in Tested.__annotations__))


def chosen_scale(cells: dict[tuple[int, int], Tested]) -> int:
    """Return the scale with the lowest NLL, averaged over the grids, of cells by scale and grid."""
    losses: dict[int, list[float]] = {}
    for (scale, _), found in cells.items():
        losses.setdefault(scale, []).append(loss(found))
    return min(losses, key=lambda scale: float(np.mean(losses[scale])))


def accuracy(cells: Tested) -> float:
    """Return the share of cells that are right."""
    return float((cells.probability.argmax(axis=1) == cells.label).mean())


def loss(cells: Tested) -> float:
    """Return the negative log-likelihood [nat]."""
    return float(-np.log(np.maximum(cells.probability[np.arange(len(cells.label)), cells.label], 1e-9)).mean())


def difference(cells: Tested, unfiltered: Tested, scale: int) -> list[str]:
    """Return the difference in accuracy [points], the NLL and its difference to unfiltered inputs."""
    if not scale:
        return ["", f"{loss(cells):.3f}", ""]
    if not np.array_equal(cells.label, unfiltered.label):
        raise DataError("The filter changed which cells have all features: scores are not of the same cells.")
    pair = paired_differences(
        {"filtered": cells.probability, "not": unfiltered.probability},
        cells.label,
        lat=cells.lat,
        lon=cells.lon,
        area=cells.area,
        settings=BootstrapSettings(),
        seed=0,
    )["filtered"]["not"]
    points = [100 * pair["accuracy"][key] for key in ("difference", "low", "high")]
    nats = [pair["negative_log_likelihood"][key] for key in ("difference", "low", "high")]
    return [
        "{:+.1f} ({:+.1f} to {:+.1f})".format(*points),
        f"{loss(cells):.3f}",
        "{:+.3f} ({:+.3f} to {:+.3f})".format(*nats),
    ]


# -- idealized climate models ------------------------------------------------------------------------------------------
def in_models(
    data: Path,
    ocean: xr.Dataset,
    regimes: xr.Dataset,
    sets: dict[str, tuple[tuple[str, ...], BoostingSettings]],
    training: TrainingSettings,
    quick: bool,
) -> None:
    """Print the skill in the three idealized climate models together."""
    model = ModelDataset(filepath=str(data / "06_models/regime_model.pkl")).load()
    print(
        "| features | scale | accuracy | balanced accuracy | NLL | P(change): Brier score | Brier skill |",
        "|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for label, (names, boosting) in sets.items():
        for scale in SCALES["idealized"][: 2 if quick else None]:
            fields = features_at(ocean, scale)
            split = final_split(make_split(fields, regimes, SplitSettings(reflect=False, rescale=False), seed=42))
            split.attrs["select_role"] = "select"
            taught = teach(samples_from(fields, regimes, split, names=names), boosting, training)
            cells = together([changes(data, model, source, scale, taught, names) for source in sources(data)])
            scores = truth_scores(cells, classes=model.names, settings=None, seed=0)
            right = np.maximum(cells.probability[np.arange(len(cells.truth)), cells.truth], 1e-9)
            log_loss = np.average(-np.log(right), weights=cells.area)
            print(
                f"| {label} | {_scale(scale)} | {scores['predictor']['accuracy']:.3f} "
                f"| {scores['predictor']['balanced_accuracy']:.3f} | {log_loss:.3f} "
                f"| {scores['change']['brier_score']:.4f} | {scores['change']['brier_skill']:.3f} |",
                flush=True,
            )


def changes(data: Path, model: Any, source: str, scale: int, taught: Taught, names: tuple[str, ...]) -> TrueCells:
    """Return the predictions and true regimes of the last warm window of a model and of its baseline."""
    after = window(data, model, source, WARM, None, scale, names)
    before = window(data, model, source, CONTROL, baseline(data, source), scale, names)
    _, here, there = np.intersect1d(after["index"], before["index"], return_indices=True)
    first, last = taught.members(before["inputs"][there]), taught.members(after["inputs"][here])
    predicted = last.mean(axis=0).argmax(axis=1)
    return TrueCells(
        lat=after["lat"][here],
        lon=after["lon"][here],
        area=after["area"][here],
        applicable=np.ones(here.size, bool),
        truth=after["label"][here],
        predicted=predicted,
        tree=predicted,
        probability=last.mean(axis=0),
        truth_before=before["label"][there],
        predicted_before=first.mean(axis=0).argmax(axis=1),
        probability_before=first.mean(axis=0),
        change_probability=change_probability(first, last.copy()).mean(axis=0),
        shift=np.full(here.size, -1),
        forced=np.full(here.size, -1),
    )


def window(
    data: Path, model: Any, source: str, experiment: str, label: str | None, scale: int, names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Return inputs, true regime and place of the cells of one window of a run; the last one without a label."""
    run = climatology(data, source, experiment)
    budget = xr.load_dataset(first_run(data / "01_raw/true_budgets" / source / experiment))
    held, true = ([str(name) for name in each["window"].values] for each in (run, budget))
    chosen = label or held[-1]
    fields = features_at(run.isel(window=held.index(chosen)), scale)
    regime = model.predict(budget.isel(window=true.index(chosen)))["regime"].transpose(*fields["valid"].dims)
    table, index = cell_inputs(fields, names=names)
    lat, lon, valid = valid_cells(fields)
    known = regime.values.ravel()[index] >= 0
    area = fields["areacello"].transpose(*fields["valid"].dims).values[valid].astype(float)
    found = {"inputs": table, "label": regime.values.ravel()[index].astype(np.int64), "index": index}
    return {
        name: values[known] for name, values in (found | {"lat": lat[valid], "lon": lon[valid], "area": area}).items()
    }


def idealized_ocean(data: Path) -> xr.Dataset:
    """Return the training ocean of a default run."""
    return xr.load_dataset(data / "02_intermediate/training_ocean.nc")[["zos", "deptho", "tauuo", "tauvo", "areacello"]]


def climatology(data: Path, source: str, experiment: str) -> xr.Dataset:
    """Return the window means of a model."""
    return xr.load_dataset(first_run(data / "02_intermediate/climatologies" / source / experiment))


def sources(data: Path) -> list[str]:
    """Return the models of a run."""
    return sorted(path.name for path in (data / "02_intermediate/climatologies").iterdir())


def _scale(scale: int) -> str:
    return f"{scale} km" if scale else "off"


if __name__ == "__main__":
    main()
