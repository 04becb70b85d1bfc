"""Maps of regimes that cannot be: wrong sign, no or too much stress, one regime everywhere, regimes that are absent."""

import numpy as np
import pytest
import xarray as xr

from tests.metric_tables import find_metric
from tests.tracking.conftest import CLASSES, make_run, make_tools, training_ocean
from thor.core.errors import DataError
from thor.core.metrics import metrics
from thor.tracking.plausibility import TrainingOcean, plausibility
from thor.tracking.track import track_run


def track(made, run):
    return track_run(run, None, None, make_tools(made))


@pytest.fixture(scope="module")
def control(made):
    return track(made, made.control)


@pytest.fixture(scope="module")
def training(control):
    return training_ocean(control)


def with_stress(made, factor):
    curl = made.control["wind_stress_curl"]
    return track(made, made.control.assign(wind_stress_curl=(factor * curl).assign_attrs(curl.attrs)))


def test_a_run_like_the_training_ocean_and_one_that_changes_are_plausible(made, control, training, caplog):
    for run in (control, track(made, made.scenario)):
        found = plausibility(run, training)
        assert set(found) == {"ensemble", "bayesian"}
        assert [result["objections"] for result in found.values()] == [[], []]
        assert [result["absent_regimes"] for result in found.values()] == [[], []]
    assert caplog.text == ""


def test_numbers_are_those_of_the_map(control, training):
    result = plausibility(control.isel(window=[0]), training)["ensemble"]
    area = control["areacello"].where(control["valid"] == 1)
    regime = control["regime"].isel(window=0).sel(predictor="ensemble")
    shares = {name: float(area.where(regime == k).sum() / area.sum()) for k, name in enumerate(CLASSES)}
    np.testing.assert_allclose(training.share, list(shares.values()), rtol=1e-12)
    assert result["largest_share"] == pytest.approx(shares[result["largest_regime"]])
    assert result["largest_share_in_training"] == pytest.approx(shares[result["largest_regime"]])
    assert result["latitude_mismatch"] == 0
    assert all(find_metric(["run", "ensemble", name], metrics("plausibility")) for name in result)


def test_a_stress_of_the_wrong_sign_is_found_although_areas_are_as_they_should_be(made, training, caplog):
    """The largest regimes change places, between the hemispheres here."""
    found = plausibility(with_stress(made, -1), training)
    for result in found.values():
        assert result["absent_regimes"] == []
        assert result["latitude_mismatch"] > 0.6
        (objection,) = result["objections"]
        assert "of the area has other regimes than the training ocean at the same latitude" in objection
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("MADE/piControl/r1i1p1f1: the regimes are implausible (ensemble: ")
    assert "bayesian: " in record.getMessage()


def test_one_regime_everywhere_is_found(made, training):
    result = plausibility(with_stress(made, 0), training)["ensemble"]
    assert (result["largest_regime"], result["largest_share"]) == ("middle", 1.0)
    assert any(
        sentence == f"middle covers 100% of the ocean, {training.share[1]:.0%} of the training ocean"
        for sentence in result["objections"]
    )


def test_a_training_ocean_with_one_regime_nearly_everywhere_is_no_reason_to_warn(made):
    calm = with_stress(made, 0.2)
    training = training_ocean(calm)
    assert training.share.max() > 0.9
    assert plausibility(calm, training)["ensemble"]["objections"] == []


def test_an_absent_regime_is_named_unless_it_is_rare_in_the_training_ocean(control):
    run = control.copy(deep=True)
    run["expected_area"][:, 0, :, 2] = 0.0  # of the ensemble, in the south
    found = plausibility(run, training_ocean(control))
    assert found["ensemble"]["absent_regimes"] == ["south"]
    assert found["ensemble"]["objections"] == ["south absent, unlike in the training ocean"]
    assert found["bayesian"]["objections"] == []
    rare = training_ocean(control)
    area = rare.area.copy()
    area[:, 2] *= 0.005 * area.sum() / area[:, 2].sum()
    assert plausibility(run, TrainingOcean(rare.names, area))["ensemble"]["absent_regimes"] == []


def test_a_regime_that_the_known_truth_lacks_as_well_is_not_absent(control, training):
    run = control.copy(deep=True)
    run["expected_area"][:, 0, :, 2] = 0.0  # of the ensemble, in the south
    flags = {"flag_values": [0, 1, 2], "flag_meanings": " ".join(CLASSES[::-1])}
    number = run["regime"].sel(predictor="ensemble", drop=True)
    reversed_order = (2 - number).where(number >= 0, -1)
    south = reversed_order.where(reversed_order != 0, 1).assign_attrs(flags)  # the middle in its place
    for true_regime, absent in (
        (reversed_order.assign_attrs(flags), ["south"]),
        (south, []),
        (xr.full_like(south, -1), ["south"]),  # known in no window
    ):
        found = plausibility(run, training, xr.Dataset({"true_regime": true_regime}))
        assert found["ensemble"]["absent_regimes"] == absent


def test_one_window_is_enough(control, training):
    run = control.copy(deep=True)
    run["regime"][3] = run["regime"][3].where(run["regime"][3] < 0, 0)
    result = plausibility(run, training)["ensemble"]
    assert (result["largest_regime"], result["largest_share"]) == ("north", 1.0)
    assert len(result["objections"]) == 2


def test_grids_and_the_order_of_regimes_do_not_matter(made, training):
    curvilinear = track(made, make_run("piControl", seed=1, curvilinear=True)).isel(window=[0])
    assert plausibility(curvilinear, training)["ensemble"]["latitude_mismatch"] == 0
    turned = TrainingOcean(CLASSES[::-1], training.area[:, ::-1])
    assert plausibility(curvilinear, turned) == plausibility(curvilinear, training)


def test_cells_without_regime_area_or_place_do_not_count_and_the_pole_does():
    regimes = xr.Dataset(
        {
            "regime": ("y", [0, 1, -1, 1, 0], {"flag_values": [0, 1], "flag_meanings": "A B"}),
            "areacello": ("y", [2.0, np.nan, 5.0, 3.0, 7.0]),
        },
        coords={"lat": ("y", [90.0, 0.0, 0.0, -90.0, np.nan])},
    )
    training = TrainingOcean.of(regimes)
    assert training.names == ("A", "B")
    np.testing.assert_array_equal(training.share, [0.4, 0.6])
    assert (training.area[-1, 0], training.area[0, 1]) == (2.0, 3.0)


def test_other_regimes_are_refused(control, training):
    with pytest.raises(DataError, match="has the regimes A, B, C; the run north, middle, south"):
        plausibility(control, TrainingOcean(("A", "B", "C"), training.area))
