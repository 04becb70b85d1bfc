"""Meridional overturning by regime: streamfunctions over latitude and depth, and the AMOC through windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thor.figures.style import (
    LAND_COLOUR,
    add_heading,
    add_note,
    basin_words,
    colour_map,
    empty_figure,
    letter_panels,
    new_figure,
    new_panels,
    regime_colours,
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

_NO_TRANSPORTS = "No run has transports."


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
        return empty_figure(_NO_TRANSPORTS)
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


def amoc_curves(windows: xr.Dataset | None, *, title: str = "") -> "Figure":
    """Return the AMOC and the part of each regime through windows with the spread over networks.

    Parameters
    ----------
    windows : xarray.Dataset or None
        `amoc`, `amoc_by_regime` with its ends (window, regime), as from `thor.tracking.overturning.overturning`, and
        labels of windows; None: a figure with the reason.
    title : str
    """
    if windows is None:
        return empty_figure(_NO_TRANSPORTS)
    title = title or f"{run_title(windows)}, AMOC at {float(windows.attrs['amoc_latitude']):g}°N"
    with style():
        if windows["amoc"].isnull().all():
            return empty_figure("No line crosses the Atlantic.")
        figure = new_figure(5.6, 3.0)
        ax = figure.subplots()
        place = np.arange(windows.sizes["window"])
        ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
        ax.plot(place, windows["amoc"], color="0.1", marker="o", markersize=3, linewidth=1.8, label="all regimes")
        table = windows[["amoc_by_regime", "amoc_by_regime_lower", "amoc_by_regime_upper"]]
        regimes = [
            str(name)
            for name in windows["regime"].values
            if np.abs(windows["amoc_by_regime"].sel(regime=name)).max() > 0
        ]
        for regime, colour in zip(regimes, _colours(regimes), strict=True):
            mean, lower, upper = (field.transpose("window").values for field in table.sel(regime=regime).values())
            ax.fill_between(place, lower, upper, color=colour, alpha=0.2, linewidth=0)
            ax.plot(place, mean, color=colour, marker="o", markersize=2, label=_regime_words(regime))
        ax.set_xticks(place, [str(label).replace("-", "\N{EN DASH}\n") for label in windows["window"].values])
        ax.set_ylabel("transport (Sv)")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
        add_heading(figure, title)
        add_note(
            figure,
            "AMOC: Atlantic meridional overturning circulation. Regimes: at the depth of the maximum of the whole, "
            "so that the parts add up to it. Shading: spread over networks.",
        )
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


def _colours(regimes: Sequence[str]) -> list[str]:
    colours = regime_colours([name for name in regimes if name != NO_REGIME])
    return [*colours, "0.6"] if NO_REGIME in regimes else colours
