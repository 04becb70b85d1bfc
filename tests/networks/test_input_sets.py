"""Further input sets: trained like the surface, scored beside it, better where the added feature tells the regime."""

import numpy as np
import pytest

from tests.made_input_sets import BOOSTING, TRAINING
from thor.core.errors import NetworkError
from thor.core.variables import FEATURES
from thor.networks.baselines import fit_baselines
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.input_sets import input_set_scores, train_input_set
from thor.networks.predictor import in_set, of_surface, set_of
from thor.networks.samples import samples_from
from thor.networks.split import ROLES
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.ocean.transport_features import TRANSPORT_FEATURE


def test_a_set_has_the_scaling_of_the_surface_and_one_more_feature(trained_set, with_transport, made_regimes):
    options, found = trained_set
    assert found.added == (TRANSPORT_FEATURE,)
    fold = found.scored
    assert fold.stack.features == (*FEATURES, TRANSPORT_FEATURE) == fold.baselines.boosting.features
    np.testing.assert_array_equal(fold.scaler.mean[:8], options["scaler"].mean)
    known = found.valid(with_transport)
    missing = (with_transport["valid"] == 1) & with_transport[TRANSPORT_FEATURE].isnull()
    assert int(missing.sum()) > 0
    assert not ((known["valid"] == 1) & missing).any()
    assert {fold.basin for fold in found.left_out} == set(options["splits"])
    assert found.has_inputs(with_transport) and not found.has_inputs(with_transport.drop_vars(TRANSPORT_FEATURE))
    # the final predictors are trained in the test region as well
    trained_on = [
        (each.samples(known, made_regimes).role == ROLES.index("train")).sum() for each in (fold, found.final)
    ]
    assert trained_on[0] < trained_on[1]
    assert not np.array_equal(fold.stack.kernels[0], found.final.stack.kernels[0])
    assert (fold.samples(known, made_regimes).role == ROLES.index("test")).any()


def test_scores_beside_those_of_the_surface(trained_set, with_transport, made_regimes):
    options, found = trained_set
    samples = samples_from(with_transport, made_regimes, options["split"])
    train, select = samples.with_role("train"), samples.with_role("select")
    scaler = options["scaler"]
    tables = [Table(scaler.transform(part.inputs), part.labels) for part in (train, select)]
    surface = train_stack(*tables, features=FEATURES, classes=samples.classes, settings=TRAINING, seed=0).stack
    baselines = fit_baselines(train, scaler, boosting=BOOSTING, seed=0)
    settings = BootstrapSettings(n_bootstrap=20)
    table = input_set_scores(
        {"transport": found}, surface, baselines, with_transport, made_regimes, settings=settings, seed=0
    )
    assert set(table) == {f"{name}_transport" for name in ("average", "ensemble", "gradient_boosting")}
    regions = table["average_transport"]
    assert {"train", "select", "test", "left_out_pacific_ocean"} <= set(regions)
    difference = regions["test"]["difference_to"]["average"]["accuracy"]
    assert 0 < difference["low"] < difference["difference"] < difference["high"]
    known = found.valid(with_transport)["valid"].values == 1
    tested = (options["split"]["role"].values == 2) & (made_regimes["regime"].values >= 0)
    assert regions["test"]["n_cells"] == (known & tested).sum() < tested.sum()


def test_a_set_that_the_training_ocean_lacks_is_an_error(trained_set, made_features, made_regimes):
    options, _ = trained_set
    with pytest.raises(NetworkError, match=r"no features of the input set 'transport' \(transport_planetary_advection"):
        train_input_set("transport", made_features, made_regimes, **options)


def test_names_of_predictors_by_set():
    assert in_set("average", "surface") == "average"
    assert set_of(in_set("gradient_boosting", "transport")) == ("gradient_boosting", "transport")
    assert set_of("bayesian") == ("bayesian", "surface")
    assert of_surface({"average": 1, "average_transport": 2}) == {"average": 1}
