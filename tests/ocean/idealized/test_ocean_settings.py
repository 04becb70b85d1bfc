"""Settings out of range fail at once, by name, with the range."""

from dataclasses import replace

import numpy as np
import pytest

from thor.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("resolution_degrees", 7.0, r"must divide 180. Got 7.0; the nearest that does is 6.9"),
        ("resolution_degrees", 0.0, r"range \[0.25, 10\] degrees. Got 0.0"),
        ("linear_friction", -1e-7, r"'linear_friction' .* range \[0, 0.0001\] s-1. Got -1e-07"),
        ("lateral_viscosity", -1.0, "'lateral_viscosity'"),
        ("decay_depth", float("nan"), "'decay_depth' .* Got nan"),
        ("decay_depth", 0.0, "'decay_depth'"),
        ("bottom_drag", -1e-3, "'bottom_drag'"),
        ("reference_density", 1.029, r"range \[900, 1200\] kg m-3"),
        ("minimum_depth", 0.0, "'minimum_depth'"),
        ("roughness", "rough", "'roughness' .* Got 'rough'"),
        ("nonlinear_iterations", 1.5, "must be a whole number"),
        ("nonlinear_iterations", True, "must be a whole number"),
        ("southern_westerlies_latitude", 51.0, "degrees_north"),
    ],
)
def test_setting_out_of_range_is_refused(settings, name, value, message):
    with pytest.raises(ConfigError, match=message):
        replace(settings, **{name: value})


def test_ocean_without_friction_is_refused(settings):
    with pytest.raises(ConfigError, match="both 0"):
        replace(settings, linear_friction=0.0, lateral_viscosity=0.0)


def test_default_viscosity_grows_with_the_cube_of_the_spacing(settings):
    two, one = (replace(settings, resolution_degrees=r).viscosity for r in (2.0, 1.0))
    np.testing.assert_allclose(two / one, 8, rtol=1e-12)
    munk_layer = (two / 1.98e-11) ** (1 / 3)
    np.testing.assert_allclose(munk_layer, 2 * 111.2e3 * np.cos(np.pi / 6), rtol=0.01)
    assert replace(settings, lateral_viscosity=5e4).viscosity == 5e4
