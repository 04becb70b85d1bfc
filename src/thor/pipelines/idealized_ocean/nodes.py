"""Nodes of `idealized_ocean`."""

import logging
from collections.abc import Callable
from typing import Any

import xarray as xr

from thor.parameters import IdealizedOcean

log = logging.getLogger(__name__)

Files = dict[str, tuple[str, Callable[[], xr.Dataset]]]
"""Fingerprint and maker of each file of a collection."""


def make_training_ocean(parameters: IdealizedOcean) -> xr.Dataset:
    """Solve the idealized ocean and return its fields and budget."""
    from thor.ocean.idealized.training import idealized_training_ocean

    ocean = idealized_training_ocean(parameters.training_ocean, seed=parameters.seed)
    log.info(
        "ocean at %g degrees: SSH range %.2f m, Drake Passage %.0f Sv, budget closes to %.0e of its largest term",
        parameters.training_ocean.resolution_degrees,
        float(ocean["zos"].max() - ocean["zos"].min()),
        ocean.attrs["drake_passage_transport_sv"],
        ocean.attrs["closure"],
    )
    return ocean


def make_archive(parameters: IdealizedOcean) -> Files:
    """Return the files of an ESGF archive of idealized climate models, made when they are saved."""
    from thor.ocean.idealized.archive import idealized_archive

    archive = idealized_archive(parameters.archive, seed=parameters.seed)
    settings = parameters.archive
    log.info("archive of %d models, %d years: %d files", len(settings.models), settings.n_years, len(archive))
    return archive


def make_true_budgets(parameters: IdealizedOcean) -> Files:
    """Return the true budgets of every run of the archive, made when they are saved."""
    from thor.ocean.idealized.true_budgets import idealized_true_budgets

    budgets = idealized_true_budgets(parameters.archive, seed=parameters.seed)
    log.info("true budgets of %d runs in windows of %d years", len(budgets), parameters.archive.window_years)
    return budgets


def draw_ocean_state(raw_training_ocean: xr.Dataset) -> Any:
    """Draw depth, sea level and wind stress."""
    from thor.figures.maps import field_maps

    return field_maps(raw_training_ocean, ["deptho", "zos", "tauuo", "tauvo"], title="The idealized ocean")
