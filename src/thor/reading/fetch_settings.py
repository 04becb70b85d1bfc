"""Which runs, variables and years of climate models are fetched, and the CMIP6 tables that hold the variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from thor.core.errors import ConfigError, did_you_mean
from thor.core.variables import ICE_MASS, Published, published, variable
from thor.reading.quirks import Quirks
from thor.reading.windows import Window, WindowSettings


@dataclass(frozen=True)
class FetchSettings:
    """Which runs and years are fetched; no defaults.

    Attributes
    ----------
    source_ids, experiment_ids : sequence of str
    variant_labels : sequence of str or None
        Each experiment gives those it has of them, one at least. None: the first that has all variables, the same for
        all experiments of a model where possible.
    variable_ids : sequence of str or None
        None: what THOR needs.
    years : (int, int) or None
        First and last year. None: those of the windows.
    windows : WindowSettings
        The windows that are going to be read.
    parents : bool
        Whether runs from which those asked for branch off come with them, as far as baselines need them.
    quirks : mapping of str to Quirks
        Rows that replace those of `quirks.yml`.
    """

    source_ids: Sequence[str]
    experiment_ids: Sequence[str]
    variant_labels: Sequence[str] | None
    variable_ids: Sequence[str] | None
    years: tuple[int, int] | None
    windows: WindowSettings
    parents: bool
    quirks: Mapping[str, Quirks] = field(default_factory=dict)

    def spans(self, first_year: int, last_year: int) -> list[Window]:
        """Return the years wanted of a run that has those from the first to the last."""
        if self.years:
            return [Window(*self.years)]
        if self.windows.years:
            return [Window(first, last) for first, last in self.windows.years]
        start, stop = self.windows.first_year, self.windows.last_year
        return [Window(first_year if start is None else start, last_year if stop is None else stop)]


def variables_to_fetch(quirks: Quirks, names: Sequence[str] | None = None) -> dict[str, Published]:
    """Return the variables to fetch of a model: the CMIP6 table of each, and whether a run without it is of use.

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
    rows = ((name, variable(name).published) for name in published())
    known = {name: row for name, row in rows if row is not None}
    if names is None:
        ice = ICE_MASS if quirks.sea_ice_depression == "left_in" else ()
        return {name: row for name, row in known.items() if row.needed or row.fixed or name in ice}
    for name in names:
        if name not in known:
            raise ConfigError(f"THOR reads no variable '{name}'.{did_you_mean(name, known)}")
    return {name: replace(known[name], needed=True) for name in names}
