"""Figures of tracking show the numbers of its tables and fields, and give the reason when they are empty."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from tests.figures.drawn import cells
from thor.core.variables import BUDGET_TERMS
from thor.figures.change_reasons import change_attribution_bars
from thor.figures.style import regime_colours
from thor.figures.tracking_curves import area_curves, change_reliability
from thor.figures.tracking_maps import change_likelihood_map, model_agreement_maps, regime_window_maps
from thor.tracking.detection import detection_notes
from thor.tracking.likelihood import LIKELIHOOD

REGIMES = ("MD", "S-SV", "NL")
WINDOWS = ("1850-1869", "1870-1889")
SHAPE = (18, 36)
LAT, LON = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)


def make_run(curvilinear=False):
    """Three bands of regimes; land in the first row; P(change) grows eastward, a forced change east of 180E."""
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    regime = np.digitize(lat, [-30, 30])
    regime[0] = -1
    change = np.where(regime < 0, np.nan, lon / 360)
    fields = {"regime": regime.astype("int8"), "change_probability": change}
    fields |= {"forced_shift": (lon > 90) * 1, "forced_change": (lon > 180) * 1}
    dims = ("y", "x") if curvilinear else ("lat", "lon")
    coords = {"lat": (dims, lat), "lon": (dims, lon)} if curvilinear else {"lat": LAT, "lon": LON}
    run = xr.Dataset(
        {
            name: (("window", "predictor", *dims), np.broadcast_to(values, (2, 2, *SHAPE)))
            for name, values in fields.items()
        }
        | {
            "applicable": (("window", *dims), np.broadcast_to((lat < 60) * 1, (2, *SHAPE))),
            "valid": (dims, (regime >= 0) * 1),
        },
        coords=coords
        | {
            "window": [*WINDOWS],
            "predictor": ["ensemble", "bayesian"],
            "baseline_window": ("window", ["", "0021-0040"]),
        },
        attrs={
            "source_id": "MADE",
            "experiment_id": "abrupt-4xCO2",
            "variant_label": "r1i1p1f1",
            "parent": "MADE/piControl/r1i1p1f1",
            "min_probability": 0.4,
        },
    )
    run["regime"].attrs = {"flag_values": np.arange(3, dtype="int8"), "flag_meanings": " ".join(REGIMES)}
    return run


def meshes(figure):
    return [c for ax in figure.axes for c in ax.collections if type(c).__name__ == "GeoQuadMesh"]


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


# -- maps --------------------------------------------------------------------------------------------------------------
def test_every_window_has_its_map_in_the_colours_of_its_regimes():
    run = make_run()
    figure = regime_window_maps(run)
    assert titles(figure) == ["(a) 1850\N{EN DASH}1869", "(b) 1870\N{EN DASH}1889"]
    (mesh, _), regime = meshes(figure), run["regime"].values[0, 0]
    colours = mesh.to_rgba(cells(mesh, LON))
    for value, colour in enumerate(regime_colours(REGIMES)):
        assert {to_hex(c) for c in colours[regime == value]} == {colour.lower()}
    assert np.ma.getmaskarray(cells(mesh, LON))[regime < 0].all()
    assert [t.get_text() for t in figure.axes[-1].get_xticklabels()] == [*REGIMES]


@pytest.mark.parametrize("curvilinear", [False, True])
def test_change_is_drawn_in_the_classes_of_the_likelihood_scale(curvilinear):
    figure = change_likelihood_map(make_run(curvilinear), predictors=["ensemble"], supported=["likely", "very_likely"])
    assert titles(figure) == ["Likelihood of a change of regime,\nensemble"]
    drawn = cells(meshes(figure)[0], LON)
    at_equator = drawn[drawn.shape[0] // 2]
    assert at_equator.min() == 1 and at_equator.max() == 5
    np.testing.assert_array_equal(np.sort(at_equator), at_equator)
    words = [tick.get_text() for tick in figure.axes[-1].get_xticklabels()]
    assert len(words) == len(LIKELIHOOD)
    assert words[4] == "66-90 %\nlikely" and words[5] == "90-99 %\nvery\nlikely"
    assert words[6] == "> 99 %\n(virtually\ncertain)", "not supported by the test with known truth"
    assert "1870\N{EN DASH}1889 against 0021\N{EN DASH}0040 of piControl" in figure.get_suptitle()
    assert "P(change) of at least 40 %" in " ".join(figure.get_supxlabel().split())


def test_precision_and_recall_stand_below_the_maps():
    run = make_run()
    scores = {kind: {"area_share": 0.1, "precision": 0.6, "recall": 0.25} for kind in ("forced", "shift")}
    pooled = {"abrupt-4xCO2": {WINDOWS[1]: {"ensemble": {"change": scores}}}}
    notes = detection_notes({"pooled": pooled, "runs": {"MADE/abrupt-4xCO2/r1i1p1f1": {}}}, run, ["ensemble"])
    below = " ".join(change_likelihood_map(run, notes=notes).get_supxlabel().split())
    assert "Test with known truth (MADE), forced regime changes: precision 60 %, recall 25 %" in below
    unknown = detection_notes({}, run, ["ensemble", "bayesian"])
    assert len(unknown) == 1, "one sentence for all predictors"
    assert "not known: no run of abrupt-4xCO2 has a known truth" in unknown[0]
    assert detection_notes({}, None, ["ensemble"]) == []
    # of all models at a level of warming, whose windows have different years
    level = "abrupt-4xCO2-gwl2.0"
    at_level = run.isel(window=[1]).assign_attrs(experiment_id=level)
    (text,) = detection_notes(
        {"pooled": {level: {"all": pooled["abrupt-4xCO2"][WINDOWS[1]]}}, "runs": {}}, at_level, ["ensemble"]
    )
    assert "precision 60" in text
    assert detection_notes({}, at_level, ["ensemble"])[0].endswith(f"no run of {level} has a known truth.")
    # of all windows where models number the years since the start differently
    summary = xr.Dataset(
        coords={"model_window": ("source_id", [WINDOWS[0], "0001-0020"])},
        attrs={"experiment_id": "abrupt-4xCO2", "window": "years 1-20"},
    )
    known = {"pooled": {"abrupt-4xCO2": {"all": pooled["abrupt-4xCO2"][WINDOWS[1]]}}}
    (text,) = detection_notes(known | {"runs": {"MADE/abrupt-4xCO2/r1i1p1f1": {}}}, summary, ["ensemble"])
    assert text.startswith("Test with known truth (MADE, all windows), forced regime changes: precision 60")


def test_forced_changes_are_outlined_and_unknown_inputs_hatched():
    ax = change_likelihood_map(make_run(), predictors=["bayesian"]).axes[0]
    (outline,) = (c for c in ax.collections if type(c).__name__ == "LineCollection")
    # the edge at 90E or 180E and that at the seam, along all 18 rows
    assert len(outline.get_segments()) == 2 * SHAPE[0]
    assert to_hex(outline.get_color()[0]) == "#000000"
    (hatch,) = [c for c in ax.collections if type(c).__name__ == "PathCollection"]
    assert len(hatch.get_offsets()) > 20
    assert hatch.get_offsets()[:, 1].min() > 55


def test_no_outline_runs_across_the_map_where_it_is_cut():
    run = make_run()
    northern = run.assign(forced_change=(run["forced_change"] * 0 + (run["lat"] > 0)).transpose(*run["regime"].dims))
    ax = change_likelihood_map(northern, predictors=["ensemble"]).axes[0]
    (outline,) = (c for c in ax.collections if type(c).__name__ == "LineCollection")
    # one of the 36 cells along the equator lies on both sides of the cut
    assert len(outline.get_segments()) == 35
    assert max(np.ptp(segment[:, 0]) for segment in outline.get_segments()) < 0.05 * np.ptp(ax.get_xlim())


def test_without_a_baseline_the_figure_gives_the_reason():
    assert "has no baseline" in change_likelihood_map(make_run().isel(window=[0])).texts[0].get_text()


def test_the_last_window_with_a_baseline_is_drawn_and_described():
    run = make_run().assign_coords(baseline_window=("window", ["0021-0040", ""]))
    title = change_likelihood_map(run).get_suptitle()
    assert f"{WINDOWS[0].replace('-', '–')} against 0021–0040" in title
    scores = {kind: {"area_share": 0.1, "precision": 0.6, "recall": 0.25} for kind in ("forced", "shift")}
    pooled = {"abrupt-4xCO2": {WINDOWS[0]: {"ensemble": {"change": scores}}}}
    (note,) = detection_notes({"pooled": pooled, "runs": {}}, run, ["ensemble"])
    assert "precision 60" in note
    none = run.assign_coords(baseline_window=("window", ["", ""]))
    assert "has no baseline" in change_likelihood_map(none).texts[0].get_text()


def test_what_models_agree_on():
    shape = (1, *SHAPE)
    lat = np.broadcast_to(LAT[:, None], SHAPE)
    summary = xr.Dataset(
        {
            "regime": (("predictor", "lat", "lon"), np.digitize(lat, [-30, 30])[None]),
            "agreement_share": (("predictor", "lat", "lon"), np.full(shape, 2 / 3)),
            "change_probability": (("predictor", "lat", "lon"), np.full(shape, 0.12)),
            "forced_share": (("predictor", "lat", "lon"), np.full(shape, 1.0)),
            "robustness": (("predictor", "lat", "lon"), np.where(lat > 0, 1, 2)[None]),
        },
        coords={"lat": LAT, "lon": LON, "predictor": ["ensemble"], "source_id": ["A", "B", "C"]}
        | {"model_window": ("source_id", [WINDOWS[1]] * 3)},
        attrs={"experiment_id": "ssp585", "window": WINDOWS[1], "regimes": " ".join(REGIMES), "votes": "models"},
    )
    voted = model_agreement_maps(summary.assign_attrs(votes="families"))
    assert "A, B, C, one vote for each family" in voted.get_suptitle()
    titles = [ax.get_title(place) for ax in voted.axes for place in ("left", "center")]
    assert any("Families with a forced regime change" in title for title in titles)
    figure = model_agreement_maps(summary)
    assert "ssp585, 1870\N{EN DASH}1889, ensemble: A, B, C" in figure.get_suptitle()
    assert "Years:" not in figure.get_supxlabel()
    assert "No agreement" not in figure.get_supxlabel()
    untested = summary.assign(robustness=xr.full_like(summary["robustness"], -1))
    assert "too few models are tested" in model_agreement_maps(untested).get_supxlabel()
    at_level = summary.assign_attrs(window="2.0 K").assign_coords(model_window=("source_id", [*WINDOWS, WINDOWS[0]]))
    note = model_agreement_maps(at_level).get_supxlabel()
    assert "Years: A 1850\N{EN DASH}1869; B 1870\N{EN DASH}1889; C 1850\N{EN DASH}1869." in note
    names = [f"MODEL-{k}" for k in range(30)]
    many = xr.Dataset(coords={"source_id": names, "model_window": ("source_id", [WINDOWS[1]] * 30)})
    title = model_agreement_maps(summary.drop_dims("source_id").merge(many)).get_suptitle()
    assert title.endswith("ensemble: 30 climate models")
    regime, agreement, change, forced = meshes(figure)
    np.testing.assert_array_equal(cells(regime, LON), summary["regime"].values[0])
    np.testing.assert_allclose(agreement.get_array(), 200 / 3)
    np.testing.assert_allclose(forced.get_array(), 100)
    assert forced.get_clim() == (0, 100)
    assert change.get_clim() == (0, 20)
    (hatch,) = [c for c in figure.axes[3].collections if type(c).__name__ == "PathCollection"]
    assert hatch.get_offsets()[:, 1].max() < 5


# -- curves ------------------------------------------------------------------------------------------------------------
def make_areas():
    rows = []
    for experiment, starts in (("piControl", (1, 21)), ("historical", (1850, 1870))):
        for k, start in enumerate(starts):
            for number, regime in enumerate(REGIMES):
                for variant in ("r1i1p1f1", "r2i1p1f1") if experiment == "historical" else ("r1i1p1f1",):
                    area = 1e13 * (number + 1 + k) + 1e12 * (variant == "r2i1p1f1")
                    change = np.nan if experiment == "piControl" else 1e12 * k
                    rows.append(
                        {
                            "source_id": "MADE",
                            "experiment_id": experiment,
                            "variant_label": variant,
                            "window_start": start,
                            "window_end": start + 19,
                            "predictor": "ensemble",
                            "basin": "global",
                            "regime": regime,
                            "expected_area_m2": area,
                            "lower": area - 2e12,
                            "upper": area + 3e12,
                            "change_m2": change,
                            "change_lower": change - 1e11,
                            "change_upper": change + 1e11,
                        }
                    )
    return pd.DataFrame(rows)


def test_areas_are_means_over_variants_in_millions_of_square_kilometres():
    figure = area_curves(make_areas())
    assert titles(figure) == ["(a) MD", "(b) S-SV", "(c) NL"]
    ax = figure.axes[1]
    curve = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(curve.get_xdata(), [1860, 1880])
    np.testing.assert_allclose(curve.get_ydata(), [20.5, 30.5])
    band = ax.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx((18.5, 33.5))
    level = next(line for line in ax.lines if line.get_marker() == "None")
    assert level.get_ydata()[0] == pytest.approx(25)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["piControl", "historical", "MADE"]


def test_scenarios_of_cmip7_follow_historical_in_colours_of_their_own():
    names = [f"scen7-{name}" for name in ("vl", "ln", "l", "ml", "m", "hl", "h")]
    areas = make_areas()
    historical = areas[areas["experiment_id"] == "historical"]
    scenarios = [
        historical.assign(experiment_id=name, window_start=lambda rows: rows["window_start"] + 172)
        for name in reversed(names)
    ]
    legend = area_curves(pd.concat([*scenarios, areas])).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["piControl", "historical", *names, "MADE"]
    assert len({handle.get_color() for handle in legend.legend_handles[: len(names) + 2]}) == len(names) + 2


def test_changes_of_area_start_where_there_is_a_baseline():
    ax = area_curves(make_areas(), change=True).axes[0]
    curve = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(curve.get_ydata(), [0, 1])
    assert ax.get_ylabel() == "change of the area ($10^6$ km$^2$)"


def test_of_several_models_mean_and_range_are_drawn():
    other = make_areas().assign(source_id="OTHER")
    other["expected_area_m2"] += 4e12
    ax = area_curves(pd.concat([make_areas(), other])).axes[1]
    (mean,) = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(mean.get_ydata(), [22.5, 32.5])
    (band,) = ax.collections
    box = band.get_paths()[0].get_extents()
    assert (box.y0, box.y1) == pytest.approx((20.5, 34.5))
    thin = [line for line in ax.lines if line.get_linewidth() == 0.5 and len(line.get_xdata()) == 2]
    assert {tuple(line.get_ydata()) for line in thin} >= {(20.5, 30.5), (24.5, 34.5)}


def test_many_models_are_thin_curves_without_names():
    many = pd.concat([make_areas().assign(source_id=f"MADE-{number}") for number in range(30)])
    figure = area_curves(many)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["piControl", "historical"]
    assert sum(line.get_linewidth() == 0.5 for line in figure.axes[1].lines) >= 30
    assert "mean and range over 30 climate models" in figure.get_suptitle()


def scores_of(frequency):
    rows = [
        {"from": k / 10, "to": (k + 1) / 10, "mean_probability": k / 10 + 0.05, "observed_frequency": value}
        | {"area": area, "n_cells": 9, "low": max(value - 0.1, 0), "high": value + 0.1, "level": 0.9}
        for k, (value, area) in enumerate(zip(frequency, (9e13, 9e12, 1e9), strict=False))
    ]
    return {"change": {"reliability": rows, "brier_skill": 0.52, "expected_calibration_error": 0.03}}


def test_reliability_of_change_with_its_areas():
    bayesian = scores_of([0.05, 0.1, 0.2])
    of_predictors = {"ensemble": scores_of([0.04, 0.2, 0.9]), "bayesian": bayesian}
    figure = change_reliability(
        {
            "abrupt-4xCO2": {"all": of_predictors},
            "piControl": {"all": {"ensemble": {}}},
            "ssp585": {"all": {"bayesian": bayesian}},
        }
    )
    above, other, below, _ = figure.axes
    (legend,) = figure.legends
    colours = {
        text.get_text(): line.get_color() for text, line in zip(legend.texts, legend.legend_handles, strict=True)
    }
    curves = [line for line in (*above.lines, *other.lines) if "ECE" in str(line.get_label())]
    assert [line.get_label() for line in curves] == ["ECE 0.030, Brier skill 0.52"] * 3
    np.testing.assert_allclose(curves[0].get_ydata(), [0.04, 0.2])
    ensemble, *both = (line.get_color() for line in curves)
    assert colours == {"ensemble": ensemble, "Bayesian network": both[0]} and both[0] == both[1] != ensemble
    (few, _) = [line for line in above.lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(few.get_ydata(), [0.9])
    heights = [bar.get_height() for bar in below.patches[:3]]
    np.testing.assert_allclose(heights, 100 * np.array([9e13, 9e12, 1e9]) / 9.9001e13)


OF_CHANGE = {"run": "A/b/r1", "window": "2081-2100", "baseline_window": "1995-2014", "predictor": "ensemble"}
NO_TERMS = xr.Dataset(coords={"transition": [], "term": [*BUDGET_TERMS]})


def test_bars_show_which_feature_moved_the_networks():
    mean = np.array([[0.8, -0.3, 0.0], [0.1, 0.2, 0.0]])
    attribution = xr.Dataset(
        {
            "mean": (("transition", "feature"), mean),
            "lower": (("transition", "feature"), mean - 0.1),
            "upper": (("transition", "feature"), mean + 0.2),
            "area": ("transition", [9.3e12, 4e11]),
        },
        coords={"transition": ["TR to NL", "SO to TR"], "feature": ["wind_stress_curl", "zos", "deptho"]},
        attrs=OF_CHANGE,
    )
    figure = change_attribution_bars(attribution, NO_TERMS)
    assert titles(figure)[0] == r"(a) TR to NL, 9.3 $\times$ 10$^6$ km$^2$"
    title = "A b r1, 2081\N{EN DASH}2100 against 1995\N{EN DASH}2014 of the parent run, ensemble"
    assert figure.get_suptitle() == title
    ax = figure.axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], mean[0])
    (intervals,) = ax.collections
    np.testing.assert_allclose([segment[:, 0] for segment in intervals.get_segments()][1], [-0.4, -0.1])
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["stress curl", "sea level", "depth"]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (lambda: area_curves(make_areas(), basin="arctic_ocean"), "No areas of ensemble in arctic ocean"),
        (lambda: change_reliability({}), "No run with a known true change"),
        (lambda: regime_window_maps(None), "no archive of climate models"),
        (lambda: change_likelihood_map(None), "no archive of climate models"),
        (lambda: model_agreement_maps(None), "no archive of climate models"),
        (lambda: change_attribution_bars(NO_TERMS, NO_TERMS), "No cell"),
    ],
)
def test_empty_figures_give_the_reason(figure, text):
    assert text in figure().texts[0].get_text()


def test_changes_of_terms_stand_below_the_attributions_of_the_same_transitions():
    names, terms = ["TR to NL", "SO to TR"], [*BUDGET_TERMS]
    mean = 1e-11 * np.arange(10.0).reshape(2, 5)
    attribution = xr.Dataset(
        {name: (("transition", "feature"), np.ones((2, 1))) for name in ("mean", "lower", "upper")}
        | {"area": ("transition", [9.3e12, 4e11])},
        coords={"transition": names, "feature": ["zos"]},
        attrs=OF_CHANGE,
    )
    changes = xr.Dataset(
        {
            name: (("transition", "term"), mean + step)
            for name, step in (("mean", 0), ("lower", -2e-11), ("upper", 1e-11))
        },
        coords={"transition": names, "term": terms},
    )
    figure = change_attribution_bars(attribution, changes)
    assert [title.split(",")[0] for title in titles(figure)] == [
        "(a) TR to NL",
        "(b) SO to TR",
        "(c) TR to NL",
        "(d) SO to TR",
    ]
    below = figure.axes[3]
    np.testing.assert_allclose([bar.get_width() for bar in below.patches], [5, 6, 7, 8, 9])
    np.testing.assert_allclose(below.collections[0].get_segments()[0][:, 0], [3, 6])
    assert [tick.get_text() for tick in figure.axes[2].get_yticklabels()][2] == "Bottom pressure torque"
    alone = change_attribution_bars(attribution, changes.isel(transition=[]))
    assert len(alone.axes) == 2
