"""Spellings of units in files: CF's own, and those of other conventions that mean the same."""

import re
from functools import cache

_NAMES = {
    "m": ("meter", "meters", "metre", "metres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "km": ("kilometer", "kilometers", "kilometre", "kilometres"),
    "s": ("sec", "second", "seconds"),
    "N": ("newton", "newtons"),
    "dyn": ("dyne", "dynes"),
    "Sv": ("sverdrup", "sverdrups"),
    "W": ("watt", "watts"),
    "Pa": ("pascal", "pascals"),
    "K": ("kelvin",),
    "degC": ("degc", "celsius", "deg_c", "degree_c", "degrees_c", "degree_celsius", "degrees_celsius"),
    "psu": ("psu",),
    "%": ("percent", "per_cent"),
    "1": ("fraction", "dimensionless"),
}
"""Names of units beside their symbols, in small letters."""

_SYMBOLS = {name: symbol for symbol, names in _NAMES.items() for name in names}
_BETWEEN = re.compile(r"[\s*()]+|(?<=[A-Za-z\d])\.(?=[A-Za-z])")
_POWER = re.compile(r"^([A-Za-z]+)(-?\d+)$")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FACTOR = re.compile(r"(?P<name>[A-Za-z_%]+)(?P<power>[+-]?\d+)?")


@cache
def spelling(units: str) -> str:
    """Return units in one spelling: ``W/m^2``, ``W m**-2``, ``W.m-2`` and ``watts m-2`` become ``W m-2``.

    Numbers are written in one way, so that ``1e-3`` and ``0.001`` agree. What is not understood stays as it is.
    """
    factors = []
    for below, part in enumerate(re.sub(r"\*\*|\^", "", units).split("/")):
        for word in filter(None, _BETWEEN.split(part)):
            match = _FACTOR.fullmatch(word)
            if match is None:
                factors.append(_number(word))
                continue
            name = _SYMBOLS.get(match["name"].lower(), match["name"])
            power = int(match["power"] or 1) * (-1 if below else 1)
            factors.append(name if power == 1 else f"{name}{power}")
    return " ".join(factors[1:] if factors[:1] == ["1"] and len(factors) > 1 else factors)


def printed_units(units: str) -> str:
    """Return units as they are printed: ``m s-2`` becomes ``m s⁻²``, with a space at which no line ends."""
    words = (_POWER.sub(lambda found: found[1] + found[2].translate(_RAISED), word) for word in units.split())
    return "\u00a0".join(words)


def _number(word: str) -> str:
    try:
        return f"{float(word):g}"
    except ValueError:
        return word
