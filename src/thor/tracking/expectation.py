"""How well the accuracy that is expected of the networks in climate models agrees with the true one."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def expected_accuracy_errors(windows: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return how well the expected accuracy agrees with the true one where this is known.

    Parameters
    ----------
    windows : mapping
        {run: windows} as from `run_metrics`.
    truth : mapping
        {run: {window: {predictor: scores}}} as from `thor.tracking.perfect_model.perfect_model_skill`.

    Returns
    -------
    dict
        By predictor `bias` (mean of expected less true accuracy), `rms_error`, `correlation` over runs and windows
        (None if it is not defined), `n_windows` and `n_models`.
    """
    pairs: dict[str, list[tuple[str, float, float]]] = {}
    for run, of_run in truth.items():
        for window, predictors in of_run.items():
            for predictor, scores in predictors.items():
                expected = windows[run][window][predictor]["expected_accuracy"]
                pairs.setdefault(predictor, []).append((run.split("/")[0], expected, scores["predictor"]["accuracy"]))
    found = {}
    for predictor, rows in pairs.items():
        models, expected, true = zip(*rows, strict=True)
        error = np.subtract(expected, true)
        varies = np.std(expected) > 0 and np.std(true) > 0
        found[predictor] = {
            "bias": float(error.mean()),
            "rms_error": float(np.sqrt((error**2).mean())),
            "correlation": float(np.corrcoef(expected, true)[0, 1]) if varies else None,
            "n_windows": len(rows),
            "n_models": len(set(models)),
        }
    return found
