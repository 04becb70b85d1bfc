"""The documentation: it builds without a warning, its links resolve, and its commands are valid."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

import thor
from tests.commands import NEEDS, REPOSITORY, Command, check, commands, pages
from thor.app.configuration import default_configuration
from thor.app.parameters import MODELS
from thor.attribution.attributions import attribute
from thor.attribution.truth import additive_stack, additive_truth
from thor.core.settings import validate
from thor.ocean.budget import vorticity_budget
from thor.ocean.idealized.training import idealized_training_ocean
from thor.reading.training_ocean import harmonise

COMMANDS = [command for page in pages() for command in commands(page)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The pages as HTML; every warning is an error."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [*command, str(REPOSITORY / "docs"), str(folder / "html")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_every_page_is_built_and_reached_from_the_index(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    hidden = {"index.md", "scores.md"}  # the one is the index, the other a part of another page
    for page in (REPOSITORY / "docs").glob("*.md"):
        if page.name not in hidden:
            assert f'href="{page.stem}.html' in index, f"docs/index.md does not lead to {page.name}"


@pytest.mark.parametrize("part", ["Start", "How-to", "Explanation", "Reference"])
def test_the_index_has_its_four_parts(site, part):
    assert f'<span class="caption-text">{part}</span>' in (site / "index.html").read_text(encoding="utf-8")


def test_links_of_the_built_pages_lead_to_pages_and_their_parts(site):
    anchors = {
        page: set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))) for page in site.rglob("*.html")
    }
    for page in anchors:
        if page.parent.name in ("generated", "_modules"):
            continue
        for target in re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:|#$", target):
                continue
            file, _, part = target.split("?")[0].partition("#")
            place = (page.parent / file).resolve() if file else page
            assert place.exists(), f"{page.name} links to {target}"
            assert not part or place.suffix != ".html" or part in anchors[place], f"{page.name} links to {target}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_files_that_a_page_links_to_or_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    # what readers write themselves, and the file that an example adds, are not there
    for named in re.findall(r"`((?:src|conf/(?:base|ecco|test)|tests|docs|benchmarks|notebooks)/[\w./-]+\.\w+)`", text):
        if named.endswith("occlusion.py"):
            continue
        assert (REPOSITORY / named).exists(), f"{page.name} names {named}"


@pytest.fixture(scope="module")
def places():
    return {str(entry.get("filepath")) for entry in default_configuration()["catalog"].values()}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_data_that_a_page_names_are_in_the_catalog(page, places):
    for named in re.findall(r"`(?:data/)?(0\d_\w+/(?:figures/)?\w+\.\w+)`", page.read_text(encoding="utf-8")):
        assert f"data/{named}" in places, f"{page.name} names {named}"


def test_the_citation_names_this_version_and_the_papers_of_the_method():
    """Keys are those of the Citation File Format 1.2.0, which has no others."""
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    required = {"cff-version", "message", "title", "authors"}
    assert required <= set(cited) <= required | {"type", "license", "version", "keywords", "abstract", "references"}
    assert (cited["cff-version"], cited["version"]) == ("1.2.0", thor.__version__)
    for paper in cited["references"]:
        assert set(paper) == {"type", "title", "authors", "journal", "year", "doi"}
        assert all({"family-names", "given-names"} == set(person) for person in paper["authors"])
    method = (REPOSITORY / "docs" / "method.md").read_text(encoding="utf-8")
    method = method.partition("## In ten lines")[2].partition("\n## ")[0]
    assert set(re.findall(r"doi\.org/([^)]+)\)", method)) == {paper["doi"] for paper in cited["references"]}


# -- commands ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.place} {command.text}")
def test_a_command_is_valid_and_states_its_requirements(command: Command):
    """Commands without requirements are run by other tests: targets of make, and every pipeline (tests/pipelines)."""
    check(command.text, made=command.made)
    online = re.match(r"pip |git clone|dask |make (ecco|lock)\b", command.text) or re.search(
        r"--env[= ]ecco\b", command.text
    )
    assert command.needs or not online, f"{command.place}: state in its block or section what it needs: {NEEDS.pattern}"


@pytest.mark.parametrize(
    "text",
    [
        "kedro run --pipelin modelling",
        "kedro run --pipelines modeling",
        "kedro run --env nowhere",
        "kedro run --nodes train_assemble",
        "kedro run --from-nodes modelling.train_assemble",
        "kedro run --to-outputs report2",
        "kedro run --params modelling.training.epoch=3",
        "kedro run --params modelling.training.epochs=many",
        "kedro run --params modeling.training.epochs=3",
        "kedro viz biuld",
        "kedro viz build --include-preview-s",
        "thor rum",
        "make nothing",
        "dask worker tcp://head:8786 --threads-of-mine 1",
        "mlflow uii",
        "python benchmarks/nothing.py",
        "frobnicate --all",
    ],
)
def test_a_wrong_command_is_found(text):
    with pytest.raises(Exception, match=r".") as caught:
        check(text)
    assert not isinstance(caught.value, (ImportError, AttributeError, NameError, TypeError)), caught.value


def test_commands_are_found_with_what_they_need(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\nUse `kedro run --env test`, or `THOR_DATA_MIRROR=<folder> make ecco`, not `kedro`.\n\n"
        "## B\n\nThis needs the network:\n\n```bash\nmake ecco   # five minutes\n# a comment\n```\n\n"
        "```python\nkedro run\n```\n\n## C\n\n```bash\n# needs SLURM\nkedro run\n```\n"
    )
    monkeypatch.setattr("tests.commands.REPOSITORY", tmp_path)
    assert [(command.text, command.needs) for command in commands(page)] == [
        ("kedro run --env test", ""),
        ("THOR_DATA_MIRROR=<folder> make ecco", ""),
        ("make ecco", "needs the network"),
        ("kedro run", "needs SLURM"),
    ]


def test_cheap_commands_run():
    """Commands that change nothing; the whole graph and single pipelines run in tests/pipelines."""
    for command in (["make"], ["make", "--dry-run", "run", "ecco", "test", "lint", "docs", "viz", "bench"]):
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "kedro", "registry", "list"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0 and "regime_clustering" in listed.stdout, listed.stderr


# -- code --------------------------------------------------------------------------------------------------------------
def blocks(page, language):
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_python_and_yaml_of_a_page_can_be_read(page):
    text = page.read_text(encoding="utf-8")
    for language, indent, code in re.findall(r"^```(python|yaml)\n(\s*)(.*?)^```", text, re.M | re.S):
        if language == "python":
            compile(indent + code, page.name, "exec")
        else:
            assert yaml.safe_load(indent + code) is not None


def test_the_method_of_the_how_to_is_one_and_is_right_where_the_truth_is_known():
    """Occlusion of an additive function by one reference row gives the differences of its parts."""
    (code,) = (block for block in blocks("howto_extend.md", "python") if "class Occlusion" in block)
    names = {}
    exec(code, names)
    stack = additive_stack(seed=0, n_networks=3)
    random = np.random.default_rng(1)
    inputs, reference = (random.normal(size=(n, 8)).astype(np.float32) for n in (30, 1))
    regime = np.arange(30) % 2
    found = attribute(
        names["Occlusion"](reference=reference[0], target="centred_logit"), stack, inputs, regime, progress=False
    )
    np.testing.assert_allclose(found.mean, additive_truth(stack, inputs, regime, reference), atol=1e-4)


def test_the_how_to_for_model_output_gives_a_valid_training_ocean(tmp_path, monkeypatch):
    ocean = validate(default_configuration("test")["parameters"], MODELS)["idealized_ocean"].training_ocean
    made = idealized_training_ocean(ocean, seed=1)
    given = made.rename(zos="SSH", deptho="depth", wind_stress_curl="curl_tau")
    advection = given["planetary_vorticity_advection"]
    given["planetary_vorticity_advection"] = (-advection).assign_attrs(advection.attrs)
    given.to_netcdf(tmp_path / "my_model_mean.nc")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("howto_own_model.md", "python")
    exec(code, {})
    with xr.open_dataset("data/own/01_raw/training_ocean.nc") as ocean:
        assert vorticity_budget(harmonise(ocean.load()), closure_tolerance=1e-6)["analysis_mask"].sum() > 800


def test_the_quirk_of_the_how_to_fits_the_parameters():
    (block,) = (block for block in blocks("howto_extend.md", "yaml") if "quirks:" in block)
    parameters = default_configuration(runtime_params=yaml.safe_load(block))["parameters"]
    quirk = validate(parameters, MODELS)["data_engineering"].quirks["MY-MODEL"]
    assert quirk.stress_sign == -1 and quirk.stress_convention == "grid_axes_c_grid"
