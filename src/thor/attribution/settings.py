"""Settings: how networks are explained, and explanations evaluated."""

from typing import Literal, Self

from pydantic import Field, model_validator

from thor.attribution.players import Preset
from thor.core.settings import Count, NotNegative, Positive, Settings, Share

PropagationRule = Literal["epsilon", "z", "gamma", "alpha_beta"]
SampledOrExact = Literal["sampled", "exact"]

FEWEST_PAIRS = 3
"""Pairs of orders of the players below which no error is estimated."""


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


class RelevanceSettings(Settings):
    """How relevance is propagated; see `thor.attribution.methods.relevance.RelevancePropagation`."""

    rule: PropagationRule = Field("epsilon", description="Rule by which a unit distributes relevance to its inputs.")
    epsilon: NotNegative = Field(1e-7, description="Stabiliser of all rules but z.")
    gamma: NotNegative = Field(
        0.25, description="Additional weight of contributions with the sign of the unit in the gamma rule."
    )
    alpha: float = Field(
        2.0,
        ge=1,
        description="Weight of positive contributions in the alpha-beta rule; negative ones have alpha - 1.",
    )
    biases: bool = Field(True, description="Whether biases take their share of relevance.")


class ShapleySettings(Settings):
    """How Shapley values are computed; see `thor.attribution.methods.shapley_values.ShapleyValues`."""

    method: SampledOrExact = Field(
        "sampled", description="Random orders of the players, or all coalitions (for few cells)."
    )
    tolerance: Positive = Field(
        0.05, description="Standard error, relative to the size of the values, at which a cell is finished (sampled)."
    )
    max_pairs: int = Field(
        12,
        ge=FEWEST_PAIRS,
        description="Largest number of pairs, an order and its reverse, for each network and cell (sampled).",
    )
    groups: dict[str, list[str]] | Preset | None = Field(
        None,
        description="Players that are several features each, by name, or a preset of `thor.attribution.players`; "
        "null: each feature is a player.",
    )


class LimeSettings(Settings):
    """How LIME draws and fits; see `thor.attribution.methods.lime.Lime`."""

    n_samples: int = Field(5000, ge=2, description="Draws, shared by all cells.")
    kernel_width: Positive | None = Field(
        None,
        description="Width of the kernel in standard deviations of the reference; null: 0.75 times the square root of "
        "the number of features, as in the package lime.",
    )
    ridge: NotNegative = Field(1.0, description="Penalty on squared coefficients.")


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
