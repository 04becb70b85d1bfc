"""Agreement of many climate models in one window, on a common regular grid."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from thor.core.arrays import AnyArray
from thor.core.errors import DataError
from thor.core.fingerprint import ATTRIBUTE, fingerprint
from thor.core.settings import Count, require
from thor.core.variables import variable
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.grid import cell_area, regular_grid
from thor.ocean.sphere import unit_vectors
from thor.tracking import RunDatasets
from thor.tracking.areas import require_regimes
from thor.tracking.cells import run_key
from thor.tracking.settings import AgreementSettings

ROBUST_CHANGE, ROBUST_AGREEMENT = 0.66, 0.80
"""Smallest shares of the tested models with a forced change, and with the same direction, of a robust change."""

ROBUSTNESS = ("no_change_or_no_robust_signal", "robust_signal", "conflicting_signals")
"""Meanings of `robustness`, by number."""

_FIELDS = ("regime_probability", "change_probability", "change_to_probability", "baseline_share", "forced_change")

_NEW = {
    "change_probability": "Probability that the regime differs from that of the baseline window, mean over models",
    "n_models": "Models with data",
    "n_models_judged": "Models whose change was tested",
    "forced_share": "Share of the tested models with a forced change",
    "changed_share": "Share of the tested models whose most probable regime is not that of the baseline",
    "agreement_share": "Share of the models with the regime of most models",
    "direction_share": "Share of the tested models with the most common direction of change",
    "robustness": "Whether most models show a change and agree on its direction, -1 with too few models",
    "native_share": "Share of the area on the model's native grid, by regime probability",
    "common_share": "Share of the area on the common grid, by regime probability",
}


def multimodel_summary(runs: Iterable[xr.Dataset], *, window: str | int, spacing: float, min_models: int) -> xr.Dataset:
    """Return mean probabilities over climate models in one window, and where the models agree.

    Every model counts once: its variants are averaged first. Probabilities, not labels, are brought to the common grid,
    where all counts are made.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        Regimes of runs of one experiment, as from `thor.tracking.track.track_run`; one is in memory at a
        time. Runs without the window are left out.
    window : str or int
        Label of a window, or its position in each run: -1 is the last, whatever its years.
    spacing : float
        Of the common grid [degrees]; must divide 180.
    min_models : int
        In cells with fewer models robustness is missing.

    Returns
    -------
    xarray.Dataset, dims (predictor, regime, lat, lon)
        Means over models: `regime_probability`, `change_probability`. `n_models`, `n_models_judged`: models with data,
        and with a tested change. Shares of the tested models: `forced_share` with a forced change in at least half of
        their variants; `changed_share` whose most probable regime is not that of the baseline, which a forced change
        does not require; `direction_share` with the most common direction, from the most probable regime of the
        baseline to that to which a change is most probable (the same one, if it gains probability). `robustness`:
        flags by the numbers of `ROBUSTNESS`. `regime`: the most probable regime of most models; `agreement_share`:
        share of the models with this regime. By model, `native_share` and `common_share` of the area with each regime
        on the native and on the common grid: the effect of regridding.

    Raises
    ------
    DataError
        When no run has the window, or experiments, regimes or predictors differ.
    GridError
        When the spacing does not divide 180 degrees.
    ConfigError
        When `min_models` is below one.

    Notes
    -----
    Robustness as in the sixth assessment report of the IPCC (Gutiérrez et al. 2021, doi:10.1017/9781009157896.021,
    Cross-Chapter Box Atlas.1): robust where at least 66 % of the models show a change beyond natural variability and
    at least 80 % agree on its sign, conflicting where they show a change but do not agree, else no change or no robust
    signal. Here the direction stands for the sign: models that end in one regime but left different ones disagree.
    """
    require("min_models", min_models, Count)
    grid = common_grid(spacing)
    first: xr.Dataset | None = None
    common: dict[str, list[xr.Dataset]] = {}
    native: dict[str, list[AnyArray]] = {}
    for run in runs:
        if (here := _at_window(run, window)) is None:
            continue
        first = here if first is None else first
        _require_alike(first, here)
        model = str(here.attrs["source_id"])
        common.setdefault(model, []).append(to_common_grid(here, grid))
        native.setdefault(model, []).append(regime_shares(here["regime_probability"], here))
    if first is None:
        raise DataError(f"No run has the window {window!r}: choose one of those in scenario_regimes.")
    each = {model: xr.concat(variants, "variant").mean("variant") for model, variants in common.items()}
    out = _summary(xr.concat([*each.values()], "source_id"), min_models).assign_coords(source_id=[*each])
    shares = {
        "native_share": [np.mean(native[model], axis=0) for model in each],
        "common_share": [regime_shares(model["regime_probability"], grid) for model in each.values()],
    }
    out = out.assign(
        {name: (("source_id", "predictor", "regime"), np.stack(values)) for name, values in shares.items()}
    )
    return _described(out, first).assign(areacello=grid["areacello"])


def agreement_plans(runs: RunDatasets, settings: AgreementSettings) -> dict[str, tuple[str, Callable[[], xr.Dataset]]]:
    """Return, for each experiment whose runs have a baseline, a fingerprint and a function that returns its summary.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, `<source_id>/<experiment_id>/<variant_label>`.
    settings : AgreementSettings

    Returns
    -------
    dict
        {experiment: (fingerprint, function that returns `multimodel_summary`)}; experiments in which no run has the
        window are left out.
    """
    window: str | int = -1 if settings.window == "last" else settings.window
    marks: dict[str, dict[str, str]] = {}
    for key, load in runs.items():
        run = load()
        here = _at_window(run, window)
        if here is not None and str(here["baseline_window"].values):
            marks.setdefault(key.split("/")[1], {})[key] = str(run.attrs.get(ATTRIBUTE) or fingerprint(run))

    def make(experiment: str) -> xr.Dataset:
        of_experiment = (runs[key]() for key in marks[experiment])
        return multimodel_summary(
            of_experiment, window=window, spacing=settings.spacing_degrees, min_models=settings.min_models
        )

    return {name: (fingerprint(settings, marks[name]), partial(make, name)) for name in sorted(marks)}


def most_changed_experiment(summaries: RunDatasets) -> xr.Dataset | None:
    """Return the summary of the experiment with the largest mean probability of a change; None where there is none."""
    means: dict[str, float] = {}
    for name, load in summaries.items():
        summary = load()
        means[name] = float(summary["change_probability"].weighted(summary["areacello"]).mean())
    return summaries[max(sorted(means), key=lambda name: means[name])]() if means else None


def common_grid(spacing: float) -> xr.Dataset:
    """Return a global regular grid with `areacello` [m2]; GridError unless the spacing [degrees] divides 180."""
    grid = regular_grid(spacing)
    grid["areacello"] = ("lat", "lon"), cell_area(grid), variable("areacello").attrs
    return grid


def to_common_grid(run: xr.Dataset, grid: xr.Dataset) -> xr.Dataset:
    """Return the probabilities and changes of one window of a run on another grid, from the nearest cell.

    Parameters
    ----------
    run : xarray.Dataset, grid dims (lat, lon) or (y, x)
        `regime_probability`, `change_probability`, `change_to_probability`, `baseline_regime`, `forced_change`,
        `valid`, `areacello` [m2], without `window`.
    grid : xarray.Dataset
        1-D coordinates `lat` and `lon`.

    Returns
    -------
    xarray.Dataset, dims (..., lat, lon)
        With `baseline_share`, 1 for the regime of the baseline and 0 for others, instead of its number. NaN where the
        nearest cell has no value, is farther than a diagonal of the run's grid, or was not tested.

    Notes
    -----
    The nearest cell is searched among all with a position, including land, so that coasts keep their place. Where land
    has no position, the distance excludes it.
    """
    lat, lon, valid = valid_cells(run)
    centres = unit_vectors(lat, lon)
    known = np.isfinite(centres).all(axis=0)
    points = unit_vectors(*np.meshgrid(grid["lat"].values, grid["lon"].values, indexing="ij"))
    away, nearest = cKDTree(centres[:, known].T).query(np.moveaxis(points, 0, -1))
    area = on_same_grid(run["valid"], run, "areacello")
    # Cells are not squares and are narrow near a pole: the median cell bounds the distance from below.
    reach = np.sqrt(np.maximum(area, np.median(area[valid]))[known]) / EARTH_RADIUS
    inside = away <= reach[nearest]
    before = run["baseline_regime"].reset_coords(drop=True)
    share = (before == xr.DataArray(np.arange(run.sizes["regime"]), dims="regime")).where(before >= 0)
    run, out = run.assign(baseline_share=share), {}
    for name in _FIELDS:
        field = run[name].transpose(..., *run["valid"].dims)
        values = field.values[..., known][..., nearest].astype(np.float64)
        known_change = values >= 0 if name == "forced_change" else True
        out[name] = (*field.dims[:-2], "lat", "lon"), np.where(inside & known_change, values, np.nan)
    return xr.Dataset(out, coords={name: grid[name] for name in ("lat", "lon")})


def regime_shares(probability: xr.DataArray, grid: xr.Dataset) -> AnyArray:
    """Return the share of each regime in the area with probabilities, shape (n_predictors, n_regimes).

    Parameters
    ----------
    probability : xarray.DataArray, dims (predictor, regime) and those of the grid
    grid : xarray.Dataset
        `areacello` [m2].
    """
    dims = grid["areacello"].dims
    values = probability.transpose("predictor", "regime", *dims).values
    inside = np.isfinite(values).all(axis=(0, 1))
    area = grid["areacello"].values[inside]
    return (values[..., inside] @ area) / area.sum()


def _most_votes(choice: xr.DataArray, n_choices: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the choice of most models, and how many made it; models without a choice are NaN."""
    votes = xr.concat([(choice == k).sum("source_id") for k in range(n_choices)], "choice")
    return votes.argmax("choice"), votes.max("choice")


def _summary(models: xr.Dataset, min_models: int) -> xr.Dataset:
    """Return means and counts over dim `source_id` of fields on the common grid."""
    probability, forced = models["regime_probability"], models["forced_change"]
    present = probability.notnull().all("regime")
    n_models, n_judged = present.sum("source_id"), forced.notnull().sum("source_id")
    after, before, towards = (
        models[name].fillna(-1).argmax("regime")
        for name in ("regime_probability", "baseline_share", "change_to_probability")
    )
    n_regimes, tested = probability.sizes["regime"], forced.notnull()
    regime, with_regime = _most_votes(after.where(present), n_regimes)
    _, with_direction = _most_votes((n_regimes * before + towards).where(tested), n_regimes**2)
    changed = ((after != before) & tested).sum("source_id")
    forced_share, direction_share, changed_share = (
        (n_with / n_judged).where(n_judged > 0)
        for n_with in ((forced >= 0.5).sum("source_id"), with_direction, changed)
    )
    shown, agreed = forced_share >= ROBUST_CHANGE, direction_share >= ROBUST_AGREEMENT
    robustness = xr.where(shown, xr.where(agreed, 1, 2), 0).where(n_judged >= min_models, -1)
    return xr.Dataset(
        {
            "regime_probability": probability.mean("source_id"),
            "change_probability": models["change_probability"].mean("source_id"),
            "n_models": n_models.astype(np.int16),
            "n_models_judged": n_judged.astype(np.int16),
            "forced_share": forced_share,
            "changed_share": changed_share,
            "regime": regime.where(n_models > 0, -1).astype(np.int8),
            "agreement_share": (with_regime / n_models).where(n_models > 0),
            "direction_share": direction_share,
            "robustness": robustness.astype(np.int8),
        }
    ).transpose("predictor", "regime", "lat", "lon")


def _described(out: xr.Dataset, first: xr.Dataset) -> xr.Dataset:
    names = require_regimes(first)
    for name, field in out.data_vars.items():
        known = {"units": "1", "long_name": _NEW[str(name)]} if name in _NEW else variable(str(name)).attrs
        field.attrs = dict(known)
    for name, meanings in (("regime", names), ("robustness", ROBUSTNESS)):
        flags = {"flag_values": np.arange(len(meanings), dtype=np.int8), "flag_meanings": " ".join(meanings)}
        out[name].attrs |= flags
    return out.assign_coords(predictor=first["predictor"].values).assign_attrs(
        experiment_id=str(first.attrs["experiment_id"]),
        window=str(first["window"].values),
        regimes=" ".join(names),
    )


def _at_window(run: xr.Dataset, window: str | int) -> xr.Dataset | None:
    """Return one window of a run, or None where it has no such window."""
    labels = [str(label) for label in run["window"].values]
    if isinstance(window, str):
        return run.isel(window=labels.index(window)) if window in labels else None
    return run.isel(window=window) if -len(labels) <= window < len(labels) else None


def _require_alike(first: xr.Dataset, other: xr.Dataset) -> None:
    """Raise DataError unless two runs are of one experiment, with the same regimes and predictors."""
    for what, of_first, of_other in (
        ("experiment", first.attrs["experiment_id"], other.attrs["experiment_id"]),
        ("regimes", require_regimes(first), require_regimes(other)),
        ("predictors", [*first["predictor"].values], [*other["predictor"].values]),
    ):
        if of_first != of_other:
            raise DataError(
                f"Models can be summarised for one {what} only: {run_key(first)} has {of_first}, {run_key(other)} "
                f"{of_other}. Summarise them apart, or track them with the same networks."
            )
