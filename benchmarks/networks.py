"""Compare stacked networks with a loop over Keras: time of a training step, time and memory of prediction.

    THOR_DATA_MIRROR=<folder> python benchmarks/networks.py [--quick] [--json FILE]

The ocean is ECCO with the published labels, features and split, 109,259 cells to train and 149,587 in all; without
THOR_DATA_MIRROR the inputs and labels are synthetic, of the same size. THOR trains 50 networks of the published
architecture for 50 epochs at batch 32, including shuffling and evaluation in every epoch; compilation is timed
separately; an epoch is also timed with all networks in one group. Keras fits one such network, after a warm-up, for
one epoch without evaluation: the loop over 50 networks takes 50 times as long. THOR predicts all cells with all
networks, up to mean and spread, and does so again layer by layer as in training; Keras calls `predict` for some of the
networks, with its default batch and with a large one. An epoch of the Bayesian network is timed with two kinds of
noise. Peak memory is that of a separate process with TensorFlow loaded.

--quick: a tenth of the cells, 3 epochs.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import xarray as xr
from rows import Rows, best, in_own_process, parse, peak_memory_mb, timed

from thor.core.variables import FEATURES
from thor.networks import stack as stack_module
from thor.networks.network import Layer, forward
from thor.networks.prediction import predict
from thor.networks.published import published_networks
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.networks.split import make_split
from thor.networks.stack import NetworkStack
from thor.networks.tensorflow import load_tensorflow
from thor.networks.training import initial_stack, train_stack
from thor.networks.training_data import Table
from thor.ocean.budget import vorticity_budget
from thor.ocean.ecco import ecco_training_ocean, surface_from_files
from thor.ocean.features import features
from thor.reading.training_ocean import harmonise
from thor.regimes.naming import REGIMES
from thor.uncertainty import variational
from thor.uncertainty.bayesian import fit_bayesian
from thor.uncertainty.settings import BayesianSettings

N_NETWORKS, BATCH, EPOCHS = 50, 32, 50
N_TRAIN, N_TEST = 109_259, 40_328
TERMS = {
    "wind_stress_curl": "curlTau",
    "planetary_vorticity_advection": "curlCori",
    "bottom_pressure_torque": "BPT",
    "nonlinear_torque": "curlB",
    "viscous_torque": "curlA",
}


def main() -> None:
    """Measure the rows."""
    options = parse(__doc__, quick="a tenth of the cells, 3 epochs")
    rows, quick, where = Rows(options.json), options.quick, "of ECCO"
    if "THOR_DATA_MIRROR" in os.environ:
        train, test = ecco_tables()
    else:
        rows.leave_out("networks on cells of ECCO", "THOR_DATA_MIRROR is not set; synthetic cells are used")
        (train, test), where = made_tables(), "synthetic"
    if quick:
        train, test = thinned(train), thinned(test)
    settings = TrainingSettings(
        n_networks=N_NETWORKS,
        batch_size=BATCH,
        learning_rate=1e-4,
        schedule="constant",
        epochs=3 if quick else EPOCHS,
    )
    compare_training(train, test, settings, rows, where)
    compare_noise(train, test, rows, where, epochs=3 if quick else 10)
    stack = initial_stack(FEATURES, REGIMES, settings, seed=0)
    inputs = np.concatenate([train.inputs, test.inputs])
    compare_prediction(stack, inputs, rows, where, n_keras=1 if quick else 3)


def compare_training(train: Table, test: Table, settings: TrainingSettings, rows: Rows, where: str) -> None:
    """Measure the training step of one network, THOR and Keras."""
    steps = -(-len(train.labels) // settings.batch_size)

    def train_for(epochs: int) -> float:
        chosen = settings.replace(epochs=epochs)
        return timed(lambda: train_stack(train, test, features=FEATURES, classes=REGIMES, settings=chosen, seed=0))[1]

    cold, ours = train_for(1), train_for(settings.epochs)
    compiling = cold - ours / settings.epochs
    model = keras_model(initial_stack(FEATURES, REGIMES, settings, seed=0), 0, settings)
    model.fit(train.inputs[:1000], train.labels[:1000], batch_size=settings.batch_size, verbose=0)
    _, keras = timed(lambda: model.fit(train.inputs, train.labels, batch_size=settings.batch_size, verbose=0))
    rows.add(
        f"training step of one of {settings.n_networks} networks, batch {BATCH}, {len(train.labels):,} cells {where}",
        ours / (steps * settings.epochs * settings.n_networks),
        alternative="Keras fit, one network",
        theirs=keras / steps,
        remark=f"THOR from {settings.epochs} epochs of all networks, {ours:.0f} s, and {compiling:.1f} s to load and "
        "compile; alternative from one epoch",
    )
    with mock.patch("thor.networks.epochs.n_cores", return_value=1):
        few = min(settings.epochs, 10)
        train_for(1)  # compiled here
        together = train_for(few)
    rows.add(
        f"epoch of {settings.n_networks} networks in a group for each core, {len(train.labels):,} cells {where}",
        ours / settings.epochs,
        alternative="all networks in one group, with the threads of XLA",
        theirs=together / few,
    )


def compare_noise(train: Table, test: Table, rows: Rows, where: str, *, epochs: int) -> None:
    """Measure an epoch of the Bayesian network, with its noise and with the normal numbers of TensorFlow."""
    settings = BayesianSettings()
    few = Table(test.inputs[::20], test.labels[::20])

    def epoch_with(noise: Callable[..., Any]) -> float:
        def fit(n_epochs: int) -> float:
            chosen = settings.replace(epochs=n_epochs, warmup_epochs=0)
            names = {"features": FEATURES, "classes": REGIMES}
            return timed(lambda: fit_bayesian(train, few, **names, settings=chosen, seed=0))[1]

        variational.compile_variational.cache_clear()
        with mock.patch.object(variational, "normal_noise", noise):
            fit(1)  # compiled here
            return fit(epochs) / epochs

    rows.add(
        f"epoch of the Bayesian network, {settings.n_starts} starts, {len(train.labels):,} cells {where}",
        epoch_with(variational.normal_noise),
        alternative="the same with the normal numbers of TensorFlow",
        theirs=epoch_with(partial(load_tensorflow().random.stateless_normal, alg=variational.GENERATOR)),
    )


def compare_prediction(stack: NetworkStack, inputs: np.ndarray, rows: Rows, where: str, *, n_keras: int) -> None:
    """Measure the prediction of all cells with all networks, THOR and Keras."""
    memory = in_own_process(memory_of_prediction, stack, inputs)
    what = f"mean and spread of {stack.n_networks} networks, {len(inputs):,} cells {where}"
    ours = best(lambda: predict(stack, inputs))
    with mock.patch.object(stack_module, "outputs", last_activations):
        theirs = best(lambda: predict(stack, inputs))
    rows.add(what, ours, alternative="layers with cells along columns and biases added by themselves", theirs=theirs)
    for batch in (32, 4096):
        models = [keras_model(stack, network, TrainingSettings()) for network in range(n_keras)]
        for model in models:
            model.predict(inputs[:batch], batch_size=batch, verbose=0)

        def loop(models: list[Any] = models, batch: int = batch) -> None:
            for model in models:
                model.predict(inputs, batch_size=batch, verbose=0)

        rows.add(
            what,
            ours,
            alternative=f"Keras predict, one network after another, batch {batch}",
            theirs=timed(loop)[1] * stack.n_networks / n_keras,
            peak_memory_mb=memory,
            remark=f"memory with TensorFlow loaded; alternative from {n_keras} network{'s' if n_keras > 1 else ''}",
        )


def last_activations(layers: list[Layer], inputs: np.ndarray) -> np.ndarray:
    """Return the outputs of the networks by way of the forward pass that training and relevance take."""
    *_, (_, last) = forward(layers, inputs)
    return last


def memory_of_prediction(stack: NetworkStack, inputs: np.ndarray) -> float:
    """Return the peak memory [MB] of this process after a prediction."""
    load_tensorflow()
    predict(stack, inputs)
    return peak_memory_mb()


def keras_model(stack: NetworkStack, network: int, settings: TrainingSettings) -> Any:
    """Return one network of a stack as a compiled Keras model."""
    load_tensorflow()
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    hidden = [tf_keras.layers.Dense(units, "tanh") for units in stack.layer_sizes[1:-1]]
    layers = [tf_keras.Input((len(stack.features),)), *hidden, tf_keras.layers.Dense(len(stack.classes))]
    model = tf_keras.Sequential(layers)
    weights = [array[network] for layer in zip(stack.kernels, stack.biases, strict=True) for array in layer]
    model.set_weights(weights)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(settings.learning_rate), loss)
    return model


def ecco_ocean() -> xr.Dataset:
    """Return the training ocean of ECCO."""
    mirror = Path(os.environ["THOR_DATA_MIRROR"])
    arrays = {path.stem: path for path in (mirror / "ecco_v4r3").iterdir()}
    surface = surface_from_files([mirror / "ecco_v4r2" / "ecco_v4r2_mean_0p5deg.nc"])
    return harmonise(ecco_training_ocean(arrays, surface, terms=TERMS))


def ecco_features(
    ocean: xr.Dataset,
    *,
    stress_curl: str = "released",
    radii_km: tuple[float, ...] = (),
    statistics: tuple[str, ...] = ("mean", "spread"),
) -> xr.Dataset:
    """Return the features of ECCO in the published geometry; with the extended ones if radii are given."""
    return features(
        ocean,
        stress_curl=stress_curl,
        metric="published",
        reference_density=1029.0,
        extended=bool(radii_km),
        neighbourhood_radii_km=radii_km,
        polar_filter=False,
        neighbourhood_statistics=statistics,
    )


def published_labels(ocean: xr.Dataset) -> xr.Dataset:
    """Return the published labels in the form of `regimes`; they are valid only at cells with a budget."""
    mask = vorticity_budget(ocean, closure_tolerance=1e-3)["analysis_mask"]
    labels = ocean["reference_regime"].where(mask == 1, -1)
    regimes = xr.Dataset({"regime": labels.astype("int8")}, coords=ocean.coords)
    regimes["regime"].attrs = {"flag_values": np.arange(len(REGIMES)), "flag_meanings": " ".join(REGIMES)}
    regimes["regime_confidence"] = xr.ones_like(ocean["deptho"])
    return regimes


def published_members() -> NetworkStack:
    """Return the networks of the published study."""
    folder = Path(os.environ["THOR_DATA_MIRROR"]) / "published_networks"
    return published_networks(sorted(folder.glob("vanillamodel_*.h5"), key=lambda path: int(path.stem.split("_")[1])))


def ecco_tables() -> tuple[Table, Table]:
    """Return the published training and Atlantic cells."""
    ocean = ecco_ocean()
    fields = ecco_features(ocean)
    regimes = published_labels(ocean)
    samples = samples_from(fields, regimes, make_split(fields, regimes, SplitSettings(mode="published")))
    train, test = samples.with_role("train"), samples.with_role("test")
    scaler = FeatureScaler.fit(train)
    return Table(scaler.transform(train.inputs), train.labels), Table(scaler.transform(test.inputs), test.labels)


def made_tables() -> tuple[Table, Table]:
    """Return as many synthetic cells as real ones."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(N_TRAIN + N_TEST, len(FEATURES))).astype("float32")
    labels = np.digitize(inputs[:, 0] + 0.3 * inputs[:, 1], [-1.5, -0.7, 0.0, 0.7, 1.5])
    return Table(inputs[:N_TRAIN], labels[:N_TRAIN]), Table(inputs[N_TRAIN:], labels[N_TRAIN:])


def thinned(table: Table) -> Table:
    """Return every tenth sample."""
    return Table(table.inputs[::10], table.labels[::10])


if __name__ == "__main__":
    main()
