"""Plan and read an archive of many small climate models: seconds for thousands of files, and what a second run does.

    python benchmarks/many_models.py [--folder FOLDER] [--quick] [--json FILE]

30 synthetic models with four experiments (piControl, historical, ssp245, ssp585) of three variants each: 360 runs of
20 years, zos, tauuo and tauvo in five files each, on regular grids of 8 to 12 degrees, which differ from model to
model; 5,490 files with the fixed fields. Planning reads the header of every file; climatologies are those of four
windows of five years. Each step is a separate process. Two numbers count beside the seconds: how many climatologies
are written when nothing has changed (none), and when a model has come to the archive (only its own).

With --folder the archive is kept there, and found there by the next call: `kedro run --env test` reads it too when
THOR_ARCHIVE_ROOT names it and `data_engineering.windows.length_years` is 5.
"""

import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
from rows import Rows, in_own_process, parse, peak_memory_mb, timed

EXPERIMENTS = {"piControl": 1, "historical": 1995, "ssp245": 2081, "ssp585": 2081}
"""First year of each experiment."""

WARMING = {"piControl": 0.0, "historical": 0.2, "ssp245": 0.6, "ssp585": 1.0}
VARIANTS = ("r1i1p1f1", "r2i1p1f1", "r3i1p1f1")
N_YEARS, YEARS_PER_FILE, WINDOW_YEARS = 20, 4, 5
UNITS = {"zos": "m", "tauuo": "N m-2", "tauvo": "N m-2", "deptho": "m", "areacello": "m2", "sftof": "%"}
EARTH_RADIUS = 6.371e6
EPOCH = "days since 0001-01-01"


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="3 models", options=["--folder"])
    rows, n_models = Rows(options.json), 3 if options.quick else 30
    with tempfile.TemporaryDirectory(prefix="thor_many_") as temporary:
        folder = Path(options.folder or temporary)
        root = folder / "archive"
        _, writing = timed(lambda: write_archive(root, range(n_models)))
        files = sorted(root.rglob("*.nc"))
        n_bytes = sum(path.stat().st_size for path in files)
        print(f"{len(files):,} files, {n_bytes / 1e6:.0f} MB, written in {writing:.0f} s", flush=True)
        n_runs = n_models * len(EXPERIMENTS) * len(VARIANTS)
        what = f"{n_runs} runs of {n_models} models, {len(files):,} files"
        (seconds, n_plans), peak = in_own_process(planned, root)
        rows.add(f"planning {what}", seconds, peak_memory_mb=peak, remark=f"{n_plans} plans")
        for when in ("first", "again"):
            (seconds, n_written), peak = in_own_process(read, folder)
            rows.add(f"climatologies, {when}", seconds, peak_memory_mb=peak, remark=f"{n_written} written")
        write_archive(root, range(n_models, n_models + 1))
        (seconds, n_written), peak = in_own_process(read, folder)
        rows.add("climatologies, with one more model", seconds, peak_memory_mb=peak, remark=f"{n_written} written")


# -- measured functions, each in a fresh process ----------------------------------------------------------------------
def planned(root: Path) -> tuple[tuple[float, int], float]:
    """Return the seconds of planning with the number of plans, and the peak memory [MB]."""
    from thor.reading.archive import Archive
    from thor.reading.plans import plan_runs

    start, archive = time.perf_counter(), Archive(root)
    runs = archive.runs(source_ids="all", experiment_ids="all", variant_labels="all")
    plans = plan_runs(archive, runs, _parameters().windows, missing="error")
    return (time.perf_counter() - start, len(plans)), peak_memory_mb()


def read(folder: Path) -> tuple[tuple[float, int], float]:
    """Return the seconds of planning and reading with the number of climatologies written, and the peak memory [MB]."""
    from thor.datasets import FieldCollection
    from thor.pipelines.data_engineering.nodes import compute_climatologies
    from thor.reading.archive import Archive
    from thor.reading.warming_levels import find_levels

    parameters = _parameters()
    start, before = time.perf_counter(), time.time_ns()
    levels = find_levels({}, {}, parameters.windows)  # of no run: the archive has no temperature
    made = compute_climatologies(Archive(folder / "archive"), levels, parameters)["climatologies"]
    FieldCollection(path=str(folder / "climatologies"), contract="climatologies").save(made)
    written = [path for path in (folder / "climatologies").rglob("*.nc") if path.stat().st_mtime_ns > before]
    return (time.perf_counter() - start, len(written)), peak_memory_mb()


def _parameters() -> Any:
    from thor.app.configuration import default_configuration
    from thor.app.parameters import DataEngineering

    windows = {"length_years": WINDOW_YEARS, "reference_years": [2010, 2014]}
    values = default_configuration()["parameters"]["data_engineering"]
    return DataEngineering(**values | {"windows": values["windows"] | windows})


# -- the archive -------------------------------------------------------------------------------------------------------
def write_archive(root: Path, models: Sequence[int]) -> None:
    """Write the files of these models that are not there yet."""
    for number in models:
        source_id = f"MADE-{number + 1:02d}"
        if any((root / "CMIP6" / "CMIP" / "THOR").glob(source_id)):
            continue
        spacing = (8.0, 9.0, 10.0, 12.0)[number % 4]
        lat = np.arange(-90 + spacing / 2, 90, spacing)
        lon = np.arange(spacing / 2, 360, spacing)
        y, x = np.deg2rad(np.meshgrid(lat, lon, indexing="ij"))
        rng = np.random.default_rng(number)
        fields = _fields(y, x, rng)
        for name, values in _fixed(y, x, spacing).items():
            with _new_file(root, (source_id, "piControl", VARIANTS[0]), "Ofx", name, "", lat, lon, {}) as file:
                _variable(file, name, ("lat", "lon"))[:] = np.where(_land(y, x), np.nan, values)
        for experiment_id, variant_label in product(EXPERIMENTS, VARIANTS):
            _write_run(root, (source_id, experiment_id, variant_label), fields, (lat, lon, _land(y, x)), rng)


def _write_run(root: Path, run: tuple[str, str, str], fields: dict[str, Any], grid: tuple[Any, ...], rng: Any) -> None:
    lat, lon, land = grid
    first_year = EXPERIMENTS[run[1]]
    for name, (mean, change) in fields.items():
        for year in range(first_year, first_year + N_YEARS, YEARS_PER_FILE):
            last = year + YEARS_PER_FILE - 1
            span = f"_{year:04d}01-{last:04d}12"
            with _new_file(root, run, "Omon", name, span, lat, lon, _parent(run)) as file:
                n_months = _add_time(file, year, last)
                growth = np.linspace(year - first_year, last + 1 - first_year, n_months) / N_YEARS
                pattern = mean + WARMING[run[1]] * growth[:, None, None] * change
                weather = 0.1 * np.abs(mean).max() * rng.normal(size=(n_months, *mean.shape))
                values = np.where(land, np.nan, pattern + weather).astype("f4")
                _variable(file, name, ("time", "lat", "lon"))[:] = values


def _fields(y: Any, x: Any, rng: Any) -> dict[str, tuple[Any, Any]]:
    """Return mean and change at the end of the strongest scenario of each variable."""
    shift, strength = np.deg2rad(rng.normal(scale=4)), rng.uniform(0.8, 1.2)
    wind = -0.1 * strength * np.cos(3 * np.abs(y + shift)) * np.cos(y)
    moved = -0.12 * strength * np.cos(3 * np.abs(y + shift + np.deg2rad(4) * (y < 0))) * np.cos(y)
    gyres = 0.5 * np.sin(y) + 0.3 * np.sin(2 * y) * np.cos(x + rng.normal(scale=0.3))
    return {
        "zos": (gyres, 0.2 * np.cos(y) * np.sin(2 * x)),
        "tauuo": (wind, moved - wind),
        "tauvo": (0.02 * np.cos(y) * np.sin(x), 0.005 * np.cos(y) * np.cos(x)),
    }


def _fixed(y: Any, x: Any, spacing: float) -> dict[str, Any]:
    half = np.deg2rad(spacing) / 2
    area = EARTH_RADIUS**2 * 2 * half * (np.sin(y + half) - np.sin(y - half))
    return {
        "deptho": 4200 + 800 * np.cos(3 * x) * np.cos(y),
        "areacello": area,
        "sftof": np.full(y.shape, 100.0),
    }


def _land(y: Any, x: Any) -> Any:
    """Return Antarctica, a continent of 40 degrees from 40S to 70N, and one of 30 degrees opposite."""
    lat, lon = np.rad2deg(y), np.rad2deg(x)
    continents = ((lon > 20) & (lon < 60) & (lat > -40)) | ((lon > 260) & (lon < 290) & (lat > -55))
    return (lat < -70) | (continents & (lat < 75))


def _parent(run: tuple[str, str, str]) -> dict[str, Any]:
    parents = {"historical": "piControl", "ssp245": "historical", "ssp585": "historical"}
    if run[1] not in parents:
        return {"parent_experiment_id": "no parent"}
    parent = parents[run[1]]
    branch, first = (
        float(cftime.date2num(cftime.datetime(year, 1, 1, calendar="noleap"), EPOCH, calendar="noleap"))
        for year in (EXPERIMENTS[parent] if parent == "piControl" else 2015, EXPERIMENTS[run[1]])
    )
    return {
        "parent_experiment_id": parent,
        "parent_source_id": run[0],
        "parent_variant_label": run[2],
        "parent_time_units": EPOCH,
        "branch_time_in_parent": branch,
        "branch_time_in_child": first,
    }


def _new_file(
    root: Path, run: tuple[str, str, str], table: str, name: str, span: str, lat: Any, lon: Any, more: dict[str, Any]
) -> netCDF4.Dataset:
    place = root.joinpath("CMIP6", "CMIP", "THOR", *run, table, name, "gn", "v20200101")
    place.mkdir(parents=True, exist_ok=True)
    file = netCDF4.Dataset(place / f"{name}_{table}_{'_'.join(run)}_gn{span}.nc", "w")
    facets = dict(zip(("source_id", "experiment_id", "variant_label"), run, strict=True))
    file.setncatts(facets | {"grid_label": "gn", "variable_id": name, "institution_id": "THOR"} | more)
    for axis, values, units in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
        file.createDimension(axis, values.size)
        variable = file.createVariable(axis, "f8", (axis,))
        variable.setncatts({"standard_name": {"lat": "latitude", "lon": "longitude"}[axis], "units": units})
        variable[:] = values
    return file


def _variable(file: netCDF4.Dataset, name: str, dims: tuple[str, ...]) -> Any:
    chunks = tuple(1 if dim == "time" else file.dimensions[dim].size for dim in dims)
    variable = file.createVariable(name, "f4", dims, chunksizes=chunks, fill_value=np.float32(1e20))
    variable.setncatts({"units": UNITS[name]})
    return variable


def _add_time(file: netCDF4.Dataset, first: int, last: int) -> int:
    """Add the months of these years, and return their number."""
    months = range(12 * first, 12 * (last + 1) + 1)
    edges = [cftime.datetime(month // 12, month % 12 + 1, 1, calendar="noleap") for month in months]
    days = cftime.date2num(edges, EPOCH, calendar="noleap").astype(float)
    file.createDimension("time", None)
    file.createDimension("bnds", 2)
    time_axis = file.createVariable("time", "f8", ("time",))
    time_axis.setncatts({"units": EPOCH, "calendar": "noleap", "bounds": "time_bnds", "axis": "T"})
    time_axis[:] = 0.5 * (days[1:] + days[:-1])
    file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack([days[:-1], days[1:]], axis=1)
    return days.size - 1


if __name__ == "__main__":
    main()
