"""Climatologies of a run: means, mask, datum, stress, record of their origin."""

import numpy as np
import pytest

from tests.made_archive import centres, field, fixed_field, land, years


def weighted_mean(variable_id, first, last, seed):
    months = years(first, last)
    days = np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], last - first + 1)
    return np.average(field(variable_id, months, seed).astype(float), axis=0, weights=days)


def test_windows_are_means_weighted_by_the_lengths_of_months(root, make_climatology):
    result = make_climatology(root)
    assert list(result["window"].values) == ["1850-1851", "1852-1853"]
    assert list(result["months"].values) == [24, 24]
    for k, (first, last) in enumerate([(1850, 1851), (1852, 1853)]):
        expected = weighted_mean("tauuo", first, last, seed=1)
        np.testing.assert_allclose(result["tauuo"][k].values, expected, rtol=1e-6)
        expected = weighted_mean("zos", first, last, seed=0)
        mean = np.average(expected[~land()], weights=fixed_field("areacello")[~land()])
        assert result["removed_mean"].values[k] == pytest.approx(mean, rel=1e-6)
        np.testing.assert_allclose(result["zos"][k].values, expected - mean, atol=1e-6)


def test_removing_the_mean_of_each_month_or_of_the_window_is_the_same(root, make_climatology):
    months = field("zos", years(1850, 1851), 0).astype(float)
    weights = fixed_field("areacello")[~land()]
    each = months - np.average(months[:, ~land()], weights=weights, axis=1)[:, None, None]
    days = np.tile([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], 2)
    expected = np.average(each, axis=0, weights=days)
    np.testing.assert_allclose(make_climatology(root)["zos"][0].values, expected, atol=1e-6)


def test_attributes_name_files_steps_and_convention(root, make_climatology):
    result = make_climatology(root)
    lines = result["zos"].attrs["files"].splitlines()
    assert len(lines) == 2
    assert all("hdl:21.14100/zos_Omon" in line and "sha256:" in line and line.endswith("24 steps") for line in lines)
    assert result.attrs["stress_convention"] == "true_east_north"
    assert result.attrs["calendar"] == "noleap"
    assert result.attrs["source_id"] == "MADE-1"


def test_land_is_missing_and_coordinates_are_kept(root, make_climatology):
    result = make_climatology(root)
    assert (np.isnan(result["zos"].values) == land()).all()
    assert (np.isnan(result["deptho"].values) == land()).all()
    np.testing.assert_array_equal(result["lat"].values, centres()[0])
