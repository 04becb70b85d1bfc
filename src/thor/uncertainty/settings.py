"""How posteriors are found and judged: settings, checked when they are made."""

from dataclasses import dataclass
from typing import Literal

from thor.core.errors import ConfigError
from thor.core.ranges import require_at_least, require_choice, require_positive

Estimator = Literal["local_reparametrisation", "flipout"]
Schedule = Literal["cosine", "plateau"]
DrawnFrom = Literal["mixture", "best_start"]
Structure = Literal["full", "last_layer"]
PriorPrecision = Literal["select", "marginal_likelihood"]


@dataclass(frozen=True, kw_only=True)
class BayesianSettings:
    """How the mean-field Bayesian network is trained.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    n_starts : int
        Random starts, trained together; each finds its own Gaussian.
    n_draws : int
        Networks drawn from the posterior for its predictive distribution.
    drawn_from : {"mixture", "best_start"}
        Whether draws come from all starts in equal shares, or from the one of lowest loss on the select region.
    estimator : {"local_reparametrisation", "flipout"}
        How the expected log-likelihood's gradient is estimated.
    batch_size : int
        Cells in one step of each start.
    learning_rate : float
        Of Adam, at the beginning.
    schedule : {"cosine", "plateau"}
        Whether the rate falls to zero along a cosine over `epochs`, or by `plateau_factor` after `plateau_epochs`
        epochs without improvement on the select region (the published rule), for each start by itself.
    plateau_factor : float
    plateau_epochs : int
    epochs : int
        Most passes over the training cells.
    patience : int or None
        Epochs without a lower loss on the select region after which a start is stopped; None: never. What the best
        epoch gave is kept either way.
    initial_scale : float
        Standard deviation of every weight's posterior before training.
    warmup_epochs : int
        Epochs over which the weight of the Kullback-Leibler term rises to `kl_weight`; none of them is ever kept.
    kl_weight : float
        Weight of the Kullback-Leibler term; 1 is Bayes' rule, less a colder posterior that trusts the cells more.
    n_select_draws : int
        Draws whose mean probability is scored on the select region after each epoch.
    checkpoint_epochs : int
        Epochs between two checkpoints. Has no influence on the result.
    """

    hidden: tuple[int, ...] = (24, 24, 16, 16)
    n_starts: int = 4
    n_draws: int = 200
    drawn_from: DrawnFrom = "mixture"
    estimator: Estimator = "local_reparametrisation"
    batch_size: int = 256
    learning_rate: float = 0.01
    schedule: Schedule = "cosine"
    plateau_factor: float = 0.25
    plateau_epochs: int = 15
    epochs: int = 60
    patience: int | None = None
    initial_scale: float = 0.02
    warmup_epochs: int = 5
    kl_weight: float = 1.0
    n_select_draws: int = 8
    checkpoint_epochs: int = 5

    def __post_init__(self) -> None:
        require_choice("estimator", self.estimator, Estimator)
        require_choice("schedule", self.schedule, Schedule)
        require_choice("drawn_from", self.drawn_from, DrawnFrom)
        for name in ("n_starts", "n_draws", "n_select_draws", "batch_size"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("epochs", "plateau_epochs", "checkpoint_epochs"):
            require_at_least(name, getattr(self, name), 1)
        if self.patience is not None:
            require_at_least("patience", self.patience, 1)
        require_at_least("warmup_epochs", self.warmup_epochs, 0)
        for units in self.hidden:
            require_at_least("hidden", units, 1)
        for name in ("learning_rate", "initial_scale", "kl_weight"):
            require_positive(name, getattr(self, name))
        if not 0.0 < self.plateau_factor < 1.0:
            raise ConfigError(f"'plateau_factor' must lie between 0 and 1, got {self.plateau_factor}.")
        if self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"'warmup_epochs' ({self.warmup_epochs}) must be less than 'epochs' ({self.epochs}): "
                "a network is kept only from epochs in which the Kullback-Leibler term has its full weight."
            )


@dataclass(frozen=True, kw_only=True)
class LaplaceSettings:
    """How the Laplace approximation of a trained network is made.

    Attributes
    ----------
    structure : {"full", "last_layer"}
        Whether all weights are uncertain, or those of the last layer only.
    prior_precision : float or {"select", "marginal_likelihood"}
        Precision of the Gaussian prior of every uncertain weight: given, or chosen from `candidates` by the negative
        log-likelihood of the drawn networks' mean probability on the select region, or by the marginal likelihood.
    candidates : tuple of float
        Prior precisions to choose from.
    n_select_draws : int
        Draws with which the candidates are scored on the select region.
    n_draws : int
        Networks drawn from the posterior for its predictive distribution.
    block_cells : int
        Cells whose Jacobians are held at a time.
    """

    structure: Structure = "full"
    prior_precision: float | PriorPrecision = "select"
    candidates: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    n_select_draws: int = 50
    n_draws: int = 200
    block_cells: int = 1024

    def __post_init__(self) -> None:
        require_choice("structure", self.structure, Structure)
        if isinstance(self.prior_precision, str):
            require_choice("prior_precision", self.prior_precision, PriorPrecision)
        else:
            require_positive("prior_precision", self.prior_precision)
        for name in ("n_select_draws", "n_draws", "block_cells"):
            require_at_least(name, getattr(self, name), 1)
        if not self.candidates:
            raise ConfigError("'candidates' holds no prior precision; give at least one positive number.")
        for candidate in self.candidates:
            require_positive("candidates", candidate)


@dataclass(frozen=True, kw_only=True)
class ApplicabilitySettings:
    """How dissimilarity to the training cells is measured.

    Attributes
    ----------
    n_reference : int
        Most training cells kept to measure distances from.
    n_importance : int
        Most training cells on which the importance of the features is estimated.
    n_permutations : int
        Times each feature is permuted for its importance.
    """

    n_reference: int = 5000
    n_importance: int = 5000
    n_permutations: int = 3

    def __post_init__(self) -> None:
        require_at_least("n_reference", self.n_reference, 2)
        require_at_least("n_importance", self.n_importance, 2)
        require_at_least("n_permutations", self.n_permutations, 1)
