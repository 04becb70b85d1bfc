"""Stacked networks beside a loop over Keras: time of a training step, time and memory of prediction.

    THOR_DATA_MIRROR=<folder> python benchmarks/networks.py [--quick]

The ocean is ECCO with the published labels, features and split, 109,259 cells to train and 149,587 in all; without
THOR_DATA_MIRROR inputs and labels of that size are made up. Ours trains 50 networks of the published architecture for
50 epochs at batch 32, shuffling and judging every epoch included; compiling is told apart. Keras fits one such network,
warm, for one epoch without judging it: the loop over 50 networks takes 50 times as long. Ours predicts all cells with
all networks, down to mean and spread; Keras calls `predict` for some of the networks, with its default batch and with a
large one. Peak memory is that of a process of its own, TensorFlow loaded.

--quick: a tenth of the cells, 3 epochs.
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thor.networks.prediction import predict
from thor.networks.published import published_networks
from thor.networks.samples import FeatureScaler, samples_from
from thor.networks.settings import SplitSettings, TrainingSettings
from thor.networks.split import make_split
from thor.networks.stack import NetworkStack
from thor.networks.table import Table
from thor.networks.tensorflow import load_tensorflow
from thor.networks.training import initial_stack, train_stack
from thor.ocean.budget import vorticity_budget
from thor.ocean.ecco import ecco_training_ocean, surface_from_files
from thor.ocean.features import features
from thor.ocean.harmonise import harmonise
from thor.regimes.naming import REGIMES
from thor.variables import FEATURES

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
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the cells, 3 epochs")
    quick = parser.parse_args().quick
    train, test = ecco_tables() if "THOR_DATA_MIRROR" in os.environ else made_tables()
    if quick:
        train, test = thinned(train), thinned(test)
    epochs = 3 if quick else EPOCHS
    settings = TrainingSettings(
        n_networks=N_NETWORKS, batch_size=BATCH, learning_rate=1e-4, schedule="constant", epochs=epochs
    )
    compare_training(train, test, settings)
    stack = initial_stack(FEATURES, REGIMES, settings, seed=0)
    compare_prediction(stack, np.concatenate([train.inputs, test.inputs]), n_keras=1 if quick else 3)


def compare_training(train: Table, test: Table, settings: TrainingSettings) -> None:
    """Print the time of one network's step, ours and Keras's."""
    steps = -(-len(train.labels) // settings.batch_size)

    def train_for(epochs: int) -> float:
        chosen = replace(settings, epochs=epochs)
        return timed(lambda: train_stack(train, test, features=FEATURES, classes=REGIMES, settings=chosen, seed=0))[1]

    cold, ours = train_for(1), train_for(settings.epochs)
    compiling = cold - ours / settings.epochs
    model = keras_model(initial_stack(FEATURES, REGIMES, settings, seed=0), 0, settings)
    model.fit(train.inputs[:1000], train.labels[:1000], batch_size=settings.batch_size, verbose=0)
    _, keras = timed(lambda: model.fit(train.inputs, train.labels, batch_size=settings.batch_size, verbose=0))
    our_step = 1e3 * ours / (steps * settings.epochs * settings.n_networks)
    keras_step = 1e3 * keras / steps
    print(f"{settings.n_networks} networks, {settings.epochs} epochs, {len(train.labels):,} cells, batch {BATCH}")
    print(f"  ours                         {ours:10.1f} s and {compiling:.1f} s to load and compile")
    print(f"  ours, one step of a network  {our_step:10.4f} ms ({our_step * settings.n_networks:.2f} ms for all)")
    print(f"  Keras, one step of a network {keras_step:10.4f} ms")
    print(f"  Keras / ours                 {keras_step / our_step:10.1f}")


def compare_prediction(stack: NetworkStack, inputs: np.ndarray, *, n_keras: int) -> None:
    """Print the time of predicting all cells with all networks, ours and Keras's, and our peak memory."""
    _, ours = timed(lambda: predict(stack, inputs))
    settings = TrainingSettings()
    print(f"\nprediction of {stack.n_networks} networks on {len(inputs):,} cells")
    print(f"  ours                         {ours:10.2f} s")
    for batch in (32, 4096):
        models = [keras_model(stack, network, settings) for network in range(n_keras)]
        for model in models:
            model.predict(inputs[:batch], batch_size=batch, verbose=0)

        def loop(models: list[Any] = models, batch: int = batch) -> None:
            for model in models:
                model.predict(inputs, batch_size=batch, verbose=0)

        keras = timed(loop)[1] * stack.n_networks / n_keras
        print(f"  Keras, batch {batch:<5}           {keras:10.2f} s, {keras / ours:.0f} times ours")
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        print(f"  our peak memory              {pool.apply(peak_memory, (stack, inputs)):10.0f} MB, TensorFlow loaded")


def peak_memory(stack: NetworkStack, inputs: np.ndarray) -> float:
    """Return the peak memory [MB] of this process after a prediction."""
    load_tensorflow()
    predict(stack, inputs)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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


def published_labels(ocean: xr.Dataset) -> xr.Dataset:
    """Return the published labels in the form of `regimes`; they mean something where there is a budget only."""
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
    fields = features(
        ocean,
        stress_curl="released",
        metric="published",
        reference_density=1029.0,
        extended=False,
        neighbourhood_radii_km=(),
    )
    regimes = published_labels(ocean)
    samples = samples_from(fields, regimes, make_split(fields, regimes, SplitSettings(mode="published")))
    train, test = samples.with_role("train"), samples.with_role("test")
    scaler = FeatureScaler.fit(train)
    return Table(scaler.transform(train.inputs), train.labels), Table(scaler.transform(test.inputs), test.labels)


def made_tables() -> tuple[Table, Table]:
    """Return made-up cells as many as the real ones."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(N_TRAIN + N_TEST, len(FEATURES))).astype("float32")
    labels = np.digitize(inputs[:, 0] + 0.3 * inputs[:, 1], [-1.5, -0.7, 0.0, 0.7, 1.5])
    return Table(inputs[:N_TRAIN], labels[:N_TRAIN]), Table(inputs[N_TRAIN:], labels[N_TRAIN:])


def thinned(table: Table) -> Table:
    """Return every tenth sample."""
    return Table(table.inputs[::10], table.labels[::10])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
