import numpy as np
import pytest

from tests.networks.test_stack import make_stack
from thor.core.errors import NetworkError
from thor.networks.prediction import member_probabilities, predict, probability_blocks, softmax
from thor.networks.stack import logits


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(1).normal(size=(1000, 2)).astype("float32")


def test_softmax_equals_values_calculated_by_hand():
    got = softmax(np.log(np.float32([[1.0, 2.0, 5.0]])) + 100)
    np.testing.assert_allclose(got, [[0.125, 0.25, 0.625]], rtol=1e-5)


def test_mean_and_spread_over_networks(inputs):
    stack = make_stack(n_networks=7)
    members = member_probabilities(stack, inputs)
    np.testing.assert_allclose(members.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(members.argmax(axis=-1), logits(stack, inputs).argmax(axis=-1))
    got = predict(stack, inputs)
    np.testing.assert_allclose(got.mean, members.mean(axis=0, dtype=float), atol=1e-7)
    np.testing.assert_allclose(got.spread, members.std(axis=0, dtype=float), atol=1e-7)
    assert got.spread.max() > 0.1
    np.testing.assert_array_equal(predict(stack.select([3]), inputs).spread, 0)


def test_blocks_cover_every_sample_once_and_change_nothing(inputs):
    stack = make_stack(n_networks=7)
    blocks = list(probability_blocks(stack, inputs, block_bytes=4 * 7 * 4 * 128))
    assert [part.stop - part.start for part, _ in blocks] == [128] * 7 + [104]
    assert {probability.shape[0] for _, probability in blocks} == {7}
    joined = np.concatenate([probability for _, probability in blocks], axis=1)
    np.testing.assert_allclose(joined, member_probabilities(stack, inputs), atol=1e-6)


def test_a_high_temperature_levels_and_a_low_one_decides(inputs):
    stack = make_stack()
    np.testing.assert_allclose(member_probabilities(stack, inputs, temperature=1e6), 1 / 3, atol=1e-5)
    assert np.median(member_probabilities(stack, inputs, temperature=1e-3).max(axis=-1)) > 0.999
    z = logits(stack, inputs[:1])[0, 0].astype(float) / 2.5
    expected = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(member_probabilities(stack, inputs[:1], temperature=2.5)[0, 0], expected, rtol=1e-5)


def test_inputs_that_are_not_finite(inputs):
    spoilt = inputs.copy()
    spoilt[3, 1] = np.nan
    with pytest.raises(NetworkError, match="1 of 1000 samples"):
        predict(make_stack(), spoilt)
    with pytest.raises(NetworkError, match="temperature must be above 0"):
        predict(make_stack(), inputs, temperature=0.0)
