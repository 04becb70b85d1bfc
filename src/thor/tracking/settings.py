"""How runs are tracked: settings, checked when they are made."""

from dataclasses import dataclass

from thor.core.ranges import require_at_least, require_positive, require_share


@dataclass(frozen=True, kw_only=True)
class TrackingSettings:
    """How change is judged and how much is done at once.

    Attributes
    ----------
    false_discovery_rate : float
        Largest expected share of falsely called area in the area called a forced change, in each window.
    null_quantile : float
        Quantile of P(change) in the control run that a forced change also exceeds.
    interval_level : float
        Share of the networks inside the interval of an area.
    n_strata : int
        Classes of cells, by how certain the networks are of the baseline, that have a null distribution each.
    min_pairs : int
        Pairs of control windows equally far apart from which a null distribution may be made; with fewer, the nearest
        separation that has as many stands in.
    max_control_windows : int
        Windows of a control run that are used, the latest: memory and time grow with their square.
    max_variants : int
        Variants of an experiment that are used besides, in the order of their labels.
    block_cells : int
        Cells that go through the networks as one piece of work. Has no influence on the result but for rounding.
    """

    false_discovery_rate: float = 0.1
    null_quantile: float = 0.95
    interval_level: float = 0.9
    n_strata: int = 10
    min_pairs: int = 5
    max_control_windows: int = 20
    max_variants: int = 5
    block_cells: int = 20_000

    def __post_init__(self) -> None:
        for name in ("false_discovery_rate", "null_quantile", "interval_level"):
            require_share(name, getattr(self, name))
        for name in ("n_strata", "min_pairs", "max_control_windows", "max_variants", "block_cells"):
            require_at_least(name, getattr(self, name), 1)


@dataclass(frozen=True, kw_only=True)
class AgreementSettings:
    """What many climate models are compared in.

    Attributes
    ----------
    window : str
        Label of a window, or `last`: that of each run, whatever its years.
    spacing_degrees : float
        Of the common grid; has to divide 180.
    min_models : int
        With fewer models in a cell, nothing is said about how robust a change is.
    """

    window: str = "last"
    spacing_degrees: float = 2.0
    min_models: int = 2

    def __post_init__(self) -> None:
        require_positive("spacing_degrees", self.spacing_degrees)
        require_at_least("min_models", self.min_models, 1)
