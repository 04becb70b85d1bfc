"""Settings: how change in climate-model runs is tested, and compared between models."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from thor.core.settings import Count, Settings, Share


def _dividing_180(spacing: float) -> float:
    if not math.isclose(round(180 / spacing) * spacing, 180, rel_tol=1e-5):
        raise ValueError(f"must divide 180 degrees; got {spacing:g}. Take 2 or 2.5, for instance.")
    return spacing


class TrackingSettings(Settings):
    """How change is tested and how many cells are processed at once."""

    false_discovery_rate: Share = 0.1
    """Largest expected share of false detections in the area of probability shifts, in each window."""
    null_quantile: Share = 0.95
    """Quantile of P(change) in the control run that a probability shift also exceeds."""
    min_probability: Share = 0.5
    """Smallest P(change) of a forced regime change, where its probability shift is beyond internal variability."""
    interval_level: Share = 0.9
    """Share of the networks inside the spread of an area."""
    n_strata: int = Field(10, ge=1, le=100)
    """Classes of cells, by their variability in the control run, each with a null distribution."""
    min_pairs: Count = 5
    """Fewest pairs of control windows equally far apart that make a null distribution; with fewer, the nearest
    separation with as many pairs is used."""
    max_control_windows: int = Field(20, ge=2)
    """Windows of a control run that are used, the latest: memory and time grow with their square."""
    max_variants: Count = 5
    """Variants of an experiment that are used besides, in the order of their labels."""
    block_cells: Count = 2_000
    """Cells in one block of work. Has no influence on the result but for rounding."""


class AgreementSettings(Settings):
    """How climate models are compared with one another."""

    window: str = "last"
    """Label of a window such as 2081-2100, or `last`: the last that most models have with a baseline. Runs without it
    are left out; a label that no run has is an error. Experiments at a level of warming have one window."""
    spacing_degrees: Annotated[float, Field(ge=0.05, le=60), AfterValidator(_dividing_180)] = 2.0
    """Spacing of the common grid; must divide 180 [degrees]."""
    min_models: Count = 2
    """Models, or families with one vote each, in a cell below which the agreement of the change is undefined."""
    model_weights: Literal["none", "family"] = "none"
    """none: one vote for each model; family: one for all models with the same ocean code
    (`src/thor/tracking/families.yml`)."""
    families: dict[str, str] = {}
    """Families of models that the table lacks or has differently, by source_id."""
