"""The idealized training ocean as the dataset that the pipelines start from."""

import numpy as np
import xarray as xr

from thor.core.arrays import Array
from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.grid import regular_grid
from thor.ocean.idealized.budget import VorticityBudget, circulation_budget, closure
from thor.ocean.idealized.c_grid import CGrid, regular_c_grid
from thor.ocean.idealized.circulation import Circulation, CirculationModel, drake_passage_transport
from thor.ocean.idealized.geography import Geography, build_geography
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.winds import Winds, stress_on_cells, stress_on_faces

CLOSURE_LIMIT = 1e-9
"""Largest rms of the budget's sum over the rms of its largest term that round-off explains."""


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
        `zos` [m], `tauuo` and `tauvo` [N m-2] at T points, `deptho` [m] (positive down), `areacello` [m2], `sftof` [%],
        the five `BUDGET_TERMS` and `bottom_stress_curl` [m s-2], NaN where undefined, `analysis_mask` (1 where the
        budget is defined), bounds of both coordinates. Attributes: `closure`, `closure_at_corners`,
        `drake_passage_transport_sv`, `reference_density` and the settings.

    Raises
    ------
    DataError
        When the budget does not close: the circulation could not be solved with these settings.
    """
    grid = regular_c_grid(settings.resolution_degrees)
    geography = build_geography(
        grid,
        abyssal_depth=settings.abyssal_depth,
        minimum_depth=settings.minimum_depth,
        ridge_height=settings.ridge_height,
        roughness=settings.roughness,
        seed=seed,
    )
    model = circulation_model(grid, geography, settings)
    winds = winds_of(settings)
    stress = stress_on_faces(grid, winds)
    circulation, advection = model.solve_nonlinear(stress, iterations=settings.nonlinear_iterations)
    budget = circulation_budget(model, circulation, stress, advection)
    numbers = _checked_closure(budget, settings)
    numbers["drake_passage_transport_sv"] = drake_passage_transport(grid, circulation.transport) * 1e-6
    return _dataset(
        grid, geography, circulation, stress_on_cells(grid, winds), budget, {**_attributes(settings), **numbers}
    )


def circulation_model(grid: CGrid, geography: Geography, settings: OceanSettings) -> CirculationModel:
    """Return the factorised circulation model of some settings on any grid and geography."""
    return CirculationModel(
        grid,
        geography,
        linear_friction=settings.linear_friction,
        lateral_viscosity=settings.viscosity,
        decay_depth=settings.decay_depth,
        bottom_drag=settings.bottom_drag,
        reference_density=settings.reference_density,
    )


def winds_of(settings: OceanSettings) -> Winds:
    """Return the winds of some settings."""
    return Winds(
        trades=settings.trades,
        northern_westerlies=settings.northern_westerlies,
        southern_westerlies=settings.southern_westerlies,
        southern_westerlies_latitude=settings.southern_westerlies_latitude,
        polar_easterlies=settings.polar_easterlies,
        centres_stress=settings.centres_stress,
    )


def _checked_closure(budget: VorticityBudget, settings: OceanSettings) -> dict[str, float]:
    numbers = {
        "closure": closure(budget.cells, budget.cell_mask),
        "closure_at_corners": closure(budget.corners),
    }
    for name, value in numbers.items():
        # written so that NaN fails too
        if not value <= CLOSURE_LIMIT:
            raise DataError(
                f"The budget of the idealized ocean does not close: {name} is {value:.1e} of the largest term at "
                f"{settings.resolution_degrees:g} degrees; expected at most {CLOSURE_LIMIT:g}. More friction or depth "
                "makes the matrix better conditioned."
            )
    return numbers


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


def _dataset(
    grid: CGrid,
    geography: Geography,
    circulation: Circulation,
    stress: tuple[Array, Array],
    budget: VorticityBudget,
    attributes: dict[str, float | str],
) -> xr.Dataset:
    ocean = geography.mask
    fields = {
        "zos": np.where(ocean, circulation.ssh, np.nan),
        "tauuo": np.where(ocean, stress[0], np.nan),
        "tauvo": np.where(ocean, stress[1], np.nan),
        "deptho": np.where(ocean, geography.depth, np.nan),
        "areacello": grid.t.area,
        "sftof": np.where(ocean, 100.0, 0.0),
        **{name: budget.cells[name] for name in (*BUDGET_TERMS, "bottom_stress_curl")},
        "analysis_mask": budget.cell_mask.astype(np.int8),
    }
    dataset = regular_grid(180 / grid.shape[0]).assign_attrs(attributes)
    for name, field in fields.items():
        dataset[name] = (("lat", "lon"), field, variable(name).attrs)
    return dataset
