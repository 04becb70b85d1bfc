"""Bars of the largest transitions: one window for all models, their mean, and what is left out."""

import numpy as np
import pandas as pd

from thor.figures.style import MOST_MODELS
from thor.figures.transitions import main_transitions

REGIMES = ("MD", "S-SV", "NL")
WINDOWS = ("1850-1869", "1870-1889")


def windows_of(table):
    """The windows of each run of a table, by their years."""
    keys = table["source_id"] + "/" + table["experiment_id"] + "/" + table["variant_label"]
    return {
        key: {(int(label[:4]), int(label[5:])): label for label in rows["window"].unique()}
        for key, rows in table.groupby(keys)
    }


def draw(table):
    return main_transitions(table, windows_of(table), n_shown=3)


def make_transitions():
    """One model in two windows of ssp585."""
    rows = [
        {
            "source_id": "MADE",
            "experiment_id": "ssp585",
            "variant_label": "r1i1p1f1",
            "window": window,
            "window_start": int(window[:4]),
            "baseline_window": "0021-0040",
            "predictor": "ensemble",
            "regime_before": before,
            "regime": after,
            "area_m2": 1e12 * (30 if before == after else (i + 2 * j) * (k + 0.5)),
            "lower": 0.0,
            "upper": 9e13,
        }
        for k, window in enumerate(WINDOWS)
        for i, before in enumerate(REGIMES)
        for j, after in enumerate(REGIMES)
    ]
    return pd.DataFrame(rows)


def test_the_largest_transitions_of_the_last_window_are_bars():
    figure = draw(make_transitions())
    (ax,) = figure.axes
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == [f"{REGIMES[i]} \N{RIGHTWARDS ARROW} {REGIMES[j]}" for i, j in ((1, 2), (0, 2), (2, 1))]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [7.5, 6.0, 6.0])
    assert ax.get_title(loc="left") == "(a) ssp585, 1870\N{EN DASH}1889"
    assert "72 % of all changes" in figure.get_supxlabel()


def test_each_model_has_a_colour_of_its_own():
    one = make_transitions()
    names = [f"MADE-{k}" for k in range(MOST_MODELS)]
    figure = draw(pd.concat([one.assign(source_id=name) for name in names]))
    bars = {container.get_label(): container[0].get_facecolor() for container in figure.axes[0].containers}
    assert set(bars) >= set(names) and len({bars[name] for name in names}) == len(names)


def test_transitions_of_many_models_are_their_mean_and_range():
    one = make_transitions()
    many = pd.concat([one.assign(source_id=f"MADE-{k:02d}", area_m2=one["area_m2"] * (1 + k)) for k in range(30)])
    figure = draw(many)
    (ax,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 15.5 * np.array([7.5, 6.0, 6.0]))
    (lines,) = ax.collections
    np.testing.assert_allclose(lines.get_segments()[0][:, 0], [7.5, 225.0])
    assert figure.get_figheight() < 3 and ax.get_legend() is None
    assert ax.get_title(loc="left") == "(a) ssp585, 1870\N{EN DASH}1889"
    note = figure.get_supxlabel().replace("\n", " ")
    assert [text.get_text() for text in ax.texts] == ["30 climate models"]
    assert "mean of climate models" in note and "72 % of all" in note


def test_models_without_an_experiment_are_not_in_its_mean():
    """One that has it but lacks a transition has the area zero."""
    one = make_transitions()
    many = [one.assign(source_id=f"MADE-{k:02d}") for k in range(10)]
    few = [part.assign(experiment_id="ssp126") for part in many[:2]]
    few.append(few[0][few[0]["regime_before"] == few[0]["regime"]].assign(source_id="MADE-09"))
    figure = draw(pd.concat([*many, *few]))
    first, second = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in first.patches], np.array([7.5, 6.0, 6.0]) * 2 / 3)
    np.testing.assert_allclose([bar.get_width() for bar in second.patches], [7.5, 6.0, 6.0])
    np.testing.assert_allclose(first.collections[0].get_segments()[0][:, 0], [0.0, 7.5])
    assert [ax.texts[0].get_text() for ax in (first, second)] == ["3 climate models", "10 climate models"]


def test_every_model_is_drawn_in_the_window_that_most_have():
    """One of three runs to 2300, where twice as much changes; one has no window as late as the others."""
    one = make_transitions()
    longer = one.assign(window="2281-2300", window_start=2281, area_m2=3 * one["area_m2"])
    models = [
        *(one.assign(source_id=name) for name in "ABC"),
        longer.assign(source_id="C"),
        one[one["window"] == WINDOWS[0]].assign(source_id="D"),
    ]
    figure = draw(pd.concat(models))
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "(a) ssp585, 1870\N{EN DASH}1889"
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], np.repeat([[7.5, 6.0, 6.0]], 3, 0).ravel())
    assert figure.get_supxlabel().replace("\n", " ").endswith("Without this window: D ssp585.")
    many = [one.assign(source_id=f"MADE-{k:02d}") for k in range(9)]
    (ax,) = draw(pd.concat([*many, longer.assign(source_id="MADE-00")])).axes
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [7.5, 6.0, 6.0])


def test_the_first_variant_with_the_window_stands_for_its_model():
    one = make_transitions()
    early = one[one["window"] == WINDOWS[0]]
    both = [early, one.assign(variant_label="r2i1p1f1", area_m2=2 * one["area_m2"]), one.assign(source_id="B")]
    figure = draw(pd.concat(both))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, [7.5, 6.0, 6.0, 15.0, 12.0, 12.0])
    assert "Without" not in figure.get_supxlabel()


def test_without_a_baseline_the_figure_says_so():
    table = make_transitions().iloc[:0]
    (text,) = main_transitions(table, {}).texts
    assert "No run has a baseline" in text.get_text()
