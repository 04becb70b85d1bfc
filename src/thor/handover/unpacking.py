"""Unpacking: all files of an archive are put in their places at once, or none."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from thor.core.atomic import flush
from thor.core.checksums import files_of, sha256
from thor.core.errors import DataError, did_you_mean, listed
from thor.core.run_record import RunRecord
from thor.handover.manifest import Dataset, File, Manifest, Place, shown
from thor.handover.packing import dataset_checksum
from thor.handover.reading import verify


@dataclass(frozen=True)
class Received:
    """The archive's manifest and SHA-256 (hex), the datasets put in place, and those that were there already."""

    manifest: Manifest
    sha256: str
    placed: list[str]
    kept: list[str]


def unpack(
    archive: Path,
    places: Mapping[str, Place],
    *,
    root: Path,
    record: Path,
    force: bool = False,
    sha256: str | None = None,
    check: Callable[[Place, File, Path], None] = lambda place, file, path: None,
) -> Received:
    """Put the files of an archive into their places below `data_root`, after all of it was verified.

    An error or interrupt leaves everything as it was.

    Parameters
    ----------
    archive : Path
        As `pack` writes it.
    places : mapping of str to Place
        Where this project keeps each of its datasets.
    root : Path
        `data_root`.
    record : Path
        The run record, which receives the runs that made the files.
    force : bool, optional
        Whether other files in these places are replaced. A folder is replaced as a whole.
    sha256 : str, optional
        Expected SHA-256 of the archive.
    check : callable, optional
        ``check(place, file, path)`` raises when the file, extracted to `path`, is not fit for its place.

    Raises
    ------
    DataError
        As `verify`; for a dataset that this project lacks or keeps elsewhere, for other files in its place, when the
        disk has no room, and for what `check` refuses.
    """
    with _Arrivals(places, root.resolve(), force=force) as arrivals:
        manifest, checksum = verify(archive, sha256=sha256, receiver=arrivals)
        for arrival in arrivals.to_place:
            for file in arrival.dataset.files:
                check(places[arrival.dataset.name], file, arrival.path_of(file))
        arrivals.put_in_place(manifest, RunRecord(record, data_root=root))
        kept = [dataset.name for dataset in manifest.datasets if dataset.name not in arrivals.placed]
        return Received(manifest, checksum, list(arrivals.placed), kept)


@dataclass(frozen=True)
class _Arrival:
    """A dataset that is extracted beside its place."""

    dataset: Dataset
    place: Path
    waiting: Path
    old: Path

    def path_of(self, file: File) -> Path:
        return self.waiting / file.path.removeprefix(f"{self.dataset.path}/") if self.dataset.folder else self.waiting


@dataclass
class _Arrivals:
    """Takes the files of an archive into hidden folders on the disks of their places; removes these at the end."""

    places: Mapping[str, Place]
    root: Path
    force: bool
    to_place: list[_Arrival] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    _targets: dict[str, Path] = field(default_factory=dict)
    _hidden: dict[Path, Path] = field(default_factory=dict)
    _made: list[Path] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for folder in self._hidden.values():
            shutil.rmtree(folder, ignore_errors=True)
        if error is not None:
            for folder in reversed(self._made):
                with suppress(OSError):  # another process put something there
                    folder.rmdir()
        if isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            advice = "Make room or make it writable, or set data_root in conf/local/globals.yml."
            raise DataError(f"Nothing was unpacked below {self.root}: {error.strerror}{where}. {advice}") from error

    def begin(self, manifest: Manifest) -> None:
        """Prepare for the datasets; raise when this project has no place for them, or other files lie there."""
        different = []
        for number, dataset in enumerate(manifest.datasets):
            self._require_known(dataset)
            place = (self.root / dataset.path).resolve()
            if _holds(place, dataset):
                continue
            if place.exists():
                different.append(dataset)
            hidden = self._hidden_folder(place)
            waiting = hidden / str(number)
            self.to_place.append(_Arrival(dataset, place, waiting, hidden / f"{number}.old"))
            if dataset.folder:
                waiting.mkdir()
            for file in dataset.files:
                self._targets[file.path] = self.to_place[-1].path_of(file)
        if different and not self.force:
            names = listed([f"{dataset.name} ({dataset.path})" for dataset in different])
            advice = "Unpack it into another data_root, or with --force to replace them."
            raise DataError(f"Other files lie below {self.root} in the places of {names}. {advice}")
        self._require_room()

    def target(self, file: File) -> Path | None:
        """Return where a file is extracted; None when it is in its place already."""
        if (target := self._targets.get(file.path)) is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def put_in_place(self, manifest: Manifest, record: RunRecord) -> None:
        """Rename everything into its place and update the run record; undo all of it when that fails midway."""
        for arrival in self.to_place:
            for file in files_of(arrival.waiting):
                flush(file)
        begun: list[_Arrival] = []
        try:
            for arrival in self.to_place:
                self._make_folder(arrival.place.parent)
                begun.append(arrival)
                if os.path.lexists(arrival.place):
                    os.replace(arrival.place, arrival.old)
                os.replace(arrival.waiting, arrival.place)
            self._make_folder(record.path.parent)
            for dataset in manifest.datasets:
                self._record(record, dataset, manifest)
            record.write()
        except BaseException:
            if not record.path.exists():
                record.lock.unlink(missing_ok=True)
            for arrival in reversed(begun):
                if not arrival.waiting.exists() and arrival.place.exists():
                    os.replace(arrival.place, arrival.waiting)
                if os.path.lexists(arrival.old):
                    os.replace(arrival.old, arrival.place)
            raise
        self.placed = [arrival.dataset.name for arrival in begun]

    def _record(self, record: RunRecord, dataset: Dataset, manifest: Manifest) -> None:
        known = record.content["datasets"].get(dataset.name, {})
        checksum = dataset_checksum(dataset.path, dataset.files)
        place = self.root / dataset.path
        has_origin = known.get("node") or known.get("made_by")
        if (known.get("sha256") == checksum and has_origin) or not place.exists():
            return
        run = manifest.runs[dataset.run].model_dump(mode="json") if dataset.run is not None else None
        made_by = {"node": dataset.node, "run": run, "pipeline": manifest.pipeline}
        compared = dataset.type != "EsgfArchive"  # too large, as in a run
        record.received(dataset.name, place, made_by=made_by, made_from=dataset.made_from, compared=compared)

    def _require_known(self, dataset: Dataset) -> None:
        place = self.places.get(dataset.name)
        if place is None:
            known = did_you_mean(dataset.name, self.places)
            raise DataError(f"This project's catalog has no dataset {shown(dataset.name)} that could take it.{known}")
        if (dataset.path, dataset.type, dataset.folder) != (place.path, place.type, place.folder):
            raise DataError(
                f"Dataset '{place.name}' is a {shown(dataset.type)} at {shown(dataset.path)}; this project's catalog "
                f"has a {place.type} at {place.path}. Unpack it in the environment in which it was packed."
            )

    def _hidden_folder(self, place: Path) -> Path:
        """Return a hidden folder on the disk of `place`: in the nearest folder above it that is there."""
        above = next(parent for parent in place.parents if parent.is_dir())
        if above not in self._hidden:
            self._hidden[above] = Path(tempfile.mkdtemp(prefix=".thor-stage-", dir=above))
        return self._hidden[above]

    def _require_room(self) -> None:
        needed: Counter[int] = Counter()
        folders: dict[int, Path] = {}
        for arrival in self.to_place:
            disk = arrival.waiting.parent.stat().st_dev
            folders[disk] = arrival.waiting.parent.parent
            needed[disk] += sum(file.size for file in arrival.dataset.files)
        for disk, folder in folders.items():
            free = shutil.disk_usage(folder).free
            if needed[disk] > free:
                advice = "Free some space, or set data_root in conf/local/globals.yml to another disk."
                raise DataError(
                    f"It needs {needed[disk] / 1e6:.0f} MB in {folder}; {free / 1e6:.0f} MB are free. {advice}"
                )

    def _make_folder(self, folder: Path) -> None:
        for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
            self._made.append(missing)
            missing.mkdir()


def _holds(place: Path, dataset: Dataset) -> bool:
    """Return whether the dataset's files, and no others, are in its place already."""
    if not place.exists():
        return dataset.folder and not dataset.files
    if place.is_dir() != dataset.folder:
        return False
    # sizes first, to read only what may be the same
    sizes = sorted(file.stat().st_size for file in files_of(place))
    return sizes == sorted(file.size for file in dataset.files) and (
        sha256(place) == dataset_checksum(dataset.path, dataset.files)
    )
