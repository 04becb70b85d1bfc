"""A Bayesian network: a Gaussian for every weight, found from several random starts at once by variational inference.

The posterior is a product of Gaussians, the prior N(0, 1) on weights and biases, the loss of a start

    mean over cells of -log p(label | cell, drawn weights)  +  kl_weight KL(posterior || prior) / n_cells

(Clare et al. 2022, doi:10.1029/2022MS003162; Blundell et al. 2015, arXiv:1505.05424). All starts are one array with a
leading `start` axis, and one compiled function trains them for an epoch.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import counted
from thor.networks.epochs import shuffled
from thor.networks.optimiser import step_sizes
from thor.networks.prediction import predict
from thor.networks.progress import SELECT_LOSS, Progress, run_epochs
from thor.networks.scores import log_loss
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack
from thor.networks.tensorflow import load_tensorflow
from thor.networks.training import initial_stack
from thor.networks.training_data import LEAST_CAPACITY, Table, capacity, padded, padded_columns
from thor.uncertainty.posterior import Posterior, layer_places, to_vectors
from thor.uncertainty.settings import BayesianSettings
from thor.uncertainty.variational import compile_variational

BAYESIAN_CURVES = ("train_loss", "kl_divergence", SELECT_LOSS, "learning_rate")

LEAST_STEPS = 256
"""Least number of steps that the batches of an epoch are padded to."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BayesianNetwork(Posterior):
    """A Gaussian posterior for every weight and random start.

    Attributes
    ----------
    mean, scale : ndarray of float32, shape (n_starts, n_weights)
        Of each weight, in the order of `thor.uncertainty.posterior`.
    select_loss : ndarray of shape (n_starts,), [nat]
        Negative log-likelihood of the mean probability on the select region, at the epoch kept.
    best_epoch : ndarray of int, shape (n_starts,)
        Epoch kept, counted from 0.
    drawn_from : {"mixture", "best_start"}
        Whether networks are drawn from all starts in turn, or from the start with the lowest `select_loss`.
    kl_weight : float
        Weight of the Kullback-Leibler term in the loss; 1 is Bayes' rule.
    """

    KIND = "mean-field Bayesian"
    ARRAYS = ("mean", "scale", "select_loss", "best_epoch")

    mean: np.ndarray
    scale: np.ndarray
    select_loss: np.ndarray
    best_epoch: np.ndarray
    drawn_from: str
    kl_weight: float

    @property
    def n_starts(self) -> int:
        """Number of random starts."""
        return len(self.mean)

    def one_start(self, start: int) -> "BayesianNetwork":
        """Return the posterior of one random start by itself."""
        return replace(self, **{name: getattr(self, name)[[start]] for name in self.ARRAYS})

    def draw_starts(self, n: int) -> np.ndarray:
        """Return the start each of `n` draws comes from: of a mixture, any first draws are shared out evenly."""
        if self.drawn_from == "mixture":
            return np.arange(n) % self.n_starts
        return np.full(n, int(np.argmin(self.select_loss)))

    def draws(self, n: int, *, seed: int) -> NetworkStack:
        """Return `n` networks drawn from the posterior; the first of them are the same for every larger `n`."""
        starts = self.draw_starts(n)
        noise = np.random.default_rng(seed).standard_normal((n, self.mean.shape[1]), dtype=np.float32)
        return self.to_stack(self.mean[starts] + self.scale[starts] * noise)


def fit_bayesian(
    train: Table,
    select: Table,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    settings: BayesianSettings,
    seed: int,
    progress: bool = True,
) -> tuple[BayesianNetwork, xr.Dataset]:
    """Return the Bayesian network trained on some cells, and its learning curves.

    The best epoch of each start has the lowest negative log-likelihood, on the select region, of the mean probability
    of a few drawn networks, from the same noise in all epochs. (The evidence lower bound is no alternative: it is a
    bound for training cells, and on other cells it scores single draws, while predictions use their mean.)

    Parameters
    ----------
    train, select : Table
        Training cells, and those whose loss determines the best epoch; labels of shape (n_starts, n_samples) may differ
        between starts.
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : BayesianSettings
    seed : int
        The same seed gives the same network bit for bit, whatever the number of threads.
    progress : bool
        Show a progress bar.

    Returns
    -------
    network : BayesianNetwork
    history : xarray.Dataset, dims (epoch, start)
        `train_loss` (negative log-likelihood of single draws, mean over the steps of the epoch), `kl_divergence` from
        the prior, undivided, `select_loss` (after the epoch), all in nats; `learning_rate`, 0 once a start has stopped;
        `kl_weight` (epoch); `best_epoch` (start), counted from 0.

    Raises
    ------
    NetworkError
        When cells cannot be used.
    DivergedError
        When a loss is not finite.
    """
    for what, table in (("training", train), ("select", select)):
        table.require_sound(what, n_features=len(features), n_classes=len(classes), n_networks=settings.n_starts)
    start, n_epochs = initial_parameters(features, classes, settings, seed), settings.epochs
    state = Progress.start(
        [start], BAYESIAN_CURVES, epochs=n_epochs, first_epoch=settings.warmup_epochs, member="start"
    )
    sizes = (len(features), *settings.hidden, len(classes))
    architecture = Posterior(layer_sizes=sizes, features=features, classes=classes, activation=settings.activation)
    epochs = _Epochs(train, select, architecture, settings, seed)
    description = f"Bayesian network, {counted(settings.n_starts, 'start')}"
    run_epochs(state, epochs.advance, settings, description=description, show_bar=progress)
    mean, scale = moments(state.best[0])
    network = BayesianNetwork(
        **vars(architecture),
        mean=mean,
        scale=scale,
        select_loss=state.best_loss.astype(np.float32),
        best_epoch=state.best_epoch,
        drawn_from=settings.drawn_from,
        kl_weight=settings.kl_weight,
    )
    history = state.history().drop_vars("n_epochs")
    history = history.assign({name: history[name].astype(np.float32) for name in BAYESIAN_CURVES})
    history["kl_weight"] = ("epoch", [kl_weight(epoch, settings) for epoch in range(state.epoch)])
    return network, history


def initial_parameters(
    features: tuple[str, ...], classes: tuple[str, ...], settings: BayesianSettings, seed: int
) -> np.ndarray:
    """Return means as the initial weights of any other network, and one scale for all, (n_starts, 2 n_weights)."""
    training = TrainingSettings(hidden=settings.hidden, n_networks=settings.n_starts, budget_share=0.0)
    mean = to_vectors(initial_stack(features, classes, training, seed))
    return np.concatenate([mean, np.full_like(mean, np.log(np.expm1(settings.initial_scale)))], axis=1)


def moments(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each weight, (..., n_weights) each, from the trained parameters."""
    mean, raw = np.split(parameters, 2, axis=-1)
    return mean, np.logaddexp(raw, np.float32(0))


def kl_weight(epoch: int, settings: BayesianSettings) -> float:
    """Return the weight of the Kullback-Leibler term in an epoch, counted from 0."""
    return settings.kl_weight * min(1.0, (epoch + 1) / (settings.warmup_epochs + 1))


class _Epochs:
    """The training cells as TensorFlow constants, the learning rates, and an epoch of all starts."""

    def __init__(
        self, train: Table, select: Table, architecture: Posterior, settings: BayesianSettings, seed: int
    ) -> None:
        self._settings, self._seed = settings, seed
        self._train_epoch = compile_variational(architecture.layer_sizes, settings.activation, settings.estimator)
        self._train = tuple(map(load_tensorflow().constant, padded_columns(train, LEAST_CAPACITY)))
        self._n_cells, self._n_oceans = train.n_cells, train.n_oceans
        self._architecture, self._select = architecture, select
        n_weights = layer_places(architecture.layer_sizes)[-1].bias.stop
        self._draws = np.random.default_rng(seed).standard_normal((settings.n_select_draws, n_weights), np.float32)
        self._n_cuts = np.zeros(settings.n_starts, dtype=int)
        self._last_change = np.full(settings.n_starts, settings.warmup_epochs - 1)

    def advance(self, state: Progress) -> None:
        """Train all starts for one epoch; raise FloatingPointError when a loss is not finite."""
        rate, batches = self._learning_rate(state), self._batches(state.epoch)
        n_steps = batches.shape[1]
        length = capacity(n_steps, LEAST_STEPS)
        step = state.epoch * n_steps + np.arange(length)[:, None]
        trained, *losses = self._train_epoch(
            (state.weights[0], state.first[0], state.second[0]),
            self._train,
            np.array([self._seed % 2**31, 0], dtype=np.int32),
            np.int32(state.epoch),
            padded(batches, length, axis=1),
            step_sizes(rate, step).astype(np.float32),
            np.int32(n_steps),
            np.float32(kl_weight(state.epoch, self._settings) / self._n_cells),
        )
        losses.append(self._select_loss(np.asarray(trained[0])))
        state.close_epoch(np.arange(len(rate)), [[array] for array in trained], [*losses, rate])
        self._count_cuts(state)

    def _learning_rate(self, state: Progress) -> np.ndarray:
        """Return the rate of each start in the coming epoch, 0 for those that have stopped."""
        settings = self._settings
        if settings.schedule == "cosine":
            factor = np.full(settings.n_starts, 0.5 * (1 + np.cos(np.pi * state.epoch / settings.epochs)))
        else:
            factor = settings.plateau_factor**self._n_cuts
        return np.where(state.running(settings.patience), settings.learning_rate * factor, 0.0).astype(np.float32)

    def _count_cuts(self, state: Progress) -> None:
        """Count a cut of the rate where a start improved in none of the last `plateau_epochs` epochs since a cut."""
        latest = state.epoch - 1
        self._last_change = np.maximum(self._last_change, state.best_epoch)
        cut = latest - self._last_change >= self._settings.plateau_epochs
        self._n_cuts += cut
        self._last_change[cut] = latest

    def _select_loss(self, parameters: np.ndarray) -> np.ndarray:
        """Return the loss of the mean probability of each start's drawn networks, NaN where a weight is not finite."""
        n_starts, select = len(parameters), self._select
        labels = np.broadcast_to(select.label_rows(), (n_starts, len(select.inputs)))
        losses = np.full(n_starts, np.nan)
        for start in np.flatnonzero(np.isfinite(parameters).all(axis=1)):
            mean, scale = moments(parameters[start])
            networks = self._architecture.to_stack(mean + scale * self._draws)
            losses[start] = log_loss(predict(networks, select.inputs).mean, labels[start], select.sample_weights())
        return losses

    def _batches(self, epoch: int) -> np.ndarray:
        """Return the cells of each step, (n_starts, n_steps, batch); a remainder that fills no batch is left out."""
        n_starts, size = self._settings.n_starts, min(self._settings.batch_size, self._n_cells)
        n_steps = self._n_cells // size
        options: dict[str, Any] = {"seed": self._seed, "epoch": epoch, "n_oceans": self._n_oceans}
        orders = [shuffled(self._n_cells, network=k, **options) for k in range(n_starts)]
        return np.stack(orders)[:, : n_steps * size].reshape(n_starts, n_steps, size)
