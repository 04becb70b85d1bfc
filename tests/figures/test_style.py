"""Colours of regimes: distinct for readers with each kind of colour vision, and the published ones on request."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from thor.core.errors import ConfigError
from thor.figures.style import (
    BASIN_COLOURS,
    LAND_COLOUR,
    PALETTES,
    add_heading,
    new_figure,
    regime_colours,
    use_regime_palette,
)
from thor.ocean.basins import basin_names

VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Matrices of Machado et al. (2009, doi:10.1109/TVCG.2009.113), severity 1, for linear RGB."""

SRGB_TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
D65 = [0.95047, 1.0, 1.08883]


def cielab(colour, vision):
    """CIELAB of a colour as a reader sees it."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    ratio = np.array(SRGB_TO_XYZ) @ seen / D65
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(palette, vision):
    """CIE76 distance and names of the two colours that are most alike."""
    colours = {name: cielab(colour, vision) for name, colour in {**palette, "land": LAND_COLOUR}.items()}
    return min((np.linalg.norm(colours[a] - colours[b]), a, b) for a, b in itertools.combinations(colours, 2))


def test_the_conversion_is_that_of_the_standard():
    np.testing.assert_allclose(cielab("#ff0000", "normal"), [53.24, 80.09, 67.20], atol=0.02)
    np.testing.assert_allclose(cielab("#ffffff", "deuteranopia"), [100, 0, 0], atol=0.02)


@pytest.mark.parametrize("vision", VISIONS)
def test_regimes_and_land_are_distinct_with_any_colour_vision(vision):
    distance, *names = nearest(PALETTES["distinct"], vision)
    assert distance >= 20, names
    assert nearest(PALETTES["published"], vision)[0] < 20, "the test distinguishes palettes"


@pytest.mark.parametrize("vision", VISIONS)
def test_basins_and_land_are_distinct_with_any_colour_vision(vision):
    assert list(BASIN_COLOURS) == list(basin_names().values())
    distance, *names = nearest(BASIN_COLOURS, vision)
    assert distance >= 19, names


def test_the_published_palette_is_available(monkeypatch):
    monkeypatch.delenv("THOR_REGIME_PALETTE", raising=False)
    assert regime_colours(["MD", "SO"]) == [PALETTES["distinct"][name] for name in ("MD", "SO")]
    monkeypatch.setenv("THOR_REGIME_PALETTE", "distinct")  # restored after the test
    use_regime_palette("published")
    assert regime_colours(["MD", "SO"]) == ["#0173B2", "#949494"]
    assert PALETTES["published"].keys() == PALETTES["distinct"].keys()
    with pytest.raises(ConfigError, match="no palette 'publshed'. Did you mean 'published'"):
        use_regime_palette("publshed")


def test_no_two_regimes_have_one_colour():
    names = [*(f"R{number}" for number in range(1, 128)), "merged"]
    colours = regime_colours(names)
    assert len(set(colours)) == len(names)
    assert colours[: len(names) // 2] == regime_colours(names[: len(names) // 2])


@pytest.mark.parametrize("fontsize", [8, 10])
def test_a_long_heading_stays_on_the_figure(fontsize):
    figure = new_figure(7.8, 3)
    figure.subplots()
    add_heading(figure, ", ".join(f"CLIMATE-MODEL-{number}" for number in range(12)), fontsize=fontsize)
    figure.draw_without_rendering()
    box = figure._suptitle.get_window_extent()
    assert figure.get_suptitle().count("\n") and box.x1 < figure.bbox.x1
