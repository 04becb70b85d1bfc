"""Settings: how posteriors of the networks' weights are fitted, and applicability is measured."""

from typing import Literal, Self

from pydantic import Field, model_validator

from thor.core.settings import Count, Filled, Positive, Settings, Share
from thor.networks.network import ActivationName


class BayesianSettings(Settings):
    """How the mean-field Bayesian network is trained."""

    hidden: tuple[Count, ...] = (24, 24, 16, 16)
    """Units of each hidden layer."""
    activation: ActivationName = "tanh"
    """Activation function of the hidden layers."""
    n_starts: Count = 4
    """Random starts, trained together; each converges to a different Gaussian posterior."""
    n_draws: Count = 200
    """Networks drawn from the posterior for its predictive distribution."""
    drawn_from: Literal["mixture", "best_start"] = "mixture"
    """mixture: draws come from all starts in equal shares; best_start: from the start with the lowest loss on the
    select region."""
    estimator: Literal["local_reparametrisation", "flipout"] = "local_reparametrisation"
    """Estimator of the gradient of the expected log-likelihood."""
    batch_size: Count = 128
    """Cells in one step of each start."""
    learning_rate: Positive = 0.01
    """Initial learning rate of Adam."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """cosine: the learning rate falls to zero along half a cosine over `epochs`; plateau: by `plateau_factor` after
    `plateau_epochs` epochs without improvement on the select region (the published rule), for each start separately."""
    plateau_factor: Share = 0.25
    """Factor on the learning rate at a plateau."""
    plateau_epochs: Count = 15
    """Epochs without improvement that make a plateau."""
    epochs: Count = 100
    """Largest number of passes over the training cells."""
    patience: Count | None = None
    """Epochs without a lower loss on the select region after which a start stops; null: never. The weights of its best
    epoch are kept either way."""
    initial_scale: Positive = 0.02
    """Standard deviation of the posterior of every weight before training."""
    warmup_epochs: int = Field(5, ge=0)
    """Epochs over which the weight of the Kullback-Leibler term rises to `kl_weight`; weights of these epochs are never
    kept."""
    kl_weight: Positive = 1.0
    """Weight of the Kullback-Leibler term; 1: Bayes' rule; less: a colder posterior."""
    n_select_draws: Count = 8
    """Draws whose mean probability is scored on the select region after each epoch."""

    @model_validator(mode="after")
    def _require_epochs_after_warmup(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"'warmup_epochs' ({self.warmup_epochs}) must be less than 'epochs' ({self.epochs}): "
                "a network is kept only from epochs in which the Kullback-Leibler term has its full weight."
            )
        return self


class LaplaceSettings(Settings):
    """How the Laplace approximation of a trained network is made."""

    structure: Literal["full", "last_layer"] = "full"
    """Whether all weights are uncertain, or those of the last layer only."""
    prior_precision: Positive | Literal["select", "marginal_likelihood"] = "select"
    """Precision of the Gaussian prior of every uncertain weight: a number, or the one of `candidates` with the best
    negative log-likelihood of the drawn networks' mean probability on the select region, or with the largest marginal
    likelihood."""
    candidates: Filled[tuple[Positive, ...]] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    """Prior precisions to choose from."""
    n_select_draws: Count = 50
    """Draws with which the candidates are scored on the select region."""
    n_draws: Count = 200
    """Networks drawn from the posterior for its predictive distribution."""
    block_cells: Count = 1024
    """Cells whose Jacobians are in memory at a time."""


class ApplicabilitySettings(Settings):
    """How dissimilarity to the training cells is measured."""

    n_reference: int = Field(5000, ge=2)
    """Largest number of training cells to measure distances from."""
    n_importance: int = Field(5000, ge=2)
    """Largest number of training cells on which feature importance is estimated."""
    n_permutations: Count = 3
    """Permutations of each feature for its importance."""
