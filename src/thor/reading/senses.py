"""Senses in which fluxes and stress are positive in files, by their attributes, against those of the table."""

import re
from collections.abc import Mapping
from typing import Any

from thor.core.errors import DataError
from thor.core.variables import variable

TURNED = "sign turned"
"""Note on a file, beside its name, whose values are stored positive in the opposite sense."""

_OPPOSITE = {"upward": "downward", "westward": "eastward", "southward": "northward"}
_WORDS = re.compile("|".join(_OPPOSITE))


def sense(variable_id: str, attrs: Mapping[str, Any], where: str) -> int:
    """Return -1 for values that are stored positive in the sense opposite to that of the table of variables, else 1.

    Parameters
    ----------
    variable_id : str
        Of a vertical flux or stress, positive downward in the table; the others have no sense by attributes.
    attrs : mapping
        Attributes of the variable: `positive`, and the words of `standard_name`.
    where : str

    Raises
    ------
    DataError
        When the two contradict each other.
    """
    if "downward" not in (variable(variable_id).standard_name or ""):
        return 1
    positive, name = str(attrs.get("positive", "")).strip().lower(), str(attrs.get("standard_name", ""))
    opposite = {"up": "downward", "down": "upward"}.get(positive)
    if opposite and opposite in name:
        raise DataError(
            f"{where}: '{variable_id}' is positive {positive} by 'positive', {opposite} by its standard_name '{name}'; "
            "expected one sense. State the right attribute in data_engineering.quirks (attributes), or correct it in a "
            "copy of the file (ncatted)."
        )
    n_opposite = len(_WORDS.findall(name)) + (positive == "up" and "upward" not in name)
    return -1 if n_opposite % 2 else 1


def in_common_sense(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a variable after its values are turned: no word of the opposite sense."""
    out = {key: value for key, value in attrs.items() if key != "positive"}
    if "standard_name" in out:
        out["standard_name"] = _WORDS.sub(lambda word: _OPPOSITE[word[0]], str(out["standard_name"]))
    return out
