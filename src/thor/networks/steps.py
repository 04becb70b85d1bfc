"""Compiled TensorFlow loops over many networks at once: optimiser steps, and the loss on the select samples.

Weights are lists of arrays with a leading network axis, kernel and bias of each layer in turn. Labels come in as many
rows as there are different labellings, and `labelling` (n_networks,) gives the row of each network.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from thor.networks.network import dense_layers, outputs
from thor.networks.optimiser import Compiled, adam_step
from thor.networks.tensorflow import load_tensorflow
from thor.networks.terms import terms_loss

SELECT_BLOCK = 1024
"""Select samples that are evaluated together."""


@cache
def compile_steps(activation: str, l2: float, n_terms: int, terms_weight: float) -> Compiled:
    """Return the compiled functions.

    `train` takes ``(weights, first, second, step_sizes, inputs, labels, sample_weights, terms, labelling, batches,
    counts, n_steps)`` to ``(weights, first, second, loss)``: `n_steps` steps of Adam. `first` and `second` are its
    moments, `step_sizes` has shape (n_steps,); `batches` (n_steps, n_networks, batch_size) holds indices of samples,
    the first `counts` (n_steps,) of which are used; `loss` (n_networks,) is summed over the steps.

    `evaluate` takes ``(weights, inputs, labels, sample_weights, labelling)`` to ``(loss, accuracy)``, each
    (n_networks,): weighted means over all samples, given in blocks (n_blocks, n_block, ...), labels (n_blocks,
    n_labellings, n_block).

    Parameters
    ----------
    activation : str
        Of the hidden layers.
    l2 : float
        Penalty on the sum of squared kernel weights, added to the loss.
    n_terms : int
        Terms of the budget that the last outputs predict, two outputs each; see `thor.networks.terms`.
    terms_weight : float
        Of their loss. `evaluate` ignores them.
    """
    tf = load_tensorflow()

    def cross_entropy(weights: Sequence[Any], inputs: Any, labels: Any) -> tuple[Any, Any, Any]:
        found = outputs(dense_layers(weights[::2], weights[1::2], activation), inputs, xp=tf)
        logits, head = (found[..., : -2 * n_terms], found[..., -2 * n_terms :]) if n_terms else (found, None)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits, head

    @tf.function(jit_compile=True, autograph=False)
    def train(
        weights: Any,
        first: Any,
        second: Any,
        step_sizes: Any,
        inputs: Any,
        labels: Any,
        sample_weights: Any,
        terms: Any,
        labelling: Any,
        batches: Any,
        counts: Any,
        n_steps: Any,
    ) -> Any:
        flat_labels = tf.reshape(labels, [-1])
        row_start = (labelling * tf.shape(labels)[1])[:, None]

        def step(number: Any, weights: Any, first: Any, second: Any, total: Any) -> Any:
            batch, count = batches[number], counts[number]
            counting = tf.cast(tf.range(tf.shape(batch)[1]) < count, tf.float32)
            each = tf.gather(sample_weights, batch) * counting
            seen, wanted = tf.gather(inputs, batch), tf.gather(flat_labels, row_start + batch)
            with tf.GradientTape() as tape:
                tape.watch(weights)
                # As in Keras, a weighted loss is divided by the number of samples, not by their weight.
                of_samples, _, head = cross_entropy(weights, seen, wanted)
                if n_terms:
                    of_samples += terms_weight * terms_loss(head, tf.gather(terms, batch))
                loss = tf.reduce_sum(each * of_samples, -1) / tf.cast(count, tf.float32)
                if l2:
                    loss += l2 * tf.add_n([tf.reduce_sum(kernel**2, (1, 2)) for kernel in weights[::2]])
            # Networks share no weight: the gradient of the sum holds the gradient of each.
            gradients = tape.gradient(loss, weights)
            state = adam_step(weights, first, second, gradients, step_sizes[number])
            return number + 1, *state, total + loss

        start = (tf.constant(0), list(weights), list(first), list(second), tf.zeros(tf.shape(labelling)[0]))
        return tf.while_loop(lambda number, *_: number < n_steps, step, start)[1:]

    @tf.function(jit_compile=True, autograph=False)
    def evaluate(weights: Any, inputs: Any, labels: Any, sample_weights: Any, labelling: Any) -> Any:
        def block(number: Any, loss: Any, right: Any) -> Any:
            wanted = tf.gather(labels[number], labelling)
            each = sample_weights[number]
            entropy, logits, _ = cross_entropy(weights, inputs[number], wanted)
            hit = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=wanted.dtype), wanted), tf.float32)
            return number + 1, loss + tf.reduce_sum(each * entropy, -1), right + tf.reduce_sum(each * hit, -1)

        zero = tf.zeros(tf.shape(labelling)[0])
        _, loss, right = tf.while_loop(
            lambda number, *_: number < tf.shape(inputs)[0], block, (tf.constant(0), zero, zero)
        )
        total = tf.reduce_sum(sample_weights)
        return loss / total, right / total

    return Compiled(train, evaluate)
