"""Explanations that are right are told from those that are not."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.attribution.conftest import make_stack
from thor.attribution.attributions import Block
from thor.attribution.evaluation import MEASURES, JudgedCells, draw_cells, evaluate
from thor.attribution.relevance import RelevancePropagation
from thor.attribution.settings import EvaluationSettings
from thor.attribution.shapley import ShapleyValues
from thor.core.errors import ConfigError

SETTINGS = EvaluationSettings(n_cells=90, n_perturbations=8, n_rows=5, n_bootstrap=200)


@dataclass(frozen=True)
class Blind:
    """The same for every sample and network."""

    name: str = "blind"
    target: str = "centred_logit"

    def players(self, stack):
        return stack.features

    def explain(self, stack, inputs, regime, *, start=0):
        values = np.broadcast_to(np.arange(1.0, 9.0), (stack.n_networks, len(inputs), 8))
        yield Block(slice(start, len(inputs)), values)


@dataclass(frozen=True)
class Noise(Blind):
    """Drawn at random, anew for all inputs."""

    name: str = "noise"

    def explain(self, stack, inputs, regime, *, start=0):
        seed = np.frombuffer(np.float32(inputs.sum() + stack.kernels[0].sum()).tobytes(), np.uint32)
        yield Block(slice(0, len(inputs)), np.random.default_rng(seed).normal(size=(1, len(inputs), 8)))


@pytest.fixture(scope="module")
def stack():
    return make_stack(n_networks=5, seed=3, alike=0.9)


@pytest.fixture(scope="module")
def table(stack):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 8)).astype(np.float32)
    reference = rng.normal(size=(50, 8)).astype(np.float32)
    from thor.attribution.targets import explained_regime

    cells = draw_cells(inputs, explained_regime(stack, inputs), np.ones(400), n_cells=90, seed=1)
    methods = {
        "shapley": ShapleyValues(reference=reference, method="exact"),
        "relevance": RelevancePropagation(),
        "blind": Blind(),
        "noise": Noise(),
    }
    return evaluate(methods, stack, cells, reference, settings=SETTINGS, seed=2, progress=False)


def test_every_method_has_every_measure_with_its_direction(table):
    assert len(table) == 4 * len(MEASURES)
    assert set(table["property"]) == {"faithfulness", "robustness", "randomisation", "complexity"}
    assert (table["low"] <= table["skill"] + 1e-9).all()
    assert (table["skill"] <= table["high"] + 1e-9).all()
    # all cells that were drawn: 90 of three regimes, or fewer where a regime is rare
    assert table["n_cells"].nunique() == 1
    better = np.sign(table["value"] - table["random"]) == np.where(table["higher_is_better"], 1, -1)
    assert (better == (table["skill"] > 0))[table["skill"].abs() > 1e-9].all()


def test_shapley_values_are_faithful_and_blind_ones_are_not(table):
    skill = table.set_index(["method", "measure"])["skill"]
    for measure in ("faithfulness_correlation", "removal_curve"):
        assert skill["shapley", measure] > skill["blind", measure] + 0.1, measure
    assert skill["shapley", "faithfulness_correlation"] > 0.8
    assert abs(skill["blind", "faithfulness_correlation"]) < 0.35


def test_what_never_changes_is_robust_and_fails_randomisation(table):
    row = table.set_index(["method", "measure"])
    assert row.loc[("blind", "average_sensitivity"), "skill"] == 1
    assert row.loc[("blind", "local_lipschitz"), "skill"] == 1
    assert row.loc[("blind", "parameter_randomisation"), "skill"] == pytest.approx(0)
    assert row.loc[("shapley", "parameter_randomisation"), "skill"] > 0.3


def test_random_attributions_have_no_skill(table):
    noise = table[(table["method"] == "noise") & (table["property"] != "randomisation")].set_index("measure")["skill"]
    assert (noise.abs() < 0.35).all(), noise


def test_complexity_of_equal_and_of_single_attributions(table):
    row = table.set_index(["method", "measure"])["value"]
    share = np.arange(1.0, 9.0) / 36
    assert row["blind", "entropy"] == pytest.approx(-(share * np.log(share)).sum() / np.log(8))
    gini = np.abs(share[:, None] - share).sum() / (2 * 8)
    assert row["blind", "sparseness"] == pytest.approx(gini)


def test_cells_stand_for_their_area():
    regime = np.repeat([0, 1], [900, 100])
    area = np.where(regime == 0, 1.0, 4.0)
    inputs = np.zeros((1000, 8), np.float32)
    cells = draw_cells(inputs, regime, area, n_cells=40, seed=0)
    assert isinstance(cells, JudgedCells)
    assert (np.bincount(cells.regime) == 20).all()
    assert cells.weights.sum() == pytest.approx(1)
    assert cells.weights[cells.regime == 1].sum() == pytest.approx(400 / 1300)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="'n_cells' must be a whole number >= 6"):
        EvaluationSettings(n_cells=1)
