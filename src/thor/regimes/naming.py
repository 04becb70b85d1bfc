"""Numbers and names of regimes from their physics, so that they stay the same between fits.

On ECCO the median wind stress curl alone puts the five large regimes into one order, with wide gaps in
between: transitional (1.4e-10 m s-2), southern Sverdrupian (0.6), momentum driven (-0.1), northern
Sverdrupian (-0.9), Southern Ocean (-2.3). The merged small clusters are the nonlinear regime. An ocean with
six regimes gets these names by the rank of its median curl. `rule` is `signature` if the signs agree too, else `rank`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

REGIMES = ("MD", "S-SV", "N-SV", "TR", "SO", "NL")
LONG_NAMES = {
    "MD": "momentum driven",
    "S-SV": "southern Sverdrupian",
    "N-SV": "northern Sverdrupian",
    "TR": "transitional",
    "SO": "Southern Ocean",
    "NL": "nonlinear",
}
_BY_FALLING_CURL = ("TR", "S-SV", "MD", "N-SV", "SO")


@dataclass(frozen=True)
class Naming:
    """Regime of each class.

    Attributes
    ----------
    regime_of_class : ndarray of int8, shape (n_classes,)
    names : tuple of str
        Name of each regime in the order of the regime numbers.
    rule : {"signature", "rank", "generic", "reference"}
        `signature`: six regimes whose curls have the expected signs; `rank`: six regimes named by rank
        although they do not; `generic`: another number, R1, R2, ... by falling median curl; `reference`:
        aligned to given labels.
    """

    regime_of_class: np.ndarray
    names: tuple[str, ...]
    rule: Literal["signature", "rank", "generic", "reference"]


def name_regimes(classes: np.ndarray, wind_stress_curl: np.ndarray, *, n_classes: int) -> Naming:
    """Return the regime of each class from the median wind stress curl of its cells.

    Parameters
    ----------
    classes : ndarray of int, shape (n_cells,)
        The last class holds the merged small clusters.
    wind_stress_curl : ndarray of shape (n_cells,), [m s-2]
    n_classes : int
    """
    # A class without cells has no median and comes last.
    medians = np.array(
        [np.median(wind_stress_curl[classes == c]) if (classes == c).any() else -np.inf for c in range(n_classes - 1)]
    )
    falling = np.argsort(-medians, kind="stable")
    regime_of_class = np.full(n_classes, n_classes - 1, dtype=np.int8)
    if n_classes != len(REGIMES):
        regime_of_class[falling] = np.arange(n_classes - 1)
        return Naming(regime_of_class, default_names(n_classes), "generic")
    regime_of_class[falling] = [REGIMES.index(name) for name in _BY_FALLING_CURL]
    curl = dict(zip(_BY_FALLING_CURL, medians[falling], strict=True))
    return Naming(regime_of_class, REGIMES, "signature" if _signs_fit(curl) else "rank")


def default_names(n_regimes: int) -> tuple[str, ...]:
    """Return the six published names, or R1 ... and `merged` for another number."""
    if n_regimes == len(REGIMES):
        return REGIMES
    return (*(f"R{number}" for number in range(1, n_regimes)), "merged")


def regime_names(regimes: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the regimes in the order of their numbers, from the CF flags of `regime`."""
    return tuple(str(regimes["regime"].attrs["flag_meanings"]).split())


def _signs_fit(curl: dict[str, float]) -> bool:
    weakest = min(curl, key=lambda name: abs(curl[name]))
    return curl["TR"] > curl["S-SV"] > 0 > curl["N-SV"] > curl["SO"] and weakest == "MD"
