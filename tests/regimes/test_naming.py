import numpy as np
import pytest
import xarray as xr

from thor.regimes.naming import LONG_NAMES, REGIMES, regime_flags, regime_meanings, regime_names


def test_names_and_their_meanings_come_back_from_a_file(tmp_path):
    names, meanings = ("R1", "merged"), ("wind stress curl (+), with viscous torque of both signs", "the rest")
    written = xr.Dataset({"regime": ("x", np.array([0, 1], dtype="int8"), regime_flags(names, meanings))})
    written.to_netcdf(tmp_path / "regimes.nc")
    with xr.open_dataset(tmp_path / "regimes.nc") as regimes:
        assert regime_names(regimes) == names
        assert regime_meanings(regimes) == dict(zip(names, meanings, strict=True))


@pytest.mark.parametrize("names", [REGIMES, ("A", "B")])
def test_flags_without_meanings_are_read_too(names):
    regimes = xr.Dataset({"regime": ("x", [0], {"flag_meanings": " ".join(names)})})
    assert regime_meanings(regimes) == {name: LONG_NAMES.get(name, name) for name in names}
