"""Captions say what the numbers of a figure are."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from thor.report.content import _axis_entry, _first_cell, captions, regime_styles, small_images


@pytest.mark.parametrize("name", ["modelling_skill", "modelling_left_out", "modelling_input_sets"])
def test_intervals_of_single_scores_are_for_an_unseen_ocean(name):
    """As `thor.networks.skill.score_intervals` makes them; those of a bootstrap of the same cells are narrower."""
    caption = captions()[name].caption
    assert "intervals are for an unseen ocean" in caption and "bootstrap" not in caption


@pytest.mark.parametrize("colours", [16, 256])
def test_images_inside_the_report_keep_white_and_rare_colours(colours):
    """Beside smooth colours, greys as around letters, and one rare colour, which a palette by numbers would lose."""
    red, green = np.meshgrid(np.linspace(0, 250, 400), np.linspace(0, 250, 300))
    pixels = np.stack([red, green, np.full_like(red, 40)], axis=-1).astype(np.uint8)
    pixels[:, 150:] = 255
    pixels[200:, 300:] = np.linspace(180, 254, 100)[:, None, None]
    pixels[:4, :4] = rare = (20, 60, 240)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    (url,) = small_images({"figure": file.getvalue()}, colours=colours).values()
    content = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(content)) as image:
        assert len(image.getcolors()) <= colours
        shown = np.asarray(image.convert("RGB")).astype(int)
    assert len(content) < len(file.getvalue()) and shown.shape == pixels.shape
    assert (shown[:200, 150:] == 255).all()
    assert np.abs(shown[:4, :4] - rare).max() <= 10
    assert np.abs(shown - pixels).max() <= {16: 90, 256: 20}[colours]


def test_the_explorer_opens_on_an_uncertain_cell_like_those_of_training_where_one_is_right():
    doubt = np.array([0.9, 0.8, 0.1, np.nan])
    right, test = np.array([True, True, True, False]), np.array([True, True, True, True])
    assert _first_cell(doubt, right, test, np.array([False, True, True, True])) == 1
    assert _first_cell(doubt, right, test, np.zeros(4, dtype=bool)) == 0
    assert _first_cell(doubt, np.zeros(4, dtype=bool), test, test) == 0


def test_a_long_name_does_not_repeat_the_name():
    styles = regime_styles({"R1": "wind stress curl (+)", "R2": "R2", "merged": "merged small clusters"})
    assert [style["long_name"] for style in styles] == ["wind stress curl (+)", "", "small clusters"]


def test_features_of_the_explorer_are_named_as_in_figures():
    assert _axis_entry("zos_gradient_eastward") | {"units": ""} == {
        "name": "zos_gradient_eastward",
        "label": "Sea level slope, east",
        "units": "",
    }
    assert _axis_entry("wind_stress_curl")["units"] == "m\u00a0s⁻²"
