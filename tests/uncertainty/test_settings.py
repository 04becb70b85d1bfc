import pytest

from thor.core.errors import ConfigError
from thor.uncertainty.settings import ApplicabilitySettings, BayesianSettings, LaplaceSettings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: BayesianSettings(estimator="flipuot"),
            "'estimator' must be .*; got 'flipuot'. Did you mean 'flipout'",
        ),
        (lambda: BayesianSettings(schedule="step"), "'schedule' must be 'cosine' or 'plateau'; got 'step'"),
        (lambda: BayesianSettings(drawn_from="best"), "'drawn_from' must be 'mixture' or 'best_start'; got 'best'"),
        (lambda: BayesianSettings(n_starts=0), "'n_starts' must be a whole number >= 1; got 0"),
        (lambda: BayesianSettings(patience=0), "'patience' must be a whole number >= 1"),
        (lambda: BayesianSettings(hidden=(24, 0)), "'hidden.1' must be a whole number >= 1; got 0"),
        (lambda: BayesianSettings(kl_weight=0.0), "'kl_weight' must be a number > 0"),
        (lambda: BayesianSettings(learning_rate=float("inf")), "'learning_rate' must be a number > 0; got inf"),
        (lambda: BayesianSettings(plateau_factor=1.0), "'plateau_factor' must be a number > 0 and < 1; got 1.0"),
        (
            lambda: BayesianSettings(warmup_epochs=60, epochs=60),
            r"'warmup_epochs' \(60\) must be less than 'epochs' \(60\)",
        ),
        (
            lambda: LaplaceSettings(structure="last_layers"),
            "'structure' must be .*; got 'last_layers'. Did you mean 'last_layer'",
        ),
        (
            lambda: LaplaceSettings(prior_precision="evidence"),
            "'prior_precision' must be a number > 0 or 'select' or 'marginal_likelihood'; got 'evid",
        ),
        (lambda: LaplaceSettings(prior_precision=-1.0), "'prior_precision' must be a number > 0 .*; got -1"),
        (lambda: LaplaceSettings(candidates=()), "'candidates' must be a list that is not empty"),
        (lambda: LaplaceSettings(candidates=(1.0, 0.0)), "'candidates.1' must be a number > 0"),
        (lambda: ApplicabilitySettings(n_reference=1), "'n_reference' must be a whole number >= 2"),
        (lambda: ApplicabilitySettings(n_permutations=0), "'n_permutations' must be a whole number >= 1"),
    ],
)
def test_settings_refuse_what_they_cannot_use(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
