"""The maps of the first screen as small pictures, with their legends: regimes, and where they change."""

import base64
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.figures.style import LAND_COLOUR, regime_colours, years_text
from thor.ocean.cells import on_one_grid
from thor.regimes.naming import regime_meanings
from thor.report.rasters import LAND_PIXEL, OUTSIDE_PIXEL, CellMap, cell_map
from thor.report.scenarios import baseline_in_words
from thor.tracking.likelihood import LIKELIHOOD_RANGES, likelihood_class
from thor.tracking.shared_window import compared_places

_OUTLINE = "#000000"
_EVERY_CELL = OUTSIDE_PIXEL


def regime_picture(features: xr.Dataset, regimes: xr.Dataset) -> dict[str, Any]:
    """Return the map of regimes.

    Parameters
    ----------
    features, regimes : xarray.Dataset
        Of the training ocean, on one grid.

    Returns
    -------
    dict
        `source`: a PNG as data URL; `alt`, `title`, `caption`; `legend`: a list of `label` and `colour`.
    """
    meanings = regime_meanings(regimes)
    features, regimes = on_one_grid(features, regimes)
    cells = cell_map(features, regimes["regime"] >= 0, max_cells=_EVERY_CELL)
    labels = cells.take(regimes["regime"])
    colours = regime_colours(list(meanings))
    return {
        "title": "Dynamical regimes",
        "alt": f"World map of {len(meanings)} dynamical regimes: {', '.join(meanings)}.",
        "caption": "Where the same terms of the vorticity budget balance.",
        "source": _png(cells, labels, colours),
        "legend": [{"label": name, "colour": colour} for name, colour in zip(meanings, colours, strict=True)],
    }


def change_picture(run: xr.Dataset, *, colours: Sequence[str]) -> dict[str, Any] | None:
    """Return the probability that regimes changed in the last window of a run with a baseline; None without one.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`; its first predictor is shown.
    colours : sequence of str
        One for each class of the likelihood.

    Returns
    -------
    dict or None
        As `regime_picture`; forced regime changes are outlined.
    """
    compared = compared_places(run)
    if not compared.size:
        return None
    here = run.isel(window=int(compared[-1]), predictor=0)
    cells = cell_map(run, run["valid"] == 1, max_cells=_EVERY_CELL)
    classes = likelihood_class(cells.take(here["change_probability"]))
    forced = cells.take(here["forced_change"]) == 1
    name = f"{run.attrs['source_id']}, {run.attrs['experiment_id']}"
    window, baseline = str(here["window"].values), str(here["baseline_window"].values)
    return {
        "title": f"Probability of a change of regime: {name}",
        "alt": f"World map of the probability that the regime of a cell changes in {name}, in classes.",
        "caption": f"{years_text(window)} against {baseline_in_words(run, baseline)}. Outlined: forced regime changes.",
        "source": _png(cells, classes, colours, outlined=forced),
        "legend": [{"label": text, "colour": shade} for text, shade in zip(LIKELIHOOD_RANGES, colours, strict=True)],
    }


def most_changed(rows: Sequence[Mapping[str, Any]], runs: Collection[str]) -> str | None:
    """Return the run with the largest expected changed share among those that there are; None without any.

    Parameters
    ----------
    rows : sequence of mapping
        As from `thor.report.scenarios.change_table`.
    runs : collection of str
    """
    known = [row for row in rows if row["expected_changed_share"] is not None and row["run"] in runs]
    return max(known, key=lambda row: row["expected_changed_share"])["run"] if known else None


def _png(cells: CellMap, classes: AnyArray, colours: Sequence[str], *, outlined: AnyArray | None = None) -> str:
    """Return pixels coloured by the class of their cells as a data URL; cells of class -1 are drawn as land."""
    from PIL import Image

    palette = [*colours, LAND_COLOUR, _OUTLINE, "#ffffff"]
    land, outline, outside = (len(colours) + k for k in range(3))
    of_cell = np.where((classes >= 0) & np.isfinite(classes), classes, land).astype(np.uint8)
    on_cell = cells.pixels < OUTSIDE_PIXEL
    picture = np.full(cells.pixels.shape, outside, dtype=np.uint8)
    picture[cells.pixels == LAND_PIXEL] = land
    picture[on_cell] = of_cell[cells.pixels[on_cell]]
    if outlined is not None:
        marked = np.zeros(cells.pixels.shape, dtype=bool)
        marked[on_cell] = outlined[cells.pixels[on_cell]]
        picture[marked & _at_the_edge(marked)] = outline
    image = Image.fromarray(picture, mode="P")
    image.putpalette(b"".join(bytes.fromhex(colour.removeprefix("#")) for colour in palette))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=outside)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _at_the_edge(marked: AnyArray) -> AnyArray:
    """Return where one of the four neighbours is not marked."""
    padded = np.pad(marked, 1)
    return ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])
