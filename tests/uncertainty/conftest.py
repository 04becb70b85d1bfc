"""Made ocean of the networks, for folds."""

from tests.made_input_sets import trained_set, vorticity_terms, with_transport  # noqa: F401
from tests.networks.conftest import made_features, made_regimes  # noqa: F401
