"""Leave-one-basin-out cross-validation: how networks and their rivals do in each ocean basin when it taught nothing."""

from typing import Any

import xarray as xr

from thor.networks.baselines import BASELINES, fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.prediction import predict
from thor.networks.samples import FeatureScaler, input_names, sample_weights, samples_from
from thor.networks.settings import FeatureSet, SplitSettings, TrainingSettings
from thor.networks.skill import skill_table
from thor.networks.split import basin_folds
from thor.networks.table import Table
from thor.networks.training import train_stack


def cross_validate(
    features: xr.Dataset,
    regimes: xr.Dataset,
    *,
    feature_set: FeatureSet,
    split: SplitSettings,
    training: TrainingSettings,
    bootstrap: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores in every basin of predictors that were trained on the others.

    Parameters
    ----------
    features, regimes : xarray.Dataset
    feature_set : {"published", "extended"}
    split : SplitSettings
        Whose regions, but for the one that tests, select; see `thor.networks.split.basin_folds`.
    training : TrainingSettings
        All networks learn the consensus.
    bootstrap : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        {predictor: {basin: {metric: value}}} as from `thor.networks.skill.skill_table`.
    """
    names = input_names(features, feature_set)
    table: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in ("ensemble", *BASELINES)}
    for basin, fold in basin_folds(features, regimes, split).items():
        samples = samples_from(features, regimes, fold, names=names)
        train, select, test = (samples.with_role(role) for role in ("train", "select", "test"))
        scaler = FeatureScaler.fit(train)
        weights = sample_weights(train, area=training.area_weights, confidence=training.confidence_weights)
        trained = train_stack(
            Table(scaler.transform(train.inputs), train.labels, weights),
            Table(scaler.transform(select.inputs), select.labels),
            features=samples.features,
            classes=samples.classes,
            settings=training,
            seed=seed,
        )
        rivals = fit_baselines(train, seed=seed)
        probabilities = {"ensemble": predict(trained.stack, scaler.transform(test.inputs)).mean}
        probabilities |= {name: rivals.predict_proba(name, test.inputs) for name in BASELINES}
        everywhere = {basin: test.role == test.role[0]}
        for name, regions in skill_table(
            probabilities, test, regions=everywhere, settings=bootstrap, seed=seed
        ).items():
            table[name] |= regions
    return table
