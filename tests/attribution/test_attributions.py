"""Statistics over networks, block by block."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from thor.attribution.attributions import STATISTICS, attribute
from thor.attribution.method import AttributionBlock, Explainer, sample_blocks
from thor.core.errors import AttributionError
from thor.networks.prediction import BLOCK_BYTES


@dataclass(frozen=True)
class Made(Explainer):
    """Random values, in blocks of ten samples; may fail before one of them."""

    fails_at: int = -1
    target: str = "centred_logit"

    def explain(self, stack, inputs, regime):
        for first in range(0, len(inputs), 10):
            if first == self.fails_at:
                raise KeyboardInterrupt
            values = np.random.default_rng(first).normal(size=(stack.n_networks, 10, 8))
            remainder = np.full((stack.n_networks, 10), first / 1000)
            yield AttributionBlock(
                slice(first, first + 10),
                values,
                np.full((10, 8), 0.5),
                {"target": values[..., 0], "remainder": remainder},
            )


def test_statistics_are_over_networks(stack, inputs, regime):
    found = attribute(Made(), stack, inputs, regime, progress=False)
    values = np.concatenate([block.values for block in Made().explain(stack, inputs, regime)], axis=1)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.spread, values.std(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.lower_quartile, np.quantile(values, 0.25, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.upper_quartile, np.quantile(values, 0.75, axis=0), atol=1e-6)
    agreeing = (np.sign(values) == np.sign(values.mean(axis=0))).mean(axis=0)
    np.testing.assert_allclose(found.sign_agreement, agreeing, atol=1e-6)
    assert (found.standard_error == 0.5).all()
    np.testing.assert_allclose(found.shares["target"], values[..., 0].mean(axis=0), atol=1e-6)
    assert found.largest_remainder == pytest.approx(0.19)


def test_networks_that_do_not_use_a_feature_count_in_its_mean_alone(stack, inputs, regime):
    kernel = stack.kernels[0].copy()
    kernel[1::2, 2] = 0.0  # every second network does not use the third feature,
    kernel[:, 5] = 0.0  # none the sixth
    restricted = replace(stack, kernels=(kernel, *stack.kernels[1:]))
    found = attribute(Made(), restricted, inputs, regime, progress=False)
    values = np.concatenate([block.values for block in Made().explain(stack, inputs, regime)], axis=1)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-6)
    share = len(values[::2]) / len(values)
    for feature, counted in ((0, values), (2, values[::2] * share), (5, values)):
        of_feature = counted[..., feature]
        np.testing.assert_allclose(found.spread[:, feature], of_feature.std(axis=0), atol=1e-6)
        np.testing.assert_allclose(found.lower_quartile[:, feature], np.quantile(of_feature, 0.25, axis=0), atol=1e-6)
        agreeing = (np.sign(of_feature) == np.sign(values[..., feature].mean(axis=0))).mean(axis=0)
        np.testing.assert_allclose(found.sign_agreement[:, feature], agreeing, atol=1e-6)


def test_interrupted_work_starts_afresh_to_the_same_values(stack, inputs, regime):
    whole = attribute(Made(), stack, inputs, regime, progress=False)
    with pytest.raises(KeyboardInterrupt):
        attribute(Made(fails_at=120), stack, inputs, regime, progress=False)
    again = attribute(Made(), stack, inputs, regime, progress=False)
    for statistic in STATISTICS:
        np.testing.assert_array_equal(getattr(again, statistic), getattr(whole, statistic))


def test_blocks_fill_the_cache_whatever_the_number_of_networks(stack):
    parts = list(sample_blocks(100_000, stack))
    assert parts[0].start == 0
    assert parts[-1].stop == 100_000
    size = parts[0].stop
    assert size * 3 * 12 * 4 <= BLOCK_BYTES < (size + 1) * 3 * 12 * 4
    assert list(sample_blocks(10, stack)) == [slice(0, 10)]


def test_samples_that_do_not_fit_are_refused(stack, inputs, regime):
    with pytest.raises(AttributionError, match=r"inputs of shape \(n_samples, 8\)"):
        attribute(Made(), stack, inputs[:, :5], regime)
    with pytest.raises(AttributionError, match="1 of 200 samples"):
        attribute(Made(), stack, np.where(np.arange(200)[:, None] == 7, np.nan, inputs), regime)
    with pytest.raises(AttributionError, match="a regime from 0 to 2"):
        attribute(Made(), stack, inputs, regime + 1)
