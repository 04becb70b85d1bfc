"""A small archive, settings of small windows, and warnings that come again in every test."""

import pytest

from tests.made_archive import write_run
from thor.core.checkpoint import NoCheckpoint
from thor.core.warn import warn_once
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.plans import plan_runs
from thor.reading.windows import WindowSettings

WINDOWS = WindowSettings(years=[], first_year=None, last_year=None, length_years=2, reference_years=(1852, 1853))


@pytest.fixture(autouse=True)
def warnings_again():
    """Let every test see the warnings that are logged only once."""
    warn_once.cache_clear()


@pytest.fixture
def root(tmp_path):
    """A run of four years, 1850 to 1853, in two files a variable."""
    write_run(tmp_path)
    return tmp_path


@pytest.fixture
def windows():
    return WINDOWS


@pytest.fixture
def make_climatology():
    """Return the only climatology of an archive."""

    def make(root, *, quirks=None, checkpoint=None, masked_basins=(), strict=False, **windows):
        settings = ClimatologySettings(
            windows=WINDOWS.replace(**windows), masked_basins=masked_basins, reference_density=1029.0, strict=strict
        )
        archive = Archive(root)
        runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
        (plan,) = plan_runs(archive, runs, settings.windows, quirks=quirks, missing="error")
        return climatology(plan, settings, checkpoint or NoCheckpoint())

    return make
