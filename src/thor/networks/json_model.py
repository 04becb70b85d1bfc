"""Fitted models of names and numbers as plain dictionaries, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import NetworkError


@dataclass(frozen=True, eq=False)
class JsonModel:
    """A dataclass of numbers, texts, tuples, float64 arrays and further models, which JSON keeps to the last digit.

    Subclasses name the kind of model, with its article, for errors. Fields whose default is None may be missing.
    """

    KIND: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, numbers and texts, without those that are None."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: _plain(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the model that `to_dict` described.

        Raises
        ------
        NetworkError
            When an entry is missing or unknown, or the entries do not fit one another.
        """
        optional = {entry.name for entry in fields(cls) if entry.default is None}
        expected = [entry.name for entry in fields(cls) if entry.name not in optional]
        if set(content) - optional != set(expected):
            raise NetworkError(
                f"{cls.KIND} holds {', '.join(expected)}; got {', '.join(content)}. Run its pipeline again."
            )
        types = get_type_hints(cls)
        return cls(**{name: _typed(value, types[name]) for name, value in content.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, JsonModel):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def _typed(value: Any, kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, JsonModel):
        return kind.from_dict(value)
    if get_origin(kind) is Mapping:
        return {name: _typed(entry, get_args(kind)[1]) for name, entry in value.items()}
    if isinstance(value, list):
        return np.asarray(value, dtype=float) if kind == Array else tuple(value)
    return value
