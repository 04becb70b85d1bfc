"""Calibration of several predictors, and the fields of their probabilities and uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.networks.fields import on_grid
from thor.networks.inputs import cell_inputs
from thor.networks.json_model import JsonModel
from thor.networks.predictor import ENSEMBLE, Predictor, columns, in_set
from thor.networks.samples import Samples
from thor.networks.scaler import FeatureScaler
from thor.networks.split import TEST
from thor.ocean.cells import on_one_grid, on_same_grid
from thor.uncertainty.applicability import DECIMALS, Applicability
from thor.uncertainty.conformal import ConformalModel, basin_sets, nonconformity
from thor.uncertainty.left_out import LeftOutBasin
from thor.uncertainty.predictive import entropy_parts, predictive_distribution
from thor.uncertainty.set_calibration import (
    ExpectedAccuracy,
    SetCalibration,
    fit_applicability,
    joined,
    left_out_calibration,
    left_out_dissimilarity,
)
from thor.uncertainty.settings import ApplicabilitySettings
from thor.uncertainty.temperature import Temperature
from thor.uncertainty.term_spread import term_spread_factors

_OF_CELL = ("predictive_entropy", "expected_entropy", "mutual_information", "superiority")


@dataclass(frozen=True, eq=False)
class CalibrationModel(JsonModel):
    """Temperatures and conformal sets, from basins left out of training, and the area of applicability.

    Attributes
    ----------
    temperature : dict of str to Temperature
        By predictor.
    conformal : ConformalModel
        Scores at these temperatures.
    applicability : Applicability
        Of the ensemble, used for all predictors: their training cells are the same.
    final_applicability : Applicability
        Of the networks for climate models.
    expected_accuracy : dict of str to ExpectedAccuracy
        By predictor, for the dissimilarity of `final_applicability`.
    term_spread : dict of str to float, optional
        By term of the budget, factor of the spread of its predicted change; for networks with a terms head.
    input_sets : dict of str to SetCalibration, optional
        By further input set.
    """

    KIND = "A calibration model"

    temperature: Mapping[str, Temperature]
    conformal: ConformalModel
    applicability: Applicability
    final_applicability: Applicability
    expected_accuracy: Mapping[str, ExpectedAccuracy]
    term_spread: Mapping[str, float] | None = None
    input_sets: Mapping[str, SetCalibration] = field(default_factory=dict)

    @property
    def temperatures(self) -> dict[str, float]:
        """The temperature that is applied to each predictor."""
        return {name: found.applied for name, found in self.temperature.items()}

    @property
    def expected_accuracies(self) -> dict[str, ExpectedAccuracy]:
        """The expected accuracy of the predictors of the surface and of all further input sets, by their names."""
        of_sets = {
            in_set(predictor, name): found
            for name, of_set in self.input_sets.items()
            for predictor, found in of_set.expected_accuracy.items()
        }
        return {**self.expected_accuracy, **of_sets}


def calibrate(
    left_out: Mapping[str, LeftOutBasin],
    predictors: Mapping[str, Predictor],
    samples: Samples,
    scaler: FeatureScaler,
    *,
    final: Predictor,
    final_samples: Samples,
    budget: xr.Dataset,
    confidence_level: float,
    settings: ApplicabilitySettings,
    seed: int,
) -> CalibrationModel:
    """Return temperatures, conformal scores and expected accuracies, and the applicability of the networks.

    All but the applicability comes from basins left out of training; the expected accuracies also from
    the select cells.

    Parameters
    ----------
    left_out : mapping of str to LeftOutBasin
        By basin.
    predictors : mapping of str to Predictor
        Trained on all basins but the test region; `ensemble` among them.
    samples : Samples
        Of the whole training ocean.
    scaler : FeatureScaler
        Of the features of all predictors.
    final : Predictor
        The networks for climate models.
    final_samples : Samples
        Of the whole training ocean, with the roles in the training of these networks.
    budget : xarray.Dataset
        Of the whole training ocean, for networks that predict its terms.
    confidence_level : float
        Of the conformal sets.
    settings : ApplicabilitySettings
    seed : int
    """
    options: dict[str, Any] = {"settings": settings, "seed": seed}
    select, trained = samples.with_role("select"), samples.with_role("train")
    applicability = fit_applicability(predictors[ENSEMBLE], trained, scaler, **options)
    final_applicability = fit_applicability(final, final_samples.with_role("train"), scaler, **options)
    dissimilarity = left_out_dissimilarity(left_out, select, trained, scaler, final_applicability)
    temperature, accuracy, found = left_out_calibration(
        left_out, predictors, select, scaler, dissimilarity=dissimilarity
    )
    every_label, inputs = (joined(left_out, name) for name in ("labels", "inputs"))
    far = columns(scaler.transform(inputs), scaler.features, final.features)
    conformal = ConformalModel(
        classes=samples.classes,
        predictors=tuple(found),
        confidence_level=confidence_level,
        inputs=np.round(far.astype(float), DECIMALS),
        labels=every_label.astype(float),
        scores=np.array([nonconformity(of_predictor, every_label) for of_predictor in found.values()]),
    )
    spread = term_spread_factors(left_out, budget)
    return CalibrationModel(temperature, conformal, applicability, final_applicability, accuracy, spread)


def uncertainty_fields(
    predictors: Mapping[str, Predictor],
    model: CalibrationModel,
    features: xr.Dataset,
    scaler: FeatureScaler,
    *,
    credible_level: float,
    label_run: NDArray[np.integer] | None = None,
) -> xr.Dataset:
    """Return calibrated probabilities and their uncertainty in every valid cell, by predictor.

    Parameters
    ----------
    predictors : mapping of str to Predictor
    model : CalibrationModel
    features : xarray.Dataset
    scaler : FeatureScaler
    credible_level : float
    label_run : ndarray of int, shape (n_networks,), optional
        Clustering run on whose labels each network of the ensemble was trained, where the labels are votes.

    Returns
    -------
    xarray.Dataset, dims (predictor, y, x) and (predictor, regime, y, x)
        `regime_probability`, its `_lower` and `_upper` end, `predictive_entropy`, `expected_entropy`,
        `mutual_information` [bit], `superiority`, `regime_set`; and without predictor `dissimilarity_index`,
        `applicable`, `valid`, `areacello`; with label runs also `label_entropy`, `network_entropy` and
        `residual_entropy` [bit], the parts of the ensemble's predictive entropy.
    """
    inputs, index = cell_inputs(features, names=scaler.features)
    scaled = scaler.transform(inputs)
    each, probabilities = [], {}
    for name, predictor in predictors.items():
        found = predictive_distribution(
            predictor,
            columns(scaled, scaler.features, predictor.features),
            temperature=model.temperatures[name],
            credible_level=credible_level,
        )
        probabilities[name] = found.probability
        fields = {
            "regime_probability": found.probability,
            "regime_probability_lower": found.lower,
            "regime_probability_upper": found.upper,
            **{name: getattr(found, name) for name in _OF_CELL},
        }
        each.append(xr.Dataset({field: on_grid(values, index, features, field) for field, values in fields.items()}))
    basin = on_same_grid(features["valid"], features, "basin").ravel()[index]
    of_networks = columns(scaled, scaler.features, model.applicability.features)
    sets, _ = basin_sets(model.conformal, probabilities, of_networks, basin)
    for name, of_predictor in zip(predictors, each, strict=True):
        of_predictor["regime_set"] = on_grid(sets[name], index, features, "regime_set")
    out = xr.concat(each, xr.Variable("predictor", list(predictors)), combine_attrs="override")
    if label_run is not None:
        parts = entropy_parts(predictors[ENSEMBLE], of_networks, label_run, temperature=model.temperatures[ENSEMBLE])
        for part, values in vars(parts).items():
            out[f"{part}_entropy"] = on_grid(values, index, features, f"{part}_entropy")
    dissimilarity = model.applicability.dissimilarity(of_networks)
    out["dissimilarity_index"] = on_grid(dissimilarity, index, features, "dissimilarity_index")
    inside = (dissimilarity <= model.applicability.threshold).astype("int8")
    out["applicable"] = on_grid(inside, index, features, "applicable")
    area = features["areacello"]
    outside = float(area.where(out["applicable"] == 0).sum() / area.where(features["valid"] == 1).sum())
    classes = next(iter(predictors.values())).classes
    return out.assign(valid=features["valid"], areacello=features["areacello"]).assign_attrs(
        regimes=" ".join(classes),
        credible_level=credible_level,
        applicability_threshold=model.applicability.threshold,
        area_share_not_applicable=outside,
    )


def mistakes_in_test(uncertainty: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset) -> xr.DataArray:
    """Return 1 where the most probable regime of one predictor is not the label, 0 where it is, NaN outside test cells.

    Parameters
    ----------
    uncertainty : xarray.Dataset
        As from `uncertainty_fields`, of one predictor.
    regimes, split : xarray.Dataset
        `regime` and `role` on the same grid.
    """
    uncertainty, regimes, split = on_one_grid(uncertainty, regimes, split)
    predicted = uncertainty["regime_probability"].fillna(-1).argmax("regime")
    counted = (split["role"] == TEST) & (regimes["regime"] >= 0) & (uncertainty["valid"] == 1)
    return (predicted != regimes["regime"]).where(counted).astype(float)
