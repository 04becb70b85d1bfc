"""Regimes of the ocean reflected at the equator."""

import numpy as np
import pytest

from thor.core.contracts import check
from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS
from thor.regimes.reflection import reflected_regimes
from thor.regimes.regime_model import fit_regimes


@pytest.fixture(scope="module")
def model(made_budget, settings):
    return fit_regimes(made_budget, settings=settings, seed=1, progress=False)


def opposite(budget):
    return budget.assign({name: -budget[name] for name in BUDGET_TERMS})


def test_a_cell_has_the_regime_of_its_budget_with_the_other_sign(made_budget, model):
    regimes = model.predict(made_budget)
    found = reflected_regimes(made_budget, regimes, model)
    np.testing.assert_array_equal(found.values, model.predict(opposite(made_budget))["regime"].values)
    assert found.attrs["flag_meanings"] == regimes["regime"].attrs["flag_meanings"]
    assert (found.values == -1).sum() == (made_budget["analysis_mask"] == 0).sum()
    assert 0.2 < float((found == regimes["regime"]).mean()) < 0.95, "signs matter in some regimes"
    check(regimes.assign(reflected_regime=found), "regimes", where="made budget")


def test_the_ocean_reflected_twice_is_the_ocean(made_budget, model):
    there = model.predict(opposite(made_budget))
    twice = reflected_regimes(opposite(made_budget), there, model)
    np.testing.assert_array_equal(twice.values, model.predict(made_budget)["regime"].values)


def test_labels_that_came_with_the_budget_are_those_of_similar_budgets(made_budget, settings):
    model = fit_regimes(made_budget, settings=settings, seed=1, numbering="reference", progress=False)
    # Labels that follow from the terms alone, so that those of the reflected budget are known.
    labels = model.predict(made_budget)["regime"]
    given = made_budget.assign(reference_regime=(labels.dims, labels.values))
    regimes = model.with_reference_labels(given)
    found = reflected_regimes(given, regimes, model)
    expected = model.predict(opposite(made_budget))["regime"].values
    inside = expected >= 0
    assert (found.values[inside] == expected[inside]).mean() > 0.9
    assert (found.values[~inside] == -1).all()


def test_too_few_labels_are_an_error(made_budget, settings):
    model = fit_regimes(made_budget, settings=settings, seed=1, numbering="reference", progress=False)
    regimes = model.with_reference_labels(made_budget)
    none = regimes.assign(regime=regimes["regime"].copy(data=np.full(regimes["regime"].shape, -1, np.int8)))
    with pytest.raises(DataError, match="Only 0 cells are labelled"):
        reflected_regimes(made_budget, none, model)
