"""The manifest of an archive: its datasets and files, and the runs that made them."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thor.core.errors import DataError

FORMAT: Final = "thor-stage"
FORMAT_VERSION: Final = 1


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Entry):
    """One file: its path below `data_root`, bytes and checksum."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Place(_Entry):
    """Where a project keeps a dataset.

    Attributes
    ----------
    name, type, layer, contract : str
        Name, class, layer, and contract (or None), as in the catalog.
    path : str
        The file or folder below `data_root`, with ``/``.
    folder : bool
        Whether it is a folder of files.
    """

    name: str
    type: str
    layer: str
    contract: str | None
    path: str
    folder: bool


class Dataset(Place):
    """One dataset: a file, or a folder of files; which node in which of the manifest's runs made it, and from what.

    `made_from` is the checksum of each input's content, as `thor.core.run_record` keeps it.
    """

    node: str | None
    run: int | None
    made_from: dict[str, str] = {}
    files: tuple[File, ...]


class Provenance(_Entry):
    """The run that made datasets: seed, state of the code, versions, parameters of the pipeline; no times, no hosts."""

    seed: int | None
    git: str | None
    python: str | None
    versions: dict[str, str]
    parameters: dict[str, Any]


class Manifest(_Entry):
    """Content of an archive."""

    format: Literal["thor-stage"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    thor_version: str
    pipeline: str
    environment: str
    datasets: tuple[Dataset, ...]
    runs: tuple[Provenance, ...]

    @property
    def files(self) -> list[File]:
        """All files, in the order of the archive."""
        return [file for dataset in self.datasets for file in dataset.files]

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def pickles(self) -> list[str]:
        """Paths of the pickles, which execute code when they are loaded."""
        return [file.path for file in self.files if file.path.endswith((".pkl", ".pickle", ".joblib"))]

    def to_json(self) -> bytes:
        """Return the manifest as text; the same manifest gives the same bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode("ascii")

    def require_safe_paths(self) -> None:
        """Raise DataError unless every file lies at its dataset's path, below `data_root`, and no two paths collide."""
        for dataset in self.datasets:
            for path in (dataset.path, *(file.path for file in dataset.files)):
                if not is_plain(path):
                    raise DataError(f"{shown(path)} is no path below data_root: expected names separated by '/'.")
            files = [file.path for file in dataset.files]
            inside = all(path.startswith(f"{dataset.path}/") for path in files)
            if not (inside if dataset.folder else files == [dataset.path]):
                raise DataError(f"Dataset {shown(dataset.name)} has files that do not lie at its path {dataset.path}.")
        _require_apart([dataset.path for dataset in self.datasets])
        _require_apart([file.path for file in self.files])
        if len({dataset.name for dataset in self.datasets}) < len(self.datasets):
            raise DataError("Two datasets of the manifest have the same name.")
        if any(dataset.run is not None and not 0 <= dataset.run < len(self.runs) for dataset in self.datasets):
            raise DataError("A dataset of the manifest was made by a run that the manifest does not describe.")


def parse(content: bytes) -> Manifest:
    """Return the manifest in a text; DataError when it is invalid, of another version, or has unsafe paths."""
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("Its manifest is not JSON.") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise DataError(f"Its manifest is not one of '{FORMAT}'.")
    if plain.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"It is of format version {shown(plain.get('format_version'))}; this THOR reads version {FORMAT_VERSION}. "
            "Pack and unpack it with the same version of THOR."
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        place = ".".join(map(str, details["loc"]))
        raise DataError(f"Its manifest is wrong at {shown(place)}: {details['msg']}.") from error
    manifest.require_safe_paths()
    return manifest


def is_plain(path: str) -> bool:
    """Return whether a path is relative, without `..`, hidden parts and control characters."""
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and path.isprintable() and "\\" not in path
    return plain and bool(parts) and not any(part.startswith(".") or ":" in part for part in parts)


def shown(text: Any) -> str:
    """Return a text from an archive for messages: quoted, without control characters, at most 120 characters."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 120 else f"{quoted[:117]}..."


def _require_apart(paths: Iterable[str]) -> None:
    """Raise DataError when two paths are equal, ignoring case as some disks do, or one lies inside another."""
    seen = Counter(path.casefold() for path in paths)
    for path, number in seen.items():
        if number > 1:
            raise DataError(f"{shown(path)} is twice in the manifest.")
    for path in seen:
        if any(str(parent) in seen for parent in PurePosixPath(path).parents):
            raise DataError(f"{shown(path)} lies inside another file or dataset of the manifest.")
