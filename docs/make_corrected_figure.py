"""Draw figures/corrected_budget.png: regimes of the released and of the corrected budget of ECCO, and their balances.

Usage: python docs/make_corrected_figure.py <folder of benchmarks/corrected_budget.py>
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.patches import Rectangle

from thor.core.variables import BUDGET_TERMS, variable
from thor.figures.maps import CENTRAL_LONGITUDE, draw_flags
from thor.figures.style import (
    LAND_COLOUR,
    add_note,
    colour_map,
    flags,
    letter_panels,
    new_figure,
    regime_colours,
    style,
)

TITLES = {"released": "Released budget", "corrected": "Corrected budget"}
UNIT = 1e-11
"""Of the numbers in the tables [m s-2]."""


def main() -> None:
    folder = Path(sys.argv[1])
    with style():
        figure = draw(folder)
        figure.savefig(Path(__file__).parent / "figures" / "corrected_budget.png", dpi=150)


def draw(folder: Path) -> Any:
    from cartopy.crs import EqualEarth

    figure = new_figure(9.0, 5.6)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.25, 1])
    axes = []
    for column, (budget, title) in enumerate(TITLES.items()):
        regimes = xr.load_dataset(folder / f"{budget}_regimes.nc")
        ax = figure.add_subplot(grid[0, column], projection=EqualEarth(central_longitude=CENTRAL_LONGITUDE))
        ax.set_facecolor(LAND_COLOUR)
        ax.set_global()
        ax.spines["geo"].set_linewidth(0.4)
        draw_flags(ax, regimes["regime"], regimes, colours=regime_colours(list(flags(regimes["regime"]).values())))
        ax.set_title(title)
        axes.append(ax)
    for column, budget in enumerate(TITLES):
        axes.append(figure.add_subplot(grid[1, column]))
        draw_table(axes[-1], xr.load_dataset(folder / f"{budget}_balances.nc"))
    letter_panels(axes)
    add_note(
        figure,
        "Tables: area-weighted mean of each term in $10^{-11}$ m s$^{-2}$ and, in brackets, of its magnitude; colour: "
        "the mean over the largest mean\nof the regime; framed: the dominant balance by mean magnitudes. Percentages: "
        "share of the area. Grey: land, and cells without a budget.",
    )
    return figure


def draw_table(ax: Any, balances: xr.Dataset) -> None:
    """Draw the mean of each term in each regime as coloured numbers."""
    mean, size = (balances[name].transpose("regime_name", "term").values for name in ("mean", "mean_magnitude"))
    ax.imshow(mean / np.abs(mean).max(axis=1, keepdims=True), cmap=colour_map("cmo.balance"), vmin=-2.2, vmax=2.2)
    for row, balance in enumerate(balances["best_subset"].values):
        for column, term in enumerate(BUDGET_TERMS):
            text = f"{mean[row, column] / UNIT:+.1f} ({size[row, column] / UNIT:.0f})"
            ax.text(column, row, text, ha="center", va="center", fontsize=6.5)
            if term in str(balance).split(" + "):
                frame = {"fill": False, "edgecolor": "black", "linewidth": 0.9}
                ax.add_patch(Rectangle((column - 0.45, row - 0.42), 0.9, 0.84, **frame))
    names = [
        f"{name}, {100 * share:.0f} %"
        for name, share in zip(balances["regime_name"].values, balances["area_fraction"].values, strict=True)
    ]
    ax.set_yticks(range(len(names)), names)
    words = [variable(term).label.replace(" ", "\n") for term in BUDGET_TERMS]
    ax.set_xticks(range(len(words)), words, fontsize=6.5)
    ax.tick_params(length=0)
    ax.set_aspect("auto")
    ax.spines[:].set_visible(False)


if __name__ == "__main__":
    main()
