"""The catalog of the project for notebooks and scripts: every dataset of a finished run by its name."""

import os
import warnings
from pathlib import Path

from kedro.io import CatalogProtocol

from thor.app.configuration import open_context, run_record
from thor.core.errors import ConfigError
from thor.core.mixing import mixed_results


def open_catalog(*, env: str | None = None, folder: Path | str = ".") -> CatalogProtocol:
    """Return the catalog of the project that holds a folder: ``open_catalog().load("regimes")``.

    Parameters
    ----------
    env : str, optional
        Environment of the configuration; by default ``KEDRO_ENV``, or else `local` over `base`.
    folder : Path or str
        The project's folder or one below it.

    Raises
    ------
    ConfigError
        When the folder lies in no Kedro project.

    Warns
    -----
    UserWarning
        When results in the data folder do not belong together (`thor.core.mixing`).
    """
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path(folder).resolve())
    if project is None:
        raise ConfigError(
            f"'{Path(folder).resolve()}' lies in no Kedro project (no folder above it has a pyproject.toml with "
            "[tool.kedro]). Start the notebook inside the clone, or give its place: open_catalog(folder=...)."
        )
    # Kedro searches it below the working folder only; without it every load is logged in many lines.
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(project / "conf" / "logging.yml"))
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    context = open_context(project, env)
    data_root = project / context.config_loader["globals"].get("data_root", "data")
    record = run_record(data_root)
    record.refresh()
    if lines := mixed_results(record.content, without={"reporting"}):
        warnings.warn("\n".join(lines), stacklevel=2)
    return context.catalog
