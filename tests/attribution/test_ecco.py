"""The published networks explained on the real cells, with the rule and data of the published study."""

import numpy as np
import pytest

from thor.attribution.attributions import attribute
from thor.attribution.methods.lime import Lime, LimeSettings
from thor.attribution.methods.relevance import RelevancePropagation, RelevanceSettings
from thor.attribution.methods.shapley_values import ShapleySettings, ShapleyValues, shap_explanation
from thor.attribution.targets import explained_regime
from thor.core.variables import FEATURES
from thor.networks.published import published_networks, published_scaler
from thor.networks.samples import samples_from
from thor.networks.settings import SplitSettings
from thor.networks.split import make_split

FEW = 300


@pytest.fixture(scope="module")
def networks(data_mirror):
    return published_networks(list((data_mirror / "published_networks").glob("*.h5")))


@pytest.fixture(scope="module")
def cells(ecco_features, ecco_regimes, ecco_ocean, networks):
    """Scaled inputs of Atlantic cells (sea level on the datum of the study), and rows of those that train."""
    split = make_split(ecco_features, ecco_regimes, SplitSettings(mode="published"))
    samples = samples_from(ecco_features, ecco_regimes, split)
    random = np.random.default_rng(0)

    def drawn(role, n):
        chosen = samples.with_role(role)
        table = chosen.inputs[random.choice(len(chosen), n, replace=False)].copy()
        table[:, FEATURES.index("zos")] += ecco_ocean["zos"].attrs["removed_mean"]
        return published_scaler().transform(table)

    return drawn("test", 2_000), drawn("train", 500)


def test_published_relevance_is_conserved_only_with_the_bias_share(networks, cells):
    inputs, _ = cells
    method = RelevancePropagation(RelevanceSettings(rule="epsilon", epsilon=1e-7, biases=True), "logit")
    blocks = list(method.explain(networks, inputs, explained_regime(networks, inputs)))
    target = np.concatenate([block.shares["target"] for block in blocks], axis=1)
    relevance = np.concatenate([block.values for block in blocks], axis=1).sum(axis=2)
    remainder = np.concatenate([block.shares["remainder"] for block in blocks], axis=1)
    size = np.abs(target)
    assert np.median(np.abs(remainder) / size) < 1e-6
    # Without the shares of biases the relevances miss the logit by more than the logit itself.
    assert 1.0 < np.median(np.abs(target - relevance) / size) < 1.6


def test_sampled_values_of_all_networks_are_the_exact_ones_within_their_error(networks, cells):
    inputs, reference = (rows[:FEW] for rows in cells)
    regime = explained_regime(networks, inputs)
    exact, sampled = (
        attribute(ShapleyValues(reference=reference, settings=settings, seed=1), networks, inputs[:20], regime[:20])
        for settings in (ShapleySettings(method="exact"), ShapleySettings(max_pairs=12))
    )
    away = (sampled.mean - exact.mean) / sampled.standard_error
    assert exact.largest_remainder < 1e-4
    assert sampled.largest_remainder < 1e-4
    assert 0.6 < np.sqrt((away**2).mean()) < 1.4
    error = np.sqrt(((sampled.mean - exact.mean) ** 2).mean() / (exact.mean**2).mean())
    assert error < 0.05


def test_stress_curl_has_the_largest_attribution_by_every_method(networks, cells):
    inputs, reference = cells
    inputs = inputs[:FEW]
    regime = explained_regime(networks, inputs)
    methods = {
        "shapley_values": ShapleyValues(reference=reference, settings=ShapleySettings(max_pairs=4)),
        "lime_weights": Lime(reference=reference, settings=LimeSettings(n_samples=2_000)),
        "relevance": RelevancePropagation(RelevanceSettings()),
    }
    for name, method in methods.items():
        size = np.abs(attribute(method, networks, inputs, regime, progress=False).mean).mean(axis=0)
        assert FEATURES[int(size.argmax())] == "wind_stress_curl", name


def test_one_network_is_explained_as_shap_explains_it(networks, cells):
    import shap

    from thor.attribution.target_networks import TargetNetworks

    inputs, reference = cells[0][:3], cells[1][:60]
    one = networks.select([7])
    regime = explained_regime(networks, inputs)
    ours = shap_explanation(
        ShapleyValues(reference=reference, settings=ShapleySettings(method="exact"), precision="double"),
        one,
        inputs,
        regime,
        network=0,
    )
    forward = TargetNetworks(one, "centred_logit", np.float64)
    for cell, k in enumerate(regime):
        explainer = shap.Explainer(
            lambda rows, k=k: forward.of_inputs(rows, np.full(len(rows), k))[0],
            shap.maskers.Independent(reference.astype(float), max_samples=len(reference)),
            algorithm="exact",
        )
        theirs = explainer(inputs[cell : cell + 1].astype(float))
        np.testing.assert_allclose(ours.values[cell], theirs.values[0], atol=1e-6)
