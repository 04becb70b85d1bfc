"""The fields that the maps and sections of a figure show, read from what is drawn."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thor.figures.panels import drawn_numbers, numbered_panels, panel_title, plain_text, tick_names

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


def drawn_fields(figure: "Figure") -> xr.Dataset:
    """Return the fields of all maps and sections, a variable for each panel, on the grid on which they are drawn.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    xarray.Dataset
        Dims (lat, lon), or (y, x) in sections; numbered where panels have different grids. Native grids that are not
        regular are drawn on a raster. The title of the panel is `long_name`, the text at the colour bar `units`, and
        classes are flags.
    """
    fields: dict[str, xr.DataArray] = {}
    grids: list[tuple[np.ndarray, ...]] = []
    for panel, ax in numbered_panels(figure):
        for mesh in (artist for artist in ax.collections if _is_field(artist)):
            field = _field(mesh, figure, is_map=hasattr(ax, "projection"))
            position = tuple(field[dim].values for dim in field.dims)
            number = next((k for k, grid in enumerate(grids) if _same(grid, position)), len(grids))
            grids[number:] = grids[number:] or [position]
            dims = {dim: f"{dim}{number + 1}" for dim in field.dims} if number else {}
            label = str(mesh.get_label())
            name = f"panel_{panel}" + ("_overlay" if f"panel_{panel}" in fields else "")
            long_name = panel_title(ax) or name if label.startswith("_") or not label else label
            fields[name] = field.rename(dims).assign_attrs(long_name=long_name)
    return xr.Dataset(fields)


def _is_field(artist: "Artist") -> bool:
    from matplotlib.collections import QuadMesh
    from matplotlib.contour import ContourSet

    return isinstance(artist, QuadMesh) or (isinstance(artist, ContourSet) and hasattr(artist, "drawn_field"))


def _field(mesh: Any, figure: "Figure", *, is_map: bool) -> xr.DataArray:
    """Return the values of a mesh by the middles of its cells, or what a set of contours was drawn from."""
    bar = _colour_bar(mesh, figure)
    attrs: dict[str, Any] = {}
    if bar is not None:
        attrs["units"] = plain_text(bar.ax.get_xlabel() or bar.ax.get_ylabel() or "1")
        names = tick_names(bar.ax, "x") or tick_names(bar.ax, "y")
        if names and all(float(value).is_integer() for value in names):
            attrs |= {"flag_values": [int(value) for value in names]}
            attrs |= {"flag_meanings": " ".join("_".join(name.split()) for name in names.values())}
    if hasattr(mesh, "drawn_field"):
        return mesh.drawn_field.assign_attrs(attrs)
    corners = mesh.get_coordinates()
    values = drawn_numbers(mesh.get_array()).reshape(corners.shape[0] - 1, -1)
    dims = ("lat", "lon") if is_map else ("y", "x")
    x, y = corners[0, :, 0], corners[:, 0, 1]
    middles = {dims[0]: (y[1:] + y[:-1]) / 2, dims[1]: (x[1:] + x[:-1]) / 2}
    field = xr.DataArray(values, coords=middles, dims=dims, attrs=attrs)
    if is_map:
        field["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
        field["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return field


def _colour_bar(mesh: Any, figure: "Figure") -> Any:
    """Return the colour bar of a mesh, or of another one with the same colours and range, which stands for both."""
    bars = [ax._colorbar for ax in figure.axes if hasattr(ax, "_colorbar")]
    alike: Iterable[Any] = (bar for bar in bars if _colours(bar.mappable) == _colours(mesh))
    return mesh.colorbar or next(iter(alike), None)


def _colours(mesh: Any) -> tuple[Any, ...]:
    return mesh.get_cmap().name, mesh.get_cmap().N, *mesh.get_clim()


def _same(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
