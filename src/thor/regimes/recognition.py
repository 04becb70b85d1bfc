"""Numbers and names of regimes from their physics, so that they stay the same between fits.

A regime has a published name only where balance and location are those of the published regime
(`is_published`). Otherwise it is R1, R2, ... with its measured balance as long name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.regimes.balances import dominant_balance
from thor.regimes.clustering import budget_points, cell_areas
from thor.regimes.naming import LONG_NAMES, MERGED, MERGED_MEANING, REGIMES

SIGN_SHARE = 0.75
"""Share of a regime's area on which a term must have one sign; otherwise it has both."""

MOST = 2 / 3
"""Share of a regime's area that counts as most of it."""

_WIND, _PLANETARY, _NONLINEAR = (
    BUDGET_TERMS.index(name) for name in ("wind_stress_curl", "planetary_vorticity_advection", "nonlinear_torque")
)
_BY_FALLING_CURL = ("TR", "S-SV", "MD", "N-SV", "SO")


@dataclass(frozen=True)
class Naming:
    """Regime of each class.

    Attributes
    ----------
    regime_of_class : ndarray of int8, shape (n_classes,)
    names, long_names : tuple of str
        In the order of the regime numbers.
    rule : {"signature", "balance", "reference"}
        `signature`: the published regimes; `balance`: R1, R2, ... by falling median stress curl; `reference`:
        numbered as in given labels.
    """

    regime_of_class: np.ndarray
    names: tuple[str, ...]
    long_names: tuple[str, ...]
    rule: Literal["signature", "balance", "reference"]


@dataclass(frozen=True)
class RegimePhysics:
    """What is measured in the cells of one regime, weighted by area but for the median.

    Attributes
    ----------
    median_curl : float
        Median of the wind stress curl over cells [m s-2].
    mean, magnitude : ndarray of shape (n_terms,), [m s-2]
        Means of the terms and of their magnitudes.
    positive : ndarray of shape (n_terms,)
        Share of the area on which a term is positive.
    north, south_of_30s, within_30 : float
        Share of the area north of the equator, south of 30S, and between 30S and 30N.
    """

    median_curl: float
    mean: np.ndarray
    magnitude: np.ndarray
    positive: np.ndarray
    north: float
    south_of_30s: float
    within_30: float


def name_regimes(
    classes: np.ndarray,
    budget: xr.Dataset,
    *,
    n_classes: int,
    numbering: Literal["physics", "reference"] = "physics",
    merged: bool = True,
) -> Naming:
    """Return number and name of the regime of each class.

    Parameters
    ----------
    classes : ndarray of int, shape (n_cells,)
        At the cells of `analysis_mask` in C order, -1 without a class.
    budget : xarray.Dataset
        The terms [m s-2], `analysis_mask`, `areacello` [m2], `lat`.
    n_classes : int
    numbering : {"physics", "reference"}
        `physics`: by stress curl, the merged small clusters last; `reference`: classes keep their
        numbers, and all of them are named by their balances if they are not the published regimes.
    merged : bool
        Whether the last class is that of merged small clusters; if not, it is numbered and named like the others.
    """
    physics = _measure(classes, budget, n_classes)
    if numbering == "reference":
        same = np.arange(n_classes, dtype=np.int8)
        if is_published(physics):
            return Naming(same, REGIMES, tuple(LONG_NAMES.values()), "reference")
        numbered = tuple(f"R{number + 1}" for number in same)
        return Naming(same, numbered, tuple(_balance_texts(physics)), "reference")
    # A class without cells has no median and comes last.
    medians = [-np.inf if found is None else found.median_curl for found in (physics[:-1] if merged else physics)]
    falling = np.argsort(-np.array(medians), kind="stable")
    regime_of_class = np.full(n_classes, n_classes - 1, dtype=np.int8)
    if n_classes == len(REGIMES):
        regime_of_class[falling[falling < n_classes - 1]] = [REGIMES.index(name) for name in _BY_FALLING_CURL]
        if is_published([physics[c] for c in np.argsort(regime_of_class)]):
            return Naming(regime_of_class, REGIMES, tuple(LONG_NAMES.values()), "signature")
    regime_of_class[:] = n_classes - 1
    regime_of_class[falling] = np.arange(len(falling))
    texts = _balance_texts([physics[c] for c in falling])
    names, meanings = [f"R{number}" for number in range(1, len(falling) + 1)], list(texts)
    if merged:
        names, meanings = [*names, MERGED], [*meanings, MERGED_MEANING]
    return Naming(regime_of_class, tuple(names), tuple(meanings), "balance")


def is_published(physics: Sequence[RegimePhysics | None]) -> bool:
    """Return whether regimes, in the order of `REGIMES`, have balances and locations of the published ones.

    Balances:

    * the median wind stress curl is positive in TR and, weaker, in S-SV, weakest in MD, negative in N-SV and, stronger,
      in SO;
    * in TR, S-SV, N-SV and SO the mean planetary vorticity advection opposes the mean curl, more than any other term;
    * all terms together have the smallest mean magnitude in MD;
    * the nonlinear torque has its largest mean magnitude in NL, where it exceeds that of the wind stress curl.

    Locations, by area:

    * two thirds of SO are south of 30S, and two thirds of TR poleward of 30 degrees;
    * most of S-SV, and more of it than of N-SV, is in the southern hemisphere.

    A regime without cells (None) fits no name.

    Notes
    -----
    From the description of the regimes in Sonnewald et al. 2019, doi:10.1029/2018EA000519, and Sonnewald & Lguensat
    2021, doi:10.1029/2021MS002496. The published labels have 96 % of SO south of 30S, 88 % of TR poleward of 30
    degrees, 70 % of S-SV and 45 % of N-SV in the southern hemisphere; the torque in NL is 1.4 times the curl.
    """
    found = [regime for regime in physics if regime is not None]
    if not len(physics) == len(found) == len(REGIMES):
        return False
    of = dict(zip(REGIMES, found, strict=True))
    curl = {name: of[name].median_curl for name in _BY_FALLING_CURL}
    total = {name: regime.magnitude.sum() for name, regime in of.items()}
    torque = {name: regime.magnitude[_NONLINEAR] for name, regime in of.items()}
    balances = (
        curl["TR"] > curl["S-SV"] > 0 > curl["N-SV"] > curl["SO"],
        min(curl, key=lambda name: abs(curl[name])) == "MD",
        all(_is_sverdrupian(of[name].mean) for name in ("TR", "S-SV", "N-SV", "SO")),
        min(total, key=total.__getitem__) == "MD",
        max(torque, key=torque.__getitem__) == "NL",
        torque["NL"] > of["NL"].magnitude[_WIND],
    )
    locations = (
        of["SO"].south_of_30s >= MOST,
        1 - of["TR"].within_30 >= MOST,
        of["S-SV"].north < 0.5,
        of["S-SV"].north < of["N-SV"].north,
    )
    return all(balances) and all(locations)


def balance_text(physics: RegimePhysics) -> str:
    """Return the dominant balance in words, with the sign of each term that has one on `SIGN_SHARE` of the area.

    The terms are those of the best M-score (`thor.regimes.balances.dominant_balance`).
    """
    terms = dominant_balance(physics.magnitude).terms
    above = [term for term in terms if physics.positive[term] >= SIGN_SHARE]
    below = [term for term in terms if physics.positive[term] <= 1 - SIGN_SHARE]
    both = [term for term in terms if term not in (*above, *below)]
    # The side with the first term of the budget comes first.
    sides = sorted(((side, sign) for side, sign in ((above, "(+)"), (below, "(-)")) if side), key=lambda s: s[0][0])
    text = " balanced by ".join(_listed([f"{_label(term)} {sign}" for term in side]) for side, sign in sides)
    if both:
        text += (", with " if text else "") + _listed([_label(term) for term in both]) + " of both signs"
    return text


def _balance_texts(physics: Sequence[RegimePhysics | None]) -> list[str]:
    """Return the balance of each regime in words; equal ones get their median curl."""
    texts = ["no cells" if found is None else balance_text(found) for found in physics]
    times = Counter(texts)
    return [
        text if found is None or times[text] == 1 else f"{text}, median curl {found.median_curl:.1e} m s-2"
        for text, found in zip(texts, physics, strict=True)
    ]


def _measure(classes: np.ndarray, budget: xr.Dataset, n_classes: int) -> list[RegimePhysics | None]:
    """Return the physics of each class, None without cells."""
    points, mask = budget_points(budget)
    area = cell_areas(budget)[mask]
    lat = budget["lat"].broadcast_like(budget["analysis_mask"]).transpose(*budget["analysis_mask"].dims).values[mask]
    measured: list[RegimePhysics | None] = []
    for number in range(n_classes):
        cells = classes == number
        if not cells.any():
            measured.append(None)
            continue
        values, weights, where = points[cells], area[cells], lat[cells]
        columns = np.column_stack([where > 0, where < -30, np.abs(where) < 30])
        north, south_of_30s, within_30 = np.average(columns, axis=0, weights=weights)
        measured.append(
            RegimePhysics(
                median_curl=float(np.median(values[:, _WIND])),
                mean=np.average(values, axis=0, weights=weights),
                magnitude=np.average(np.abs(values), axis=0, weights=weights),
                positive=np.average(values > 0, axis=0, weights=weights),
                north=float(north),
                south_of_30s=float(south_of_30s),
                within_30=float(within_30),
            )
        )
    return measured


def _is_sverdrupian(mean: np.ndarray) -> bool:
    """Return whether planetary advection opposes the stress curl more than any other term."""
    opposing = -np.sign(mean[_WIND]) * mean
    return bool(opposing[_PLANETARY] > 0 and opposing.argmax() == _PLANETARY)


def _label(term: int) -> str:
    return variable(BUDGET_TERMS[term]).label.lower()


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
