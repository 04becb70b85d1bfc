import pickle

import numpy as np
import pytest

from thor.core.errors import NetworkError
from thor.networks.baselines import BASELINES, TREE_LEAVES, fit_baselines
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings, SplitSettings
from thor.networks.split import basin_folds, make_split


@pytest.fixture(scope="module")
def baselines(made_samples):
    return fitted_on(made_samples.with_role("train"))


def fitted_on(samples, **options):
    return fit_baselines(samples, FeatureScaler.fit(samples), boosting=BoostingSettings(), seed=0, **options)


def accuracy(baselines, name, samples):
    return (baselines.predict_proba(name, samples.inputs).argmax(axis=1) == samples.labels).mean()


def test_majority_gives_the_shares_of_the_classes(baselines, made_samples):
    train, test = made_samples.with_role("train"), made_samples.with_role("test")
    shares = np.bincount(train.labels, minlength=6) / len(train)
    np.testing.assert_allclose(baselines.predict_proba("majority", test.inputs), np.tile(shares, (len(test), 1)))


def test_the_tree_sees_the_stress_curl_alone(baselines, made_samples):
    test = made_samples.with_role("test")
    other = test.inputs.copy()
    other[:, 1:] = 0
    tree = baselines.models["stress_curl_tree"]
    assert 2 <= tree.get_n_leaves() <= TREE_LEAVES
    np.testing.assert_array_equal(
        baselines.predict_proba("stress_curl_tree", other), baselines.predict_proba("stress_curl_tree", test.inputs)
    )


def test_more_features_make_a_baseline_better(baselines, made_samples):
    test = made_samples.with_role("test")
    scores = [accuracy(baselines, name, test) for name in BASELINES]
    assert scores[0] + 0.2 < scores[1] < scores[2] - 0.02
    assert scores[2] > 0.95


def test_an_untrained_class_has_probability_zero(made_samples):
    train = made_samples.with_role("train")
    fitted = fitted_on(train.take(train.labels != 4).with_similar(()))
    for name in BASELINES:
        probability = fitted.predict_proba(name, made_samples.inputs)
        assert not probability[:, 4].any()
        np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_the_same_seed_gives_the_same_bits_and_pickles(made_samples, baselines):
    again = fitted_on(made_samples.with_role("train"))
    kept = pickle.loads(pickle.dumps(again))
    for name in BASELINES:
        expected = baselines.predict_proba(name, made_samples.inputs)
        np.testing.assert_array_equal(kept.predict_proba(name, made_samples.inputs), expected)


def test_unknown_baselines_and_other_features(baselines, made_samples):
    with pytest.raises(NetworkError, match="no baseline 'boosting'"):
        baselines.predict_proba("boosting", made_samples.inputs)
    with pytest.raises(NetworkError, match=r"shape \(n, 8\)"):
        baselines.predict_proba("majority", made_samples.inputs[:, :3])


def test_known_scores_on_the_atlantic(ecco_features, ecco_regimes):
    published = make_split(ecco_features, ecco_regimes, SplitSettings(mode="published"))
    samples = samples_from(ecco_features, ecco_regimes, published)
    fitted = fitted_on(samples.with_role("train"))
    scores = {name: accuracy(fitted, name, samples.with_role("test")) for name in BASELINES}
    assert scores["majority"] == pytest.approx(0.254, abs=1e-3)
    assert scores["stress_curl_tree"] == pytest.approx(0.786, abs=5e-3)
    assert scores["gradient_boosting"] == pytest.approx(0.860, abs=1e-2)


def test_a_class_of_few_samples_does_not_diverge(ecco_features, ecco_regimes):
    """Without the Southern Ocean 31 cells of its regime remain, fewer than a leaf needs: a case that diverged."""
    features, regimes = (
        fields.isel(lat=slice(1, None, 2), lon=slice(1, None, 2)) for fields in (ecco_features, ecco_regimes)
    )
    settings = SplitSettings(reflect=False, rescale=False)
    split = basin_folds(features, regimes, settings, basins=["southern_ocean"], without_test=True)
    samples = samples_from(features, regimes, split["southern_ocean"])
    train, test = samples.with_role("train"), samples.with_role("test")
    assert np.bincount(train.labels).min() < BoostingSettings().min_samples_leaf
    found = fitted_on(train).predict_proba("gradient_boosting", test.inputs)
    assert -np.log(np.maximum(found[np.arange(len(test)), test.labels], 1e-30)).mean() < 1
    assert (found.argmax(axis=1) == test.labels).mean() > 0.65
