"""Nodes of `explainability`; `explain_by` makes one for each registered method."""

import logging
from collections.abc import Callable, Mapping
from functools import partial, update_wrapper
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import Explainability
from thor.attribution.explanations import explain_cells, make_explainers
from thor.attribution.fields import nearest_cell, regime_summary
from thor.attribution.method import Question
from thor.attribution.methods import all_methods
from thor.attribution.references import draw_reference, reference_inputs
from thor.figures import attribution
from thor.figures.attribution_cells import beeswarm, cell_page
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.ocean.features import feature_names

log = logging.getLogger(__name__)


def choose_reference(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    scenario_features: Mapping[str, Callable[[], xr.Dataset]],
    parameters: Explainability,
) -> pd.DataFrame:
    """Return the reference inputs of the attributions, with all features."""
    names, settings, seed = tuple(feature_names(features)), parameters.reference, parameters.seed
    return draw_reference(features, regimes, split, names=names, settings=settings, seed=seed, runs=scenario_features)


def explain_by(method: str) -> Callable[..., xr.Dataset]:
    """Return the node that explains the predictors in every valid cell by one method.

    It can be sent to another process, as a closure cannot.
    """
    node = update_wrapper(partial(_explain, method=method), _explain)
    node.__name__ = f"explain_by_{method}"  # type: ignore[attr-defined]
    return node


def _explain(
    ensemble: Any,
    baselines: Any,
    bayesian_network: Any,
    laplace_network: Any,
    features: xr.Dataset,
    parameters: Explainability,
    explanation_reference: pd.DataFrame | None = None,
    *,
    method: str,
) -> xr.Dataset:
    """Return the attributions for all members in every valid cell."""
    from thor.networks.baselines import chosen_predictors

    scaler = baselines.scaler
    reference = reference_inputs(explanation_reference, scaler)
    explainer = _explainers([method], reference, parameters)[method]
    posteriors = {"bayesian": bayesian_network, "laplace": laplace_network}
    sizes = {"n_draws": parameters.n_draws, "seed": parameters.seed}
    predictors = chosen_predictors(parameters.predictors, ensemble, baselines, **sizes, **posteriors)
    return explain_cells(method, explainer, predictors, features, scaler, regime=parameters.regime)


def compare_explanations(**explanations: xr.Dataset) -> xr.Dataset:
    """Return the agreement of the methods in every cell."""
    from thor.attribution.agreement import compare

    return compare(explanations)


def evaluate_explanations(
    ensemble: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> pd.DataFrame:
    """Return faithfulness, robustness, randomisation and complexity of every method."""
    from thor.attribution.evaluation import evaluate_on_cells

    scaler, reference = _scaled(feature_scaler, explanation_reference)
    explainers, settings = _evaluated(scaler.features, reference, parameters), parameters.evaluation
    return evaluate_on_cells(explainers, ensemble, features, scaler, reference, settings=settings, seed=parameters.seed)


def compare_with_known_functions(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> pd.DataFrame:
    """Return the comparison of every method with functions whose attributions are known."""
    from thor.attribution.truth import truth_table

    scaler, reference = _scaled(feature_scaler, explanation_reference)
    samples = samples_from(features, regimes, split, names=scaler.features)

    def explainers(rows: Any) -> dict[str, Any]:
        return _evaluated(scaler.features[: rows.shape[1]], rows, parameters)

    return truth_table(explainers, samples, scaler, reference, settings=parameters.truth, seed=parameters.seed)


def summarise_explanations(**explanations: xr.Dataset) -> pd.DataFrame:
    """Return the attribution of each feature in each regime by each method, weighted by area."""
    tables = [regime_summary(explanation, method=name) for name, explanation in explanations.items()]
    return pd.concat(tables, ignore_index=True)


def score_explanations(
    explanation_agreement: xr.Dataset,
    explanation_evaluation: pd.DataFrame,
    explanation_truth: pd.DataFrame,
    **explanations: xr.Dataset,
) -> dict[str, Any]:
    """Return the numbers of the explanations: errors, agreement, evaluation, truth."""
    from thor.attribution.agreement import explanation_metrics

    metrics = explanation_metrics(explanations, explanation_agreement, explanation_evaluation, explanation_truth)
    for name, predictors in metrics["methods"].items():
        for predictor, entry in predictors.items():
            log.info(
                "%s of the %s: %d networks, %d cells, standard error %.1f %% of the values",
                *(name, predictor, entry["n_networks"], entry["n_cells"], 100 * entry["relative_standard_error"]),
            )
    return metrics


def draw_method(explanation: xr.Dataset) -> Any:
    """Draw the attributions of each feature by one method."""
    return attribution.attribution_maps(explanation, method=explanation.attrs["method"])


def draw_main_features(shapley_values: xr.Dataset) -> Any:
    """Draw the Shapley values of the four features that contribute most."""
    return attribution.attribution_maps(shapley_values, method="shapley_values", n_features=4)


def draw_signs(**explanations: xr.Dataset) -> Any:
    """Draw where methods and networks agree on the sign of each feature's attribution."""
    from thor.attribution.agreement import same_predictors

    return attribution.sign_maps(same_predictors(explanations))


def draw_attributions_by_regime(explanation_summary: pd.DataFrame) -> Any:
    """Draw the attribution of each feature in each regime."""
    return attribution.regime_bars(explanation_summary)


def draw_beeswarm(shapley_values: xr.Dataset, features: xr.Dataset) -> Any:
    """Draw Shapley values of single cells against the value of the feature."""
    return beeswarm(shapley_values, features, method="shapley_values")


def draw_explanation_agreement(explanation_agreement: xr.Dataset) -> Any:
    """Draw where methods agree."""
    return attribution.explanation_agreement_maps(explanation_agreement)


def draw_explanation_evaluation(explanation_evaluation: pd.DataFrame) -> Any:
    """Draw the skill of the methods in the evaluation."""
    return attribution.evaluation_table(explanation_evaluation)


def draw_cell(
    regime_uncertainty: xr.Dataset, vorticity_budget: xr.Dataset, parameters: Explainability, **explanations: xr.Dataset
) -> Any:
    """Draw probabilities, attributions and vorticity budget of one cell."""
    from thor.attribution.agreement import same_players, same_predictors

    first = next(iter(explanations.values()))
    place = nearest_cell(first, parameters.cell.latitude, parameters.cell.longitude)
    return cell_page(same_players(same_predictors(explanations)), regime_uncertainty, vorticity_budget, place)


def _scaled(feature_scaler: dict[str, Any], reference: pd.DataFrame | None) -> tuple[Any, Any]:
    """Return the scaler of the features and the scaled reference."""
    scaler = FeatureScaler.from_dict(feature_scaler)
    return scaler, reference_inputs(reference, scaler)


def _explainers(methods: Any, reference: Any, parameters: Explainability) -> dict[str, Any]:
    """Return the explainers of methods by name."""
    question = Question(reference=reference, target=parameters.target, seed=parameters.seed)
    return make_explainers((all_methods()[name] for name in methods), question, dict(parameters))


def _evaluated(features: tuple[str, ...], reference: Any, parameters: Explainability) -> dict[str, Any]:
    """Return the explainers of all methods with features as players."""
    explainers = _explainers(all_methods(), reference, parameters)
    return {name: explainer for name, explainer in explainers.items() if explainer.groups_of(features) is None}
