"""Attribution of changes of regime in a run to the features, for each transition from one regime to another."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.attribution.change import ChangeAttribution, transition_summary
from thor.attribution.coalitions import MOST_PLAYERS
from thor.attribution.players import Preset, player_groups
from thor.core.errors import DataError
from thor.core.warn import warn_once
from thor.networks.predictor import Predictor, columns
from thor.networks.scaler import FeatureScaler
from thor.tracking import RunDatasets
from thor.tracking.cells import RUN_FACETS, Cells, WindowInputs, Windows
from thor.tracking.shared_window import compared_places

REASON_COLUMNS = (
    *(*RUN_FACETS, "window", "baseline_window", "predictor", "regime_before", "regime", "n_cells", "area_m2"),
    *("forced_area_m2", "feature", "can_change", "attribution", "lower", "upper", "explained_change"),
)


def change_reasons(
    runs: RunDatasets,
    features: RunDatasets,
    predictors: Mapping[str, Predictor],
    *,
    scaler: FeatureScaler,
    groups: Mapping[str, Sequence[str]] | Preset | None = None,
) -> pd.DataFrame:
    """Return the attribution of each transition between baseline and last window to the features, by run.

    Parameters
    ----------
    runs : mapping of str to callable
        Reads the regimes of each run, as from `thor.tracking.track.track_run`.
    features : mapping of str to callable
        Reads the features of the same runs and of their parents.
    predictors : mapping of str to Predictor
        By name.
    scaler : FeatureScaler
    groups : mapping of str to sequence of str, or {"physical", "gradients"}, optional
        Groups of features that are attributed together, each feature in one of them; by default single features, or
        ``physical`` with a warning where more features change than exact Shapley values allow.

    Returns
    -------
    pandas.DataFrame
        One row for each run with a baseline, predictor, transition and feature: `source_id`, `experiment_id`,
        `variant_label`, `window`, `baseline_window`, `predictor`, `regime_before`, `regime`, `n_cells`, `area_m2` of
        the cells with this transition of the most probable regime, `forced_area_m2` of forced regime changes,
        `feature`, `can_change` (0: identical in both windows, so that its attribution is zero), `attribution` with the
        ends `lower` and `upper` (5 and 95 % over networks) in logits, and `explained_change`, the sum of the
        attributions of a transition.

    Raises
    ------
    DataError
        When a run has no features.
    AttributionError
        When more groups change than exact Shapley values allow.

    Notes
    -----
    The explained quantity is z_new - z_old, the logit of the regime after minus that of the regime before, with the
    earlier state of the cell as reference (`thor.attribution.change`).
    """
    tables = [
        table for key, load in runs.items() for table in _reasons_of(key, load(), features, predictors, scaler, groups)
    ]
    return (
        pd.concat(tables, ignore_index=True)[[*REASON_COLUMNS]] if tables else pd.DataFrame(columns=[*REASON_COLUMNS])
    )


def transitions_to_draw(reasons: pd.DataFrame, key: str | None, *, predictor: str, most: int = 9) -> xr.Dataset:
    """Return the attributions of the transitions of largest area in one run.

    Parameters
    ----------
    reasons : pandas.DataFrame
        As from `change_reasons`.
    key : str or None
        Of the run; None: no run, and no transition.
    predictor : str
    most : int
        Transitions kept.

    Returns
    -------
    xarray.Dataset, dims (transition, feature)
        `mean`, `lower`, `upper` of the attributions, `area` [m2] of the transitions; attributes `run`, `window`,
        `baseline_window`, `predictor`.
    """
    of_run = reasons["source_id"] + "/" + reasons["experiment_id"] + "/" + reasons["variant_label"]
    rows = reasons[(of_run == key) & (reasons["predictor"] == predictor)]
    rows = rows.assign(transition=rows["regime_before"] + " to " + rows["regime"])
    area = rows.groupby("transition", sort=False)["area_m2"].first().sort_values(ascending=False, kind="stable")
    kept, names = list(area.index[:most]), list(dict.fromkeys(rows["feature"]))
    dims = ("transition", "feature")
    fields = {
        name: (dims, rows.pivot(index="transition", columns="feature", values=column).loc[kept, names].to_numpy(float))
        for name, column in (("mean", "attribution"), ("lower", "lower"), ("upper", "upper"))
    }
    windows = {name: str(rows[name].iloc[0]) for name in ("window", "baseline_window")} if len(rows) else {}
    return xr.Dataset(
        fields | {"area": ("transition", area.loc[kept].to_numpy(float), {"units": "m2"})},
        coords={"transition": kept, "feature": names},
        attrs={"run": str(key), "predictor": predictor, **windows} if windows else {},
    )


def _reasons_of(
    key: str,
    run: xr.Dataset,
    features: RunDatasets,
    predictors: Mapping[str, Predictor],
    scaler: FeatureScaler,
    groups: Mapping[str, Sequence[str]] | Preset | None,
) -> Iterator[pd.DataFrame]:
    """Yield the table of each predictor of a run; none for a run without a baseline or without any change."""
    compared = compared_places(run)
    if not compared.size:
        return
    parent = str(run.attrs["parent"])
    for name in (key, parent):
        if name not in features:
            raise DataError(f"There are no features of {name}, which explain its change. Run data_engineering again.")
    after, before = features[key](), features[parent]()
    cells, windows = Cells.of(after), Windows.of(after, before)
    window = int(compared[-1])
    at = windows.baselines[windows.state[window] - after.sizes["window"]]
    now, then = WindowInputs.of(after, window, cells, scaler), WindowInputs.of(before, at, cells, scaler)
    here = run.isel(window=window)
    for name, predictor in predictors.items():
        predicted = here.sel(predictor=name)
        regime, old, forced = (
            predicted[field].transpose(*cells.like.dims).values.ravel()[cells.index].astype(np.int64)
            for field in ("regime", "baseline_regime", "forced_change")
        )
        moved = now.known & then.known & (old >= 0) & (regime != old)
        if not moved.any():
            continue
        earlier, later = (columns(state.scaled(moved), scaler.features, predictor.features) for state in (then, now))
        n_changed = int((earlier != later).any(axis=0).sum())
        if groups is None and n_changed > MOST_PLAYERS:
            warn_once(
                name,
                f"{n_changed} features change, more than exact Shapley values allow ({MOST_PLAYERS}): changes are "
                "attributed to groups of one physical quantity (scenario_tracking.attribution_groups: physical)",
            )
            groups = "physical"
        players = player_groups(groups, predictor.features)
        method = ChangeAttribution(before=earlier, regime_before=old[moved], groups=players)
        found = transition_summary(method, predictor, later, regime[moved], cells.area[moved])
        yield _table(
            found, predicted, predictor, old[moved], regime[moved], cells.area[moved] * (forced[moved] == 1)
        ).assign(predictor=name)


def _table(
    found: xr.Dataset,
    predicted: xr.Dataset,
    predictor: Predictor,
    old: NDArray[np.int64],
    regime: NDArray[np.int64],
    forced_area: NDArray[np.float64],
) -> pd.DataFrame:
    names = np.array(predictor.classes)
    forced = pd.Series(forced_area).groupby([names[old], names[regime]]).sum()
    table = found.rename_vars(
        attribution_lower="lower", attribution_upper="upper", area="area_m2", regime_after="after"
    ).to_dataframe()
    table = table.reset_index().rename(columns={"after": "regime"})
    pairs = zip(table["regime_before"], table["regime"], strict=True)
    return table.assign(
        **{facet: str(predicted.attrs[facet]) for facet in RUN_FACETS},
        window=str(predicted["window"].values),
        baseline_window=str(predicted["baseline_window"].values),
        forced_area_m2=[float(forced[pair]) for pair in pairs],
    )
