"""Datasets of ESGF and their files on data nodes, as the index names them, and the session for requests to servers."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from thor.reading.runs import Run
from thor.reading.windows import Window

TIMEOUT = (15.0, 30.0)
"""Seconds within which a server must accept a connection, and send something."""

_PLAIN_NAME = re.compile(r"[\w-][\w.-]*")
_YEARS = re.compile(r"_(\d{4})\d*-(\d{4})\d*(?:-clim)?\.nc$")
_MULTIHASH = {"1220": ("sha256", 64), "d50110": ("md5", 32)}


class IndexedDataset(NamedTuple):
    """One version of one variable of one run on one grid, by the folders of the layout."""

    mip_era: str
    activity_id: str
    institution_id: str
    source_id: str
    experiment_id: str
    variant_label: str
    table_id: str
    variable_id: str
    grid_label: str
    version: str

    @property
    def run(self) -> Run:
        """The run it belongs to."""
        return Run(self.source_id, self.experiment_id, self.variant_label)


class Replica(NamedTuple):
    """One file on one data node: its address, size in bytes (0: unknown) and checksum."""

    url: str
    size: int
    algorithm: str | None
    checksum: str | None

    @property
    def host(self) -> str:
        """The data node."""
        return self.url.split("/")[2]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset.

    Attributes
    ----------
    dataset : IndexedDataset
    name : str
    replicas : tuple of Replica
        At least one, in the order of the index.
    """

    dataset: IndexedDataset
    name: str
    replicas: tuple[Replica, ...]

    @property
    def path(self) -> Path:
        """Where it belongs below the folder of the activities."""
        return Path(*self.dataset[1:], self.name)

    @property
    def size(self) -> int:
        """Size [bytes], 0 where the index does not give it."""
        return self.replicas[0].size

    @property
    def years(self) -> tuple[int, int] | None:
        """First and last year from the file's name, None for a field without time."""
        match = _YEARS.search(self.name)
        return (int(match[1]), int(match[2])) if match else None

    def touches(self, spans: Iterable[Window]) -> bool:
        """Return whether it has a year of one of these spans, or no time."""
        years = self.years
        return years is None or any(years[0] <= span.last_year and span.first_year <= years[1] for span in spans)


def parse_dataset(name: str) -> IndexedDataset | None:
    """Return what ``CMIP6.CMIP.<institution>...<grid>.v<date>|<data node>`` names, None if it is something else."""
    parts = str(name).partition("|")[0].split(".")
    if len(parts) != len(IndexedDataset._fields) or not all(map(_PLAIN_NAME.fullmatch, parts)):
        return None
    return IndexedDataset(*parts) if re.fullmatch(r"v\d+", parts[-1]) else None


def parse_replicas(record: Mapping[str, Any]) -> list[Replica]:
    """Return the addresses by HTTP in a record of the index, each with size and checksum.

    None of a file whose name is not plain or not that of NetCDF: it could lie outside the archive.
    """
    name = Path(str(record["path"])).name
    if not (_PLAIN_NAME.fullmatch(name) and name.endswith(".nc")):
        return []
    algorithm, checksum = parse_checksum(record.get("checksum_type"), record.get("checksum"))
    size = int(record.get("size") or 0)
    urls = [url for url in record.get("HTTPServer", ()) if re.match(r"https?://", url)]
    return [Replica(url, size, algorithm, checksum) for url in urls]


def parse_checksum(algorithm: Any, checksum: Any) -> tuple[str | None, str | None]:
    """Return name (of `hashlib`) and hex digits of a checksum: given as such, as ``name:digits``, or as a multihash."""
    text = str(checksum or "").strip().lower()
    if not algorithm and ":" in text:
        algorithm, _, text = text.partition(":")
    for prefix, (name, length) in _MULTIHASH.items():
        if not algorithm and text.startswith(prefix) and len(text) == len(prefix) + length:
            algorithm, text = name, text[len(prefix) :]
    known = str(algorithm or "").lower().replace("-", "")
    return (known, text) if text and known in hashlib.algorithms_available else (None, None)


def session() -> Any:
    """Return a session of `requests` with time limits and THOR's user agent."""
    import requests
    from requests.adapters import HTTPAdapter

    import thor

    class Patient(HTTPAdapter):
        def send(self, request: Any, stream: bool = False, timeout: Any = None, *others: Any, **options: Any) -> Any:
            return super().send(request, stream, timeout or TIMEOUT, *others, **options)

    made = requests.Session()
    made.headers["User-Agent"] = f"thor/{thor.__version__}"
    for scheme in ("https://", "http://"):
        made.mount(scheme, Patient(pool_maxsize=32))
    return made


def short_reason(error: BaseException) -> str:
    """Return an error in one short line; that of `requests` for a lost connection is a paragraph."""
    import requests

    error = getattr(error, "underlying_exception", error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0][:120]}"
