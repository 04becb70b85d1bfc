"""Results that do not belong together: made from another version of a file than the one beside them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from thor.core.errors import listed

_FIRST = ("ensemble", "bayesian_network", "calibration_model", "regimes", "features")
"""Named first: what a message is about for its reader."""


def mismatches(record: Mapping[str, Any], names: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Return the pairs of a result and an input whose content is not that from which the result was made.

    Contents are compared by checksum. Times, places and the fingerprints that change with the code do not count, nor
    do inputs that are absent or have no checksum, such as archives of climate models.

    Parameters
    ----------
    record : mapping
        `datasets`, as `thor.core.run_record.RunRecord` keeps them.
    names : iterable of str, optional
        Only these results and what they were made from, step by step; all of them by default.

    Returns
    -------
    list of tuple of str
        Result and input.
    """
    datasets = record.get("datasets", {})
    pairs = []
    for name in datasets if names is None else _upstream(datasets, names):
        for source, content in (datasets[name].get("made_from") or {}).items():
            if datasets.get(source, {}).get("content", content) != content:
                pairs.append((name, source))
    return sorted(pairs, key=lambda pair: [(_rank(name), name) for name in pair])


def outdated(record: Mapping[str, Any], results: Collection[str]) -> set[str]:
    """Return these results and all that was made from them, step by step."""
    found: set[str] = set()
    more = set(results)
    while more:
        found |= more
        entries = record.get("datasets", {}).items()
        more = {name for name, entry in entries if name not in found and found & set(entry.get("made_from") or {})}
    return found


def mixed_results(
    record: Mapping[str, Any],
    names: Iterable[str] | None = None,
    *,
    command: str | None = None,
    without: Collection[str] = (),
) -> list[str]:
    """Return sentences on results that do not belong together: which, their files and times, and the remedy.

    Parameters
    ----------
    record : mapping
        `datasets` and `nodes`, as `thor.core.run_record.RunRecord` keeps them.
    names : iterable of str, optional
        As for `mismatches`.
    command : str, optional
        The command that makes them again, without the names of pipelines; by default as that of the last run.
    without : collection of str
        Pipelines and datasets that are made again in this run: their results and inputs are not reported.

    Returns
    -------
    list of str
        Empty where everything belongs together.
    """
    pairs = [
        (result, source)
        for result, source in mismatches(record, names)
        if not {result, source, _pipeline(record, result)} & set(without)
    ]
    # What a report shows is named only where nothing else is older than its inputs.
    pairs = [pair for pair in pairs if _pipeline(record, pair[0]) != "reporting"] or pairs
    if not pairs:
        return []
    results, sources = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    result, source = pairs[0]
    again = outdated(record, results)
    sizes: dict[str, int] = {}
    for name in again:
        pipeline, size = _pipeline(record, name), len(_upstream(record["datasets"], [name]))
        sizes[pipeline] = min(size, sizes.get(pipeline, size))
    pipelines = ",".join(sorted(filter(None, sizes), key=lambda pipeline: (sizes[pipeline], pipeline)))
    command = (command or _command(record)) + (f" --pipelines {pipelines}" if pipelines else "")
    return [
        f"Results that do not belong together: {listed(results, most=4)}, made from other versions of "
        f"{listed(sources, most=4)} than those in the folder.",
        f"{_file(record, result)} was made from another {_file(record, source)}.",
        f"Make them again with `{command}`, or restore the files that belong together.",
    ]


def _upstream(datasets: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Return these datasets and what they were made from, as far as it is there."""
    found: set[str] = set()
    more = {name for name in names if name in datasets}
    while more:
        found |= more
        sources = {source for name in more for source in datasets[name].get("made_from") or {}}
        more = {source for source in sources if source in datasets} - found
    return found


def _pipeline(record: Mapping[str, Any], name: str) -> str:
    entry = record["datasets"].get(name, {})
    node = record.get("nodes", {}).get(entry.get("node")) or entry.get("made_by") or {}
    return str(node.get("pipeline") or "")


def _command(record: Mapping[str, Any]) -> str:
    """Return the command of the last run, with its environment alone."""
    last = record.get("runs", {}).get(max(record.get("runs", {}), default=""), {})
    program = "thor" if last.get("command", "").startswith("thor ") else "kedro"
    env = last.get("run", {}).get("env")
    return f"{program} run" + (f" --env {env}" if env else "")


def _file(record: Mapping[str, Any], name: str) -> str:
    """Return path and origin of a dataset."""
    entry = record["datasets"][name]
    made = record.get("nodes", {}).get(entry["node"])
    if made is not None:
        return f"{entry['path']} (of {datetime.fromisoformat(made['finished']):%Y-%m-%d %H:%M})"
    return f"{entry['path']} ({'handed over' if entry.get('made_by') else 'changed or put there by hand'})"


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)
