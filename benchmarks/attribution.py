"""Attributions of stacked networks beside what there is: relevance, Shapley values and LIME, as ratios in one run.

    THOR_DATA_MIRROR=<folder> python benchmarks/attribution.py [--quick]

The networks are the 50 of the published study on cells of ECCO; without THOR_DATA_MIRROR networks and cells of that
size are made up. All explain the centred logit of the predicted regime.

* Relevance (epsilon rule): against forward passes of the same stack over the same cells, and against relevance by
  gradients (z times the gradient of the sum of s, layer by layer) through Keras layers, network by network; and the
  peak memory of a process that explains 149,587 cells with 1,000 networks, from a stated share of the cells.
* Shapley values, exact: against `shap`'s exact explainer on the same networks and 100 background rows, for each cell
  and network. Sampled: against `shap`'s exact explainer with its default background of 100 rows out of 2,000, at the
  error that this has against all 2,000 rows.
* LIME: against `lime` on the same stacked networks, for each cell.

--quick: fewer cells.
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from networks import ecco_tables, made_tables, published_members

from thor.attribution.attributions import attribute, blocks_of
from thor.attribution.forward import Forward
from thor.attribution.lime import Lime
from thor.attribution.relevance import RelevancePropagation
from thor.attribution.shapley import ShapleyValues
from thor.attribution.targets import explained_regime
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack, concatenate, logits
from thor.networks.training import initial_stack
from thor.regimes.naming import REGIMES
from thor.threads import in_threads
from thor.variables import FEATURES

N_CELLS = 149_587


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer cells")
    quick = parser.parse_args().quick
    if "THOR_DATA_MIRROR" in os.environ:
        (_, test), stack = ecco_tables(), published_members()
    else:
        _, test = made_tables()
        stack = initial_stack(FEATURES, REGIMES, TrainingSettings(), seed=0)
    inputs = np.random.default_rng(0).permutation(test.inputs)
    regime = explained_regime(stack, inputs)
    compare_relevance(stack, inputs, regime, n_cells=2_000 if quick else 20_000)
    compare_exact(stack, inputs, regime, n_cells=4 if quick else 32)
    compare_sampled(stack, inputs, regime, n_cells=10 if quick else 40)
    compare_lime(stack, inputs, regime, n_cells=1_000 if quick else 10_000)


def compare_relevance(stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_cells: int) -> None:
    """Print what relevance costs."""
    inputs, regime = inputs[:n_cells], regime[:n_cells]
    method = RelevancePropagation()
    ours = best(lambda: sum(block.values.shape[1] for block in method.explain(stack, inputs, regime)))
    parts = list(blocks_of(n_cells, stack))
    forward = best(lambda: list(in_threads(lambda part: logits(stack, inputs[part]).shape, parts)))
    compiled, eager, difference = keras_relevance(stack, inputs[:4_096], regime[:4_096], n_networks=2)
    compiled, eager = (seconds * n_cells / min(4_096, n_cells) * stack.n_networks / 2 for seconds in (compiled, eager))
    print(f"relevance, epsilon rule, {stack.n_networks} networks, {n_cells:,} cells")
    print(f"  ours                                    {ours:8.2f} s")
    print(f"  forward passes of the stack             {forward:8.2f} s: ours takes {ours / forward:.1f} of them")
    print(f"  gradients through Keras, one by one     {eager:8.2f} s: {eager / ours:.1f} times ours")
    print(f"  the same, compiled by tf.function       {compiled:8.2f} s: {compiled / ours:.1f} times ours")
    print(f"  largest difference of the two           {difference:8.1e} of the largest relevance")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        share = 20 if n_cells > 10_000 else 100
        seconds, memory = pool.apply(many_networks, (stack, inputs[: N_CELLS // share]))
    print(f"  1,000 networks, 1/{share} of {N_CELLS:,} cells    {seconds:8.1f} s, all of them {seconds * share:.0f} s")
    print(f"  peak memory of that process             {memory:8.0f} MB; statistics of all cells add 29 MB")


def many_networks(stack: NetworkStack, inputs: np.ndarray) -> tuple[float, float]:
    """Return seconds and peak memory [MB] of statistics over a thousand networks."""
    many = concatenate([stack] * (1000 // stack.n_networks))
    regime = np.zeros(len(inputs), dtype=int)
    seconds = timed(lambda: attribute(RelevancePropagation(), many, inputs, regime, progress=False))
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def keras_relevance(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_networks: int
) -> tuple[float, float, float]:
    """Return the time of relevance by gradients through Keras layers, compiled and not, and how far it is from ours."""
    from thor.networks.tensorflow import load_tensorflow

    tf = load_tensorflow()
    import tf_keras

    weights = tf.constant(np.eye(len(stack.classes), dtype=np.float32)[regime] - 1 / len(stack.classes))
    networks = []
    for network in range(n_networks):
        layers = [tf_keras.layers.Dense(units, use_bias=True) for units in stack.layer_sizes[1:]]
        for layer, kernel, bias, n_in in zip(layers, stack.kernels, stack.biases, stack.layer_sizes, strict=False):
            layer.build((None, n_in))
            layer.set_weights([kernel[network], bias[network]])
        networks.append(layers)

    def hand_back_eagerly(layers: Any, activation: Any, relevance: Any, last: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(activation)
            sums = layers(activation)
            if last is not None:
                sums = tf.reduce_sum(sums * last, axis=1, keepdims=True)
            stable = sums + 1e-7 * tf.where(sums >= 0, 1.0, -1.0)
            share = tf.stop_gradient(relevance / stable)
            given = tf.reduce_sum(sums * share)
        return activation * tape.gradient(given, activation)

    hand_back_compiled = tf.function(hand_back_eagerly, reduce_retracing=True)

    def explain(layers: Any, hand_back: Callable[..., Any] = hand_back_compiled) -> Any:
        activations = [tf.constant(inputs)]
        for layer in layers[:-1]:
            activations.append(tf.tanh(layer(activations[-1])))
        target = tf.reduce_sum(layers[-1](activations[-1]) * weights, axis=1, keepdims=True)
        relevance = hand_back(layers[-1], activations[-1], target, weights)
        for layer, activation in zip(layers[-2::-1], activations[-2::-1], strict=True):
            relevance = hand_back(layer, activation, relevance, None)
        return relevance.numpy()

    found = np.stack([explain(layers) for layers in networks])
    mine = np.concatenate(
        [b.values for b in RelevancePropagation().explain(stack.select(slice(0, n_networks)), inputs, regime)], axis=1
    )
    usual = np.quantile(np.abs(mine), 0.99)
    difference = np.quantile(np.abs(found - mine), 0.99) / usual
    compiled = best(lambda: [explain(layers) for layers in networks])
    return compiled, best(lambda: [explain(layers, hand_back_eagerly) for layers in networks]), float(difference)


def compare_exact(stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_cells: int) -> None:
    """Print what exact Shapley values cost, for one network at a time as shap has it."""
    import shap

    background, cells = inputs[-100:], slice(0, n_cells)
    method = ShapleyValues(reference=background, method="exact")
    ours = best(lambda: list(method.explain(stack, inputs[cells], regime[cells]))) / (n_cells * stack.n_networks)
    one = Forward(stack.select([0]), "centred_logit")
    k = regime[0]
    explainer = shap.Explainer(
        lambda rows: one.of_inputs(rows, np.full(len(rows), k))[0],
        shap.maskers.Independent(background, max_samples=100),
        algorithm="exact",
    )
    explainer(inputs[:1])
    theirs = best(lambda: explainer(inputs[cells])) / n_cells
    print(f"\nexact Shapley values, 100 background rows, {n_cells} cells")
    print(f"  ours, for each cell and network         {1e3 * ours:8.2f} ms")
    print(f"  shap                                    {1e3 * theirs:8.2f} ms: {theirs / ours:.1f} times ours")


def compare_sampled(stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_cells: int) -> None:
    """Print what the mean over networks costs at the error of shap's default background."""
    background, cells = inputs[-2_000:], slice(0, n_cells)
    own, of = inputs[cells], regime[cells]
    few = stack.select(slice(0, 10))
    truth = mean(ShapleyValues(reference=background, method="exact"), few, own, of)
    default = ShapleyValues(reference=background[:100], method="exact")
    size = np.sqrt((truth**2).mean())
    theirs_error = np.sqrt(((mean(default, few, own, of) - truth) ** 2).mean()) / size
    import shap

    k = of[0]
    forward = Forward(few, "centred_logit")
    explainer = shap.Explainer(
        lambda rows: forward.of_inputs(rows, np.full(len(rows), k)).mean(axis=0),
        shap.maskers.Independent(background, max_samples=100),
        algorithm="exact",
    )
    theirs = timed(lambda: explainer(own[:2])) / 2
    print(f"\nsampled Shapley values, mean of {few.n_networks} networks, 2,000 background rows, {n_cells} cells")
    print(f"  shap exact, its default 100 rows        {1e3 * theirs:8.2f} ms a cell, error {100 * theirs_error:.1f} %")
    many, its = np.tile(own, (20, 1)), np.tile(of, 20)
    for pairs in (3, 4, 6, 8, 12, 16, 24, 32):
        method = ShapleyValues(reference=background, tolerance=1e-9, max_pairs=pairs)
        found = mean(method, few, many, its).reshape(20, *truth.shape)
        error = np.sqrt(((found - truth) ** 2).mean()) / size
        if error <= theirs_error:
            ours = best(lambda method=method: list(method.explain(few, many, its))) / len(many)
            print(
                f"  ours, {pairs:2d} pairs                       {1e3 * ours:8.2f} ms a cell, error {100 * error:.1f} %"
            )
            print(f"  shap / ours                             {theirs / ours:8.1f}")
            return
    print(f"  ours has an error of {100 * error:.1f} % with 32 pairs")


def compare_lime(stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_cells: int) -> None:
    """Print what LIME costs for each cell and the mean over networks."""
    from lime.lime_tabular import LimeTabularExplainer

    reference = inputs[-2_000:]
    method = Lime.around(reference, n_samples=5_000)
    ours = timed(lambda: list(method.explain(stack, inputs[:n_cells], regime[:n_cells]))) / n_cells
    explainer = LimeTabularExplainer(
        reference.astype(float),
        mode="regression",
        discretize_continuous=False,
        feature_selection="none",
        random_state=0,
    )
    forward = Forward(stack, "centred_logit")

    def explain(cell: int) -> None:
        k = regime[cell]
        explainer.explain_instance(
            inputs[cell].astype(float),
            lambda rows: forward.of_inputs(rows.astype(np.float32), np.full(len(rows), k)).mean(axis=0),
            num_features=8,
            num_samples=5_000,
        )

    theirs = best(lambda: explain(0))
    print(f"\nLIME, 5,000 draws, {stack.n_networks} networks, {n_cells:,} cells")
    print(f"  ours, all networks                      {1e3 * ours:8.3f} ms a cell")
    print(f"  lime, mean of all networks              {1e3 * theirs:8.1f} ms a cell: {theirs / ours:.0f} times ours")


def mean(method: Any, stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray) -> np.ndarray:
    """Return the mean over networks."""
    return np.concatenate([block.values.mean(axis=0) for block in method.explain(stack, inputs, regime)])


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the shortest of several times."""
    return min(timed(work) for _ in range(repeats))


if __name__ == "__main__":
    main()
