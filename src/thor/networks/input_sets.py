"""Input sets beside the surface: predictors with features that only some oceans publish, trained and scored alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from thor.core.errors import NetworkError
from thor.core.variables import SURFACE_SET, table, variable
from thor.networks.baselines import Baselines, all_probabilities
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.cross_validation import Fold, error_correlations, left_out_predictions, left_out_scores, train_folds
from thor.networks.fields import role_masks
from thor.networks.predictor import AVERAGE, BOOSTING, ENSEMBLE, in_set
from thor.networks.scaler import FeatureScaler
from thor.networks.skill import skill_table
from thor.networks.split import final_split
from thor.networks.stack import NetworkStack
from thor.ocean.features import feature_names
from thor.ocean.transport_features import valid_in_set

_PREDICTORS = (AVERAGE, ENSEMBLE, BOOSTING)


@dataclass(frozen=True, eq=False)
class InputSet:
    """Predictors with the features of the surface and those that one further set adds.

    Attributes
    ----------
    name : str
        One of `modelling.input_sets`.
    scored : Fold
        Trained outside the test region.
    final : Fold
        Trained in the test region as well: for climate models.
    left_out : tuple of Fold
        Each trained without one basin and the test region.
    """

    name: str
    scored: Fold
    final: Fold
    left_out: tuple[Fold, ...]

    @property
    def added(self) -> tuple[str, ...]:
        """The features that the set adds to the surface."""
        return tuple(name for name in self.scored.scaler.features if _is_of(name, self.name))

    def valid(self, features: xr.Dataset) -> xr.Dataset:
        """Return features of an ocean or a run with `valid` where those of this set are finite, too."""
        return valid_in_set(features, self.added)

    def has_inputs(self, features: xr.Dataset) -> bool:
        """Return whether the features of an ocean or a run include all that this set adds."""
        return set(self.added) <= set(map(str, features.data_vars))


def train_input_set(
    name: str,
    features: xr.Dataset,
    regimes: xr.Dataset,
    *,
    split: xr.Dataset,
    splits: Mapping[str, xr.Dataset],
    scaler: FeatureScaler,
    names: tuple[str, ...],
    boosting_names: tuple[str, ...],
    **options: Any,
) -> InputSet:
    """Return networks and boosting with the features of an input set, trained like those of the surface.

    Parameters
    ----------
    name : str
        Of the set.
    features, regimes : xarray.Dataset
    split : xarray.Dataset
        As from `thor.networks.split.make_split`.
    splits : mapping of str to xarray.Dataset
        As from `thor.networks.split.basin_folds`.
    scaler : FeatureScaler
        Of the surface: its features are scaled alike in both sets.
    names, boosting_names : tuple of str
        Surface features of the networks and of boosting; both also have all that the set adds.
    **options
        `training`, `boosting`, `terms` and `seed`, as for `thor.networks.cross_validation.train_folds`.

    Raises
    ------
    NetworkError
        When the training ocean has no features of the set.
    """
    added = tuple(feature_names(features, name))
    if not added:
        wanted = ", ".join(row for row in table() if _is_of(row, name))
        raise NetworkError(
            f"The training ocean has no features of the input set '{name}' ({wanted}). Add what they are made of (for "
            "transport: 'transport_northward' [m2 s-1] in the raw training ocean) and run data_engineering again, or "
            f"set modelling.input_sets: [{SURFACE_SET}]."
        )
    options |= {"names": names + added, "boosting_names": boosting_names + added}
    known = valid_in_set(features, added)
    everywhere = {"scored": split, "final": final_split(split)}
    scored, final = train_folds(known, regimes, everywhere, scaler=scaler, **options)
    return InputSet(name, scored, final, tuple(train_folds(known, regimes, splits, **options)))


def input_set_scores(
    sets: Mapping[str, InputSet],
    ensemble: NetworkStack,
    baselines: Baselines,
    features: xr.Dataset,
    regimes: xr.Dataset,
    *,
    settings: BootstrapSettings,
    seed: int,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of the predictors of input sets, {`<predictor>_<set>`: {region: {metric: value}}}.

    Parameters
    ----------
    sets : mapping of str to InputSet
    ensemble, baselines
        Of the surface; `difference_to` has the difference to their mean on the same cells.
    features, regimes : xarray.Dataset
    settings : BootstrapSettings
    seed : int

    Returns
    -------
    dict
        As from `thor.networks.skill.skill_table` in the regions of the split, and as from
        `thor.networks.cross_validation.left_out_scores` in the basins left out of training.
    """
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for of_set in sets.values():
        known = of_set.valid(features)
        predictions = left_out_predictions(of_set.left_out, known, regimes)
        left_out = {basin: (cells, _named(found, of_set.name)) for basin, (cells, found) in predictions.items()}
        options: dict[str, Any] = {"settings": settings, "seed": seed}
        options["correlations"] = error_correlations(left_out.values(), seed=seed)
        samples = of_set.scored.samples(known, regimes)
        surface = all_probabilities(ensemble, baselines, samples.with_features(baselines.scaler.features).inputs)
        both = _named(of_set.scored.probabilities(samples), of_set.name) | {AVERAGE: surface[AVERAGE]}
        tables = skill_table(both, samples, regions=role_masks(samples), **options)
        elsewhere = left_out_scores(left_out, differences=False, **options)
        result |= {name: tables[name] | regions for name, regions in elsewhere.items()}
    return result


def _named(probabilities: Mapping[str, Any], input_set: str) -> dict[str, Any]:
    return {in_set(name, input_set): probabilities[name] for name in _PREDICTORS}


def _is_of(feature: str, input_set: str) -> bool:
    groups = variable(feature).feature
    return groups is not None and groups.input_set == input_set
