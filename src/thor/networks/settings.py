"""Settings: how cells are divided into regions, networks trained, and better training settings searched."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from thor.core.settings import BlockDegrees, Count, Filled, NotNegative, Positive, Settings, Share
from thor.networks.bootstrap import BootstrapSettings
from thor.networks.network import ActivationName

FeatureSet = Literal["published", "extended"] | tuple[str, ...]


class Region(Settings):
    """A box of longitude and latitude."""

    name: str
    """Name of the region, without colon or semicolon, which separate regions in files."""
    west: float = Field(ge=-360, le=360)
    """Western limit, part of the box, in any convention [degrees_east]."""
    east: float = Field(ge=-360, le=360)
    """Eastern limit, not part of the box, which extends eastward from `west`; limits 360 degrees apart include every
    longitude [degrees_east]."""
    south: float = Field(-90.0, ge=-90, le=90)
    """Southern limit, part of the box [degrees_north]."""
    north: float = Field(90.0, ge=-90, le=90)
    """Northern limit, part of the box [degrees_north]."""

    @field_validator("name")
    @classmethod
    def _require_plain_name(cls, name: str) -> str:
        if not name.strip() or {":", ";"} & set(name):
            raise ValueError(f"must be a name without colon or semicolon; got {name!r}.")
        return name

    @model_validator(mode="after")
    def _require_extent(self) -> Self:
        if self.south >= self.north:
            raise ValueError(
                f"latitudes of region '{self.name}' must rise from south to north; "
                f"got {self.south:g} to {self.north:g}."
            )
        if self.west == self.east:
            raise ValueError(f"west and east of region '{self.name}' must differ; got {self.west:g} for both.")
        return self


ATLANTIC_SECTOR = Region(name="atlantic", west=280.0, east=20.0)
"""The published Atlantic band."""

CELL_WEIGHTS = ("area", "confidence")
"""What the loss may weight cells by."""


class SplitSettings(Settings):
    """Which cells train, select and test."""

    mode: Literal["regions", "published"] = "regions"
    """regions: `test_regions` test and scattered blocks select, with a buffer between roles; published: the Atlantic
    band selects and tests, all other cells train, without a buffer."""
    test_regions: Filled[tuple[Region, ...]] = (ATLANTIC_SECTOR,)
    """Boxes whose cells test. Ignored if published."""
    select_share: Share = 0.05
    """Share of the blocks of the ocean, drawn at random, whose cells outside the test regions select. If published,
    only where an ocean is left out of training."""
    select_block_degrees: BlockDegrees = 10.0
    """Least side of a block, along a great circle [degrees]."""
    buffer_degrees: float = Field(2.0, ge=0, lt=90)
    """Least great-circle distance between cells of different roles; 0 for none. If published, only where an ocean is
    left out of training [degrees]."""
    reflect: bool = True
    """Whether networks and boosting are also trained on the ocean reflected at the equator, where f, curls, northward
    gradients and the terms of the budget have the other sign: each hemisphere is then known from the other one, too.
    Ignored if published."""
    rescale: bool = True
    """Whether networks are also trained on oceans whose winds and currents are `regime_clustering.amplitudes` times as
    strong. Ignored if published."""

    @property
    def regions(self) -> tuple[Region, ...]:
        """Boxes whose cells test in this mode."""
        return (ATLANTIC_SECTOR,) if self.mode == "published" else self.test_regions

    @property
    def similar_oceans(self) -> dict[str, int]:
        """Whether reflected and rescaled oceans train in this mode, 1 or 0."""
        return {name: int(getattr(self, name) and self.mode != "published") for name in ("reflect", "rescale")}

    @model_validator(mode="after")
    def _require_different_names(self) -> Self:
        names = [region.name for region in self.test_regions]
        if len(set(names)) < len(names):
            raise ValueError(f"test_regions must have different names; got {', '.join(names)}.")
        return self


class CommonTraining(Settings):
    """How networks are trained, but for what a search varies (`SearchSettings`)."""

    activation: ActivationName = "tanh"
    """Activation function of the hidden layers."""
    batch_size: Count = 32
    """Cells in one step of one network."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning rate: constant, or falling to zero over all `epochs` along half a cosine."""
    patience: Count | None = None
    """Epochs without a lower loss on the select cells after which a network stops; null: never. The weights of its best
    epoch are kept either way."""
    l2: NotNegative = 0.0
    """Penalty on the sum of squared kernel weights, added to the mean loss (published: 0)."""
    area_weights: bool = False
    """Whether the loss weights cells by their area (published: no)."""
    confidence_weights: bool = False
    """Whether the loss weights cells by the share of clustering runs that agree with their label (published: no)."""
    budget_share: float = Field(0.5, ge=0, le=1)
    """Share of the networks that see the terms of the vorticity budget among the inputs alone; no effect where the
    stress curl is the only one (`thor.networks.training_data.budget_inputs`)."""

    @property
    def weighted_by(self) -> tuple[str, ...]:
        """Those of `CELL_WEIGHTS` that the loss weights cells by."""
        return tuple(name for name in CELL_WEIGHTS if getattr(self, f"{name}_weights"))


class TrainingSettings(CommonTraining):
    """How networks are built and trained."""

    hidden: tuple[Count, ...] = (24, 24, 16, 16)
    """Units of each hidden layer."""
    n_networks: Count = 50
    """Networks trained together, each with different initial weights, shuffling and stopping."""
    learning_rate: Positive = 3e-3
    """Initial learning rate of Adam."""
    epochs: Count = 120
    """Largest number of epochs. Each takes every cell once, by turns as it is and as it is in each similar ocean."""
    member_labels: Literal["consensus", "votes"] = "consensus"
    """consensus: every network learns the regimes; votes: each, the map of another clustering run. Networks that are
    scored where they were not trained always learn the regimes."""


class BoostingSettings(Settings):
    """How gradient boosting is trained, as scikit-learn's HistGradientBoostingClassifier.

    By default with smaller steps and trees than scikit-learn's: trees of 8 instead of 15 leaves are as accurate in
    left-out basins, and less certain where they are wrong. Early stopping would hold out random cells, which are nearly
    copies of training cells.
    """

    features: FeatureSet | None = None
    """Inputs, as the networks' in modelling; null: the same."""
    max_iter: Count = 100
    """Number of trees of each regime."""
    learning_rate: float = Field(0.1, gt=0, le=1)
    """Factor on the contribution of each tree; above 1 the sum of trees would diverge."""
    max_leaf_nodes: int = Field(8, ge=2, le=8)
    """Largest number of leaves of a tree."""
    min_samples_leaf: Count = 50
    """Fewest cells in a leaf."""
    l2_regularization: NotNegative = 1.0
    """Penalty on squared values of leaves. Without it a regime of fewer cells than a leaf needs diverges: an ocean
    without its regime then gets it."""
    max_features: float = Field(1.0, gt=0, le=1)
    """Share of the features, drawn at random, that each split of a tree chooses from."""
    budget_share: float = Field(0.5, ge=0, le=1)
    """Share in the logits of further trees that see the terms of the vorticity budget alone, as the networks'."""


class CrossValidationSettings(Settings):
    """How predictors are trained without each ocean basin in turn, and scored in it."""

    features: FeatureSet = ("geostrophic", "geostrophic_torques")
    """Inputs of the networks, as in modelling."""
    split: SplitSettings = SplitSettings()
    """Blocks that select in each fold, and the buffer between roles."""
    training: TrainingSettings = TrainingSettings(n_networks=10)
    """How the networks of each fold are trained."""
    boosting: BoostingSettings = BoostingSettings()
    """How gradient boosting is trained."""
    bootstrap: BootstrapSettings = BootstrapSettings()
    """How intervals of scores are made."""

    @model_validator(mode="after")
    def _require_consensus(self) -> Self:
        if self.training.member_labels != "consensus":
            raise ValueError("training.member_labels must be 'consensus': folds are trained on the regimes only.")
        return self


class SearchSettings(Settings):
    """What is searched for better training settings, on the select cells only."""

    n_trials: Count = 20
    """Settings tried."""
    n_networks: Count = 5
    """Networks trained in each trial; the trial is scored by their mean probability."""
    epochs: Count = 20
    """Epochs of each trial."""
    depth: tuple[Count, Count] = (2, 5)
    """Fewest and most hidden layers."""
    width: tuple[Count, Count] = (16, 64)
    """Fewest and most units of a hidden layer, searched in steps of 8 from the fewest."""
    learning_rate: tuple[Positive, Positive] = (3e-4, 1e-2)
    """Lowest and highest learning rate, searched on a logarithmic scale."""

    @model_validator(mode="after")
    def _require_ascending(self) -> Self:
        for name in ("depth", "width", "learning_rate"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"'{name}' must hold a lowest and a highest value; got {low:g} and {high:g}.")
        return self
