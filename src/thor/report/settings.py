"""Settings of the report."""

from typing import Literal

from pydantic import Field

from thor.core.settings import Settings


class ReportSettings(Settings):
    """How many cells the report shows, its size, and the colours of regimes."""

    max_cells: int = Field(20_000, ge=100)
    """Cells of the training ocean in the cell explorer; of a finer grid every second, third, ... cell is shown."""
    max_run_cells: int = Field(8_000, ge=100)
    """Cells of each climate model in the scenario viewer, likewise."""
    figure_colours: int = Field(256, ge=16, le=256)
    """Colours of each figure inside the report; fewer make a smaller page. Files of figures keep all colours."""
    regime_palette: Literal["distinct", "published"] = "distinct"
    """Colours of regimes in all figures and the report: `distinct` for colour-blind readers too, or those of the
    published maps."""
