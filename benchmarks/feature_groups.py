"""Skill that each group of extended features adds on ECCO in held-out basins, for networks and boosting.

    THOR_DATA_MIRROR=<folder> python benchmarks/feature_groups.py [--quick]

Published labels, released stress curl, published geometry; means and spreads within 150 and 300 km. Each basin but the
Atlantic test band is held out in turn, so that groups are selected without the test cells. Every second row and column
of cells, because neighbours are nearly identical; 8 networks, 40 epochs. Prints a table in Markdown: accuracy and
negative log-likelihood (NLL) [nat] over the cells of all basins, and the difference in accuracy to the published
features in points, with its 90 % interval from a paired spatial block bootstrap.

--quick: every sixth row and column, 2 networks, 3 epochs.
"""

import argparse

import all_inputs
import xarray as xr
from networks import ecco_features, ecco_ocean, published_labels
from skill import RADII_KM

from thor.networks.cross_validation import feature_group_worth
from thor.networks.settings import BoostingSettings, CrossValidationSettings, SplitSettings, TrainingSettings


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every sixth row and column, 2 networks, 3 epochs")
    quick = parser.parse_args().quick
    ocean = ecco_ocean()
    fields = ecco_features(ocean, radii_km=RADII_KM)
    step = 6 if quick else 2
    table = feature_group_worth(
        thinned(fields, step),
        thinned(published_labels(ocean), step),
        settings=CrossValidationSettings(
            split=SplitSettings(reflect=False, rescale=False),
            training=TrainingSettings(
                n_networks=2 if quick else 8, epochs=3 if quick else 40, batch_size=64, **all_inputs.TRAINING
            ),
            boosting=BoostingSettings(**all_inputs.BOOSTING),
        ),
        seed=0,
    )
    print(
        "| features | number | predictor | accuracy | NLL | minus published | 90 % interval |",
        "|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for row in table.to_dict(orient="records"):
        points = [100 * row[name] for name in ("difference", "low", "high")]
        print(
            f"| {row['features']} | {row['n_features']} | {row['predictor']} | {row['accuracy']:.4f} "
            f"| {row['negative_log_likelihood']:.4f} | {points[0]:+.2f} | {points[1]:+.2f} to {points[2]:+.2f} |"
        )


def thinned(fields: xr.Dataset, step: int) -> xr.Dataset:
    """Return every few rows and columns."""
    return fields.isel(lat=slice(step // 2, None, step), lon=slice(step // 2, None, step))


if __name__ == "__main__":
    main()
