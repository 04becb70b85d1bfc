"""The null distribution of P(change) holds everywhere: false calls do not pile up where the ocean varies most."""

from itertools import combinations

import numpy as np
import pytest
import xarray as xr

from tests.made_fields import made_cells
from thor.tracking.cells import Cells, ControlPairs
from thor.tracking.natural import NaturalVariability
from thor.tracking.settings import TrackingSettings

SETTINGS = TrackingSettings(min_pairs=3)
N_RUNS, N_CELLS = 120, 1200
BELTS = np.arange(-60, 61, 20)
LEVEL = 0.05


def made_run(seed, n_windows, *, n_cells=N_CELLS):
    """Regime probabilities in the windows of a control run and in one window more, and the latitude of each cell.

    Between two regimes, whose odds are AR(1) from window to window (0.3), with a part that is common to a belt of
    20 degrees. Their standard deviation is 1.2 at 60S to 40S, 0.1 south of it, and 0.3 elsewhere.
    """
    rng = np.random.default_rng(seed)
    lat = np.rad2deg(np.arcsin(rng.uniform(-0.97, 0.97, n_cells)))
    belt = np.digitize(lat, BELTS)
    size = np.array([0.1, 1.2, *[0.3] * 6])[belt] * np.exp(rng.normal(0, 0.3, n_cells))
    weather = np.sqrt(0.7) * rng.normal(size=(n_windows + 1, n_cells))
    weather += np.sqrt(0.3) * rng.normal(size=(n_windows + 1, len(BELTS) + 1))[:, belt]
    for window in range(1, n_windows + 1):
        weather[window] = 0.3 * weather[window - 1] + np.sqrt(1 - 0.3**2) * weather[window]
    probability = 1 / (1 + np.exp(-(rng.normal(0, 2, n_cells) + size * weather)))
    return lat, probability


def control_of(probability, *, cells=None):
    """The variability of a control run with these probabilities by window."""
    n_windows, n_cells = probability.shape
    pairs = np.array(list(combinations(range(n_windows), 2)))
    return NaturalVariability(
        change=np.abs(np.diff(probability[pairs], axis=1)[:, 0]).astype("float32"),
        certainty=np.maximum(probability, 1 - probability).astype("float32"),
        pairs=ControlPairs(pairs, pairs[:, 1] - pairs[:, 0], np.eye(n_windows, dtype=bool)),
        cells=made_cells(np.ones(n_cells)) if cells is None else cells,
    )


def false_rates(n_windows, *, local):
    """Share of the cells of each belt with p of at most 5 % without any forcing, mean over made control runs.

    The tested window follows the last control window, its baseline.
    """
    found = np.zeros((N_RUNS, len(BELTS) + 1))
    for seed in range(N_RUNS):
        lat, probability = made_run(seed, n_windows)
        natural = control_of(probability[:-1])
        null = natural.null(1, SETTINGS, local=local)
        change, certainty = np.abs(probability[-1] - probability[-2]), natural.certainty[-1]
        p_value = null.p_value(change, certainty, natural.cells.area)
        belt = np.digitize(lat, BELTS)
        found[seed] = np.bincount(belt, p_value <= LEVEL) / np.bincount(belt)
    return found.mean(axis=0)


@pytest.mark.parametrize("n_windows", [7, 12])
def test_false_calls_do_not_pile_up_in_any_belt(n_windows):
    rates = false_rates(n_windows, local=True)
    assert rates.max() < 2 * LEVEL
    assert rates.mean() == pytest.approx(LEVEL, abs=0.03)


def test_a_null_distribution_of_all_cells_piles_them_up_where_the_ocean_varies_most():
    rates = false_rates(7, local=False)
    assert rates.argmax() == 1, "60S to 40S"
    assert rates[1] > 4 * LEVEL > 20 * rates[0]


def test_variability_is_that_of_the_other_pairs():
    """Three cells and four windows: the tested windows, and those of each pair, are left out."""
    probability = np.array([[0.1, 0.5, 0.2], [0.3, 0.51, 0.2], [0.2, 0.53, 0.9], [0.6, 0.56, 0.21]])
    natural = control_of(probability)
    null = natural.null(1, SETTINGS, local=True)
    np.testing.assert_allclose(null.variability, natural.change.mean(axis=0), rtol=1e-6)
    assert null.n_pairs == 3
    # without the last window: (0, 1) has no pair that shares no month with it
    assert natural.null(1, SETTINGS, without=(3,)).variability is None
    # the value 0.7 of (1, 2) in the last cell is compared with (0, 3), which is 0.01: the class of least variability
    one = natural.null(1, SETTINGS.replace(n_strata=2))
    assert one.p_value(np.full(3, 0.7), np.ones(3), np.ones(3))[1] == pytest.approx((1 + 1) / (4 + 1))
    assert one.p_value(np.full(3, 0.71), np.ones(3), np.ones(3))[1] == pytest.approx(1 / (4 + 1))


def test_cells_are_found_by_their_place_and_others_count_as_most_variable():
    _, probability = made_run(0, 7, n_cells=40)
    like = xr.DataArray(np.ones((5, 8)), coords={"lat": np.arange(5.0), "lon": np.arange(8.0)}, dims=("lat", "lon"))
    whole = Cells(like, np.arange(40), np.ones(40), np.zeros(40, int), ("all",))
    half = whole.take(np.arange(40) % 2 == 0)
    natural = control_of(probability[:, ::2], cells=half)
    places = natural.places(whole)
    np.testing.assert_array_equal(places[::2], np.arange(20))
    assert (places[1::2] == -1).all()
    null = natural.null(1, SETTINGS.replace(n_strata=4))
    certainty = np.full(40, 0.6)
    p_value = null.p_value(np.full(40, 0.2), certainty, np.ones(40), places=places)
    assert p_value[1::2].min() == p_value.max()
    moved = Cells(like.assign_coords(lon=like["lon"] + 1), whole.index, whole.area, whole.basin, whole.basins)
    assert natural.places(moved) is None


def windows_only(experiment, starts, *, parent=""):
    coords = {"window_start": ("window", starts), "window_end": ("window", [start + 19 for start in starts])}
    return xr.Dataset(coords=coords, attrs={"source_id": "A", "experiment_id": experiment, "parent": parent})


def test_variants_are_compared_in_the_same_years_since_their_start():
    """One begins 20 years after the other: in the years that both share they differ by the forcing, too."""
    control = windows_only("piControl", [1, 21])
    late = [[1850, 1870], [1870, 1890]]
    variants = [windows_only("abrupt-4xCO2", starts, parent="A/piControl/r1i1p1f1") for starts in late]
    pairs = ControlPairs.of(control, variants)
    assert pairs.states.tolist() == [[0, 1], [2, 4], [3, 5]] and pairs.separation.tolist() == [1, 0, 0]
    # in historical years are those of the calendar
    variants = [windows_only("historical", starts, parent="A/piControl/r1i1p1f1") for starts in late]
    assert ControlPairs.of(control, variants).states.tolist() == [[0, 1], [3, 4]]
