"""Idealized oceans shared by the tests of this folder, each made once per worker."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import xarray as xr

from thor.ocean.idealized.archive import idealized_archive
from thor.ocean.idealized.archive_settings import ArchiveSettings, ClimateModelSettings
from thor.ocean.idealized.budget import VorticityBudget, circulation_budget
from thor.ocean.idealized.c_grid import CGrid, FaceField, Points, regular_c_grid
from thor.ocean.idealized.circulation import Circulation, CirculationModel
from thor.ocean.idealized.geography import Geography, build_geography
from thor.ocean.idealized.settings import OceanSettings
from thor.ocean.idealized.training import idealized_training_ocean
from thor.ocean.idealized.winds import stress_on_faces, winds_of

SEED = 42

SETTINGS = OceanSettings(
    resolution_degrees=2.0,
    linear_friction=1e-7,
    lateral_viscosity=None,
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

_WEATHER = {"wind_variability": 0.15, "shift_variability": 1.0, "persistence": 0.4, "seasonal_amplitude": 0.3}

ARCHIVE = ArchiveSettings(
    models=(
        ClimateModelSettings(
            source_id="IDEAL-REG",
            ocean=SETTINGS.replace(resolution_degrees=5.0),
            grid="regular",
            stress_points="t_points",
            calendar="noleap",
            zero_depth_on_land=False,
            control_start_year=1,
            zos_datum=0.0,
            steric_amplitude=0.1,
            seed_offset=1,
            **_WEATHER,
        ),
        ClimateModelSettings(
            source_id="IDEAL-POLE",
            ocean=SETTINGS.replace(resolution_degrees=6.0, decay_depth=1200.0),
            grid="displaced_pole",
            stress_points="c_grid",
            calendar="360_day",
            zero_depth_on_land=False,
            control_start_year=1960,
            zos_datum=0.35,
            steric_amplitude=0.1,
            seed_offset=2,
            **_WEATHER,
        ),
        ClimateModelSettings(
            source_id="IDEAL-LAND",
            ocean=SETTINGS.replace(resolution_degrees=6.0, linear_friction=2e-7),
            grid="regular_land_suppressed",
            stress_points="corners",
            calendar="gregorian",
            zero_depth_on_land=True,
            control_start_year=1850,
            zos_datum=-0.25,
            steric_amplitude=0.1,
            seed_offset=3,
            **_WEATHER,
        ),
    ),
    experiments=("piControl", "historical", "ssp585", "1pctCO2", "abrupt-4xCO2"),
    n_years=8,
    historical_years=8,
    scenario_years=5,
    scenario_members=2,
    window_years=3,
    southern_westerlies_change=0.25,
    southern_westerlies_shift=1.5,
    northern_westerlies_change=0.08,
    trades_change=-0.05,
    historical_share=0.25,
    adjustment_years=2.0,
    steric_experiment="abrupt-4xCO2",
    mip_era="CMIP6",
)


@dataclass(frozen=True, eq=False)
class SolvedOcean:
    """Everything between the settings and the dataset."""

    grid: CGrid
    geography: Geography
    model: CirculationModel
    stress: FaceField
    circulation: Circulation
    advection: FaceField
    budget: VorticityBudget


def solve(settings: OceanSettings, *, grid: CGrid | None = None, flat: bool = False) -> SolvedOcean:
    grid = grid or regular_c_grid(settings.resolution_degrees)
    geography = build_geography(grid, settings, seed=SEED)
    if flat:
        geography = replace(geography, depth=np.full(grid.shape, 4000.0))
    model = CirculationModel(grid, geography, settings)
    stress = stress_on_faces(grid, winds_of(settings))
    circulation, advection = model.solve_nonlinear(stress, iterations=settings.nonlinear_iterations)
    return SolvedOcean(
        grid,
        geography,
        model,
        stress,
        circulation,
        advection,
        circulation_budget(model, circulation, stress, advection),
    )


def turned_c_grid(resolution_degrees: float, *, pole_lat: float = 75.0, pole_lon: float = -40.0) -> CGrid:
    """The regular grid turned so that its poles lie on Greenland and Antarctica: oblique to latitude everywhere."""
    regular = regular_c_grid(resolution_degrees)
    tilt, turn = np.deg2rad(90 - pole_lat), np.deg2rad(pole_lon)
    about_y = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    rotation = about_z @ about_y

    def position(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        phi, lam = np.deg2rad(lat), np.deg2rad(lon)
        x, y, z = np.einsum(
            "ab,b...->a...", rotation, [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
        )
        return np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.rad2deg(np.arctan2(y, x)) % 360

    def points(old: Points) -> Points:
        lat, lon = position(old.lat, old.lon)
        lam, new_phi, new_lam = np.deg2rad(old.lon), np.deg2rad(lat), np.deg2rad(lon)
        axis = np.einsum("ab,b...->a...", rotation, [-np.sin(lam), np.cos(lam), np.zeros_like(lam)])
        east = [-np.sin(new_lam), np.cos(new_lam), np.zeros_like(lam)]
        north = [-np.sin(new_phi) * np.cos(new_lam), -np.sin(new_phi) * np.sin(new_lam), np.cos(new_phi)]
        along_east, along_north = (sum(a * b for a, b in zip(axis, unit, strict=True)) for unit in (east, north))
        return replace(old, lat=lat, lon=lon, angle=np.arctan2(along_north, along_east))

    corner_lat, corner_lon = position(regular.corner_lat, regular.corner_lon)
    return CGrid(
        t=points(regular.t),
        u=points(regular.u),
        v=points(regular.v),
        q=points(regular.q),
        corner_lat=corner_lat,
        corner_lon=corner_lon,
    )


@cache
def _solved(resolution_degrees: float) -> SolvedOcean:
    return solve(SETTINGS.replace(resolution_degrees=resolution_degrees))


@cache
def _dataset(resolution_degrees: float, viscosity: float | None) -> xr.Dataset:
    settings = SETTINGS.replace(resolution_degrees=resolution_degrees, lateral_viscosity=viscosity)
    return idealized_training_ocean(settings, seed=SEED)


@pytest.fixture(scope="session", params=[2.0, 1.0], ids=["2deg", "1deg"])
def solved(request: pytest.FixtureRequest) -> SolvedOcean:
    """A solved ocean at both resolutions."""
    return _solved(request.param)


@pytest.fixture(scope="session")
def coarse() -> SolvedOcean:
    """A solved ocean at 2 degrees."""
    return _solved(2.0)


@pytest.fixture(scope="session", params=[2.0, 1.0], ids=["2deg", "1deg"])
def ocean(request: pytest.FixtureRequest) -> xr.Dataset:
    """The training ocean at both resolutions, each with its default viscosity."""
    return _dataset(request.param, None)


@pytest.fixture(scope="session")
def same_friction() -> tuple[xr.Dataset, xr.Dataset]:
    """The training ocean at 2 and at 1 degree with the friction of 2 degrees."""
    return _dataset(2.0, None), _dataset(1.0, SETTINGS.viscosity)


@pytest.fixture(scope="session")
def settings() -> OceanSettings:
    """Settings of a plausible ocean at 2 degrees."""
    return SETTINGS


@pytest.fixture(scope="session")
def solve_ocean():
    """The function that solves an ocean of given settings."""
    return solve


@pytest.fixture(scope="session")
def turned_grid() -> CGrid:
    """A grid whose lines are oblique to latitude and longitude."""
    return turned_c_grid(2.0)


@pytest.fixture(scope="session")
def archive_settings() -> ArchiveSettings:
    """A tiny archive: one model of each grid, all experiments, two windows of three years and two years beyond."""
    return ARCHIVE


@pytest.fixture(scope="session", params=ARCHIVE.models, ids=lambda model: model.source_id)
def model_settings(request: pytest.FixtureRequest) -> ClimateModelSettings:
    """Each model of the tiny archive."""
    return request.param


@pytest.fixture(scope="session")
def read_run():
    """The function that gives one variable of one run of the tiny archive: all its files, times as numbers."""
    archive = idealized_archive(ARCHIVE, seed=SEED)

    @cache
    def read(source_id: str, experiment_id: str, variant_label: str, variable_id: str) -> xr.Dataset:
        run = f"/{source_id}/{experiment_id}/{variant_label}/"
        files = [make() for key, (_, make) in archive.items() if run in key and f"/{variable_id}/gn/" in key]
        if "time" not in files[0].dims:
            return files[0]
        return xr.concat(files, "time", data_vars="minimal", coords="minimal", compat="override", join="exact")

    return read
