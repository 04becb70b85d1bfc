"""Nodes of `idealized_ocean`."""

import logging
from typing import Any

import xarray as xr

from thor.parameters import IdealizedOcean

log = logging.getLogger(__name__)


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


def draw_ocean_state(raw_training_ocean: xr.Dataset) -> Any:
    """Draw depth, sea level and wind stress."""
    from thor.figures.maps import field_maps

    return field_maps(raw_training_ocean, ["deptho", "zos", "tauuo", "tauvo"], title="The idealized ocean")
