"""Leave-one-basin-out cross-validation: scores of networks and baselines in each ocean basin."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.core.progress import progress_bar
from thor.networks.baselines import BASELINES
from thor.networks.folds import error_correlations, left_out_predictions, train_folds
from thor.networks.predictor import AVERAGE, BOOSTING, ENSEMBLE
from thor.networks.samples import predictor_features
from thor.networks.scores import scores
from thor.networks.settings import CrossValidationSettings
from thor.networks.skill import paired_differences, skill_table
from thor.networks.split import basin_folds
from thor.ocean.features import feature_groups, feature_names

Probabilities = dict[str, NDArray[np.float64]]


def cross_validate(
    features: xr.Dataset, regimes: xr.Dataset, *, settings: CrossValidationSettings, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores in every basin of predictors that were trained on the others.

    Parameters
    ----------
    features, regimes : xarray.Dataset
    settings : CrossValidationSettings
        The blocks of its split select (`thor.networks.split.basin_folds`); all networks are trained on the consensus
        labels.
    seed : int

    Returns
    -------
    dict
        {predictor: {basin: {metric: value}}} as from `thor.networks.skill.skill_table`.
    """
    names, boosting_names = predictor_features(features, settings.features, settings.boosting.features)
    table: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in (AVERAGE, ENSEMBLE, *BASELINES)}
    splits = basin_folds(features, regimes, settings.split, seed=seed)
    options: dict[str, Any] = {"training": settings.training, "boosting": settings.boosting, "seed": seed}
    folds = train_folds(features, regimes, splits, names=names, boosting_names=boosting_names, **options)
    left_out = left_out_predictions(folds, features, regimes)
    correlations = error_correlations(left_out.values(), seed=seed)
    for basin, (test, probabilities) in left_out.items():
        everywhere = {basin: np.ones(len(test), dtype=bool)}
        of_basin = skill_table(
            probabilities, test, regions=everywhere, correlations=correlations, settings=settings.bootstrap, seed=seed
        )
        for name, regions in of_basin.items():
            table[name] |= regions
    return table


def feature_group_worth(
    features: xr.Dataset, regimes: xr.Dataset, *, settings: CrossValidationSettings, seed: int
) -> pd.DataFrame:
    """Return the gain in accuracy from each group of extended features, in basins left out of training.

    Networks and boosting, and so their mean, are trained on the published features, on those and one group, on all, and
    on all but one group. Cells of the test regions are left out, so that a choice of groups is independent of them.

    Parameters
    ----------
    features : xarray.Dataset
        With extended features; without them there is the published set only.
    regimes, settings, seed
        As for `cross_validate`, but that boosting has the features of the networks.

    Returns
    -------
    pandas.DataFrame
        One row for each set of features and predictor: `features`, `n_features`, `predictor`, `n_cells`, `accuracy`,
        `negative_log_likelihood` [nat], all over the cells of all basins counted alike; `difference`, `low`, `high`, of
        the accuracy to that of the same predictor with the published features, from a paired spatial block bootstrap.
    """
    every = feature_names(features)
    groups = feature_groups(every)
    published = groups.pop("published")
    sets = {"published": published}
    sets |= {f"published + {group}": (*published, *members) for group, members in groups.items()}
    if len(groups) > 1:
        sets["all"] = tuple(every)
        sets |= {f"all - {group}": tuple(n for n in every if n not in members) for group, members in groups.items()}
    splits = basin_folds(features, regimes, settings.split, seed=seed, without_test=True)
    options: dict[str, Any] = {"training": settings.training, "boosting": settings.boosting, "seed": seed}
    rows: list[dict[str, Any]] = []
    reference: Probabilities = {}
    for label, names in progress_bar(sets.items(), label="feature groups", unit="set"):
        folds = train_folds(features, regimes, splits, names=names, **options)
        parts = left_out_predictions(folds, features, regimes).values()
        cells = {
            name: np.concatenate([getattr(test, name) for test, _ in parts])
            for name in ("labels", "lat", "lon", "area")
        }
        labels = cells.pop("labels")
        for predictor in (ENSEMBLE, BOOSTING, AVERAGE):
            found = np.concatenate([probabilities[predictor] for _, probabilities in parts])
            reference.setdefault(predictor, found)
            difference = paired_differences(
                {"this": found, "published": reference[predictor]},
                labels,
                **cells,
                settings=settings.bootstrap,
                seed=seed,
            )["this"]["published"]["accuracy"]
            skill = scores(found, labels, classes=next(iter(parts))[0].classes)
            row = {"features": label, "n_features": len(names), "predictor": predictor, "n_cells": len(labels)}
            row |= {name: skill[name] for name in ("accuracy", "negative_log_likelihood")}
            rows.append(row | {name: difference[name] for name in ("difference", "low", "high")})
    return pd.DataFrame(rows)
