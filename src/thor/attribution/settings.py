"""Settings of the reference, the evaluation and the comparison with known functions; each method has its settings."""

from typing import Literal, Self

from pydantic import Field, model_validator

from thor.core.settings import Count, Positive, Resamples, Settings, Share


class ReferenceSettings(Settings):
    """The reference of Shapley values, LIME and integrated gradients."""

    source: Literal["training", "basin", "regime", "run"] = "training"
    """The cells that train; those of a basin; those that train of one regime; or those of a run of a climate model."""
    name: str | None = None
    """Name of the basin, regime or run (source_id/experiment_id/variant_label)."""
    window: str | None = None
    """Window of a run; null: its last."""
    n_rows: int = Field(500, ge=2)
    """Rows drawn."""
    area_weights: bool = True
    """Whether cells are drawn in proportion to their area."""

    @model_validator(mode="after")
    def _require_name(self) -> Self:
        if (self.name is None) != (self.source == "training"):
            raise ValueError(
                f"a reference of source '{self.source}' "
                + ("takes no name." if self.source == "training" else "needs the name of the " + self.source + ".")
            )
        if self.window is not None and self.source != "run":
            raise ValueError(f"a reference of source '{self.source}' has no windows; got '{self.window}'.")
        return self


class TruthSettings(Settings):
    """How methods are tested on functions whose attributions are known."""

    n_cells: Count = 100
    """Cells explained."""
    n_rows: int = Field(50, ge=2)
    """Rows of the reference."""
    n_networks: Count = 4
    """Networks that learn the physical function."""
    epochs: Count = 30
    """Epochs of their training."""
    hidden: tuple[Count, ...] = (24, 24)
    """Units of their hidden layers."""
    batch_size: Count = 64
    """Cells in one step of their training."""


class EvaluationSettings(Settings):
    """On how many cells explanations are evaluated, and how."""

    n_cells: int = Field(150, ge=6)
    """Cells, the same number of each regime."""
    n_perturbations: int = Field(10, ge=2)
    """Perturbed copies of each cell, and subsets of features removed."""
    perturbation: Positive = 0.1
    """Standard deviation of the perturbations, in standard deviations of the inputs."""
    n_removed: Count = 3
    """Features removed at once for the correlation of faithfulness."""
    n_rows: Count = 10
    """Rows of the reference that replace removed features."""
    n_bootstrap: Resamples = 1000
    """Resamples of the cells."""
    level: Share = 0.9
    """Share of resamples inside an interval."""
