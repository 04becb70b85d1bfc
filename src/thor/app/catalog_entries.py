"""Entries of the catalog: whether a dataset of THOR can be made from one."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from thor.core.errors import did_you_mean

_OF_KEDRO = ("type", "versioned", "version", "credentials", "validator")
"""Keys of an entry that its dataset does not get."""


def fault_of_entry(entry: Any) -> str:
    """Return why no dataset of THOR can be made from an entry of the catalog, after its name; empty where one can.

    Other types may need packages that are not installed, and are not imported before they are used.
    """
    kind = entry.get("type") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or not kind.startswith("thor."):
        return ""
    module, _, name = kind.rpartition(".")
    try:
        made = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        known = [f"thor.datasets.{name}" for name in vars(import_module("thor.datasets")) if name[0].isupper()]
        return f"has the type {kind}, which does not exist.{did_you_mean(kind, known)}"
    arguments = {key: value for key, value in entry.items() if key not in _OF_KEDRO}
    known = list(signature(made).parameters)
    for key in arguments:
        if key not in known:
            return f"has no setting '{key}'.{did_you_mean(key, known)}"
    try:
        made(**arguments)
    except TypeError as error:
        return f"cannot be made: {error}."
    return ""
