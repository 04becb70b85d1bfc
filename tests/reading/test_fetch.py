"""Fetching from ESGF: an index and data nodes on this machine, which intake-esgf queries like those of ESGF.

The index answers in the forms of Globus (intake-esgf's default) and Solr; answers of the real services are not tested.
"""

import errno
import fcntl
import re
import signal
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests import programs
from tests.esgf_server import serving
from tests.made_archive import write_fixed, write_run, write_series, years
from tests.reading.conftest import WINDOWS
from tests.waiting import wait_until
from thor.app.archive import archive
from thor.app.archive_fetch import archive_folder, fetch_command, refuse_idealized
from thor.core.errors import ConfigError, DataError
from thor.reading import download as downloads
from thor.reading.archive import Archive
from thor.reading.download import activities_folder, download
from thor.reading.esgf_files import parse_checksum, parse_dataset
from thor.reading.esgf_index import EsgfIndex
from thor.reading.fetch import plan_fetch
from thor.reading.fetch_settings import FetchSettings, variables_to_fetch
from thor.reading.plans import plan_runs
from thor.reading.quirks import Quirks
from thor.reading.runs import Run

ALL = {"source_ids": "all", "experiment_ids": "all", "variant_labels": "all"}
SETTINGS = FetchSettings(
    source_ids=["MADE-1"],
    experiment_ids=["historical", "ssp585"],
    variant_labels=None,
    variable_ids=None,
    years=None,
    windows=WINDOWS,
    parents=True,
)
SURFACE = ("zos", "tauuo", "tauvo")


def branch(experiment, year, variant="r1i1p1f1"):
    return {
        "parent_experiment_id": experiment,
        "parent_variant_label": variant,
        "parent_source_id": "MADE-1",
        "branch_time_in_parent": 365.0 * (year - 1850),
        "parent_time_units": "days since 1850-01-01",
    }


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """intake-esgf reads its configuration from the home folder when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        import intake_esgf

        intake_esgf.conf.reset()
        yield


@pytest.fixture(scope="module")
def ocean(tmp_path_factory):
    """Content of ESGF: a control run, two experiments in some variants, older and retracted versions."""
    root = tmp_path_factory.mktemp("esgf")
    write_run(root, experiment_id="piControl", first=1850, last=1865, n_files=4, fixed=False)
    write_run(root, first=1850, last=1857, attrs=branch("piControl", 1855), n_files=4)
    write_run(root, experiment_id="ssp585", first=1858, last=1861, attrs=branch("historical", 1858), fixed=False)
    write_run(root, variant_label="r10i1p1f1", first=1850, last=1857, fixed=False)
    for variable_id in ("zos", "tauuo"):
        write_series(root, variable_id, years(1850, 1857), variant_label="r2i1p1f1")
    write_run(root, experiment_id="piControl", source_id="OTHER-2", fixed=False)
    write_series(root, "zos", years(1850, 1857), version="v20190101", n_files=1)  # older
    write_series(root, "zos", years(1850, 1857), version="v20210101", n_files=1)  # retracted
    write_series(root, "zos", years(1850, 1857), grid_label="gr", n_files=1)
    return root


@pytest.fixture
def esgf(ocean):
    with serving(ocean) as served:
        served.flags = {"v20190101": {"latest": False}, "v20210101": {"retracted": True}}
        yield served


@pytest.fixture(params=["globus", "solr"])
def index(request, esgf, monkeypatch):
    return EsgfIndex([service(esgf, request.param, monkeypatch)])


@pytest.fixture
def solr(esgf, monkeypatch):
    return EsgfIndex([service(esgf, "solr", monkeypatch)])


def service(esgf, kind, monkeypatch):
    from intake_esgf.core import GlobusESGFIndex, SolrESGFIndex

    if kind == "globus":
        monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_SEARCH", f"{esgf.address}/")
        return GlobusESGFIndex("ESGF2-US-1.5-Catalog")
    made = SolrESGFIndex("local")
    made.url = esgf.address
    return made


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0.0)


def names(plan, variable_id="zos"):
    found = [file for file in plan.files if file.dataset.variable_id == variable_id]
    return [(file.dataset.experiment_id, file.dataset.variant_label, *file.years) for file in found]


def small_plan(index, **options):
    """One run, one variable: files of 1850-1851, 1852-1853, 1854-1855, 1856-1857."""
    options = {"experiment_ids": ["historical"], "variable_ids": ["zos"], "parents": False} | options
    return plan_fetch(index, replace(SETTINGS, **options)).files


def test_what_is_fetched(index, esgf, ocean, tmp_path):
    plan = plan_fetch(index, SETTINGS)
    # all requested runs; of the control run the years parallel to historical, 1855 + (1850 to 1857) - 1850
    assert names(plan) == [
        *[("historical", "r1i1p1f1", first, first + 1) for first in (1850, 1852, 1854, 1856)],
        *[("piControl", "r1i1p1f1", first, first + 3) for first in (1854, 1858, 1862)],
        *[("ssp585", "r1i1p1f1", first, first + 1) for first in (1858, 1860)],
    ]
    assert [file.name for file in plan.files if file.dataset.table_id == "Ofx"] == [
        f"{name}_Ofx_MADE-1_historical_r1i1p1f1_gn.nc" for name in ("areacello", "deptho", "sftof")
    ]
    assert {file.dataset.version for file in plan.files} == {"v20200101"}
    assert {file.dataset.grid_label for file in plan.files} == {"gn"}
    assert "MADE-1/ssp585/r1i1p1f1 is compared with 1852-1853 of MADE-1/historical/r1i1p1f1" in plan.notes
    assert "MADE-1/historical/r1i1p1f1 is taken of 2 variants with all variables" in plan.notes
    assert not esgf.fetched()  # headers alone

    fetched = download(plan.files, activities_folder(tmp_path))
    assert (fetched.n_fetched, fetched.n_present) == (len(plan.files), 0)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(tmp_path)) for path in paths) == [f"CMIP6/{file.path}" for file in plan.files]
    assert all(path.read_bytes() == (ocean / path.relative_to(tmp_path)).read_bytes() for path in paths)
    assert fetched.n_bytes == sum(path.stat().st_size for path in paths)
    runs = Archive(tmp_path).runs(**ALL)
    assert [run.key for run in runs] == [f"MADE-1/{name}/r1i1p1f1" for name in ("historical", "piControl", "ssp585")]


def test_what_was_fetched_gives_the_climatology_of_the_original(solr, make_climatology, tmp_path):
    plan = plan_fetch(solr, replace(SETTINGS, experiment_ids=["historical"], parents=False))
    download(plan.files, activities_folder(tmp_path / "fetched"))
    write_run(tmp_path / "original", first=1850, last=1857, attrs=branch("piControl", 1855), n_files=4)
    fetched, original = make_climatology(tmp_path / "fetched"), make_climatology(tmp_path / "original")
    assert fetched.sizes["window"] == 4 and set(original.data_vars) >= {*SURFACE, "deptho", "areacello", "sftof"}
    for name, values in original.variables.items():
        np.testing.assert_array_equal(fetched[name].values, values.values, err_msg=name)


def test_nothing_is_fetched_twice(index, esgf, tmp_path):
    folder = activities_folder(tmp_path)
    plan = plan_fetch(index, SETTINGS)
    download(plan.files, folder)
    assert set(Counter(esgf.fetched()).values()) == {1}
    esgf.requests.clear()
    again = plan_fetch(index, SETTINGS, folder=folder)
    assert again.files == plan.files and again.notes == plan.notes
    fetched = download(again.files, folder)
    assert (fetched.n_fetched, fetched.n_present, fetched.n_bytes) == (0, len(plan.files), 0)
    assert not esgf.requests


@pytest.mark.parametrize("folder", [None, "CMIP6"])
@pytest.mark.parametrize(
    ("child", "needed"),
    [
        # 365 * 1000 days are 1000 years of the control run, but 999.3 of the standard calendar
        ({"calendar": "standard"}, "1001-1004"),
        ({"branch_time_in_child": 0.0}, "1001-1004"),
        # no date of this run: as in an archive its years count from its first
        ({"branch_time_in_child": -365.0 * 1849}, "1001-1004"),
        ({"branch_time_in_child": 365.0}, "1000-1003"),
    ],
)
def test_years_of_the_control_run_are_those_of_an_archive(tmp_path, windows, monkeypatch, child, needed, folder):
    root = tmp_path / "esgf"
    attrs = branch("piControl", 1850) | {
        "branch_time_in_parent": 365.0 * 1000,
        "parent_time_units": "days since 0001-01-01",
    }
    stated = {"branch_time_in_child": 0.0, "calendar": "noleap"} | child
    calendar = stated.pop("calendar")
    write_run(root, experiment_id="piControl", first=998, last=1007, n_files=1)
    write_run(root, first=1850, last=1853, attrs=attrs | stated, calendar=calendar)
    with serving(root) as served:
        index = EsgfIndex([service(served, "solr", monkeypatch)])
        asked = replace(SETTINGS, experiment_ids=["historical"])
        plan = plan_fetch(index, asked, folder=folder and root / folder)
    assert f"MADE-1/historical/r1i1p1f1 is compared with {needed} of MADE-1/piControl/r1i1p1f1" in plan.notes
    archive = Archive(root)
    (historical,) = (plan for plan in plan_runs(archive, archive.runs(**ALL), windows, missing="error") if plan.parent)
    baselines = sorted(historical.baselines.values())
    assert f"{baselines[0].first_year}-{baselines[-1].last_year}" == needed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"years": (1853, 1854)}, [("historical", 1852), ("historical", 1854), ("piControl", 1858)]),
        ({"years": (1853, 1854), "parents": False}, [("historical", 1852), ("historical", 1854)]),
        ({"windows": WINDOWS.replace(years=[(1850, 1851), (1856, 1857)]), "parents": False},
         [("historical", 1850), ("historical", 1856)]),
        # windows that a run does not have need no baseline: of 1900-1901 it would be 1905-1906
        ({"windows": WINDOWS.replace(years=[(1850, 1851), (1900, 1901)])},
         [("historical", 1850), ("piControl", 1854)]),
        ({"windows": WINDOWS.replace(first_year=1855), "parents": False},
         [("historical", 1854), ("historical", 1856)]),
        # of a run that is compared with historical, the reference years; their parallel baseline is 1857 to 1858
        ({"years": (1860, 1900), "experiment_ids": ["ssp585"]},
         [("historical", 1852), ("piControl", 1854), ("piControl", 1858), ("ssp585", 1860)]),
    ],
    ids=["years", "without parents", "windows", "windows of others", "first year", "scenario"],
)  # fmt: skip
def test_only_files_of_the_years_wanted(solr, options, expected):
    plan = plan_fetch(solr, replace(SETTINGS, **{"experiment_ids": ["historical"]} | options))
    for variable_id in SURFACE:
        assert [(experiment, first) for experiment, _, first, _ in names(plan, variable_id)] == expected
    assert sum(file.years is None for file in plan.files) == 3


def test_requested_variants(solr):
    plan = plan_fetch(solr, replace(SETTINGS, variant_labels=["r1i1p1f1", "r10i1p1f1"]))
    assert {name[:2] for name in names(plan)} == {
        ("historical", "r1i1p1f1"), ("historical", "r10i1p1f1"), ("ssp585", "r1i1p1f1"), ("piControl", "r1i1p1f1"),
    }  # fmt: skip
    with pytest.raises(DataError, match=r"not every variant .* zos, tauuo, tauvo, deptho .*: r2i1p1f1 lacks tauvo\.$"):
        plan_fetch(solr, replace(SETTINGS, experiment_ids=["historical"], variant_labels=["r1i1p1f1", "r2i1p1f1"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source_ids": ["MADE-2"]}, ConfigError, r"no model 'MADE-2' with zos\. Did you mean 'MADE-1'\?"),
        ({"experiment_ids": ["ssp858"]}, ConfigError, r"no experiment 'ssp858' of MADE-1 .* Did you mean 'ssp585'\?"),
        (
            {"variant_labels": ["r1i1p1f2"]},
            ConfigError,
            r"none of the variants r1i1p1f2 of MADE-1/historical\. Did you ",
        ),
        ({"variable_ids": ["tauu"]}, ConfigError, r"reads no variable 'tauu'\. Did you mean 'tauuo'\?"),
        ({"variable_ids": ["simass"]}, DataError, r"ESGF has no 'simass' \(SImon\) of MADE-1\.$"),
        (
            {"years": (1990, 2000)},
            DataError,
            r"none of the years .* MADE-1/historical/r1i1p1f1 has 1850-1857: nothing of",
        ),
        ({"source_ids": ["OTHER-2"], "experiment_ids": ["piControl"]}, DataError, r"no 'deptho' \(Ofx\) of OTHER-2"),
    ],
    ids=["model", "experiment", "variant", "variable", "no such variable", "years", "depth"],
)
def test_what_the_index_does_not_have(solr, options, error, message):
    with pytest.raises(error, match=message):
        plan_fetch(solr, replace(SETTINGS, **options))


def test_no_variant_with_all_variables(solr, ocean, tmp_path):
    with serving(tmp_path) as esgf:
        write_fixed(tmp_path, "deptho")
        for variable_id in ("zos", "tauuo"):
            write_series(tmp_path, variable_id, years(1850, 1851))
        write_series(tmp_path, "tauvo", years(1850, 1851), grid_label="gr")
        write_series(tmp_path, "zos", years(1850, 1851), variant_label="r2i1p1f1")
        solr.services[0].url = esgf.address
        with pytest.raises(DataError) as caught:
            plan_fetch(solr, replace(SETTINGS, experiment_ids=["historical"]))
    assert str(caught.value) == (
        "MADE-1/historical: no variant in ESGF has all of zos, tauuo, tauvo, deptho on one grid: "
        "r1i1p1f1 has tauuo on gn, tauvo on gr, zos on gn; r2i1p1f1 lacks tauuo, tauvo."
    )


def test_a_grid_on_which_there_is_no_depth_is_not_taken(solr, tmp_path):
    with serving(tmp_path) as esgf:
        for variable_id in SURFACE:
            for label in ("gn", "gr"):
                write_series(tmp_path, variable_id, years(1850, 1851), grid_label=label)
        write_fixed(tmp_path, "deptho").rename(tmp_path / "elsewhere.nc")
        (version,) = tmp_path.rglob("Ofx/deptho/gn/v*")
        (version.parents[1] / "gr1").mkdir()
        version.rename(version.parents[1] / "gr1" / version.name)
        path = write_fixed(tmp_path, "deptho", experiment_id="abrupt-4xCO2", variant_label="r7i1p1f1")
        path.parents[1].rename(path.parents[1].with_name("gr"))
        solr.services[0].url = esgf.address
        plan = plan_fetch(solr, replace(SETTINGS, experiment_ids=["historical"]))
    assert {file.dataset.grid_label for file in plan.files} == {"gr"}
    # of any experiment, as historical has it on another grid
    assert [file.dataset.run for file in plan.files if file.years is None] == [
        Run("MADE-1", "abrupt-4xCO2", "r7i1p1f1")
    ]
    assert {"ESGF has no areacello of MADE-1 on gr", "ESGF has no sftof of MADE-1 on gr"} <= set(plan.notes)


def test_requested_variables(solr):
    plan = plan_fetch(solr, replace(SETTINGS, variable_ids=["deptho"]))
    assert [file.name for file in plan.files] == ["deptho_Ofx_MADE-1_historical_r1i1p1f1_gn.nc"]
    # a variant need not have the others; its sea level is on two grids, of which gn is the native one
    plan = plan_fetch(solr, replace(SETTINGS, variable_ids=["zos"], variant_labels=["r2i1p1f1"], parents=False,
                                    experiment_ids=["historical"]))  # fmt: skip
    assert {(file.dataset.variable_id, file.dataset.grid_label) for file in plan.files} == {("zos", "gn")}
    with pytest.raises(DataError, match=r"no 'deptho' \(Ofx\) of MADE-2 in any experiment"):
        plan_fetch(solr, replace(SETTINGS, source_ids=["MADE-2"], variable_ids=["deptho"]))


def test_a_header_that_no_data_node_gives_in_parts(solr, esgf, tmp_path):
    esgf.faults = {(node, "*"): "no ranges" for node in "ab"}
    plan = plan_fetch(solr, SETTINGS)
    assert {file.dataset.experiment_id for file in plan.files} == {"historical", "ssp585"}
    note = next(note for note in plan.notes if "cannot be read remotely" in note)
    assert "gives no parts of files (HTTP 200)): once it is fetched, run this again for the parent of MADE-1/" in note
    # then it is read here
    folder = activities_folder(tmp_path)
    download(plan.files, folder)
    again = plan_fetch(solr, SETTINGS, folder=folder)
    assert {file.dataset.experiment_id for file in again.files} == {"historical", "piControl", "ssp585"}
    assert "MADE-1/ssp585/r1i1p1f1 is compared with 1852-1853 of MADE-1/historical/r1i1p1f1" in again.notes


def test_masses_of_sea_ice_come_where_zos_holds_their_weight(solr, ocean, tmp_path):
    quirks = Quirks(sea_ice_depression="left_in", reason="as some do")
    assert [*variables_to_fetch(quirks)][-2:] == ["simass", "sisnmass"]
    plan = plan_fetch(solr, replace(SETTINGS, experiment_ids=["historical"], quirks={"MADE-1": quirks}))
    assert "MADE-1/historical/r1i1p1f1 has no simass, sisnmass on gn" in plan.notes
    assert set(variables_to_fetch(Quirks())) == {*SURFACE, "deptho", "areacello", "sftof"}


def test_the_newest_version_that_is_not_retracted(index, esgf):
    def versions():
        return {file.dataset.version for file in small_plan(index)}

    assert versions() == {"v20200101"}
    esgf.flags["v20210101"] = {}
    assert versions() == {"v20210101"}
    # what is not the latest any more is found when all newer ones are retracted
    esgf.flags = {"v20210101": {"retracted": True}, "v20200101": {"retracted": True}, "v20190101": {"latest": False}}
    index = EsgfIndex(index.services)
    files = index.files(
        dataset for dataset in index.datasets(source_id="MADE-1", experiment_id="historical", variable_id="zos")
        if dataset.version == "v20190101"
    )  # fmt: skip
    assert [file.years for file in files] == [(1850, 1857)]


def test_a_cut_connection_is_resumed(solr, esgf, tmp_path):
    folder = activities_folder(tmp_path)
    file = small_plan(solr)[0]
    esgf.nodes, esgf.faults = ["a"], {("a", file.name): "cut"}
    download([one_node(file)], folder)
    assert file.size // 2 > downloads.PIECE_BYTES
    assert esgf.requests == [("a", file.name, None), ("a", file.name, f"bytes={downloads.PIECE_BYTES}-")]
    assert (folder / file.path).read_bytes() == (esgf.root / "CMIP6" / file.path).read_bytes()

    # a partial file of an earlier call is continued, also from another node
    place = folder / file.path
    content = place.read_bytes()
    place.unlink()
    esgf.requests.clear()
    downloads.part_of(place, file.replicas[1]).write_bytes(content[:1000])
    esgf.faults = {("a", "*"): 503}
    download([file], folder)
    assert esgf.requests == [("a", file.name, "bytes=1000-"), ("b", file.name, "bytes=1000-")]
    assert place.read_bytes() == content and [path.name for path in place.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("fault", ["no ranges", None])
def test_a_file_that_cannot_be_continued_starts_again(solr, esgf, tmp_path, fault):
    folder, file = activities_folder(tmp_path), one_node(small_plan(solr)[0])
    place = folder / file.path
    place.parent.mkdir(parents=True)
    part = downloads.part_of(place, file.replicas[0])
    # a node without byte ranges; and a partial file that belongs to another file
    part.write_bytes((esgf.root / "CMIP6" / file.path).read_bytes()[:1000] if fault else bytes(1000))
    esgf.faults = {("a", file.name): fault}
    download([file], folder)
    assert place.read_bytes() == (esgf.root / "CMIP6" / file.path).read_bytes()
    assert [span for _, _, span in esgf.requests] == (["bytes=1000-"] if fault else ["bytes=1000-", None])


def one_node(file):
    return replace(file, replicas=file.replicas[:1])


@pytest.mark.parametrize("fault", [404, 503, "wrong"])
def test_the_second_replica_is_taken_when_the_first_fails(solr, esgf, tmp_path, fault):
    esgf.faults = {("a", "*"): fault}
    files = small_plan(solr)
    download(files, activities_folder(tmp_path), n_parallel=1)
    # a node that failed once is tried last
    assert [node for node, *_ in esgf.requests] == ["a", "b", "b", "b", "b"]


def test_a_wrong_checksum_is_an_error(solr, esgf, tmp_path):
    files = small_plan(solr)
    esgf.faults = {(node, files[0].name): "wrong" for node in "ab"}
    with pytest.raises(DataError) as caught:
        download(files, activities_folder(tmp_path))
    expected = files[0].replicas[0].checksum
    assert re.search(
        rf"{files[0].name} could not be fetched from any of 2 data nodes: 127\.0\.0\.1:\d+: expected sha256 "
        rf"{expected}, got (?!{expected})[0-9a-f]{{64}}; ",
        str(caught.value),
    )
    # each node once, nothing of it is left, and the others are there
    assert Counter(name for _, name, _ in esgf.requests)[files[0].name] == 2
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [file.name for file in files[1:]]


@pytest.mark.parametrize("spoil", [lambda content: content[:-10], lambda content: content[:-1] + b"\0"])
def test_another_file_of_that_name_is_left_as_it_is(solr, esgf, tmp_path, spoil):
    folder, file = activities_folder(tmp_path), small_plan(solr)[0]
    place = folder / file.path
    place.parent.mkdir(parents=True)
    place.write_bytes(other := spoil((esgf.root / "CMIP6" / file.path).read_bytes()))
    with pytest.raises(
        DataError, match=r"is there, but is not the file of ESGF: expected (sha256|\d+ bytes).*remove it"
    ):
        download([file], folder)
    assert place.read_bytes() == other and not esgf.requests


def test_files_without_checksum_or_size_are_taken_with_a_warning(solr, esgf, tmp_path, caplog):
    folder, file = activities_folder(tmp_path), one_node(small_plan(solr)[0])
    bare = replace(file, replicas=tuple(r._replace(size=0, algorithm=None, checksum=None) for r in file.replicas))
    download([bare], folder)
    assert (folder / file.path).read_bytes() == (esgf.root / "CMIP6" / file.path).read_bytes()
    assert f"{file.name}: the index gives no checksum" in caplog.text
    assert download([bare], folder).n_present == 1


def test_no_data_node_answers(solr, esgf, tmp_path):
    files = small_plan(solr)[:1]
    files = [replace(f, replicas=(f.replicas[0]._replace(url="http://127.0.0.1:1/x.nc"),)) for f in files]
    with pytest.raises(DataError, match=r"could not be fetched from any of 1 data nodes: 127.0.0.1:1: no connection"):
        download(files, activities_folder(tmp_path))


def test_two_processes_do_not_write_one_file(solr, esgf, tmp_path, monkeypatch):
    folder, file = activities_folder(tmp_path), one_node(small_plan(solr)[0])
    place = folder / file.path
    place.parent.mkdir(parents=True)
    with downloads.part_of(place, file.replicas[0]).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="is being fetched by another process"):
            download([file], folder)

    def no_locks(stream, how):
        raise OSError(errno.ENOSYS, "Function not implemented")  # Lustre mounted without flock

    monkeypatch.setattr(downloads.fcntl, "flock", no_locks)
    assert download([file], folder).n_fetched == 1


@pytest.mark.parametrize(("code", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EFBIG, "files must not be")])
def test_a_full_disk(code, reason, solr, tmp_path, monkeypatch):
    files = small_plan(solr)
    usage = downloads.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"0\.0 GB are free\. Ask for fewer"):
        download(files, activities_folder(tmp_path))
    monkeypatch.undo()

    def full(descriptor):
        raise OSError(code, "No space left on device")

    monkeypatch.setattr(downloads.os, "fsync", full)
    with pytest.raises(DataError, match=rf"zos_Omon_.* is not complete: {reason}.*\. Free some space"):
        download(files, activities_folder(tmp_path))
    assert not list(tmp_path.rglob("*.nc"))


def test_no_index_answers(esgf, monkeypatch, caplog):
    from intake_esgf.core import SolrESGFIndex

    gone = SolrESGFIndex("gone")
    gone.url = "http://127.0.0.1:1"
    with pytest.raises(DataError, match=r"No index of ESGF answered; SolrESGFIndex\('gone'\): no connection\. Check"):
        plan_fetch(EsgfIndex([gone]), SETTINGS)
    # one answering index is enough
    both = EsgfIndex([gone, service(esgf, "solr", monkeypatch)])
    assert len(small_plan(both)) == 4
    assert "SolrESGFIndex('gone') gave no answer (no connection): results may be incomplete" in caplog.text


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "intake_esgf", None)
    with pytest.raises(ConfigError, match=r"not installed: intake_esgf\. Install it with `pip install 'thor\[esgf\]'`"):
        EsgfIndex()


def test_an_index_cannot_name_files_outside_the_archive(solr, esgf, ocean):
    assert parse_dataset("CMIP6.CMIP.THOR.MADE-1.historical.r1i1p1f1.Omon.zos.gn.v20200101|a") is not None
    assert parse_dataset("CMIP6.CMIP.THOR.../x.historical.r1i1p1f1.Omon.zos.gn.v20200101|a") is None
    assert parse_dataset("CMIP6.CMIP.THOR./etc.historical.r1i1p1f1.Omon.zos.gn.v20200101|a") is None
    assert parse_dataset("CMIP6.CMIP.THOR.MADE-1.historical.r1i1p1f1.Omon.zos.gn.latest|a") is None
    record = {"dataset_id": "CMIP6.CMIP.THOR.MADE-1.historical.r1i1p1f1.Omon.zos.gn.v20200101|a", "path": "../../.nc"}
    solr.services[0].get_file_info = lambda **options: [record | {"HTTPServer": ["http://127.0.0.1/x"]}]
    datasets = solr.datasets(source_id="MADE-1", variable_id="zos", experiment_id="ssp585")
    with pytest.raises(DataError, match="but no file of it that can be fetched by HTTP"):
        solr.files(datasets)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("SHA256", "AB" * 32), ("sha256", "ab" * 32)),
        (("sha-256", "ab" * 32), ("sha256", "ab" * 32)),
        (("MD5", "cd" * 16), ("md5", "cd" * 16)),
        ((None, "sha256:" + "ab" * 32), ("sha256", "ab" * 32)),
        ((None, "1220" + "ab" * 32), ("sha256", "ab" * 32)),  # multihash
        ((None, None), (None, None)),
        (("crc32", "abcd"), (None, None)),
    ],
)
def test_forms_of_a_checksum(given, expected):
    assert parse_checksum(*given) == expected


def test_where_an_archive_begins(tmp_path):
    assert activities_folder(tmp_path / "new") == tmp_path / "new" / "CMIP6"
    assert activities_folder(tmp_path / "CMIP6") == tmp_path / "CMIP6"
    (tmp_path / "flat" / "ScenarioMIP").mkdir(parents=True)
    assert activities_folder(tmp_path / "flat") == tmp_path / "flat"
    (tmp_path / "flat" / "CMIP6").mkdir()
    assert activities_folder(tmp_path / "flat") == tmp_path / "flat" / "CMIP6"


# -- the command -------------------------------------------------------------------------------------------------------
ANNOUNCED = """
from concurrent.futures import ThreadPoolExecutor

import thor.reading.download as downloads
from thor.app.program import main


class Pool(ThreadPoolExecutor):
    def shutdown(self, *arguments, **options):
        print("ending", flush=True)
        super().shutdown(*arguments, **options)


downloads.ThreadPoolExecutor = Pool
main()
"""
"""`thor`, which prints a line when its downloads are to end."""


def started(folder, esgf, *arguments, program="thor"):
    """Start `thor archive fetch` with intake-esgf's default index, whose service is here."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "GLOBUS_SDK_SERVICE_URL_SEARCH": f"{esgf.address}/", "THOR_ARCHIVE_ROOT": ""}
    return programs.started(program, "archive", "fetch", *arguments, folder=folder, **environment)


def fetched_by_command(folder, esgf, *arguments, code=0):
    process = started(folder, esgf, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err
    return out, " ".join(err.split())


def test_the_command(esgf, tmp_path):
    options = ("--source", "MADE-1", "--experiment", "historical,ssp585", "--years", "1856-1861", "--root", "archive")
    out, err = fetched_by_command(tmp_path, esgf, *options, "--dry-run")
    assert not (tmp_path / "archive").exists() and not esgf.fetched()
    listed = [line.split()[-1] for line in out.splitlines() if line.endswith(".nc")]
    # historical 1856; 1995-2014 for ssp585 is not there; piControl 1861-1866; ssp585 1858, 1860
    sea_level = [re.search(r"(\w+)/r1i1p1f1/Omon/zos/gn/v20200101/.*_(\d{4})", name) for name in listed]
    assert [match.groups() for match in sea_level if match] == [
        ("historical", "1856"), ("piControl", "1858"), ("piControl", "1862"), ("ssp585", "1858"), ("ssp585", "1860"),
    ]  # fmt: skip
    assert re.search(r"MADE-1: 18 files, \d+\.\d [kM]B; 18 to fetch, \d+", out)
    assert "Nothing was fetched (--dry-run)." in out
    assert "Note: MADE-1/historical/r1i1p1f1 has 1850-1857: nothing of 1995-2014." in err

    out, err = fetched_by_command(tmp_path, esgf, *options)
    assert "Fetched 18 files" in out and f"set archive_root: {tmp_path / 'archive'} in conf/local/globals.yml" in out
    assert {str(path.relative_to(tmp_path / "archive/CMIP6")) for path in tmp_path.rglob("*.nc")} == set(listed)
    out, err = fetched_by_command(tmp_path, esgf, *options)
    assert "18 files" in out and "0 to fetch" in out and "Fetched 0 files" in out and "18 were there already" in out
    _, err = fetched_by_command(tmp_path, esgf, "--source", "MADE-1", "--experiment", "historical", code=1)
    assert "ConfigError: archive_root is idealized, which is no folder to fetch into. Name one with --root" in err


def test_where_the_command_does_not_fetch_to(tmp_path):
    for root in (None, "idealized", "https://somewhere/cmip6.json", "made.json"):
        with pytest.raises(ConfigError, match="is no folder to fetch into"):
            archive_folder({"archive_root": root})
    with pytest.raises(ConfigError, match=r"archive_root is a list, .*Name the folder to fetch into with --root"):
        archive_folder({"archive_root": [str(tmp_path)]})
    with pytest.raises(ConfigError, match=r"gone does not exist\. Make that folder"):
        archive_folder({"archive_root": str(tmp_path / "gone")})
    assert archive_folder({"archive_root": str(tmp_path)}) == tmp_path
    for folder in ("01_raw/archive/CMIP6", "01_raw/archive"):
        with pytest.raises(ConfigError, match="is the idealized archive"):
            refuse_idealized(tmp_path / folder, {"data_root": str(tmp_path)})
    refuse_idealized(tmp_path / "01_raw/archive_2/CMIP6", {"data_root": str(tmp_path)})


def test_options_of_the_command():
    from click.testing import CliRunner

    result = CliRunner().invoke(archive, ["fetch", "--source", "A,B", "--source", "C A", "--years", "1990"])
    assert (
        result.exit_code == 2 and "'1990' is no span of years. Expected FIRST-LAST, such as 1995-2014." in result.output
    )
    context = fetch_command.make_context("fetch", ["--source", "A,B", "--source", "C A", "--years", "1990-1999"])
    assert context.params["source"] == ["A", "B", "C"] and context.params["years"] == (1990, 1999)
    assert context.params["with_parents"] is True and context.params["parallel"] == downloads.N_PARALLEL


def test_an_interrupt_leaves_nothing_half_written(esgf, tmp_path):
    options = ("--source", "MADE-1", "--experiment", "piControl", "--variables", "zos", "--root", "archive")
    (tmp_path / "announced.py").write_text(ANNOUNCED)
    slow = sorted((esgf.root / "CMIP6/CMIP/THOR/MADE-1/piControl").rglob("zos*.nc"))[-1].name
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        esgf.faults = {(node, slow): "slow" for node in "ab"}
        esgf.requests.clear()
        process = started(tmp_path, esgf, *options, program="announced")
        wait_until(lambda: slow in esgf.fetched() and len([*tmp_path.rglob("*.nc")]) == 3)  # all others are whole
        wait_until(lambda: any(p.stat().st_size >= downloads.PIECE_BYTES for p in tmp_path.rglob("*.part")))
        process.send_signal(number)
        assert "ending\n" in iter(process.stdout.readline, "")
        esgf.waiting.set()  # the other bytes arrive, but are no longer needed
        out, err = process.communicate(timeout=60)
        esgf.waiting.clear()
        assert process.returncode == code, out + err
        (part,) = tmp_path.rglob("*.part")
        assert part.name.startswith(f".{slow}.") and slow not in {path.name for path in tmp_path.rglob("*.nc")}
    n_bytes = part.stat().st_size
    assert n_bytes >= downloads.PIECE_BYTES
    esgf.faults.clear()
    esgf.requests.clear()
    out, _ = fetched_by_command(tmp_path, esgf, *options)
    assert "Fetched 1 file, " in out and "3 were there already" in out
    assert [span for _, name, span in esgf.requests if name == slow] == [f"bytes={n_bytes}-"]
    assert not list(tmp_path.rglob("*.part"))
