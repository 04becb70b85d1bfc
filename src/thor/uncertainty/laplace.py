"""The Laplace approximation: a Gaussian posterior around the weights of a trained network.

Its precision is the generalised Gauss-Newton matrix of the likelihood plus that of the prior,

    sum over cells of J^T (diag p - p p^T) J  +  prior_precision I,

J the Jacobian of the logits to the weights and p the probabilities: for a softmax over logits that are linear in the
weights, the exact Hessian (Daxberger et al. 2021, arXiv:2106.14806). With 1,590 weights the full covariance fits
into memory.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.core.parallel import one_thread
from thor.networks.network import backward, forward
from thor.networks.prediction import predict, probability_blocks
from thor.networks.predictor import softmax
from thor.networks.scores import FLOOR, log_loss
from thor.networks.stack import NetworkStack, Weights
from thor.networks.training_data import Table
from thor.uncertainty.posterior import Posterior, layer_places, to_vectors
from thor.uncertainty.settings import LaplaceSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class LaplaceNetwork(Posterior):
    """A Gaussian around one trained network.

    Attributes
    ----------
    mean : ndarray of float32, shape (n_weights,)
        The trained network, in the order of `thor.uncertainty.posterior`.
    factor : ndarray of float32, shape (n_uncertain, n_uncertain)
        A square root of the covariance, `factor @ factor.T`, of the last `n_uncertain` weights: all of them, or those
        of the last layer. The others are fixed.
    prior_precision : float
    network : int
        Number of the network in the ensemble.
    """

    KIND = "Laplace"
    ARRAYS = ("mean", "factor")

    mean: np.ndarray
    factor: np.ndarray
    prior_precision: float
    network: int

    def draws(self, n: int, *, seed: int) -> NetworkStack:
        """Return `n` networks drawn from the posterior; the first of them are the same for every larger `n`."""
        noise = np.random.default_rng(seed).standard_normal((n, len(self.factor)), dtype=np.float32)
        vectors = np.tile(self.mean, (n, 1))
        with one_thread():
            # One by one: the rounding of a product of matrices may depend on the number of rows.
            vectors[:, len(self.mean) - len(self.factor) :] += np.stack([self.factor @ row for row in noise])
        return self.to_stack(vectors)


def fit_laplace(
    ensemble: NetworkStack, train: Table, select: Table, *, settings: LaplaceSettings, seed: int
) -> tuple[LaplaceNetwork, pd.DataFrame]:
    """Return the Laplace approximation of the best network, and the scores of the candidate prior precisions.

    Parameters
    ----------
    ensemble : NetworkStack
        Trained networks; that of lowest negative log-likelihood on the select region is taken.
    train, select : Table
        Training cells of the networks, and those of the select region; labels of shape (n_samples,). The curvature does
        not depend on the training labels.
    settings : LaplaceSettings
    seed : int
        Of the draws that score the candidates; the same gives the same network bit for bit, whatever the threads.

    Returns
    -------
    network : LaplaceNetwork
    candidates : pandas.DataFrame
        `prior_precision`, `log_evidence` [nat] without the terms that do not depend on it, `select_loss` [nat] of
        the drawn networks' mean probability.

    Raises
    ------
    NetworkError
        When cells cannot be used or do not fit the networks.

    Notes
    -----
    The prior precision sets the spread of the draws along the many directions that the cells do not constrain. There a
    network is not linear, so drawn networks are worse than the trained one (Immer, Korzepa & Bauer 2021,
    arXiv:2008.08400, predict with the linearised network instead), as on ECCO with the precision of highest evidence.
    A precision chosen by the select loss of the drawn networks keeps their skill; the linearised network is then not
    better, and the attribution methods apply to the draws as to any network.
    """
    for what, table in (("training", train), ("select", select)):
        table.require_sound(what, n_features=len(ensemble.features), n_classes=len(ensemble.classes), n_networks=1)
    select_labels = select.label_rows()[0]
    best = best_network(ensemble, select.inputs, select_labels)
    chosen = ensemble.select([best])
    first = layer_places(chosen.layer_sizes)[0 if settings.structure == "full" else -1].kernel.start
    # A cell counts once: its samples in similar oceans are the same observation.
    inputs, weights = train.inputs[: train.n_cells], train.sample_weights()[: train.n_cells]
    # Threads change the order of sums: with one thread the result is the same to the last bit.
    with one_thread():
        curvature = gauss_newton(chosen, inputs, weights, first=first, block_cells=settings.block_cells)
        values, directions = np.linalg.eigh(curvature)
    # Flat directions have curvature zero but for rounding.
    values = np.maximum(values, 0.0)
    mean = to_vectors(chosen)[0]
    architecture: dict[str, Any] = {entry.name: getattr(chosen, entry.name) for entry in fields(Posterior)}

    def network(precision: float) -> LaplaceNetwork:
        factor = (directions / np.sqrt(values + precision)).astype(np.float32)
        return LaplaceNetwork(mean=mean, factor=factor, prior_precision=precision, network=best, **architecture)

    given = settings.prior_precision
    candidates = settings.candidates if isinstance(given, str) else (given,)
    evidence = [log_evidence(values, mean[first:], precision) for precision in candidates]
    losses = []
    for precision in candidates:
        drawn = network(precision).draws(settings.n_select_draws, seed=seed)
        losses.append(log_loss(predict(drawn, select.inputs).mean, select_labels))
    taken = np.argmax(evidence) if given == "marginal_likelihood" else np.argmin(losses)
    scored = pd.DataFrame({"prior_precision": candidates, "log_evidence": evidence, "select_loss": losses})
    return network(float(candidates[taken])), scored


def best_network(stack: NetworkStack, inputs: Weights, labels: NDArray[np.integer]) -> int:
    """Return which network has the lowest negative log-likelihood of some labels, of those that use all inputs.

    Weights that training keeps at zero are at no minimum of the loss, which the approximation needs. Where no network
    uses all inputs, it is of all networks.
    """
    losses = np.zeros(stack.n_networks)
    for part, block in probability_blocks(stack, inputs):
        cells = np.arange(block.shape[1])
        losses -= np.log(np.maximum(block[:, cells, labels[part]], FLOOR)).sum(axis=1, dtype=np.float64)
    whole = stack.used_inputs.all(axis=1)
    return int(np.argmin(np.where(whole | ~whole.any(), losses, np.inf)))


def gauss_newton(
    network: NetworkStack, inputs: Weights, weights: Weights, *, first: int = 0, block_cells: int
) -> Array:
    """Return the generalised Gauss-Newton matrix of the negative log-likelihood, summed over cells.

    Parameters
    ----------
    network : NetworkStack
        A single network.
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled as it was trained.
    weights : ndarray of float32, shape (n_samples,)
        Of the cells.
    first : int
        Rows and columns start at this weight.
    block_cells : int
        Cells whose Jacobians are held at a time.

    Returns
    -------
    ndarray of shape (n_weights - first, n_weights - first)

    Raises
    ------
    NetworkError
        When it is not finite.
    """
    size = network.n_weights - first
    total = np.zeros((size, size))
    roots = np.sqrt(weights)
    for start in range(0, len(inputs), block_cells):
        part = slice(start, start + block_cells)
        rows = _whitened_jacobian(network, inputs[part], first)
        rows *= roots[part, None, None]
        rows = rows.reshape(-1, size)
        total += rows.T @ rows
    if not np.isfinite(total).all():
        raise NetworkError(
            "The Gauss-Newton matrix is not finite: inputs or weights are not finite, or too large; check the features."
        )
    return total


def log_evidence(values: Array, weights: np.ndarray, prior_precision: float) -> float:
    """Return the part of the log marginal likelihood [nat] that depends on the prior's precision.

    Parameters
    ----------
    values : ndarray of shape (n_uncertain,)
        Eigenvalues of the Gauss-Newton matrix.
    weights : ndarray of shape (n_uncertain,)
        The trained weights.
    prior_precision : float

    Notes
    -----
    MacKay (1992), doi:10.1162/neco.1992.4.3.448. Neighbouring cells are treated as independent.
    """
    fit = prior_precision * float(np.square(weights, dtype=np.float64).sum())
    return 0.5 * (float(np.log(prior_precision / (values + prior_precision)).sum()) - fit)


def _whitened_jacobian(network: NetworkStack, inputs: Weights, first: int) -> Weights:
    """Return L^T J of each cell, L L^T = diag p - p p^T, float32, shape (n_samples, n_classes - 1, n_weights - first).

    With s = sqrt p, diag p - p p^T = diag s (I - s s^T) diag s. A reflection takes s to the last axis; its other rows
    span what is orthogonal to s. Each row of L^T is propagated back through the layers like a gradient of the logits.
    """
    layers = [layer._replace(kernel=layer.kernel[0], bias=layer.bias[0]) for layer in network.layers()]
    inputs = inputs.astype(np.float32, copy=False)
    passed = list(forward(layers, inputs))
    probability = softmax(passed[-1][1])
    root = np.sqrt(probability)
    normal = root + np.eye(len(network.classes), dtype=np.float32)[-1]
    columns = np.eye(len(network.classes))[:-1] - normal[:, :-1, None] * normal[:, None, :] / normal[:, None, -1:]
    columns = (columns * root[:, None, :]).astype(np.float32)
    rows = np.empty((*columns.shape[:2], network.n_weights - first), dtype=np.float32)
    below = [inputs, *(activations for _, activations in passed[:-1])]
    places = layer_places(network.layer_sizes)
    gradients = backward(layers, [(sums[:, None], above[:, None]) for sums, above in passed], columns)
    for place, under, gradient in zip(places[::-1], below[::-1], gradients, strict=False):
        if place.kernel.start < first:
            break
        kernel_part = slice(place.kernel.start - first, place.kernel.stop - first)
        outer = under[:, None, :, None] * gradient[:, :, None, :]
        rows[:, :, kernel_part] = outer.reshape(*columns.shape[:2], -1)
        rows[:, :, place.bias.start - first : place.bias.stop - first] = gradient
    return rows
