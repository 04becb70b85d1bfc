"""Small fields that keep each contract, for tests that spoil or store them."""

import numpy as np
import xarray as xr

from thor.attribution.agreement import compare
from thor.core.variables import BUDGET_TERMS, DIAGNOSED_TERMS, FEATURES, TRANSPORT_TORQUES, TRANSPORTS, variable
from thor.tracking.cells import Cells

N_LAT, N_LON = 9, 16
LAND = np.zeros((N_LAT, N_LON), bool)
LAND[0], LAND[3, 4:7] = True, True


def field(name, values, dims=("lat", "lon"), land=True):
    values = np.asarray(values, float)
    return dims, np.where(LAND, np.nan, values) if land else values, variable(name).attrs


def make_training_ocean():
    rng = np.random.default_rng(1)
    shape = (N_LAT, N_LON)
    fields = {
        "zos": field("zos", rng.normal(size=shape)),
        "tauuo": field("tauuo", 0.1 * rng.normal(size=shape)),
        "tauvo": field("tauvo", 0.1 * rng.normal(size=shape)),
        "deptho": field("deptho", 4000 + 100 * rng.normal(size=shape)),
        "areacello": field("areacello", np.full(shape, 1e10), land=False),
        "sftof": field("sftof", np.where(LAND, 0.0, 100.0), land=False),
    }
    terms = 1e-9 * rng.normal(size=(5, *shape))
    terms[4] = -terms[:4].sum(axis=0)
    fields |= {name: field(name, term) for name, term in zip(BUDGET_TERMS, terms, strict=True)}
    fields["analysis_mask"] = (["lat", "lon"], (~LAND).astype("int8"), variable("analysis_mask").attrs)
    coords = {"lat": np.linspace(-80.0, 80.0, N_LAT), "lon": np.arange(N_LON) * 22.5}
    return xr.Dataset(fields, coords=coords)


def make_vorticity_budget():
    return make_training_ocean()[[*BUDGET_TERMS, "areacello", "analysis_mask"]]


def make_features():
    rng = np.random.default_rng(2)
    scale = {"zos": 1.0, "deptho": 0.0, "wind_stress_curl": 1e-10, "coriolis_parameter": 3e-5}
    offset = {"deptho": 4000.0}
    fields = {
        name: field(name, offset.get(name, 0.0) + scale.get(name, 1e-5) * rng.normal(size=(N_LAT, N_LON)))
        for name in (*FEATURES, "zos_mean_500km", "zos_spread_500km")
    }
    fields["zos_spread_500km"] = field("zos_spread_500km", np.full((N_LAT, N_LON), 0.2))
    fields["valid"] = (["lat", "lon"], (~LAND).astype("int8"), variable("valid").attrs)
    fields["basin"] = (["lat", "lon"], np.where(LAND, -1, 2).astype("int8"), variable("basin").attrs)
    return make_training_ocean()[["areacello"]].assign(fields)


def with_windows(dataset, names):
    """Give the named fields a first dim of two windows."""
    windows = {
        name: xr.concat([dataset[name], 0.9 * dataset[name]], "window", combine_attrs="override") for name in names
    }
    return dataset.assign(windows).assign_coords(
        window=["1850-1869", "1870-1889"],
        window_start=("window", [1850, 1870]),
        window_end=("window", [1869, 1889]),
        months=("window", [240, 240]),
    )


def make_climatologies():
    fields = make_training_ocean()[["zos", "tauuo", "tauvo", "deptho", "areacello", "sftof"]]
    return with_windows(fields, ["zos", "tauuo", "tauvo"])


def make_scenario_features():
    return with_windows(make_features(), [name for name in FEATURES if "deptho" not in name and "coriolis" not in name])


def make_transport_climatologies():
    rng = np.random.default_rng(5)
    ocean = make_training_ocean()
    columns = {f"{name}_column": field(f"{name}_column", 1e9 * rng.normal(size=(N_LAT, N_LON))) for name in TRANSPORTS}
    levels = {
        name: (("lev", "lat", "lon"), np.stack([columns[f"{name}_column"][1] / 2] * 2), variable(name).attrs)
        for name in TRANSPORTS
    }
    return xr.Dataset(columns | levels, coords=ocean.coords).assign_coords(lev=[500.0, 2500.0])


def make_transports_sigma2():
    levels = make_transport_climatologies()[["umo", "vmo"]]
    return levels.rename(lev="sigma2").assign_coords(sigma2=np.linspace(30.0, 37.0, levels.sizes["lev"]))


def make_diagnosed_terms():
    rng = np.random.default_rng(6)
    names = (*DIAGNOSED_TERMS, *TRANSPORT_TORQUES)
    terms = {name: field(name, 1e-10 * rng.normal(size=(N_LAT, N_LON))) for name in names}
    ocean = make_training_ocean()
    return with_windows(xr.Dataset(terms, coords=ocean.coords).assign(areacello=ocean["areacello"]), names)


def make_true_budgets():
    return with_windows(make_vorticity_budget(), BUDGET_TERMS)


def make_regimes():
    votes = np.random.default_rng(3).dirichlet([1.0, 2.0, 3.0], size=(N_LAT, N_LON)).transpose(2, 0, 1)
    votes[:, LAND] = np.nan
    regime = np.where(LAND, -1, np.nan_to_num(votes).argmax(axis=0)).astype("int8")
    flags = {"flag_values": np.arange(3, dtype="int8"), "flag_meanings": "momentum_driven sverdrupian nonlinear"}
    return xr.Dataset(
        {
            "regime": (["lat", "lon"], regime, variable("regime").attrs | flags),
            "regime_votes": (["regime", "lat", "lon"], votes, variable("regime_votes").attrs),
            "regime_confidence": field("regime_confidence", np.nan_to_num(votes).max(axis=0)),
            "cluster": (["lat", "lon"], regime.astype("int16"), variable("cluster").attrs),
        },
        coords=make_training_ocean().coords,
    )


def make_split():
    role = np.where(LAND, -1, np.arange(N_LON) % 4).astype("int8")
    fields = {name: (["lat", "lon"], role, variable(name).attrs) for name in ("role", "final_role")}
    return xr.Dataset(fields, coords=make_training_ocean().coords)


def make_ensemble_probabilities():
    votes = make_regimes()["regime_votes"]
    fields = {
        "regime_probability": (votes.dims, votes.values, variable("regime_probability").attrs),
        "regime_probability_spread": (votes.dims, 0.1 * votes.values, variable("regime_probability_spread").attrs),
    }
    return make_regimes()[["regime"]].assign(fields | {"valid": make_features()["valid"]})


def make_regime_uncertainty():
    probability = make_ensemble_probabilities()["regime_probability"]
    by_regime = {
        "regime_probability": probability,
        "regime_probability_lower": 0.5 * probability,
        "regime_probability_upper": 0.5 + 0.5 * probability,
        "regime_set": xr.where(np.isfinite(probability), probability > 0.3, -1),
    }
    entropy = probability.isel(regime=0, drop=True)
    by_predictor = {"predictive_entropy": 2, "expected_entropy": 1, "mutual_information": 1, "superiority": 1}
    fields = {name: field.assign_attrs(variable(name).attrs) for name, field in by_regime.items()}
    fields |= {name: (factor * entropy).assign_attrs(variable(name).attrs) for name, factor in by_predictor.items()}
    both = xr.concat([xr.Dataset(fields)] * 2, xr.Variable("predictor", ["ensemble", "bayesian"]))
    both["dissimilarity_index"] = entropy.assign_attrs(variable("dissimilarity_index").attrs)
    both["applicable"] = xr.where(np.isfinite(entropy), 1, -1).assign_attrs(variable("applicable").attrs)
    return both.assign(valid=make_features()["valid"])


def make_scenario_regimes():
    """Two windows of a run, the second with a baseline."""
    features, probability = make_features(), make_ensemble_probabilities()["regime_probability"]
    both = {"window": 2, "predictor": 2}
    by_regime = probability.expand_dims(both).copy()
    of_cell = by_regime.isel(regime=0, drop=True)
    second = xr.DataArray([False, True], dims="window")
    fields = {
        "regime": xr.where(np.isfinite(of_cell), 1, -1),
        "regime_probability": by_regime,
        "predictive_entropy": 2 * of_cell,
        "expected_entropy": of_cell,
        "mutual_information": of_cell,
        "baseline_regime": xr.where(np.isfinite(of_cell) & second, 1, -1).transpose(*of_cell.dims),
        "change_to_probability": (0.3 * by_regime).where(second),
        "change_probability": (0.3 * by_regime.sum("regime", skipna=False)).where(second),
        "change_probability_independent": (0.5 * by_regime.sum("regime", skipna=False)).where(second),
        "change_p_value": of_cell.where(second),
        "forced_shift": xr.where(np.isfinite(of_cell) & second, 1, -1).transpose(*of_cell.dims),
        "forced_change": xr.where(np.isfinite(of_cell) & second, of_cell >= 0.5, -1).transpose(*of_cell.dims),
        "applicable": xr.where(np.isfinite(of_cell.isel(predictor=0, drop=True)), 1, -1),
        "dissimilarity_index": of_cell.isel(predictor=0, drop=True),
        "forced_emergence": 1850 + 0 * of_cell.isel(window=0, drop=True),
        "natural_variability_mask": xr.where(np.isfinite(of_cell.isel(window=0, drop=True)), 1, -1),
    }
    sizes = {"window": 2, "predictor": 2, "basin": 2, "regime": 3, "regime_before": 3}
    between = ("window", "predictor", "regime_before", "regime")
    for name, dims in (
        ("expected_area", ("window", "predictor", "basin", "regime")),
        ("expected_area_change", ("window", "predictor", "basin", "regime")),
        ("transition_area", between),
    ):
        for end in ("", "_lower", "_upper"):
            fields[f"{name}{end}"] = xr.DataArray(np.full([sizes[dim] for dim in dims], 1e12), dims=dims)
    fields["argmax_area"] = fields["expected_area"]
    fields["expected_false_area"] = xr.DataArray([[np.nan] * 2, [1e11] * 2], dims=("window", "predictor"))
    fields["expected_accuracy"] = xr.DataArray([[0.8, 0.7], [0.75, 0.7]], dims=("window", "predictor"))
    for name in ("separation", "null_separation", "null_pairs"):
        fields[name] = xr.DataArray([0, 1], dims="window")
    run = xr.Dataset({name: (field.dims, field.values, variable(name).attrs) for name, field in fields.items()})
    flags = {"flag_values": np.arange(3, dtype="int8"), "flag_meanings": "momentum_driven sverdrupian nonlinear"}
    run["regime"].attrs |= flags
    return (
        run.assign_coords(features.coords)
        .assign(valid=features["valid"], areacello=features["areacello"])
        .assign_coords(
            predictor=["ensemble", "bayesian"],
            window=["1850-1869", "1870-1889"],
            window_start=("window", [1850, 1870]),
            window_end=("window", [1869, 1889]),
            months=("window", [240, 240]),
        )
    )


def make_attributions():
    probability = make_ensemble_probabilities()["regime_probability"].isel(regime=0, drop=True)
    by_feature = {
        "attribution": probability - 0.5,
        "attribution_spread": 0.1 * probability,
        "attribution_lower_quartile": probability - 0.6,
        "attribution_upper_quartile": probability - 0.4,
        "attribution_sign_agreement": 0.5 + 0.5 * probability,
        "attribution_standard_error": 0.0 * probability,
    }
    fields = xr.Dataset({name: field.assign_attrs(variable(name).attrs) for name, field in by_feature.items()})
    fields = xr.concat([fields] * len(FEATURES), xr.Variable("feature", list(FEATURES)))
    explained = make_regimes()["regime"].rename("explained_regime")
    fields["explained_regime"] = explained.assign_attrs(variable("explained_regime").attrs | explained.attrs)
    for name in ("explained_target", "expectation", "remainder"):
        fields[name] = (0.0 * probability).assign_attrs(variable(name).attrs)
    both = xr.concat([fields] * 2, xr.Variable("predictor", ["ensemble", "bayesian"]))
    features = make_features()
    return both.assign(valid=features["valid"], areacello=features["areacello"]).assign_attrs(groups="{}")


def make_agreement():
    methods = ["relevance", "shapley_values", "lime_weights"]
    return compare({name: make_attributions() for name in methods})


def made_cells(area):
    """Cells of a run in one basin, on a grid of one dimension without positions."""
    n_cells = len(area)
    like = xr.DataArray(np.ones(n_cells), dims="cell")
    return Cells(like, np.arange(n_cells), np.asarray(area), np.zeros(n_cells, dtype=np.int64), ("all",))
