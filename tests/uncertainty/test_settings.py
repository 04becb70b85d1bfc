import pytest

from thor.core.errors import ConfigError
from thor.uncertainty.settings import ApplicabilitySettings, BayesianSettings, LaplaceSettings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BayesianSettings(estimator="flipuot"), "'estimator' cannot be 'flipuot'. Did you mean 'flipout'"),
        (lambda: BayesianSettings(schedule="step"), "Valid are: cosine, plateau"),
        (lambda: BayesianSettings(drawn_from="best"), "'drawn_from' cannot be 'best'"),
        (lambda: BayesianSettings(n_starts=0), "'n_starts' must be at least 1, got 0"),
        (lambda: BayesianSettings(patience=0), "'patience' must be at least 1"),
        (lambda: BayesianSettings(hidden=(24, 0)), "'hidden' must be at least 1"),
        (lambda: BayesianSettings(kl_weight=0.0), "'kl_weight' must be a positive number"),
        (lambda: BayesianSettings(learning_rate=float("inf")), "'learning_rate' must be a positive number"),
        (lambda: BayesianSettings(plateau_factor=1.0), "'plateau_factor' must lie between 0 and 1"),
        (lambda: BayesianSettings(warmup_epochs=60), r"'warmup_epochs' \(60\) must be less than 'epochs' \(60\)"),
        (
            lambda: LaplaceSettings(structure="last_layers"),
            "'structure' cannot be 'last_layers'. Did you mean 'last_layer'",
        ),
        (lambda: LaplaceSettings(prior_precision="evidence"), "'prior_precision' cannot be 'evidence'"),
        (lambda: LaplaceSettings(prior_precision=-1.0), "'prior_precision' must be a positive number, got -1"),
        (lambda: LaplaceSettings(candidates=()), "'candidates' holds no prior precision"),
        (lambda: LaplaceSettings(candidates=(1.0, 0.0)), "'candidates' must be a positive number"),
        (lambda: ApplicabilitySettings(n_reference=1), "'n_reference' must be at least 2"),
        (lambda: ApplicabilitySettings(n_permutations=0), "'n_permutations' must be at least 1"),
    ],
)
def test_settings_refuse_what_they_cannot_use(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
