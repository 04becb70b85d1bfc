r"""Idealized climate models: each an ocean on its grid, solved once for a few wind patterns and every pair of them.

The wind of a month is a combination sum c_a tau_a of the patterns. Its ocean is the one that
`CirculationModel.solve_nonlinear` gives with one correction: the linear circulation of that wind, and the response to
the momentum advection of that linear circulation,

.. math:: \eta = \sum_a c_a \eta_a + \sum_{a \le b} c_a c_b \eta_{ab}.

`responses` are the eta_a and eta_ab with everything that belongs to them. A mean over time needs the means of c_a and
of c_a c_b only, and its momentum balance holds exactly, with the mean advection instead of that of the mean.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np

from thor.core.arrays import Array, Mask
from thor.core.variables import BUDGET_TERMS
from thor.ocean.idealized.archive_settings import ClimateModelSettings, StressPoints
from thor.ocean.idealized.budget import circulation_budget
from thor.ocean.idealized.c_grid import CGrid, FaceField, regular_c_grid
from thor.ocean.idealized.circulation import Circulation, CirculationModel, wet_corners
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.ocean.idealized.geography import Geography, build_geography
from thor.ocean.idealized.winds import STRENGTHS, Winds, stress_at, stress_on_faces, winds_of

PointKind = Literal["t", "u", "v", "q"]

PATTERNS = (
    "mean",
    "southern_westerlies",
    "southern_shift",
    "northern_westerlies",
    "trades",
    "centres",
    "north_pacific",
    "north_atlantic",
)
"""Wind patterns in their order. The shift counts in degrees poleward, the others as shares of the model's winds."""

SHIFT_STEP = 2.0
"""Poleward move of the southern westerlies [degrees] from which their pattern is a finite difference."""

BASIN_CENTRES = {
    "north_pacific": ("North Pacific high", "West Pacific high", "Aleutian low"),
    "north_atlantic": ("North Atlantic high", "Icelandic low"),
}
"""Highs and lows that vary together, beside the variation of all of them."""

STRESS_POINT_KINDS: dict[StressPoints, tuple[PointKind, PointKind]] = {
    "t_points": ("t", "t"),
    "c_grid": ("u", "v"),
    "corners": ("q", "q"),
}
"""Kinds of points on which the components along i and along j are published."""


@dataclass(frozen=True, eq=False)
class SolvedModel:
    """A climate model solved for its wind patterns.

    Attributes
    ----------
    settings : ClimateModelSettings
    grid : CGrid
    geography : Geography
    zos : ndarray of shape (n_responses, nj, ni), [m]
        Zero area mean over the ocean each.
    stress : FaceField of shape (n_patterns, nj, ni), [N m-2]
        Along the grid axes, at the points where the model publishes them.
    transport : FaceField of shape (n_responses, nj, ni), [m2 s-1]
        Depth-integrated, along the grid axes.
    stress_across : FaceField of shape (n_patterns, nj, ni), [N m-2]
        Component along j at u points and along i at v points, which drives the Ekman transport through the faces.
    masks : dict of str to ndarray of bool, shape (nj, ni)
        For each kind of points, where the ocean has them.
    terms : dict of str to ndarray of shape (n_responses, nj, ni), [m s-2]
        The budget of each response at T points, NaN outside `cell_mask`.
    cell_mask : ndarray of bool, shape (nj, ni)
    """

    settings: ClimateModelSettings
    grid: CGrid
    geography: Geography
    zos: Array
    stress: FaceField
    transport: FaceField
    stress_across: FaceField
    masks: dict[PointKind, Mask]
    terms: dict[str, Array]
    cell_mask: Mask

    def weights(self, strengths: Array) -> Array:
        """Return the factors of the responses, shape (..., n_responses), from those of the patterns."""
        return response_weights(strengths, nonlinear=self.settings.ocean.nonlinear_iterations > 0)


def model_grid(settings: ClimateModelSettings) -> CGrid:
    """Return the grid a climate model is solved on."""
    make = displaced_pole_c_grid if settings.grid == "displaced_pole" else regular_c_grid
    return make(settings.ocean.resolution_degrees)


@lru_cache(maxsize=8)
def solve_climate_model(settings: ClimateModelSettings, *, seed: int) -> SolvedModel:
    """Return a climate model solved for all patterns and pairs of patterns; the same arguments are solved once.

    Parameters
    ----------
    settings : ClimateModelSettings
    seed : int
        Of the archive; the model adds its offset.
    """
    grid, ocean = model_grid(settings), settings.ocean
    geography = build_geography(grid, ocean, seed=seed + settings.seed_offset)
    model = CirculationModel(grid, geography, ocean)
    winds = winds_of(ocean)
    stress = _patterns(lambda wind: stress_on_faces(grid, wind), winds)
    circulation, forcing, advection = _responses(model, stress, nonlinear=ocean.nonlinear_iterations > 0)
    budget = circulation_budget(model, circulation, forcing, advection)
    along_i, along_j = (getattr(grid, kind) for kind in STRESS_POINT_KINDS[settings.stress_points])
    return SolvedModel(
        settings=settings,
        grid=grid,
        geography=geography,
        zos=circulation.ssh,
        stress=_patterns(lambda wind: FaceField(stress_at(along_i, wind)[0], stress_at(along_j, wind)[1]), winds),
        transport=circulation.transport,
        stress_across=_patterns(lambda wind: FaceField(stress_at(grid.u, wind)[1], stress_at(grid.v, wind)[0]), winds),
        masks={"t": geography.mask, "q": wet_corners(geography.mask)}
        | {"u": model.mask.u.astype(bool), "v": model.mask.v.astype(bool)},
        terms={name: budget.cells[name] for name in BUDGET_TERMS},
        cell_mask=budget.cell_mask,
    )


def response_weights(strengths: Array, *, nonlinear: bool) -> Array:
    """Return c_a and, in a nonlinear ocean, c_a c_b for a <= b: the factors of the responses.

    Parameters
    ----------
    strengths : ndarray of shape (..., n_patterns)
    nonlinear : bool

    Returns
    -------
    ndarray of shape (..., n_responses)
    """
    if not nonlinear:
        return strengths
    first, second = _pairs()
    return np.concatenate([strengths, strengths[..., first] * strengths[..., second]], axis=-1)


def _pairs() -> tuple[list[int], list[int]]:
    pairs = list(combinations_with_replacement(range(len(PATTERNS)), 2))
    return [a for a, _ in pairs], [b for _, b in pairs]


def _responses(
    model: CirculationModel, stress: FaceField, *, nonlinear: bool
) -> tuple[Circulation, FaceField, FaceField]:
    """Return circulation, wind stress and advection of every response, stacked."""
    linear = model.solve(stress)
    calm = stress.map(np.zeros_like)
    if not nonlinear:
        return linear, stress, calm
    first, second = _pairs()
    # a pair of two patterns stands for both orders
    orders = np.where(np.array(first) == np.array(second), 1.0, 2.0)[:, None, None]
    pair = (linear.transport.map(lambda part, pick=pick: part[pick]) for pick in (first, second))
    advection = model.advection(*pair).map(lambda part: orders * part)
    still = advection.map(np.zeros_like)
    pairs = model.solve(still, extra=advection)
    return (
        Circulation(ssh=np.concatenate([linear.ssh, pairs.ssh]), transport=_stacked(linear.transport, pairs.transport)),
        _stacked(stress, still),
        _stacked(calm, advection),
    )


def _stacked(first: FaceField, second: FaceField) -> FaceField:
    return first.map(lambda a, b: np.concatenate([a, b]), second)


def _patterns(stress: Callable[[Winds], FaceField], winds: Winds) -> FaceField:
    """Return the stress of each of `PATTERNS`."""

    def alone(strength: str, **changes: Any) -> FaceField:
        changes |= {name: 0.0 for name in STRENGTHS if name != strength}
        return stress(replace(winds, **changes))

    fields = {name: alone(name) for name in ("southern_westerlies", "northern_westerlies", "trades")}
    fields |= {"mean": stress(winds), "centres": alone("centres_stress")}
    fields |= {name: alone("centres_stress", centres=centres) for name, centres in BASIN_CENTRES.items()}
    moved = alone("southern_westerlies", southern_westerlies_latitude=winds.southern_westerlies_latitude - SHIFT_STEP)
    fields["southern_shift"] = fields["southern_westerlies"].map(lambda a, b: (b - a) / SHIFT_STEP, moved)
    first, *others = (fields[name] for name in PATTERNS)
    return first.map(lambda *parts: np.stack(parts), *others)
