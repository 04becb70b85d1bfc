"""The months of time steps: axes that cannot be read cost one run."""

import netCDF4
import numpy as np
import pytest

from tests.made_archive import write_run
from thor.core.errors import DataError
from thor.reading.archive import Archive
from thor.reading.plans import plan_runs
from thor.reading.series import read_header


def first_file(root, source_id="MADE-1"):
    return min((root / "CMIP6").rglob(f"zos_Omon_{source_id}_*.nc"))


def set_last(name, value):
    def change(file):
        file[name][-1] = value

    return change


def without_bounds(change):
    def both(file):
        file["time"].delncattr("bounds")
        change(file)

    return both


ODD = [
    (set_last("time_bnds", 9.969209968386869e36), "2 of 48 values of 'time_bnds' are missing"),
    (set_last("time_bnds", np.nan), "2 of 48 values of 'time_bnds' are missing"),
    (set_last("time_bnds", 1e14), "cannot be read"),
    (without_bounds(set_last("time", 9.969209968386869e36)), "1 of 24 values of 'time' are missing"),
    (lambda file: file["time"].setncattr("units", "days since 1850/01/01"), "'days since 1850/01/01'.* cannot be read"),
    (lambda file: file["time"].setncattr("bounds", "lat"), "cannot be read"),
]


@pytest.mark.parametrize(("change", "message"), ODD)
def test_a_time_axis_that_cannot_be_read_costs_its_run_alone(root, windows, change, message):
    write_run(root, source_id="ODD-1")
    path = first_file(root, "ODD-1")
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_mask(False)
        change(file)
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        read_header(path, "zos")
    archive = Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, windows, missing="skip")
    assert [plan.run.source_id for plan in plans] == ["MADE-1"]
    assert [run.source_id for run in plans.left_out] == ["ODD-1"]
