"""Which runs, variables and years of climate models are fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
