"""Settings of the report."""

from dataclasses import dataclass

from thor.core.ranges import require_at_least


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the report shows, and how finely.

    Attributes
    ----------
    max_cells : int
        Cells of the training ocean in the cell explorer; of a finer grid every second, third, ... one is shown.
    max_run_cells : int
        The same of each climate model in the scenario viewer.
    figure_colours : int
        Colours that a figure keeps inside the report; fewer make a smaller page. Files of figures keep all of theirs.
    """

    max_cells: int = 20_000
    max_run_cells: int = 8_000
    figure_colours: int = 256

    def __post_init__(self) -> None:
        require_at_least("max_cells", self.max_cells, 100)
        require_at_least("max_run_cells", self.max_run_cells, 100)
        require_at_least("figure_colours", self.figure_colours, 16)
