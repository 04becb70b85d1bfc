"""CMIP7: the idealized archive in its form, labels of each kind of points, native and regridded output together."""

import json
import shutil
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.made_archive import grid_group
from tests.ocean.idealized.conftest import ARCHIVE
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import ConfigError, DataError
from thor.core.variables import published, variable
from thor.ocean.features import window_features
from thor.ocean.idealized.archive import idealized_archive
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.grids import label_of
from thor.reading.layouts import layout_of
from thor.reading.plans import plan_runs
from thor.reading.run_files import SURFACE
from thor.reading.runs import Run
from thor.reading.windows import WindowSettings

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
WINDOWS = WindowSettings(years=[], first_year=None, last_year=None, length_years=2, reference_years=(1850, 1851))
SETTINGS = ClimatologySettings(windows=WINDOWS, masked_basins=(), reference_density=1029.0, strict=False)


def write(folder: Path, mip_era: str) -> Path:
    settings = ARCHIVE.replace(mip_era=mip_era)
    for key, (_, make) in idealized_archive(settings, seed=3).items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(folder / key, format="NETCDF4")
    return folder


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The same models in both forms."""
    return {era: write(tmp_path_factory.mktemp(era), era) for era in ("CMIP6", "CMIP7")}


def fields(archive):
    plans = plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="error")
    return {plan.run.key: climatology(plan, SETTINGS, NoCheckpoint()) for plan in plans}


@pytest.fixture(scope="module")
def read(forms):
    """The climatologies of each form."""
    return {era: fields(Archive(folder)) for era, folder in forms.items()}


def test_both_forms_give_the_same_features_bit_for_bit(read):
    old, new = read["CMIP6"], read["CMIP7"]
    assert list(old) == list(new) and len(old) >= 3
    options = {"reference_density": 1029.0, "extended": True, "neighbourhood_radii_km": [], "polar_filter": False}
    for key in old:
        one, other = (window_features(runs[key], **options) for runs in (old, new))
        assert set(one.variables) == set(other.variables)
        for name in one.variables:
            np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=f"{key} {name}")
        assert old[key].attrs["stress_convention"] == new[key].attrs["stress_convention"]
        assert old[key].attrs.get("parent") == new[key].attrs.get("parent")


def test_both_forms_are_read_beside_each_other(forms, tmp_path):
    for era, folder in forms.items():
        for source in folder.iterdir():
            shutil.copytree(source, tmp_path / source.name)
        (tmp_path / ("CMIP6" if era == "CMIP6" else "MIP-DRS7")).is_dir()
    here = Archive(tmp_path)
    assert here.source_ids() == Archive(forms["CMIP7"]).source_ids()
    labels = {stored.grid_label for run in here.runs(**ALL) for stored in here.stored(run, "zos").values()}
    assert "gn" in labels and any(label.startswith("g1") for label in labels)
    both = Archive([forms["CMIP6"], forms["CMIP7"]])
    assert both.runs(**ALL) == here.runs(**ALL)


def test_points_with_different_labels_are_one_grid(forms):
    archive = Archive(forms["CMIP7"])
    groups = {run.source_id: grid_group(archive, run, SURFACE) for run in archive.runs(**ALL)}
    labels = {source_id: label_of(group).split() for source_id, group in groups.items()}
    by_number = sorted(labels.values(), key=lambda names: names[0])
    # with sea level; on u and v points; both components on corners
    assert [len(names) for names in by_number] == [1, 3, 2]


def regrid(path: Path, label: str, *, text: str | None = None) -> None:
    """Lay a regular version of a file beside it, on T points for all variables."""
    name = path.parts[-5]
    target = path.parents[2] / label / path.parts[-2]
    target.mkdir(parents=True, exist_ok=True)
    with xr.open_dataset(path, decode_cf=False) as stored:
        dataset = stored.load()
    n_steps = dataset.sizes.get("time")
    lat, lon = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)
    shape = (lat.size, lon.size) if n_steps is None else (n_steps, lat.size, lon.size)
    dims = ("lat", "lon") if n_steps is None else ("time", "lat", "lon")
    out = xr.Dataset(
        {name: (dims, np.full(shape, 1.0, "float32"), dataset[name].attrs)},
        coords={
            "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
        attrs=dataset.attrs | {"grid_label": label} | ({"grid": text} if text else {}),
    )
    for extra in ("time", "time_bnds"):
        if extra in dataset.variables:
            out[extra] = dataset[extra]
    out[name].attrs.pop("_FillValue", None)
    out.to_netcdf(target / path.name.replace(path.parts[-3], label))


@pytest.fixture
def with_regridded(forms, tmp_path):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    for path in sorted((tmp_path / "archive").rglob("*.nc")):
        regrid(path, "g99", text="conservatively regridded to 10 degrees")
    return tmp_path / "archive"


def test_the_native_group_is_taken_and_grid_labels_choose(with_regridded, forms, read):
    archive = Archive(with_regridded)
    native = Archive(forms["CMIP7"])
    for run in archive.runs(**ALL):
        assert label_of(grid_group(archive, run, SURFACE)) == label_of(grid_group(native, run, SURFACE))
    run = archive.runs(**ALL)[0]
    chosen = Archive(with_regridded, grid_labels={run.source_id: "g99"})
    assert label_of(grid_group(chosen, run, SURFACE)) == "g99"
    labels = label_of(grid_group(native, run, SURFACE)).split()
    assert label_of(grid_group(Archive(with_regridded, grid_labels={run.source_id: labels}), run, SURFACE)) == " ".join(
        labels
    )
    with pytest.raises(ConfigError, match=r"grid_labels asks for g77; zos on g1\d\d, g99"):
        grid_group(Archive(with_regridded, grid_labels={run.source_id: "g77"}), run, SURFACE)
    old, new = read["CMIP7"], fields(archive)
    for key in old:
        np.testing.assert_array_equal(old[key]["zos"].values, new[key]["zos"].values)


def test_dates_come_with_and_without_v(forms, tmp_path):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    for folder in sorted((tmp_path / "archive").rglob("v20240101")):
        folder.rename(folder.with_name("20240101"))
    archive = Archive(tmp_path / "archive")
    run = archive.runs(**ALL)[0]
    assert {stored.version for stored in archive.stored(run, "zos").values()} == {"20240101"}


def test_the_global_region_is_taken_beside_others(forms, tmp_path):
    root = tmp_path / "MIP-DRS7"
    shutil.copytree(forms["CMIP7"] / "MIP-DRS7", root)
    for folder in list(root.rglob("glb/mon/zos")):
        later = shutil.copytree(folder, folder.parents[2] / "30s-90s/mon/zos")
        for version in list(later.rglob("v*")):
            if version.is_dir():
                version.rename(version.with_name("v99991231"))
    archive = Archive(tmp_path)
    for run in archive.runs(**ALL):
        assert all("glb" in stored.folder.parts for stored in archive.stored(run, "zos").values())


def test_fixed_fields_lie_under_another_experiment(forms):
    archive = Archive(forms["CMIP7"])
    run = next(run for run in archive.runs(**ALL) if run.experiment_id != "piControl")
    assert not archive.stored(run, "deptho")
    owner, stored = next(archive.fixed(run, "deptho"))
    assert owner.experiment_id == "piControl" and stored.files()


@pytest.mark.parametrize("experiment_id", ["scen7-vl", "esm-scen7-h-ext", "esm-hist", "anything-new"])
def test_no_list_of_experiments_limits_what_is_read(forms, tmp_path, experiment_id):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    for folder in sorted((tmp_path / "archive").rglob("historical")):
        folder.rename(folder.with_name(experiment_id))
    assert experiment_id in {run.experiment_id for run in Archive(tmp_path / "archive").runs(**ALL)}


def test_variables_have_the_names_of_the_public_tables():
    rows = json.loads((Path(__file__).parent / "cmip7_variables.json").read_text())["variables"]
    registered = {row["branded_variable"]: row for row in rows}
    known = [name for name in published() if variable(name).published.cmip7]
    assert set(published()) - set(known) == {"sisnmass"}
    for name in known:
        source = variable(name).published
        row = registered[f"{name}_{source.cmip7}"]
        assert (row["cmip6"], row["frequency"]) == (f"{source.cmip6}.{name}", source.frequency)
    assert layout_of("CMIP7").address("zos") == {
        "variable_id": "zos",
        "frequency": "mon",
        "branding_suffix": "tavg-u-hxy-sea",
    }


def test_a_run_without_one_variable_is_named(forms, tmp_path):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    archive = Archive(tmp_path / "archive")
    run = archive.runs(**ALL)[0]
    for path in (tmp_path / "archive").rglob("tauvo"):
        shutil.rmtree(path)
    with pytest.raises(DataError, match="has no 'tauvo'.*it has zos, tauuo"):
        grid_group(Archive(tmp_path / "archive"), Run(*run.key.split("/")), SURFACE)


def test_another_branding_of_a_variable_is_named(forms, tmp_path):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    archive = Archive(tmp_path / "archive")
    run = archive.runs(**ALL)[0]
    for path in (tmp_path / "archive").rglob("zos/tavg-u-hxy-sea"):
        path.rename(path.with_name("tpt-u-hxy-sea"))
    with pytest.raises(DataError, match="has no 'zos' .* Other output of it is not read: .*/zos/tpt-u-hxy-sea."):
        grid_group(Archive(tmp_path / "archive"), run, SURFACE)


def test_another_branding_of_the_depth_of_a_model_is_named(forms, tmp_path):
    shutil.copytree(forms["CMIP7"], tmp_path / "archive")
    for path in (tmp_path / "archive").rglob("deptho/ti-u-hxy-sea"):
        path.rename(path.with_name("ti-u-hxy-u"))
    archive = Archive(tmp_path / "archive")
    with pytest.raises(DataError, match="has no 'deptho' .* Other output of it is not read: .*/deptho/ti-u-hxy-u. Dep"):
        plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="error")


def test_the_table_of_checks_comes_with_the_package():
    assert package_files("thor.reading").joinpath("checks.yml").is_file()
