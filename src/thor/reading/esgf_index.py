"""The index of ESGF, searched through intake-esgf: which datasets exist, and which data nodes hold their files.

intake-esgf knows the index services (Globus, Solr, STAC) and which of them are in use: those that its configuration
``~/.config/intake-esgf/conf.yaml`` enables.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from thor.core.errors import ConfigError, DataError, require_packages
from thor.reading.esgf_files import IndexedDataset, RemoteFile, parse_dataset, parse_replicas, session, short_reason

log = logging.getLogger(__name__)

_BATCH = 20  # datasets in one request: their names are part of an address
_PAGE = 1000


class EsgfIndex:
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
        require_packages("intake_esgf", "requests", extra="esgf", purpose="Fetching from ESGF")
        self.services = list(services) if services is not None else list(_enabled_services())
        self._ids: dict[IndexedDataset, dict[int, set[str]]] = {}
        self._superseded: set[IndexedDataset] = set()
        for service in self.services:
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

        query = {"type": "Dataset", "project": "CMIP6"} | {name: value for name, value in facets.items() if value}
        with intake_esgf.conf.set(additional_df_cols=["retracted", "latest"]):
            answers = self._ask({number: [query] for number in range(len(self.services))}, "search")
        found: set[IndexedDataset] = set()
        retracted: set[IndexedDataset] = set()
        for number, row in ((number, row) for number, table in answers for row in table.to_dict("records")):
            dataset = parse_dataset(row["id"])
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
        for number in range(len(self.services)):
            for superseded in (False, True):
                # Files of a version that is not the latest one are left out unless asked for.
                options = {"latest": [True, False]} if superseded else {}
                ids = [
                    name
                    for dataset in wanted
                    for name in sorted(self._ids.get(dataset, {}).get(number, ()))
                    if (dataset in self._superseded) == superseded
                ]
                parts = (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
                queries.setdefault(number, []).extend({"dataset_ids": part, **options} for part in parts)
        found: dict[tuple[IndexedDataset, str], list[Any]] = {}
        for _, records in self._ask(queries, "get_file_info"):
            for record in records:
                dataset = parse_dataset(record["dataset_id"])
                if dataset in wanted:
                    known = found.setdefault((dataset, Path(str(record["path"])).name), [])
                    known += [replica for replica in parse_replicas(record) if replica not in known]
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
            service = self.services[number]
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
                f"No index of ESGF answered; {self.services[number]}: {short_reason(first)}. Check the connection, or "
                "enable other indices in ~/.config/intake-esgf/conf.yaml."
            ) from first
        for number, failure in failures.items():
            log.warning(
                "%s gave no answer (%s): results may be incomplete", self.services[number], short_reason(failure)
            )
        return answers


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
    """Return the query, for Solr with the size of a page, which intake-esgf leaves at 10 rows."""
    return query | ({"limit": _PAGE} if type(service).__name__ == "SolrESGFIndex" else {})


def _is(value: Any, expected: bool) -> bool:
    return str(value).lower() == str(expected).lower()
