"""Families of climate models with one ocean code, from `families.yml` and the settings."""

import logging
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

import yaml

from thor.core.errors import ConfigError, listed
from thor.tracking.settings import AgreementSettings

log = logging.getLogger(__name__)


@cache
def family_table() -> dict[str, str]:
    """Return the family of every model that has one in the table."""
    families = yaml.safe_load(files("thor.tracking").joinpath("families.yml").read_text(encoding="utf-8"))
    return {str(source_id): str(family) for family, models in families.items() for source_id in models}


def families_of(source_ids: Collection[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the family of each model.

    Parameters
    ----------
    source_ids : collection of str
    given : mapping of str to str
        Families that add to the table or have priority over it; those of other models are not used.

    Raises
    ------
    ConfigError
        When a model has no family.
    """
    known = family_table() | dict(given)
    if missing := sorted(set(source_ids) - set(known)):
        raise ConfigError(
            f"No family is known of {', '.join(missing)}, and model_weights: family gives one vote to each. Add it in "
            f"scenario_tracking.agreement.families, e.g. {{{missing[0]}: NEMO}}, or set model_weights: none."
        )
    return {source_id: known[source_id] for source_id in source_ids}


def require_families(source_ids: Collection[str], settings: AgreementSettings) -> None:
    """Raise ConfigError where votes are by family and a model has none; warn of families given for other models."""
    if settings.model_weights != "family":
        return
    if others := sorted(set(settings.families) - set(source_ids)):
        log.warning(
            "scenario_tracking.agreement.families has %s, not among the tracked models (%s): left out, or misspelt?",
            listed(others),
            listed(sorted(source_ids), most=30),
        )
    families_of(source_ids, settings.families)
