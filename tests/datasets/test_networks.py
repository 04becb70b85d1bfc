"""Networks as a folder: loaded as they were saved, and kept when a save fails."""

import json

import numpy as np
import pytest
from kedro.io import DatasetError

from thor.core.errors import ConfigError
from thor.datasets import NetworkDataset
from thor.networks.stack import ARCHITECTURE_FILE, NetworkStack


def stack(seed=0, n_networks=3):
    rng = np.random.default_rng(seed)
    sizes = ((2, 4), (4, 3))
    kernels = tuple(rng.normal(size=(n_networks, *size)).astype("float32") for size in sizes)
    biases = tuple(rng.normal(size=(n_networks, size[1])).astype("float32") for size in sizes)
    return NetworkStack(kernels, biases, features=("zos", "deptho"), classes=("A", "B", "C"))


@pytest.fixture
def dataset(tmp_path):
    return NetworkDataset(filepath=str(tmp_path / "06_models" / "ensemble"))


def test_networks_come_back_as_they_went_in(dataset):
    assert not dataset.exists()
    dataset.save(stack())
    assert dataset.exists()
    loaded = dataset.load()
    for kept, given in zip(loaded.kernels + loaded.biases, stack().kernels + stack().biases, strict=True):
        np.testing.assert_array_equal(kept, given)
    assert loaded.classes == ("A", "B", "C")


def test_a_new_stack_replaces_the_old_one_as_a_whole(dataset, tmp_path):
    dataset.save(stack())
    dataset.save(stack(seed=1, n_networks=5))
    assert dataset.load().n_networks == 5
    assert [path.name for path in (tmp_path / "06_models").iterdir()] == ["ensemble"]


def test_a_save_that_fails_leaves_the_old_networks(dataset, tmp_path):
    dataset.save(stack())

    class Broken:
        def save(self, folder):
            (folder / "weights.npz").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.save(Broken())
    assert dataset.load().n_networks == 3
    assert [path.name for path in (tmp_path / "06_models").iterdir()] == ["ensemble"]


def test_edited_architecture_and_missing_folders_are_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        dataset.load()
    dataset.save(stack())
    file = tmp_path / "06_models" / "ensemble" / ARCHITECTURE_FILE
    description = json.loads(file.read_text())
    file.write_text(json.dumps(description | {"features": ["deptho", "zos"]}))
    with pytest.raises(DatasetError, match="changed by hand"):
        dataset.load()


def test_an_unknown_kind_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'bayesian'"):
        NetworkDataset(filepath=str(tmp_path), kind="bayesan")
