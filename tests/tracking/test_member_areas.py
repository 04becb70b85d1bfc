"""Areas over members: intervals with the stated coverage, and one vote for each model or family."""

import numpy as np
import pandas as pd
import pytest

from thor.core.errors import ConfigError
from thor.tracking.member_areas import member_areas, model_areas
from thor.tracking.settings import AgreementSettings


def areas(values, *, change=None):
    """A table of areas: {model: areas of its members}."""
    rows = [
        {
            "source_id": model,
            "experiment_id": "ssp585",
            "variant_label": f"r{k}i1p1f1",
            "window": "2081-2100",
            "window_start": 2081,
            "window_end": 2100,
            "n_months": 240,
            "baseline_window": "1995-2014",
            "predictor": "ensemble",
            "basin": "global",
            "regime": "one",
            "expected_area_m2": value,
            "lower": value - 1,
            "upper": value + 1,
            "argmax_area_m2": value,
            "change_m2": value - 10.0 if change is None else change,
            "change_lower": 0.0,
            "change_upper": 0.0,
            "change_percent": 0.0,
        }
        for model, members in values.items()
        for k, value in enumerate(members, 1)
    ]
    return pd.DataFrame(rows)


def test_windows_of_the_same_years_since_the_start_are_one_however_models_number_them():
    table = areas({"A": [10.0], "B": [20.0]})
    late = table.assign(window="2101-2120", window_start=2101, window_end=2120)
    table = pd.concat([table, late], ignore_index=True)
    b = table["source_id"] == "B"
    table.loc[b, ["window_start", "window_end"]] -= 2080
    table.loc[b, "window"] = ["0001-0020", "0021-0040"]
    of_members = member_areas(table, level=0.9)
    assert set(model_areas(of_members, AgreementSettings())["n_models"]) == {1}
    starts = {"A/ssp585/r1i1p1f1": 2081, "B/ssp585/r1i1p1f1": 1}
    out = model_areas(of_members, AgreementSettings(), starts=starts)
    assert [*out["window"]] == ["years 1-20", "years 21-40"]
    assert [*out["n_models"]] == [2, 2] and [*out["expected_area_m2"]] == [15.0, 15.0]
    # labels that all models share stay
    same = member_areas(areas({"A": [10.0], "B": [20.0]}), level=0.9)
    assert [*model_areas(same, AgreementSettings(), starts=dict.fromkeys(starts, 2081))["window"]] == ["2081-2100"]


def test_members_that_start_in_different_years_are_averaged_in_the_same_years_since_their_start():
    """One begins where the second window of the other does; model B has other years, C those of the first."""
    first = areas({"A": [10.0, 30.0], "B": [20.0], "C": [60.0]})
    table = pd.concat([first, first.assign(expected_area_m2=first["expected_area_m2"] + 1)], ignore_index=True)
    second = table.index >= len(first)
    late = (table["source_id"] == "A") & (table["variant_label"] == "r2i1p1f1")
    table["window_start"] = np.where(table["source_id"] == "B", 1, 1850) + 20 * second + 20 * late
    table["window_end"] = table["window_start"] + 19
    table["window"] = [f"{start:04d}-{start + 19:04d}" for start in table["window_start"]]
    shifted = member_areas(table, level=0.9)
    assert shifted.set_index(["source_id", "window"])["n_members"]["A"].to_dict()["1870-1889"] == 2
    starts = {f"{model}/ssp585/r1i1p1f1": first for model, first in (("A", 1850), ("B", 1), ("C", 1850))}
    starts["A/ssp585/r2i1p1f1"] = 1870
    found = member_areas(table, level=0.9, starts=starts).set_index(["source_id", "window"])
    assert [*found.loc["A"].index] == ["years 1-20", "years 21-40"]
    assert [*found.loc["A", "window_start"]] == [1, 21] and [*found.loc["A", "window_end"]] == [20, 40]
    assert [*found.loc["A", "n_members"]] == [2, 2] and [*found.loc["A", "expected_area_m2"]] == [20.0, 21.0]
    assert [*found.loc["C"].index] == ["1850-1869", "1870-1889"]
    out = model_areas(found.reset_index(), AgreementSettings(), starts=starts)
    assert [*out["window"]] == ["years 1-20", "years 21-40"]
    assert [*out["n_models"]] == [3, 3] and out["expected_area_m2"].tolist() == pytest.approx([100 / 3, 103 / 3])


def test_a_member_whose_start_is_not_known_keeps_its_years():
    table = areas({"A": [10.0, 20.0, 30.0]}).assign(window="1870-1889", window_start=1870, window_end=1889)
    starts = {"A/ssp585/r1i1p1f1": 1870, "A/ssp585/r2i1p1f1": 1850}
    found = member_areas(table, level=0.9, starts=starts)
    assert found.set_index("window")["n_members"].to_dict() == {"years 1-20": 1, "years 21-40": 1, "1870-1889": 1}


def test_windows_of_a_member_without_its_first_files_are_those_of_its_own_years():
    """The second member lacks its first 20 years; the second model is there from the year 41 on."""
    table = areas({"A": [10.0, 30.0], "B": [20.0]})
    table["window"], table["window_start"], table["window_end"] = "1890-1909", 1890, 1909
    early = table[table["variant_label"] == "r1i1p1f1"].assign(window_start=1850, window_end=1869, window="1850-1869")
    table = pd.concat([early[early["source_id"] == "A"], table], ignore_index=True)
    b = table["source_id"] == "B"
    table.loc[b, ["window_start", "window_end"]] -= 1849
    table.loc[b, "window"] = "0041-0060"
    starts = {"A/ssp585/r1i1p1f1": 1850, "A/ssp585/r2i1p1f1": 1850, "B/ssp585/r1i1p1f1": 1}
    found = member_areas(table, level=0.9, starts=starts)
    assert found.set_index(["source_id", "window"])["n_members"].to_dict() == {
        ("A", "1850-1869"): 1,
        ("A", "1890-1909"): 2,
        ("B", "0041-0060"): 1,
    }
    out = model_areas(found, AgreementSettings(), starts=starts).set_index("window")
    assert out["n_models"].to_dict() == {"1850-1869": 1, "years 41-60": 2}
    assert out.loc["years 41-60", "expected_area_m2"] == 20.0


def test_members_of_another_forcing_than_most_do_not_count():
    table = areas({"A": [10.0, 12.0, 50.0]}).replace({"variant_label": {"r3i1p1f1": "r3i1p2f1"}})
    row = member_areas(table, level=0.9).iloc[0]
    assert (row["n_members"], row["expected_area_m2"]) == (2, 11.0)


def test_the_interval_is_that_of_students_t():
    row = member_areas(areas({"A": [10.0, 12.0, 14.0]}), level=0.9).iloc[0]
    assert (row["n_members"], row["expected_area_m2"], row["spread_m2"]) == (3, 12.0, 2.0)
    half = 2.919986 * 2 / np.sqrt(3)  # t(0.95, 2)
    assert (row["lower"], row["upper"]) == pytest.approx((12 - half, 12 + half))
    assert (row["change_m2"], row["change_spread_m2"]) == (2.0, 2.0)
    assert (row["change_lower"], row["change_upper"]) == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("n_members", [3, 10])
@pytest.mark.parametrize("level", [0.9, 0.5])
def test_intervals_hold_the_forced_response_as_often_as_stated(n_members, level):
    rng = np.random.default_rng(7)
    truth, n_models = 100.0, 1500
    table = member_areas(areas({f"M{k}": truth + 5 * rng.normal(size=n_members) for k in range(n_models)}), level=level)
    held = ((table["lower"] <= truth) & (truth <= table["upper"])).mean()
    assert held == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / n_models))
    assert np.sqrt((table["spread_m2"] ** 2).mean()) == pytest.approx(5, rel=0.05)


def test_one_member_has_no_interval_and_no_baseline_no_change():
    row = member_areas(areas({"A": [10.0]}, change=np.nan), level=0.9).iloc[0]
    assert row["expected_area_m2"] == 10 and row["n_members"] == 1
    assert row[["lower", "upper", "spread_m2", "change_m2", "change_lower"]].isna().all()


def test_changes_count_only_members_and_models_with_a_baseline():
    """One member of A lacks its baseline, and all of B."""
    table = areas({"A": [10.0, 12.0, 14.0], "B": [40.0], "C": [20.0]})
    lacking = (table["source_id"] == "B") | ((table["source_id"] == "A") & (table["variant_label"] == "r3i1p1f1"))
    of_members = member_areas(table.assign(change_m2=table["change_m2"].mask(lacking)), level=0.9)
    counts = of_members.set_index("source_id")[["n_members", "n_members_change"]]
    assert counts.to_numpy().tolist() == [[3, 2], [1, 0], [1, 1]]
    assert of_members["change_m2"].iloc[0] == 1.0
    names = ["n_models", "n_models_change", "n_votes", "n_votes_change", "change_m2"]
    row = model_areas(of_members, AgreementSettings()).iloc[0]
    assert row[names].tolist() == [3, 2, 3, 2, 5.5]
    settings = AgreementSettings(model_weights="family", families={"A": "one", "B": "two", "C": "one"})
    assert model_areas(of_members, settings).iloc[0][names].tolist() == [3, 2, 2, 1, 5.5]


def test_models_count_once_however_many_members_they_have():
    of_members = member_areas(areas({"A": [10.0, 20.0, 30.0], "B": [40.0]}), level=0.9)
    row = model_areas(of_members, AgreementSettings()).iloc[0]
    assert (row["models"], row["n_models"], row["n_votes"]) == ("A B", 2, 2)
    assert (row["expected_area_m2"], row["smallest_m2"], row["largest_m2"]) == (30.0, 20.0, 40.0)
    assert (row["change_m2"], row["smallest_change_m2"], row["largest_change_m2"]) == (20.0, 10.0, 30.0)


def test_families_count_once_and_the_range_is_that_of_models():
    of_members = member_areas(areas({"A": [10.0], "B": [20.0], "C": [60.0]}), level=0.9)
    settings = AgreementSettings(model_weights="family", families={"A": "one", "B": "one", "C": "two"})
    row = model_areas(of_members, settings).iloc[0]
    assert (row["expected_area_m2"], row["n_models"], row["n_votes"]) == (37.5, 3, 2)
    assert (row["smallest_m2"], row["largest_m2"]) == (10.0, 60.0)
    with pytest.raises(ConfigError, match="No family is known of B, C"):
        model_areas(of_members, settings.replace(families={"A": "one"}))


def test_levels_of_warming_are_averaged_though_reached_in_different_years():
    table = areas({"A": [10.0, 20.0], "B": [40.0]})
    years = {"A": {"r1i1p1f1": 2030, "r2i1p1f1": 2035}, "B": {"r1i1p1f1": 2050}}
    first = [years[model][variant] for model, variant in zip(table["source_id"], table["variant_label"], strict=True)]
    windows = [f"{year}-{year + 19}" for year in first]
    table = table.assign(experiment_id="ssp585-gwl2.0", window=windows, window_start=first)
    table["window_end"] = table["window_start"] + 19
    of_members = member_areas(pd.concat([table, areas({"A": [7.0]})]), level=0.9)
    level = of_members[of_members["experiment_id"] == "ssp585-gwl2.0"].set_index("source_id")
    assert level["window"].unique().tolist() == ["2.0 K"]
    assert level.loc["A", ["n_members", "expected_area_m2", "window_start", "window_end"]].tolist() == [
        2,
        15,
        2030,
        2054,
    ]
    row = model_areas(of_members, AgreementSettings()).set_index("experiment_id").loc["ssp585-gwl2.0"]
    assert (row["models"], row["expected_area_m2"]) == ("A B", 27.5)


def test_no_rows_have_the_same_columns():
    full = member_areas(areas({"A": [10.0]}), level=0.9)
    empty = member_areas(areas({}), level=0.9)
    assert [*empty.columns] == [*full.columns]
    assert [*model_areas(empty, AgreementSettings()).columns] == [*model_areas(full, AgreementSettings()).columns]
