"""The idealized training ocean as the dataset that the pipelines start from."""

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.grid import Grid, regular_grid
from thor.ocean.idealized.budget import checked_closure, circulation_budget
from thor.ocean.idealized.c_grid import regular_c_grid
from thor.ocean.idealized.circulation import CirculationModel, drake_passage_transport
from thor.ocean.idealized.geography import build_geography
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.winds import stress_at, stress_on_faces, winds_of
from thor.ocean.transports import transport_vector


def idealized_training_ocean(settings: OceanSettings, *, seed: int) -> xr.Dataset:
    """Return an idealized ocean whose barotropic vorticity budget closes to round-off.

    Parameters
    ----------
    settings : OceanSettings
    seed : int
        Draws the rough hills of the sea floor; the same seed gives the same ocean, bit for bit.

    Returns
    -------
    xarray.Dataset, dims (lat, lon)
        `zos` [m], `tauuo`, `tauvo` [N m-2], `transport_eastward` and `transport_northward` [m2 s-1] at T points,
        `deptho` [m] (positive down), `areacello` [m2], `sftof` [%], the five `BUDGET_TERMS` and `bottom_stress_curl`
        [m s-2], NaN where
        undefined, `analysis_mask` (1 where the budget is defined), bounds of both coordinates. Attributes: `closure`,
        `closure_at_corners`, `drake_passage_transport_sv`, `reference_density` and the settings.

    Raises
    ------
    DataError
        When the budget does not close: the circulation could not be solved with these settings.
    """
    grid = regular_c_grid(settings.resolution_degrees)
    model = CirculationModel(grid, build_geography(grid, settings, seed=seed), settings)
    winds = winds_of(settings)
    stress = stress_on_faces(grid, winds)
    circulation, advection = model.solve_nonlinear(stress, iterations=settings.nonlinear_iterations)
    budget = circulation_budget(model, circulation, stress, advection)
    what = f"the idealized ocean at {settings.resolution_degrees:g} degrees"
    numbers = {
        "closure": checked_closure(what, budget.cells, budget.cell_mask),
        "closure_at_corners": checked_closure(f"{what}, at corners,", budget.corners),
        "drake_passage_transport_sv": drake_passage_transport(grid, circulation.transport) * 1e-6,
    }
    ocean = model.geography.mask
    eastward, northward = stress_at(grid.t, winds)
    fields = {
        "zos": np.where(ocean, circulation.ssh, np.nan),
        "tauuo": np.where(ocean, eastward, np.nan),
        "tauvo": np.where(ocean, northward, np.nan),
        "deptho": np.where(ocean, model.geography.depth, np.nan),
        "areacello": grid.t.area,
        "sftof": np.where(ocean, 100.0, 0.0),
        **{name: budget.cells[name] for name in (*BUDGET_TERMS, "bottom_stress_curl")},
        "analysis_mask": budget.cell_mask.astype(np.int8),
    }
    dataset = regular_grid(180 / grid.shape[0]).assign_attrs(_attributes(settings) | numbers)
    through = circulation.transport.u * grid.u.dy, circulation.transport.v * grid.v.dx
    flow = transport_vector(*through, Grid.from_dataset(dataset))
    for name, field in zip(("eastward", "northward"), flow, strict=True):
        fields[f"transport_{name}"] = np.where(ocean, field, np.nan)
    for name, field in fields.items():
        dataset[name] = (("lat", "lon"), field, variable(name).attrs)
    return dataset


def _attributes(settings: OceanSettings) -> dict[str, float | str]:
    return {
        "title": f"THOR idealized ocean, {settings.resolution_degrees:g} degrees",
        "source": "steady equivalent-barotropic C-grid model, thor.ocean.idealized",
        "Conventions": "CF-1.11",
        "budget_scale": "grid scale, moved from vorticity points to cells over four corners",
        "reference_density": settings.reference_density,
        "linear_friction": settings.linear_friction,
        "lateral_viscosity": settings.viscosity,
        "decay_depth": settings.decay_depth,
        "bottom_drag": settings.bottom_drag,
        "nonlinear_iterations": settings.nonlinear_iterations,
    }
