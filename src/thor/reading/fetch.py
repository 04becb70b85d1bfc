"""What has to be fetched from ESGF for THOR to read climate models: runs, grids, years, and parents of runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thor.core.errors import ConfigError, DataError, did_you_mean, listed
from thor.core.variables import Published
from thor.reading.esgf_files import IndexedDataset, RemoteFile
from thor.reading.esgf_index import EsgfIndex
from thor.reading.fetch_parents import RemoteParents
from thor.reading.fetch_settings import FetchSettings, variables_to_fetch
from thor.reading.grids import NATIVE
from thor.reading.quirks import quirks_of
from thor.reading.runs import Run, is_control, variant_order
from thor.reading.windows import Window

_Grids = dict[str, IndexedDataset]
"""Datasets of one variable of one run by their grid."""

_Waiting = tuple[Run, dict[str, _Grids], tuple[Window, ...] | None]
"""A run, its datasets by variable, and the years needed of it; None: those of the settings."""


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
    models = [_ModelFetch(index, settings, source_id, folder) for source_id in settings.source_ids]
    files = {file.path: file for model in models for file in model.plan()}
    notes = dict.fromkeys(note for model in models for note in model.notes)
    return FetchPlan([files[path] for path in sorted(files)], list(notes))


class _ModelFetch:
    """The plan of one climate model."""

    def __init__(self, index: EsgfIndex, settings: FetchSettings, source_id: str, folder: Path | None) -> None:
        self.index, self.settings, self.source_id = index, settings, source_id
        self.quirks = quirks_of(source_id, settings.quirks)
        wanted = variables_to_fetch(self.quirks, settings.variable_ids)
        self.series = {name: row for name, row in wanted.items() if not row.fixed}
        self.fixed = {name: row for name, row in wanted.items() if row.fixed}
        self.grids: set[str] | None = None  # on which there is what has no time; None: any
        self.notes: list[str] = []
        self.remote_parents = RemoteParents(self.quirks, next(iter(self.series), ""), folder, self.notes)

    def plan(self) -> list[RemoteFile]:
        """Return the model's files."""
        found = self._find(self.settings.experiment_ids, self.settings.variant_labels) if self.series else {}
        if self.series:
            self._require_known(found)
        fixed = self._find_fixed(found)
        allowed = [set(fixed[name]) for name in _needed(self.fixed)]
        self.grids = set.intersection(*allowed) if allowed else None
        files: list[RemoteFile] = []
        waiting: list[_Waiting] = [(run, found[run], None) for run in self._choose(found)]
        done = set()
        labels: dict[str, list[Run]] = {}
        while waiting:
            run, there, spans = waiting.pop(0)
            if (run, spans) in done:
                continue
            done.add((run, spans))
            kept, extent = self._files_of(run, there, spans)
            files += kept
            if not kept:
                continue
            labels.setdefault(kept[0].dataset.grid_label, []).append(run)
            if self.settings.parents and not is_control(run.experiment_id):
                waiting += self._parent(run, kept, extent, spans or self.settings.spans(*extent))
        if self.series and not files:
            raise DataError(f"ESGF has none of the years asked of {self.source_id}: {'; '.join(self.notes)}.")
        for label in labels or sorted(self.grids or (), key=_grid_order)[:1]:
            files += self._fixed_files(fixed, label, labels.get(label, []))
        return files

    def _find(self, experiment_ids: Sequence[str], variants: Sequence[str] | None) -> dict[Run, dict[str, _Grids]]:
        """Return the datasets of the variables with time, by run and variable."""
        found: dict[Run, dict[str, _Grids]] = {}
        for dataset in self._datasets(self.series, experiment_id=[*experiment_ids], member_id=[*(variants or ())]):
            found.setdefault(dataset.run, {}).setdefault(dataset.variable_id, {})[dataset.grid_label] = dataset
        return found

    def _datasets(self, variables: Mapping[str, Published], **facets: list[str]) -> Iterator[IndexedDataset]:
        """Yield the model's datasets of these variables, each from the table that THOR reads."""
        tables = {name: row.cmip6 for name, row in variables.items()}
        facets |= {"table_id": sorted(set(tables.values())), "variable_id": list(tables)}
        for dataset in self.index.datasets(source_id=self.source_id, **facets):
            if tables.get(dataset.variable_id) == dataset.table_id:
                yield dataset

    def _require_known(self, found: Iterable[Run]) -> None:
        """Raise ConfigError unless the index has every experiment of the model, in one of the variants."""
        there = {run.experiment_id for run in found}
        missing = [name for name in self.settings.experiment_ids if name not in there]
        if not missing:
            return
        probe, row = next(iter(self.series.items()))
        facets: dict[str, Any] = {"table_id": row.cmip6, "variable_id": probe}
        every = self.index.datasets(source_id=self.source_id, **facets)
        variants = sorted({d.variant_label for d in every if d.experiment_id == missing[0]}, key=variant_order)
        if variants and self.settings.variant_labels:
            asked = self.settings.variant_labels
            raise ConfigError(
                f"ESGF has none of the variants {', '.join(asked)} of {self.source_id}/{missing[0]}."
                f"{did_you_mean(asked[0], variants)}"
            )
        if variants:
            raise DataError(f"ESGF has {self.source_id}/{missing[0]}, but not with {', '.join(self.series)}.")
        if every:
            raise ConfigError(
                f"ESGF has no experiment '{missing[0]}' of {self.source_id} with {probe}."
                f"{did_you_mean(missing[0], {dataset.experiment_id for dataset in every})}"
            )
        models = {dataset.source_id for dataset in self.index.datasets(experiment_id="piControl", **facets)}
        if not models:
            raise DataError(f"ESGF has no '{probe}' ({row.cmip6}) of {self.source_id}.")
        raise ConfigError(f"ESGF has no model '{self.source_id}' with {probe}.{did_you_mean(self.source_id, models)}")

    def _find_fixed(self, runs: Mapping[Run, dict[str, _Grids]]) -> dict[str, dict[str, list[IndexedDataset]]]:
        """Return the datasets of the fields without time by variable and grid.

        Other experiments than those asked for and the commonest are searched only for what these lack.
        """
        found: dict[str, dict[str, list[IndexedDataset]]] = {name: {} for name in self.fixed}
        near = sorted({*(run.experiment_id for run in runs), "historical", "piControl"})
        labels = {label for there in runs.values() for grids in there.values() for label in grids}
        for experiments in (near, []):
            there = {name: set(grids) & (labels or set(grids)) for name, grids in found.items()}
            lacking = {name: row for name, row in self.fixed.items() if not there[name]}
            if not lacking:
                break
            for dataset in self._datasets(lacking, experiment_id=experiments):
                found[dataset.variable_id].setdefault(dataset.grid_label, []).append(dataset)
        for name, row in self.fixed.items():
            if row.needed and not found[name]:
                raise DataError(
                    f"ESGF has no '{name}' ({row.cmip6}) of {self.source_id} in any "
                    "experiment. Fetch the others with --variables, and put this field into the archive yourself."
                )
        return found

    def _choose(self, found: Mapping[Run, dict[str, _Grids]]) -> list[Run]:
        """Return the runs asked for, or the first of each experiment that has everything."""
        if not self.series:
            return []
        runs = sorted(found, key=lambda run: variant_order(run.variant_label))
        lacks = {run: self._lack(found[run]) for run in runs}
        chosen = []
        complete = {
            name: [run.variant_label for run in runs if run.experiment_id == name and not lacks[run]]
            for name in self.settings.experiment_ids
        }
        shared = set.intersection(*map(set, complete.values()))
        for name, labels in complete.items():
            incomplete = [run for run in runs if run.experiment_id == name and lacks[run]]
            if incomplete and (self.settings.variant_labels or not labels):
                lacking = listed([f"{run.variant_label} {lacks[run]}" for run in incomplete], separator="; ")
                names = ", ".join(_needed(self.series | self.fixed))
                raise DataError(
                    f"{self.source_id}/{name}: {'not every' if self.settings.variant_labels else 'no'} variant in ESGF "
                    f"has all of {names} on one grid: {lacking}."
                )
            if self.settings.variant_labels:
                chosen += [Run(self.source_id, name, label) for label in labels]
                continue
            first = min(shared or labels, key=variant_order)
            chosen.append(Run(self.source_id, name, first))
            others = f"taken of {len(labels)} variants" if len(labels) > 1 else "the only variant"
            self.notes.append(f"{chosen[-1].key} is {others} with all variables")
        return chosen

    def _lack(self, there: Mapping[str, _Grids]) -> str:
        """Return the reason why a run cannot be fetched; empty if it can."""
        missing = [name for name in _needed(self.series) if name not in there]
        if missing:
            return f"lacks {', '.join(missing)}"
        common = self._common(there)
        if not common:
            return "has " + ", ".join(f"{name} on {'/'.join(grids)}" for name, grids in there.items())
        if self.grids is not None and not common & self.grids:
            fixed = ", ".join(_needed(self.fixed))
            return f"is on {'/'.join(sorted(common))}, {fixed} on {'/'.join(sorted(self.grids)) or 'no common grid'}"
        return ""

    def _common(self, there: Mapping[str, _Grids]) -> set[str]:
        return set.intersection(*(set(there[name]) for name in _needed(self.series)))

    def _files_of(
        self, run: Run, there: dict[str, _Grids], spans: tuple[Window, ...] | None
    ) -> tuple[list[RemoteFile], tuple[int, int]]:
        """Return the files of one run that touch the spans (None: those of the settings), and the years it has."""
        common = self._common(there)
        label = min(common if self.grids is None else common & self.grids, key=_grid_order)
        lacking = [name for name, row in self.series.items() if not row.needed and label not in there.get(name, {})]
        if lacking:
            self.notes.append(f"{run.key} has no {', '.join(lacking)} on {label}")
        names = [name for name in self.series if name not in lacking]
        files = self.index.files(there[name][label] for name in names)
        years = [file.years for file in files if file.dataset.variable_id == names[0] and file.years]
        extent = (min(first for first, _ in years), max(last for _, last in years)) if years else (0, 9999)
        wanted = spans or self.settings.spans(*extent)
        kept = [file for file in files if file.touches(wanted)]
        if not kept:
            asked = ", ".join(map(str, wanted))
            self.notes.append(f"{run.key} has {extent[0]:04d}-{extent[1]:04d}: nothing of {asked}")
        return kept, extent

    def _parent(
        self, run: Run, kept: Sequence[RemoteFile], extent: tuple[int, int], spans: Sequence[Window]
    ) -> list[_Waiting]:
        """Return the run with which this one is compared, and the years of it that are needed."""
        parent = self.remote_parents.of(run, kept, extent[0])
        if parent is None:
            return []
        if parent.run.source_id != self.source_id:
            self.notes.append(f"{run.key} branches off {parent.run.key}, another model: fetch it by itself")
            return []
        found = self._find([parent.run.experiment_id], [parent.run.variant_label]).get(parent.run, {})
        lack = self._lack(found)
        if lack:
            self.notes.append(f"{run.key} branches off {parent.run.key}, which in ESGF {lack}: no baseline")
            return []
        if parent.is_control:
            of_control = self.index.files(list(found[next(iter(found))].values())[:1])
            parent = self.remote_parents.in_years_of_control(run, extent[0], parent, of_control)
        inside = [(max(span.first_year, extent[0]), min(span.last_year, extent[1])) for span in spans]
        years = [Window(first, last) for first, last in inside if first <= last]
        needed = tuple(sorted({parent.baseline(window, self.settings.windows) for window in years}))
        self.notes.append(f"{run.key} is compared with {', '.join(map(str, needed))} of {parent.run.key}")
        return [(parent.run, found, needed)]

    def _fixed_files(
        self, found: Mapping[str, dict[str, list[IndexedDataset]]], label: str, runs: Sequence[Run]
    ) -> list[RemoteFile]:
        chosen = []
        for name, grids in found.items():
            if label in grids:
                chosen.append(min(grids[label], key=lambda d: (d.run not in runs, variant_order(d.variant_label), d)))
            else:
                self.notes.append(f"ESGF has no {name} of {self.source_id} on {label}")
        return self.index.files(chosen)


def _needed(variables: Mapping[str, Published]) -> list[str]:
    return [name for name, row in variables.items() if row.needed]


def _grid_order(label: str) -> tuple[bool, str]:
    return label != NATIVE, label
