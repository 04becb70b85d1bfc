"""Numbers and names in words: predictors, regimes, shares, intervals and lists."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from thor.core.errors import DataError
from thor.figures.style import exact_percent, in_reading_order, predictor_words, years_text
from thor.reading.runs import is_at_level
from thor.regimes.naming import MERGED

PREDICTOR_NAMES = {
    "average": "the mean of networks and boosting",
    "ensemble": "the ensemble",
    "bayesian": "the Bayesian network",
    "laplace": "the Laplace approximation",
    "member_mean": "single networks, mean",
    "member_min": "single networks, lowest value of each score",
    "member_max": "single networks, highest value of each score",
    "gradient_boosting": "gradient boosting",
    "stress_curl_tree": "a tree on the wind stress curl",
    "majority": "the most common regime everywhere",
}
"""Predictors in words, in the order of the report."""

_PERCENT = "\u00a0%"


_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


def number_word(number: int) -> str:
    """Return a number from 2 to 9 as a word, others in digits."""
    return _NUMBERS[number - 2] if 2 <= number <= 9 else f"{number}"


def capital(text: str) -> str:
    """Return a text with a capital first letter, as at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def regime_name(name: str) -> str:
    """Return a regime within a sentence."""
    return "the merged regime" if name == MERGED else name


def predictor_name(name: str) -> str:
    """Return a predictor in words."""
    return predictor_words(name, PREDICTOR_NAMES)


def acronyms() -> dict[str, str]:
    """Return what the acronyms of the glossary stand for, without explanations."""
    terms = yaml.safe_load(files("thor.report").joinpath("glossary.yml").read_text(encoding="utf-8"))
    short = (term for term in terms if re.fullmatch(r"[A-Z]{3,}", term))
    return {term: re.split(r"[:;,(.]", terms[term])[0].strip() for term in short}


def leading(predictors: Iterable[str]) -> str:
    """Return the predictor that text and tables lead with: the first in the order of the report."""
    return next(iter(in_order(dict.fromkeys(predictors), PREDICTOR_NAMES)))


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as text; a small share is not rounded to zero, nor a large one to the whole."""
    if share is None or not np.isfinite(share):
        return "an unknown share"
    last_digit, half = 10.0**-digits, 0.5 * 10.0 ** -(digits + 2)
    if 0 < share < half:
        return f"less than {last_digit:g}{_PERCENT}"
    if 1 - half <= share < 1:
        return f"more than {100 - last_digit:g}{_PERCENT}"
    return f"{signed(100 * share, digits)}{_PERCENT}"


def level_percent(share: float) -> str:
    """Return a share that is a setting as text, not rounded."""
    return f"{exact_percent(share)}{_PERCENT}"


def window_words(experiment_id: str, name: str) -> str:
    """Return a window in which climate models are compared as text, from its name: years, or a level of warming."""
    return f"{name} of warming" if is_at_level(experiment_id) else years_text(name)


def in_words(parts: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    if not parts:
        raise DataError("A list in words needs at least one part; got none.")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def in_order(entries: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return entries in the order of `names`, followed by all others: files sort entries by name."""
    return {name: entries[name] for name in in_reading_order(entries, first=tuple(names))}


def interval(entry: Mapping[str, Any], *, factor: float = 100, digits: int = 0, units: str = _PERCENT) -> str:
    """Return the interval of a number in brackets, that of a share in per cent; empty where there is none."""
    if entry.get("low") is None or entry.get("high") is None:
        return ""
    return f" ({span(entry, factor, digits=digits)}{units})"


def span(entry: Mapping[str, Any], factor: float, *, digits: int = 1) -> str:
    """Return the ends of an interval, with its level where known."""
    low, high = (signed(factor * entry[end], digits) for end in ("low", "high"))
    level = f"{level_percent(entry['level'])} interval " if entry.get("level") else ""
    return f"{level}{low} to {high}"


def signed(value: float, digits: int, *, plus: bool = False) -> str:
    """Return a number with a typographic minus sign, on request with a plus sign."""
    text = f"{value:+z.{digits}f}" if plus else f"{value:z.{digits}f}"
    return text.replace("-", "\u2212")
