"""Agreement of climate models in plain numbers, and the experiment in which they change most."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray
from thor.tracking import RunDatasets
from thor.tracking.multimodel import ROBUSTNESS


def agreement_metrics(summaries: Iterable[xr.Dataset]) -> dict[str, Any]:
    """Return, by experiment and predictor, the shares of the common grid's area by robustness, and the mean agreement.

    Parameters
    ----------
    summaries : iterable of xarray.Dataset
        As from `multimodel_summary`.
    """
    result: dict[str, Any] = {}
    for summary in summaries:
        entry: dict[str, Any] = {
            "window": str(summary.attrs["window"]),
            "models": [str(name) for name in summary["source_id"].values],
            "votes": str(summary.attrs["votes"]),
        }
        for predictor in map(str, summary["predictor"].values):
            fields = summary.sel(predictor=predictor)
            area = np.broadcast_to(fields["areacello"].values, fields["regime"].shape)
            robustness = fields["robustness"].values
            known, tested = fields["n_models"].values > 0, robustness >= 0
            entry[predictor] = {
                "area_m2": float(area[known].sum()),
                "judged_m2": float(area[tested].sum()),
                "mean_agreement_share": _mean(fields["agreement_share"].values, area, known),
                "mean_change_probability": _mean(fields["change_probability"].values, area, tested),
                "changed_share_where_robust": _mean(
                    fields["changed_share"].values, area, robustness == ROBUSTNESS.index("robust_signal")
                ),
                "robustness_share": {
                    name: _mean((robustness == k).astype(float), area, tested) for k, name in enumerate(ROBUSTNESS)
                },
            }
        result[str(summary.attrs["experiment_id"])] = entry
    return result


def most_changed_experiment(summaries: RunDatasets) -> xr.Dataset | None:
    """Return the summary of the experiment with the largest mean probability of a change; None where there is none."""
    means: dict[str, float] = {}
    for name, load in summaries.items():
        summary = load()
        means[name] = float(summary["change_probability"].weighted(summary["areacello"]).mean())
    return summaries[max(sorted(means), key=lambda name: means[name])]() if means else None


def _mean(values: AnyArray, area: AnyArray, where: NDArray[np.bool_]) -> float | None:
    where = where & np.isfinite(values)
    return float(np.average(values[where], weights=area[where])) if area[where].sum() > 0 else None
