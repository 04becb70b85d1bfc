"""Track a quarter-degree ocean: time and memory of one window and its baseline, compared with a loop over Keras.

    python benchmarks/tracking.py [--quick] [--json FILE]

The ocean is synthetic: 720 x 1440 cells, all of them valid. The mean of 50 networks and boosting, and 50 draws of a
posterior, of the published architecture and the default number of trees, are applied to one window and its baseline,
up to probabilities, entropies, P(change), p-values, forced changes, areas and transitions with intervals, on one thread
and on two, and on one and two processes of a local Dask cluster; without the start of the processes and their
imports, which come once for all runs. All give the same bits, or the benchmark fails. On one thread also with an
eighth, a quarter and half of the cells, and once more with all; on two threads also with the changes of the terms of
the budget, which the networks then predict too. The alternative calls `predict` of single Keras
networks on a part of the cells, with a large batch; its time, without any boosting, is scaled up to all networks, cells
and both windows. Peak memory is that of a separate process, or with a cluster of the process that holds the fields;
results are the fields that it returns, and working memory is what the process takes beyond them, the fields of its
inputs and what it took before.

--quick: 180 x 360 cells.
"""

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import xarray as xr
from rows import Rows, in_own_process, memory_mb, parse, peak_memory_mb, timed
from sklearn.ensemble import HistGradientBoostingClassifier

from thor.core.compute import Compute, mapper
from thor.core.fingerprint import content_sha256
from thor.core.variables import BUDGET_TERMS, FEATURES, variable
from thor.networks.predictor import Average, Boosting
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import BoostingSettings
from thor.networks.stack import NetworkStack
from thor.networks.tensorflow import load_tensorflow
from thor.networks.terms import TermsHead
from thor.networks.trees import BoostedTrees
from thor.ocean.constants import EARTH_RADIUS
from thor.regimes.naming import REGIMES
from thor.tracking.cells import Cells, ControlPairs
from thor.tracking.natural import NaturalVariability
from thor.tracking.settings import TrackingSettings
from thor.tracking.tools import TrackingTools
from thor.tracking.track import track_run
from thor.uncertainty.applicability import Applicability
from thor.uncertainty.set_calibration import ExpectedAccuracy

N_NETWORKS, N_REFERENCE = 50, 5000
IMPORTANCE = np.array([0.44, 0.07, 0.18, 0.04, 0.09, 0.06, 0.04, 0.08])
LAYERS = (len(FEATURES), 24, 24, 16, 16, len(REGIMES))
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)
"""Shares of the cells with which time and memory are measured on one thread."""
KERAS_NETWORKS, KERAS_CELLS, KERAS_BATCH = 3, 100_000, 4096
WORKERS = {
    ("threads", 1): "one thread",
    ("threads", 2): "two threads",
    ("local", 1): "one process of a local cluster",
    ("local", 2): "two processes of a local cluster",
}


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="180 x 360 cells")
    shape = (180, 360) if options.quick else (720, 1440)
    rows, n_cells = Rows(options.json), shape[0] * shape[1]
    some = min(KERAS_CELLS, n_cells)
    keras = keras_seconds(some) * n_cells / some * 2 * N_NETWORKS * 2
    seconds: dict[tuple[str, int], float] = {}
    contents: set[str] = set()
    what = f"cells, {N_NETWORKS} networks with boosting and {N_NETWORKS} draws"
    for (scheduler, n_workers), by in WORKERS.items():
        found = in_own_process(measure, shape, scheduler, n_workers)
        seconds[scheduler, n_workers] = found.seconds
        contents.add(found.content)
        gain = f"{seconds[scheduler, 1] / found.seconds:.2f} times as fast as one; " if n_workers > 1 else ""
        rows.add(
            f"tracking one window of {n_cells:,} synthetic {what}, {by}",
            found.seconds,
            alternative="Keras predict, one network after another, probabilities only",
            theirs=keras,
            peak_memory_mb=found.peak_memory_mb,
            remark=f"{gain}alternative from {KERAS_NETWORKS} networks and {some:,} cells",
        )
    found = in_own_process(measure, shape, "threads", 2, True)
    rows.add(
        f"tracking one window of {n_cells:,} synthetic {what}, with the changes of five terms, two threads",
        found.seconds,
        peak_memory_mb=found.peak_memory_mb,
    )
    if len(contents) > 1:
        raise SystemExit("threads and processes gave different results")
    for part in PARTS:
        smaller = round(shape[0] * part**0.5), round(shape[1] * part**0.5)
        found = in_own_process(measure, smaller, "threads", 1)
        rows.add(
            f"tracking one window of {smaller[0] * smaller[1]:,} synthetic {what}, one thread",
            found.seconds,
            peak_memory_mb=found.peak_memory_mb,
            remark=f"{1e6 * found.seconds / (smaller[0] * smaller[1]):.1f} \N{MICRO SIGN}s for each cell; "
            f"{found.results_mb:.0f} MB of results, {found.working_mb:.0f} MB of working memory",
        )


@dataclass(frozen=True)
class Measured:
    """Seconds of a run; peak memory of its process, results and working memory [MB]; checksum of the results."""

    seconds: float
    peak_memory_mb: float
    results_mb: float
    working_mb: float
    content: str


def measure(shape: tuple[int, int], scheduler: str, n_workers: int, terms: bool = False) -> Measured:
    """Track one window of a made ocean with so many workers, and the terms of its budget if they are wanted."""
    networks = made_stack(seed=0)
    predictors = {"average": Average(networks, made_boosting()), "bayesian": made_stack(seed=1)}
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(N_REFERENCE, len(FEATURES)))
    applicability = Applicability(FEATURES, IMPORTANCE, reference, np.zeros(N_REFERENCE), 0.5, 1.0)
    units = tuple(variable(name).units for name in FEATURES)
    scaler = FeatureScaler(FEATURES, units, np.zeros(len(FEATURES)), np.ones(len(FEATURES)))
    with mapper(Compute(scheduler=scheduler, n_workers=n_workers)) as mapped:

        def track(shape: tuple[int, int], block_cells: int) -> tuple[xr.Dataset, float, float]:
            run, parent = made_run("abrupt-4xCO2", shape, seed=1), made_run("piControl", shape, seed=0)
            run = run.assign_attrs(parent="MADE/piControl/r1i1p1f1", baseline="parallel segment")
            run = run.assign_coords(baseline_window=parent["window"])
            natural = dict.fromkeys(predictors, made_variability(shape))
            tools = TrackingTools(
                predictors=predictors,
                scaler=scaler,
                applicability=applicability,
                temperatures=dict.fromkeys(predictors, 1.2),
                expected_accuracy=dict.fromkeys(predictors, ExpectedAccuracy(np.arange(2.0), np.array([0.9, 0.5]))),
                settings=TrackingSettings(block_cells=block_cells),
                term_networks=replace(networks, terms_head=made_head()) if terms else None,
                term_spread=dict.fromkeys(BUDGET_TERMS, 1.0),
            )
            held = memory_mb()
            return *timed(lambda: track_run(run, parent, natural, tools, mapper=mapped)), held

        track((20, 40), 100)  # every worker imports THOR, once for all runs
        tracked, seconds, held = track(shape, 20_000)
    peak, results = peak_memory_mb(), tracked.nbytes / 1e6
    return Measured(seconds, peak, results, peak - held - results, content_sha256(tracked))


def keras_seconds(n_cells: int) -> float:
    """Return the time [s] for one Keras network to predict cells, the best of several networks."""
    load_tensorflow()
    import tf_keras

    stack = made_stack(seed=0)
    inputs = np.random.default_rng(3).normal(size=(n_cells, len(FEATURES))).astype("float32")
    seconds = []
    for network in range(KERAS_NETWORKS):
        hidden = [tf_keras.layers.Dense(units, "tanh") for units in LAYERS[1:-1]]
        last = tf_keras.layers.Dense(LAYERS[-1], "softmax")
        model = tf_keras.Sequential([tf_keras.Input((LAYERS[0],)), *hidden, last])
        model.set_weights(
            [array[network] for layer in zip(stack.kernels, stack.biases, strict=True) for array in layer]
        )
        model.predict(inputs[:KERAS_BATCH], batch_size=KERAS_BATCH, verbose=0)
        start = time.perf_counter()
        model.predict(inputs, batch_size=KERAS_BATCH, verbose=0)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def made_stack(*, seed: int) -> NetworkStack:
    """Return networks of the published architecture with random weights."""
    rng = np.random.default_rng(seed)
    sizes = list(pairwise(LAYERS))
    kernels = tuple((rng.normal(size=(N_NETWORKS, *size)) / size[0] ** 0.5).astype("float32") for size in sizes)
    biases = tuple(np.zeros((N_NETWORKS, size[1]), "float32") for size in sizes)
    return NetworkStack(kernels, biases, FEATURES, REGIMES)


def made_head() -> TermsHead:
    """Return a head for the terms of the budget with random weights."""
    shape = (N_NETWORKS, LAYERS[-2], 2 * len(BUDGET_TERMS))
    kernel = np.random.default_rng(5).normal(size=shape).astype("float32") / 4
    return TermsHead(kernel, np.zeros(shape[::2], "float32"), BUDGET_TERMS, (1e-10,) * len(BUDGET_TERMS))


def made_boosting() -> Boosting:
    """Return as many trees as boosting has by default, grown on noise."""
    rng = np.random.default_rng(4)
    inputs, labels = rng.normal(size=(5_000, len(FEATURES))), rng.integers(len(REGIMES), size=5_000)
    settings = BoostingSettings().model_dump(exclude={"features", "budget_share"})
    model = HistGradientBoostingClassifier(**settings, early_stopping=False, random_state=0).fit(inputs, labels)
    trees = BoostedTrees.of(model, model, shares=(0.5, 0.5))
    return Boosting(trees, tuple(range(len(REGIMES))), FEATURES, REGIMES)


def made_run(experiment: str, shape: tuple[int, int], *, seed: int) -> xr.Dataset:
    """Return features of one window, of order one and nearly the same for every seed."""
    rng = np.random.default_rng(0)
    lat, lon = (
        (np.arange(n) + 0.5) * width / n - start for n, width, start in zip(shape, (180, 360), (90, 0), strict=True)
    )
    fields = {name: rng.normal(size=shape) for name in FEATURES}
    changes = np.random.default_rng(seed)
    for name in FEATURES[:4]:
        fields[name] = (fields[name] + 0.2 * changes.normal(size=shape))[None]
    area = EARTH_RADIUS**2 * np.deg2rad(180 / shape[0]) * np.deg2rad(360 / shape[1]) * np.cos(np.deg2rad(lat))
    basin = np.broadcast_to(np.digitize(lon, [90, 180, 270]) + 1, shape).astype("int8")
    flags = {"flag_values": np.arange(1, 5, dtype="int8"), "flag_meanings": "first second third fourth"}
    dims = ("lat", "lon")
    return xr.Dataset(
        {
            name: ((*("window",) * (values.ndim - 2), *dims), values, variable(name).attrs)
            for name, values in fields.items()
        }
        | {
            "valid": (dims, np.ones(shape, "int8")),
            "basin": (dims, basin, flags),
            "areacello": (dims, np.broadcast_to(area[:, None], shape)),
        },
        coords={
            "lat": lat,
            "lon": lon,
            "window": ["1850-1869"],
            "window_start": ("window", [1850]),
            "window_end": ("window", [1869]),
            "baseline_window": ("window", [""]),
        },
        attrs={"source_id": "MADE", "experiment_id": experiment, "variant_label": "r1i1p1f1"},
    )


def made_variability(shape: tuple[int, int]) -> NaturalVariability:
    """Return P(change) of three pairs of control windows."""
    rng, n_cells = np.random.default_rng(4), shape[0] * shape[1]
    return NaturalVariability(
        change=rng.beta(1, 10, size=(3, n_cells)).astype("float32"),
        certainty=rng.uniform(0.3, 1, size=(4, n_cells)).astype("float32"),
        pairs=ControlPairs(np.array([[0, 1], [1, 2], [2, 3]]), np.ones(3, dtype=np.int64), np.eye(4, dtype=bool)),
        cells=Cells.of(made_run("piControl", shape, seed=4)),
    )


if __name__ == "__main__":
    main()
