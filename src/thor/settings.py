"""Kedro's settings for this project; see https://docs.kedro.org."""

import os
import warnings

from thor.configuration import conf_source, project_folder
from thor.hooks import ParameterHooks, RunHooks
from thor.mlflow_hooks import MlflowHooks


def environment_variable(name: str, default: object = None) -> object:
    """Return the environment variable, or `default` where it is unset or empty: ``${env:THOR_TEST_ROOT,data/test}``."""
    return os.environ.get(name) or default


# Kedro 1.7 still calls OmegaConf by a name that OmegaConf 2.4 warns about, five times a run.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)

# `conf` in the project; in any other folder the defaults that come with the package.
CONF_SOURCE = conf_source()

HOOKS = (ParameterHooks(), MlflowHooks(), RunHooks())
# Kedro-Viz keeps what it knows of a run in the project, and complains where there is none.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", *(() if project_folder() else ("kedro-viz",)))

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # `soft` merges key by key; Kedro's own way lets one overridden key drop its whole group.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {"env": environment_variable},
}
