"""Kedro's settings for this project; see https://docs.kedro.org."""

from thor.app.config_loader import OPTIONS, ConfigLoader
from thor.app.configuration import conf_source, project_folder
from thor.app.hooks import RunHooks
from thor.app.mlflow_hooks import MlflowHooks
from thor.app.parameter_hooks import ParameterHooks

# `conf` in the project; in any other folder the defaults that come with the package.
CONF_SOURCE = conf_source()

HOOKS = (ParameterHooks(), MlflowHooks(), RunHooks())
# Kedro-Viz keeps what it knows of a run in the project, and complains where there is none.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", *(() if project_folder() else ("kedro-viz",)))

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = OPTIONS
