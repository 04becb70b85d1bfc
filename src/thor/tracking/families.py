"""Families of climate models with one ocean code, from `families.yml` and the settings."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

import yaml

from thor.core.errors import ConfigError, did_you_mean


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
        Families that add to the table or have priority over it.

    Raises
    ------
    ConfigError
        When a model has no family, or one is given for a model that is not there.
    """
    for source_id in given:
        if source_id not in source_ids:
            raise ConfigError(
                f"scenario_tracking.agreement.families has the model '{source_id}', which is not in the archive."
                f"{did_you_mean(source_id, source_ids)} Models there: {', '.join(sorted(source_ids))}."
            )
    known = family_table() | dict(given)
    if missing := sorted(set(source_ids) - set(known)):
        raise ConfigError(
            f"No family is known of {', '.join(missing)}, and model_weights: family gives one vote to each. Add it in "
            f"scenario_tracking.agreement.families, e.g. {{{missing[0]}: NEMO}}, or set model_weights: none."
        )
    return {source_id: known[source_id] for source_id in source_ids}
