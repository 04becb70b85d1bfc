"""Files of an archive: errors that are those of the file, and warnings of the libraries that read it."""

import subprocess
import sys

import pytest

from tests.made_archive import write_fixed
from thor.core.errors import DataError
from thor.reading.files import opened, opened_with_checksum


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
