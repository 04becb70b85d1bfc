"""The contract of each stage; a later stage adds a row here."""

from dataclasses import replace

from thor.core.contracts import rules
from thor.core.contracts.contract import Contract
from thor.core.variables import (
    BUDGET_TERMS,
    DIAGNOSED_TERMS,
    FEATURES,
    REGIME_FIELDS,
    STRESS,
    TRANSPORT_TORQUES,
    TRANSPORTS,
    published,
)

# The surface stress may be missing: the budget then gives the stress curl (data_engineering.stress_curl).
_BESIDE = (
    *(*STRESS, "transport_eastward", "transport_northward"),
    *("bottom_stress_curl", "reference_regime", "basin"),
)

_BY_REGIME = ("regime_probability", "regime_probability_lower", "regime_probability_upper", "regime_set")
_BY_PREDICTOR = ("predictive_entropy", "expected_entropy", "mutual_information", "superiority")

_BY_FEATURE = (
    *("attribution", "attribution_spread", "attribution_lower_quartile", "attribution_upper_quartile"),
    *("attribution_sign_agreement", "attribution_standard_error"),
)
_BY_PAIR = ("rank_correlation", "sign_agreement", "top_overlap")
_SHARES = ("expectation", "bias_share", "epsilon_share", "intercept", "fidelity", "remainder", "converged")

# Of a run through its windows; measures of change are missing where there is no baseline window.
_EACH = ("window", "predictor")
_OF_REGIME = (*_EACH, "regime")
_CHANGES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("change_probability", "change_probability_independent", "change_p_value"), _EACH),
    "change_to_probability": _OF_REGIME,
    "forced_emergence": ("predictor",),
}
_CHANGE_VARIANCES = tuple(f"change_{part}_variance" for part in ("label", "network", "residual"))
_TERM_CHANGES = ("term_change", "term_change_lower", "term_change_upper")
_TERMS: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("predicted_term", "predicted_term_spread", *_TERM_CHANGES), ("window", "term")
) | {"most_changed_term": ("window",)}
_TRACKED: dict[str, tuple[str, ...]] = _CHANGES | {
    **dict.fromkeys(("predictive_entropy", "expected_entropy", "mutual_information"), _EACH),
    **dict.fromkeys(("regime", "baseline_regime", "forced_shift", "forced_change"), _EACH),
    "regime_probability": _OF_REGIME,
    "natural_variability_mask": ("predictor",),
    **dict.fromkeys(("applicable", "dissimilarity_index"), ("window",)),
}
_AREAS: dict[str, tuple[str, ...]] = {
    f"{name}{end}": (*_EACH, *dims)
    for name, dims in (
        ("expected_area", ("basin", "regime")),
        ("expected_area_change", ("basin", "regime")),
        ("transition_area", ("regime_before", "regime")),
    )
    for end in ("", "_lower", "_upper")
}
_CONTROL = {
    f"control_{kind}_share": ("predictor",)
    for kind in ("shift", "forced", "emergence", "exceedance", "exceedance_high")
}

CONTRACTS: dict[str, Contract] = {
    name: replace(contract, name=name)
    for name, contract in {
        "raw_training_ocean": Contract(
            required=("zos", "deptho", *BUDGET_TERMS),
            optional=("areacello", "sftof", "analysis_mask", *_BESIDE),
            raw=True,
        ),
        "training_ocean": Contract(
            required=("zos", "deptho", "areacello", "sftof", "analysis_mask", *BUDGET_TERMS),
            optional=_BESIDE,
            gaps=STRESS,  # on their u and v points, of a C-grid or on corners
        ),
        "vorticity_budget": Contract(
            required=(*BUDGET_TERMS, "analysis_mask", "areacello"),
            optional=("bottom_stress_curl", "reference_regime", "basin", "deptho", "sftof"),
            over="analysis",
            rules=(rules.budget_closes,),
        ),
        "features": Contract(required=(*FEATURES, "valid", "basin", "areacello"), optional=None, over="valid"),
        "climatologies": Contract(
            required=(*published(needed=True), *published(fixed=True, needed=False)),
            optional=REGIME_FIELDS,
            over_windows=True,
            gaps=STRESS,  # on their u and v points, of a C-grid or on corners
            rules=(rules.windows_are_whole,),
        ),
        "scenario_features": Contract(
            required=(*FEATURES, "valid", "basin", "areacello"),
            optional=None,
            over_windows=True,
            over="valid",
            rules=(rules.windows_are_whole,),
        ),
        "true_budgets": Contract(
            required=(*BUDGET_TERMS, "analysis_mask", "areacello"),
            optional=("true_overturning", "response_weights", "budget_responses"),
            tables={
                "true_overturning": ("window", "overturning_basin", "level_edge", "row"),
                "response_weights": ("year", "response"),
            },
            extra_dims={"budget_responses": ("term", "response")},
            over_windows=True,
            over="analysis",
            rules=(rules.budget_closes,),
        ),
        "transport_climatologies": Contract(
            required=("umo_column", "vmo_column"),
            optional=TRANSPORTS,
            extra_dims=dict.fromkeys(TRANSPORTS, ("lev",)),
        ),
        "transports_sigma2": Contract(required=TRANSPORTS, extra_dims=dict.fromkeys(TRANSPORTS, ("sigma2",))),
        "diagnosed_terms": Contract(
            required=(*DIAGNOSED_TERMS, *TRANSPORT_TORQUES, "areacello"),
            over_windows=True,
            over="anywhere",
            rules=(rules.windows_are_whole,),
        ),
        "regimes": Contract(
            required=("regime", "regime_votes", "regime_confidence", "cluster"),
            optional=("areacello", "analysis_mask", "reference_regime", "similar_regime", "basin"),
            extra_dims={"regime_votes": ("regime",), "similar_regime": ("similar_ocean",)},
            over="analysis",
            rules=(rules.regime_is_flagged, rules.sums_to_one("regime_votes")),
        ),
        "split": Contract(required=("role", "final_role")),
        "ensemble_probabilities": Contract(
            required=("regime_probability", "regime_probability_spread", "regime", "valid"),
            optional=("areacello",),
            extra_dims={"regime_probability": ("regime",), "regime_probability_spread": ("regime",)},
            rules=(rules.sums_to_one("regime_probability"),),
        ),
        "attributions": Contract(
            required=(*_BY_FEATURE, "explained_regime", "explained_target", "valid", "areacello"),
            optional=_SHARES,
            extra_dims=dict.fromkeys(_BY_FEATURE, ("predictor", "feature"))
            | dict.fromkeys(("explained_regime", "explained_target", *_SHARES), ("predictor",)),
        ),
        "agreement": Contract(
            required=(*_BY_PAIR, "network_sign_agreement", "explained_regime", "valid", "areacello"),
            extra_dims=dict.fromkeys(_BY_PAIR, ("pair", "predictor"))
            | {"network_sign_agreement": ("method", "predictor"), "explained_regime": ("predictor",)},
        ),
        "regime_uncertainty": Contract(
            required=(*_BY_REGIME, *_BY_PREDICTOR, "dissimilarity_index", "applicable", "valid"),
            optional=("areacello", "label_entropy", "network_entropy", "residual_entropy"),
            extra_dims=dict.fromkeys(_BY_REGIME, ("predictor", "regime"))
            | dict.fromkeys(_BY_PREDICTOR, ("predictor",)),
            rules=(rules.sums_to_one("regime_probability"),),
        ),
        "scenario_regimes": Contract(
            required=("valid", "areacello", *_TRACKED),
            optional=(*_CHANGE_VARIANCES, *_CONTROL, *_TERMS),
            extra_dims=_TRACKED | _TERMS | dict.fromkeys(_CHANGE_VARIANCES, ("window",)),
            may_be_missing=(*_CHANGES, *_CHANGE_VARIANCES, *_TERM_CHANGES),
            tables=_AREAS
            | {"argmax_area": (*_EACH, "basin", "regime"), "expected_false_area": _EACH}
            | {"expected_accuracy": _EACH}
            | dict.fromkeys(("separation", "null_separation", "null_pairs"), ("window",))
            | _CONTROL,
            rules=(
                rules.regime_is_flagged,
                rules.sums_to_one("regime_probability"),
                rules.changes_add_up,
                rules.windows_are_whole,
            ),
        ),
    }.items()
}
