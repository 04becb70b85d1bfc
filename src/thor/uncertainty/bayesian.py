"""A Bayesian network: a Gaussian for every weight, found from several random starts at once by variational inference.

The posterior is a product of Gaussians, the prior N(0, 1) on weights and biases, the loss of a start

    mean over cells of -log p(label | cell, drawn weights)  +  kl_weight KL(posterior || prior) / n_cells

(Clare et al. 2022, doi:10.1029/2022MS003162; Blundell et al. 2015, arXiv:1505.05424). All starts are one array with a
leading `start` axis, and one compiled function takes them through an epoch.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from thor.core.checkpoint import Checkpoint, Nothing
from thor.core.errors import NetworkError
from thor.core.fingerprint import fingerprint
from thor.networks.epochs import shuffled
from thor.networks.stack import NetworkStack
from thor.networks.table import Table
from thor.uncertainty.posterior import load_posterior, save_posterior, to_stack
from thor.uncertainty.settings import BayesianSettings
from thor.uncertainty.starts import Starts, kl_weight
from thor.uncertainty.variational import cells_of, compile_variational

log = logging.getLogger(__name__)

CHECKPOINT = "bayesian_training"
"""Name under which an unfinished training is kept."""

_KIND = "mean-field Bayesian"


@dataclass(frozen=True, eq=False)
class BayesianNetwork:
    """A Gaussian posterior for every weight and random start.

    Attributes
    ----------
    mean, scale : ndarray of float32, shape (n_starts, n_weights)
        Of each weight, in the order of `thor.uncertainty.posterior`.
    layer_sizes : tuple of int
        Units of each layer, input first.
    features, classes : tuple of str
    select_loss : ndarray of shape (n_starts,), [nat]
        Negative log-likelihood of the mean probability on the select region, at the epoch kept.
    best_epoch : ndarray of int, shape (n_starts,)
        Epoch kept, counted from 0.
    drawn_from : {"mixture", "best_start"}
        Whether networks are drawn from all starts in turn, or from the one of lowest `select_loss`.
    kl_weight : float
        Weight of the Kullback-Leibler term in the loss; 1 is Bayes' rule.
    activation : str
        Of the hidden layers.
    """

    mean: np.ndarray
    scale: np.ndarray
    layer_sizes: tuple[int, ...]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    select_loss: np.ndarray
    best_epoch: np.ndarray
    drawn_from: str
    kl_weight: float
    activation: str = "tanh"

    @property
    def n_starts(self) -> int:
        """Number of random starts."""
        return len(self.mean)

    def one_start(self, start: int) -> "BayesianNetwork":
        """Return the posterior of one random start by itself."""
        arrays = {name: getattr(self, name)[[start]] for name in ("mean", "scale", "select_loss", "best_epoch")}
        return replace(self, **arrays)

    def draw_starts(self, n: int) -> np.ndarray:
        """Return the start each of `n` draws comes from: of a mixture, any first draws are shared out evenly."""
        if self.drawn_from == "mixture":
            return np.arange(n) % self.n_starts
        return np.full(n, int(np.argmin(self.select_loss)))

    def draws(self, n: int, *, seed: int) -> NetworkStack:
        """Return `n` networks drawn from the posterior; the first of them are the same for every larger `n`."""
        starts = self.draw_starts(n)
        noise = np.random.default_rng(seed).standard_normal((n, self.mean.shape[1]), dtype=np.float32)
        return to_stack(
            self.mean[starts] + self.scale[starts] * noise,
            layer_sizes=self.layer_sizes,
            features=self.features,
            classes=self.classes,
            activation=self.activation,
        )

    def save(self, folder: Path) -> None:
        """Write the posterior into a folder."""
        arrays = {name: getattr(self, name) for name in ("mean", "scale", "select_loss", "best_epoch")}
        description = {
            "kind": _KIND,
            "layer_sizes": list(self.layer_sizes),
            "features": list(self.features),
            "classes": list(self.classes),
            "activation": self.activation,
            "drawn_from": self.drawn_from,
            "kl_weight": self.kl_weight,
        }
        save_posterior(folder, arrays, description)

    @classmethod
    def load(cls, folder: Path) -> "BayesianNetwork":
        """Return the network that `save` wrote; raise NetworkError when the folder is incomplete or was edited."""
        names = ("mean", "scale", "select_loss", "best_epoch")
        arrays, description = load_posterior(folder, kind=_KIND, names=names)
        return cls(
            **arrays,
            layer_sizes=tuple(description["layer_sizes"]),
            features=tuple(description["features"]),
            classes=tuple(description["classes"]),
            activation=description.get("activation", "tanh"),
            drawn_from=description["drawn_from"],
            kl_weight=description["kl_weight"],
        )


def fit_bayesian(
    train: Table,
    select: Table,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    settings: BayesianSettings,
    seed: int,
    checkpoint: Checkpoint | None = None,
    progress: bool = True,
) -> tuple[BayesianNetwork, xr.Dataset]:
    """Return the Bayesian network of some cells, and how it was trained.

    Of every start the epoch is kept whose mean probability over a few draws, the same in all epochs, has the lowest
    negative log-likelihood on the select region. (The evidence bound would not do: it is a bound for the training
    cells, and on others it is the score of single draws, while it is their mean that is used.)

    Parameters
    ----------
    train, select : Table
        Cells to learn, and those whose loss says which epoch is best; labels of shape (n_starts, n_samples) give each
        start its own. Weights of the select cells are not used.
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : BayesianSettings
    seed : int
        The same seed gives the same network bit for bit, whatever the number of threads, interrupted or not.
    checkpoint : Checkpoint, optional
        Keeps the state every `settings.checkpoint_epochs` epochs; a training of the same data, settings and seed goes
        on from there, any other starts afresh.
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
        When cells cannot be used, or a loss is not finite; the checkpoint then has the last good state.
    """
    for what, table in (("training", train), ("select", select)):
        table.require_sound(what, n_features=len(features), n_classes=len(classes), n_networks=settings.n_starts)
    checkpoint = checkpoint or Nothing()
    identity = fingerprint(settings.replace(checkpoint_epochs=1), seed, train, select, features, classes)
    kept = checkpoint.load(CHECKPOINT)
    layer_sizes = (len(features), *settings.hidden, len(classes))
    if kept is not None and kept.attrs.get("identity") == identity:
        state = Starts.from_dataset(kept)
        log.info("the training goes on after epoch %d of %d", state.epoch, settings.epochs)
    else:
        state = Starts.begin(features, classes, settings, seed)
    epochs = _Epochs(train, select, layer_sizes, settings, seed)
    with _bar(settings, state.epoch, shown=progress) as bar:
        while state.epoch < settings.epochs and state.running(settings).any():
            try:
                epochs.advance(state)
            except FloatingPointError as error:
                checkpoint.save(CHECKPOINT, state.to_dataset(identity))
                raise NetworkError(
                    f"{error}. Lower the learning rate ({settings.learning_rate:g}), or look for inputs far from all "
                    "others."
                ) from None
            bar.update()
            if state.epoch % settings.checkpoint_epochs == 0:
                checkpoint.save(CHECKPOINT, state.to_dataset(identity))
    mean, raw = np.split(state.best, 2, axis=1)
    network = BayesianNetwork(
        mean=mean,
        scale=np.logaddexp(raw, np.float32(0)),
        layer_sizes=layer_sizes,
        features=features,
        classes=classes,
        select_loss=state.best_loss,
        best_epoch=state.best_epoch,
        drawn_from=settings.drawn_from,
        kl_weight=settings.kl_weight,
    )
    return network, state.history(settings)


def training_dataset(network: BayesianNetwork, history: xr.Dataset) -> xr.Dataset:
    """Return what `fit_bayesian` returns as one dataset."""
    arrays = {name: (("start", "weight"), getattr(network, name)) for name in ("mean", "scale")}
    return history.assign(arrays | {"lowest_select_loss": ("start", network.select_loss)}).assign_attrs(
        layer_sizes=list(network.layer_sizes),
        features=" ".join(network.features),
        classes=" ".join(network.classes),
        drawn_from=network.drawn_from,
        kl_weight=network.kl_weight,
    )


def from_training_dataset(kept: xr.Dataset) -> tuple[BayesianNetwork, xr.Dataset]:
    """Return network and history that `training_dataset` described."""
    network = BayesianNetwork(
        mean=kept["mean"].values,
        scale=kept["scale"].values,
        layer_sizes=tuple(map(int, kept.attrs["layer_sizes"])),
        features=tuple(kept.attrs["features"].split()),
        classes=tuple(kept.attrs["classes"].split()),
        select_loss=kept["lowest_select_loss"].values,
        best_epoch=kept["best_epoch"].values,
        drawn_from=str(kept.attrs["drawn_from"]),
        kl_weight=float(kept.attrs["kl_weight"]),
    )
    return network, kept.drop_vars(["mean", "scale", "lowest_select_loss"]).drop_attrs()


class _Epochs:
    """The cells in TensorFlow's hands, and what an epoch does with them."""

    def __init__(
        self, train: Table, select: Table, layer_sizes: tuple[int, ...], settings: BayesianSettings, seed: int
    ) -> None:
        self._settings, self._seed = settings, seed
        self._compiled = compile_variational(layer_sizes, "tanh", settings.estimator, settings.n_select_draws)
        self._train, self._select = cells_of(train), cells_of(select)
        self._n_samples = len(train.inputs)

    def advance(self, state: Starts) -> None:
        """Take all starts through one epoch.

        Raises
        ------
        FloatingPointError
            When a loss is not finite; `state` then stays as it was.
        """
        rate = state.learning_rate(self._settings)
        parameters, momenta, *losses = self._compiled.epoch(
            state.parameters,
            state.momenta,
            self._train,
            self._noise(0),
            np.int32(state.epoch),
            self._batches(state.epoch),
            rate,
            np.float32(kl_weight(state.epoch, self._settings)),
        )
        losses.append(self._compiled.select_loss(parameters, self._select, self._noise(1)))
        row = np.stack([*(loss.numpy() for loss in losses), rate])
        bad = np.flatnonzero(~np.isfinite(row).all(axis=0))
        if bad.size:
            raise FloatingPointError(
                f"The loss of the Bayesian network is not finite in epoch {state.epoch} (counted from 0): start "
                f"{', '.join(map(str, bad))} of {self._settings.n_starts}"
            )
        state.note(parameters.numpy(), momenta.numpy(), row, self._settings)

    def _noise(self, purpose: int) -> np.ndarray:
        """Return the seed of the noise of training (0) or selection (1)."""
        return np.array([self._seed % 2**31, purpose], dtype=np.int32)

    def _batches(self, epoch: int) -> np.ndarray:
        """Return the cells of each step, int32, (n_starts, n_steps, batch); those that fill no batch wait an epoch."""
        n_starts, size = self._settings.n_starts, min(self._settings.batch_size, self._n_samples)
        n_steps = self._n_samples // size
        orders = [shuffled(self._n_samples, seed=self._seed, network=k, epoch=epoch) for k in range(n_starts)]
        return np.stack(orders)[:, : n_steps * size].reshape(n_starts, n_steps, size)


def _bar(settings: BayesianSettings, done: int, *, shown: bool) -> Any:
    return tqdm(
        total=settings.epochs,
        initial=done,
        desc=f"Bayesian network, {settings.n_starts} starts",
        unit="epoch",
        disable=None if shown else True,
        leave=False,
    )
