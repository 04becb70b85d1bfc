"""All tracked runs in one dataset on a common regular grid: models, experiments, members and windows are dims."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thor.core.gridded_store import FieldLayout, Put, StoreFormat, new_store
from thor.core.progress import progress_bar
from thor.core.variables import variable
from thor.tracking import RunDatasets
from thor.tracking.cells import RUN_FACETS
from thor.tracking.export_header import export_header, name_positions, run_header, run_place
from thor.tracking.fields import field_dims
from thor.tracking.regridding import AREA_MEANS, AREA_SHARES, AreaWeights, Regridder, common_grid, regridded_window

_MAP = ("lat", "lon")
_SOURCES = {name: name for name in AREA_MEANS} | {share: flag for flag, share in AREA_SHARES.items()}
_SOURCES |= {"most_probable_regime": "regime"}
"""Fields of a run from which those of the dataset are made: all their dims but those of the grid are the same."""

_OF_RUN = ("ocean_area", "ocean_share")
_AREAS = tuple(f"{name}{end}" for name in ("expected_area", "expected_area_change") for end in ("", "_lower", "_upper"))
LICENSE = (
    "Derived from the output of the climate models in source_id, whose licences apply; input_files names the files"
)


def export_runs(
    runs: RunDatasets,
    path: Path,
    *,
    spacing: float,
    kind: StoreFormat,
    inputs: RunDatasets | None = None,
    license_text: str = LICENSE,
) -> xr.Dataset:
    """Write all runs to one dataset on a regular grid, run by run and window by window, and return its header.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, as from `thor.tracking.track.track_run`, by
        `<source_id>/<experiment_id>/<variant_label>`.
    path : Path
        NetCDF file or folder of the Zarr store; what is there is replaced when all is written.
    spacing : float
        Of the grid [degrees]; must divide 180.
    kind : {'zarr', 'netcdf'}
    inputs : mapping of str to callable, optional
        Climatologies of the runs, whose variables name their files in the attribute `files`.
    license_text : str
        Global attribute `license`.

    Returns
    -------
    xarray.Dataset
        Coordinates, attributes and what is known of each run.

    Raises
    ------
    DataError
        When there is no run, or regimes or predictors differ.
    GridError
        When the spacing does not divide 180 degrees, or a run has no usable grid.

    Notes
    -----
    Means of probabilities, uncertainties and flags over the ocean area of a cell (`AreaWeights`). The dataset holds the
    same bytes for the same runs, so it has no date of creation.
    """
    grid = common_grid(spacing)
    headers = [run_header(load()) for load in runs.values()]
    header = export_header(headers, grid, spacing=spacing, inputs=inputs or {}).assign_attrs(license=license_text)
    layouts = _layouts(header)
    regridder = Regridder(grid)
    with new_store(path, kind, header, layouts) as put:
        for load in progress_bar(list(runs.values()), label=f"runs on the grid of {spacing:g}°", unit="run"):
            run = load()
            _put_run(put, run, regridder.weights(run), header, layouts)
    return header


def _put_run(
    put: Put, run: xr.Dataset, weights: AreaWeights, header: xr.Dataset, layouts: Mapping[str, FieldLayout]
) -> None:
    place = run_place(header, run.attrs)
    shape = tuple(header.sizes[dim] for dim in _MAP)
    for name in _OF_RUN:
        put(name, place, getattr(weights, name).reshape(shape).astype(layouts[name].dtype))
    basins = name_positions(header, "basin", run["basin"].values)
    for number, window in enumerate(map(int, name_positions(header, "window", run["window"].values))):
        here = run.isel(window=number)
        for name, values in regridded_window(here, weights).items():
            put(name, (*place, window), values.reshape(*values.shape[:-1], *shape))
        for name in _AREAS:
            table = np.full([header.sizes[dim] for dim in ("predictor", "basin", "regime")], np.nan)
            table[:, basins] = here[name].transpose("predictor", "basin", "regime").values
            put(name, (*place, window), table)


def _layouts(header: xr.Dataset) -> dict[str, FieldLayout]:
    """Return how each field is stored: a chunk has one window of one run, all of its predictors and regimes."""
    layouts = {}
    for name, source in _SOURCES.items():
        _, *by = field_dims(source)
        attrs: dict[str, Any] = dict(variable(name).attrs)
        attrs["cell_measures"] = "area: areacello"
        if name == "most_probable_regime":
            flags = np.arange(header.sizes["regime"], dtype=np.int8)
            attrs |= {"flag_values": flags, "flag_meanings": header.attrs["regimes"]}
        else:
            attrs |= {"cell_methods": "area: mean where sea", "comment": "Weighted by ocean_area"}
        dims = (*RUN_FACETS, "window", *by, *_MAP)
        layouts[name] = FieldLayout(dims, (*by, *_MAP), "i1" if name == "most_probable_regime" else "f4", attrs)
    for name in _OF_RUN:
        layouts[name] = FieldLayout((*RUN_FACETS, *_MAP), _MAP, "f8", dict(variable(name).attrs))
    layouts["ocean_area"].attrs["cell_methods"] = "area: sum"  # of whole cells, whatever their `sftof`
    for name in _AREAS:
        whole = ("window", "predictor", "basin", "regime")
        layouts[name] = FieldLayout((*RUN_FACETS, *whole), whole, "f8", dict(variable(name).attrs))
    return layouts
