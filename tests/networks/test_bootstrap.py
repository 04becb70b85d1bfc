"""Blocks have the requested size, resamples are sums of blocks, and intervals cover the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.made_samples import make_ocean
from thor.core.errors import ConfigError, NetworkError
from thor.networks.bootstrap import (
    LARGEST_DEGREES,
    LEAST_DEGREES,
    LEAST_PAIRS,
    BootstrapSettings,
    _class_starts,
    _grid_spacing,
    block_bootstraps,
    block_size,
    correlation_length,
)
from thor.ocean.sphere import unit_vectors


def smooth_errors(lat, lon, *, length_km, share, seed, n_waves=300):
    """0/1 errors: a Gaussian field of exponential correlation, cut where the given share lies below."""
    field = gaussian_field(lat, lon, length_km=length_km, seed=seed, n_waves=n_waves)
    return (field < norm.ppf(share)).astype(float)


def gaussian_field(lat, lon, *, length_km, seed, n_waves=300):
    """Unit variance and correlation exp(-distance / length): waves of a three-dimensional Cauchy spectrum."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(n_waves, 3)) / np.abs(rng.normal(size=(n_waves, 1))) / (length_km / 6371.0)
    phases = rng.uniform(0, 2 * np.pi, n_waves)
    positions = unit_vectors(lat, lon)
    field = np.zeros(len(lat))
    for wave, phase in zip(waves, phases, strict=True):
        field += np.cos(wave @ positions + phase)
    return np.sqrt(2 / n_waves) * field


def patches(lat, lon, *, degrees, seed):
    """0/1 errors, one value for each latitude-longitude box."""
    boxes = np.random.default_rng(seed).integers(0, 2, (200, 400)).astype(float)
    return boxes[((lat + 90) // degrees).astype(int), (lon // degrees).astype(int)]


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


def test_correlation_length_of_patches():
    """Boxes of side s lose 4 d / (pi s) - d^2 / (pi s^2) of their correlation at distance d: 1 - 1/e at 0.58 s."""
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-20, 20, 0.5), np.arange(0, 80, 0.5), indexing="ij"))
    lengths = [
        float(correlation_length(patches(lat, lon, degrees=8, seed=seed), lat, lon, n_centres=200)) for seed in range(4)
    ]
    assert np.mean(lengths) == pytest.approx(0.58 * 8 * 111, rel=0.1)


def test_correlation_length_grows_with_the_scale_and_takes_many_fields():
    lat, lon, area = make_ocean(2.0)
    fields = np.column_stack(
        [smooth_errors(lat, lon, length_km=km, share=0.3, seed=2) for km in (400, 1500)] + [np.ones(len(lat))]
    )
    lengths = correlation_length(fields, lat, lon, area)
    assert lengths.shape == (3,)
    assert 100 < lengths[0] < 0.6 * lengths[1]
    assert lengths[2] == 0
    assert correlation_length(fields[:, 0], lat, lon, area) == pytest.approx(lengths[0])


@pytest.mark.parametrize(("step", "n_fields", "n_waves"), [(2.0, 12, 300), (0.5, 4, 150)])
@pytest.mark.parametrize("length_km", [300, 700])
def test_correlation_length_is_that_of_the_simulated_field(step, n_fields, n_waves, length_km):
    """On the coarse grid, classes of 50 km contained only pairs near the poles, and some lengths were 30 km.

    Lengths of single fields of 700 km differ by 14 % (standard deviation of 40 fields), those of 300 km by 11 %.
    """
    lat, lon, area = whole_globe(step)
    fields = [gaussian_field(lat, lon, length_km=length_km, seed=seed, n_waves=n_waves) for seed in range(n_fields)]
    lengths = correlation_length(np.column_stack(fields), lat, lon, area)
    assert lengths.min() > 0.5 * length_km
    assert lengths.max() < 1.5 * length_km
    assert lengths.mean() == pytest.approx(length_km, rel=0.15)


def whole_globe(step):
    lat, lon = np.meshgrid(np.arange(-90 + step / 2, 90, step), np.arange(step / 2, 360, step), indexing="ij")
    return lat.ravel(), lon.ravel(), np.cos(np.deg2rad(lat)).ravel()


def test_classes_are_as_wide_as_the_grid_spacing_and_contain_enough_pairs():
    lat, lon, _ = whole_globe(2.0)
    centres = np.random.default_rng(0).choice(len(lat), 300, p=np.cos(np.deg2rad(lat)) / np.cos(np.deg2rad(lat)).sum())
    assert _grid_spacing(unit_vectors(lat, lon), centres) == pytest.approx(222, rel=0.02)
    pairs = np.array([3, 90, 20, 150, 40, 59, 1, 10])
    starts = _class_starts(pairs)
    assert starts == [0, 3, 4]
    assert np.add.reduceat(pairs, starts).min() >= LEAST_PAIRS
    assert _class_starts(np.array([1, 2])) == [0]


def test_correlation_length_of_very_few_cells_is_defined():
    lat, lon = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 0.0])
    assert 0 < correlation_length(np.array([1.0, 0.0, 1.0]), lat, lon) <= 5000
    assert correlation_length(np.array([1.0]), lat[:1], lon[:1]) == 0


def test_independent_errors_are_correlated_over_less_than_a_cell():
    lat, lon, area = make_ocean()
    errors = np.random.default_rng(0).integers(0, 2, len(lat)).astype(float)
    assert 0 < correlation_length(errors, lat, lon, area) < 4 * 111


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
    (bootstrap,) = block_bootstraps(np.eye(3)[:, :1], lat, lon, settings=BootstrapSettings(n_bootstrap=5), seed=0)
    assert bootstrap.n_blocks == 1
    assert bootstrap.interval(np.arange(5.0)) == {"low": None, "high": None, "level": 0.9}


def test_bad_input():
    with pytest.raises(ConfigError, match="'level' must be a number > 0 and < 1; got 90"):
        BootstrapSettings(level=90)
    with pytest.raises(ConfigError, match="'n_bootstrap'"):
        BootstrapSettings(n_bootstrap=0)
    with pytest.raises(ConfigError, match="'block_degrees'"):
        BootstrapSettings(block_degrees=0.0)
    nowhere = np.empty(0)
    with pytest.raises(NetworkError, match="region is empty"):
        block_bootstraps(np.empty((0, 1)), nowhere, nowhere, settings=BootstrapSettings(), seed=0)
