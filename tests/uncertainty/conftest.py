"""Made ocean of the networks, for folds."""

from tests.networks.conftest import made_features, made_regimes  # noqa: F401
