"""Temperature scaling of probabilities (Guo et al. 2017, arXiv:1706.04599)."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from thor.core.errors import NetworkError
from thor.networks.scores import FLOOR

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Beyond these limits the probabilities are uninformative, or all certain and right."""


def fit_temperature(
    predict: Callable[[float], np.ndarray], labels: np.ndarray, *, weights: np.ndarray | None = None
) -> float:
    """Return the temperature at which the likelihood of the labels is highest.

    For networks let `predict` divide each network's logits before the mean over networks is taken
    (`lambda t: predict(stack, inputs, temperature=t).mean`): the result is as good as a temperature of the mean (on
    ECCO's published networks the likelihoods differ by 1e-4 nats), and entropies and mutual information remain those
    of one mixture. For predictors without networks: `temperature_of_mean`.

    Parameters
    ----------
    predict : callable
        Probabilities of shape (n_samples, n_classes) of the calibrate region at a temperature.
    labels : ndarray of int, shape (n_samples,)
    weights : ndarray of shape (n_samples,), optional

    Returns
    -------
    float
        Between `LOWEST_TEMPERATURE` and `HIGHEST_TEMPERATURE`; above 1 where the predictor was overconfident.

    Raises
    ------
    NetworkError
        When a probability is not a number.

    Notes
    -----
    Guo et al. 2017, doi:10.48550/arXiv.1706.04599. Temperature before or after the mean: Rahaman & Thiery 2021,
    doi:10.48550/arXiv.2007.08792.
    """

    def loss(log_temperature: float) -> float:
        of_label = predict(float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(np.average(-np.log(np.maximum(of_label, FLOOR)), weights=weights))

    bounds = np.log([LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    if not np.isfinite(found.fun):
        raise NetworkError("No temperature can be fitted: probabilities of the calibrate region are not numbers.")
    return float(np.exp(found.x))


def temperature_of_mean(probabilities: np.ndarray, labels: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """Return the temperature of given probabilities, to be used with `with_temperature`; see `fit_temperature`."""
    return fit_temperature(lambda t: with_temperature(probabilities, t), labels, weights=weights)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities of shape (..., n_classes) raised to 1 / temperature and normalised."""
    return softmax(np.log(np.maximum(probabilities, FLOOR)) / temperature, axis=-1)
