"""Fitted objects of the project's classes, pickled with versions and checksum so that a wrong one is refused."""

import hashlib
import json
import pickle
from importlib.metadata import version
from typing import Any

from thor.core.atomic import replacing, show
from thor.core.errors import DataError
from thor.datasets.files import FileDataset, require_file

_MAGIC = b"THOR model 1\n"
_PICKLED_BY = ("numpy", "scikit-learn")


class ModelDataset(FileDataset):
    """One object of the project's classes, as a pickle behind a header with versions and checksum.

    Only files that this class wrote are unpickled: another file, a damaged one, or one of another minor version of
    scikit-learn or major version of NumPy is refused. Never load a model from an untrusted source.
    """

    def load(self) -> Any:
        """Return the object.

        Raises
        ------
        DataError
            When the file is missing, was not written by THOR, is damaged, or is of other versions.
        """
        where = show(self._filepath)
        content = require_file(self._filepath).read_bytes()
        if not content.startswith(_MAGIC):
            raise DataError(f"{where} was not written by THOR and is not unpickled. Run the pipeline that makes it.")
        line, _, payload = content.removeprefix(_MAGIC).partition(b"\n")
        try:
            header = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{where} is damaged: its header cannot be read. Make it again.") from error
        if hashlib.sha256(payload).hexdigest() != header.get("sha256"):
            raise DataError(f"{where} is damaged: its checksum differs ({len(payload)} bytes). Make it again.")
        for package, written in header["versions"].items():
            if _digits(package, written) != _digits(package, version(package)):
                both = f"{where} was written with {package} {written}; this is {package} {version(package)}"
                raise DataError(f"{both}. Make it again, or install that version.")
        try:
            return pickle.loads(payload)
        except (AttributeError, ImportError, TypeError, pickle.UnpicklingError) as error:
            raise DataError(f"{where} needs a class this version of THOR lacks: {error}. Make it again.") from error

    def save(self, data: Any) -> None:
        """Write the object.

        Raises
        ------
        DataError
            When it cannot be pickled.
        """
        try:
            payload = pickle.dumps(data, protocol=5)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise DataError(f"{show(self._filepath)}: a {type(data).__name__} cannot be kept: {error}.") from error
        header = {
            "class": f"{type(data).__module__}.{type(data).__qualname__}",
            "sha256": hashlib.sha256(payload).hexdigest(),
            "versions": {package: version(package) for package in _PICKLED_BY},
        }
        with replacing(self._filepath) as temporary:
            temporary.write_bytes(_MAGIC + json.dumps(header, sort_keys=True).encode() + b"\n" + payload)


def _digits(package: str, text: str) -> list[str]:
    return text.split(".")[: 2 if package == "scikit-learn" else 1]
