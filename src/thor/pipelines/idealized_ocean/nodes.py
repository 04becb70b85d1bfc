"""Nodes of `idealized_ocean`."""

import logging
from collections.abc import Callable
from typing import Any

import xarray as xr

from thor.app.parameters import IdealizedOcean
from thor.core.errors import counted
from thor.core.fingerprint import ATTRIBUTE, fingerprint
from thor.figures.maps import field_maps
from thor.reading.archive import IDEALIZED

log = logging.getLogger(__name__)

Files = dict[str, tuple[str, Callable[[], xr.Dataset]]]
"""Fingerprint and maker of each file of a collection."""


def make_training_ocean(parameters: IdealizedOcean) -> xr.Dataset:
    """Return the idealized ocean, with the fingerprint of what it is made from."""
    from thor.ocean.idealized.training import idealized_training_ocean

    settings, seed = parameters.training_ocean, parameters.seed
    ocean = idealized_training_ocean(settings, seed=seed)
    log.info(
        "ocean at %g degrees: SSH range %.2f m, Drake Passage %.0f Sv, budget closes to %.0e of its largest term",
        settings.resolution_degrees,
        float(ocean["zos"].max() - ocean["zos"].min()),
        ocean.attrs["drake_passage_transport_sv"],
        ocean.attrs["closure"],
    )
    return ocean.assign_attrs({ATTRIBUTE: fingerprint(settings, seed)})


def make_archive(parameters: IdealizedOcean) -> Files:
    """Return the files of an archive of idealized models, made when they are saved; none beside another archive."""
    from thor.ocean.idealized.archive import idealized_archive

    if parameters.archive_root != IDEALIZED:
        log.info("archive_root is %s: no idealized climate models are made", parameters.archive_root or "null")
        return {}
    archive = idealized_archive(parameters.archive, seed=parameters.seed)
    settings = parameters.archive
    experiments = ", ".join(settings.experiments)
    n_models, n_files = counted(len(settings.models), "model"), counted(len(archive), "file")
    log.info("archive of %s: %s; %s", n_models, experiments, n_files)
    return archive


def make_true_budgets(parameters: IdealizedOcean) -> Files:
    """Return the true budgets of every run of the archive, made when they are saved; none beside another archive."""
    from thor.ocean.idealized.true_budgets import idealized_true_budgets

    if parameters.archive_root != IDEALIZED:
        log.info("archive_root is %s: no true budgets exist", parameters.archive_root or "null")
        return {}
    budgets = idealized_true_budgets(parameters.archive, seed=parameters.seed)
    years = counted(parameters.archive.window_years, "year")
    log.info("true budgets of %s in windows of %s", counted(len(budgets), "run"), years)
    return budgets


def draw_ocean_state(raw_training_ocean: xr.Dataset) -> Any:
    """Draw depth, sea level and wind stress; a given ocean may lack the stress."""
    from thor.reading.training_ocean import harmonise

    ocean = harmonise(raw_training_ocean)
    fields = [name for name in ("deptho", "zos", "tauuo", "tauvo") if name in ocean]
    return field_maps(ocean, fields, title=str(ocean.attrs.get("title", "The training ocean")))
