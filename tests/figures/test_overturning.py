"""Figures of overturning: panels, one scale for all, the depth axis, and what is left out."""

import numpy as np
import pytest
import xarray as xr

from tests.made_transports import DENSITY, UNITS, cell_of_overturning, made_overturning
from thor.figures.overturning import overturning_sections
from thor.figures.page import fit_to_width
from thor.ocean.basins import basin_codes
from thor.ocean.grid import Grid
from thor.tracking.overturning import overturning


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def test_sections_have_a_panel_for_each_basin_and_regime_and_one_scale():
    figure = overturning_sections(made_overturning())
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


def test_density_classes_have_the_same_height_and_only_water_is_coloured():
    edges = np.array([30.0, 34.0, 36.0, 36.5, 37.0, 37.5, 38.0])
    bounds = ("sigma2", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    transports = cell_of_overturning()[0].rename(lev="sigma2").drop_vars("lev_bnds").assign(sigma2_bnds=bounds)
    transports = transports.assign_coords(sigma2=("sigma2", edges[1:], {"units": "kg m-3", "bounds": "sigma2_bnds"}))
    transports["vmo"] = transports["vmo"].where(transports["sigma2"] < 37.9, 0.0).assign_attrs(UNITS)
    grid = Grid.from_dataset(transports)
    found = overturning(
        transports,
        [(np.arange(grid.lat.size), np.ones((1, grid.lat.size, 1)))],
        basin=basin_codes(grid, ocean=np.ones(grid.shape, bool)),
        regimes=("SO",),
        level=0.9,
        reference_density=DENSITY,
    )
    figure = overturning_sections(found)
    ax = figure.axes[0]
    assert ax.get_ylabel().startswith(r"$\sigma_2$") and ax.get_ylim() == (37.5, 34.0)  # no water flows below 37.5
    heights = ax.transAxes.inverted().transform(ax.transData.transform([(0.0, edge) for edge in edges[1:6]]))[:, 1]
    np.testing.assert_allclose(np.diff(heights), -0.25)
    drawn = ax.collections[0].drawn_field
    assert drawn.sel(sigma2=37.5).notnull().any() and drawn.sel(sigma2=38.0).isnull().all()
    page = fit_to_width(figure, 18.3)
    assert page.get_figwidth() * 2.54 == pytest.approx(18.3) and page.axes[0].get_ylim() == ax.get_ylim()
    assert any("2000 dbar" in text.get_text() for text in figure.texts)
    assert overturning_sections(None, lacking="No salinity.").texts[0].get_text() == "No salinity."


def test_of_several_windows_the_last_is_drawn():
    label = xr.DataArray(["1850-1869", "1870-1889"], dims="window", name="window")
    windows = xr.concat([made_overturning(), made_overturning(0.5)], dim=label, combine_attrs="override")
    assert "1870–1889" in overturning_sections(windows).get_suptitle()


def test_nothing_to_draw_is_stated():
    assert overturning_sections(None).texts[0].get_text() == "No run has transports."
