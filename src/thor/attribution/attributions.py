"""Attributions of many networks to one target: the form all methods give, and its statistics over the networks."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from thor.attribution.targets import Regimes, Target, require_inputs
from thor.core.checkpoint import Checkpoint, Nothing
from thor.core.fingerprint import fingerprint
from thor.networks.prediction import BLOCK_BYTES
from thor.networks.stack import NetworkStack, Weights

QUARTILES = (0.25, 0.75)

CHECKPOINT_SECONDS = 20.0
"""How often unfinished explanations are kept."""

STATISTICS = ("mean", "spread", "lower_quartile", "upper_quartile", "sign_agreement", "standard_error")


@dataclass(frozen=True, eq=False)
class Block:
    """Attributions of every network to some samples.

    Attributes
    ----------
    part : slice
        Which samples.
    values : ndarray, shape (n_networks, n_block, n_players)
        In units of the target.
    standard_error : ndarray, shape (n_block, n_players), optional
        Of the mean over the networks, from the method's own sampling; None where nothing is sampled.
    shares : mapping of str to ndarray of shape (n_networks, n_block)
        Parts of the target that belong to no player (expectation, biases, intercept), `target` itself, `remainder`
        (target less all players and shares), and measures of fit.
    """

    part: slice
    values: NDArray[Any]
    standard_error: NDArray[Any] | None = None
    shares: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Method(Protocol):
    """A way of attributing; settings and reference are its own."""

    @property
    def name(self) -> str:
        """Under which it is told."""

    @property
    def target(self) -> Target:
        """What is explained."""

    def players(self, stack: NetworkStack) -> tuple[str, ...]:
        """Return the names of what gets the attributions: features, or groups of them."""

    def explain(self, stack: NetworkStack, inputs: Weights, regime: Regimes, *, start: int = 0) -> Iterator[Block]:
        """Yield attributions, block of samples by block, from sample `start`, which ended an earlier block.

        Parameters
        ----------
        stack : NetworkStack
        inputs : ndarray of float32, shape (n_samples, n_features)
            Scaled.
        regime : ndarray of int, shape (n_samples,)
            Whose target is explained.
        start : int
            Where to go on; the blocks that follow are the same as if all had been asked for.
        """


@dataclass(frozen=True, eq=False)
class Attributions:
    """Statistics of attributions over networks.

    Attributes
    ----------
    players : tuple of str
    mean, spread : ndarray of float32, shape (n_samples, n_players)
        Mean and (population) standard deviation over networks, in units of the target.
    lower_quartile, upper_quartile : ndarray of float32, shape (n_samples, n_players)
        Over networks.
    sign_agreement : ndarray of float32, shape (n_samples, n_players)
        Share of the networks whose attribution has the sign of the mean.
    standard_error : ndarray of float32, shape (n_samples, n_players)
        Of the mean, from the method's own sampling; 0 where nothing is sampled.
    shares : dict of str to ndarray of float32, shape (n_samples,)
        Mean over networks of each share of the blocks.
    largest_remainder : float
        Largest absolute remainder of any sample and network; NaN where a method has none.
    """

    players: tuple[str, ...]
    mean: Weights
    spread: Weights
    lower_quartile: Weights
    upper_quartile: Weights
    sign_agreement: Weights
    standard_error: Weights
    shares: dict[str, Weights]
    largest_remainder: float

    def to_dataset(self) -> xr.Dataset:
        """Return all arrays with dims (sample, player)."""
        statistics = {name: (("sample", "player"), getattr(self, name)) for name in STATISTICS}
        shares = {f"share_{name}": ("sample", share) for name, share in self.shares.items()}
        return xr.Dataset(
            statistics | shares,
            coords={"player": list(self.players)},
            attrs={"largest_remainder": self.largest_remainder},
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> "Attributions":
        """Return what `to_dataset` gave."""
        shares = {str(name): dataset[name].values for name in dataset.data_vars if str(name).startswith("share_")}
        return cls(
            players=tuple(map(str, dataset["player"].values)),
            **{name: dataset[name].values for name in STATISTICS},
            shares={name.removeprefix("share_"): values for name, values in shares.items()},
            largest_remainder=float(dataset.attrs["largest_remainder"]),
        )


def attribute(
    method: Method,
    stack: NetworkStack,
    inputs: Weights,
    regime: Regimes,
    *,
    checkpoint: Checkpoint | None = None,
    part: str = "blocks",
    progress: bool = True,
) -> Attributions:
    """Return the statistics over networks of a method's attributions, gathered block by block.

    Parameters
    ----------
    method : Method
    stack : NetworkStack
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled.
    regime : ndarray of int, shape (n_samples,)
    checkpoint : Checkpoint, optional
        Keeps finished blocks every `CHECKPOINT_SECONDS`; the same work goes on from there, other work starts afresh.
    part : str
        Under which they are kept.
    progress : bool
        Show a progress bar.

    Raises
    ------
    AttributionError
        When samples do not fit the networks.
    """
    require_inputs(stack, inputs, regime)
    checkpoint = Nothing() if checkpoint is None else checkpoint
    identity = fingerprint(method, stack, inputs, regime)
    kept = checkpoint.load(part)
    if kept is not None and kept.attrs.get("identity") == identity:
        gathered = _Gathered.from_dataset(kept)
    else:
        gathered = _Gathered(method.players(stack), len(inputs))
    saved = time.monotonic()
    with tqdm(
        total=len(inputs),
        initial=gathered.done,
        desc=f"{method.name}, {stack.n_networks} networks",
        unit="cell",
        disable=None if progress else True,
        leave=False,
    ) as bar:
        for block in method.explain(stack, inputs, regime, start=gathered.done):
            gathered.add(block)
            bar.update(block.part.stop - block.part.start)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                checkpoint.save(part, gathered.to_dataset(identity))
                saved = time.monotonic()
    return gathered.attributions()


def blocks_of(n_samples: int, stack: NetworkStack, *, start: int = 0, rows_per_sample: int = 1) -> Iterator[slice]:
    """Yield consecutive samples whose widest activations of all networks fill `BLOCK_BYTES`.

    Parameters
    ----------
    n_samples : int
    stack : NetworkStack
    start : int
        First sample.
    rows_per_sample : int
        How often the networks are applied to a sample at once.
    """
    per_sample = 4 * stack.n_networks * max(stack.layer_sizes) * rows_per_sample
    size = max(1, BLOCK_BYTES // per_sample)
    for first in range(start, n_samples, size):
        yield slice(first, min(first + size, n_samples))


class _Gathered:
    """Statistics of the samples done so far."""

    def __init__(self, players: tuple[str, ...], n_samples: int) -> None:
        self.players = players
        self.statistics = {name: np.zeros((n_samples, len(players)), np.float32) for name in STATISTICS}
        self.shares: dict[str, Weights] = {}
        self.remainder = np.nan
        self.done = 0

    def add(self, block: Block) -> None:
        values, part = block.values, block.part
        mean = values.mean(axis=0)
        self.statistics["mean"][part] = mean
        self.statistics["spread"][part] = values.std(axis=0)
        lower, upper = np.quantile(values, QUARTILES, axis=0)
        self.statistics["lower_quartile"][part] = lower
        self.statistics["upper_quartile"][part] = upper
        self.statistics["sign_agreement"][part] = (np.sign(values) == np.sign(mean)).mean(axis=0)
        if block.standard_error is not None:
            self.statistics["standard_error"][part] = block.standard_error
        for name, share in block.shares.items():
            rows = self.shares.setdefault(name, np.zeros(len(self.statistics["mean"]), np.float32))
            rows[part] = share.mean(axis=0)
        if "remainder" in block.shares:
            self.remainder = float(np.fmax(self.remainder, np.abs(block.shares["remainder"]).max()))
        self.done = part.stop

    def attributions(self) -> Attributions:
        return Attributions(
            self.players, **self.statistics, shares=self.shares, largest_remainder=float(self.remainder)
        )

    def to_dataset(self, identity: str) -> xr.Dataset:
        return self.attributions().to_dataset().assign_attrs(identity=identity, done=self.done)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> "_Gathered":
        kept = Attributions.from_dataset(dataset)
        gathered = cls(kept.players, len(kept.mean))
        gathered.statistics = {name: np.array(getattr(kept, name)) for name in STATISTICS}
        gathered.shares = {name: np.array(values) for name, values in kept.shares.items()}
        gathered.remainder = kept.largest_remainder
        gathered.done = int(dataset.attrs["done"])
        return gathered
