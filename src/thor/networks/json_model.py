"""Fitted models of names and numbers as plain dictionaries, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, get_type_hints

import numpy as np

from thor.core.arrays import Array
from thor.core.errors import NetworkError


@dataclass(frozen=True, eq=False)
class JsonModel:
    """A dataclass of numbers, texts, tuples and float64 arrays, which JSON keeps to the last digit.

    Subclasses name the kind of model, with its article, for errors.
    """

    KIND: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, numbers and texts."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        arrays = {name: value.tolist() for name, value in values.items() if isinstance(value, np.ndarray)}
        tuples = {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
        return values | arrays | tuples

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the model that `to_dict` described.

        Raises
        ------
        NetworkError
            When an entry is missing or unknown, or the entries do not fit one another.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(content) != expected:
            raise NetworkError(f"{cls.KIND} holds {', '.join(sorted(expected))}; got {', '.join(content)}.")
        types = get_type_hints(cls)
        lists = {name: value for name, value in content.items() if isinstance(value, list)}
        arrays = {name: np.asarray(value, dtype=float) for name, value in lists.items() if types[name] == Array}
        return cls(**{**content, **{name: tuple(value) for name, value in lists.items()}, **arrays})
