"""Terms of the barotropic vorticity budget estimated from sea level, wind stress and depth, on any grid.

The velocity of an equivalent-barotropic ocean decays with depth as exp(z / h) (Killworth 1992,
doi:10.1175/1520-0485(1992)022<1379:AEBMOT>2.0.CO;2). Geostrophic balance then gives the depth-integrated transport and
the pressure torque at the bottom from sea level alone.
"""

import numpy as np

from thor.core.arrays import Array
from thor.ocean.constants import EARTH_RADIUS, EARTH_ROTATION, GRAVITY

DECAY_DEPTH = 1000.0
"""Depth h over which velocity decays by a factor e [m]."""

LEAST_CORIOLIS = 6e-6
"""Least magnitude of the Coriolis parameter in the transport [s-1], that of 2.4 degrees latitude: nearer to the equator
there is no geostrophic balance, and the estimate is only finite."""


def geostrophic_terms(
    *,
    zos_gradient: tuple[Array, Array],
    deptho: Array,
    deptho_gradient: tuple[Array, Array],
    coriolis_parameter: Array,
    kinematic_stress_eastward: Array | float = 0.0,
    least_coriolis: float = LEAST_CORIOLIS,
) -> dict[str, Array]:
    """Return estimates of planetary vorticity advection and bottom pressure torque, of any cells.

    Parameters
    ----------
    zos_gradient, deptho_gradient : tuple of ndarray, [m m-1]
        Eastward and northward, in true geometry.
    deptho : ndarray, [m]
    coriolis_parameter : ndarray, [s-1]
    kinematic_stress_eastward : ndarray, optional, [m2 s-2]
        Surface stress over reference density, for the Ekman transport.
    least_coriolis : float
        Least magnitude of the Coriolis parameter in the transport [s-1].

    Returns
    -------
    dict of str to ndarray, [m s-2]
        `geostrophic_planetary_advection`, -beta V with the meridional transport V = g F(H) / f d(zos)/dx - tau / f,
        F(H) = h (1 - exp(-H / h)); `geostrophic_pressure_torque`, g exp(-H / h) J(zos, H).
    """
    coriolis = _bounded(coriolis_parameter, least_coriolis)
    sine = np.clip(coriolis_parameter / (2 * EARTH_ROTATION), -1, 1)
    beta = 2 * EARTH_ROTATION * np.sqrt(1 - sine**2) / EARTH_RADIUS
    decay = np.exp(-np.maximum(deptho, 0) / DECAY_DEPTH)
    transport = (GRAVITY * DECAY_DEPTH * (1 - decay) * zos_gradient[0] - kinematic_stress_eastward) / coriolis
    jacobian = zos_gradient[0] * deptho_gradient[1] - zos_gradient[1] * deptho_gradient[0]
    return {
        "geostrophic_planetary_advection": -beta * transport,
        "geostrophic_pressure_torque": GRAVITY * decay * jacobian,
    }


def geostrophic_transport(
    zos_gradient: tuple[Array, Array], *, deptho: Array, coriolis_parameter: Array
) -> tuple[Array, Array]:
    """Return the eastward and northward depth-integrated geostrophic transport [m2 s-1].

    Parameters
    ----------
    zos_gradient, deptho, coriolis_parameter
        As for `geostrophic_terms`.
    """
    reach = GRAVITY * DECAY_DEPTH * (1 - np.exp(-np.maximum(deptho, 0) / DECAY_DEPTH))
    factor = reach / _bounded(coriolis_parameter, LEAST_CORIOLIS)
    return -factor * zos_gradient[1], factor * zos_gradient[0]


def _bounded(coriolis_parameter: Array, least: float) -> Array:
    return np.where(coriolis_parameter < 0, -1.0, 1.0) * np.maximum(np.abs(coriolis_parameter), least)
