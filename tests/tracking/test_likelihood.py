"""The likelihood scale: the words of the IPCC, each in its range, and only those that a test supports."""

import numpy as np
import pandas as pd
import pytest

from thor.core.errors import DataError
from thor.tracking.likelihood import LIKELIHOOD, likelihood_class, supported_words


@pytest.mark.parametrize(
    ("probability", "word"),
    [
        (0.0, "exceptionally_unlikely"),
        (0.01, "very_unlikely"),
        (0.1, "unlikely"),
        (0.33, "about_as_likely_as_not"),
        (0.5, "about_as_likely_as_not"),
        (0.66, "about_as_likely_as_not"),
        (0.67, "likely"),
        (0.91, "very_likely"),
        (0.995, "virtually_certain"),
    ],
)
def test_words_are_those_of_the_ipcc(probability, word):
    assert list(LIKELIHOOD)[likelihood_class(probability)] == word


def test_an_unknown_probability_has_no_word():
    assert likelihood_class(np.nan) == -1


def test_every_probability_lies_in_the_range_of_its_word():
    probability = np.linspace(0, 1, 1001)
    ranges = np.array(list(LIKELIHOOD.values()))[likelihood_class(probability)]
    assert ((ranges[:, 0] <= probability) & (probability <= ranges[:, 1])).all()
    assert (np.diff(likelihood_class(probability)) >= 0).all()


def test_only_words_that_come_true_are_supported():
    table = pd.DataFrame(
        {
            "mean_probability": [0.005, 0.05, 0.2, 0.5, 0.8, 0.95, 0.97],
            "observed_frequency": [0.02, 0.06, 0.25, 0.5, 0.75, 0.93, 0.81],
            "area": [1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0],
        }
    )
    # rare changes come twice too often; the two rows of one word are 90 % together
    assert supported_words(table) == ("very_unlikely", "unlikely", "about_as_likely_as_not", "likely", "very_likely")
    unsure = table.assign(low=table["observed_frequency"] - 0.05, high=table["observed_frequency"] + 0.03)
    assert supported_words(unsure) == ("very_unlikely", "unlikely", "about_as_likely_as_not", "likely")
    assert supported_words(table.assign(area=0.0)) == ()
    with pytest.raises(DataError, match="missing area"):
        supported_words(table.drop(columns="area"))
