"""A contract: the variables a stage requires, the region where they must be finite, and further rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import xarray as xr

MASKS = ("analysis_mask", "valid")
"""Variables that are 1 in the cells that count, 0 elsewhere."""


@dataclass(frozen=True)
class Contract:
    """What a stage relies on.

    Attributes
    ----------
    required, optional : tuple of str
        Variables that must, and that may, be there. `optional` None allows whatever variables.yml knows.
    extra_dims : mapping of str to tuple of str
        Leading dimensions of the variables that have more than the grid's two.
    over_windows : bool
        Whether variables may have a leading dimension `window`.
    gaps : tuple of str
        Variables that need not be finite anywhere: stress on its u and v points.
    may_be_missing : tuple of str
        Those of them that may have no finite value at all: without a baseline window no change is defined.
    tables : mapping of str to tuple of str
        Variables that lie on no grid, with their dimensions, required unless they are `optional` too.
    over : str or None
        Region in which every field must be finite, where that of the table does not fit this stage.
    raw : bool
        As it came: any convertible units, any longitude convention, gaps allowed, unknown variables ignored.
    rules : tuple of callables
        Further rules ``rule(dataset, regions) -> (scalars, verdict)``, as in `thor.core.contracts.rules`. That the
        required ones of `MASKS` are binary holds anyway.
    name : str
        That of the stage, for messages.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] | None = ()
    extra_dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    over_windows: bool = False
    gaps: tuple[str, ...] = ()
    may_be_missing: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    over: str | None = None
    raw: bool = False
    rules: tuple["ContractRule", ...] = ()
    name: str = ""


Verdict = Callable[[Mapping[str, float]], str | None]
"""Reads the computed scalars and returns the complaint, or None."""

Regions = Mapping[str, xr.DataArray]
"""Masks of the cells of a dataset: `ocean`, `analysis`, `valid`, as far as it gives them."""

ContractRule = Callable[[xr.Dataset, Regions], tuple[dict[str, xr.DataArray], Verdict]]
"""Returns named lazy scalars and the verdict on their values."""


def cells_text(count: float) -> str:
    """Return a number of cells in words."""
    return f"{int(count)} cell{'' if count == 1 else 's'}"
