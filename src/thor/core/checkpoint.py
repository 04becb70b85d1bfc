"""Long work that continues where it stopped, from a checkpoint with its finished parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import xarray as xr


class Checkpoint(Protocol):
    """Keeps parts of unfinished work under names."""

    def load(self, name: str) -> xr.Dataset | None:
        """Return the part kept under this name, or None."""

    def save(self, name: str, part: xr.Dataset) -> None:
        """Keep a part; an earlier one of this name is replaced."""


@dataclass(frozen=True)
class Resumable:
    """A function that makes a dataset and can continue from a checkpoint; without one it starts afresh."""

    work: Callable[[Checkpoint], xr.Dataset]

    def __call__(self, checkpoint: Checkpoint | None = None) -> xr.Dataset:
        """Do the work."""
        return self.work(checkpoint or NoCheckpoint())


class NoCheckpoint:
    """A checkpoint that keeps nothing."""

    def load(self, name: str) -> xr.Dataset | None:
        """Return None."""
        return None

    def save(self, name: str, part: xr.Dataset) -> None:
        """Keep nothing."""
