"""Settings: each is declared once, with type, range, default and description; all errors have one wording."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from thor.core.errors import ConfigError, did_you_mean

Count = Annotated[int, Field(ge=1)]
"""A number of things, at least one."""
Positive = Annotated[float, Field(gt=0)]
"""A number above zero."""
NotNegative = Annotated[float, Field(ge=0)]
"""A number that may be zero."""
Share = Annotated[float, Field(gt=0, lt=1)]
"""A number between zero and one, both excluded."""
Seed = Annotated[int, Field(ge=0)]
"""A seed of random numbers."""
Resamples = Annotated[int, Field(ge=10)]
"""Resamples of a bootstrap: the ends of an interval from fewer are those of single ones."""
BlockDegrees = Annotated[float, Field(ge=0.1, le=90)]
"""Side of a block of cells [degrees]; much smaller than cells, blocks would only take memory."""

Item = TypeVar("Item")
Filled = Annotated[Item, Field(min_length=1)]
"""A list that is not empty."""

_FindSource = Callable[[tuple[str, ...]], str]
_MOST = 3
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
_PREDICATES = ("must ", "cannot ")
"""How the message of a validator begins if it continues the name of the parameter; else it is a sentence."""
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class Settings(BaseModel):
    """Base of all settings: values never change, unknown names are errors, numbers are finite.

    The description of a field holds its unit in square brackets, which errors and documentation repeat.

    Raises
    ------
    ConfigError
        When a value does not fit, where settings are made directly. Inside other settings it is an error of theirs,
        so that it names the whole path.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            place = type(self).__name__
            raise ConfigError(_lines(_complaints(error, type(self), find_source=lambda _: place))) from None

    # pydantic calls an `__init__` without this mark for nested settings too; their errors would lose the path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        # Pydantic also pickles the set of the fields that were given, whose order differs between processes.
        return _restored, (type(self), dict(self))

    def replace(self, **changes: Any) -> Self:
        """Return these settings with some changed, all of them checked."""
        return type(self)(**(dict(self) | changes))

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise PydanticCustomError("truth_value", "no truth value")
        return value


def _restored(kind: type[Settings], values: dict[str, Any]) -> Settings:
    return kind.model_construct(**values)


def validate(
    parameters: Mapping[str, Any], models: Mapping[str, type[BaseModel]], *, find_source: _FindSource = ".".join
) -> dict[str, BaseModel]:
    """Return the typed groups of `parameters`.

    Parameters
    ----------
    parameters : mapping
        Raw parameters, one top-level key a group.
    models : mapping of str to pydantic model
        The model of each group.
    find_source : callable, optional
        Returns the file or option in which a key was set, such as ``conf/base/parameters_modelling.yml`` for
        ``("modelling", "epochs")``.

    Raises
    ------
    ConfigError
        For an unknown or missing group or key, or a value that does not fit; the message names at most three.
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
    for name in [name for name in models if name in parameters]:
        try:
            typed[name] = models[name].model_validate(parameters[name])
        except ValidationError as error:
            complaints += _complaints(error, models[name], find_source=find_source, group=(name,))
    if complaints:
        raise ConfigError(_lines(complaints))
    return typed


def require(name: str, value: Any, kind: Any) -> None:
    """Raise ConfigError unless an argument that is no setting is of a type with limits, such as `Count`."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise ConfigError(f"'{name}' {_must_be(kind, value)}") from None


def expected(field: FieldInfo) -> str:
    """Return in words what a field can be, such as ``a number from 50 to 10000 m``."""
    unit = re.search(r"\[([^\]]+)\]", field.description or "")
    words = _in_words(field.annotation, field.metadata)
    if not unit or unit[1] == "1":
        return words
    number, null, _ = words.partition(" or null")
    return f"{number} {unit[1]}{null}"


def _lines(complaints: Sequence[str]) -> str:
    more = len(complaints) - _MOST
    return "\n".join(complaints[:_MOST]) + (f"\n... and {more} more." if more > 0 else "")


def _complaints(
    error: ValidationError, model: type[BaseModel], *, find_source: _FindSource, group: tuple[str, ...] = ()
) -> list[str]:
    """Return one line for each value that does not fit: where it is, what was expected, what came."""
    # A misspelt key is also a missing one: the unknown name is shown. Of a union, the error of the whole comes first.
    found = sorted(
        error.errors(include_url=False),
        key=lambda details: (details["type"] != "extra_forbidden", details["type"] == "missing", len(details["loc"])),
    )
    lines: dict[tuple[str, ...], str] = {}
    for details in found:
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic does not count items that themselves have errors
        kind, holder, path = _locate(model, details["loc"])
        full = (*group, *path)
        key = ".".join(full)
        if details["type"] == "extra_forbidden":
            text = f"there is no parameter '{key}'.{did_you_mean(path[-1], holder.model_fields)}"
        elif details["type"] == "missing":
            full, text = full[:-1], f"parameter '{key}' is missing. Add it to the group."
        elif details["type"] == "value_error":
            message = details["msg"].removeprefix("Value error, ")
            text = f"parameter '{key}'{' ' if message.startswith(_PREDICATES) else ': '}{message}" if key else message
        else:
            text = f"parameter '{key}' {_must_be(kind, details['input'])}"
        lines.setdefault((*group, *path), f"{find_source(full)}: {text}")
    return list(lines.values())


def _must_be(kind: Any, value: Any) -> str:
    words = expected(kind) if isinstance(kind, FieldInfo) else _in_words(kind)
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
    choices = [str(c) for part in _alternatives(kind) if get_origin(part) is Literal for c in get_args(part)]
    near = get_close_matches(str(value), choices, n=1)
    return f"must be {words}; got {shown}." + (f" Did you mean '{near[0]}'?" if near else "")


def _locate(model: type[BaseModel], steps: Sequence[Any]) -> tuple[Any, type[BaseModel], tuple[str, ...]]:
    """Return the field or type at the place of an error, the model that holds it, and its path.

    After several alternatives pydantic adds the name of one of them to the path; there the path ends.
    """
    kind: Any = model
    holder, path = model, []
    for step in steps:
        alternatives = _alternatives(kind)
        if len(alternatives) != 1:
            break
        inner = alternatives[0]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            holder, kind = inner, inner.model_fields.get(str(step))
        elif isinstance(step, int):
            items = [item for item in get_args(inner) if item is not Ellipsis]
            kind = items[min(step, len(items) - 1)]
        else:
            kind = get_args(inner)[-1]
        path.append(str(step))
    return kind, holder, tuple(path)


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a field or type allows, without limits and None."""
    if isinstance(kind, FieldInfo):
        return _alternatives(kind.annotation)
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [inner for part in get_args(kind) if part is not type(None) for inner in _alternatives(part)]
    return [kind]


def _in_words(kind: Any, limits: Sequence[Any] = ()) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner = [limit for part in parts[1:] for limit in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return _in_words(parts[0], [*inner, *limits])
    if origin in (Union, UnionType):
        return " or ".join(_in_words(part, limits) for part in parts)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in parts)
    if kind in (int, float):
        return _WORDS[kind] + _limits(limits)
    if origin is tuple and Ellipsis not in parts:
        return f"[{', '.join(_in_words(part) for part in parts)}]"
    if origin in (list, tuple, Sequence):
        filled = any(getattr(limit, "min_length", 0) for limit in limits)
        return f"a list{' that is not empty' * filled}, each {_in_words(parts[0])}"
    if origin in (dict, Mapping):
        return f"a table, each {_in_words(parts[1])}"
    return _WORDS.get(kind) or f"a group of parameters ({getattr(kind, '__name__', kind)})"


def _limits(limits: Sequence[Any]) -> str:
    bounds = {name: getattr(limit, name) for limit in limits for name in _BOUNDS if hasattr(limit, name)}
    if {"ge", "le"} == set(bounds):
        return f" from {bounds['ge']:g} to {bounds['le']:g}"
    words = " and ".join(f"{_BOUNDS[name]} {value:g}" for name, value in bounds.items())
    return f" {words}" if words else ""
