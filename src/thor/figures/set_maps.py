"""Maps of a run's regimes by the surface alone and by a further input set, and where they differ."""

from typing import TYPE_CHECKING

import xarray as xr

from thor.figures.maps import class_colours, map_panels, name_classes
from thor.figures.mesh import draw_mesh
from thor.figures.style import (
    empty_figure,
    flags,
    letter_panels,
    predictor_words,
    regime_colours,
    run_title,
    style,
    years_text,
)
from thor.figures.tracking_maps import draw_percentages
from thor.networks.predictor import set_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def label_difference_maps(fields: xr.Dataset | None, *, predictor: str) -> "Figure":
    """Return maps of the regimes by both sets in the last window, the distance of probabilities, and its persistence.

    Parameters
    ----------
    fields : xarray.Dataset or None
        As from `thor.tracking.set_comparison.label_difference`; None: a figure with the reason.
    predictor : str
        Of the further set.
    """
    if fields is None:
        return empty_figure("No run of the archive has the features of a further input set in all windows.")
    kind, input_set = set_of(predictor)
    names = list(flags(fields["surface"]).values())
    area = fields["areacello"].where(fields["distance"].notnull())
    share = float(area.where(fields["surface"] != fields["set"]).sum() / area.sum())
    with style():
        figure, axes = map_panels(
            4,
            n_columns=2,
            title=f"{run_title(fields)}, {years_text(str(fields['window'].values))}, {predictor_words(kind)}",
            grey=f"land, and cells without a regime. Regimes in (a) and (b) differ on {100 * share:.1f} % of the area",
        )
        figure.set_figheight(figure.get_figheight() + 0.3)
        for ax, name, title in (
            (axes[0], "surface", "Regimes from the surface alone"),
            (axes[1], "set", f"Regimes with {input_set}"),
        ):
            mesh = draw_mesh(ax, fields, fields[name].values, **class_colours(regime_colours(names)))
            name_classes(mesh, ax, names, fontsize=7)
            ax.set_title(title)
        for ax, name, title in (
            (axes[2], "distance", "Difference of the probabilities"),
            (axes[3], "window_share", "Windows in which the regimes differ"),
        ):
            draw_percentages(ax, 100 * fields[name].values, fields, full=True)
            ax.set_title(title)
        letter_panels(axes)
        return figure
