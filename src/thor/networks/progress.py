"""Progress of a training, of many networks at once: weights, optimiser, best epochs, learning curves, and the loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.core.progress import progress_bar
from thor.networks.stack import Weights

SELECT_LOSS = "select_loss"
"""Curve whose minimum is the best epoch."""


class DivergedError(NetworkError):
    """A loss was not finite; `progress` is that of the epoch before."""

    def __init__(self, message: str, progress: "Progress") -> None:
        super().__init__(message)
        self.progress = progress


class EpochSettings(Protocol):
    """What the loop reads of the settings of a training."""

    @property
    def epochs(self) -> int:
        """Most epochs."""

    @property
    def patience(self) -> int | None:
        """Epochs without improvement after which a network stops."""

    @property
    def learning_rate(self) -> float:
        """Initial learning rate."""


@dataclass(eq=False)
class Progress:
    """All networks after some epochs.

    Attributes
    ----------
    weights, first, second, best : list of ndarray of float32, each of shape (n_networks, ...)
        Weights, moments of Adam, weights of the best epoch.
    curves : dict of str to ndarray of shape (most epochs, n_networks)
        Learning curves, `select_loss` among them; NaN once a network has stopped.
    best_loss : ndarray of shape (n_networks,)
        Lowest loss on the select samples.
    best_epoch : ndarray of int, shape (n_networks,)
        Its epoch, counted from 0; -1 before the first.
    n_epochs : ndarray of int, shape (n_networks,)
        Epochs each network was trained for.
    first_epoch : int
        First epoch that can be the best one.
    member : str
        Word for one of the networks: dimension of the history, and name in errors.
    epoch : int
        Epochs done.
    """

    weights: list[Weights]
    first: list[Weights]
    second: list[Weights]
    best: list[Weights]
    curves: dict[str, NDArray[np.float64]]
    best_loss: NDArray[np.float64]
    best_epoch: NDArray[np.int64]
    n_epochs: NDArray[np.int64]
    first_epoch: int
    member: str
    epoch: int = 0

    @classmethod
    def start(
        cls,
        weights: Sequence[Weights],
        curves: Sequence[str],
        *,
        epochs: int,
        first_epoch: int = 0,
        member: str = "network",
    ) -> "Progress":
        """Return the progress before the first of at most `epochs` epochs."""
        n_networks = len(weights[0])
        return cls(
            weights=[array.copy() for array in weights],
            first=[np.zeros_like(array) for array in weights],
            second=[np.zeros_like(array) for array in weights],
            best=[array.copy() for array in weights],
            curves={name: np.full((epochs, n_networks), np.nan) for name in curves},
            best_loss=np.full(n_networks, np.inf),
            best_epoch=np.full(n_networks, -1),
            n_epochs=np.zeros(n_networks, dtype=np.int64),
            first_epoch=first_epoch,
            member=member,
        )

    def running(self, patience: int | None) -> NDArray[np.bool_]:
        """Return which networks have not stopped: the best epoch is fewer than `patience` epochs before the latest."""
        waited = self.n_epochs - np.maximum(self.best_epoch + 1, self.first_epoch)
        return (self.n_epochs == self.epoch) & (waited < (np.inf if patience is None else patience))

    def close_epoch(self, rows: NDArray[np.int64], trained: Sequence[Sequence[Any]], values: Sequence[Any]) -> None:
        """Take over an epoch in which the networks `rows` were trained, and keep the weights of improved networks.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
        trained : sequence of sequence of array, each of shape (n_rows, ...)
            Weights and both moments.
        values : sequence of array of shape (n_rows,)
            Of each curve in turn.

        Raises
        ------
        FloatingPointError
            When a value is not finite; the progress then stays as it was.
        """
        new = dict(zip(self.curves, np.array(values, dtype=float), strict=True))
        bad = ~np.isfinite(list(new.values())).all(axis=0)
        if bad.any():
            networks = np.unique(rows[bad])
            raise FloatingPointError(
                f"The loss of {networks.size} of {np.unique(rows).size} {self.member}s is not finite in epoch "
                f"{self.epoch} (counted from 0): {self.member} {', '.join(map(str, networks[:10]))}"
            )
        for kept, arrays in zip((self.weights, self.first, self.second), trained, strict=True):
            for old_array, new_array in zip(kept, arrays, strict=True):
                old_array[rows] = new_array
        for name, curve in self.curves.items():
            curve[self.epoch, rows] = new[name]
        improved = (new[SELECT_LOSS] < self.best_loss[rows]) & (self.epoch >= self.first_epoch)
        better = rows[improved]
        self.best_loss[better] = new[SELECT_LOSS][improved]
        self.best_epoch[better] = self.epoch
        for best, current in zip(self.best, self.weights, strict=True):
            best[better] = current[better]
        self.epoch += 1
        self.n_epochs[rows] = self.epoch

    def history(self) -> xr.Dataset:
        """Return curves (epoch, network) up to the epochs done, `best_epoch` and `n_epochs` (network)."""
        out = xr.Dataset(
            {name: (("epoch", self.member), curve[: self.epoch].copy()) for name, curve in self.curves.items()}
        )
        for name in ("best_epoch", "n_epochs"):
            out[name] = (self.member, getattr(self, name).copy())
        return out.assign_coords({"epoch": np.arange(self.epoch), self.member: np.arange(len(self.n_epochs))})


def run_epochs(
    progress: Progress,
    train_epoch: Callable[[Progress], None],
    settings: EpochSettings,
    *,
    description: str,
    show_bar: bool,
) -> None:
    """Train until all networks have stopped or all epochs are done.

    Parameters
    ----------
    progress : Progress
        Is changed.
    train_epoch : callable
        Trains for one epoch and closes it.
    settings : TrainingSettings or BayesianSettings
    description : str
        Text of the progress bar.
    show_bar : bool

    Raises
    ------
    DivergedError
        When a loss is not finite.
    """
    total = settings.epochs
    with progress_bar(total=total, label=description, unit="epoch", hidden=not show_bar) as bar:
        while progress.epoch < total and progress.running(settings.patience).any():
            try:
                train_epoch(progress)
            except FloatingPointError as error:
                raise DivergedError(
                    f"{error}. Lower the learning rate ({settings.learning_rate:g}), or check the inputs for outliers.",
                    progress,
                ) from None
            bar.set_postfix(select_loss=f"{progress.best_loss.mean():.4f}", refresh=False)
            bar.update()
