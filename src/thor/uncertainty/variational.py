"""Variational inference for networks with a Gaussian for every weight: an epoch of all starts at once, compiled.

Parameters are one array (n_starts, 2 n_weights): the means, then the values whose softplus is the standard deviation.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from thor.networks.network import Activation, Layer, affine, dense_layers, forward
from thor.networks.optimiser import adam_step
from thor.networks.tensorflow import load_tensorflow
from thor.uncertainty.posterior import layer_places

GENERATOR = "threefry"
"""Of the noise (Salmon et al. 2011, doi:10.1145/2063384.2063405)."""

_ABOVE_MINUS_ONE = np.nextafter(np.float32(-1), np.float32(0))


@cache
def compile_variational(layer_sizes: tuple[int, ...], activation: str, estimator: str) -> Callable[..., Any]:
    """Return an epoch of Adam, compiled once for each shape of its arguments.

    It takes ``(state, cells, seed, epoch, batches, step_sizes, n_steps, kl_weight)`` to ``(state, likelihood, kl)``.
    `state` holds the parameters and their first and second moments, `cells` inputs, labels (rows, n_samples) and
    weights of all samples, `seed` has shape (2,), `batches` (n_starts, n_batches, batch), the first `n_steps` of which
    are used, `step_sizes` (n_batches, n_starts), `kl_weight` is the weight of the divergence divided by the number of
    cells; negative log-likelihood (mean over steps) and Kullback-Leibler divergence [nat] have shape (n_starts,). The
    noise depends on seed, epoch and step only.

    Parameters
    ----------
    layer_sizes : tuple of int
        Units of each layer, input first.
    activation : str
        Of the hidden layers.
    estimator : str
        A name in `ESTIMATORS`.
    """
    tf = load_tensorflow()
    logits_of = partial(sampled_logits, layer_sizes=layer_sizes, estimator=estimator, activation=activation)
    fold = tf.random.experimental.stateless_fold_in

    def step(state: Any, batch: Any, noise: Any, step_size: Any, kl_weight: Any) -> Any:
        parameters, first, second = state
        inputs, labels, weights = batch
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            posterior = gaussian(parameters)
            logits = logits_of(posterior, inputs, seed=noise)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            likelihood = tf.reduce_mean(weights * losses, axis=-1)
            kl = kl_divergence(posterior)
            # Starts share no weight: the gradient of the sum holds the gradient of each.
            loss = tf.reduce_sum(likelihood + kl_weight * kl)
        gradient = tape.gradient(loss, parameters)
        state = adam_step([parameters], [first], [second], [gradient], step_size[:, None])
        return tuple(array for (array,) in state), likelihood, kl

    @tf.function(jit_compile=True, autograph=False)
    def train(
        state: Any, cells: Any, seed: Any, number: Any, batches: Any, step_sizes: Any, n_steps: Any, kl_weight: Any
    ) -> Any:
        inputs, labels, weights = cells
        n_starts = batches.shape[0]
        labels = tf.broadcast_to(labels, (n_starts, inputs.shape[0]))
        seed_of_epoch = fold(seed, number)

        def body(i: Any, state: Any, likelihood: Any, _: Any) -> Any:
            chosen = batches[:, i]
            batch = tf.gather(inputs, chosen), tf.gather(labels, chosen, batch_dims=1), tf.gather(weights, chosen)
            state, now, kl = step(state, batch, fold(seed_of_epoch, i), step_sizes[i], kl_weight)
            return i + 1, state, likelihood + now, kl

        zeros = tf.zeros(n_starts)
        _, state, likelihood, kl = tf.while_loop(lambda i, *_: i < n_steps, body, (0, state, zeros, zeros))
        return state, likelihood / tf.cast(n_steps, tf.float32), kl

    return train


def gaussian(parameters: Any) -> Any:
    """Return the posterior of all weights as a TensorFlow Probability distribution, batch (n_starts, n_weights)."""
    tf = load_tensorflow()
    import tensorflow_probability as tfp

    mean, raw = tf.split(parameters, 2, axis=1)
    return tfp.distributions.Normal(mean, tf.nn.softplus(raw))


def kl_divergence(posterior: Any) -> Any:
    """Return the divergence [nat] of each start's posterior from the prior N(0, 1), exactly, shape (n_starts,)."""
    tf = load_tensorflow()
    import tensorflow_probability as tfp

    return tf.reduce_sum(tfp.distributions.kl_divergence(posterior, tfp.distributions.Normal(0.0, 1.0)), axis=-1)


def locally_reparametrised(below: Any, layer: "_GaussianLayer") -> Any:
    """Return a layer's sums with noise for each unit and cell (Kingma, Salimans & Welling 2015, arXiv:1506.02557).

    Before its activation a unit is Gaussian, given the layer below; cell by cell this is exactly the distribution
    that drawing the weights gives, with gradients of much smaller variance.

    Parameters
    ----------
    below : Tensor of shape (n_starts, n_samples, n_in)
        Activations of the layer below.
    layer : _GaussianLayer

    Returns
    -------
    Tensor of shape (n_starts, n_samples, n_out)
    """
    tf = load_tensorflow()
    centre = affine(below, layer.mean)
    variance = below**2 @ layer.scale.kernel**2 + layer.scale.bias[:, None] ** 2
    return centre + tf.sqrt(variance) * normal_noise(centre.shape, layer.seed)


def flipout(below: Any, layer: "_GaussianLayer") -> Any:
    """Return a layer's sums with one draw of the weights and signs of each cell (Wen et al. 2018, arXiv:1803.04386).

    Parameters and result are those of `locally_reparametrised`.
    """
    tf = load_tensorflow()

    def signs(shape: Any, seed: Any) -> Any:
        return tf.where(tf.random.stateless_uniform(shape, seed, alg=GENERATOR) < 0.5, -1.0, 1.0)

    seeds = tf.unstack(tf.random.experimental.stateless_split(layer.seed, 4))
    kernel = layer.scale.kernel * normal_noise(layer.scale.kernel.shape, seeds[0])
    bias = layer.scale.bias * normal_noise(layer.scale.bias.shape, seeds[1])
    centre = affine(below, layer.mean)
    turned = affine(below * signs(below.shape, seeds[2]), Layer(kernel, bias, layer.activation))
    return centre + turned * signs(centre.shape, seeds[3])


def normal_noise(shape: Any, seed: Any) -> Any:
    """Return standard normal numbers that depend on shape and seed alone.

    They are uniform numbers of `GENERATOR` taken through the inverse of the distribution function. On processors,
    training is faster with them than with those of ``tf.random.stateless_normal`` (`benchmarks/networks.py`).
    """
    tf = load_tensorflow()
    uniform = tf.random.stateless_uniform(shape, seed, minval=_ABOVE_MINUS_ONE, maxval=1.0, alg=GENERATOR)
    return math.sqrt(2.0) * tf.math.erfinv(uniform)


ESTIMATORS: dict[str, Callable[..., Any]] = {"local_reparametrisation": locally_reparametrised, "flipout": flipout}
"""Estimators of the expected log-likelihood by their name in the settings."""


def sampled_logits(
    posterior: Any, inputs: Any, layer_sizes: Sequence[int], seed: Any, *, estimator: str, activation: str
) -> Any:
    """Return logits whose mean over seeds of any loss estimates its expectation over the posterior.

    Parameters
    ----------
    posterior : tensorflow_probability.distributions.Normal
        Batch (n_starts, n_weights).
    inputs : Tensor of shape (n_starts, n_samples, n_features)
    layer_sizes : sequence of int
    seed : Tensor of shape (2,)
    estimator : str
        A name in `ESTIMATORS`.
    activation : str
        Of the hidden layers.

    Returns
    -------
    Tensor of shape (n_starts, n_samples, n_classes)
    """
    layers = _gaussian_layers(posterior, layer_sizes, activation, seed)
    *_, (_, logits) = forward(layers, inputs, xp=load_tensorflow(), affine=ESTIMATORS[estimator])
    return logits


class _GaussianLayer(NamedTuple):
    """Means and standard deviations of a layer's weights, and the seed of its noise."""

    mean: Layer
    scale: Layer
    seed: Any
    activation: Activation


def _gaussian_layers(posterior: Any, layer_sizes: Sequence[int], activation: str, seed: Any) -> list[_GaussianLayer]:
    tf = load_tensorflow()
    places = layer_places(layer_sizes)
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, len(places)))
    mean, scale = (
        dense_layers(
            [tf.reshape(part[:, place.kernel], (-1, place.n_in, place.n_out)) for place in places],
            [part[:, place.bias] for place in places],
            activation,
        )
        for part in (posterior.loc, posterior.scale)
    )
    return [_GaussianLayer(*parts, parts[0].activation) for parts in zip(mean, scale, seeds, strict=True)]
