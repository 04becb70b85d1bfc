"""What is divided among regimes in every window of a run, and compared with the baseline window."""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial

import xarray as xr

from thor.core.errors import GridError
from thor.core.fingerprint import fingerprint
from thor.reading.positions import same_positions
from thor.reading.runs import is_control
from thor.tracking import RunDatasets
from thor.tracking.cells import PlannedResults, facets_of
from thor.tracking.regime_shares import probabilities_by_network
from thor.tracking.tools import TrackingTools


def plans_by_window(
    windows: Mapping[str, Mapping[str, str]],
    features: RunDatasets,
    tools: TrackingTools,
    predictor: str,
    measure: Callable[..., xr.Dataset],
    finish: Callable[[xr.Dataset, xr.Dataset | None], xr.Dataset],
    *,
    mark: str,
) -> PlannedResults:
    """Return, for each run but control runs, a fingerprint and a function that joins the results of its windows.

    Parameters
    ----------
    windows : mapping of str to mapping of str to str
        The windows of each run in which there is something to measure, baseline windows of control runs too, each with
        the fingerprint of what is measured there.
    features : mapping of str to callable
        Reads the features of each run, with the coordinate `baseline_window` and the attribute `parent`.
    tools : TrackingTools
    predictor : str
        Whose members divide what is measured among regimes.
    measure : callable
        Of the key of a run, a window and the probabilities of every member in it, block by block, with the keywords
        `basin`, a field of the run, and `regimes`.
    finish : callable
        Makes the result of a window from what is measured in it and, where there is one, in its baseline window.
    mark : str
        Fingerprint of all else on which the results of every run depend.
    """

    @lru_cache(maxsize=2)  # all windows may have one baseline; at 0.25 degrees each takes 0.1 GB
    def in_window(key: str, window: str) -> xr.Dataset:
        run = features[key]()
        number = list(map(str, run["window"].values)).index(window)
        blocks = probabilities_by_network(run, number, tools, predictor)
        return measure(key, window, blocks, basin=run["basin"], regimes=tools.classes)

    def make(key: str) -> xr.Dataset:
        run = features[key]()
        parent = str(run.attrs.get("parent", ""))
        parts = []
        labels = (map(str, run[name].values) for name in ("window", "baseline_window"))
        for window, baseline in zip(*labels, strict=True):
            if window in windows[key]:
                compared = in_window(parent, baseline) if baseline in windows.get(parent, ()) else None
                part = finish(in_window(key, window), compared)
                parts.append(part.astype("float32").assign_coords(window=window, baseline_window=baseline))
        found = xr.concat(
            parts, "window", data_vars="all", coords="different", compat="equals", combine_attrs="override"
        )
        return found.assign_attrs(facets_of(run), predictor=predictor)

    @cache
    def mark_of(key: str) -> str:
        return fingerprint(features[key](), windows[key])

    def inputs(key: str) -> list[str]:
        # the windows of the parent are divided with the parent's features
        return [mark_of(name) for name in (key, str(features[key]().attrs.get("parent", ""))) if name in windows]

    return {
        key: (fingerprint(mark, inputs(key)), partial(make, key))
        for key in sorted(windows)
        if not is_control(key.split("/")[1])
    }


def run_to_draw(runs: RunDatasets, wanted: str | None) -> xr.Dataset | None:
    """Return the dataset of a run, of the first one where this has none, or None without any."""
    key = wanted if wanted in runs else next(iter(runs), None)
    return None if key is None else runs[key]()


def require_same_cells(transports: xr.Dataset, run: xr.Dataset, window: str) -> None:
    """Raise GridError unless the transports of a window lie on the cells of its run, of which the positions count."""
    if not same_positions(transports, run):
        raise GridError(
            f"The transports of {transports.attrs.get('source_id')} in {window} lie on other cells than its sea level; "
            "expected those of one run. Make both again with `kedro run --pipeline data_engineering`."
        )
