"""Physical checks of an ocean, from `checks.yml`: whether winds, sea level and depth are those of an ocean on Earth."""

import logging
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import xarray as xr
import yaml

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import REGIME_FIELDS, STRESS
from thor.ocean.area_checks import EARTH_AREA
from thor.ocean.grid import Grid
from thor.ocean.stress import stress_curl, stress_eastward_northward

log = logging.getLogger(__name__)

_DOUBTS = "doubts"
"""Attribute with the sentences of `with_doubt`, until `check_physics` has them in those of its own."""

COVERED = 0.5
"""Least share of a region that cells have to cover for its check to apply; land without positions does not count."""

LACKING = 0.1
"""Share of the cells with a depth that may be without sea level: enclosed seas, and cavities below ice shelves; also of
those with a sea level that may be without depth or sea area."""

DENSITY = 1027.0
"""Of sea water [kg m-3], to within two per cent."""

_WORDS = {
    "sea_share": "share of the Earth that is sea",
    "stress_share": "share of the sea with a stress",
    "stress_zeros": "share of the sea where a component of the stress is 0",
    "curl_correlation": "correlation of wind_stress_curl with the curl of the surface stress",
    "curl_slope": "slope of wind_stress_curl against the curl of the surface stress over density",
}
"""Quantities that are one number for the whole ocean, in words."""

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of `checks.yml`, which explains the keys."""

    name: str
    quantity: Literal[
        "eastward_stress",
        "northward_stress",
        "stress",
        "stress_share",
        "stress_zeros",
        "zos",
        "deptho",
        "sea_share",
        "hfds",
        "mlotst",
        "curl_correlation",
        "curl_slope",
    ]
    statistic: Literal["mean", "maximum", "quantile_99", "span", "total", "fit"]
    range: Span
    units: str
    severity: Literal["warn", "error"]
    question: str
    latitudes: Span = (-90.0, 90.0)
    longitudes: Span = (0.0, 360.0)

    @property
    def subject(self) -> str:
        """The quantity that is checked, for messages."""
        if self.quantity in _WORDS:
            return _WORDS[self.quantity]
        region = "" if self.latitudes == (-90.0, 90.0) else f" in {self.latitudes[0]:g} to {self.latitudes[1]:g} N"
        region += "" if self.longitudes == (0.0, 360.0) else f", {self.longitudes[0]:g} to {self.longitudes[1]:g} E"
        return f"{self.statistic.replace('_', ' ')} of {self.quantity.replace('_', ' ')}{region}"


@dataclass(frozen=True)
class Outcome:
    """The result of a check.

    Attributes
    ----------
    check : Check
    value : float or None
        In the units of the check; None where it is not applicable.
    window : str
        The only one in which the value is this; empty for the mean over all.
    """

    check: Check
    value: float | None
    window: str = ""

    @property
    def failed(self) -> bool:
        """Whether the value lies outside the range."""
        low, high = self.check.range
        return self.value is not None and not low <= self.value <= high

    def __str__(self) -> str:
        row = self.check
        low, high = row.range
        units = "" if row.units == "1" else f" {row.units}"
        of = f"{row.subject} in {self.window}" if self.window else row.subject
        return f"{row.name}: {of} is {self.value:.3g}{units}, expected {low:g} to {high:g}. {row.question}"


@cache
def check_table() -> tuple[Check, ...]:
    """Return all checks."""
    rows = yaml.safe_load(files("thor.reading").joinpath("checks.yml").read_text(encoding="utf-8"))
    for row in rows.values():
        row |= {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return tuple(Check(name=name, **row) for name, row in rows.items())


def check_physics(ocean: xr.Dataset, grid: Grid, *, where: str, strict: bool) -> xr.Dataset:
    """Return the ocean with the outcome of all checks in its attributes.

    Parameters
    ----------
    ocean : xarray.Dataset
        Cleaned: `zos`, `deptho`, `areacello`, and `tauuo`, `tauvo` with attribute `stress_convention` if there is a
        stress, and the budget's `wind_stress_curl` where it is known. What has a dim `window` is averaged over it;
        where the mean passes, so has every window.
    grid : Grid
    where : str
        Name of the ocean in messages.
    strict : bool
        Whether a check that only warns is an error too.

    Returns
    -------
    xarray.Dataset
        With attributes `checks_failed` (sentences, separated by `` | ``), `checks_passed` and `checks_not_applicable`
        (names, separated by blanks).

    Raises
    ------
    DataError
        When a check fails that is an error.
    """
    outcomes = _with_windows(physical_checks(ocean, grid), ocean, grid)
    failed = [outcome for outcome in outcomes if outcome.failed]
    sentences = [*map(str, failed), *ocean.attrs.get(_DOUBTS, ())]
    ocean = ocean.drop_attrs(deep=False).assign_attrs({k: v for k, v in ocean.attrs.items() if k != _DOUBTS})
    fatal = sentences if strict else [str(outcome) for outcome in failed if outcome.check.severity == "error"]
    if fatal:
        raise DataError(f"{where}: {fatal[0]}")
    for sentence in sentences:
        log.warning("%s: %s", where, sentence)
    return ocean.assign_attrs(
        checks_failed=" | ".join(sentences),
        checks_passed=" ".join(o.check.name for o in outcomes if o.value is not None and not o.failed),
        checks_not_applicable=" ".join(o.check.name for o in outcomes if o.value is None),
    )


def with_doubt(ocean: xr.Dataset, name: str, sentence: str) -> xr.Dataset:
    """Return the ocean with one more check, beside the rows of `checks.yml`, that it does not pass."""
    return ocean.assign_attrs({_DOUBTS: (*ocean.attrs.get(_DOUBTS, ()), f"{name}: {sentence}")})


def physical_checks(ocean: xr.Dataset, grid: Grid) -> list[Outcome]:
    """Return what each check finds; parameters as in `check_physics`."""
    mean = ocean.mean("window", keep_attrs=True) if "window" in ocean.dims else ocean
    sea = mean["deptho"].notnull().values & mean["zos"].notnull().values & ~grid.duplicate
    area = np.where(sea, np.nan_to_num(mean["areacello"].values), 0.0)
    fields = {"zos": mean["zos"].values, "deptho": mean["deptho"].values, "sea_share": area / EARTH_AREA}
    if "stress_convention" in ocean.attrs:
        eastward, northward = stress_eastward_northward(mean, grid)
        share = np.where(np.isfinite(eastward) & np.isfinite(northward), area, 0.0) / area.sum()
        fields |= {"eastward_stress": eastward, "northward_stress": northward}
        # a component that is zero everywhere is meant so
        parts = [mean[name].values for name in STRESS if (np.nan_to_num(mean[name]) != 0).any()]
        zero = np.any([part == 0 for part in parts], axis=0)
        fields |= {"stress": np.hypot(eastward, northward), "stress_share": share}
        fields |= {"stress_zeros": np.where(zero, area, 0.0) / area.sum()}
        if "wind_stress_curl" in mean:
            fields |= _curl_fit(mean["wind_stress_curl"].values, stress_curl(mean, grid) / DENSITY, area)
    fields |= {name: mean[name].values for name in REGIME_FIELDS if name in mean}
    optional = ("curl_correlation", "curl_slope", *REGIME_FIELDS)
    known = (row for row in check_table() if row.quantity in fields or row.quantity not in optional)
    return [_outcome(row, fields.get(row.quantity), area, grid) for row in known]


def _with_windows(outcomes: list[Outcome], ocean: xr.Dataset, grid: Grid) -> list[Outcome]:
    """Return the outcomes with those that pass replaced by that of the first window that does not."""
    found = {outcome.check: outcome for outcome in outcomes}
    for window in map(str, ocean["window"].values) if ocean.sizes.get("window", 1) > 1 else ():
        fields = ocean[[name for name in ocean.data_vars if name not in REGIME_FIELDS]].sel(window=window)
        for outcome in physical_checks(fields, grid):
            if outcome.failed and not found[outcome.check].failed:
                found[outcome.check] = replace(outcome, window=window)
    return list(found.values())


def doubt_masks(ocean: xr.Dataset, known: xr.DataArray) -> xr.Dataset:
    """Doubt an ocean where more than `LACKING` of the cells that are sea by two of its masks are not by the third.

    Parameters
    ----------
    ocean : xarray.Dataset
        `zos`, `deptho` and `sftof`, the latter without attribute `files` where it is made of the depth.
    known : xarray.DataArray of bool
        Cells with a sea level in every window.
    """
    depth, level = ocean["deptho"] > 0, known & (ocean["zos"] != 0)  # zos is 0 on land in some models
    area = ocean["sftof"] > 0 if "files" in ocean["sftof"].attrs else xr.ones_like(depth)
    for what, absent, cells, there in (
        ("depth", "sea level in every month", depth & (ocean["sftof"] > 0), known),
        ("sea level", "depth", area & level, depth),
        ("depth and a sea level", "sea area", depth & level, area),
    ):
        lacking = float((cells & ~there).sum() / max(1, int(cells.sum())))
        if lacking > LACKING:
            sentence = (
                f"{lacking:.0%} of the cells with a {what} have no {absent} and are left out. Are rows of 'zos', "
                "'deptho' or 'sftof' in another order than their latitudes, or are fields incomplete?"
            )
            ocean = with_doubt(ocean, "masks", sentence.replace("%", " %", 1))
    return ocean


def _curl_fit(term: Array, surface: Array, area: Array) -> dict[str, Array]:
    """Return what each cell adds to correlation and slope, about zero, of the budget's curl and that of the stress."""
    both = (area > 0) & np.isfinite(term) & np.isfinite(surface)
    weight, term, surface = (np.where(both, values, 0.0) for values in (area, term, surface))
    of_term, of_surface = ((weight * values**2).sum() for values in (term, surface))
    if not (of_term > 0 and of_surface > 0):
        return {}
    product = np.where(both, weight * term * surface, np.nan)
    return {"curl_correlation": product / np.sqrt(of_term * of_surface), "curl_slope": product / of_surface}


def _outcome(row: Check, values: Array | None, area: Array, grid: Grid) -> Outcome:
    south, north = row.latitudes
    west, east = row.longitudes
    inside = (grid.lat >= south) & (grid.lat <= north) & (grid.lon % 360 >= west) & (grid.lon % 360 <= east)
    inside &= ~grid.duplicate
    size = (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south))) / 2 * (east - west) / 360
    covered = np.nansum(grid.area[inside]) / EARTH_AREA / size
    if values is None or (row.statistic != "fit" and covered < COVERED):
        return Outcome(row, None)
    inside &= (area > 0) & np.isfinite(values)
    return Outcome(row, _statistic(row, values[inside], area[inside]) if inside.any() else None)


def _statistic(row: Check, values: Array, area: Array) -> float:
    if row.statistic == "mean":
        return float(np.average(values, weights=area))
    if row.statistic in ("total", "fit"):
        return float(values.sum())
    if row.statistic == "maximum":
        return float(values.max())
    low, high = np.quantile(values, (0.01, 0.99), weights=area, method="inverted_cdf")
    return float(high if row.statistic == "quantile_99" else high - low)
