"""Calibration equal to values calculated by hand, and recovery of known temperatures."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.made_samples import CLASSES, make_ocean, make_probabilities, make_samples
from thor.core.errors import NetworkError
from thor.networks.bootstrap import BlockBootstrap, BootstrapSettings
from thor.networks.correlogram import ErrorCorrelation
from thor.networks.scores import scores
from thor.uncertainty.calibration import (
    brier_decomposition,
    calibration_error,
    calibration_metrics,
    calibration_table,
    reliability_curve,
)
from thor.uncertainty.selective import mistake_auroc, risk_coverage
from thor.uncertainty.temperature import left_out_temperature, temperature_of_mean, with_temperature


def true_labels(probabilities, seed=0):
    """Labels drawn from the probabilities: these are then calibrated."""
    drawn = np.random.default_rng(seed).uniform(size=(len(probabilities), 1))
    return (drawn > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)


def made(n=20_000, seed=0):
    probabilities = np.random.default_rng(seed).dirichlet([0.5, 0.7, 1.0], n)
    return probabilities, true_labels(probabilities, seed + 1)


def test_calibration_errors_equal_values_calculated_by_hand():
    p = np.array([[0.6, 0.4], [0.62, 0.38], [0.9, 0.1], [0.05, 0.95]])
    labels = np.array([0, 1, 0, 1])
    # of ten bins of the largest probability, three hold a cell: two of 0.6, and two of one cell
    assert calibration_error(p, labels, n_bins=10) == pytest.approx((2 * abs(0.61 - 0.5) + 0.1 + 0.05) / 4)
    # two regimes: their bins mirror one another, and 0.38 and 0.4 lie in two of them
    first = (abs(0.6 - 1 + 0.62 - 0) + abs(0.9 - 1) + 0.05) / 4
    second = (0.4 + abs(0.38 - 1) + 0.1 + 0.05) / 4
    assert calibration_error(p, labels, kind="class_wise", n_bins=10) == pytest.approx((first + second) / 2)
    # two bins of two cells each
    adaptive = (abs(0.6 + 0.62 - 1) + abs(0.9 + 0.95 - 2)) / 4
    assert calibration_error(p, labels, kind="adaptive", n_bins=2) == pytest.approx(adaptive)


def test_the_error_of_the_scores_is_that_of_the_top_label():
    p, labels = made(500)
    assert calibration_error(p, labels) == pytest.approx(
        scores(p, labels, classes=CLASSES)["expected_calibration_error"]
    )


@pytest.mark.parametrize("kind", ["top_label", "class_wise", "adaptive"])
def test_drawn_labels_are_calibrated_and_sharpened_probabilities_are_not(kind):
    p, labels = made()
    assert calibration_error(p, labels, kind=kind) < 0.012
    assert calibration_error(with_temperature(p, 0.5), labels, kind=kind) > 0.04


def test_the_accuracy_of_a_bin_has_the_interval_of_resampled_blocks():
    """Two blocks of five cells with 0.6 and 1 right, each drawn twice, or both once; ten of these make an interval."""
    p = np.tile([0.75, 0.25], (50, 1))
    labels = np.r_[np.tile([0, 0, 0, 1, 1], 5), np.zeros(25, dtype=int)]
    block = np.arange(50) // 5
    counts = np.zeros((3, 10))
    counts[0, :5], counts[1, 5:], counts[2] = 2, 2, 1
    bootstrap = BlockBootstrap(block=block, counts=counts, degrees=5.0, length=100.0, level=1.0)
    curve = reliability_curve(p, labels, bootstrap, 1000.0)
    np.testing.assert_allclose([curve["low"], curve["accuracy"], curve["high"]], [[0.6], [0.8], [1.0]])
    # errors so correlated that the whole accuracy of the region has twice the spread: so has that of the bin
    few_cells = 0.8 * 0.2 / (2 * np.std([0.6, 1.0, 0.8])) ** 2
    curve = reliability_curve(p, labels, bootstrap, few_cells)
    np.testing.assert_allclose([curve["low"], curve["accuracy"], curve["high"]], [[0.4], [0.8], [1.0]])


def test_the_reliability_curve_is_the_share_of_right_cells():
    p, labels = made()
    one_block = BlockBootstrap(np.zeros(len(p), int), np.ones((2, 1)), degrees=90.0, length=100.0, level=0.9)
    curve = reliability_curve(p, labels, one_block, 1000.0)
    assert {*curve["low"], *curve["high"]} == {None}
    np.testing.assert_allclose(curve["confidence"], curve["accuracy"], atol=0.04)
    assert sum(curve["share"]) == pytest.approx(1.0)
    gaps = np.abs(np.subtract(curve["confidence"], curve["accuracy"])) @ curve["share"]
    assert gaps == pytest.approx(calibration_error(p, labels))


@given(st.integers(0, 10_000), st.sampled_from([0.2, 1.0, 5.0]))
def test_the_parts_of_the_brier_score_add_up(seed, spread):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(3, spread), 60)
    labels = rng.integers(0, 3, 60)
    parts = brier_decomposition(p, labels)
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bin"]
    assert total == pytest.approx(scores(p, labels, classes=CLASSES)["brier_score"])
    assert parts["reliability"] >= 0
    assert 0 <= parts["resolution"] <= parts["uncertainty"] + 1e-12


def test_parts_of_the_brier_score_of_known_predictors():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    climatology = np.tile([0.5, 0.3, 0.2], (100, 1))
    parts = brier_decomposition(climatology, labels)
    assert parts["uncertainty"] == pytest.approx(0.25 + 0.21 + 0.16)
    assert [parts[name] for name in ("reliability", "resolution", "within_bin")] == pytest.approx([0, 0, 0])
    perfect = brier_decomposition(np.eye(3)[labels], labels)
    assert perfect["resolution"] == pytest.approx(perfect["uncertainty"])
    assert perfect["reliability"] == pytest.approx(0.0)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature):
    p, labels = made(50_000)
    spoilt = with_temperature(p, 1 / temperature)
    found = temperature_of_mean(spoilt, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    np.testing.assert_allclose(with_temperature(spoilt, temperature), p, atol=1e-6)
    np.testing.assert_array_equal(with_temperature(spoilt, found).argmax(axis=1), spoilt.argmax(axis=1))


def test_temperature_of_networks_divides_their_logits():
    """Networks whose logits are all twice too large: the temperature of the members is two, whatever their spread."""
    rng = np.random.default_rng(0)
    predict, labels = {}, {}
    for basin in ("atlantic_ocean", "pacific_ocean"):
        logits = rng.normal(0, 1.5, (10_000, 3)) + rng.normal(0, 0.7, (5, 1, 3))

        def of_basin(temperature, logits=logits):
            odds = np.exp(2.0 * logits / temperature)
            return (odds / odds.sum(axis=-1, keepdims=True)).mean(axis=0)

        predict[basin], labels[basin] = of_basin, true_labels(of_basin(2.0))
    assert left_out_temperature(predict, labels).applied == pytest.approx(2.0, rel=0.03)


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(NetworkError, match="not numbers"):
        temperature_of_mean(np.full((4, 3), np.nan), np.array([0, 1, 2, 0]))


def test_auroc_counts_pairs():
    uncertainty, wrong = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    # of four pairs of a wrong and a right cell, three have the wrong one less certain
    assert mistake_auroc(uncertainty, wrong) == 0.75
    assert mistake_auroc(-uncertainty, wrong) == 0.25
    assert mistake_auroc(np.ones(4), wrong) == 0.5
    assert mistake_auroc(uncertainty, np.zeros(4, bool)) is None
    assert mistake_auroc(uncertainty, np.ones(4, bool)) is None


def test_risk_and_coverage_equal_values_calculated_by_hand():
    # in order of certainty: right, wrong, right, wrong
    curve = risk_coverage(np.array([0.9, 0.1, 0.3, 0.2]), np.array([True, False, False, True]))
    assert curve["area"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve["coverage"][-1] == 1.0
    assert curve["risk"][-1] == 0.5
    assert curve["risk"][0] == 0.0


@given(st.integers(0, 10_000))
def test_ties_do_not_depend_on_the_order_of_cells(seed):
    rng = np.random.default_rng(seed)
    uncertainty, wrong = rng.integers(0, 4, 50) / 4, rng.integers(0, 2, 50).astype(bool)
    order = rng.permutation(50)
    one, other = risk_coverage(uncertainty, wrong), risk_coverage(uncertainty[order], wrong[order])
    assert one["risk"] == pytest.approx(other["risk"])
    no_skill = risk_coverage(np.ones(50), wrong)
    assert no_skill["risk"] == pytest.approx([wrong.mean()] * 50)
    assert no_skill["area"] == pytest.approx(wrong.mean())


def test_entropies_are_in_bits_and_known_predictions_have_known_ones():
    p = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    got = calibration_metrics(p, np.array([2, 0]), classes=CLASSES)["uncertainties"]
    assert got["entropy"]["mean_wrong"] == pytest.approx(1.0)
    assert got["entropy"]["mean_right"] == pytest.approx(0.0)
    assert got["entropy"]["auroc"] == 1.0
    assert got["one_minus_maximum"]["mean_wrong"] == pytest.approx(0.5)


@pytest.fixture(scope="module")
def table():
    lat, lon, area = make_ocean()
    p = make_probabilities(np.zeros(len(lat), int), certainty=1.0)
    labels = true_labels(p)
    samples = make_samples(labels, lat=lat, lon=lon, area=area)
    sharp = with_temperature(p, 0.5)
    stages = {"before": sharp, "after": with_temperature(sharp, temperature_of_mean(sharp, labels))}
    return calibration_table(
        {"ensemble": stages, "single": {"before": sharp, "after": sharp}},
        samples,
        regions={"test": samples.role == 2, "southern_ocean": lat < -35},
        correlations=dict.fromkeys(("ensemble", "single"), ErrorCorrelation(np.full(5, 0.1))),
        settings=BootstrapSettings(n_bootstrap=100),
        seed=0,
        uncertainties={"ensemble": {"after": {"mutual_information": np.random.default_rng(9).random(len(lat))}}},
    )


def test_the_table_compares_before_and_after_calibration(table):
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    before, after = (table["ensemble"]["test"][stage] for stage in ("before", "after"))
    assert after["expected_calibration_error"] < 0.5 * before["expected_calibration_error"]
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]
    assert after["brier_score"] < before["brier_score"]
    assert after["accuracy"] == before["accuracy"]
    assert before["temperature_left"] == pytest.approx(2.0, rel=0.15)
    assert after["temperature_left"] == pytest.approx(1.0, abs=0.1)
    assert after["weighting"] == "cell"
    assert after["area_weighted"]["weighting"] == "area"
    assert table["ensemble"]["southern_ocean"]["after"]["n_cells"] < after["n_cells"]


def test_the_table_holds_intervals_and_every_uncertainty(table):
    entry = table["ensemble"]["test"]["after"]
    for name in ("negative_log_likelihood", "brier_score", "accuracy"):
        assert entry["intervals"][name]["low"] < entry[name] < entry["intervals"][name]["high"]
    assert set(entry["uncertainties"]) == {"entropy", "one_minus_maximum", "mutual_information"}
    # a random field finds no mistakes, entropy does
    assert entry["uncertainties"]["mutual_information"]["auroc"] == pytest.approx(0.5, abs=0.05)
    assert entry["uncertainties"]["entropy"]["auroc"] > 0.6
    assert "mutual_information" not in table["single"]["test"]["after"]["uncertainties"]


def test_an_empty_region_is_named():
    p, labels = made(10)
    with pytest.raises(NetworkError, match="'baltic' holds no labelled cell"):
        calibration_table(
            {"ensemble": {"before": p}},
            make_samples(labels),
            regions={"baltic": np.zeros(10, bool)},
            correlations={},
            settings=BootstrapSettings(),
            seed=0,
        )
