"""Conformal prediction: sets of regimes for each cell, and their measured coverage.

The sets contain the true regime at the confidence level only if new cells are exchangeable with those of the calibrate
region. Cells of another basin are not: their coverage must be measured, as `coverage_table` does by basin and regime.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thor.core.errors import NetworkError
from thor.networks.bootstrap import BootstrapSettings, block_bootstraps
from thor.networks.json_model import JsonModel
from thor.networks.scores import check_probabilities
from thor.networks.skill import require_cells

if TYPE_CHECKING:
    from thor.networks.samples import Samples


@dataclass(frozen=True)
class ConformalModel(JsonModel):
    """Sets of regimes whose probability is not far below that of the most probable one.

    Attributes
    ----------
    classes : tuple of str
        Regimes in the order of the probabilities' columns.
    margins : tuple of float
        A regime is in the set of a cell where its probability is lower than the largest one by at most this. 0: only
        where it is the most probable regime; 1: always.
    confidence_level : float
        Share of the cells of each regime whose sets contain it, among cells exchangeable with the calibrate region.
    n_cells : tuple of int
        Calibrate cells of each regime; a regime with too few of them for the level is in every set.
    """

    KIND = "A conformal model"

    classes: tuple[str, ...]
    margins: tuple[float, ...]
    confidence_level: float
    n_cells: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.classes) == len(self.margins) == len(self.n_cells):
            raise NetworkError(
                f"A conformal model needs one margin and number of cells for each of {', '.join(self.classes)}; "
                f"got {len(self.margins)} and {len(self.n_cells)}."
            )
        if not all(0.0 <= margin <= 1.0 for margin in self.margins) or not 0.0 < self.confidence_level < 1.0:
            raise NetworkError(
                "Margins must lie in [0, 1] and the confidence level between 0 and 1; "
                f"got {self.margins} and {self.confidence_level}."
            )

    def sets(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which regimes are in the set of each cell, bool of shape (n_samples, n_classes).

        The most probable regime is in every set.

        Raises
        ------
        NetworkError
            When the number of columns is not that of the regimes.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.classes):
            raise NetworkError(
                f"Probabilities have shape {probabilities.shape}; expected a column for each of "
                f"{', '.join(self.classes)}."
            )
        return _below_largest(probabilities) <= np.array(self.margins)


def _below_largest(probabilities: np.ndarray) -> np.ndarray:
    """Return by how much each probability is lower than the largest of its cell."""
    exact = probabilities.astype(float)
    return exact.max(axis=1, keepdims=True) - exact


def fit_conformal(
    probabilities: np.ndarray, labels: np.ndarray, *, classes: tuple[str, ...], confidence_level: float
) -> ConformalModel:
    """Return the margins from the calibrate region, separately for each regime (Mondrian by label).

    One margin for all regimes would have the right coverage on average, but too high for frequent regimes and too
    low for rare ones.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Of the calibrate region, at the temperature that will be used.
    labels : ndarray of int, shape (n_samples,)
    classes : tuple of str
    confidence_level : float

    Raises
    ------
    NetworkError
        When probabilities and labels do not match, or the level is not between 0 and 1.

    Notes
    -----
    Nonconformity of a regime: the largest probability of the cell less that of the regime. It is zero for the most
    probable regime, so that no set is empty or omits it; the coverage of a regime that is the most probable one in more
    than `confidence_level` of its calibrate cells exceeds the level. crepes' p-value of a candidate is (1 + number of
    calibrate cells of the regime at least as nonconforming) / (1 + their number), and the regime is in the set when it
    is at least 1 - `confidence_level`. It falls in steps at the scores of the calibrate cells, so the margin is the
    largest of these scores whose p-value is high enough. Vovk et al. 2005, doi:10.1007/b106715; crepes: Boström 2022.
    """
    from crepes import ConformalClassifier

    check_probabilities(probabilities, labels, classes)
    nonconformity = _below_largest(probabilities)[np.arange(len(labels)), labels]
    p_values = (
        ConformalClassifier().fit(nonconformity, bins=labels).predict_p(nonconformity, bins=labels, smoothing=False)
    )
    allowed = p_values >= 1.0 - confidence_level
    n_cells = np.bincount(labels, minlength=len(classes))
    margins = [
        # With few calibrate cells even the p-value of a candidate beyond all of them is high enough.
        1.0
        if 1.0 / (n_cells[regime] + 1) >= 1.0 - confidence_level
        else float(nonconformity[allowed & (labels == regime)].max())
        for regime in range(len(classes))
    ]
    return ConformalModel(classes, tuple(margins), confidence_level, tuple(n_cells.tolist()))


def coverage_table(
    model: ConformalModel,
    probabilities: np.ndarray,
    samples: "Samples",
    *,
    regions: Mapping[str, np.ndarray],
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Return coverage and size of the sets, {region: {metric: value}}, for JSON.

    Parameters
    ----------
    model : ConformalModel
    probabilities : ndarray of shape (n_samples, n_classes)
    samples : Samples
        `labels`, `area` [m2], `lat`, `lon` [degrees].
    regions : mapping of str to ndarray of bool, shape (n_samples,)
        Basins, for instance, inside the test region.
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        `n_cells`, `region`, `weighting`, `confidence_level` (coverage under exchangeability), `coverage` with
        `interval` (low, high, level), `mean_set_size` (1 is best if covered), `single_share` of the cells, `by_regime`
        with `n_cells`, `coverage` and `mean_set_size` of the cells with that label (None without any), `area_weighted`
        with `coverage` and `mean_set_size`, and `blocks` of the interval.

    Raises
    ------
    NetworkError
        When a region holds no cell, or probabilities and labels do not match.
    """
    check_probabilities(probabilities, samples.labels, model.classes)
    sets = model.sets(probabilities)
    size, covered = sets.sum(axis=1), sets[np.arange(len(sets)), samples.labels]
    table = {}
    for region, inside in regions.items():
        require_cells(region, inside)
        labels, area, lat, lon = (getattr(samples, name)[inside] for name in ("labels", "area", "lat", "lon"))
        missed = ~covered[inside][:, None]
        (bootstrap,) = block_bootstraps(missed, lat, lon, area, settings=settings, seed=seed)
        draws = bootstrap.draws(bootstrap.sums(np.column_stack([covered[inside], np.ones(len(labels))])))
        table[region] = {
            "region": region,
            "weighting": "cell",
            "confidence_level": model.confidence_level,
            **_coverage(covered[inside], size[inside]),
            "interval": bootstrap.interval(draws[:, 0] / draws[:, 1]),
            "single_share": float(np.mean(size[inside] == 1)),
            "by_regime": {
                name: _coverage(covered[inside][labels == regime], size[inside][labels == regime])
                for regime, name in enumerate(model.classes)
            },
            "area_weighted": {
                "weighting": "area",
                "coverage": float(np.average(covered[inside], weights=area)),
                "mean_set_size": float(np.average(size[inside], weights=area)),
            },
            "blocks": bootstrap.describe(),
        }
    return table


def _coverage(covered: np.ndarray, size: np.ndarray) -> dict[str, float | None]:
    return {
        "n_cells": len(covered),
        "coverage": float(covered.mean()) if len(covered) else None,
        "mean_set_size": float(size.mean()) if len(covered) else None,
    }
