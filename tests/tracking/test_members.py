"""Members: a known forced response is found in their mean, and what they differ in stays out of it."""

import numpy as np
import pytest
import xarray as xr

from tests.tracking.conftest import UnreadFiles, make_run
from thor.core.errors import DataError, GridError, LeftOutError
from thor.core.variables import variable
from thor.tracking.members import forced_response, members_of, of_one_forcing, response_plans

N_CELLS = 40
WINDOWS = ("2015-2034", "2035-2054")


def tracked(label, probability, *, experiment="ssp585", source="A", parent=None, forced=0, emergence=np.nan, **attrs):
    """A tracked run of one row of cells; probability of shape (n_windows, n_regimes, n_cells)."""
    n_windows, n_cells = len(probability), probability.shape[-1]
    cells = (n_windows, 1, 1, n_cells)
    windows = WINDOWS[:n_windows]
    starts = [int(name[:4]) for name in windows]
    return xr.Dataset(
        {
            "regime_probability": (("window", "predictor", "regime", "lat", "lon"), probability[:, None, :, None]),
            "change_probability": (("window", "predictor", "lat", "lon"), np.full(cells, 0.4 if parent else np.nan)),
            "forced_change": (("window", "predictor", "lat", "lon"), np.full(cells, forced, np.int8)),
            "forced_emergence": (("predictor", "lat", "lon"), np.full((1, 1, n_cells), emergence)),
            "valid": (("lat", "lon"), np.ones((1, n_cells), np.int8)),
            "areacello": (("lat", "lon"), np.full((1, n_cells), 1e10)),
        },
        coords={
            "lat": [0.0],
            "lon": np.arange(n_cells) * 2.0,
            "predictor": ["ensemble"],
            "window": list(windows),
            "window_start": ("window", starts),
            "window_end": ("window", [year + 19 for year in starts]),
            "baseline_window": ("window", [WINDOWS[0] if parent else ""] * n_windows),
        },
        attrs={
            "source_id": source,
            "experiment_id": experiment,
            "variant_label": label,
            "regimes": "one two",
            **({"parent": parent} if parent else {}),
            **attrs,
        },
    )


def two(first):
    """Probabilities of two regimes from that of the first."""
    return np.stack([first, 1 - first], axis=1)


def ensemble(n_members, *, response, noise, seed=0):
    """Members with the first regime at 0.5 before, 0.5 + `response` after, noise in both; and their parents."""
    rng = np.random.default_rng(seed)
    members, parents = [], {}
    for number in range(1, n_members + 1):
        before, after = (0.5 + noise * rng.normal(size=(1, N_CELLS)) for _ in range(2))
        key = f"A/historical/r{number}i1p1f1"
        parents[key] = tracked(f"r{number}i1p1f1", two(before), experiment="historical")
        members.append(tracked(f"r{number}i1p1f1", two(after + response), parent=key))
    return members, {key: lambda run=run: run for key, run in parents.items()}


def test_the_mean_has_the_forced_response_and_the_spread_is_internal_variability():
    members, parents = ensemble(400, response=0.2, noise=0.05)
    response = forced_response(members, parents)
    first = response["regime_probability"].sel(predictor="ensemble").isel(regime=0, window=0)
    np.testing.assert_allclose(first, 0.7, atol=4 * 0.05 / 20)
    np.testing.assert_allclose(response["member_spread"], 0.05, rtol=0.2)
    np.testing.assert_allclose(response["response_change_probability"], 0.2, atol=4 * 0.05 * np.sqrt(2) / 20)
    assert (response["regime"] == 0).all()
    assert response.attrs["n_members"] == 400
    coordinates = {"window", "window_start", "window_end", "predictor", "lat", "lon"}
    assert set(response.coords) - {"regime"} == coordinates


def test_without_forcing_the_change_of_the_mean_vanishes_with_more_members_and_that_of_members_does_not():
    change = {
        n: float(forced_response(*ensemble(n, response=0.0, noise=0.1)).response_change_probability.mean())
        for n in (4, 16, 64)
    }
    # the mean magnitude of a difference of two means of n: noise sqrt(2/n) sqrt(2/pi)
    for n, found in change.items():
        assert found == pytest.approx(0.1 * np.sqrt(2 / n) * np.sqrt(2 / np.pi), rel=0.35)
    members, parents = ensemble(4, response=0.0, noise=0.1)
    assert (forced_response(members, parents)["change_probability"] == np.float32(0.4)).all()


def test_changes_of_opposite_directions_cancel_in_the_mean_but_not_in_the_members():
    up, down = (0.5 + sign * np.linspace(0, 0.3, N_CELLS)[None] for sign in (1, -1))
    key = "A/historical/r1i1p1f1"
    past = {key: lambda: tracked("r1i1p1f1", two(np.full((1, N_CELLS), 0.5)), experiment="historical")}
    response = forced_response([tracked(f"r{k}i1p1f1", two(p), parent=key) for k, p in ((1, up), (2, down))], past)
    np.testing.assert_allclose(response["response_change_probability"], 0, atol=1e-7)
    np.testing.assert_allclose(response["member_change_probability"][0, 0, 0], np.linspace(0, 0.3, N_CELLS), atol=1e-7)
    # P(change) of the mean is never larger, whatever the recalibrated one is (0.4 in these runs)
    found = forced_response(*ensemble(5, response=0.45, noise=0.02))
    of_mean, of_members = (found[f"{kind}_change_probability"] for kind in ("response", "member"))
    assert (of_mean <= of_members + 1e-6).all() and (of_mean > found["change_probability"]).any()
    assert (
        forced_response([tracked(f"r{k}i1p1f1", two(up)) for k in (1, 2)], {})["member_change_probability"]
        .isnull()
        .all()
    )


def test_emergence_is_the_year_by_which_half_of_the_members_have_emerged():
    def years(*values):
        runs = [tracked(f"r{k}i1p1f1", two(np.full((2, N_CELLS), 0.5)), emergence=v) for k, v in enumerate(values, 1)]
        found = forced_response(runs, {})
        return float(found["forced_emergence"][0, 0, 0]), float(found["emerged_share"][0, 0, 0])

    assert years(2015, 2035, np.nan) == (2035, pytest.approx(2 / 3))
    assert np.isnan(years(2015, np.nan, np.nan)[0])
    assert np.isnan(years(2015, np.nan)[0]) and years(2015, 2035)[0] == 2025
    assert np.isnan(years(np.nan, np.nan)[0]) and years(np.nan, np.nan)[1] == 0


def test_members_in_which_nothing_can_emerge_do_not_count():
    half = two(np.full((2, N_CELLS), 0.5))
    runs = [tracked(f"r{k}i1p1f1", half, forced=1, emergence=2015) for k in (1, 2)]
    untested = tracked("r3i1p1f1", half, forced=-1)
    found = forced_response([*runs, untested], {})
    assert (found["emerged_share"] == 1).all() and (found["forced_emergence"] == 2015).all()
    of_none = forced_response([untested, untested.assign_attrs(variant_label="r4i1p1f1")], {})
    one_window = forced_response([tracked(f"r{k}i1p1f1", half[:1], forced=1) for k in (1, 2)], {})
    for found in (of_none, one_window):
        assert found["emerged_share"].isnull().all() and found["forced_emergence"].isnull().all()


def test_a_year_of_emergence_has_the_units_that_it_has_in_each_member():
    found = forced_response([tracked(f"r{k}i1p1f1", two(np.full((1, N_CELLS), 0.5))) for k in (1, 2)], {})
    assert found["forced_emergence"].attrs["units"] == variable("forced_emergence").units == "1"


def test_the_share_of_forced_members_is_of_those_that_were_tested():
    half = two(np.full((1, N_CELLS), 0.5))
    runs = [tracked(f"r{k}i1p1f1", half, forced=forced) for k, forced in enumerate((1, 0, -1), 1)]
    assert (forced_response(runs, {})["forced_member_share"] == 0.5).all()
    untested = [run.assign(forced_change=-xr.ones_like(run["forced_change"])) for run in runs]
    assert forced_response(untested, {})["forced_member_share"].isnull().all()


def test_only_common_windows_and_cells_of_all_members_are_averaged():
    rng = np.random.default_rng(3)
    both = two(rng.uniform(0.2, 0.8, size=(2, N_CELLS)))
    gap = both.copy()
    gap[:, :, 5] = np.nan
    response = forced_response([tracked("r1i1p1f1", both), tracked("r2i1p1f1", gap[:1])], {})
    assert response["window"].values.tolist() == [WINDOWS[0]]
    assert np.flatnonzero(response["regime_probability"].isnull().values[0, 0, 0, 0]).tolist() == [5]
    assert response["regime"].values[0, 0, 0, 5] == -1
    np.testing.assert_allclose(response["regime_probability"].values[0, 0, :, 0, :5], both[0, :, :5], rtol=1e-6)


def test_members_reach_a_level_of_warming_in_different_years():
    members, parents = ensemble(3, response=0.2, noise=0.0)
    level = [
        run.assign_attrs(experiment_id="ssp585-gwl2.0").assign_coords(
            window=[f"{2030 + k}-{2049 + k}"], window_start=("window", [2030 + k]), window_end=("window", [2049 + k])
        )
        for k, run in enumerate(members)
    ]
    response = forced_response(level, parents)
    assert response["window"].values.tolist() == ["2.0 K"]
    assert (int(response["window_start"][0]), int(response["window_end"][0])) == (2030, 2051)
    np.testing.assert_allclose(response["response_change_probability"], 0.2, rtol=1e-5)


def test_members_of_different_forcing_or_physics_are_an_error_before_any_is_pooled():
    assert members_of(["A/historical/r1i1p1f1", "A/historical/r2i1p1f1", "A/ssp585/r1i1p1f1"]) == {
        "A/historical": ("A/historical/r1i1p1f1", "A/historical/r2i1p1f1")
    }
    # start dates of forecasts and other initial states are members
    assert len(members_of(["A/ssp585/r1i1p1f1", "A/ssp585/r1i2p1f1"])) == 1
    assert members_of(["A/piControl/r1i1p1f1", "A/piControl/r1i1p1f2"]) == {}
    for other in ("r2i1p1f2", "r1i1p2f1"):
        with pytest.raises(DataError, match=f"A/historical has members of different .*r1i1p1f1 and {other}.*variant_l"):
            members_of(["A/historical/r1i1p1f1", f"A/historical/{other}"])
    with pytest.raises(DataError, match="different physics or forcing"):
        forced_response([tracked(f"r1i1p1f{k}", two(np.full((1, 4), 0.5))) for k in (1, 2)], {})


def test_members_of_the_most_common_forcing_are_pooled_and_no_other_model_is_stopped():
    labels = {"A": ("r1i1p3f1", "r1i1p1f1", "r2i1p1f1"), "B": ("r1i1p1f1", "r1i1p1f2"), "C": ("r1i1p1f1", "r2i1p1f1")}
    half = two(np.full((1, 4), 0.5))
    runs = {
        f"{source}/ssp585/{label}": lambda source=source, label=label: tracked(label, half, source=source)
        for source, variants in labels.items()
        for label in variants
    }
    left_out = ["A/ssp585/r1i1p3f1", "B/ssp585/r1i1p1f2"]
    assert of_one_forcing(runs) == [key for key in runs if key not in left_out]
    controls = ["A/piControl/r1i1p1f2", "A/piControl/r1i1p1f1"]
    assert of_one_forcing(controls) == controls
    plans = response_plans(runs)
    assert [*plans] == ["A/ssp585", "C/ssp585"]
    assert plans["A/ssp585"][1]().attrs["n_members"] == 2


def test_runs_that_are_no_members_of_one_ensemble_are_refused():
    half = two(np.full((1, 4), 0.5))
    first = tracked("r1i1p1f1", half)
    with pytest.raises(DataError, match="two members; got 1"):
        forced_response([first], {})
    with pytest.raises(DataError, match="one source_id: A/ssp585/r1i1p1f1 has A"):
        forced_response([first, tracked("r2i1p1f1", half, source="B")], {})
    with pytest.raises(DataError, match="one list of regimes"):
        forced_response([first, tracked("r2i1p1f1", half, regimes="one three")], {})
    with pytest.raises(GridError):
        forced_response([first, tracked("r2i1p1f1", two(np.full((1, 5), 0.5)))], {})
    other = tracked("r2i1p1f1", half).assign_coords(window=["1850-1869"])
    with pytest.raises(DataError, match="no window in common"):
        forced_response([first, other], {})


def test_plans_are_of_groups_with_several_members_and_change_with_each():
    half = two(np.full((1, 4), 0.5))
    runs = {f"A/ssp585/r{k}i1p1f1": tracked(f"r{k}i1p1f1", half) for k in (1, 2)}
    runs["A/historical/r1i1p1f1"] = tracked("r1i1p1f1", half, experiment="historical")
    opened = {key: lambda run=run: run for key, run in runs.items()}
    plans = response_plans(opened)
    assert [*response_plans(UnreadFiles(opened))] == [*plans]
    assert [*plans] == ["A/ssp585"]
    assert plans["A/ssp585"][1]().attrs["n_members"] == 2
    runs["A/ssp585/r2i1p1f1"] = tracked("r2i1p1f1", two(np.full((1, 4), 0.6)))
    changed = response_plans({key: lambda run=run: run for key, run in runs.items()})
    assert changed["A/ssp585"][0] != plans["A/ssp585"][0]


def test_members_that_start_in_different_years_are_averaged_since_their_start():
    """One begins 20 years after the other: windows of one label are not of one age."""
    same = {"experiment": "abrupt-4xCO2", "parent": "A/piControl/r1i1p1f1"}
    probability = two(np.array([[0.9] * N_CELLS, [0.5] * N_CELLS]))
    first, second = (tracked(f"r{k}i1p1f1", probability, emergence=2015, **same) for k in (1, 2))
    start = int(first["window_start"][0])
    years = [start + 20, start + 40]
    second = second.assign_coords(
        window=[f"{year}-{year + 19}" for year in years],
        window_start=("window", years),
        window_end=("window", [year + 19 for year in years]),
    )
    runs = {f"A/abrupt-4xCO2/r{k}i1p1f1": lambda run=run: run for k, run in ((1, first), (2, second))}
    response = response_plans(runs)["A/abrupt-4xCO2"][1]()
    assert [*response["window"].values] == ["years 1-20", "years 21-40"]
    np.testing.assert_allclose(response["regime_probability"].values[:, 0, 0, 0, 0], [0.9, 0.5])
    assert float(response["member_spread"].max()) < 1e-6
    assert [*response["window_start"].values] == [1, 21] and [*response["window_end"].values] == [20, 40]
    # 2015 is the year 2015 - start + 1 of the one, and 20 less of the other
    assert float(response["forced_emergence"][0, 0, 0]) == 2015 - start + 1 - 10
    # and so they are where one does not name its parent
    runs["A/abrupt-4xCO2/r2i1p1f1"] = lambda: second.drop_attrs(deep=False).assign_attrs(
        {name: value for name, value in second.attrs.items() if name != "parent"}
    )
    assert [*response_plans(runs)["A/abrupt-4xCO2"][1]()["window"].values] == ["years 1-20", "years 21-40"]
    # those that start in one year keep their labels
    runs["A/abrupt-4xCO2/r2i1p1f1"] = lambda: first.assign_attrs(variant_label="r2i1p1f1")
    assert [*response_plans(runs)["A/abrupt-4xCO2"][1]()["window"].values] == [*first["window"].values]


def test_members_on_two_grids_have_no_mean_and_stop_no_other_model():
    runs = {f"{source}/ssp585/r{k}i1p1f1": (source, k) for source in "AB" for k in (1, 2)}
    sizes = {("A", 1): 4, ("A", 2): 5, ("B", 1): 4, ("B", 2): 4}
    read = {
        key: lambda source=source, k=k: tracked(f"r{k}i1p1f1", two(np.full((1, sizes[source, k]), 0.5)), source=source)
        for key, (source, k) in runs.items()
    }
    plans = response_plans(read)
    with pytest.raises(LeftOutError, match="A/ssp585/r2i1p1f1 lies on another grid than A/ssp585/r1i1p1f1"):
        plans["A/ssp585"][1]()
    assert plans["B/ssp585"][1]().attrs["n_members"] == 2


def test_made_features_have_variants_of_one_forcing():
    run = make_run("historical", n_windows=2)
    assert members_of([f"MADE/historical/{run.attrs['variant_label']}", "MADE/historical/r2i1p1f1"])
