"""What several test modules share: the real data, and a small ocean whose numbers are known."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import whole_run as whole_run_beside_tests
from thor.core.memory import keep_freed_memory, search_garbage_rarely
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.ecco import ecco_training_ocean, surface_from_files
from thor.ocean.grid import regular_grid
from thor.reading.training_ocean import harmonise

# An archive of this machine's is in no test, whether a variable or conf/local names it.
os.environ.pop("THOR_ARCHIVE_ROOT", None)

ECCO_TERMS = {
    "wind_stress_curl": "curlTau",
    "planetary_vorticity_advection": "curlCori",
    "bottom_pressure_torque": "BPT",
    "nonlinear_torque": "curlB",
    "viscous_torque": "curlA",
}


@pytest.fixture(scope="session")
def data_mirror() -> Path:
    """The folder with the real data; without it the test is skipped, or fails where the data is required."""
    folder = os.environ.get("THOR_DATA_MIRROR")
    if folder and Path(folder).is_dir():
        return Path(folder)
    if os.environ.get("THOR_REQUIRE_DATA") == "1":
        pytest.fail(f"THOR_REQUIRE_DATA is 1, but THOR_DATA_MIRROR is {folder!r}, which is no folder.")
    pytest.skip("real data: set THOR_DATA_MIRROR")


@pytest.fixture(scope="session")
def ecco_arrays(data_mirror: Path) -> dict[str, Path]:
    return {path.stem: path for path in (data_mirror / "ecco_v4r3").iterdir()}


@pytest.fixture(scope="session")
def ecco_ocean(data_mirror: Path, ecco_arrays: dict[str, Path]) -> xr.Dataset:
    """The harmonised ECCO training ocean."""
    surface = surface_from_files([data_mirror / "ecco_v4r2" / "ecco_v4r2_mean_0p5deg.nc"])
    return harmonise(ecco_training_ocean(ecco_arrays, surface, terms=ECCO_TERMS))


_LONGEST = (
    *("test_whole_graph", "test_parts_of_the_graph", "test_incomplete_report", "test_report", "test_howto_archive"),
    "test_notebooks",
)
"""Of the modules that read the whole run: with the last of them at the end, one worker would wait for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that read the whole run last, since it is made meanwhile; of these the longest first."""
    later = {item.path for item in items if _reads_whole_run(item)}
    longest = dict(zip(_LONGEST, range(-len(_LONGEST), 0), strict=True))
    items.sort(key=lambda item: (item.path in later, longest.get(item.path.stem, 0)))


def pytest_collection_finish() -> None:
    """Use memory as a run does; the tests' modules and items are as many objects as all that a test makes."""
    search_garbage_rarely()
    keep_freed_memory()


def _reads_whole_run(item: pytest.Item) -> bool:
    return "whole_run" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all workers share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _whole_run_begins(request: pytest.FixtureRequest, shared_folder: Path) -> None:
    if any(map(_reads_whole_run, request.session.items)):
        whole_run_beside_tests.start(shared_folder)


@pytest.fixture(scope="session")
def whole_run(shared_folder: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The data of one run of the whole graph in the test environment, made once for all workers: to be read only."""
    result = whole_run_beside_tests.result(shared_folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return shared_folder / "whole_run", result


@pytest.fixture
def raw_ocean() -> xr.Dataset:
    """A coarse ocean with a continent (60E-120E, 30S-30N), smooth fields and a budget that closes by construction."""
    ocean = regular_grid(5.0)
    lat, lon = xr.broadcast(ocean["lat"], ocean["lon"])
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    wet = ~((lon > 60) & (lon < 120) & (np.abs(lat) < 30))
    fields = {
        "zos": np.cos(phi) * np.sin(lam) + 0.3,
        "tauuo": 0.1 * np.cos(3 * phi),
        "tauvo": 0.02 * np.sin(2 * lam) * np.cos(phi),
        "deptho": 4000 + 500 * np.sin(2 * lam) * np.cos(phi),
    }
    torque = 1e-10 * np.sin(3 * lam) * np.cos(phi)
    fields |= dict(zip(BUDGET_TERMS, (torque, -2 * torque, 0.5 * torque, 0.2 * torque, 0.3 * torque), strict=True))
    for name, field in fields.items():
        ocean[name] = field.where(wet).transpose("lat", "lon").assign_attrs(variable(name).attrs)
    return ocean
