"""THOR without its repository: `kedro package` makes wheel and configuration, a clean environment runs them."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

import thor

REPOSITORY = Path(__file__).parents[1]
MEGABYTE = 1024**2

PACKAGE = """
import sys
import kedro.framework.cli.project as project
from kedro.framework.cli.cli import main
call = project.call
# Kedro's command fetches the build tools anew; those installed here do, and no network is needed.
project.call = lambda command, **options: call([*command, *["--no-isolation"] * ("build" in command)], **options)
sys.argv = ["kedro", "package"]
main()
"""


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return (self.out + self.err).splitlines()


def call(*command: str | Path, cwd: Path, **environment: str) -> Done:
    """Run a command that finds THOR where it is installed and nowhere else."""
    hidden = ("PYTHONPATH", "KEDRO_ENV", "KEDRO_LOGGING_CONFIG", "THOR_TEST_ROOT", "THOR_TRACEBACK", "DO_NOT_TRACK")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of the project in which everything may be built, with the local overrides of one user."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("src", "conf"):
        shutil.copytree(
            REPOSITORY / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder)
    (folder / "conf/local/globals.yml").write_text("data_root: disk_of_a_user\n")
    return folder


@pytest.fixture(scope="module")
def dist(source) -> Path:
    done = call(sys.executable, "-c", PACKAGE, cwd=source)
    assert done.code == 0, done.out + done.err
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def binaries(wheel, tmp_path_factory) -> Path:
    """The commands of a new environment that has the wheel, and the dependencies from here but not THOR from here."""
    environment = tmp_path_factory.mktemp("environment")
    assert call(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment).code == 0
    binaries = environment / "bin"
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet"]
    done = call(*pip, "--no-deps", "--no-index", "--no-compile", wheel, cwd=environment)
    assert done.code == 0, done.err
    (packages,) = environment.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched, but .pth files in it, such as that of an editable THOR, are not read.
    (packages / "dependencies.pth").write_text(f"{Path(yaml.__file__).parents[1]}\n")
    return binaries


@pytest.fixture(scope="module")
def archive(dist) -> Path:
    return dist / "conf-thor.tar.gz"


@pytest.fixture(scope="module")
def made(binaries, tmp_path_factory) -> tuple[Path, Done]:
    """A folder in which the installed THOR made an idealized ocean."""
    folder = tmp_path_factory.mktemp("made")
    return folder, call(binaries / "thor", "run", "--env", "test", "--pipelines", "idealized_ocean", cwd=folder)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# -- one version, stated Pythons -------------------------------------------------------------------------------
def test_one_version_is_named_everywhere():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == thor.__version__
    heading = re.search(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert heading is not None
    assert heading[1] == thor.__version__
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert "version" in project["dynamic"]


def test_the_stated_pythons_agree():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = [row.rpartition(" ")[2] for row in project["classifiers"] if row.startswith("Programming Language")]
    assert "{}.{}".format(*sys.version_info) in stated
    first, after = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    assert stated == [f"3.{minor}" for minor in range(int(first), int(after))]
    span = f"Python {stated[0]} to {stated[-1]}"
    for name in ("README.md", "docs/install.md"):
        assert span in (REPOSITORY / name).read_text(encoding="utf-8"), f"{name} does not contain '{span}'"


# -- what is packed --------------------------------------------------------------------------------------------
def test_the_wheel_holds_all_code_and_the_default_configuration(wheel):
    assert wheel.stat().st_size < 5 * MEGABYTE
    with zipfile.ZipFile(wheel) as packed:
        inside = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    code = {path for path in (REPOSITORY / "src/thor").rglob("*") if path.is_file()}
    expected = {f"thor/{path.relative_to(REPOSITORY / 'src/thor')}": path for path in code}
    expected |= {f"thor/conf/{name}": REPOSITORY / "conf" / name for name in files(REPOSITORY / "conf")}
    expected = {
        name: path
        for name, path in expected.items()
        if "__pycache__" not in name and not (name.startswith("thor/conf/local/") and path.suffix == ".yml")
    }
    assert {name for name in inside if name.startswith("thor/")} == set(expected)
    for name, path in expected.items():
        assert inside[name] == path.read_bytes(), name
    about = Parser().parsestr(inside[f"thor-{thor.__version__}.dist-info/METADATA"].decode())
    assert about["Version"] == thor.__version__
    assert b"disk_of_a_user" not in b"".join(inside.values())


def test_kedro_packs_the_configuration_without_local_overrides(archive):
    with tarfile.open(archive) as packed:
        inside = {name for name in packed.getnames() if packed.getmember(name).isfile()}
    local = {name for name in files(REPOSITORY / "conf") if name.startswith("local/") and name.endswith(".yml")}
    assert inside == {f"conf/{name}" for name in files(REPOSITORY / "conf") - local}


# -- the installed package in an empty folder ---------------------------------------------
def test_the_installed_command_prints_help_and_version(binaries, tmp_path):
    where = call(binaries / "python", "-c", "import thor; print(thor.__file__)", cwd=tmp_path)
    assert Path(where.out.strip()).is_relative_to(binaries.parent)
    assert call(binaries / "thor", "--version", cwd=tmp_path).out == f"thor {thor.__version__}\n"
    help_text = call(binaries / "thor", "--help", cwd=tmp_path)
    assert help_text.code == 0
    assert {"run", "conf", "clean"} <= {
        line.split()[0] for line in help_text.out.partition("Commands:")[2].splitlines() if line
    }
    help_of_run = call(binaries / "python", "-m", "thor", "run", "--help", cwd=tmp_path).out
    for option in ("--conf-source", "--env", "--params", "--pipelines", "--from-nodes"):
        assert option in help_of_run
    wrong = call(binaries / "thor", "runs", cwd=tmp_path)
    assert wrong.code == 2
    assert "No such command 'runs'" in wrong.err
    assert files(tmp_path) == set()


def test_the_installed_thor_runs_with_the_packaged_configuration(made):
    folder, done = made
    assert done.code == 0, done.err
    assert "configuration: THOR's defaults" in done.out
    assert "[4/4]" in done.out
    assert "usage data" not in done.out + done.err
    assert "Kedro project" not in done.out + done.err
    root = folder / "data/test"
    assert {path.name for path in folder.iterdir()} == {"data"}
    assert (root / "01_raw/training_ocean.nc").is_file()
    assert (root / "08_reporting/figures/idealized_ocean_state.png").is_file()
    (log,) = (root / "logs").glob("run_*.log")
    assert "command: thor run --env test" in log.read_text(encoding="utf-8")


def test_the_configurations_archive_is_used_on_what_the_last_run_left(binaries, made, archive, tmp_path):
    folder, _ = made
    shutil.copytree(folder / "data", tmp_path / "data")
    options = ["--conf-source", archive, "--env", "test", "--nodes", "harmonise_training_ocean"]
    done = call(binaries / "python", "-m", "thor", "run", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    assert f"configuration: {archive}" in done.out
    assert (tmp_path / "data/test/02_intermediate/training_ocean.nc").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_copy_of_the_configuration_is_edited_and_used(binaries, tmp_path):
    copied = call(binaries / "thor", "conf", cwd=tmp_path)
    assert copied.code == 0, copied.err
    assert files(tmp_path / "conf") - {"local/.gitkeep"} == {
        name for name in files(REPOSITORY / "conf") if not name.startswith("local/")
    }
    again = call(binaries / "thor", "conf", cwd=tmp_path)
    assert (again.code, again.lines) == (
        1,
        ["Error: 'conf' is there already and is not overwritten. Name a new folder."],
    )
    (tmp_path / "conf/local/parameters.yml").write_text("modelling:\n  sed: 1\n")
    for environment in ([], ["--env", "ecco"]):
        done = call(binaries / "thor", "run", *environment, cwd=tmp_path)
        assert done.code == 1
        assert "configuration: conf" in done.out
        assert "ConfigError: conf/local/parameters.yml: there is no parameter 'modelling.sed'" in done.err
        assert len(done.lines) <= 12
    assert not (tmp_path / "data").exists()

    (tmp_path / "conf").rename(tmp_path / "other")
    options = ["--pipelines", "regime_clustering", "--conf-source", "other"]
    (tmp_path / "other/local/parameters.yml").write_text("")
    done = call(binaries / "thor", "run", *options, cwd=tmp_path)
    assert done.code == 1
    assert "configuration: other" in done.out
    assert "Make it with `thor run --conf-source other --pipelines data_engineering`" in " ".join(done.err.split())
    logging = yaml.safe_load((tmp_path / "other/logging.yml").read_text())
    logging["formatters"]["short"]["format"] = "ours: %(message)s"
    (tmp_path / "other/logging.yml").write_text(yaml.safe_dump(logging))
    assert "ours: configuration: other" in call(binaries / "thor", "run", *options, cwd=tmp_path).out


def test_nothing_is_left_of_a_configuration_that_cannot_be_written(binaries, tmp_path):
    (tmp_path / "file").write_text("")
    done = call(binaries / "thor", "conf", "file/conf", cwd=tmp_path)
    assert done.code == 1
    assert done.lines == [
        "Error: file/conf was not written: a file stands where a folder is needed, or a folder at its place."
    ]
    assert files(tmp_path) == {"file"}


@pytest.mark.parametrize("command", [["thor"], ["python", "-m", "thor"]])
def test_a_misspelt_parameter_stops_it_with_a_short_error(binaries, tmp_path, command):
    command = [binaries / command[0], *command[1:]]
    done = call(*command, "run", "--params", "modelling.sed=1", cwd=tmp_path)
    assert done.code == 1
    assert "--params: there is no parameter 'modelling.sed'. Did you mean 'seed'?" in done.err
    assert len(done.lines) <= 12
    assert files(tmp_path) == set()


def test_in_a_folder_of_the_project_it_is_kedro_with_the_code_there(binaries, source):
    """The installed package must not run with another version's configuration."""
    module = source / "src/thor/core/settings.py"
    text = module.read_text(encoding="utf-8")
    assert "there is no parameter group" in text
    module.write_text(text.replace("there is no parameter group", "this code has no group"), encoding="utf-8")
    try:
        done = call(binaries / "thor", "run", "--params", "modeling.seed=1", cwd=source / "src")
        assert done.code == 1
        assert "this code has no group 'modeling'" in done.err
        assert len(done.lines) <= 12
    finally:
        module.write_text(text, encoding="utf-8")
    assert "Usage: thor run" in call(binaries / "thor", "run", "--help", cwd=source).out


def test_another_kedro_project_is_not_written_into(binaries, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "mini"\n')
    done = call(binaries / "thor", "run", cwd=tmp_path)
    assert done.code == 1
    assert "another Kedro project" in done.err
    assert files(tmp_path) == {"pyproject.toml"}
