"""Predictors trained without one ocean basin, and tried in it: what is known about places the networks never saw."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from thor.core.parallel import in_threads
from thor.core.progress import progress_bar
from thor.networks.baselines import Baselines, all_probabilities, fit_baselines
from thor.networks.correlogram import ErrorCorrelation, error_correlation
from thor.networks.inputs import all_features, predictor_features
from thor.networks.predictor import AVERAGE, BOOSTING, ENSEMBLE
from thor.networks.samples import Samples, samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.scores import scores
from thor.networks.settings import BoostingSettings, CrossValidationSettings, TrainingSettings
from thor.networks.skill import LEFT_OUT_REGION, paired_differences, skill_table, wrong_cells
from thor.networks.split import basin_folds
from thor.networks.stack import NetworkStack
from thor.networks.terms import TermTargets
from thor.networks.training import train_stack
from thor.networks.training_data import scaled_tables
from thor.ocean.features import feature_groups, feature_names


@dataclass(frozen=True, eq=False)
class Fold:
    """Networks and baselines that were trained without one basin.

    Attributes
    ----------
    basin : str
    split : xarray.Dataset
        As from `thor.networks.split.basin_folds`: the basin tests.
    scaler : FeatureScaler
        Of the training cells of the fold.
    stack : NetworkStack
    baselines : Baselines
    weighted_by : tuple of str
        What the loss of the networks weighted cells by (`TrainingSettings.weighted_by`).
    """

    basin: str
    split: xr.Dataset
    scaler: FeatureScaler
    stack: NetworkStack
    baselines: Baselines
    weighted_by: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        # xarray keeps names of coordinates in a set, whose order differs from process to process.
        return self.__dict__ | {"split": self.split.to_dict(data="array")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, split=xr.Dataset.from_dict(state["split"]))

    def samples(self, features: xr.Dataset, regimes: xr.Dataset) -> Samples:
        """Return the labelled cells of the training ocean with their roles in this fold."""
        return samples_from(features, regimes, self.split, names=self.scaler.features)

    def probabilities(self, test: Samples) -> dict[str, np.ndarray]:
        """Return the probabilities of all predictors in cells; see `thor.networks.baselines.all_probabilities`."""
        return all_probabilities(self.stack, self.baselines, test.inputs)


def train_folds(
    features: xr.Dataset,
    regimes: xr.Dataset,
    splits: Mapping[str, xr.Dataset],
    *,
    names: tuple[str, ...],
    training: TrainingSettings,
    boosting: BoostingSettings,
    boosting_names: tuple[str, ...] | None = None,
    terms: tuple[xr.Dataset, float] | None = None,
    scaler: FeatureScaler | None = None,
    seed: int,
) -> Iterator[Fold]:
    """Yield the predictors of each fold, trained on the consensus labels.

    Parameters
    ----------
    features, regimes : xarray.Dataset
    splits : mapping of str to xarray.Dataset
        As from `thor.networks.split.basin_folds`.
    names : tuple of str
        Inputs of the networks.
    training : TrainingSettings
    boosting : BoostingSettings
    boosting_names : tuple of str, optional
        Inputs of boosting; by default those of the networks.
    terms : (xarray.Dataset, float), optional
        Vorticity budget whose terms the networks also learn, and the weight of their loss; 0 for none.
    scaler : FeatureScaler, optional
        Of some of the features; the others, by default all, are scaled by the training cells of each fold.
    seed : int
    """

    def fold(basin: str) -> Fold:
        split = splits[basin]
        samples = samples_from(features, regimes, split, names=all_features(names, boosting_names or ()))
        cells = samples.with_role("train")
        fitted = FeatureScaler.fit(cells) if scaler is None else scaler.extended(cells)
        targets = None if terms is None else TermTargets.of(terms[0], samples.to_train(), weight=terms[1])
        table, select = scaled_tables(samples, fitted, names, weighted_by=training.weighted_by)
        table = replace(table, terms=targets)
        trained = train_stack(table, select, features=names, classes=samples.classes, settings=training, seed=seed)
        baselines = fit_baselines(cells, fitted, boosting=boosting, boosting_features=boosting_names, seed=seed)
        # Where its coordinates were read from is no part of a split.
        return Fold(basin, split.drop_encoding(), fitted, trained.stack, baselines, training.weighted_by)

    yield from in_threads(fold, splits)


def left_out_predictions(
    folds: Iterable[Fold], features: xr.Dataset, regimes: xr.Dataset
) -> dict[str, tuple[Samples, dict[str, np.ndarray]]]:
    """Return the cells of the basin of each fold, and the probabilities of its predictors in them, by basin."""
    found = {}
    for fold in folds:
        cells = fold.samples(features, regimes).with_role("test")
        found[fold.basin] = cells, fold.probabilities(cells)
    return found


def left_out_scores(
    cells: Mapping[str, tuple[Samples, Mapping[str, np.ndarray]]], *, prefix: str = LEFT_OUT_REGION, **options: Any
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores in each basin of predictors that did not see it, as {predictor: {left_out_<basin>: scores}}.

    Parameters
    ----------
    cells : mapping of str to (Samples, mapping of str to ndarray of shape (n_samples, n_classes))
        By basin: its cells, and the probabilities there.
    prefix : str
        Of the basin's name in the table.
    **options
        As for `thor.networks.skill.skill_table`.
    """
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for basin, (samples, probabilities) in cells.items():
        everywhere = {f"{prefix}{basin}": np.ones(len(samples), dtype=bool)}
        for name, regions in skill_table(probabilities, samples, regions=everywhere, **options).items():
            table.setdefault(name, {}).update(regions)
    return table


def error_correlations(
    cells: Collection[tuple[Samples, Mapping[str, np.ndarray]]], *, seed: int
) -> dict[str, ErrorCorrelation]:
    """Return the correlation of the errors of each predictor.

    Parameters
    ----------
    cells : collection of (Samples, mapping of str to ndarray of shape (n_samples, n_classes))
        Cells of each left-out basin, and the probabilities there of predictors that did not see it.
    seed : int
    """
    names = list(next(iter(cells))[1])
    basins = [
        (wrong_cells(probabilities, samples.labels), samples.lat, samples.lon) for samples, probabilities in cells
    ]
    return dict(zip(names, error_correlation(basins, seed=seed), strict=True))


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
    splits = basin_folds(features, regimes, settings.split, seed=seed)
    options: dict[str, Any] = {"training": settings.training, "boosting": settings.boosting, "seed": seed}
    folds = train_folds(features, regimes, splits, names=names, boosting_names=boosting_names, **options)
    left_out = left_out_predictions(folds, features, regimes)
    drawn: dict[str, Any] = {"settings": settings.bootstrap, "seed": seed}
    correlations = error_correlations(left_out.values(), seed=seed)
    return left_out_scores(left_out, prefix="", correlations=correlations, **drawn)


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
            pair = {"this": found, "published": reference[predictor]}
            differences = paired_differences(pair, labels, **cells, settings=settings.bootstrap, seed=seed)
            difference = differences["this"]["published"]["accuracy"]
            skill = scores(found, labels, classes=next(iter(parts))[0].classes)
            row = {"features": label, "n_features": len(names), "predictor": predictor, "n_cells": len(labels)}
            row |= {name: skill[name] for name in ("accuracy", "negative_log_likelihood")}
            rows.append(row | {name: difference[name] for name in ("difference", "low", "high")})
    return pd.DataFrame(rows)
