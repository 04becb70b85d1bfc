"""Nodes of `explainability`."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import xarray as xr

from thor.app.parameters import Explainability
from thor.core.checkpoint import Resumable

log = logging.getLogger(__name__)


def choose_reference(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    scenario_features: Mapping[str, Callable[[], xr.Dataset]],
    parameters: Explainability,
) -> pd.DataFrame:
    """Return the rows of inputs that Shapley values and LIME measure against."""
    from thor.attribution.references import draw_reference
    from thor.networks.samples import FeatureScaler

    return draw_reference(
        features,
        regimes,
        split,
        names=FeatureScaler.from_dict(feature_scaler).features,
        settings=parameters.reference,
        seed=parameters.seed,
        runs=scenario_features,
    )


def explain_by_relevance(
    ensemble: Any,
    bayesian_network: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> Resumable:
    """Return the work of propagating relevance through all networks in every valid cell."""
    given = ensemble, bayesian_network, features, feature_scaler, explanation_reference, parameters
    return _explanation("relevance", *given)


def explain_by_shapley_values(
    ensemble: Any,
    bayesian_network: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> Resumable:
    """Return the work of finding Shapley values of all networks in every valid cell."""
    given = ensemble, bayesian_network, features, feature_scaler, explanation_reference, parameters
    return _explanation("shapley_values", *given)


def explain_by_lime(
    ensemble: Any,
    bayesian_network: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> Resumable:
    """Return the work of fitting linear surrogates to all networks in every valid cell."""
    given = ensemble, bayesian_network, features, feature_scaler, explanation_reference, parameters
    return _explanation("lime_weights", *given)


def compare_explanations(relevance: xr.Dataset, shapley_values: xr.Dataset, lime_weights: xr.Dataset) -> xr.Dataset:
    """Return how far the methods agree in every cell."""
    from thor.attribution.explanations import compare

    return compare(_explanations(relevance, shapley_values, lime_weights))


def evaluate_explanations(
    ensemble: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> pd.DataFrame:
    """Return faithfulness, robustness, randomisation and complexity of every method."""
    from thor.attribution.explanations import judge, with_companions
    from thor.attribution.references import reference_inputs
    from thor.networks.samples import FeatureScaler

    scaler = FeatureScaler.from_dict(feature_scaler)
    reference = reference_inputs(explanation_reference, scaler)
    methods = with_companions(_methods(reference, scaler.features, parameters), reference, parameters.target)
    return judge(methods, ensemble, features, scaler, reference, settings=parameters.evaluation, seed=parameters.seed)


def compare_with_known_functions(
    features: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> pd.DataFrame:
    """Return how near every method comes to functions whose attributions are known."""
    from thor.attribution.explanations import truth_table, with_companions
    from thor.attribution.references import reference_inputs
    from thor.networks.samples import FeatureScaler, samples_from

    scaler = FeatureScaler.from_dict(feature_scaler)
    return truth_table(
        lambda rows: with_companions(_methods(rows, scaler.features[:8], parameters), rows, parameters.target),
        samples_from(features, regimes, split, names=scaler.features),
        scaler,
        reference_inputs(explanation_reference, scaler),
        settings=parameters.truth,
        seed=parameters.seed,
    )


def summarise_explanations(relevance: xr.Dataset, shapley_values: xr.Dataset, lime_weights: xr.Dataset) -> pd.DataFrame:
    """Return what each feature is given in each regime by each method, weighted by area."""
    from thor.attribution.fields import regime_summary

    explanations = _explanations(relevance, shapley_values, lime_weights)
    return pd.concat(
        [regime_summary(explanation, method=name) for name, explanation in explanations.items()], ignore_index=True
    )


def score_explanations(
    relevance: xr.Dataset,
    shapley_values: xr.Dataset,
    lime_weights: xr.Dataset,
    explanation_agreement: xr.Dataset,
    explanation_evaluation: pd.DataFrame,
    explanation_truth: pd.DataFrame,
) -> dict[str, Any]:
    """Return the numbers of the explanations: errors, agreement, evaluation, truth."""
    from thor.attribution.explanations import explanation_metrics

    metrics = explanation_metrics(
        _explanations(relevance, shapley_values, lime_weights),
        explanation_agreement,
        explanation_evaluation,
        explanation_truth,
    )
    for name, predictors in metrics["methods"].items():
        for predictor, entry in predictors.items():
            log.info(
                "%s of the %s: %d networks, %d cells, standard error %.1f %% of the values",
                *(name, predictor, entry["n_networks"], entry["n_cells"], 100 * entry["relative_standard_error"]),
            )
    return metrics


def draw_relevance(relevance: xr.Dataset) -> Any:
    """Draw the relevance of each feature."""
    from thor.figures.attribution import attribution_maps

    return attribution_maps(relevance, method="relevance")


def draw_shapley_values(shapley_values: xr.Dataset) -> Any:
    """Draw the Shapley values of each feature."""
    from thor.figures.attribution import attribution_maps

    return attribution_maps(shapley_values, method="shapley_values")


def draw_lime_weights(lime_weights: xr.Dataset) -> Any:
    """Draw the part of LIME's surrogate that belongs to each feature."""
    from thor.figures.attribution import attribution_maps

    return attribution_maps(lime_weights, method="lime_weights")


def draw_signs(relevance: xr.Dataset, shapley_values: xr.Dataset, lime_weights: xr.Dataset) -> Any:
    """Draw where methods and networks agree whether a feature speaks for the regime."""
    from thor.figures.attribution import sign_maps

    return sign_maps(_explanations(relevance, shapley_values, lime_weights))


def draw_attributions_by_regime(explanation_summary: pd.DataFrame) -> Any:
    """Draw what each feature is given in each regime."""
    from thor.figures.attribution import regime_bars

    return regime_bars(explanation_summary)


def draw_beeswarm(shapley_values: xr.Dataset, features: xr.Dataset) -> Any:
    """Draw Shapley values of single cells against what the feature is there."""
    from thor.figures.attribution import beeswarm

    return beeswarm(shapley_values, features, method="shapley_values")


def draw_explanation_agreement(explanation_agreement: xr.Dataset) -> Any:
    """Draw where methods agree."""
    from thor.figures.attribution import agreement_maps

    return agreement_maps(explanation_agreement)


def draw_explanation_evaluation(explanation_evaluation: pd.DataFrame) -> Any:
    """Draw how far methods can be trusted."""
    from thor.figures.attribution import evaluation_table

    return evaluation_table(explanation_evaluation)


def draw_cell(
    relevance: xr.Dataset,
    shapley_values: xr.Dataset,
    lime_weights: xr.Dataset,
    regime_uncertainty: xr.Dataset,
    vorticity_budget: xr.Dataset,
    parameters: Explainability,
) -> Any:
    """Draw all that is known of one cell."""
    from thor.attribution.explanations import same_players
    from thor.attribution.fields import nearest_cell
    from thor.figures.attribution import cell_page

    explanations = _explanations(relevance, shapley_values, lime_weights)
    place = nearest_cell(relevance, parameters.cell.latitude, parameters.cell.longitude)
    return cell_page(same_players(explanations), regime_uncertainty, vorticity_budget, place)


def _explanation(
    name: str,
    ensemble: Any,
    bayesian_network: Any,
    features: xr.Dataset,
    feature_scaler: dict[str, Any],
    explanation_reference: pd.DataFrame,
    parameters: Explainability,
) -> Resumable:
    from thor.attribution.explanations import explain_cells
    from thor.attribution.references import reference_inputs
    from thor.networks.samples import FeatureScaler

    scaler = FeatureScaler.from_dict(feature_scaler)
    method = _methods(reference_inputs(explanation_reference, scaler), scaler.features, parameters)[name]
    stacks = {
        "ensemble": ensemble,
        "bayesian": bayesian_network.draws(parameters.n_draws, seed=parameters.seed),
    }
    chosen = {str(predictor): stacks[predictor] for predictor in parameters.predictors}
    return Resumable(
        lambda checkpoint: explain_cells(
            method, chosen, features, scaler, regime=parameters.regime, checkpoint=checkpoint
        )
    )


def _methods(reference: Any, features: Any, parameters: Explainability) -> Any:
    from thor.attribution.explanations import make_methods

    return make_methods(
        reference,
        features,
        relevance=parameters.relevance,
        shapley=parameters.shapley,
        lime=parameters.lime,
        target=parameters.target,
        seed=parameters.seed,
    )


def _explanations(relevance: xr.Dataset, shapley_values: xr.Dataset, lime_weights: xr.Dataset) -> dict[str, xr.Dataset]:
    return {"relevance": relevance, "shapley_values": shapley_values, "lime_weights": lime_weights}
