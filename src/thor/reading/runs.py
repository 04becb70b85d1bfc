"""A run of a climate model: one variant of one experiment."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

Wanted = Sequence[str] | Literal["all"]
"""Names of models, experiments or variants, or all there are."""


def chosen_of(there: Sequence[str], wanted: Wanted) -> Sequence[str]:
    """Return the names wanted, in their order, as far as they are there."""
    return there if wanted == "all" else [name for name in wanted if name in there]


_AT_LEVEL = "-gwl"


def without_level(key: str) -> str:
    """Return the key of the run in the archive for one that is named after a warming level; others are unchanged.

    Also for the name of an experiment alone.
    """
    return re.sub(rf"{_AT_LEVEL}[\d.]+(?=/|$)", "", key)


def is_at_level(experiment_id: str) -> bool:
    """Return whether an experiment is the window of another at a level of warming."""
    return _AT_LEVEL in experiment_id


def level_words(experiment_id: str) -> str:
    """Return the level of warming after which an experiment is named, such as ``2.0 K``."""
    return f"{experiment_id.partition(_AT_LEVEL)[2]} K"


def variant_order(label: str) -> tuple[int, ...]:
    """Return what variants are sorted by: numbers as numbers, r2i1p1f1 before r10i1p1f1."""
    return tuple(int(number) for number in re.findall(r"\d+", label))


def is_control(experiment_id: str) -> bool:
    """Return whether an experiment has constant forcing, by its name: piControl, esm-piControl."""
    return "control" in experiment_id.lower()


@dataclass(frozen=True, order=True)
class Run:
    """One variant of one experiment of one climate model."""

    source_id: str
    experiment_id: str
    variant_label: str

    @property
    def key(self) -> str:
        """The run's name in collections, ``source/experiment/variant``."""
        return f"{self.source_id}/{self.experiment_id}/{self.variant_label}"

    def at_level(self, level: float) -> "Run":
        """Return the name of the run in its window at a level of global warming [K]."""
        return replace(self, experiment_id=f"{self.experiment_id}{_AT_LEVEL}{float(level)}")

    @property
    def facets(self) -> dict[str, str]:
        """Its `source_id`, `experiment_id` and `variant_label`."""
        return asdict(self)
