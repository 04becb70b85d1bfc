"""Accuracy to expect in cells where no truth is known, from their dissimilarity to the training cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.networks.json_model import JsonModel


@dataclass(frozen=True, eq=False)
class ExpectedAccuracy(JsonModel):
    """Share of correct cells by dissimilarity to the training cells, never increasing.

    Attributes
    ----------
    dissimilarity : ndarray of shape (n_knots,)
        Ascending.
    accuracy : ndarray of shape (n_knots,)
        Share of the area that is correct there; linear in between, constant beyond.

    Notes
    -----
    Cells of other ocean models lie nearer to the training cells than those of a basin left out of training, and farther
    than those beside them. Errors of both kinds of cells, at their distances, give the error at the distances of the
    new cells: validation matched to the prediction domain (Milà et al. 2022, doi:10.1111/2041-210X.13851; Linnenbrink
    et al. 2024, doi:10.5194/gmd-17-5897-2024).
    """

    KIND = "An expected accuracy"

    dissimilarity: Array
    accuracy: Array

    @classmethod
    def fit(cls, dissimilarity: Array, right: NDArray[np.bool_], area: Array) -> "ExpectedAccuracy":
        """Return the expected accuracy from cells that the networks did not see.

        Parameters
        ----------
        dissimilarity : ndarray of shape (n_samples,)
            To the cells that the networks of each cell were trained on: not those of the test region or of the basin
            left out.
        right : ndarray of bool, shape (n_samples,)
            Where the most probable regime is the label.
        area : ndarray of shape (n_samples,), [m2]
        """
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(increasing=False).fit(dissimilarity, right, sample_weight=area)
        return cls(fitted.X_thresholds_.astype(float), fitted.y_thresholds_.astype(float))

    def of_cells(self, dissimilarity: AnyArray, area: AnyArray) -> float:
        """Return the share of the area of new cells, both of shape (n_cells,), that is expected to be correct."""
        at = np.interp(dissimilarity, self.dissimilarity, self.accuracy)
        return float(np.average(at, weights=area))
