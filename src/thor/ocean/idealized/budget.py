"""The vorticity budget of a solved circulation: discrete curls of its momentum terms, none of them a residual."""

from dataclasses import dataclass

import numpy as np

from thor.core.arrays import Array, Mask
from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS
from thor.ocean.idealized.c_grid import CGrid, FaceField
from thor.ocean.idealized.circulation import Circulation, CirculationModel, wet_corners

CLOSURE_LIMIT = 1e-9
"""Largest rms of the budget's sum over the rms of its largest term that round-off explains."""


@dataclass(frozen=True, eq=False)
class VorticityBudget:
    """Budget terms [m s-2], all on one side: they sum to zero.

    Attributes
    ----------
    corners : dict of str to ndarray of shape (..., nj, ni)
        At all corners, coasts included, by the names in `BUDGET_TERMS`, and `bottom_stress_curl`, the part of
        `wind_stress_curl` that the bottom exerts.
    cells : dict of str to ndarray of shape (..., nj, ni)
        The same at T points; NaN where fewer than four corners are wet.
    cell_mask : ndarray of bool, shape (nj, ni)
        Cells with four wet corners.
    """

    corners: dict[str, Array]
    cells: dict[str, Array]
    cell_mask: Mask


def circulation_budget(
    model: CirculationModel, circulation: Circulation, stress: FaceField, advection: FaceField
) -> VorticityBudget:
    """Return the vorticity budget of a circulation.

    Parameters
    ----------
    model : CirculationModel
        The model that solved it.
    circulation : Circulation
    stress : FaceField, [N m-2]
        The wind stress it was solved with.
    advection : FaceField, [m2 s-2]
        The momentum advection it was solved with, zeros for a linear solution.
    """
    forces = momentum_terms(model, circulation, stress, advection)
    corners = {name: model.grid.curl(force) for name, force in forces.items()}
    cell_mask = cells_with_wet_corners(model.geography.mask)
    cells = {name: np.where(cell_mask, corners_to_cells(model.grid, term), np.nan) for name, term in corners.items()}
    return VorticityBudget(corners=corners, cells=cells, cell_mask=cell_mask)


def momentum_terms(
    model: CirculationModel, circulation: Circulation, stress: FaceField, advection: FaceField
) -> dict[str, FaceField]:
    """Return the forces whose curls are the budget terms [m2 s-2], each on the model's open faces only."""
    bottom = model.bottom_stress(circulation.transport)
    return {
        "wind_stress_curl": model.wind(stress) + bottom,
        "planetary_vorticity_advection": model.coriolis(circulation.transport),
        "bottom_pressure_torque": model.pressure(circulation.ssh),
        "nonlinear_torque": model.mask.map(np.multiply, advection),
        "viscous_torque": model.viscous(circulation.transport),
        "bottom_stress_curl": bottom,
    }


def corners_to_cells(grid: CGrid, field: Array) -> Array:
    """Return the area-weighted mean over the four corners of each cell: linear, so a closed budget stays closed."""
    to_cells = grid.along_j.T @ grid.along_i.T
    return grid.apply(to_cells, grid.q.area * field) / grid.apply(to_cells, grid.q.area)


def cells_with_wet_corners(mask: Mask) -> Mask:
    """Return True at cells all of whose four corners are wet: the cell and its eight neighbours are ocean."""
    wet = wet_corners(mask)
    wet &= np.roll(wet, 1, axis=1)
    south = np.zeros_like(wet)
    south[1:] = wet[:-1]
    return wet & south


def closure(terms: dict[str, Array], where: Mask | None = None) -> float:
    """Return the rms of the sum of the budget terms over the rms of the largest of them [1].

    Parameters
    ----------
    terms : dict of str to ndarray of shape (..., nj, ni)
        Holds at least `BUDGET_TERMS`.
    where : ndarray of bool, shape (nj, ni), optional
        Cells that count; all by default.
    """
    stack = np.stack([terms[name] if where is None else terms[name][..., where] for name in BUDGET_TERMS])
    return float(_rms(stack.sum(0)) / max(_rms(term) for term in stack))


def checked_closure(what: str, terms: dict[str, Array], where: Mask | None = None) -> float:
    """Return the `closure` of the terms; raise DataError when it exceeds `CLOSURE_LIMIT` or is not finite."""
    value = closure(terms, where)
    # written so that NaN fails too
    if not value <= CLOSURE_LIMIT:
        raise DataError(
            f"The budget of {what} does not close: the sum of its terms is {value:.1e} of the largest; expected at "
            f"most {CLOSURE_LIMIT:g}. More friction or depth makes the matrix better conditioned."
        )
    return value


def _rms(field: Array) -> float:
    return float(np.sqrt(np.mean(field**2)))
