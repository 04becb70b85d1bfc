"""The numbers that a figure shows, read from what is drawn: curves, points, bars, matrices, and the fields of maps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from thor.figures.panels import axis_label, drawn_numbers, in_data, numbered_panels, panel_title, plain_text, tick_names

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("panel", "title", "x_axis", "y_axis", "kind", "series", "x", "y", "x_end", "y_end", "value")
"""Columns of the table. `kind` is line, point, bar, band (from `y` to `y_end`), interval (from one end to the other) or
cell of a matrix; `x` and `y` are positions, `value` is shown by colour."""


def drawn_table(figure: "Figure") -> pd.DataFrame:
    """Return the numbers of all panels but maps, one row for each point, bar, interval or cell of a matrix.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    pandas.DataFrame
        Columns of `COLUMNS`, and `x_name`, `y_name` where positions stand for names; empty columns are left out.
        `series` is the entry of the legend with the same look.
    """
    rows: list[dict[str, Any]] = []
    for panel, ax in numbered_panels(figure):
        about = {"panel": panel, "title": panel_title(ax)}
        about |= {f"{axis}_axis": plain_text(axis_label(ax, axis)) for axis in "xy"}
        ticks = {axis: names for axis in "xy" if (names := tick_names(ax, axis))}
        for row in _drawn(ax, _legend(ax)):
            named = {f"{axis}_name": _nearest_name(names, row.get(axis)) for axis, names in ticks.items()}
            rows.append(about | row | named)
    table = pd.DataFrame(rows, columns=[*COLUMNS, "x_name", "y_name"])
    return table.replace("", np.nan).dropna(axis="columns", how="all")


def _nearest_name(names: dict[float, str], place: float | None) -> str:
    """Return the name of the tick to which a position belongs: bars of one group lie around it."""
    if place is None or not np.isfinite(place):
        return ""
    ticks = np.array(list(names))
    nearest = int(np.abs(ticks - place).argmin())
    half_a_step = 0.5 * np.diff(np.sort(ticks)).min(initial=1.0 if ticks.size == 1 else np.inf)
    return names[ticks[nearest]] if abs(ticks[nearest] - place) <= half_a_step else ""


def _colour(artist: Any) -> str:
    from matplotlib.colors import to_hex

    found = artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor()
    if not isinstance(found, str):
        colours = np.atleast_2d(np.asarray(found))
        found = tuple(colours[0]) if len(colours) else "none"
    return "none" if found == "none" else to_hex(found)


def _look(artist: Any) -> tuple[str, str, str]:
    """Return what tells an artist from others in a legend: colour, marker and kind of line."""
    marker, line = (str(getattr(artist, f"get_{name}", lambda: "")()) for name in ("marker", "linestyle"))
    return _colour(artist), marker, line


class _Legend(NamedTuple):
    """Entries of a legend by look, by colour where one has it, and by kind of line where several have one colour."""

    by_look: dict[tuple[str, ...], str]
    by_colour: dict[str, str]
    by_line: dict[str, str]


def _legend(ax: "Axes") -> _Legend:
    """Return the legend that holds for the axes: theirs, or that of the figure, or of axes of the same quantity."""
    figure: Any = ax.get_figure()
    quantity = axis_label(ax, "y")
    others = [other for other in figure.axes if other is not ax and axis_label(other, "y") == quantity]
    legends = [ax.get_legend(), *figure.legends, *(other.get_legend() for other in others)]
    legend = next((found for found in legends if found is not None), None)
    if legend is None:
        return _Legend({}, {}, {})
    texts = [plain_text(text.get_text()) for text in legend.get_texts()]
    entries = list(zip(map(_look, legend.legend_handles), texts, strict=True))
    number = Counter(look[0] for look, _ in entries)
    alone = {look[0]: text for look, text in entries if number[look[0]] == 1}
    lines = {look[2]: text for look, text in entries if number[look[0]] > 1}
    return _Legend(dict(entries), alone, lines)


def _series(artist: Any, legend: _Legend) -> str:
    """Return the label of an artist, or what the legend calls its look."""
    label = str(artist.get_label() or "")
    if label and not label.startswith("_"):
        return plain_text(label)
    look = _look(artist)
    if look[0] in legend.by_colour and look[2] in legend.by_line:
        return f"{legend.by_colour[look[0]]}, {legend.by_line[look[2]]}"
    return legend.by_look.get(look) or legend.by_colour.get(look[0], "")


def _drawn(ax: "Axes", legend: _Legend) -> Iterator[dict[str, Any]]:
    """Yield what the axes show, artist by artist; maps and guide lines are left out."""
    from matplotlib.container import BarContainer
    from matplotlib.patches import Polygon

    if hasattr(ax, "projection"):
        return
    for line in ax.lines:
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        if in_data(line, ax):
            kind = "point" if line.get_linestyle() in ("None", "none", "", " ") else "line"
            yield from _rows(kind, _series(line, legend), x=x, y=y)
    for patch in ax.patches:
        if isinstance(patch, Polygon) and in_data(patch, ax):
            x, y = patch.get_xy().T
            yield from _rows("line", _series(patch, legend), x=x, y=y)
    for container in (bars for bars in ax.containers if isinstance(bars, BarContainer)):
        label = str(container.get_label())
        for bar in container:
            series = _series(bar, legend) if label.startswith("_") else plain_text(label)
            yield _bar(bar, series, horizontal=container.orientation == "horizontal")
    for artist in ax.collections:
        yield from _collected(artist, ax, legend)
    for image in ax.images:
        values = drawn_numbers(image.get_array())
        y, x = np.indices(values.shape[:2], dtype=float)
        yield from _rows("cell", "", x=x.ravel(), y=y.ravel(), value=values.reshape(-1))


def _bar(bar: Any, series: str, *, horizontal: bool) -> dict[str, Any]:
    """Return a bar from where it begins to its end, in the middle of its width."""
    x, y, width, height = map(float, (bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()))
    ends = {"x": x + width / 2, "y": y, "y_end": y + height}
    if horizontal:
        ends = {"x": x, "x_end": x + width, "y": y + height / 2}
    return {"kind": "bar", "series": series} | ends


def _collected(artist: Any, ax: "Axes", legend: _Legend) -> Iterator[dict[str, Any]]:
    from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection

    if isinstance(artist, FillBetweenPolyCollection):
        for path in artist.get_paths():
            table = pd.DataFrame(np.asarray(path.vertices), columns=["x", "y"]).groupby("x")["y"].agg(["min", "max"])
            ends = {"x": table.index.to_numpy(), "y": table["min"].to_numpy(), "y_end": table["max"].to_numpy()}
            yield from _rows("band", _series(artist, legend), **ends)
    elif isinstance(artist, LineCollection) and in_data(artist, ax):
        for segment in filter(len, artist.get_segments()):  # without points where an end is missing
            (x, y), (x_end, y_end) = segment[0], segment[-1]
            ends = {"x": x, "y": y, "x_end": x_end, "y_end": y_end}
            yield {"kind": "interval", "series": _series(artist, legend)} | ends
    elif isinstance(artist, PathCollection):
        x, y = drawn_numbers(artist.get_offsets()).T
        shown = {} if artist.get_array() is None else {"value": drawn_numbers(artist.get_array())}
        yield from _rows("point", _series(artist, legend), x=x, y=y, **shown)


def _rows(kind: str, series: str, **columns: np.ndarray) -> Iterator[dict[str, Any]]:
    for values in zip(*columns.values(), strict=True):
        yield {"kind": kind, "series": series} | dict(zip(columns, map(float, values), strict=True))


# -- fields of maps and sections ---------------------------------------------------------------------------------------
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
            number = next((k for k, grid in enumerate(grids) if all(map(np.array_equal, grid, position))), len(grids))
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
