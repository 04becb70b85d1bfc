"""Maps: what is drawn is the data, land is land, every bar has units, and drawing is reproducible."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from tests.figures.drawn import cells
from tests.made_fields import make_vorticity_budget
from thor.core.variables import BUDGET_TERMS, FEATURES, variable
from thor.figures.maps import change_maps, feature_maps, field_maps, regime_map, regime_maps, units_text
from thor.figures.style import BASIN_COLOURS, flags, regime_colours
from thor.ocean.features import features
from thor.reading.training_ocean import harmonise


@pytest.fixture
def ocean(raw_ocean):
    return harmonise(raw_ocean)


@pytest.fixture
def regimes(ocean):
    wet = np.isfinite(ocean.deptho)
    label = xr.where(wet, (ocean.lat > 0) + 2 * (ocean.lon > 180), -1).astype("int8")
    label.attrs = {"flag_values": np.arange(4, dtype="int8"), "flag_meanings": "MD S-SV N-SV NL"}
    return xr.Dataset({"regime": label, "regime_confidence": xr.where(wet, 0.8, np.nan)})


def meshes(figure):
    return [c for ax in figure.axes for c in ax.collections if type(c).__name__ == "GeoQuadMesh"]


def test_a_map_shows_the_field_and_masks_the_land(ocean):
    figure = field_maps(ocean, ["zos", "deptho"])
    zos, deptho = meshes(figure)
    np.testing.assert_array_equal(np.ma.getmaskarray(cells(zos, ocean.lon)), np.isnan(ocean.zos.values))
    depth = ocean.deptho.values
    np.testing.assert_allclose(cells(deptho, ocean.lon).compressed(), depth[np.isfinite(depth)])
    low, high = zos.get_clim()
    assert low == pytest.approx(-high)


def test_every_panel_has_a_letter_and_every_bar_units(ocean):
    figure = field_maps(ocean, ["zos", "tauuo", "bottom_pressure_torque"])
    maps, bars = [a for a in figure.axes if a.get_title(loc="left")], [a for a in figure.axes if a.get_xlabel()]
    assert [a.get_title(loc="left") for a in maps] == [
        f"({letter}) {variable(name).label}"
        for letter, name in zip("abc", ["zos", "tauuo", "bottom_pressure_torque"], strict=True)
    ]
    assert [a.get_xlabel() for a in bars] == ["m", "N m$^{-2}$", "$10^{-11}$ m s$^{-2}$"]


def test_regimes_beside_one_another_keep_their_colours_and_titles(regimes):
    other = regimes.assign(regime=regimes.regime.where(regimes.regime != 2, 0).assign_attrs(regimes.regime.attrs))
    figure = regime_maps({"one run": regimes, "another": other})
    first, second = meshes(figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles == ["(a) one run", "(b) another"]
    changed = regimes.regime.values == 2
    same = (regimes.regime.values >= 0) & ~changed
    one, two = (mesh.to_rgba(cells(mesh, regimes.lon)) for mesh in (first, second))
    np.testing.assert_array_equal(one[same], two[same])
    assert (one[changed] != two[changed]).any(axis=-1).all()


def test_terms_can_have_one_scale():
    budget = make_vorticity_budget()
    drawn = meshes(field_maps(budget, BUDGET_TERMS, one_scale=True))
    exponents = {mesh.colorbar.ax.get_xlabel() for mesh in drawn}
    assert len({mesh.get_clim() for mesh in drawn}) == len(exponents) == 1
    assert len({mesh.get_clim() for mesh in meshes(field_maps(budget, BUDGET_TERMS))}) > 1


def test_regimes_have_their_colours(regimes):
    from matplotlib.colors import to_hex

    regime, confidence = meshes(regime_map(regimes))
    drawn = regime.to_rgba(cells(regime, regimes.lon))
    wet = regimes.regime.values >= 0
    for value, colour in enumerate(regime_colours(list(flags(regimes["regime"]).values()))):
        assert {to_hex(c) for c in drawn[regimes.regime.values == value]} == {colour.lower()}
    assert np.ma.getmaskarray(cells(regime, regimes.lon))[~wet].all()
    assert confidence.get_array().compressed() == pytest.approx(0.8)


def test_the_map_of_regimes_explains_its_names(regimes):
    meanings = "calm; wind stress curl (+); merged small clusters; all else"
    regimes["regime"].attrs |= {"flag_meanings": "R1 R2 merged X", "flag_long_names": meanings}
    note = regime_map(regimes).get_supxlabel().splitlines()
    assert note[:2] == ["R1: calm", "R2: wind stress curl (+)"] and note[-1].startswith("Grey: land")


@pytest.fixture
def made_features(ocean):
    return features(
        ocean,
        stress_curl="surface",
        metric="spherical",
        reference_density=1029.0,
        extended=False,
        neighbourhood_radii_km=[],
        polar_filter=False,
    )


def test_feature_maps_name_only_the_basins_that_are_there(made_features):
    basin = made_features["basin"]
    southern = basin.where(basin["lat"] < 0, -1).assign_attrs(basin.attrs)
    figure = feature_maps(made_features.assign(basin=southern), FEATURES)
    assert len(meshes(figure)) == len(FEATURES) + 1
    names = [tick.get_text() for tick in figure.axes[-1].get_xticklabels()]
    assert "Atlantic" in names
    assert "Baltic" not in names
    colours = [to_hex(colour) for colour in meshes(figure)[-1].cmap.colors]
    assert colours[names.index("Atlantic")] == BASIN_COLOURS["atlantic_ocean"]


def test_the_same_figure_gives_the_same_bytes(ocean):
    def png():
        buffer = io.BytesIO()
        field_maps(ocean, ["zos"]).savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    assert png() == png()


@pytest.mark.parametrize(
    ("units", "exponent", "text"),
    [
        ("m", 0, "m"),
        ("m s-2", -10, "$10^{-10}$ m s$^{-2}$"),
        ("1", 0, "dimensionless"),
        ("1", -3, "$10^{-3}$"),
        ("m m-1", 0, "m m$^{-1}$"),
    ],
)
def test_units_are_written_with_raised_exponents(units, exponent, text):
    assert units_text(units, exponent) == text


def test_a_native_grid_is_drawn_as_its_cells(ocean):
    """The same field on 2-D coordinates without position on land: sea and land are where they were."""
    wet = np.isfinite(ocean.deptho.values)
    lat, lon = np.meshgrid(ocean.lat, ocean.lon, indexing="ij")
    native = xr.Dataset(
        {"zos": (("y", "x"), ocean.zos.values, ocean.zos.attrs)},
        coords={name: (("y", "x"), np.where(wet, field, np.nan)) for name, field in (("lat", lat), ("lon", lon))},
    )
    (mesh,) = meshes(field_maps(native, ["zos"]))
    drawn = mesh.get_array()
    rows, _ = drawn.shape
    row = np.clip(((ocean.lat.values + 90) / 180 * rows).astype(int), 0, rows - 1)
    at_centres = cells(mesh, ocean.lon)[row]
    np.testing.assert_allclose(at_centres[wet], ocean.zos.values[wet])
    assert np.ma.getmaskarray(drawn).mean() == pytest.approx((~wet).mean(), abs=0.02)


def test_changes_are_later_minus_earlier(made_features):
    after = made_features.assign(zos=made_features["zos"] + 0.1)
    state, change, curl = meshes(change_maps({"MADE-1: one to two": (made_features, after)}))
    np.testing.assert_allclose(change.get_array().compressed(), 0.1)
    np.testing.assert_allclose(curl.get_array().compressed(), 0, atol=1e-20)
    assert np.ptp(state.get_array().compressed()) > 1
    many = change_maps({f"MADE-{number}": (made_features, after) for number in range(30)})
    assert len(meshes(many)) == 18 and many.get_figheight() < 15
    assert many.get_supxlabel() == "Grey: land. The first 6 of 30 climate models; all are in scenario_features."


def test_without_climate_models_the_figure_gives_the_reason():
    assert "archive_root is null" in change_maps({}).texts[0].get_text()


def test_a_region_across_greenwich_is_drawn_as_one_piece():
    """Longitudes sorted after they were taken modulo 360: no cell stretches over the gap."""
    lon = np.sort(np.arange(-37.5, 60, 5) % 360)
    region = xr.Dataset(coords={"lat": np.arange(-27.5, 30, 5), "lon": lon})
    row = np.broadcast_to((lon + 180) % 360 - 180, (12, 20))
    region["zos"] = (("lat", "lon"), row.copy(), variable("zos").attrs)
    (mesh,) = meshes(field_maps(region, ["zos"]))
    edges, drawn = mesh.get_coordinates()[0, :, 0], mesh.get_array()[0]
    shown = ~np.ma.getmaskarray(drawn)
    assert np.diff(edges)[shown].max() == pytest.approx(5)
    assert np.diff(edges)[shown].sum() == pytest.approx(100, abs=1e-4)
    np.testing.assert_allclose(cells(mesh, lon)[0], (lon + 180) % 360 - 180)


@pytest.mark.parametrize("first", [0, 3, 180, 207.5])
def test_no_cell_lies_on_both_sides_of_a_map(first):
    """Cells across the cut of the projection are split: both parts have their value, none is drawn by Cartopy."""
    lon = (first + np.arange(2.5, 360, 5)) % 360
    ocean = xr.Dataset(coords={"lat": np.arange(-87.5, 90, 5), "lon": lon})
    ocean["zos"] = (("lat", "lon"), np.broadcast_to(np.cos(np.deg2rad(lon)), (36, 72)).copy(), variable("zos").attrs)
    (mesh,) = meshes(field_maps(ocean, ["zos"]))
    assert getattr(mesh, "_wrapped_collection_fix", None) is None
    edges = mesh.get_coordinates()[0, :, 0]
    assert np.ptp(edges) == pytest.approx(360, abs=1e-4)
    assert np.diff(edges).min() > 0
    np.testing.assert_allclose(cells(mesh, lon), ocean["zos"])
    np.testing.assert_allclose(mesh.get_array()[0], np.cos(np.deg2rad(0.5 * (edges[1:] + edges[:-1]))), atol=0.05)
