"""TensorFlow, imported when it is first needed and always with the same settings."""

import os
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """Return TensorFlow with Keras 2, quiet, and with operations that give the same bits every time.

    Settings of the environment count only before the first import anywhere in the process: import TensorFlow through
    here. Those that the user made stay.
    """
    # TensorFlow Probability's layers and the published networks need Keras 2; oneDNN changes sums with the machine.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
    return tensorflow
