"""Spatial correlation of errors: the correlogram on the sphere, its e-folding length, and a model with a long tail."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thor.core.arrays import Array
from thor.ocean.constants import EARTH_RADIUS
from thor.ocean.sphere import distance, unit_vectors

LEAST_PAIRS = 100
"""Least number of pairs of cells in a class of distances."""

_CLASS, _LARGEST_LAG = 50.0, 5000.0
"""Least width of a class of distances, and the largest distance at which the correlation is computed [km]."""
_N_CENTRES = 300
"""Cells, drawn in proportion to area, each of which is correlated with all others."""


def correlation_length(
    errors: np.ndarray, lat: np.ndarray, lon: np.ndarray, area: np.ndarray | None = None, *, seed: int = 0
) -> np.ndarray:
    """Return the e-folding distance [km] of the spatial correlation of errors.

    Parameters
    ----------
    errors : ndarray of shape (n_samples,) or (n_samples, n_fields)
        1 where wrong, else 0; or any other field.
    lat, lon : ndarray of shape (n_samples,), [degrees]
    area : ndarray of shape (n_samples,), optional, [m2]
        Weights of the cells.
    seed : int

    Returns
    -------
    ndarray of shape () or (n_fields,)
        Where the correlogram, linear between the mean distances of the classes, first falls below 1/e.
        0 where the errors do not vary; 5000 km where it does not fall so low within that distance.
    """
    fields = np.asarray(errors, dtype=float).reshape(len(lat), -1)
    found = correlogram(fields, lat, lon, area, seed=seed)
    lengths = [
        _e_folding(found.lag, covariance, variance)
        for covariance, variance in zip(found.covariance, found.variance, strict=True)
    ]
    return np.array(lengths).reshape(np.shape(errors)[1:])


@dataclass(frozen=True, eq=False)
class Correlogram:
    """Covariance of fields by distance, about their means.

    Attributes
    ----------
    n_pairs : ndarray of shape (n_classes,)
        Pairs of cells in each class of distances.
    lag : ndarray of shape (n_classes,), [km]
        Mean distance.
    covariance : ndarray of shape (n_fields, n_classes)
    variance : ndarray of shape (n_fields,)
    """

    n_pairs: Array
    lag: Array
    covariance: Array
    variance: Array


def correlogram(
    fields: np.ndarray,
    lat: np.ndarray,
    lon: np.ndarray,
    area: np.ndarray | None = None,
    *,
    seed: int = 0,
    largest_lag: float = _LARGEST_LAG,
) -> Correlogram:
    """Return the covariance of fields, shape (n_samples, n_fields), in classes of distances up to `largest_lag` [km].

    The other parameters are those of `correlation_length`.

    Notes
    -----
    Classes of distances are at least 50 km wide and no narrower than the grid spacing, the distance to the nearest
    cell that 90 % of the centres do not exceed; classes are joined until each contains at least `LEAST_PAIRS` pairs.
    In narrower classes the shortest distances would be those of a few cells near the poles, whose product is noise.
    """
    from scipy.sparse import csr_array

    weights = np.full(len(lat), 1.0 / len(lat)) if area is None else area / area.sum()
    anomalies = fields - np.average(fields, axis=0, weights=weights)
    drawn = min(_N_CENTRES, int(np.count_nonzero(weights)))
    centres = np.random.default_rng(seed).choice(len(lat), size=drawn, replace=False, p=weights)
    positions = unit_vectors(lat, lon)
    width = max(_CLASS, _grid_spacing(positions, centres))
    n_classes = int(np.ceil(largest_lag / width))
    # Columns: weight of the pairs, their distance, and the product of each field with that at the centre.
    sums, pairs = np.zeros((n_classes, 2 + fields.shape[1])), np.zeros(n_classes, int)
    for centre in centres:
        away = distance(positions, positions[:, centre, None]) * EARTH_RADIUS / 1000.0
        near = np.flatnonzero(away < largest_lag)
        near = near[near != centre]
        values = np.column_stack([np.ones(near.size), away[near], anomalies[near] * anomalies[centre]])
        place = (away[near] / width).astype(int)
        pairs += np.bincount(place, minlength=n_classes)
        sums += csr_array((weights[near], (place, np.arange(near.size))), shape=(n_classes, near.size)) @ values
    starts = _class_starts(pairs)
    sums, pairs = np.add.reduceat(sums, starts), np.add.reduceat(pairs, starts)
    known = sums[:, 0] > 0
    lag, *covariances = (sums[known, 1:] / sums[known, :1]).T
    return Correlogram(
        pairs[known].astype(float), lag, np.array(covariances), np.average(anomalies**2, axis=0, weights=weights)
    )


def _grid_spacing(positions: np.ndarray, centres: np.ndarray) -> float:
    """Return the distance to the nearest cell [km] that 90 % of the centres do not exceed."""
    from scipy.spatial import KDTree

    chord = KDTree(positions.T).query(positions[:, centres].T, k=2)[0][:, 1]
    # A single cell has its nearest one at infinity.
    return float(np.quantile(np.minimum(chord * EARTH_RADIUS / 1000.0, _LARGEST_LAG), 0.9))


def _class_starts(pairs: np.ndarray) -> list[int]:
    """Return the first class of each group of neighbouring classes with at least `LEAST_PAIRS` pairs together."""
    starts, held = [0], 0
    for place, number in enumerate(pairs):
        if held >= LEAST_PAIRS:
            starts.append(place)
            held = 0
        held += number
    return starts if held >= LEAST_PAIRS or len(starts) == 1 else starts[:-1]


def _e_folding(lag: np.ndarray, covariance: np.ndarray, variance: float) -> float:
    # round-off leaves a constant field a variance of about 1e-32
    if variance < 1e-15:
        return 0.0
    lag, correlation = np.concatenate([[0.0], lag]), np.concatenate([[1.0], covariance / variance])
    below = np.flatnonzero(correlation < np.exp(-1.0))
    if not below.size:
        return _LARGEST_LAG
    after = below[0]
    share = (correlation[after - 1] - np.exp(-1.0)) / (correlation[after - 1] - correlation[after])
    return float(lag[after - 1] + share * (lag[after] - lag[after - 1]))


SCALES = (50.0, 150.0, 500.0, 1500.0, 5000.0)
"""Lengths of the exponentials that make up the correlation of errors [km]."""

_TAIL_LAG = 3000.0
"""Largest distance to which the correlation is fitted [km]: beyond, a basin has few independent pairs of cells."""

_N_PAIRS = 50_000
"""Random pairs of cells from which the mean correlation of a region is estimated."""


@dataclass(frozen=True, eq=False)
class ErrorCorrelation:
    """Correlation of errors as a sum of exponentials of distance, and a part without any (nugget).

    Attributes
    ----------
    shares : ndarray of shape (n_scales,)
        Share of the variance with each of `SCALES`; the rest is the nugget.
    """

    shares: Array

    def effective_cells(self, lat: Array, lon: Array, area: Array | None = None, *, seed: int = 0) -> float:
        """Return how many independent cells would estimate an expected score as well as these, at least 1.

        Parameters
        ----------
        lat, lon : ndarray of shape (n_samples,), [degrees]
        area : ndarray of shape (n_samples,), optional
            Weights of the cells in the score.
        seed : int
        """
        weights = np.full(len(lat), 1.0 / len(lat)) if area is None else area / area.sum()
        of_mean = float(self.shares @ _mean_correlation(lat, lon, weights, seed=seed))
        of_mean += max(0.0, 1.0 - self.shares.sum()) * float((weights**2).sum())
        # The sample's variance is smaller than that of the errors by the variance of its mean.
        return max(1.0, (1.0 - of_mean) / of_mean)


def error_correlation(basins: Sequence[tuple[Array, Array, Array]], *, seed: int = 0) -> list[ErrorCorrelation]:
    """Return the correlation of the errors of each predictor in several basins, about the mean of each basin.

    Parameters
    ----------
    basins : sequence of (errors, lat, lon)
        Errors of shape (n_samples, n_predictors), 1 where wrong and 0 elsewhere; positions of shape (n_samples,)
        [degrees].
    seed : int

    Notes
    -----
    Anomalies from the mean of a basin have a covariance that is too small by the variance of this mean: with
    correlation r at a distance and R its mean over all pairs of cells, the expected correlogram is (r - R) / (1 - R).
    That is linear in the shares, which follow from non-negative least squares over the classes of distances of all
    basins, weighted by their pairs.
    """
    from scipy.optimize import nnls

    found = [correlogram(errors, lat, lon, seed=seed, largest_lag=_TAIL_LAG) for errors, lat, lon in basins]
    means = [_mean_correlation(lat, lon, None, seed=seed) for _, lat, lon in basins]
    # Cells too far apart to tell a short exponential from no correlation give it any share.
    resolved = np.array(SCALES) > min(of_basin.lag.min(initial=np.inf) for of_basin in found) / 2
    correlations = []
    for predictor in range(basins[0][0].shape[1]):
        rows, values = [], []
        for of_basin, mean in zip(found, means, strict=True):
            if of_basin.variance[predictor] > 0:
                correlation = of_basin.covariance[predictor] / of_basin.variance[predictor]
                weight = np.sqrt(of_basin.n_pairs)
                rows.append(weight[:, None] * (_exponentials(of_basin.lag) - mean + correlation[:, None] * mean))
                values.append(weight * correlation)
        shares = np.zeros(len(SCALES))
        if rows and resolved.any():
            shares[resolved], _ = nnls(np.concatenate(rows)[:, resolved], np.concatenate(values))
        correlations.append(ErrorCorrelation(shares / max(1.0, shares.sum())))
    return correlations


def _exponentials(lag: Array) -> Array:
    return np.exp(-lag[..., None] / np.array(SCALES))


def _mean_correlation(lat: Array, lon: Array, weights: Array | None, *, seed: int) -> Array:
    """Return the mean of each exponential over random pairs of cells, shape (n_scales,)."""
    first, second = np.random.default_rng(seed).choice(len(lat), size=(2, _N_PAIRS), p=weights)
    positions = unit_vectors(lat, lon)
    apart = distance(positions[:, first], positions[:, second]) * EARTH_RADIUS / 1000.0
    return _exponentials(apart).mean(axis=0)
