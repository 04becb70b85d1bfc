"""Figures of skill show the numbers of the tables."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from tests.made_samples import CLASSES, make_ocean, make_probabilities, make_samples
from thor.figures.curves import BLUE
from thor.figures.skill import confusion_matrices, learning_curves, left_out_skill, skill_intervals
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.correlogram import ErrorCorrelation
from thor.networks.cross_validation import left_out_scores
from thor.networks.member_skill import member_table, network_scores, network_sums
from thor.networks.skill import skill_table


@pytest.fixture(scope="module")
def skill():
    lat, lon, area = make_ocean(6.0)
    labels = np.random.default_rng(0).integers(0, 3, len(lat))
    samples = make_samples(labels, lat=lat, lon=lon, area=area)
    members = np.stack([make_probabilities(labels, certainty=2.0, seed=seed) for seed in range(4)])
    predictors = {
        "ensemble": members.mean(axis=0),
        "gradient_boosting": make_probabilities(labels, certainty=1.0, seed=9),
        "majority": np.tile([0.4, 0.3, 0.3], (len(labels), 1)),
    }
    regions = {"test": samples.role == 2}
    networks = network_scores(network_sums([(slice(None), members)], samples, regions=regions), classes=samples.classes)
    settings = BootstrapSettings(n_bootstrap=50)
    return skill_table(
        predictors,
        samples,
        regions=regions,
        correlations=dict.fromkeys(predictors, ErrorCorrelation(np.full(5, 0.1))),
        settings=settings,
        seed=0,
    ) | member_table(networks, classes=CLASSES)


def test_confusion_matrices_hold_shares_of_rows_and_counts(skill):
    figure = confusion_matrices(skill)
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title(loc="left").split("\n")[0] for ax in panels] == [
        "(a) ensemble",
        "(b) gradient boosting",
        "(c) most common regime",
    ]
    counts = np.array(skill["ensemble"]["test"]["confusion_matrix"])
    np.testing.assert_allclose(panels[0].images[0].get_array(), 100 * counts / counts.sum(axis=1, keepdims=True))
    written = {text.get_text() for text in panels[0].texts}
    assert {f"{count:,}" for count in counts.ravel()} <= written
    assert [tick.get_text() for tick in panels[0].get_yticklabels()] == list(CLASSES)
    assert figure.axes[-1].get_ylabel() == "cells with this label (%)"


def test_titles_and_labels_of_matrices_do_not_touch(skill):
    entries = skill | dict.fromkeys(("average", "published_networks", "stress_curl_tree"), skill["ensemble"])
    figure = confusion_matrices(entries)
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.images]
    boxes = [ax._left_title.get_window_extent() for ax in panels] + [
        ax.xaxis.label.get_window_extent() for ax in panels
    ]
    assert len(panels) == 6 and max(box.y1 for box in boxes) <= figure.bbox.y1
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert panels[0].get_title(loc="left").endswith(f"\naccuracy {100 * skill['ensemble']['test']['accuracy']:.1f} %")


def test_regimes_keep_their_order_through_a_file(skill):
    kept = json.loads(json.dumps(skill, sort_keys=True))
    panel = next(ax for ax in confusion_matrices(kept).axes if ax.images)
    assert list(CLASSES) != sorted(CLASSES)
    assert [tick.get_text() for tick in panel.get_yticklabels()] == list(CLASSES)


def test_predictors_come_in_reading_order_whatever_the_order_of_the_file(skill):
    entries = skill | dict.fromkeys(("published_networks", "stress_curl_tree"), skill["ensemble"])
    kept = json.loads(json.dumps(entries, sort_keys=True))
    titles = [ax.get_title(loc="left").split("\n")[0][4:] for ax in confusion_matrices(kept).axes if ax.images]
    assert titles == ["ensemble", "published networks", "gradient boosting", "stress curl tree", "most common regime"]
    rows = [tick.get_text() for tick in skill_intervals(kept).axes[0].get_yticklabels()]
    assert rows == [*titles, "single networks (range)"]


def test_a_row_without_cells_is_no_division_by_zero(skill):
    entry = skill["ensemble"]["test"] | {"confusion_matrix": [[5, 0, 0], [0, 0, 0], [1, 0, 2]]}
    (image,) = confusion_matrices({"ensemble": {"test": entry}}).axes[0].images
    np.testing.assert_allclose(image.get_array()[1], 0.0)


def test_dots_are_scores_and_lines_their_intervals(skill):
    figure = skill_intervals(skill, metrics=("accuracy", "negative_log_likelihood"))
    accuracy, likelihood = figure.axes
    assert accuracy.get_xlabel() == "(1), higher is better"
    assert likelihood.get_xlabel() == "(nat), lower is better"
    entry = skill["ensemble"]["test"]
    dots = [float(line.get_xdata()[0]) for line in accuracy.lines]
    assert dots[:2] == pytest.approx([entry["accuracy"], entry["area_weighted"]["accuracy"]])
    (low, _), (high, _) = accuracy.collections[0].get_segments()[0]
    assert [low, high] == pytest.approx([entry["intervals"]["accuracy"][bound] for bound in ("low", "high")])


def test_single_networks_are_one_row_with_their_range_and_majority_is_written(skill):
    figure = skill_intervals(skill, metrics=("accuracy",))
    (ax,) = figure.axes
    rows = [tick.get_text() for tick in ax.get_yticklabels()]
    assert rows == ["ensemble", "gradient boosting", "most common regime", "single networks (range)"]
    (low, _), (high, _) = ax.collections[4].get_segments()[0]
    of = [skill[f"member_{bound}"]["test"]["accuracy"] for bound in ("min", "max")]
    assert [low, high] == pytest.approx(of)
    assert [text.get_text() for text in ax.texts] == [f"{skill['majority']['test']['accuracy']:.2f}"]


def test_learning_curves_of_all_networks_in_one_panel():
    epochs, networks = np.arange(6), 5
    rng = np.random.default_rng(0)
    rows = [
        {
            "epoch": epoch,
            "network": network,
            "train_loss": 1.0 / (epoch + 1) - 0.5 + 0.01 * rng.random(),  # with likelihoods of terms it may be negative
            "select_loss": 1.2 / (epoch + 1) + 0.1 * (epoch - 3) ** 2,
            "best_epoch": 3,
            "n_inputs": 13,
        }
        for network in range(networks)
        # the last network alone continues to the end
        for epoch in epochs[: 6 if network == 4 else 5]
    ]
    history = pd.DataFrame(rows)
    ax = learning_curves(history).axes[0]
    assert ax.get_ylabel() == "loss (nat)"
    assert ax.get_ylim()[0] < history["train_loss"].min() < -0.3
    assert "5 networks" in ax.get_title(loc="left")
    assert len(ax.lines) == 2 * (networks + 1) + 1
    labelled = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(
        labelled["training cells, with all parts of the loss"].get_ydata(),
        history.groupby("epoch")["train_loss"].median().iloc[:5],
    )
    kept = labelled["weights kept"]
    assert set(kept.get_xdata()) == {4}
    np.testing.assert_allclose(kept.get_ydata(), 1.2 / 4)
    restricted = history.assign(n_inputs=np.where(history["network"] % 2, 6, 13))
    ax = learning_curves(restricted).axes[0]
    assert "the 2 networks with fewer inputs" in [text.get_text() for text in ax.get_legend().get_texts()]
    medians = {line.get_linestyle(): line for line in ax.lines if line.get_color() == BLUE and line.get_alpha() is None}
    for line, odd in (("-", 0), ("--", 1)):
        of_group = restricted[restricted["network"] % 2 == odd].groupby("epoch")["train_loss"].median()
        np.testing.assert_allclose(medians[line].get_ydata(), of_group.iloc[: len(medians[line].get_ydata())])


def test_without_history_the_figure_gives_the_reason():
    nothing = pd.DataFrame(columns=["epoch", "network", "train_loss", "select_loss", "best_epoch"])
    assert "not trained in this run" in learning_curves(nothing).texts[0].get_text()


def test_oceans_left_out_are_rows_with_the_southern_ocean_first():
    lat, lon, area = make_ocean(12.0)
    rng = np.random.default_rng(0)
    cells, expected = {}, {}
    for basin, certainty in {"arctic_ocean": 2.0, "pacific_ocean": 1.0, "southern_ocean": 0.5}.items():
        labels = rng.integers(0, 3, len(lat))
        found = {name: make_probabilities(labels, certainty=certainty, seed=k) for k, name in enumerate("ab")}
        cells[basin] = make_samples(labels, lat=lat, lon=lon, area=area), found
        expected[basin] = [(found[name].argmax(axis=1) == labels).mean() for name in "ab"]
    options = {"correlations": {"a": ErrorCorrelation(np.full(5, 0.1))}, "settings": BootstrapSettings(), "seed": 0}
    skill = left_out_scores(cells, **options)
    assert set(skill) == {"a", "b"} and set(skill["a"]) == {f"left_out_{basin}" for basin in cells}
    figure = left_out_skill(json.loads(json.dumps(skill)))
    names = [tick.get_text().split("\n")[0] for tick in figure.axes[0].get_yticklabels()]
    assert names == ["Southern Ocean", "Arctic Ocean", "Pacific Ocean"]
    drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines if line.get_marker() == "o"]
    for place, basin in enumerate(["southern_ocean", "arctic_ocean", "pacific_ocean"]):
        of_basin = sorted((y, x) for x, y in drawn if abs(y - place) < 0.5)
        np.testing.assert_allclose([x for _, x in of_basin], expected[basin])
    # b has no known correlation of errors, and so no interval
    assert len(figure.axes[0].collections) == 3
    assert "No scores" in str(left_out_skill({"a": {"test": {}}}).findobj(Text))
