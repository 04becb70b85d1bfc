"""What has to be fetched from ESGF for THOR to read climate models."""

from dataclasses import dataclass
from pathlib import Path

from thor.reading.esgf_files import RemoteFile
from thor.reading.esgf_index import EsgfIndex
from thor.reading.fetch_model import ModelFetch
from thor.reading.fetch_settings import FetchSettings


@dataclass(frozen=True)
class FetchPlan:
    """What is to be fetched.

    Attributes
    ----------
    files : list of RemoteFile
        In the order of their paths.
    notes : list of str
        What was chosen, and what is not in the index.
    """

    files: list[RemoteFile]
    notes: list[str]


def plan_fetch(index: EsgfIndex, settings: FetchSettings, *, folder: Path | None = None) -> FetchPlan:
    """Return the files that these settings ask for.

    Only the index is searched, and the first bytes of one file of each run are read for the attributes that name its
    parent; nothing is written.

    Parameters
    ----------
    index : EsgfIndex
    settings : FetchSettings
    folder : Path, optional
        That of the activities: headers of files that are there already are read there.

    Raises
    ------
    ConfigError
        For a model, experiment or variant that the index does not know.
    DataError
        When no variant has all variables on one grid, no file is of the years asked, or no index answers.
    """
    files: dict[Path, RemoteFile] = {}
    notes: list[str] = []
    for source_id in settings.source_ids:
        model = ModelFetch(index, settings, source_id, folder)
        for file in model.plan():
            files[file.path] = file
        notes += model.notes
    return FetchPlan([files[path] for path in sorted(files)], list(dict.fromkeys(notes)))
