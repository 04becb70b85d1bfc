"""Figures of attributions show what the fields and tables hold."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.figures.drawn import cells
from tests.made_fields import make_attributions, make_features, make_regime_uncertainty, make_vorticity_budget
from thor.attribution.agreement import compare
from thor.attribution.fields import nearest_cell, regime_summary
from thor.core.variables import BUDGET_TERMS, FEATURES, variable
from thor.figures.attribution import (
    attribution_maps,
    evaluation_table,
    explanation_agreement_maps,
    feature_label,
    regime_bars,
    sign_maps,
)
from thor.figures.attribution_cells import beeswarm, cell_page


@pytest.fixture(scope="module")
def explanations():
    rng = np.random.default_rng(1)
    made = {}
    for name in ("relevance", "shapley_values", "lime_weights"):
        fields = make_attributions()
        noise = rng.normal(size=fields["attribution"].shape)
        for field, shift in (
            ("attribution", 0),
            ("attribution_lower_quartile", -0.5),
            ("attribution_upper_quartile", 0.5),
        ):
            fields[field] = fields[field].copy(data=noise + shift + 0 * fields[field].values)
        made[name] = fields
    return made


def meshes(figure):
    return [c for ax in figure.axes for c in ax.collections if type(c).__name__ == "GeoQuadMesh"]


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_maps_share_one_scale_and_show_the_values(explanations):
    figure = attribution_maps(explanations["relevance"], method="relevance")
    drawn = meshes(figure)
    assert len(drawn) == 16
    assert len({mesh.get_clim() for mesh in drawn[::2]}) == 1
    low, high = drawn[0].get_clim()
    assert low == -high
    values = explanations["relevance"]["attribution"].sel(predictor="ensemble").values
    lon = explanations["relevance"]["lon"]
    np.testing.assert_allclose(cells(drawn[0], lon).compressed(), values[0][np.isfinite(values[0])])
    # pale where the quartiles have both signs
    unsure = np.isfinite(values[0]) & (np.abs(values[0]) < 0.5)
    assert cells(drawn[1], lon).count() == unsure.sum()
    assert titles(figure)[0] == "(a) stress curl"


def test_only_the_features_of_the_largest_size_are_drawn_on_request(explanations):
    fields = explanations["shapley_values"].copy(deep=True)
    fields["attribution"] = fields["attribution"] * xr.where(fields["feature"] == "deptho", 50, 1)
    figure = attribution_maps(fields, method="shapley_values", n_features=4)
    assert len(meshes(figure)) == 8 and titles(figure)[0] == "(a) depth"


def test_cells_above_the_tolerance_are_hatched_and_their_share_stated(explanations):
    fields = explanations["shapley_values"]
    first = fields["attribution"].isel(feature=0, drop=True)
    short = xr.zeros_like(first).where(first.isnull(), (first["lat"] > 0).astype(float))
    figure = attribution_maps(fields.assign(converged=1 - short), method="shapley_values")
    area = fields["areacello"].where(fields["valid"] == 1).fillna(0)
    share = 100 * float(short.sel(predictor="ensemble").weighted(area).mean())
    assert any(f"({share:.1f} % of the area)" in text.get_text() for text in figure.texts)
    assert len(figure.axes[0].collections) + len(figure.axes[0].lines) > len(
        attribution_maps(fields, method="shapley_values").axes[0].collections
    )


def test_signs_count_methods(explanations):
    drawn = meshes(sign_maps(explanations))
    values = np.stack([e["attribution"].sel(predictor="ensemble").values[0] for e in explanations.values()])
    votes = (values > 0.5).sum(axis=0) - (values < -0.5).sum(axis=0)
    drawn_votes = cells(drawn[0], explanations["relevance"]["lon"])
    np.testing.assert_allclose(drawn_votes.compressed(), votes[np.isfinite(values[0])])
    assert drawn[0].get_clim() == (-3.5, 3.5)


def test_bars_are_the_means_of_the_summary(explanations):
    summary = pd.concat([regime_summary(e, method=name) for name, e in explanations.items()])
    figure = regime_bars(summary)
    ax = figure.axes[0]
    regime = titles(figure)[0].split()[1].rstrip(",")
    rows = summary[(summary["regime"] == regime) & (summary["predictor"] == "ensemble")]
    widths = [bar.get_width() for container in ax.containers for bar in container]
    weights = summary[summary["predictor"] == "ensemble"].assign(size=lambda t: t["mean"].abs() * t["area_m2"])
    areas = weights.drop_duplicates(["method", "regime"]).groupby("method")["area_m2"].sum()
    factor = 100 * areas / weights.groupby("method")["size"].sum()
    np.testing.assert_allclose(widths, rows["mean"] * rows["method"].map(factor), rtol=1e-6)
    assert [text.get_text() for text in ax.get_legend().texts] == ["Relevance", "Shapley values", "LIME"]


def test_beeswarm_has_a_point_for_each_cell_and_feature(explanations):
    figure = beeswarm(explanations["shapley_values"], make_features(), method="shapley_values", n_cells=20)
    points = figure.axes[0].collections
    assert len(points) == len(FEATURES)
    n_cells = int((explanations["shapley_values"]["explained_regime"].isel(predictor=0) == 0).sum())
    assert len(points[0].get_offsets()) == min(20, n_cells)
    assert "centred logit" in figure.get_supxlabel()


def test_agreement_evaluation_and_cell(explanations):
    figure = explanation_agreement_maps(compare(explanations))
    assert len(meshes(figure)) == 6
    assert titles(figure)[5].startswith("(f) LIME: ")
    assert titles(figure)[0].startswith("(a) Relevance and Shapley values: ")
    table = pd.DataFrame(
        {
            "method": np.repeat(["relevance", "shapley_values"], 2),
            "property": ["faithfulness", "complexity"] * 2,
            "measure": ["removal_curve", "entropy"] * 2,
            "skill": [0.5, 0.1, 0.8, -0.2],
            "low": 0.0,
            "high": 0.9,
            "n_cells": 150,
            "level": 0.9,
        }
    )
    ax = evaluation_table(table).axes[0]
    assert ax.texts[2].get_text() == "0.80\n0.00 to 0.90"
    uncertainty = make_regime_uncertainty()
    uncertainty.attrs["regimes"] = "A B C"
    uncertainty = uncertainty.isel(regime=slice(0, 3))
    place = nearest_cell(explanations["relevance"], 10.0, 200.0)
    page = cell_page(explanations, uncertainty, make_vorticity_budget(), place)
    left, middle, right = page.axes
    at = dict(zip(("lat", "lon"), place, strict=True))
    expected = uncertainty["regime_probability"].sel(predictor="ensemble").isel(at)
    np.testing.assert_allclose([bar.get_width() for bar in left.patches], expected)
    assert len(middle.patches) == 3 * len(FEATURES)
    assert [text.get_text() for text in right.get_yticklabels()] == [variable(name).label for name in BUDGET_TERMS]
    assert "attribution of " in page.get_suptitle()


def test_groups_and_features_have_short_names():
    assert feature_label("zos_gradient_eastward") == "sea level slope, east"
    assert feature_label("wind") == "wind"
    assert isinstance(make_attributions(), xr.Dataset)
