"""Typed parameters: what is wrong with a configuration, in one line that names the key and its nearest neighbour."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from thor.core.errors import ConfigError, did_you_mean

_MOST = 3
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def validate(
    parameters: Mapping[str, Any],
    models: Mapping[str, type[BaseModel]],
    *,
    find_source: Callable[[tuple[str, ...]], str] = ".".join,
) -> dict[str, BaseModel]:
    """Return the typed groups of `parameters`.

    Parameters
    ----------
    parameters : mapping
        Raw parameters, one top-level key a group.
    models : mapping of str to pydantic model
        The model of each group; extra keys are forbidden there.
    find_source : callable, optional
        Says in which file or option a key was set, such as ``conf/base/parameters_modelling.yml`` for
        ``("modelling", "epochs")``.

    Raises
    ------
    ConfigError
        For an unknown or missing group or key, or a value that does not fit; at most three are told.
    """
    complaints = [
        f"{find_source((name,))}: there is no parameter group '{name}'.{did_you_mean(name, models)}"
        for name in parameters
        if name not in models
    ]
    complaints += [
        f"Parameter group '{name}' is missing. Give it in conf/base/parameters_{name}.yml."
        for name in models
        if name not in parameters and not any(unknown not in models for unknown in parameters)
    ]
    typed = {}
    for name, model in models.items():
        if name not in parameters:
            continue
        try:
            typed[name] = model.model_validate(parameters[name])
        except ValidationError as error:
            # A misspelt key is also a missing one: what is there and unknown says more.
            found = sorted(error.errors(include_url=False), key=lambda details: details["type"] not in _UNKNOWN)
            complaints += [_complaint(name, model, details, find_source) for details in found]
    if complaints:
        more = len(complaints) - _MOST
        raise ConfigError("\n".join(complaints[:_MOST]) + (f"\n... and {more} more." if more > 0 else ""))
    return typed


def _complaint(
    group: str, model: type[BaseModel], details: Mapping[str, Any], find_source: Callable[[tuple[str, ...]], str]
) -> str:
    path = tuple(str(step) for step in details["loc"])
    key = ".".join((group, *path))
    if details["type"] in _UNKNOWN:
        valid = _fields(model, path[:-1])
        return f"{find_source((group, *path))}: there is no parameter '{key}'.{did_you_mean(path[-1], valid)}"
    if details["type"] == "missing":
        return f"{find_source((group, *path[:-1]))}: parameter '{key}' is missing. Add it to the group."
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{find_source((group, *path))}: parameter '{key}' should be {message}; got {_shown(details.get('input'))}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _fields(model: type, path: tuple[str, ...]) -> list[str]:
    """Return the field names at `path` below `model`, itself a pydantic model or a dataclass."""
    for step in path:
        annotation = _annotations(model).get(step)
        nested = [kind for kind in (annotation, *get_args(annotation)) if _annotations(kind)]
        if nested:
            model = nested[0]
    return list(_annotations(model))


def _annotations(kind: Any) -> dict[str, Any]:
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return get_type_hints(kind) if is_dataclass(kind) else {}
