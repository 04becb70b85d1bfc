"""Settings that would fail only after all runs are tracked."""

import pytest

from thor.core.errors import ConfigError
from thor.tracking.regridding import common_grid
from thor.tracking.settings import AgreementSettings, TrackingSettings


@pytest.mark.parametrize("spacing", [7, 50, 90, 180, 1e-6, 0, -2.0])
def test_a_spacing_without_a_grid_of_several_rows_is_refused(spacing):
    with pytest.raises(ConfigError, match="parameter 'spacing_degrees' must .*got "):
        AgreementSettings(spacing_degrees=spacing)


@pytest.mark.parametrize("spacing", [60, 5, 2.5, 1.40625, 180 / 7, 1 / 3])
def test_a_spacing_that_divides_180_has_a_grid(spacing):
    grid = common_grid(AgreementSettings(spacing_degrees=spacing).spacing_degrees)
    assert grid.sizes["lat"] == round(180 / spacing)


@pytest.mark.parametrize(("name", "value"), [("max_control_windows", 1), ("n_strata", 100_000)])
def test_a_null_distribution_needs_two_windows_and_fits_into_memory(name, value):
    with pytest.raises(ConfigError, match=f"parameter '{name}' must be .*got {value}"):
        TrackingSettings(**{name: value})
