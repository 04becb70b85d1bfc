"""Cells of basins that predictors did not see in training, with these predictors: what calibration is based on.

Cells beside training cells are nearly copies of them, so that predictors are right there more often than in a new
place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from thor.core.parallel import in_threads
from thor.networks.baselines import predictors_of
from thor.networks.cross_validation import Fold
from thor.networks.prediction import member_logits
from thor.networks.predictor import Predictor, columns, softmax
from thor.networks.samples import Samples
from thor.networks.stack import NetworkStack, Weights
from thor.networks.training_data import Table, scaled_tables
from thor.uncertainty.bayesian import fit_bayesian
from thor.uncertainty.laplace import fit_laplace
from thor.uncertainty.settings import BayesianSettings, LaplaceSettings

LARGEST_NUMBER = 30_000
"""Cells drawn from all basins together; more change nothing but the time."""

N_DRAWS = 50
"""Networks drawn from each posterior of a fold."""


@dataclass(frozen=True, eq=False)
class LeftOutBasin:
    """Labelled cells of a basin, and predictors that were trained without it.

    Attributes
    ----------
    samples : Samples
    inputs : ndarray of float32, shape (n_samples, n_features)
        Scaled as in the training of these predictors; the features of the samples.
    predictors : mapping of str to Predictor
    """

    samples: Samples
    inputs: Weights
    predictors: Mapping[str, Predictor]

    def probabilities_at(self, predictor: str) -> Callable[[float], np.ndarray]:
        """Return a function from a temperature to the mean probabilities, shape (n_samples, n_classes)."""
        chosen = self.predictors[predictor]
        logits = member_logits(chosen, columns(self.inputs, self.samples.features, chosen.features))

        def probabilities(temperature: float) -> np.ndarray:
            return softmax(logits / np.float32(temperature)).mean(axis=0, dtype=np.float64)

        return probabilities


def left_out_basins(
    folds: Sequence[Fold],
    features: xr.Dataset,
    regimes: xr.Dataset,
    *,
    bayesian: BayesianSettings,
    laplace: LaplaceSettings,
    seed: int,
) -> dict[str, LeftOutBasin]:
    """Return the cells of each left-out basin, with all predictors of its fold.

    The Bayesian network has a single start. At most about `LARGEST_NUMBER` cells are drawn at random, each basin with
    its share.

    Parameters
    ----------
    folds : sequence of Fold
    features, regimes : xarray.Dataset
    bayesian, laplace : BayesianSettings, LaplaceSettings
    seed : int
    """
    of_fold = {fold.basin: fold.samples(features, regimes) for fold in folds}
    cells = _drawn(of_fold, seed)

    def tables(fold: Fold, weighted_by: tuple[str, ...] = ()) -> tuple[Table, Table]:
        return scaled_tables(of_fold[fold.basin], fold.scaler, fold.stack.features, weighted_by=weighted_by)

    def bayesian_draws(fold: Fold) -> NetworkStack:
        stack, settings = fold.stack, bayesian.replace(n_starts=1)
        network, _ = fit_bayesian(
            *tables(fold), features=stack.features, classes=stack.classes, settings=settings, seed=seed
        )
        return network.draws(N_DRAWS, seed=seed)

    def laplace_draws(fold: Fold) -> NetworkStack:
        network, _ = fit_laplace(fold.stack, *tables(fold, fold.weighted_by), settings=laplace, seed=seed)
        return network.draws(N_DRAWS, seed=seed)

    # By turns: one thread fits a Laplace approximation while the other compiles the training of Bayesian networks.
    fits = [partial(fit, fold) for fold in folds for fit in (bayesian_draws, laplace_draws)]
    drawn = in_threads(lambda fit: fit(), fits)
    return {
        fold.basin: _left_out_basin(fold, cells[fold.basin], bayesian=next(drawn), laplace=next(drawn))
        for fold in folds
    }


def left_out_cells(
    folds: Sequence[Fold], features: xr.Dataset, regimes: xr.Dataset, *, seed: int
) -> dict[str, LeftOutBasin]:
    """Return the cells of each left-out basin as from `left_out_basins`, without networks drawn from posteriors."""
    drawn = _drawn({fold.basin: fold.samples(features, regimes) for fold in folds}, seed)
    return {fold.basin: _left_out_basin(fold, drawn[fold.basin]) for fold in folds}


def _left_out_basin(fold: Fold, cells: Samples, **posteriors: NetworkStack) -> LeftOutBasin:
    """Return cells with the predictors of a fold, and those drawn from posteriors."""
    predictors = predictors_of(fold.stack, fold.baselines, **posteriors)
    return LeftOutBasin(cells, fold.scaler.transform(cells.inputs), predictors)


def _drawn(of_fold: Mapping[str, Samples], seed: int) -> dict[str, Samples]:
    """Return the test cells of each fold, drawn at random if there are more than `LARGEST_NUMBER` in all."""
    tested = {basin: samples.with_role("test") for basin, samples in of_fold.items()}
    share = min(1.0, LARGEST_NUMBER / sum(map(len, tested.values())))
    rng = np.random.default_rng(seed)
    return {
        basin: cells.take(np.sort(rng.choice(len(cells), size=max(1, round(share * len(cells))), replace=False)))
        for basin, cells in tested.items()
    }
