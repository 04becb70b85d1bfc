"""Hook before everything else: all parameters are read into their models."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from thor.app.config_loader import holds

log = logging.getLogger("thor")


class ParameterHooks:
    """Reads every parameter group into its model before anything else, and sets the colours of regimes.

    Parameters
    ----------
    models : mapping of str to pydantic model, optional
        Model of each group; without it those of `thor.app.parameters`.
    """

    def __init__(self, models: Mapping[str, Any] | None = None) -> None:
        self._models = models

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Raise ConfigError for a misspelt or missing group or key, or a value that does not fit."""
        from thor.app.parameters import MODELS
        from thor.core.settings import validate
        from thor.figures.style import use_regime_palette
        from thor.report.settings import ReportSettings

        loader = context.config_loader
        for sentence in loader.without_effect():
            log.warning(sentence)

        def find_source(path: tuple[str, ...]) -> str:
            if holds(context._runtime_params or {}, path):
                return "--params"
            return loader.find("parameters", path) or Path(loader.conf_source).name

        models = MODELS if self._models is None else self._models
        typed = validate(loader["parameters"], models, find_source=find_source)
        if isinstance(report := typed.get("reporting"), ReportSettings):
            use_regime_palette(report.regime_palette)
