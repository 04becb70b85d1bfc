"""What the ensemble scores on the Atlantic it never saw, seed by seed, beside the published networks and boosting.

    THOR_DATA_MIRROR=<folder> python benchmarks/skill.py [--regimes <regimes.nc>] [--seeds 5] [--quick]

The ocean is ECCO with the published features and geometry and the default split of the project (two bands of the
Indian and Pacific oceans select and calibrate, the Atlantic band only tests). Labels are the published ones, or also
those of a file that `kedro run --env ecco` left in `05_model_input/regimes.nc`; the stress curl is the released term of
the budget (wind minus bottom stress, smoothed), or that of the surface stress, which is all that climate models give.
Each line holds accuracy, NLL [nat] and ECE of the test cells, counted by cell, and the difference in accuracy to the
published networks on the same cells and inputs with its 90 % interval from a paired spatial block bootstrap.

--quick: 8 networks, 5 epochs, one seed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from networks import ecco_ocean, published_labels, published_members

from thor.networks.baselines import fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.fields import published_probabilities, published_scaling
from thor.networks.prediction import predict
from thor.networks.samples import FeatureScaler, samples_from
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.networks.skill import skill_table
from thor.networks.split import make_split
from thor.networks.table import Table
from thor.networks.training import train_stack
from thor.ocean.features import features

CURLS = ("released", "surface")
BOOTSTRAP = BootstrapSettings()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regimes", type=Path, help="regimes.nc of a run: its labels too")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, 0 and on")
    parser.add_argument("--curls", nargs="+", choices=CURLS, default=CURLS)
    parser.add_argument("--quick", action="store_true", help="8 networks, 5 epochs, one seed")
    options = parser.parse_args()
    settings = TrainingSettings(batch_size=64)
    if options.quick:
        settings = replace(settings, n_networks=8, epochs=5)
    ocean = ecco_ocean()
    labels = {"published": published_labels(ocean)}
    if options.regimes:
        labels["own"] = xr.load_dataset(options.regimes)
    columns = ("labels", "curl", "predictor", "seed", "accuracy", "NLL", "ECE", "less published", "90 % interval")
    print(" | ".join(columns), "-" * 100, sep="\n", flush=True)
    for name, regimes in labels.items():
        for curl in options.curls:
            for row in rows(ocean, regimes, curl, settings, n_seeds=1 if options.quick else options.seeds):
                print(f"{name:9} | {curl:8} | {row}", flush=True)


def rows(ocean: xr.Dataset, regimes: xr.Dataset, curl: str, settings: TrainingSettings, *, n_seeds: int) -> list[str]:
    """Return the lines of the table for one kind of labels and one stress curl."""
    fields = features(
        ocean,
        stress_curl=curl,
        metric="published",
        reference_density=1029.0,
        extended=False,
        neighbourhood_radii_km=(),
    )
    samples = samples_from(fields, regimes, make_split(fields, regimes, SplitSettings()))
    train, select, test = (samples.with_role(role) for role in ("train", "select", "test"))
    scaler = FeatureScaler.fit(train)
    tables = [Table(scaler.transform(part.inputs), part.labels) for part in (train, select)]
    probabilities = {}
    for seed in range(n_seeds):
        trained = train_stack(
            *tables, features=samples.features, classes=samples.classes, settings=settings, seed=seed, progress=False
        )
        probabilities[f"ensemble {seed}"] = predict(trained.stack, scaler.transform(test.inputs)).mean
    probabilities["boosting"] = fit_baselines(train, seed=0).predict_proba("gradient_boosting", test.inputs)
    probabilities["published"] = published_probabilities(published_members(), test, published_scaling(fields))
    table = skill_table(
        probabilities, test, regions={"test": np.ones(len(test.labels), bool)}, settings=BOOTSTRAP, seed=0
    )
    return [line(name, table[name]["test"]) for name in probabilities]


def line(name: str, entry: dict) -> str:
    """Return one line of the table."""
    predictor, _, seed = name.partition(" ")
    scores = f"{entry['accuracy']:.4f} | {entry['negative_log_likelihood']:.4f}"
    scores += f" | {entry['expected_calibration_error']:.4f}"
    against = entry.get("difference_to", {}).get("published", {}).get("accuracy")
    told = (
        "| " if against is None else f"{against['difference']:+.4f} | {against['low']:+.4f} to {against['high']:+.4f}"
    )
    return f"{predictor:9} | {seed:4} | {scores} | {told}"


if __name__ == "__main__":
    main()
