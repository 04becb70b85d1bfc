"""How networks are explained and explanations judged: settings, checked when they are made, light to import."""

from dataclasses import dataclass
from typing import Literal

from thor.attribution.players import Preset
from thor.core.errors import ConfigError
from thor.core.ranges import require_at_least, require_choice, require_positive

ReferenceSource = Literal["training", "basin", "regime", "run"]
Rule = Literal["epsilon", "z", "gamma", "alpha_beta"]
SampledOrExact = Literal["sampled", "exact"]

FEWEST_PAIRS = 3
"""Of orders of the players, before an error is estimated."""


@dataclass(frozen=True, kw_only=True)
class ReferenceSettings:
    """What Shapley values, LIME and integrated gradients measure against.

    Attributes
    ----------
    source : {"training", "basin", "regime", "run"}
        Cells that train; those of a basin; those that train of one regime; those of a climate model's run.
    name : str or None
        Of the basin, regime or run (`<source>/<experiment>/<variant>`).
    window : str or None
        Of a run; null: its last.
    n_rows : int
        Rows drawn.
    area_weights : bool
        Whether cells are drawn in proportion to their area.
    """

    source: ReferenceSource = "training"
    name: str | None = None
    window: str | None = None
    n_rows: int = 500
    area_weights: bool = True

    def __post_init__(self) -> None:
        require_choice("source", self.source, ReferenceSource)
        require_at_least("n_rows", self.n_rows, 1)
        if (self.name is None) != (self.source == "training"):
            raise ConfigError(
                f"A reference of source '{self.source}' "
                + ("takes no name." if self.source == "training" else "needs the name of the " + self.source + ".")
            )


@dataclass(frozen=True, kw_only=True)
class RelevanceSettings:
    """How relevance is propagated; see `thor.attribution.relevance.RelevancePropagation`.

    Attributes
    ----------
    rule : {"epsilon", "z", "gamma", "alpha_beta"}
        By which a unit hands its relevance on.
    epsilon : float
        Stabiliser of all rules but z.
    gamma : float
        How much contributions of the unit's own sign are favoured by the gamma rule.
    alpha : float
        Weight of positive contributions in the alpha-beta rule; negative ones have alpha - 1.
    biases : bool
        Whether biases take their share.
    """

    rule: Rule = "epsilon"
    epsilon: float = 1e-7
    gamma: float = 0.25
    alpha: float = 2.0
    biases: bool = True

    def __post_init__(self) -> None:
        require_choice("rule", self.rule, Rule)
        require_at_least("epsilon", self.epsilon, 0)
        require_at_least("gamma", self.gamma, 0)
        require_at_least("alpha", self.alpha, 1)


@dataclass(frozen=True, kw_only=True)
class ShapleySettings:
    """How Shapley values are found; see `thor.attribution.shapley.ShapleyValues`.

    Attributes
    ----------
    method : {"sampled", "exact"}
        Random orders of the players, or all coalitions.
    tolerance : float
        Standard error over the values' size at which a cell is done (sampled).
    max_pairs : int
        Most pairs of orders for each network and cell (sampled).
    groups : {"physical", "gradients"}, dict of str to list of str, or None
        Players that are several features each, see `thor.attribution.players`; null: each feature plays for itself.
    """

    method: SampledOrExact = "sampled"
    tolerance: float = 0.05
    max_pairs: int = 16
    groups: dict[str, list[str]] | Preset | None = None

    def __post_init__(self) -> None:
        require_choice("method", self.method, SampledOrExact)
        require_positive("tolerance", self.tolerance)
        require_at_least("max_pairs", self.max_pairs, FEWEST_PAIRS)


@dataclass(frozen=True, kw_only=True)
class LimeSettings:
    """How LIME draws and fits; see `thor.attribution.lime.Lime`.

    Attributes
    ----------
    n_samples : int
        Draws, shared by all cells.
    kernel_width : float or None
        In standard deviations of the reference; null: 0.75 times the root of the number of features, as lime.
    ridge : float
        Penalty on squared coefficients.
    """

    n_samples: int = 5000
    kernel_width: float | None = None
    ridge: float = 1.0

    def __post_init__(self) -> None:
        require_at_least("n_samples", self.n_samples, 2)
        require_at_least("ridge", self.ridge, 0)
        if self.kernel_width is not None:
            require_positive("kernel_width", self.kernel_width)


@dataclass(frozen=True, kw_only=True)
class TruthSettings:
    """How methods are tested on functions whose attributions are known.

    Attributes
    ----------
    n_cells : int
        Cells explained.
    n_rows : int
        Reference rows.
    n_networks : int
        Networks that learn the physical function.
    epochs : int
        Of their training.
    """

    n_cells: int = 100
    n_rows: int = 50
    n_networks: int = 4
    epochs: int = 30

    def __post_init__(self) -> None:
        for name in ("n_cells", "n_rows", "n_networks", "epochs"):
            require_at_least(name, getattr(self, name), 1)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """On how many cells explanations are judged, and how.

    Attributes
    ----------
    n_cells : int
        Cells, as many of each regime.
    n_perturbations : int
        Perturbed copies of each cell, and subsets of features removed.
    perturbation : float
        Standard deviation of the perturbations, in standard deviations of the inputs.
    n_removed : int
        Features removed at once for the correlation of faithfulness.
    n_rows : int
        Reference rows that stand in for removed features.
    n_bootstrap : int
        Resamples of the cells.
    level : float
        Share of resamples inside an interval.
    """

    n_cells: int = 150
    n_perturbations: int = 10
    perturbation: float = 0.1
    n_removed: int = 3
    n_rows: int = 10
    n_bootstrap: int = 1000
    level: float = 0.9

    def __post_init__(self) -> None:
        lows = {"n_cells": 6, "n_perturbations": 2, "n_removed": 1, "n_rows": 1, "n_bootstrap": 1}
        for name, low in lows.items():
            require_at_least(name, getattr(self, name), low)
        require_positive("perturbation", self.perturbation)
