"""Search over depth, width and learning rate, scored on the select cells only."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from thor.networks.prediction import predict
from thor.networks.progress import DivergedError
from thor.networks.settings import CommonTraining, SearchSettings, TrainingSettings
from thor.networks.training import train_stack
from thor.networks.training_data import Table

if TYPE_CHECKING:
    import optuna

WIDTH_STEP = 8


def search(
    train: Table,
    select: Table,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    training: CommonTraining,
    settings: SearchSettings,
    seed: int,
) -> pd.DataFrame:
    """Return the settings tried and their scores, best first.

    Parameters
    ----------
    train, select : Table
        As for `train_stack`, with the same labels for all networks.
    features, classes : tuple of str
    training : CommonTraining
        Everything that is not searched.
    settings : SearchSettings
    seed : int
        Of the search, a tree-structured Parzen estimator (Bergstra et al. 2011), and of every training.

    Returns
    -------
    pandas.DataFrame
        One row for each trial: `trial`, `depth`, `width`, `learning_rate`, `n_weights` of a network, `best_epoch` (mean
        over networks), and `select_loss` [nats] and `select_accuracy` of the networks' mean probability. The loss of a
        trial whose training diverged is infinite.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows: list[dict[str, float]] = []

    def try_one(trial: "optuna.Trial") -> float:
        chosen = _suggest(trial, training, settings)
        row = {"trial": trial.number, **trial.params}
        try:
            trained = train_stack(train, select, features=features, classes=classes, settings=chosen, seed=seed)
        except DivergedError as error:
            rows.append(row | {"n_weights": sum(array[0].size for array in error.progress.best), "select_loss": np.inf})
            # The sampler accepts no infinity: return the loss of a predictor without skill.
            return float(np.log(len(classes)))
        loss, accuracy = _loss_and_accuracy(predict(trained.stack, select.inputs).mean, select)
        row |= {"n_weights": trained.stack.n_weights, "best_epoch": float(trained.history["best_epoch"].mean())}
        rows.append(row | {"select_loss": loss, "select_accuracy": accuracy})
        return loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(try_one, n_trials=settings.n_trials)
    return pd.DataFrame(rows).sort_values(["select_loss", "trial"], ignore_index=True)


def _suggest(trial: "optuna.Trial", training: CommonTraining, settings: SearchSettings) -> TrainingSettings:
    depth = trial.suggest_int("depth", *settings.depth)
    fewest, most = settings.width
    # Optuna warns of a range that is no whole number of steps.
    width = trial.suggest_int("width", fewest, most - (most - fewest) % WIDTH_STEP, step=WIDTH_STEP)
    rate = trial.suggest_float("learning_rate", *settings.learning_rate, log=True)
    of_trial = {"hidden": (width,) * depth, "learning_rate": rate}
    return TrainingSettings(**dict(training), **of_trial, n_networks=settings.n_networks, epochs=settings.epochs)


def _loss_and_accuracy(probability: np.ndarray, select: Table) -> tuple[float, float]:
    given = probability[np.arange(len(select.labels)), select.labels]
    weights = select.sample_weights()
    loss = np.average(-np.log(np.maximum(given, np.finfo(float).tiny)), weights=weights)
    right = np.average(probability.argmax(axis=1) == select.labels, weights=weights)
    return float(loss), float(right)
