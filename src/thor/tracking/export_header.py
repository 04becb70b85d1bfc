"""The common part of a dataset of many tracked runs: coordinates, global attributes, and what is known of each run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import thor
from thor.core.arrays import IntArray
from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE
from thor.ocean.constants import EARTH_RADIUS
from thor.tracking import RunDatasets
from thor.tracking.areas import require_regimes
from thor.tracking.cells import NOT_COMPARED, NOT_JUDGED, RUN_FACETS, run_key

_ABOUT_RUNS = {
    "institution_id": "Institution of the climate model",
    "native_grid_label": "Label of the model's own grid",
    "parent": "Run with whose windows it is compared, source_id/experiment_id/variant_label",
    "baseline": "Windows of the parent with which it is compared",
    "tracked_fingerprint": "SHA-256 of all that the run's regimes depend on: features, networks, settings and code",
    "input_files": "Input files of the climate model with their tracking_id, SHA-256 and time steps",
    NOT_COMPARED: "Reason why the run has no baseline",
    NOT_JUDGED: "Reason why its changes are not tested",
}
_DIMS = {
    "window": "Window",
    "predictor": "Networks or baseline that predict regimes",
    "regime": "Dynamical regime",
    "basin": "Basin",
}
_STORED_AS = {"native_grid_label": "grid_label", "tracked_fingerprint": ATTRIBUTE}
_NOMINAL_KM = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
_NOMINAL_EDGES_KM = (0.72, 1.6, 3.6, 7.2, 16, 36, 72, 160, 360, 720, 1600, 3600, 7200)


def run_header(run: xr.Dataset) -> xr.Dataset:
    """Return what the layout of the dataset depends on: a tracked run without its fields.

    Parameters
    ----------
    run : xarray.Dataset
        As from `thor.tracking.track.track_run`.

    Returns
    -------
    xarray.Dataset
        Coordinates `window`, `basin`, `predictor` and `regime` (names), and all that the run states of its windows:
        years, baseline, months and the like.
    """
    stated = {name: run[name].variable for name in run.variables if run[name].dims == ("window",) and name != "window"}
    names = {dim: run[dim].variable for dim in ("window", "basin", "predictor")}
    coords = {**names, "regime": list(require_regimes(run))}
    return xr.Dataset(coords=coords, attrs=run.attrs).assign(stated).load()


def export_header(runs: Sequence[xr.Dataset], grid: xr.Dataset, *, spacing: float, inputs: RunDatasets) -> xr.Dataset:
    """Return coordinates and attributes of the dataset, and by run and window what is no field.

    Parameters
    ----------
    runs : sequence of xarray.Dataset
        As from `run_header`.
    grid : xarray.Dataset
        Coordinates with bounds, and `areacello` [m2].
    spacing : float
        Of the grid [degrees].
    inputs : mapping of str to callable
        Climatologies of the runs, whose variables name their files in the attribute `files`.

    Raises
    ------
    DataError
        When there is no run, or regimes or predictors differ.
    """
    if not runs:
        raise DataError("There is no tracked run to export. Run scenario_tracking with an archive of climate models.")
    first, *others = runs
    for other in others:
        _require_same(first, other)
    starts: dict[str, int] = {}
    for of_run in runs:
        for label, start in zip(map(str, of_run["window"].values), of_run["window_start"].values, strict=True):
            starts[label] = min(int(start), starts.get(label, int(start)))
    facets = {name: _distinct(of_run.attrs[name] for of_run in runs) for name in RUN_FACETS}
    names = {
        **facets,
        "window": sorted(starts, key=lambda label: (starts[label], label)),
        "predictor": first["predictor"].values.tolist(),
        "regime": first["regime"].values.tolist(),
        "basin": _distinct(name for of_run in runs for name in of_run["basin"].values),
    }
    coords = {dim: (dim, values, {"long_name": _DIMS.get(dim, dim)}) for dim, values in names.items()}
    out = grid.assign_coords(coords)
    out["areacello"].attrs["cell_methods"] = "area: sum"
    out = _with_run_texts(out, runs, inputs)
    out = _with_window_numbers(out, runs)
    return out.assign_attrs(_global_attributes(runs, grid, spacing, facets))


def _with_run_texts(out: xr.Dataset, headers: Sequence[xr.Dataset], inputs: RunDatasets) -> xr.Dataset:
    """Return the header with what is known of each run as text, and whether there is the run."""
    shape = [out.sizes[name] for name in RUN_FACETS]
    tracked = np.zeros(shape, dtype=np.int8)
    texts = {name: np.full(shape, "", dtype=object) for name in _ABOUT_RUNS}
    for of_run in headers:
        place = run_place(out, of_run.attrs)
        tracked[place] = 1
        for name, values in texts.items():
            values[place] = str(of_run.attrs.get(_STORED_AS.get(name, name), ""))
        key = run_key(of_run)
        texts["input_files"][place] = _input_files(inputs[key]()) if key in inputs else ""
    flags = {"flag_values": np.array([0, 1], dtype=np.int8), "flag_meanings": "no_run run"}
    out["tracked"] = RUN_FACETS, tracked, {"long_name": "Whether the dataset has the run", "units": "1", **flags}
    for name, values in texts.items():
        out[name] = RUN_FACETS, values.astype(str), {"long_name": _ABOUT_RUNS[name]}
    return out


def _with_window_numbers(out: xr.Dataset, headers: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the header with all that each run states of its windows: years, baseline, months and the like."""
    dims = (*RUN_FACETS, "window")
    for of_run in headers:
        windows = name_positions(out, "window", of_run["window"].values)
        for name, field in of_run.data_vars.items():
            text = field.dtype.kind in "UO"
            if name not in out:
                empty = np.full(
                    [out.sizes[dim] for dim in dims], "" if text else np.nan, dtype=object if text else float
                )
                out[name] = dims, empty, dict(field.attrs)
            out[name].values[run_place(out, of_run.attrs)][windows] = field.values
    return out.assign({name: out[name].astype(str) for name in out.data_vars if out[name].dtype == object})


def _global_attributes(
    headers: Sequence[xr.Dataset], grid: xr.Dataset, spacing: float, facets: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    models = facets["source_id"]
    return {
        "Conventions": "CF-1.11",
        "title": f"Dynamical regimes of the ocean in {len(models)} climate models on a common grid",
        "source": f"THOR {thor.__version__}, from the output of {', '.join(models)}",
        **{name: " ".join(values) for name, values in facets.items()},
        "institution_id": " ".join(_distinct(of_run.attrs.get("institution_id", "") for of_run in headers)),
        "product": "derived",
        "realm": "ocean",
        "grid_label": "gr",
        "grid": f"{spacing:g} x {spacing:g} degrees, means over the ocean area that native cells share with each cell",
        "nominal_resolution": _nominal_resolution(grid, spacing),
        "regimes": " ".join(headers[0]["regime"].values),
        "references": "https://doi.org/10.1029/2021MS002496 https://doi.org/10.1029/2018EA000519",
        "thor_version": thor.__version__,
    }


def _nominal_resolution(grid: xr.Dataset, spacing: float) -> str:
    """Return the class of CMIP6 for the mean diagonal of cells.

    https://wcrp-cmip.github.io/cmip7-guidance/CMIP6/global_attributes
    """
    # great circle between opposite corners
    south, north = np.deg2rad(grid["lat_bnds"].values).T
    cosine = np.sin(south) * np.sin(north) + np.cos(south) * np.cos(north) * np.cos(np.deg2rad(spacing))
    diagonal = EARTH_RADIUS / 1e3 * np.arccos(np.clip(cosine, -1, 1))
    mean = np.average(diagonal, weights=grid["areacello"].sum("lon").values)
    return f"{_NOMINAL_KM[int(np.searchsorted(_NOMINAL_EDGES_KM, mean, side='right'))]:g} km"


def _input_files(climatologies: xr.Dataset) -> str:
    """Return the files from which the climatologies of a run were made, one a line."""
    attrs = [climatologies.attrs, *(field.attrs for field in climatologies.values())]
    named = (str(text) for stated in attrs for name, text in stated.items() if str(name).startswith("files"))
    return "\n".join(_distinct(line for text in named for line in text.splitlines()))


def _require_same(first: xr.Dataset, other: xr.Dataset) -> None:
    """Raise DataError unless two runs have the same regimes and predictors."""
    for dim in ("regime", "predictor"):
        names, others = (", ".join(run[dim].values) for run in (first, other))
        if names != others:
            raise DataError(
                f"Runs in one dataset need the same {dim}s: {run_key(first)} has {names}, {run_key(other)} {others}. "
                "Track all with the same networks, or choose runs with --source."
            )


def run_place(header: xr.Dataset, attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the position of a run in the dims of `RUN_FACETS`, from its attributes."""
    return tuple(int(name_positions(header, name, [attrs[name]])[0]) for name in RUN_FACETS)


def name_positions(header: xr.Dataset, dim: str, names: Iterable[Any]) -> IntArray:
    """Return the positions of names in a dim of the dataset."""
    known = list(map(str, header[dim].values))
    return np.array([known.index(str(name)) for name in names])


def _distinct(names: Iterable[Any]) -> list[str]:
    return sorted({str(name) for name in names})
