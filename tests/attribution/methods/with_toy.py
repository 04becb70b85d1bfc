"""Checks of a process in which the folder of methods has one file more; run by `test_registry.py`."""

import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from tests.attribution.conftest import make_stack
from tests.made_fields import make_features
from thor.app.configuration import default_configuration
from thor.attribution import methods
from thor.attribution.agreement import compare, explanation_metrics
from thor.attribution.evaluation import evaluate_on_cells
from thor.attribution.explanations import explain_cells, make_explainers
from thor.attribution.fields import regime_summary
from thor.attribution.method import Question
from thor.attribution.settings import EvaluationSettings
from thor.attribution.truth import additive_stack, additive_truth, compare_with_truth
from thor.core.contracts import check
from thor.core.settings import validate
from thor.core.variables import FEATURES
from thor.networks.inputs import cell_inputs
from thor.networks.scaler import FeatureScaler

NAME = "toy_values"


def main() -> None:
    """Find the method in catalog, pipelines, explanations, evaluation, figures and report."""
    methods.__path__.append(sys.argv[1])
    check_catalog_and_pipelines()
    features, stack = make_features(), make_stack(n_networks=3)
    table, _ = cell_inputs(features)
    scaler = FeatureScaler(FEATURES, ("1",) * 8, table.mean(axis=0), np.maximum(table.std(axis=0), 1e-12))
    reference = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    question = Question(reference=reference, target="centred_logit", seed=0)
    explainers = make_explainers(methods.all_methods().values(), question, check_parameters())
    explanations = {
        name: explain_cells(name, explainers[name], {"ensemble": stack}, features, scaler, regime="predicted")
        for name in methods.explaining_methods()
    }
    check(explanations[NAME], "attributions", where="here")
    agreement = compare(explanations)
    assert f"relevance and {NAME}" in agreement["pair"].values
    few = EvaluationSettings(n_cells=12, n_perturbations=2, n_rows=2, n_bootstrap=10)
    evaluation = evaluate_on_cells(explainers, stack, features, scaler, reference, settings=few, seed=0)
    additive, regime = additive_stack(seed=0), np.zeros(5, int)
    truth = compare_with_truth(
        explainers,
        additive,
        reference[:5],
        regime,
        additive_truth(additive, reference[:5], regime, reference),
        function="additive",
        same_scale=True,
    )
    metrics = explanation_metrics(explanations, agreement, evaluation, truth)
    assert metrics["methods"][NAME]["ensemble"]["remainder"]["largest"] > 0
    assert metrics["evaluation"][NAME]["local_lipschitz"]["value"] == 0
    assert metrics["truth"]["additive"][NAME]["n_cells"] == 5
    check_figures(explanations, agreement, evaluation)
    check_report(explanations, agreement)


def check_parameters() -> dict[str, Any]:
    """Return the settings of all methods, read from the configuration with a key for the new one."""
    from thor.app.parameters import MODELS

    parameters = default_configuration("test")["parameters"]
    parameters["explainability"] |= {"toy": {"scale": 2.0}, "shapley": {"method": "exact"}, "lime": {"n_samples": 100}}
    settings = dict(validate(parameters, MODELS)["explainability"])
    assert settings["toy"].scale == 2.0
    return settings


def check_catalog_and_pipelines() -> None:
    """Find datasets, nodes and their connections."""
    from thor.pipeline_registry import register_pipelines

    for environment in ("base", "test", "ecco"):
        configuration = default_configuration(environment)
        catalog, root = configuration["catalog"], configuration["globals"]["data_root"]
        assert not [name for name in catalog if "{" in name]
        assert catalog[NAME]["filepath"] == f"{root}/07_model_output/{NAME}.nc"
        assert catalog[NAME]["metadata"]["kedro-viz"]["layer"] == "model_output"
        assert catalog[NAME]["metadata"]["description"].startswith("Toy value")
        assert catalog[f"explainability_{NAME}"]["filepath"].endswith(f"figures/supplement/explainability_{NAME}.png")
    pipelines = register_pipelines()
    nodes = {node.name.rpartition(".")[2]: node for node in pipelines["explainability"].nodes}
    assert nodes[f"explain_by_{NAME}"].outputs == [NAME]
    assert nodes[f"draw_{NAME}"].outputs == [f"explainability_{NAME}"]
    for name in ("compare_explanations", "summarise_explanations", "score_explanations", "draw_signs", "draw_cell"):
        assert NAME in nodes[name].inputs, name
    assert {NAME, f"explainability_{NAME}"} <= pipelines["reporting"].inputs()


def check_figures(explanations, agreement, evaluation) -> None:
    """Find label and colour."""
    mpl.use("Agg")
    from thor.figures.attribution import attribution_maps, evaluation_table, explanation_agreement_maps, regime_bars

    summary = pd.concat([regime_summary(fields, method=name) for name, fields in explanations.items()])
    bars = regime_bars(summary).axes[0]
    assert [text.get_text() for text in bars.get_legend().texts][-1] == "Toy"
    assert bars.containers[-1][0].get_facecolor() == to_rgba("#123456")
    assert attribution_maps(explanations[NAME], method=NAME).get_suptitle().startswith("Toy")
    titles = [ax.get_title(loc="left") for ax in explanation_agreement_maps(agreement).axes]
    assert any("Relevance and Toy" in title for title in titles)
    assert "Toy" in [label.get_text() for label in evaluation_table(evaluation).axes[0].get_yticklabels()]


def check_report(explanations, agreement) -> None:
    """Find caption, part, tables and words."""
    from thor.report.cell_tables import attribution_table, method_agreement_table
    from thor.report.content import captions
    from thor.report.parts import REPORT_PARTS

    assert captions()[f"explainability_{NAME}"].title == "Toy"
    assert "Toy values" in captions()[f"explainability_{NAME}"].caption
    assert NAME in REPORT_PARTS["explainability"].fields
    place = tuple(int(axis[0]) for axis in np.nonzero(explanations[NAME]["valid"].values == 1))
    assert "Toy (1)" in attribution_table(explanations, place).columns
    assert "LIME and Toy" in method_agreement_table(agreement, place).index
    assert methods.in_sentence(f"relevance and {NAME}") == "relevance and toy"


if __name__ == "__main__":
    main()
