"""Correlations of made errors are found again, with their tail, and intervals from them cover the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.made_errors import gaussian_field, patches, smooth_errors, whole_globe
from tests.made_samples import make_ocean
from thor.networks.correlogram import LEAST_PAIRS, _class_starts, _grid_spacing, correlation_length, error_correlation
from thor.networks.skill import wilson_interval
from thor.ocean.sphere import unit_vectors


def test_correlation_length_of_patches():
    """Boxes of side s lose 4 d / (pi s) - d^2 / (pi s^2) of their correlation at distance d: 1 - 1/e at 0.58 s."""
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-20, 20, 0.5), np.arange(0, 80, 0.5), indexing="ij"))
    lengths = [float(correlation_length(patches(lat, lon, degrees=8, seed=seed), lat, lon)) for seed in range(4)]
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


def errors_with_a_tail(lat, lon, seed):
    """Errors in a fifth of the cells, with a third of the variance uncorrelated and a quarter far-reaching."""
    noise = np.random.default_rng(seed).normal(size=len(lat))
    parts = zip((0.35, 0.4, 0.25), (noise, *_fields(lat, lon, seed)), strict=True)
    return (sum(np.sqrt(share) * field for share, field in parts) < norm.ppf(0.2)).astype(float)


def _fields(lat, lon, seed):
    for length_km in (250, 2500):
        yield gaussian_field(lat, lon, length_km=length_km, seed=1000 * length_km + seed, n_waves=60)


def test_intervals_of_a_score_cover_the_expected_one_in_an_unseen_ocean():
    """Five basins, in four of which the correlation is estimated; independent cells would hardly ever cover."""
    lat, lon, _ = whole_globe(5.0)
    basin = np.digitize(lon, [70, 140, 210, 280])
    ocean = np.abs(lat) < 70
    lat, lon, basin = lat[ocean], lon[ocean], basin[ocean]
    covered, naive, n_made = 0, 0, 40
    for seed in range(n_made):
        errors = errors_with_a_tail(lat, lon, seed)
        left_out = [(errors[basin == b, None], lat[basin == b], lon[basin == b]) for b in range(4)]
        test = basin == 4
        share = errors[test].mean()
        (correlation,) = error_correlation(left_out)
        cells = correlation.effective_cells(lat[test], lon[test])
        low, high = wilson_interval(share, cells, level=0.9)
        covered += low <= 0.2 <= high
        low, high = wilson_interval(share, test.sum(), level=0.9)
        naive += low <= 0.2 <= high
    assert naive / n_made < 0.45
    assert 0.8 <= covered / n_made <= 1.0


def test_independent_errors_count_nearly_fully_and_weights_reduce_them():
    lat, lon, _ = make_ocean()
    rng = np.random.default_rng(0)
    halves = [(rng.random((half.sum(), 1)) < 0.3, lat[half], lon[half]) for half in (lat > 0, lat <= 0)]
    (correlation,) = error_correlation([(errors.astype(float), *where) for errors, *where in halves])
    assert correlation.effective_cells(lat, lon) > 0.25 * len(lat)
    uneven = np.where(np.arange(len(lat)) % 50 == 0, 1.0, 1e-6)
    assert correlation.effective_cells(lat, lon, uneven) < 1.1 * (uneven > 0.5).sum()


def test_basins_without_any_error_say_nothing():
    lat, lon, _ = make_ocean()
    some = np.column_stack([np.zeros(len(lat)), lat > 0])
    none, half = error_correlation([(some, lat, lon)])
    assert none.shares.tolist() == [0.0] * 5
    assert half.shares[-1] > 0.3


def test_wilson_intervals_stay_between_zero_and_one():
    assert wilson_interval(0.0, 20, level=0.9)[0] == pytest.approx(0, abs=1e-12)
    # Wilson 1927: 95 % for 5 of 10
    np.testing.assert_allclose(wilson_interval(0.5, 10, level=0.95), (0.2366, 0.7634), atol=1e-4)
