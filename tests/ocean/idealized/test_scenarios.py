"""Winds change as in CMIP6 where the climate does, and vary without trend where it does not."""

import numpy as np
import pytest

from tests.ocean.idealized.conftest import SEED
from thor.core.errors import ConfigError
from thor.ocean.idealized.climate_models import PATTERNS, solve_climate_model
from thor.ocean.idealized.scenarios import IdealizedRun, months, pattern_strengths, runs_of, variant_labels, warming

LATITUDES = np.linspace(-65, -35, 3001)
COMMON = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


@pytest.fixture(scope="module")
def long(archive_settings):
    """The tiny archive's settings over 140 years, as long as CO2 takes to quadruple."""
    return archive_settings.replace(
        n_years=140, historical_years=140, scenario_years=86, window_years=20, adjustment_years=5.0
    )


def _mean_strengths(settings, model, experiment_id, years):
    strengths = pattern_strengths(IdealizedRun(settings, model, experiment_id, "r1i1p1f1", SEED))
    return strengths[12 * years[0] : 12 * years[1]].mean(0)


def _jet(model, strengths, latitudes):
    """Strength [N m-2] and latitude of the strongest zonal-mean eastward stress."""
    points = model.grid.t
    stress = np.tensordot(strengths, model.stress.u, axes=1)
    profile = np.interp(latitudes, points.lat[:, 0], stress.mean(1))
    # a parabola through the strongest point and its neighbours, finer than the grid
    rows = np.argsort(profile)[-5:]
    return profile.max(), latitudes[rows].mean()


@pytest.fixture(scope="module")
def regular(archive_settings):
    """The regular model at 2 degrees: its stress is eastward and resolves the jets."""
    first = archive_settings.models[0]
    return first.replace(ocean=first.ocean.replace(resolution_degrees=2.0, nonlinear_iterations=0))


@pytest.mark.parametrize("experiment_id", ["1pctCO2", "abrupt-4xCO2"])
def test_southern_westerlies_grow_and_move_as_in_cmip6(long, regular, experiment_id):
    model = solve_climate_model(regular, seed=SEED)
    control = _mean_strengths(long, regular, "piControl", (0, 140))
    warm = _mean_strengths(long, regular, experiment_id, (120, 140))
    (before, lat_before), (after, lat_after) = (_jet(model, s, LATITUDES) for s in (control, warm))
    assert 1.10 < after / before < 1.20
    assert -3 < lat_after - lat_before < -1
    (north_before, _), (north_after, _) = (_jet(model, s, -LATITUDES) for s in (control, warm))
    assert abs(north_after / north_before - 1) < 0.5 * (after / before - 1)


def test_warming_grows_as_in_the_experiments(long):
    index = {name: warming(long, name) for name in long.experiments}
    assert np.all(index["piControl"] == 0)
    np.testing.assert_allclose(np.diff(index["1pctCO2"]), 1 / 1680)
    np.testing.assert_allclose(index["1pctCO2"][-1], 1, atol=1e-3)
    np.testing.assert_allclose(index["historical"][-1], long.historical_share, rtol=2e-3)
    assert np.all(np.diff(index["historical"]) > 0)
    np.testing.assert_allclose(index["abrupt-4xCO2"][12 * 5], 1 - np.exp(-1), atol=5e-3)
    assert index["abrupt-4xCO2"][-1] > 0.999


@pytest.mark.parametrize(
    ("experiment_id", "final"), [("ssp126", 0.36), ("ssp245", 0.57), ("ssp370", 0.79), ("ssp585", 0.98)]
)
def test_scenarios_continue_the_warming_and_its_rate(long, experiment_id, final):
    past, index = warming(long, "historical"), warming(long, experiment_id)
    steps = np.diff(np.concatenate([past, index]))
    assert len(index) == 12 * 86
    # no jump in warming or rate where the scenario begins: a month changes the rate by less than a hundredth
    np.testing.assert_allclose(steps[len(past) - 1], steps[len(past) - 2 : len(past) + 1], rtol=0.01)
    np.testing.assert_allclose(index[-1], final, atol=2e-3)
    assert index.max() < final + 0.01


def test_control_has_no_trend(long, model_settings):
    strengths = pattern_strengths(IdealizedRun(long, model_settings, "piControl", "r1i1p1f1", SEED))
    years = strengths.reshape(140, 12, -1).mean(1)
    time = np.arange(140) - 69.5
    slope = (time[:, None] * (years - years.mean(0))).sum(0) / (time**2).sum()
    residual = years - years.mean(0) - time[:, None] * slope
    error = residual.std(0, ddof=2) / np.sqrt((time**2).sum())
    vary = [PATTERNS.index(name) for name in PATTERNS if name != "mean"]
    # three standard errors, widened by a memory of one month
    assert np.all(np.abs(slope[vary]) < 3.3 * error[vary])
    assert np.all(slope[PATTERNS.index("mean")] == 0)


def test_weather_has_the_required_spread_and_memory(long, model_settings):
    calm = model_settings.replace(seasonal_amplitude=0.0)
    strengths = pattern_strengths(IdealizedRun(long, calm, "piControl", "r1i1p1f1", SEED))
    assert np.all(strengths[:, 0] == 1)
    expected = np.where(np.array(PATTERNS) == "southern_shift", calm.shift_variability, calm.wind_variability)[1:]
    np.testing.assert_allclose(strengths[:, 1:].std(0), expected, rtol=0.1)
    memory = [np.corrcoef(x[1:], x[:-1])[0, 1] for x in strengths[:, 1:].T]
    np.testing.assert_allclose(memory, calm.persistence, atol=0.08)


def test_northern_winds_are_strongest_in_winter_and_southern_ones_in_spring(long, model_settings):
    strengths = pattern_strengths(IdealizedRun(long, model_settings, "piControl", "r1i1p1f1", SEED))
    cycle = strengths.reshape(140, 12, -1).mean(0)
    assert cycle[:, PATTERNS.index("northern_westerlies")].argmax() in (11, 0, 1)
    assert cycle[:, PATTERNS.index("southern_westerlies")].argmax() in (7, 8, 9)


def test_variants_experiments_models_and_seeds_have_different_weather(archive_settings):
    def series(model, experiment_id, variant_label, seed):
        strengths = pattern_strengths(IdealizedRun(archive_settings, model, experiment_id, variant_label, seed))
        return strengths[:, PATTERNS.index("north_pacific")]

    one, other, _ = archive_settings.models
    runs = [
        series(one, "historical", "r1i1p1f1", SEED),
        series(one, "historical", "r2i1p1f1", SEED),
        series(one, "piControl", "r1i1p1f1", SEED),
        series(other, "historical", "r1i1p1f1", SEED),
        series(one, "historical", "r1i1p1f1", SEED + 1),
    ]
    for k, run in enumerate(runs):
        for another in runs[:k]:
            assert np.std(run - another) > 0.1
    np.testing.assert_array_equal(runs[0], series(one, "historical", "r1i1p1f1", SEED))


def test_variants_branch_off_inside_the_control(archive_settings):
    assert variant_labels(archive_settings, "historical") == ("r1i1p1f1", "r2i1p1f1", "r3i1p1f1")
    runs = runs_of(archive_settings, archive_settings.models[0], seed=SEED)
    assert [run.branch_year for run in runs if run.experiment_id == "historical"] == [0, 2, 4]
    assert [run.branch_year for run in runs if run.experiment_id == "1pctCO2"] == [0]
    assert [run.branch_year for run in runs if run.experiment_id == "ssp585"] == [8, 8]


def test_members_and_lengths_of_experiments_are_settings(archive_settings):
    more = archive_settings.replace(historical_members=6, scenario_members=4, historical_years=20, scenario_years=4)
    runs = {run.key.split("/", 1)[1]: run for run in runs_of(more, more.models[0], seed=SEED)}
    assert [runs[f"historical/r{k}i1p1f1"].branch_year for k in range(1, 7)] == [0, 2, 4, 6, 0, 2]
    assert sum(key.startswith("ssp585") for key in runs) == 4
    scenario = runs["ssp585/r4i1p1f1"]
    assert (scenario.first_year, scenario.n_years, scenario.parent) == (1870, 4, runs["historical/r4i1p1f1"])
    assert len(pattern_strengths(scenario)) == 48


def test_other_experiments_do_not_depend_on_scenarios_and_their_lengths(archive_settings):
    one = archive_settings.models[0]
    other = archive_settings.replace(
        experiments=("piControl", "historical", "abrupt-4xCO2"),
        historical_years=5,
        historical_members=1,
        scenario_members=1,
    )
    for experiment_id in ("piControl", "abrupt-4xCO2"):
        first, second = (
            pattern_strengths(IdealizedRun(archive, one, experiment_id, "r1i1p1f1", SEED))
            for archive in (archive_settings, other)
        )
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiments": ("piControl", "abrupt4xCO2")}, "Did you mean 'abrupt-4xCO2'"),
        ({"experiments": ("historical",)}, "must hold 'piControl'"),
        ({"experiments": ("piControl", "ssp585")}, "must hold 'historical', from which others branch off"),
        ({"window_years": 6, "n_years": 6}, "must not exceed 'scenario_years', 5; got 6"),
        ({"scenario_members": 4}, "must not exceed 'historical_members', 3, which they continue; got 4"),
        ({"experiments": ("piControl", "piControl")}, "none twice"),
        ({"models": ()}, "'models' must be a list that is not empty"),
        ({"window_years": 9}, "must not exceed 'n_years', 8; got 9"),
        (
            {"steric_experiment": "4xCO2"},
            "'steric_experiment' must be 'piControl' or .*; got '4xCO2'",
        ),
        ({"n_years": 0}, r"'n_years' must be a whole number from 1 to 1000 years; got 0"),
    ],
)
def test_archive_that_cannot_be_made_is_refused(archive_settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        archive_settings.replace(**changes)


@pytest.mark.parametrize(
    ("calendar", "year", "lengths"),
    [
        ("noleap", 1904, COMMON),
        ("360_day", 1904, [30] * 12),
        ("gregorian", 1904, [31, 29, *COMMON[2:]]),
        ("gregorian", 1900, COMMON),
        ("gregorian", 2000, [31, 29, *COMMON[2:]]),
    ],
)
def test_month_lengths(calendar, year, lengths):
    np.testing.assert_array_equal(months(calendar, first_year=year, n_years=1, origin_year=1850).lengths, lengths)


@pytest.mark.parametrize(("calendar", "days"), [("noleap", 3650), ("360_day", 3600), ("gregorian", 3652)])
def test_days_count_from_the_origin(calendar, days):
    axis = months(calendar, first_year=1860, n_years=2, origin_year=1850)
    assert axis.edges[0] == days
    assert axis.edges.size == 25
    assert axis.units == "days since 1850-01-01"
    assert months(calendar, first_year=1, n_years=1, origin_year=1).units == "days since 0001-01-01"
