"""Nodes of `modelling`."""

import logging
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import Modelling
from thor.core.errors import counted
from thor.networks import fields
from thor.networks.inputs import all_features, cell_inputs, input_names, predictor_features
from thor.networks.predictor import of_surface
from thor.networks.published import for_regimes
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.split import ROLES, basin_folds, final_split, make_split
from thor.regimes.naming import regime_names

log = logging.getLogger(__name__)


def split_cells(features: xr.Dataset, regimes: xr.Dataset, parameters: Modelling) -> xr.Dataset:
    """Return the role of each cell: train, select, test, or buffer between them."""
    split = make_split(features, regimes, parameters.split, seed=parameters.seed)
    counts = {role: int((split["role"] == code).sum()) for code, role in enumerate(ROLES)}
    log.info("cells: %s", ", ".join(f"{role} {count}" for role, count in counts.items()))
    return split


def fit_scaler(features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, parameters: Modelling) -> dict[str, Any]:
    """Return mean and scale of the features over the training cells, or those of the published networks."""
    if parameters.networks == "published":
        return fields.published_scaling(features).to_dict()
    samples = samples_from(features, regimes, split, names=input_names(features, parameters.features))
    return FeatureScaler.fit(samples.with_role("train")).to_dict()


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
    from thor.networks.training import train_stack
    from thor.networks.training_data import training_tables

    settings = parameters.training
    if parameters.networks == "published":
        stack, history = for_regimes(published_networks(), regime_names(regimes)), xr.Dataset()
    else:
        samples = samples_from(features, regimes, split, names=input_names(features, parameters.features))
        scaler, seed = FeatureScaler.from_dict(feature_scaler), parameters.seed
        terms: dict[str, Any] = {"budget": vorticity_budget, "terms_weight": parameters.terms_weight}
        train, select, runs = training_tables(samples, scaler, settings, model=regime_model, **terms, seed=seed)
        log.info("training %s on %d cells", counted(settings.n_networks, "network"), train.n_cells)
        names: dict[str, Any] = {"features": samples.features, "classes": samples.classes}
        trained = train_stack(train, select, **names, settings=settings, seed=seed)
        stack, history = trained.stack, trained.history
        if runs is not None:
            history = history.assign(label_run=("network", runs))
        best = history["best_epoch"].values
        log.info("%s; best epochs %d to %d", counted(stack.n_networks, "network"), best.min() + 1, best.max() + 1)
    table = fields.history_table(history, predictor="ensemble", weighted_by=settings.weighted_by)
    return {"ensemble": stack, "training_history": table}


def train_final_ensemble(split: xr.Dataset, **inputs: Any) -> Any:
    """Return the networks for climate models, trained like the ensemble, but in the test regions as well."""
    return train_ensemble(split=final_split(split), **inputs)["ensemble"]


def fit_baselines(
    features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, feature_scaler: dict[str, Any], parameters: Modelling
) -> Any:
    """Return majority class, tree on the stress curl and gradient boosting, all fitted on the training cells."""
    from thor.networks.baselines import fit_baselines as fit

    of_networks, of_boosting = predictor_features(features, parameters.features, parameters.boosting.features)
    train = samples_from(features, regimes, split, names=all_features(of_networks, of_boosting)).with_role("train")
    scaler = FeatureScaler.from_dict(feature_scaler).extended(train)
    return fit(train, scaler, boosting=parameters.boosting, boosting_features=of_boosting, seed=parameters.seed)


def fit_final_baselines(split: xr.Dataset, **inputs: Any) -> Any:
    """Return the baselines for climate models, fitted in the test regions as well."""
    return fit_baselines(split=final_split(split), **inputs)


def train_left_out(
    features: xr.Dataset, regimes: xr.Dataset, vorticity_budget: xr.Dataset, parameters: Modelling
) -> Any:
    """Return, for each ocean basin, networks and baselines that saw neither it nor the test region."""
    from thor.networks.cross_validation import train_folds

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

    options = _fold_options(features, regimes, vorticity_budget, parameters)
    options |= {"split": split, "scaler": FeatureScaler.from_dict(feature_scaler)}
    found = {name: train_input_set(name, features, regimes, **options) for name in parameters.input_sets[1:]}
    for name, of_set in found.items():
        log.info("input set %s adds %s", name, ", ".join(of_set.added))
    return found


def predict_ensemble(ensemble: Any, features: xr.Dataset, feature_scaler: dict[str, Any]) -> xr.Dataset:
    """Return mean and spread of the networks' probabilities in every valid cell."""
    from thor.networks.prediction import predict

    scaler = FeatureScaler.from_dict(feature_scaler)
    scaler.require(ensemble.features)
    inputs, index = cell_inputs(features, names=ensemble.features)
    return fields.probability_fields(predict(ensemble, scaler.transform(inputs)), index, features, ensemble.classes)


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
    from thor.networks import member_skill
    from thor.networks.baselines import BASELINES, all_probabilities
    from thor.networks.cross_validation import error_correlations, left_out_predictions, left_out_scores
    from thor.networks.input_sets import input_set_scores
    from thor.networks.prediction import probability_blocks
    from thor.networks.skill import region_scores, skill_table

    samples = samples_from(features, regimes, split, names=baselines.scaler.features)
    of_networks = FeatureScaler.from_dict(feature_scaler)
    inputs = of_networks.transform(samples.with_features(of_networks.features).inputs)
    regions = fields.role_masks(samples)
    probabilities = all_probabilities(ensemble, baselines, samples.inputs)
    if parameters.compare_published:
        published = published_networks()
        if set(published.classes) == set(samples.classes):
            scaling = fields.published_scaling(features)
            probabilities["published_networks"] = fields.published_probabilities(published, samples, scaling)
        else:
            log.warning("the published networks are not scored: the regimes here are %s", ", ".join(samples.classes))
    left_out = left_out_predictions(left_out_predictors, features, regimes)
    correlations = error_correlations(left_out.values(), seed=parameters.seed)
    # Networks of one kind have errors of one kind.
    correlations |= {"published_networks": correlations["ensemble"]}
    drawn: dict[str, Any] = {"settings": parameters.bootstrap, "seed": parameters.seed}
    table = skill_table(probabilities, samples, regions=regions, correlations=correlations, **drawn)
    elsewhere = left_out_scores(left_out, differences=False, correlations=correlations, **drawn)
    oceans = region_scores(probabilities, samples, regions=fields.basin_masks(samples, regions["test"]))
    sums = member_skill.network_sums(probability_blocks(ensemble, inputs), samples, regions=regions)
    members = member_skill.network_scores(sums, classes=samples.classes)
    metrics = {
        name: by_region | oceans.get(name, {}) | elsewhere.get(name, {})
        for name, by_region in (table | member_skill.member_table(members, classes=samples.classes)).items()
    } | input_set_scores(input_sets, ensemble, baselines, features, regimes, **drawn)
    for regions_of in metrics.values():
        for entry in regions_of.values():
            entry["split"] = split.attrs["split"]
    here = table["ensemble"]["test"]
    loss = here["negative_log_likelihood"]
    log.info("test cells: accuracy %.3f, negative log-likelihood %.3f nat", here["accuracy"], loss)
    sizes = " ".join(map(str, ensemble.layer_sizes))
    settings = f"{parameters.networks}, layers {sizes}"
    networks = fields.network_table(members, predictor="ensemble", history=training_history, settings=settings)
    others = {name: table[name] for name in BASELINES}
    of_others = {name: probabilities[name] for name in BASELINES}
    reliability = [
        member_skill.network_reliability(sums, predictor="ensemble"),
        member_skill.predictor_reliability(of_others, samples, regions=regions),
    ]
    return {
        "skill_metrics": metrics,
        "network_metrics": pd.concat([networks, fields.predictor_rows(others)]),
        "network_reliability": pd.concat(reliability),
    }


def draw_skill(skill_metrics: dict[str, Any]) -> dict[str, Any]:
    """Draw scores with intervals, those in oceans left out of training, and confusion matrices, and both input sets."""
    from thor.figures.skill import confusion_matrices, input_set_skill, left_out_skill, skill_intervals

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


def _fold_options(
    features: xr.Dataset, regimes: xr.Dataset, vorticity_budget: xr.Dataset, parameters: Modelling
) -> dict[str, Any]:
    """Return how predictors without one basin, and those of further input sets, are trained."""
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
