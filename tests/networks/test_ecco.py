"""Networks on real cells: trained outside the Atlantic band and tested in it, in comparison with the published ones."""

import numpy as np
import pytest

from thor.app.configuration import default_configuration
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.fields import published_probabilities, published_scaling
from thor.networks.inputs import input_names
from thor.networks.prediction import predict
from thor.networks.published import published_networks, published_scaler
from thor.networks.samples import Samples, samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.networks.skill import skill_table
from thor.networks.split import make_split
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.uncertainty.calibration import calibration_metrics

SHORT = TrainingSettings(n_networks=16, batch_size=256, epochs=25)
"""A third of the networks and less than half of the epochs of a real run, in larger batches."""


@pytest.fixture(scope="module")
def samples(ecco_features, ecco_regimes) -> Samples:
    split = make_split(ecco_features, ecco_regimes, SplitSettings(reflect=False, rescale=False))
    return samples_from(ecco_features, ecco_regimes, split)


@pytest.fixture(scope="module")
def trained(samples):
    train, select = samples.with_role("train"), samples.with_role("select")
    scaler = FeatureScaler.fit(train)
    tables = [Table(scaler.transform(part.inputs), part.labels) for part in (train, select)]
    names = {"features": samples.features, "classes": samples.classes}
    return train_stack(*tables, **names, settings=SHORT, seed=0, progress=False).stack, scaler


@pytest.fixture(scope="module")
def probabilities(samples, trained, ecco_features, data_mirror):
    stack, scaler = trained
    test = samples.with_role("test")
    published = published_networks(list((data_mirror / "published_networks").glob("*.h5")))
    inputs = scaler.transform(test.inputs)
    return {
        "ensemble": predict(stack, inputs).mean,
        "published_networks": published_probabilities(published, test, published_scaling(ecco_features)),
    }


def test_the_ensemble_is_as_good_as_the_published_networks_though_it_never_saw_the_atlantic(samples, probabilities):
    test = samples.with_role("test")
    everywhere = {"test": np.ones(len(test), dtype=bool)}
    settings = BootstrapSettings(n_bootstrap=300)
    table = skill_table(probabilities, test, regions=everywhere, correlations={}, settings=settings, seed=0)
    ours = table["ensemble"]["test"]
    assert ours["n_cells"] == 40_328
    # A full run has 0.854, the published networks 0.850.
    assert ours["accuracy"] >= 0.845
    assert ours["negative_log_likelihood"] <= 0.375
    assert ours["negative_log_likelihood"] <= table["published_networks"]["test"]["negative_log_likelihood"]
    assert ours["difference_to"]["published_networks"]["accuracy"]["high"] >= 0


def test_its_probabilities_are_calibrated_and_its_entropy_finds_the_mistakes(samples, probabilities):
    test = samples.with_role("test")
    found = {name: calibration_metrics(p, test.labels, classes=test.classes) for name, p in probabilities.items()}
    # at temperature 1, which left-out basins do not improve
    assert found["ensemble"]["expected_calibration_error"] <= 0.02
    auroc = {name: of["uncertainties"]["entropy"]["auroc"] for name, of in found.items()}
    assert auroc["published_networks"] == pytest.approx(0.801, abs=1e-3)
    assert auroc["ensemble"] > auroc["published_networks"]


def test_the_networks_of_the_environment_have_the_inputs_of_the_study(ecco_features):
    """So that the options of "As published" give the published numbers; boosting may have others."""
    parameters = default_configuration("ecco")["parameters"]
    for group in ("modelling", "cross_validation"):
        assert input_names(ecco_features, parameters[group]["features"]) == published_scaler().features
        assert set(parameters[group]["boosting"]["features"]) > {"geostrophic", "around zos"}
    assert parameters["modelling"]["boosting"] == parameters["cross_validation"]["boosting"]
    assert parameters["data_engineering"]["neighbourhood_statistics"] == ["mean"]
