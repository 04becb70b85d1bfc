"""Test whether more training data improve the predicted location of regime changes in the idealized climate models.

    kedro run && python benchmarks/change_skill.py [--data data]

The networks of the default run are trained on one ocean and applied to other climate models. Here networks of the same
kind are trained on more and more data that do not exist for real climate models, up to the true regimes of the model to
which they are applied. They are compared with the true regimes of the last window of abrupt-4xCO2 and of the parallel
control segment. If the scores do not change, the inputs limit them and not the training data. Prints a table in
Markdown; all numbers are for the three models together, by area. About three minutes for 16 networks on two cores.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from thor.core.variables import FEATURES
from thor.datasets.models import ModelDataset
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.inputs import cell_inputs
from thor.networks.prediction import member_probabilities
from thor.networks.settings import TrainingSettings
from thor.networks.training import train_stack
from thor.networks.training_data import Table
from thor.ocean.cells import valid_cells
from thor.regimes.regime_model import RegimeModel
from thor.tracking.change import change_probability
from thor.tracking.truth import TrueCells, together, truth_scores

CONTROL, WARM, LAST = "piControl", "abrupt-4xCO2", -1
SETTINGS = TrainingSettings(n_networks=16, batch_size=64, epochs=40)
TRAINED_ON = (
    "the training ocean",
    "and the control run of the other models",
    "and their last window of abrupt-4xCO2",
    "the training ocean and the first control window of the model itself",
    "all of these",
)
_SELECT_EVERY = 10


class Cells:
    """The cells of one window, or of the training ocean, with their inputs and true regime."""

    def __init__(self, features: xr.Dataset, regime: xr.DataArray) -> None:
        inputs, index = cell_inputs(features)
        lat, lon, valid = valid_cells(features)
        labels = regime.transpose(*features["valid"].dims).values.ravel()[index]
        used = labels >= 0
        self.inputs, self.labels, self.index = inputs[used], labels[used].astype(np.int64), index[used]
        self.lat, self.lon = lat[valid][used], lon[valid][used]
        self.area = features["areacello"].transpose(*features["valid"].dims).values[valid][used].astype(float)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data_root of a finished default run")
    data = parser.parse_args().data
    model: RegimeModel = ModelDataset(filepath=str(data / "06_models/regime_model.pkl")).load()
    regimes = xr.load_dataset(data / "05_model_input/regimes.nc")
    ocean = Cells(xr.load_dataset(data / "04_feature/features.nc"), regimes["regime"])
    sources = sorted(path.name for path in (data / "04_feature/scenario_features").iterdir())
    first = {name: window(data, model, name, CONTROL) for name in sources}
    before = {name: window(data, model, name, CONTROL, baseline(data, name)) for name in sources}
    after = {name: window(data, model, name, WARM, LAST) for name in sources}
    print("| networks were trained on | balanced accuracy | error removed, predicted persistence | Brier skill | ECE |")
    print("|---|---|---|---|---|")
    for trained_on in TRAINED_ON:
        parts = []
        for name in sources:
            others = [other for other in sources if other != name]
            training = {
                TRAINED_ON[0]: [ocean],
                TRAINED_ON[1]: [ocean, *(first[other] for other in others)],
                TRAINED_ON[2]: [ocean, *(first[other] for other in others), *(after[other] for other in others)],
                TRAINED_ON[3]: [ocean, first[name]],
                TRAINED_ON[4]: [ocean, *first.values(), *(after[other] for other in others)],
            }[trained_on]
            parts.append(predicted(training, before[name], after[name], model.names))
        scores = truth_scores(together(parts), classes=model.names, settings=BootstrapSettings(), seed=0)
        change, removed = scores["change"], scores["error_removed"]["predicted_persistence"]
        print(
            f"| {trained_on} | {scores['predictor']['balanced_accuracy']:.3f} | {100 * removed:.0f} % "
            f"| {change['brier_skill']:.2f} | {change['expected_calibration_error']:.3f} |",
            flush=True,
        )
    persistence, base = scores["persistence"]["balanced_accuracy"], scores["change"]["base_rate"]
    print(f"\nPersistence of the true regime: balanced accuracy {persistence:.3f}; changed area {100 * base:.1f} %.")


def baseline(data: Path, source: str) -> str:
    """Return the control segment that is the baseline of the last window."""
    with xr.open_dataset(first_run(data / "07_model_output/scenario_regimes" / source / WARM)) as run:
        return str(run["baseline_window"].values[-1])


def first_run(folder: Path) -> Path:
    """Return the file of the first variant."""
    return sorted(folder.glob("*.nc"))[0]


def window(data: Path, model: RegimeModel, source: str, experiment: str, label: str | int = 0) -> Cells:
    """Return the cells of one window of a run, by its label or position."""
    run = first_run(data / "04_feature/scenario_features" / source / experiment)
    features, budget = (
        xr.load_dataset(run),
        xr.load_dataset(data / "01_raw/true_budgets" / source / experiment / run.name),
    )
    labels, true = ([str(name) for name in each["window"].values] for each in (features, budget))
    chosen = labels[label] if isinstance(label, int) else label
    regime = model.predict(budget.isel(window=true.index(chosen)))["regime"]
    return Cells(features.isel(window=labels.index(chosen)), regime)


def predicted(training: list[Cells], before: Cells, after: Cells, classes: tuple[str, ...]) -> TrueCells:
    """Return the predictions for two windows of networks trained on these cells, with the true regimes."""
    inputs = np.concatenate([cells.inputs for cells in training])
    labels = np.concatenate([cells.labels for cells in training])
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    chosen = np.arange(len(labels)) % _SELECT_EVERY == 0
    tables = [Table(((inputs[rows] - mean) / scale).astype(np.float32), labels[rows]) for rows in (~chosen, chosen)]
    stack = train_stack(*tables, features=FEATURES, classes=classes, settings=SETTINGS, seed=0, progress=False).stack
    common, here, there = np.intersect1d(after.index, before.index, return_indices=True)
    probabilities = [
        member_probabilities(stack, ((cells.inputs[rows] - mean) / scale).astype(np.float32))
        for cells, rows in ((before, there), (after, here))
    ]
    means = [each.mean(axis=0) for each in probabilities]
    return TrueCells(
        lat=after.lat[here],
        lon=after.lon[here],
        area=after.area[here],
        applicable=np.ones(common.size, bool),
        truth=after.labels[here],
        predicted=means[1].argmax(axis=1),
        tree=means[1].argmax(axis=1),
        probability=means[1],
        truth_before=before.labels[there],
        predicted_before=means[0].argmax(axis=1),
        probability_before=means[0],
        change_probability=change_probability(*probabilities).mean(axis=0),
        shift=np.full(common.size, -1),
        forced=np.full(common.size, -1),
    )


if __name__ == "__main__":
    main()
