"""How well regimes and their changes are told where they are known: climate models whose true budget is at hand.

The regime model labels the true vorticity budget of every window. That is the truth for what the networks said of the
same window from sea level, stress and depth alone. It is held beside what needs no network: that nothing changes, and a
tree on the stress curl.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.errors import DataError, GridError
from thor.networks.baselines import Baselines
from thor.networks.bootstrap import LEAST_DEGREES, BlockBootstrap, BootstrapSettings, sphere_blocks
from thor.networks.samples import cell_inputs
from thor.networks.scores import number
from thor.networks.split import valid_cells
from thor.regimes.regime_model import RegimeModel
from thor.tracking.areas import require_regimes
from thor.tracking.forced import LIKELIHOOD, likelihood_class, supported_words

Array = NDArray[Any]
Collection = Mapping[str, Callable[[], xr.Dataset]]

N_BINS = 10
"""Equal bins of P(change) in the reliability table."""

ALL_WINDOWS = "all"
"""Entry of the pooled tables beside single windows."""

TREE = "stress_curl_tree"

_TOLERANCE = 1e-4
"""Degrees by which positions of one cell may differ between two files."""


def perfect_model_skill(
    runs: Collection,
    true_budgets: Collection,
    features: Collection,
    *,
    model: RegimeModel,
    baselines: Baselines,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, Any]:
    """Return how well regimes and their changes are told in runs whose true budget is known.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, `<source_id>/<experiment_id>/<variant_label>`, as from
        `thor.tracking.track.track_run`.
    true_budgets : mapping of str to callable
        Reads the true vorticity budget by `window` of those runs that have one.
    features : mapping of str to callable
        Reads the features of the runs, for the tree.
    model : RegimeModel
        Whose regimes the networks learned.
    baselines : Baselines
        With the tree on the stress curl.
    settings : BootstrapSettings
        Of the intervals. Blocks measure 10 degrees where it leaves them open: errors of P(change) are correlated over
        about 100 km (see `thor.networks.bootstrap`).
    seed : int

    Returns
    -------
    dict
        Plain numbers. `runs`: {run: {window: {predictor: scores}}}. `pooled`: {experiment: {window: {predictor:
        scores}}}, all runs of an experiment together, and all their windows under `ALL_WINDOWS`. `control`: {run:
        {predictor: {forced, emergence}}}, shares of the area of control runs that are called so. `without_truth`: runs
        left out, because their budget or that of their baseline is not known, and single windows of others,
        `<run> <window>`. What scores are, `truth_scores` says.

    Raises
    ------
    DataError
        When regimes of runs, regime model and baselines differ, or a run has no features.
    GridError
        When a budget is on another grid than its run.
    """
    source = _Truth(true_budgets, model)
    result: dict[str, Any] = {"runs": {}, "pooled": {}, "control": {}, "without_truth": []}
    options: dict[str, Any] = {"classes": model.names, "settings": settings, "seed": seed}
    for experiment in sorted({key.split("/")[1] for key in runs}):
        pool: dict[tuple[str, str], list[TrueCells]] = {}
        for key in sorted(key for key in runs if key.split("/")[1] == experiment):
            if key not in true_budgets:
                result["without_truth"].append(key)
                continue
            run = runs[key]()
            _require_same_regimes(key, run, model, baselines)
            parent = str(run.attrs.get("parent"))
            compared = any(map(str, run["baseline_window"].values))
            if compared and not (parent in true_budgets and parent in runs):
                result["without_truth"].append(key)
                continue
            if key not in features:
                raise DataError(f"There are no features of {key}, which the tree needs. Run data_engineering again.")
            scored: dict[str, dict[str, Any]] = {}
            for window, predictor, cells in _true_cells(
                key, run, runs[parent]() if compared else None, features[key](), source, baselines
            ):
                # Intervals of what is pooled only: there are hundreds of single windows.
                scored.setdefault(window, {})[predictor] = truth_scores(cells, **options | {"settings": None})
                for place in (window, ALL_WINDOWS):
                    pool.setdefault((place, predictor), []).append(cells)
            result["runs"][key] = scored
            if shares := control_shares_of(run):
                result["control"][key] = shares
        for (window, predictor), parts in pool.items():
            of_experiment = result["pooled"].setdefault(experiment, {})
            of_experiment.setdefault(window, {})[predictor] = truth_scores(together(parts), **options)
    result["without_truth"] = sorted([*result["without_truth"], *source.unknown])
    return result


def words_by_predictor(skill: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the words of the likelihood scale that the frequencies of all experiments together support.

    Parameters
    ----------
    skill : mapping
        As from `perfect_model_skill`; those cells count that are inside the area of applicability.

    Returns
    -------
    dict of str to tuple of str
        By predictor, from unlikely to certain; none for a predictor without known truth.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for windows in skill["pooled"].values():
        for predictor, scores in windows.get(ALL_WINDOWS, {}).items():
            rows.setdefault(predictor, []).extend(scores["applicable"].get("change", {}).get("likelihood", []))
    return {name: supported_words(pd.DataFrame(own)) if own else () for name, own in rows.items()}


@dataclass(frozen=True, eq=False)
class TrueCells:
    """The cells of a window whose true regime is known, and in the baseline too where there is one.

    Attributes
    ----------
    lat, lon : ndarray of shape (n_cells,), [degrees]
    area : ndarray of shape (n_cells,), [m2]
    applicable : ndarray of bool, shape (n_cells,)
        Inside the area of applicability, in the baseline too where there is one.
    truth, predicted, tree : ndarray of int, shape (n_cells,)
        Regime by the true budget, by the networks, and by the tree.
    probability : ndarray of shape (n_cells, n_regimes)
    truth_before, predicted_before : ndarray of int, shape (n_cells,)
        In the baseline window, -1 without one.
    change_probability : ndarray of shape (n_cells,)
        NaN without a baseline.
    forced : ndarray of int, shape (n_cells,)
        1 for a forced change, 0 for none, -1 where it is not judged.
    """

    lat: Array
    lon: Array
    area: Array
    applicable: Array
    truth: Array
    predicted: Array
    tree: Array
    probability: Array
    truth_before: Array
    predicted_before: Array
    change_probability: Array
    forced: Array

    def take(self, chosen: Array) -> "TrueCells":
        """Return the cells at a mask."""
        return TrueCells(**{entry.name: getattr(self, entry.name)[chosen] for entry in fields(self)})

    @property
    def compared(self) -> bool:
        """Whether there is a baseline."""
        return bool((self.truth_before >= 0).all()) and len(self.truth_before) > 0


def together(parts: Sequence[TrueCells]) -> TrueCells:
    """Return the cells of several windows or runs as one; those with a baseline only, if any has one."""
    compared = [part for part in parts if part.compared]
    chosen = compared or parts
    return TrueCells(
        **{entry.name: np.concatenate([getattr(part, entry.name) for part in chosen]) for entry in fields(TrueCells)}
    )


# -- scores ------------------------------------------------------------------------------------------------------------
def truth_scores(
    cells: TrueCells, *, classes: Sequence[str], settings: BootstrapSettings | None, seed: int
) -> dict[str, Any]:
    """Return the scores of one predictor as plain numbers; without settings there are no intervals.

    Returns
    -------
    dict
        `region`, `n_cells`, `area_m2`, `weighting` ("area": every number is weighted by it). `predictor`,
        `stress_curl_tree`, `persistence` (the true baseline regime stays) and `predicted_persistence` (the predicted
        one does): `accuracy` and `balanced_accuracy`, the mean recall of the regimes that are there.
        `error_removed`, 1 - (1 - b) / (1 - b_reference) in balanced accuracy b, relative to each of these references.
        `regime_area`: {regime: {true_m2, expected_m2, argmax_m2, expected_error_percent, argmax_error_percent}}.
        `change`: as from `change_scores`. `applicable`: the same of the cells inside the area of applicability.
        Without a baseline neither persistence nor change; None where a number is undefined.
    """
    region = "valid cells whose true regime is known" + " in both windows" * cells.compared
    whole = {"region": region} | _scores(cells, classes, settings, seed)
    inside = _scores(cells.take(cells.applicable), classes, settings, seed)
    return whole | {"applicable": {"region": f"{region}, inside the area of applicability"} | inside}


def _scores(cells: TrueCells, classes: Sequence[str], settings: BootstrapSettings | None, seed: int) -> dict[str, Any]:
    result: dict[str, Any] = {"n_cells": len(cells.area), "area_m2": float(cells.area.sum()), "weighting": "area"}
    if not result["area_m2"]:
        return result
    told = {"predictor": cells.predicted, TREE: cells.tree}
    if cells.compared:
        told |= {"persistence": cells.truth_before, "predicted_persistence": cells.predicted_before}
    hits = {name: _accuracy(regime, cells, len(classes)) for name, regime in told.items()}
    mine = hits["predictor"]["balanced_accuracy"]
    removed = {name: _error_removed(mine, hits[name]["balanced_accuracy"]) for name in hits if name != "predictor"}
    result |= hits | {"error_removed": removed, "regime_area": _regime_areas(cells, classes)}
    if cells.compared:
        bootstrap = None
        if settings is not None:
            degrees = settings.block_degrees or LEAST_DEGREES
            bootstrap = _bootstrap(sphere_blocks(cells.lat, cells.lon, degrees=degrees), degrees, settings, seed)
        result["change"] = change_scores(cells, bootstrap)
    return result


def change_scores(cells: TrueCells, bootstrap: BlockBootstrap | None) -> dict[str, Any]:
    """Return how the probability of a change stands to true changes, weighted by area.

    Returns
    -------
    dict
        `base_rate`: share of the area whose regime truly changed, `mean_probability` of a change. `brier_score` and
        `brier_skill`, 1 - score / score of the base rate. `expected_calibration_error` over the bins of
        `reliability`, a list of rows as `thor.tracking.forced.supported_words` takes them: `from` and `to` of the
        bin, `n_cells`, `area` [m2], `mean_probability`, `observed_frequency`, with a bootstrap its interval `low` to
        `high`. `likelihood`: the same rows by `word`. `likely_or_more`: share of the area with a probability above
        0.66, and of this the shares that `changed`, changed to the predicted regime (`as_predicted`) or `stayed`.
        `forced`: share of the judged area that is called a forced change, share of this that changed (`precision`),
        and share of the changed area so called (`recall`).
    """
    probability, area = cells.change_probability.astype(np.float64), cells.area
    changed = cells.truth != cells.truth_before
    base, brier = np.average(changed, weights=area), np.average((probability - changed) ** 2, weights=area)
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    reliability = _reliability(bins, N_BINS, cells, changed, bootstrap)
    gaps = [row["area"] * abs(row["mean_probability"] - row["observed_frequency"]) for row in reliability.values()]
    words = _reliability(likelihood_class(probability).astype(int), len(LIKELIHOOD), cells, changed, bootstrap)
    likely, judged, called = probability > LIKELIHOOD["likely"][0], cells.forced >= 0, cells.forced == 1
    return {
        "base_rate": float(base),
        "mean_probability": float(np.average(probability, weights=area)),
        "brier_score": float(brier),
        "brier_skill": number(1 - brier / (base * (1 - base))) if 0 < base < 1 else None,
        "expected_calibration_error": float(sum(gaps) / area.sum()),
        "reliability": [{"from": k / N_BINS, "to": (k + 1) / N_BINS} | row for k, row in reliability.items()],
        "likelihood": [{"word": list(LIKELIHOOD)[k]} | row for k, row in words.items()],
        "likely_or_more": {
            "area_share": _share(likely, area),
            "changed": _share(changed, area, of=likely),
            "as_predicted": _share(changed & (cells.truth == cells.predicted), area, of=likely),
            "stayed": _share(~changed, area, of=likely),
        },
        "forced": {
            "area_share": _share(called, area, of=judged),
            "precision": _share(changed, area, of=called),
            "recall": _share(called, area, of=changed & judged),
        },
    }


def _reliability(
    place: Array, n_places: int, cells: TrueCells, changed: Array, bootstrap: BlockBootstrap | None
) -> dict[int, dict[str, Any]]:
    """Return what was said and what happened in each class that has area."""
    n_blocks = bootstrap.n_blocks if bootstrap else 1
    key = place if bootstrap is None else bootstrap.block * n_places + place

    def sums(weights: Array) -> Array:
        return np.bincount(key, weights, minlength=n_blocks * n_places).reshape(n_blocks, n_places)

    area, happened, said = (sums(cells.area * factor) for factor in (1.0, changed, cells.change_probability))
    if bootstrap is not None:
        with np.errstate(invalid="ignore"):
            draws = bootstrap.draws(happened) / bootstrap.draws(area)
    counts = np.bincount(place, minlength=n_places)
    rows: dict[int, dict[str, Any]] = {}
    for k in np.flatnonzero(area.sum(axis=0) > 0):
        total = area[:, k].sum()
        rows[int(k)] = {
            "n_cells": int(counts[k]),
            "area": float(total),
            "mean_probability": float(said[:, k].sum() / total),
            "observed_frequency": float(happened[:, k].sum() / total),
            **(bootstrap.interval(draws[:, k]) if bootstrap is not None else {}),
        }
    return rows


def _accuracy(regime: Array, cells: TrueCells, n_regimes: int) -> dict[str, float]:
    right = np.bincount(cells.truth, cells.area * (regime == cells.truth), minlength=n_regimes)
    there = np.bincount(cells.truth, cells.area, minlength=n_regimes)
    recall = right[there > 0] / there[there > 0]
    return {"accuracy": float(right.sum() / there.sum()), "balanced_accuracy": float(recall.mean())}


def _error_removed(mine: float, reference: float) -> float | None:
    return 1 - (1 - mine) / (1 - reference) if reference < 1 else None


def _regime_areas(cells: TrueCells, classes: Sequence[str]) -> dict[str, dict[str, float | None]]:
    true, argmax = (np.bincount(of, cells.area, minlength=len(classes)) for of in (cells.truth, cells.predicted))
    expected = cells.area @ cells.probability.astype(np.float64)
    result: dict[str, dict[str, float | None]] = {}
    for k, name in enumerate(classes):
        result[name] = {"true_m2": float(true[k])}
        for kind, area in (("expected", expected[k]), ("argmax", argmax[k])):
            result[name][f"{kind}_m2"] = float(area)
            result[name][f"{kind}_error_percent"] = float(100 * (area / true[k] - 1)) if true[k] else None
    return result


def _share(chosen: Array, area: Array, *, of: Array | None = None) -> float | None:
    of = np.ones(len(area), bool) if of is None else of
    return float(area[chosen & of].sum() / area[of].sum()) if area[of].any() else None


def _bootstrap(block: Array, degrees: float, settings: BootstrapSettings, seed: int) -> BlockBootstrap:
    n_blocks = int(block.max()) + 1
    even = np.full(n_blocks, 1.0 / n_blocks)
    counts = np.random.default_rng(seed).multinomial(n_blocks, even, size=settings.n_bootstrap).astype(float)
    return BlockBootstrap(block, counts, degrees, np.nan, settings.level)


# -- truth -------------------------------------------------------------------------------------------------------------
class _Truth:
    """True regimes of windows, each found once: several runs share a baseline.

    Attributes
    ----------
    unknown : set of str
        Windows that were asked for and are not in the budgets, `<run> <window>`.
    """

    def __init__(self, budgets: Collection, model: RegimeModel) -> None:
        self._budgets, self._model = budgets, model
        self._known: dict[tuple[str, str], Array] = {}
        self._open: dict[str, xr.Dataset] = {}
        self.unknown: set[str] = set()

    def regime(self, key: str, window: str, like: xr.DataArray) -> Array | None:
        """Return the true regime of one window of a run in the dims order of `like`, -1 off the budget's cells.

        None where the budget does not have the window.
        """
        if (key, window) not in self._known:
            budget = self._budget(key)
            held = [str(label) for label in budget["window"].values]
            if window not in held:
                self.unknown.add(f"{key} {window}")
                return None
            _require_same_grid(key, like, budget["analysis_mask"])
            regime = self._model.predict(budget.isel(window=held.index(window)))["regime"]
            self._known[key, window] = regime.transpose(*like.dims).values
        return self._known[key, window]

    def _budget(self, key: str) -> xr.Dataset:
        """Return a budget; the last two stay open, those of a run and its parent."""
        if key not in self._open:
            self._open = dict([*self._open.items()][-1:]) | {key: self._budgets[key]()}
        return self._open[key]


def _true_cells(
    key: str,
    run: xr.Dataset,
    parent: xr.Dataset | None,
    features: xr.Dataset,
    source: _Truth,
    baselines: Baselines,
) -> Iterator[tuple[str, str, TrueCells]]:
    """Yield the cells of each window and predictor; windows without a baseline only in runs that have none."""
    lat, lon, valid = valid_cells(run)
    dims = run["valid"].dims
    for place, label in enumerate(map(str, run["window"].values)):
        here, baseline = run.isel(window=place), str(run["baseline_window"].values[place])
        if parent is not None and not baseline:
            continue
        truth, applicable = source.regime(key, label, run["valid"]), here["applicable"].transpose(*dims).values == 1
        if truth is None:
            continue
        before = np.full(truth.shape, -1, dtype=np.int8)
        used = valid & (truth >= 0)
        if parent is not None:
            earlier = source.regime(str(run.attrs["parent"]), baseline, run["valid"])
            if earlier is None:
                continue
            before = earlier
            known = parent["applicable"].isel(window=[*map(str, parent["window"].values)].index(baseline))
            applicable = applicable & (known.transpose(*dims).values == 1)
            used &= before >= 0
        tree = _tree_regime(baselines, features.isel(window=place))
        for predictor in map(str, run["predictor"].values):
            own = here.sel(predictor=predictor)
            at = {
                name: own[name].transpose(..., *dims).values
                for name in ("regime", "regime_probability", "baseline_regime", "change_probability", "forced_change")
            }
            # Cells without inputs in the baseline were not compared.
            cells = used & ((at["baseline_regime"] >= 0) if parent is not None else True)
            yield (
                label,
                predictor,
                TrueCells(
                    lat=lat[cells],
                    lon=lon[cells],
                    area=here["areacello"].transpose(*dims).values[cells].astype(np.float64),
                    applicable=applicable[cells],
                    truth=truth[cells],
                    predicted=at["regime"][cells],
                    tree=tree[cells],
                    probability=at["regime_probability"][:, cells].T,
                    truth_before=before[cells],
                    predicted_before=at["baseline_regime"][cells],
                    change_probability=at["change_probability"][cells],
                    forced=at["forced_change"][cells],
                ),
            )


def _tree_regime(baselines: Baselines, features: xr.Dataset) -> Array:
    inputs, index = cell_inputs(features, names=baselines.scaler.features)
    regime = np.full(features["valid"].shape, -1, dtype=np.int8)
    regime.flat[index] = baselines.predict_proba(TREE, inputs).argmax(axis=1)
    return regime


def control_shares_of(run: xr.Dataset) -> dict[str, dict[str, float | None]]:
    """Return which shares of a control run's area are called `forced` changes and `emergence`; empty for others."""
    if "control_forced_share" not in run:
        return {}
    return {
        str(name): {kind: number(run[f"control_{kind}_share"].values[k]) for kind in ("forced", "emergence")}
        for k, name in enumerate(run["predictor"].values)
    }


def _require_same_regimes(key: str, run: xr.Dataset, model: RegimeModel, baselines: Baselines) -> None:
    for what, names in ((key, require_regimes(run)), ("the baselines", baselines.classes)):
        if tuple(names) != tuple(model.names):
            raise DataError(
                f"The regime model knows {', '.join(model.names)}, but {what} {', '.join(names)}: the true regimes "
                "cannot be compared. Run regime_clustering, modelling and scenario_tracking again."
            )


def _require_same_grid(key: str, like: xr.DataArray, mask: xr.DataArray) -> None:
    if mask.sizes == like.sizes:
        # Land may have a position in one file and none in the other.
        gaps = [np.abs(mask[axis].values - like[axis].transpose(*mask[axis].dims).values) for axis in ("lat", "lon")]
        if all(gap[np.isfinite(gap)].max(initial=0.0) < _TOLERANCE for gap in gaps):
            return
    raise GridError(
        f"The true budget of {key} is on another grid ({dict(mask.sizes)}) than its features ({dict(like.sizes)}). "
        "Make both from one run of idealized_ocean."
    )
