"""Test how often the spread over networks of what is divided among regimes contains the part of the true regimes.

    kedro run && python benchmarks/regime_totals.py [--folder .]

The idealized climate models publish transports and a heat flux, and their true regimes are known. Both are divided
among the true regimes and among those that each network predicts, in the cells in which both are known, for each window
of abrupt-4xCO2. Prints in Markdown, for the heat flux into the sea (the whole ocean and each basin) and for the
Atlantic overturning at the depth of its maximum at 26.5N: the share of intervals that contain the true part, the mean
width of the intervals, and the rms difference of the mean over networks from the true part. Half a minute.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from thor.app.catalog import open_catalog
from thor.pipelines.scenario_tracking.tools import TRAINED, tracking_tools
from thor.tracking.overturning import overturning
from thor.tracking.regime_properties import properties_over_networks, regime_properties
from thor.tracking.regime_shares import ProbabilityBlock, probabilities_by_network

EXPERIMENT = "abrupt-4xCO2"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("."), help="project with a finished default run")
    catalog = open_catalog(folder=parser.parse_args().folder)
    parameters = catalog.load("params:scenario_tracking")
    first = parameters.replace(predictors=parameters.predictors[:1])
    tools = tracking_tools(*map(catalog.load, TRAINED), {}, first)
    features, climatologies, transports, truth = map(
        catalog.load, ("scenario_features", "climatologies", "transport_climatologies", "true_regimes")
    )
    parts: dict[str, list[np.ndarray]] = {}
    for key, load in features.items():
        if key.split("/")[1] != EXPERIMENT or key not in truth:
            continue
        run = load()
        for number, window in enumerate(map(str, run["window"].values)):
            true = truth[key]()["true_regime"].sel(window=window).transpose(*run["valid"].dims).values.ravel()
            known = np.flatnonzero((true >= 0) & (run["valid"].values.ravel() == 1))
            predicted = [
                ProbabilityBlock(cells[there], probability[:, there])
                for cells, probability in probabilities_by_network(run, number, tools, first.predictors[0])
                if (there := np.isin(cells, known)).any()
            ]
            one_hot = np.eye(len(tools.classes))[true[known]][None]
            for blocks, name in ((predicted, "predicted"), ([ProbabilityBlock(known, one_hot)], "true")):
                for quantity, values in totals(
                    blocks, run, climatologies[key](), transports[f"{key}/{window}"](), window, tools
                ).items():
                    parts.setdefault(f"{quantity} {name}", []).append(values)
    print("| part of a regime | intervals | contain the true part | mean width | rms error |\n|---|---|---|---|---|")
    for quantity, unit in (("heat uptake, whole ocean", "PW"), ("heat uptake, basins", "PW"), ("AMOC", "Sv")):
        mean, lower, upper = np.concatenate(parts[f"{quantity} predicted"], axis=1)
        exact = np.concatenate(parts[f"{quantity} true"], axis=1)[0]
        there = np.isfinite(mean) & ((exact != 0) | (mean != 0))
        inside = ((exact >= lower) & (exact <= upper))[there]
        error = np.sqrt(np.mean((mean - exact)[there] ** 2))
        print(
            f"| {quantity} | {there.sum()} of {tools.settings.interval_level:.0%} | {inside.mean():.0%} | "
            f"{(upper - lower)[there].mean():.2g} {unit} | {error:.2g} {unit} |"
        )


def totals(blocks, run: xr.Dataset, climatology: xr.Dataset, transports: xr.Dataset, window: str, tools) -> dict:
    """Return the parts of the regimes with the ends of their intervals, (3, n), by quantity."""
    fields = climatology[["hfds", "areacello", "sftof"]].sel(window=window, drop=True)
    common = {"basin": run["basin"], "regimes": tools.classes}
    level = tools.settings.interval_level
    heat = properties_over_networks(regime_properties(fields, blocks, deep_mixed_layer=500.0, **common), level=level)
    density = float(transports.attrs["reference_density"])
    psi = overturning(transports, blocks, level=level, reference_density=density, **common)
    regimes = list(tools.classes)

    def ends(dataset: xr.Dataset, name: str) -> np.ndarray:
        chosen = dataset.sel(regime=regimes)
        return np.stack([chosen[f"{name}{end}"].values.ravel() for end in ("", "_lower", "_upper")])

    return {
        "heat uptake, whole ocean": ends(heat.sel(basin="global"), "heat_uptake"),
        "heat uptake, basins": ends(heat.drop_sel(basin="global"), "heat_uptake"),
        "AMOC": ends(psi, "amoc_by_regime"),
    }


if __name__ == "__main__":
    main()
