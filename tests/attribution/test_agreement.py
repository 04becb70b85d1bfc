"""Agreement of methods: equal to values calculated by hand, and weighted by area."""

import numpy as np
import pytest
import xarray as xr

from thor.attribution.agreement import agreement, compare, network_agreement, pair_agreement


def test_agreement_equals_values_calculated_by_hand():
    first = np.array([[3.0, -2.0, 1.0, 0.5], [1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    second = np.array([[6.0, -4.0, 2.0, 1.0], [-4.0, -3.0, -2.0, -1.0], [4.0, 3.0, 2.0, 1.0]])
    got = agreement(first, second)
    assert got["rank_correlation"][:2] == pytest.approx([1, 1])
    assert np.isnan(got["rank_correlation"][2])
    assert got["sign_agreement"] == pytest.approx([1, 0, 1])
    # by magnitude: 3 2 1 of both; 4 3 2 against 1 2 3, of which two are common; ties keep their order
    assert got["top_overlap"] == pytest.approx([1, 2 / 3, 1])
    swapped = agreement(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]]))
    assert swapped["rank_correlation"] == pytest.approx(0.5)
    weighted = agreement(np.array([[9.0, 1.0]]), np.array([[9.0, -1.0]]))
    assert weighted["sign_agreement"] == pytest.approx(0.9)


def explanation(values, spread=0.1):
    grid = ("lat", "lon")
    valid = np.array([[1, 1], [1, 0]])
    field = np.where(valid[None, None] == 1, values, np.nan)
    area = np.array([[1.0, 3.0], [2.0, 5.0]])
    regime = np.array([[[0, 1], [1, -1]]])
    return xr.Dataset(
        {
            "attribution": (("predictor", "feature", *grid), field),
            "attribution_spread": (("predictor", "feature", *grid), np.where(np.isfinite(field), spread, np.nan)),
            "attribution_sign_agreement": (("predictor", "feature", *grid), np.where(np.isfinite(field), 0.75, np.nan)),
            "explained_regime": (("predictor", *grid), regime, {"flag_meanings": "MD TR"}),
            "valid": (grid, valid),
            "areacello": (grid, area),
        },
        coords={"predictor": ["ensemble"], "feature": list("abc"), "lat": [0.0, 10.0], "lon": [0.0, 10.0]},
    )


def test_tables_are_weighted_by_area_and_leave_land_out():
    one = np.ones((1, 3, 2, 2)) * np.array([3.0, -2.0, 1.0])[None, :, None, None]
    other = one.copy()
    other[..., 0, 1] *= -1
    fields = compare({"relevance": explanation(one), "lime": explanation(other)})
    assert list(fields["pair"].values) == ["relevance and lime"]
    assert np.isnan(fields["rank_correlation"].values[..., 1, 1]).all()
    table = pair_agreement(fields)["ensemble"]
    pair = "relevance and lime"
    # signs differ in one cell of area 3 out of 6, which is one of the two cells of TR
    assert table["global"][pair]["sign_agreement"] == pytest.approx(0.5)
    assert table["TR"][pair]["sign_agreement"] == pytest.approx(0.4)
    assert table["MD"][pair]["rank_correlation"] == pytest.approx(1)
    assert table["global"]["n_cells"] == 3
    assert table["global"]["weighting"] == "area"


def test_networks_of_one_method():
    one = np.ones((1, 3, 2, 2)) * np.array([3.0, -2.0, 1.0])[None, :, None, None]
    got = network_agreement(explanation(one, spread=1.0))["ensemble"]
    assert got["sign_agreement"] == pytest.approx(0.75)
    assert got["relative_spread"] == pytest.approx(1 / np.sqrt(14 / 3))
