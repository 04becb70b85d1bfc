"""Latitudes and longitudes in degrees, also of files that have them in radians."""

import re
from collections.abc import Mapping

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.core.warn import warn_once

LARGEST_ANGLES = {"lat": 90.01, "lon": 1080.0}
"""Magnitudes beyond which a number is a fill value and no angle [degrees]."""

_GLOBAL = {"lat": 2 / 3 * np.pi, "lon": 0.9 * 2 * np.pi}
"""Least span of the latitudes and longitudes of a global grid [radians]."""

_TURNED = {"lat": re.compile("degrees?_?s(outh)?"), "lon": re.compile("degrees?_?w(est)?")}
"""Units in which latitudes count southward and longitudes westward."""


def unit_factors(angles: Mapping[str, Array], units: Mapping[str, str], *, where: str) -> dict[str, float]:
    """Return the factors that turn latitudes and longitudes of a file into degrees north and east.

    Radians are known by their units, as are degrees south and west. Without units, numbers that as radians span the
    globe are radians, with a warning.

    Parameters
    ----------
    angles : mapping of str to ndarray
        `lat` and `lon` as stored.
    units : mapping of str to str
        Theirs; empty for none.
    where : str
        Name of the model, before a slash, in messages.

    Raises
    ------
    GridError
        When degrees span the globe as radians, latitudes without units may be either, or both only count the cells.
    """
    if not any(units.values()) and all(np.array_equal(each, np.arange(each.size)) for each in angles.values()):
        raise GridError(
            f"{where}: latitudes and longitudes without units count rows and columns from 0; expected degrees. Put the "
            "positions of the cells in their place: ncks -A -v lat,lon GRID FILE."
        )
    radians = [name for name in angles if units[name].lower().startswith("rad")]
    lat, lon = (angles[name][np.abs(angles[name]) <= farthest] for name, farthest in LARGEST_ANGLES.items())
    if not radians and lat.size and lon.size and np.abs(lat).max() <= 1.001 * np.pi / 2:
        is_global = np.ptp(lat) > _GLOBAL["lat"] and _GLOBAL["lon"] < np.ptp(lon) <= 2.002 * np.pi
        if is_global and not any(units.values()):
            warned = "latitudes and longitudes have no units, and as radians they span the globe; taken as radians"
            warn_once(where.split("/")[0], warned)
            radians = list(angles)
        elif is_global or not units["lat"]:
            stated = " and ".join(repr(units[name]) if units[name] else "no units" for name in angles)
            raise GridError(
                f"{where}: latitudes of {lat.min():.3g} to {lat.max():.3g} and longitudes of {lon.min():.3g} to "
                f"{lon.max():.3g} have {stated}; they look like radians. Give the right units, radians or "
                "degrees_north and degrees_east: ncatted -a units,NAME,o,c,radians FILE."
            )
    turned = [name for name in angles if _TURNED[name].fullmatch(units[name].lower())]
    if turned:
        warn_once(where.split("/")[0], f"{' and '.join(turned)} in {', '.join(units[name] for name in turned)}: turned")
    return {name: (-1.0 if name in turned else 1.0) * (np.rad2deg(1.0) if name in radians else 1.0) for name in angles}
