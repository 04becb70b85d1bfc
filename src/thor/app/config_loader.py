"""The configuration of a run: `base`, then its environment, then `local` with the settings of a machine or person."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from thor.core.errors import ConfigError, did_you_mean

# Kedro 1.7 still calls OmegaConf by a name that OmegaConf 2.4 warns about, five times a run.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)

ALONE = ("test",)
"""Environments that read nothing of `local`: the tests pass on a configured machine and write into none of its data."""

_TEXTS = ("data_root", "data_mirror", "mlflow_store", "default_pipeline")
_PLACES = ("data_root", "data_mirror", "archive_root", "mlflow_store")
_SUFFIXES = (".yml", ".yaml", ".json")
_VARIABLE = re.compile(r"\$\{env:\s*(\w+)")
_GLOBAL = re.compile(r"\$\{globals:\s*(\w+)\}")

Trees = dict[Path, dict[str, Any]]
"""Content of each file, not yet resolved."""


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, which also reads `local` (its `default_run_env`) over every environment that is not `ALONE`.

    The later one prevails, key by key in parameters and globals and entry by entry in the catalog: ``base``, the
    environment, ``local``, an environment variable that is set and that a file of the first two names
    (``${env:NAME,default}``), ``--params``. `data_root` of ``local`` moves all environments: one that has its data
    below the `data_root` of ``base`` keeps its folder there, one elsewhere is not moved. A catalog entry
    named with ``{method}`` stands for one of each method of explanation in `thor.attribution.methods`.

    Raises
    ------
    ConfigError
        For a file that cannot be read, a setting in `globals.yml` that ``base`` does not have or that is of another
        type, or an entry of the catalog from which no dataset can be made.
    """

    def __init__(
        self,
        conf_source: str | Path,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        # Kedro reads the base alone when that is the environment, without what is over every environment.
        env = None if env == options.get("base_env") else env
        self._read: dict[tuple[str, str], Trees] = {}
        super().__init__(conf_source, env, runtime_params, **options)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the configuration of one kind, a new copy at each call; Kedro would read the files each time."""
        if key not in self.data:
            self.data[key] = super().__getitem__(key)
        return deepcopy(self.data[key])

    def environments(self) -> list[str]:
        """Return the environments that are read, the later over the earlier."""
        local = None if self.env in ALONE else self.default_run_env
        return list(dict.fromkeys(name for name in (self.base_env, self.env, local) if name))

    def find(self, key: str, path: Sequence[str]) -> str | None:
        """Return the file or environment variable that sets a value.

        Parameters
        ----------
        key : {'parameters', 'globals', 'catalog', 'credentials'}
        path : sequence of str
            Such as ``("modelling", "training", "epochs")``.

        Returns
        -------
        str or None
            Such as ``conf/local/parameters.yml``; None where no file holds it.
        """
        for trees in reversed(list(self._layers(key, set()).values())):
            for file, tree in sorted(trees.items()):
                if not holds(tree, path):
                    continue
                value = reduce(getitem, path, tree)
                text = value if isinstance(value, str) else ""
                if (name := _GLOBAL.fullmatch(text)) and (place := self.find("globals", name.groups())):
                    return place
                return next(iter(_set_variables(text)), None) or self.shown(file)
        return None

    def shown(self, file: Path) -> str:
        """Return a file as messages name it, from the folder of the configuration on."""
        if self._protocol != "file":
            return file.as_posix()
        return f"{Path(self.conf_source).name}/{Path(os.path.relpath(file, self.conf_source)).as_posix()}"

    def without_effect(self) -> Iterator[str]:
        """Yield a sentence for each file over ``base`` that nothing reads, and for each entry that no catalog knows."""
        known = {name for tree in self._layer(self.base_env, "catalog", set()).values() for name in tree}
        for environment in self.environments()[1:]:
            read = set[Path]()
            trees = {key: self._layer(environment, key, read) for key in self.config_patterns}
            for file in sorted(Path(self._get_conf_env_path(environment)).rglob("*")):
                if file.suffix in _SUFFIXES and os.path.abspath(file) not in map(os.path.abspath, read):
                    expected = ", ".join(sorted(self.config_patterns))
                    yield f"{self.shown(file)} is not read: the name of a file begins with one of {expected}."
            for file, tree in trees["catalog"].items():
                for name in (name for name in tree if name not in known and not name.startswith("_")):
                    near = did_you_mean(name, known)
                    yield f"{self.shown(file)}: no pipeline has a dataset '{name}'.{near * near.startswith(' Did')}"

    def _read_raw_config(self, key: str) -> tuple[dict[Path, DictConfig], dict[Path, DictConfig], str, str, set[Path]]:
        files: set[Path] = set()
        base, *others = self._layers(key, files).values()
        base_path, path = (self._get_conf_env_path(name) for name in (self.base_env, self.env or self.default_run_env))
        return _configs([base]), _configs(others), base_path, path, files

    def _resolve_from_raw_config(self, key: str, *raw: Any) -> dict[str, Any]:
        try:
            config: dict[str, Any] = super()._resolve_from_raw_config(key, *raw)
        except OmegaConfBaseException as error:
            path = (error.full_key or "").split(".")
            place = self.find(key, path) or f"The {key} of {Path(self.conf_source).name}"
            named = f"'{error.full_key}' " if error.full_key else ""
            raise ConfigError(f"{place}: {named}cannot be resolved: {str(error).splitlines()[0]}.") from error
        if key == "catalog":
            from thor.app.catalog_entries import fault_of_entry

            for name, entry in config.items():
                if fault := fault_of_entry(entry):
                    raise ConfigError(f"{self.find(key, (name,))}: dataset '{name}' {fault}")
        if key == "globals":
            for name in _PLACES:
                if isinstance(config.get(name), str):
                    config[name] = os.path.expanduser(config[name])
            if "data_root" in config and not config["data_root"]:
                raise ConfigError(f"{self.find(key, ('data_root',))}: data_root is empty; expected a folder.")
        return config

    def _layers(self, key: str, files: set[Path]) -> dict[str, Trees]:
        """Return the files of each environment that is read, without the values of `local` that others override."""
        layers = {name: self._layer(name, key, files) for name in self.environments()}
        local = layers.get(self.default_run_env, {}) if self.default_run_env != self.base_env else {}
        below = [trees for trees in layers.values() if trees is not local]
        if self.merge_strategy.get(key) == "soft":
            merged: Any = OmegaConf.to_container(OmegaConf.merge({}, *_configs(below).values()))
            for *above, name in _paths_of_set_variables(merged):
                for tree in local.values():
                    if holds(tree, [*above, name]):
                        del reduce(getitem, above, tree)[name]
        else:
            # An entry of the catalog is replaced as a whole.
            replaced = {name for tree in local.values() for name in tree}
            for tree in (tree for trees in below[1:] for tree in trees.values()):
                for name in replaced & set(tree):
                    del tree[name]
        if key == "globals":
            self._check_globals(layers)
            _keep_folder(local, below)
        return layers

    def _layer(self, name: str, key: str, files: set[Path]) -> Trees:
        """Return the files of one environment, a new copy at each call, and add them to `files`."""
        if (name, key) not in self._read:
            self._read[name, key] = self._read_layer(name, key)
        files |= set(self._read[name, key])
        return deepcopy(self._read[name, key])

    def _read_layer(self, name: str, key: str) -> Trees:
        path = self._get_conf_env_path(name)
        try:
            found = self._read_dir_configs(path, self.config_patterns[key], key, set(), key == "credentials")
        except MissingConfigException as error:
            if name == self.default_run_env:
                return {}
            if self._protocol != "file":
                raise
            folder = Path(self.conf_source)
            there = [child.name for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
            missing = f"{folder.name}/{name} does not exist.{did_you_mean(name, there)}"
            raise ConfigError(f"There is no environment '{name}': {missing}") from error
        except (YAMLError, UnicodeDecodeError, AttributeError) as error:
            # Kedro has no error message for a file that holds a list instead of keys.
            raise ConfigError(self._complaint(path) or f"A file in {path} cannot be read: {error}") from error
        trees: Any = {file: OmegaConf.to_container(found[file]) for file in sorted(found)}
        if key != "catalog":
            return trees
        from thor.attribution.methods import each_method

        return {file: each_method(tree) for file, tree in trees.items()}

    def _complaint(self, path: str) -> str | None:
        for file in sorted(Path(path).rglob("*")):
            if file.suffix not in _SUFFIXES:
                continue
            try:
                content = OmegaConf.load(file)
            except (YAMLError, UnicodeDecodeError) as error:
                mark = getattr(error, "problem_mark", None)
                line = f", line {mark.line + 1}" if mark else ""
                return f"{self.shown(file)}{line} cannot be read: {getattr(error, 'problem', None) or error}."
            if not isinstance(content, DictConfig):
                return f"{self.shown(file)} cannot be read: expected lines `key: value`; got a list."
        return None

    def _check_globals(self, layers: Mapping[str, Trees]) -> None:
        known = {name for tree in layers[self.base_env].values() for name in tree}
        for file, tree in ((file, tree) for trees in layers.values() for file, tree in trees.items()):
            for name, value in tree.items():
                if name in _TEXTS and not isinstance(value, str | None):
                    raise ConfigError(f"{self.shown(file)}: {name} must be a string; got {value!r}.")
                if name == "archive_root" and not isinstance(value, str | list | None):
                    raise ConfigError(f"{self.shown(file)}: {name} must be a string, or a list of them; got {value!r}.")
                if known and name not in known and not str(name).startswith("_"):
                    raise ConfigError(
                        f"{self.shown(file)}: there is no setting '{name}'.{did_you_mean(str(name), known)} "
                        f"A new one needs a value in {self.base_env}/globals.yml too."
                    )


def environment_variable(name: str, default: object = None) -> object:
    """Return the environment variable, or `default` where it is unset or empty: ``${env:THOR_TEST_ROOT,data/test}``."""
    return os.environ.get(name) or default


def holds(tree: Any, path: Sequence[str]) -> bool:
    """Return whether nested mappings have something at `path`."""
    for step in path:
        if not isinstance(tree, Mapping) or step not in tree:
            return False
        tree = tree[step]
    return True


def _configs(layers: Sequence[Trees]) -> dict[Path, DictConfig]:
    return {file: OmegaConf.create(tree) for trees in layers for file, tree in trees.items()}


def _set_variables(text: str) -> Iterator[str]:
    return (name for name in _VARIABLE.findall(text) if os.environ.get(name))


def _paths_of_set_variables(tree: Mapping[Any, Any], above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _paths_of_set_variables(value, (*above, name))
        elif isinstance(value, str) and any(_set_variables(value)):
            yield (*above, name)


def _keep_folder(local: Trees, below: Sequence[Trees]) -> None:
    """Give the environment a folder below the `data_root` of `local`, unless it has another place."""
    places = [_data_root(trees) for trees in below]
    if len(places) == 1 or places[1] is None:
        return
    base, place = (PurePosixPath(place or "") for place in places)
    for tree in local.values():
        if not tree.get("data_root"):
            continue
        if place.is_relative_to(base):
            tree["data_root"] = (PurePosixPath(str(tree["data_root"])) / place.relative_to(base)).as_posix()
        else:
            del tree["data_root"]


def _data_root(trees: Trees) -> str | None:
    values = [tree["data_root"] for tree in trees.values() if tree.get("data_root") is not None]
    return str(OmegaConf.to_container(OmegaConf.create(values), resolve=True)[0]) if values else None  # type: ignore[index]


OPTIONS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # `soft` merges key by key; by default one overridden key drops its whole group in Kedro.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    # Kedro itself reads `globals.yml` only and ignores `globals.yaml` silently.
    "config_patterns": {"globals": ["globals*", "globals*/**", "**/globals*"]},
    "custom_resolvers": {"env": environment_variable},
}
"""What Kedro creates the loader with."""
