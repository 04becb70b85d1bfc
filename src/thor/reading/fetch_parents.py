"""The runs with which runs in ESGF are compared, by the header of one file of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from thor.core.errors import DataError
from thor.reading.baselines import Parent, parent_of
from thor.reading.beginnings import counted_from
from thor.reading.esgf_files import RemoteFile
from thor.reading.quirks import Quirks
from thor.reading.remote_header import read_remote_header
from thor.reading.runs import Run
from thor.reading.series import Series


@dataclass(eq=False)
class RemoteParents:
    """Parents of the runs of one climate model; headers are read once.

    Attributes
    ----------
    quirks : Quirks
    variable_id : str
        Variable of which a file is read where there is a choice.
    folder : Path or None
        That of the activities: headers of files that are there already are read there.
    notes : list of str
        What cannot be read is added to them.
    """

    quirks: Quirks
    variable_id: str
    folder: Path | None
    notes: list[str]
    _headers: dict[Run, Series | None] = field(default_factory=dict)

    def of(self, run: Run, files: Sequence[RemoteFile], first_year: int) -> Parent | None:
        """Return the parent of a run, its years in the calendar of the run; None for none that is known."""
        header = self._header(run, files, first_year, "once it is fetched, run this again for the parent of")
        return None if header is None else self._parent(run, header)

    def in_years_of_control(
        self, run: Run, first_year: int, parent: Parent, control_files: Sequence[RemoteFile]
    ) -> Parent:
        """Return a control run that is the parent, its years counted as in an archive: in the calendar of its files."""
        control = self._header(parent.run, control_files, first_year, "its calendar is taken for that of a child,")
        header = self._headers[run]
        if header is None or control is None:
            return parent
        return counted_from(first_year, self._parent(run, header, control) or parent, header, run)

    def _header(self, run: Run, files: Sequence[RemoteFile], first_year: int, remedy: str) -> Series | None:
        if run not in self._headers:
            first = min(files, key=lambda file: (not self._is_here(file), not self._is_likely(file), file.size))
            try:
                self._headers[run] = read_remote_header(first, first_year=first_year, folder=self.folder)
            except OSError as error:
                self.notes.append(f"the header of {first.name} cannot be read remotely ({error}): {remedy} {run.key}")
                self._headers[run] = None
        return self._headers[run]

    def _is_here(self, file: RemoteFile) -> bool:
        return self.folder is not None and (self.folder / file.path).is_file()

    def _is_likely(self, file: RemoteFile) -> bool:
        return file.dataset.variable_id == self.variable_id

    def _parent(self, run: Run, header: Series, of_parent: Series | None = None) -> Parent | None:
        branch_year = self.quirks.branch_years.get(run.experiment_id)
        try:
            return parent_of(run, header, branch_year=branch_year, of_parent=of_parent)
        except (DataError, ValueError) as error:
            self.notes.append(f"the parent of {run.key} is unknown: {error}")
            return None
