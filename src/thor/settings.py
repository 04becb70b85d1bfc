"""Kedro's settings for this project; see https://docs.kedro.org."""

import warnings
from typing import Any

from thor.config_loader import ConfigLoader, environment_variable
from thor.configuration import conf_source, project_folder
from thor.hooks import ParameterHooks, RunHooks
from thor.mlflow_hooks import MlflowHooks

# Kedro 1.7 still calls OmegaConf by a name that OmegaConf 2.4 warns about, five times a run.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)

# `conf` in the project; in any other folder the defaults that come with the package.
CONF_SOURCE = conf_source()

HOOKS = (ParameterHooks(), MlflowHooks(), RunHooks())
# Kedro-Viz keeps what it knows of a run in the project, and complains where there is none.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", *(() if project_folder() else ("kedro-viz",)))

# `conf/local` is read over every environment but `test`.
CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # `soft` merges key by key; Kedro's own way lets one overridden key drop its whole group.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    # Kedro itself looks for `globals.yml` only, and passes over `globals.yaml` without a word.
    "config_patterns": {"globals": ["globals*", "globals*/**", "**/globals*"]},
    "custom_resolvers": {"env": environment_variable},
}
