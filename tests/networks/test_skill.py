"""Tables of skill describe their content; intervals, differences and single networks agree with the scores alone."""

import json

import numpy as np
import pytest

from tests.made_samples import CLASSES, make_ocean, make_probabilities, make_samples
from thor.core.errors import NetworkError
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.correlogram import ErrorCorrelation
from thor.networks.member_skill import (
    member_table,
    network_reliability,
    network_scores,
    network_sums,
    predictor_reliability,
)
from thor.networks.scores import scores
from thor.networks.skill import paired_differences, skill_table

SETTINGS = BootstrapSettings(n_bootstrap=200)

CORRELATION = ErrorCorrelation(np.array([0.3, 0.0, 0.1, 0.0, 0.0]))


@pytest.fixture(scope="module")
def ocean():
    lat, lon, area = make_ocean()
    labels = (lat > 0).astype(int) + ((lon > 180) & (lat > 30))
    # Two neighbours in eight have an uncertain label.
    confidence = np.where(np.arange(len(lat)) % 8 < 2, 0.6, 1.0)
    return make_samples(labels, lat=lat, lon=lon, area=area, confidence=confidence)


@pytest.fixture(scope="module")
def probabilities(ocean):
    good = make_probabilities(ocean.labels, certainty=2.0, seed=1)
    return {
        "good": good,
        "poor": make_probabilities(ocean.labels, certainty=0.5, seed=2),
        # wrong in one cell of a hundred more than `good`, and else the same
        "nearly": np.where((np.arange(len(good)) % 100 == 0)[:, None], [0.98, 0.01, 0.01], good),
    }


@pytest.fixture(scope="module")
def table(ocean, probabilities):
    regions = {"train": ocean.role == 0, "test": ocean.role == 2}
    return skill_table(
        probabilities,
        ocean,
        regions=regions,
        correlations=dict.fromkeys(probabilities, CORRELATION),
        settings=SETTINGS,
        seed=1,
    )


def test_the_table_is_plain_json_and_describes_its_content(table, ocean):
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert set(table) == {"good", "poor", "nearly"}
    entry = table["good"]["test"]
    assert (entry["region"], entry["weighting"], entry["n_cells"]) == ("test", "cell", int((ocean.role == 2).sum()))
    assert entry["n_cells_confident"] == int(((ocean.role == 2) & (ocean.confidence > 0.9)).sum())
    assert entry["blocks"]["n_bootstrap"] == 200
    assert entry["blocks"]["block_degrees"] >= 10.0


def test_intervals_surround_the_scores_and_widen_with_the_level(table, ocean, probabilities):
    wide = skill_table(
        {"good": probabilities["good"]},
        ocean,
        regions={"test": ocean.role == 2},
        correlations={"good": CORRELATION},
        settings=BootstrapSettings(n_bootstrap=200, level=0.99),
        seed=1,
    )["good"]["test"]
    narrow = table["good"]["test"]
    for name in ("accuracy", "negative_log_likelihood", "brier_score", "macro_f1"):
        for of, wider in ((narrow, wide), (narrow["area_weighted"], wide["area_weighted"])):
            low, high = (of["intervals"][name][bound] for bound in ("low", "high"))
            assert low < of[name] < high
            assert wider["intervals"][name]["low"] < low < high < wider["intervals"][name]["high"]


def test_longer_correlations_widen_all_intervals_and_none_leaves_them_out(ocean, probabilities, table):
    good, regions = {"good": probabilities["good"]}, {"test": ocean.role == 2}
    far = ErrorCorrelation(np.array([0.3, 0.0, 0.1, 0.0, 0.3]))
    options = {"regions": regions, "settings": SETTINGS, "seed": 1}
    wide = skill_table(good, ocean, correlations={"good": far}, **options)["good"]["test"]
    narrow = table["good"]["test"]
    assert wide["blocks"]["effective_cells"] < 0.2 * narrow["blocks"]["effective_cells"]

    def width(of, name):
        return of["intervals"][name]["high"] - of["intervals"][name]["low"]

    for name in ("accuracy", "balanced_accuracy", "negative_log_likelihood"):
        assert width(wide, name) > 1.5 * width(narrow, name)
        assert 0 <= wide["intervals"][name]["low"] < wide[name] < wide["intervals"][name]["high"]
    assert "intervals" not in skill_table(good, ocean, correlations={}, **options)["good"]["test"]


def test_paired_differences_see_what_single_intervals_cannot(table):
    good, nearly = table["good"]["test"], table["nearly"]["test"]
    assert good["intervals"]["accuracy"]["low"] < nearly["accuracy"] < good["accuracy"]
    difference = good["difference_to"]["nearly"]["accuracy"]
    assert difference["difference"] == pytest.approx(good["accuracy"] - nearly["accuracy"])
    assert 0 < difference["low"] < difference["high"]
    assert good["difference_to"]["poor"]["negative_log_likelihood"]["high"] < 0
    # every pair once: the later predictor is subtracted
    assert set(good["difference_to"]) == {"poor", "nearly"}
    assert set(nearly["difference_to"]) == set()


def test_a_predictor_does_not_differ_from_itself(ocean, probabilities):
    same = {"one": probabilities["good"], "other": probabilities["good"].copy()}
    got = paired_differences(
        same, ocean.labels, lat=ocean.lat, lon=ocean.lon, area=ocean.area, settings=SETTINGS, seed=0
    )["one"]["other"]
    for of in (got, got["area_weighted"]):
        assert of["brier_score"] == {"difference": 0.0, "low": 0.0, "high": 0.0, "level": 0.9}


def test_single_networks_in_blocks_are_scored_as_if_alone(ocean):
    members = np.stack([make_probabilities(ocean.labels, certainty=c, seed=3) for c in (0.5, 1.0, 2.0)])
    blocks = [(slice(i, i + 500), members[:, i : i + 500]) for i in range(0, len(ocean.labels), 500)]
    regions = {"train": ocean.role == 0, "test": ocean.role == 2}
    sums = network_sums(iter(blocks), ocean, regions=regions)
    got = network_scores(sums, classes=CLASSES)
    assert len(got) == 6
    for row in got.to_dict("records"):
        inside = regions[row["region"]]
        alone = scores(members[row["network"]][inside], ocean.labels[inside], classes=CLASSES, area=ocean.area[inside])
        for name in ("accuracy", "macro_f1", "negative_log_likelihood", "expected_calibration_error"):
            assert row[name] == pytest.approx(alone[name])
            assert row[f"area_weighted_{name}"] == pytest.approx(alone["area_weighted"][name])
        assert row["f1_TR"] == pytest.approx(alone["f1"]["TR"])
    table = member_table(got, classes=CLASSES)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    accuracies = got.loc[got["region"] == "test", "accuracy"]
    for statistic in ("mean", "min", "max"):
        assert table[f"member_{statistic}"]["test"]["accuracy"] == pytest.approx(accuracies.agg(statistic))
    assert table["member_min"]["test"]["f1"]["NL"] < table["member_max"]["test"]["f1"]["NL"]
    assert table["member_mean"]["train"]["n_networks"] == 3


def test_reliability_of_single_networks_gives_back_their_calibration_error(ocean, probabilities):
    regions = {"train": ocean.role == 0, "test": ocean.role == 2}
    sums = network_sums(
        [(slice(None), np.stack([probabilities["good"], probabilities["poor"]]))], ocean, regions=regions
    )
    got = network_reliability(sums, predictor="ensemble")
    errors = network_scores(sums, classes=CLASSES).set_index(["network", "region"])["expected_calibration_error"]
    for (network, region), bins in got.groupby(["network", "region"]):
        assert bins["n_cells"].sum() == regions[region].sum()
        assert (bins["n_cells"] > 0).all() and bins["confidence"].is_monotonic_increasing
        gap = (bins["confidence"] - bins["accuracy"]).abs()
        assert (gap * bins["n_cells"]).sum() / bins["n_cells"].sum() == pytest.approx(errors[network, region])
    alone = predictor_reliability({"poor": probabilities["poor"]}, ocean, regions=regions)
    assert set(alone["predictor"]) == {"poor"}
    np.testing.assert_allclose(alone["accuracy"], got.loc[got["network"] == 1, "accuracy"])


def test_empty_regions_are_named(ocean, probabilities):
    nowhere = {"select": np.zeros(len(ocean.labels), bool)}
    with pytest.raises(NetworkError, match="'select' holds no labelled cell"):
        skill_table(probabilities, ocean, regions=nowhere, correlations={}, settings=SETTINGS, seed=0)
    with pytest.raises(NetworkError, match="'select' holds no labelled cell"):
        network_sums([(slice(None), probabilities["good"][None])], ocean, regions=nowhere)
    with pytest.raises(NetworkError, match="no probabilities of single networks"):
        network_sums([], ocean, regions={"test": ocean.role == 2})
