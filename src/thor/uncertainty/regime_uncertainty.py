"""Calibration of several stacks of networks, and the fields of their probabilities and uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.errors import NetworkError
from thor.networks.fields import on_grid
from thor.networks.prediction import predict
from thor.networks.samples import Samples, cell_inputs
from thor.networks.scaler import FeatureScaler
from thor.networks.split import TEST
from thor.networks.stack import NetworkStack
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.conformal import ConformalModel, fit_conformal
from thor.uncertainty.predictive import entropy_parts, predictive_distribution
from thor.uncertainty.settings import ApplicabilitySettings
from thor.uncertainty.temperature import fit_temperature


@dataclass(frozen=True, eq=False)
class CalibrationModel:
    """Temperatures and conformal margins from the calibrate region, and the area of applicability.

    Attributes
    ----------
    temperature : dict of str to float
        By which each predictor's logits are divided.
    conformal : dict of str to ConformalModel
        Thresholds at that temperature.
    applicability : Applicability
        Of the ensemble, used for all predictors: their training cells are the same.
    """

    temperature: Mapping[str, float]
    conformal: Mapping[str, ConformalModel]
    applicability: Applicability

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        return {
            "temperature": dict(self.temperature),
            "conformal": {name: model.to_dict() for name, model in self.conformal.items()},
            "applicability": self.applicability.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CalibrationModel":
        """Return what `to_dict` described; raise NetworkError for anything else."""
        if set(content) != {"temperature", "conformal", "applicability"}:
            raise NetworkError(
                f"A calibration model holds temperature, conformal and applicability; got {', '.join(content)}. "
                "Run the pipeline uncertainty again."
            )
        return cls(
            temperature={name: float(value) for name, value in content["temperature"].items()},
            conformal={name: ConformalModel.from_dict(entry) for name, entry in content["conformal"].items()},
            applicability=Applicability.from_dict(content["applicability"]),
        )


def calibrate(
    stacks: Mapping[str, NetworkStack],
    samples: Samples,
    scaler: FeatureScaler,
    *,
    confidence_level: float,
    settings: ApplicabilitySettings,
    seed: int,
) -> CalibrationModel:
    """Return temperatures and conformal margins of the calibrate cells, and the applicability of the ensemble.

    Parameters
    ----------
    stacks : mapping of str to NetworkStack
        `ensemble` among them.
    samples : Samples
    scaler : FeatureScaler
    confidence_level : float
        Of the conformal sets.
    settings : ApplicabilitySettings
    seed : int
    """
    cells, train = samples.with_role("calibrate"), samples.with_role("train")
    inputs = scaler.transform(cells.inputs)
    temperature, conformal = {}, {}
    for name, stack in stacks.items():

        def probabilities_at(t: float, stack: NetworkStack = stack) -> NDArray[np.float64]:
            return predict(stack, inputs, temperature=t).mean

        temperature[name] = fit_temperature(probabilities_at, cells.labels)
        probabilities = probabilities_at(temperature[name])
        conformal[name] = fit_conformal(
            probabilities, cells.labels, classes=samples.classes, confidence_level=confidence_level
        )
    applicability = Applicability.fit(
        stacks["ensemble"], scaler.transform(train.inputs), train.basin, settings=settings, seed=seed
    )
    return CalibrationModel(temperature, conformal, applicability)


def uncertainty_fields(
    stacks: Mapping[str, NetworkStack],
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
    stacks : mapping of str to NetworkStack
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
    each = []
    for name, stack in stacks.items():
        found = predictive_distribution(
            stack, scaled, temperature=model.temperature[name], credible_level=credible_level
        )
        fields = {
            "regime_probability": found.probability,
            "regime_probability_lower": found.lower,
            "regime_probability_upper": found.upper,
            "predictive_entropy": found.predictive_entropy,
            "expected_entropy": found.expected_entropy,
            "mutual_information": found.mutual_information,
            "superiority": found.superiority,
            "regime_set": model.conformal[name].sets(found.probability).astype("int8"),
        }
        each.append(xr.Dataset({field: on_grid(values, index, features, field) for field, values in fields.items()}))
    out = xr.concat(each, xr.Variable("predictor", list(stacks)), combine_attrs="override")
    if label_run is not None:
        parts = entropy_parts(stacks["ensemble"], scaled, label_run, temperature=model.temperature["ensemble"])
        for part in ("label", "network", "residual"):
            out[f"{part}_entropy"] = on_grid(getattr(parts, part), index, features, f"{part}_entropy")
    dissimilarity = model.applicability.dissimilarity(scaled)
    out["dissimilarity_index"] = on_grid(dissimilarity, index, features, "dissimilarity_index")
    inside = (dissimilarity <= model.applicability.threshold).astype("int8")
    out["applicable"] = on_grid(inside, index, features, "applicable")
    area = features["areacello"]
    outside = float(area.where(out["applicable"] == 0).sum() / area.where(features["valid"] == 1).sum())
    classes = next(iter(stacks.values())).classes
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
    predicted = uncertainty["regime_probability"].fillna(-1).argmax("regime")
    counted = (split["role"] == TEST) & (regimes["regime"] >= 0) & (uncertainty["valid"] == 1)
    return (predicted != regimes["regime"]).where(counted).astype(float)
