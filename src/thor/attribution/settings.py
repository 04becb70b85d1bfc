"""How networks are explained and explanations judged: settings, checked when they are made, light to import."""

from dataclasses import dataclass
from typing import Literal

from thor.errors import ConfigError
from thor.ranges import require_at_least, require_choice, require_positive

ReferenceSource = Literal["training", "basin", "regime", "run"]


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
