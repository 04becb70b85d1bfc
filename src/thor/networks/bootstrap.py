"""Confidence intervals of scores: a spatial block bootstrap on the sphere, and its block size.

The errors of neighbouring cells are correlated, so cells are not independent. Whole blocks are drawn with replacement
instead. Every score is a function of sums over cells, so a resample is a weighted sum of the sums of each block.
"""

from dataclasses import dataclass

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import NetworkError
from thor.core.settings import BlockDegrees, Resamples, Settings, Share
from thor.networks.correlogram import correlation_length
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import sphere_blocks

LEAST_DEGREES, LARGEST_DEGREES = 10.0, 45.0
"""Bounds of a block size from a correlation length; the published noise has blocks of 10 degrees."""

LENGTHS_PER_BLOCK = 10.0
"""Side of a block in correlation lengths, where none is given.

Errors of 0 and 1 lose most of their correlation within a cell or two, and the rest reaches far, so an e-folding length
alone is much too small a block. For synthetic fields of errors (e-folding at 100, 150 and 290 km, with an exponential
tail of 100, 300 and 700 km), intervals of 90 % contain the true score in 89, 81 and 76 % of the fields with this rule,
in 83, 56 and 55 % with blocks of three lengths, and in 80, 37 and 25 % with independent cells.
"""

LEAST_BLOCKS = 5
"""Least number of blocks for an interval: with fewer, its bounds would be single blocks."""


class BootstrapSettings(Settings):
    """How intervals of scores are made."""

    n_bootstrap: Resamples = 1000
    """Resamples of spatial blocks."""
    level: Share = 0.9
    """Share of resamples inside an interval."""
    block_degrees: BlockDegrees | None = None
    """Least side of a block, along a great circle; null: from the measured correlation length of the errors [degrees].
    """


@dataclass(frozen=True, eq=False)
class BlockBootstrap:
    """Resamples of blocks of cells, shared by all scores of these cells.

    Attributes
    ----------
    block : ndarray of int, shape (n_samples,)
        Block of each cell, 0 to `n_blocks` - 1.
    counts : ndarray of shape (n_bootstrap, n_blocks)
        How often each block is drawn in each resample.
    degrees : float
        Least side of a block.
    length : float
        Correlation length of the errors [km].
    level : float
        Share of resamples inside an interval.
    """

    block: np.ndarray
    counts: np.ndarray
    degrees: float
    length: float
    level: float

    @classmethod
    def of_cells(
        cls, lat: Array, lon: Array, degrees: float, settings: BootstrapSettings, *, seed: int, length: float = np.nan
    ) -> "BlockBootstrap":
        """Return resamples of blocks with sides of at least so many degrees."""
        block = sphere_blocks(lat, lon, degrees=degrees)
        n_blocks = int(block.max()) + 1
        even = np.full(n_blocks, 1.0 / n_blocks)
        counts = np.random.default_rng(seed).multinomial(n_blocks, even, size=settings.n_bootstrap).astype(float)
        return cls(block, counts, degrees, length, settings.level)

    @property
    def n_blocks(self) -> int:
        """Number of blocks with cells."""
        return int(self.counts.shape[1])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return sums over the cells of each block, shape (n_blocks, k), from values of shape (n_samples, k)."""
        return np.stack([np.bincount(self.block, column, minlength=self.n_blocks) for column in values.T], axis=-1)

    def draws(self, sums: np.ndarray) -> np.ndarray:
        """Return sums over the cells of each resample, shape (n_bootstrap, k), from those of the blocks."""
        # einsum, not BLAS: the order of BLAS's sums depends on the number of threads, and with it the last digits.
        return np.einsum("db,bk->dk", self.counts, sums)

    def interval(self, draws: np.ndarray) -> dict[str, float | None]:
        """Return the percentile interval of a statistic, one value for each resample, as `low`, `high`, `level`.

        Resamples in which the statistic is undefined (NaN) are left out; the bounds are None when none is left,
        or when there are fewer than `LEAST_BLOCKS` blocks.
        """
        defined = draws[np.isfinite(draws)]
        if self.n_blocks < LEAST_BLOCKS or not defined.size:
            return {"low": None, "high": None, "level": self.level}
        low, high = np.quantile(defined, [0.5 * (1 - self.level), 0.5 * (1 + self.level)])
        return {"low": float(low), "high": float(high), "level": self.level}

    def describe(self) -> dict[str, float]:
        """Return number and size of blocks, resamples and correlation length."""
        return {
            "n_blocks": self.n_blocks,
            "n_bootstrap": len(self.counts),
            "block_degrees": self.degrees,
            "correlation_length_km": self.length,
        }


def block_bootstraps(
    errors: np.ndarray,
    lat: np.ndarray,
    lon: np.ndarray,
    area: np.ndarray | None = None,
    *,
    settings: BootstrapSettings,
    seed: int,
) -> list[BlockBootstrap]:
    """Return resamples of blocks of cells for each column of errors, with blocks of the size that its errors need.

    Parameters
    ----------
    errors : ndarray of shape (n_samples, n_fields)
        1 where a predictor is wrong and 0 elsewhere, or the difference between two predictors.
    lat, lon : ndarray of shape (n_samples,), [degrees]
    area : ndarray of shape (n_samples,), optional, [m2]
        Weights of the correlation length.
    settings : BootstrapSettings
    seed : int
        Columns with blocks of one size share their resamples.

    Raises
    ------
    NetworkError
        When there is no cell.
    """
    if not len(lat):
        raise NetworkError("There is no cell to draw blocks from: the region is empty.")
    bootstraps = []
    for length in map(float, correlation_length(errors, lat, lon, area, seed=seed)):
        degrees = settings.block_degrees or block_size(length)
        bootstraps.append(BlockBootstrap.of_cells(lat, lon, degrees, settings, seed=seed, length=length))
    return bootstraps


def block_size(length: float) -> float:
    """Return the side of a block [degrees] for errors of this correlation length [km]."""
    degrees = np.rad2deg(1000.0 * LENGTHS_PER_BLOCK * length / EARTH_RADIUS)
    # Whole degrees: blocks of nearly the same size become the same blocks.
    return float(np.clip(np.ceil(degrees), LEAST_DEGREES, LARGEST_DEGREES))
