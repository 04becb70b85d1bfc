"""Trees of folders, versions and calendars that differ between archives, and what is missing in them."""

import shutil

import numpy as np
import pytest

from tests.reading.small_archives import ALL, WINDOWS, only, read
from tests.tiny_archive import FIELDS, deptho, write, write_tiny, zos
from thor.core.errors import ConfigError, DataError
from thor.reading.archive import Archive
from thor.reading.layouts import layout_of
from thor.reading.plans import plan_runs, require_usable


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


@pytest.mark.parametrize("part", ["", "historical", "historical/r1i1p1f1", "historical/r1i1p1f1/Omon/zos/gn/v9"])
def test_empty_folders_of_a_retracted_model_cost_no_other_model(tmp_path, part):
    write_tiny(tmp_path)
    (tmp_path / "CMIP6/CMIP/INST/RETRACTED" / part).mkdir(parents=True)
    assert list(read(tmp_path, missing="skip")) == ["TINY/historical/r1i1p1f1"]


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


@pytest.mark.parametrize("above", [(), ("output1",), ("CMIP5", "output1")])
@pytest.mark.parametrize("order", [("variable", "version"), ("version", "variable")])
def test_a_tree_of_cmip5_is_named_and_read_when_it_is_called_so(tmp_path, order, above):
    """Of any of its folders, in either order; fields without time are not taken for a run."""
    write_tiny(tmp_path / "six")
    variables = ("mon", "Omon", "variant", ("zos", "tauuo", "tauvo")), ("fx", "fx", "r0i0p0", ("deptho",))
    for frequency, table, variant, which in variables:
        names = (*above, "institution", "source", "experiment", frequency, "ocean", table, variant, *order)
        five = moved(tmp_path / "six", tmp_path / "five", names, which)
    place = "/".join((*above, "INST/TINY/"))
    with pytest.raises(DataError, match=f"layout that is not known: a file lies in '{place}.*archive_layout: CMIP5"):
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
