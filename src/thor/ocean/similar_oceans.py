"""Oceans similar to the training ocean, reflected at the equator or with flow of another strength.

The equations of motion on a sphere hold for an ocean reflected at the equator as they do for the ocean itself, with the
winds and the sea floor reflected as well. Curls change their sign then, and so does every term of the vorticity budget.
They are linear but for the advection of momentum: winds and currents that are twice as strong have twice the terms, and
four times the nonlinear torque. Predictors that are also trained on these oceans know each hemisphere from the other
one, and weak flow from strong flow.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.variables import groups_of, variable


@dataclass(frozen=True)
class SimilarOcean:
    """An ocean with the geometry of the training ocean, or its reflection, and flow of another strength.

    Attributes
    ----------
    sign : int
        1, or -1 where the ocean is reflected at the equator.
    amplitude : float
        Of winds, sea level and currents, relative to those of the training ocean.
    """

    sign: int = 1
    amplitude: float = 1.0

    def term_factors(self, terms: Iterable[str]) -> Array:
        """Return by what the terms of the budget are multiplied in this ocean, shape (n_terms,)."""
        return np.array([self.sign * self._strength(name) for name in terms])

    def feature_factors(self, features: Iterable[str]) -> Array:
        """Return by what the features of networks are multiplied in this ocean, shape (n_features,)."""
        signs = {"odd": self.sign, "even": 1}
        return np.array([signs[groups_of(name).reflected] * self._strength(name) for name in features])

    def _strength(self, name: str) -> float:
        return self.amplitude ** variable(name).degree


def oceans_of(regimes: xr.Dataset) -> list[SimilarOcean]:
    """Return the similar oceans of `similar_regime`, in its order."""
    signs, amplitudes = (regimes[name].values.tolist() for name in ("similar_sign", "similar_amplitude"))
    return list(map(SimilarOcean, signs, amplitudes))
