"""Attribution of changes of regime in a run to the features, for each transition from one regime to another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.attribution.change import ChangeAttribution, transition_summary
from thor.attribution.coalitions import MOST_PLAYERS
from thor.attribution.players import Preset, player_groups
from thor.core.arrays import IntArray
from thor.core.errors import DataError
from thor.core.warn import warn_once
from thor.networks.predictor import Predictor, columns
from thor.networks.scaler import FeatureScaler
from thor.reading.inventory import run_keys
from thor.tracking import RunDatasets
from thor.tracking.areas import joined_tables
from thor.tracking.cells import RUN_FACETS, Cells, WindowInputs, Windows, facets_of
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
    changes = (LastChange.of(key, load(), features, scaler) for key, load in runs.items())
    tables = (table for change in changes if change for table in _reasons_of(change, predictors, groups))
    return joined_tables(tables, REASON_COLUMNS)


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
    rows = rows_to_draw(reasons, key, predictor)
    area = rows.groupby("transition", sort=False)["area_m2"].first().sort_values(ascending=False, kind="stable")
    kept, names = list(area.index[:most]), list(dict.fromkeys(rows["feature"]))
    fields = fields_to_draw(rows, kept, "feature", names, mean="attribution")
    windows = {name: str(rows[name].iloc[0]) for name in ("window", "baseline_window")} if len(rows) else {}
    return xr.Dataset(
        fields | {"area": ("transition", area.loc[kept].to_numpy(float), {"units": "m2"})},
        coords={"transition": kept, "feature": names},
        attrs={"run": str(key), "predictor": predictor, **windows} if windows else {},
    )


def rows_to_draw(table: pd.DataFrame, key: str | None, predictor: str) -> pd.DataFrame:
    """Return the rows of one run and predictor, with the `transition` in words."""
    rows = table[(run_keys(table) == key) & (table["predictor"] == predictor)]
    return rows.assign(transition=rows["regime_before"] + " to " + rows["regime"])


def fields_to_draw(
    rows: pd.DataFrame, transitions: Sequence[str], dim: str, names: Sequence[str], *, mean: str
) -> dict[str, Any]:
    """Return `mean`, from the column of that name, `lower` and `upper`, dims (transition, dim)."""
    columns = {"mean": mean, "lower": "lower", "upper": "upper"}
    tables = {name: rows.pivot(index="transition", columns=dim, values=column) for name, column in columns.items()}
    return {
        name: (("transition", dim), table.reindex(index=list(transitions), columns=list(names)).to_numpy(float))
        for name, table in tables.items()
    }


@dataclass(frozen=True, eq=False)
class LastChange:
    """The last window of a run that has a baseline: its regimes, its cells, and their inputs then and now."""

    regimes: xr.Dataset
    cells: Cells
    states: tuple[WindowInputs, WindowInputs]

    @classmethod
    def of(cls, key: str, run: xr.Dataset, features: RunDatasets, scaler: FeatureScaler) -> "LastChange | None":
        """Return that of a tracked run, None for one without a baseline; DataError where it has no features."""
        compared = compared_places(run)
        if not compared.size:
            return None
        parent = str(run.attrs["parent"])
        for name in (key, parent):
            if name not in features:
                raise DataError(
                    f"There are no features of {name}, which explain its change. Run data_engineering again."
                )
        after, before = features[key](), features[parent]()
        cells, windows, window = Cells.of(after), Windows.of(after, before), int(compared[-1])
        then = WindowInputs.of(before, windows.baseline_place(window), cells, scaler)
        return cls(run.isel(window=window), cells, (then, WindowInputs.of(after, window, cells, scaler)))

    def labels(self, predictor: str, name: str) -> IntArray:
        """Return a field of one predictor in the cells, shape (n_cells,)."""
        field = self.regimes[name].sel(predictor=predictor).transpose(*self.cells.like.dims)
        return field.values.ravel()[self.cells.index].astype(np.int64)

    def moved(self, predictor: str) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """Return the regimes then and now by one predictor, and the cells with a change, each of shape (n_cells,)."""
        old, regime = (self.labels(predictor, name) for name in ("baseline_regime", "regime"))
        known = np.logical_and(*(state.known for state in self.states))
        return old, regime, known & (old >= 0) & (regime != old)

    def columns(self, predictor: str) -> dict[str, str]:
        """Return the columns that all rows of one predictor have alike."""
        windows = {name: str(self.regimes[name].values) for name in ("window", "baseline_window")}
        return facets_of(self.regimes) | windows | {"predictor": predictor}


def _reasons_of(
    change: LastChange, predictors: Mapping[str, Predictor], groups: Mapping[str, Sequence[str]] | Preset | None
) -> Iterator[pd.DataFrame]:
    """Yield the table of each predictor of a run; none without any change."""
    for name, predictor in predictors.items():
        old, regime, moved = change.moved(name)
        if not moved.any():
            continue
        earlier, later = (columns(x.scaled(moved), x.scaler.features, predictor.features) for x in change.states)
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
        area, forced = change.cells.area[moved], change.labels(name, "forced_change")[moved] == 1
        found = transition_summary(method, predictor, later, regime[moved], area)
        classes = np.array(predictor.classes)
        forced_area = pd.Series(area * forced).groupby([classes[old[moved]], classes[regime[moved]]]).sum()
        found = found.rename_vars(
            attribution_lower="lower", attribution_upper="upper", area="area_m2", regime_after="after"
        )
        table = found.to_dataframe().reset_index().rename(columns={"after": "regime"})
        pairs = zip(table["regime_before"], table["regime"], strict=True)
        yield table.assign(**change.columns(name), forced_area_m2=[float(forced_area[pair]) for pair in pairs])
