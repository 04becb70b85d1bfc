"""Means over windows: one pass for any blocks, continued where a killed run stopped."""

import tracemalloc
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from tests.made_archive import N_COLUMNS, N_ROWS, field, land, write_series, years
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import DataError
from thor.reading import files, means
from thor.reading.means import window_means
from thor.reading.series import read_series
from thor.reading.windows import Window

WINDOWS = [Window(1850, 1851), Window(1851, 1852), Window(1853, 1853)]
DAYS = {
    "noleap": [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
    "360_day": [30] * 12,
}


class Memory:
    """A checkpoint in memory that counts."""

    def __init__(self):
        self.parts, self.n_saved = {}, 0

    def load(self, name):
        return self.parts.get(name)

    def save(self, name, part):
        self.parts[name], self.n_saved = part, self.n_saved + 1


def series(root, variable_id="tauuo", n_files=4, **options):
    paths = write_series(root, variable_id, years(1850, 1853), n_files=n_files, **options)
    return read_series(paths, variable_id, where="MADE-1")


def expected(window, days, seed=0):
    months = years(window.first_year, window.last_year)
    return np.average(field("tauuo", months, seed).astype(float), axis=0, weights=np.resize(days, months.size))


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
@pytest.mark.parametrize("block_bytes", [4 * N_ROWS * N_COLUMNS, 5 * 4 * N_ROWS * N_COLUMNS, 2**23])
def test_overlapping_windows_and_any_blocks_give_the_weighted_mean(tmp_path, monkeypatch, calendar, block_bytes):
    monkeypatch.setattr(means, "READ_BYTES", block_bytes)
    result = window_means(series(tmp_path, calendar=calendar), WINDOWS, checkpoint=NoCheckpoint())
    for mean, window in zip(result.values, WINDOWS, strict=True):
        np.testing.assert_allclose(mean, expected(window, DAYS[calendar]), rtol=1e-6)


def test_a_month_of_zeros_is_named(tmp_path, caplog):
    values = field("tauuo", years(1850, 1853))
    window_means(series(tmp_path, values=values), WINDOWS, checkpoint=NoCheckpoint())
    assert not caplog.text
    values[[4, 36]] = 0 * values[0]
    window_means(series(tmp_path, values=values), WINDOWS, checkpoint=NoCheckpoint())
    assert caplog.text.count("every cell is 0 or missing in 1850-05, 1853-01, unlike in other months") == 1
    caplog.clear()
    window_means(series(tmp_path, values=0 * values), WINDOWS, checkpoint=NoCheckpoint())
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("zos", 0.0, "up to 8 % of the cells are 0 or missing in 1850-05, 1853-01, unlike in other months"),
        ("zos", np.nan, "up to 8 % of the cells are 0 or missing in 1850-05, 1853-01, unlike in other months"),
        ("tauuo", np.nan, "up to 8 % of the cells are missing in 1850-05, 1853-01, unlike in other months"),
        ("tauuo", 0.0, ""),  # a stress may be 0 under sea ice
        ("tas", 0.0, "up to 8 % of the cells are 0 or missing in 1850-05, 1853-01, unlike in other months"),
        ("hfds", np.nan, "up to 8 % of the cells are 0 or missing in 1850-05, 1853-01, unlike in other months"),
        ("hfds", 0.0, "up to 8 % of the cells are 0 or missing in 1850-05, 1853-01, unlike in other months"),
    ],
)
@pytest.mark.parametrize("block_bytes", [4 * N_ROWS * N_COLUMNS, 2**23])
def test_a_part_of_a_month_that_was_not_written_is_named_with_its_share(
    tmp_path, monkeypatch, caplog, name, value, words, block_bytes
):
    monkeypatch.setattr(means, "READ_BYTES", block_bytes)
    values = field("zos" if name in ("tas", "hfds") else name, years(1850, 1853))
    values[4, 5:7, 8:13] = values[36, 5:7, 8:12] = value  # 10 and 8 of 125 cells
    made = series(tmp_path, name, values=values)
    result = window_means(made, WINDOWS, checkpoint=NoCheckpoint())
    sentence = f"{words}. Is {made.files[0].path.name} damaged, or a part of it not written? Fetch it again."
    assert result.doubts == ((sentence,) if words else ())
    assert caplog.text.count("unlike in other months") == len(result.doubts)


def test_land_with_an_undeclared_fill_value_in_some_files_is_no_missing_sea(tmp_path, caplog):
    values = field("zos", years(1850, 1853))
    values[24:] = np.nan_to_num(values[24:], nan=1e20)
    assert window_means(series(tmp_path, "zos", values=values), WINDOWS, checkpoint=NoCheckpoint()).doubts == ()
    assert "a fill value that is not declared" in caplog.text


def test_a_file_without_positions_is_named(tmp_path):
    made = series(tmp_path)
    with netCDF4.Dataset(made.files[2].path, "a") as file:
        file.renameVariable("lat", "north")
        file["north"].delncattr("standard_name")
    with pytest.raises(DataError, match=f"{made.files[2].path.name}: .* no latitude of 'tauuo' among"):
        window_means(made, WINDOWS, checkpoint=NoCheckpoint())


def test_leap_years_have_their_day(tmp_path):
    values = np.zeros((48, N_ROWS, N_COLUMNS), dtype="float32")
    february = 24 + 1  # of 1852
    values[february] = 1.0
    result = window_means(
        series(tmp_path, calendar="gregorian", values=values), [Window(1852, 1852)], checkpoint=NoCheckpoint()
    )
    np.testing.assert_allclose(result.values, 29 / 366, rtol=1e-12)


def test_a_cell_that_misses_a_month_misses_the_windows_with_it_only(tmp_path):
    values = field("tauuo", years(1850, 1853))
    values[30, 5, 5] = np.nan  # July 1852
    result = window_means(series(tmp_path, values=values), WINDOWS, checkpoint=NoCheckpoint())
    assert list(np.isnan(result.values[:, 5, 5])) == [False, True, False]
    assert (np.isnan(result.values[0]) == land()).all()


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that are opened for their fields."""
    names, original = [], means.opened_with_checksum
    monkeypatch.setattr(means, "opened_with_checksum", lambda path: names.append(path.name) or original(path))
    return names


def test_every_file_in_a_window_is_opened_once_for_its_fields(tmp_path, opened):
    made = series(tmp_path)
    window_means(made, WINDOWS[:2], checkpoint=NoCheckpoint())
    assert opened == [file.path.name for file in made.files[:3]]


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="needs Linux, which counts the bytes")
def test_the_bytes_of_a_file_are_read_once_and_of_a_large_one_twice(tmp_path, monkeypatch):
    def read():
        return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])

    made = read_series(write_series(tmp_path, "tauuo", years(1850, 2049), n_files=4), "tauuo", where="MADE-1")
    size, whole = sum(file.size for file in made.files), [Window(1850, 2049)]
    before = read()
    once = window_means(made, whole, checkpoint=NoCheckpoint())
    assert size <= read() - before < 1.1 * size
    monkeypatch.setattr(files, "WHOLE_BYTES", 0)
    files._CHECKSUMS.clear()
    before = read()
    twice = window_means(made, whole, checkpoint=NoCheckpoint())
    assert read() - before > 1.8 * size
    np.testing.assert_array_equal(once.values, twice.values)
    assert once.sources == twice.sources
    # the checksums are known now
    before = read()
    window_means(made, [Window(1850, 1851)], checkpoint=NoCheckpoint())
    assert read() - before < 0.5 * size


def test_a_killed_run_continues_at_the_file_where_it_stopped(tmp_path, opened, caplog):
    values = field("tauuo", years(1850, 1853))
    values[4] = 0 * values[4]
    made = series(tmp_path, values=values)
    whole = window_means(made, WINDOWS, checkpoint=NoCheckpoint())
    checkpoint = Memory()
    damaged = made.files[2].path
    content = damaged.read_bytes()
    damaged.write_bytes(content[:2000])
    with pytest.raises(DataError, match=damaged.name):
        window_means(made, WINDOWS, checkpoint=checkpoint)
    assert checkpoint.n_saved == 2

    damaged.write_bytes(content)
    opened.clear()
    with caplog.at_level("INFO"):
        result = window_means(made, WINDOWS, checkpoint=checkpoint)
    assert opened == [file.path.name for file in made.files[2:]]
    assert "2 of 4 files were summed before" in caplog.text
    np.testing.assert_array_equal(result.values, whole.values)
    assert result.sources == whole.sources
    assert result.doubts == whole.doubts != ()


def test_sums_of_other_windows_or_files_are_not_continued(tmp_path):
    made = series(tmp_path)
    checkpoint = Memory()
    window_means(made, WINDOWS[:1], checkpoint=checkpoint)
    result = window_means(made, WINDOWS, checkpoint=checkpoint)
    np.testing.assert_allclose(result.values[1], expected(WINDOWS[1], DAYS["noleap"]), rtol=1e-6)


def test_blocks_end_where_stored_pieces_end(tmp_path, monkeypatch):
    made = series(tmp_path, n_files=1)
    path = made.files[0].path
    with netCDF4.Dataset(path) as file:
        values = file.variables["tauuo"][:]
        chunked = {"attrs": {k: file.getncattr(k) for k in file.ncattrs()}, "shape": values.shape}
    assert chunked["shape"][0] == 48
    header = made.files[0]
    object.__setattr__(header, "chunk_steps", 10)
    monkeypatch.setattr(means, "READ_BYTES", 25 * 4 * N_ROWS * N_COLUMNS)
    used = np.ones(48, dtype=bool)
    assert means.time_blocks(header, used) == [(0, 20), (20, 40), (40, 48)]
    used[:40] = False
    assert means.time_blocks(header, used) == [(40, 48)]


def test_a_month_with_more_values_than_most_is_named_not_the_others(tmp_path):
    values = field("tauuo", years(1850, 1853))
    values[30] = np.where(land(), -999.0, values[30])  # July 1852, a fill value without attribute
    (doubt,) = window_means(series(tmp_path, values=values), WINDOWS, checkpoint=NoCheckpoint()).doubts
    share = 100 * land().sum() / (~land()).sum()
    assert doubt.startswith(
        f"up to {share:.2g} % more cells have a value in 1852-07, unlike in other months. Does tauuo"
    )
    assert "_185201-185212.nc hold a fill value that is not declared, such as -999" in doubt


def test_rows_of_zero_stress_in_some_months_are_no_damage_whatever_the_bands(tmp_path, monkeypatch):
    values = field("tauuo", years(1850, 1853))
    values[::12, -3:] = 0.0  # under sea ice in winter
    made = series(tmp_path, values=values)
    assert not window_means(made, WINDOWS, checkpoint=NoCheckpoint()).doubts
    bands = [(slice(row, row + 3), slice(None)) for row in range(0, N_ROWS, 3)]
    monkeypatch.setattr(means, "_bands", lambda field, n_steps: bands)
    assert not window_means(made, WINDOWS, checkpoint=NoCheckpoint()).doubts


@pytest.mark.parametrize("name", ["zos", "thetao"])
def test_chunks_of_many_steps_are_read_in_bands_with_the_same_means(tmp_path, monkeypatch, name):
    n_steps, shape = 480, (6, 20, 40) if name == "thetao" else (40, 80)
    values = np.random.default_rng(1).random((n_steps, *shape), dtype=np.float32)
    monkeypatch.setattr(means, "READ_BYTES", 2**18)
    found, peaks = [], []
    for steps, cells in ((1, shape), (n_steps, (2, 5, 4) if name == "thetao" else (7, 8)), (50, shape)):
        path = tmp_path / f"{name}_{steps}.nc"
        with netCDF4.Dataset(path, "w") as file:
            dims = ("time", *("lev", "lat", "lon")[-len(shape) :])
            for dim, size in zip(dims, values.shape, strict=True):
                file.createDimension(dim, size)
            time = file.createVariable("time", "f8", ("time",))
            time.units, time.calendar = "days since 1850-01-01", "360_day"
            time[:] = 30.0 * np.arange(n_steps) + 15
            stored = file.createVariable(name, "f4", dims, chunksizes=(steps, *cells))
            stored.units = "degC" if name == "thetao" else "m"
            stored[:] = values
        made = read_series([path], name, where="MADE-1")
        files.checksum_of(path)
        tracemalloc.start()
        found.append(window_means(made, [Window(1850, 1869), Window(1855, 1889)], checkpoint=NoCheckpoint()).values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # sums of numbers in single precision times 30 days are exact, in whatever blocks
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    assert peaks[1] < 5 * 2**18 < 0.25 * values.nbytes
    np.testing.assert_allclose(found[0][0], values[:240].mean(axis=0, dtype=float), rtol=1e-12)
