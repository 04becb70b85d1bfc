"""Baseline predictors without a network, for comparison with the networks' scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from thor.core.arrays import Array
from thor.core.errors import NetworkError, did_you_mean
from thor.networks.prediction import predict
from thor.networks.predictor import AVERAGE, BOOSTING, ENSEMBLE, Average, Boosting, Predictor, columns
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings
from thor.networks.stack import NetworkStack, Weights
from thor.networks.training_data import budget_inputs
from thor.networks.trees import BoostedTrees

BASELINES = ("majority", "stress_curl_tree", BOOSTING)
"""Class shares alone; a tree on wind stress curl alone; gradient boosting on all features."""

TREE_LEAVES = 12
"""Leaves of the tree on wind stress curl alone."""

_CURL = ("wind_stress_curl",)
"""What the simple references see; the majority class does not use it."""

_WITH_NETWORKS = (AVERAGE, ENSEMBLE)


@dataclass(frozen=True, eq=False)
class Baselines:
    """Fitted baselines.

    Attributes
    ----------
    models : dict of str to scikit-learn classifier
        Majority class and tree, by the names of `BASELINES`.
    boosting : Boosting
    scaler : FeatureScaler
        Of the inputs: trees see them scaled, since scikit-learn's take differences below 1e-7 for none.
    classes : tuple of str
    """

    models: Mapping[str, Any]
    boosting: Boosting
    scaler: FeatureScaler
    classes: tuple[str, ...]

    def predict_proba(self, name: str, inputs: Array) -> NDArray[np.float64]:
        """Return the probabilities of one baseline.

        Parameters
        ----------
        name : str
            One of `BASELINES`.
        inputs : ndarray of shape (n_samples, n_features)
            In the units of the features, not scaled.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            0 for a class without training samples.

        Raises
        ------
        NetworkError
            When there is no such baseline, or the number of features differs.
        """
        if name not in BASELINES:
            raise NetworkError(f"There is no baseline '{name}'.{did_you_mean(name, BASELINES)}")
        scaled, features = self.scaler.transform(inputs), self.scaler.features
        if name == BOOSTING:
            return self.boosting.probabilities(columns(scaled, features, self.boosting.features))
        model = self.models[name]
        probability = np.zeros((len(inputs), len(self.classes)))
        probability[:, model.classes_] = model.predict_proba(columns(scaled, features, _CURL))
        return probability


def predictors_of(ensemble: NetworkStack, baselines: Baselines, **posteriors: NetworkStack) -> dict[str, Predictor]:
    """Return the average of networks and boosting, each of the two, and networks drawn from posteriors, by name.

    Parameters
    ----------
    ensemble : NetworkStack
    baselines : Baselines
    **posteriors : NetworkStack
        Such as `bayesian` and `laplace`.
    """
    boosting = baselines.boosting
    return {AVERAGE: Average(ensemble, boosting), ENSEMBLE: ensemble, BOOSTING: boosting, **posteriors}


def chosen_predictors(
    names: Sequence[str],
    ensemble: NetworkStack,
    baselines: Baselines,
    *,
    n_draws: int,
    seed: int,
    **posteriors: Any,
) -> dict[str, Predictor]:
    """Return the named ones of `predictors_of`, with `n_draws` networks of each posterior among them."""
    drawn = {name: posterior.draws(n_draws, seed=seed) for name, posterior in posteriors.items() if name in names}
    found = predictors_of(ensemble, baselines, **drawn)
    return {str(name): found[name] for name in names}


def all_probabilities(ensemble: NetworkStack, baselines: Baselines, inputs: Array) -> dict[str, NDArray[np.float64]]:
    """Return the probabilities of `AVERAGE`, `ENSEMBLE` and `BASELINES`, each of shape (n_samples, n_classes).

    Parameters
    ----------
    ensemble : NetworkStack
    baselines : Baselines
    inputs : ndarray of shape (n_samples, n_features)
        In the units of the features, not scaled.
    """
    scaled, features = baselines.scaler.transform(inputs), baselines.scaler.features
    found = predictors_of(ensemble, baselines)
    means = {
        name: predict(found[name], columns(scaled, features, found[name].features)).mean for name in _WITH_NETWORKS
    }
    return means | {name: baselines.predict_proba(name, inputs) for name in BASELINES}


def fit_baselines(
    samples: Samples,
    scaler: FeatureScaler,
    *,
    boosting: BoostingSettings,
    boosting_features: tuple[str, ...] | None = None,
    seed: int,
) -> Baselines:
    """Return the baselines fitted on training samples; boosting on those of the reflected ocean, too.

    Parameters
    ----------
    samples : Samples
        With `wind_stress_curl` among the features.
    scaler : FeatureScaler
        Of these features.
    boosting : BoostingSettings
        But for its features.
    boosting_features : tuple of str, optional
        Features that boosting uses, all by default.
    seed : int

    Raises
    ------
    NetworkError
        When there is no wind stress curl for the tree, or the scaler is of other features.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.tree import DecisionTreeClassifier

    if "wind_stress_curl" not in samples.features:
        raise NetworkError(f"The tree needs 'wind_stress_curl'; the samples have {', '.join(samples.features)}.")
    models: dict[str, Any] = {
        "majority": DummyClassifier(strategy="prior"),
        "stress_curl_tree": DecisionTreeClassifier(max_leaf_nodes=TREE_LEAVES, random_state=seed),
    }
    scaler.require(samples.features)
    # The simple references see the ocean as it is.
    curl = columns(scaler.transform(samples.inputs), scaler.features, _CURL)
    for model in models.values():
        model.fit(curl, samples.labels)
    # Trees gain little from flow of another strength, on ECCO they lose: docs/skill.md.
    oceans = [ocean for ocean in samples.similar if ocean.amplitude == 1]
    train, used = samples.with_similar(oceans).to_train(), boosting_features or samples.features
    inputs = columns(scaler.transform(train.inputs), scaler.features, used)
    return Baselines(models, _boosted(inputs, train, used, boosting, seed=seed), scaler, samples.classes)


def _boosted(
    inputs: Weights, train: Samples, used: tuple[str, ...], settings: BoostingSettings, *, seed: int
) -> Boosting:
    """Return trees on these inputs of the samples, and on the terms of the budget among them."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    options = settings.model_dump(exclude={"features", "budget_share"}) | {"early_stopping": False}
    terms = budget_inputs(used)
    shares = {used: 1.0} if terms == used else {used: 1 - settings.budget_share, terms: settings.budget_share}
    fitted = {}
    for names in (names for names, share in shares.items() if share):
        # Boosting's threads wait for one another in a loop: on busy cores that takes minutes instead of seconds.
        with threadpool_limits(1):
            model = HistGradientBoostingClassifier(**options, random_state=seed)
            fitted[names] = model.fit(columns(inputs, used, names), train.labels)
    trees = BoostedTrees.of(
        *fitted.values(),
        columns=[[used.index(name) for name in names] for names in fitted],
        shares=[shares[names] for names in fitted],
    )
    return Boosting(trees, tuple(map(int, model.classes_)), used, train.classes)
