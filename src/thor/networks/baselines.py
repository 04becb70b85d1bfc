"""Baseline predictors without a network, for comparison with the networks' scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from thor.core.arrays import Array
from thor.core.errors import NetworkError, did_you_mean
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler

BASELINES = ("majority", "stress_curl_tree", "gradient_boosting")
"""Class shares alone; a tree on wind stress curl alone; gradient boosting on all features."""

AVERAGE = "average"
"""The mean of the probabilities of ensemble and gradient boosting, which err in different places."""

TREE_LEAVES = 12
"""Leaves of the tree on wind stress curl alone."""

BOOSTING = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 50,
    # Without it a class of fewer samples than a leaf needs diverges: an ocean without its regime then gets it.
    "l2_regularization": 1.0,
    # Early stopping would hold out random cells, which are nearly copies of training cells.
    "early_stopping": False,
}
"""Settings of scikit-learn's HistGradientBoostingClassifier: smaller steps and trees than its defaults. Trees of 8
instead of 15 leaves are as accurate in left-out basins, and less certain where they are wrong."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """Fitted baselines.

    Attributes
    ----------
    models : dict of str to scikit-learn classifier
        By the names of `BASELINES`.
    scaler : FeatureScaler
        Of the samples they were fitted on: scikit-learn's trees take differences below 1e-7 for none.
    classes : tuple of str
    """

    models: Mapping[str, Any]
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
        if name not in self.models:
            raise NetworkError(f"There is no baseline '{name}'.{did_you_mean(name, self.models)}")
        model = self.models[name]
        probability = np.zeros((len(inputs), len(self.classes)))
        with threadpool_limits(1):
            probability[:, model.classes_] = model.predict_proba(_seen(name, inputs, self.scaler))
        return probability


def with_baselines(ensemble: NDArray[np.float64], baselines: Baselines, inputs: Array) -> dict[str, Any]:
    """Return the probabilities of `ensemble`, `AVERAGE` and `BASELINES`, each of shape (n_samples, n_classes).

    Parameters
    ----------
    ensemble : ndarray of shape (n_samples, n_classes)
        Probabilities of the networks.
    baselines : Baselines
    inputs : ndarray of shape (n_samples, n_features)
        In the units of the features, not scaled.
    """
    others = {name: baselines.predict_proba(name, inputs) for name in BASELINES}
    return {"ensemble": ensemble, AVERAGE: 0.5 * (ensemble + others["gradient_boosting"]), **others}


def fit_baselines(samples: Samples, *, seed: int, weights: NDArray[np.float64] | None = None) -> Baselines:
    """Return the baselines fitted on training samples.

    Parameters
    ----------
    samples : Samples
        With `wind_stress_curl` among the features.
    seed : int
    weights : ndarray of shape (n_samples,), optional
        Of the samples; by default all are equal.

    Raises
    ------
    NetworkError
        When there is no wind stress curl for the tree.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.tree import DecisionTreeClassifier

    if "wind_stress_curl" not in samples.features:
        raise NetworkError(f"The tree needs 'wind_stress_curl'; the samples have {', '.join(samples.features)}.")
    models = {
        "majority": DummyClassifier(strategy="prior"),
        "stress_curl_tree": DecisionTreeClassifier(max_leaf_nodes=TREE_LEAVES, random_state=seed),
        "gradient_boosting": HistGradientBoostingClassifier(**BOOSTING, random_state=seed),
    }
    scaler = FeatureScaler.fit(samples)
    for name, model in models.items():
        # Boosting's threads wait for one another in a loop: on busy cores that takes minutes instead of seconds.
        with threadpool_limits(1):
            model.fit(_seen(name, samples.inputs, scaler), samples.labels, sample_weight=weights)
    return Baselines(models, scaler, samples.classes)


def _seen(name: str, inputs: Array, scaler: FeatureScaler) -> NDArray[np.float32]:
    scaled = scaler.transform(inputs)
    if name != "stress_curl_tree":
        return scaled
    column = scaler.features.index("wind_stress_curl")
    return scaled[:, column : column + 1]
