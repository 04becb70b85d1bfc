"""Compare window means with plain xarray and with reading the same bytes once: time and peak memory by length.

    python benchmarks/windows.py [--quick] [--json FILE] [--folder FOLDER]

Each method runs in a separate process on one series of a synthetic 1-degree model (monthly, float32, deflated as
models publish it, files of 20 years). THOR's method is `window_means`: one pass over each file for all 20-year windows,
with checksum and weights by the lengths of months. The plain method is
`open_mfdataset(...).sel(time=...).mean("time")`, window after window. The third method only reads every time step into
memory once, file by file, twelve steps at a time. All start with the files in the memory of the machine; the fastest of
three tries counts. Peak memory is that of a process minus its memory after the imports.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cftime
import dask.array  # noqa: F401 - what open_mfdataset imports when it is first called
import netCDF4  # noqa: F401
import numpy as np
import xarray as xr
from rows import Rows, parse, peak_memory_mb

from thor.core.checkpoint import NoCheckpoint
from thor.reading.means import window_means
from thor.reading.series import read_series
from thor.reading.windows import Window

N_ROWS, N_COLUMNS, FIRST_YEAR = 180, 360, 1850
LENGTHS = (20, 80, 165)


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="20 years, one try", options=["--folder"])
    lengths, tries = ((20,), 1) if options.quick else (LENGTHS, 3)
    rows = Rows(options.json)
    with tempfile.TemporaryDirectory() as temporary:
        files = write_model(Path(options.folder or temporary), lengths[-1])
        for n_years in lengths:
            part = [path for path in files if int(path.stem[-6:-2]) < FIRST_YEAR + n_years]
            windows = [Window(y, y + 19) for y in range(FIRST_YEAR, FIRST_YEAR + n_years - 19, 20)]
            spent, peak = zip(*(measured(method, part, windows, tries) for method in METHODS.values()), strict=True)
            size = sum(path.stat().st_size for path in part) / 1e6
            what = f"20-year means of {n_years} years of a synthetic 1-degree model, {size:.0f} MB in {len(part)} files"
            rows.add(
                what,
                spent[0],
                alternative="xarray: open_mfdataset, sel, mean",
                theirs=spent[1],
                peak_memory_mb=peak[0],
                remark=f"memory above the imports; alternative {peak[1]:.0f} MB",
            )
            rows.add(what, spent[0], alternative="reading every step once", theirs=spent[2], peak_memory_mb=peak[0])


def ours(files: list[Path], windows: list[Window]) -> None:
    """Compute the means in one pass."""
    window_means(read_series(files, "zos", where="made"), windows, checkpoint=NoCheckpoint())


def plain(files: list[Path], windows: list[Window]) -> None:
    """Compute the means one window after another from all files opened as one."""
    with xr.open_mfdataset(files, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) as dataset:
        for window in windows:
            years = slice(f"{window.first_year:04d}", f"{window.last_year:04d}")
            dataset["zos"].sel(time=years).mean("time").values  # noqa: B018


def reading(files: list[Path], windows: list[Window]) -> None:
    """Read every step of the windows once."""
    last = windows[-1].last_year - FIRST_YEAR + 1
    left = 12 * last
    for path in files:
        with xr.open_dataset(path, decode_times=False, cache=False) as dataset:
            for start in range(0, min(left, dataset.sizes["time"]), 12):
                dataset["zos"][start : start + 12].values  # noqa: B018
            left -= dataset.sizes["time"]


METHODS: dict[str, Callable[[list[Path], list[Window]], None]] = {"ours": ours, "plain": plain, "reading": reading}


def measured(
    method: Callable[[list[Path], list[Window]], None], files: list[Path], windows: list[Window], tries: int
) -> tuple[float, float]:
    """Return the seconds and the peak memory [MB] of a method, each try in a fresh process."""
    for path in files:
        path.read_bytes()
    context = multiprocessing.get_context("spawn")
    found = []
    for _ in range(tries):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_report, args=(method, files, windows, sender))
        process.start()
        found.append(receiver.recv())
        process.join()
    return min(seconds for seconds, _ in found), min(memory for _, memory in found)


def _report(
    method: Callable[[list[Path], list[Window]], None], files: list[Path], windows: list[Window], sender
) -> None:  # type: ignore[no-untyped-def]
    before = peak_memory_mb()
    start = time.perf_counter()
    method(files, windows)
    spent = time.perf_counter() - start
    after = peak_memory_mb()
    sender.send((spent, max(after - before, 0.1)))


def write_model(folder: Path, n_years: int) -> list[Path]:
    """Write sea level of a synthetic model: smooth patterns and noise, land in a third of the cells."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lat, lon = np.meshgrid(np.arange(-89.5, 90), np.arange(0.5, 360), indexing="ij")
    land = np.sin(np.deg2rad(3 * lon)) * np.cos(np.deg2rad(lat)) > 0.45
    pattern = np.cos(np.deg2rad(lat)) * np.sin(np.deg2rad(2 * lon))
    files = []
    for first in range(FIRST_YEAR, FIRST_YEAR + n_years, 20):
        last = min(first + 20, FIRST_YEAR + n_years) - 1
        path = folder / f"zos_Omon_MADE_historical_r1i1p1f1_gn_{first}01-{last}12.nc"
        files.append(path)
        if path.is_file():
            continue
        edges = [
            cftime.datetime(first + m // 12, m % 12 + 1, 1, calendar="noleap")
            for m in range(12 * (last - first + 1) + 1)
        ]
        days = cftime.date2num(edges, f"days since {FIRST_YEAR}-01-01", calendar="noleap").astype(float)
        noise = rng.normal(scale=0.1, size=(days.size - 1, N_ROWS, N_COLUMNS)).round(4)
        values = np.where(land, np.nan, pattern + noise).astype("float32")
        dataset = xr.Dataset(
            {
                "zos": (("time", "lat", "lon"), values, {"units": "m"}),
                "time_bnds": (("time", "bnds"), np.stack([days[:-1], days[1:]], axis=1)),
            },
            coords={
                "time": (
                    "time",
                    0.5 * (days[1:] + days[:-1]),
                    {"units": f"days since {FIRST_YEAR}-01-01", "calendar": "noleap", "bounds": "time_bnds"},
                ),
                "lat": ("lat", lat[:, 0]),
                "lon": ("lon", lon[0]),
            },
        )
        encoding = {"zos": {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": (1, N_ROWS, N_COLUMNS)}}
        dataset.to_netcdf(path, unlimited_dims=["time"], encoding=encoding)
    return files


if __name__ == "__main__":
    main()
