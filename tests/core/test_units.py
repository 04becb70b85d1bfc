"""Units as files spell them."""

import pytest

from thor.core.units import printed_units, spelling
from thor.core.variables import variable

SAME = {
    "W m-2": ("W/m2", "W/m^2", "W m^-2", "W m**-2", "W.m-2", "W*m-2", "Watts m-2", "W/(m2)"),
    "kg m-2 s-1": ("kg/m2/s", "kg/(m2 s)", "kg m^-2 s^-1", "kg.m-2.s-1"),
    "m3 s-1": ("m^3 s-1", "m**3/s", "m3/s", "m3 sec-1"),
    "s-1": ("1/s", "1 s-1"),
    "degC": ("degrees_C", "deg_C", "Celsius", "degree_Celsius", "degc"),
    "0.001": ("1e-3", "1E-03", "0.0010"),
    "psu": ("PSU",),
    "%": ("percent", "per_cent"),
    "1": ("fraction", "dimensionless"),
    "m": ("meters", "Metre", " m "),
}


@pytest.mark.parametrize(("units", "others"), SAME.items())
def test_what_means_the_same_is_spelled_alike(units, others):
    assert {spelling(other) for other in (units, *others)} == {units}


@pytest.mark.parametrize(
    "units", ["", "furlong", "W m-2 (into the sea)", "degrees_north", "days since 1850-01-01", "hPa"]
)
def test_other_units_are_not_taken_for_known_ones(units):
    assert spelling(units) not in SAME


@pytest.mark.parametrize(
    ("name", "units", "factor"),
    [
        ("hfds", "W/m^2", 1.0),
        ("mlotst", "metres", 1.0),
        ("zos", "centimeters", 0.01),
        ("tauuo", "N/m**2", 1.0),
        ("umo", "m3/s", 1029.0),
        ("areacello", "km^2", 1e6),
        ("sftof", "percent", 1.0),
        ("sftof", "1", 100.0),
        ("so", "g/kg", 1.0),
        ("thetao", "K", None),
        ("zos", "millimeter", 0.001),
        ("deptho", "centimeter", 0.01),
        ("tauuo", "dyne/centimeter^2", 0.1),
        ("vmo", "Sv", 1.029e9),
        ("zos", "km", None),
        ("zos", None, None),
        ("zos", "", None),
    ],
)
def test_factors_of_the_table(name, units, factor):
    assert variable(name).factor(units) == factor


@pytest.mark.parametrize(
    ("units", "printed"),
    [("m s-2", "m\u00a0s⁻²"), ("kg m-2 s-1", "kg\u00a0m⁻²\u00a0s⁻¹"), ("m2", "m²"), ("1e-3", "1e-3"), ("%", "%")],
)
def test_printed_powers_are_raised(units, printed):
    assert printed_units(units) == printed
