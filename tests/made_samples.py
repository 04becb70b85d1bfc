"""Made samples: labelled cells on a coarse sphere and probabilities of a predictor whose skill is known."""

import numpy as np

from thor.networks.samples import Samples
from thor.networks.split import ROLES

CLASSES = ("MD", "TR", "NL")


def make_samples(labels, *, lat=None, lon=None, area=None, confidence=None, role=None, classes=CLASSES):
    """Samples with these labels; every other cell trains and tests, areas and positions as given or regular."""
    n = len(labels)
    return Samples(
        inputs=np.zeros((n, 1)),
        labels=np.asarray(labels),
        area=np.ones(n) if area is None else np.asarray(area, float),
        confidence=np.ones(n) if confidence is None else np.asarray(confidence, float),
        lat=np.linspace(-60.0, 60.0, n) if lat is None else np.asarray(lat, float),
        lon=np.linspace(0.0, 359.0, n) if lon is None else np.asarray(lon, float),
        basin=np.ones(n, int),
        role=np.where(np.arange(n) % 2, ROLES.index("train"), ROLES.index("test")) if role is None else role,
        index=np.arange(n),
        similar_labels=np.empty((n, 0), int),
        ocean=np.zeros(n, int),
        features=("zos",),
        units=("m",),
        classes=classes,
        roles={name: name for name in ROLES},
        similar=(),
    )


def make_ocean(degrees=4.0):
    """Positions of a band of ocean and the areas of its cells."""
    lat, lon = np.meshgrid(np.arange(-58.0, 60.0, degrees), np.arange(0.0, 360.0, degrees), indexing="ij")
    return lat.ravel(), lon.ravel(), 1e10 * np.cos(np.deg2rad(lat.ravel()))


def make_probabilities(labels, n_classes=3, *, certainty=2.0, seed=0):
    """Probabilities from random logits; the logit of the label is raised by `certainty`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), n_classes))
    logits[np.arange(len(labels)), labels] += certainty
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)
