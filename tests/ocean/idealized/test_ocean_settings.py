"""Settings out of range fail at once, by name, with the range."""

import numpy as np
import pytest

from thor.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("resolution_degrees", 7.0, r"must divide 180; got 7.0. The nearest that does is 6.9"),
        ("resolution_degrees", 0.0, r"a number from 0.25 to 10 degrees; got 0.0"),
        ("linear_friction", -1e-7, r"'linear_friction' must be a number from 0 to 0.0001 s-1; got -1e-07"),
        ("lateral_viscosity", -1.0, "'lateral_viscosity'"),
        ("decay_depth", float("nan"), "'decay_depth' .* got nan"),
        ("decay_depth", 0.0, "'decay_depth'"),
        ("bottom_drag", -1e-3, "'bottom_drag'"),
        ("reference_density", 1.029, "from 900 to 1200 kg m-3"),
        ("minimum_depth", 0.0, "'minimum_depth'"),
        ("roughness", "rough", "'roughness' .* got 'rough'"),
        ("nonlinear_iterations", 1.5, "must be a whole number from 0 to 10; got"),
        ("nonlinear_iterations", True, "must be a whole number from 0 to 10; got"),
        ("southern_westerlies_latitude", 51.0, "degrees_north"),
    ],
)
def test_setting_out_of_range_is_refused(settings, name, value, message):
    with pytest.raises(ConfigError, match=message):
        settings.replace(**{name: value})


def test_ocean_without_friction_is_refused(settings):
    with pytest.raises(ConfigError, match="both 0"):
        settings.replace(linear_friction=0.0, lateral_viscosity=0.0)


def test_default_viscosity_grows_with_the_cube_of_the_spacing(settings):
    two, one = (settings.replace(resolution_degrees=r).viscosity for r in (2.0, 1.0))
    np.testing.assert_allclose(two / one, 8, rtol=1e-12)
    munk_layer = (two / 1.98e-11) ** (1 / 3)
    np.testing.assert_allclose(munk_layer, 2 * 111.2e3 * np.cos(np.pi / 6), rtol=0.01)
    assert settings.replace(lateral_viscosity=5e4).viscosity == 5e4
