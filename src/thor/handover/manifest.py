"""The manifest of an archive: what it must hold, and which runs made that."""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thor.core.errors import DataError

FORMAT: Final = "thor-stage"
VERSION: Final = 1


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Entry):
    """One file: its path below `data_root`, bytes and checksum."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Dataset(_Entry):
    """One dataset: a file, or a folder of files, and which node in which of the manifest's runs made it."""

    name: str
    type: str
    layer: str
    contract: str | None
    path: str
    folder: bool
    node: str | None
    run: int | None
    files: tuple[File, ...]


class Run(_Entry):
    """What made datasets: seed, state of the code, versions and the parameters of the pipeline; no times, no hosts."""

    seed: int | None
    git: str | None
    python: str | None
    versions: dict[str, str]
    parameters: dict[str, Any]


class Manifest(_Entry):
    """What an archive holds."""

    format: Literal["thor-stage"] = FORMAT
    format_version: Literal[1] = VERSION
    thor_version: str
    pipeline: str
    environment: str
    datasets: tuple[Dataset, ...]
    runs: tuple[Run, ...]

    @property
    def files(self) -> list[File]:
        """All files, in the order in which they lie in the archive."""
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
        """Return when every file lies where its dataset is, below `data_root`, and none is in the way of another.

        Raises
        ------
        DataError
            Otherwise; the message names the path.
        """
        for dataset in self.datasets:
            for path in (dataset.path, *(file.path for file in dataset.files)):
                if not is_plain(path):
                    raise DataError(f"{shown(path)} is no path below data_root: expected names separated by '/'.")
            inside = [file.path.startswith(f"{dataset.path}/") for file in dataset.files]
            own = [file.path == dataset.path for file in dataset.files]
            if not all(inside) if dataset.folder else own != [True]:
                raise DataError(f"Dataset {shown(dataset.name)} has files that do not lie at its path {dataset.path}.")
        _require_apart([dataset.path for dataset in self.datasets])
        _require_apart([file.path for file in self.files])
        if len({dataset.name for dataset in self.datasets}) < len(self.datasets):
            raise DataError("Two datasets of the manifest have the same name.")
        if any(dataset.run is not None and not 0 <= dataset.run < len(self.runs) for dataset in self.datasets):
            raise DataError("A dataset of the manifest was made by a run that the manifest does not describe.")


def parse(content: bytes) -> Manifest:
    """Return the manifest that the text holds, with safe paths.

    Raises
    ------
    DataError
        When it is none, is of another version, or has paths that are not safe.
    """
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("Its manifest is not JSON.") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise DataError(f"Its manifest is not one of '{FORMAT}'.")
    if plain.get("format_version") != VERSION:
        raise DataError(
            f"It is of format version {shown(plain.get('format_version'))}; this THOR reads version {VERSION}. "
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
    """Say whether a path is relative, leads nowhere else, and has neither hidden parts nor characters of control."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and path == "/".join(parts)
        and path.isprintable()
        and "\\" not in path
        and not any(part.startswith(".") or ":" in part for part in parts)
    )


def shown(text: Any) -> str:
    """Return a text from an archive as messages may show it: quoted, without characters of control, not too long."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 120 else f"{quoted[:117]}..."


def _require_apart(paths: Iterable[str]) -> None:
    """Raise when two paths are one, also where the disk does not tell capitals, or one lies inside another."""
    seen: set[str] = set()
    paths = [path.casefold() for path in paths]
    for path in paths:
        if path in seen:
            raise DataError(f"{shown(path)} is twice in the manifest.")
        seen.add(path)
    for path in paths:
        if any(str(parent) in seen for parent in PurePosixPath(path).parents):
            raise DataError(f"{shown(path)} lies inside another file or dataset of the manifest.")
