"""Imports TensorFlow; for the process from which those of the nodes are forked (`thor.app.runner`)."""

from thor.networks.tensorflow import import_tensorflow

import_tensorflow()
