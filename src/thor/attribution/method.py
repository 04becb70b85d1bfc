"""A method of explanation: its names, its settings, and the explainer that gives attributions block by block."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from thor.attribution.players import Groups, player_names
from thor.attribution.targets import Regimes, Target
from thor.core.settings import Settings
from thor.networks.prediction import BLOCK_BYTES
from thor.networks.predictor import Predictor
from thor.networks.stack import NetworkStack, Weights

_LEAST_WIDTH = 32
"""Numbers of a sample and member that are held at once, where the predictor does not give its layers."""


@dataclass(frozen=True, eq=False)
class AttributionBlock:
    """Attributions of every member of a predictor to some samples.

    Attributes
    ----------
    part : slice
        Which samples.
    values : ndarray, shape (n_members, n_block, n_players)
        In units of the target.
    standard_error : ndarray, shape (n_block, n_players), optional
        Of the mean over the members, from the method's sampling; None where nothing is sampled.
    shares : mapping of str to ndarray of shape (n_members, n_block)
        Parts of the target that belong to no player (expectation, biases, intercept), `target` itself, `remainder`
        (target minus all players and shares), and measures of fit. Each is a variable of the file.
    """

    part: slice
    values: NDArray[Any]
    standard_error: NDArray[Any] | None = None
    shares: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def additive(
        cls,
        part: slice,
        values: NDArray[Any],
        target: NDArray[Any],
        expectation: NDArray[Any],
        standard_error: NDArray[Any] | None = None,
        **shares: NDArray[Any],
    ) -> "AttributionBlock":
        """Return the block of a method whose values sum to the target minus its expectation, but for the remainder."""
        remainder = target - expectation - values.sum(axis=-1)
        known = {"target": target, "expectation": expectation, "remainder": remainder}
        return cls(part, values, standard_error, known | shares)


class Explainer(ABC):
    """A method with its settings, reference and target.

    Attributes
    ----------
    target : {"centred_logit", "logit", "probability"}
        The number that is explained.
    networks_only : bool
        Whether only networks can be explained, since the method needs their layers.
    """

    target: Target
    networks_only: ClassVar[bool] = True

    def groups_of(self, features: tuple[str, ...]) -> Groups | None:
        """Return the features of each player, None where each feature is a player."""
        return None

    def players(self, predictor: Predictor) -> tuple[str, ...]:
        """Return the names of the players, which get the attributions: features, or groups of them.

        Raises
        ------
        AttributionError
            When a group names a feature that the predictor does not have, or a feature is in no group or in two.
        """
        return player_names(self.groups_of(predictor.features), predictor.features)

    def restricted(self, features: tuple[str, ...], wanted: tuple[str, ...]) -> "Explainer":
        """Return the explainer of predictors with some of the features that it was made for."""
        return self

    @abstractmethod
    def explain(self, predictor: Any, inputs: Weights, regime: Regimes) -> Iterator[AttributionBlock]:
        """Yield attributions, block of samples by block.

        Parameters
        ----------
        predictor : NetworkStack, or any Predictor
            The latter where `networks_only` is false.
        inputs : ndarray of float32, shape (n_samples, n_features)
            Scaled.
        regime : ndarray of int, shape (n_samples,)
            Whose target is explained.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What all methods answer together.

    Attributes
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled rows that attributions are measured against; no row where no method needs any.
    target : {"centred_logit", "logit", "probability"}
    seed : int
    """

    reference: Weights
    target: Target
    seed: int


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of explanation. A file of `thor.attribution.methods` that defines one as `METHOD` registers it.

    Attributes
    ----------
    name : str
        Of its dataset and file, and in the files that list methods.
    label, title : str
        Short name and name in full, as within a sentence.
    colour : str
        In figures.
    explainer : callable
        Returns the explainer for the settings and a `Question`.
    settings : type, optional
        Of the settings in `explainability.<parameters>`; None: the method has none.
    parameters : str
        Their key.
    description : str
        Contents of the dataset, for the catalog; empty for a method that is only evaluated beside the others and
        explains a sample of cells.
    remainder : str
        Name in `explanation_metrics` of what the attributions lack to the target.
    needs_reference : bool
        Whether attributions are measured against reference rows.
    order : int
        Place among the methods.
    """

    name: str
    label: str
    title: str
    colour: str
    explainer: Callable[[Any, Question], Explainer]
    settings: type[Settings] | None = None
    parameters: str = ""
    description: str = ""
    remainder: str = "remainder"
    needs_reference: bool = True
    order: int = 100


def sample_blocks(n_samples: int, predictor: Predictor) -> Iterator[slice]:
    """Yield consecutive samples whose inputs, or widest activations, of all members fill `BLOCK_BYTES`."""
    sizes = predictor.layer_sizes if isinstance(predictor, NetworkStack) else (len(predictor.features), _LEAST_WIDTH)
    return sample_parts(n_samples, max(1, BLOCK_BYTES // (4 * predictor.n_members * max(sizes))))


def sample_parts(n_samples: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of at most `size` samples."""
    return (slice(first, min(first + size, n_samples)) for first in range(0, n_samples, size))
