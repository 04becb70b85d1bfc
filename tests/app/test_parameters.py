"""Parameters that contradict one another, or that a pipeline cannot use, fail before any node runs."""

import pytest

from thor.app.parameters import MODELS
from thor.core.errors import ConfigError
from thor.core.settings import validate

SHARED = {
    "data_engineering": {"archive": {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}},
    "idealized_ocean": {"seed": 1, "archive_root": None},
}


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        ("regime_clustering", {"runs": {"n_regimes": 12}}, r"selection.n_clusters .* runs.n_regimes \(12\).*; got 10"),
        ("regime_clustering", {"selection": {"mixture_sample": 9}}, r"mixture_sample \(9\) must be at least .* \(50\)"),
        ("explainability", {"target": "probability"}, "'explainability.target' must be 'centred_logit' or 'logit'"),
        ("explainability", {"reference": {"window": "1995-2014"}}, "source 'training' has no windows; got '1995-2014'"),
        ("explainability", {"reference": {"n_rows": 1}}, "'explainability.reference.n_rows' must be .* >= 2; got 1"),
        ("explainability", {"truth": {"n_rows": 1}}, "'explainability.truth.n_rows' must be .* >= 2; got 1"),
        ("cross_validation", {"training": {"member_labels": "votes"}}, "member_labels must be 'consensus'"),
        ("network_search", {"training": {"epochs": 100}}, "no parameter 'network_search.training.epochs'"),
        ("modelling", {"split": {"test_regions": [{"name": "a: b", "west": 0, "east": 9}]}}, "without colon or semic"),
        ("data_engineering", {"neighbourhood_radii_km": [0.5]}, "must be a whole number from 1 to 20000; got 0.5"),
        ("data_engineering", {"masked_basins": ["caspian"]}, "got 'caspian'. Did you mean 'caspian_sea'"),
        ("data_engineering", {"archive": {"source_ids": []}}, "source_ids' must be 'all' or a list that is not empty"),
        (
            "data_engineering",
            {"archive": {"variant_labels": []}},
            "variant_labels' must be 'all' or a list that is not",
        ),
        ("modelling", {"boosting": {"learning_rate": 1.01}}, "boosting.learning_rate' must be .* 1; got 1.01"),
        ("modelling", {"bootstrap": {"n_bootstrap": 9}}, "bootstrap.n_bootstrap' must be .* >= 10; got 9"),
        ("modelling", {"bootstrap": {"block_degrees": 0.09}}, "bootstrap.block_degrees' must be .*; got 0.09"),
        ("modelling", {"split": {"select_block_degrees": 0.09}}, "split.select_block_degrees' must be .*; got 0.09"),
        ("regime_clustering", {"n_bootstrap": 9}, "regime_clustering.n_bootstrap' must be .* >= 10; got 9"),
        ("regime_clustering", {"block_degrees": 0.09}, "regime_clustering.block_degrees' must be .*; got 0.09"),
        ("explainability", {"evaluation": {"n_bootstrap": 9}}, "evaluation.n_bootstrap' must be .* >= 10; got 9"),
    ],
)
def test_values_that_cannot_work_together_are_refused(group, values, message):
    given = SHARED.get(group, {"seed": 1})
    nested = {name: given.get(name, {}) | value if isinstance(value, dict) else value for name, value in values.items()}
    assert validate({group: given}, {group: MODELS[group]})
    with pytest.raises(ConfigError, match=message):
        validate({group: given | nested}, {group: MODELS[group]})


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("modelling", {"boosting": {"learning_rate": 1.0}}),
        ("modelling", {"bootstrap": {"n_bootstrap": 10, "block_degrees": 0.1}}),
        ("modelling", {"split": {"select_block_degrees": 0.1}}),
        ("regime_clustering", {"n_bootstrap": 10, "block_degrees": 0.1}),
        ("regime_clustering", {"runs": {"n_regimes": 10}}),
        ("regime_clustering", {"runs": {"n_clusters": 128, "n_regimes": 128}, "selection": {"n_clusters": [128]}}),
        ("explainability", {"target": "logit", "truth": {"n_rows": 2}, "evaluation": {"n_bootstrap": 10}}),
        ("explainability", {"reference": {"source": "run", "name": "A/historical/r1", "window": "1995-2014"}}),
        ("cross_validation", {"training": {"member_labels": "consensus"}}),
    ],
)
def test_the_last_values_that_work_are_accepted(group, values):
    found = validate({group: {"seed": 1} | values}, {group: MODELS[group]})[group].model_dump(mode="json")
    for name, value in values.items():
        given = {key: found[name][key] for key in value} if isinstance(value, dict) else found[name]
        assert given == value
