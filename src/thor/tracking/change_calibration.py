"""P(change) as the frequency of changes where the truth is known: a monotone function."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thor.core.arrays import AnyArray, Array
from thor.networks.json_model import JsonModel

OTHERS = "others"
"""Entry for climate models whose truth is not known: made from all models whose truth is."""


@dataclass(frozen=True, eq=False)
class ChangeCalibration(JsonModel):
    """The frequency with which regimes changed, as a monotone function of P(change); linear between these points.

    Attributes
    ----------
    probability, frequency : ndarray of shape (n_points,)
        Both ascending. 0 remains 0: nothing changes between identical inputs.
    """

    KIND = "A calibration of P(change)"

    probability: Array
    frequency: Array

    @classmethod
    def fit(cls, probability: AnyArray, changed: AnyArray, weight: AnyArray) -> "ChangeCalibration":
        """Return the isotonic regression of changes on P(change), each array of shape (n_cells,)."""
        from sklearn.isotonic import IsotonicRegression

        found = IsotonicRegression(y_min=0.0, y_max=1.0).fit(probability, changed, sample_weight=weight)
        above = found.X_thresholds_ > 0
        return cls(np.append(0.0, found.X_thresholds_[above]), np.append(0.0, found.y_thresholds_[above]))

    def __call__(self, probability: AnyArray) -> AnyArray:
        """Return the recalibrated probabilities, of any shape."""
        return np.interp(probability, self.probability, self.frequency)


Calibrations = Mapping[str, Mapping[str, ChangeCalibration]]
"""By predictor and climate model, or `OTHERS`."""


def calibration_of(calibrations: Calibrations, predictor: str, source_id: str) -> ChangeCalibration | None:
    """Return the calibration of a predictor for a climate model; None where there is none."""
    of_predictor = calibrations.get(predictor, {})
    return of_predictor.get(source_id, of_predictor.get(OTHERS))
