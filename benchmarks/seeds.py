"""How much scores depend on the seed of training: networks and tracking of a finished run, trained again.

    kedro run && python benchmarks/seeds.py [--data data] [--seeds 42 0 1 2 3] [--folder FOLDER]

For each seed `modelling`, `uncertainty` and `scenario_tracking` run up to their scores, on the ocean, the archive and
the regimes of the finished run, which they do not change. Prints two tables in Markdown, means over seeds with the
smallest and the largest: scores of oceans left out of training, and of changes of the idealized climate models where
the truth is known. Differences are paired: of two predictors of the same seed. Minutes for each seed; with --folder
results are kept, and seeds that are there are not trained again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import PREDICTORS, WARM, at_path
from run import markdown
from side_by_side import REPOSITORY, configured

PIPELINES = ("modelling", "uncertainty", "scenario_tracking")
LAYERS = ("01_raw", "02_intermediate", "03_primary", "04_feature", "05_model_input", "06_models")
SCORES = ("accuracy", "balanced_accuracy", "negative_log_likelihood")
ROWS = {
    "change.brier_skill": "Brier skill of P(change) over the base rate",
    "change.expected_calibration_error": "calibration error of P(change)",
    "change.forced.precision": "precision of forced regime changes",
    "change.forced.recall": "recall of forced regime changes",
    "predictor.balanced_accuracy": "balanced accuracy of the regimes",
    "error_removed.predicted_persistence": "error removed from persistence of the predicted regime",
    "error_removed.stress_curl_tree": "error removed from the tree on the stress curl",
}
"""Metrics of a change by their path, in words."""


def main() -> None:
    """Train what is not there, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data_root of a finished run")
    parser.add_argument("--env", default="base", help="its environment")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 0, 1, 2, 3])
    parser.add_argument("--folder", type=Path, help="where results are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        roots = [Path(options.folder or temporary).absolute() / str(seed) for seed in options.seeds]
        for seed, root in zip(options.seeds, roots, strict=True):
            if not _metrics(root, "tracking_metrics").exists():
                train(options.data.absolute(), root, seed, options.env)
        skill, tracking = (
            [json.loads(_metrics(root, name).read_text(encoding="utf-8")) for root in roots]
            for name in ("skill_metrics", "tracking_metrics")
        )
    print(f"Seeds {', '.join(map(str, options.seeds))}.\n")
    print("\n".join([*left_out(skill), "", *changes([run["perfect_model"]["pooled"][WARM] for run in tracking])]))


def _metrics(root: Path, name: str) -> Path:
    return root / "data" / "08_reporting" / f"{name}.json"


def train(data: Path, root: Path, seed: int, env: str) -> None:
    """Run the three pipelines up to their scores, into `root`; the results before them are links."""
    shutil.rmtree(root, ignore_errors=True)
    for layer in LAYERS:
        shutil.copytree(data / layer, root / "data" / layer, copy_function=os.symlink)
    command = [sys.executable, "-m", "kedro", "run", "--env", env, "--conf-source", str(configured(env, root))]
    command += ["--pipelines", ",".join(PIPELINES), "--to-nodes", "score_networks,score_tracking"]
    command += ["--params", ",".join(f"{pipeline}.seed={seed}" for pipeline in PIPELINES)]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=sys.stderr)


def left_out(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of the oceans left out of training."""
    columns = {name: words for name, words in PREDICTORS.items() if name in runs[0]}
    rows = []
    for region in (name for name in runs[0]["average"] if name.startswith("left_out_")):
        for score in SCORES:
            of = {name: [run[name][region][score] for run in runs] for name in columns if region in runs[0][name]}
            gain = np.subtract(of["average"], of["gradient_boosting"])
            entries = [spread(of[name], _decimal) if name in of else "" for name in columns]
            rows.append((region.removeprefix("left_out_"), score, *entries, spread(gain, _signed)))
    return markdown(("left out", "score", *columns.values(), "networks and boosting minus boosting"), rows)


def changes(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of changes in all windows of the warmest experiment, by area."""
    columns = {name: words for name, words in PREDICTORS.items() if name in runs[0]["all"]}
    rows = []
    for path, words in ROWS.items():
        of = {name: [at_path(run["all"][name], path) for run in runs] for name in columns}
        gain = np.subtract(of["average_transport"], of["average"])
        entries = [spread(of[name], _decimal) for name in columns]
        rows.append((f"{words} (`{path}`)", *entries, spread(gain, _signed)))
    return markdown((f"{WARM}, all windows and models", *columns.values(), "with minus without transports"), rows)


def spread(values: Any, form: Callable[[float], str]) -> str:
    """Return the mean with the smallest and the largest value."""
    return f"{form(np.mean(values))} ({form(np.min(values))} to {form(np.max(values))})"


def _decimal(value: float) -> str:
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}" if abs(value) >= 0.01 else f"{value:+.4f}"


if __name__ == "__main__":
    main()
