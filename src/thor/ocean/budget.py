"""The barotropic vorticity budget: terms on one side, and their closure."""

import numpy as np
import xarray as xr

from thor.core.contracts.rules import CLOSURE_TOLERANCE
from thor.core.errors import DataError
from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.grid import Grid
from thor.ocean.transports import beta_advection


def vorticity_budget(training_ocean: xr.Dataset, *, closure_tolerance: float) -> xr.Dataset:
    """Return the five budget terms where the budget is used, with its closure in the attributes.

    Parameters
    ----------
    training_ocean : xarray.Dataset
        Harmonised: the five terms [m s-2], `analysis_mask`, `areacello` [m2], optionally `reference_regime`.
    closure_tolerance : float
        Largest allowed rms of the sum of terms, as a share of the largest term's rms.

    Returns
    -------
    xarray.Dataset
        The terms (NaN outside `analysis_mask`), `analysis_mask` (each place of the ocean once, also where the grid
        repeats columns or rows), `areacello`, `reference_regime` if there is one;
        attributes `budget` (`released`, as given, or `corrected`), `closure_rms` [m s-2], `closure_tolerance`.

    Raises
    ------
    DataError
        When the budget does not close.
    """
    grid = Grid.from_dataset(training_ocean)
    once = xr.DataArray(np.isfinite(grid.lat) & ~grid.duplicate, dims=grid.dims)
    mask = (training_ocean["analysis_mask"] == 1) & has_all_terms(training_ocean) & once
    budget = training_ocean[[*BUDGET_TERMS]].where(mask)
    budget["analysis_mask"] = mask.astype("int8").assign_attrs(variable("analysis_mask").attrs)
    for name in ("areacello", "reference_regime"):
        if name in training_ocean:
            budget[name] = training_ocean[name]
    require_closed(budget, tolerance=closure_tolerance)
    budget.attrs |= {
        "budget": training_ocean.attrs.get("budget", "released"),
        "closure_rms": closure_rms(budget),
        "closure_tolerance": closure_tolerance,
        "comment": "All terms on one side: their sum is zero up to closure_rms [m s-2].",
    }
    return budget


def corrected_budget(training_ocean: xr.Dataset) -> xr.Dataset:
    """Return the training ocean with planetary advection from its transports, and the same sum of terms.

    Parameters
    ----------
    training_ocean : xarray.Dataset
        Harmonised: the five terms [m s-2] and `transport_northward` [m2 s-1], at their scale.

    Returns
    -------
    xarray.Dataset
        `planetary_vorticity_advection` is -beta V, NaN where V is unknown; `bottom_pressure_torque` is the sum of the
        two given terms minus it; attribute `budget` is `corrected`.

    Raises
    ------
    DataError
        When the ocean has no transports.

    Notes
    -----
    The curl of the Coriolis term is -div(f U) = -beta V - f div U. Steady transports have no divergence but that of
    fresh water, yet on a C grid over topography the discrete -f div U is large and the curl of the pressure term
    cancels it (Waldman & Giordani 2023, J. Adv. Model. Earth Syst., "Ocean barotropic vorticity balances: theory and
    application to numerical models"). It is counted in the pressure torque, as by Khatri et al. 2024,
    doi:10.1029/2023MS003813.
    """
    if "transport_northward" not in training_ocean:
        raise DataError(
            "The corrected budget needs 'transport_northward' [m2 s-1], the depth-integrated northward transport; the "
            "training ocean has none. Add it (ECCO: set THOR_DATA_MIRROR to a folder that holds ecco_v4r2), or set "
            "data_engineering.budget: released."
        )
    given = training_ocean["planetary_vorticity_advection"] + training_ocean["bottom_pressure_torque"]
    advection = beta_advection(training_ocean["transport_northward"], training_ocean["lat"]).transpose(*given.dims)
    terms = {
        "planetary_vorticity_advection": (advection, "-beta V"),
        "bottom_pressure_torque": (given - advection, "pressure and Coriolis terms as given, plus beta V"),
    }
    corrected = {
        name: training_ocean[name].copy(data=new).assign_attrs(comment=of) for name, (new, of) in terms.items()
    }
    return training_ocean.assign(corrected).assign_attrs(budget="corrected")


def closure_rms(budget: xr.Dataset) -> float:
    """Return the root mean square [m s-2] of the sum of the five terms over `analysis_mask`, unweighted."""
    total = sum(_cells(budget, term) for term in BUDGET_TERMS)
    return float(np.sqrt(np.mean(np.square(total))))


def require_closed(budget: xr.Dataset, *, tolerance: float | None = None) -> None:
    """Raise DataError when the sum's rms exceeds `tolerance` (by default its attribute) times the largest term's."""
    if tolerance is None:
        tolerance = float(budget.attrs.get("closure_tolerance", CLOSURE_TOLERANCE))
    if not int((budget["analysis_mask"] == 1).sum()):
        raise DataError("The vorticity budget has no cell: 'analysis_mask' is zero everywhere.")
    scale = {term: float(np.sqrt(np.mean(np.square(_cells(budget, term))))) for term in BUDGET_TERMS}
    largest = max(scale, key=scale.__getitem__)
    rms = closure_rms(budget)
    if rms > tolerance * scale[largest]:
        raise DataError(
            f"The vorticity budget does not close: the sum of the five terms has rms {rms:.3g} m s-2; expected at most "
            f"{tolerance:g} of the largest term's ({largest}, {scale[largest]:.3g} m s-2). Check the signs (all "
            "terms on one side), the units and which array is which term."
        )


def _cells(budget: xr.Dataset, term: str) -> np.ndarray:
    return budget[term].values[budget["analysis_mask"].values == 1]


def has_all_terms(dataset: xr.Dataset) -> xr.DataArray:
    """Return where none of the five terms is missing, without attributes."""
    return dataset[[*BUDGET_TERMS]].to_dataarray().notnull().all("variable").drop_attrs()
