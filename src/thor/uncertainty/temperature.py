"""Temperature scaling of probabilities (Guo et al. 2017, arXiv:1706.04599)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import t as student_t

from thor.core.errors import NetworkError
from thor.networks.json_model import JsonModel
from thor.networks.scores import FLOOR, log_loss

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Beyond these limits the probabilities are uninformative, or all certain and right."""

SIGNIFICANCE = 0.9
"""Of the gain by a temperature over left-out basins."""


@dataclass(frozen=True)
class Temperature(JsonModel):
    """The temperature of a predictor, from basins left out of its training.

    Attributes
    ----------
    applied : float
        `fitted` if it improves the likelihood in basins that it was not fitted on significantly, else 1.
    fitted : float
        With the highest likelihood over all left-out basins, each of which counts alike.
    gain : float
        By how much a temperature fitted on the other basins lowers the negative log-likelihood of a basin, relative to
        temperature 1, mean over the basins [nat].
    gain_error : float
        Standard error of `gain` over the basins [nat].
    """

    KIND = "A temperature"

    applied: float
    fitted: float
    gain: float
    gain_error: float


def left_out_temperature(
    predict: Mapping[str, Callable[[float], np.ndarray]], labels: Mapping[str, np.ndarray]
) -> Temperature:
    """Return the temperature of a predictor from its probabilities in basins that it was not trained in.

    It is applied only if its mean gain in basins that it was not fitted on is positive at the level `SIGNIFICANCE` of
    a one-sided t-test over the basins: few basins determine a temperature poorly, and a wrong one is worse than none.

    Parameters
    ----------
    predict : mapping of str to callable
        By basin, at least two: probabilities of shape (n_samples, n_classes) at a temperature.
    labels : mapping of str to ndarray of int, shape (n_samples,)
        By basin.
    """
    if len(predict) < 2:
        raise NetworkError(f"A temperature needs at least two left-out basins; got {', '.join(predict) or 'none'}.")
    grid = np.linspace(np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE), 61)
    losses = np.array([[log_loss(at(float(np.exp(t))), labels[basin]) for t in grid] for basin, at in predict.items()])
    curves = [CubicSpline(grid, of_basin) for of_basin in losses]
    in_others = [_lowest(grid, np.delete(losses, basin, axis=0).mean(axis=0)) for basin in range(len(losses))]
    gains = np.array([curve(0.0) - curve(best) for curve, best in zip(curves, in_others, strict=True)])
    fitted = float(np.exp(_lowest(grid, losses.mean(axis=0))))
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    significant = gain > student_t.ppf(SIGNIFICANCE, len(gains) - 1) * error
    return Temperature(fitted if significant else 1.0, fitted, gain, error)


def temperature_of_mean(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature, to be used with `with_temperature`, at which the likelihood of the labels is highest.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
    labels : ndarray of int, shape (n_samples,)

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
    Guo et al. 2017, doi:10.48550/arXiv.1706.04599. A temperature of the logits of each network, before their mean, is
    as good (Rahaman & Thiery 2021, doi:10.48550/arXiv.2007.08792; on ECCO's published networks the likelihoods differ
    by 1e-4 nats), and entropies and mutual information remain those of one mixture: `left_out_temperature`.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(with_temperature(probabilities, float(np.exp(log_temperature))), labels)

    bounds = np.log([LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    if not np.isfinite(found.fun):
        raise NetworkError("No temperature can be fitted: the probabilities are not numbers.")
    return float(np.exp(found.x))


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities of shape (..., n_classes) raised to 1 / temperature and normalised."""
    return softmax(np.log(np.maximum(probabilities, FLOOR)) / temperature, axis=-1)


def _lowest(grid: np.ndarray, losses: np.ndarray) -> float:
    """Return where the curve through these losses is lowest."""
    curve = CubicSpline(grid, losses)
    least = int(np.argmin(losses))
    bounds = grid[max(least - 1, 0)], grid[min(least + 1, len(grid) - 1)]
    return float(minimize_scalar(curve, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x)
