r"""Torques of lateral friction and of momentum advection that a depth-integrated transport exerts, on any grid.

Both are estimates: the friction is that of a uniform viscosity which just resolves western boundary layers on this grid
(Munk 1950, doi:10.1175/1520-0469(1950)007<0080:OTWDOC>2.0.CO;2), as ocean models without eddies need it, and momentum
is advected as if the flow were the same at all depths.
"""

import numpy as np

from thor.core.arrays import Array
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION
from thor.ocean.grid import Grid
from thor.ocean.operators import curl, gradient

MUNK_LATITUDE = 30.0
"""Latitude of beta in the viscosity [degrees]: that of subtropical western boundary currents."""


def transport_torques(eastward: Array, northward: Array, deptho: Array, grid: Grid) -> dict[str, Array]:
    r"""Return the torques of lateral friction and of momentum advection of a depth-integrated transport.

    .. math:: A \nabla^2 \zeta, \qquad -\nabla\times\left(U \cdot \nabla \frac{U}{H}\right), \qquad
              \zeta = \nabla\times U, \quad A = \beta L^3

    with the side L of the mean cell at sea.

    Parameters
    ----------
    eastward, northward : ndarray of shape (n_rows, n_columns), [m2 s-1]
        At T points, NaN where unknown.
    deptho : ndarray of shape (n_rows, n_columns), [m]
    grid : Grid

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns), [m s-2]
        `viscous_torque` and `nonlinear_torque`, with the signs of the terms of the budget; NaN where neighbours are
        missing on both sides.
    """
    vorticity = curl(eastward, northward, grid)
    slope_east, slope_north = gradient(vorticity, grid)
    laplacian = gradient(slope_east, grid)[0] + gradient(slope_north, grid)[1]
    east, north = (
        eastward * slope[0] + northward * slope[1]
        for slope in (gradient(part / deptho, grid) for part in (eastward, northward))
    )
    side = np.sqrt(np.mean(grid.area[np.isfinite(vorticity) & ~grid.duplicate]))
    return {"viscous_torque": munk_viscosity(side) * laplacian, "nonlinear_torque": -curl(east, north, grid)}


def munk_viscosity(spacing: float) -> float:
    """Return the viscosity with which a western boundary layer is one spacing [m] wide, beta dx^3 [m2 s-1]."""
    beta = 2 * EARTH_ROTATION * np.cos(np.deg2rad(MUNK_LATITUDE)) / EARTH_RADIUS
    return float(beta * spacing**3)
