"""Curves of global warming: one panel for each model, dots where levels are reached."""

import numpy as np
import pandas as pd
import pytest

from thor.figures.warming import MOST_PANELS, warming_curves
from thor.reading.warming_levels import Warming

COLUMNS = ["source_id", "experiment_id", "variant_label", "level", "status", "first_year", "last_year", "warming"]


def curve(first, first_own, n_years, slope):
    years = np.arange(first, first + n_years)
    return Warming(years, slope * (years - 1850.0), first_own, "1850-1900")


@pytest.fixture
def runs():
    return {
        f"{model}/{experiment}/r1i1p1f1": curve(1850, first_own, 251 if first_own > 1850 else 165, slope)
        for model, slope in (("A", 0.01), ("B", 0.02))
        for experiment, first_own in (("historical", 1850), ("ssp585", 2015))
    }


def test_scenarios_continue_historical_and_dots_lie_on_the_curve(runs):
    rows = [
        ("A", "ssp585", "r1i1p1f1", 2.0, "reached", 2041, 2060, 2.0),
        ("B", "ssp585", "r1", 2.0, "reached before", *3 * [pd.NA]),
    ]
    figure = warming_curves(runs, pd.DataFrame(rows, columns=COLUMNS), length_years=20)
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("(a) A", "(b) B")
    scenario = max(first.lines, key=lambda line: np.max(line.get_xdata(), initial=0))
    assert scenario.get_xdata()[0] >= 2015
    dots = [line for line in first.lines if line.get_marker() == "o"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in dots] == [(2051, 2.0)]
    assert not [line for line in second.lines if line.get_marker() == "o"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["historical", "ssp585"]


def test_many_models_share_a_panel_for_each_experiment(runs):
    many = {
        key.replace("A/", f"A{k}/"): run for k in range(MOST_PANELS + 1) for key, run in runs.items() if key[0] == "A"
    }
    rows = [(f"A{k}", "ssp585", "r1i1p1f1", 2.0, "reached", 2041, 2060, 2.0) for k in range(3)]
    figure = warming_curves(many, pd.DataFrame(rows, columns=COLUMNS), length_years=20)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["(a) historical, 10 climate models", "(b) ssp585, 10 climate models"]
    curves = [[line for line in ax.lines if len(line.get_xdata()) > 2] for ax in figure.axes]
    assert [len(lines) for lines in curves] == [MOST_PANELS + 1] * 2
    assert len([line for line in figure.axes[1].lines if line.get_marker() == "o"]) == 3
    assert figure.get_figheight() < 3


def test_without_levels_the_figure_says_why():
    figure = warming_curves({}, pd.DataFrame([], columns=COLUMNS), length_years=20)
    assert "windows.warming_levels" in figure.texts[0].get_text()
