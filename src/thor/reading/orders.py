"""Orders of rows and columns: fields of one grid that are stored differently, and that in which climatologies are."""

from itertools import product

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray, Array, IntArray
from thor.ocean.sphere import distance, unit_vectors
from thor.reading.positions import meshed, same_positions


def storage_order(place: xr.Dataset, reference: xr.Dataset) -> dict[str, IntArray]:
    """Return rows and columns in the order in which other positions of the same grid are stored, by dim.

    Parameters
    ----------
    place, reference : xarray.Dataset
        As from `read_positions`. They may lie beside one another, on T points and on edges or corners.

    Returns
    -------
    dict of str to ndarray of int
        For `place.isel`; empty where it is stored as the reference is, and where no order brings the two together:
        rows or columns may run the other way, and columns begin at another longitude.
    """
    points, wanted = meshed(place), meshed(reference)
    if points[0].shape != wanted[0].shape or same_positions(place, reference):
        return {}
    here, there = unit_vectors(*points), unit_vectors(*wanted)
    cell = np.maximum(*(distance(np.roll(there, -1, axis), there) for axis in (1, 2)))
    n_rows, n_columns = points[0].shape
    for down, back in product((1, -1), repeat=2):
        rows = np.arange(n_rows)[::down]
        for start in (0, _nearest_turn(here[:, ::down, ::back], there)):
            columns = np.roll(np.arange(n_columns)[::back], -start)
            with np.errstate(divide="ignore", invalid="ignore"):  # repeated cells
                apart = distance(here[:, rows[:, None], columns], there) / cell
            if np.nanquantile(apart, 0.9) < 1:
                dims = ("lat", "lon") if place["lat"].ndim == 1 else ("y", "x")
                found = zip(dims, (rows, columns), strict=True)
                return {dim: order for dim, order in found if (order != np.arange(order.size)).any()}
    return {}


def _nearest_turn(here: Array, there: Array) -> int:
    """Return which column of `here` lies where the first one of `there` does, each of unit vectors (3, rows, columns).

    Points that are known in both lie nearest to one another then, in the mean; land may be without position in either.
    """
    # sums over rows and columns for every turn are convolutions; the fourth counts the points known in both
    first, second = (np.fft.rfft(np.nan_to_num([*place, np.isfinite(place[0])])) for place in (here, there))
    cosines, known = np.split(np.fft.irfft(first * second.conj(), here.shape[-1]).sum(axis=1), [3])
    enough = known[0] > 0.5 * known.max()
    return int(np.argmax(np.where(enough, cosines.sum(axis=0) / np.where(enough, known[0], 1), -1)))


def reordered(values: AnyArray, order: dict[str, IntArray]) -> AnyArray:
    """Return values (..., n_rows, n_columns) in an order of rows and columns as from `storage_order`."""
    for axis, dims in ((-2, ("lat", "y")), (-1, ("lon", "x"))):
        for dim in order.keys() & dims:
            values = np.take(values, order[dim], axis=axis)
    return values


def ascending_order(places: xr.Dataset) -> dict[str, IntArray]:
    """Return the rows and columns in the order in which climatologies have them, by dim; none where it is theirs."""
    if places["lat"].ndim == 2:
        return {}
    lat, lon = places["lat"].values, np.round(places["lon"].values, 6)
    # of repeated columns the inner ones: the outer ones are a model's halo, as in `thor.ocean.topology`
    halo = np.abs(2 * np.arange(lon.size) + 1 - lon.size)
    columns = np.lexsort((halo, lon))
    order = {"lat": np.argsort(lat, kind="stable"), "lon": columns[np.diff(lon[columns], prepend=-np.inf) > 0]}
    return {dim: rows for dim, rows in order.items() if not np.array_equal(rows, np.arange(places.sizes[dim]))}
