"""Published names need the published physics; all other regimes are named by what is measured in them."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from thor.core.variables import BUDGET_TERMS
from thor.figures.style import regime_colours
from thor.regimes.naming import LONG_NAMES, REGIMES
from thor.regimes.recognition import RegimePhysics, balance_text, is_published, name_regimes


def with_terms(budget, terms):
    """Return a budget with other terms, which must sum to zero."""
    return budget.assign(
        {name: (budget["analysis_mask"].dims, term) for name, term in zip(BUDGET_TERMS, terms, strict=True)}
    )


@pytest.fixture(scope="module")
def true_classes(made_budget):
    return made_budget["reference_regime"].values[made_budget["analysis_mask"].values == 1]


@given(order=st.permutations(range(5)))
def test_published_regimes_are_recognised_in_any_order_of_the_classes(made_budget, true_classes, order):
    class_of_regime = np.argsort([*order, 5])
    naming = name_regimes(class_of_regime[true_classes], made_budget, n_classes=6)
    np.testing.assert_array_equal(naming.regime_of_class, [*order, 5])
    assert (naming.rule, naming.names, naming.long_names) == ("signature", REGIMES, tuple(LONG_NAMES.values()))


def test_the_same_balances_at_other_latitudes_have_no_published_name(made_budget, true_classes):
    upside_down = made_budget.assign_coords(lat=-made_budget["lat"].values)
    naming = name_regimes(true_classes, upside_down, n_classes=6)
    assert naming.rule == "balance"
    assert naming.names == ("R1", "R2", "R3", "R4", "R5", "merged")
    # By falling curl: TR, S-SV, MD, N-SV, SO.
    np.testing.assert_array_equal(naming.regime_of_class, [2, 1, 3, 0, 4, 5])
    first, second = naming.long_names[:2]
    assert first == "wind stress curl (+) balanced by planetary vorticity advection (-), median curl 1.4e-10 m s-2"
    assert second.startswith("wind stress curl (+) balanced by") and second != first


def test_the_same_places_with_another_balance_have_no_published_name(made_budget, true_classes):
    wind, planetary, pressure, nonlinear, viscous = (made_budget[name].values for name in BUDGET_TERMS)
    weak = with_terms(made_budget, [wind, planetary, pressure, 0.1 * nonlinear, viscous + 0.9 * nonlinear])
    assert name_regimes(true_classes, weak, n_classes=6).rule == "balance"
    not_sverdrupian = with_terms(made_budget, [wind, pressure, planetary, nonlinear, viscous])
    assert name_regimes(true_classes, not_sverdrupian, n_classes=6).rule == "balance"
    assert name_regimes(true_classes, made_budget, n_classes=6).rule == "signature"


def test_given_numbers_are_kept_and_named_by_the_labels(made_budget, true_classes):
    named = name_regimes(true_classes, made_budget, n_classes=6, numbering="reference")
    assert (named.rule, named.names) == ("reference", REGIMES)
    other = name_regimes((true_classes + 1) % 6, made_budget, n_classes=6, numbering="reference")
    assert other.names == ("R1", "R2", "R3", "R4", "R5", "R6")
    np.testing.assert_array_equal(other.regime_of_class, range(6))
    assert other.long_names[2].startswith("wind stress curl (+) balanced by")


def test_other_numbers_of_regimes_are_ordered_by_median_curl(made_budget, true_classes):
    three = np.choose(true_classes, [1, 1, 0, 1, 0, 2])
    naming = name_regimes(three, made_budget, n_classes=3)
    np.testing.assert_array_equal(naming.regime_of_class, [1, 0, 2])
    assert naming.names == ("R1", "R2", "merged")
    without_first = name_regimes(np.where(three == 1, 0, three), made_budget, n_classes=3)
    assert without_first.long_names[1:] == ("no cells", "merged small clusters")


def test_the_dimensions_and_their_order_do_not_matter(made_budget, true_classes):
    curvilinear = made_budget.rename(lat="y", lon="x")
    rows, columns = xr.broadcast(made_budget["lat"], made_budget["lon"])
    curvilinear = curvilinear.drop_vars(["y", "x"]).assign_coords(
        lat=(("y", "x"), rows.values), lon=(("y", "x"), columns.values)
    )
    assert name_regimes(true_classes, curvilinear, n_classes=6).rule == "signature"


def physics(magnitude, positive):
    return RegimePhysics(0.0, np.zeros(5), np.array(magnitude, dtype=float), np.array(positive), 0.5, 0.3, 0.5)


@pytest.mark.parametrize(
    ("magnitude", "positive", "text"),
    [
        (
            [100, 90, 1, 1, 1],
            [0.1, 0.9, 0.5, 0.5, 0.5],
            "wind stress curl (-) balanced by planetary vorticity advection (+)",
        ),
        (
            [1, 90, 80, 1, 70],
            [0.5, 0.1, 0.5, 0.5, 0.9],
            "planetary vorticity advection (-) balanced by viscous torque (+), "
            "with bottom pressure torque of both signs",
        ),
        (
            [100, 90, 80, 1, 1],
            [0.9, 0.7, 0.3, 0.5, 0.5],
            "wind stress curl (+), with planetary vorticity advection and bottom pressure torque of both signs",
        ),
        ([1, 100, 90, 1, 1], [0.5, 0.7, 0.3, 0.5, 0.5], None),
    ],
)
def test_balances_in_words_have_the_signs_of_the_terms(magnitude, positive, text):
    expected = text or "planetary vorticity advection and bottom pressure torque of both signs"
    assert balance_text(physics(magnitude, positive)) == expected


def test_a_regime_without_cells_fits_no_name():
    assert not is_published([physics([1, 1, 1, 1, 1], [0.5] * 5)] * 5 + [None])


def test_regimes_keep_distinct_colours():
    names = (*REGIMES, "R1", "R2", "R3", "R4", "R5", "R6", "R7", "merged")
    colours = regime_colours(names)
    assert len(set(colours)) == len(names)
    assert regime_colours(["merged", "R2", "SO"]) == [colours[names.index(n)] for n in ("merged", "R2", "SO")]


def test_published_labels_of_ecco_are_recognised(ecco_budget):
    """Measured from the released labels, and each of the published locations is needed."""
    from thor.regimes import recognition

    labels = ecco_budget["reference_regime"].values[ecco_budget["analysis_mask"].values == 1]
    named = name_regimes(labels, ecco_budget, n_classes=6)
    assert (named.rule, named.names) == ("signature", REGIMES)
    np.testing.assert_array_equal(named.regime_of_class, range(6))
    measured = recognition._measure(labels, ecco_budget, 6)
    assert is_published(measured)
    southern, transitional, nonlinear = (REGIMES.index(name) for name in ("SO", "TR", "NL"))
    for number, change in (
        (southern, {"south_of_30s": 0.22}),
        (transitional, {"within_30": 0.63}),
        (nonlinear, {"magnitude": measured[nonlinear].magnitude * [1, 1, 1, 0.5, 1]}),
    ):
        changed = [replace(found, **change) if k == number else found for k, found in enumerate(measured)]
        assert not is_published(changed)


def test_without_merged_clusters_every_regime_is_numbered_by_its_curl(made_budget, true_classes):
    three = np.choose(true_classes, [1, 1, 0, 1, 2, 1])  # the last is SO, of the lowest curl
    naming = name_regimes(2 - three, made_budget, n_classes=3, merged=False)
    assert naming.names == ("R1", "R2", "R3") and "merged small clusters" not in naming.long_names
    medians = [
        np.median(made_budget["wind_stress_curl"].values[made_budget["analysis_mask"].values == 1][2 - three == k])
        for k in range(3)
    ]
    np.testing.assert_array_equal(naming.regime_of_class[np.argsort(medians)[::-1]], [0, 1, 2])
    assert name_regimes(true_classes, made_budget, n_classes=6, merged=False).rule == "signature"
