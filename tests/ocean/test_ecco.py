"""The ECCO training ocean: three sources of sea level on one grid, and arrays that do not fit."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import ECCO_TERMS
from thor.core.errors import ConfigError, DataError
from thor.ocean.ecco import LAT, LON, block_mean, ecco_training_ocean, sea_level_from_feature_table, surface_from_files
from thor.ocean.grid import with_bounds


@pytest.fixture(scope="module")
def surface(data_mirror):
    return surface_from_files([data_mirror / "ecco_v4r2" / "ecco_v4r2_mean_0p5deg.nc"])


def test_names_units_and_orientation(ecco_ocean):
    assert float(ecco_ocean.zos.attrs["removed_mean"]) == pytest.approx(0.08, abs=0.005)
    # Deep Sargasso Sea, shallow Hudson Bay, easterly trades: nothing is transposed or upside down.
    assert float(ecco_ocean.deptho.sel(lat=25.25, lon=295.25)) > 5000
    assert float(ecco_ocean.deptho.sel(lat=59.25, lon=275.25)) < 400
    assert float(ecco_ocean.tauuo.sel(lat=slice(-20, -10), lon=slice(200, 260)).mean()) < -0.03
    assert float(ecco_ocean.tauuo.sel(lat=slice(-55, -45)).mean()) > 0.1


def test_sea_level_from_the_authors_table(tmp_path, surface, ecco_arrays):
    present = ~np.load(ecco_arrays["MissdataECCO"])
    table = np.zeros((present.sum(), 8))
    table[:, 1] = surface.zos.values[present]
    np.save(tmp_path / "table.npy", table)
    got = sea_level_from_feature_table(tmp_path / "table.npy", ecco_arrays["MissdataECCO"])
    np.testing.assert_array_equal(got.zos.values[present], surface.zos.values[present])
    assert np.isnan(got.zos.values[~present]).all()
    np.save(tmp_path / "short.npy", table[:-1])
    with pytest.raises(DataError, match="expected 149587 rows"):
        sea_level_from_feature_table(tmp_path / "short.npy", ecco_arrays["MissdataECCO"])


def monthly_file(folder, stem, name, time, value):
    """Write one month of a variable that is the same everywhere, and return the file."""
    month = xr.Dataset(
        {name: (("time", "latitude", "longitude"), np.full((1, LAT.size, LON.size), value))},
        coords={"time": [np.datetime64(time, "ns")], "latitude": LAT, "longitude": LON},
    )
    path = folder / f"{stem}_mon_mean_{time[:7]}_ECCO_V4r4_latlon_0p50deg.nc"
    month.to_netcdf(path)
    return path


def test_monthly_files_are_weighted_by_the_length_of_the_month(tmp_path):
    values = {"2001-01-16": 1.0, "2001-02-15": 2.0}
    paths = [monthly_file(tmp_path, "SEA_SURFACE_HEIGHT", "SSH", time, value) for time, value in values.items()]
    got = surface_from_files(paths)
    assert set(got.data_vars) == {"zos"}
    np.testing.assert_allclose(got.zos, (31 * 1.0 + 28 * 2.0) / 59)


def test_variables_in_files_of_their_own_are_averaged_over_the_same_months(tmp_path):
    stress = "OCEAN_AND_ICE_SURFACE_STRESS"
    paths = [
        monthly_file(tmp_path, stem, name, time, factor * value)
        for stem, name, factor in (("SEA_SURFACE_HEIGHT", "SSH", 1.0), (stress, "oceTAUE", 0.1))
        for time, value in (("2001-01-16", 1.0), ("2001-02-15", 2.0))
    ]
    got = surface_from_files(paths)
    np.testing.assert_allclose(got.zos, 87 / 59)
    np.testing.assert_allclose(got.tauuo, 8.7 / 59)
    with pytest.raises(DataError, match="'zos' of 2 months, 'tauuo' of 1; expected the same months.*has 2001-02"):
        surface_from_files(paths[:-1])
    twice = monthly_file(tmp_path, "AGAIN", "SSH", "2001-01-20", 1.0)
    with pytest.raises(DataError, match="AGAIN_mon_mean_2001-01_.* holds 'zos' of 2001-01, which is there already"):
        surface_from_files([*paths, twice])


def test_means_without_time_count_the_same_in_each_file(tmp_path):
    for k, (name, value) in enumerate([("SSH", 1.0), ("SSH", 2.0), ("oceTAUE", 0.1), ("oceTAUE", 0.2)]):
        mean = xr.Dataset({name: (("lat", "lon"), np.full((LAT.size, LON.size), value))}, {"lat": LAT, "lon": LON})
        mean.to_netcdf(tmp_path / f"{k}.nc")
    got = surface_from_files(sorted(tmp_path.glob("*.nc")))
    np.testing.assert_allclose(got.zos, 1.5)
    np.testing.assert_allclose(got.tauuo, 0.15)


def test_a_file_on_another_grid_or_without_sea_level(tmp_path):
    coarse = with_bounds(np.arange(-85.0, 90, 10), np.arange(-175.0, 180, 10)).drop_vars(["lat_bnds", "lon_bnds"])
    coarse["SSH"] = (("lat", "lon"), np.zeros((18, 36)))
    coarse.to_netcdf(tmp_path / "coarse.nc")
    with pytest.raises(DataError, match="half-degree grid"):
        surface_from_files([tmp_path / "coarse.nc"])
    coarse.rename(SSH="SST").to_netcdf(tmp_path / "other.nc")
    with pytest.raises(DataError, match="holds SST; expected SSH"):
        surface_from_files([tmp_path / "other.nc"])


def test_a_term_without_array_and_an_array_of_another_shape(tmp_path, ecco_arrays, surface):
    with pytest.raises(ConfigError, match="must name an array for each"):
        ecco_training_ocean(ecco_arrays, surface, terms={"wind_stress_curl": "curlTau"})
    np.save(tmp_path / "curlTau.npy", np.zeros((360, 720)))
    with pytest.raises(DataError, match=r"shape \(360, 720\); expected \(720, 360\)"):
        ecco_training_ocean(ecco_arrays | {"curlTau": tmp_path / "curlTau.npy"}, surface, terms=ECCO_TERMS)


def test_longitudes_in_the_other_convention_are_not_mixed_in(tmp_path):
    other = with_bounds(LAT, LON + 180).drop_vars(["lat_bnds", "lon_bnds"])
    other["SSH"] = (("lat", "lon"), np.zeros((LAT.size, LON.size)))
    other.to_netcdf(tmp_path / "from_zero.nc")
    with pytest.raises(DataError, match=r"from_zero.nc is not on ECCO's half-degree grid .* 179.75W"):
        surface_from_files([tmp_path / "from_zero.nc"])


def test_block_means_are_weighted_by_area_and_go_across_the_date_line():
    field = np.arange(20.0).reshape(4, 5)
    area = np.repeat([1.0, 2.0, 3.0, 1.0], 5).reshape(4, 5)
    field[0, 0] = np.nan
    got = block_mean(field, area, cells=3)
    expected = (1 * (4 + 1) + 2 * (9 + 5 + 6) + 3 * (14 + 10 + 11)) / (2 * 1 + 3 * 2 + 3 * 3)
    assert got[1, 0] == pytest.approx(expected)
    np.testing.assert_allclose(block_mean(np.where(np.isnan(field), np.nan, 7.0), area, cells=3), 7.0)
    lonely = np.full((5, 6), np.nan)
    lonely[2, 0] = 3.0
    spread = block_mean(lonely, np.ones((5, 6)), cells=3)
    assert np.isfinite(spread).sum() == 9
    assert (spread[1:4, [5, 0, 1]] == 3.0).all()


def test_transports_are_those_of_the_file_at_the_scale_of_the_budget(ecco_ocean, surface):
    transport = ecco_ocean.transport_northward
    # The Gulf Stream off Florida flows north, the interior of its gyre south.
    assert float(transport.sel(lat=slice(28, 32), lon=slice(279, 281)).max()) > 50
    assert float(transport.sel(lat=slice(20, 30), lon=slice(310, 330)).mean()) < 0
    given = surface.transport_northward.sel(lat=slice(24, 26), lon=slice(-51, -49))
    averaged = transport.sel(lat=slice(24.5, 25.5), lon=slice(309.5, 310.5))
    assert float(averaged.mean()) == pytest.approx(float(given.mean()), abs=0.2)
    # The 14 cells of the budget without a transport have one from their neighbours.
    assert transport.notnull().values[ecco_ocean.analysis_mask.values == 1].all()
