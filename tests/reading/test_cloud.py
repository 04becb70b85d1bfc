"""An archive in the cloud gives what the same archive gives on disk: a catalogue over zarr stores written here."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.made_archive import N_COLUMNS, N_ROWS, grid_group, write_run
from tests.reading.conftest import WINDOWS
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import ConfigError, DataError
from thor.datasets import EsgfArchive
from thor.reading import cloud
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.cloud import CATALOGUE_COLUMNS, CloudArchive, fetch_store
from thor.reading.grids import label_of
from thor.reading.plans import plan_runs
from thor.reading.runs import Run

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
RUN = Run("MADE-1", "historical", "r1i1p1f1")


def write_catalogue(archive, folder, *, format="zarr", **columns):
    """Turn an ESGF tree into zarr stores with a catalogue, as Pangeo's: one store for each variable and version."""
    rows = []
    for version in sorted(path for path in (archive / "CMIP6").rglob("v*") if path.is_dir()):
        facets = dict(zip(CATALOGUE_COLUMNS, version.relative_to(archive / "CMIP6").parts, strict=False))
        files = sorted(version.glob("*.nc"))
        parts = [xr.open_dataset(file, decode_cf=False) for file in files]
        dataset = parts[0] if len(parts) == 1 else xr.concat(parts, "time", data_vars="minimal")
        for name in dataset.variables:
            dataset[name].encoding = {}
        store = folder / "stores" / "_".join((*facets.values(), version.name))
        dataset.load().to_zarr(store, consolidated=True, zarr_format=2)
        # Pangeo's versions are numbers, and so are sometimes floats
        rows.append(facets | {"zstore": str(store), "version": float(version.name[1:])} | columns)
    pd.DataFrame(rows).to_csv(folder / "made.csv", index=False)
    content = {
        "esmcat_version": "0.1.0",
        "id": "made",
        "description": "of a test",
        "catalog_file": str(folder / "made.csv"),
        "attributes": [{"column_name": name} for name in CATALOGUE_COLUMNS],
        "assets": {"column_name": "zstore", "format": format},
    }
    (folder / "made.json").write_text(json.dumps(content))
    return str(folder / "made.json")


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    root = tmp_path_factory.mktemp("disk")
    write_run(root)
    write_run(root, variant_label="r2i1p1f1", fixed=False)
    write_run(root, version="v20190101", first=1849, fixed=False)  # older
    return root


@pytest.fixture(scope="module")
def catalogue(on_disk, tmp_path_factory):
    return write_catalogue(on_disk, tmp_path_factory.mktemp("cloud"))


def climatologies(archive):
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, quirks={}, missing="skip")
    options = ClimatologySettings(windows=WINDOWS, masked_basins=[], reference_density=1029.0, strict=False)
    return {plan.run.key: climatology(plan, options, NoCheckpoint()) for plan in plans}


def test_the_same_climatologies_come_from_the_cloud_as_from_disk(catalogue, on_disk, tmp_path):
    cloudy = climatologies(CloudArchive(catalogue, tmp_path))
    plain = climatologies(Archive(on_disk))
    assert list(cloudy) == list(plain) == ["MADE-1/historical/r1i1p1f1", "MADE-1/historical/r2i1p1f1"]
    for key, expected in plain.items():
        for name, field in expected.data_vars.items():
            np.testing.assert_array_equal(cloudy[key][name].values, field.values, err_msg=f"{key} {name}")
        np.testing.assert_array_equal(cloudy[key]["months"], expected["months"])
        for facet in ("source_id", "experiment_id", "calendar"):
            assert cloudy[key].attrs[facet] == expected.attrs[facet]


def test_data_are_fetched_on_demand_and_only_once(catalogue, tmp_path, monkeypatch):
    archive = CloudArchive(catalogue, tmp_path)
    assert archive.source_ids() == ["MADE-1"]
    assert archive.experiment_ids("MADE-1") == ["historical"]
    assert archive.variant_labels("MADE-1", "historical") == ["r1i1p1f1", "r2i1p1f1"]
    assert label_of(grid_group(archive, RUN, ["zos", "tauuo", "tauvo"])) == "gn"
    assert RUN in archive and Run("MADE-1", "historical", "r9i1p1f1") not in archive
    assert not list(tmp_path.rglob("*.nc"))
    stored = archive.stored(RUN, "zos")["gn"]
    files = stored.files()
    # the newest version alone
    assert {file.parent.name for file in files} == {"v20200101"}
    assert stored.older == ("v20190101",)
    assert {file.parents[1].name for file in tmp_path.rglob("*.nc")} == {"gn"}
    assert {file.parents[2].name for file in tmp_path.rglob("*.nc")} == {"zos"}
    monkeypatch.setattr(xr, "open_zarr", lambda *arguments, **options: pytest.fail("fetched again"))
    assert CloudArchive(catalogue, tmp_path).stored(RUN, "zos")["gn"].files() == files
    assert "gn" in CloudArchive(catalogue, tmp_path).stored(RUN, "tauuo")


def test_what_was_fetched_before_a_failure_is_kept(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(cloud, "STEPS_PER_FILE", 20)  # 48 months: three files
    archive, real, written = CloudArchive(catalogue, tmp_path), cloud.replacing, []

    def dies(path):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        return real(path)

    monkeypatch.setattr(cloud, "replacing", dies)
    with pytest.raises(KeyboardInterrupt):
        archive.stored(RUN, "zos")["gn"].files()
    monkeypatch.setattr(cloud, "replacing", real)
    times = {path: path.stat().st_mtime_ns for path in written}
    files = CloudArchive(catalogue, tmp_path).stored(RUN, "zos")["gn"].files()
    assert len(files) == 3 and set(written) < set(files)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    with xr.open_mfdataset(files, combine="nested", concat_dim="time") as whole:
        assert whole["zos"].shape == (48, N_ROWS, N_COLUMNS)


@pytest.mark.parametrize(
    ("piece", "fitting", "expected"),
    [(1, 5, [5, 5, 5, 5, 4]), (3, 5, [3] * 8), (12, 5, [12, 12]), (1, 1000, [20, 4]), (24, 5, [20, 4])],
)
def test_files_of_a_store_have_as_many_steps_as_fit_in_memory(tmp_path, monkeypatch, piece, fitting, expected):
    n_steps, shape = 24, (8, 6, 9)
    values = np.arange(n_steps * np.prod(shape), dtype=np.float32).reshape(n_steps, *shape)
    made = xr.Dataset({"umo": (("time", "lev", "j", "i"), values)}, {"time": np.arange(float(n_steps))})
    made.to_zarr(tmp_path / "store", encoding={"umo": {"chunks": (piece, *shape)}}, zarr_format=2)
    monkeypatch.setattr(cloud, "STEPS_PER_FILE", 20)
    monkeypatch.setattr(cloud, "FILE_BYTES", fitting * made.nbytes // n_steps)
    files = fetch_store(str(tmp_path / "store"), tmp_path / "MADE-1/historical/r1i1p1f1/Omon/umo/gn/v1")
    with xr.open_mfdataset(files, combine="nested", concat_dim="time", decode_times=False) as whole:
        assert list(whole.chunksizes["time"]) == expected
        np.testing.assert_array_equal(whole["umo"], values)


def test_the_dataset_recognises_a_catalogue(catalogue, tmp_path):
    dataset = EsgfArchive(path=str(tmp_path / "archive"), root=catalogue)
    assert dataset.exists() and dataset._describe() == {"path": catalogue, "layout": "auto"}
    archive = dataset.load()
    assert isinstance(archive, CloudArchive)
    assert RUN in archive.runs(**ALL)
    archive.stored(RUN, "zos")["gn"].files()
    assert list((tmp_path / "cloud_archive").rglob("*.nc"))


def test_errors_name_the_catalogue(catalogue, on_disk, tmp_path):
    archive = CloudArchive(catalogue, tmp_path)
    with pytest.raises(ConfigError, match=r"made.json holds no model 'MADE'. Did you mean 'MADE-1'"):
        archive.runs(**ALL | {"source_ids": ["MADE"]})
    with pytest.raises(DataError, match=r"has no 'simass' in .*made.json; .* it has zos, tauuo, tauvo, deptho"):
        grid_group(archive, RUN, ["simass"])
    with pytest.raises(DataError, match=r"nowhere.json cannot be read.*Expected the JSON file of an intake-esm"):
        CloudArchive(str(tmp_path / "nowhere.json"), tmp_path).source_ids()
    with pytest.raises(DataError, match=r"is of netcdf files; expected zarr stores"):
        CloudArchive(write_catalogue(on_disk, _folder(tmp_path, "a"), format="netcdf"), tmp_path).source_ids()
    path = write_catalogue(on_disk, _folder(tmp_path, "b"))
    table = pd.read_csv(path.replace(".json", ".csv")).rename(columns={"grid_label": "grid"})
    table.to_csv(path.replace(".json", ".csv"), index=False)
    with pytest.raises(DataError, match=r"cannot be read|has no column 'grid_label'"):
        CloudArchive(path, tmp_path).source_ids()
    with pytest.raises(DataError, match=r"The store .*gone cannot be read"):
        fetch_store(str(tmp_path / "gone"), tmp_path / "M/e/r1/Omon/zos/gn/v1")
    store = next((tmp_path / "a" / "stores").glob("*_zos_*"))
    with pytest.raises(DataError, match=r"has no variable 'tauuo'; it has .*zos.*The catalogue is wrong"):
        fetch_store(str(store), tmp_path / "M/e/r1/Omon/tauuo/gn/v1")


def test_a_json_file_of_something_else_is_no_catalogue(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match=r"list.json cannot be read.*Expected the JSON file of an intake-esm"):
        CloudArchive(str(tmp_path / "list.json"), tmp_path).source_ids()


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "intake_esm", None)
    with pytest.raises(ConfigError, match=r"intake_esm.*pip install 'thor\[cloud\]'"):
        CloudArchive("any.json", tmp_path)


def _folder(parent, name):
    (parent / name).mkdir()
    return parent / name
