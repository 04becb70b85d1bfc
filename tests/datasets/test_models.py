"""A model is loaded as it was saved, or refused."""

import pickle

import numpy as np
import pytest
from kedro.io import DatasetError
from sklearn.cluster import KMeans

from thor.datasets import ModelDataset, models


@pytest.fixture
def dataset(tmp_path):
    return ModelDataset(filepath=str(tmp_path / "models" / "model.pkl"))


def fit():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return KMeans(n_clusters=3, n_init=2, random_state=0).fit(X)


def test_a_model_comes_back_and_its_bytes_repeat(dataset, tmp_path):
    dataset.save(fit())
    first = (tmp_path / "models/model.pkl").read_bytes()
    np.testing.assert_array_equal(dataset.load().cluster_centers_, fit().cluster_centers_)
    dataset.save(fit())
    assert (tmp_path / "models/model.pkl").read_bytes() == first


def test_a_damaged_model_is_refused(dataset, tmp_path):
    dataset.save(fit())
    file = tmp_path / "models/model.pkl"
    content = bytearray(file.read_bytes())
    file.write_bytes(content[:-10])
    with pytest.raises(DatasetError, match="is damaged: its checksum differs"):
        dataset.load()
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged: its checksum differs"):
        dataset.load()
    file.write_bytes(content[:40])
    with pytest.raises(DatasetError, match="is damaged: its header"):
        dataset.load()


def test_somebody_elses_pickle_is_never_opened(dataset, tmp_path):
    class Trap:  # a hostile pickle
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    (tmp_path / "models").mkdir()
    (tmp_path / "models/model.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DatasetError, match="was not written by THOR and is not unpickled"):
        dataset.load()
    assert not (tmp_path / "sprung").exists()


def test_another_version_of_scikit_learn_is_refused(dataset, monkeypatch):
    dataset.save(fit())
    real = models.version
    monkeypatch.setattr(models, "version", lambda package: "0.24.2" if package == "scikit-learn" else real(package))
    with pytest.raises(DatasetError, match=r"was written with scikit-learn .*; this is scikit-learn 0.24.2"):
        dataset.load()


def test_a_missing_class_is_named(dataset, monkeypatch):
    dataset.save(fit())
    monkeypatch.delattr("sklearn.cluster._kmeans.KMeans")
    with pytest.raises(DatasetError, match="needs a class this version of THOR lacks"):
        dataset.load()


def test_what_cannot_be_pickled_is_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="cannot be kept"):
        dataset.save(lambda: 1)
    assert not (tmp_path / "models").exists()
