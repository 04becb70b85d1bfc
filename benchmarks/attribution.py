"""Compare relevance, Shapley values and LIME of stacked networks with other packages, as ratios in one run.

    THOR_DATA_MIRROR=<folder> python benchmarks/attribution.py [--quick] [--json FILE]

The networks are the 50 of the published study on cells of ECCO; without THOR_DATA_MIRROR they are synthetic networks
and cells of the same size. All methods explain the centred logit of the predicted regime.

* Relevance (epsilon rule): compared with forward passes of the same stack over the same cells, and with relevance by
  gradients (z times the gradient of the sum of s, layer by layer) through Keras layers, network by network. Peak memory
  of a process that explains 149,587 cells with 1,000 networks, from a stated share of the cells.
* Shapley values, exact: compared with the exact explainer of `shap` on the same networks and 100 background rows, for
  each cell and network. Sampled: compared with that explainer and its default background of 100 rows out of 2,000, at
  the error of this background relative to all 2,000 rows.
* LIME: compared with `lime` on the same stacked networks, for each cell.

--quick: fewer cells.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from networks import ecco_tables, made_tables, published_members
from rows import Rows, best, in_own_process, parse, peak_memory_mb, timed

from thor.attribution.attributions import attribute
from thor.attribution.method import sample_blocks
from thor.attribution.methods.lime import Lime, LimeSettings
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues
from thor.attribution.target_networks import TargetNetworks
from thor.attribution.targets import explained_regime
from thor.core.parallel import in_threads
from thor.core.variables import FEATURES
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack, concatenate, logits
from thor.networks.training import initial_stack
from thor.regimes.naming import REGIMES

N_CELLS = 149_587
MADE_UP = "THOR_DATA_MIRROR is not set; synthetic networks and cells are used"


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="fewer cells")
    rows, quick = Rows(options.json), options.quick
    if "THOR_DATA_MIRROR" in os.environ:
        (_, test), stack, where = ecco_tables(), published_members(), "on ECCO"
    else:
        rows.leave_out(
            "attributions of the published networks on ECCO", "THOR_DATA_MIRROR is not set; synthetic ones are used"
        )
        _, test = made_tables()
        stack, where = initial_stack(FEATURES, REGIMES, TrainingSettings(), seed=0), "on synthetic cells"
    inputs = np.random.default_rng(0).permutation(test.inputs)
    regime = explained_regime(stack, inputs)
    cells = stack, inputs, regime, rows, where
    compare_relevance(*cells, n_cells=2_000 if quick else 20_000)
    compare_exact(*cells, n_cells=4 if quick else 32)
    compare_sampled(*cells, n_cells=10 if quick else 40)
    compare_lime(*cells, n_cells=1_000 if quick else 10_000)


def compare_relevance(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, rows: Rows, where: str, *, n_cells: int
) -> None:
    """Measure the time and memory of relevance."""
    inputs, regime = inputs[:n_cells], regime[:n_cells]
    method = RelevancePropagation(RelevanceSettings())
    ours = best(lambda: sum(block.values.shape[1] for block in method.explain(stack, inputs, regime)))
    parts = list(sample_blocks(n_cells, stack))
    forward = best(lambda: list(in_threads(lambda part: logits(stack, inputs[part]).shape, parts)))
    compiled, eager, difference = keras_relevance(stack, inputs[:4_096], regime[:4_096], n_networks=2)
    compiled, eager = (seconds * n_cells / min(4_096, n_cells) * stack.n_networks / 2 for seconds in (compiled, eager))
    what = f"relevance of {stack.n_networks} networks, {n_cells:,} cells {where}"
    rows.add(
        what,
        ours,
        alternative="gradients through Keras layers, compiled",
        theirs=compiled,
        remark=f"alternative from 2 networks; 99 % of values differ by less than {difference:.0e} of a large one",
    )
    rows.add(what, ours, alternative="the same, not compiled", theirs=eager, remark="alternative from 2 networks")
    rows.add(
        what,
        ours,
        alternative="forward passes of the same stack",
        theirs=forward,
        remark=f"THOR takes {ours / forward:.1f} forward passes",
    )
    share = 20 if n_cells > 10_000 else 100
    seconds, memory = in_own_process(many_networks, stack, inputs[: N_CELLS // share])
    rows.add(
        f"relevance of 1,000 networks, 1/{share} of {N_CELLS:,} cells {where}",
        seconds,
        peak_memory_mb=memory,
        remark=f"all cells would take {seconds * share:.0f} s and 29 MB more",
    )


def many_networks(stack: NetworkStack, inputs: np.ndarray) -> tuple[float, float]:
    """Return seconds and peak memory [MB] of statistics over a thousand networks."""
    many = concatenate([stack] * (1000 // stack.n_networks))
    regime = np.zeros(len(inputs), dtype=int)
    _, seconds = timed(
        lambda: attribute(RelevancePropagation(RelevanceSettings()), many, inputs, regime, progress=False)
    )
    return seconds, peak_memory_mb()


def keras_relevance(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, *, n_networks: int
) -> tuple[float, float, float]:
    """Return the time of relevance by gradients through Keras layers, compiled and not, and the relative difference."""
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
        [
            b.values
            for b in RelevancePropagation(RelevanceSettings()).explain(
                stack.select(slice(0, n_networks)), inputs, regime
            )
        ],
        axis=1,
    )
    usual = np.quantile(np.abs(mine), 0.99)
    difference = np.quantile(np.abs(found - mine), 0.99) / usual
    compiled = best(lambda: [explain(layers) for layers in networks])
    return compiled, best(lambda: [explain(layers, hand_back_eagerly) for layers in networks]), float(difference)


def compare_exact(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, rows: Rows, where: str, *, n_cells: int
) -> None:
    """Measure the time of exact Shapley values, for one network at a time as in shap."""
    import shap

    background, cells = inputs[-100:], slice(0, n_cells)
    method = ShapleyValues(reference=background, settings=ShapleySettings(method="exact"))
    ours = best(lambda: list(method.explain(stack, inputs[cells], regime[cells]))) / (n_cells * stack.n_networks)
    one = TargetNetworks(stack.select([0]), "centred_logit")
    k = regime[0]
    explainer = shap.Explainer(
        lambda rows: one.of_inputs(rows, np.full(len(rows), k))[0],
        shap.maskers.Independent(background, max_samples=100),
        algorithm="exact",
    )
    explainer(inputs[:1])
    theirs = best(lambda: explainer(inputs[cells])) / n_cells
    rows.add(
        f"exact Shapley values of one network in one cell {where}, 100 background rows",
        ours,
        alternative="shap, exact",
        theirs=theirs,
        remark=f"mean of {n_cells} cells",
    )


def compare_sampled(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, rows: Rows, where: str, *, n_cells: int
) -> None:
    """Measure the time of the mean over networks at the error of shap's default background."""
    background, cells = inputs[-2_000:], slice(0, n_cells)
    own, of = inputs[cells], regime[cells]
    few = stack.select(slice(0, 10))
    truth = mean(ShapleyValues(reference=background, settings=ShapleySettings(method="exact")), few, own, of)
    default = ShapleyValues(reference=background[:100], settings=ShapleySettings(method="exact"))
    size = np.sqrt((truth**2).mean())
    theirs_error = np.sqrt(((mean(default, few, own, of) - truth) ** 2).mean()) / size
    import shap

    k = of[0]
    forward = TargetNetworks(few, "centred_logit")
    explainer = shap.Explainer(
        lambda rows: forward.of_inputs(rows, np.full(len(rows), k)).mean(axis=0),
        shap.maskers.Independent(background, max_samples=100),
        algorithm="exact",
    )
    theirs = timed(lambda: explainer(own[:2]))[1] / 2
    many, its = np.tile(own, (20, 1)), np.tile(of, 20)
    for pairs in (3, 4, 6, 8, 12, 16, 24, 32):
        method = ShapleyValues(reference=background, settings=ShapleySettings(tolerance=1e-9, max_pairs=pairs))
        found = mean(method, few, many, its).reshape(20, *truth.shape)
        error = np.sqrt(((found - truth) ** 2).mean()) / size
        if error <= theirs_error:
            ours = best(lambda method=method: list(method.explain(few, many, its))) / len(many)
            rows.add(
                f"sampled Shapley values, mean of {few.n_networks} networks in one cell {where}, 2,000 background rows",
                ours,
                alternative="shap, exact, its default background of 100 rows",
                theirs=theirs,
                remark=f"error {100 * error:.1f} % with {pairs} pairs, alternative {100 * theirs_error:.1f} %",
            )
            return
    why = f"the error with 32 pairs is {100 * error:.1f} %, shap's default background {100 * theirs_error:.1f} %"
    rows.leave_out("sampled Shapley values at the error of shap", why)


def compare_lime(
    stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray, rows: Rows, where: str, *, n_cells: int
) -> None:
    """Measure the time of LIME for each cell and the mean over networks."""
    from lime.lime_tabular import LimeTabularExplainer

    reference = inputs[-2_000:]
    method = Lime(reference=reference, settings=LimeSettings(n_samples=5_000))
    ours = timed(lambda: list(method.explain(stack, inputs[:n_cells], regime[:n_cells])))[1] / n_cells
    explainer = LimeTabularExplainer(
        reference.astype(float),
        mode="regression",
        discretize_continuous=False,
        feature_selection="none",
        random_state=0,
    )
    forward = TargetNetworks(stack, "centred_logit")

    def explain(cell: int) -> None:
        k = regime[cell]
        explainer.explain_instance(
            inputs[cell].astype(float),
            lambda rows: forward.of_inputs(rows.astype(np.float32), np.full(len(rows), k)).mean(axis=0),
            num_features=8,
            num_samples=5_000,
        )

    theirs = best(lambda: explain(0))
    rows.add(
        f"LIME of {stack.n_networks} networks in one cell {where}, 5,000 draws",
        ours,
        alternative="lime, mean of the networks",
        theirs=theirs,
        remark=f"THOR from {n_cells:,} cells, alternative from one",
    )


def mean(method: Any, stack: NetworkStack, inputs: np.ndarray, regime: np.ndarray) -> np.ndarray:
    """Return the mean over networks."""
    return np.concatenate([block.values.mean(axis=0) for block in method.explain(stack, inputs, regime)])


if __name__ == "__main__":
    main()
