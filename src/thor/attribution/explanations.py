"""Whole explanations: every cell, every network of each predictor, one method; and the numbers that belong to them."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.attribution.agreement import (
    agreement_fields,
    agreement_table,
    network_agreement,
    network_sign_agreement,
)
from thor.attribution.attributions import Attributions, Method, attribute
from thor.attribution.evaluation import MEASURES, draw_cells, evaluate
from thor.attribution.fields import attribution_fields
from thor.attribution.gradients import GradientTimesInput, IntegratedGradients
from thor.attribution.lime import Lime
from thor.attribution.players import player_groups
from thor.attribution.relevance import RelevancePropagation
from thor.attribution.settings import (
    EvaluationSettings,
    LimeSettings,
    RelevanceSettings,
    ShapleySettings,
    TruthSettings,
)
from thor.attribution.shapley import ShapleyValues
from thor.attribution.targets import Regimes, Target, explained_regime
from thor.attribution.truth import PhysicalFunction, additive_stack, additive_truth, compare_with_truth
from thor.core.checkpoint import Checkpoint
from thor.core.metrics import Metric, Metrics, count, share, text
from thor.networks.bootstrap import INTERVAL_METRICS
from thor.networks.samples import FeatureScaler, Samples, cell_inputs
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack, Weights
from thor.networks.table import Table
from thor.networks.training import train_stack

log = logging.getLogger(__name__)

METHODS = ("relevance", "shapley_values", "lime_weights")


def make_methods(
    reference: Weights,
    features: Sequence[str],
    *,
    relevance: RelevanceSettings,
    shapley: ShapleySettings,
    lime: LimeSettings,
    target: Target,
    seed: int,
) -> dict[str, Method]:
    """Return the three methods that explain every cell.

    Parameters
    ----------
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled.
    features : sequence of str
        Of the networks.
    relevance, shapley, lime
        Their settings.
    target : {"centred_logit", "logit", "probability"}
    seed : int
    """
    return {
        "relevance": RelevancePropagation(
            rule=relevance.rule,
            epsilon=relevance.epsilon,
            gamma=relevance.gamma,
            alpha=relevance.alpha,
            biases=relevance.biases,
            target=target,
        ),
        "shapley_values": ShapleyValues(
            reference=reference,
            method=shapley.method,
            tolerance=shapley.tolerance,
            max_pairs=shapley.max_pairs,
            groups=player_groups(shapley.groups, features),
            target=target,
            seed=seed,
        ),
        "lime_weights": Lime.around(
            reference,
            n_samples=lime.n_samples,
            kernel_width=lime.kernel_width,
            ridge=lime.ridge,
            target=target,
            seed=seed,
        ),
    }


def with_companions(methods: Mapping[str, Method], reference: Weights, target: Target) -> dict[str, Method]:
    """Return the methods with the cheap ones they are judged beside; players are features in all of them."""
    kept = {name: method for name, method in methods.items() if getattr(method, "groups", None) is None}
    mean = reference.mean(axis=0, keepdims=True)
    return kept | {
        "integrated_gradients": IntegratedGradients(reference=mean, n_steps=8, target=target),
        "gradient_times_input": GradientTimesInput(target=target),
    }


def explain_cells(
    method: Method,
    stacks: Mapping[str, NetworkStack],
    features: xr.Dataset,
    scaler: FeatureScaler,
    *,
    regime: str,
    checkpoint: Checkpoint | None = None,
) -> xr.Dataset:
    """Return the attributions of one method in every valid cell.

    Parameters
    ----------
    method : Method
    stacks : mapping of str to NetworkStack
        By predictor.
    features : xarray.Dataset
    scaler : FeatureScaler
        With the features of the networks, in their order.
    regime : str
        ``predicted`` by each predictor's networks together, or the name of one.
    checkpoint : Checkpoint, optional
        Keeps finished blocks of cells.

    Returns
    -------
    xarray.Dataset
        As from `thor.attribution.fields.attribution_fields`; attributes tell method, target, number of networks and, as
        JSON, which features play together.
    """
    found: dict[str, Attributions] = {}
    regimes: dict[str, Regimes] = {}
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    for name, stack in stacks.items():
        scaler.require(stack.features)
        regimes[name] = explained_regime(stack, scaled, regime)
        found[name] = attribute(method, stack, scaled, regimes[name], checkpoint=checkpoint, part=name)
        short = np.count_nonzero(found[name].shares.get("converged", np.ones(1)) == 0)
        if short:
            log.warning(
                "%s of the %s: %d of %d cells did not reach the tolerance with the pairs allowed; they are marked",
                *(method.name, name, short, len(scaled)),
            )
    classes = next(iter(stacks.values())).classes
    return attribution_fields(found, regimes, index, features, classes=classes).assign_attrs(
        method=method.name,
        target=method.target,
        groups=json.dumps(getattr(method, "groups", None) or {}),
        n_networks=[stack.n_networks for stack in stacks.values()],
    )


def same_players(explanations: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return explanations whose features are put together into the groups that one of them has for players.

    Parameters
    ----------
    explanations : mapping of str to xarray.Dataset
        As from `explain_cells`; the attribute `groups` tells which features are one player.
    """
    grouped = [json.loads(explanation.attrs.get("groups", "{}")) for explanation in explanations.values()]
    groups: dict[str, list[str]] = next((found for found in grouped if found), {})
    if not groups:
        return dict(explanations)
    return {
        name: explanation
        if own
        else explanation[["explained_regime", "valid", "areacello"]].assign(
            attribution=xr.concat(
                [explanation["attribution"].sel(feature=some).sum("feature", skipna=False) for some in groups.values()],
                xr.Variable("feature", list(groups)),
            )
        )
        for (name, explanation), own in zip(explanations.items(), grouped, strict=True)
    }


def compare(explanations: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return the agreement of every pair of methods, and of the networks of each method, in every cell."""
    agreement = agreement_fields(same_players(explanations))
    return agreement.assign(network_sign_agreement=network_sign_agreement(explanations))


def judge(
    methods: Mapping[str, Method],
    stack: NetworkStack,
    features: xr.Dataset,
    scaler: FeatureScaler,
    reference: Weights,
    *,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    """Return the evaluation of methods on cells of the training ocean; see `thor.attribution.evaluation.evaluate`."""
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    area = features["areacello"].transpose(*features["valid"].dims).values.ravel()[index].astype(float)
    cells = draw_cells(scaled, explained_regime(stack, scaled), area, n_cells=settings.n_cells, seed=seed)
    return evaluate(methods, stack, cells, reference, settings=settings, seed=seed)


def truth_table(
    methods: Callable[[Weights], Mapping[str, Method]],
    samples: Samples,
    scaler: FeatureScaler,
    reference: Weights,
    *,
    settings: TruthSettings,
    seed: int,
) -> pd.DataFrame:
    """Return how near methods come to functions whose attributions are known; see `thor.attribution.truth`.

    The physical function is learned by networks, as regimes are; of extended features only the published eight are
    used. What networks learned wrongly counts against every method alike.

    Parameters
    ----------
    methods : callable
        Gives the methods for a reference of eight features.
    samples : Samples
        Of the training ocean.
    scaler : FeatureScaler
    reference : ndarray of float32, shape (n_reference, n_features)
        Scaled.
    settings : TruthSettings
    seed : int
    """
    random = np.random.default_rng(seed)
    eight = slice(0, 8)
    train, test = samples.with_role("train"), samples.with_role("test")
    rows = reference[random.choice(len(reference), min(settings.n_rows, len(reference)), replace=False), eight]
    cells = test.take(random.choice(len(test), min(settings.n_cells, len(test)), replace=False))
    inputs = scaler.transform(cells.inputs)[:, eight]
    stack = additive_stack(8, seed=seed, n_networks=settings.n_networks)
    regime = np.arange(len(inputs)) % 2
    made = methods(rows)
    additive = compare_with_truth(
        made, stack, inputs, regime, additive_truth(stack, inputs, regime, rows), function="additive", same_scale=True
    )
    function = PhysicalFunction.of_labels(train.inputs[:, eight], train.labels, n_regimes=len(samples.classes))
    tables = [
        Table(scaler.transform(part.inputs)[:, eight], function(part.inputs[:, eight]).argmax(axis=1))
        for part in (train, samples.with_role("select"))
    ]
    learned = train_stack(
        *tables,
        features=samples.features[eight],
        classes=samples.classes,
        settings=TrainingSettings(**settings.model_dump(include={"n_networks", "epochs", "hidden", "batch_size"})),
        seed=seed,
    ).stack
    own = cells.inputs[:, eight]
    regime = function(own).argmax(axis=1)
    in_units = rows * scaler.scale[eight] + scaler.mean[eight]
    physical = compare_with_truth(
        made,
        learned,
        inputs,
        regime,
        function.shapley_values(own, regime, in_units),
        function="physical",
        same_scale=False,
    )
    return pd.concat([additive, physical], ignore_index=True)


def explanation_metrics(
    explanations: Mapping[str, xr.Dataset],
    agreement: xr.Dataset,
    evaluation: pd.DataFrame,
    truth: pd.DataFrame,
) -> dict[str, Any]:
    """Return the numbers of the explanations.

    Returns
    -------
    dict
        `methods`, {method: {predictor: {...}}} with `n_cells`, `n_networks`, `target`, largest and mean absolute
        remainder (`conservation_error` of relevance, `additivity_error` of Shapley values), `mean_fidelity`,
        `converged_area_share`, `relative_standard_error`, and agreement of the networks; `agreement` of the methods,
        {predictor: {global or regime: {pair: {measure: value}}}}; `evaluation`, {method: {measure: {...}}}; `truth`,
        {function: {method: {...}}}. Means are weighted by area.
    """
    methods = {name: _of_method(name, explanation) for name, explanation in explanations.items()}
    return {
        "methods": methods,
        "agreement": agreement_table(agreement),
        "evaluation": _nested(evaluation, "method", "measure"),
        "truth": _nested(truth, "function", "method"),
    }


_OF_EVALUATION = {
    f"{name}.value": Metric(m.meaning, "1", None, None, m.perfect, m.higher_is_better) for name, m in MEASURES.items()
}

EXPLANATION_METRICS: Metrics = {
    "rank_correlation": Metric("of the features by attribution, of two methods or with the truth", "1", -1, 1, 1, True),
    "sign_agreement": share("of the magnitude, where signs agree", perfect=1, higher_is_better=True),
    "networks.sign_agreement": share("networks with the sign of their mean", perfect=1, higher_is_better=True),
    "top_overlap": share("of the three largest, those both have", perfect=1, higher_is_better=True),
    "correlation": Metric("of attributions with the known ones", "1", -1, 1, 1, True),
    "cosine": Metric("of the angle between attributions and the known ones", "1", -1, 1, 1, True),
    "relative_error": Metric("size of the difference to the known ones over theirs", "1", 0, None, 0, False),
    **_OF_EVALUATION,
    "random": Metric("the value of attributions that know nothing"),
    "skill": Metric("0 as random ones, 1 perfect, below 0 worse than random", "1", None, 1, 1, True),
    "perfect": Metric("best value"),
    "higher_is_better": text("which way is better"),
    "property": text("what the measure judges"),
    "largest": Metric("largest magnitude of what the sum lacks, in any cell and network", "target", 0, None, 0, False),
    "mean_absolute": Metric("mean magnitude of what the sum lacks", "target", 0, None, 0, False),
    "mean_absolute_target": Metric("mean magnitude of the explained target, to compare with", "target", 0),
    "mean_fidelity": Metric("weighted R2 of the local surrogate", "1", None, 1, 1, True),
    "converged_area_share": share("area where the tolerance was reached", perfect=1, higher_is_better=True),
    "relative_standard_error": Metric("error of sampling over the size of the values", "1", 0, None, 0, False),
    "relative_spread": Metric("spread of the networks over the size of their mean", "1", 0, None, 0, False),
    "target": text("what was explained"),
    "n_networks": count("networks that were explained"),
    "n_cells": count("cells that the numbers beside it come from"),
    "weighting": text("whether means count cells or areas"),
    "low": INTERVAL_METRICS["low"],
    "high": INTERVAL_METRICS["high"],
    "level": INTERVAL_METRICS["level"],
}
"""What `explanation_metrics` holds."""

_REMAINDER = {"relevance": "conservation_error", "shapley_values": "additivity_error", "lime_weights": "misfit"}


def _of_method(name: str, explanation: xr.Dataset) -> dict[str, Any]:
    networks = network_agreement(explanation)
    n_cells = int((explanation["valid"] == 1).sum())
    area = explanation["areacello"].where(explanation["valid"] == 1).fillna(0)
    table = {}
    for place, predictor in enumerate(map(str, explanation["predictor"].values)):
        own = explanation.sel(predictor=predictor)
        size = float(np.sqrt((own["attribution"] ** 2).mean("feature").weighted(area).mean()))
        error = float(np.sqrt((own["attribution_standard_error"] ** 2).mean("feature").weighted(area).mean()))
        entry: dict[str, Any] = {
            "n_cells": n_cells,
            "n_networks": int(np.atleast_1d(explanation.attrs["n_networks"])[place]),
            "target": explanation.attrs["target"],
            "networks": networks[predictor],
            "relative_standard_error": error / size if size else None,
        }
        if "remainder" in own:
            entry[_REMAINDER[name]] = {
                "largest": float(np.atleast_1d(explanation.attrs["largest_remainder"])[place]),
                "mean_absolute": float(abs(own["remainder"]).weighted(area).mean()),
                "mean_absolute_target": float(abs(own["explained_target"]).weighted(area).mean()),
            }
        for field, told in (("fidelity", "mean_fidelity"), ("converged", "converged_area_share")):
            if field in own:
                entry[told] = float(own[field].weighted(area).mean())
        table[predictor] = entry
    return table


def _nested(table: pd.DataFrame, outer: str, inner: str) -> dict[str, Any]:
    return {
        str(name): {
            str(row[inner]): {
                name: value for name, value in row.items() if name not in (outer, inner) and not pd.isna(value)
            }
            for row in rows
        }
        for name, part in table.groupby(outer, sort=False)
        for rows in [part.to_dict(orient="records")]
    }
