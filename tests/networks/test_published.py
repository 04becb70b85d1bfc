"""The published networks on the real cells: with the data of the published study."""

import shutil

import numpy as np
import pytest

from thor.core.errors import NetworkError
from thor.networks.prediction import member_probabilities, predict
from thor.networks.published import published_networks, published_scaler
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings
from thor.networks.split import ROLES, make_split


@pytest.fixture(scope="module")
def files(data_mirror):
    return list((data_mirror / "published_networks").glob("*.h5"))


@pytest.fixture(scope="module")
def networks(files):
    return published_networks(files)


@pytest.fixture(scope="module")
def samples(ecco_features, ecco_regimes):
    published = make_split(ecco_features, ecco_regimes, SplitSettings(mode="published"))
    return samples_from(ecco_features, ecco_regimes, published)


@pytest.fixture(scope="module")
def inputs(samples, ecco_ocean):
    """Scaled inputs with sea level put back on the datum of the study, on which the networks were trained."""
    table = samples.inputs.copy()
    table[:, samples.features.index("zos")] += ecco_ocean["zos"].attrs["removed_mean"]
    return published_scaler().transform(table)


def calibration_error(probability, right, n_bins=15):
    confidence = probability.max(axis=1)
    bins = np.digitize(confidence, np.arange(1, n_bins) / n_bins)
    gaps = [(right[bins == k].mean() - confidence[bins == k].mean()) * (bins == k).sum() for k in np.unique(bins)]
    return np.abs(gaps).sum() / len(right)


def test_fifty_networks_of_the_published_architecture(networks):
    assert networks.n_networks == 50
    assert networks.layer_sizes == (8, 24, 24, 16, 16, 6)


def test_order_is_by_number_whatever_the_order_of_the_files(files, networks):
    by_number = published_networks(sorted(files, reverse=True)[:12])
    numbers = sorted(int(path.stem.split("_")[1]) for path in sorted(files, reverse=True)[:12])
    np.testing.assert_array_equal(by_number.kernels[3], networks.kernels[3][numbers])


def test_published_scores_on_the_atlantic(networks, inputs, samples):
    atlantic = samples.role == ROLES.index("test")
    assert atlantic.sum() == 40_328
    probability, labels = predict(networks, inputs[atlantic]).mean, samples.labels[atlantic]
    right = probability.argmax(axis=1) == labels
    assert right.mean() == pytest.approx(0.8495, abs=5e-4)
    assert -np.log(probability[np.arange(len(labels)), labels]).mean() == pytest.approx(0.371, abs=1e-3)
    assert calibration_error(probability, right) == pytest.approx(0.012, abs=1e-3)
    members = (member_probabilities(networks, inputs[atlantic]).argmax(axis=-1) == labels).mean(axis=1)
    assert members.min() == pytest.approx(0.818, abs=1e-3)
    assert members.max() == pytest.approx(0.852, abs=1e-3)


def test_published_score_on_all_cells(networks, inputs, samples):
    assert len(samples) == 149_587
    right = predict(networks, inputs).mean.argmax(axis=1) == samples.labels
    assert right.mean() == pytest.approx(0.9028, abs=2e-4)


def test_our_scaler_is_the_published_one_but_for_sea_level(samples):
    train = samples.with_role("train")
    assert len(train) == 109_259
    ours, published = FeatureScaler.fit(train), published_scaler()
    for column, name in enumerate(ours.features):
        if not name.startswith("zos"):
            assert ours.mean[column] == pytest.approx(published.mean[column], rel=1e-6)
            assert ours.scale[column] == pytest.approx(published.scale[column], rel=1e-6)


def test_files_that_are_no_networks(tmp_path, files):
    with pytest.raises(NetworkError, match="no files of published networks"):
        published_networks([])
    broken = tmp_path / "vanillamodel_0.h5"
    broken.write_bytes(b"no network")
    with pytest.raises(NetworkError, match="vanillamodel_0.h5 is no Keras HDF5 file"):
        published_networks([broken])


def test_a_network_of_other_layers(tmp_path, files):
    h5py = pytest.importorskip("h5py")
    other = tmp_path / "vanillamodel_7.h5"
    shutil.copyfile(files[0], other)
    other.chmod(0o644)
    with h5py.File(other, "a") as file:
        group = file["model_weights"]
        first = next(name for name in group if len(group[name]))
        del group[first]
    with pytest.raises(NetworkError, match="vanillamodel_7.h5 is no network"):
        published_networks([other])
