"""The numbers beside a figure are those that it shows, with the names that its legend and axes give them."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from tests.figures.test_tracking import make_areas
from tests.made_fields import make_regimes
from thor.figures.data import drawn_fields, drawn_table
from thor.figures.maps import field_maps, regime_map
from thor.figures.tracking_curves import area_curves
from thor.ocean.grid import regular_grid


def drawn(figure):
    """Table after drawing: names of ticks are made then."""
    figure.canvas.draw()
    return drawn_table(figure)


def test_curves_bands_and_points_have_the_names_of_the_legend():
    figure = Figure()
    ax = figure.subplots()
    x = np.array([2000.0, 2020.0, 2040.0])
    ax.plot(x, [1, 2, 3], color="tab:blue", label="one")
    ax.fill_between(x, [0, 1, 2], [2, 3, 4], color="tab:blue", alpha=0.2)
    ax.plot(x, [3, 2, 1], "o", color="tab:red", label="two")
    ax.errorbar([2000], [5], yerr=[[1], [2]], color="tab:red")
    ax.vlines([2020, 2040], [1, np.nan], [2, np.nan], color="tab:red")  # an interval without ends has no row
    ax.axhline(0)  # a guide line has no data
    ax.set(xlabel="year", ylabel="area ($10^6$ km$^2$)", title="Areas")
    ax.legend()
    table = drawn(figure)
    assert set(table["y_axis"]) == {"area (10^6 km^2)"} and set(table["x_axis"]) == {"year"}
    line = table[table["kind"] == "line"].query("series == 'one'")
    assert line[["x", "y"]].values.tolist() == [[2000, 1], [2020, 2], [2040, 3]]
    band = table[table["kind"] == "band"]
    assert set(band["series"]) == {"one"} and band[["y", "y_end"]].values.tolist() == [[0, 2], [1, 3], [2, 4]]
    assert table[table["kind"] == "point"]["y"].tolist() == [3, 2, 1]
    intervals = table[table["kind"] == "interval"][["x", "y", "y_end", "series"]].values.tolist()
    assert sorted(intervals) == [[2000, 4, 7, "two"], [2020, 1, 2, "two"]]
    assert not (table["y"] == 0).any() or set(table[table["y"] == 0]["kind"]) == {"band"}


def test_bars_have_the_names_of_their_groups():
    figure = Figure()
    ax = figure.subplots()
    for shift, label in ((-0.2, "before"), (0.2, "after")):
        ax.barh(np.arange(3) + shift, [1.0, -2.0, 3.0], height=0.4, label=label)
    ax.set_yticks(range(3), ["R1", "R2", "R3"])
    table = drawn(figure)
    assert table["series"].tolist() == ["before"] * 3 + ["after"] * 3
    assert table["y_name"].tolist() == ["R1", "R2", "R3"] * 2
    assert table["x_end"].tolist() == [1, -2, 3] * 2 and (table["x"] == 0).all()
    figure = Figure()
    figure.subplots().bar([1.0, 2.0], [5.0, 6.0])
    assert drawn(figure)[["x", "y", "y_end"]].values.tolist() == [[1, 0, 5], [2, 0, 6]]


def test_a_legend_of_colours_and_lines_names_both():
    figure = Figure()
    ax = figure.subplots()
    for colour in ("red", "blue"):
        for style in ("-", "--"):
            ax.plot([0, 1], [1, 2], color=colour, linestyle=style)
    for label, look in {"warm": {"color": "red"}, "cold": {"color": "blue"}}.items():
        ax.plot([], [], label=label, **look)
    for label, style in {"model A": "-", "model B": "--"}.items():
        ax.plot([], [], color="0.3", linestyle=style, label=label)
    figure.legend()
    assert set(drawn(figure)["series"]) == {"warm, model A", "warm, model B", "cold, model A", "cold, model B"}


def test_a_legend_holds_for_panels_of_its_quantity_only():
    figure = Figure()
    one, two, other = figure.subplots(1, 3)
    for ax in (one, two, other):
        ax.plot([0, 1], [0, 1], color="red")
        ax.set_ylabel("area")
    other.set_ylabel("inertia")
    one.plot([], [], color="red", label="warm")
    one.legend()
    table = drawn(figure)
    assert table.groupby("panel")["series"].agg(lambda names: set(names.dropna())).tolist() == [
        {"warm"},
        {"warm"},
        set(),
    ]


def test_a_matrix_has_the_names_of_rows_and_columns():
    figure = Figure()
    ax = figure.subplots()
    ax.imshow([[1.0, np.nan], [3.0, 4.0]])
    ax.set_xticks([0, 1], ["a", "b"])
    ax.set_yticks([0, 1], ["c", "d"])
    table = drawn(figure)
    assert table[["x_name", "y_name"]].values.tolist() == [["a", "c"], ["b", "c"], ["a", "d"], ["b", "d"]]
    np.testing.assert_array_equal(table["value"], [1, np.nan, 3, 4])


def test_maps_give_the_fields_with_units_by_panel():
    ocean = regular_grid(10.0)
    values = np.cos(np.deg2rad(ocean["lat"])) * 1e-10 + 0 * ocean["lon"]
    values[3, 5] = np.nan
    ocean["wind_stress_curl"] = ("lat", "lon"), values.values, {"units": "m s-2"}
    ocean["deptho"] = ("lat", "lon"), 4000 + 0 * values.values, {"units": "m"}
    figure = field_maps(ocean, ["wind_stress_curl", "deptho"])
    fields = drawn_fields(figure)
    curl = fields["panel_a"]
    assert curl.attrs["long_name"] == "Wind stress curl" and curl.attrs["units"].endswith("m s^-2")
    power = float(curl.attrs["units"].partition("10^")[2].split()[0])
    back = curl.sel(lat=ocean["lat"], method="nearest")
    np.testing.assert_allclose(np.nanmax(back) * 10**power, np.nanmax(values), rtol=1e-6)
    assert int(curl.isnull().sum()) >= 1
    assert float(fields["panel_b"].max()) == pytest.approx(4 if "10^3" in fields["panel_b"].attrs["units"] else 4000)
    assert not len(drawn(figure))


def test_regimes_are_flags():
    regimes = make_regimes()
    fields = drawn_fields(regime_map(regimes))
    regime = fields["panel_a"]
    assert regime.attrs["flag_meanings"] == regimes["regime"].attrs["flag_meanings"]
    assert set(np.unique(regime.values[np.isfinite(regime.values)])) <= set(regime.attrs["flag_values"])


def test_areas_are_those_of_the_table():
    table = drawn(area_curves(make_areas())).query("title == 'S-SV' and kind == 'line' and series == 'historical'")
    assert table[["x", "y"]].values.tolist() == [[1860, 20.5], [1880, 30.5]]


def test_contours_give_what_they_were_drawn_from():
    figure = Figure()
    ax = figure.subplots()
    field = xr.DataArray(np.arange(12.0).reshape(3, 4), coords={"lev": [0.0, 1, 2], "lat": [0.0, 1, 2, 3]})
    contours = ax.contourf(field["lat"], field["lev"], field)
    contours.drawn_field = field
    figure.colorbar(contours, label="overturning (Sv)")
    ax.set_title("(b) Atlantic", loc="left")
    got = drawn_fields(figure)["panel_b"]
    assert got.attrs == {"units": "overturning (Sv)", "long_name": "Atlantic"}
    xr.testing.assert_equal(got, field)


def test_panels_on_different_grids_have_their_own_dims():
    figure = Figure()
    for number, ax in enumerate(figure.subplots(1, 3)):
        size = 2 if number == 1 else 3
        ax.pcolormesh(np.arange(size + 1), np.arange(3), np.ones((2, size)), cmap=mpl.colormaps["Reds"])
    fields = drawn_fields(figure)
    assert [fields[name].dims for name in fields] == [("y", "x"), ("y2", "x2"), ("y", "x")]
