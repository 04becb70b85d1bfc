"""Results that do not belong together are named, and nothing else is."""

import json
import shutil

import pytest
import xarray as xr

from thor.core.fingerprint import ATTRIBUTE
from thor.core.mixing import mismatches, mixed_results, outdated
from thor.core.run_record import RunRecord

CHAIN = {
    "features": ("data_engineering", ()),
    "regimes": ("regime_clustering", ()),
    "ensemble": ("modelling", ("features", "regimes")),
    "skill_metrics": ("modelling", ("ensemble",)),
    "relevance": ("explainability", ("ensemble", "features")),
    "report": ("reporting", ("regimes", "relevance")),
}
"""Each dataset: the pipeline that makes it and from what."""


class Folder:
    """A data folder in which nodes are run."""

    def __init__(self, root):
        self.root = root
        self.record = RunRecord(root / "logs/run_record.json", data_root=root)

    def path(self, name):
        return self.root / f"{name}.nc"

    def make(self, *names, content="1", mark="code 1"):
        """Run the nodes that make these datasets, in one run of the content given."""
        self.record.start_run(f"run_{content}_{mark}", {"run": {"env": "test"}})
        self.record.refresh()
        for name in names:
            pipeline, inputs = CHAIN[name]
            for source in inputs:
                self.record.loaded(source, self.path(source))
            xr.Dataset({name: ("x", [float(content)])}, attrs={ATTRIBUTE: mark}).to_netcdf(self.path(name))
            self.record.saved(name, self.path(name), node=f"make_{name}", inputs=inputs)
            self.record.node(f"make_{name}", pipeline=pipeline, seconds=1.0, peak_memory_mb=1.0)
        self.record.write()
        return self

    def mixed(self, names=None, **options):
        """Sentences for the folder as it is, as a later program reads it."""
        record = RunRecord(self.record.path, data_root=self.root)
        record.refresh()
        return mixed_results(record.content, names, **options)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path).make(*CHAIN)


def test_a_complete_run_belongs_together(folder):
    assert folder.mixed() == []
    assert folder.make(*CHAIN, content="2").mixed() == []


def test_new_regimes_do_not_belong_to_old_networks(folder):
    folder.make("regimes", content="2")
    first, second, third = folder.mixed()
    assert first == (
        "Results that do not belong together: ensemble, made from other versions of regimes than those in the folder."
    )
    assert second.startswith("ensemble.nc (of 20") and ") was made from another regimes.nc (of 20" in second
    assert "`kedro run --env test --pipelines modelling,explainability,reporting`" in third
    assert outdated(folder.record.content, {"ensemble"}) == {"ensemble", "skill_metrics", "relevance", "report"}


def test_the_command_given_repairs(folder):
    folder.make("regimes", content="2")
    assert folder.make("ensemble", "skill_metrics", "relevance", "report", content="2").mixed() == []


def test_pipelines_one_after_the_other(folder):
    folder.make("regimes", content="2")
    folder.make("ensemble", content="2")
    first, _, third = folder.mixed(command="thor run")
    assert "relevance, skill_metrics, made from other versions of ensemble" in first
    assert "`thor run --pipelines" in third
    folder.make("skill_metrics", "relevance", content="2")
    assert "report, made from other versions of regimes, relevance" in folder.mixed()[0]
    assert folder.mixed(without={"reporting"}) == []


def test_the_same_content_belongs_together(folder):
    folder.make("regimes")  # again
    assert folder.mixed() == []
    folder.make("regimes", mark="code 2")  # other bytes: the code that makes them was edited
    assert folder.mixed() == []
    folder.make("regimes", content="2")
    assert folder.mixed() != []
    folder.make("regimes", content="1")  # back to the first seed
    assert folder.mixed() == []


def test_a_copy_of_a_folder_belongs_together_and_keeps_its_origin(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(folder.root, copy, copy_function=shutil.copyfile)
    assert Folder(copy).mixed() == []
    copied = Folder(copy)
    copied.record.refresh()
    assert copied.record.content["datasets"]["regimes"]["node"] == "make_regimes"
    folder.make("regimes", content="2")
    shutil.copyfile(folder.path("regimes"), copied.path("regimes"))
    _, second, _ = copied.mixed()
    assert "regimes.nc (changed or put there by hand)" in second


def test_what_is_gone_is_not_compared(folder):
    folder.make("regimes", content="2")
    folder.path("ensemble").unlink()
    folder.path("report").unlink()
    assert folder.mixed() == []
    folder.make("ensemble", content="2")
    assert "relevance" in folder.mixed()[0]


def test_only_what_a_run_reads_and_does_not_make_is_reported(folder):
    folder.make("regimes", content="2")
    assert folder.mixed(["relevance"]) == folder.mixed(), "its networks are older than the regimes"
    assert folder.mixed(["features"]) == []
    assert folder.mixed(["relevance"], without={"ensemble"}) == []
    assert folder.mixed(["relevance"], without={"regimes"}) == []


def test_the_record_of_an_older_version_reports_nothing_and_is_completed(folder):
    content = json.loads(folder.record.path.read_text())
    for entry in content["datasets"].values():
        del entry["content"], entry["made_from"]
    del content["contents"]
    folder.record.path.write_text(json.dumps(content))
    old = Folder(folder.root).make("ensemble")
    assert mismatches(old.record.content) == []
    assert mismatches(old.make("regimes", content="2").record.content) == [("ensemble", "regimes")]
