"""Which variables are fetched of a climate model, and the CMIP6 tables they are in."""

from collections.abc import Sequence
from dataclasses import dataclass

from thor.errors import ConfigError, did_you_mean
from thor.reading.quirks import Quirks

_ICE_MASS = ("simass", "sisnmass")


@dataclass(frozen=True)
class Variable:
    """A variable to fetch: the CMIP6 table it is in, and whether a run without it is of use."""

    variable_id: str
    table_id: str
    needed: bool = True

    @property
    def fixed(self) -> bool:
        """Whether it has no time, and any run of the model may give it."""
        return self.table_id.endswith("fx")


VARIABLES = (
    *(Variable(name, "Omon") for name in ("zos", "tauuo", "tauvo")),
    Variable("deptho", "Ofx"),
    *(Variable(name, "Ofx", needed=False) for name in ("areacello", "sftof")),
    *(Variable(name, "SImon", needed=False) for name in _ICE_MASS),
)
"""All that can be fetched."""


def variables_to_fetch(quirks: Quirks, names: Sequence[str] | None = None) -> list[Variable]:
    """Return the variables to fetch of a model.

    Parameters
    ----------
    quirks : Quirks
        The model's: masses of sea ice and snow are fetched where its `zos` holds their weight.
    names : sequence of str, optional
        These variables and no others; each is then needed.

    Raises
    ------
    ConfigError
        For a name that THOR does not read.
    """
    known = {variable.variable_id: variable for variable in VARIABLES}
    if names is None:
        return [v for v in VARIABLES if v.variable_id not in _ICE_MASS or quirks.sea_ice_depression == "left_in"]
    for name in names:
        if name not in known:
            raise ConfigError(f"THOR reads no variable '{name}'.{did_you_mean(name, known)}")
    return [Variable(name, known[name].table_id) for name in names]
