import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from thor.core.errors import NetworkError
from thor.networks.stack import NetworkStack, concatenate, logits


def make_stack(n_networks=3, sizes=(2, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    return NetworkStack(
        tuple(rng.normal(size=(n_networks, *pair)).astype("float32") for pair in pairs),
        tuple(rng.normal(size=(n_networks, pair[1])).astype("float32") for pair in pairs),
        features=tuple(f"feature_{k}" for k in range(sizes[0])),
        classes=tuple(f"regime_{k}" for k in range(sizes[-1])),
    )


def test_sizes():
    stack = make_stack(sizes=(8, 24, 24, 16, 16, 6))
    assert stack.layer_sizes == (8, 24, 24, 16, 16, 6)
    assert stack.n_weights == 1590
    assert stack.n_networks == 3


def test_logits_equal_values_calculated_by_hand():
    stack = NetworkStack(
        (np.float32([[[2.0]]]), np.float32([[[3.0, -1.0]]])),
        (np.float32([[0.5]]), np.float32([[0.0, 1.0]])),
        ("x",),
        ("a", "b"),
    )
    hidden = np.tanh(2.0 * 0.25 + 0.5)
    np.testing.assert_allclose(logits(stack, np.float32([[0.25]]))[0, 0], [3 * hidden, 1 - hidden], rtol=1e-6)


def test_select_and_concatenate_are_inverse():
    stack, inputs = make_stack(), np.float32([[0.1, -0.2], [1.0, 2.0]])
    again = concatenate([stack.select([2]), stack.select(slice(0, 2))])
    np.testing.assert_array_equal(logits(again, inputs), logits(stack, inputs)[[2, 0, 1]])


def test_only_like_networks_make_one_stack():
    with pytest.raises(NetworkError, match="same features, classes and layers"):
        concatenate([make_stack(), make_stack(sizes=(2, 5, 3))])
    with pytest.raises(NetworkError, match="no networks"):
        concatenate([])


def test_a_stack_comes_back_from_its_folder_bit_for_bit(tmp_path):
    stack = make_stack()
    for folder in ("a", "b"):
        stack.save(tmp_path / folder)
    again = NetworkStack.load(tmp_path / "a")
    for before, after in zip((*stack.kernels, *stack.biases), (*again.kernels, *again.biases), strict=True):
        np.testing.assert_array_equal(before, after)
    assert (again.features, again.classes) == (stack.features, stack.classes)
    for file in ("weights.npz", "architecture.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def edit(**changes):
    def spoil(folder):
        path = folder / "architecture.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def rewrite(change):
    def spoil(folder):
        with np.load(folder / "weights.npz") as archive:
            arrays = dict(archive)
        np.savez(folder / "weights.npz", **change(arrays))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "weights.npz").unlink(), "weights.npz is missing"),
        (lambda folder: (folder / "architecture.json").unlink(), "architecture.json is missing"),
        (lambda folder: (folder / "weights.npz").write_bytes(b"PK no archive"), "weights.npz cannot be read"),
        (lambda folder: (folder / "architecture.json").write_text("{"), "architecture.json cannot be read"),
        (rewrite(lambda arrays: {k: v for k, v in arrays.items() if k != "bias_1"}), r"missing \['bias_1'\]"),
        (rewrite(lambda arrays: arrays | {"kernel_0": arrays["kernel_0"][:, :, :3]}), "do not fit"),
        (rewrite(lambda arrays: arrays | {"kernel_0": arrays["kernel_0"].astype(float)}), "should be float32"),
        (rewrite(lambda arrays: arrays | {"bias_1": arrays["bias_1"] + 1}), "checksum differs"),
        (rewrite(lambda arrays: arrays | {"bias_1": arrays["bias_1"] * np.float32(np.nan)}), "not finite"),
        (edit(features=["feature_1", "feature_0"]), "checksum differs"),
        (edit(classes=["regime_0", "regime_1"]), "do not fit"),
        (edit(activation="rely"), "no activation 'rely'. Did you mean 'relu'"),
        (edit(n_networks=4), "checksum differs"),
        (edit(layer_sizes="2, 4, 3"), "layer_sizes \\(list\\)"),
        (edit(note="hello"), "nothing else"),
    ],
)
def test_a_spoilt_folder_is_refused(tmp_path, spoil, message):
    make_stack().save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(NetworkError, match=message):
        NetworkStack.load(tmp_path)


def test_inputs_and_weights_that_do_not_fit():
    with pytest.raises(NetworkError, match=r"shape \(n_samples, 2\); got \(5, 3\)"):
        logits(make_stack(), np.zeros((5, 3), "float32"))
    with pytest.raises(NetworkError, match="a kernel and a bias for each layer"):
        replace(make_stack(), biases=())
