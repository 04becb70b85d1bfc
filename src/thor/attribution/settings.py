"""Settings of the reference, the evaluation and the comparison with known functions; each method has its settings."""

from typing import Literal, Self

from pydantic import Field, model_validator

from thor.core.settings import Count, Positive, Settings, Share


class ReferenceSettings(Settings):
    """The reference of Shapley values, LIME and integrated gradients."""

    source: Literal["training", "basin", "regime", "run"] = Field(
        "training",
        description="The cells that train; those of a basin; those that train of one regime; or those of a run of a "
        "climate model.",
    )
    name: str | None = Field(
        None, description="Name of the basin, regime or run (source_id/experiment_id/variant_label)."
    )
    window: str | None = Field(None, description="Window of a run; null: its last.")
    n_rows: Count = Field(500, description="Rows drawn.")
    area_weights: bool = Field(True, description="Whether cells are drawn in proportion to their area.")

    @model_validator(mode="after")
    def _require_name(self) -> Self:
        if (self.name is None) != (self.source == "training"):
            raise ValueError(
                f"a reference of source '{self.source}' "
                + ("takes no name." if self.source == "training" else "needs the name of the " + self.source + ".")
            )
        return self


class TruthSettings(Settings):
    """How methods are tested on functions whose attributions are known."""

    n_cells: Count = Field(100, description="Cells explained.")
    n_rows: Count = Field(50, description="Rows of the reference.")
    n_networks: Count = Field(4, description="Networks that learn the physical function.")
    epochs: Count = Field(30, description="Epochs of their training.")
    hidden: tuple[Count, ...] = Field((24, 24), description="Units of their hidden layers.")
    batch_size: Count = Field(64, description="Cells in one step of their training.")


class EvaluationSettings(Settings):
    """On how many cells explanations are evaluated, and how."""

    n_cells: int = Field(150, ge=6, description="Cells, the same number of each regime.")
    n_perturbations: int = Field(
        10, ge=2, description="Perturbed copies of each cell, and subsets of features removed."
    )
    perturbation: Positive = Field(
        0.1, description="Standard deviation of the perturbations, in standard deviations of the inputs."
    )
    n_removed: Count = Field(3, description="Features removed at once for the correlation of faithfulness.")
    n_rows: Count = Field(10, description="Rows of the reference that replace removed features.")
    n_bootstrap: Count = Field(1000, description="Resamples of the cells.")
    level: Share = Field(0.9, description="Share of resamples inside an interval.")
