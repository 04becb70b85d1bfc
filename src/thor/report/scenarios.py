"""Runs of climate models for the page: regimes, likelihood of change, applicability and areas of every window."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.arrays import AnyArray
from thor.figures.style import MILLION_KM2, flags
from thor.figures.tracking_curves import experiment_colours
from thor.ocean.cells import grid_mark, on_one_grid
from thor.reading.runs import is_at_level, is_control
from thor.report.arrays import packed_labels, packed_shares
from thor.report.rasters import CellMap, cell_map
from thor.tracking import RunDatasets
from thor.tracking.cells import RUN_FACETS
from thor.tracking.detection import detection_scores, detection_text
from thor.tracking.members import of_one_forcing
from thor.tracking.shared_window import WindowYears, shared_windows

_DETECTED = {"forced": "forced_change", "shift": "forced_shift"}
_AREA_COLUMNS = ("expected_area_m2", "lower", "upper", "change_m2", "change_lower", "change_upper")


def scenario_content(
    runs: RunDatasets, truths: RunDatasets, areas: pd.DataFrame, *, skill: Mapping[str, Any] | None, max_cells: int
) -> dict[str, Any]:
    """Return what the scenario viewer shows.

    Parameters
    ----------
    runs : mapping of str to callable
        By `<source_id>/<experiment_id>/<variant_label>`, each reads a dataset of `thor.tracking.track.track_run`.
    truths : mapping of str to callable
        By run, each reads a dataset of `thor.tracking.true_regimes.true_regime_plans`; none where it is not known.
    areas : pandas.DataFrame
        As from `thor.tracking.areas.regime_areas`.
    skill : mapping or None
        As from `thor.tracking.perfect_model.perfect_model_skill`; None: the viewer states no precision.
    max_cells : int
        Of each climate model.

    Returns
    -------
    dict
        `grids`: cell maps, those of further grids of a climate model beside that of its first run; `runs`: a list with
        the facets, windows, predictors, packed fields and `grid` of each run; `areas`: curves by run; `experiments`:
        colour and symbol of each in the curves, a hollow diamond at warming levels. Empty without an archive.
    """
    maps: dict[tuple[str, str], tuple[str, CellMap]] = {}
    colours = experiment_colours(() if areas.empty else areas["experiment_id"])
    symbols = {name: "diamond-open" if is_at_level(name) else "circle" for name in colours}
    experiments = {name: {"colour": colour, "symbol": symbols[name]} for name, colour in colours.items()}
    content: dict[str, Any] = {"grids": {}, "runs": [], "areas": area_series(areas), "experiments": experiments}
    for key in sorted(runs):
        run = runs[key]()
        source_id = key.split("/")[0]
        of_grid = source_id, grid_mark(run)
        if of_grid not in maps:
            n_before = sum(model == source_id for model, _ in maps)
            name = f"{source_id}/{n_before + 1}" if n_before else source_id
            maps[of_grid] = name, cell_map(run, run["valid"] == 1, max_cells=max_cells)
            content["grids"][name] = maps[of_grid][1].to_page()
        name, cells = maps[of_grid]
        content["runs"].append({"grid": name} | _run(key, run, cells, skill) | _truth(run, cells, truths.get(key)))
    return content


def change_table(runs: RunDatasets, windows: Mapping[str, Mapping[WindowYears, str]]) -> Iterator[dict[str, Any]]:
    """Yield the change of each run with a baseline in one window, for each predictor, weighted by area.

    It is the last window that most climate models of the experiment have, else the last of the run.

    Parameters
    ----------
    runs : mapping of str to callable
        As for `scenario_content`.
    windows : mapping of str to mapping
        Of each run, as from `thor.tracking.shared_window.compared_windows`.

    Yields
    ------
    dict
        `run`, its facets, `window`, `shared_window` (its name, empty where the run lacks the window of most models),
        `baseline_window`, `baseline` in words, `predictor`; of the tested area
        `forced_share` with a forced regime change, P(change) being at least `min_probability`, and `shift_share` with a
        probability shift; `expected_changed_share` of the compared area (mean P(change)), `applicable_share` of the
        area; None where undefined.
    """
    shared = shared_windows({key: windows[key] for key in of_one_forcing(windows)})
    for key in sorted(runs):
        experiment = key.split("/")[1]
        if not windows[key] or is_control(experiment):
            continue
        run, (name, labels) = runs[key](), shared.get(experiment, ("", {}))
        last = run.sel(window=labels.get(key, [*windows[key].values()][-1]))
        area = last["areacello"].where(last["valid"] == 1)
        for predictor in map(str, run["predictor"].values):
            predicted = last.sel(predictor=predictor)
            yield {
                "run": key,
                **dict(zip(RUN_FACETS, key.split("/"), strict=True)),
                "window": str(last["window"].values),
                "shared_window": name if key in labels else "",
                "baseline_window": str(last["baseline_window"].values),
                "baseline": baseline_in_words(run, str(last["baseline_window"].values)),
                "predictor": predictor,
                **{f"{kind}_share": _mean(_flagged(predicted[name]), area) for kind, name in _DETECTED.items()},
                "min_probability": float(run.attrs["min_probability"]),
                "expected_changed_share": _mean(predicted["change_probability"], area),
                "applicable_share": _mean(_flagged(predicted["applicable"]), area),
            }


def experiment_means(rows: Sequence[Mapping[str, Any]], skill: Mapping[str, Any]) -> dict[str, Any]:
    """Return mean and range over climate models of the change in the shared window, for the first predictor.

    Beside them, precision and recall where the truth is known, in words and numbers (`thor.tracking.detection`).
    """
    if not rows:
        return {}
    table = pd.DataFrame(rows)
    table = table[table["predictor"] == rows[0]["predictor"]]
    found = {}
    for experiment, of_experiment in table.groupby("experiment_id"):
        models = set(of_experiment["source_id"])
        of_experiment = of_experiment[of_experiment["shared_window"] != ""]
        if of_experiment.empty:
            continue
        labels, compared = set(of_experiment["window"]), set(of_experiment["source_id"])
        one_label = len(labels) == 1 and not is_at_level(str(experiment))
        shown = str(experiment), labels.pop() if one_label else "all", str(rows[0]["predictor"])
        found[str(experiment)] = {
            "n_models": len(compared),
            "without_window": sorted(models - compared),
            "window": str(of_experiment["shared_window"].iloc[0]),
            "baselines": sorted(set(of_experiment["baseline"])),
            "min_probability": float(of_experiment["min_probability"].iloc[0]),
            "detection": detection_text(skill, *shown),
            "known_truth": detection_scores(skill, *shown),
        }
        for name in ("forced_share", "shift_share", "expected_changed_share"):
            shares = of_experiment.groupby("source_id")[name].mean().dropna()
            known = {"mean": float(shares.mean()), "low": float(shares.min()), "high": float(shares.max())}
            found[str(experiment)][name] = known | {"n_models": len(shares)} if len(shares) else None
    return found


def baseline_in_words(run: xr.Dataset, window: str) -> str:
    """Return the baseline of a window of a run in words."""
    if run.attrs.get("baseline") == "parallel segment":
        return "the same span of the control run"
    parent = str(run.attrs.get("parent", "")).split("/")
    return f"{window.replace('-', '–')} of {parent[1] if len(parent) > 1 else 'its parent run'}"


def area_series(areas: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the global area of each regime through the windows of each run, in 10^6 km2 to 4 digits."""
    if areas.empty:
        return []
    whole = areas[areas["basin"] == "global"]
    curves = []
    for (*facets, predictor, regime), rows in whole.groupby([*RUN_FACETS, "predictor", "regime"], sort=False):
        rows = rows.sort_values("window_start")
        curve = {
            "run": "/".join(map(str, facets)),
            "predictor": predictor,
            "regime": regime,
            "windows": list(rows["window"]),
            "years": [float(year) for year in 0.5 * (rows["window_start"] + rows["window_end"] + 1)],
        }
        curves.append(curve | {name: _rounded(rows[name] / MILLION_KM2) for name in _AREA_COLUMNS})
    return curves


def _run(key: str, run: xr.Dataset, cells: CellMap, skill: Mapping[str, Any] | None) -> dict[str, Any]:
    windows, predictors = (list(map(str, run[dim].values)) for dim in ("window", "predictor"))

    def layer(name: str) -> AnyArray:
        # Windows come last: neighbours in time are alike, which compresses well.
        field = run[name].transpose("window", "predictor", ..., missing_dims="ignore")
        return np.moveaxis(cells.take(field), 0, -1)

    return {
        "key": key,
        **dict(zip(RUN_FACETS, key.split("/"), strict=True)),
        "windows": windows,
        "baselines": list(map(str, run["baseline_window"].values)),
        "parent": str(run.attrs.get("parent", "")).partition("/")[2],
        "predictors": predictors,
        "regimes": list(flags(run["regime"]).values()),
        "regime": packed_labels(layer("regime")),
        "before": packed_labels(layer("baseline_regime")),
        "change": packed_shares(layer("change_probability"), steps=100),
        "applicable": packed_labels(layer("applicable")),
        # 0 none, 1 a probability shift only, 2 a forced regime change
        "forced": packed_labels(layer("forced_shift") + np.maximum(layer("forced_change"), 0)),
        "min_probability": float(run.attrs["min_probability"]),
        "detection": [
            ["" if skill is None else detection_text(skill, key.split("/")[1], name, predictor) for name in windows]
            for predictor in predictors
        ],
    }


def _truth(run: xr.Dataset, cells: CellMap, read: Callable[[], xr.Dataset] | None) -> dict[str, Any]:
    """Return the true regimes of the windows of a run, those of other windows being missing; nothing if not known."""
    if read is None:
        return {}
    truth = on_one_grid(run, read())[1]["true_regime"].reindex(window=run["window"].values, fill_value=-1)
    return {"truth": packed_labels(np.moveaxis(cells.take(truth.transpose("window", ...)), 0, -1))}


def _flagged(field: xr.DataArray) -> xr.DataArray:
    """Return where a field of flags is 1, NaN where it is -1."""
    return (field == 1).where(field >= 0)


def _mean(values: xr.DataArray, area: xr.DataArray) -> float | None:
    known = values.notnull() & area.notnull()
    total = float(area.where(known).sum())
    return float((values * area).where(known).sum()) / total if total else None


def _rounded(values: Sequence[float] | pd.Series) -> list[float | None]:
    return [None if not np.isfinite(value) else float(f"{value:.4g}") for value in values]
