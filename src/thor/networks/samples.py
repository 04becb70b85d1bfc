"""Labelled cells as a table of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thor.core.arrays import Array
from thor.core.errors import GridError, NetworkError, did_you_mean
from thor.core.variables import FEATURES, variable
from thor.networks.inputs import cell_inputs
from thor.networks.split import ROLES, SIMILAR_ADVICE, similar_oceans
from thor.ocean.cells import on_same_grid, valid_cells
from thor.ocean.similar_oceans import SimilarOcean
from thor.regimes.naming import regime_names


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled cells as a table.

    Attributes
    ----------
    inputs : ndarray of shape (n_samples, n_features)
        Features in their units, not scaled.
    labels : ndarray of int, shape (n_samples,)
        Number of the regime.
    area : ndarray of shape (n_samples,), [m2]
    confidence : ndarray of shape (n_samples,)
        Share of clustering runs that agree with the label.
    lat, lon : ndarray of shape (n_samples,), [degrees]
    basin : ndarray of int, shape (n_samples,)
        Codes of `thor.ocean.basins`.
    role : ndarray of int, shape (n_samples,)
        Codes of `thor.networks.split.ROLES`.
    index : ndarray of int, shape (n_samples,)
        Place in the flattened grid, C order of `valid`.
    similar_labels : ndarray of int, shape (n_samples, n_similar)
        Number of the regime that the cell has in each ocean of `similar`.
    ocean : ndarray of int, shape (n_samples,)
        0 for samples of the training ocean, k of ocean k - 1 of `similar`.
    features, units : tuple of str
    classes : tuple of str
        Names of the regimes by number.
    roles : dict of str to str
        Role whose cells are used for each role: the same, but test for select in a published split.
    similar : tuple of SimilarOcean
        Oceans that predictors are trained on besides (`modelling.split.reflect`, `modelling.split.rescale`).
    """

    inputs: Array
    labels: NDArray[np.int64]
    area: Array
    confidence: Array
    lat: Array
    lon: Array
    basin: NDArray[np.int64]
    role: NDArray[np.int64]
    index: NDArray[np.int64]
    similar_labels: NDArray[np.int64]
    ocean: NDArray[np.int64]
    features: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    roles: Mapping[str, str]
    similar: tuple[SimilarOcean, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def _per_sample(self) -> dict[str, Any]:
        return {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}

    def take(self, chosen: NDArray[Any]) -> "Samples":
        """Return the samples at `chosen`, a mask or indices."""
        return replace(self, **{name: values[chosen] for name, values in self._per_sample().items()})

    def with_features(self, names: tuple[str, ...]) -> "Samples":
        """Return the samples with these of their features only, in this order."""
        kept = [self.features.index(name) for name in names]
        return replace(self, inputs=self.inputs[:, kept], features=names, units=tuple(self.units[k] for k in kept))

    def with_role(self, name: str) -> "Samples":
        """Return the samples used to `train`, `select` or `test`.

        Raises
        ------
        NetworkError
            When there is no such role, or no sample has it.
        """
        if name not in self.roles:
            raise NetworkError(f"There is no role '{name}'.{did_you_mean(name, self.roles)}")
        chosen = self.role == ROLES.index(self.roles[name])
        if not chosen.any():
            raise NetworkError(f"None of the {len(self)} samples has the role '{name}'. Change modelling.split.")
        return self.take(chosen)

    def term_factors(self, terms: Sequence[str]) -> Array:
        """Return by what the terms of the budget of each sample's cell are multiplied, shape (n_samples, n_terms)."""
        return np.stack([ocean.term_factors(terms) for ocean in (SimilarOcean(), *self.similar)])[self.ocean]

    def values_of(self, dataset: xr.Dataset, names: Sequence[str]) -> Array:
        """Return fields of a dataset in the cells of the samples, shape (n_samples, n_names).

        Raises
        ------
        GridError
            When the cells lie elsewhere in the dataset: its grid, or the order of its dims, is another one.
        """
        first = dataset[names[0]]
        places = (dataset[axis].broadcast_like(first).transpose(*first.dims) for axis in ("lat", "lon"))
        lat, lon = (place.values.ravel() for place in places)
        sign = np.array([1, *(ocean.sign for ocean in self.similar)])[self.ocean]
        if not (
            self.index.max(initial=0) < first.size
            and np.array_equal(sign * lat[self.index], self.lat)
            and np.array_equal(lon[self.index], self.lon)
        ):
            raise GridError(
                f"{names[0]} and the features that the samples were taken from are on different grids, or their dims "
                "have another order. Make both from the same training ocean."
            )
        fields = (dataset[name].transpose(*first.dims).values.ravel()[self.index] for name in names)
        return np.stack(list(fields), axis=1).astype(float)

    def to_train(self) -> "Samples":
        """Return the samples used to train: as they are, then the same in each similar ocean."""
        train = self.with_role("train")
        parts = [each._per_sample() for each in (train, *map(train._in_similar, range(len(self.similar))))]
        together: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return replace(train, **together)

    def with_similar(self, oceans: Sequence[SimilarOcean]) -> "Samples":
        """Return the samples with these of their similar oceans only, in this order."""
        kept = [self.similar.index(ocean) for ocean in oceans]
        return replace(self, similar=tuple(oceans), similar_labels=self.similar_labels[:, kept])

    def _in_similar(self, k: int) -> "Samples":
        ocean = self.similar[k]
        return replace(
            self,
            inputs=self.inputs * ocean.feature_factors(self.features),
            labels=self.similar_labels[:, k],
            lat=ocean.sign * self.lat,
            ocean=np.full(len(self), 1 + k),
        )


def samples_from(
    features: xr.Dataset, regimes: xr.Dataset, split: xr.Dataset, *, names: Sequence[str] = FEATURES
) -> Samples:
    """Return the cells that are valid, have a regime and a role, as one table in C order of the grid.

    Parameters
    ----------
    features : xarray.Dataset
        The named features, `valid`, `basin`, `areacello`.
    regimes : xarray.Dataset
        `regime` with CF flags, `regime_confidence`, on the same grid; `similar_regime` where the split has the
        attribute `reflect` or `rescale`.
    split : xarray.Dataset
        As from `thor.networks.split.make_split`, on the same grid.
    names : sequence of str
        Features in the order in which networks take them.

    Raises
    ------
    NetworkError
        When a feature is missing or not finite in a valid cell, or no cell is left.
    GridError
        When the grids differ.
    """
    table, valid_index = cell_inputs(features, names=names)
    lat, lon, valid = valid_cells(features)

    def at_valid(dataset: xr.Dataset, name: str) -> NDArray[Any]:
        return on_same_grid(features["valid"], dataset, name)[valid]

    regime, role = at_valid(regimes, "regime"), at_valid(split, "role")
    used = (regime >= 0) & (role >= 0)
    if not used.any():
        raise NetworkError(
            f"None of the {valid_index.size} valid cells has both a regime and a role: there is nothing to train on. "
            "Regimes, split and features should be of one training ocean."
        )
    stands_in, oceans = {"select": split.attrs["select_role"]}, similar_oceans(regimes, split)
    elsewhere = [_known(at_valid(there, "regime")[used]) for there in oceans.values()]
    return Samples(
        inputs=table[used],
        labels=regime[used].astype(np.int64),
        area=at_valid(features, "areacello")[used].astype(float),
        confidence=at_valid(regimes, "regime_confidence")[used].astype(float),
        lat=lat[valid][used].astype(float),
        lon=lon[valid][used].astype(float),
        basin=at_valid(features, "basin")[used].astype(np.int64),
        role=role[used].astype(np.int64),
        index=valid_index[used],
        similar_labels=np.array(elsewhere, np.int64).reshape(len(oceans), used.sum()).T,
        ocean=np.zeros(used.sum(), np.int64),
        features=tuple(names),
        units=tuple(variable(name).units for name in names),
        classes=regime_names(regimes),
        roles={name: stands_in.get(name, name) for name in ROLES if name != "buffer"},
        similar=tuple(oceans),
    )


def _known(regime: NDArray[np.integer]) -> NDArray[np.integer]:
    if n := int((regime < 0).sum()):
        raise NetworkError(f"{n} of {regime.size} cells with a regime have no 'similar_regime'. {SIMILAR_ADVICE}")
    return regime
