"""One epoch of all running networks: shuffling, compiled steps, loss on the select samples.

In the compiled TensorFlow loops weights are lists of arrays with a leading network axis, kernel and bias of each layer
in turn. Labels come in as many rows as there are different labellings, and `labelling` (n_networks,) gives the row of
each network.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thor.core.parallel import in_threads, n_cores
from thor.networks.network import dense_layers, forward
from thor.networks.optimiser import adam_step, step_sizes
from thor.networks.progress import Progress
from thor.networks.settings import TrainingSettings
from thor.networks.stack import NetworkStack
from thor.networks.tensorflow import load_tensorflow
from thor.networks.terms import terms_loss
from thor.networks.training_data import LEAST_CAPACITY, Table, padded, padded_columns

STEPS_PER_CALL = 512

SELECT_BLOCK = 1024
"""Select samples that are evaluated together."""

LEAST_GROUP = 4
"""Networks that are worth a thread."""

LEAST_WORK_TO_COMPILE = 2_000_000_000
"""Weights times samples of an epoch above which it pays to compile for a smaller stack: about a second's work."""


class Epochs:
    """The tables as TensorFlow constants, and the steps of an epoch on them."""

    def __init__(
        self, train: Table, select: Table, settings: TrainingSettings, seed: int, *, start: NetworkStack
    ) -> None:
        tf = load_tensorflow()
        self._settings, self._seed = settings, seed
        # An accelerator takes all networks together; small groups would only be more calls.
        self._n_threads = 1 if tf.config.list_physical_devices("GPU") else n_cores()
        self._n_cells, self._n_oceans = train.n_cells, train.n_oceans
        self._n_steps = -(-self._n_cells // settings.batch_size)
        self._labels_differ = (train.labels.ndim == 2, select.labels.ndim == 2)
        columns = padded_columns(train, LEAST_CAPACITY)
        none = np.empty((len(train.inputs), 0), np.float32)
        terms = padded(none if train.terms is None else train.terms.scaled, len(columns[0]))
        weight = 0.0 if train.terms is None else train.terms.weight
        self._take_steps, self._evaluate = compile_steps(start.activation, settings.l2, terms.shape[1], weight)
        self._train = tuple(map(tf.constant, (*columns, terms)))
        self._select = tuple(map(tf.constant, _blocks(select)))
        # A network does not see an input whose weights are zero before training.
        self._used = start.used_inputs[..., None].astype(np.float32)
        self._rows: NDArray[np.int64] | None = None

    def advance(self, progress: Progress) -> None:
        """Train all running networks for one epoch; raise FloatingPointError when a loss is not finite."""
        running = progress.running(self._settings.patience)
        groups = thread_groups(self._stack_rows(progress, running), n_threads=self._n_threads)
        trained, values = zip(*in_threads(lambda rows: self._train_rows(progress, rows), groups), strict=True)
        rows = groups.ravel()
        alive = running[rows]

        def of_running(arrays: Sequence[Any]) -> NDArray[Any]:
            return np.concatenate(arrays)[alive]

        progress.close_epoch(
            rows[alive],
            [[*map(of_running, zip(*arrays, strict=True))] for arrays in zip(*trained, strict=True)],
            [*map(of_running, zip(*values, strict=True))],
        )

    def learning_rate(self, step: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the rate of steps, counted from 0 over all epochs."""
        settings = self._settings
        if settings.schedule == "constant":
            return np.full(np.shape(step), settings.learning_rate)
        return settings.learning_rate * 0.5 * (1 + np.cos(np.pi * step / (settings.epochs * self._n_steps)))

    def last_rates(self, epochs: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the rate of the last step of each epoch."""
        return self.learning_rate((epochs + 1) * self._n_steps - 1)

    def _stack_rows(self, progress: Progress, running: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return which networks the stack holds; networks that have stopped stay in it until half have."""
        alive = np.flatnonzero(running)
        n_weights = sum(array[0].size for array in progress.weights)
        costly = n_weights * self._n_cells * running.size > LEAST_WORK_TO_COMPILE
        if self._rows is None or (costly and 2 * alive.size <= self._rows.size):
            self._rows = alive
        return self._rows

    def _train_rows(self, progress: Progress, stack: NDArray[np.int64]) -> tuple[list[Any], list[Any]]:
        """Return weights and moments of these networks after an epoch; mean loss of its steps, loss and accuracy."""
        parts: list[Any] = [
            [array[stack] for array in arrays] for arrays in (progress.weights, progress.first, progress.second)
        ]
        labelling = (stack if self._labels_differ[0] else np.zeros_like(stack)).astype(np.int32)
        size = self._settings.batch_size
        batches = self._batches(stack, progress.epoch)
        counts = np.full(self._n_steps, size, np.int32)
        counts[-1] = self._n_cells - (self._n_steps - 1) * size
        step = progress.epoch * self._n_steps + np.arange(self._n_steps)
        sizes = step_sizes(self.learning_rate(step), step)
        total = np.zeros(stack.size)
        for start in range(0, self._n_steps, STEPS_PER_CALL):
            call = slice(start, start + STEPS_PER_CALL)
            n_steps = min(STEPS_PER_CALL, self._n_steps - start)
            *parts, loss = self._take_steps(
                *parts,
                padded(sizes[call].astype(np.float32), STEPS_PER_CALL),
                *self._train,
                self._used[stack],
                labelling,
                padded(batches[:, call].swapaxes(0, 1), STEPS_PER_CALL),
                padded(counts[call], STEPS_PER_CALL),
                np.int32(n_steps),
            )
            total += np.asarray(loss)
        labelling = (stack if self._labels_differ[1] else np.zeros_like(stack)).astype(np.int32)
        return parts, [total / self._n_steps, *self._evaluate(parts[0], *self._select, labelling)]

    def _batches(self, stack: NDArray[np.int64], epoch: int) -> NDArray[np.int32]:
        """Return each network's batches, (n_networks, n_steps, batch_size), the last filled up with zeros."""
        batches = np.zeros((stack.size, self._n_steps * self._settings.batch_size), np.int32)
        for place, network in enumerate(stack):
            batches[place, : self._n_cells] = shuffled(
                self._n_cells, seed=self._seed, network=int(network), epoch=epoch, n_oceans=self._n_oceans
            )
        return batches.reshape(stack.size, self._n_steps, -1)


def thread_groups(rows: NDArray[np.int64], *, n_threads: int) -> NDArray[np.int64]:
    """Return the networks in groups of one size, (n_groups, n_group); the last network fills the last group up.

    The threads of XLA wait for one another at every operation; a thread for each group does not
    (`benchmarks/networks.py`).
    """
    n_groups = max(1, min(n_threads, rows.size // LEAST_GROUP))
    # XLA adds up a single network in another order than several.
    size = max(2, -(-rows.size // n_groups))
    return np.pad(rows, (0, n_groups * size - rows.size), mode="edge").reshape(n_groups, size)


def shuffled(n_cells: int, *, seed: int, network: int, epoch: int, n_oceans: int) -> NDArray[np.int32]:
    """Return the samples of an epoch of a network in their order, shape (n_cells,).

    Each cell is taken once, in the oceans of `Table.n_oceans` by turns from epoch to epoch; neighbours in the table
    begin with different ones.
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(network, epoch)))
    order = generator.permutation(np.arange(n_cells, dtype=np.int32))
    return order + n_cells * ((order + network + epoch) % n_oceans)


def _blocks(table: Table) -> tuple[NDArray[Any], ...]:
    """Return inputs, labels and weights in blocks along a leading axis; padding of the last block has weight 0."""
    inputs, labels, weights = padded_columns(table, SELECT_BLOCK)
    return (
        inputs.reshape(-1, SELECT_BLOCK, inputs.shape[1]),
        labels.reshape(len(labels), -1, SELECT_BLOCK).swapaxes(0, 1),
        weights.reshape(-1, SELECT_BLOCK),
    )


@cache
def compile_steps(
    activation: str, l2: float, n_terms: int, terms_weight: float
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the compiled functions.

    `train` takes ``(weights, first, second, step_sizes, inputs, labels, sample_weights, terms, used, labelling,
    batches, counts, n_steps)`` to ``(weights, first, second, loss)``: `n_steps` steps of Adam. `first` and `second` are
    its moments, `step_sizes` has shape (n_steps,); `used` (n_networks, n_inputs, 1) is 1 for inputs whose weights
    change, 0 for others; `batches` (n_steps, n_networks, batch_size) holds indices of samples, the first `counts`
    (n_steps,) of which are used; `loss` (n_networks,) is summed over the steps.

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
        *_, (_, found) = forward(dense_layers(weights[::2], weights[1::2], activation), inputs, xp=tf)
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
        used: Any,
        labelling: Any,
        batches: Any,
        counts: Any,
        n_steps: Any,
    ) -> Any:
        flat_labels = tf.reshape(labels, [-1])
        row_start = (labelling * tf.shape(labels)[1])[:, None]
        shapes = [array.shape for array in weights]

        def flat(arrays: Sequence[Any]) -> list[Any]:
            return [tf.reshape(array, [-1]) for array in arrays]

        def shaped(arrays: Sequence[Any]) -> list[Any]:
            return [tf.reshape(array, shape) for array, shape in zip(arrays, shapes, strict=True)]

        # Adam on flat arrays: XLA makes slow loops of arrays whose last axis is short.
        def step(number: Any, flat_weights: Any, first: Any, second: Any, total: Any) -> Any:
            weights = shaped(flat_weights)
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
            first_kernel, *others = tape.gradient(loss, weights)
            gradients = flat([used * first_kernel, *others])
            state = adam_step(flat_weights, first, second, gradients, step_sizes[number])
            return number + 1, *state, total + loss

        start = (tf.constant(0), flat(weights), flat(first), flat(second), tf.zeros(tf.shape(labelling)[0]))
        _, *state, total = tf.while_loop(lambda number, *_: number < n_steps, step, start)
        return *map(shaped, state), total

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

    return train, evaluate
