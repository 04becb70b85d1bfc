"""Find the configuration of a run: that of the project, of the current folder, or the default; and the run record."""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from thor.core.atomic import replacing_folder, show
from thor.core.errors import ConfigError
from thor.core.run_record import RunRecord

log = logging.getLogger("thor")

DEFAULT = Path(__file__).parents[1] / "conf"
"""The default configuration: in the project a link to its `conf`, otherwise what was installed."""

_LOGGING = "KEDRO_LOGGING_CONFIG"
_DECIDING = ("--env", "-e", "--conf-source", "--params")


def project_folder() -> Path | None:
    """Return the folder of the Kedro project that the current folder is in; None where it is in none."""
    from kedro.utils import find_kedro_project

    return find_kedro_project(Path.cwd())


def working_folder() -> Path:
    """Return the folder below which runs read and write: that of the project, or else the current folder."""
    return project_folder() or Path.cwd()


def program_name() -> str:
    """Return how commands are called here, for advice: `kedro` in a project unless called as `thor`."""
    return "thor" if project_folder() is None or Path(sys.argv[0]).name == "thor" else "kedro"


def same_options() -> str:
    """Return the options of this command that determine files and numbers, to be repeated in advice."""
    return "".join(f" {option}" for option in given_options(_DECIDING))


def given_options(names: Collection[str], flags: Collection[str] = ()) -> list[str]:
    """Return options of this command as they were given, each with its value.

    Parameters
    ----------
    names : collection of str
        Options that take a value.
    flags : collection of str
        Options that take none.
    """
    kept, words = [], iter(sys.argv[1:])
    for word in words:
        if word in flags:
            kept.append(word)
        elif word.partition("=")[0] in names:
            kept.append(shlex.join([word] if "=" in word else [word, next(words, "")]))
    return kept


def conf_source() -> str:
    """Return the folder of the configuration without `--conf-source`.

    Returns
    -------
    str
        ``conf`` in a project, and in another folder that has a ``conf`` with ``base`` or ``local`` in it;
        otherwise the place of the default configuration.
    """
    if project_folder() is not None or any((Path.cwd() / "conf" / name).is_dir() for name in ("base", "local")):
        return "conf"
    return str(DEFAULT)


def default_configuration(env: str = "base", *, runtime_params: dict[str, Any] | None = None) -> Any:
    """Return the configuration that THOR comes with, read without ``local``: for documentation and tests.

    Parameters
    ----------
    env : str
        Environment.
    runtime_params : dict, optional
        What ``--params`` would set.

    Returns
    -------
    thor.app.config_loader.ConfigLoader
        Indexed with ``globals``, ``parameters`` and ``catalog``.
    """
    from thor.app.config_loader import OPTIONS, ConfigLoader

    options = OPTIONS | {"default_run_env": "base"}
    return ConfigLoader(str(DEFAULT), env=env, runtime_params=runtime_params, **options)


def load_configuration(env: str | None = None, source: str | None = None) -> Any:
    """Return the loader of the configuration that a run in this environment has; its keys are globals, parameters, ...

    Parameters
    ----------
    env : str, optional
        Environment; ``KEDRO_ENV`` by default, or else `base` with `local` over it.
    source : str, optional
        Folder of the configuration; that of the project or the current folder by default.
    """
    from kedro.framework.project import settings

    place = source or str(working_folder() / settings.CONF_SOURCE)
    return settings.CONFIG_LOADER_CLASS(
        conf_source=place, env=env or os.environ.get("KEDRO_ENV"), **settings.CONFIG_LOADER_ARGS
    )


def open_context(folder: Path, env: str | None, conf_source: str | None = None) -> Any:
    """Return Kedro's context of a project, with its `catalog` and `config_loader`."""
    from kedro.framework.session import KedroSession

    session: Any = KedroSession.create(project_path=folder, env=env, conf_source=conf_source)
    with session:
        return session.load_context()


def data_configuration(env: str | None, conf_source: str | None) -> tuple[dict[str, Any], Any]:
    """Return globals.yml and the parameters of data_engineering, as a run in this environment has them."""
    from thor.app.parameters import DataEngineering

    loader = load_configuration(env, conf_source)
    return loader["globals"], DataEngineering(**loader["parameters"]["data_engineering"])


def run_record(data_root: Path) -> RunRecord:
    """Return the record of the runs into a folder of data, as it is beside their logs."""
    return RunRecord(data_root / "logs" / "run_record.json", data_root=data_root)


def choose_logging() -> None:
    """Have Kedro take `logging.yml` of this folder's configuration, wherever it is, unless the user names another.

    Kedro itself looks below the current folder only, and when it is imported: call this before.
    """
    if not os.environ.get(_LOGGING):
        os.environ[_LOGGING] = str(_logging_file())


def begin(source: str | None) -> None:
    """Configure logging from the folder of `--conf-source`; outside a project log which configuration is used."""
    file = Path(source or "") / "logging.yml"
    if source and file.is_file() and os.environ.get(_LOGGING, "") in ("", str(_logging_file())):
        from kedro.framework.project import LOGGING

        LOGGING.configure(yaml.safe_load(file.read_text(encoding="utf-8")))
    if project_folder() is None:
        used = source or conf_source()
        log.info("configuration: %s", "THOR's defaults" if used == str(DEFAULT) else show(used))


def copy_default(folder: Path) -> None:
    """Copy the default configuration to a new folder, without the overrides in ``local``.

    Raises
    ------
    ConfigError
        When something is there already.
    DataError
        When it cannot be written; then no part of it is.
    """
    if os.path.lexists(folder):
        raise ConfigError(f"'{folder}' is there already and is not overwritten. Name a new folder.")
    with replacing_folder(folder, elsewhere="name another folder") as temporary:
        shutil.copytree(DEFAULT, temporary, ignore=_overrides, copy_function=shutil.copyfile, dirs_exist_ok=True)


def _logging_file() -> Path:
    ours = working_folder() / conf_source() / "logging.yml"
    return ours if ours.is_file() else DEFAULT / "logging.yml"


def _overrides(folder: Any, names: list[str]) -> set[str]:
    return {name for name in names if name != ".gitkeep"} if Path(folder).name == "local" else set()
