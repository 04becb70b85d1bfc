from itertools import pairwise

import numpy as np
import pytest

from thor.networks.network import ACTIVATIONS, Activation, backward, dense_layers, forward, outputs
from thor.networks.tensorflow import load_tensorflow

SIZES = (3, 5, 4, 2)


def make_layers(activation="tanh", dtype=np.float64, n_networks=2):
    rng = np.random.default_rng(0)
    kernels = [rng.standard_normal((n_networks, *pair)) for pair in pairwise(SIZES)]
    biases = [rng.standard_normal((n_networks, size)) for size in SIZES[1:]]
    return dense_layers(kernels, biases, activation, dtype=dtype)


def make_inputs(n=4):
    return np.random.default_rng(1).standard_normal((n, SIZES[0]))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_those_of_the_functions(name):
    activation, step = ACTIVATIONS[name], 1e-6
    sums = np.linspace(-3, 3, 40)
    expected = (activation(sums + step) - activation(sums - step)) / (2 * step)
    assert activation.derivative(sums, activation(sums)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensorflow_and_numpy_agree(name, dtype):
    tf = load_tensorflow()
    layers, inputs = make_layers(name, dtype), make_inputs().astype(dtype)
    of_tensors = [layer._replace(bias=tf.constant(layer.bias)) for layer in layers]
    *_, (_, found) = forward(of_tensors, tf.constant(inputs), xp=tf)
    expected = outputs(layers, inputs)
    assert expected.dtype == dtype
    assert found.numpy() == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_one_layer_is_linear_and_no_layer_changes_nothing():
    (layer,) = dense_layers([np.array([[2.0]])], [np.array([1.0])], "tanh")
    inputs = np.array([[3.0], [4.0]])
    assert outputs([layer], inputs).tolist() == [[7.0], [9.0]]
    assert outputs([], inputs) is inputs


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(500, 3), (2, 500, 3)])
def test_outputs_are_the_last_activations_of_the_forward_pass(name, dtype, shape):
    layers, inputs = make_layers(name, dtype), np.random.default_rng(1).standard_normal(shape).astype(dtype)
    *_, (_, expected) = forward(layers, inputs)
    found = outputs(layers, inputs)
    assert found.dtype == dtype and found.flags.c_contiguous
    # Products of matrices add up in another order on some processors.
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_no_product_has_two_transposed_factors(monkeypatch):
    """OpenBLAS 0.3.31 gives wrong numbers for those, or none, when several threads compute them at a time."""
    transposed, matmul = [], np.matmul

    def noting(*factors, **options):
        transposed.append([factor.strides[-1] != factor.itemsize for factor in factors])
        return matmul(*factors, **options)

    monkeypatch.setattr(np, "matmul", noting)
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, *sizes)).astype("float32") for sizes in pairwise((4, 6, 6, 2))]
    biases = [rng.normal(size=(3, kernel.shape[-1])).astype("float32") for kernel in kernels]
    outputs(dense_layers(kernels, biases, "tanh"), rng.normal(size=(3, 5, 4)).astype("float32"))
    assert len(transposed) == 3 and not any(map(all, transposed))


def test_the_rest_of_the_layers_gives_the_same_outputs():
    layers, inputs = make_layers(), make_inputs()
    _, first = next(forward(layers, inputs))
    assert outputs(layers[1:], first) == pytest.approx(outputs(layers, inputs), rel=1e-12)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "cubic"])
def test_gradients_are_those_of_the_outputs(name, monkeypatch):
    cubic = Activation(lambda xp, x, **out: xp.add(x, 0.1 * xp.pow(x, 3), **out), lambda x, _: 1 + 0.3 * x**2)
    monkeypatch.setitem(ACTIVATIONS, "cubic", cubic)
    layers, inputs, step = make_layers(name), make_inputs(), 1e-6
    passed = list(forward(layers, inputs))
    first = np.broadcast_to([1.0, 0.0], passed[-1][1].shape)
    *of_sums, of_inputs = backward(layers, passed, first)
    for feature in range(SIZES[0]):
        change = step * np.eye(SIZES[0])[feature]
        expected = (outputs(layers, inputs + change) - outputs(layers, inputs - change))[..., 0] / (2 * step)
        assert of_inputs[..., feature] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert [gradient.shape[-1] for gradient in of_sums] == [2, 4, 5]
    # A bias adds to a sum: the gradient of the last layer's sums is that of the outputs.
    assert np.array_equal(of_sums[0], first)
