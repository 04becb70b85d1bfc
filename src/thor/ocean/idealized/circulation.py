r"""Steady equivalent-barotropic circulation on any C grid, driven by wind.

The velocity decays with depth as exp(z / h), so the depth-integrated momentum balance per unit mass is

.. math:: f k \times U = -g F \nabla\eta + \tau/\rho_0 - R U - r_b U + A \nabla^2 U + N, \qquad \nabla\cdot U = 0

with F = h (1 - exp(-H/h)), bottom drag r_b = r exp(-H/h) / F and N = -div(G U U), G = (1 + exp(-H/h)) / (2 F).

References: Killworth 1992, doi 10.1175/1520-0485(1992)022<1379:AEBMIT>2.0.CO;2; Krupitsky, Kamenkovich, Naik & Cane
1996, doi 10.1175/1520-0485(1996)026<1803:AEBMOT>2.0.CO;2.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from thor.core.arrays import Array
from thor.ocean.constants import GRAVITY
from thor.ocean.idealized.c_grid import CGrid, FaceField, diagonal, reciprocal
from thor.ocean.idealized.geography import Geography
from thor.ocean.idealized.settings import OceanSettings

SSH_SCALE = 1e-3
"""Unit of the SSH unknown [m]: makes all coefficients of the matrix similar in size, so that pivoting works."""

REFINEMENTS = 2
"""Steps of iterative refinement after each back-substitution: brings the momentum residual to round-off."""


@dataclass(frozen=True, eq=False)
class Circulation:
    """A solved circulation.

    Attributes
    ----------
    ssh : ndarray of shape (..., nj, ni), [m]
        Sea surface height at T points, zero area mean over the ocean; zero on land.
    transport : FaceField, [m2 s-1]
        Depth-integrated transport along the grid axes, zero on closed faces.
    """

    ssh: Array
    transport: FaceField


class CirculationModel:
    """The circulation's equations on one grid and geography, factorised once for any number of winds.

    Parameters
    ----------
    grid : CGrid
    geography : Geography
    settings : OceanSettings
        Friction R, viscosity A, decay depth h, drag r on the velocity at the bottom, reference density.
    """

    def __init__(self, grid: CGrid, geography: Geography, settings: OceanSettings) -> None:
        self.grid, self.geography, self.settings = grid, geography, settings
        self.mask = open_faces(geography.mask)
        # `reach` is F, the depth over which the surface pressure gradient acts
        bottom = np.exp(-geography.depth / settings.decay_depth)
        reach = np.where(geography.mask, settings.decay_depth * (1 - bottom), 1.0)
        self._reach = _to_faces(grid, reach)
        self._inertia_t = np.where(geography.mask, (1 + bottom) / (2 * reach), 0.0)
        self._inertia_q = self._corner_mean(self._inertia_t)
        drag = _to_faces(grid, settings.bottom_drag * bottom / reach)
        self._coriolis = self._coriolis_matrices()
        self._pressure = self.mask.map(lambda m, r, d: -GRAVITY * diagonal(m * r) @ d, self._reach, grid.gradient)
        self._bottom_stress = self.mask.map(lambda m, d: -diagonal(m * d), drag)
        self._viscous = self._viscous_matrices()
        self._factorise()

    # -- momentum terms, [m2 s-2], each on the model's open faces -----------------------------------------------------
    def coriolis(self, transport: FaceField) -> FaceField:
        """Return -f k x U, averaged so that the Coriolis force does no work."""
        (u_v, v_u) = self._coriolis
        return FaceField(self.grid.apply(u_v, transport.v), self.grid.apply(v_u, transport.u))

    def pressure(self, ssh: Array) -> FaceField:
        """Return -g F grad(eta)."""
        return self._pressure.map(lambda matrix: self.grid.apply(matrix, ssh))

    def bottom_stress(self, transport: FaceField) -> FaceField:
        """Return minus the bottom stress over the reference density."""
        return self._bottom_stress.map(self.grid.apply, transport)

    def viscous(self, transport: FaceField) -> FaceField:
        """Return -R U + A lap(U), no slip at coasts."""
        apply = self.grid.apply
        return FaceField(*(apply(from_u, transport.u) + apply(from_v, transport.v) for from_u, from_v in self._viscous))

    def wind(self, stress: FaceField) -> FaceField:
        """Return the wind stress over the reference density."""
        return self.mask.map(lambda m, s: m * s / self.settings.reference_density, stress)

    def advection(self, first: FaceField, second: FaceField | None = None) -> FaceField:
        """Return N = -div(G U U), symmetric and bilinear in two transports (`second` defaults to `first`).

        For a combination of solved patterns U = sum c_a U_a this gives N = sum c_a c_b N_ab, each pair computed once.
        """
        second = first if second is None else second
        grid, apply = self.grid, self.grid.apply
        i_back, j_back = grid.along_i.T, grid.along_j.T
        (u_a, v_a), (u_b, v_b) = first, second
        flux_uu = self._inertia_t * (apply(i_back, u_a) * apply(i_back, u_b))
        flux_vv = self._inertia_t * (apply(j_back, v_a) * apply(j_back, v_b))
        u_qa, u_qb = (apply(grid.along_j, u) for u in (u_a, u_b))
        v_qa, v_qb = (apply(grid.along_i, v) for v in (v_a, v_b))
        flux_uv = self._inertia_q * (u_qa * v_qb + u_qb * v_qa) / 2
        # divergence of a symmetric tensor in orthogonal coordinates: two flux differences and two metric terms
        d_i, d_j = grid.east - grid.identity, grid.north - grid.identity
        back_i, back_j = grid.identity - grid.east.T, grid.identity - grid.north.T
        along_u = apply(d_i, grid.t.dy * flux_uu) + apply(back_j, grid.q.dx * flux_uv)
        along_u += apply(j_back, flux_uv) * apply(back_j, grid.q.dx)
        along_u -= apply(grid.along_i, flux_vv) * apply(d_i, grid.t.dy)
        along_v = apply(d_j, grid.t.dx * flux_vv) + apply(back_i, grid.q.dy * flux_uv)
        along_v += apply(i_back, flux_uv) * apply(back_i, grid.q.dy)
        along_v -= apply(grid.along_j, flux_uu) * apply(d_j, grid.t.dx)
        return FaceField(-self.mask.u * along_u / grid.u.area, -self.mask.v * along_v / grid.v.area)

    # -- the solve ----------------------------------------------------------------------------------------------------
    def solve(self, stress: FaceField, *, extra: FaceField | None = None) -> Circulation:
        """Return the circulation under a wind: a back-substitution.

        Parameters
        ----------
        stress : FaceField of shape (..., nj, ni), [N m-2]
            Wind stress along the grid axes at u and v points; leading axes stack winds.
        extra : FaceField of the same shape, [m2 s-2], optional
            Further force per unit area over the reference density, such as `advection`.
        """
        force = self.wind(stress)
        if extra is not None:
            force = force + self.mask.map(np.multiply, extra)
        lead = force.u.shape[:-2]
        right = np.zeros((self._matrix.shape[0], int(np.prod(lead, dtype=int))))
        n_u, n_v = (np.count_nonzero(m) for m in self.mask)
        open_u, open_v = (m.astype(bool) for m in self.mask)
        right[:n_u] = -force.u[..., open_u].reshape(-1, n_u).T
        right[n_u : n_u + n_v] = -force.v[..., open_v].reshape(-1, n_v).T
        solution = self._lu.solve(right)
        for _ in range(REFINEMENTS):
            solution += self._lu.solve(right - self._matrix @ solution)
        fields = [np.zeros((*lead, *self.grid.shape)) for _ in range(3)]
        parts = np.split(solution, [n_u, n_u + n_v])
        for field, part, where in zip(fields, parts, (open_u, open_v, self.geography.mask), strict=True):
            field[..., where] = part.T.reshape(*lead, -1)
        area = self.grid.t.area * self.geography.mask
        ssh = fields[2] * SSH_SCALE
        ssh = (ssh - (ssh * area).sum((-2, -1), keepdims=True) / area.sum()) * self.geography.mask
        return Circulation(ssh=ssh, transport=FaceField(fields[0], fields[1]))

    def solve_nonlinear(self, stress: FaceField, *, iterations: int) -> tuple[Circulation, FaceField]:
        """Return the circulation after `iterations` corrections by its advection, and the advection that drives it.

        The momentum balance, and so the budget, hold exactly with the advection returned, that of the iterate before.
        """
        circulation = self.solve(stress)
        advection = stress.map(np.zeros_like)
        for _ in range(iterations):
            advection = self.advection(circulation.transport)
            circulation = self.solve(stress, extra=advection)
        return circulation, advection

    # -- matrices -----------------------------------------------------------------------------------------------------
    def _coriolis_matrices(self) -> tuple[sp.csr_array, sp.csr_array]:
        grid = self.grid
        f = diagonal(grid.q.coriolis)
        # one f at the corner between averages that are each other's transposes: skew-symmetric, so no work is done
        # (Sadourny 1975, doi 10.1175/1520-0469(1975)032<0680:TDOFDM>2.0.CO;2)
        u_from_v = reciprocal(grid.u.dx) @ grid.along_j.T @ f @ grid.along_i @ diagonal(grid.v.dx)
        v_from_u = reciprocal(grid.v.dy) @ grid.along_i.T @ f @ grid.along_j @ diagonal(grid.u.dy)
        return diagonal(self.mask.u) @ u_from_v, -diagonal(self.mask.v) @ v_from_u

    def _viscous_matrices(self) -> list[list[sp.csr_array]]:
        """Return the matrices of -R U + A lap(U), by the component that they give and the one they apply to."""
        grid, viscosity = self.grid, self.settings.viscosity
        # lap(U) = k x grad(curl U) as div(U) = 0; at a coast the velocity jumps from U to -U (no slip): twice the
        # circulation that the open faces alone give
        slip = np.where(wet_corners(self.geography.mask), 1.0, 2.0)
        curl = [reciprocal(grid.q.area / slip) @ part for part in grid.circulation]
        masks = [diagonal(m) for m in self.mask]
        out = [
            [viscosity * masks[k] @ grid.rotated_gradient[k] @ curl[m] @ masks[m] for m in range(2)] for k in range(2)
        ]
        for k in range(2):
            out[k][k] = out[k][k] - self.settings.linear_friction * masks[k]
        return out

    def _corner_mean(self, field: Array) -> Array:
        """Return the mean over the wet cells around each corner; zero where there is none."""
        to_corners = self.grid.along_i @ self.grid.along_j
        total, wet = (self.grid.apply(to_corners, part) for part in (field, self.geography.mask.astype(float)))
        return np.where(wet > 0, total / np.where(wet > 0, wet, 1), 0.0)

    def _factorise(self) -> None:
        (c_uv, c_vu), ((f_uu, f_uv), (f_vu, f_vv)) = self._coriolis, self._viscous
        (p_u, p_v), (b_u, b_v), (o_u, o_v) = self._pressure, self._bottom_stress, self.grid.outflow
        # continuity rows get coefficients of the size of f, as the momentum rows have
        row_scale = 1e-4 / self.grid.t.dy.mean()
        open_u, open_v = (np.flatnonzero(m) for m in self.mask)
        wet = np.flatnonzero(self.geography.mask)
        # momentum and continuity fix SSH up to a constant: the SSH of one cell enters the continuity row of that cell.
        # The sum of all rows states that no water leaves the ocean, so that this SSH is zero and the row is continuity.
        datum = sp.csr_array(([1e-4], ([0], [0])), shape=(wet.size, wet.size))
        from_u = (f_uu + b_u)[open_u], (c_vu + f_vu)[open_v], row_scale * o_u[wet]
        from_v = (c_uv + f_uv)[open_u], (f_vv + b_v)[open_v], row_scale * o_v[wet]
        from_ssh = (SSH_SCALE * p_u[open_u][:, wet], SSH_SCALE * p_v[open_v][:, wet], datum)
        columns = [[row[:, open_u] for row in from_u], [row[:, open_v] for row in from_v], from_ssh]
        self._matrix = sp.csc_array(sp.block_array(list(zip(*columns, strict=True)), format="csc"))
        self._lu = splu(self._matrix)


def open_faces(mask: np.ndarray) -> FaceField:
    """Return the face mask, 1.0 where both cells beside a face are wet, else 0.0.

    Parameters
    ----------
    mask : ndarray of bool, shape (nj, ni)
        True where a cell is ocean.
    """
    north = np.zeros_like(mask)
    north[:-1] = mask[:-1] & mask[1:]
    return FaceField((mask & np.roll(mask, -1, axis=1)).astype(float), north.astype(float))


def wet_corners(mask: np.ndarray) -> np.ndarray:
    """Return True at corners all of whose four cells are wet."""
    north = open_faces(mask).v.astype(bool)
    return north & np.roll(north, -1, axis=1)


def _to_faces(grid: CGrid, field: Array) -> FaceField:
    return FaceField(grid.apply(grid.along_i, field), grid.apply(grid.along_j, field))


def transport_streamfunction(grid: CGrid, transport: FaceField) -> Array:
    """Return psi at corners [m3 s-1], zero at the southern wall, with U = -d(psi)/dy and V = d(psi)/dx."""
    return -np.cumsum(transport.u * grid.u.dy, axis=-2)


def drake_passage_transport(grid: CGrid, transport: FaceField) -> float:
    """Return the eastward transport between Antarctica and Tierra del Fuego at 69W [m3 s-1], zero if that is closed.

    Needs grid columns along meridians in the Southern Ocean, as regular and northern displaced-pole grids have them.
    """
    row = int(np.argmin(np.abs(grid.u.lat[:, 0] + 60)))
    column = int(np.argmin(np.abs(grid.u.lon[row] - 291.0)))
    south = grid.u.lat[:, column] < -53.5
    return float((transport.u * grid.u.dy)[south, column].sum())
