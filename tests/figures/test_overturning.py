"""Figures of overturning: panels, one scale for all, the depth axis, and what is left out."""

import numpy as np
import xarray as xr

from tests.made_transports import made_overturning
from thor.figures.overturning import overturning_sections


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def test_sections_have_a_panel_for_each_basin_and_regime_and_one_scale():
    figure = overturning_sections(made_overturning(), basins=("global", "atlantic_ocean"), title="Made")
    assert titles(figure) == [
        "(a) Global, all regimes",
        "(b) Atlantic Ocean, all regimes",
        "(c) Global, regime SO",
        "(d) Atlantic Ocean, regime SO",
        "(e) Global, regime MD",
        "(f) Atlantic Ocean, regime MD",
    ]
    panels = figure.axes[:6]
    filled = [ax.collections[0] for ax in panels]
    assert len({tuple(drawn.levels) for drawn in filled}) == 1
    levels = filled[0].levels
    np.testing.assert_allclose(levels, -levels[::-1])  # about zero, which has one colour
    assert levels[-1] >= 0.8 * 20 and panels[0].get_ylim() == (4000.0, 0.0)
    # Stretched: half the depth takes up more than half the axis.
    half = panels[0].transAxes.inverted().transform(panels[0].transData.transform((0.0, 2000.0)))[1]
    assert half < 0.4
    assert figure.axes[-1].get_xlabel() == "overturning (Sv), positive: northward above"


def test_of_several_windows_the_last_is_drawn():
    label = xr.DataArray(["1850-1869", "1870-1889"], dims="window", name="window")
    windows = xr.concat([made_overturning(), made_overturning(0.5)], dim=label, combine_attrs="override")
    assert "1870–1889" in overturning_sections(windows).get_suptitle()


def test_nothing_to_draw_is_stated():
    assert overturning_sections(None).texts[0].get_text() == "No run has transports."
