"""What all runs are tracked with: the predictors with their scaler, calibration and area of applicability."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.core.variables import BUDGET_TERMS
from thor.networks.prediction import probability_blocks
from thor.networks.predictor import AVERAGE, ENSEMBLE, Predictor, columns
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack
from thor.tracking.change import Calibrations
from thor.tracking.settings import TrackingSettings
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.set_calibration import ExpectedAccuracy
from thor.uncertainty.term_spread import normal_width

OF_LABEL_RUNS = {AVERAGE, ENSEMBLE}
"""Predictors with one member for each network of the ensemble."""


@dataclass(frozen=True, eq=False)
class TrackingTools:
    """What all runs are tracked with.

    Attributes
    ----------
    predictors : mapping of str to Predictor
        By name, such as `average` and `bayesian`.
    scaler : FeatureScaler
        With which all of them were trained.
    applicability : Applicability
    temperatures : mapping of str to float
        By which the logits of each predictor are divided; of these predictors at least.
    expected_accuracy : mapping of str to ExpectedAccuracy
        Of these predictors at least.
    settings : TrackingSettings
    change_calibration : mapping of str to mapping of str to ChangeCalibration
        Of P(change), by predictor and climate model; none by default.
    term_networks : NetworkStack, optional
        Networks that predict the terms of the budget.
    term_spread : mapping of str to float, optional
        By term, factor of the spread of its change; needed with these networks.
    label_run : ndarray of int, shape (n_networks,), optional
        Clustering run whose labels each network of the ensemble learned, where they learned votes; see
        `split_predictor`.

    Raises
    ------
    NetworkError
        When predictors, scaler, temperatures, label runs and area of applicability do not belong together.
    """

    predictors: Mapping[str, Predictor]
    scaler: FeatureScaler
    applicability: Applicability
    temperatures: Mapping[str, float]
    expected_accuracy: Mapping[str, ExpectedAccuracy]
    settings: TrackingSettings
    change_calibration: Calibrations = field(default_factory=dict)
    term_networks: NetworkStack | None = None
    term_spread: Mapping[str, float] | None = None
    label_run: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        _require_predictors(self.predictors, self.scaler)
        _require_features("The area of applicability", self.applicability.features, self.scaler)
        if missing := sorted(set(self.predictors) - set(self.temperatures)):
            raise NetworkError(
                f"The calibration model has no temperature of {', '.join(missing)}; it has "
                f"{', '.join(self.temperatures)}. Run the pipeline uncertainty again."
            )
        if self.label_run is not None:
            for name in OF_LABEL_RUNS & set(self.predictors):
                if len(self.label_run) != (n_members := self.predictors[name].n_members):
                    raise NetworkError(
                        f"Expected one label run for each of the {n_members} networks of '{name}'; got "
                        f"{len(self.label_run)}."
                    )
        if self.term_networks is not None:
            _require_features("The prediction of terms", self.term_networks.features, self.scaler)
            if self.term_spread is None:
                raise NetworkError(
                    "The networks predict terms of the budget, but the calibration model was made without. Run the "
                    "pipelines modelling and uncertainty again."
                )
        # What is not applied has no influence, so it must not change the fingerprint either.
        if self.split_predictor is None:
            object.__setattr__(self, "label_run", None)
        object.__setattr__(self, "temperatures", {name: self.temperatures[name] for name in self.predictors})
        object.__setattr__(self, "expected_accuracy", {name: self.expected_accuracy[name] for name in self.predictors})
        of_these = {name: self.change_calibration[name] for name in self.predictors if name in self.change_calibration}
        object.__setattr__(self, "change_calibration", of_these)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the regimes."""
        return next(iter(self.predictors.values())).classes

    @property
    def split_predictor(self) -> str | None:
        """The predictor whose variance of P(change) is split into parts from labels and networks; None for none."""
        found = [name for name in self.predictors if name in OF_LABEL_RUNS]
        return found[0] if found and self.label_run is not None else None

    def dissimilarity(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the dissimilarity of cells to the training cells, from their scaled inputs."""
        chosen = columns(inputs, self.scaler.features, self.applicability.features)
        return self.applicability.dissimilarity(chosen, n_threads=1)  # blocks of cells share the cores

    def probabilities(
        self, predictor: str, inputs: Sequence[NDArray[np.float32]]
    ) -> Iterator[tuple[slice, list[NDArray[np.float32]]]]:
        """Yield a slice of the cells and the probabilities of one predictor's members there, for each of the inputs.

        Parameters
        ----------
        predictor : str
        inputs : sequence of ndarray of shape (n_cells, n_features)
            Scaled inputs of the same cells in several windows.

        Yields
        ------
        slice, list of ndarray of shape (n_members, n_cells, n_regimes)
        """
        chosen, temperature = self.predictors[predictor], self.temperatures[predictor]
        blocks = [
            probability_blocks(chosen, columns(state, self.scaler.features, chosen.features), temperature=temperature)
            for state in inputs
        ]
        for states in zip(*blocks, strict=True):
            yield states[0][0], [probability for _, probability in states]

    def terms(self, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the terms that every network predicts in cells with these scaled inputs, and their spread.

        Shape (n_networks, n_cells, n_terms), [m s-2]; raise NetworkError without such networks.
        """
        if (networks := self.term_networks) is None:
            raise NetworkError("There are no networks that predict terms. Set modelling.terms_weight above 0.")
        return networks.terms(columns(inputs, self.scaler.features, networks.features))


def term_widths(term_spread: Mapping[str, float], level: float) -> NDArray[np.float64]:
    """Return the half-width of the interval of the change of each term, in units of its spread over networks."""
    return normal_width(level) * np.array([term_spread[name] for name in BUDGET_TERMS])


def _require_predictors(predictors: Mapping[str, Predictor], scaler: FeatureScaler) -> None:
    """Raise NetworkError unless there are predictors, all for the same regimes and of features of the scaler."""
    if not predictors:
        raise NetworkError("There are no predictors to track regimes with.")
    first = next(iter(predictors.values()))
    for name, predictor in predictors.items():
        _require_features(f"Predictor '{name}'", predictor.features, scaler)
        if predictor.classes != first.classes:
            raise NetworkError(
                f"All predictors must have the same regimes; '{name}' has {', '.join(predictor.classes)}, others "
                f"{', '.join(first.classes)}. Train them on the same regimes."
            )


def _require_features(what: str, features: Iterable[str], scaler: FeatureScaler) -> None:
    if unknown := [name for name in features if name not in scaler.features]:
        raise NetworkError(
            f"{what} needs {', '.join(unknown)}, which the scaler lacks; it has {', '.join(scaler.features)}. Run the "
            "pipelines modelling and uncertainty again."
        )
