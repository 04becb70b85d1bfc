"""Blocks have the requested size, resamples are sums of blocks, and intervals cover the truth."""

import numpy as np
import pytest

from tests.made_errors import patches, smooth_errors
from tests.made_samples import make_ocean
from thor.core.errors import ConfigError, NetworkError
from thor.networks.bootstrap import (
    LARGEST_DEGREES,
    LEAST_DEGREES,
    BootstrapSettings,
    block_bootstraps,
    block_size,
)


def test_a_resample_is_the_cells_of_its_blocks():
    lat, lon, area = make_ocean(10.0)
    errors = patches(lat, lon, degrees=20, seed=1)
    settings = BootstrapSettings(n_bootstrap=20, block_degrees=20.0)
    (bootstrap,) = block_bootstraps(errors[:, None], lat, lon, area, settings=settings, seed=3)
    draws = bootstrap.draws(bootstrap.sums(np.column_stack([errors, area])))
    assert draws.shape == (20, 2)
    for counts, draw in zip(bootstrap.counts, draws, strict=True):
        assert counts.sum() == bootstrap.n_blocks
        cells = np.repeat(np.arange(len(lat)), counts[bootstrap.block].astype(int))
        np.testing.assert_allclose(draw, [errors[cells].sum(), area[cells].sum()])


def test_the_same_seed_gives_the_same_resamples():
    lat, lon, area = make_ocean()
    errors = np.column_stack([smooth_errors(lat, lon, length_km=500, share=0.3, seed=s) for s in (0, 1)])
    first, again = (
        block_bootstraps(errors, lat, lon, area, settings=BootstrapSettings(n_bootstrap=10), seed=5) for _ in range(2)
    )
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.counts, other.counts)
        assert one.length == other.length


def test_block_size_exceeds_the_length_between_its_bounds():
    assert block_size(0.0) == LEAST_DEGREES
    assert block_size(200.0) == 18.0
    assert block_size(5000.0) == LARGEST_DEGREES


def test_intervals_cover_the_truth_where_those_of_cells_do_not():
    """The true share of errors is known; in 60 made oceans the coverage of the 90 % interval is measured."""
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-58, 60, 2.5), np.arange(0, 140, 2.5), indexing="ij"))
    blocks, cells, n_made = 0, 0, 60
    for seed in range(n_made):
        errors = smooth_errors(lat, lon, length_km=300, share=0.2, seed=seed, n_waves=150)
        (bootstrap,) = block_bootstraps(
            errors[:, None], lat, lon, settings=BootstrapSettings(n_bootstrap=300), seed=seed
        )
        draws = bootstrap.draws(bootstrap.sums(np.column_stack([errors, np.ones(len(lat))])))
        interval = bootstrap.interval(draws[:, 0] / draws[:, 1])
        blocks += interval["low"] <= 0.2 <= interval["high"]
        naive = 1.645 * np.sqrt(errors.mean() * (1 - errors.mean()) / len(lat))
        cells += abs(errors.mean() - 0.2) <= naive
    assert 0.75 <= blocks / n_made <= 1.0
    assert cells / n_made < 0.65


def test_intervals_are_ordered_and_leave_out_what_is_undefined():
    lat, lon, area = make_ocean()
    settings = BootstrapSettings(n_bootstrap=10, level=0.8, block_degrees=30.0)
    (bootstrap,) = block_bootstraps(np.zeros((len(lat), 1)), lat, lon, area, settings=settings, seed=0)
    interval = bootstrap.interval(np.array([np.nan, *np.arange(11.0)]))
    assert interval == {"low": pytest.approx(1.0), "high": pytest.approx(9.0), "level": 0.8}
    assert bootstrap.interval(np.full(3, np.nan))["low"] is None


def test_few_blocks_give_no_interval():
    lat, lon = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])
    (bootstrap,) = block_bootstraps(np.eye(3)[:, :1], lat, lon, settings=BootstrapSettings(n_bootstrap=10), seed=0)
    assert bootstrap.n_blocks == 1
    assert bootstrap.interval(np.arange(5.0)) == {"low": None, "high": None, "level": 0.9}


def test_bad_input():
    with pytest.raises(ConfigError, match="'level' must be a number > 0 and < 1; got 90"):
        BootstrapSettings(level=90)
    with pytest.raises(ConfigError, match="'n_bootstrap'"):
        BootstrapSettings(n_bootstrap=1)
    with pytest.raises(ConfigError, match="'block_degrees'"):
        BootstrapSettings(block_degrees=0.0)
    with pytest.raises(ConfigError, match="'block_degrees' must be a number from 0.1 to 90 degrees or null; got 1e-06"):
        BootstrapSettings(block_degrees=1e-6)  # 180 million rows of blocks
    nowhere = np.empty(0)
    with pytest.raises(NetworkError, match="region is empty"):
        block_bootstraps(np.empty((0, 1)), nowhere, nowhere, settings=BootstrapSettings(), seed=0)
