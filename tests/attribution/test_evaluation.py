"""Right explanations have skill, and wrong ones have none."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.attribution.conftest import make_stack
from thor.attribution.evaluation import draw_cells, evaluate
from thor.attribution.measures import MEASURES, EvaluationCells
from thor.attribution.method import AttributionBlock, Explainer
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues
from thor.attribution.settings import EvaluationSettings
from thor.attribution.targets import explained_regime
from thor.core.errors import ConfigError

SETTINGS = EvaluationSettings(n_cells=90, n_perturbations=8, n_rows=5, n_bootstrap=200)


@dataclass(frozen=True)
class Blind(Explainer):
    """The same for every sample and network."""

    target: str = "centred_logit"

    def explain(self, stack, inputs, regime):
        values = np.broadcast_to(np.arange(1.0, 9.0), (stack.n_networks, len(inputs), 8))
        yield AttributionBlock(slice(0, len(inputs)), values)


@dataclass(frozen=True)
class Noise(Blind):
    """Drawn at random, anew for all inputs."""

    def explain(self, stack, inputs, regime):
        seed = np.frombuffer(np.float32(inputs.sum() + stack.kernels[0].sum()).tobytes(), np.uint32)
        yield AttributionBlock(slice(0, len(inputs)), np.random.default_rng(seed).normal(size=(1, len(inputs), 8)))


@pytest.fixture(scope="module")
def stack():
    return make_stack(n_networks=5, seed=3, alike=0.9)


@pytest.fixture(scope="module")
def table(stack):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 8)).astype(np.float32)
    reference = rng.normal(size=(50, 8)).astype(np.float32)
    cells = draw_cells(inputs, explained_regime(stack, inputs), np.ones(400), n_cells=90, seed=1)
    methods = {
        "shapley": ShapleyValues(reference=reference, settings=ShapleySettings(method="exact")),
        "relevance": RelevancePropagation(RelevanceSettings()),
        "blind": Blind(),
        "noise": Noise(),
    }
    return evaluate(methods, stack, cells, reference, settings=SETTINGS, seed=2)


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


def test_constant_attributions_are_robust_and_fail_randomisation(table):
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


def test_cells_represent_their_area():
    regime = np.repeat([0, 1], [900, 100])
    area = np.where(regime == 0, 1.0, 4.0)
    inputs = np.zeros((1000, 8), np.float32)
    cells = draw_cells(inputs, regime, area, n_cells=40, seed=0)
    assert isinstance(cells, EvaluationCells)
    assert (np.bincount(cells.regime) == 20).all()
    assert cells.weights.sum() == pytest.approx(1)
    assert cells.weights[cells.regime == 1].sum() == pytest.approx(400 / 1300)


@pytest.mark.parametrize("n_cells", [60, 150])
def test_large_cells_weigh_more_however_many_cells_are_drawn(n_cells):
    """Half of the cells have nine tenths of the area: some cells are drawn, and all of them."""
    area = np.repeat([1.0, 9.0], 50)
    inputs = np.repeat(area[:, None], 8, axis=1).astype(np.float32)
    drawn = (draw_cells(inputs, np.zeros(100, int), area, n_cells=n_cells, seed=seed) for seed in range(100))
    shares = [cells.weights[cells.inputs[:, 0] == 1].sum() for cells in drawn]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.005)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="'n_cells' must be a whole number >= 6"):
        EvaluationSettings(n_cells=1)
