"""The fitted regimes as one object: it gives regime, votes and confidence for any budget of the same terms."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from sklearn.preprocessing import StandardScaler

from thor.core.errors import ConfigError, DataError
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.budget import require_closed
from thor.regimes.clustering import budget_points, cluster_runs, require_enough_points, run_labels
from thor.regimes.consensus import assign_by_vote, build_consensus, contingency, match_classes, votes
from thor.regimes.naming import regime_flags
from thor.regimes.recognition import name_regimes
from thor.regimes.settings import ClusteringSettings

BLOCK_CELLS = 50_000


@dataclass(frozen=True)
class RegimeModel:
    """Scaler, centroids of all runs, and which cluster of which run is which regime.

    Attributes
    ----------
    terms : tuple of str
        Budget terms in the order of the columns.
    mean, scale : ndarray of shape (n_terms,), [m s-2]
        Standardisation, unweighted over the cells of the fitted budget (as published).
    centroids : ndarray of shape (n_runs, n_clusters, n_terms)
        In standard deviations.
    regime_of_cluster : ndarray of int8, shape (n_runs, n_clusters)
    inertia, seeds : ndarray of shape (n_runs,)
    consensus_of_run : ndarray of int, shape (n_runs,)
        Independent consensus each run was made for.
    group : ndarray of int, shape (n_runs,)
        Runs that agree; regimes are assigned by vote within group 0.
    representative : int
        Run of lowest inertia in group 0.
    names, long_names : tuple of str
        Names and their meanings by regime number.
    naming : str
        How the names were found: `signature`, `balance` or `reference`.
    settings : ClusteringSettings
    """

    terms: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    centroids: np.ndarray
    regime_of_cluster: np.ndarray
    inertia: np.ndarray
    seeds: np.ndarray
    consensus_of_run: np.ndarray
    group: np.ndarray
    representative: int
    names: tuple[str, ...]
    long_names: tuple[str, ...]
    naming: str
    settings: ClusteringSettings

    @property
    def n_regimes(self) -> int:
        """Number of regimes."""
        return len(self.names)

    def standardise(self, points: np.ndarray) -> np.ndarray:
        """Return terms [m s-2], shape (n_cells, n_terms), in standard deviations of the fitted budget."""
        return (points - self.mean) / self.scale

    def cell_regimes(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return regime in every run and cluster in every run, both (n_runs, n_cells), of points in m s-2."""
        clusters = run_labels(self.standardise(points), self.centroids)
        return np.take_along_axis(self.regime_of_cluster, clusters, axis=1), clusters

    def assign(self, regimes: np.ndarray) -> np.ndarray:
        """Return the consensus regime of each cell from its regimes in every run, (n_runs, n_cells)."""
        return assign_by_vote(regimes, self.group, representative=self.representative, n_classes=self.n_regimes)

    def predict(self, budget: xr.Dataset) -> xr.Dataset:
        """Return the regimes of a budget on any grid, in blocks of rows.

        Parameters
        ----------
        budget : xarray.Dataset
            The terms [m s-2] and `analysis_mask`, dims (y, x) or (lat, lon); dask-backed fields are read by
            block.

        Returns
        -------
        xarray.Dataset
            `regime` (int8, -1 outside), `regime_votes` (regime, y, x; sums to one over all runs, NaN
            outside), `regime_confidence` (vote share of `regime`), `cluster` (int16, of the representative
            run, -1 outside).

        Raises
        ------
        DataError
            When a term or the mask is missing or a term is not finite inside the mask.
        """
        dims = tuple(str(dim) for dim in _mask(budget).dims)
        rows, columns = (budget.sizes[dim] for dim in dims)
        fields: dict[str, np.ndarray] = {
            "regime": np.full((rows, columns), -1, dtype=np.int8),
            "regime_votes": np.full((self.n_regimes, rows, columns), np.nan, dtype=np.float32),
            "regime_confidence": np.full((rows, columns), np.nan, dtype=np.float32),
            "cluster": np.full((rows, columns), -1, dtype=np.int16),
        }
        height = max(1, BLOCK_CELLS // columns)
        for start in range(0, rows, height):
            part = slice(start, start + height)
            block = budget[[*self.terms, "analysis_mask"]].isel({dims[0]: part})
            if not (block["analysis_mask"] == 1).any():
                continue
            points, mask = budget_points(block, terms=self.terms)
            regimes, clusters = self.cell_regimes(points)
            assigned, shares = self.assign(regimes), votes(regimes, self.n_regimes)
            fields["regime"][part][mask] = assigned
            fields["regime_votes"][:, part][:, mask] = shares
            fields["regime_confidence"][part][mask] = _of_regime(shares, assigned)
            fields["cluster"][part][mask] = clusters[self.representative]
        described = {
            name: (("regime", *dims)[-values.ndim :], values, variable(name).attrs) for name, values in fields.items()
        }
        out = xr.Dataset(described, coords=budget["analysis_mask"].coords)
        out["regime"].attrs |= regime_flags(self.names, self.long_names) | {"naming": self.naming}
        return out

    def aligned_to(self, budget: xr.Dataset) -> "RegimeModel":
        """Return the model with its regime numbers matched to `reference_regime` of the budget it was fitted on.

        Optimal assignment on the contingency table of consensus and given regimes over the cells of
        `analysis_mask`. The given labels determine the names.

        Raises
        ------
        DataError
            When there is no `reference_regime` or it holds more classes than the model.
        """
        reference = reference_labels(budget, n_regimes=self.n_regimes)
        points, mask = budget_points(budget, terms=self.terms)
        given, assigned = reference[mask], self.assign(self.cell_regimes(points)[0])
        labelled = given >= 0
        table = contingency(assigned[labelled], given[labelled], self.n_regimes)
        matched = match_classes(table, keep_last=False)
        found = name_regimes(given, budget, n_classes=self.n_regimes, numbering="reference")
        return replace(
            self,
            regime_of_cluster=matched[self.regime_of_cluster],
            names=found.names,
            long_names=found.long_names,
            naming=found.rule,
        )

    def with_reference_labels(self, budget: xr.Dataset) -> xr.Dataset:
        """Return the given labels as regimes, with the votes of this model, whose numbers must be `aligned_to` them.

        `regime` is `reference_regime` inside `analysis_mask`; labels outside the mask are dropped. A cell of
        the mask without a label has regime -1 and confidence 0; attributes of `regime` count both kinds. The
        rest is as in `predict`.
        """
        reference = reference_labels(budget, n_regimes=self.n_regimes)
        regimes = self.predict(budget)
        dims = regimes["regime"].dims
        inside = regimes["cluster"].values >= 0
        given = np.where(inside, reference, -1).astype(np.int8)
        shares = _of_regime(regimes["regime_votes"].values, np.maximum(given, 0))
        confidence = np.where(inside, np.where(given >= 0, shares, 0.0), np.nan).astype(np.float32)
        counts = {
            "n_labels_outside_analysis_mask": int(((reference >= 0) & ~inside).sum()),
            "n_cells_without_label": int(((given < 0) & inside).sum()),
        }
        regimes["regime"] = (dims, given, regimes["regime"].attrs | {"labels": "reference_regime"} | counts)
        regimes["regime_confidence"] = (dims, confidence, regimes["regime_confidence"].attrs)
        return regimes


def fit_regimes(
    budget: xr.Dataset,
    *,
    settings: ClusteringSettings,
    seed: int,
    numbering: Literal["physics", "reference"] = "physics",
    progress: bool = True,
) -> RegimeModel:
    """Return the regimes of a vorticity budget.

    The runs of all consensuses are combined: more runs make a more stable map, and the agreement
    between consensuses of `settings.n_runs` each (`clustering_metrics`) is then a lower bound for it.

    Parameters
    ----------
    budget : xarray.Dataset
        The five terms [m s-2], all on one side, `analysis_mask`, `areacello` [m2] and `lat`; dims (y, x) or (lat, lon).
    settings : ClusteringSettings
    seed : int
        The same seed gives the same model bit for bit, whatever the number of processes.
    numbering : {"physics", "reference"}
        Whether regimes are numbered by their stress curl, or as in `reference_regime`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ConfigError
        When there are more clusters than cells, or a corrected budget is to be numbered as the published labels.
    DataError
        When the budget does not close, lacks a variable, or has a term that is constant or not finite.
    """
    points, _ = budget_points(budget)
    require_enough_points(len(points), settings.n_clusters)
    require_closed(budget)
    if numbering == "reference":
        require_released(budget)
        reference_labels(budget, n_regimes=settings.n_regimes)
    scaler = fit_term_scaler(points)
    standardised = scaler.transform(points)
    runs = cluster_runs(standardised, settings=settings, seed=seed, progress=progress)
    labels = run_labels(standardised, runs.centroids)
    consensus = build_consensus(labels, runs.inertia, settings)
    naming = name_regimes(consensus.assign(labels), budget, n_classes=settings.n_regimes, merged=settings.merges)
    model = RegimeModel(
        terms=BUDGET_TERMS,
        mean=scaler.mean_,
        scale=scaler.scale_,
        **vars(runs),
        regime_of_cluster=naming.regime_of_class[consensus.class_of_cluster],
        consensus_of_run=np.arange(len(runs.seeds)) // settings.n_runs,
        group=consensus.group,
        representative=consensus.representative,
        names=naming.names,
        long_names=naming.long_names,
        naming=naming.rule,
        settings=settings,
    )
    return model.aligned_to(budget) if numbering == "reference" else model


def fit_term_scaler(points: np.ndarray) -> StandardScaler:
    """Return the standardisation of the terms, unweighted as published; raise DataError for a constant term."""
    constant = [name for name, spread in zip(BUDGET_TERMS, np.ptp(points, axis=0), strict=True) if spread == 0]
    if constant:
        raise DataError(f"{', '.join(map(repr, constant))} has one value in all cells: it cannot be standardised.")
    return StandardScaler().fit(points)


def require_released(budget: xr.Dataset) -> None:
    """Raise ConfigError for a corrected budget: the labels that come with it are regimes of the released terms."""
    if budget.attrs.get("budget") == "corrected":
        raise ConfigError(
            "The published labels are regimes of the released budget, and this one is corrected: votes, confidence and "
            "names would be those of other regimes. Set regime_clustering.labels: clustering and numbering: physics, "
            "or data_engineering.budget: released."
        )


def reference_labels(budget: xr.Dataset, *, n_regimes: int) -> np.ndarray:
    """Return `reference_regime` as int8 in the dims order of `analysis_mask`, -1 where there is no label."""
    if "reference_regime" not in budget:
        raise DataError("The vorticity budget has no 'reference_regime': published labels come with ECCO only.")
    given = budget["reference_regime"].transpose(*_mask(budget).dims).values
    labels = np.where(np.isfinite(given), given, -1).astype(np.int8)
    if labels.max() >= n_regimes:
        raise DataError(
            f"'reference_regime' holds label {labels.max()} but n_regimes is {n_regimes}: labels must be below it."
        )
    return labels


def _of_regime(shares: np.ndarray, regime: np.ndarray) -> np.ndarray:
    """Return the share (n_regimes, ...) of the regime (...) of each cell."""
    return np.take_along_axis(shares, regime[None].astype(int), axis=0)[0]


def _mask(budget: xr.Dataset) -> xr.DataArray:
    if "analysis_mask" not in budget:
        raise DataError(f"The vorticity budget has no variable 'analysis_mask'; got {sorted(map(str, budget))}.")
    return budget["analysis_mask"]
