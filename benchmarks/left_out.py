"""What a way of training adds in oceans that were left out of it.

    kedro run && python benchmarks/left_out.py reflect|rescale|budget_share [--data data] [--env base] [--seeds 42 0]

`reflect`: training on the ocean reflected at the equator as well (all networks and trees with all inputs).
`rescale`: training on oceans with weaker and stronger flow as well, with the settings of the environment.
`budget_share`: half of the networks, and trees with half of the weight, that see only the terms of the vorticity budget
among the inputs.

Cross-validation by ocean basin as `kedro run --pipeline cross_validation` does it, with the settings of the environment
but for this one. Prints a table in Markdown: means over seeds with the smallest and the largest. The idealized ocean
takes 90 s for each seed, ECCO (--data data/ecco --env ecco) longer.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from run import markdown
from seeds import SCORES, spread

from thor.app.configuration import default_configuration
from thor.app.parameters import CrossValidation
from thor.networks.cross_validation import cross_validate

PREDICTORS = {
    "average": "networks and boosting",
    "ensemble": "networks",
    "gradient_boosting": "boosting",
}


def with_share(settings: CrossValidation, share: float) -> CrossValidation:
    """Return the settings with this share of networks and trees that see the budget alone."""
    return settings.replace(
        training=settings.training.replace(budget_share=share), boosting=settings.boosting.replace(budget_share=share)
    )


def with_oceans(settings: CrossValidation, **chosen: bool) -> CrossValidation:
    """Return the settings with this choice of similar oceans."""
    return settings.replace(split=settings.split.replace(**chosen))


WAYS: dict[str, Callable[[CrossValidation, bool], CrossValidation]] = {
    "reflect": lambda settings, used: with_share(with_oceans(settings, reflect=used, rescale=False), 0.0),
    "budget_share": lambda settings, used: with_share(with_oceans(settings, rescale=False), 0.5 * used),
    "rescale": lambda settings, used: with_oceans(settings, rescale=used),
}


def main() -> None:
    """Train in this way and without it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data_root of a finished run")
    parser.add_argument("--env", default="base", help="its environment")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 0])
    options = parser.parse_args()
    settings = CrossValidation.model_validate(default_configuration(options.env)["parameters"]["cross_validation"])
    fields = [xr.load_dataset(options.data / name) for name in ("04_feature/features.nc", "05_model_input/regimes.nc")]
    found = {
        used: [cross_validate(*fields, settings=WAYS[options.way](settings, used), seed=seed) for seed in options.seeds]
        for used in (False, True)
    }
    print(f"Seeds {', '.join(map(str, options.seeds))}.\n")
    print("\n".join(markdown(("left out", "predictor", "score", "without", "with", "difference"), rows(found))))


def rows(found: dict[bool, list[dict[str, Any]]]) -> list[tuple[str, ...]]:
    """Return the rows of the table: each basin, predictor and score without and with this way of training."""
    out = []
    for basin in found[True][0]["average"]:
        for name, words in PREDICTORS.items():
            for score in SCORES:
                without, with_it = ([run[name][basin][score] for run in found[used]] for used in (False, True))
                gain = spread(np.subtract(with_it, without), "{:+.3f}".format)
                out.append((basin, words, score, *(spread(of, "{:.3f}".format) for of in (without, with_it)), gain))
    return out


if __name__ == "__main__":
    main()
