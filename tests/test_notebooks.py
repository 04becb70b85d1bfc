"""The notebooks: stripped in git, and executed on the outputs of the test environment; what they show is asserted."""

import json
import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import xarray as xr
from nbclient import NotebookClient

from notebooks.strip import FOLDER, stripped
from tests.kedro_runs import kedro
from tests.programs import finished
from thor.attribution.fields import nearest_cell

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


class Executed:
    """A notebook after its execution: what it printed, what it drew, and the value of an expression at its end."""

    def __init__(self, name, root, *, value="None", **parameters):
        notebook = nbformat.read(FOLDER / name, as_version=4)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", ()):
                # A name that the cell does not set would change nothing.
                assert set(parameters) <= set(re.findall(r"^(\w+) = ", cell.source, re.M))
                cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
        notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint('value:', json.dumps({value}))"))
        environment = os.environ | {"KEDRO_ENV": "test", "THOR_TEST_ROOT": str(root), "DO_NOT_TRACK": "true"}
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute(env=environment)
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        streams = {kind: [o["text"] for o in outputs if o.get("name") == kind] for kind in ("stdout", "stderr")}
        shown = [output["data"] for output in outputs if "data" in output]
        assert streams["stderr"] == []
        self.text = "\n".join([*streams["stdout"], *(data.get("text/plain", "") for data in shown)])
        self.tables = [data["text/html"] for data in shown if "<table" in data.get("text/html", "")]
        self.n_figures = sum("image/png" in data for data in shown)
        self.value = json.loads(streams["stdout"][-1].rpartition("value: ")[2])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_names_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert text == stripped(path), "run `make format`"
    assert not re.search(r"(?<![\w.:/])/(work|home|root|Users|tmp)/", text)
    links = re.findall(r"\]\(([^)#]+)", text)
    assert all((FOLDER / link).exists() for link in links if not link.startswith("http")), links


def test_outputs_and_counts_are_taken_out(tmp_path):
    ran = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python", "version": "3.0"}})
    ran.cells = [
        nbformat.v4.new_code_cell("1", execution_count=3, metadata={"tags": ["parameters"], "collapsed": True})
    ]
    ran.cells[0].outputs = [nbformat.v4.new_output("stream", text="/home/someone")]
    nbformat.write(ran, tmp_path / "ran.ipynb")
    done = subprocess.run([sys.executable, FOLDER / "strip.py", tmp_path / "ran.ipynb"], check=False)
    assert done.returncode == 0
    (cell,) = nbformat.read(tmp_path / "ran.ipynb", as_version=4).cells
    assert (cell.outputs, cell.execution_count, cell.metadata) == ([], None, {"tags": ["parameters"]})


def test_the_list_of_notebooks_is_complete():
    assert re.findall(r"\]\((\S+\.ipynb)\)", (FOLDER / "README.md").read_text()) == [path.name for path in NOTEBOOKS]


def test_a_first_look_shows_the_numbers_of_the_run(whole_run):
    root, _ = whole_run
    look = Executed("01_first_look.ipynb", root, value="float(regimes['regime_confidence'].mean())")
    accuracy = json.loads((root / "08_reporting/skill_metrics.json").read_text())["average"]["test"]["accuracy"]
    assert f"in {100 * accuracy:.0f}\N{NO-BREAK SPACE}% of the cells" in look.text
    assert re.search(rf"^average +{100 * accuracy:.0f} \(\d+ to \d+\)", look.text, re.M)
    assert (look.n_figures, len(look.tables)) == (4, 3)
    with xr.open_dataset(root / "05_model_input/regimes.nc") as regimes:
        assert look.value == pytest.approx(float(regimes["regime_confidence"].mean()))


def test_regimes_are_found_on_ecco_step_by_step(data_mirror, tmp_path):
    steps = Executed(
        "02_regimes_step_by_step.ipynb",
        tmp_path,
        value="{**published, 'naming': consensus.naming, 'single': [m.inertia.min() for m in single.values()]}",
        N_RUNS=1,
        N_BREATHS=20,
        DOWNLOADS=str(tmp_path),
    )
    assert "149,714 cells; the sum of the terms has an rms of 7.7e-13 m s-2" in steps.text
    assert steps.value["naming"] == "signature"
    assert steps.value["inertia"] < min(steps.value["single"])
    assert steps.value["reference_agreement"] > 0.8
    assert (steps.n_figures, len(steps.tables)) == (3, 2)
    assert not list(tmp_path.iterdir()), "nothing is downloaded where there is a mirror"


def test_a_cell_is_explained_with_the_numbers_of_the_files(whole_run):
    root, _ = whole_run
    shown = "probability_table(uncertainty, regimes, place)['probability (%)'].tolist()"
    where = {"LATITUDE": -40.0, "LONGITUDE": 230.0}
    why = Executed("03_why_this_cell.ipynb", root, value=f"[list(map(int, place)), {shown}]", **where)
    place, probability = why.value
    with xr.open_dataset(root / "07_model_output/regime_uncertainty.nc") as fields:
        assert tuple(place) == nearest_cell(fields, where["LATITUDE"], where["LONGITUDE"])
        cell = fields.sel(predictor="ensemble").isel(dict(zip(("lat", "lon"), place, strict=True)))
        np.testing.assert_allclose(probability, 100 * cell["regime_probability"].values)
        name = str(fields.attrs["regimes"]).split()[np.argmax(probability)]
    assert re.search(rf"Most probable regime of the networks +{name} ", why.text)
    assert (why.n_figures, len(why.tables)) == (1, 4)


def test_a_scenario_is_followed_through_its_windows(whole_run):
    root, _ = whole_run
    key = "IDEAL-REG/abrupt-4xCO2/r1i1p1f1"
    scenario = Executed("04_scenario.ipynb", root, value="[key, window]", RUN=key)
    metrics = json.loads((root / "08_reporting/tracking_metrics.json").read_text())
    assert scenario.value == [key, list(metrics["runs"][key].values())[-1]]
    expected = scenario.value[1]["average"]["change"]["expected_m2"] / 1e12
    assert expected > 0
    assert re.search(rf"expected to change regime \(million km2\) +{expected:.1f}", scenario.text)
    assert (scenario.n_figures, len(scenario.tables)) == (4, 3)


def test_the_exported_dataset_gives_three_figures(whole_run, tmp_path):
    root, _ = whole_run
    options = ("--env", "test", "--grid", "2x2", "-o", tmp_path / "regimes.zarr")
    done = finished("thor", "export", *options, THOR_TEST_ROOT=str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    value = "[difference, float(shares.sum('regime').mean()), float(probability.max())]"
    figures = Executed("06_common_grid.ipynb", root, value=value, STORE=str(tmp_path / "regimes.zarr"))
    difference, share, probability = figures.value
    assert difference < 1e-6 and share == pytest.approx(1, abs=1e-6) and 0 < probability <= 1
    assert "abrupt-4xCO2: 3 climate models" in figures.text
    assert figures.n_figures == 3


def test_a_users_ocean_is_corrected_and_accepted_by_the_pipelines(tmp_path):
    """Follows the notebook to its last step: save the ocean and run the pipelines on it."""
    notebook = Executed(
        "05_your_own_ocean.ipynb",
        tmp_path,
        value="[open_catalog().save('raw_training_ocean', ocean), budget.attrs['closure_rms'], sorted(model.names)]",
        RESOLUTION=5.0,
        N_CLUSTERS=15,
    )
    assert "'tauuo' has no units; expected one of 'N m-2'" in notebook.text
    assert "The vorticity budget does not close" in notebook.text
    assert notebook.value[1] < 1e-20
    assert (notebook.n_figures, len(notebook.tables)) == (2, 2)
    nodes = "harmonise_training_ocean,compute_vorticity_budget,compute_features"
    done = kedro(tmp_path, "run", "--env", "test", "--nodes", nodes)
    assert done.returncode == 0, done.stdout + done.stderr
    with xr.open_dataset(tmp_path / "04_feature/features.nc") as features:
        assert int(features["valid"].sum()) > 1000
