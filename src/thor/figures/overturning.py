"""Meridional overturning by regime: streamfunctions over latitude and depth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thor.figures.style import (
    LAND_COLOUR,
    add_heading,
    basin_words,
    colour_map,
    empty_figure,
    letter_panels,
    new_figure,
    new_panels,
    run_title,
    style,
    years_text,
)
from thor.tracking.overturning import AMOC_BASIN
from thor.tracking.regime_shares import NO_REGIME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_N_STEPS = 8
_STRETCH = 0.5
"""Exponent of the depth axis."""


def overturning_sections(
    overturning: xr.Dataset | None, *, basins: Sequence[str] = ("global", AMOC_BASIN), title: str = ""
) -> "Figure":
    """Return the overturning, and the part of each regime, over latitude and depth, a column for each basin.

    Parameters
    ----------
    overturning : xarray.Dataset or None
        As from `thor.tracking.overturning.overturning`, of one window or of several, of which the last is drawn; None:
        a figure with the reason.
    basins : sequence of str
        Those without any value are left out.
    title : str
    """
    if overturning is None:
        return empty_figure("No run has transports.")
    if "window" in overturning.dims:
        overturning = overturning.isel(window=-1)
        title = title or f"{run_title(overturning)}, {years_text(str(overturning['window'].values))}"
    whole, parts = overturning["overturning"], overturning["overturning_by_regime"]
    basins = [name for name in basins if whole.sel(basin=name).notnull().any()]
    with style():
        if not basins:
            return empty_figure("No transport through any line.")
        highest = float(abs(whole.sel(basin=basins)).quantile(0.995))
        step = next((step for step in _STEPS if step * _N_STEPS >= highest), _STEPS[-1])
        levels = step * (np.arange(-_N_STEPS, _N_STEPS) + 0.5)
        # A regime that would be blank has no panel.
        largest = abs(parts.sel(basin=basins)).max(["basin", "lat", str(parts.dims[-1])])
        regimes = [str(name) for name in parts["regime"].values if largest.sel(regime=name) > step / 2]
        figure = new_figure(3.6 * len(basins) + 0.7, 1.45 * (len(regimes) + 1) + 0.9)
        axes = new_panels(figure, len(basins) * (len(regimes) + 1), len(basins), sharex=True, sharey=True)
        drawn: Any = None
        for row, regime in enumerate([None, *regimes]):
            for ax, basin in zip(axes[row * len(basins) :], basins, strict=False):
                psi = (whole if regime is None else parts.sel(regime=regime)).sel(basin=basin)
                drawn = _draw_section(ax, psi, overturning["section_depth"].sel(basin=basin), levels)
                name = "all regimes" if regime is None else _regime_words(regime)
                ax.set_title(f"{basin_words(basin)}, {name}")
        _label_axes(axes, len(basins), overturning)
        bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.7, aspect=45, pad=0.01)
        bar.set_ticks([2 * step * place for place in range(-_N_STEPS // 2 + 1, _N_STEPS // 2)])
        bar.set_label("overturning (Sv), positive: northward above")
        if title:
            add_heading(figure, title)
        letter_panels(axes)
        return figure


def _draw_section(ax: "Axes", psi: xr.DataArray, bottom: xr.DataArray, levels: Any) -> Any:
    """Draw psi, 0 at the surface, by latitude and depth; grey where no level of the line has a transport."""
    vertical = str(psi.dims[-1])
    edges = psi[vertical].values
    is_depth = vertical == "lev"
    values = psi.transpose(vertical, "lat").values
    if is_depth:
        edges, values = np.concatenate([[0.0], edges]), np.concatenate([np.zeros((1, psi.sizes["lat"])), values])
        values = np.where(edges[:, None] <= bottom.values, values, np.nan)
    lat = psi["lat"].values
    drawn = ax.contourf(lat, edges, values, levels=levels, cmap=colour_map("cmo.balance"), extend="both")
    ax.contour(lat, edges, values, levels=levels, colors="0.25", linewidths=0.3)
    # contours do not keep what they are drawn from
    drawn.drawn_field = xr.DataArray(values, coords={vertical: edges, "lat": lat}, dims=(vertical, "lat"))  # type: ignore[attr-defined]
    ax.set_facecolor(LAND_COLOUR)
    if is_depth:
        ax.set_yscale("function", functions=(_stretched, _unstretched))
    return drawn


def _label_axes(axes: "list[Axes]", n_columns: int, overturning: xr.Dataset) -> None:
    vertical = str(overturning["overturning"].dims[-1])
    levels = overturning[vertical].values
    # A shared axis is turned once.
    if vertical == "lev":
        ticks = [depth for depth in (0, 200, 500, 1000, 2000, 3000, 4000, 5000) if depth <= levels[-1]]
        axes[0].set_ylim(levels[-1], 0)
        axes[0].set_yticks(ticks)
        label = "depth (m)"
    else:
        used = overturning["overturning"].sel(basin="global").transpose(vertical, "lat").diff(vertical)
        moving = levels[1:][(abs(used) > 0).any("lat").values]
        axes[0].set_ylim(moving[-1], moving[0])
        label = r"$\sigma_2$ (kg m$^{-3}$)"
    for ax in axes[::n_columns]:
        ax.set_ylabel(label)
    for ax in axes[-n_columns:]:
        ax.set_xlabel("latitude (°N)")


def _stretched(depth: Any) -> Any:
    return np.sign(depth) * np.abs(depth) ** _STRETCH


def _unstretched(place: Any) -> Any:
    return np.sign(place) * np.abs(place) ** (1 / _STRETCH)


def _regime_words(name: str) -> str:
    return "no regime" if name == NO_REGIME else f"regime {name}"
