"""Many models on one grid: probabilities keep their areas, land stays land, and every model counts once."""

import numpy as np
import pytest
import xarray as xr

from tests.tracking.conftest import UnreadFiles
from thor.core.errors import ConfigError, DataError, GridError
from thor.core.fingerprint import ATTRIBUTE
from thor.ocean.areas import parallel_area
from thor.tracking.agreement import most_changed_experiment
from thor.tracking.cells import run_key
from thor.tracking.multimodel import (
    ROBUSTNESS,
    agreement_plans,
    multimodel_summary,
)
from thor.tracking.regridding import Regridder, common_grid, regime_shares, to_common_grid
from thor.tracking.settings import AgreementSettings

WINDOWS = ("2015-2034", "2035-2054")


def summary_of(runs, *, window=-1, spacing=2.0, min_models=2):
    here = [run.isel(window=window) for run in runs]
    name = str(here[0]["window"].values) if here else ""
    return multimodel_summary(here, window=name, spacing=spacing, min_models=min_models)


def bands(lat, lon):
    """Three regimes that fade into one another with latitude and wave with longitude."""
    middle = lat + 10 * np.sin(np.deg2rad(2 * lon))
    odds = np.exp(-0.5 * ((middle[None] - np.array([-50, 0, 50])[:, None, None]) / 15) ** 2)
    return odds / odds.sum(axis=0)


def always(*probability):
    return lambda lat, lon: np.multiply.outer(np.array(probability), np.ones_like(lat))


def nowhere(lat, lon):
    return np.zeros(lat.shape)


def model_run(
    model,
    probability=bands,
    *,
    forced=nowhere,
    shift=None,
    change=0.2,
    before=1,
    towards=None,
    spacing=5.0,
    curvilinear=False,
    variant="r1i1p1f1",
    experiment="ssp585",
    windows=WINDOWS,
):
    """Regimes of a model with a continent (60E-120E, 30S-30N); on a curvilinear grid land has no position.

    The baseline has the regime `before`; all change is to the regime `towards`, by default the most probable one.
    """
    rows = round(180 / spacing)
    edges = np.linspace(-90, 90, rows + 1), np.linspace(0, 360, 2 * rows + 1)
    lat, lon = np.meshgrid(*(0.5 * (edge[1:] + edge[:-1]) for edge in edges), indexing="ij")
    land = (np.abs(lat) < 30) & (lon > 60) & (lon < 120)
    dims = ("y", "x") if curvilinear else ("lat", "lon")
    after = probability(lat, lon)
    to = after.argmax(axis=0) if towards is None else np.full(lat.shape, towards)
    fields = {
        "regime_probability": np.where(land, np.nan, after),
        "change_probability": np.where(land, np.nan, change),
        "change_to_probability": np.where(land, np.nan, change * (to[None] == np.arange(3)[:, None, None])),
        "baseline_regime": np.where(land, -1, before).astype("int8"),
        "forced_shift": np.where(land, -1, (shift or forced)(lat, lon)).astype("int8"),
        "forced_change": np.where(land, -1, forced(lat, lon)).astype("int8"),
    }
    if curvilinear:
        coords = {"lat": (dims, np.where(land, np.nan, lat)), "lon": (dims, np.where(land, np.nan, lon))}
    else:
        coords = {"lat": lat[:, 0], "lon": lon[0]}
    of_regimes = dict.fromkeys(("regime_probability", "change_to_probability"), ("window", "predictor", "regime"))
    return xr.Dataset(
        {
            name: ((*of_regimes.get(name, ("window", "predictor")), *dims), np.stack([values[None]] * len(windows)))
            for name, values in fields.items()
        }
        | {
            "valid": (dims, (~land).astype("int8")),
            "areacello": (dims, parallel_area(edges[0][:-1], edges[0][1:], edges[1][:-1], edges[1][1:])),
        },
        coords=coords
        | {"window": [*windows], "predictor": ["ensemble"]}
        | {
            name: ("window", [int(label.split("-")[part]) for label in windows])
            for part, name in enumerate(("window_start", "window_end"))
        },
        attrs={
            "source_id": model,
            "experiment_id": experiment,
            "variant_label": variant,
            "regimes": "north middle south",
        },
    )


@pytest.mark.parametrize(("spacing", "curvilinear"), [(5.0, False), (5.0, True), (1.0, False), (9.0, True)])
def test_regimes_keep_their_share_of_the_area(spacing, curvilinear):
    run = model_run("A", spacing=spacing, curvilinear=curvilinear)
    summary = summary_of([run], spacing=2.0)
    np.testing.assert_allclose(summary["common_share"], summary["native_share"], rtol=0.03)
    np.testing.assert_allclose(summary["native_share"].sum("regime"), 1)
    total = float(summary["regime_probability"].sum("regime", min_count=1).mean())
    assert total == pytest.approx(1)


@pytest.mark.parametrize("curvilinear", [False, True])
def test_land_stays_land_whether_it_has_a_position_or_not(curvilinear):
    grid = common_grid(2.0)
    summary = summary_of([model_run("A", curvilinear=curvilinear)], spacing=2.0)
    wet = (summary["n_models"] == 1).values[0]
    land = (np.abs(grid["lat"]) < 30) & (grid["lon"] > 60) & (grid["lon"] < 120)
    ocean_share = (grid["areacello"] * wet).sum() / grid["areacello"].sum()
    true_share = 1 - (grid["areacello"] * land).sum() / grid["areacello"].sum()
    assert float(ocean_share) == pytest.approx(float(true_share), abs=0.02)
    assert not wet[np.ix_(np.abs(grid["lat"]) < 25, (grid["lon"] > 65) & (grid["lon"] < 115))].any()
    assert wet[np.abs(grid["lat"]) > 36].all()


def test_values_are_means_over_area_and_never_labels():
    run = model_run("A", forced=lambda lat, lon: lat > 25).isel(window=0, predictor=0)
    got = to_common_grid(run, Regridder(common_grid(3.0))).sel(lat=25.5, lon=181.5)
    # from 24N to 27N: of the rows from 20N to 25N and from 25N to 30N
    edges = np.sin(np.deg2rad([24.0, 25.0, 27.0]))
    south, north = np.diff(edges) / (edges[2] - edges[0])
    below, above = (run["regime_probability"].sel(lat=lat, lon=182.5) for lat in (22.5, 27.5))
    np.testing.assert_allclose(got["regime_probability"], south * below + north * above, rtol=1e-12)
    assert 0.3 < float(got["regime_probability"].max()) < 0.9
    np.testing.assert_allclose(got["forced_change"], north, rtol=1e-12)
    np.testing.assert_allclose(got["baseline_share"], [0, 1, 0], rtol=1e-12)


def test_what_was_not_tested_and_land_have_no_weight():
    run = model_run("A", forced=lambda lat, lon: np.where(lon < 5, 1, -1)).isel(window=0, predictor=0)
    regridder = Regridder(common_grid(10.0))
    got = to_common_grid(run, regridder)
    changed = got["forced_change"].sel(lat=45.0)
    assert float(changed.sel(lon=5.0)) == 1.0 and np.isnan(changed.sel(lon=[15.0, 355.0])).all()
    # one row of two, between 30S and 20S, is left out; the other two columns are sea and land
    run["valid"].loc[{"lat": 42.5, "lon": [2.5, 7.5]}] = 0
    run["valid"].loc[{"lat": [42.5, 47.5], "lon": 12.5}] = 0
    run["valid"].loc[{"lat": 42.5, "lon": 17.5}] = 0
    got = to_common_grid(run, regridder)["regime_probability"].sel(lat=45.0)
    area = np.diff(np.sin(np.deg2rad([40.0, 45.0, 50.0])))
    assert area[1] < area[0]
    assert np.isnan(got.sel(lon=[5.0, 15.0])).all()  # less than half is sea
    run["valid"].loc[{"lat": 42.5, "lon": 7.5}] = 1
    got = to_common_grid(run, regridder)["regime_probability"].sel(lat=45.0, lon=5.0)
    first, *others = (
        run["regime_probability"].sel(lat=lat, lon=lon) for lat, lon in ((42.5, 7.5), (47.5, 2.5), (47.5, 7.5))
    )
    np.testing.assert_allclose(got, (area[0] * first + area[1] * sum(others)) / (area[0] + 2 * area[1]), rtol=1e-12)


def test_variants_are_averaged_before_models():
    runs = [
        model_run("A", always(0.2, 0.8, 0.0), variant="r1i1p1f1", change=0.0),
        model_run("A", always(0.4, 0.6, 0.0), variant="r2i1p1f1", change=0.2),
        model_run("B", always(0.9, 0.1, 0.0), change=0.5),
    ]
    summary = summary_of(runs, spacing=5.0)
    cell = summary.sel(predictor="ensemble", lat=42.5, lon=2.5)
    np.testing.assert_allclose(cell["regime_probability"], [0.6, 0.4, 0.0])
    assert float(cell["change_probability"]) == pytest.approx(0.3)
    assert int(cell["n_models"]) == 2
    assert [*summary["source_id"].values] == ["A", "B"]
    assert all({"units", "long_name"} <= set(summary[name].attrs) for name in [*summary.data_vars, "regime"])
    # one has middle, one north: neither has more than half
    assert float(cell["agreement_share"]) == 0.5


def test_families_have_one_vote_each():
    """Three models of one family find north, and a change, one of another south and none."""
    north, south = always(0.9, 0.1, 0.0), always(0.0, 0.2, 0.8)
    runs = [model_run(f"N{k}", north, forced=everywhere, change=0.6) for k in range(3)] + [model_run("S", south)]
    families = {"N0": "north", "N1": "north", "N2": "north", "S": "south"}

    def cell_of(families):
        options = {"window": WINDOWS[-1], "spacing": 5.0, "min_models": 2, "families": families}
        summary = multimodel_summary([run.isel(window=-1) for run in runs], **options)
        return summary, summary.sel(predictor="ensemble", lat=42.5, lon=2.5)

    plain, cell = cell_of(None)
    assert plain.attrs["votes"] == "models" and "family" not in plain.coords
    assert (int(cell["n_models"]), float(cell["forced_share"]), int(cell["robustness"])) == (4, 0.75, 1)
    np.testing.assert_allclose(cell["regime_probability"], [0.675, 0.125, 0.2])

    voted, cell = cell_of(families)
    assert voted.attrs["votes"] == "families"
    assert dict(zip(voted["source_id"].values, voted["family"].values, strict=True)) == families
    assert (int(cell["n_models"]), float(cell["forced_share"]), int(cell["robustness"])) == (2, 0.5, 0)
    np.testing.assert_allclose(cell["regime_probability"], [0.45, 0.15, 0.4])
    assert float(cell["agreement_share"]) == 0.5
    assert float(cell["change_probability"]) == pytest.approx(0.4)
    # shares of areas stay those of each model
    assert voted["native_share"].sizes["source_id"] == 4


def test_plans_with_families_need_a_family_of_every_model_and_change_with_it():
    runs = {f"{name}/ssp585/r1i1p1f1": lambda name=name: baselined(model_run(name)) for name in ("CESM2", "B")}
    with pytest.raises(ConfigError, match="No family is known of B"):
        agreement_plans(runs, AgreementSettings(model_weights="family"))
    marks = set()
    for family in ("POP", "NEMO"):
        settings = AgreementSettings(model_weights="family", families={"B": family}, spacing_degrees=5.0)
        mark, make = agreement_plans(runs, settings)["ssp585"]
        marks.add(mark)
        assert int(make()["n_models"].max()) == (1 if family == "POP" else 2)
    assert len(marks) == 2


def test_variants_of_different_forcing_are_not_averaged():
    runs = [model_run("A", variant=variant) for variant in ("r1i1p1f1", "r1i1p1f2")]
    with pytest.raises(DataError, match="members of different physics or forcing, r1i1p1f1 and r1i1p1f2"):
        summary_of(runs)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_regimes_with_as_many_models_the_more_probable_one_is_named(order):
    odds = np.array([[0.4, 0.3, 0.3], [0.2, 0.5, 0.3], [0.05, 0.05, 0.9]])
    runs = [model_run(name, always(*odds[k][order])) for name, k in zip("ABC", range(3), strict=True)]
    found = summary_of(runs, spacing=10.0).sel(lat=45.0, lon=5.0, predictor="ensemble")
    assert int(found["regime"]) == order.index(2)
    assert float(found["agreement_share"]) == pytest.approx(1 / 3)
    # the most votes win whatever the probabilities are
    more = [*runs, model_run("D", always(*odds[0][order]))]
    assert int(summary_of(more, spacing=10.0).sel(lat=45.0, lon=5.0, predictor="ensemble")["regime"]) == order.index(0)


def test_a_model_with_two_forcings_counts_once_with_the_most_common():
    runs = [
        baselined(model_run("A", probability, variant=variant))
        for probability, variant in (
            (always(0.0, 1.0, 0.0), "r1i1p1f1"),
            (always(1.0, 0.0, 0.0), "r1i1p1f2"),
            (always(1.0, 0.0, 0.0), "r2i1p1f2"),
        )
    ]
    summary = summaries([*runs, baselined(model_run("B", always(1.0, 0.0, 0.0)))])["ssp585"]
    assert [*summary["source_id"].values] == ["A", "B"]
    assert float(summary["regime_probability"].isel(regime=1).max()) == 0


def baselined(run):
    return run.assign_coords(baseline_window=("window", ["0001-0020"] * run.sizes["window"]))


def east(lat, lon):
    return (lon > 180) * 1


def test_robust_conflicting_and_none():
    """East all models show a change; north to the same regime, south each to another one."""

    def regime_of(k):
        def probability(lat, lon):
            regime = np.where(lat > 0, 0, k)
            return np.where(regime[None] == np.arange(3)[:, None, None], 0.9, 0.05)

        return probability

    summary = summary_of([model_run(f"M{k}", regime_of(k), forced=east) for k in range(3)], spacing=5.0)
    at = summary.sel(predictor="ensemble")
    assert str(at["robustness"].attrs["flag_meanings"]).split() == list(ROBUSTNESS)
    robust, conflicting, none = (
        at["robustness"].sel(lat=lat, lon=lon) for lat, lon in ((42.5, 182.5), (-42.5, 182.5), (42.5, 2.5))
    )
    assert (int(robust), int(conflicting), int(none)) == (1, 2, 0)
    assert float(at["agreement_share"].sel(lat=-42.5, lon=182.5)) == pytest.approx(1 / 3)
    assert float(at["forced_share"].sel(lat=42.5, lon=2.5)) == 0
    assert int(at["robustness"].sel(lat=0, lon=90, method="nearest")) == -1


def everywhere(lat, lon):
    return np.ones(lat.shape)


@pytest.mark.parametrize(
    ("models", "expected", "share"),
    [
        # (regime before, regime to which a change is most probable)
        ([(0, 1)] * 5, 1, 1.0),
        ([(0, 1)] * 4 + [(0, 2)], 1, 0.8),
        # all have the middle regime afterwards, but left different ones, or it gains in some and loses in others
        ([(0, 1), (0, 1), (2, 1), (2, 1), (2, 1)], 2, 0.6),
        ([(1, 1), (1, 1), (1, 0), (1, 0), (1, 2)], 2, 0.4),
        # the regime stays the same and gains probability in all models
        ([(1, 1)] * 5, 1, 1.0),
    ],
)
def test_models_agree_on_a_change_if_they_agree_on_its_direction(models, expected, share):
    """All end in the middle regime, and all have a forced change."""
    runs = [
        model_run(f"M{k}", always(0.1, 0.8, 0.1), forced=everywhere, before=b, towards=t)
        for k, (b, t) in enumerate(models)
    ]
    cell = summary_of(runs, spacing=10.0).sel(predictor="ensemble", lat=45, lon=185)
    assert float(cell["agreement_share"]) == 1.0
    assert float(cell["direction_share"]) == pytest.approx(share)
    assert float(cell["changed_share"]) == np.mean([b != 1 for b, _ in models])
    assert int(cell["robustness"]) == expected
    # with a probability shift but no change of the regime there is nothing to agree on
    calm = [run.assign(forced_change=0 * run["forced_change"]) for run in runs]
    cell = summary_of(calm, spacing=10.0).sel(predictor="ensemble", lat=45, lon=185)
    assert (float(cell["shift_share"]), float(cell["forced_share"]), int(cell["robustness"])) == (1.0, 0.0, 0)
    assert np.isnan(cell["direction_share"])


@pytest.mark.parametrize(
    ("changing", "calm", "expected", "share"),
    [
        # the regimes to which the changing models go, those to which the probabilities of the others shift
        ([0, 0], [2], 1, 1.0),
        ([0, 2], [0], 2, 0.5),
        ([0, 0, 0, 2], [0], 2, 0.75),
        ([0], [0, 0], 0, 1.0),
    ],
)
def test_only_models_whose_regime_changes_have_a_direction(changing, calm, expected, share):
    """All models have a probability shift, only the first ones a forced regime change."""
    options = {"probability": always(0.4, 0.5, 0.1), "shift": everywhere}
    runs = [model_run(f"C{k}", towards=to, forced=everywhere, **options) for k, to in enumerate(changing)]
    runs += [model_run(f"N{k}", towards=to, forced=nowhere, **options) for k, to in enumerate(calm)]
    cell = summary_of(runs, spacing=10.0).sel(predictor="ensemble", lat=45, lon=185)
    assert float(cell["shift_share"]) == 1.0
    assert float(cell["forced_share"]) == pytest.approx(len(changing) / len(runs))
    assert float(cell["direction_share"]) == pytest.approx(share)
    assert int(cell["robustness"]) == expected


def test_two_thirds_of_the_models_are_enough_and_half_are_not():
    def robustness(n_forced, n):
        forced = [east if k < n_forced else nowhere for k in range(n)]
        runs = [model_run(f"M{k}", always(0.8, 0.1, 0.1), forced=forced[k]) for k in range(n)]
        return int(summary_of(runs, spacing=10.0)["robustness"].sel(lat=45, lon=185).item())

    assert robustness(2, 3) == 1
    assert robustness(2, 4) == 0
    assert robustness(1, 1) == -1


def test_a_model_does_not_count_where_its_change_was_not_tested():
    def unjudged(lat, lon):
        return -np.ones(lat.shape)

    summary = summary_of([model_run("A", forced=east), model_run("B", forced=unjudged)], spacing=5.0)
    cell = summary.sel(predictor="ensemble", lat=42.5, lon=182.5)
    assert (int(cell["n_models"]), int(cell["n_models_judged"]), float(cell["forced_share"])) == (2, 1, 1.0)


def summaries(runs, *, window="last"):
    loaders = {run_key(run): lambda run=run: run for run in runs}
    plans = agreement_plans(loaders, AgreementSettings(window=window, spacing_degrees=10.0))
    return {experiment: make() for experiment, (_, make) in plans.items()}


def test_the_years_of_all_models_are_those_of_the_title(caplog):
    """B ends earlier and has another regime; C is extended, and the window after it has no baseline."""
    late, more = always(0.0, 1.0, 0.0), (*WINDOWS, "2281-2300", "2301-2320")
    runs = [
        baselined(model_run("A", late)),
        baselined(model_run("B", always(1.0, 0.0, 0.0), windows=WINDOWS[:1])),
        with_baselines(model_run("C", late, windows=more), *["1995-2014"] * 3),
    ]
    summary = summaries(runs)["ssp585"]
    assert summary.attrs["window"] == WINDOWS[1]
    assert [*summary["source_id"].values] == ["A", "C"] and [*summary["model_window"].values] == [WINDOWS[1]] * 2
    assert float(summary["regime_probability"].isel(regime=0).max()) == 0
    assert f"The agreement of climate models in ssp585 is that of {WINDOWS[1]}; left out" in caplog.text
    assert caplog.records[-1].getMessage().endswith(": B")
    first = summaries(runs, window=WINDOWS[0])["ssp585"]
    assert [*first["source_id"].values] == ["A", "B", "C"] and first.attrs["window"] == WINDOWS[0]


def test_a_level_of_warming_is_one_window_with_the_years_of_each_model():
    def at_level(model, years, variant="r1i1p1f1"):
        run = model_run(model, experiment="ssp585-gwl2.0", windows=[years], variant=variant)
        return baselined(run)

    runs = [at_level("A", "2031-2050"), at_level("B", "2045-2064"), at_level("B", "2040-2059", "r2i1p1f1")]
    for window in ("last", "2031-2050"):
        summary = summaries(runs, window=window)["ssp585-gwl2.0"]
        assert summary.attrs["window"] == "2.0 K"
        assert [*summary["model_window"].values] == ["2031-2050", "2040-2059, 2045-2064"]


def test_shares_weigh_by_area():
    run = model_run("A", lambda lat, lon: np.stack([lat > 0, lat <= 0, lat > 100]) * 1.0).isel(window=0)
    np.testing.assert_allclose(regime_shares(run["regime_probability"], run), [[0.5, 0.5, 0]])


def test_errors_name_what_cannot_be_summarised():
    with pytest.raises(DataError, match="There is no run with the window '1850-1869'"):
        multimodel_summary([], window="1850-1869", spacing=2.0, min_models=2)
    with pytest.raises(DataError, match=r"one experiment_id: A/ssp585/r1i1p1f1 has ssp585, .* historical"):
        summary_of([model_run("A"), model_run("B", experiment="historical")])
    with pytest.raises(DataError, match="one list of regimes"):
        summary_of([model_run("A"), model_run("B").assign_attrs(regimes="a b c")])
    with pytest.raises(GridError, match="must divide 180"):
        summary_of([model_run("A")], spacing=7.0)
    with pytest.raises(ConfigError, match="'min_models' must be a whole number >= 1"):
        summary_of([model_run("A")], min_models=0)


def with_baselines(run, *labels):
    return run.assign_coords(baseline_window=("window", [*labels, *[""] * (run.sizes["window"] - len(labels))]))


def test_every_experiment_with_a_baseline_is_summarised_and_known_by_its_runs(caplog):
    runs = {
        "A/ssp585/r1": with_baselines(model_run("A"), "1995-2014", "1995-2014").assign_attrs({ATTRIBUTE: "1"}),
        "B/ssp585/r1": with_baselines(model_run("B"), "1995-2014", "1995-2014").assign_attrs({ATTRIBUTE: "2"}),
        "A/ssp126/r1": with_baselines(model_run("A", experiment="ssp126", change=0.1), "1995-2014", "1995-2014"),
        "A/piControl/r1": with_baselines(model_run("A", experiment="piControl")),
    }
    opened = {key: lambda run=run: run for key, run in runs.items()}
    settings = AgreementSettings(spacing_degrees=10.0)
    plans = agreement_plans(opened, settings)
    assert list(plans) == ["ssp126", "ssp585"]
    # of files nothing but coordinates and attributes is read before a summary is made
    assert agreement_plans(UnreadFiles(opened), settings)["ssp585"][0] == plans["ssp585"][0]
    summary = plans["ssp585"][1]()
    assert [*summary["source_id"].values] == ["A", "B"] and summary.attrs["window"] == WINDOWS[-1]
    renewed = runs["B/ssp585/r1"].assign_attrs({ATTRIBUTE: "3"})
    again = agreement_plans(opened | {"B/ssp585/r1": lambda: renewed}, settings)
    assert {name for name in plans if again[name][0] != plans[name][0]} == {"ssp585"}
    other = agreement_plans(opened, AgreementSettings(spacing_degrees=10.0, min_models=3))
    assert all(other[name][0] != plans[name][0] for name in plans)
    first = agreement_plans(opened, AgreementSettings(window=WINDOWS[0], spacing_degrees=10.0))
    assert first["ssp585"][1]().attrs["window"] == WINDOWS[0]
    assert agreement_plans(opened, AgreementSettings(window="2081-2100")) == {}
    assert "No agreement of climate models in ssp585: no run has the window 2081-2100 with a base" in caplog.text
    made = {name: make for name, (_, make) in plans.items()}
    assert most_changed_experiment(made).attrs["experiment_id"] == "ssp585"
    assert most_changed_experiment({}) is None


@pytest.mark.parametrize(("n_models", "warned"), [(1, False), (2, True), (3, False)])
def test_fewer_models_than_an_agreement_needs_are_warned_of(caplog, n_models, warned):
    runs = {f"{name}/ssp585/r1": with_baselines(model_run(name), "1995-2014", "1995-2014") for name in "ABC"[:n_models]}
    agreement_plans({key: lambda run=run: run for key, run in runs.items()}, AgreementSettings(min_models=3))
    assert ("agreement.min_models is 3, and there are 2" in caplog.text) == warned
