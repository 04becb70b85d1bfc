"""TensorFlow, imported when it is first needed and always with the same settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """Return TensorFlow with Keras 2, quiet, and with operations that give the same bits every time.

    Settings of the environment count only before the first import anywhere in the process: import TensorFlow through
    here. Those that the user made stay.
    """
    tensorflow = import_tensorflow()
    with _without_native_stderr():
        # looks for accelerators once, and on machines without one would complain in the middle of a run
        tensorflow.config.list_physical_devices()
    tensorflow.config.experimental.enable_op_determinism()
    # Each size of networks and batches is traced once, which it warns of.
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def import_tensorflow() -> ModuleType:
    """Return TensorFlow, of which nothing runs yet: a process may still be forked, and find its own accelerators."""
    # TensorFlow Probability's layers and the published networks need Keras 2; oneDNN changes sums with the machine.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Otherwise the first of several processes takes all memory of an accelerator.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with nullcontext() if "tensorflow" in sys.modules else _without_native_stderr():
        import tensorflow
    return tensorflow


@contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Send what libraries write to file descriptor 2 nowhere: lines about drivers that are not there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
