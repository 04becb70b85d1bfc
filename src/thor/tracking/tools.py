"""What all runs are tracked with: the networks with their scaler, calibration and area of applicability."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.prediction import probability_blocks
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack
from thor.tracking.settings import TrackingSettings
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.expected_accuracy import ExpectedAccuracy


@dataclass(frozen=True, eq=False)
class TrackingTools:
    """What all runs are tracked with.

    Attributes
    ----------
    stacks : mapping of str to NetworkStack
        By predictor, such as `ensemble` and `bayesian`.
    scaler : FeatureScaler
        With which all of them were trained.
    applicability : Applicability
    temperatures : mapping of str to float
        By which the logits of each predictor are divided; of these predictors at least.
    expected_accuracy : mapping of str to ExpectedAccuracy
        Of these predictors at least.
    settings : TrackingSettings
    label_run : ndarray of int, shape (n_networks,), optional
        Clustering run whose labels each network of the ensemble learned, where they learned votes.

    Raises
    ------
    NetworkError
        When networks, scaler, temperatures, label runs and area of applicability do not belong together.
    """

    stacks: Mapping[str, NetworkStack]
    scaler: FeatureScaler
    applicability: Applicability
    temperatures: Mapping[str, float]
    expected_accuracy: Mapping[str, ExpectedAccuracy]
    settings: TrackingSettings
    label_run: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        _require_networks(self.stacks, self.scaler)
        if missing := sorted(set(self.stacks) - set(self.temperatures)):
            raise NetworkError(
                f"The calibration model has no temperature of {', '.join(missing)}; it has "
                f"{', '.join(self.temperatures)}. Run the pipeline uncertainty again."
            )
        if self.applicability.features != self.scaler.features:
            raise NetworkError(
                f"The area of applicability is of the features {', '.join(self.applicability.features)}, the scaler "
                f"of {', '.join(self.scaler.features)}. Run the pipelines modelling and uncertainty again."
            )
        n_runs = None if self.label_run is None else len(self.label_run)
        if n_runs is not None and ("ensemble" not in self.stacks or n_runs != self.stacks["ensemble"].n_networks):
            raise NetworkError(f"Expected one label run for each network of 'ensemble'; got {n_runs}.")
        # Predictors that are not applied have no influence, so they must not change the fingerprint either.
        object.__setattr__(self, "temperatures", {name: self.temperatures[name] for name in self.stacks})
        object.__setattr__(self, "expected_accuracy", {name: self.expected_accuracy[name] for name in self.stacks})

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the regimes."""
        return next(iter(self.stacks.values())).classes

    def probabilities(
        self, predictor: str, inputs: Sequence[NDArray[np.float32]]
    ) -> Iterator[tuple[slice, list[NDArray[np.float32]]]]:
        """Yield a slice of the cells and the probabilities of one predictor's networks there, for each of the inputs.

        Parameters
        ----------
        predictor : str
        inputs : sequence of ndarray of shape (n_cells, n_features)
            Scaled inputs of the same cells in several windows.

        Yields
        ------
        slice, list of ndarray of shape (n_networks, n_cells, n_regimes)
        """
        stack, temperature = self.stacks[predictor], self.temperatures[predictor]
        blocks = [probability_blocks(stack, state, temperature=temperature) for state in inputs]
        for states in zip(*blocks, strict=True):
            yield states[0][0], [probability for _, probability in states]


def _require_networks(stacks: Mapping[str, NetworkStack], scaler: FeatureScaler) -> None:
    """Raise NetworkError unless there are networks, all for the same regimes and the features of the scaler."""
    if not stacks:
        raise NetworkError("There are no networks to track regimes with.")
    first = next(iter(stacks.values()))
    for name, stack in stacks.items():
        try:
            scaler.require(stack.features)
        except NetworkError as error:
            raise NetworkError(f"Networks of '{name}': {error}") from error
        if stack.classes != first.classes:
            raise NetworkError(
                f"All predictors must have the same regimes; '{name}' has {', '.join(stack.classes)}, others "
                f"{', '.join(first.classes)}. Train them on the same regimes."
            )
