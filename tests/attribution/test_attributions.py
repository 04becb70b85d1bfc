"""Statistics over networks, block by block, and work that goes on where it was interrupted."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from thor.attribution import attributions
from thor.attribution.attributions import Attributions, Block, attribute, blocks_of
from thor.core.errors import AttributionError


@dataclass(frozen=True)
class Made:
    """Random values, in blocks of ten samples; may fail before one of them."""

    fails_at: int = -1
    name: str = "made"
    target: str = "centred_logit"

    def players(self, stack):
        return stack.features

    def explain(self, stack, inputs, regime, *, start=0):
        for first in range(start, len(inputs), 10):
            if first == self.fails_at:
                raise KeyboardInterrupt
            values = np.random.default_rng(first).normal(size=(stack.n_networks, 10, 8))
            remainder = np.full((stack.n_networks, 10), first / 1000)
            yield Block(
                slice(first, first + 10),
                values,
                np.full((10, 8), 0.5),
                {"target": values[..., 0], "remainder": remainder},
            )


class Kept(dict):
    """A checkpoint in memory."""

    def load(self, name):
        return self.get(name)

    def save(self, name, part):
        self[name] = part.copy(deep=True)


def _watched(explain, seen):
    def watched(method, stack, inputs, regime, *, start=0):
        seen.append(start)
        yield from explain(method, stack, inputs, regime, start=start)

    return watched


def test_statistics_are_those_over_networks(stack, inputs, regime):
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
    back = Attributions.from_dataset(found.to_dataset())
    np.testing.assert_array_equal(back.mean, found.mean)
    assert back.players == found.players


def test_interrupted_work_goes_on_bit_for_bit(monkeypatch, stack, inputs, regime):
    monkeypatch.setattr(attributions, "CHECKPOINT_SECONDS", -1.0)
    whole = attribute(Made(), stack, inputs, regime, progress=False)
    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        attribute(Made(fails_at=120), stack, inputs, regime, checkpoint=kept, progress=False)
    (part,) = kept.values()
    assert part.attrs["done"] == 120
    seen = []
    # the same method but for the interruption
    monkeypatch.setattr(attributions, "fingerprint", lambda *_: part.attrs["identity"])
    monkeypatch.setattr(Made, "explain", _watched(Made.explain, seen))
    again = attribute(Made(), stack, inputs, regime, checkpoint=kept, progress=False)
    assert seen == [120]
    xr.testing.assert_identical(again.to_dataset(), whole.to_dataset())


def test_other_work_starts_afresh(monkeypatch, stack, inputs, regime):
    monkeypatch.setattr(attributions, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        attribute(Made(fails_at=120), stack, inputs, regime, checkpoint=kept, progress=False)
    found = attribute(Made(), stack, inputs[::-1].copy(), regime, checkpoint=kept, progress=False)
    expected = attribute(Made(), stack, inputs, regime, progress=False)
    np.testing.assert_array_equal(found.mean, expected.mean)


def test_blocks_fill_the_cache_whatever_the_number_of_networks(stack):
    parts = list(blocks_of(100_000, stack))
    assert parts[0].start == 0
    assert parts[-1].stop == 100_000
    size = parts[0].stop
    assert size * 3 * 12 * 4 <= attributions.BLOCK_BYTES < (size + 1) * 3 * 12 * 4
    assert next(blocks_of(10, stack, start=4)) == slice(4, 10)


def test_samples_that_do_not_fit_are_refused(stack, inputs, regime):
    with pytest.raises(AttributionError, match=r"inputs of shape \(n_samples, 8\)"):
        attribute(Made(), stack, inputs[:, :5], regime)
    with pytest.raises(AttributionError, match="1 of 200 samples"):
        attribute(Made(), stack, np.where(np.arange(200)[:, None] == 7, np.nan, inputs), regime)
    with pytest.raises(AttributionError, match="a regime from 0 to 2"):
        attribute(Made(), stack, inputs, regime + 1)
