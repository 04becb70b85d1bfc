"""`kedro stage` as a user starts it: one small project passes its table to another."""

import json
import shutil
import signal

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import xarray as xr

from tests.app.test_cli import project, run  # noqa: F401 (`project` is a fixture)
from tests.made_fields import make_regimes
from tests.programs import finished, started
from tests.waiting import wait_until
from thor.app.stage import _places, _Project, check_fields
from thor.core.contracts import check
from thor.core.errors import DataError, UnitsError
from thor.datasets import FieldCollection, OptionalFigureDataset, TableDataset
from thor.datasets.netcdf import write
from thor.datasets.saves import Saves
from thor.handover import Place, pack, unpack


def stage(folder, *arguments, code=0):
    """Return the output of the command after checking its exit code."""
    done = finished("kedro", "stage", *arguments, folder=folder)
    out, err = done.stdout, done.stderr
    assert done.returncode == code, out + err
    assert "Traceback" not in out + err
    assert len(err.splitlines()) <= 12
    return out, " ".join(err.split())


def test_a_stage_is_transferred_from_one_project_to_another(project, tmp_path_factory):  # noqa: F811
    other = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(project, other)
    _, err = stage(project, "pack", "first", code=1)
    assert "1 of the outputs of 'first' are missing: table (data/table.csv)" in err
    assert "Make them with `kedro run --pipelines first`" in err

    assert run(project, "--pipelines", "first")[0] == 0
    out, err = stage(project, "pack", "first")
    archive = project / "thor_first_base.tar.gz"
    checksum = out.split()[-1]
    assert f"thor stage unpack {archive.name} --sha256 {checksum}" in out and err == ""

    out, _ = stage(other, "verify", archive, "--sha256", checksum)
    assert "The one file is present and agrees with the manifest." in out and checksum in out
    _, err = stage(other, "verify", archive, "--sha256", "0" * 64, code=1)
    assert "It is not the archive that was announced" in err

    out, _ = stage(other, "unpack", archive, "--sha256", checksum)
    assert "1 dataset put in place below data/, 0 were there already." in out
    assert "Go on with `kedro run --pipelines second`" in out
    assert (other / "data/table.csv").read_bytes() == (project / "data/table.csv").read_bytes()
    code, out, err = run(other, "--pipelines", "second")
    assert code == 0 and json.loads((other / "data/metrics.json").read_text()) == {"total": 6}, out + err
    # the record of this project names the run that made the table
    entry = json.loads((other / "data/logs/run_record.json").read_text())["datasets"]["table"]
    assert (entry["made_by"]["node"], entry["made_by"]["pipeline"]) == ("make_table", "first")
    assert entry["made_by"]["run"]["parameters"] == {"mini": {"n_cells": 4, "behaviour": "work"}}

    _, err = stage(other, "unpack", archive, "--sha256", checksum)
    assert "belong together" not in err
    # another table does not belong to the metrics
    assert run(project, "--pipelines", "first", "--params", "mini.n_cells=5")[0] == 0
    stage(project, "pack", "first", "--output", "larger.tar")
    assert run(other, "--pipelines", "second")[0] == 0
    _, err = stage(other, "unpack", project / "larger.tar", "--force")
    assert "metrics, made from other versions of table than those in the folder." in err
    assert "another table.csv (handed over). Make them again with `kedro run`" in err
    _, err = stage(other, "unpack", archive, "--force")
    assert "belong together" not in err

    (other / "data/table.csv").write_text("value\n7\n")
    _, err = stage(other, "unpack", archive, code=1)
    assert "Other files lie below" in err and "table (table.csv)" in err
    assert (other / "data/table.csv").read_text() == "value\n7\n"
    _, err = stage(other, "pack", "first", code=1)
    assert "'table' (table.csv) differs from the run record" in err and "--accept-changed" in err
    assert not list(other.glob("*.tar*"))
    out, err = stage(other, "pack", "first", "--accept-changed", "--output", "changed.tar")
    assert "changed after the run on record: table" in err and "Made by" not in out


def test_an_interrupt_leaves_nothing(project):  # noqa: F811
    """The file is large enough that the command still runs when the signal comes, after the first bytes are on disk."""
    place = Place(name="table", type="TableDataset", layer="", path="table.csv", folder=False, contract=None)
    data = project / "data"
    data.mkdir()
    with (data / "table.csv").open("wb") as file:
        file.truncate(400 * 2**20)
    archive, _, _ = pack(
        [place], project / "large.tar.gz", root=data, pipeline="first", environment="base", thor_version="0"
    )
    shutil.rmtree(data)
    before = sorted(path.name for path in project.iterdir())
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = started("kedro", "stage", "unpack", archive, folder=project)
        wait_until(lambda: list(project.glob(".thor-stage-*/*")))
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, out + err
        assert sorted(path.name for path in project.iterdir()) == before
        assert err.splitlines()[-1] == ("Interrupted." if number == signal.SIGINT else "Terminated.")


def test_the_numbers_beside_a_figure_are_packed_with_it(tmp_path):
    class Project(_Project):
        def __init__(self, catalog, root):
            self._catalog, self.root = catalog, root
            self.places = {p.name: p for name in catalog for p in _places(name, catalog[name], root, root)}

    figure, ax = plt.subplots()
    ax.plot([1.0, 2.0], [3.0, 4.0], label="area")
    catalog = {
        "curves": OptionalFigureDataset(filepath=str(tmp_path / "sender/08_reporting/curves.png")),
        "table": TableDataset(filepath=str(tmp_path / "sender/08_reporting/table.csv")),
    }
    catalog["curves"].save(figure)
    catalog["table"].save(pd.DataFrame({"value": [1.0]}))
    sender = Project(catalog, tmp_path / "sender")
    assert set(sender.places) == {"curves", "curves.csv", "curves.nc", "table"}
    assert sender.numbers_of(catalog) == ["curves.csv"]
    about = {"pipeline": "reporting", "environment": "test", "thor_version": "1"}
    places = [sender.places[name] for name in (*catalog, *sender.numbers_of(catalog))]
    archive, _, _ = pack(places, tmp_path / "stage.tar", root=sender.root, **about)
    there = tmp_path / "receiver"
    received = unpack(archive, sender.places, root=there, record=there / "logs/run_record.json")
    assert received.placed == ["curves", "curves.csv", "table"]
    numbers = "08_reporting/curves.csv"
    assert (there / numbers).read_bytes() == (sender.root / numbers).read_bytes()


def test_a_folder_that_is_not_finished_is_not_packed(tmp_path):
    class Project(_Project):
        def __init__(self, catalog, root):
            self._catalog, self.root = catalog, root
            self.places = {p.name: p for name in catalog for p in _places(name, catalog[name], root, root)}

    collection = FieldCollection(path=str(tmp_path / "07_model_output/runs"))
    collection.save({"one": ("a", lambda: xr.Dataset({"value": ("x", [1.0])}))})
    stages = Project({"runs": collection}, tmp_path)
    stages.require_outputs("tracking", iter(["runs"]))
    Saves(tmp_path / "07_model_output/runs").begin()
    with pytest.raises(DataError, match="is not finished: its last save was interrupted"):
        stages.require_outputs("tracking", iter(["runs"]))


@pytest.mark.parametrize("in_memory", [100_000_000, 0], ids=["in memory", "block by block"])
@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (lambda regimes: regimes["regime_votes"].attrs.update(units="m"), UnitsError, "'regime_votes' has units 'm'"),
        (lambda regimes: regimes["regime_votes"].__imul__(2.0), DataError, "regime_votes"),
        (None, DataError, "05_model_input/regimes.nc of the archive cannot be read as NetCDF"),
    ],
    ids=["units", "values", "no NetCDF"],
)
def test_fields_that_break_their_contract_are_not_put_in_place(tmp_path, monkeypatch, fault, error, message, in_memory):
    monkeypatch.setattr("thor.app.stage._IN_MEMORY", in_memory)
    checked = []
    monkeypatch.setattr(
        "thor.core.contracts.check", lambda data, *of, **at: checked.append(data) or check(data, *of, **at)
    )
    place = Place(
        name="regimes",
        type="FieldDataset",
        layer="model_input",
        path="05_model_input/regimes.nc",
        folder=False,
        contract="regimes",
    )
    regimes, file = make_regimes(), tmp_path / "sender" / place.path

    def unpack_stage():
        about = {"pipeline": "clustering", "environment": "test", "thor_version": "1"}
        archive, _, _ = pack([place], tmp_path / "stage.tar", root=tmp_path / "sender", **about)
        unpack(
            archive,
            {"regimes": place},
            root=tmp_path / "receiver",
            record=tmp_path / "receiver/logs/run_record.json",
            check=check_fields,
        )

    file.parent.mkdir(parents=True)
    if fault is None:
        file.write_bytes(b"CDF and nothing behind it")
    else:
        fault(regimes)
        write(regimes, file)
    with pytest.raises(error, match=message):
        unpack_stage()
    assert not (tmp_path / "receiver").exists()
    write(make_regimes(), file)
    unpack_stage()
    assert (tmp_path / "receiver" / place.path).read_bytes() == file.read_bytes()
    assert {data["regime_votes"].chunks is None for data in checked} == {in_memory > 0}
