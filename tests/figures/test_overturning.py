"""Figures of overturning: panels, one scale for all, the depth axis, and what is left out."""

import numpy as np
import xarray as xr

from tests.made_transports import DENSITY, cell_of_overturning
from thor.figures.overturning import amoc_curves, overturning_sections
from thor.ocean.basins import basin_codes
from thor.ocean.grid import Grid
from thor.tracking.overturning import overturning


def made_overturning(strength=1.0):
    transports = cell_of_overturning()[0]
    transports["vmo"] = transports["vmo"].copy(data=strength * transports["vmo"].values)
    grid = Grid.from_dataset(transports)
    basin = basin_codes(grid, ocean=np.ones(grid.shape, bool))
    share = np.tile([0.7, 0.3], (2, grid.lat.size, 1)) + np.array([0.1, -0.1])[:, None, None] * np.array([1, -1])
    return overturning(
        transports,
        [(np.arange(grid.lat.size), share)],
        basin=basin,
        regimes=("SO", "MD"),
        level=0.9,
        reference_density=DENSITY,
    ).assign_attrs(source_id="MODEL", experiment_id="abrupt-4xCO2", variant_label="r1i1p1f1")


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


def test_the_amoc_of_regimes_is_drawn_through_windows():
    label = xr.DataArray(["1850-1869", "1870-1889"], dims="window", name="window")
    parts = [made_overturning(strength) for strength in (1.0, 0.5)]
    windows = xr.concat(parts, dim=label, data_vars="all", combine_attrs="override")
    figure = amoc_curves(windows)
    (ax,) = figure.axes
    assert figure.get_suptitle() == "MODEL abrupt-4xCO2 r1i1p1f1, AMOC at 26.5°N"
    last = overturning_sections(windows)
    assert "1870–1889" in last.get_suptitle()
    _, whole, *regimes = ax.lines
    np.testing.assert_allclose(whole.get_ydata()[1], 0.5 * whole.get_ydata()[0])
    np.testing.assert_allclose(sum(line.get_ydata() for line in regimes), whole.get_ydata())
    assert [line.get_label() for line in regimes] == ["regime SO", "regime MD"] and len(ax.collections) == 2
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1850–\n1869", "1870–\n1889"]


def test_nothing_to_draw_is_stated():
    for draw in (overturning_sections, amoc_curves):
        assert draw(None).texts[0].get_text() == "No run has transports."
    dry = made_overturning().assign(amoc=np.nan).expand_dims(window=["1850-1869"])
    assert amoc_curves(dry).texts[0].get_text() == "No line crosses the Atlantic."
