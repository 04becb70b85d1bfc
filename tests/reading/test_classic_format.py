"""The length of a classic NetCDF file by its header is that of the file, whatever it holds."""

import netCDF4
import numpy as np
import pytest

from thor.reading.classic_format import require_whole, size_by_header

FORMS = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("of_records", [(), ("f4",), ("i2",), ("f8", "i1", "i2")])
@pytest.mark.parametrize("n_records", [0, 1, 5])
def test_the_size_is_that_of_the_file_up_to_its_filling(tmp_path, form, of_records, n_records):
    path = tmp_path / "made.nc"
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.setncatts({"mode": "monthly", "levels": np.arange(3, dtype="i2"), "empty": ""})
        file.createDimension("time", None)
        file.createDimension("x", 7)
        file.createVariable("fixed", "f4", ("x",))[:] = np.arange(7)
        file.createVariable("scalar", "i1")[:] = 1
        for k, kind in enumerate(of_records):
            values = file.createVariable(f"v{k}", kind, ("time", "x"))
            values.units = "m"
            values[:n_records] = np.ones((n_records, 7))
    size = size_by_header(path)
    assert 0 <= path.stat().st_size - size < 4
    require_whole(path)
    content = path.read_bytes()
    for left in (size - 1, 100, 20):
        path.write_bytes(content[:left])
        with pytest.raises(OSError, match="shorter than its header says"):
            require_whole(path)


def test_a_damaged_header_is_an_error_and_other_formats_have_no_size_by_header(tmp_path):
    path = tmp_path / "made.nc"
    path.write_bytes(b"CDF\x05" + bytes(range(255, 0, -1)) * 40)
    with pytest.raises(OSError, match="shorter than its header says"):
        require_whole(path)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 7)
    assert size_by_header(path) == 0
    require_whole(path)
