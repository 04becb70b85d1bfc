"""Members of a model in one experiment: the forced response that they share, and the variability in which they differ.

The mean over members is the forced response. P(change) of the mean, between the mean probabilities of both windows, is
at most the mean of the members' P(change), if that is also between means over networks and not recalibrated: what it
lacks are changes of opposite directions in different members.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from thor.core.errors import DataError, GridError, left_out_on_error, listed
from thor.core.fingerprint import fingerprint
from thor.core.variables import variable
from thor.core.warn import warn_once
from thor.ocean.cells import on_one_grid, on_same_grid
from thor.reading.runs import is_at_level, is_control, level_words
from thor.regimes.naming import class_flags
from thor.tracking import RunDatasets
from thor.tracking.areas import require_alike, require_regimes
from thor.tracking.cells import RUN_FACETS, PlannedResults, run_key, run_mark
from thor.tracking.shared_window import counts_from_start, run_headers, start_year, with_years_from_start

_VARIANT = re.compile(r"r\d+i\d+(?P<forcing>p\d+(f\d+)?)")

_TEXTS = {
    "regime_probability": "Probability of the regime, mean over members and networks",
    "member_spread": "Standard deviation over members of the probability of the regime",
    "change_probability": "Probability that the regime differs from that of the baseline window, mean over members",
    "response_change_probability": "Probability of a change between the means over members of both windows",
    "member_change_probability": "The same between the means over networks of each member, mean over members",
    "forced_member_share": "Share of the tested members with a forced regime change",
    "emerged_share": "Share of the members tested in two windows or more in which a forced regime change emerges",
    "forced_emergence": "Median over these members of the year of emergence; a member without one counts as later",
}


def members_of(keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the runs of each model and experiment, `<source_id>/<experiment_id>`, that has several members.

    Control runs are none of them.

    Raises
    ------
    DataError
        When members differ in physics or forcing (p and f of their labels): their differences are not internal
        variability, and their mean is no forced response.
    """
    found: dict[str, tuple[str, ...]] = {}
    for group, by_forcing in _by_forcing(keys).items():
        first, *others = by_forcing.values()
        if others:
            labels = " and ".join(runs[0].split("/")[2] for runs in by_forcing.values())
            raise DataError(
                f"{group} has members of different physics or forcing, {labels}: expected one "
                "p and f, since members of one experiment are averaged and their differences taken as internal "
                "variability. Choose those of one in variant_labels (conf/local/globals.yml)."
            )
        if len(first) > 1:
            found[group] = tuple(first)
    return found


def of_one_forcing(keys: Iterable[str]) -> list[str]:
    """Return the runs without members of another physics or forcing than most of their model and experiment.

    Of two that have as many members, that of the first label counts. Control runs all stay. A warning names the runs
    that are left out.

    Parameters
    ----------
    keys : iterable of str
        `<source_id>/<experiment_id>/<variant_label>`.

    Returns
    -------
    list of str
        In the order of `keys`; `members_of` takes them.
    """
    keys = list(keys)
    left_out: set[str] = set()
    for group, by_forcing in _by_forcing(keys).items():
        most = max(by_forcing, key=lambda forcing: len(by_forcing[forcing]))
        others = [key for forcing, runs in by_forcing.items() if forcing != most for key in runs]
        if others:
            labels = [key.split("/")[2] for key in others]
            warn_once(
                group,
                f"its members have different physics or forcing; means over members and internal variability are those "
                f"of {most}, without {listed(labels, most=10)}. Choose others in variant_labels "
                "(conf/local/globals.yml).",
            )
            left_out.update(others)
    return [key for key in keys if key not in left_out]


def _by_forcing(keys: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Return the runs of each model and experiment but control runs by p and f of their labels, in their order."""
    found: dict[str, dict[str, list[str]]] = {}
    for key in sorted(keys):
        source_id, experiment_id, label = key.split("/")
        if not is_control(experiment_id):
            match = _VARIANT.fullmatch(label)
            of_group = found.setdefault(f"{source_id}/{experiment_id}", {})
            of_group.setdefault(match["forcing"] if match else "", []).append(key)
    return found


def forced_response(members: Iterable[xr.Dataset], baselines: RunDatasets) -> xr.Dataset:
    """Return the mean over members of one model and experiment in their common windows, and their spread.

    Parameters
    ----------
    members : iterable of xarray.Dataset
        Regimes of the members, as from `thor.tracking.track.track_run`; one is in memory at a time.
    baselines : mapping of str to callable
        Reads the regimes of the runs in whose windows the baselines lie.

    Returns
    -------
    xarray.Dataset
        By window, predictor and cell; NaN where a member has no value. `regime_probability`, also by regime: mean over
        members; `regime`: the most probable one; `member_spread`, also by regime: standard deviation over members;
        `change_probability`: mean of the members' P(change); NaN without baselines, by maximal coupling of means over
        networks: `response_change_probability`, P(change) of the mean, and `member_change_probability`, mean of the
        members; `forced_member_share`: share of the tested members with a forced regime change. Windows at a level of
        warming are one, from the first to the last year of any member. By predictor and cell, of the members that are
        tested in two windows or more, NaN without any: `emerged_share` in which one emerges, and `forced_emergence`:
        median of the year of emergence, where members without one count as later.

    Raises
    ------
    DataError
        With fewer than two members, without a common window, or when models, experiments, regimes or forcings differ.
    GridError
        When members are on different grids.

    Notes
    -----
    P(change) of the mean uses means over members and networks and is not recalibrated. It is at most
    `member_change_probability`, and the difference is what cancels between members; with few members internal
    variability remains in the means and adds to it. `change_probability` is coupled within each network and
    recalibrated where the truth of other models is known, so it may be smaller than both.
    """
    sums: dict[str, Any] = {}
    first: xr.Dataset | None = None
    labels: list[str] = []
    years: list[xr.DataArray] = []
    bounds: list[xr.Dataset] = []
    for run in members:
        member = _with_common_labels(run)
        first = member if first is None else first
        members_of([run_key(first), run_key(member)])
        require_alike(first, member, "source_id", "experiment_id")
        try:
            on_same_grid(first["valid"], member, "valid")
        except GridError as error:
            raise GridError(
                f"{run_key(member)} lies on another grid than {run_key(first)}: their mean needs one grid. Choose "
                f"members of one in variant_labels or grid_labels (conf/local/globals.yml). {error}"
            ) from None
        windows = list(map(str, member["window"].values))
        labels = [label for label in labels if label in windows] if sums else windows
        sums = _added(sums, member, baselines)
        # a window alone is no emergence
        testable = (member["forced_change"] >= 0).sum("window") >= 2
        years.append(_plain(member["forced_emergence"].fillna(np.inf).where(testable)))
        bounds.append(xr.Dataset({name: _plain(member[name]) for name in ("window_start", "window_end")}))
    if first is None or len(years) < 2:
        raise DataError(f"A forced response needs two members; got {len(years)}.")
    if not labels:
        raise DataError(f"The members of {run_key(first)} have no window in common. Use the same windows for all.")
    n_members = len(years)
    total = {name: field.sel(window=labels) for name, field in sums.items()}
    mean, before = total["probability"] / n_members, total["baseline"] / n_members
    variance = (total["square"] - n_members * mean**2) / (n_members - 1)
    # A member in which nothing emerges is later than all windows: the median of two is finite if both have emerged.
    emerged = xr.concat(years, "member").load()
    median = emerged.median("member")
    known = mean.notnull().all(("window", "regime"))
    out = {
        "regime_probability": mean,
        "member_spread": np.sqrt(variance.clip(min=0)),
        "change_probability": total["change"] / n_members,
        "response_change_probability": _change(before, mean),
        "member_change_probability": total["member_change"] / n_members,
        "forced_member_share": (total["forced"] / total["tested"]).where(total["tested"] > 0),
        "emerged_share": (emerged < np.inf).where(emerged.notnull()).mean("member").where(known),
        "forced_emergence": median.where(np.isfinite(median) & known),
    }
    response = xr.Dataset({name: field.astype(np.float32) for name, field in out.items()})
    regime = mean.fillna(-1).argmax("regime").where(mean.notnull().all("regime"), -1).astype(np.int8)
    spans = xr.concat([bound.sel(window=labels) for bound in bounds], "member")
    response = response.assign_coords(
        window_start=spans["window_start"].min("member"), window_end=spans["window_end"].max("member")
    )
    return _with_attributes(response.assign(regime=regime), first, n_members)


def response_plans(runs: RunDatasets) -> PlannedResults:
    """Return, for each model and experiment with several members, a fingerprint and a function for `forced_response`.

    Members that start in different years are averaged in the same years since their start where years count from it.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, `<source_id>/<experiment_id>/<variant_label>`; those that `of_one_forcing` leaves
        out do not count.
    """
    plans: PlannedResults = {}
    headers = run_headers(runs)
    for group, keys in members_of(of_one_forcing(runs)).items():
        marks, starts, counts = [], set(), set()
        for run in (headers[key]() for key in keys):
            marks.append(run_mark(run))  # that of a run covers its parent
            starts.add(start_year(run))
            counts.add(counts_from_start(run))
        # An experiment has one way to count years, also where a member does not name its parent.
        response = partial(_response, runs, keys, from_start=len(starts) > 1 and any(counts))
        plans[group] = fingerprint("forced response", marks), left_out_on_error(response)
    return plans


def _response(runs: RunDatasets, keys: tuple[str, ...], *, from_start: bool) -> xr.Dataset:
    members = (runs[key]() for key in keys)
    return forced_response(map(with_years_from_start, members) if from_start else members, runs)


def _added(sums: Mapping[str, xr.DataArray], member: xr.Dataset, baselines: RunDatasets) -> dict[str, xr.DataArray]:
    """Return the sums over members with one more; only windows that all have stay."""
    probability = _plain(member["regime_probability"]).astype(np.float64)
    tested = _plain(member["forced_change"]) >= 0
    before = _baseline(member, baselines, probability)
    parts = {
        "probability": probability,
        "square": probability**2,
        "baseline": before,
        "member_change": _change(before, probability),
        "change": _plain(member["change_probability"]).astype(np.float64),
        "tested": tested.astype(np.int64),
        "forced": (_plain(member["forced_change"]) == 1).astype(np.int64),
    }
    if not sums:
        return parts
    with xr.set_options(arithmetic_join="inner"):
        return {name: sums[name] + part for name, part in parts.items()}


def _change(before: xr.DataArray, after: xr.DataArray) -> xr.DataArray:
    """Return P(change) between two windows by maximal coupling, NaN where one of them is missing."""
    unchanged: xr.DataArray = xr.apply_ufunc(np.minimum, before, after, dask="allowed").sum("regime", skipna=False)
    return 1 - unchanged


def _baseline(member: xr.Dataset, baselines: RunDatasets, like: xr.DataArray) -> xr.DataArray:
    """Return the probabilities of the baseline of each window, NaN without one."""
    before = xr.full_like(like, np.nan)
    labels = list(map(str, member["baseline_window"].values))
    parent = str(member.attrs.get("parent", ""))
    if not any(labels) or parent not in baselines:
        return before
    probability = on_one_grid(member, baselines[parent]())[1]["regime_probability"]
    for place, label in enumerate(labels):
        if label in probability["window"].values:
            field = probability.sel(window=label).transpose(*before.dims[1:])
            before[place] = field.values
    return before


def _plain(field: xr.DataArray) -> xr.DataArray:
    """Return a field with the labels of windows and predictors as its only coordinates."""
    return field.reset_coords(drop=True).drop_vars(["lat", "lon"], errors="ignore")


def _with_common_labels(run: xr.Dataset) -> xr.Dataset:
    """Return a run whose window at a level of warming is named after the level: members reach it in different years."""
    experiment_id = str(run.attrs["experiment_id"])
    return run.assign_coords(window=[level_words(experiment_id)]) if is_at_level(experiment_id) else run


def _with_attributes(response: xr.Dataset, first: xr.Dataset, n_members: int) -> xr.Dataset:
    names = require_regimes(first)
    for name, field in response.data_vars.items():
        field.attrs = {"units": "1", "long_name": _TEXTS[str(name)]} if name in _TEXTS else {}
    response["regime"].attrs = variable("regime").attrs | class_flags(names)
    grid = {name: first[name].variable for name in ("lat", "lon")}
    areas = {name: first[name].variable for name in ("valid", "areacello")}
    facets = {name: str(first.attrs[name]) for name in RUN_FACETS if name != "variant_label"}
    return response.assign_coords(grid).assign(areas).assign_attrs(facets, n_members=n_members, regimes=" ".join(names))
