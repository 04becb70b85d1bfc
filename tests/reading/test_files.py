"""Files of an archive: errors that are those of the file, and warnings of the libraries that read it."""

import errno
import os
import re
import subprocess
import sys

import netCDF4
import pytest

from tests.made_archive import write_fixed
from thor.core.errors import DataError
from thor.reading import classic_format
from thor.reading.files import opened, opened_with_checksum
from thor.reading.series import read_header


@pytest.mark.parametrize("reading", [opened, opened_with_checksum])
@pytest.mark.parametrize("error", [TypeError, ValueError, KeyError])
def test_errors_of_who_reads_a_file_are_not_taken_for_damage(tmp_path, reading, error):
    path = write_fixed(tmp_path, "deptho")
    with pytest.raises(error, match="of the caller"), reading(path):
        raise error("of the caller")
    with pytest.raises(DataError, match="cannot be read as NetCDF: of the file"), reading(path):
        raise RuntimeError("of the file")


def test_reading_changes_no_filter_of_warnings():
    code = "import warnings, netCDF4, xarray; before = list(warnings.filters); import thor.reading.files; "
    code += "assert warnings.filters == before, warnings.filters[:1]"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("error")
def test_two_fill_values_are_read_without_a_warning(tmp_path):
    path = write_fixed(tmp_path, "deptho")
    code = f"import netCDF4; f = netCDF4.Dataset({str(path)!r}, 'a'); f['deptho'].missing_value = -1.0; f.close()"
    subprocess.run([sys.executable, "-c", code], check=True)
    with opened(path) as dataset, opened_with_checksum(path) as (same, _):
        assert dataset["deptho"].isnull().sum() == same["deptho"].isnull().sum() > 0


@pytest.mark.parametrize("reading", [opened, opened_with_checksum])
def test_a_scale_that_is_text_is_named(tmp_path, reading):
    path = write_fixed(tmp_path, "deptho")
    with netCDF4.Dataset(path, "a") as file:
        file["deptho"].scale_factor = "0.001"
    with pytest.raises(DataError, match="scale_factor of 'deptho' is the text '0.001'; .*: ncatted -a"), reading(path):
        pass


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_errors_of_the_file_system_are_not_taken_for_damage(root, monkeypatch, number):
    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    path = next(root.rglob("zos_*.nc"))
    monkeypatch.setattr(classic_format, "size_by_header", refuse)
    message = (
        f"^{re.escape(str(path))} cannot be read: {os.strerror(number)}. The file may be whole: ask for permission"
    )
    with pytest.raises(DataError, match=message):
        read_header(path, "zos")
    with pytest.raises(DataError, match=message), opened(path):
        pass


def test_a_damaged_attribute_is_named(root):
    path = next(root.rglob("zos_*.nc"))
    with netCDF4.Dataset(path, "a") as file:
        file.title = "before the damage"
    content = path.read_bytes()
    assert b"before the damage" in content
    path.write_bytes(content.replace(b"before the damage", b"during the damage"))
    message = f"{path.name}.* cannot be read as NetCDF: NetCDF: Can't open HDF5 attribute.*fetch this file again"
    with pytest.raises(DataError, match=message):
        read_header(path, "zos")
    with pytest.raises(DataError, match=message), opened(path):
        pass
