"""Precedence of base, environment, local and environment variables; errors name the file."""

import shutil

import pytest

from tests.commands import REPOSITORY
from thor import settings
from thor.app.configuration import load_configuration
from thor.app.parameters import MODELS
from thor.core.errors import ConfigError
from thor.core.settings import validate

ENVIRONMENTS = (None, "base", "local", "ecco", "own")
VARIABLES = ("THOR_ARCHIVE_ROOT", "THOR_DATA_MIRROR", "THOR_ECCO_ROOT", "THOR_TEST_ROOT", "DASK_SCHEDULER_ADDRESS")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Configuration:
    """A copy of the project's configuration, with an environment made by a user as in the how-to."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(
            REPOSITORY / "conf", folder, ignore=lambda place, _: ["local"] if place.endswith("conf") else []
        )
        self.write("own/globals.yml", "data_root: data/own\ndefault_pipeline: study\narchive_root: null\n")

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, env=None, params=None):
        return settings.CONFIG_LOADER_CLASS(
            str(self.folder), env=env, runtime_params=params, **settings.CONFIG_LOADER_ARGS
        )


@pytest.fixture
def conf(tmp_path):
    return Configuration(tmp_path / "conf")


# -- local applies under every environment -----------------------------------------------------------------------------
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_local_takes_precedence_over_every_environment(conf, env):
    conf.write("local/globals.yml", "archive_root: /some/CMIP6\nsource_ids: [CESM2]\nmlflow_store: /shared/mlflow.db\n")
    config = conf.read(env)
    assert config["globals"]["archive_root"] == "/some/CMIP6"
    assert config["globals"]["mlflow_store"] == "/shared/mlflow.db"
    assert config["globals"]["seed"] == 42
    assert config["parameters"]["data_engineering"]["archive"]["source_ids"] == ["CESM2"]
    assert config["parameters"]["idealized_ocean"]["archive_root"] == "/some/CMIP6"
    assert config["catalog"]["raw_archive"]["root"] == "/some/CMIP6"


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize(
    "name", ["parameters.yml", "parameters_mine.yaml", "mine/parameters_x.yml", "parameters/x.yml"]
)
def test_a_parameter_of_local_leaves_its_neighbours(conf, env, name):
    conf.write("ecco/parameters_modelling.yml", "modelling:\n  training:\n    batch_size: 64\n    epochs: 11\n")
    conf.write(f"local/{name}", "modelling:\n  training:\n    epochs: 7\n")
    training = conf.read(env)["parameters"]["modelling"]["training"]
    assert training["epochs"] == 7
    assert training["batch_size"] == (64 if env == "ecco" else 32)
    assert training["n_networks"] == 50


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_quirk_of_local_is_known(conf, env):
    text = "data_engineering:\n  quirks:\n    MY-MODEL: {stress_sign: -1, reason: wrong trades, checked: file}\n"
    conf.write("local/parameters_data_engineering.yml", text)
    assert validate(conf.read(env)["parameters"], MODELS)["data_engineering"].quirks["MY-MODEL"].stress_sign == -1


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_an_entry_of_the_catalog_is_replaced_as_a_whole(conf, env):
    conf.write("local/catalog.yml", "raw_training_ocean: {type: thor.datasets.FieldDataset, filepath: mine.nc}\n")
    catalog = conf.read(env)["catalog"]
    assert catalog["raw_training_ocean"] == {"type": "thor.datasets.FieldDataset", "filepath": "mine.nc"}
    assert len(catalog) == len(Configuration(conf.folder.with_name("other")).read()["catalog"])


@pytest.mark.parametrize("env", ["ecco", "own"])
def test_credentials_that_only_local_has_are_found(conf, env):
    conf.write("local/credentials.yml", "bucket: {key: secret}\n")
    assert conf.read(env)["credentials"] == {"bucket": {"key": "secret"}}


def test_the_environment_test_reads_nothing_of_local(conf):
    before = {key: conf.read("test")[key] for key in ("globals", "parameters", "catalog")}
    conf.write("local/globals.yml", "data_root: /disk\narchive_root: /some/CMIP6\nseed: 7\nmlflow_store: x.db\n")
    conf.write("local/parameters.yml", "modelling:\n  training:\n    epochs: 7\n")
    conf.write("local/catalog.yml", "regimes: {type: pickle.PickleDataset, filepath: x}\n")
    assert {key: conf.read("test")[key] for key in before} == before
    assert before["globals"]["archive_root"] == "idealized"
    conf.write("local/globals.yml", "data_root: [unfinished\n")
    assert conf.read("test")["globals"] == before["globals"]


def test_params_take_precedence_over_local(conf):
    conf.write("local/parameters.yml", "modelling:\n  training:\n    epochs: 7\n    n_networks: 3\n")
    config = conf.read("ecco", {"modelling": {"training": {"epochs": 5}}})["parameters"]["modelling"]["training"]
    assert (config["epochs"], config["n_networks"]) == (5, 3)


def test_the_default_pipeline_of_a_bare_run_is_that_of_local(conf, monkeypatch):
    from kedro.framework.project import configure_project

    def default_pipeline(env, source):
        return load_configuration(env, source)["globals"]["default_pipeline"]

    configure_project("thor")
    conf.write("local/globals.yml", "default_pipeline: modelling\n")
    assert default_pipeline("ecco", str(conf.folder)) == "modelling"
    assert default_pipeline("test", str(conf.folder)) is None
    monkeypatch.setenv("KEDRO_ENV", "ecco")
    conf.write("local/globals.yml", "")
    assert default_pipeline(None, str(conf.folder)) == "study"


def test_without_a_folder_local_the_other_layers_apply(conf):
    assert not (conf.folder / "local").exists()
    assert conf.read()["globals"]["data_root"] == "data"
    assert conf.read("ecco")["globals"]["data_root"] == "data/ecco"


# -- each environment keeps its folder ---------------------------------------------------------------------------------
@pytest.mark.parametrize("root", ["/disk/thor", "results", "${env:NOT_SET,/disk}/thor"])
@pytest.mark.parametrize(
    ("env", "place"),
    [(None, ""), ("base", ""), ("local", ""), ("ecco", "/ecco"), ("own", "/own"), ("deep", "/a/b"), ("same", "")],
)
def test_each_environment_keeps_its_folder_below_the_data_root_of_local(conf, root, env, place):
    conf.write("deep/globals.yml", "data_root: data/a/b\n")
    conf.write("same/globals.yml", "default_pipeline: study\n")
    conf.write("local/globals.yml", f"data_root: {root}\n")
    expected = root.replace("${env:NOT_SET,/disk}", "/disk") + place
    config = conf.read(env)
    assert config["globals"]["data_root"] == expected
    assert config["catalog"]["regimes"]["filepath"] == f"{expected}/05_model_input/regimes.nc"


@pytest.mark.parametrize("place", ["/scratch/own", "elsewhere", "database"])
def test_an_environment_with_another_data_root_keeps_it(conf, place):
    conf.write("own/globals.yml", f"data_root: {place}\n")
    conf.write("local/globals.yml", "data_root: /disk/thor\n")
    assert conf.read("own")["globals"]["data_root"] == place


def test_a_home_folder_is_one(conf, monkeypatch):
    monkeypatch.setenv("HOME", "/home_of/me")
    conf.write("local/globals.yml", "data_root: ~/thor\narchive_root: ~/CMIP6\n")
    found = conf.read("ecco")["globals"]
    assert (found["data_root"], found["archive_root"]) == ("/home_of/me/thor/ecco", "/home_of/me/CMIP6")


# -- environment variables ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("env", [None, "ecco"])
def test_an_environment_variable_takes_precedence_over_local(conf, env, monkeypatch):
    conf.write("local/globals.yml", "archive_root: /some/CMIP6\ndata_mirror: /mirror\ndata_root: /disk\n")
    conf.write("local/parameters.yml", "compute:\n  scheduler: local\n  timeout_s: 5.0\n")
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, f"/{name}")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://10.0.0.1:8786")
    config = conf.read(env)
    assert config["globals"]["archive_root"] == "/THOR_ARCHIVE_ROOT"
    assert config["globals"]["data_mirror"] == "/THOR_DATA_MIRROR"
    assert config["globals"]["data_root"] == ("/THOR_ECCO_ROOT" if env == "ecco" else "/disk")
    assert config["parameters"]["compute"]["scheduler"] == "tcp://10.0.0.1:8786"
    assert config["parameters"]["compute"]["timeout_s"] == 5.0
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert conf.read(env)["globals"]["archive_root"] == "/some/CMIP6"
    assert conf.read(env)["parameters"]["compute"]["scheduler"] == "local"


def test_a_variable_that_the_environment_does_not_name_changes_nothing(conf, monkeypatch):
    monkeypatch.setenv("THOR_ARCHIVE_ROOT", "/other")
    assert conf.read()["globals"]["archive_root"] == "/other"
    assert conf.read("test")["globals"]["archive_root"] == "idealized"
    assert conf.read("own")["globals"]["archive_root"] is None
    conf.write("local/globals.yml", "archive_root: /some/CMIP6\n")
    assert conf.read("own")["globals"]["archive_root"] == "/some/CMIP6"


# -- what is wrong, and where ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("globals.yml", "archive_root: [/some\n", ", line 2 cannot be read: "),
        ("globals.yaml", "seed: 1\nseed: 2\n", ", line 2 cannot be read: found duplicate key seed"),
        ("globals.yml", "- archive_root\n", " cannot be read: expected lines `key: value`; got a list"),
        ("globals.yml", "archive_rot: /x\n", ": there is no setting 'archive_rot'. Did you mean 'archive_root'?"),
        ("globals.yml", "archive_root /x\n", ": there is no setting 'archive_root /x'"),
        ("sub/globals.yml", "sed: 1\n", ": there is no setting 'sed'. Did you mean 'seed'?"),
        ("globals.yml", "data_root:\n", ": data_root is empty"),
        ("globals.yml", "data_root: 5\n", ": data_root must be a string; got 5."),
        ("globals.yml", "data_root: [a]\n", ": data_root must be a string; got ['a']."),
        ("globals.yml", "default_pipeline: [a]\n", ": default_pipeline must be a string; got ['a']."),
        ("globals.yml", "archive_root: 5\n", ": archive_root must be a string, or a list of them; got 5."),
        ("parameters.yml", "modelling:\n\tseed: 1\n", ", line 2 cannot be read: found character"),
        ("sub/parameters_x.yml", "a: *b\n", ", line 1 cannot be read: found undefined alias"),
        ("parameters.yml", "modelling:\n  seed: ${globals:sed}\n", ": 'modelling.seed' cannot be resolved: "),
        ("catalog.yml", "regimes:\n  filepath: ${globals:rot}/x\n", ": 'regimes.filepath' cannot be resolved: "),
        (
            "catalog.yml",
            "regimes: {type: thor.datasets.FieldDataset, filpath: x.nc}\n",
            ": dataset 'regimes' has no setting 'filpath'. Did you mean 'filepath'?",
        ),
        (
            "catalog.yml",
            "regimes: {type: thor.datasets.FieldsDataset, filepath: x.nc}\n",
            ": dataset 'regimes' has the type thor.datasets.FieldsDataset, which does not exist. "
            "Did you mean 'thor.datasets.FieldDataset'?",
        ),
        (
            "catalog.yml",
            "regimes: {type: thor.datasets.FieldDataset}\n",
            ": dataset 'regimes' cannot be made: FieldDataset.__init__() missing 1 required keyword-only ",
        ),
        (
            "catalog.yml",
            "regimes: {type: thor.datasets.FieldDataset, filepath: 5}\n",
            ": dataset 'regimes' cannot be made: ",
        ),
    ],
)
@pytest.mark.parametrize("env", ["ecco", None])
def test_a_file_of_local_that_cannot_be_used_is_named(conf, env, name, text, message):
    conf.write(f"local/{name}", text)
    with pytest.raises(ConfigError) as caught:
        [conf.read(env)[key] for key in ("parameters", "catalog")]
    assert str(caught.value).startswith(f"conf/local/{name}{message}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_text_is_named(conf):
    (conf.folder / "local").mkdir()
    (conf.folder / "local/parameters.yml").write_bytes("compute: {scheduler: Gerät}".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"conf/local/parameters\.yml cannot be read: 'utf-8' codec"):
        conf.read("ecco")["parameters"]


def test_where_a_value_comes_from_is_found(conf, monkeypatch):
    conf.write("local/globals.yml", "source_ids: 5\n")
    conf.write("local/mine/parameters.yml", "modelling:\n  training:\n    epochs: 7\ncompute:\n  scheduler: local\n")
    config = conf.read("ecco")
    assert config.find("parameters", ("modelling", "training", "epochs")) == "conf/local/mine/parameters.yml"
    assert config.find("parameters", ("modelling", "training", "batch_size")) == "conf/ecco/parameters_modelling.yml"
    assert config.find("parameters", ("modelling", "training", "hidden")) == "conf/base/parameters_modelling.yml"
    assert config.find("parameters", ("data_engineering", "archive", "source_ids")) == "conf/local/globals.yml"
    assert config.find("parameters", ("modelling", "nothing")) is None
    assert config.find("globals", ("archive_root",)) == "conf/ecco/globals.yml"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "thread")
    monkeypatch.setenv("THOR_ARCHIVE_ROOT", "/x")
    assert config.find("parameters", ("compute", "scheduler")) == "DASK_SCHEDULER_ADDRESS"
    assert config.find("globals", ("archive_root",)) == "THOR_ARCHIVE_ROOT"


def test_settings_without_effect_are_reported(conf):
    conf.write("local/global.yml", "archive_root: /some/CMIP6\n")
    conf.write("local/logging.yml", "version: 1\n")
    conf.write("local/notes.txt", "nothing\n")
    conf.write("local/catalog_mine.yml", "raw_archiv: {type: json.JSONDataset}\n_template: {}\n")
    files = "is not read: the name of a file begins with one of catalog, credentials, globals, parameters."
    expected = [f"conf/local/global.yml {files}", f"conf/local/logging.yml {files}"]
    expected += ["conf/local/catalog_mine.yml: no pipeline has a dataset 'raw_archiv'. Did you mean 'raw_archive'?"]
    assert list(conf.read("ecco").without_effect()) == expected
    assert list(conf.read().without_effect()) == expected
    assert list(conf.read("test").without_effect()) == []
