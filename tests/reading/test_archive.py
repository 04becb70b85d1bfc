"""Finding runs and files: facets, versions, grids, and what is not there."""

import shutil

import numpy as np
import pytest

from tests.made_archive import folder, write_run, write_series, years
from thor.errors import ConfigError, DataError
from thor.reading.archive import Archive, Run

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
    with pytest.raises(ConfigError, match="MADE-1/ssp585 has none of the variants r2i1p1f2"):
        all_runs(archive, variant_labels=["r2i1p1f2"])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"source_ids": ["MADE-2"]}, "no model 'MADE-2'. Did you mean 'MADE-1'"),
        ({"experiment_ids": ["ssp585", "historcal"]}, "no experiment 'historcal'.*Did you mean 'historical'"),
        ({"variant_labels": ["r1i1p1f2"]}, "none of the variants r1i1p1f2.*Did you mean"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(archive, choice, message):
    with pytest.raises(ConfigError, match=message):
        all_runs(archive, **choice)


def test_a_missing_and_an_empty_archive_are_errors_and_none_has_no_runs(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        all_runs(Archive(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="is empty"):
        all_runs(Archive(tmp_path))
    assert all_runs(Archive(None)) == []


def test_the_newest_version_counts(root):
    write_series(root, "zos", years(1850, 1853), n_files=1, version="v20211231")
    files = Archive(root).files(RUN, "zos", grid_label="gn")
    assert [path.parent.name for path in files] == ["v20211231"]
    assert Archive(root).older_versions(files) == ["v20200101"]


def test_the_native_grid_is_preferred_and_all_variables_share_it(root):
    write_series(root, "zos", years(1850, 1853), grid_label="gr")
    assert Archive(root).grid_label(RUN, ["zos", "tauuo"]) == "gn"
    shutil.rmtree(
        folder(root, "zos", source_id=RUN.source_id, experiment_id=RUN.experiment_id, variant_label=RUN.variant_label)
    )
    with pytest.raises(DataError, match="share no grid_label .zos on gr; tauuo on gn"):
        Archive(root).grid_label(RUN, ["zos", "tauuo"])


def test_a_variable_missing_in_one_experiment_is_named(archive, root):
    place = folder(root, "tauvo", source_id="MADE-1", experiment_id="ssp585", variant_label="r1i1p1f1")
    shutil.rmtree(place.parents[1])
    with pytest.raises(DataError, match="MADE-1/ssp585/r1i1p1f1 has no 'tauvo' in Omon.*it has tauuo, zos"):
        archive.grid_label(Run("MADE-1", "ssp585", "r1i1p1f1"), ["zos", "tauuo", "tauvo"])


def test_fixed_fields_come_from_another_run_of_the_model(archive):
    path = archive.fixed(Run("MADE-1", "ssp585", "r1i1p1f1"), "deptho", grid_label="gn")
    assert path is not None
    assert "historical" in path.parts
    assert archive.fixed(RUN, "thkcello", grid_label="gn") is None


def test_a_series_opens_lazily_as_one(root):
    dataset = Archive(root).open(RUN, "zos")
    assert dataset["zos"].chunks is not None
    assert dataset["zos"].shape == (48, 9, 16)
    assert dataset["time"].values[0].calendar == "noleap"
    assert np.isfinite(dataset["zos"].mean().compute())


def test_the_real_archive_is_read_by_the_same_facets(data_mirror):
    archive = Archive(data_mirror / "esgf")
    assert archive.source_ids() == ["EC-Earth3-Veg", "GFDL-ESM4", "MPI-ESM-1-2-HAM", "MPI-ESM1-2-LR"]
    run = Run("MPI-ESM1-2-LR", "historical", "r1i1p1f1")
    assert archive.grid_label(run, ["tauuo", "tauvo"]) == "gn"
    with pytest.raises(DataError, match="no 'zos' in Omon.*it has tauuo, tauvo"):
        archive.grid_label(run, ["zos"])
