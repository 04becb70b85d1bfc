"""The run record: which run made each file, its time and memory, and whether the file is unchanged."""

import errno
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from thor.core.checksums import file_checksums, file_sha256, files_of, sha256
from thor.core.errors import DataError
from thor.core.run_record import RunRecord


@pytest.fixture
def record(tmp_path):
    (tmp_path / "table.csv").write_text("a\n1\n")
    record = RunRecord(tmp_path / "logs/run_record.json", data_root=tmp_path)
    record.start_run("run_1", {"git": "abc", "seed": 1, "parameters": {}})
    record.node("make_table", pipeline="first", seconds=1.5, peak_memory_mb=100.04)
    record.saved("table", tmp_path / "table.csv", node="make_table")
    record.write()
    return record


def test_a_second_run_keeps_what_it_did_not_touch_and_drops_runs_without_traces(record, tmp_path):
    second = RunRecord(record.path, data_root=tmp_path)
    second.start_run("run_2", {})
    second.write()
    third = RunRecord(record.path, data_root=tmp_path)
    third.start_run("run_3", {})
    content = json.loads(record.path.read_text())
    assert set(content["runs"]) == {"run_1", "run_3"}
    assert content["nodes"]["make_table"]["seconds"] == 1.5
    assert content["nodes"]["make_table"]["peak_memory_mb"] == 100.0
    entry = content["datasets"]["table"]
    assert (entry["path"], entry["node"], entry["run"]) == ("table.csv", "make_table", "run_1")
    assert entry["sha256"] == sha256(tmp_path / "table.csv")


def test_two_runs_at_once_keep_the_entries_of_each_other(record, tmp_path):
    first, second = (RunRecord(record.path, data_root=tmp_path) for _ in range(2))
    first.start_run("run_2", {})
    second.start_run("run_3", {})
    (tmp_path / "other.csv").write_text("b\n2\n")
    second.saved("other", tmp_path / "other.csv", node="make_other")
    second.node("make_other", pipeline="second", seconds=2.0, peak_memory_mb=1.0)
    second.write()
    first.node("make_table", pipeline="first", seconds=9.0, peak_memory_mb=1.0)
    first.write()
    content = json.loads(record.path.read_text())
    assert {name: node["seconds"] for name, node in content["nodes"].items()} == {"make_table": 9.0, "make_other": 2.0}
    assert set(content["datasets"]) == set(content["files"]) == set(content["contents"]) == {"table", "other"}
    assert set(content["runs"]) == {"run_1", "run_2", "run_3"}
    (tmp_path / "other.csv").unlink()
    first.refresh()
    first.write()
    second.write()
    assert set(json.loads(record.path.read_text())["datasets"]) == {"table"}


def test_the_run_that_makes_a_file_prevails_over_one_that_only_reads_it(record, tmp_path):
    maker, reader = (RunRecord(record.path, data_root=tmp_path) for _ in range(2))
    maker.start_run("run_2", {})
    reader.start_run("run_3", {})
    (tmp_path / "table.csv").write_text("a\n22\n")
    reader.refresh()  # the file is there, and not on record yet
    maker.saved("table", tmp_path / "table.csv", node="make_table")
    maker.write()
    reader.write()
    entry = json.loads(record.path.read_text())["datasets"]["table"]
    assert (entry["node"], entry["run"]) == ("make_table", "run_2")


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(record, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"

    def read_and_replaced(path):
        files = file_checksums(path)
        table.write_text("a\n333\n")
        return files

    table.write_text("a\n22\n")
    with monkeypatch.context() as replaced:
        replaced.setattr("thor.core.run_record.file_checksums", read_and_replaced)
        record.refresh()
    record.refresh()
    assert record.content["datasets"]["table"]["sha256"] == sha256(table)


def test_a_file_that_another_run_removes_while_its_folder_is_read_stops_no_run(record, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    folder.mkdir()
    for name in ("one", "unfinished"):
        (folder / name).write_text("1")

    def read_and_removed(file):
        (folder / "unfinished").unlink(missing_ok=True)
        return file_sha256(file)

    with monkeypatch.context() as removed:
        removed.setattr("thor.core.checksums.file_sha256", read_and_removed)
        record.loaded("runs", folder)
    record.loaded("runs", folder)
    assert set(record.content["files"]["runs"]) == {"one"}


def test_many_processes_write_one_record_in_turn(tmp_path):
    def work(number):
        record = RunRecord(tmp_path / "record.json", data_root=tmp_path)
        record.start_run(f"run_{number}", {})
        for step in range(5):
            record.node(f"node_{number}_{step}", pipeline="first", seconds=1.0, peak_memory_mb=1.0)
            record.write()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    content = json.loads((tmp_path / "record.json").read_text())
    assert (len(content["nodes"]), len(content["runs"])) == (20, 4)


def test_a_disk_without_locks_keeps_a_record(tmp_path, monkeypatch):
    def acquire(*arguments, **options):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    record = RunRecord(tmp_path / "logs/run_record.json", data_root=tmp_path)
    record.start_run("run_1", {})
    record.node("make_table", pipeline="first", seconds=1.5, peak_memory_mb=100.0)
    record.write()
    assert "make_table" in json.loads(record.path.read_text())["nodes"]


def test_a_file_from_elsewhere_is_distinguished_from_one_of_a_run(record, tmp_path):
    record.loaded("table", tmp_path / "table.csv")
    assert record.content["datasets"]["table"]["node"] == "make_table"
    (tmp_path / "table.csv").write_text("a\n1234\n")
    record.loaded("table", tmp_path / "table.csv")
    assert record.content["datasets"]["table"]["node"] is None
    assert record.content["datasets"]["table"]["sha256"] == sha256(tmp_path / "table.csv")


def test_what_lies_elsewhere_is_not_read(record, tmp_path_factory):
    other = tmp_path_factory.mktemp("archive")
    (other / "huge.nc").write_bytes(b"0")
    record.loaded("archive", other)
    assert "archive" not in record.content["datasets"]


def test_a_folder_has_one_checksum_of_names_and_contents(tmp_path):
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a/one.nc").write_bytes(b"1")
    (folder / ".two.tmp").write_bytes(b"2")
    first = sha256(folder)
    assert files_of(folder) == [folder / "a/one.nc"]
    (folder / ".two.tmp").unlink()
    assert sha256(folder) == first
    (folder / "a/one.nc").rename(folder / "a/uno.nc")
    assert sha256(folder) != first


def test_each_file_of_a_folder_has_its_checksum(record, tmp_path):
    (tmp_path / "folder/a").mkdir(parents=True)
    for name in ("a/one.nc", "two.nc", ".three.nc"):
        (tmp_path / "folder" / name).write_text(name)
    record.saved("folder", tmp_path / "folder", node="make_table")
    record.write()
    content = json.loads(record.path.read_text())
    assert content["files"]["folder"] == {name: sha256(tmp_path / "folder" / name) for name in ("a/one.nc", "two.nc")}
    assert content["files"]["table"] == {".": sha256(tmp_path / "table.csv")}
    assert content["datasets"]["folder"]["sha256"] == sha256(tmp_path / "folder")


@pytest.mark.parametrize("text", ["{half", "[1]", '{"runs": [1]}', "1"])
def test_a_damaged_record_is_begun_anew_with_a_warning(tmp_path, text, caplog):
    (tmp_path / "record.json").write_text(text)
    record = RunRecord(tmp_path / "record.json", data_root=tmp_path)
    record.start_run("run", {})
    assert set(json.loads((tmp_path / "record.json").read_text())["runs"]) == {"run"}
    assert "record.json: the record of earlier runs cannot be read" in caplog.text


def test_a_record_that_cannot_be_written_gives_a_warning(tmp_path):
    (tmp_path / "logs").write_text("a file where a folder is needed")
    record = RunRecord(tmp_path / "logs/record.json", data_root=tmp_path)
    with pytest.raises(DataError, match="record.json was not written"):
        record.start_run("run", {})
