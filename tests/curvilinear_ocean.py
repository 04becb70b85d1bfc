"""A training ocean on a curvilinear grid: the idealized one with its northern pole in Greenland and its true budget."""

import numpy as np
import xarray as xr

from thor.core.variables import BUDGET_TERMS, variable
from thor.ocean.idealized.budget import circulation_budget
from thor.ocean.idealized.circulation import CirculationModel
from thor.ocean.idealized.displaced_pole import displaced_pole_c_grid
from thor.ocean.idealized.geography import build_geography
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.winds import stress_at, stress_on_faces, winds_of

SETTINGS = OceanSettings(
    resolution_degrees=4.0,
    linear_friction=1e-7,
    lateral_viscosity=5e5,  # little for so coarse a grid, so that the interior is in Sverdrup balance
    decay_depth=950.0,
    bottom_drag=1e-3,
    reference_density=1029.0,
    abyssal_depth=5500.0,
    minimum_depth=150.0,
    ridge_height=1.0,
    roughness=250.0,
    trades=0.045,
    northern_westerlies=0.025,
    southern_westerlies=0.07,
    southern_westerlies_latitude=-51.0,
    polar_easterlies=0.02,
    centres_stress=0.07,
    nonlinear_iterations=1,
)


def curvilinear_training_ocean(settings: OceanSettings = SETTINGS, *, stress_points: str = "c_grid") -> xr.Dataset:
    """Return the ocean as it would be published: dims (y, x), 2-D coordinates, stress along the grid on its own points.

    Parameters
    ----------
    settings : OceanSettings
    stress_points : {'c_grid', 'corners', 't_points'}
    """
    grid = displaced_pole_c_grid(settings.resolution_degrees)
    geography = build_geography(grid, settings, seed=1)
    model = CirculationModel(grid, geography, settings)
    winds = winds_of(settings)
    forcing = stress_on_faces(grid, winds)
    circulation, advection = model.solve_nonlinear(forcing, iterations=settings.nonlinear_iterations)
    budget = circulation_budget(model, circulation, forcing, advection)
    sea = geography.mask
    fields = {
        "zos": np.where(sea, circulation.ssh, np.nan),
        "deptho": np.where(sea, geography.depth, np.nan),
        "areacello": grid.t.area,
        "sftof": np.where(sea, 100.0, 0.0),
        **{name: budget.cells[name] for name in (*BUDGET_TERMS, "bottom_stress_curl")},
        "analysis_mask": budget.cell_mask.astype(np.int8),
    }
    east = np.roll(sea, -1, axis=1)
    north = np.vstack([sea[1:], np.zeros_like(sea[:1])])
    corner = sea & east & north & np.roll(north, -1, axis=1)
    places = {
        "c_grid": (("u", sea & east), ("v", sea & north)),
        "corners": (("q", corner), ("q", corner)),
        "t_points": (("t", sea), ("t", sea)),
    }[stress_points]
    ocean = xr.Dataset(coords={"lat": (("y", "x"), grid.t.lat), "lon": (("y", "x"), grid.t.lon)})
    for axis, (point, (kind, wet)) in enumerate(zip("uv", places, strict=True)):
        points = getattr(grid, kind)
        fields[f"tau{point}o"] = np.where(wet, stress_at(points, winds)[axis], np.nan)
        if stress_points != "t_points":
            ocean = ocean.assign_coords(
                {f"lat_{point}": (("y", "x"), points.lat), f"lon_{point}": (("y", "x"), points.lon)}
            )
    for name, field in fields.items():
        ocean[name] = (("y", "x"), field, variable(name).attrs)
    convention = {"c_grid": "grid_axes_c_grid", "corners": "grid_axes_corners", "t_points": "grid_axes_t_points"}
    return ocean.assign_attrs(
        title="THOR idealized ocean on a displaced-pole grid", stress_convention=convention[stress_points]
    )


def harmonised(raw: xr.Dataset) -> xr.Dataset:
    """Return the ocean in the form of `training_ocean`: zero mean sea level, coordinates with attributes."""
    out = raw.copy()
    mean = float(raw["zos"].weighted(raw["areacello"]).mean())
    out["zos"] = (raw["zos"] - mean).assign_attrs(raw["zos"].attrs | {"removed_mean": mean, "removed_mean_units": "m"})
    for name in out.coords:
        axis = ("latitude", "degrees_north") if str(name).startswith("lat") else ("longitude", "degrees_east")
        out[name].attrs = dict(zip(("standard_name", "units"), axis, strict=True))
    return out
