"""What all predictors have in common, and those that are not networks alone: gradient boosting, and the mean of both.

A predictor has one member or many, each of which gives every regime a probability. Calibration, entropies, conformal
sets, the tracking of climate models, Shapley values and LIME take any predictor. To add one, write a class with these
attributes, a row in `thor.networks.baselines.predictors_of` and a name in `thor.app.parameters.Predictors`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.core.errors import NetworkError
from thor.core.variables import SURFACE_SET, input_sets
from thor.networks.inputs import all_features
from thor.networks.scores import FLOOR
from thor.networks.stack import NetworkStack, Weights
from thor.networks.trees import BoostedTrees

AVERAGE, ENSEMBLE, BOOSTING = "average", "ensemble", "gradient_boosting"
"""Names of predictors."""


class Predictor(Protocol):
    """Members that each give every regime a probability."""

    @property
    def features(self) -> tuple[str, ...]:
        """Inputs in their order."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Regimes in the order of the outputs."""

    @property
    def n_members(self) -> int:
        """Number of networks, or 1."""

    def logit_blocks(self, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
        """Yield the logits of every member, block of samples by block.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n_samples, n_features)
            Scaled as in training, finite.
        block_bytes : int
            About the size of the largest array of a block.

        Yields
        ------
        part : slice
            Which samples.
        logits : ndarray of float32, shape (n_members, n_block, n_classes)
            Logarithms of probabilities, but for a constant of each sample and member.
        """

    def logits_of_each(self, inputs: Weights) -> Weights:
        """Return the logits of members that each have different inputs, for few samples.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n_members, n_samples, n_features)
            Scaled, finite.

        Returns
        -------
        ndarray of float32, shape (n_members, n_samples, n_classes)
        """


@dataclass(frozen=True, eq=False)
class Boosting:
    """Gradient boosting: a predictor of one member.

    Attributes
    ----------
    trees : BoostedTrees
    known : tuple of int
        Numbers of the regimes that it was taught; the others have probability 0.
    features, classes : tuple of str
    """

    trees: BoostedTrees
    known: tuple[int, ...]
    features: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def knows_all(self) -> bool:
        """Whether it was taught every regime."""
        return len(self.known) == len(self.classes)

    @property
    def n_members(self) -> int:
        """One."""
        return 1

    def probabilities(self, inputs: Weights) -> NDArray[np.float64]:
        """Return the probabilities in samples with these scaled inputs, shape (n_samples, n_classes)."""
        logits = self.trees.logits(inputs)
        if len(self.known) == 2:
            logits = np.hstack([np.zeros_like(logits), logits])
        found = np.zeros((len(inputs), len(self.classes)))
        found[:, self.known] = softmax(logits)
        return found

    def logit_blocks(self, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
        """Yield all samples as one block; see `Predictor`."""
        yield slice(0, len(inputs)), _logarithm(self.probabilities(inputs))[None]

    def logits_of_each(self, inputs: Weights) -> Weights:
        """Return the logits of the only member; see `Predictor`."""
        return _logarithm(self.probabilities(inputs[0]))[None]


@dataclass(frozen=True, eq=False)
class Average:
    """The mean of networks and gradient boosting, which err in different places.

    A member is the mean of one network and the boosting. Members differ half as much as the networks do: differences
    between networks and boosting are no part of their spread.

    Attributes
    ----------
    networks : NetworkStack
    boosting : Boosting

    Raises
    ------
    NetworkError
        When they predict different regimes, or the same in another order.
    """

    networks: NetworkStack
    boosting: Boosting

    def __post_init__(self) -> None:
        if self.networks.classes != self.boosting.classes:
            raise NetworkError(
                f"Networks of the regimes {', '.join(self.networks.classes)} and boosting of "
                f"{', '.join(self.boosting.classes)} have no mean: expected the same regimes in the same order. "
                "Run the pipeline modelling again."
            )

    @property
    def features(self) -> tuple[str, ...]:
        """Those of the networks, then others of the boosting."""
        return all_features(self.networks.features, self.boosting.features)

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of both."""
        return self.networks.classes

    @property
    def n_members(self) -> int:
        """Number of networks."""
        return self.networks.n_networks

    def logit_blocks(self, inputs: Weights, block_bytes: int) -> Iterator[tuple[slice, Weights]]:
        """Yield the logarithms of the mean probabilities; see `Predictor`."""
        of_boosting = self.boosting.probabilities(columns(inputs, self.features, self.boosting.features))
        of_networks = columns(inputs, self.features, self.networks.features)
        for part, block in self.networks.logit_blocks(of_networks, block_bytes):
            yield part, _logarithm(0.5 * (softmax(block) + of_boosting[part].astype(np.float32)))

    def logits_of_each(self, inputs: Weights) -> Weights:
        """Return the logarithms of the mean probabilities; see `Predictor`."""
        of_networks = self.networks.logits_of_each(columns(inputs, self.features, self.networks.features))
        rows = columns(inputs, self.features, self.boosting.features).reshape(-1, len(self.boosting.features))
        of_boosting = self.boosting.probabilities(rows).astype(np.float32).reshape(of_networks.shape)
        return _logarithm(0.5 * (softmax(of_networks) + of_boosting))


def in_set(predictor: str, input_set: str) -> str:
    """Return the name of a predictor with the inputs of a set: `average_transport`, or `average` for the surface.

    Parameters
    ----------
    predictor : str
    input_set : str
        One of `thor.core.variables.input_sets`.
    """
    return predictor if input_set == SURFACE_SET else f"{predictor}_{input_set}"


def set_of(name: str) -> tuple[str, str]:
    """Return predictor and input set of a name that `in_set` made."""
    for input_set in input_sets():
        if name.endswith(f"_{input_set}"):
            return name.removesuffix(f"_{input_set}"), input_set
    return name, SURFACE_SET


def of_surface(by_predictor: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of the predictors with the inputs of the surface alone."""
    return {name: entry for name, entry in by_predictor.items() if set_of(name)[1] == SURFACE_SET}


def columns(inputs: Weights, features: tuple[str, ...], wanted: tuple[str, ...]) -> Weights:
    """Return the wanted features, of the last axis; the inputs themselves where these are all, in the same order."""
    return inputs if wanted == features else inputs[..., [features.index(name) for name in wanted]]


def softmax(values: AnyArray) -> AnyArray:
    """Return the softmax over the last axis.

    Each class lies together in the memory of the result: NumPy is slow at reducing an axis of six, here and later.
    """
    by_class = np.array(np.moveaxis(values, -1, 0), order="C")
    by_class -= by_class.max(axis=0)
    np.exp(by_class, out=by_class)
    by_class /= by_class.sum(axis=0)
    return np.moveaxis(by_class, 0, -1)


def _logarithm(probabilities: NDArray[Any]) -> Weights:
    return np.log(np.maximum(probabilities, FLOOR)).astype(np.float32, copy=False)
