"""Known defects and conventions of single climate models, from `quirks.yml`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import field_validator

from thor.core.errors import did_you_mean
from thor.core.settings import Settings
from thor.core.variables import published


class Quirks(Settings):
    """Properties of a model that its files do not state; the first lines of `quirks.yml` explain each key."""

    stress_convention: str | None = None
    """Points and axes of the stress."""
    stress_side: Literal["north_east", "north_west", "south_east", "south_west"] = "north_east"
    """Side of T points on which staggered stress lies where files give T points."""
    sea_ice_depression: Literal["left_in"] | None = None
    """left_in: zos includes the depression by the weight of sea ice."""
    stress_sign: Literal[1, -1] = 1
    """-1: the stress is that on the atmosphere."""
    streamfunction_sign: Literal[1, -1] = 1
    """-1: msftbarot increases northward where water flows eastward."""
    attributes: dict[str, dict[Literal["units", "positive", "standard_name"], str]] = {}
    """Attributes of variables in place of those in files, where these are wrong or missing."""
    branch_years: dict[str, int] = {}
    """Year of the parent at which an experiment branches off, where attributes are wrong."""
    reason: str = ""
    """What is different, and the source."""
    checked: Literal["file", "documentation", ""] = ""
    """Whether seen in a file, or documented."""

    def stated(self, variable_id: str) -> dict[str, str]:
        """Return the attributes of a variable that are stated in place of those in files."""
        return {str(name): value for name, value in self.attributes.get(variable_id, {}).items()}

    @field_validator("attributes")
    @classmethod
    def _of_known_variables(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name in value:
            if name not in (known := published(realm=None)):
                raise ValueError(f"must name variables of climate models; got '{name}'.{did_you_mean(name, known)}")
        return value


@cache
def quirk_table() -> dict[str, Quirks]:
    """Return the quirks of every model that has a row."""
    rows = yaml.safe_load(files("thor.reading").joinpath("quirks.yml").read_text(encoding="utf-8"))
    return {source_id: Quirks(**row) for source_id, row in rows.items()}


def quirks_of(source_id: str, given: Mapping[str, Quirks] | None = None) -> Quirks:
    """Return the quirks of a model: those given, else its row, else none."""
    return (given or {}).get(source_id) or quirk_table().get(source_id, Quirks())
