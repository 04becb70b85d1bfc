"""The origin of a report: runs, versions, seed, parameters, time and memory of nodes, checksums of files."""

from collections.abc import Mapping, Sequence
from typing import Any

_REPLACED = ("manifest", "report")


def manifest(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of the data that a run record describes.

    Parameters
    ----------
    record : mapping
        `runs`, `nodes` and `datasets`, as `thor.core.run_record.RunRecord` keeps them.

    Returns
    -------
    dict
        `last_run`: the latest run. `runs`: all runs that made a file that still exists. `nodes`: a list in the
        order in which they finished. `datasets`: by name. `totals`: nodes, seconds, largest peak memory [MB], bytes.
        `differences`: those of `git`, `seed` and `parameters` in which the runs differ, here and at the senders of
        files handed over. `makers_known`: whether the run that made it is known of every file handed over.
    """
    runs, datasets = record.get("runs", {}), record.get("datasets", {})
    nodes = [{"name": name, **entry} for name, entry in record.get("nodes", {}).items()]
    nodes.sort(key=lambda entry: (entry["finished"], entry["name"]))
    # The last manifest and report are replaced in this run: their run says nothing about the other files.
    entries = [entry for name, entry in datasets.items() if name not in _REPLACED]
    replacing = {datasets[name]["node"] for name in _REPLACED if name in datasets}
    makers = {entry["run"] for entry in (*nodes, *entries) if entry.get("name") not in replacing} - {None}
    last = max(runs, default=None)
    made_by = {name: run for name, run in runs.items() if name in makers or name == last}
    senders = [entry["made_by"].get("run") for entry in datasets.values() if entry.get("made_by")]
    return {
        "last_run": {"name": last, **runs[last]} if last is not None else {},
        "runs": made_by,
        "nodes": nodes,
        "datasets": dict(sorted(datasets.items())),
        "totals": {
            "n_nodes": len(nodes),
            "seconds": sum(entry["seconds"] for entry in nodes),
            "peak_memory_mb": max((entry["peak_memory_mb"] for entry in nodes), default=None),
            "bytes": sum(entry["bytes"] for entry in datasets.values()),
        },
        "differences": _differences([*(made_by[name] for name in made_by if name in makers), *filter(None, senders)]),
        "makers_known": None not in senders,
    }


def _differences(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in which facts runs differ; those of senders have some groups of parameters only."""
    facts: dict[str, set[str]] = {}
    for run in runs:
        for name in ("git", "seed"):
            facts.setdefault(name, set()).add(repr(run.get(name)))
        for group, values in run.get("parameters", {}).items():
            facts.setdefault(f"parameters.{group}", set()).add(repr(values))
    return list(dict.fromkeys(name.partition(".")[0] for name, values in facts.items() if len(values) > 1))
