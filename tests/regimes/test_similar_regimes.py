"""Regimes of oceans reflected at the equator or with flow of another strength."""

import numpy as np
import pytest

from thor.core.contracts import check
from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.similar_oceans import SimilarOcean, oceans_of
from thor.regimes.regime_model import fit_regimes
from thor.regimes.similar_regimes import similar_regimes


@pytest.fixture(scope="module")
def model(made_budget, settings):
    return fit_regimes(made_budget, settings=settings, seed=1, progress=False)


def budget_of(ocean, budget):
    """The budget in this ocean: every term changes its sign; all but the nonlinear torque are linear in the flow."""
    factors = {name: ocean.sign * ocean.amplitude ** (2 if name == "nonlinear_torque" else 1) for name in BUDGET_TERMS}
    return budget.assign({name: factor * budget[name] for name, factor in factors.items()})


REFLECTED = SimilarOcean(sign=-1)


def test_a_cell_has_the_regime_of_its_budget_in_each_ocean(made_budget, model):
    regimes = model.predict(made_budget)
    found = similar_regimes(made_budget, regimes, model, amplitudes=(0.5, 1.0, 3.0, 0.5))
    labelled = regimes.assign(similar_regime=found)
    check(labelled, "regimes", where="made budget")
    oceans = oceans_of(labelled)
    assert oceans == [REFLECTED, *(SimilarOcean(sign, strength) for strength in (0.5, 3.0) for sign in (1, -1))]
    assert found.attrs["flag_meanings"] == regimes["regime"].attrs["flag_meanings"]
    for ocean, there in zip(oceans, found, strict=True):
        np.testing.assert_array_equal(there.values, model.predict(budget_of(ocean, made_budget))["regime"].values)
        assert (there.values == -1).sum() == (made_budget["analysis_mask"] == 0).sum()
        assert 0.2 < float((there == regimes["regime"]).mean()) < 0.97, "sign and strength matter in some regimes"


@pytest.mark.parametrize("ocean", [REFLECTED, SimilarOcean(amplitude=2.0)])
def test_there_and_back_again_is_the_ocean(made_budget, model, ocean):
    there = budget_of(ocean, made_budget)
    back = similar_regimes(there, model.predict(there), model, amplitudes=(0.5,))
    k = oceans_of(back.to_dataset()).index(SimilarOcean(ocean.sign, 1 / ocean.amplitude))
    np.testing.assert_array_equal(back[k].values, model.predict(made_budget)["regime"].values)


def test_labels_that_came_with_the_budget_are_those_of_similar_budgets(made_budget, settings):
    model = fit_regimes(made_budget, settings=settings, seed=1, numbering="reference", progress=False)
    # Labels that follow from the terms alone, so that those of other budgets are known.
    labels = model.predict(made_budget)["regime"]
    given = made_budget.assign(reference_regime=(labels.dims, labels.values))
    regimes = model.with_reference_labels(given)
    found = similar_regimes(given, regimes, model, amplitudes=(0.8,))
    for ocean, there in zip(oceans_of(found.to_dataset()), found, strict=True):
        expected = model.predict(budget_of(ocean, made_budget))["regime"].values
        inside = expected >= 0
        assert (there.values[inside] == expected[inside]).mean() > 0.9
        assert (there.values[~inside] == -1).all()


def test_too_few_labels_are_an_error(made_budget, settings):
    model = fit_regimes(made_budget, settings=settings, seed=1, numbering="reference", progress=False)
    regimes = model.with_reference_labels(made_budget)
    none = regimes.assign(regime=regimes["regime"].copy(data=np.full(regimes["regime"].shape, -1, np.int8)))
    with pytest.raises(DataError, match="Only 0 cells are labelled"):
        similar_regimes(made_budget, none, model)
