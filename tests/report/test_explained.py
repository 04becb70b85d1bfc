"""Sentences on the explanation methods."""

import pytest

from thor.report.explained import explanation_sentences


def test_the_interval_of_an_evaluation_is_stated_of_its_skill():
    entry = {"value": 0.6, "random": 0.2, "skill": 0.5, "low": 0.4, "high": 0.55, "level": 0.9}
    (line,) = explanation_sentences({"agreement": {}, "faithfulness": {"relevance": entry}, "converged": {}})
    assert line.replace("\u00a0", " ").endswith(
        "has a correlation of 0.60 with the loss of the networks' evidence for the regime without this set (random "
        "attributions: 0.20); its skill, 0 for random attributions and 1 for perfect ones, is 0.50 (90 % interval 0.40 "
        "to 0.55)."
    )


@pytest.mark.parametrize(
    ("methods", "beginning"),
    [
        (("shapley_values", "relevance"), "Of the two methods, Shapley values are the most faithful to the networks."),
        (("lime_weights", "relevance", "x"), "Of the three methods, LIME is the most faithful to the networks."),
        (("relevance",), "Only relevance was evaluated."),
    ],
)
def test_the_most_faithful_method_is_named(methods, beginning):
    faithful = {name: {"value": 0.5 / (k + 1), "random": 0.0, "skill": 0.5} for k, name in enumerate(methods)}
    (line,) = explanation_sentences({"agreement": {}, "faithfulness": faithful, "converged": {}})
    assert line.startswith(beginning)
