"""Known defects and conventions of single climate models, from `quirks.yml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """Properties of a model that its files do not state; the first lines of `quirks.yml` explain each key."""

    stress_convention: str | None = None
    stress_side: Literal["north_east", "north_west", "south_east", "south_west"] = "north_east"
    sea_ice_depression: Literal["left_in"] | None = None
    stress_sign: Literal[1, -1] = 1
    branch_years: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    checked: Literal["file", "documentation", ""] = ""


@cache
def quirk_table() -> dict[str, Quirks]:
    """Return the quirks of every model that has a row."""
    rows = yaml.safe_load(files("thor.reading").joinpath("quirks.yml").read_text(encoding="utf-8"))
    return {source_id: Quirks(**row) for source_id, row in rows.items()}


def quirks_of(source_id: str) -> Quirks:
    """Return the quirks of a model; none for a model without a row."""
    return quirk_table().get(source_id, Quirks())
