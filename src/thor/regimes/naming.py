"""Names of regimes, and the CF attributes that carry them from file to file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

REGIMES = ("MD", "S-SV", "N-SV", "TR", "SO", "NL")
"""Names of Sonnewald et al. (2019, doi:10.1029/2018EA000519) by regime number."""

LONG_NAMES = {
    "MD": "momentum driven",
    "S-SV": "southern Sverdrupian",
    "N-SV": "northern Sverdrupian",
    "TR": "transitional",
    "SO": "Southern Ocean",
    "NL": "nonlinear",
}
MERGED = "merged"
MERGED_MEANING = "merged small clusters"

_SEPARATOR = "; "


def regime_flags(names: tuple[str, ...], long_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the CF flags of `regime`: values, names, and long names joined by semicolons."""
    return class_flags(names) | {"flag_long_names": _SEPARATOR.join(long_names)}


def class_flags(names: Sequence[str]) -> dict[str, Any]:
    """Return the CF flags of labels that number these names from 0."""
    return {"flag_values": np.arange(len(names), dtype=np.int8), "flag_meanings": " ".join(names)}


def regime_names(regimes: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the regimes in the order of their numbers, from the CF flags of `regime`."""
    return tuple(str(regimes["regime"].attrs["flag_meanings"]).split())


def regime_meanings(regimes: xr.Dataset) -> dict[str, str]:
    """Return the long name of each regime by its name; a published name has one without the attribute, too."""
    names, stored = regime_names(regimes), str(regimes["regime"].attrs.get("flag_long_names", ""))
    long_names = stored.split(_SEPARATOR) if stored else [LONG_NAMES.get(name, name) for name in names]
    return dict(zip(names, long_names, strict=True))
