"""Many networks trained together: stacked weights, one compiled step for all, and yet each as if trained alone.

Each network has its own initial weights, its own shuffling, its own state of Adam and its own stopping; all follow from
the seed and the network's number, so that the other networks make no difference to it, to the last bit. Weights live in
NumPy between epochs; TensorFlow runs the steps of an epoch compiled (`steps.py`), gathering every batch by index.

A network that has stopped is computed on, unused, until half of those in the running stack have stopped; the rest then
goes on in a smaller stack. When all have stopped, training ends.
"""

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from thor.core.checkpoint import Checkpoint, Nothing
from thor.core.errors import NetworkError
from thor.core.fingerprint import fingerprint
from thor.networks.epochs import Epochs
from thor.networks.progress import Progress
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack
from thor.networks.table import Table

log = logging.getLogger(__name__)

CHECKPOINT = "training"
"""Name under which an unfinished training is kept."""


@dataclass(frozen=True, eq=False)
class Trained:
    """Trained networks and how they got there.

    Attributes
    ----------
    stack : NetworkStack
        Every network at its best epoch, that of the lowest loss on the select samples.
    history : xarray.Dataset, dims (epoch, network)
        `train_loss` (mean over the steps of the epoch, penalty included), `select_loss` (after the epoch, without
        penalty), both in nats, and `select_accuracy`; NaN once a network has stopped. `learning_rate` (epoch): that of
        its last step. `best_epoch`, counted from 0, and `n_epochs` (network): where the weights are from, and how long
        the network was trained.
    """

    stack: NetworkStack
    history: xr.Dataset

    def to_dataset(self) -> xr.Dataset:
        """Return weights (`kernel_0`, `bias_0` and so on), their names and the learning curves in one dataset."""
        out = self.history.copy()
        for layer, (kernel, bias) in enumerate(zip(self.stack.kernels, self.stack.biases, strict=True)):
            units = (f"unit_{layer}", f"unit_{layer + 1}")
            out[f"kernel_{layer}"] = (("network", *units), kernel)
            out[f"bias_{layer}"] = (("network", units[1]), bias)
        return out.assign_attrs(features=" ".join(self.stack.features), classes=" ".join(self.stack.classes))

    @classmethod
    def from_dataset(cls, kept: xr.Dataset) -> "Trained":
        """Return what `to_dataset` described."""
        n_layers = sum(str(name).startswith("kernel_") for name in kept)
        kernels, biases = (
            tuple(kept[f"{kind}_{layer}"].values for layer in range(n_layers)) for kind in ("kernel", "bias")
        )
        weights = [f"{kind}_{layer}" for kind in ("kernel", "bias") for layer in range(n_layers)]
        features, classes = (tuple(kept.attrs[name].split()) for name in ("features", "classes"))
        return cls(NetworkStack(kernels, biases, features, classes), kept.drop_vars(weights).drop_attrs())


class DivergedError(NetworkError):
    """A loss was not finite; `trained` holds all networks at their best epochs before, or as they began."""

    def __init__(self, message: str, trained: Trained) -> None:
        super().__init__(message)
        self.trained = trained


def train_stack(
    train: Table,
    select: Table,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    settings: TrainingSettings,
    seed: int,
    initial: NetworkStack | None = None,
    checkpoint: Checkpoint | None = None,
    progress: bool = True,
) -> Trained:
    """Return `settings.n_networks` trained networks.

    Parameters
    ----------
    train, select : Table
        Samples to learn, and those whose loss says which epoch is best and when to stop.
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : TrainingSettings
        What its `area_weights`, `confidence_weights` and `member_labels` ask for comes in with the tables.
    seed : int
        The same seed gives the same networks bit for bit, whatever the number of threads; network k is the same in
        stacks of any size.
    initial : NetworkStack, optional
        Weights to start from; by default those of `initial_stack`.
    checkpoint : Checkpoint, optional
        Keeps the state every `settings.checkpoint_epochs` epochs; a training of the same data, settings and seed goes
        on from there to the same result bit for bit, any other starts afresh.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DivergedError
        When a loss is not finite; the checkpoint then has the last good state.
    NetworkError
        When tables, names and initial weights do not fit one another.
    """
    for what, table in (("training", train), ("select", select)):
        table.require_sound(what, n_features=len(features), n_classes=len(classes), n_networks=settings.n_networks)
    start = initial_stack(features, classes, settings, seed) if initial is None else initial
    if (start.n_networks, start.features, start.classes) != (settings.n_networks, features, classes):
        raise NetworkError(
            f"The initial weights are of {start.n_networks} networks from {', '.join(start.features)} to "
            f"{', '.join(start.classes)}; expected {settings.n_networks} from {', '.join(features)} to "
            f"{', '.join(classes)}."
        )
    checkpoint = checkpoint or Nothing()
    identity = fingerprint(settings.replace(checkpoint_epochs=1), seed, train, select, start)
    kept = checkpoint.load(CHECKPOINT)
    if kept is not None and kept.attrs.get("identity") == identity:
        state = Progress.from_dataset(kept)
        log.info("the training goes on after epoch %d of %d", state.epoch, settings.epochs)
    else:
        state = Progress.fresh(start, epochs=settings.epochs)
    epochs = Epochs(train, select, settings, seed, activation=start.activation)
    with _bar(settings, state.epoch, shown=progress) as bar:
        while state.epoch < settings.epochs and state.running(settings.patience).any():
            try:
                epochs.advance(state)
            except FloatingPointError as error:
                checkpoint.save(CHECKPOINT, state.to_dataset(identity))
                raise DivergedError(
                    f"{error}. Lower the learning rate ({settings.learning_rate:g}), or look for inputs far from all "
                    "others.",
                    _trained(state, start, epochs),
                ) from None
            bar.set_postfix(select_loss=f"{state.best_loss.mean():.4f}", refresh=False)
            bar.update()
            if state.epoch % settings.checkpoint_epochs == 0:
                checkpoint.save(CHECKPOINT, state.to_dataset(identity))
    return _trained(state, start, epochs)


def initial_stack(
    features: tuple[str, ...], classes: tuple[str, ...], settings: TrainingSettings, seed: int
) -> NetworkStack:
    """Return networks with uniform kernels after Glorot & Bengio (2010) and zero biases, as Keras has them.

    Parameters
    ----------
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : TrainingSettings
    seed : int
        Network k has the same weights in stacks of any size.
    """
    sizes = (len(features), *settings.hidden, len(classes))
    kernels = tuple(np.empty((settings.n_networks, *pair), np.float32) for pair in pairwise(sizes))
    for network in range(settings.n_networks):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(network,)))
        for kernel in kernels:
            limit = np.sqrt(6.0 / sum(kernel.shape[1:]))
            kernel[network] = rng.uniform(-limit, limit, size=kernel.shape[1:])
    biases = tuple(np.zeros((settings.n_networks, n_out), np.float32) for n_out in sizes[1:])
    return NetworkStack(kernels, biases, features, classes)


def _trained(state: Progress, start: NetworkStack, epochs: Epochs) -> Trained:
    stack = NetworkStack(
        tuple(array.copy() for array in state.best[::2]),
        tuple(array.copy() for array in state.best[1::2]),
        start.features,
        start.classes,
        start.activation,
    )
    history = state.history()
    history["learning_rate"] = ("epoch", epochs.last_rates(history["epoch"].values))
    return Trained(stack, history)


def _bar(settings: TrainingSettings, done: int, *, shown: bool) -> Any:
    return tqdm(
        total=settings.epochs,
        initial=done,
        desc=f"{settings.n_networks} networks",
        unit="epoch",
        disable=None if shown else True,
        leave=False,
    )
