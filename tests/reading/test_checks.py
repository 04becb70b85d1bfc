"""Fields whose numbers, signs or areas cannot be right: noticed, corrected or refused."""

import logging

import netCDF4
import numpy as np
import pytest

from tests.reading.small_archives import only, read, rewritten
from tests.tiny_archive import FIELDS, areas, centres, deptho, sea, write, write_tiny
from thor.core.errors import DataError, GridError
from thor.reading.quirks import Quirks


# -- areas and physics ---------------------------------------------------------------------------------------------
def test_areas_of_another_grid_are_left_aside_with_their_ratio(tmp_path, caplog):
    write_tiny(tmp_path)
    lat, lon = centres(18, 36)
    write(tmp_path, "areacello", areas(lat, 36), lat, lon)
    ocean, _ = only(tmp_path)
    assert "18 rows, 36 columns, total 5.101e+14 m2, 1 times that of the positions" in caplog.text
    np.testing.assert_allclose(ocean["areacello"].values, areas(centres()[0], 72), rtol=1e-6)


def test_areas_missing_at_sea_follow_from_the_positions(tmp_path, caplog):
    lat, lon, wet = write_tiny(tmp_path)
    published = areas(lat, 72)
    published[10:12, 5:20] = np.nan
    write(tmp_path, "areacello", published, lat, lon)
    ocean, _ = only(tmp_path)
    assert f"areacello is missing in {int(wet[10:12, 5:20].sum())} sea cells" in caplog.text
    at_sea = np.isfinite(ocean["zos"].values[0])
    np.testing.assert_allclose(ocean["areacello"].values[at_sea], areas(lat, 72)[at_sea], rtol=1e-6)


def test_depth_counted_upward_is_named(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("deptho",))
    write(tmp_path, "deptho", np.where(wet, -deptho(lat, lon), np.nan), lat, lon)
    with pytest.raises(DataError, match="'deptho' runs from -4[0-9.]+ to -3[0-9.]+ m, positive down"):
        read(tmp_path)


@pytest.mark.parametrize(("factor", "words"), [(2.0, "2 times the areas of the positions"), (1e-6, "km2 called m2")])
def test_areas_off_by_a_factor_are_left_aside_with_the_factor(tmp_path, caplog, factor, words):
    lat, lon, _ = write_tiny(tmp_path)
    write(tmp_path, "areacello", factor * areas(lat, 72), lat, lon)
    ocean, _ = only(tmp_path)
    assert words in caplog.text
    np.testing.assert_allclose(ocean["areacello"].values, areas(lat, 72), rtol=1e-6)


def test_stress_of_the_wrong_sign_is_noticed_turned_or_an_error(tmp_path, caplog):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    for name in ("tauuo", "tauvo"):
        write(tmp_path, name, np.where(wet, -FIELDS[name](lat, lon), np.nan), lat, lon)
    ocean, _ = only(tmp_path)
    assert "southern_westerlies: mean of eastward stress in -55 to -45 N is -0.0" in ocean.attrs["checks_failed"]
    assert "stress_sign -1 in the quirks" in caplog.text
    assert only(tmp_path, quirks={"TINY": Quirks(stress_sign=-1)})[0].attrs["checks_failed"] == ""
    with pytest.raises(DataError, match="TINY/historical/r1i1p1f1: southern_westerlies"):
        read(tmp_path, strict=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_northward_stress_of_the_wrong_sign_is_noticed(tmp_path, sign):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauvo",))
    trades = -0.03 * np.sin(2 * np.deg2rad(lat))[:, None] * np.ones(wet.shape)
    write(tmp_path, "tauvo", np.where(wet, sign * trades, np.nan), lat, lon)
    failed = only(tmp_path)[0].attrs["checks_failed"]
    words = "southeast_trades: mean of northward stress in -25 to -10 N is -0.017 N m-2, expected -0.01 to 0.2. North"
    assert failed == "" if sign > 0 else failed.startswith(words)


@pytest.mark.parametrize(
    ("name", "factor", "check"),
    [
        ("zos", 100.0, None),  # beyond any sea level: an error of its contract, not a warning
        ("zos", -1.0, "southern_sea_level"),
        ("zos", 0.01, "sea_level_range"),
        ("tauuo", 1e-3, "stress_magnitude"),
        ("deptho", 0.1, "mean_depth"),
    ],
)
def test_fields_with_wrong_units_or_signs_are_noticed(tmp_path, name, factor, check):
    lat, lon, wet = write_tiny(tmp_path, skip=(name,))
    write(tmp_path, name, np.where(wet, factor * FIELDS[name](lat, lon), np.nan), lat, lon)
    ocean, _ = only(tmp_path)
    if check is not None:
        assert check in ocean.attrs["checks_failed"]
    else:
        assert "sea_level_range" in ocean.attrs["checks_failed"]


def test_a_valid_ocean_passes_all_checks(tmp_path, caplog):
    write_tiny(tmp_path)
    ocean, _ = only(tmp_path)
    assert ocean.attrs["checks_failed"] == "" and ocean.attrs["checks_not_applicable"] == ""
    assert set(ocean.attrs["checks_passed"].split()) >= {"southern_westerlies", "drake_passage", "sea_share"}


def test_a_stress_that_is_missing_over_a_part_of_the_ocean_is_noticed(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo",))
    write(tmp_path, "tauuo", np.where(wet & (lon < 200), FIELDS["tauuo"](lat, lon), np.nan), lat, lon)
    ocean, _ = only(tmp_path)
    assert "stress_share: share of the sea with a stress is 0.511, expected 0.8 to 1.01" in ocean.attrs["checks_failed"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zos", "zeros: zos is 0 at all times in 162 of 2128 cells with a depth. Is its file damaged"),
        ("tauuo", "stress_zeros: share of the sea where a component of the stress is 0 is 0.0962, expected 0 to 0.01"),
    ],
)
def test_a_part_of_a_field_that_is_zero_at_all_times_is_noticed(tmp_path, name, words):
    lat, lon, wet = write_tiny(tmp_path, skip=(name,))
    values = np.where(wet, FIELDS[name](lat, lon), np.nan)
    values[8:17, 30:48] = 0.0
    write(tmp_path, name, values, lat, lon)
    assert words in only(tmp_path)[0].attrs["checks_failed"]


def test_a_component_of_the_stress_that_is_zero_everywhere_is_no_damage(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauvo",))
    write(tmp_path, "tauvo", np.where(wet, 0.0, np.nan), lat, lon)
    assert "stress_zeros" in only(tmp_path)[0].attrs["checks_passed"]


def test_a_part_of_one_month_that_is_missing_is_among_the_failed_checks(tmp_path):
    write_tiny(tmp_path)

    def without_part(dataset):
        values = dataset["zos"].values.copy()
        values[5, 8:17, 30:48] = np.nan
        return dataset.assign(zos=(dataset["zos"].dims, values, dataset["zos"].attrs))

    rewritten(tmp_path, "zos", without_part)
    failed = only(tmp_path)[0].attrs["checks_failed"]
    assert "zos: up to 7.6 % of the cells are 0 or missing in 1995-06, unlike in other months" in failed


def test_a_regional_model_is_not_checked_in_regions_it_does_not_have(tmp_path):
    lat, lon = np.arange(20.25, 60, 0.5), np.arange(280.25, 340, 0.5)
    write_tiny(tmp_path, lat=lat, lon=lon)
    ocean, _ = only(tmp_path)
    skipped = set(ocean.attrs["checks_not_applicable"].split())
    assert {"southern_westerlies", "drake_passage", "southern_sea_level", "sea_share", "mean_depth"} <= skipped
    assert ocean.attrs["checks_failed"] == ""


def test_a_closed_passage_is_not_applicable_where_there_is_land(tmp_path):
    lat, lon = centres()
    lat2, lon2 = np.meshgrid(lat, lon % 360, indexing="ij")
    wet = sea(lat, lon) & ~((lat2 < -55) & (lon2 > 285) & (lon2 < 305))
    for name, field in FIELDS.items():
        write(tmp_path, name, np.where(wet, field(lat, lon), np.nan), lat, lon)
    assert "drake_passage" in only(tmp_path)[0].attrs["checks_not_applicable"]


def test_bounds_that_contradict_the_longitudes_are_left_aside(tmp_path):
    lat, _, wet = write_tiny(tmp_path)
    for path in sorted(tmp_path.rglob("*.nc")):
        with netCDF4.Dataset(path, "a") as file:
            file["lon_bnds"][:, 1] = file["lon_bnds"][:, 0] + 15.0
    ocean, _ = only(tmp_path)
    at_sea = np.isfinite(ocean["zos"].values[0])
    assert float(ocean["areacello"].values[at_sea].sum()) == pytest.approx(areas(lat, 72)[wet].sum(), rel=1e-3)


def test_a_thinned_archive_has_the_areas_of_its_cells(tmp_path):
    """Every other row and column: the bounds are those of narrow cells, the published areas those of wide ones."""
    lat, lon = centres(72, 144, 1.25)
    every_other = {"lat": slice(None, None, 2), "lon": slice(None, None, 2)}
    for root in (tmp_path / "full", tmp_path / "thinned"):
        write_tiny(root, lat=lat, lon=lon)
        write(root, "areacello", areas(lat, lon.size), lat, lon)
    rewritten(root, "areacello", lambda d: d.assign(areacello=(4 * d["areacello"]).assign_attrs(d["areacello"].attrs)))
    for name in (*FIELDS, "areacello"):
        rewritten(root, name, lambda d: d.isel(every_other))
    (_, expected), (ocean, found) = only(tmp_path / "full"), only(root)
    whole, area = (float(part["areacello"].where(part["valid"] == 1).sum()) for part in (expected, found))
    assert area == pytest.approx(whole, rel=0.02)
    curl = found["wind_stress_curl"] / expected["wind_stress_curl"].isel(every_other)
    assert float(curl.median()) == pytest.approx(1, abs=0.02)
    assert ocean.attrs["checks_failed"] == "" and ocean.attrs["checks_not_applicable"] == ""


def test_an_ocean_without_land_is_an_error(tmp_path):
    lat, lon = centres()
    for name, field in FIELDS.items():
        write(tmp_path, name, field(lat, lon), lat, lon)
    with pytest.raises(GridError, match="TINY/historical/r1i1p1f1: Sea covers 100.0% of the Earth"):
        read(tmp_path)


def test_nothing_but_missing_areas_is_logged_for_a_valid_run(tmp_path, caplog):
    write_tiny(tmp_path)
    with caplog.at_level(logging.WARNING):
        read(tmp_path)
    assert [record.message for record in caplog.records] == [
        "TINY: no areacello in the archive; cell areas follow from the positions"
    ]
