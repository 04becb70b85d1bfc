"""Which variables are fetched of a climate model, and the CMIP6 tables they are in."""

from collections.abc import Sequence
from dataclasses import dataclass

from thor.core.errors import ConfigError, did_you_mean
from thor.core.variables import published, variable
from thor.reading.quirks import Quirks
from thor.reading.steps import ICE_MASS


@dataclass(frozen=True)
class FetchedVariable:
    """A variable to fetch: the CMIP6 table it is in, and whether a run without it is of use."""

    variable_id: str
    table_id: str
    needed: bool = True

    @property
    def fixed(self) -> bool:
        """Whether it has no time, and any run of the model may give it."""
        return self.table_id.endswith("fx")


def known_variables() -> dict[str, FetchedVariable]:
    """Return all that can be fetched: the rows of the table of variables that climate models publish."""
    rows = ((name, variable(name).published) for name in published())
    return {name: FetchedVariable(name, row.cmip6, row.needed) for name, row in rows if row is not None}


def variables_to_fetch(quirks: Quirks, names: Sequence[str] | None = None) -> list[FetchedVariable]:
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
    known = known_variables()
    if names is None:
        ice = ICE_MASS if quirks.sea_ice_depression == "left_in" else ()
        return [row for name, row in known.items() if row.needed or row.fixed or name in ice]
    for name in names:
        if name not in known:
            raise ConfigError(f"THOR reads no variable '{name}'.{did_you_mean(name, known)}")
    return [FetchedVariable(name, known[name].table_id) for name in names]
