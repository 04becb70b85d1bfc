"""Curves of what is divided among regimes through windows: parts, wholes, units, what is left out."""

import numpy as np
import xarray as xr

from tests.made_transports import made_overturning
from thor.core.variables import variable
from thor.figures.regime_totals import amoc_curves, property_curves


def test_the_amoc_of_regimes_is_drawn_through_windows():
    label = xr.DataArray(["1850-1869", "1870-1889"], dims="window", name="window")
    parts = [made_overturning(strength) for strength in (1.0, 0.5)]
    windows = xr.concat(parts, dim=label, data_vars="all", combine_attrs="override")
    figure = amoc_curves(windows)
    (ax,) = figure.axes
    assert figure.get_suptitle() == "MODEL abrupt-4xCO2 r1i1p1f1, AMOC at 26.5°N"
    _, whole, *regimes = ax.lines
    np.testing.assert_allclose(whole.get_ydata()[1], 0.5 * whole.get_ydata()[0])
    np.testing.assert_allclose(sum(line.get_ydata() for line in regimes), whole.get_ydata())
    assert [line.get_label() for line in regimes] == ["regime SO", "regime MD"] and len(ax.collections) == 2
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1850–\n1869", "1870–\n1889"]


def made_properties(*names):
    """Two windows, two regimes and no regime, which has nothing."""
    values = np.array([[3.0, -1.0, 0.0], [4.0, -1.5, 0.0]])
    fields = {}
    for k, name in enumerate(names):
        for end, shift in (("", 0.0), ("_lower", -0.1), ("_upper", 0.1)):
            row = (values + shift * (values != 0)) * 10.0 ** (12 * (name == "deep_mixed_area")) + k
            fields[name + end] = (("window", "basin", "regime"), row[:, None], variable(name + end).attrs)
    return xr.Dataset(
        fields,
        coords={"window": ["1850-1869", "1870-1889"], "basin": ["global"], "regime": ["SO", "MD", "no_regime"]},
        attrs={
            "source_id": "MODEL",
            "experiment_id": "ssp585",
            "variant_label": "r1i1p1f1",
            "deep_mixed_layer": 500.0,
        },
    )


def test_each_property_has_a_panel_in_its_unit_and_sums_have_a_whole():
    figure = property_curves(made_properties("heat_uptake", "deep_mixed_area", "transport_magnitude"))
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "heat flux into the sea (PW)",
        "area (million km$^2$)",
        "mean magnitude (m$^2$ s$^{-1}$)",
    ]
    heat, area, transport = ({line.get_label(): line.get_ydata() for line in ax.lines} for ax in figure.axes)
    np.testing.assert_allclose(heat["all regimes"], [2.0, 2.5])
    np.testing.assert_allclose(heat["regime MD"], [-1.0, -1.5])
    np.testing.assert_allclose(area["regime SO"], [3.0, 4.0])
    assert "all regimes" not in transport and "no regime" not in heat
    assert "more than 500 m" in figure.texts[-1].get_text()


def test_properties_that_a_model_does_not_publish_have_no_panel():
    figure = property_curves(made_properties("heat_uptake"))
    assert len(figure.axes) == 1 and "Deep" not in figure.texts[-1].get_text()


def test_nothing_to_draw_is_stated():
    assert amoc_curves(None).texts[0].get_text() == "No run has transports."
    dry = made_overturning().assign(amoc=np.nan).expand_dims(window=["1850-1869"])
    assert amoc_curves(dry).texts[0].get_text() == "No line crosses the Atlantic."
    assert property_curves(None).texts[0].get_text() == "No run has a heat flux, mixed layers or transports."
