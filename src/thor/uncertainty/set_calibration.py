"""Temperatures, expected accuracy and area of applicability of predictors for climate models, for any input set."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import AnyArray, Array
from thor.networks.baselines import predictors_of
from thor.networks.input_sets import InputSet
from thor.networks.json_model import JsonModel
from thor.networks.prediction import predict
from thor.networks.predictor import Predictor, columns
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.left_out import LeftOutBasin, left_out_cells
from thor.uncertainty.settings import ApplicabilitySettings
from thor.uncertainty.temperature import Temperature, left_out_temperature


@dataclass(frozen=True, eq=False)
class ExpectedAccuracy(JsonModel):
    """Share of correct cells by dissimilarity to the training cells, never increasing.

    Attributes
    ----------
    dissimilarity : ndarray of shape (n_knots,)
        Ascending.
    accuracy : ndarray of shape (n_knots,)
        Share of the area that is correct there; linear in between, constant beyond.

    Notes
    -----
    Cells of other ocean models lie nearer to the training cells than those of a basin left out of training, and farther
    than those beside them. Errors of both kinds of cells, at their distances, give the error at the distances of the
    new cells: validation matched to the prediction domain (Milà et al. 2022, doi:10.1111/2041-210X.13851; Linnenbrink
    et al. 2024, doi:10.5194/gmd-17-5897-2024).
    """

    KIND = "An expected accuracy"

    dissimilarity: Array
    accuracy: Array

    @classmethod
    def fit(cls, dissimilarity: Array, right: NDArray[np.bool_], area: Array) -> "ExpectedAccuracy":
        """Return the expected accuracy from cells that the networks did not see.

        Parameters
        ----------
        dissimilarity : ndarray of shape (n_samples,)
            To the cells that the networks of each cell were trained on: not those of the test region or of the basin
            left out.
        right : ndarray of bool, shape (n_samples,)
            Where the most probable regime is the label.
        area : ndarray of shape (n_samples,), [m2]
        """
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(increasing=False).fit(dissimilarity, right, sample_weight=area)
        return cls(fitted.X_thresholds_.astype(float), fitted.y_thresholds_.astype(float))

    def of_cells(self, dissimilarity: AnyArray, area: AnyArray) -> float:
        """Return the share of the area of new cells, both of shape (n_cells,), that is expected to be correct."""
        at = np.interp(dissimilarity, self.dissimilarity, self.accuracy)
        return float(np.average(at, weights=area))


@dataclass(frozen=True, eq=False)
class SetCalibration(JsonModel):
    """The calibration of the predictors of a further input set, for climate models.

    Attributes
    ----------
    temperature : dict of str to Temperature
        By predictor.
    applicability : Applicability
        Of the final networks with the inputs of the set.
    expected_accuracy : dict of str to ExpectedAccuracy
        By predictor, for the dissimilarity of `applicability`.
    """

    KIND = "The calibration of an input set"

    temperature: Mapping[str, Temperature]
    applicability: Applicability
    expected_accuracy: Mapping[str, ExpectedAccuracy]


def calibrate_set(
    of_set: InputSet, features: xr.Dataset, regimes: xr.Dataset, *, settings: ApplicabilitySettings, seed: int
) -> SetCalibration:
    """Return the calibration of the predictors of an input set, made like that of the surface.

    Parameters
    ----------
    of_set : InputSet
    features, regimes : xarray.Dataset
        Of the training ocean.
    settings : ApplicabilitySettings
    seed : int
    """
    known, scored, final = of_set.valid(features), of_set.scored, of_set.final
    left_out = left_out_cells(of_set.left_out, known, regimes, seed=seed)
    samples = scored.samples(known, regimes)
    select, trained = samples.with_role("select"), samples.with_role("train")
    final_trained = final.samples(known, regimes).with_role("train")
    applicability = fit_applicability(final.stack, final_trained, final.scaler, settings=settings, seed=seed)
    dissimilarity = left_out_dissimilarity(left_out, select, trained, final.scaler, applicability)
    predictors = predictors_of(scored.stack, scored.baselines)
    temperature, accuracy, _ = left_out_calibration(
        left_out, predictors, select, scored.scaler, dissimilarity=dissimilarity
    )
    return SetCalibration(temperature, applicability, accuracy)


def fit_applicability(
    networks: Predictor, trained: Samples, scaler: FeatureScaler, *, settings: ApplicabilitySettings, seed: int
) -> Applicability:
    """Return the area of applicability of networks from their training cells."""
    inputs = columns(scaler.transform(trained.inputs), scaler.features, networks.features)
    return Applicability.fit(networks, inputs, trained.basin, settings=settings, seed=seed)


def left_out_dissimilarity(
    left_out: Mapping[str, LeftOutBasin],
    select: Samples,
    trained: Samples,
    scaler: FeatureScaler,
    applicability: Applicability,
) -> Array:
    """Return the dissimilarity of the cells of all left-out basins to the other basins, then that of the select cells.

    The predictors whose errors are measured there have not seen the test region, which the reference of the networks
    for climate models includes: its cells are left out.

    Parameters
    ----------
    left_out : mapping of str to LeftOutBasin
    select, trained : Samples
        Select and training cells of the scored predictors.
    scaler : FeatureScaler
        Of the networks that the area of applicability belongs to.
    applicability : Applicability
    """
    inputs, basin = (joined(left_out, name) for name in ("inputs", "basin"))
    far, near, seen = (
        columns(scaler.transform(cells), scaler.features, applicability.features)
        for cells in (inputs, select.inputs, trained.inputs)
    )
    known = applicability.from_cells(seen)
    return np.concatenate([known.dissimilarity_without_basin(far, basin), known.dissimilarity(near)])


def left_out_calibration(
    left_out: Mapping[str, LeftOutBasin],
    predictors: Mapping[str, Predictor],
    select: Samples,
    scaler: FeatureScaler,
    *,
    dissimilarity: Array,
) -> tuple[dict[str, Temperature], dict[str, ExpectedAccuracy], dict[str, Array]]:
    """Return temperature, expected accuracy and probabilities of each predictor.

    Parameters
    ----------
    left_out : mapping of str to LeftOutBasin
    predictors : mapping of str to Predictor
        Trained on all basins but the test region.
    select : Samples
        Cells in which these predictors were not trained.
    scaler : FeatureScaler
        Of the features of these predictors.
    dissimilarity : ndarray of shape (n_samples + n_select,)
        As from `left_out_dissimilarity`.

    Returns
    -------
    temperatures, accuracies : dict
        By predictor.
    probabilities : dict of str to ndarray of shape (n_samples, n_classes)
        At this temperature, in the cells of all left-out basins in their order.
    """
    labels = {basin: cells.samples.labels for basin, cells in left_out.items()}
    every_label = np.concatenate([*labels.values()])
    area = np.concatenate([joined(left_out, "area"), select.area])
    near = scaler.transform(select.inputs)
    temperatures, accuracies, probabilities = {}, {}, {}
    for name, predictor in predictors.items():
        at_temperature = {basin: cells.probabilities_at(name) for basin, cells in left_out.items()}
        temperatures[name] = left_out_temperature(at_temperature, labels)
        at = temperatures[name].applied
        far = probabilities[name] = np.concatenate([of_basin(at) for of_basin in at_temperature.values()])
        here = predict(predictor, columns(near, scaler.features, predictor.features), temperature=at).mean
        right = np.concatenate([far.argmax(axis=1) == every_label, here.argmax(axis=1) == select.labels])
        accuracies[name] = ExpectedAccuracy.fit(dissimilarity, right, area)
    return temperatures, accuracies, probabilities


def joined(left_out: Mapping[str, LeftOutBasin], name: str) -> AnyArray:
    """Return one attribute of the samples of all left-out basins, in their order."""
    return np.concatenate([getattr(cells.samples, name) for cells in left_out.values()])
