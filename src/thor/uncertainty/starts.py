"""Where the training of a Bayesian network stands: everything that has to be kept to go on from there."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from thor.networks.settings import TrainingSettings
from thor.networks.training import initial_stack
from thor.uncertainty.posterior import to_vectors
from thor.uncertainty.settings import BayesianSettings

COLUMNS = ("train_loss", "kl_divergence", "select_loss", "learning_rate")
"""What is noted of each start after each epoch."""

_ARRAYS = ("parameters", "momenta", "best", "best_loss", "best_epoch", "stale", "since_cut", "cuts")


@dataclass(eq=False)
class Starts:
    """All random starts after some epochs.

    Attributes
    ----------
    parameters, best : ndarray of float32, shape (n_starts, 2 n_weights)
        As `thor.uncertainty.variational` has them, and those of the best epoch.
    momenta : ndarray of float32, shape (2, n_starts, 2 n_weights)
        Moments of Adam.
    best_loss : ndarray of float32, shape (n_starts,)
        Lowest loss on the select region while the Kullback-Leibler term had its full weight.
    best_epoch : ndarray of int, shape (n_starts,)
        Its epoch, counted from 0; -1 before.
    stale, since_cut, cuts : ndarray of int, shape (n_starts,)
        Epochs since the best one; since that or the last lowering of the rate; times the rate was lowered.
    epoch : int
        Epochs done.
    rows : list of ndarray of shape (n_columns, n_starts)
        `COLUMNS` of each epoch.
    """

    parameters: np.ndarray
    momenta: np.ndarray
    best: np.ndarray
    best_loss: np.ndarray
    best_epoch: np.ndarray
    stale: np.ndarray
    since_cut: np.ndarray
    cuts: np.ndarray
    epoch: int = 0
    rows: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def begin(
        cls, features: tuple[str, ...], classes: tuple[str, ...], settings: BayesianSettings, seed: int
    ) -> "Starts":
        """Return means that start as the weights of any other network, and one scale for all."""
        n_starts = settings.n_starts
        like = TrainingSettings(hidden=settings.hidden, n_networks=n_starts)
        mean = to_vectors(initial_stack(features, classes, like, seed))
        parameters = np.concatenate([mean, np.full_like(mean, np.log(np.expm1(settings.initial_scale)))], axis=1)
        return cls(
            parameters=parameters,
            momenta=np.zeros((2, *parameters.shape), dtype=np.float32),
            best=parameters.copy(),
            best_loss=np.full(n_starts, np.inf, dtype=np.float32),
            best_epoch=np.full(n_starts, -1),
            stale=np.zeros(n_starts, dtype=int),
            since_cut=np.zeros(n_starts, dtype=int),
            cuts=np.zeros(n_starts, dtype=int),
        )

    def running(self, settings: BayesianSettings) -> np.ndarray:
        """Return which starts have not stopped."""
        return self.stale < (np.inf if settings.patience is None else settings.patience)

    def learning_rate(self, settings: BayesianSettings) -> np.ndarray:
        """Return the rate of each start in the coming epoch, 0 for those that have stopped."""
        if settings.schedule == "cosine":
            factor = np.full(settings.n_starts, 0.5 * (1 + np.cos(np.pi * self.epoch / settings.epochs)))
        else:
            factor = settings.plateau_factor**self.cuts
        return np.where(self.running(settings), settings.learning_rate * factor, 0.0).astype(np.float32)

    def note(self, parameters: np.ndarray, momenta: np.ndarray, row: np.ndarray, settings: BayesianSettings) -> None:
        """Close an epoch, and keep the starts that are better than ever once the warm-up is over."""
        self.parameters, self.momenta = parameters, momenta
        self.rows.append(row)
        if self.epoch >= settings.warmup_epochs:
            self._keep_better(row[COLUMNS.index("select_loss")], settings)
        self.epoch += 1

    def history(self, settings: BayesianSettings) -> xr.Dataset:
        """Return what the rows hold, under its names."""
        rows = np.stack(self.rows)
        out = xr.Dataset({name: (("epoch", "start"), rows[:, k]) for k, name in enumerate(COLUMNS)})
        out["kl_weight"] = ("epoch", [kl_weight(epoch, settings) for epoch in range(self.epoch)])
        out["best_epoch"] = ("start", self.best_epoch)
        return out.assign_coords(epoch=np.arange(self.epoch), start=np.arange(settings.n_starts))

    def to_dataset(self, identity: str) -> xr.Dataset:
        """Return a copy of the state as a dataset that says by `identity` whose it is."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.rows:
            arrays["rows"] = np.stack(self.rows)
        variables = {
            name: ([f"{name}_{axis}" for axis in range(array.ndim)], array.copy()) for name, array in arrays.items()
        }
        return xr.Dataset(variables, attrs={"identity": identity})

    @classmethod
    def from_dataset(cls, kept: xr.Dataset) -> "Starts":
        """Return the state that `to_dataset` described."""
        rows = list(kept["rows"].values) if "rows" in kept else []
        return cls(**{name: kept[name].values.copy() for name in _ARRAYS}, epoch=len(rows), rows=rows)

    def _keep_better(self, select_loss: np.ndarray, settings: BayesianSettings) -> None:
        """Keep the better ones; of the others count the epochs, and lower the rate in time."""
        better = self.running(settings) & (select_loss < self.best_loss)
        self.best[better] = self.parameters[better]
        self.best_loss[better] = select_loss[better]
        self.best_epoch[better] = self.epoch
        self.stale = np.where(better, 0, self.stale + 1)
        self.since_cut = np.where(better, 0, self.since_cut + 1)
        cut = self.since_cut >= settings.plateau_epochs
        self.cuts = self.cuts + cut
        self.since_cut[cut] = 0


def kl_weight(epoch: int, settings: BayesianSettings) -> float:
    """Return the weight of the Kullback-Leibler term in an epoch, counted from 0."""
    return settings.kl_weight * min(1.0, (epoch + 1) / (settings.warmup_epochs + 1))
