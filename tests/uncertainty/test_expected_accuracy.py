"""The expected accuracy of new cells follows from their distances, not from those of the known cells."""

import json

import numpy as np
import pytest

from thor.uncertainty.expected_accuracy import ExpectedAccuracy


def known(n=20_000, seed=0):
    """Cells at all distances, of which a share exp(-distance) is right."""
    rng = np.random.default_rng(seed)
    distance = rng.gamma(2.0, 0.4, n)
    return distance, rng.random(n) < np.exp(-distance), rng.uniform(0.5, 2.0, n)


def test_new_cells_at_other_distances_have_their_own_accuracy():
    expected = ExpectedAccuracy.fit(*known())
    for scale in (0.05, 0.3, 0.8):
        distance = np.random.default_rng(1).exponential(scale, 50_000)
        # E exp(-d) of an exponential distribution
        assert expected.of_cells(distance, np.ones(50_000)) == pytest.approx(1 / (1 + scale), abs=0.015)


def test_it_never_increases_with_distance_and_cells_count_by_area():
    expected = ExpectedAccuracy.fit(*known(500))
    assert (np.diff(expected.accuracy) <= 0).all()
    near, far = (expected.of_cells(np.array([d]), np.ones(1)) for d in (0.1, 2.0))
    both = expected.of_cells(np.array([0.1, 2.0]), np.array([3.0, 1.0]))
    assert both == pytest.approx(0.75 * near + 0.25 * far)
    # known cells count by area too
    halves = ExpectedAccuracy.fit(np.zeros(2), np.array([True, False]), np.array([3.0, 1.0]))
    assert halves.of_cells(np.zeros(1), np.ones(1)) == pytest.approx(0.75)


def test_it_survives_json():
    expected = ExpectedAccuracy.fit(*known(300))
    again = ExpectedAccuracy.from_dict(json.loads(json.dumps(expected.to_dict())))
    assert again.of_cells(np.linspace(0, 3, 50), np.ones(50)) == expected.of_cells(np.linspace(0, 3, 50), np.ones(50))
