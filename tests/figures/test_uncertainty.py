"""Figures of uncertainty show the numbers of the tables and the fields."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.made_samples import make_ocean, make_probabilities, make_samples
from thor.core.variables import variable
from thor.figures.uncertainty import (
    FEW_SHARE,
    coverage_bars,
    network_reliability_curves,
    reliability_curves,
    risk_coverage_curves,
    uncertainty_maps,
)
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.correlogram import ErrorCorrelation
from thor.uncertainty.calibration import calibration_table
from thor.uncertainty.conformal import NO_SET, coverage_table
from thor.uncertainty.temperature import with_temperature

SETTINGS = BootstrapSettings(n_bootstrap=50)


@pytest.fixture(scope="module")
def samples():
    lat, lon, area = make_ocean(6.0)
    labels = np.random.default_rng(0).choice(3, len(lat), p=[0.5, 0.45, 0.05])
    return make_samples(labels, lat=lat, lon=lon, area=area)


@pytest.fixture(scope="module")
def probabilities(samples):
    return make_probabilities(samples.labels, certainty=1.5)


@pytest.fixture(scope="module")
def calibration(samples, probabilities):
    stages = {"before": with_temperature(probabilities, 0.5), "after": probabilities}
    return calibration_table(
        {"ensemble": stages, "bayesian": stages},
        samples,
        regions={"test": samples.role == 2},
        correlations=dict.fromkeys(("ensemble", "bayesian"), ErrorCorrelation(np.full(5, 0.1))),
        settings=SETTINGS,
        seed=0,
    )


def test_reliability_before_and_after(calibration):
    figure = reliability_curves(calibration)
    above = figure.axes[0]
    entry = calibration["ensemble"]["test"]
    last = entry["after"]["reliability_curve"]
    lines = [c for c in above.collections if type(c).__name__ == "LineCollection"]
    np.testing.assert_allclose(lines[1].get_segments()[-1][:, 1], [last["low"][-1], last["high"][-1]])
    labelled = {line.get_label(): line for line in above.lines}
    for stage in ("before", "after"):
        curve = labelled[f"{stage} calibration"]
        bins = {name: np.array(values) for name, values in entry[stage]["reliability_curve"].items()}
        many = bins["share"] >= FEW_SHARE
        np.testing.assert_allclose(curve.get_ydata(), bins["accuracy"][many])
    open_points = np.concatenate([points.get_offsets() for points in above.collections if points not in lines])
    shares = [np.array(entry[stage]["reliability_curve"]["share"]) for stage in ("before", "after")]
    assert len(open_points) == sum((share < FEW_SHARE).sum() for share in shares)
    before, after = (entry[stage]["expected_calibration_error"] for stage in ("before", "after"))
    errors = f"ECE {before:.3f} before, {after:.3f} after"
    titles = [ax.get_title(loc="left") for ax in figure.axes[:2]]
    assert before != after and titles == [f"(a) ensemble\n{errors}", f"(b) Bayesian network\n{errors}"]
    assert figure.axes[2].get_xlabel() == "largest probability (1)"


def test_the_legend_hides_no_curve_and_equal_curves_are_both_seen(calibration):
    stages = dict.fromkeys(("before", "after"), calibration["ensemble"]["test"]["after"])
    figure = reliability_curves({"ensemble": {"test": stages}, "bayesian": calibration["bayesian"]})
    assert all(ax.get_legend() is None for ax in figure.axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["perfect", "before calibration", "after calibration"]
    figure.draw_without_rendering()
    others = [artist for ax in figure.axes for artist in (ax, ax._left_title)] + [figure._supxlabel]
    assert not any(legend.get_window_extent().overlaps(artist.get_window_extent()) for artist in others)
    _, before, after = figure.axes[0].lines
    assert before.get_linewidth() > after.get_linewidth() and before.get_zorder() == after.get_zorder()


def test_predictors_come_in_reading_order_and_titles_stay_inside(calibration):
    rows = [{"inside": True, "mean_dissimilarity": 0.1 * k, "n_cells": 9, "error_rate": 0.1 * k} for k in (1, 2, 3)]
    turned = {name: calibration[name] for name in ("bayesian", "ensemble")}
    turned["ensemble"] = {"test": turned["ensemble"]["test"] | {"error_by_dissimilarity": rows}}
    for draw in (reliability_curves, risk_coverage_curves):
        figure = draw(turned)
        figure.draw_without_rendering()
        for ax in figure.axes:
            assert ax._left_title.get_window_extent().x1 <= figure.bbox.x1, ax.get_title(loc="left")
    assert [text.get_text().split(" ")[0] for text in figure.axes[0].get_legend().get_texts()] == [
        "ensemble",
        "Bayesian",
    ]
    titles = [ax.get_title(loc="left").split("\n")[0] for ax in reliability_curves(turned).axes[:2]]
    assert titles == ["(a) ensemble", "(b) Bayesian network"]


def test_other_entries_of_a_region_are_not_drawn(calibration):
    with_sets = {name: {"test": regions["test"] | {"conformal": {}}} for name, regions in calibration.items()}
    assert len(reliability_curves(with_sets).axes[0].lines) == 3


def test_risk_and_coverage_in_percent(calibration):
    ax = risk_coverage_curves(calibration).axes[0]
    curve = calibration["ensemble"]["test"]["after"]["risk_coverage_curves"]["entropy"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * np.array(curve["risk"]))
    assert ax.lines[0].get_label() == f"ensemble (area {curve['area']:.3f})"
    assert ax.get_xlabel() == "cells kept, in order of rising entropy (%)"


def test_mistakes_by_dissimilarity_stand_beside_risk_where_they_are_known(calibration):
    rows = [
        {"inside": True, "mean_dissimilarity": 0.1, "n_cells": 50, "error_rate": 0.1},
        {"inside": True, "mean_dissimilarity": 0.4, "n_cells": 50, "error_rate": 0.2},
        {"inside": False, "mean_dissimilarity": 0.9, "n_cells": 7, "error_rate": 0.5},
    ]
    regions = {"test": calibration["ensemble"]["test"] | {"error_by_dissimilarity": rows}}
    _, ax = risk_coverage_curves({"ensemble": regions}).axes
    inside, outside = ax.lines
    np.testing.assert_allclose(inside.get_ydata(), [10, 20])
    np.testing.assert_allclose(outside.get_xdata(), [0.9])
    assert outside.get_label() == "outside the area of applicability, 7 cells"


def test_one_networks_reliability_by_region():
    bins = pd.DataFrame(
        {
            "region": ["train", "test", "test"],
            "n_cells": [9, 1, 3],
            "confidence": [0.9, 0.5, 0.9],
            "accuracy": [1, 1, 0.7],
        }
    )
    (ax,) = network_reliability_curves(bins, "ensemble 3").axes
    assert ax.get_title(loc="left") == "ensemble 3"
    assert [text.get_text() for text in ax.get_legend().texts] == ["test, ECE 0.275"]


def test_coverage_of_every_region_and_regime(samples, probabilities):
    sets = (probabilities > 0.2).astype(np.int8)
    size = np.full(len(sets), 99.0)
    sets[samples.lat < -40], size[samples.lat < -40] = NO_SET, 9.0
    regions = {"test": samples.role == 2, "arctic_ocean": samples.lat > 40, "antarctic": samples.lat < -40}
    coverage = coverage_table(sets, size, samples, confidence_level=0.9, regions=regions)
    left, right = coverage_bars(coverage).axes
    drawn = [float(line.get_xdata()[0]) for line in left.lines if line.get_marker() == "o" and line.get_xdata()]
    # a region without sets is not drawn
    del coverage["antarctic"], regions["antarctic"]
    assert drawn == pytest.approx([100 * coverage[region]["coverage"] for region in regions])
    sizes = [float(line.get_xdata()[0]) for line in right.lines if line.get_marker() == "o"]
    assert sizes == pytest.approx([coverage[region]["mean_set_size"] for region in regions])
    assert "90 % nominal" in left.get_title(loc="left")
    # the rare regime has too few cells for a narrow interval
    few = [line for line in left.lines if line.get_marker() == "D" and line.get_markerfacecolor() == "white"]
    assert len(few) == sum(0 < of["n_cells"] < 100 for entry in coverage.values() for of in entry["by_regime"].values())
    assert few


def test_maps_and_histograms_of_right_and_wrong_cells():
    lat, lon = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)
    rng = np.random.default_rng(0)
    shape = (lat.size, lon.size)
    wrong = xr.DataArray(rng.integers(0, 2, shape).astype(float), dims=("lat", "lon"))
    entropy = 0.4 + 0.5 * wrong + 0.05 * rng.random(shape)
    wrong = wrong.where(lat[:, None] < 60)
    entropy[3] = np.nan
    fields = {"predictive_entropy": entropy, "mutual_information": 0.2 * entropy}
    uncertainty = xr.Dataset(
        {name: field.assign_attrs(variable(name).attrs) for name, field in fields.items()},
        coords={"lat": lat, "lon": lon},
    )
    figure = uncertainty_maps(uncertainty, wrong)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles[:2] == ["(a) Predictive entropy", "(b) Mutual information"]
    histogram = next(ax for ax in figure.axes if ax.get_xlabel() == "predictive entropy (bit)")
    counted = np.isfinite(wrong.values) & np.isfinite(entropy.values)
    means = [entropy.values[counted & (wrong.values == flag)].mean() for flag in (0, 1)]
    labels = [text.get_text() for text in histogram.get_legend().get_texts()]
    assert labels == [f"correct, mean {means[0]:.3f} bit", f"wrong, mean {means[1]:.3f} bit"]
