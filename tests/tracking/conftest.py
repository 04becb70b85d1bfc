"""A small climate model whose regimes follow its stress curl, and networks that know how."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from thor.core.variables import variable
from thor.networks.scaler import FeatureScaler
from thor.networks.stack import NetworkStack
from thor.tracking.plausibility import TrainingOcean
from thor.tracking.settings import TrackingSettings
from thor.tracking.tools import TrackingTools
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.set_calibration import ExpectedAccuracy

NAMES = ("wind_stress_curl", "zos", "deptho")
CLASSES = ("north", "middle", "south")
CENTRES = np.array([-1.5, 0.0, 1.5])
SHAPE = (18, 36)
LENGTH = 20
BASINS = {1: "atlantic_ocean", 2: "pacific_ocean"}


class UnreadFiles(dict):
    """Files of which nothing but coordinates and attributes can be read."""

    def __init__(self, runs):
        super().__init__(dict.fromkeys(runs))
        self.headers = {key: lambda load=load: load().drop_vars(load().data_vars) for key, load in runs.items()}


def make_stack(n_networks=5, *, sharpness=2.0, spread=0.1, seed=0, names=NAMES):
    """Linear networks: posteriors of three normal clusters of stress curl of variance 1 / `sharpness`."""
    rng = np.random.default_rng(seed)
    kernel = np.zeros((n_networks, len(names), len(CLASSES)))
    kernel[:, 0] = sharpness * (CENTRES + spread * rng.normal(size=(n_networks, len(CLASSES))))
    bias = np.broadcast_to(-0.5 * sharpness * CENTRES**2, (n_networks, len(CLASSES)))
    return NetworkStack((kernel.astype("float32"),), (bias.astype("float32"),), names, CLASSES)


def make_run(
    experiment,
    *,
    n_windows=7,
    first_year=1,
    signal=0.0,
    noise=0.15,
    seed=0,
    parent=None,
    baseline=(),
    shape=SHAPE,
    names=NAMES,
    curvilinear=False,
):
    """Features of one run: a stress curl that falls northward, noise, and a signal that grows from window to window.

    `signal`, that of the first window, acts between 60S and 30S; the first row is land. `baseline` labels the parent's
    window for each window.
    """
    rng = np.random.default_rng(seed)
    lat = np.linspace(-85, 85, shape[0])
    lon = (np.arange(shape[1]) + 0.5) * 360 / shape[1]
    meshed_lat, meshed_lon = np.meshgrid(lat, lon, indexing="ij")
    land = np.zeros(shape, bool)
    land[0] = True
    south = ((meshed_lat > -60) & (meshed_lat < -30)).astype(float)
    steps = np.arange(1, n_windows + 1)[:, None, None]
    curl = -2.0 * np.sin(np.deg2rad(meshed_lat)) + 0.3 * np.sin(np.deg2rad(3 * meshed_lon))
    curl = curl + signal * steps * south + noise * rng.normal(size=(n_windows, *shape))
    zos = 0.1 * rng.normal(size=(n_windows, *shape))
    dims = ("y", "x") if curvilinear else ("lat", "lon")
    values = {"wind_stress_curl": 1e-10 * curl, "zos": zos, "deptho": np.full(shape, 4000.0)}
    fields = {
        name: ((*(("window",) if values[name].ndim == 3 else ()), *dims), np.where(land, np.nan, values[name]))
        for name in names
    }
    years = first_year + LENGTH * np.arange(n_windows)
    labels = [f"{year:04d}-{year + LENGTH - 1:04d}" for year in years]
    codes = np.where(land, -1, np.where(meshed_lon < 180, 1, 2)).astype("int8")
    flags = {"flag_values": np.array([*BASINS], dtype="int8"), "flag_meanings": " ".join(BASINS.values())}
    coords = {"lat": (dims, meshed_lat), "lon": (dims, meshed_lon)} if curvilinear else {"lat": lat, "lon": lon}
    attrs = {"source_id": "MADE", "experiment_id": experiment, "variant_label": "r1i1p1f1"}
    if parent:
        attrs |= {"parent": parent, "baseline": "parallel segment" if "Control" in parent else "reference window"}
    run = xr.Dataset(
        fields
        | {
            "valid": (dims, (~land).astype("int8"), variable("valid").attrs),
            "basin": (dims, codes, variable("basin").attrs | flags),
            "areacello": (dims, 1e11 * np.cos(np.deg2rad(meshed_lat)), variable("areacello").attrs),
        },
        coords=coords
        | {
            "window": labels,
            "window_start": ("window", years),
            "window_end": ("window", years + LENGTH - 1),
            "months": ("window", np.full(n_windows, 12 * LENGTH)),
            "baseline_window": ("window", [*baseline, *[""] * (n_windows - len(baseline))]),
        },
        attrs=attrs,
    )
    for name in names:
        run[name].attrs = variable(name).attrs
    return run


def make_applicability(names=NAMES):
    """All that the made run holds lies inside; a stress curl of more than about 20 standard deviations does not."""
    reference = np.zeros((1, len(names)))
    importance = np.array([1.0, *[0.0] * (len(names) - 1)])
    return Applicability(names, importance, reference, np.zeros(1), mean_distance=1.0, threshold=20.0)


def make_tools(made, **changes):
    """What the runs of the fixture `made` are tracked with."""
    names = ("predictors", "scaler", "applicability", "temperatures", "expected_accuracy")
    given = {name: getattr(made, name) for name in names}
    return TrackingTools(**{"settings": TrackingSettings(block_cells=20_000), **given, **changes})


def training_ocean(run, window=0):
    """A training ocean with the regimes that a tracked run has in one window."""
    regime = run["regime"].isel(window=window, predictor=0)
    return TrainingOcean.of(xr.Dataset({"regime": regime, "areacello": run["areacello"]}))


@pytest.fixture(scope="session")
def made():
    """Networks with all that belongs to them, a control run, and a scenario that changes in the south."""
    units = tuple(variable(name).units for name in NAMES)
    control = make_run("piControl", seed=1)
    scenario = make_run(
        "abrupt-4xCO2",
        first_year=1850,
        signal=-0.4,
        seed=2,
        parent="MADE/piControl/r1i1p1f1",
        baseline=control["window"].values,
    )
    return SimpleNamespace(
        predictors={"ensemble": make_stack(), "bayesian": make_stack(8, spread=0.2, seed=1)},
        scaler=FeatureScaler(NAMES, units, np.array([0.0, 0.0, 4000.0]), np.array([1e-10, 0.1, 1000.0])),
        applicability=make_applicability(),
        temperatures={"ensemble": 1.0, "bayesian": 1.3},
        expected_accuracy=dict.fromkeys(
            ("ensemble", "bayesian"), ExpectedAccuracy(np.array([0.0, 1.0]), np.array([0.9, 0.5]))
        ),
        control=control,
        scenario=scenario,
    )
