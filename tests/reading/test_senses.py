"""Fluxes and stress that files count positive in the opposite sense, as their attributes declare."""

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.made_archive import fixed_field, write_fixed, write_series, years
from thor.core.errors import ConfigError, DataError
from thor.ocean.stress import detect_convention
from thor.reading.quirks import Quirks
from thor.reading.senses import sense

DOWNWARD = "surface_downward_heat_flux_in_sea_water"


@pytest.mark.parametrize(
    ("name", "attrs", "expected"),
    [
        ("hfds", {}, 1),
        ("hfds", {"positive": "down", "standard_name": DOWNWARD}, 1),
        ("hfds", {"positive": "Up"}, -1),
        ("hfds", {"standard_name": "surface_upward_heat_flux_in_sea_water"}, -1),
        ("hfds", {"positive": "up", "standard_name": "surface_upward_heat_flux_in_sea_water"}, -1),
        ("tauuo", {"positive": "up", "standard_name": "surface_upward_eastward_stress"}, -1),
        ("tauuo", {"standard_name": "surface_downward_westward_stress"}, -1),
        ("tauvo", {"standard_name": "surface_upward_southward_stress"}, 1),
        ("zos", {"positive": "up"}, 1),
        ("deptho", {"positive": "up"}, 1),
    ],
)
def test_sense_follows_from_attributes(name, attrs, expected):
    assert sense(name, attrs, "MADE-1") == expected


@pytest.mark.parametrize(("positive", "name"), [("up", DOWNWARD), ("down", "surface_upward_heat_flux_in_sea_water")])
def test_attributes_that_contradict_each_other_are_an_error(positive, name):
    with pytest.raises(DataError, match=f"positive {positive} by 'positive', .*ward by its standard_name '{name}'"):
        sense("hfds", {"positive": positive, "standard_name": name}, "MADE-1")


def turn(path, name, **attrs):
    """Store values of the opposite sign in place of those in a file, with these attributes and units alone."""
    with xr.open_dataset(path, decode_times=False) as dataset:
        dataset = dataset.load()
    path.unlink()
    dataset[name] = -dataset[name]
    dataset[name].attrs = {"units": dataset[name].attrs["units"]} | attrs
    dataset.to_netcdf(path)


@pytest.fixture
def with_flux(root):
    months = years(1850, 1853)
    write_series(root, "hfds", months, values=np.ones((months.size, 9, 16), "float32") * 7)
    return root


def test_the_file_with_attributes_that_contradict_each_other_is_named(root, make_climatology):
    path = max(root.rglob("tauuo_*.nc"))
    turn(path, "tauuo", positive="up", standard_name="surface_downward_eastward_stress")
    with pytest.raises(DataError, match=f"{path.name}: 'tauuo' is positive up by 'positive'"):
        make_climatology(root)


@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        ("hfds", {"positive": "up"}),
        ("hfds", {"standard_name": "surface_upward_heat_flux_in_sea_water"}),
        ("tauuo", {"positive": "up", "standard_name": "surface_upward_eastward_stress"}),
        ("tauvo", {"standard_name": "surface_downward_southward_stress"}),
    ],
)
def test_values_of_the_opposite_sense_are_turned_with_a_note(with_flux, make_climatology, caplog, name, attrs):
    expected = make_climatology(with_flux)
    caplog.clear()
    first = sorted(with_flux.rglob(f"{name}_*.nc"))[0]  # the second file stays as it is
    turn(first, name, **attrs)
    result = make_climatology(with_flux)
    xr.testing.assert_equal(result.drop_attrs(), expected.drop_attrs())
    lines = result[name].attrs["files"].splitlines()
    assert [line.endswith(", sign turned") for line in lines] == [True, False]
    words = f"'{name}' is stored positive in the opposite sense in 1 of 2 files, by its attributes; turned"
    assert [record.message for record in caplog.records if "opposite" in record.message] == [
        f"MADE-1/historical/r1i1p1f1 {name}: {words}"
    ]
    standard = result[name].attrs.get("standard_name", "downward")
    assert "downward" in standard and "southward" not in standard
    assert result.attrs["stress_convention"] == "true_east_north"


def test_quirks_state_attributes_in_place_of_false_ones(with_flux, make_climatology):
    write_fixed(with_flux, "deptho", values=100 * fixed_field("deptho"))
    for name, attrs in (
        ("hfds", {"positive": "up", "standard_name": DOWNWARD}),
        ("tauuo", {"positive": "down", "standard_name": "surface_upward_eastward_stress"}),
        ("tauvo", {"units": "10 Pa"}),
    ):
        for path in with_flux.rglob(f"{name}_*.nc"):
            with netCDF4.Dataset(path, "a") as file:
                file[name].setncatts(attrs)
                if "units" in attrs:
                    file[name][:] *= 10
    stated = {
        "hfds": {"positive": "down"},
        "tauuo": {"standard_name": "surface_downward_eastward_stress"},
        "tauvo": {"units": "dyn cm-2"},
        "deptho": {"units": "cm"},
    }
    found = make_climatology(with_flux, quirks={"MADE-1": Quirks(attributes=stated)})
    for name in ("tauuo", "tauvo"):
        write_series(with_flux, name, years(1850, 1853), seed=1 + (name == "tauvo"))
    write_fixed(with_flux, "deptho")
    write_series(with_flux, "hfds", years(1850, 1853), values=np.full((48, 9, 16), 7, "float32"))
    expected = make_climatology(with_flux)
    for name in ("zos", "tauuo", "tauvo", "deptho", "hfds"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-8)
    with pytest.raises(ConfigError, match="must name variables of climate models; got 'tauu'. Did you mean 'tauuo'"):
        Quirks(attributes={"tauu": {"positive": "down"}})


def test_stress_that_both_the_quirk_and_its_attributes_turn_is_an_error(root, make_climatology):
    turn(next(root.rglob("tauuo_*.nc")), "tauuo", positive="up")
    with pytest.raises(DataError, match="so does stress_sign -1 .* Take stress_sign out"):
        make_climatology(root, quirks={"MADE-1": Quirks(stress_sign=-1)})


def test_westward_and_southward_stress_is_not_along_the_axes_of_the_grid(root, make_climatology):
    ocean = make_climatology(root).isel(window=0)
    for name, word in (("tauuo", "westward"), ("tauvo", "southward")):
        ocean[name].attrs = {"long_name": f"{word} stress of the air"}
    assert detect_convention(ocean) == "true_east_north"
