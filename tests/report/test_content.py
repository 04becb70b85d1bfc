"""Captions say what the numbers of a figure are."""

import pytest

from thor.report.content import captions


@pytest.mark.parametrize("name", ["modelling_skill", "modelling_left_out", "modelling_input_sets"])
def test_intervals_of_single_scores_are_for_an_unseen_ocean(name):
    """As `thor.networks.skill.score_intervals` makes them; those of a bootstrap of the same cells are narrower."""
    caption = captions()[name].caption
    assert "intervals are for an unseen ocean" in caption and "bootstrap" not in caption
