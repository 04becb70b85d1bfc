"""Agreement of many climate models in one window, on a common regular grid."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr

from thor.core.arrays import AnyArray
from thor.core.errors import DataError, listed
from thor.core.fingerprint import fingerprint
from thor.core.settings import Count, require
from thor.core.variables import variable
from thor.regimes.naming import class_flags
from thor.tracking import RunDatasets
from thor.tracking.areas import require_alike, require_regimes
from thor.tracking.cells import PlannedResults, run_key, run_mark
from thor.tracking.families import families_of
from thor.tracking.members import members_of, of_one_forcing
from thor.tracking.regridding import Regridder, common_grid, regime_shares, to_common_grid
from thor.tracking.settings import AgreementSettings
from thor.tracking.shared_window import WindowYears, compared_windows, run_headers, shared_window

log = logging.getLogger(__name__)

ROBUST_CHANGE, ROBUST_AGREEMENT = 0.66, 0.80
"""Smallest shares in a robust change: of the tested models with a forced change, and of these with one direction."""

ROBUSTNESS = ("no_change_or_no_robust_signal", "robust_signal", "conflicting_signals")
"""Meanings of `robustness`, by number."""

_NEW = {
    "change_probability": "Probability that the regime differs from that of the baseline window, mean over models",
    "n_models": "Models with data",
    "n_models_judged": "Models whose change was tested",
    "forced_share": "Share of the tested models with a forced regime change",
    "shift_share": "Share of the tested models with a probability shift beyond internal variability",
    "changed_share": "Share of the tested models whose most probable regime is not that of the baseline",
    "regime": "Most probable regime of most models, if tied the more probable one in the mean, -1 without a model",
    "agreement_share": "Share of the models with the regime of most models",
    "direction_share": "Share of the models with a forced regime change that have the most common direction",
    "robustness": "Whether most models have a forced regime change and agree on its direction, -1 with too few models",
    "native_share": "Share of the area on the model's native grid, by regime probability",
    "common_share": "Share of the area on the common grid, by regime probability",
}


def multimodel_summary(
    runs: Iterable[xr.Dataset],
    *,
    window: str,
    spacing: float,
    min_models: int,
    families: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return mean probabilities over climate models in one window, and where the models agree.

    Every model counts once: its variants are averaged first. With families every family counts once: the means of its
    models are averaged, and what is stated of models below holds for families. Probabilities, not labels, are brought
    to the common grid, as means over area, and all counts are made there.

    Parameters
    ----------
    runs : iterable of xarray.Dataset
        Regimes of runs of one experiment, as from `thor.tracking.track.track_run`, each in one window; one is in memory
        at a time.
    window : str
        What the windows of the runs have in common: their label or a level of warming.
    spacing : float
        Of the common grid [degrees]; must divide 180.
    min_models : int
        In cells with fewer models robustness is missing.
    families : mapping of str to str, optional
        Family of each model, as from `thor.tracking.families.families_of`.

    Returns
    -------
    xarray.Dataset, dims (predictor, regime, lat, lon)
        Means over models: `regime_probability`, `change_probability`. `n_models`, `n_models_judged`: models with data,
        and with a tested change. Shares of the tested models: `forced_share` with a forced regime change, and
        `shift_share` with a probability shift, in at least half of the area of their variants; `changed_share` whose
        most probable regime is not that of the baseline. `direction_share` of the models with a forced change that have
        the most common direction, from the most probable regime of the baseline to that to which a change is most
        probable; NaN without such a model. `robustness`: flags by the numbers of `ROBUSTNESS`. `regime`: the most
        probable regime of most models, if tied that with the larger mean probability; `agreement_share`: share of the
        models with the most common regime. By model, `model_window`: the labels of its windows; `family` if there are
        families; and `native_share` and `common_share` of the area with each regime on the native and on the common
        grid: the effect of regridding. The attribute `votes` is ``models`` or ``families``.

    Raises
    ------
    DataError
        When there is no run, variants of a model differ in physics or forcing, or experiments, regimes or
        predictors differ.
    GridError
        When the spacing does not divide 180 degrees.
    ConfigError
        When `min_models` is below one.

    Notes
    -----
    Robustness as in the sixth assessment report of the IPCC (Gutiérrez et al. 2021, doi:10.1017/9781009157896.021,
    Cross-Chapter Box Atlas.1): robust where at least 66 % of the models show a change beyond internal variability and
    at least 80 % agree on its sign, conflicting where they show a change but do not agree, else no change or no robust
    signal. Here the change is a forced regime change, and its direction stands for the sign: models that end in one
    regime but left different ones disagree. A model without a forced change has no direction, so that agreement is
    among the models that change.
    """
    require("min_models", min_models, Count)
    grid = common_grid(spacing)
    regridder = Regridder(grid)
    first: xr.Dataset | None = None
    found: dict[str, list[tuple[xr.Dataset, AnyArray, str]]] = {}
    keys: list[str] = []
    for here in runs:
        first = here if first is None else first
        require_alike(first, here, "experiment_id")
        keys.append(run_key(here))
        if "window" in here.dims:
            raise DataError(f"{keys[-1]} has {here.sizes['window']} windows; select one, as run.sel(window=...).")
        model = str(here.attrs["source_id"])
        native = regime_shares(here["regime_probability"], here)
        found.setdefault(model, []).append((to_common_grid(here, regridder), native, str(here["window"].values)))
    if first is None:
        raise DataError(f"There is no run with the window {window!r}: choose one of those in scenario_regimes.")
    members_of(keys)
    each = {model: _mean_of([fields for fields, _, _ in variants]) for model, variants in found.items()}
    voters = each.values() if families is None else _by_family(each, families)
    out = _summary(xr.concat(voters, "voter"), min_models).assign_coords(source_id=[*each])
    dims = "source_id", "predictor", "regime"
    out["native_share"] = dims, np.stack([np.mean([share for _, share, _ in of], axis=0) for of in found.values()])
    out["common_share"] = (
        dims,
        np.stack([regime_shares(of["regime_probability"], regridder.grid) for of in each.values()]),
    )
    labels = [", ".join(sorted({label for *_, label in variants})) for variants in found.values()]
    out = out.assign_coords(model_window=("source_id", labels))
    if families is not None:
        out = out.assign_coords(family=("source_id", [families[model] for model in each]))
    votes = "models" if families is None else "families"
    return _described(out, first).assign(areacello=grid["areacello"]).assign_attrs(window=window, votes=votes)


def agreement_plans(runs: RunDatasets, settings: AgreementSettings) -> PlannedResults:
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
        window and its baseline are left out. Runs without it do not count, nor those that
        `thor.tracking.members.of_one_forcing` leaves out; a warning names models without such a run, and experiments
        with baselines in other windows only.
    """
    marks: dict[str, str] = {}
    windows: dict[str, dict[str, dict[WindowYears, str]]] = {}
    compared: set[str] = set()
    headers = run_headers(runs)
    for key in of_one_forcing(runs):
        run, experiment = headers[key](), key.split("/")[1]
        marks[key] = run_mark(run)
        windows.setdefault(experiment, {})[key] = compared_windows(run, settings.window)
        if (run["baseline_window"] != "").any():
            compared.add(experiment)
    families = None
    if settings.model_weights == "family":
        families = families_of(sorted({key.split("/")[0] for key in runs}), settings.families)

    def make(name: str, labels: Mapping[str, str]) -> xr.Dataset:
        return multimodel_summary(
            (runs[key]().sel(window=label) for key, label in labels.items()),
            window=name,
            spacing=settings.spacing_degrees,
            min_models=settings.min_models,
            families=families,
        )

    voters = {families[model] if families else model for model in (key.split("/")[0] for key in runs)}
    if 1 < len(voters) < settings.min_models:
        log.warning(
            "No agreement of a change is stated: scenario_tracking.agreement.min_models is %d, and there are %d.",
            *(settings.min_models, len(voters)),
        )
    plans: PlannedResults = {}
    for experiment in sorted(windows):
        if (shared := shared_window(windows[experiment])) is None:
            if experiment in compared:
                log.warning(
                    "No agreement of climate models in %s: no run has the window %s with a baseline.",
                    *(experiment, settings.window),
                )
            continue
        name, labels = shared
        models, with_it = ({key.split("/")[0] for key in keys} for keys in (windows[experiment], labels))
        if without := sorted(models - with_it):
            log.warning(
                "The agreement of climate models in %s is that of %s; left out, without window or baseline: %s",
                *(experiment, name, listed(without, most=10)),
            )
        mark = fingerprint(settings, families, shared, {key: marks[key] for key in labels})
        plans[experiment] = mark, partial(make, name, labels)
    return plans


def _by_family(models: Mapping[str, xr.Dataset], families: Mapping[str, str]) -> list[xr.Dataset]:
    """Return the mean of the models of each family, cell by cell over those with data."""
    members: dict[str, list[xr.Dataset]] = {}
    for source_id, model in models.items():
        members.setdefault(families[source_id], []).append(model)
    return [_mean_of(found) for found in members.values()]


def _mean_of(runs: Sequence[xr.Dataset]) -> xr.Dataset:
    return xr.concat(runs, "run").mean("run")


def _votes(choice: xr.DataArray, n_choices: int) -> xr.DataArray:
    """Return how many voters made each choice; those without one are NaN."""
    return xr.concat([(choice == k).sum("voter") for k in range(n_choices)], "choice")


def _summary(models: xr.Dataset, min_models: int) -> xr.Dataset:
    """Return means and counts over dim `voter` of fields on the common grid."""
    probability, tested = models["regime_probability"], models["forced_change"].notnull()
    forced, shifted = models["forced_change"] >= 0.5, models["forced_shift"] >= 0.5
    present = probability.notnull().all("regime")
    n_models, n_judged, n_forced = (mask.sum("voter") for mask in (present, tested, forced))
    after, before, towards = (
        models[name].fillna(-1).argmax("regime")
        for name in ("regime_probability", "baseline_share", "change_to_probability")
    )
    n_regimes = probability.sizes["regime"]
    mean = probability.mean("voter")
    votes = _votes(after.where(present), n_regimes).rename(choice="regime")
    regime = (votes + 0.5 * mean.fillna(0)).argmax("regime")  # among as many votes the more probable one
    with_direction = _votes((n_regimes * before + towards).where(forced), n_regimes**2).max("choice")
    changed = (after != before) & tested
    forced_share, shift_share, changed_share = (
        (mask.sum("voter") / n_judged).where(n_judged > 0) for mask in (forced, shifted, changed)
    )
    direction_share = (with_direction / n_forced).where(n_forced > 0)
    shown, agreed = forced_share >= ROBUST_CHANGE, direction_share >= ROBUST_AGREEMENT
    robustness = xr.where(shown, xr.where(agreed, 1, 2), 0).where(n_judged >= min_models, -1)
    return xr.Dataset(
        {
            "regime_probability": mean,
            "change_probability": models["change_probability"].mean("voter"),
            "n_models": n_models.astype(np.int16),
            "n_models_judged": n_judged.astype(np.int16),
            "forced_share": forced_share,
            "shift_share": shift_share,
            "changed_share": changed_share,
            "regime": regime.where(n_models > 0, -1).astype(np.int8),
            "agreement_share": (votes.max("regime") / n_models).where(n_models > 0),
            "direction_share": direction_share,
            "robustness": robustness.astype(np.int8),
        }
    ).transpose("predictor", "regime", "lat", "lon")


def _described(out: xr.Dataset, first: xr.Dataset) -> xr.Dataset:
    names = require_regimes(first)
    # `regime` has the name of a dim, and is a coordinate.
    for name in (*map(str, out.data_vars), "regime"):
        out[name].attrs = {"units": "1", "long_name": _NEW[name]} if name in _NEW else dict(variable(name).attrs)
    out["regime"].attrs |= class_flags(names)
    out["robustness"].attrs |= class_flags(ROBUSTNESS)
    return out.assign_coords(predictor=first["predictor"].values).assign_attrs(
        experiment_id=str(first.attrs["experiment_id"]),
        regimes=" ".join(names),
    )
