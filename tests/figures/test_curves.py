"""Curves and bars show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from thor.core.variables import BUDGET_TERMS
from thor.figures.curves import balance_bars, selection_curves

LONG = "wind stress curl (+) balanced by planetary vorticity advection (-), with viscous torque of both signs"


@pytest.fixture
def selection():
    rng = np.random.default_rng(1)
    rows = [{"n_clusters": k, "repeat": r} for k in (10, 20, 50) for r in range(3)]
    table = pd.DataFrame(rows)
    for name in ("inertia", "aic_per_cell", "bic_per_cell", "silhouette", "stability_seeds", "stability_blocks"):
        table[name] = rng.random(len(table))
    for number in (1, 2, 3):
        table[f"area_{number}"] = rng.random(len(table))
    return table


def test_curves_are_means_over_repeats(selection):
    figure = selection_curves(selection, n_clusters=20, selected=10)
    assert len(figure.axes) == 5
    for ax in figure.axes:
        assert ax.get_ylabel()
        assert ax.get_xlabel() == "number of clusters k"
    curve = figure.axes[0].lines[0]
    np.testing.assert_allclose(curve.get_ydata(), selection.groupby("n_clusters")["inertia"].mean())
    assert [line.get_label() for line in figure.axes[1].lines[:2]] == ["Akaike (AIC)", "Bayesian (BIC)"]
    circle = figure.axes[1].lines[-1].get_xydata()
    np.testing.assert_allclose(circle, [[10, selection["bic_per_cell"][selection["n_clusters"] == 10].mean()]])
    assert "k = 20" in figure.get_suptitle() and "k = 10 (circles)" in figure.get_suptitle()


def test_ticks_are_whole_numbers_of_clusters(selection):
    figure = selection_curves(selection[selection["n_clusters"] < 50], n_clusters=20, selected=10)
    figure.draw_without_rendering()
    assert all((ax.get_xticks() % 1 == 0).all() for ax in figure.axes)


def test_no_number_of_clusters_is_circled_if_none_is_selected(selection):
    figure = selection_curves(selection, n_clusters=20, selected=None)
    assert figure.get_suptitle().endswith("none") and len(figure.axes[1].lines[-1].get_xydata()) == 0


def test_bars_are_means_with_their_interval_and_the_balance_is_filled():
    mean = np.array([[4.0, -3.0, 0.1, 0.0, -1.0], [0.1, 20.0, -21.0, 1.0, 0.5]]) * 1e-11
    balances = xr.Dataset(
        {
            "mean": (("regime_name", "term"), mean),
            "mean_interval": (("regime_name", "term", "bound"), np.stack([mean - 1e-12, mean + 2e-12], axis=-1)),
            "best_m_score": ("regime_name", [0.7, 0.9]),
            "best_subset": ("regime_name", [" + ".join(BUDGET_TERMS[:2]), " + ".join(BUDGET_TERMS[1:3])]),
            "area_fraction": ("regime_name", [0.6, 0.4]),
        },
        coords={
            "regime_name": ["R1", "merged"],
            "regime_long_name": ("regime_name", [LONG, "merged small clusters"]),
            "term": list(BUDGET_TERMS),
            "bound": [5.0, 95.0],
        },
    )
    figure = balance_bars(balances)
    first, second = figure.axes
    assert "60 % of the area" in first.get_title(loc="left")
    meanings = [ax.get_title(loc="left").partition("\n")[2] for ax in (first, second)]
    assert [" ".join(text.split()) for text in meanings] == [LONG, "merged small clusters"]
    assert "M = 0.70\n" in first.get_title(loc="left") and "M: score of the dominant" in figure.get_supxlabel()
    np.testing.assert_allclose([bar.get_width() for bar in first.patches], mean[0] * 1e10)
    assert first.get_xlim() == second.get_xlim()
    np.testing.assert_allclose([bar.get_width() for bar in second.patches], mean[1] * 1e10)
    filled = [bar.get_facecolor()[:3] != (1.0, 1.0, 1.0) for bar in first.patches]
    assert filled == [True, True, False, False, False]
    low, high = first.collections[0].get_segments()[0][:, 0]
    assert (low, high) == (pytest.approx(0.39), pytest.approx(0.42))
