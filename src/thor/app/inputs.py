"""The inputs of a run, which have to be there before its first node."""

from collections.abc import Iterable, Iterator
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import AbstractDataset
from kedro.io.core import is_parameter

from thor.app.configuration import program_name, same_options
from thor.core.atomic import show
from thor.core.errors import ConfigError, DataError


def require_available(names: Iterable[str], catalog: Any, loader: Any) -> None:
    """Raise DataError when one of these datasets does not exist, ConfigError when it is in no catalog file."""
    missing = []
    for name in names:
        dataset = catalog.get(name)
        if dataset is None:
            raise ConfigError(f"Dataset '{name}' is in no catalog file. Give it an entry in conf/base/catalog_*.yml.")
        # Whether a dataset without `_exists` exists shows when it is loaded.
        if type(dataset)._exists is not AbstractDataset._exists and not dataset.exists():
            missing.append((name, dataset))
    if not missing:
        return
    name, dataset = missing[0]
    place = described_path(dataset) or type(dataset).__name__
    if setting := getattr(dataset, "setting", None):
        named = f"{loader.find('globals', (setting,))} names it as {setting}"
        raise DataError(f"{show(place)} does not exist; {named}. Correct it there, or mount the disk.")
    makers = [key for key, pipeline in pipelines.items() if name in pipeline.outputs() | pipeline.all_outputs()]
    makers = [key for key in makers if key not in ("__default__", "study")]
    command = f"{program_name()} run{same_options()} --pipelines"
    advice = f"Make it with `{command} {makers[0]}`" if makers else "No pipeline makes it: put it there"
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise DataError(
        f"Input '{name}'{others} is missing: {show(place)} does not exist. "
        f"{advice}, or check the data_root of {loader.find('globals', ('data_root',))}."
    )


def described_path(dataset: Any) -> str | None:
    """Return the file or folder in the description of a dataset."""
    described = dataset._describe()
    return described.get("filepath") or described.get("path")


def given_datasets(pipeline: Any, catalog: Any) -> Iterator[str]:
    """Yield the datasets that no node of a run makes, and those whose place a setting gives."""
    for name in sorted(pipeline.inputs() | pipeline.all_outputs()):
        if is_parameter(name):
            continue
        if name in pipeline.inputs() or getattr(catalog.get(name), "setting", None):
            yield name
