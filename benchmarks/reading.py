"""Read one climate model of NEMO's size into climatologies and scenario features: time, throughput, peak memory.

    THOR_DATA_MIRROR=<folder> python benchmarks/reading.py [--folder FOLDER] [--size NAME] [--quick] [--json FILE]

Synthetic archives of zos, tauuo, tauvo (monthly, float32, 12 bits of mantissa, shuffled and deflated, one time step a
chunk, as on ESGF) with deptho, areacello and sftof: eORCA1, 332 x 362 cells, 165 years in files of 50; eORCA025, 1206 x
1442 cells, 20 years in files of 10. The grid is that of IPSL-CM6A-LR (`native_grids/gridInfoIPSL.nc` in
THOR_DATA_MIRROR), for eORCA025 four times as fine, with repeated columns, tripolar fold and stress on U and V points.

THOR's part are the nodes of `data_engineering` with the default parameters, which write files of its collections; each
step is a separate process, whose peak memory includes its imports. The alternative reads every time step into memory
once with netCDF4. Files are read once before, so that they are in the memory of the machine as far as they fit. They
are written below --folder (or the system's temporary folder) and removed at the end.

Bytes read are all that the process asks the system for after its first imports (`rchar` of /proc/self/io), over the
bytes of all files of the archive: also what the system has in memory counts, which `read_bytes` leaves out, so that
reading a file twice shows; positions, land and later imports are in it too.
"""

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
from numpy.typing import NDArray
from rows import Rows, in_own_process, parse, peak_memory_mb, timed

SOURCE, EXPERIMENT, VARIANT = "MADE-NEMO", "historical", "r1i1p1f1"
PATTERNS = {"zos": ("m", 0.6), "tauuo": ("N m-2", 0.08), "tauvo": ("N m-2", 0.04)}
KEPT_BITS = 12
EARTH_RADIUS = 6.371e6


@dataclass(frozen=True)
class Size:
    """Size of the archive.

    Attributes
    ----------
    refinement : int
        Cells for one of the 1-degree grid, in each direction.
    n_rows : int
    n_years, years_per_file : int
    """

    refinement: int
    n_rows: int
    n_years: int
    years_per_file: int


SIZES = {"eORCA1": Size(1, 332, 165, 50), "eORCA025": Size(4, 1206, 20, 10)}


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="20 years of eORCA1", options=["--folder", "--size"])
    rows = Rows(options.json)
    for name in [options.size] if options.size else ["eORCA1"] if options.quick else SIZES:
        size = SIZES[name]
        size = Size(size.refinement, size.n_rows, 20, 10) if options.quick else size
        with tempfile.TemporaryDirectory(prefix=f"thor_{name}_", dir=options.folder) as temporary:
            measure(name, size, Path(temporary), rows)


def measure(name: str, size: Size, folder: Path, rows: Rows) -> None:
    """Write an archive and read it in three ways."""
    grid = Grid.refined(size)
    n_values = len(PATTERNS) * 12 * size.n_years * grid.land.size
    free = shutil.disk_usage(folder).free
    if free < 4 * n_values:
        rows.leave_out(
            f"reading {name}", f"needs up to {4e-9 * n_values:.0f} GB in {folder}, {free / 1e9:.0f} are free"
        )
        return
    _, writing = timed(lambda: write_archive(folder / "archive", grid, size))
    files = sorted((folder / "archive").rglob("*.nc"))
    n_bytes = sum(path.stat().st_size for path in files)
    print(f"{name}: {len(files)} files, {n_bytes / 1e9:.2f} GB, written in {writing:.0f} s", flush=True)
    for path in files:
        with path.open("rb") as file:
            while file.read(2**24):
                pass
    shape = f"{grid.land.shape[0]} x {grid.land.shape[1]} cells, {size.n_years} years"
    plain, _ = in_own_process(read_every_step, files)
    (means, n_read), peak = in_own_process(climatologies, folder)
    rows.add(
        f"climatologies of {name} ({shape}, {n_bytes / 1e9:.2f} GB in {len(files)} files)",
        means,
        alternative="reading every step once",
        theirs=plain,
        peak_memory_mb=peak,
        remark=f"{n_bytes / 1e6 / means:.0f} MB/s of files, {4e-6 * n_values / means:.0f} MB/s of values; "
        f"{n_read / n_bytes:.2f} times the bytes of the files read",
    )
    features, peak = in_own_process(scenario_features, folder)
    made = sum(path.stat().st_size for path in (folder / "made").rglob("*.nc")) / 1e6
    rows.add(
        f"scenario features of {name} from its climatologies",
        features,
        peak_memory_mb=peak,
        remark=f"{made:.0f} MB of climatologies and features",
    )


# -- measured functions, each in a fresh process ----------------------------------------------------------------------
def read_every_step(files: list[Path]) -> tuple[float, float]:
    """Read every value once, twelve steps at a time."""
    start = time.perf_counter()
    for path in files:
        with netCDF4.Dataset(path) as file:
            field = file.variables[path.name.split("_")[0]]
            for first in range(0, field.shape[0], 12) if field.ndim == 3 else ():
                field[first : first + 12]
    return time.perf_counter() - start, peak_memory_mb()


def climatologies(folder: Path) -> tuple[tuple[float, int], float]:
    """Make the climatologies of the archive; return seconds with the number of bytes read, and the peak memory [MB]."""
    from thor.pipelines.data_engineering.nodes import compute_climatologies
    from thor.reading.archive import Archive
    from thor.reading.warming_levels import find_levels

    parameters = _parameters()
    start, before = time.perf_counter(), bytes_read()
    levels = find_levels({}, {}, parameters.windows)  # of no run: the archive has no temperature
    made = compute_climatologies(Archive(folder / "archive"), levels, parameters)
    _collection(folder, "climatologies").save(made["climatologies"])
    return (time.perf_counter() - start, bytes_read() - before), peak_memory_mb()


def bytes_read() -> int:
    """Return the bytes that this process has asked the system for, on Linux."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def scenario_features(folder: Path) -> tuple[float, float]:
    """Make features of the climatologies."""
    from thor.pipelines.data_engineering.nodes import compute_scenario_features

    start = time.perf_counter()
    made = compute_scenario_features(_collection(folder, "climatologies").load(), {}, _parameters())
    _collection(folder, "scenario_features").save(made)
    return time.perf_counter() - start, peak_memory_mb()


def _collection(folder: Path, name: str) -> Any:
    from thor.datasets import FieldCollection

    return FieldCollection(path=str(folder / "made" / name), contract=name)


def _parameters() -> Any:
    """Return the default parameters, with the quirk of the model: its stress lies on a C grid."""
    from thor.app.configuration import default_configuration
    from thor.app.parameters import DataEngineering

    values = default_configuration()["parameters"]["data_engineering"]
    quirk = {"stress_convention": "grid_axes_c_grid", "reason": "made so"}
    return DataEngineering(**values | {"quirks": {SOURCE: quirk}})


# -- the archive -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Grid:
    """A grid of NEMO: positions of T, U and V points, arrays of shape (n_rows, n_columns).

    Attributes
    ----------
    points : dict of str to ndarray, shape (n_rows, n_columns, 3)
        Unit vectors, by variable.
    depth : ndarray [m], NaN on land
    area : ndarray [m2]
    """

    points: dict[str, NDArray[np.float64]]
    depth: NDArray[np.float64]
    area: NDArray[np.float64]

    @property
    def land(self) -> NDArray[np.bool_]:
        """Whether a cell is land."""
        return np.isnan(self.depth)

    @classmethod
    def refined(cls, size: Size) -> "Grid":
        """Return the eORCA1 grid, refined by the given factor in each direction."""
        mirror = os.environ.get("THOR_DATA_MIRROR")
        if not mirror:
            sys.exit("The grid is gridInfoIPSL.nc in native_grids: set THOR_DATA_MIRROR to the folder that has it.")
        with netCDF4.Dataset(Path(mirror) / "native_grids" / "gridInfoIPSL.nc") as file:
            lat, lon, depth = (np.ma.filled(file[name][:], np.nan) for name in ("nav_lat", "nav_lon", "deptho"))
        depth = np.where(depth > 0, depth, np.nan).astype(float)
        coarse = _vectors(lat, lon)
        # The first and the last column repeat the last but one and the second; the last row repeats the one before it,
        # mirrored: the fold is between them.
        n_unique = (lat.shape[1] - 2) * size.refinement
        columns = ((np.arange(n_unique + 2) - 1) / size.refinement) % (lat.shape[1] - 2)
        top = lat.shape[0] - 1.5 + 0.5 / size.refinement
        rows = top - np.arange(size.n_rows)[::-1] / size.refinement
        t = _unit(_between(coarse[:, 1:-1], rows, columns))
        east = t[:, np.r_[1 : t.shape[1], 2]]
        north = np.concatenate([t[1:], _unit(2 * t[-1:] - t[-2:-1])])
        nearest = np.ix_(np.round(rows).astype(int), 1 + np.round(columns).astype(int) % (lat.shape[1] - 2))
        area = EARTH_RADIUS**2 * np.linalg.norm(np.cross(east - t, north - t), axis=2)
        return cls({"zos": t, "tauuo": _unit(t + east), "tauvo": _unit(t + north)}, depth[nearest], area)


def _vectors(lat: NDArray[Any], lon: NDArray[Any]) -> NDArray[np.float64]:
    lat, lon = np.deg2rad(lat.astype(float)), np.deg2rad(lon.astype(float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _between(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values between rows, and between periodic columns."""
    below, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    up, right = (rows - below)[:, None, None], (columns - left)[None, :, None]
    above, last = np.minimum(below + 1, values.shape[0] - 1), values.shape[1]
    south, north = (
        values[row][:, left % last] * (1 - right) + values[row][:, (left + 1) % last] * right for row in (below, above)
    )
    return south * (1 - up) + north * up


def write_archive(root: Path, grid: Grid, size: Size) -> None:
    """Write all files of the synthetic model."""
    for variable_id, values in {
        "deptho": ("m", grid.depth),
        "areacello": ("m2", np.where(grid.land, np.nan, grid.area)),
        "sftof": ("%", np.where(grid.land, 0.0, 100.0)),
    }.items():
        with _new_file(root, "Ofx", variable_id, "", grid.points["zos"]) as file:
            _variable(file, variable_id, values[0], ("y", "x"))[:] = values[1].astype("float32")
    noise = np.random.default_rng(0).normal(size=grid.land.shape).astype("float32")
    for variable_id, (units, scale) in PATTERNS.items():
        lon = np.arctan2(grid.points[variable_id][..., 1], grid.points[variable_id][..., 0])
        pattern = (scale * np.sin(2 * lon) * (1 - grid.points[variable_id][..., 2] ** 2)).astype("float32")
        pattern[grid.land] = np.nan
        for first in range(1850, 1850 + size.n_years, size.years_per_file):
            last = min(first + size.years_per_file, 1850 + size.n_years) - 1
            with _new_file(root, "Omon", variable_id, f"_{first}01-{last}12", grid.points[variable_id]) as file:
                field = _variable(file, variable_id, units, ("time", "y", "x"))
                for step in range(_add_time(file, first, last)):
                    season = 1 + 0.2 * np.cos(2 * np.pi * step / 12)
                    weather = np.roll(noise, (0, 37 * step))  # the same noise, displaced
                    field[step] = _rounded(pattern * np.float32(season) + np.float32(0.2 * scale) * weather)


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values with only the first bits of their mantissa."""
    mask = np.uint32((0xFFFFFFFF << (23 - KEPT_BITS)) & 0xFFFFFFFF)
    return (values.view(np.uint32) & mask).view(np.float32)


def _new_file(root: Path, table: str, variable_id: str, span: str, points: NDArray[np.float64]) -> netCDF4.Dataset:
    place = root / "CMIP6" / "CMIP" / "THOR" / SOURCE / EXPERIMENT / VARIANT / table / variable_id / "gn" / "v20200101"
    place.mkdir(parents=True, exist_ok=True)
    file = netCDF4.Dataset(place / f"{variable_id}_{table}_{SOURCE}_{EXPERIMENT}_{VARIANT}_gn{span}.nc", "w")
    file.setncatts({"source_id": SOURCE, "experiment_id": EXPERIMENT, "variant_label": VARIANT, "grid_label": "gn"})
    file.setncatts({"parent_experiment_id": "no parent", "variable_id": variable_id, "institution_id": "THOR"})
    file.createDimension("y", points.shape[0])
    file.createDimension("x", points.shape[1])
    positions = {
        "lat": (np.arcsin(np.clip(points[..., 2], -1, 1)), "latitude", "degrees_north"),
        "lon": (np.arctan2(points[..., 1], points[..., 0]), "longitude", "degrees_east"),
    }
    for name, (values, standard_name, units) in positions.items():
        variable = file.createVariable(name, "f8", ("y", "x"), zlib=True)
        variable.setncatts({"standard_name": standard_name, "units": units})
        variable[:] = np.rad2deg(values)
    return file


def _variable(file: netCDF4.Dataset, name: str, units: str, dims: tuple[str, ...]) -> Any:
    chunks = tuple(1 if dim == "time" else file.dimensions[dim].size for dim in dims)
    if "time" in dims:
        file.createDimension("time", None)
    options = {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": chunks, "fill_value": np.float32(np.nan)}
    variable = file.createVariable(name, "f4", dims, **options)
    variable.setncatts({"units": units, "coordinates": "lat lon"})
    return variable


def _add_time(file: netCDF4.Dataset, first: int, last: int) -> int:
    """Add the months of these years, and return their number."""
    months = range(12 * first, 12 * (last + 1) + 1)
    edges = [cftime.datetime(month // 12, month % 12 + 1, 1, calendar="noleap") for month in months]
    days = cftime.date2num(edges, "days since 1850-01-01", calendar="noleap").astype(float)
    file.createDimension("bnds", 2)
    time_axis = file.createVariable("time", "f8", ("time",))
    time_axis.setncatts({"units": "days since 1850-01-01", "calendar": "noleap", "bounds": "time_bnds", "axis": "T"})
    time_axis[:] = 0.5 * (days[1:] + days[:-1])
    file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack([days[:-1], days[1:]], axis=1)
    return days.size - 1


if __name__ == "__main__":
    main()
