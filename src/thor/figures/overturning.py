"""Meridional overturning by regime: streamfunctions over latitude and depth."""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from thor.figures import style
from thor.regimes.naming import MERGED
from thor.tracking.overturning import AMOC_BASIN
from thor.tracking.regime_shares import NO_REGIME

_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_N_STEPS = 8
_STRETCH = 0.5
"""Exponent of the depth axis."""

_LEAST = 1e-3
"""Transport of a density class [Sv] below which the class is taken as absent."""

_DENSITY_TICKS = (26, 30, 34, 35, 36, 36.5, 37, 37.5)


def overturning_sections(overturning: xr.Dataset | None, *, lacking: str = "No run has transports.") -> "style.Figure":
    """Return the overturning, and the part of each regime, over latitude and depth or density: global and Atlantic.

    Parameters
    ----------
    overturning : xarray.Dataset or None
        As from `thor.tracking.overturning.overturning`, of one window or of several, of which the last is drawn; None:
        a figure with the reason.
    lacking : str
        The reason for which there is nothing to draw.
    """
    if overturning is None:
        return style.empty_figure(lacking)
    title = ""
    if "window" in overturning.dims:
        overturning = overturning.isel(window=-1)
        title = f"{style.run_title(overturning)}, {style.years_text(str(overturning['window'].values))}"
    whole, parts = overturning["overturning"], overturning["overturning_by_regime"]
    basins = [name for name in ("global", AMOC_BASIN) if whole.sel(basin=name).notnull().any()]
    with style.style():
        if not basins:
            return style.empty_figure("No transport through any line.")
        highest = float(abs(whole.sel(basin=basins)).quantile(0.995))
        step = next((step for step in _STEPS if step * _N_STEPS >= highest), _STEPS[-1])
        levels = step * (np.arange(-_N_STEPS, _N_STEPS) + 0.5)
        # A regime that would be blank has no panel.
        largest = abs(parts.sel(basin=basins)).max(["basin", "lat", str(parts.dims[-1])])
        regimes = [str(name) for name in parts["regime"].values if largest.sel(regime=name) > step / 2]
        figure = style.new_figure(3.6 * len(basins) + 0.7, 1.45 * (len(regimes) + 1) + 0.9)
        axes = style.new_panels(figure, len(basins) * (len(regimes) + 1), len(basins), sharex=True, sharey=True)
        drawn: Any = None
        for row, regime in enumerate([None, *regimes]):
            for ax, basin in zip(axes[row * len(basins) :], basins, strict=False):
                psi = (whole if regime is None else parts.sel(regime=regime)).sel(basin=basin)
                drawn = _draw_section(ax, psi, overturning.sel(basin=basin), levels)
                name = "all regimes" if regime is None else regime_words(regime)
                ax.set_title(f"{style.basin_words(basin)}, {name}")
        _label_axes(axes, len(basins), overturning)
        bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.7, aspect=45, pad=0.01)
        bar.set_ticks([2 * step * place for place in range(-_N_STEPS // 2 + 1, _N_STEPS // 2)])
        bar.set_label("overturning (Sv), positive: northward above")
        if title:
            style.add_heading(figure, title)
        if "sigma2" in whole.dims:
            style.add_note(
                figure,
                r"$\sigma_2$: potential density referenced to 2000 dbar, minus 1000 kg m$^{-3}$; all classes have the "
                "same height. Grey: no water of the class flows through the line.",
            )
        style.letter_panels(axes)
        return figure


def _draw_section(ax: "style.Axes", psi: xr.DataArray, basin: xr.Dataset, levels: Any) -> Any:
    """Draw psi, 0 at the surface, by latitude and depth or density; grey where no water flows through the line."""
    vertical = str(psi.dims[-1])
    edges = psi[vertical].values
    values = psi.transpose(vertical, "lat").values
    if vertical == "lev":
        edges, values = np.concatenate([[0.0], edges]), np.concatenate([np.zeros((1, psi.sizes["lat"])), values])
        values = np.where(edges[:, None] <= basin["section_depth"].values, values, np.nan)
        ax.set_yscale("function", functions=(_stretched, _unstretched))
    else:
        present = _present(basin["overturning"].transpose(vertical, "lat"))
        # the edge above the lightest class, where psi is 0, to that below the densest
        lightest = np.maximum.accumulate(np.concatenate([present[1:], present[-1:]]), axis=0)
        densest = np.maximum.accumulate(present[::-1], axis=0)[::-1]
        values = np.where(lightest & densest, values, np.nan)
        place = np.arange(edges.size)  # classes are equally wide
        # no lambdas, which figures for a paper could not be copied with
        functions = partial(np.interp, xp=edges, fp=place), partial(np.interp, xp=place, fp=edges)
        ax.set_yscale("function", functions=functions)
    lat = psi["lat"].values
    drawn = ax.contourf(lat, edges, values, levels=levels, cmap=style.colour_map("cmo.balance"), extend="both")
    ax.contour(lat, edges, values, levels=levels, colors="0.25", linewidths=0.3)
    # contours do not keep what they are drawn from
    drawn.drawn_field = xr.DataArray(values, coords={vertical: edges, "lat": lat}, dims=(vertical, "lat"))  # type: ignore[attr-defined]
    ax.set_facecolor(style.LAND_COLOUR)
    return drawn


def _present(psi: xr.DataArray) -> Any:
    """Return which density classes are transported through each line, shape (n_classes, n_lines)."""
    return np.abs(np.diff(np.nan_to_num(psi.values), axis=0, prepend=0.0)) > _LEAST


def _label_axes(axes: "list[style.Axes]", n_columns: int, overturning: xr.Dataset) -> None:
    vertical = str(overturning["overturning"].dims[-1])
    levels = overturning[vertical].values
    # A shared axis is turned once.
    if vertical == "lev":
        ticks: list[float] = [depth for depth in (0, 200, 500, 1000, 2000, 3000, 4000, 5000) if depth <= levels[-1]]
        axes[0].set_ylim(levels[-1], 0)
        label = "depth (m)"
    else:
        whole = overturning["overturning"].sel(basin="global").transpose(vertical, "lat")
        used = np.flatnonzero(_present(whole).any(1))
        lightest, densest = levels[max(used[0] - 1, 0)], levels[used[-1]]
        axes[0].set_ylim(densest, lightest)
        ticks = [tick for tick in _DENSITY_TICKS if lightest <= tick <= densest]
        label = r"$\sigma_2$ (kg m$^{-3}$)"
    axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    style.label_edges(axes, n_columns, x="latitude (°N)", y=label)


def _stretched(depth: Any) -> Any:
    return np.sign(depth) * np.abs(depth) ** _STRETCH


def _unstretched(place: Any) -> Any:
    return np.sign(place) * np.abs(place) ** (1 / _STRETCH)


def regime_words(name: str) -> str:
    """Return a regime in words, for legends."""
    return {NO_REGIME: "no regime", MERGED: "merged regime"}.get(name, f"regime {name}")
