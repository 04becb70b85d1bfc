"""Terms of the barotropic vorticity budget estimated from sea level, wind stress and depth, on any grid.

The velocity of an equivalent-barotropic ocean decays with depth as exp(z / h) (Killworth 1992,
doi:10.1175/1520-0485(1992)022<1379:AEBMOT>2.0.CO;2). Geostrophic balance then gives the depth-integrated transport and
the pressure torque at the bottom from sea level alone.
"""

import numpy as np

from thor.core.arrays import Array
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION, GRAVITY
from thor.ocean.grid import Grid

DECAY_DEPTH = 950.0
"""Depth h over which velocity decays by a factor e [m]."""

LEAST_CORIOLIS = 6e-6
"""Least magnitude of the Coriolis parameter in the transport [s-1], that of 2.4 degrees latitude: nearer to the equator
there is no geostrophic balance, and the estimate is only finite."""


def geostrophic_terms(
    *,
    zos_gradient: tuple[Array, Array],
    deptho: Array,
    deptho_gradient: tuple[Array, Array],
    kinematic_stress_eastward: Array,
    wind_stress_curl: Array,
    grid: Grid,
) -> dict[str, Array]:
    """Return estimates of planetary vorticity advection and bottom pressure torque, and what is left to closure.

    Parameters
    ----------
    zos_gradient, deptho_gradient : tuple of ndarray of shape (n_rows, n_columns), [m m-1]
        Eastward and northward, in true geometry.
    deptho : ndarray of shape (n_rows, n_columns), [m]
    kinematic_stress_eastward : ndarray of shape (n_rows, n_columns), [m2 s-2]
        Surface stress over reference density.
    wind_stress_curl : ndarray of shape (n_rows, n_columns), [m s-2]
        Over reference density.
    grid : Grid

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns), [m s-2]
        `geostrophic_planetary_advection`, -beta V with the meridional transport V = g F(H) / f d(zos)/dx less the Ekman
        transport, F(H) = h (1 - exp(-H / h)); `geostrophic_pressure_torque`, g exp(-H / h) J(zos, H);
        `geostrophic_residual`, minus the sum of both and the wind stress curl: what friction, nonlinear terms and the
        errors of the estimates have to balance.
    """
    sign = np.where(grid.lat < 0, -1.0, 1.0)
    coriolis = sign * np.maximum(np.abs(grid.coriolis_parameter), LEAST_CORIOLIS)
    beta = 2 * EARTH_ROTATION * np.cos(np.deg2rad(grid.lat)) / EARTH_RADIUS
    decay = np.exp(-deptho / DECAY_DEPTH)
    transport = (GRAVITY * DECAY_DEPTH * (1 - decay) * zos_gradient[0] - kinematic_stress_eastward) / coriolis
    advection = -beta * transport
    jacobian = zos_gradient[0] * deptho_gradient[1] - zos_gradient[1] * deptho_gradient[0]
    torque = GRAVITY * decay * jacobian
    return {
        "geostrophic_planetary_advection": advection,
        "geostrophic_pressure_torque": torque,
        "geostrophic_residual": -(wind_stress_curl + advection + torque),
    }
