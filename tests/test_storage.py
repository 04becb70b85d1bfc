"""Fields give the same results however they are stored, and fields of two grids are never taken for those of one."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.made_fields import (
    make_attributions,
    make_climatologies,
    make_features,
    make_regime_uncertainty,
    make_regimes,
    make_scenario_regimes,
    make_split,
    make_training_ocean,
    make_vorticity_budget,
)
from thor.attribution.agreement import compare
from thor.attribution.fields import nearest_cell, regime_summary
from thor.core.errors import DataError, GridError
from thor.figures.attribution import attribution_maps, sign_maps
from thor.figures.attribution_cells import beeswarm, cell_page
from thor.figures.maps import field_maps, regime_map
from thor.figures.tracking_maps import change_likelihood_map, regime_window_maps
from thor.networks.samples import samples_from
from thor.networks.terms import budget_terms
from thor.ocean.budget import vorticity_budget
from thor.ocean.features import features, window_features
from thor.reading.training_ocean import harmonise
from thor.regimes.balances import regime_balances
from thor.regimes.metrics import clustering_metrics
from thor.regimes.regime_model import fit_regimes
from thor.regimes.settings import BalanceSettings, ClusteringSettings
from thor.regimes.similar_regimes import similar_regimes
from thor.report.cell_tables import attribution_table, probability_table, trust_table
from thor.report.content import ocean_content
from thor.report.tables import regime_table, term_table
from thor.tracking.areas import regime_areas
from thor.tracking.members import forced_response
from thor.tracking.metrics import run_metrics
from thor.tracking.multimodel import multimodel_summary
from thor.tracking.regridding import AreaWeights, Regridder, common_grid, regridded_window, to_common_grid
from thor.uncertainty.regime_uncertainty import mistakes_in_test

NORTH_FIRST = {"lat": slice(None, None, -1)}

STORED = {
    "dims in another order": lambda fields: fields.transpose(..., "lon", "lat"),
    "in chunks": lambda fields: fields.chunk(lat=5),
    "big-endian": lambda fields: fields.assign(
        {name: field.astype(field.dtype.newbyteorder(">")) for name, field in fields.items() if field.dtype.kind == "f"}
    ),
    "rows from the north": lambda fields: fields.isel(NORTH_FIRST),
    "columns from another meridian": lambda fields: fields.roll(lon=5, roll_coords=True),
}

REGIMES_OF = {"a": "momentum_driven", "b": "sverdrupian", "c": "nonlinear"}
OPTIONS = {"reference_density": 1029.0, "extended": True, "neighbourhood_radii_km": [1500.0], "polar_filter": True}


def regimes_of_three():
    """Regimes with an area, named as the networks of the made fields name them."""
    return make_regimes().assign(areacello=make_training_ocean()["areacello"])


def uncertainty_of_three():
    return make_regime_uncertainty().assign_attrs(
        regimes=" ".join(REGIMES_OF.values()), credible_level=0.9, applicability_threshold=0.5
    )


def run_of_three():
    run = make_scenario_regimes().assign_coords(
        baseline_window=("window", ["", "1850-1869"]), basin=["global", "pacific_ocean"]
    )
    return run.assign_attrs(
        source_id="A",
        experiment_id="ssp585",
        variant_label="r1i1p1f1",
        regimes=" ".join(REGIMES_OF.values()),
        min_probability=0.4,
    )


def drawn(figure):
    """The values of all maps of a figure, which are drawn from one meridian eastward, from south to north."""
    meshes = [each for ax in figure.axes for each in ax.collections if type(each).__name__ == "GeoQuadMesh"]
    plt.close(figure)
    maps = [np.ma.filled(mesh.get_array().astype(float), np.nan) for mesh in meshes]
    southward = [mesh.get_coordinates()[0, 0, 1] > mesh.get_coordinates()[-1, 0, 1] for mesh in meshes]
    return [values[::-1] if turn else values for values, turn in zip(maps, southward, strict=True)]


def same(found, expected, where=""):
    """Fields are compared by position, tables and numbers as they are."""
    if isinstance(expected, xr.Dataset | xr.DataArray):
        found, expected = (
            each.to_dataset(name="field") if isinstance(each, xr.DataArray) else each for each in (found, expected)
        )
        order = [dim for dim in ("lat", "lon") if dim in expected.dims]
        both = (each.compute().sortby(order).transpose(..., *order) for each in (found, expected))
        same(*({str(name): field.values for name, field in each.variables.items()} for each in both), where)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6, check_dtype=False)
    elif isinstance(expected, dict):
        assert set(found) == set(expected)
        for name in expected:
            same(found[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, list | tuple):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}[{number}]")
    elif isinstance(expected, float | np.ndarray) and np.asarray(expected).dtype.kind == "f":
        scale = np.nanmax(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * scale, err_msg=where)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=where)


@pytest.fixture(scope="module")
def model():
    settings = ClusteringSettings(algorithm="kmeans", n_clusters=6, n_regimes=3, n_runs=2, n_consensus=2, n_jobs=1)
    return fit_regimes(make_vorticity_budget(), settings=settings, seed=1, progress=False)


def one_ocean(raw, model):
    """Functions of one dataset, with the dataset."""
    run, explained, budget = run_of_three(), make_attributions(), make_vorticity_budget()
    whole = harmonise(raw)
    balances = regime_balances(budget, regimes_of_three(), settings=BalanceSettings(n_bootstrap=10), seed=1)
    return {
        "harmonise": (harmonise, raw),
        "vorticity_budget": (lambda ocean: vorticity_budget(ocean, closure_tolerance=1e-3), whole),
        "features": (lambda ocean: features(ocean, stress_curl="surface", metric="spherical", **OPTIONS), whole),
        "window_features": (lambda ocean: window_features(ocean, **OPTIONS), make_climatologies()),
        "predict": (model.predict, budget),
        "term_table": (term_table, budget),
        "regime_table": (lambda regimes: regime_table(regimes, balances), regimes_of_three()),
        "regime_summary": (lambda fields: regime_summary(fields, method="relevance"), explained),
        "to_common_grid": (lambda one: to_common_grid(one, Regridder(common_grid(20.0))), run.isel(window=1)),
        "regridded_window": (
            lambda one: regridded_window(one, AreaWeights.of(one, common_grid(20.0))),
            run.isel(window=1),
        ),
        "multimodel_summary": (
            lambda one: multimodel_summary([one], window="last", spacing=20.0, min_models=1),
            run.isel(window=1),
        ),
        "regime_areas": (lambda one: regime_areas([one]), run),
        "run_metrics": (lambda one: run_metrics(one, words={}), run),
        "field_maps": (lambda ocean: drawn(field_maps(ocean, ["zos", "deptho"])), raw),
        "regime_map": (lambda regimes: drawn(regime_map(regimes)), regimes_of_three()),
        "regime_window_maps": (lambda one: drawn(regime_window_maps(one)), run),
        "change_likelihood_map": (lambda one: drawn(change_likelihood_map(one)), run),
        "attribution_maps": (lambda fields: drawn(attribution_maps(fields, method="a", n_features=2)), explained),
    }


@pytest.mark.parametrize("stored", STORED)
def test_results_are_the_same_however_a_dataset_is_stored(stored, raw_ocean, model):
    for name, (function, dataset) in one_ocean(raw_ocean, model).items():
        same(function(STORED[stored](dataset)), function(dataset), name)


def first_cells(features, regimes, split):
    samples = samples_from(features, regimes, split)
    return {name: getattr(samples, name) for name in ("inputs", "labels", "role", "area", "lat", "lon")}


def drawn_points(figure):
    """Positions and ranks of all points of a swarm."""
    points = [each for ax in figure.axes for each in ax.collections if type(each).__name__ == "PathCollection"]
    plt.close(figure)
    return [np.column_stack([each.get_offsets().data, each.get_array().data]) for each in points]


def bars(figure):
    plt.close(figure)
    return [[bar.get_width() for bar in ax.patches] for ax in figure.axes]


def several_of_one_ocean(model):
    """Functions of several datasets of one ocean, with the datasets."""
    budget, regimes, explained = make_vorticity_budget(), regimes_of_three(), make_attributions()
    ocean, fields, split = make_features(), uncertainty_of_three(), make_split().assign_attrs(select_role="test")
    split["role"].attrs |= {"flag_values": np.arange(4), "flag_meanings": "train select buffer test"}
    ocean["basin"].attrs |= {"flag_values": [2], "flag_meanings": "pacific_ocean"}
    place = nearest_cell(explained, 20.0, 200.0)
    member = run_of_three()
    samples = samples_from(ocean, regimes, split)
    few = BalanceSettings(n_bootstrap=10)
    found = model.predict(budget)
    return {
        "regime_balances": (lambda *two: regime_balances(*two, settings=few, seed=1), [budget, regimes]),
        "clustering_metrics": (lambda *two: clustering_metrics(*two, model), [budget, found]),
        "similar_regimes": (lambda *two: similar_regimes(*two, model), [budget, found]),
        "samples_from": (first_cells, [ocean, regimes, split]),
        "budget_terms": (lambda _, terms: budget_terms(terms, samples), [ocean, budget]),
        "mistakes_in_test": (
            lambda one, *two: mistakes_in_test(one.sel(predictor="ensemble"), *two),
            [fields, regimes, split],
        ),
        "probability_table": (lambda *two: probability_table(*two, place), [fields, regimes]),
        "trust_table": (lambda *two: trust_table(*two, place), [fields, regimes]),
        "attribution_table": (
            lambda one, other: attribution_table({"relevance": one, "shapley_values": other}, place),
            [explained, explained],
        ),
        "compare": (lambda one, other: compare({"relevance": one, "lime_weights": other}), [explained, explained]),
        "sign_maps": (lambda one, other: drawn(sign_maps({"a": one, "b": other})), [explained, explained]),
        "beeswarm": (lambda *two: drawn_points(beeswarm(*two, method="relevance")), [explained, ocean]),
        "cell_page": (lambda one, *two: bars(cell_page({"relevance": one}, *two, place)), [explained, fields, budget]),
        "ocean_content": (
            lambda *six: ocean_content(*six[:5], {"relevance": six[5]}, max_cells=1000),
            [ocean, budget, regimes, split, fields, explained],
        ),
        "forced_response": (
            lambda one, other: forced_response([one, other.assign_attrs(variant_label="r2i1p1f1")], {}),
            [member, member],
        ),
    }


def with_one_stored(stored, datasets, k):
    return [STORED[stored](each) if number == k else each for number, each in enumerate(datasets)]


def test_datasets_of_one_ocean_are_matched_by_dims_and_refused_on_another_grid(model):
    for name, (function, datasets) in several_of_one_ocean(model).items():
        expected = function(*datasets)
        for k in range(1, len(datasets)):
            turned = with_one_stored("dims in another order", datasets, k)
            if name == "budget_terms":
                with pytest.raises(GridError, match="dims have another order"):
                    function(*turned)
            else:
                same(function(*turned), expected, name)
            for stored in ("rows from the north", "columns from another meridian"):
                with pytest.raises(GridError, match="another grid|different grids"):
                    function(*with_one_stored(stored, datasets, k))


def test_the_summary_of_models_is_of_one_window():
    with pytest.raises(DataError, match=r"A/ssp585/r1i1p1f1 has 2 windows; select one, as run.sel\(window=...\)"):
        multimodel_summary([run_of_three()], window="last", spacing=20.0, min_models=1)


def test_positions_are_needed():
    with pytest.raises(GridError, match=r"Coordinates 'lat' and 'lon' .* are needed; got lat \('lat',\)"):
        field_maps(make_vorticity_budget().drop_vars("lon"), ["bottom_pressure_torque"])
