"""Rules of single stages: lazy scalars of a dataset, and the verdict on their values."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from thor.core.contracts.contract import ContractRule, Regions, Verdict, cells_text
from thor.core.variables import BUDGET_TERMS

CLOSURE_TOLERANCE = 1e-3
"""Largest accepted rms of the budget's sum over the rms of its largest term; ECCO v4r3 has 3.5e-4.

A budget that closes better, or is known to close worse, has its attribute `closure_tolerance`.
"""


def budget_closes(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
    """Require that the five terms sum to zero in the analysis region, up to the tolerance."""
    tolerance = float(dataset.attrs.get("closure_tolerance", CLOSURE_TOLERANCE))
    # In units of 1e-12 m s-2, so that squares stay far above the smallest float32.
    terms = [dataset[term].reset_coords(drop=True).where(regions["analysis"]) * 1e12 for term in BUDGET_TERMS]
    residual = sum(terms[1:], terms[0])
    scalars = {f"{term}|square": (array**2).mean() for term, array in zip(BUDGET_TERMS, terms, strict=True)}
    scalars["budget|square"] = (residual**2).mean()

    def verdict(values: Mapping[str, float]) -> str | None:
        rms = 1e-12 * values["budget|square"] ** 0.5
        largest = 1e-12 * max(values[f"{term}|square"] for term in BUDGET_TERMS) ** 0.5
        if rms <= tolerance * largest and largest > 0:
            return None
        return (
            f"the vorticity budget does not close: rms of the sum of its five terms is {rms:.3g} m s-2, that of the "
            f"largest term {largest:.3g}; expected a ratio of at most {tolerance:g}. "
            "Check signs (all terms on one side), density and masks."
        )

    return scalars, verdict


def mask_is_binary(name: str) -> ContractRule:
    """Require that the mask holds 0 and 1 only, and at least one 1."""

    def rule(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
        mask = dataset[name].reset_coords(drop=True)
        scalars = {f"{name}|odd": (~mask.isin([0, 1])).sum(), f"{name}|ones": (mask == 1).sum()}

        def verdict(values: Mapping[str, float]) -> str | None:
            if values[f"{name}|odd"]:
                return f"'{name}' holds values other than 0 and 1 in {cells_text(values[f'{name}|odd'])}."
            return None if values[f"{name}|ones"] else f"'{name}' is 1 nowhere: no cell is left to work on."

        return scalars, verdict

    return rule


def sums_to_one(name: str) -> ContractRule:
    """Require that shares or probabilities sum to one over the regimes within 1e-5, where there are any."""

    def rule(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
        total = dataset[name].reset_coords(drop=True).sum("regime", skipna=False)
        region = regions["analysis"] if name == "regime_votes" else regions["valid"]
        scalars = {f"{name}|off": abs(total - 1.0).where(region).max()}

        def verdict(values: Mapping[str, float]) -> str | None:
            off = values[f"{name}|off"]
            return None if off <= 1e-5 else f"'{name}' sums to one only within {off:.2g}; expected within 1e-5."

        return scalars, verdict

    return rule


def regime_is_flagged(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
    """Require that labels are -1 or one of `flag_values`, each with its meaning, and that some cell has one."""
    regime = dataset["regime"].reset_coords(drop=True)
    flags = [int(flag) for flag in np.atleast_1d(regime.attrs.get("flag_values", []))]
    meanings = str(regime.attrs.get("flag_meanings", "")).split()
    scalars = {"regime|odd": (~regime.isin([-1, *flags])).sum(), "regime|labelled": (regime >= 0).sum()}

    def verdict(values: Mapping[str, float]) -> str | None:
        if not flags or len(flags) != len(meanings):
            return (
                f"'regime' has flag_values {flags} and flag_meanings {meanings}; expected one meaning for each value."
            )
        if values["regime|odd"]:
            where = cells_text(values["regime|odd"])
            return f"'regime' holds labels other than -1 and its flag_values {flags} in {where}."
        return None if values["regime|labelled"] else "'regime' labels no cell: all are -1."

    return scalars, verdict


def windows_are_whole(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
    """Require that the mean of every window is over all months of its years."""
    missing = [name for name in ("window_start", "window_end", "months") if name not in dataset.coords]
    if missing:
        return {}, lambda values: f"coordinate '{missing[0]}' is missing: the months of a window are unknown."
    years = dataset["window_end"] - dataset["window_start"] + 1
    scalars = {"window|broken": (dataset["months"] != 12 * years).reset_coords(drop=True).sum()}

    def verdict(values: Mapping[str, float]) -> str | None:
        broken = int(values["window|broken"])
        return f"{broken} windows hold fewer or more than all months of their years." if broken else None

    return scalars, verdict


def changes_add_up(dataset: xr.Dataset, regions: Regions) -> tuple[dict[str, xr.DataArray], Verdict]:
    """Require that the probabilities of changes to each regime sum to that of a change, and that both are known."""
    change, parts = (dataset[name].reset_coords(drop=True) for name in ("change_probability", "change_to_probability"))
    off = abs(parts.sum("regime", skipna=False) - change)
    scalars = {"change|off": off.max(), "change|torn": (change.isnull() != parts.isnull().any("regime")).sum()}

    def verdict(values: Mapping[str, float]) -> str | None:
        if values["change|torn"]:
            where = cells_text(values["change|torn"])
            return f"'change_probability' and 'change_to_probability' are not known in the same cells: {where} differ."
        if values["change|off"] > 1e-4:
            return f"'change_to_probability' sums to 'change_probability' only within {values['change|off']:.2g}."
        return None

    return scalars, verdict
