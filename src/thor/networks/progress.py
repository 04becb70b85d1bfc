"""Where a training stands: everything that has to be kept to go on from there."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.networks.stack import NetworkStack, Weights

LOSSES = ("train_loss", "select_loss", "select_accuracy")

_WEIGHTS = ("weights", "first", "second", "best")
_PER_NETWORK = ("best_loss", "best_epoch", "n_epochs")


@dataclass(eq=False)
class Progress:
    """All networks after some epochs.

    Attributes
    ----------
    epoch : int
        Epochs done.
    weights, first, second, best : list of ndarray of float32, each of shape (n_networks, ...)
        Weights, moments of Adam, weights of the best epoch: kernel and bias of each layer in turn.
    best_loss : ndarray of shape (n_networks,)
        Lowest loss on the select samples.
    best_epoch : ndarray of int, shape (n_networks,)
        Its epoch, counted from 0; -1 before the first.
    n_epochs : ndarray of int, shape (n_networks,)
        Epochs each network was trained for.
    losses : dict of str to ndarray of shape (most epochs, n_networks)
        By the names of `LOSSES`.
    """

    epoch: int
    weights: list[Weights]
    first: list[Weights]
    second: list[Weights]
    best: list[Weights]
    best_loss: NDArray[np.float64]
    best_epoch: NDArray[np.int64]
    n_epochs: NDArray[np.int64]
    losses: dict[str, NDArray[np.float64]]

    @classmethod
    def fresh(cls, start: NetworkStack, *, epochs: int) -> "Progress":
        """Return the state before the first epoch."""
        weights = [array for layer in zip(start.kernels, start.biases, strict=True) for array in layer]
        return cls(
            epoch=0,
            weights=[array.copy() for array in weights],
            first=[np.zeros_like(array) for array in weights],
            second=[np.zeros_like(array) for array in weights],
            best=[array.copy() for array in weights],
            best_loss=np.full(start.n_networks, np.inf),
            best_epoch=np.full(start.n_networks, -1),
            n_epochs=np.zeros(start.n_networks, dtype=np.int64),
            losses={name: np.full((epochs, start.n_networks), np.nan) for name in LOSSES},
        )

    def running(self, patience: int | None) -> NDArray[np.bool_]:
        """Return which networks go on: those of the latest epoch whose best is fewer than `patience` epochs back."""
        waited = self.n_epochs - 1 - self.best_epoch
        return (self.n_epochs == self.epoch) & (waited < (np.inf if patience is None else patience))

    def note(
        self,
        rows: NDArray[np.int64],
        train_loss: NDArray[np.float64],
        select_loss: NDArray[np.float64],
        select_accuracy: NDArray[np.float64],
    ) -> None:
        """Close an epoch in which the networks `rows` were trained, and keep the weights of those at their best."""
        for name, values in zip(LOSSES, (train_loss, select_loss, select_accuracy), strict=True):
            self.losses[name][self.epoch, rows] = values
        improved = select_loss < self.best_loss[rows]
        better = rows[improved]
        self.best_loss[better] = select_loss[improved]
        self.best_epoch[better] = self.epoch
        for best, current in zip(self.best, self.weights, strict=True):
            best[better] = current[better]
        self.epoch += 1
        self.n_epochs[rows] = self.epoch

    def to_dataset(self, identity: str) -> xr.Dataset:
        """Return a copy of the state as a dataset that says by `identity` whose it is."""
        out = xr.Dataset(attrs={"identity": identity, "epoch": self.epoch})
        for name in _WEIGHTS:
            for number, array in enumerate(getattr(self, name)):
                dims = ("network", *(f"axis_{number}_{axis}" for axis in range(1, array.ndim)))
                out[f"{name}_{number}"] = (dims, array)
        for name in _PER_NETWORK:
            out[name] = ("network", getattr(self, name))
        for name, values in self.losses.items():
            out[name] = (("epoch", "network"), values)
        return out.copy(deep=True)

    @classmethod
    def from_dataset(cls, kept: xr.Dataset) -> "Progress":
        """Return the state that `to_dataset` described."""
        n_arrays = sum(str(name).startswith("best_") and str(name)[5:].isdigit() for name in kept)
        arrays = [[kept[f"{name}_{k}"].values.copy() for k in range(n_arrays)] for name in _WEIGHTS]
        weights, first, second, best = arrays
        best_loss, best_epoch, n_epochs = (kept[name].values.copy() for name in _PER_NETWORK)
        losses = {name: kept[name].values.copy() for name in LOSSES}
        return cls(int(kept.attrs["epoch"]), weights, first, second, best, best_loss, best_epoch, n_epochs, losses)

    def history(self) -> xr.Dataset:
        """Return losses by epoch and network up to the epochs done, `best_epoch` and `n_epochs` by network."""
        done = slice(self.epoch)
        out = xr.Dataset({name: (("epoch", "network"), self.losses[name][done].copy()) for name in LOSSES})
        for name in ("best_epoch", "n_epochs"):
            out[name] = ("network", getattr(self, name).copy())
        return out.assign_coords(epoch=np.arange(self.epoch), network=np.arange(len(self.n_epochs)))
