"""Score networks on the held-out Atlantic, seed by seed, with the published networks, boosting, and its mean with each.

    THOR_DATA_MIRROR=<folder> python benchmarks/skill.py [--regimes <regimes.nc>] [--seeds 0 1 2 3 4] [--bayesian]

The ocean is ECCO with the published features and geometry and the default split of the project (scattered blocks
select, the Atlantic band only tests). Labels are the published ones, or those of a
file that `kedro run --env ecco` wrote to `05_model_input/regimes.nc`; the stress curl is the released term of the
budget (wind minus bottom stress, smoothed), or that of the surface stress, which is all that climate models publish.

It prints a table in Markdown, a row for each predictor and seed, over all test cells with equal weights: accuracy;
negative log-likelihood (NLL) [nat]; expected calibration error (ECE); detection of wrong cells by entropy and mutual
information (area under the receiver operating characteristic, AUROC); the difference in accuracy to the published
networks on the same cells and inputs in points, with its 90 % interval from a paired spatial block bootstrap.

Networks have the published inputs, and boosting those of `conf/ecco`.

--groups: groups of extended features (means and spreads within 150 and 300 km) as further inputs of networks and
boosting.
--bayesian: also a Bayesian network for each seed. --networks: fewer networks train in less time.
--quick: 8 networks, 5 epochs, seed 0.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import all_inputs
import numpy as np
import xarray as xr
from networks import ecco_features, ecco_ocean, published_labels, published_members

from thor.app.configuration import default_configuration
from thor.core.variables import FEATURES
from thor.networks.baselines import all_probabilities, fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.fields import published_scaling
from thor.networks.inputs import all_features, predictor_features
from thor.networks.predictor import AVERAGE, BOOSTING, ENSEMBLE
from thor.networks.samples import Samples, samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings, TrainingSettings
from thor.networks.skill import skill_table
from thor.networks.split import make_split
from thor.networks.stack import NetworkStack
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.uncertainty.bayesian import fit_bayesian
from thor.uncertainty.predictive import predictive_distribution
from thor.uncertainty.selective import mistake_auroc
from thor.uncertainty.settings import BayesianSettings

CURLS = ("released", "surface")
RADII_KM = (150, 300)
BOOTSTRAP = BootstrapSettings()
TRAINING = TrainingSettings(batch_size=64, epochs=60, **all_inputs.TRAINING)
BAYESIAN = BayesianSettings(batch_size=256, epochs=60)
COLUMNS = (
    *("labels", "stress curl", "predictor", "seed", "accuracy", "NLL", "ECE"),
    *("AUROC entropy", "AUROC mutual inf.", "minus published", "90 % interval"),
)


@dataclass(frozen=True)
class Found:
    """Predictions of one predictor for the test cells."""

    probability: np.ndarray
    mutual_information: np.ndarray | None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regimes", type=Path, help="regimes.nc of a run: its labels instead of the published ones")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--curls", nargs="+", choices=CURLS, default=CURLS)
    parser.add_argument("--groups", nargs="*", default=[], help="groups of extended features, such as 'around deptho'")
    parser.add_argument("--networks", type=int, default=TRAINING.n_networks)
    parser.add_argument("--bayesian", action="store_true", help="also Bayesian networks")
    parser.add_argument("--quick", action="store_true", help="8 networks, 5 epochs, seed 0")
    options = parser.parse_args()
    settings = TRAINING.replace(n_networks=options.networks)
    bayesian = BAYESIAN if options.bayesian else None
    if options.quick:
        settings, options.seeds = settings.replace(n_networks=8, epochs=5), [0]
        bayesian = bayesian and bayesian.replace(n_draws=20, epochs=7)
    ocean = ecco_ocean()
    name = "consensus" if options.regimes else "published"
    regimes = xr.load_dataset(options.regimes) if options.regimes else published_labels(ocean)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for curl in options.curls:
        for row in rows(ocean, regimes, curl, settings, bayesian, seeds=options.seeds, groups=options.groups):
            print(f"| {name} | {curl} | {row} |", flush=True)


def rows(
    ocean: xr.Dataset,
    regimes: xr.Dataset,
    curl: str,
    settings: TrainingSettings,
    bayesian: BayesianSettings | None,
    *,
    seeds: list[int],
    groups: list[str],
) -> Iterator[str]:
    """Yield the rows of the table for one kind of labels and one stress curl."""
    if groups:
        boosting, around = BoostingSettings(**all_inputs.BOOSTING), {"radii_km": RADII_KM}
    else:
        ecco = default_configuration("ecco")["parameters"]
        boosting = BoostingSettings(**ecco["modelling"]["boosting"] | all_inputs.BOOSTING)
        near = ecco["data_engineering"]
        around = {"radii_km": near["neighbourhood_radii_km"], "statistics": tuple(near["neighbourhood_statistics"])}
    fields = ecco_features(ocean, stress_curl=curl, **around)
    names, used = predictor_features(fields, groups or "published", boosting.features)
    split = make_split(fields, regimes, SplitSettings(reflect=False, rescale=False))
    everything = samples_from(fields, regimes, split, names=all_features(names, used))
    test, train = everything.with_role("test"), everything.with_role("train")
    baselines = fit_baselines(train, FeatureScaler.fit(train), boosting=boosting, boosting_features=used, seed=0)
    samples, seen = everything.with_features(names), test.with_features(names)
    found: dict[str, Found] = {}
    for seed in seeds:
        for name, stack, scaler in trained(samples, settings, bayesian, seed):
            found[f"{name} {seed}"] = of_networks(stack, scaler, seen)
            if name == ENSEMBLE:
                found[f"average {seed}"] = Found(all_probabilities(stack, baselines, test.inputs)[AVERAGE], None)
    found["boosting "] = Found(baselines.predict_proba(BOOSTING, test.inputs), None)
    found["published "] = of_networks(
        in_order(published_members(), samples), published_scaling(fields), test.with_features(FEATURES)
    )
    everywhere = {"test": np.ones(len(test.labels), bool)}
    probabilities = {name: what.probability for name, what in found.items()}
    table = skill_table(probabilities, test, regions=everywhere, correlations={}, settings=BOOTSTRAP, seed=0)
    for name, what in found.items():
        yield row(name, table[name]["test"], what, test)


def trained(
    samples: Samples, settings: TrainingSettings, bayesian: BayesianSettings | None, seed: int
) -> Iterator[tuple[str, NetworkStack, FeatureScaler]]:
    """Yield the networks of one seed, with the scaler of their inputs."""
    train, select = samples.with_role("train"), samples.with_role("select")
    scaler = FeatureScaler.fit(train)
    tables = [Table(scaler.transform(part.inputs), part.labels) for part in (train, select)]
    names: dict[str, Any] = {"features": samples.features, "classes": samples.classes}
    yield "ensemble", train_stack(*tables, **names, settings=settings, seed=seed, progress=False).stack, scaler
    if bayesian is not None:
        network, _ = fit_bayesian(*tables, **names, settings=bayesian, seed=seed, progress=False)
        yield "bayesian", network.draws(bayesian.n_draws, seed=seed), scaler


def of_networks(stack: NetworkStack, scaler: FeatureScaler, test: Samples) -> Found:
    """Return the predictions of networks for the test cells."""
    found = predictive_distribution(stack, scaler.transform(test.inputs), credible_level=0.9)
    return Found(found.probability, found.mutual_information)


def in_order(stack: NetworkStack, samples: Samples) -> NetworkStack:
    """Return networks whose outputs are in the order of the samples' regimes."""
    order = [stack.classes.index(name) for name in samples.classes]
    kernels = (*stack.kernels[:-1], stack.kernels[-1][..., order])
    return NetworkStack(kernels, (*stack.biases[:-1], stack.biases[-1][..., order]), stack.features, samples.classes)


def row(name: str, entry: dict[str, Any], what: Found, test: Samples) -> str:
    """Return one row of the table."""
    predictor, _, seed = name.partition(" ")
    wrong = what.probability.argmax(axis=1) != test.labels
    entropy = -(what.probability * np.log(np.maximum(what.probability, 1e-30))).sum(axis=1)
    cells = [
        predictor,
        seed,
        f"{entry['accuracy']:.4f}",
        f"{entry['negative_log_likelihood']:.4f}",
        f"{entry['expected_calibration_error']:.4f}",
        f"{mistake_auroc(entropy, wrong):.4f}",
        "" if what.mutual_information is None else f"{mistake_auroc(what.mutual_information, wrong):.4f}",
    ]
    against = entry.get("difference_to", {}).get("published ", {}).get("accuracy")
    if against is None:
        return " | ".join([*cells, "", ""])
    difference, low, high = (100 * against[part] for part in ("difference", "low", "high"))
    return " | ".join([*cells, f"{difference:+.2f}", f"{low:+.2f} to {high:+.2f}"])


if __name__ == "__main__":
    main()
