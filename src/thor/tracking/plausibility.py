"""Plausibility of the regimes of a run as a whole, compared with those of the training ocean.

The area of applicability concerns single cells. Inputs with a wrong sign, unit or position may lie inside it everywhere
and still give an implausible map: one regime nearly everywhere, a regime of the training ocean absent, or regimes at
latitudes where the training ocean has others. An objection is a reason to check the input, not a proof.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.regimes.naming import regime_names
from thor.tracking.areas import require_regimes
from thor.tracking.cells import run_key
from thor.tracking.fields import GLOBAL

log = logging.getLogger(__name__)

HALFWAY = 0.5
"""A regime dominates a map where its share exceeds that in the training ocean by this part of all the rest: one of
20 % there dominates above 60 %, one of 80 % above 90 %."""

NOTICEABLE_SHARE = 0.01
"""Regimes with a smaller share of the training ocean may be absent."""

ABSENT_PART = 0.1
"""A regime is absent where its share is less than this part of that in the training ocean."""

LATITUDE_MISMATCH = 0.45
"""Largest plausible share of the area with other regimes than the training ocean has at the same latitude. In the
`test` environment the idealized climate models have 0.09 to 0.26; with the sign of the stress reversed 0.57 to 0.68,
without stress 0.47 to 0.62, with ten times the stress 0.46 to 0.65."""

BAND_DEGREES = 10.0


@dataclass(frozen=True, eq=False)
class TrainingOcean:
    """The areas of the regimes of the training ocean.

    Attributes
    ----------
    names : tuple of str
    area : ndarray of shape (n_bands, n_regimes), [m2]
        By bands of latitude.
    """

    names: tuple[str, ...]
    area: AnyArray

    @classmethod
    def of(cls, regimes: xr.Dataset) -> "TrainingOcean":
        """Return the areas of a map of regimes with `areacello` [m2] and `lat`; cells without a regime do not count."""
        names = regime_names(regimes)
        return cls(names, _by_latitude(regimes["regime"], regimes["areacello"], len(names)))

    def of_regimes(self, names: tuple[str, ...]) -> "TrainingOcean":
        """Return the same in another order of the regimes.

        Raises
        ------
        DataError
            When the regimes differ.
        """
        if set(names) != set(self.names):
            raise DataError(
                f"The training ocean has the regimes {', '.join(self.names)}; the run {', '.join(names)}. Run the "
                "pipelines modelling, uncertainty and scenario_tracking again."
            )
        return TrainingOcean(names, self.area[:, [self.names.index(name) for name in names]])

    @property
    def share(self) -> AnyArray:
        """Share of the area of each regime."""
        return np.asarray(self.area.sum(axis=0) / self.area.sum())


def plausibility(
    run: xr.Dataset, training: TrainingOcean, truth: xr.Dataset | None = None
) -> dict[str, dict[str, Any]]:
    """Return the comparison of a run's regimes with those of the training ocean, and warn where it is implausible.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`.
    training : TrainingOcean
    truth : xarray.Dataset, optional
        True regimes of the run where they are known, as from `thor.tracking.true_regimes.true_regime_plans`. A regime
        that they lack as well is not absent.

    Returns
    -------
    dict
        By predictor, over all windows: `largest_regime`, `largest_share` and `largest_share_in_training`,
        `absent_regimes`, `latitude_mismatch`, and `objections`, a list of sentences.

    Notes
    -----
    Largest regime and latitudes concern the map of the most probable regime. A regime is absent by its expected area,
    because a rare regime is rarely the most probable one.
    """
    training = training.of_regimes(require_regimes(run))
    possible = training.share >= NOTICEABLE_SHARE
    if truth is not None and (truth["true_regime"] >= 0).any():
        true_map = xr.Dataset({"regime": truth["true_regime"], "areacello": run["areacello"]})
        possible &= TrainingOcean.of(true_map).of_regimes(training.names).share >= ABSENT_PART * training.share
    found = {str(name): _of_predictor(run.sel(predictor=name), training, possible) for name in run["predictor"].values}
    objections = [f"{name}: {objection}" for name, numbers in found.items() for objection in numbers["objections"]]
    if objections:
        log.warning(
            "%s: the regimes are implausible (%s). Check sign, units and grid of its stress, sea level and depth.",
            *(run_key(run), "; ".join(objections)),
        )
    return found


def _of_predictor(run: xr.Dataset, training: TrainingOcean, possible: AnyArray) -> dict[str, Any]:
    area = run["areacello"].where(run["valid"] == 1)
    n_windows, n_regimes = run.sizes["window"], len(training.names)
    maps = np.stack([_by_latitude(run["regime"].isel(window=k), area, n_regimes) for k in range(n_windows)])
    largest = maps.sum(axis=1) / maps.sum(axis=(1, 2))[:, None]
    expected = run["expected_area"].sel(basin=GLOBAL).transpose("window", "regime").values
    expected = expected / expected.sum(axis=1, keepdims=True)
    window, regime = np.unravel_index(np.argmax(largest - _dominant(training.share)), largest.shape)
    absent = possible & (expected < ABSENT_PART * training.share).any(axis=0)
    numbers = {
        "largest_regime": training.names[regime],
        "largest_share": min(float(largest[window, regime]), 1.0),  # a sum may exceed 1 by rounding
        "largest_share_in_training": float(training.share[regime]),
        "absent_regimes": [name for name, gone in zip(training.names, absent, strict=True) if gone],
        "latitude_mismatch": max(_mismatch(areas, training.area) for areas in maps),
    }
    return numbers | {"objections": list(_objections(numbers))}


def _objections(numbers: Mapping[str, Any]) -> Iterator[str]:
    share_now, share_then = numbers["largest_share"], numbers["largest_share_in_training"]
    if share_now > _dominant(share_then):
        yield f"{numbers['largest_regime']} covers {share_now:.0%} of the ocean, {share_then:.0%} of the training ocean"
    if numbers["absent_regimes"]:
        yield f"{', '.join(numbers['absent_regimes'])} absent, unlike in the training ocean"
    if numbers["latitude_mismatch"] > LATITUDE_MISMATCH:
        yield (
            f"{numbers['latitude_mismatch']:.0%} of the area has other regimes than the training ocean at the same "
            "latitude"
        )


def _dominant(share_in_training: Any) -> Any:
    return share_in_training + HALFWAY * (1 - share_in_training)


def _mismatch(areas: AnyArray, training: AnyArray) -> float:
    """Return the distance in total variation of the regimes of both in each band, mean over the area both have."""
    both = (areas.sum(axis=1) > 0) & (training.sum(axis=1) > 0)
    if not both.any():
        return 0.0
    shares = [area[both] / area[both].sum(axis=1, keepdims=True) for area in (areas, training)]
    return float(np.average(0.5 * np.abs(shares[0] - shares[1]).sum(axis=1), weights=areas[both].sum(axis=1)))


def _by_latitude(regime: xr.DataArray, area: xr.DataArray, n_regimes: int) -> AnyArray:
    """Return the area of each regime in each band of latitude, (n_bands, n_regimes), [m2]."""
    regime, area, lat = xr.broadcast(regime, area, regime["lat"])
    known = ((regime >= 0) & area.notnull() & lat.notnull()).values
    band = ((lat.values[known] + 90.0) // BAND_DEGREES).astype(int)
    total = np.zeros((int(180 / BAND_DEGREES), n_regimes))
    # the pole itself belongs to the last band
    np.add.at(total, (np.minimum(band, len(total) - 1), regime.values[known].astype(int)), area.values[known])
    return total
