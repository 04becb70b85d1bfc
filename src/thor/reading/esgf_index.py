"""The index of ESGF, searched through intake-esgf: which datasets exist, and which data nodes hold their files.

intake-esgf knows the index services (Globus, Solr, STAC) and which of them are in use: those that its own configuration
``~/.config/intake-esgf/conf.yaml`` enables.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from thor.core.errors import ConfigError, DataError
from thor.reading.archive import Run

log = logging.getLogger(__name__)

TIMEOUT = (15.0, 30.0)
"""Seconds within which a server must accept a connection, and send something."""

_BATCH = 20  # datasets in one request: their names are part of an address
_PAGE = 1000
_NAME = re.compile(r"[\w-][\w.-]*")
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


class Index:
    """The index services of ESGF together.

    Parameters
    ----------
    services : sequence of index objects of intake-esgf, optional
        Those its configuration enables by default.

    Raises
    ------
    ConfigError
        When intake-esgf is not installed, or no service is enabled.
    """

    def __init__(self, services: Iterable[Any] | None = None) -> None:
        require_packages()
        self._services = list(services) if services is not None else list(_enabled_services())
        self._ids: dict[IndexedDataset, dict[int, set[str]]] = {}
        self._superseded: set[IndexedDataset] = set()
        for service in self._services:
            service.session = session()
        logging.getLogger("globus_sdk").setLevel(logging.CRITICAL)  # what fails is reported here

    def datasets(self, **facets: str | list[str]) -> list[IndexedDataset]:
        """Return the datasets with these facets, each in its newest version that no data node calls retracted.

        Parameters
        ----------
        **facets : str or list of str
            CMIP6 facets such as ``source_id``; ``member_id`` for the variant.

        Raises
        ------
        DataError
            When no index service answers.
        """
        import intake_esgf

        query = {
            "type": "Dataset",
            "project": "CMIP6",
            **{name: value for name, value in facets.items() if value},
        }
        with intake_esgf.conf.set(additional_df_cols=["retracted", "latest"]):
            answers = self._ask({number: [query] for number in range(len(self._services))}, "search")
        found: set[IndexedDataset] = set()
        retracted: set[IndexedDataset] = set()
        for number, row in ((number, row) for number, table in answers for row in table.to_dict("records")):
            dataset = _dataset(row["id"])
            if dataset is None:
                continue
            found.add(dataset)
            self._ids.setdefault(dataset, {}).setdefault(number, set()).add(str(row["id"]))
            if _is(row.get("retracted"), True):
                retracted.add(dataset)
            if _is(row.get("latest"), False):
                self._superseded.add(dataset)
        usable = sorted(found - retracted, key=lambda dataset: int(dataset.version[1:]))
        return sorted({dataset[:-1]: dataset for dataset in usable}.values())

    def files(self, datasets: Iterable[IndexedDataset]) -> list[RemoteFile]:
        """Return the files of datasets that a search has found, each with all data nodes that hold it.

        Raises
        ------
        DataError
            When no index service answers, or a dataset has no file that can be fetched by HTTP.
        """
        wanted = sorted(set(datasets))
        queries: dict[int, list[dict[str, Any]]] = {}
        for number in range(len(self._services)):
            for superseded in (False, True):
                # Files of a version that is not the latest one are left out unless asked for.
                options = {"latest": [True, False]} if superseded else {}
                ids = [
                    name
                    for dataset in wanted
                    for name in sorted(self._ids.get(dataset, {}).get(number, ()))
                    if (dataset in self._superseded) == superseded
                ]
                queries.setdefault(number, []).extend({"dataset_ids": part, **options} for part in _batches(ids))
        found: dict[tuple[IndexedDataset, str], list[Replica]] = {}
        for _, records in self._ask(queries, "get_file_info"):
            for record in records:
                dataset = _dataset(record["dataset_id"])
                name = Path(str(record["path"])).name
                if dataset in wanted and _NAME.fullmatch(name) and name.endswith(".nc"):
                    known = found.setdefault((dataset, name), [])
                    known += [replica for replica in _replicas(record) if replica not in known]
        files = [RemoteFile(*key, tuple(replicas)) for key, replicas in sorted(found.items()) if replicas]
        without = sorted(set(wanted) - {file.dataset for file in files})
        if without:
            raise DataError(
                f"The index of ESGF lists {'.'.join(without[0])}, but no file of it that can be fetched by HTTP"
                f"{f', and {len(without) - 1} more like it' if len(without) > 1 else ''}. Try again later, or leave it "
                "out."
            )
        return files

    def _ask(self, queries: Mapping[int, list[dict[str, Any]]], method: str) -> list[tuple[int, Any]]:
        """Return the answers of the services; one that fails is left out with a warning unless all fail."""
        import globus_sdk
        import pystac_client.exceptions
        import requests
        from intake_esgf.exceptions import NoSearchResults

        answers: list[tuple[int, Any]] = []
        failures: dict[int, Exception] = {}
        for number, asked in queries.items():
            service = self._services[number]
            try:
                for query in asked:
                    try:
                        answers.append((number, getattr(service, method)(**_paged(service, query))))
                    except NoSearchResults:
                        continue
            except (
                *(requests.RequestException, globus_sdk.GlobusError, pystac_client.exceptions.APIError),
                *(KeyError, ValueError, TypeError, AttributeError),  # an answer of another form
            ) as error:
                failures[number] = error
        asked_any = [number for number, asked in queries.items() if asked]
        if asked_any and set(failures) >= set(asked_any):
            number, first = next(iter(failures.items()))
            raise DataError(
                f"No index of ESGF answered; {self._services[number]}: {reason(first)}. Check the connection, or "
                "enable other indices in ~/.config/intake-esgf/conf.yaml."
            ) from first
        for number, failure in failures.items():
            log.warning("%s gave no answer (%s): results may be incomplete", self._services[number], reason(failure))
        return answers


def session() -> Any:
    """Return a session of `requests` that never waits for ever and says who asks."""
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


def require_packages() -> None:
    """Raise ConfigError unless the packages of the extra `esgf` are installed."""
    try:
        import intake_esgf  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"Fetching from ESGF needs a package that is not installed: {error.name}. Install it with "
            "`pip install 'thor[esgf]'`."
        ) from error


def _enabled_services() -> Iterator[Any]:
    import intake_esgf
    from intake_esgf.core import GlobusESGFIndex, SolrESGFIndex, STACESGFIndex

    kinds = {"globus_indices": GlobusESGFIndex, "solr_indices": SolrESGFIndex, "stac_indices": STACESGFIndex}
    names = [(kind, name) for group, kind in kinds.items() for name, used in intake_esgf.conf[group].items() if used]
    if not names:
        raise ConfigError(
            "No index of ESGF is enabled in ~/.config/intake-esgf/conf.yaml. Enable one, or remove the file."
        )
    for kind, name in names:
        yield kind(name)


def _paged(service: Any, query: dict[str, Any]) -> dict[str, Any]:
    """Return the query with the page's size where that is not intake-esgf's own choice: Solr gives 10 rows a page."""
    return query | ({"limit": _PAGE} if type(service).__name__ == "SolrESGFIndex" else {})


def _dataset(name: str) -> IndexedDataset | None:
    """Return what ``CMIP6.CMIP.<institution>...<grid>.v<date>|<data node>`` names, None if it is something else."""
    parts = str(name).partition("|")[0].split(".")
    if len(parts) != len(IndexedDataset._fields) or not all(map(_NAME.fullmatch, parts)):
        return None
    return IndexedDataset(*parts) if re.fullmatch(r"v\d+", parts[-1]) else None


def _replicas(record: Mapping[str, Any]) -> list[Replica]:
    algorithm, checksum = _checksum(record.get("checksum_type"), record.get("checksum"))
    size = int(record.get("size") or 0)
    urls = [url for url in record.get("HTTPServer", ()) if re.match(r"https?://", url)]
    return [Replica(url, size, algorithm, checksum) for url in urls]


def _checksum(algorithm: Any, checksum: Any) -> tuple[str | None, str | None]:
    """Return name (of `hashlib`) and hex digits of a checksum: given as such, as ``name:digits``, or as a multihash."""
    import hashlib

    text = str(checksum or "").strip().lower()
    if not algorithm and ":" in text:
        algorithm, _, text = text.partition(":")
    for prefix, (name, length) in _MULTIHASH.items():
        if not algorithm and text.startswith(prefix) and len(text) == len(prefix) + length:
            algorithm, text = name, text[len(prefix) :]
    known = str(algorithm or "").lower().replace("-", "")
    return (known, text) if text and known in hashlib.algorithms_available else (None, None)


def _is(value: Any, expected: bool) -> bool:
    return str(value).lower() == str(expected).lower()


def _batches(names: list[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while part := list(islice(rest, _BATCH)):
        yield part


def reason(error: BaseException) -> str:
    """Return an error in one short line: what `requests` says of a lost connection is a paragraph."""
    import requests

    error = getattr(error, "underlying_exception", error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0][:120]}"
