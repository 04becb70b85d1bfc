"""How cells are divided, networks trained and settings searched: checked when they are made, light to import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from thor.core.errors import ConfigError, did_you_mean

RegionRole = Literal["select", "calibrate", "test"]
SplitMode = Literal["regions", "published"]
Schedule = Literal["constant", "cosine"]
MemberLabels = Literal["consensus", "votes"]
FeatureSet = Literal["published", "extended"] | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A box of longitude and latitude whose cells have one role.

    Attributes
    ----------
    name : str
    role : {"select", "calibrate", "test"}
        What is outside every region trains.
    west, east : float
        Limits [degrees_east] in any convention; the box runs eastward from `west`, which belongs to it, to `east`,
        which does not. Limits 360 degrees apart take in every longitude.
    south, north : float
        Limits [degrees_north]; both belong to the box.
    """

    name: str
    role: RegionRole
    west: float
    east: float
    south: float = -90.0
    north: float = 90.0

    def __post_init__(self) -> None:
        _require_choice("role", self.role, RegionRole)
        if not -90 <= self.south < self.north <= 90:
            raise ConfigError(
                f"Region '{self.name}': latitudes must rise from south to north within 90S and 90N; "
                f"got {self.south:g} to {self.north:g}."
            )
        if not (-360 <= self.west <= 360 and -360 <= self.east <= 360) or self.west == self.east:
            raise ConfigError(
                f"Region '{self.name}': west and east must differ and lie within 360 degrees of Greenwich; "
                f"got {self.west:g} and {self.east:g}."
            )


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Which cells train, select, calibrate and test.

    Attributes
    ----------
    mode : {"regions", "published"}
        By `regions` with a buffer between roles, or as the published study did: the Atlantic band selects,
        calibrates and tests, everything else trains, without a buffer.
    regions : list of Region
        Boxes that do not train; where two overlap, test goes before calibrate before select. Ignored if published.
    buffer_degrees : float
        Great-circle distance [degrees] that cells of different roles keep; 0 for none. Ignored if published.
    """

    mode: SplitMode = "regions"
    regions: list[Region] = field(default_factory=lambda: list(DEFAULT_REGIONS))
    buffer_degrees: float = 2.0

    def __post_init__(self) -> None:
        _require_choice("mode", self.mode, SplitMode)
        names = [region.name for region in self.regions]
        if len(set(names)) < len(names):
            raise ConfigError(f"Regions must have different names; got {', '.join(names)}.")
        missing = [role for role in get_args(RegionRole) if role not in {region.role for region in self.regions}]
        if missing and self.mode == "regions":
            raise ConfigError(f"No region has the role {' or '.join(missing)}; name one for each role.")
        if not 0 <= self.buffer_degrees < 90:
            raise ConfigError(f"'buffer_degrees' must lie between 0 and 90, got {self.buffer_degrees:g}.")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How networks are built and trained.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer, tanh.
    n_networks : int
        Networks trained together, each with its own start, shuffling and stopping.
    batch_size : int
        Cells of one step of one network.
    learning_rate : float
        Of Adam, at the start.
    schedule : {"constant", "cosine"}
        Whether the rate stays or falls to zero over all `epochs` along half a cosine.
    epochs : int
        Most epochs.
    patience : int or None
        Epochs without a lower loss on the select cells after which a network stops; None: never. The weights of its
        best epoch are kept either way.
    l2 : float
        Penalty on the sum of squared kernel weights of a network, added to its mean loss; 0 as published.
    area_weights : bool
        Whether cells count by their area.
    confidence_weights : bool
        Whether cells count by the share of clustering runs that agree with their label.
    member_labels : {"consensus", "votes"}
        Whether every network learns the elected regimes, or each the map of another clustering run.
    checkpoint_epochs : int
        Epochs between two checkpoints. Has no influence on the result.
    """

    hidden: tuple[int, ...] = (24, 24, 16, 16)
    n_networks: int = 50
    batch_size: int = 64
    learning_rate: float = 3e-3
    schedule: Schedule = "cosine"
    epochs: int = 60
    patience: int | None = None
    l2: float = 0.0
    area_weights: bool = False
    confidence_weights: bool = False
    member_labels: MemberLabels = "consensus"
    checkpoint_epochs: int = 10

    def __post_init__(self) -> None:
        _require_choice("schedule", self.schedule, Schedule)
        _require_choice("member_labels", self.member_labels, MemberLabels)
        _require_at_least(
            {name: getattr(self, name) for name in ("n_networks", "batch_size", "epochs", "checkpoint_epochs")}, 1
        )
        if self.patience is not None:
            _require_at_least({"patience": self.patience}, 1)
        if any(units < 1 for units in self.hidden):
            raise ConfigError(f"'hidden' must hold numbers of units of at least 1, got {list(self.hidden)}.")
        if not self.learning_rate > 0:
            raise ConfigError(f"'learning_rate' must be above 0, got {self.learning_rate:g}.")
        if not self.l2 >= 0:
            raise ConfigError(f"'l2' must not be negative, got {self.l2:g}.")


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What is searched for better training settings, on the select cells only.

    Attributes
    ----------
    n_trials : int
        Settings tried.
    n_networks : int
        Networks trained in each trial; the trial's score is that of their mean probability.
    epochs : int
        Epochs of each trial.
    depth : tuple of (int, int)
        Fewest and most hidden layers.
    width : tuple of (int, int)
        Fewest and most units of a hidden layer, searched in steps of 8.
    learning_rate : tuple of (float, float)
        Lowest and highest rate, searched on a logarithmic scale.
    """

    n_trials: int = 20
    n_networks: int = 5
    epochs: int = 20
    depth: tuple[int, int] = (2, 5)
    width: tuple[int, int] = (16, 64)
    learning_rate: tuple[float, float] = (3e-4, 1e-2)

    def __post_init__(self) -> None:
        _require_at_least({name: getattr(self, name) for name in ("n_trials", "n_networks", "epochs")}, 1)
        for name in ("depth", "width", "learning_rate"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ConfigError(f"'{name}' must hold a lowest value above 0 and a highest; got {low:g} and {high:g}.")


def _require_choice(name: str, value: Any, literal: Any) -> None:
    if value not in get_args(literal):
        raise ConfigError(f"'{name}' cannot be '{value}'.{did_you_mean(str(value), get_args(literal))}")


def _require_at_least(values: Mapping[str, int], low: int) -> None:
    for name, value in values.items():
        if value < low:
            raise ConfigError(f"'{name}' must be at least {low}, got {value}.")


DEFAULT_REGIONS: tuple[Region, ...] = (
    Region(name="atlantic", role="test", west=280.0, east=20.0),
    Region(name="west_indian", role="select", west=60.0, east=72.0, north=66.0),
    Region(name="east_indian", role="calibrate", west=100.0, east=104.0, north=66.0),
    Region(name="west_pacific", role="calibrate", west=150.0, east=154.0, north=66.0),
    Region(name="central_pacific", role="calibrate", west=190.0, east=194.0, north=66.0),
    Region(name="east_pacific", role="calibrate", west=250.0, east=254.0, north=66.0),
)
"""The published Atlantic band held out, a band to select on and four to calibrate on, with every regime in each role.

They end at 66N: in the Arctic Ocean, where all longitudes meet, bands and their buffers would leave little to train.
"""
