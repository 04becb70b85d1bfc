"""Nodes of `modelling`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import Modelling
from thor.core.errors import counted

log = logging.getLogger(__name__)


def split_cells(features: xr.Dataset, regimes: xr.Dataset, parameters: Modelling) -> xr.Dataset:
    """Return the role of each cell: train, select, test, or buffer between them."""
    from thor.networks.split import ROLES, make_split

    split = make_split(features, regimes, parameters.split, seed=parameters.seed)
    counts = {role: int((split["role"] == code).sum()) for code, role in enumerate(ROLES)}
    log.info("cells: %s", ", ".join(f"{role} {count}" for role, count in counts.items()))
    return split


def fit_scaler(features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, parameters: Modelling) -> dict[str, Any]:
    """Return mean and scale of the features over the training cells, or those of the published networks."""
    from thor.networks.fields import published_scaling
    from thor.networks.scaler import FeatureScaler

    if parameters.networks == "published":
        return published_scaling(features).to_dict()
    return FeatureScaler.fit(_samples(features, regimes, split, parameters).with_role("train")).to_dict()


def train_ensemble(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    regime_model: Any,
    vorticity_budget: xr.Dataset,
    published_networks: Any,
    parameters: Modelling,
) -> dict[str, Any]:
    """Return the networks, trained here or published, each at its best epoch, and their learning curves."""
    from thor.networks.fields import history_table
    from thor.networks.published import for_regimes
    from thor.networks.scaler import FeatureScaler
    from thor.networks.training import train_stack
    from thor.networks.training_data import training_tables
    from thor.regimes.naming import regime_names

    if parameters.networks == "published":
        stack, history = for_regimes(published_networks(), regime_names(regimes)), xr.Dataset()
    else:
        samples = _samples(features, regimes, split, parameters)
        train, select, runs = training_tables(
            samples,
            FeatureScaler.from_dict(feature_scaler),
            parameters.training,
            model=regime_model,
            budget=vorticity_budget,
            terms_weight=parameters.terms_weight,
            seed=parameters.seed,
        )
        log.info("training %s on %d cells", counted(parameters.training.n_networks, "network"), train.n_cells)
        trained = train_stack(
            train,
            select,
            features=samples.features,
            classes=samples.classes,
            settings=parameters.training,
            seed=parameters.seed,
        )
        stack, history = trained.stack, trained.history
        if runs is not None:
            history = history.assign(label_run=("network", runs))
        best = history["best_epoch"].values
        log.info("%s; best epochs %d to %d", counted(stack.n_networks, "network"), best.min() + 1, best.max() + 1)
    table = history_table(history, predictor="ensemble", weighted_by=parameters.training.weighted_by)
    return {"ensemble": stack, "training_history": table}


def train_final_ensemble(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    regime_model: Any,
    vorticity_budget: xr.Dataset,
    published_networks: Any,
    parameters: Modelling,
) -> Any:
    """Return the networks for climate models, trained like the ensemble, but in the test regions as well."""
    from thor.networks.split import final_split

    given = feature_scaler, regime_model, vorticity_budget, published_networks, parameters
    return train_ensemble(features, regimes, final_split(split), *given)["ensemble"]


def fit_baselines(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    parameters: Modelling,
) -> Any:
    """Return majority class, tree on the stress curl and gradient boosting, all fitted on the training cells."""
    from thor.networks.baselines import fit_baselines as fit
    from thor.networks.samples import all_features, predictor_features, samples_from
    from thor.networks.scaler import FeatureScaler

    of_networks, of_boosting = predictor_features(features, parameters.features, parameters.boosting.features)
    train = samples_from(features, regimes, split, names=all_features(of_networks, of_boosting)).with_role("train")
    scaler = FeatureScaler.from_dict(feature_scaler).extended(train)
    return fit(train, scaler, boosting=parameters.boosting, boosting_features=of_boosting, seed=parameters.seed)


def fit_final_baselines(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    parameters: Modelling,
) -> Any:
    """Return the baselines for climate models, fitted in the test regions as well."""
    from thor.networks.split import final_split

    return fit_baselines(features, regimes, final_split(split), feature_scaler, parameters)


def train_left_out(
    features: xr.Dataset, regimes: xr.Dataset, vorticity_budget: xr.Dataset, parameters: Modelling
) -> Any:
    """Return, for each ocean basin, networks and baselines that saw neither it nor the test region."""
    from thor.networks.folds import train_folds

    return list(train_folds(features, regimes, **_fold_options(features, regimes, vorticity_budget, parameters)))


def train_input_sets(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    vorticity_budget: xr.Dataset,
    parameters: Modelling,
) -> dict[str, Any]:
    """Return, by input set beside the surface, its predictors for scores, and those without each ocean basin."""
    from thor.networks.input_sets import train_input_set
    from thor.networks.scaler import FeatureScaler

    options = _fold_options(features, regimes, vorticity_budget, parameters)
    options |= {"split": split, "scaler": FeatureScaler.from_dict(feature_scaler)}
    found = {name: train_input_set(name, features, regimes, **options) for name in parameters.input_sets[1:]}
    for name, of_set in found.items():
        log.info("input set %s adds %s", name, ", ".join(of_set.added))
    return found


def predict_ensemble(ensemble: Any, features: xr.Dataset, feature_scaler: dict[str, Any]) -> xr.Dataset:
    """Return mean and spread of the networks' probabilities in every valid cell."""
    from thor.networks.fields import probability_fields
    from thor.networks.prediction import predict
    from thor.networks.samples import cell_inputs
    from thor.networks.scaler import FeatureScaler

    scaler = FeatureScaler.from_dict(feature_scaler)
    scaler.require(ensemble.features)
    inputs, index = cell_inputs(features, names=ensemble.features)
    return probability_fields(predict(ensemble, scaler.transform(inputs)), index, features, ensemble.classes)


def score_networks(
    ensemble: Any,
    baselines: Any,
    left_out_predictors: Any,
    input_sets: dict[str, Any],
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    training_history: pd.DataFrame,
    published_networks: Any,
    parameters: Modelling,
) -> dict[str, Any]:
    """Return the scores of all predictors by region and ocean of the test region, and in oceans left out."""
    from thor.networks.baselines import BASELINES, all_probabilities
    from thor.networks.fields import (
        basin_masks,
        network_table,
        predictor_rows,
        published_probabilities,
        published_scaling,
        role_masks,
    )
    from thor.networks.folds import error_correlations, left_out_predictions, left_out_scores
    from thor.networks.input_sets import input_set_scores
    from thor.networks.member_skill import (
        member_table,
        network_reliability,
        network_scores,
        network_sums,
        predictor_reliability,
    )
    from thor.networks.prediction import probability_blocks
    from thor.networks.samples import samples_from
    from thor.networks.scaler import FeatureScaler
    from thor.networks.skill import region_scores, skill_table

    samples = samples_from(features, regimes, split, names=baselines.scaler.features)
    of_networks = FeatureScaler.from_dict(feature_scaler)
    inputs = of_networks.transform(samples.with_features(of_networks.features).inputs)
    regions = role_masks(samples)
    probabilities = all_probabilities(ensemble, baselines, samples.inputs)
    if parameters.compare_published:
        published = published_networks()
        if set(published.classes) == set(samples.classes):
            probabilities["published_networks"] = published_probabilities(
                published, samples, published_scaling(features)
            )
        else:
            log.warning("the published networks are not scored: the regimes here are %s", ", ".join(samples.classes))
    left_out = left_out_predictions(left_out_predictors, features, regimes)
    correlations = error_correlations(left_out.values(), seed=parameters.seed)
    # Networks of one kind have errors of one kind.
    correlations |= {"published_networks": correlations["ensemble"]}
    drawn: dict[str, Any] = {"settings": parameters.bootstrap, "seed": parameters.seed}
    table = skill_table(probabilities, samples, regions=regions, correlations=correlations, **drawn)
    elsewhere = left_out_scores(left_out, differences=False, correlations=correlations, **drawn)
    oceans = region_scores(probabilities, samples, regions=basin_masks(samples, regions["test"]))
    sums = network_sums(probability_blocks(ensemble, inputs), samples, regions=regions)
    members = network_scores(sums, classes=samples.classes)
    metrics = {
        name: by_region | oceans.get(name, {}) | elsewhere.get(name, {})
        for name, by_region in (table | member_table(members, classes=samples.classes)).items()
    } | input_set_scores(input_sets, ensemble, baselines, features, regimes, **drawn)
    for regions_of in metrics.values():
        for entry in regions_of.values():
            entry["split"] = split.attrs["split"]
    here = table["ensemble"]["test"]
    loss = here["negative_log_likelihood"]
    log.info("test cells: accuracy %.3f, negative log-likelihood %.3f nat", here["accuracy"], loss)
    sizes = " ".join(map(str, ensemble.layer_sizes))
    networks = network_table(
        members, predictor="ensemble", history=training_history, settings=f"{parameters.networks}, layers {sizes}"
    )
    others = {name: table[name] for name in BASELINES}
    of_others = predictor_reliability({name: probabilities[name] for name in BASELINES}, samples, regions=regions)
    return {
        "skill_metrics": metrics,
        "network_metrics": pd.concat([networks, predictor_rows(others)]),
        "network_reliability": pd.concat([network_reliability(sums, predictor="ensemble"), of_others]),
    }


def draw_skill(skill_metrics: dict[str, Any]) -> dict[str, Any]:
    """Draw scores with intervals, those in oceans left out of training, and confusion matrices, and both input sets."""
    from thor.figures.skill import confusion_matrices, input_set_skill, left_out_skill, skill_intervals
    from thor.networks.predictor import of_surface

    surface = of_surface(skill_metrics)
    return {
        "modelling_skill": skill_intervals(surface),
        "modelling_left_out": left_out_skill(surface),
        "modelling_confusion": confusion_matrices(surface),
        "modelling_input_sets": input_set_skill(skill_metrics),
    }


def draw_learning_curves(training_history: pd.DataFrame) -> Any:
    """Draw the learning curves of all networks in one panel."""
    from thor.figures.skill import learning_curves

    return learning_curves(training_history)


def _samples(features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, parameters: Modelling) -> Any:
    from thor.networks.samples import input_names, samples_from

    return samples_from(features, regimes, split, names=input_names(features, parameters.features))


def _fold_options(
    features: xr.Dataset, regimes: xr.Dataset, vorticity_budget: xr.Dataset, parameters: Modelling
) -> dict[str, Any]:
    """Return how predictors without one basin, and those of further input sets, are trained."""
    from thor.networks.samples import predictor_features
    from thor.networks.split import basin_folds

    names, boosting_names = predictor_features(features, parameters.features, parameters.boosting.features)
    return {
        "splits": basin_folds(features, regimes, parameters.split, seed=parameters.seed, without_test=True),
        "names": names,
        "boosting_names": boosting_names,
        "training": parameters.training.replace(n_networks=parameters.left_out_networks),
        "boosting": parameters.boosting,
        "terms": (vorticity_budget, parameters.terms_weight),
        "seed": parameters.seed,
    }
