"""What the datasets of one local file have in common."""

import json
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from thor.core.atomic import show
from thor.core.errors import DataError

MAKE_IT = (
    "Run the pipeline that writes it (`kedro registry list` names them), or check data_root in conf/*/globals.yml."
)


class FileDataset(AbstractDataset[Any, Any]):
    """A dataset kept in one local file.

    Parameters
    ----------
    filepath : str
        The file; relative paths are taken from the project's folder by Kedro.
    metadata : dict, optional
        For kedro-viz: ``{kedro-viz: {layer: ...}}``.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return self._filepath.is_file()


def require_file(path: Path) -> Path:
    """Return `path` when there is a file to read.

    Raises
    ------
    DataError
        When there is none.
    """
    if path.is_file():
        return path
    raise DataError(f"{show(path)} {'is a folder, not a file' if path.is_dir() else 'does not exist'}. {MAKE_IT}")


def read_json(path: Path) -> dict[str, Any]:
    """Return the dict that a JSON file holds.

    Raises
    ------
    DataError
        When there is no file, or it holds something else.
    """
    try:
        content = json.loads(require_file(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{show(path)} is not JSON: {error}. Make it again.") from error
    if not isinstance(content, dict):
        raise DataError(f"{show(path)} holds a {type(content).__name__}; expected a dict. Make it again.")
    return content
