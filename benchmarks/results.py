"""Write the measured tables of docs/results.md: from the metrics of finished runs, and of a MITgcm mean.

    kedro run && python benchmarks/results.py --only run [--data data] [--page docs/results.md]
    python benchmarks/results.py --only ecco_models --data data/ecco [--page docs/results.md]
    THOR_DATA_MIRROR=<folder> python benchmarks/results.py --only mitgcm [--page docs/results.md]

Prints the tables in Markdown. With --page each replaces the one between its two comments on that page: `run`,
`ecco_models` and `mitgcm`. `ecco_models` takes a run of `--env ecco` with the idealized climate models as its archive
(docs/howto_ecco.md). Names in code are those of docs/metrics.md, which defines the numbers. It takes seconds.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from run import markdown

from thor.networks.split import OCEANS
from thor.ocean.basins import basin_codes
from thor.ocean.constants import SVERDRUP
from thor.ocean.grid import Grid
from thor.report.words import percent
from thor.tracking.overturning import overturning
from thor.tracking.regime_shares import probabilities_on_grid

PREDICTORS = {
    "average": "networks and boosting",
    "average_transport": "with transports",
    "ensemble": "networks",
    "bayesian": "Bayesian network",
    "gradient_boosting": "boosting",
    "stress_curl_tree": "tree",
    "majority": "majority",
}
"""Columns: predictors in the order of the page."""

SCORES = {"balanced_accuracy": "balanced accuracy", "negative_log_likelihood": "NLL (nat)"}
"""Scores beside the accuracy; NLL: negative log-likelihood."""

WARM = "abrupt-4xCO2"
DENSITY = 1035.0
"""Reference density of the MITgcm mean [kg m-3]."""

Entry = Mapping[str, Any]
_SHARE = percent


def _decimal(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{digits}f}"


CHANGE: dict[str, tuple[str, Callable[[float], str]]] = {
    "change.base_rate": ("area whose regime truly changed", lambda x: percent(x, 1)),
    "change.mean_probability": ("mean P(change)", lambda x: percent(x, 1)),
    "change.brier_skill": ("Brier skill of P(change) over the base rate", _decimal(2)),
    "change.expected_calibration_error": ("calibration error of P(change)", _decimal(3)),
    "change.calibration_error_above_tenth": ("the same where P(change) is at least 10 %", _decimal(3)),
    "change.resolution_share": ("resolution, share of the largest possible", _decimal(2)),
    "change.likely_or_more.changed": ("of the area with P(change) above 66 %, truly changed", _SHARE),
    "change.forced.area_share": ("area with a forced regime change", lambda x: percent(x, 1)),
    "change.forced.precision": ("its precision", _SHARE),
    "change.forced.recall": ("its recall", _SHARE),
    "change.shift.area_share": ("area with a probability shift", _SHARE),
    "change.shift.precision": ("its precision", _SHARE),
    "change.shift.recall": ("its recall", _SHARE),
    "predictor.balanced_accuracy": ("balanced accuracy of the regimes", _decimal(3)),
    "persistence.balanced_accuracy": ("the same of the true regime of the baseline (persistence)", _decimal(3)),
    "error_removed.predicted_persistence": ("error removed from persistence of the predicted regime", _SHARE),
    "error_removed.stress_curl_tree": ("error removed from the tree on the stress curl", _SHARE),
}
"""Rows of the table of changes: path of the metric, its words and the form of the number."""


REGIME_SCORES = {"accuracy": "area with the true regime", "balanced_accuracy": "balanced accuracy of the regimes"}
CHANGE_SCORES = (
    *("change.base_rate", "change.mean_probability", "change.brier_skill", "change.expected_calibration_error"),
    "error_removed.predicted_persistence",
)
"""Rows of the table of another ocean, for each experiment."""


def main() -> None:
    """Print the tables, and write them to the page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data_root of the finished run")
    parser.add_argument("--only", nargs="+", choices=("run", "ecco_models", "mitgcm"), default=("run", "mitgcm"))
    parser.add_argument("--page", type=Path, metavar="FILE", help="page whose tables are replaced")
    options = parser.parse_args()
    parts = {}
    if "run" in options.only:
        parts["run"] = run_tables(options.data)
    if "ecco_models" in options.only:
        parts["ecco_models"] = other_models(options.data)
    if "mitgcm" in options.only:
        parts["mitgcm"] = mitgcm_table(Path(os.environ["THOR_DATA_MIRROR"]) / "mitgcm_4deg/mitgcm_4deg_mean10yr.nc")
    print("\n\n".join(parts.values()))
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        for name, text in parts.items():
            page = replaced(page, name, text)
        options.page.write_text(page, encoding="utf-8")


def replaced(page: str, name: str, text: str) -> str:
    """Return the page with another text between the comments that begin and end a part."""
    begin, end = f"<!-- {name}: written by benchmarks/results.py -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"The page has no part between '{begin}' and '{end}'.")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


# -- a finished run ----------------------------------------------------------------------------------------------------
def run_tables(data: Path) -> str:
    """Return the tables of a run in the folder of its data."""
    tracking = metrics_of(data, "tracking_metrics")
    lines = [
        which_run(data, tracking),
        *("", "### Regimes", ""),
        *regimes(metrics_of(data, "clustering_metrics")),
        *("", "### Skill in oceans that were left out of training", ""),
        *skill(metrics_of(data, "skill_metrics")),
        *("", "### Coverage of conformal sets", ""),
        *conformal(metrics_of(data, "calibration_metrics")),
        *("", "### Change where the truth is known", ""),
        *change(tracking),
        *("", "### Areas", ""),
        *areas(tracking["perfect_model"]["area_interval"]),
    ]
    return "\n".join(lines)


def metrics_of(data: Path, name: str) -> Any:
    """Return a file of metrics of a run."""
    return json.loads((data / "08_reporting" / f"{name}.json").read_text(encoding="utf-8"))


def which_run(data: Path, tracking: Entry) -> str:
    """Return the command of a run, its state of the code, seed and climate models."""
    last, runs = metrics_of(data, "manifest")["last_run"], tracking["runs"]
    return (
        f"`{last['command'].removeprefix('python -m ')}`, state of the code `{last['git']}`, "
        f"seed {last['parameters']['modelling']['seed']}; {len(runs)} runs and {sum(map(len, runs.values()))} "
        f"windows of {len({run.partition('/')[0] for run in runs})} climate models."
    )


def other_models(data: Path) -> str:
    """Return the table of a run whose predictors were trained on another ocean than that of its climate models."""
    tracking = metrics_of(data, "tracking_metrics")
    pooled = {experiment: windows["all"] for experiment, windows in tracking["perfect_model"]["pooled"].items()}
    names = [name for name in PREDICTORS if any(name in scores for scores in pooled.values())]

    def row(words: str, scores: Entry, path: str, form: Callable[[float], str]) -> list[str]:
        return [words, *(form(at_path(scores[name], path)) if name in scores else "" for name in names)]

    rows = []
    for experiment, scores in pooled.items():
        place = experiment
        for score, words in REGIME_SCORES.items():
            of_tree = f"{scores['average']['stress_curl_tree'][score]:.3f}"
            rows.append([place, *row(words, scores, f"predictor.{score}", _decimal(3)), of_tree])
            place = ""
        for path in CHANGE_SCORES if "change" in scores["average"] else ():
            words, form = CHANGE[path]
            rows.append(["", *row(f"{words} (`{path}`)", scores, path, form), ""])
    columns = (*(PREDICTORS[name] for name in names), PREDICTORS["stress_curl_tree"])
    table = markdown(("all windows and models together, by area", "score", *columns), rows)
    return "\n".join([which_run(data, tracking), "", *table])


def regimes(metrics: Entry) -> list[str]:
    """Return the table of the clustering."""
    rows = [
        ("`n_cells`", "cells of the budget", f"{metrics['n_cells']:,}"),
        ("`n_clusters`", "clusters of a run", str(metrics["n_clusters"])),
        ("`n_runs`", "clustering runs", str(metrics["n_runs"])),
        ("`stability_ari`", "adjusted Rand index between independent consensuses", f"{metrics['stability_ari']:.3f}"),
        ("`single_run_ari`", "the same between single runs", f"{metrics['single_run_ari']:.3f}"),
        ("`mean_confidence`", "vote share of the regime, mean by area", percent(metrics["mean_confidence"], 1)),
        *(
            (f"`area_fraction.{name}`", f"area of {name}", percent(share, 1))
            for name, share in metrics["area_fraction"].items()
        ),
    ]
    return markdown(("metric", "meaning", "value"), rows)


def skill(metrics: Entry) -> list[str]:
    """Return the table of scores in the oceans left out of training and in the test region."""
    columns = {name: words for name, words in PREDICTORS.items() if name in metrics}
    regions = [name for name in metrics["average"] if name.startswith("left_out_")] + ["test"]
    rows = []
    for region in sorted(regions, key=lambda name: metrics["average"][name]["accuracy"]):
        n_cells = metrics["average"][region]["n_cells"]
        if n_cells < 50:
            continue  # the Atlantic Ocean lies in the test sector but for a few cells
        place = _place(region.removeprefix("left_out_"))
        entries = [metrics[name].get(region) for name in columns]
        rows.append((place, "accuracy", *(f"{entry['accuracy']:.3f}" if entry else "" for entry in entries)))
        intervals = (_interval(entry, "accuracy") if entry else "" for entry in entries)
        rows.append((f"{n_cells:,} cells", "90 % interval", *intervals))
        for score, words in SCORES.items():
            rows.append(("", words, *(f"{entry[score]:.3f}" if entry else "" for entry in entries)))
    return markdown(("tested in", "score", *columns.values()), rows)


def _interval(entry: Entry, score: str) -> str:
    ends = entry["intervals"][score]
    return f"{ends['low']:.2f}–{ends['high']:.2f}"


def conformal(metrics: Entry) -> list[str]:
    """Return the table of the coverage of conformal sets in the test region and its basins."""
    columns = {name: words for name, words in PREDICTORS.items() if name in metrics}
    regions = [name for name in next(iter(metrics.values())) if name.startswith("test")]
    rows = []
    for region in regions:
        sets = {name: metrics[name][region]["conformal"] for name in columns}
        if all(entry["coverage"] is None for entry in sets.values()):
            continue
        rows.append((_place(region.removeprefix("test_")), *(_coverage(entry) for entry in sets.values())))
    return markdown(("`coverage` (`mean_set_size`), nominal 90 %", *columns.values()), rows)


def _place(region: str) -> str:
    return "test sector" if region == "test" else region.replace("_", " ").title()


def _coverage(entry: Entry) -> str:
    return "" if entry["coverage"] is None else f"{percent(entry['coverage'])} ({entry['mean_set_size']:.1f})"


def change(tracking: Entry) -> list[str]:
    """Return the table of changes between the last window of the warmest experiment and its baseline."""
    windows = tracking["perfect_model"]["pooled"][WARM]
    last = max(name for name in windows if name != "all")
    columns = {name: words for name, words in PREDICTORS.items() if name in windows[last]}
    rows = [
        (f"{words} (`{path}`)", *(form(at_path(windows[last][name], path)) for name in columns))
        for path, (words, form) in CHANGE.items()
    ]
    control = tracking["perfect_model"]["control"].values()
    for kind, words in (("forced", "forced regime change"), ("shift", "probability shift")):
        shares = (max(run[name][kind] for run in control if name in run) for name in columns)
        rows.append(
            (
                f"area of the control run with a (false) {words}, largest of the models (`control`)",
                *(percent(share, 1) for share in shares),
            )
        )
    bias = (100 * tracking["expected_accuracy"][name]["bias"] for name in columns)
    rows.append(
        (
            "expected minus true accuracy of the regimes, mean over all runs and windows, points (`expected_accuracy`)",
            *(f"{points:+.1f}" for points in bias),
        )
    )
    return markdown((f"{WARM}, {last}, all models together, by area", *columns.values()), rows)


def at_path(entry: Entry, path: str) -> Any:
    """Return the number at a path of keys joined by dots."""
    for key in path.split("."):
        entry = entry[key]
    return entry


def areas(intervals: Entry) -> list[str]:
    """Return the table of half-widths and coverage of intervals of areas."""
    columns = {name: words for name, words in PREDICTORS.items() if name in intervals}
    kinds = {
        "regime_area": "area of a regime",
        "change": "its change from the baseline",
        "transition": "area that changes from one regime to another",
    }
    rows = [(words, *(_width(intervals[name][kind]) for name in columns)) for kind, words in kinds.items()]
    return markdown(("`half_width_share` (`coverage`)", *columns.values()), rows)


def _width(entry: Entry) -> str:
    return f"{percent(entry['half_width_share'], 2)} ({percent(entry['coverage'])})"


# -- a mean of MITgcm --------------------------------------------------------------------------------------------------
def mitgcm_table(path: Path) -> str:
    """Return the table of the circulation of the ten-year mean of the four-degree MITgcm."""
    with xr.open_dataset(path) as file:
        model = file.load()
    found = overturning_of(model)
    whole, atlantic = (found["overturning"].sel(basin=name) for name in ("global", "atlantic_ocean"))
    top, level = _largest(whole), _largest(atlantic)
    through = (model["uo"] * model["face_height_u"] * model["face_width_u"]).fillna(0).sum("lev") / SVERDRUP
    drake = through.sel(lon_u=slice(284, 296), lat=slice(-70, -54)).sum("lat")
    rows = [
        ("global overturning, smallest and largest", f"{float(whole.min()):.1f} to {float(whole.max()):.1f} Sv"),
        ("place of the largest", f"{_latitude(top['lat'])}, {float(top['lev']):.0f} m"),
        ("largest Atlantic overturning", f"{float(atlantic.max()):.1f} Sv"),
        ("its place", f"{_latitude(level['lat'])}, {float(level['lev']):.0f} m"),
        (
            f"Atlantic overturning at {found.attrs['amoc_latitude']:.0f}N, the edge of a row nearest to 26.5N",
            f"{float(found['amoc']):.1f} Sv at {float(found['amoc_level']):.0f} m",
        ),
        (
            "eastward transport through Drake Passage, 284E to 296E",
            f"{float(drake.min()):.1f} to {float(drake.max()):.1f} Sv",
        ),
        (
            "net transport through closed lines, largest",
            f"{float(abs(found['net_transport'].sel(basin='global')).max()):.1f} Sv",
        ),
    ]
    return "\n".join(markdown(("number", "value"), rows))


def overturning_of(model: xr.Dataset) -> xr.Dataset:
    """Return the overturning at the edges of the rows, with all cells in one regime."""
    u, v = (
        np.nan_to_num((model[f"{c}o"] * model[f"face_height_{c}"] * model[f"face_width_{c}"]).values.astype(float))
        for c in "uv"
    )
    # the model's faces lie west and south of each cell, those of THOR east and north
    u, v = np.roll(u, -1, axis=-1), np.concatenate([v[:, 1:], np.zeros_like(v[:, :1])], axis=1)
    edges = np.concatenate([[0.0], np.cumsum(model["lev_thickness"].values)])
    transports = (
        model[["lat", "lon"]]
        .astype(float)
        .assign(
            umo=(("lev", "lat", "lon"), DENSITY * u, {"units": "kg s-1"}),
            vmo=(("lev", "lat", "lon"), DENSITY * v, {"units": "kg s-1"}),
            lev_bnds=(("lev", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)),
        )
    )
    middle = ("lev", 0.5 * (edges[1:] + edges[:-1]), {"units": "m", "bounds": "lev_bnds"})
    transports = transports.assign_coords(lev=middle)
    grid = Grid.from_dataset(transports)
    one = xr.DataArray(np.ones((1, *grid.shape, 1)), dims=("network", *grid.dims, "regime"))
    return overturning(
        transports,
        probabilities_on_grid(one, grid),
        basin=basin_codes(grid, ocean=model["deptho"].values > 0),
        regimes=["all"],
        basins=OCEANS,
        latitudes=model["lat_v"].values[1:],
        level=0.9,
        reference_density=DENSITY,
    )


def _largest(field: xr.DataArray) -> xr.DataArray:
    return field.isel(field.argmax(...))


def _latitude(value: xr.DataArray) -> str:
    return f"{abs(float(value)):.0f}{'N' if value > 0 else 'S'}"


if __name__ == "__main__":
    main()
