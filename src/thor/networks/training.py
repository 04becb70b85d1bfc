"""Training of many networks together: stacked weights and one compiled step, with the results of separate trainings.

Each network has its own initial weights, shuffling, optimiser state and stopping; all follow from the seed and the
number of the network, so that each network is the same to the last bit in any stack. Weights are in NumPy
between epochs; TensorFlow runs the compiled steps of an epoch (`epochs.py`), gathering every batch by index.

A network that has stopped remains in the computation, unused, until half of the running stack has stopped; then the
stack is reduced to the others. When all have stopped, training ends.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from thor.core.errors import counted
from thor.networks.epochs import Epochs
from thor.networks.progress import SELECT_LOSS, Progress, run_epochs
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack
from thor.networks.terms import TermsHead, TermTargets
from thor.networks.training_data import Table, budget_inputs

CURVES = ("train_loss", SELECT_LOSS, "select_accuracy")


@dataclass(frozen=True, eq=False)
class Trained:
    """Trained networks and their learning curves.

    Attributes
    ----------
    stack : NetworkStack
        Every network at its best epoch, that of the lowest loss on the select samples.
    history : xarray.Dataset, dims (epoch, network)
        `train_loss` (mean over the steps of the epoch, penalty included), `select_loss` (after the epoch, without
        penalty), both in nats, and `select_accuracy`; NaN once a network has stopped. `learning_rate` (epoch): that of
        its last step. `best_epoch`, counted from 0, `n_epochs` and `n_inputs` (network): epoch of the weights, number
        of epochs of training, and of inputs that the network uses.
    """

    stack: NetworkStack
    history: xr.Dataset


def train_stack(
    train: Table,
    select: Table,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    settings: TrainingSettings,
    seed: int,
    progress: bool = True,
) -> Trained:
    """Return `settings.n_networks` trained networks.

    Parameters
    ----------
    train, select : Table
        Training samples, and those whose loss determines the best epoch and when to stop: that of the regimes, whether
        or not the networks also learn terms of the budget.
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : TrainingSettings
        The tables already follow its `area_weights`, `confidence_weights` and `member_labels`.
    seed : int
        The same seed gives the same networks bit for bit, whatever the number of threads; network k is the same in
        stacks of any size.
    progress : bool
        Show a progress bar.

    Raises
    ------
    NetworkError
        When tables and names do not fit one another.
    DivergedError
        When a loss is not finite.
    """
    for what, table in (("training", train), ("select", select)):
        table.require_sound(what, n_features=len(features), n_classes=len(classes), n_networks=settings.n_networks)
    start = initial_stack(features, classes, settings, seed, terms=train.terms)
    state = Progress.start(start.training_weights(), CURVES, epochs=settings.epochs)
    epochs = Epochs(train, select, settings, seed, start=start)
    run_epochs(state, epochs.advance, settings, description=counted(settings.n_networks, "network"), show_bar=progress)
    stack = start.with_training_weights(state.best)
    history = state.history()
    history["learning_rate"] = ("epoch", epochs.last_rates(history["epoch"].values))
    history["n_inputs"] = ("network", stack.used_inputs.sum(axis=1))
    return Trained(stack, history)


def initial_stack(
    features: tuple[str, ...],
    classes: tuple[str, ...],
    settings: TrainingSettings,
    seed: int,
    *,
    terms: TermTargets | None = None,
) -> NetworkStack:
    """Return networks with uniform kernels after Glorot & Bengio (2010) and zero biases, as in Keras.

    The weights of inputs that a network does not see (`TrainingSettings.budget_share`) are zero, and stay so.

    Parameters
    ----------
    features, classes : tuple of str
        Names of inputs and outputs.
    settings : TrainingSettings
    seed : int
        Network k has the same weights in stacks of any size, with or without a terms head.
    terms : TermTargets, optional
        Terms of the budget, for a head that predicts them.
    """
    sizes = (len(features), *settings.hidden, len(classes))
    n_outputs = 0 if terms is None else 2 * len(terms.names)
    shapes = [*pairwise(sizes), *([(sizes[-2], n_outputs)] if n_outputs else [])]
    kernels = [np.empty((settings.n_networks, *pair), np.float32) for pair in shapes]
    for network in range(settings.n_networks):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(network,)))
        for kernel in kernels:
            limit = np.sqrt(6.0 / sum(kernel.shape[1:]))
            kernel[network] = rng.uniform(-limit, limit, size=kernel.shape[1:])
    # Spread evenly over the stack: with a share of a half, every second network.
    restricted = np.diff(np.floor(settings.budget_share * np.arange(settings.n_networks + 1))) > 0
    kernels[0][np.ix_(restricted, ~np.isin(features, budget_inputs(features)))] = 0.0
    biases = tuple(np.zeros((settings.n_networks, n_out), np.float32) for n_out in sizes[1:])
    head = None
    if terms is not None:
        *kernels, kernel = kernels
        bias = np.zeros((settings.n_networks, n_outputs), np.float32)
        head = TermsHead(kernel, bias, terms.names, tuple(map(float, terms.scale)))
    return NetworkStack(tuple(kernels), biases, features, classes, settings.activation, head)
