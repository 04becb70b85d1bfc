"""Kedro's settings for this project; see https://docs.kedro.org."""

import os
import warnings

from thor.hooks import ParameterHooks, RunHooks
from thor.mlflow_hooks import MlflowHooks


def environment_variable(name: str, default: object = None) -> object:
    """Return the environment variable, or `default` where it is unset or empty: ``${env:THOR_TEST_ROOT,data/test}``."""
    return os.environ.get(name) or default


# Kedro 1.7 still calls OmegaConf by a name that OmegaConf 2.4 warns about, five times a run.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)

HOOKS = (ParameterHooks(), MlflowHooks(), RunHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # `soft` merges key by key; Kedro's own way lets one overridden key drop its whole group.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {"env": environment_variable},
}
