"""Figures at the width of one or two columns of a journal: panels in fewer columns, texts smaller and in more lines."""

import math
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from thor.core.errors import ConfigError
from thor.figures import page_texts, style
from thor.figures.maps import bar_below
from thor.figures.panels import axis_label, has_row_heading, numbered_panels, tick_names

PAGE_WIDTHS_CM = (8.9, 18.3)
"""Widths of one and of two columns [cm], those of the Nature journals; most others differ by less than 1 cm."""

PAGE_HEIGHT_CM = 24.0
"""Largest height [cm]."""

SMALLEST_PANEL_CM = 0.9
"""Smallest width and height of a panel [cm]."""

NARROW = 0.6
"""Panels move to fewer columns before they are narrower by this factor."""

LEAST_SCALE = 0.7
"""Texts, and the heights of panels that are not maps, shrink at most by this factor."""

TALLER = 1.2
"""A figure that is higher than the page by this factor is compressed."""

_STRETCHES = (1.0, 1.3, 1.7, 2.2)
"""Factors of the height, so that the texts of small panels find room."""

_DPI = 300
"""Dots per inch: with fewer the letters of small texts are wider or narrower than on paper."""

_INCH_CM = 2.54


def fit_to_width(
    figure: "style.Figure", width_cm: float, *, acronyms: Mapping[str, str] | None = None
) -> "style.Figure":
    """Return a copy of the figure at a width, as high as its panels need, at most `PAGE_HEIGHT_CM`.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As `thor.figures` draws them.
    width_cm : float
    acronyms : mapping of str to str, optional
        What they stand for; those that the figure has are spelled out below its panels.

    Raises
    ------
    ConfigError
        When texts, or panels of `SMALLEST_PANEL_CM`, do not fit with any number of columns.
    """
    width = width_cm / _INCH_CM
    stored, complaints = pickle.dumps(figure), []
    with style.style():
        for stretch, n_columns in product(_STRETCHES, _choices(figure, width)):
            copy: style.Figure = pickle.loads(stored)
            copy.set_dpi(_DPI)
            page_texts.spell_out(copy, acronyms or {})
            complaints.append(_fit(copy, width, n_columns, stretch))
            if not complaints[-1]:
                return copy
    raise ConfigError(f"The figure does not fit into {width_cm:g} cm: {complaints[0]}. Choose a larger width.")


@dataclass(frozen=True)
class _Grid:
    """The panels of a figure, one to a cell: blocks of rows that belong together are one above the other.

    Attributes
    ----------
    panels : dict of (int, int) to Axes
        By row and column.
    n_rows, n_columns : int
    in_blocks : bool
        Whether the rows have different heights, so that those of a column belong together.
    """

    panels: "dict[tuple[int, int], style.Axes]"
    n_rows: int
    n_columns: int
    in_blocks: bool

    @classmethod
    def of(cls, figure: "style.Figure") -> "_Grid | None":
        """Return the grid of a figure; None where rows have a heading, or panels or colour bars extend over several."""
        specs = {ax: spec for ax in figure.axes if (spec := ax.get_subplotspec()) is not None}
        bars: list[Any] = [ax for ax in figure.axes if hasattr(ax, "_colorbar_info")]
        parents = {len(bar._colorbar_info["parents"]) for bar in bars}
        panels = {(spec.rowspan.start, spec.colspan.start): ax for ax, spec in specs.items()}
        shapes = {(spec.get_gridspec().nrows, spec.get_gridspec().ncols) for spec in specs.values()}
        whole = len(panels) == len(specs) and all(spec.num1 == spec.num2 for spec in specs.values())
        headed = any(map(has_row_heading, specs))
        if len(shapes) != 1 or not whole or headed or not parents <= {1, len(panels)}:
            return None
        ((n_rows, n_columns),) = shapes
        ratios: Any = next(iter(specs.values())).get_gridspec().get_height_ratios()
        return cls(panels, n_rows, n_columns, in_blocks=ratios is not None and len(set(ratios)) > 1)

    def rows_in(self, n_columns: int) -> int:
        """Return the number of rows with so many columns."""
        if self.in_blocks:
            return self.n_rows * -(-self.n_columns // n_columns)
        return self.n_rows if n_columns == self.n_columns else -(-len(self.panels) // n_columns)

    def rearrange(self, figure: "style.Figure", n_columns: int) -> None:
        """Move the panels to so many columns; shared labels stand where a row begins or a column ends."""
        from matplotlib.gridspec import GridSpec

        some: Any = next(iter(self.panels.values())).get_subplotspec().get_gridspec()  # type: ignore[union-attr]
        n_rows = self.rows_in(n_columns)
        ratios = list(some.get_height_ratios() or [1] * self.n_rows)
        heights = ratios * (n_rows // self.n_rows) if self.in_blocks else [1] * n_rows
        grid = GridSpec(n_rows, n_columns, figure=figure, height_ratios=heights)
        labels = {ax: (axis_label(ax, "x"), axis_label(ax, "y")) for ax in self.panels.values()}
        placed: dict[tuple[int, int], style.Axes] = {}
        for number, (row, column) in enumerate(sorted(self.panels)):
            target = divmod(number, n_columns)
            if self.in_blocks:
                target = (column // n_columns) * self.n_rows + row, column % n_columns
            placed[target] = self.panels[row, column]
            placed[target].set_subplotspec(grid[target])
        for (row, column), ax in placed.items():
            if not hasattr(ax, "projection"):
                below, first = placed.get((row + 1, column)), placed[row, 0]
                last = below is None or not _alike(ax, below, "x")
                begins = ax is first or not _alike(ax, first, "y")
                ax.tick_params(labelleft=begins, labelbottom=last)
                same_label = ax is not first and labels[ax][1] == labels[first][1]
                ax.set(xlabel=labels[ax][0] if last else "", ylabel="" if same_label else labels[ax][1])


def _alike(one: "style.Axes", other: "style.Axes", axis: str) -> bool:
    """Return whether two panels have one axis: the same range, or the same names."""
    names = tick_names(one, axis)
    shared: bool = getattr(one, f"get_shared_{axis}_axes")().joined(one, other)
    return shared or (bool(names) and names == tick_names(other, axis))


def _choices(figure: "style.Figure", width: float) -> list[int]:
    """Return numbers of columns, the best first: the fewest that keep panels wide, more, then fewer."""
    grid = _Grid.of(figure)
    if grid is None:
        return [0]
    share = width / float(figure.get_figwidth())
    best = max(1, min(grid.n_columns, math.floor(grid.n_columns * share / NARROW)))
    across = grid.n_columns if grid.in_blocks else len(grid.panels)
    best = -(-across // -(-across // best))  # rows of similar length
    return [*range(best, grid.n_columns + 1), *range(best - 1, 0, -1)]


def _fit(figure: "style.Figure", width: float, n_columns: int, stretch: float) -> str:
    """Bring the figure to the width [inches], with so many columns (0: as they are); return what does not fit."""
    from matplotlib.collections import QuadMesh

    drawn_width, drawn_height = map(float, figure.get_size_inches())
    highest = PAGE_HEIGHT_CM / _INCH_CM
    if width < LEAST_SCALE * drawn_width:
        _put_bars_below(figure)
    grid = _Grid.of(figure)
    factor, rows = min(1.0, width / drawn_width), 1.0
    if grid is not None and n_columns:
        factor = min(1.0, width / n_columns / (drawn_width / grid.n_columns))
        rows = grid.rows_in(n_columns) / grid.n_rows
        if n_columns != grid.n_columns:
            grid.rearrange(figure, n_columns)
    panels = [ax for _, ax in numbered_panels(figure)]
    maps = [ax for ax in panels if hasattr(ax, "projection")]
    height = drawn_height * rows * (factor if len(maps) == len(panels) else max(factor, LEAST_SCALE)) * stretch
    if height > TALLER * highest:
        return f"it would be {height * _INCH_CM:.0f} cm high"
    figure.set_size_inches(width, min(height, highest))
    for mesh in figure.findobj(QuadMesh):  # a million cells of a map, but no text, as pixels
        mesh.set_rasterized(True)
    page_texts.scale_texts(figure, max(factor, LEAST_SCALE))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied")
        try:
            page_texts.break_titles(figure)
            figure.draw_without_rendering()
            for _ in range(2):  # texts in more lines move panels
                page_texts.break_texts(figure)
                page_texts.place_legends(figure)
                figure.draw_without_rendering()
            if maps and len(maps) == len(panels):
                _fill_width(figure, maps, highest)
        except UserWarning:
            return "its texts leave no room"
    boxes = [ax.get_position() for ax in panels]
    smallest = min((min(box.width * width, box.height * figure.get_figheight()) for box in boxes), default=width)
    if smallest < SMALLEST_PANEL_CM / _INCH_CM:
        return f"a panel would have {smallest * _INCH_CM:.1f} cm"
    text = page_texts.text_without_room(figure)
    return f"'{text}' has no room" if text else ""


def _fill_width(figure: "style.Figure", maps: "list[style.Axes]", highest: float) -> None:
    """Increase the height where colour bars and titles leave maps narrower than their columns."""
    width, height = map(float, figure.get_size_inches())
    columns = {round(ax.get_position().x0 + ax.get_position().width / 2, 2) for ax in maps}
    rows = {round(ax.get_position().y0, 2) for ax in maps}
    widest = 0.97 * width / len(columns)
    box = maps[0].get_position()
    more = (widest / (box.width * width) - 1) * box.height * height * len(rows)
    if more > 0:
        figure.set_figheight(min(height + more, max(height, highest)))
        figure.draw_without_rendering()


def _put_bars_below(figure: "style.Figure") -> None:
    """Replace colour bars beside panels by such below them."""
    for ax in [ax for ax in figure.axes if hasattr(ax, "_colorbar_info")]:
        bar: Any = ax._colorbar  # type: ignore[attr-defined]
        if bar.orientation == "vertical":
            names, size = tick_names(ax, "y"), ax.yaxis.label.get_fontsize()
            info, text, mesh = ax._colorbar_info, ax.get_ylabel(), bar.mappable  # type: ignore[attr-defined]
            bar.remove()
            below = bar_below(mesh, info["parents"], extend=bar.extend)
            below.set_label(text, fontsize=size)
            if names:
                below.set_ticks(list(names), labels=list(names.values()))
