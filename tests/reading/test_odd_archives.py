"""Unusual but readable archives, and errors for invalid ones: one small archive for each."""

import logging
import shutil

import netCDF4
import numpy as np
import pytest
import xarray as xr

from tests.tiny_archive import FIELDS, areas, centres, deptho, sea, tauuo, tauvo, write, write_tiny, zos
from thor.core.checkpoint import NoCheckpoint
from thor.core.errors import ConfigError, DataError, GridError
from thor.core.warn import warn_once
from thor.ocean.features import window_features
from thor.reading.archive import Archive
from thor.reading.climatology import ClimatologySettings, climatology
from thor.reading.layouts import layout_of
from thor.reading.plans import plan_runs, require_usable
from thor.reading.quirks import Quirks
from thor.reading.windows import WindowSettings

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
WINDOWS = WindowSettings(
    years=[(1995, 1996)], first_year=None, last_year=None, length_years=2, reference_years=(1995, 1996)
)


@pytest.fixture(autouse=True)
def warnings_again():
    warn_once.cache_clear()


def read(root, *, missing="error", strict=False, masked_basins=(), quirks=None, archive=None):
    """Return the climatology and the features of every run."""
    settings = ClimatologySettings(
        windows=WINDOWS, masked_basins=masked_basins, reference_density=1029.0, strict=strict
    )
    archive = archive or Archive(root)
    runs = archive.runs(**ALL)
    out = {}
    for plan in plan_runs(archive, runs, WINDOWS, quirks=quirks, missing=missing):
        ocean = climatology(plan, settings, NoCheckpoint())
        out[plan.run.key] = (
            ocean,
            window_features(ocean, reference_density=1029.0, extended=False, neighbourhood_radii_km=[]),
        )
    return out


def only(root, **options):
    ((ocean, features),) = read(root, **options).values()
    return ocean, features


def relative_rms(values, expected):
    both = np.isfinite(values) & np.isfinite(expected)
    assert both.sum() > 0.9 * np.isfinite(expected).sum()
    return float(np.sqrt(np.mean((values - expected)[both] ** 2) / np.mean(expected[both] ** 2)))


# -- what is missing -----------------------------------------------------------------------------------------------
def test_runs_with_missing_variables_do_not_stop_others(tmp_path, caplog):
    lat, lon, _ = write_tiny(tmp_path)
    write(tmp_path, "deptho", deptho(lat, lon), lat, lon, variant_label="r5i1p1f1")
    write_tiny(tmp_path, variant_label="r2i1p1f1", skip=("tauuo",))
    write_tiny(tmp_path, source_id="OTHER", experiment_id="piControl")
    found = read(tmp_path, missing="skip")
    assert sorted(found) == ["OTHER/piControl/r1i1p1f1", "TINY/historical/r1i1p1f1"]
    warned = [r.message for r in caplog.records if r.name == "thor.reading.plans"]
    assert sum("r5i1p1f1 is left out" in line for line in warned) == 1
    assert sum("r2i1p1f1 is left out: TINY/historical/r2i1p1f1 has no 'tauuo'" in line for line in warned) == 1
    assert warned[-1] == "2 of 4 runs are left out"
    with pytest.raises(DataError, match="has no 'tauuo' in"):
        read(tmp_path)


def test_every_requested_name_has_to_be_found(tmp_path):
    write_tiny(tmp_path)
    write_tiny(tmp_path, source_id="OTHER", skip=("zos",))
    archive = Archive(tmp_path)

    def plans(**choice):
        return plan_runs(archive, archive.runs(**ALL | choice), WINDOWS, missing="skip")

    require_usable(plans(), archive, **ALL)
    named = ALL | {"source_ids": ["TINY", "OTHER"]}
    with pytest.raises(DataError, match="No run of source_id 'OTHER' can be read. OTHER/.* has no 'zos'"):
        require_usable(plans(**named), archive, **named)
    named = ALL | {"source_ids": ["OTHER"]}
    with pytest.raises(DataError, match="OTHER"):
        require_usable(plans(**named), archive, **named)


def test_an_archive_without_a_usable_run_is_an_error_that_names_the_searched_folders(tmp_path):
    write_tiny(tmp_path, skip=("tauvo",))
    archive = Archive(tmp_path)
    with pytest.raises(DataError, match="None of 1 runs of .* can be read. The first: .* has no 'tauvo'"):
        require_usable(plan_runs(archive, archive.runs(**ALL), WINDOWS, missing="skip"), archive, **ALL)
    (tmp_path / "CMIP6/CMIP/INST/TINY/historical/r1i1p1f1").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="holds no NetCDF file: .* at the top CMIP"):
        Archive(tmp_path).runs(**ALL)


def test_an_empty_newest_version_is_named_and_the_older_one_read(tmp_path, caplog):
    write_tiny(tmp_path)
    (tmp_path / "CMIP6/CMIP/INST/TINY/historical/r1i1p1f1/Omon/zos/gn/v2").mkdir()
    assert list(read(tmp_path)) == ["TINY/historical/r1i1p1f1"]
    assert "the newest version of zos, v2, holds no file: v1 is read" in caplog.text


def test_an_incomplete_newest_version_is_named_and_versions_can_choose_the_older(tmp_path):
    lat, lon, wet = write_tiny(tmp_path)
    write(tmp_path, "zos", np.where(wet, zos(lat, lon), np.nan), lat, lon, version="v2", years=(1995, 1995))
    with pytest.raises(DataError, match=r"none of the windows 1995-1996.*Older versions lie beside v2: v1|lacks|v1"):
        read(tmp_path)
    assert list(read(tmp_path, archive=Archive(tmp_path, versions={"TINY": "v1"})))


# -- calendars -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("calendars", "same"),
    [
        (("standard", "proleptic_gregorian"), True),
        (("gregorian", "proleptic_gregorian"), True),
        (("noleap", "365_day"), True),
        (("standard", "julian"), False),
        (("noleap", "standard"), False),
    ],
)
def test_calendars_that_are_one_may_have_two_names(tmp_path, calendars, same):
    lat, lon, wet = write_tiny(tmp_path, skip=("zos",))
    for year, calendar in zip((1995, 1996), calendars, strict=True):
        values = np.where(wet, zos(lat, lon), np.nan)
        write(tmp_path, "zos", values, lat, lon, years=(year, year), calendar=calendar)
    if same:
        assert float(only(tmp_path)[0]["months"][0]) == 24
    else:
        with pytest.raises(DataError, match="calendar"):
            read(tmp_path)


# -- layouts -------------------------------------------------------------------------------------------------------
def moved(root, target, names, which=tuple(FIELDS)):
    """Lay the files of an archive in other folders: facets of CMIP6 in the order of names, others as they are."""
    facets = ("activity", "institution", "source", "experiment", "variant", "table", "variable", "grid", "version")
    for path in sorted((root / "CMIP6").rglob("*.nc")):
        if path.name.split("_")[0] not in which:
            continue
        folder = dict(zip(facets, path.relative_to(root / "CMIP6").parts[:-1], strict=True))
        place = target.joinpath(*(folder.get(name, name) for name in names))
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / path.name)
    return target


@pytest.mark.parametrize("top", ["", "CMIP6", "CMIP6/CMIP", "CMIP6/CMIP/INST"])
def test_a_tree_may_begin_at_any_level_above_the_model(tmp_path, top):
    write_tiny(tmp_path)
    assert list(read(tmp_path / top)) == ["TINY/historical/r1i1p1f1"]


def test_a_tree_of_cmip5_is_named_and_read_when_it_is_called_so(tmp_path):
    write_tiny(tmp_path / "six")
    for frequency, table, which in (("mon", "Omon", ("zos", "tauuo", "tauvo")), ("fx", "fx", ("deptho",))):
        names = ("institution", "source", "experiment", frequency, "ocean", table, "variant", "variable", "version")
        five = moved(tmp_path / "six", tmp_path / "five", names, which)
    with pytest.raises(DataError, match="layout that is not known: a file lies in 'INST/TINY/.*archive_layout: CMIP5"):
        read(five)
    archive = Archive(five, layout="CMIP5")
    assert list(read(five, archive=archive)) == ["TINY/historical/r1i1p1f1"]


def test_any_other_tree_is_read_by_a_template(tmp_path):
    write_tiny(tmp_path / "six")
    other = moved(tmp_path / "six", tmp_path / "other", ("data", "variable", "source", "experiment", "variant"))
    with pytest.raises(DataError, match="layout that is not known: a file lies in 'data/"):
        read(other)
    layout = "data/{variable_id}/{source_id}/{experiment_id}/{variant_label}"
    expected = only(tmp_path / "six")[0]
    got = only(other, archive=Archive(other, layout=layout))[0]
    np.testing.assert_array_equal(got["zos"].values, expected["zos"].values)
    assert Archive(other, layout="*/{variable_id}/{source_id}/{experiment_id}/*").runs(**ALL)[0].variant_label


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{source_id}/{experiment}/{variable_id}", "no known facet 'experiment'. Did you mean 'experiment_id'"),
        ("{source_id}/{variable_id}", "lacks {experiment_id}"),
        ("{source_id}/{source_id}/{experiment_id}/{variable_id}", "names a facet twice"),
        ("CMIP8", "lacks {source_id}.*Expected CMIP6, CMIP7, CMIP5, auto"),
    ],
)
def test_an_invalid_template_is_refused(template, words):
    with pytest.raises(ConfigError, match=words):
        layout_of(template)


def test_stray_files_and_folders_do_not_decide_the_layout(tmp_path):
    write_tiny(tmp_path)
    (tmp_path / "CMIP6" / "readme").mkdir()
    (tmp_path / "CMIP6" / "readme" / "example.nc").touch()
    (tmp_path / "CMIP6" / ".hidden").mkdir()
    assert list(read(tmp_path)) == ["TINY/historical/r1i1p1f1"]


# -- grids ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("west", [-177.5, 2.5, 42.5, -357.5])
@pytest.mark.parametrize("order", [1, -1])
def test_longitudes_in_any_convention_without_bounds_have_the_area_of_the_ocean(tmp_path, west, order):
    lat, lon = centres(west=west)
    _, _, wet = write_tiny(tmp_path, lat=lat[::order], lon=lon, bounds=False)
    ocean, _ = only(tmp_path)
    area = areas(lat, lon.size)[::order]
    at_sea = np.isfinite(ocean["zos"].values[0])
    assert float(ocean["areacello"].values[at_sea].sum()) == pytest.approx(area[wet].sum(), rel=1e-3)
    mean = (zos(lat[::order], lon) * area)[wet].sum() / area[wet].sum()
    assert float(ocean["removed_mean"][0]) == pytest.approx(mean, abs=1e-5)


def test_stress_on_u_and_v_points_with_1d_coordinates(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    north = np.minimum(lat + 2.5, 89.9)
    u, v = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    write(tmp_path, "tauuo", np.where(u, tauuo(lat, lon + 2.5), np.nan), lat, lon + 2.5)
    write(tmp_path, "tauvo", np.where(v, tauvo(north, lon), np.nan), north, lon)
    assert only(tmp_path)[0].attrs["stress_convention"] == "grid_axes_c_grid"


def rewritten(root, name, edit):
    (path,) = root.rglob(f"{name}_*.nc")
    with xr.open_dataset(path, decode_times=False) as dataset:
        dataset = edit(dataset.load())
    path.unlink()
    dataset.to_netcdf(path)


def north_first(dataset):
    return dataset.isel({dataset["lat"].dims[0]: slice(None, None, -1)})


def from_180_west(dataset):
    dim = dataset["lon"].dims[-1]
    out = dataset.roll({dim: dataset.sizes[dim] // 2}, roll_coords=True)
    lon = (out["lon"] + 180) % 360 - 180
    if "lon_bnds" in out:
        out["lon_bnds"] = out["lon_bnds"] + (lon - out["lon"])
    return out.assign_coords(lon=lon.assign_attrs(dataset["lon"].attrs))


def both(dataset):
    return north_first(from_180_west(dataset))


@pytest.mark.parametrize("stored", [north_first, from_180_west, both])
@pytest.mark.parametrize("names", [("tauuo", "tauvo"), ("deptho",), ("zos",)])
@pytest.mark.parametrize("n_dims", [1, 2])
def test_each_variable_may_be_stored_in_an_order_of_its_own(tmp_path, caplog, n_dims, names, stored):
    lat, lon = centres() if n_dims == 1 else np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon)
    _, expected = only(tmp_path)
    for name in names:
        rewritten(tmp_path, name, stored)
    warn_once.cache_clear()
    caplog.clear()
    _, features = only(tmp_path)
    moved = names if names != ("zos",) else ("tauuo", "tauvo", "deptho")
    for name in moved:
        assert f"{name} is stored in another order of rows or columns than zos" in caplog.text
    if names == ("zos",) and n_dims == 2:
        expected = stored(expected)  # the cells of a curvilinear grid stay in the order of sea level
    for name in ("zos", "wind_stress_curl", "deptho", "areacello", "valid"):
        np.testing.assert_allclose(features[name].values, expected[name].values, rtol=1e-5, atol=1e-12)


def test_staggered_stress_stored_from_north_to_south_is_that_from_south_to_north(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    u, v = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    write(tmp_path, "tauuo", np.where(u, tauuo(lat, lon + 2.5), np.nan), lat, lon + 2.5)
    write(tmp_path, "tauvo", np.where(v, tauvo(lat + 2.5, lon), np.nan), lat + 2.5, lon, bounds=False)
    ocean, expected = only(tmp_path)
    for name in ("tauuo", "tauvo"):
        rewritten(tmp_path, name, both)
    turned, features = only(tmp_path)
    assert turned.attrs["stress_convention"] == ocean.attrs["stress_convention"] == "grid_axes_c_grid"
    np.testing.assert_allclose(features["wind_stress_curl"].values, expected["wind_stress_curl"].values, atol=1e-12)


def test_files_of_a_series_in_different_orders_are_named(tmp_path):
    write_tiny(tmp_path)
    (path,) = tmp_path.rglob("zos_*.nc")
    with xr.open_dataset(path, decode_times=False) as dataset:
        dataset.load()
    path.unlink()
    for stem, part in (
        ("199501-199512", dataset[{"time": slice(12)}]),
        ("199601-199612", dataset[{"time": slice(12, 24)}]),
    ):
        part.to_netcdf(path.with_name(path.name.replace("199501-199612", stem)))
    _, features = only(tmp_path)
    second = path.with_name(path.name.replace("199501-199612", "199601-199612"))
    with xr.open_dataset(second, decode_times=False) as part:
        turned = north_first(part.load())
    second.unlink()
    turned.to_netcdf(second)
    with pytest.raises(GridError, match=f"the cells of {second.name} do not lie where those of zos_.*199512.nc do"):
        only(tmp_path)
    assert int(features["valid"].sum()) > 2000


def test_a_month_of_fill_values_is_named_with_its_window(tmp_path):
    write_tiny(tmp_path)

    def without_june(dataset):
        values = dataset["zos"].values
        values[5] = np.nan
        return dataset.assign(zos=(dataset["zos"].dims, values, dataset["zos"].attrs))

    rewritten(tmp_path, "zos", without_june)
    with pytest.raises(DataError, match="no cell has 'zos' in every month of 1995-1996. A file has a month of fill"):
        only(tmp_path)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_positions_in_radians_are_converted(tmp_path, n_dims):
    lat, lon = centres() if n_dims == 1 else np.meshgrid(*centres(), indexing="ij")
    write_tiny(tmp_path, lat=lat, lon=lon)
    _, expected = only(tmp_path)

    def in_radians(dataset):
        out = dataset.copy()
        for name in ("lat", "lon"):
            out = out.assign_coords({name: np.deg2rad(out[name]).assign_attrs(out[name].attrs | {"units": "radians"})})
            if f"{name}_bnds" in out:
                out[f"{name}_bnds"] = np.deg2rad(out[f"{name}_bnds"])
        return out

    for name in FIELDS:
        rewritten(tmp_path, name, in_radians)
    _, features = only(tmp_path)
    for name in ("lat", "lon", "wind_stress_curl", "areacello"):
        np.testing.assert_allclose(features[name].values, expected[name].values, rtol=1e-9, atol=1e-12)


def test_an_unstructured_grid_is_named(tmp_path):
    write_tiny(tmp_path)
    for name in ("zos", "tauuo", "tauvo"):
        path = next(tmp_path.rglob(f"{name}_*.nc"))
        with xr.open_dataset(path, decode_cf=False) as stored:
            dataset = stored.load()
        flat = dataset.drop_vars(["lat_bnds", "lon_bnds"]).stack(cell=("lat", "lon")).reset_index("cell")
        path.unlink()
        flat.to_netcdf(path)
    with pytest.raises(DataError, match=r"'zos' has dims \(time, cell\); expected time and a grid"):
        read(tmp_path)


def test_a_cyclic_column_is_one_column(tmp_path):
    lat, lon = centres()
    write_tiny(tmp_path / "plain")
    cyclic = np.append(lon, lon[0] + 360)
    write_tiny(tmp_path / "cyclic", lat=lat, lon=cyclic)
    (plain, features), (ocean, more) = only(tmp_path / "plain"), only(tmp_path / "cyclic")
    assert ocean.sizes["lon"] == lon.size
    np.testing.assert_allclose(ocean["zos"].values, plain["zos"].values, atol=1e-9)
    np.testing.assert_allclose(ocean["areacello"].values, plain["areacello"].values, rtol=1e-6)
    np.testing.assert_allclose(more["wind_stress_curl"].values, features["wind_stress_curl"].values, atol=1e-15)


# -- stress --------------------------------------------------------------------------------------------------------
def test_stress_that_is_zero_on_land_is_missing_there(tmp_path):
    curls = {}
    for name, fill in (("masked", 1e20), ("zero", None)):
        lat, lon, wet = write_tiny(tmp_path / name, skip=("tauuo", "tauvo"))
        for variable_id in ("tauuo", "tauvo"):
            values = np.where(wet, FIELDS[variable_id](lat, lon), np.nan)
            write(tmp_path / name, variable_id, values, lat, lon, fill=fill)
        curls[name] = only(tmp_path / name)[1]["wind_stress_curl"].values[0]
    np.testing.assert_array_equal(curls["zero"], curls["masked"])


@pytest.mark.parametrize("points", ["c_grid", "corners"])
def test_staggered_stress_that_is_zero_on_land_is_missing_there(tmp_path, points):
    lat, lon = centres()
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet, up = sea(lat, lon), np.minimum(lat2 + 2.5, 89.9)
    east, north = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    curls = {}
    for name, fill in (("masked", 1e20), ("zero", None)):
        write_tiny(tmp_path / name, lat=lat, lon=lon, skip=("zos", "deptho", "tauuo", "tauvo"))
        for variable_id in ("zos", "deptho"):
            write(tmp_path / name, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        place = {"c_grid": ((lat2, lon2 + 2.5, east), (up, lon2, north))}
        corner = (up, lon2 + 2.5, east & north & np.roll(east, -1, 0))
        for variable_id, (y, x, mask) in zip(("tauuo", "tauvo"), place.get(points, (corner, corner)), strict=True):
            write(tmp_path / name, variable_id, np.where(mask, FIELDS[variable_id](y, x), np.nan), y, x, fill=fill)
        curls[name] = only(tmp_path / name)[1]["wind_stress_curl"].values[0, :-1]  # the last row ends at the pole
    np.testing.assert_allclose(curls["zero"], curls["masked"], rtol=1e-12)


def test_c_grid_values_with_the_positions_of_t_points_can_be_declared(tmp_path, caplog):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet = sea(lat, lon)
    true = {}
    for name in ("placed", "collocated"):
        for variable_id in ("zos", "deptho"):
            write(tmp_path / name, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        up = np.minimum(lat2 + 1.25, 89.9)
        for variable_id, y, x, axis in (("tauuo", lat2, lon2 + 1.25, 1), ("tauvo", up, lon2, 0)):
            values = np.where(wet & np.roll(wet, -1, axis), FIELDS[variable_id](y, x), np.nan)
            write(tmp_path / name, variable_id, values, *((y, x) if name == "placed" else (lat2, lon2)))
        quirks = {"TINY": Quirks(stress_convention="grid_axes_c_grid")}
        ocean, features = only(tmp_path / name, quirks=quirks)
        assert ocean.attrs["stress_convention"] == "grid_axes_c_grid"
        true[name] = features["wind_stress_curl"].values[0]
    assert relative_rms(true["collocated"], true["placed"]) < 0.01
    assert "the positions of T points; its points are taken half a cell to the north-east" in caplog.text


def test_c_grid_values_with_the_positions_of_t_points_are_suspected(tmp_path):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    wet = sea(lat, lon)
    for variable_id, mask in (
        *((name, wet) for name in ("zos", "deptho")),
        ("tauuo", wet & np.roll(wet, -1, 1)),
        ("tauvo", wet & np.roll(wet, -1, 0)),
    ):
        write(tmp_path, variable_id, np.where(mask, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
    failed = only(tmp_path)[0].attrs["checks_failed"]
    assert "stress_points" in failed and "stress_convention: grid_axes_c_grid and stress_side: north_east" in failed


def test_b_grids_keep_as_many_cells_as_c_grids(tmp_path):
    lat, lon = centres(72, 144, 1.25)
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    up, wet = np.minimum(lat2 + 1.25, 89.9), sea(lat, lon)
    wet &= ~((np.random.default_rng(0).random(wet.shape) < 0.01) & (np.abs(lat2) < 60))  # islands of one cell
    east, north = wet & np.roll(wet, -1, 1), wet & np.roll(wet, -1, 0)
    corner = east & north & np.roll(east, -1, 0)
    share = {}
    for points in ("corners", "edges"):
        root = tmp_path / points
        for variable_id in ("zos", "deptho"):
            write(root, variable_id, np.where(wet, FIELDS[variable_id](lat, lon), np.nan), lat2, lon2)
        u = (up, lon2 + 1.25, corner) if points == "corners" else (lat2, lon2 + 1.25, east)
        v = u if points == "corners" else (up, lon2, north)
        for variable_id, (y, x, mask) in (("tauuo", u), ("tauvo", v)):
            write(root, variable_id, np.where(mask, FIELDS[variable_id](y, x), np.nan), y, x)
        ocean, features = only(root)
        share[points] = float(features["valid"].sum()) / np.isfinite(ocean["zos"].values[0]).sum()
    assert share["corners"] == pytest.approx(share["edges"], abs=0.01) and share["edges"] > 0.99


# -- areas and physics ---------------------------------------------------------------------------------------------
def test_areas_of_another_grid_are_left_aside_with_their_ratio(tmp_path, caplog):
    write_tiny(tmp_path)
    lat, lon = centres(18, 36)
    write(tmp_path, "areacello", areas(lat, 36), lat, lon)
    ocean, _ = only(tmp_path)
    assert "18 rows, 36 columns, total 5.101e+14 m2, 1 times that of the positions" in caplog.text
    np.testing.assert_allclose(ocean["areacello"].values, areas(centres()[0], 72), rtol=1e-6)


def test_areas_missing_at_sea_follow_from_the_positions(tmp_path, caplog):
    lat, lon, wet = write_tiny(tmp_path)
    published = areas(lat, 72)
    published[10:12, 5:20] = np.nan
    write(tmp_path, "areacello", published, lat, lon)
    ocean, _ = only(tmp_path)
    assert f"areacello is missing in {int(wet[10:12, 5:20].sum())} sea cells" in caplog.text
    at_sea = np.isfinite(ocean["zos"].values[0])
    np.testing.assert_allclose(ocean["areacello"].values[at_sea], areas(lat, 72)[at_sea], rtol=1e-6)


def test_depth_counted_upward_is_named(tmp_path):
    lat, lon, wet = write_tiny(tmp_path, skip=("deptho",))
    write(tmp_path, "deptho", np.where(wet, -deptho(lat, lon), np.nan), lat, lon)
    with pytest.raises(DataError, match="'deptho' runs from -4[0-9.]+ to -3[0-9.]+ m, positive down"):
        read(tmp_path)


@pytest.mark.parametrize(("factor", "words"), [(2.0, "2 times the areas of the positions"), (1e-6, "km2 called m2")])
def test_areas_off_by_a_factor_are_left_aside_with_the_factor(tmp_path, caplog, factor, words):
    lat, lon, _ = write_tiny(tmp_path)
    write(tmp_path, "areacello", factor * areas(lat, 72), lat, lon)
    ocean, _ = only(tmp_path)
    assert words in caplog.text
    np.testing.assert_allclose(ocean["areacello"].values, areas(lat, 72), rtol=1e-6)


def test_stress_of_the_wrong_sign_is_noticed_turned_or_an_error(tmp_path, caplog):
    lat, lon, wet = write_tiny(tmp_path, skip=("tauuo", "tauvo"))
    for name in ("tauuo", "tauvo"):
        write(tmp_path, name, np.where(wet, -FIELDS[name](lat, lon), np.nan), lat, lon)
    ocean, _ = only(tmp_path)
    assert "southern_westerlies: mean of eastward stress in -55 to -45 N is -0.0" in ocean.attrs["checks_failed"]
    assert "stress_sign -1 in the quirks" in caplog.text
    assert only(tmp_path, quirks={"TINY": Quirks(stress_sign=-1)})[0].attrs["checks_failed"] == ""
    with pytest.raises(DataError, match="TINY/historical/r1i1p1f1: southern_westerlies"):
        read(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("name", "factor", "check"),
    [
        ("zos", 100.0, None),  # beyond any sea level: an error of its contract, not a warning
        ("zos", -1.0, "southern_sea_level"),
        ("zos", 0.01, "sea_level_range"),
        ("tauuo", 1e-3, "stress_magnitude"),
        ("deptho", 0.1, "mean_depth"),
    ],
)
def test_fields_with_wrong_units_or_signs_are_noticed(tmp_path, name, factor, check):
    lat, lon, wet = write_tiny(tmp_path, skip=(name,))
    write(tmp_path, name, np.where(wet, factor * FIELDS[name](lat, lon), np.nan), lat, lon)
    ocean, _ = only(tmp_path)
    if check is not None:
        assert check in ocean.attrs["checks_failed"]
    else:
        assert "sea_level_range" in ocean.attrs["checks_failed"]


def test_a_valid_ocean_passes_all_checks(tmp_path, caplog):
    write_tiny(tmp_path)
    ocean, _ = only(tmp_path)
    assert ocean.attrs["checks_failed"] == "" and ocean.attrs["checks_not_applicable"] == ""
    assert set(ocean.attrs["checks_passed"].split()) >= {"southern_westerlies", "drake_passage", "sea_share"}


def test_a_regional_model_is_not_checked_in_regions_it_does_not_have(tmp_path):
    lat, lon = np.arange(20.25, 60, 0.5), np.arange(280.25, 340, 0.5)
    write_tiny(tmp_path, lat=lat, lon=lon)
    ocean, _ = only(tmp_path)
    skipped = set(ocean.attrs["checks_not_applicable"].split())
    assert {"southern_westerlies", "drake_passage", "southern_sea_level", "sea_share", "mean_depth"} <= skipped
    assert ocean.attrs["checks_failed"] == ""


def test_a_closed_passage_is_not_applicable_where_there_is_land(tmp_path):
    lat, lon = centres()
    lat2, lon2 = np.meshgrid(lat, lon % 360, indexing="ij")
    wet = sea(lat, lon) & ~((lat2 < -55) & (lon2 > 285) & (lon2 < 305))
    for name, field in FIELDS.items():
        write(tmp_path, name, np.where(wet, field(lat, lon), np.nan), lat, lon)
    assert "drake_passage" in only(tmp_path)[0].attrs["checks_not_applicable"]


def test_bounds_that_contradict_the_longitudes_are_left_aside(tmp_path):
    lat, _, wet = write_tiny(tmp_path)
    for path in sorted(tmp_path.rglob("*.nc")):
        with netCDF4.Dataset(path, "a") as file:
            file["lon_bnds"][:, 1] = file["lon_bnds"][:, 0] + 15.0
    ocean, _ = only(tmp_path)
    at_sea = np.isfinite(ocean["zos"].values[0])
    assert float(ocean["areacello"].values[at_sea].sum()) == pytest.approx(areas(lat, 72)[wet].sum(), rel=1e-3)


def test_an_ocean_without_land_is_an_error(tmp_path):
    lat, lon = centres()
    for name, field in FIELDS.items():
        write(tmp_path, name, field(lat, lon), lat, lon)
    with pytest.raises(GridError, match="TINY/historical/r1i1p1f1: Sea covers 100.0% of the Earth"):
        read(tmp_path)


def test_nothing_but_missing_areas_is_logged_for_a_valid_run(tmp_path, caplog):
    write_tiny(tmp_path)
    with caplog.at_level(logging.WARNING):
        read(tmp_path)
    assert [record.message for record in caplog.records] == [
        "TINY: no areacello in the archive; cell areas follow from the positions"
    ]
