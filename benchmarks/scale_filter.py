"""Fields smoothed to one scale on any grid with land, so that fields of different grids can be compared.

The filter is diffusion over a fixed time. Fluxes between neighbouring cells are equal and opposite and none crosses a
coast, so the area integral is conserved and a constant stays constant, on every grid and next to every coast.
"""

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.special import ive

from thor.core.arrays import Array
from thor.core.errors import GridError
from thor.ocean.grid import NEIGHBOURS, Grid

SERIES_ERROR = 1e-6
"""Largest error of the response of the filter, at any wavelength."""


def smoothed(field: Array, grid: Grid, *, scale_km: float) -> Array:
    """Return a field filtered to a scale.

    Parameters
    ----------
    field : ndarray of shape (n_rows, n_columns)
        NaN on land.
    grid : Grid
        Cells should be nearly rectangular, as on the grids of ocean models.
    scale_km : float
        Filter scale L [km]: the filter has the standard deviation of a box of this width, and takes exp(-(k L)^2 / 24)
        of a wave of wavenumber k: 0.19 at a wavelength of L, 0.66 at 2 L, 0.96 at 6 L.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        In the units of the field; NaN on land and where the area of a cell is unknown. Repeated cells have the value
        of the original.

    Raises
    ------
    GridError
        When the scale is not positive.

    Notes
    -----
    The scale and the Gaussian response are those of Grooms et al. (2021, doi:10.1029/2021MS002552). With S the negative
    Laplacian of finite volumes, exp(-L^2 S / 24) is summed as its Chebyshev series, whose coefficients are modified
    Bessel functions of t = s L^2 / 48, where s bounds the largest eigenvalue of S. The number of terms, each one
    product with a sparse matrix, is about 5 sqrt(t), 1.5 L over the smallest spacing: at 300 km some tens on the grids
    of ocean models, but 7000 on a regular grid of a quarter of a degree with ocean at a pole (80 s on a busy core).
    Peak memory is 0.3 kB for each cell of the grid, 0.3 GB on a quarter of a degree.
    """
    if not scale_km > 0:
        raise GridError(
            f"The scale of the filter must be positive; got {scale_km:g} km. Leave the filter out for none."
        )
    sea = np.isfinite(field) & np.isfinite(grid.area) & ~grid.duplicate
    matrix, largest = negative_laplacian(grid, sea)
    time = largest * (1e3 * scale_km) ** 2 / 48
    coefficients = gaussian_series(time)
    # Chebyshev polynomials of 2 S / s - 1; with a field near zero mean no digits are lost.
    mean = np.average(field[sea], weights=grid.area[sea])
    before = field[sea] - mean
    now = matrix @ before * (2 / largest) - before
    total = coefficients[0] * before + coefficients[1] * now
    for coefficient in coefficients[2:]:
        before, now = now, matrix @ now * (4 / largest) - 2 * now - before
        total += coefficient * now
    out = np.full(grid.shape, np.nan)
    out[sea] = total + mean
    return grid.fill_repeated(out)


def negative_laplacian(grid: Grid, sea: np.ndarray) -> tuple[csr_array, float]:
    """Return minus the Laplacian [m-2] between the cells of `sea`, and a bound on its largest eigenvalue."""
    number = np.full(grid.shape, -1)
    number[sea] = np.arange(sea.sum())
    n_cells, area = int(sea.sum()), grid.area[sea]
    conductance = csr_array((n_cells, n_cells))
    for step in NEIGHBOURS:
        located = grid.topology.locate(step)
        other = np.where(located.cell >= 0, number.ravel()[located.cell], -1)[sea]
        # Cells meet in a single point across a pole.
        across_pole = ((located.row_sign < 0) & (located.column_sign > 0))[sea]
        met = (other >= 0) & (other != np.arange(n_cells)) & ~across_pole
        here, there = np.flatnonzero(met), other[met]
        # Length of the common side over the distance.
        length = 0.5 * (area[here] + area[there]) / (grid.displacements[step][:, sea][:, met] ** 2).sum(axis=0)
        conductance += coo_array((length, (here, there)), shape=conductance.shape).tocsr()
    conductance = 0.5 * (conductance + conductance.T)
    total = conductance.sum(axis=1)
    matrix = diags_array(1 / area) @ (diags_array(total) - conductance)
    return matrix.tocsr(), float((2 * total / area).max())


def gaussian_series(time: float) -> Array:
    """Return the coefficients of exp(-time (1 + x)) in Chebyshev polynomials of x in [-1, 1], at least two.

    The sum of the magnitudes left out bounds the error; the others are scaled to add up to one, which is the response
    to a constant.
    """
    order = np.arange(int(8 * np.sqrt(time)) + 20)
    magnitude = np.where(order == 0, 1.0, 2.0) * ive(order, time)
    n_terms = max(2, int(np.searchsorted(np.cumsum(magnitude), 1 - SERIES_ERROR)) + 1)
    kept = magnitude[:n_terms] / magnitude[:n_terms].sum()
    return np.where(order[:n_terms] % 2, -kept, kept)
