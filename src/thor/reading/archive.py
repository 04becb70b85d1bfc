"""Archives of climate models: the runs and files of a tree, listed as they are needed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

from thor.core.errors import ConfigError, DataError, did_you_mean, listed
from thor.core.variables import published
from thor.reading.layouts import GLOBAL_REGION, Layout, layout_below, recognise
from thor.reading.runs import Run, Wanted, chosen_of
from thor.reading.tree import Stored, Tree, newest

TOPS = (("CMIP6",), ("CMIP7",), ("MIP-DRS7", "CMIP7"))
"""Folders of an archive below which the layout begins, if they are there."""

IDEALIZED = "idealized"
"""Name, in place of a folder, of the archive that the idealized ocean makes."""

ONLY_VARIANT = "r1i1p1f1"
"""Variant of the runs in a layout that does not name variants."""


FIXED_VARIANT = "r0i0p0"
"""Variant of the fields without time in CMIP5: no run."""


class Archive:
    """One or several trees of climate-model output.

    Parameters
    ----------
    root : Path, str, sequence of these, or None
        None: an archive without runs.
    layout : str, optional
        ``auto``: recognised from the place of a file; else the name of a layout or a template
        (`thor.reading.layouts`).
    versions : mapping of str to str, optional
        Version to take, by ``source``, ``source/experiment``, ``source/experiment/variant`` or
        ``source/experiment/variant/variable``; the longest that fits counts. The newest that holds files elsewhere.
    grid_labels : mapping of str to str or sequence of str, optional
        Grid labels to take of a model. Elsewhere its native grid is taken (`thor.reading.grids`).

    Attributes
    ----------
    where : str
        Name of the archive in messages.
    """

    def __init__(
        self,
        root: Path | str | Sequence[Path | str] | None,
        *,
        layout: str = "auto",
        versions: Mapping[str, str] | None = None,
        grid_labels: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        roots = [] if root is None else [root] if isinstance(root, (str, Path)) else list(root)
        self.roots = tuple(Path(path) for path in roots)
        self.where = ", ".join(map(str, self.roots)) or "no archive"
        self.grid_labels = dict(grid_labels or {})
        self._layout = layout
        self._versions = dict(versions or {})
        self._tree = Tree()
        self._fixed: dict[tuple[str, str], dict[Run, dict[str, Stored]]] = {}

    @cached_property
    def _branches(self) -> list[tuple[Path, Layout]]:
        """Return the folders where a layout begins, and the layout of each."""
        branches = []
        for root in self.roots:
            if not root.is_dir():
                raise DataError(
                    f"The archive {root} does not exist. Set archive_root in conf/local/globals.yml, or the "
                    "environment variable THOR_ARCHIVE_ROOT, to a folder of CMIP6 or CMIP7 files."
                )
            tops = [top for names in TOPS if (top := root.joinpath(*names)).is_dir()] or [root]
            for top in tops:
                folders = self._tree.folders
                auto = self._layout == "auto"
                branches.append((top, recognise(top, folders) if auto else layout_below(top, self._layout, folders)))
        return branches

    # -- runs ------------------------------------------------------------------------------------------------------
    def source_ids(self) -> list[str]:
        """Return the models in the archive; a folder without experiments is none."""
        return [name for name in self._values("source_id") if self._values("experiment_id", source_id=name)]

    def experiment_ids(self, source_id: str) -> list[str]:
        """Return the experiments of a model.

        Raises
        ------
        ConfigError
            For a model that the archive does not have.
        """
        found = self._values("experiment_id", source_id=source_id)
        if not found:
            raise ConfigError(
                f"The archive {self.where} holds no model '{source_id}'.{did_you_mean(source_id, self.source_ids())} "
                "Correct source_ids, or set it to all."
            )
        return found

    def variant_labels(self, source_id: str, experiment_id: str) -> list[str]:
        """Return the variants of an experiment.

        Raises
        ------
        ConfigError
            For a model or experiment that the archive does not have.
        """
        there = self.experiment_ids(source_id)
        if experiment_id not in there:
            raise ConfigError(
                f"{source_id} has no experiment '{experiment_id}' in {self.where}."
                f"{did_you_mean(experiment_id, there)} Correct experiment_ids, or set it to all."
            )
        found = self._values("variant_label", source_id=source_id, experiment_id=experiment_id)
        return [label for label in found if label != FIXED_VARIANT]

    def __contains__(self, run: Run) -> bool:
        """Return whether the archive has a folder of this run."""
        found = self._values("variant_label", source_id=run.source_id, experiment_id=run.experiment_id)
        return run.variant_label in found

    def searched(self) -> str:
        """Return the folders that were searched, their layout, and what they hold."""
        parts = []
        for top, layout in self._branches:
            there = listed(self._tree.folders(top), most=6) or "no folder"
            parts.append(f"Below {top} folders were taken as {layout}; at its top: {there}.")
        return " ".join(parts)

    def is_gone(self, run: Run) -> bool:
        """Return whether the folders of a run, once listed, are not there any more."""
        return not any(
            self._tree.exists(folder)
            for top, layout in self._branches
            for folder, _ in self._walk(top, layout, layout.deepest(run.facets), run.facets)
        )

    def runs(self, *, source_ids: Wanted, experiment_ids: Wanted, variant_labels: Wanted) -> list[Run]:
        """Return the runs wanted, as far as there are folders of them.

        Parameters
        ----------
        source_ids, experiment_ids, variant_labels : sequence of str or 'all'
            Combinations that the archive does not have are left out; each name has to occur in one at least.

        Returns
        -------
        list of Run
            In the order of model, experiment and variant; empty for an archive without root.

        Raises
        ------
        ConfigError
            For a model, experiment or variant named that is nowhere, with the nearest that is.
        DataError
            When the archive is missing or empty, or its layout is not known.
        """
        if not self.roots:
            return []
        found = []
        for source_id in self.source_ids() if source_ids == "all" else source_ids:
            for experiment_id in chosen_of(self.experiment_ids(source_id), experiment_ids):
                labels = chosen_of(self.variant_labels(source_id, experiment_id), variant_labels)
                found += [Run(source_id, experiment_id, label) for label in labels]
        wanted = {"source_id": source_ids, "experiment_id": experiment_ids, "variant_label": variant_labels}
        self._require_found(found, wanted)
        return sorted(found)

    def _require_found(self, found: Sequence[Run], wanted: Mapping[str, Wanted]) -> None:
        """Raise ConfigError for a name that none of the runs found has; those wanted are by their facet."""
        lacking = [
            (facet, name)
            for facet, names in wanted.items()
            for name in (names if names != "all" else ())
            if name not in {getattr(run, facet) for run in found}
        ]
        if not lacking:
            return
        models = self.source_ids() if wanted["source_id"] == "all" else wanted["source_id"]
        experiments = {model: self.experiment_ids(model) for model in models}
        chosen = [(model, name) for model in models for name in chosen_of(experiments[model], wanted["experiment_id"])]
        there = {
            "source_id": set(models),
            "experiment_id": {name for names in experiments.values() for name in names},
            "variant_label": {label for pair in chosen for label in self.variant_labels(*pair)},
        }
        # a name that is nowhere is why runs with the other names are not found
        facet, name = next(((facet, name) for facet, name in lacking if name not in there[facet]), lacking[0])
        if facet == "source_id":
            known = f" It has the experiments {', '.join(experiments[name])}."
        else:
            known = did_you_mean(name, there[facet])
        raise ConfigError(
            f"No run asked for in {self.where} has {facet} '{name}'.{known} Correct {facet}s, or set it to all."
        )

    # -- variables -------------------------------------------------------------------------------------------------
    def stored(self, run: Run, variable_id: str) -> dict[str, Stored]:
        """Return what the archive holds of one variable of a run, by grid label; nothing where it has none.

        Raises
        ------
        ConfigError
            When `versions` names a version that is not there.
        """
        return self._stored(variable_id, **run.facets).get(run, {})

    def variables(self, run: Run) -> list[str]:
        """Return those of the variables that THOR reads which a run has, for messages."""
        return [name for name in published() if self.stored(run, name)]

    def elsewhere(self, *variable_ids: str, **pinned: str) -> str:
        """Return a sentence on what runs with these facets have of variables that is not read; empty for nothing.

        That is below another table, frequency or branding suffix, in a folder that may not be listed, or no NetCDF
        file.
        """
        found = []
        for (top, layout), name in product(self._branches, variable_ids):
            address = layout.address(name) or {}
            wanted = pinned | {"variable_id": name}
            for folder, there in self._walk(top, layout, layout.deepest((*wanted, *address)), wanted):
                elsewhere = any(there[facet] != expected for facet, expected in address.items())
                if elsewhere or not any(closed.is_relative_to(folder) for closed in self._tree.closed):
                    found.append(f"{folder.relative_to(top)}{'' if elsewhere else ' (no file *.nc)'}")
        other = f" Other output of it is not read: {listed(found)}." if found else ""
        return other + self.closed(pinned["source_id"])

    def closed(self, source_id: str | None = None) -> str:
        """Return a sentence on folders, of one model or all, that may not be listed; empty for none so far."""
        found = [str(folder) for folder in self._tree.closed if source_id is None or source_id in folder.parts]
        return f" Without permission to list, ask for it: {listed(found)}." if found else ""

    def fixed(self, run: Run, variable_id: str) -> Iterator[tuple[Run, Stored]]:
        """Yield where a field without time is: in the run, then in the other runs of the same model."""
        key = run.source_id, variable_id
        if key not in self._fixed:
            self._fixed[key] = self._stored(variable_id, source_id=run.source_id)
        there = self._fixed[key]
        for candidate in (run, *(other for other in sorted(there) if other != run)):
            for stored in there.get(candidate, {}).values():
                yield candidate, stored

    def _stored(self, variable_id: str, **pinned: str) -> dict[Run, dict[str, Stored]]:
        """Return what there is of one variable in the runs with these facets, by run and grid label."""
        folders: dict[tuple[Run, str], dict[str, dict[str, list[Path]]]] = {}
        for top, layout in self._branches:
            address = layout.address(variable_id)
            if address is None:
                continue
            for folder, there in self._walk(top, layout, len(layout.parts) - 1, pinned | address):
                run = Run(there["source_id"], there["experiment_id"], there.get("variant_label", ONLY_VARIANT))
                regions = folders.setdefault((run, there.get("grid_label", "")), {})
                versions = regions.setdefault(there.get("region", GLOBAL_REGION), {})
                versions.setdefault(there.get("version", ""), []).append(folder)
        found: dict[Run, dict[str, Stored]] = {}
        for (run, label), regions in folders.items():
            versions = regions.get(GLOBAL_REGION) or regions[min(regions)]
            parts = [run.source_id, run.experiment_id, run.variant_label, variable_id]
            keys = ["/".join(parts[:n]) for n in range(4, 0, -1)]
            named = next((self._versions[key] for key in keys if key in self._versions), None)
            chosen = newest(self._tree, label, versions, named=named, where=f"{variable_id} of {run.key}")
            if chosen is not None:
                found.setdefault(run, {})[label] = chosen
        return found

    # -- folders ---------------------------------------------------------------------------------------------------
    def _values(self, facet: str, **pinned: str) -> list[str]:
        """Return the values of a facet in the folders with these others."""
        found: set[str] = set()
        for top, layout in self._branches:
            missing = ONLY_VARIANT if facet == "variant_label" and facet not in layout.facets else ""
            walk = self._walk(top, layout, layout.deepest((facet, *pinned)), pinned)
            found |= {there.get(facet, missing) for _, there in walk}
        return sorted(found - {""})

    def _walk(
        self, top: Path, layout: Layout, deepest: int, pinned: Mapping[str, str]
    ) -> list[tuple[Path, dict[str, str]]]:
        """Return the folders of a level with their facets; those of pinned facets are not searched for."""
        here: list[tuple[Path, dict[str, str]]] = [(top, {})]
        for level in range(deepest + 1):
            facet, further = layout.facet(level), []
            literal = layout.parts[level] if facet is None and layout.parts[level] != "*" else None
            for folder, facets in here:
                there = self._tree.folders(folder)
                wanted = literal if facet is None else pinned.get(facet)
                for name in there if wanted is None else [wanted] if wanted in there else []:
                    further.append((folder / name, facets | ({facet: name} if facet else {})))
            here = further
        return here
