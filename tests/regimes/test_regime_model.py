import pickle

import dask
import numpy as np
import pytest
import xarray as xr

from thor.core.contracts import check
from thor.core.errors import ConfigError, DataError
from thor.core.variables import BUDGET_TERMS
from thor.regimes import regime_model
from thor.regimes.naming import REGIMES
from thor.regimes.regime_model import RegimeModel, fit_regimes


@pytest.fixture(scope="module")
def model(made_budget, settings) -> RegimeModel:
    return fit_regimes(made_budget, settings=settings, seed=1, progress=False)


@pytest.fixture(scope="module")
def regimes(model, made_budget) -> xr.Dataset:
    return model.predict(made_budget)


def test_the_true_regimes_come_back_with_their_numbers(made_budget, model, regimes):
    inside = made_budget["analysis_mask"] == 1
    assert model.names == REGIMES
    assert model.naming == "signature"
    assert float((regimes["regime"] == made_budget["reference_regime"]).where(inside).mean()) > 0.98
    assert (regimes["regime"].values[~inside.values] == -1).all()
    assert (regimes["cluster"].values[~inside.values] == -1).all()


def test_regimes_keep_their_contract(regimes):
    check(regimes, "regimes", where="made budget")
    assert regimes["regime_votes"].dims == ("regime", "lat", "lon")
    assert regimes["regime"].dtype == np.int8
    assert regimes["cluster"].dtype == np.int16


def test_votes_sum_to_one_and_confidence_is_the_share_of_the_assigned_regime(regimes):
    inside = regimes["regime"].values >= 0
    shares = regimes["regime_votes"].values[:, inside]
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-6)
    assigned = regimes["regime"].values[inside].astype(int)
    np.testing.assert_array_equal(
        regimes["regime_confidence"].values[inside], shares[assigned, np.arange(len(assigned))]
    )
    assert np.isnan(regimes["regime_confidence"].values[~inside]).all()


def test_another_seed_gives_the_same_numbers(made_budget, settings, regimes):
    other = fit_regimes(made_budget, settings=settings, seed=99, progress=False).predict(made_budget)
    inside = regimes["regime"].values >= 0
    assert (other["regime"].values[inside] == regimes["regime"].values[inside]).mean() > 0.98


def test_the_same_seed_gives_the_same_bits(made_budget, settings, model):
    again = fit_regimes(made_budget, settings=settings, seed=1, progress=False)
    assert pickle.dumps(again) == pickle.dumps(model)


def test_plain_kmeans_is_the_other_choice(made_budget, settings):
    plain = settings.replace(algorithm="kmeans", n_init=5)
    regime = fit_regimes(made_budget, settings=plain, seed=1, progress=False).predict(made_budget)["regime"]
    inside = made_budget["analysis_mask"] == 1
    assert float((regime == made_budget["reference_regime"]).where(inside).mean()) > 0.95


def test_the_grid_does_not_matter(model, made_budget, regimes, monkeypatch):
    turned = model.predict(made_budget.transpose("lon", "lat", ...))
    xr.testing.assert_equal(turned.transpose("regime", "lat", "lon"), regimes)
    curvilinear = made_budget.rename(lat="y", lon="x").drop_vars(["y", "x"]).transpose("y", "x", ...)
    np.testing.assert_array_equal(model.predict(curvilinear)["regime"].values, regimes["regime"].values)
    part = made_budget.isel(lat=slice(5, 30, 2), lon=slice(None, None, -3))
    xr.testing.assert_equal(model.predict(part), regimes.isel(lat=slice(5, 30, 2), lon=slice(None, None, -3)))
    monkeypatch.setattr(regime_model, "BLOCK_CELLS", 100)
    xr.testing.assert_equal(model.predict(made_budget), regimes)
    with dask.config.set(scheduler="synchronous"):
        xr.testing.assert_equal(model.predict(made_budget.chunk(lat=7)), regimes)


def test_a_pickled_model_predicts_the_same(model, made_budget, regimes):
    xr.testing.assert_identical(pickle.loads(pickle.dumps(model)).predict(made_budget), regimes)


def test_inputs_stay_as_they_were(model, made_budget):
    before = made_budget.copy(deep=True)
    model.predict(made_budget)
    xr.testing.assert_identical(made_budget, before)


def test_given_labels_set_the_numbers(made_budget, model, regimes):
    order = np.array([4, 2, 5, 0, 1, 3], dtype="int8")
    given = made_budget.assign(reference_regime=(("lat", "lon"), order[made_budget["reference_regime"].values]))
    aligned = model.aligned_to(given)
    assert aligned.naming == "reference"
    inside = regimes["regime"].values >= 0
    expected = order[np.maximum(regimes["regime"].values, 0)]
    np.testing.assert_array_equal(aligned.predict(given)["regime"].values[inside], expected[inside])


def test_given_labels_replace_the_regimes_inside_the_mask(made_budget, model, regimes):
    given = made_budget["reference_regime"].copy()
    cell = tuple(np.argwhere(made_budget["analysis_mask"].values == 1)[0])
    given.values[cell] = -1
    labelled = model.aligned_to(made_budget).with_reference_labels(made_budget.assign(reference_regime=given))
    inside = made_budget["analysis_mask"].values == 1
    np.testing.assert_array_equal(labelled["regime"].values, np.where(inside, given, -1))
    assert labelled["regime"].attrs["n_labels_outside_analysis_mask"] == (~inside).sum()
    assert labelled["regime"].attrs["n_cells_without_label"] == 1
    assert labelled["regime_confidence"].values[cell] == 0.0
    xr.testing.assert_equal(labelled["regime_votes"].drop_vars("regime"), regimes["regime_votes"].drop_vars("regime"))
    check(labelled, "regimes", where="made budget")


def test_bad_input_is_refused_before_any_run(made_budget, settings, monkeypatch):
    monkeypatch.setattr(regime_model, "cluster_runs", lambda *_, **__: pytest.fail("a run was started"))
    with pytest.raises(ConfigError, match="n_clusters is 100000"):
        fit_regimes(made_budget, settings=settings.replace(n_clusters=100_000), seed=0)
    corrupted = made_budget.assign({BUDGET_TERMS[1]: 1.1 * made_budget[BUDGET_TERMS[1]]})
    with pytest.raises(DataError, match="does not close"):
        fit_regimes(corrupted, settings=settings, seed=0)
    flat = made_budget.assign({BUDGET_TERMS[2]: 0.0 * made_budget[BUDGET_TERMS[2]]})
    flat[BUDGET_TERMS[4]] = flat[BUDGET_TERMS[4]] + made_budget[BUDGET_TERMS[2]]
    with pytest.raises(DataError, match="'bottom_pressure_torque' has one value"):
        fit_regimes(flat, settings=settings, seed=0)


def test_labels_that_do_not_fit_are_refused(made_budget, model):
    with pytest.raises(DataError, match="no 'reference_regime'"):
        model.aligned_to(made_budget.drop_vars("reference_regime"))
    with pytest.raises(DataError, match="holds label 6"):
        model.aligned_to(made_budget.assign(reference_regime=made_budget["reference_regime"] + 1))


def test_published_labels_are_no_regimes_of_a_corrected_budget(made_budget, settings):
    corrected = made_budget.assign_attrs(budget="corrected")
    with pytest.raises(ConfigError, match=r"labels: clustering.* or data_engineering\.budget: released"):
        fit_regimes(corrected, settings=settings, seed=1, numbering="reference", progress=False)
