"""Quantities divided among regimes, through the windows of a run: overturning, heat uptake, mixed layers, transport."""

import numpy as np
import xarray as xr

from thor.figures import style
from thor.figures.overturning import regime_words
from thor.tracking.regime_shares import NO_REGIME

_PROPERTIES: dict[str, tuple[str, float, str]] = {
    "heat_uptake": ("Heat uptake", 1.0, "heat flux into the sea (PW)"),
    "deep_mixed_area": ("Deep mixed layers", 1e-12, "area (million km$^2$)"),
    "transport_magnitude": ("Barotropic transport", 1.0, "mean magnitude (m$^2$ s$^{-1}$)"),
}
"""Title, factor and label of the axis of the panels."""


def amoc_curves(windows: xr.Dataset | None) -> "style.Figure":
    """Return the AMOC and the part of each regime through windows with the spread over networks.

    Parameters
    ----------
    windows : xarray.Dataset or None
        `amoc`, `amoc_by_regime` with its ends (window, regime), as from `thor.tracking.overturning.overturning`, and
        labels of windows; None: a figure with the reason.
    """
    if windows is None:
        return style.empty_figure("No run has transports.")
    title = f"{style.run_title(windows)}, AMOC at {float(windows.attrs['amoc_latitude']):g}°N"
    with style.style():
        if windows["amoc"].isnull().all():
            return style.empty_figure("No line crosses the Atlantic.")
        figure = style.new_figure(5.6, 3.0)
        ax = figure.subplots()
        _draw_parts(ax, windows, "amoc_by_regime", whole=windows["amoc"])
        ax.set_ylabel("transport (Sv)")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
        style.add_heading(figure, title)
        style.add_note(
            figure,
            "AMOC: Atlantic meridional overturning circulation. Regimes: at the depth of the maximum of the whole, "
            "so that the parts add up to it. Shading: spread over networks, which is smaller than the error.",
        )
        return figure


def property_curves(windows: xr.Dataset | None) -> "style.Figure":
    """Return heat uptake, deep mixed layers and barotropic transport by regime through windows.

    Parameters
    ----------
    windows : xarray.Dataset or None
        Of one run, as from `thor.tracking.run_properties`; None: a figure with the reason.
    """
    if windows is None:
        return style.empty_figure("No run has a heat flux, mixed layers or transports.")
    ocean = windows.sel(basin="global")
    names = [name for name in _PROPERTIES if name in ocean and ocean[name].notnull().any()]
    with style.style():
        figure = style.new_figure(2.9 * len(names) + 1.0, 2.9)
        axes = style.new_panels(figure, len(names), len(names))
        for ax, name in zip(axes, names, strict=True):
            title, factor, label = _PROPERTIES[name]
            ends = [f"{name}{end}" for end in ("", "_lower", "_upper")]
            whole = None if name == "transport_magnitude" else factor * ocean[name].sum("regime", min_count=1)
            _draw_parts(ax, factor * ocean[ends], name, whole=whole)
            ax.set_title(title)
            ax.set_ylabel(label)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
        style.letter_panels(axes)
        style.add_heading(figure, style.run_title(windows))
        threshold = float(windows.attrs["deep_mixed_layer"])
        style.add_note(
            figure,
            "Each cell is divided among regimes by their probabilities. "
            + (f"Deep: window means of more than {threshold:g} m. " if "deep_mixed_area" in names else "")
            + "Shading: spread over networks, which is smaller than the error.",
        )
        return figure


def _draw_parts(ax: "style.Axes", windows: xr.Dataset, name: str, *, whole: xr.DataArray | None) -> None:
    """Draw a quantity of each regime that has any through windows, with the ends of its interval, and the whole."""
    place = np.arange(windows.sizes["window"])
    ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
    if whole is not None:
        ax.plot(place, whole, color="0.1", marker="o", markersize=3, linewidth=1.8, label="all regimes")
    regimes = [str(k) for k in windows["regime"].values if np.abs(windows[name].sel(regime=k)).max() > 0]
    colours = style.regime_colours([k for k in regimes if k != NO_REGIME])
    for regime, colour in zip(regimes, [*colours, "0.6"], strict=False):
        mean, lower, upper = (windows[f"{name}{end}"].sel(regime=regime) for end in ("", "_lower", "_upper"))
        ax.fill_between(place, lower, upper, color=colour, alpha=0.2, linewidth=0)
        ax.plot(place, mean, color=colour, marker="o", markersize=2, label=regime_words(regime))
    ax.set_xticks(place, [str(window).replace("-", "\N{EN DASH}\n") for window in windows["window"].values])
