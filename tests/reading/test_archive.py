"""Finding runs and files: facets, versions, grids, and what is not there."""

import shutil

import pytest
import xarray as xr

from tests.made_archive import folder, grid_group, write_run, write_series, years
from thor.core.errors import ConfigError, DataError
from thor.reading.archive import Archive
from thor.reading.grids import label_of
from thor.reading.runs import Run

RUN = Run("MADE-1", "historical", "r1i1p1f1")


def all_runs(archive, **choice):
    return archive.runs(**({"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"} | choice))


@pytest.fixture
def archive(root):
    write_run(root, variant_label="r2i1p1f2", fixed=False)
    write_run(root, experiment_id="ssp585", fixed=False)
    return Archive(root)


def test_all_runs_are_found_below_the_folder_and_below_cmip6(archive, root):
    expected = ["MADE-1/historical/r1i1p1f1", "MADE-1/historical/r2i1p1f2", "MADE-1/ssp585/r1i1p1f1"]
    assert [run.key for run in all_runs(archive)] == expected
    assert [run.key for run in all_runs(Archive(root / "CMIP6"))] == expected


def test_variants_that_only_some_experiments_have_are_taken_where_they_are(archive):
    chosen = all_runs(archive, variant_labels=["r2i1p1f2", "r1i1p1f1"])
    assert len(chosen) == 3
    assert [run.key for run in all_runs(archive, variant_labels=["r2i1p1f2"])] == ["MADE-1/historical/r2i1p1f2"]


def test_a_combination_that_the_archive_lacks_is_left_out_but_every_name_has_to_occur(archive, root):
    write_run(root, source_id="MADE-2", fixed=False)
    archive = Archive(root)
    chosen = all_runs(archive, source_ids=["MADE-1", "MADE-2"], experiment_ids=["historical", "ssp585"])
    assert {run.source_id for run in chosen} == {"MADE-1", "MADE-2"}
    with pytest.raises(ConfigError, match="has source_id 'MADE-2'. It has the experiments historical"):
        all_runs(archive, source_ids=["MADE-1", "MADE-2"], experiment_ids=["ssp585"])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"source_ids": ["MADE-2"]}, "no model 'MADE-2'. Did you mean 'MADE-1'"),
        ({"experiment_ids": ["ssp585", "historcal"]}, "has experiment_id 'historcal'.*Did you mean 'historical'"),
        ({"source_ids": ["MADE-1"], "experiment_ids": ["historcal"]}, "has experiment_id 'historcal'. Did you mean"),
        ({"source_ids": ["MADE-1"], "variant_labels": ["r1i1p1f2"]}, "has variant_label 'r1i1p1f2'. Did you mean"),
        ({"variant_labels": ["r1i1p1f2"]}, "has variant_label 'r1i1p1f2'.*Did you mean"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(archive, choice, message):
    with pytest.raises(ConfigError, match=message):
        all_runs(archive, **choice)


def test_a_missing_and_an_empty_archive_are_errors_and_none_has_no_runs(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        all_runs(Archive(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no NetCDF file: 1 folders were listed"):
        all_runs(Archive(tmp_path))
    assert all_runs(Archive(None)) == []


def test_the_newest_version_counts(root):
    write_series(root, "zos", years(1850, 1853), n_files=1, version="v20211231")
    stored = Archive(root).stored(RUN, "zos")["gn"]
    assert [path.parent.name for path in stored.files()] == ["v20211231"]
    assert (stored.version, stored.older, stored.newer) == ("v20211231", ("v20200101",), ())


def test_numbered_versions_are_ordered_as_numbers(tmp_path):
    for version in ("v1.9", "v1.10", "v1.2.5"):
        write_series(tmp_path, "zos", years(1850, 1853), n_files=1, version=version)
    stored = Archive(tmp_path).stored(RUN, "zos")["gn"]
    assert (stored.version, stored.older) == ("v1.10", ("v1.9", "v1.2.5"))


@pytest.mark.parametrize("key", ["MADE-1", "MADE-1/historical", "MADE-1/historical/r1i1p1f1/zos"])
def test_an_older_version_can_be_chosen(root, key):
    write_series(root, "zos", years(1850, 1853), n_files=1, version="v20211231")
    write_series(root, "tauuo", years(1850, 1853), n_files=1, version="v20211231")
    archive = Archive(root, versions={key: "20200101", "MADE-1/historical/r1i1p1f1/tauuo": "v20211231"})
    assert archive.stored(RUN, "zos")["gn"].version == "v20200101"
    assert archive.stored(RUN, "tauuo")["gn"].version == "v20211231"
    with pytest.raises(ConfigError, match="versions asks for 'v1' of zos of MADE-1.*has v20211231, v20200101"):
        Archive(root, versions={key: "v1"}).stored(RUN, "zos")


def test_a_newer_version_without_files_is_named(root):
    folder(
        root,
        "zos",
        source_id=RUN.source_id,
        experiment_id=RUN.experiment_id,
        variant_label=RUN.variant_label,
        version="v20230101",
    ).mkdir()
    stored = Archive(root).stored(RUN, "zos")["gn"]
    assert (stored.version, stored.newer) == ("v20200101", ("v20230101",))


def test_a_version_in_two_trees_has_the_files_of_both(root, tmp_path_factory):
    """Whichever comes first; files of months that are there already do not count."""
    other = tmp_path_factory.mktemp("other")
    expected = [path.name for path in Archive(root).stored(RUN, "zos")["gn"].files()]
    first, second = sorted(root.rglob("zos_*.nc"))
    place = other / second.parent.relative_to(root)
    place.mkdir(parents=True)
    shutil.move(second, place)
    for roots in ([root, other], [other, root]):
        assert [path.name for path in Archive(roots).stored(RUN, "zos")["gn"].files()] == expected
    shutil.copy(first, place / first.name.replace("185001-185112", "185007-185112"))
    assert [path.name for path in Archive([root, other]).stored(RUN, "zos")["gn"].files()] == expected
    assert len(Archive([other, root]).stored(RUN, "zos")["gn"].files()) == 2


def test_files_of_single_months_in_two_trees_make_one_series(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    first, second = (path.rename(path.with_name(f"{path.name[:-10]}.nc")) for path in sorted(root.rglob("zos_*.nc")))
    assert first.name.endswith("_185001.nc")
    place = other / second.parent.relative_to(root)
    place.mkdir(parents=True)
    shutil.move(second, place)
    shutil.copy(first, place)
    found = Archive([root, other]).stored(RUN, "zos")["gn"].files()
    assert [path.name for path in found] == [first.name, second.name]


def test_a_file_in_two_further_trees_is_read_once(root, tmp_path_factory):
    expected = [path.name for path in Archive(root).stored(RUN, "zos")["gn"].files()]
    second = sorted(root.rglob("zos_*.nc"))[1]
    others = [tmp_path_factory.mktemp("other") for _ in range(2)]
    for other in others:
        place = other / second.parent.relative_to(root)
        place.mkdir(parents=True)
        shutil.copy(second, place)
    second.unlink()
    assert [path.name for path in Archive([root, *others]).stored(RUN, "zos")["gn"].files()] == expected


def test_the_native_grid_is_preferred_and_all_variables_share_it(root):
    for path in write_series(root, "zos", years(1850, 1853), grid_label="gr"):
        with xr.open_dataset(path, decode_cf=False) as stored:
            coarse = stored.load().isel(lon=slice(None, None, 2))
        path.unlink()
        coarse.to_netcdf(path)
    assert label_of(grid_group(Archive(root), RUN, ["zos", "tauuo"])) == "gn"
    shutil.rmtree(
        folder(root, "zos", source_id=RUN.source_id, experiment_id=RUN.experiment_id, variant_label=RUN.variant_label)
    )
    with pytest.raises(DataError, match="zos, tauuo share no grid .zos on gr; tauuo on gn"):
        grid_group(Archive(root), RUN, ["zos", "tauuo"])


def test_a_variable_missing_in_one_experiment_is_named(archive, root):
    place = folder(root, "tauvo", source_id="MADE-1", experiment_id="ssp585", variant_label="r1i1p1f1")
    shutil.rmtree(place.parents[1])
    with pytest.raises(DataError, match="MADE-1/ssp585/r1i1p1f1 has no 'tauvo' in .*it has zos, tauuo"):
        grid_group(archive, Run("MADE-1", "ssp585", "r1i1p1f1"), ["zos", "tauuo", "tauvo"])


def test_a_variable_of_another_table_is_named(root):
    place = folder(root, "zos", source_id="MADE-1", experiment_id="historical", variant_label="r1i1p1f1").parents[1]
    (place.parents[1] / "Oday").mkdir()
    place.rename(place.parents[1] / "Oday/zos")
    with pytest.raises(DataError, match="has no 'zos' .* Other output of it is not read: .*/r1i1p1f1/Oday/zos. Get"):
        grid_group(Archive(root), RUN, ["zos", "tauuo", "tauvo"])


def test_fixed_fields_come_from_another_run_of_the_model(archive):
    run, stored = next(archive.fixed(Run("MADE-1", "ssp585", "r1i1p1f1"), "deptho"))
    assert (run, stored.grid_label) == (RUN, "gn")
    assert "historical" in stored.files()[0].parts
    assert not list(archive.fixed(Run("MADE-2", "ssp585", "r1i1p1f1"), "deptho"))


def test_the_real_archive_is_read_by_the_same_facets(data_mirror):
    archive = Archive(data_mirror / "esgf")
    assert archive.source_ids() == ["EC-Earth3-Veg", "GFDL-ESM4", "MPI-ESM-1-2-HAM", "MPI-ESM1-2-LR"]
    run = Run("MPI-ESM1-2-LR", "historical", "r1i1p1f1")
    assert label_of(grid_group(archive, run, ["tauuo", "tauvo"])) == "gn"
    with pytest.raises(DataError, match="no 'zos' in .*it has tauuo, tauvo"):
        grid_group(archive, run, ["zos"])
