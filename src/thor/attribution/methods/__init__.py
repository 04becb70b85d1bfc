"""The methods of explanation: one file each, found here by its `METHOD` (`thor.attribution.method.Method`)."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from thor.attribution.method import Method


@cache
def all_methods() -> dict[str, Method]:
    """Return every method by name, in their order."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {method.name: method for method in sorted((m.METHOD for m in modules), key=lambda m: (m.order, m.name))}


def explaining_methods() -> dict[str, Method]:
    """Return the methods that explain every cell and have a dataset."""
    return {name: method for name, method in all_methods().items() if method.description}


def labels(names: str) -> str:
    """Return the short name of a method in figures and tables, or of each of a pair ``<method> and <method>``."""
    return " and ".join(_capitalised(name) for name in in_sentence(names).split(" and "))


def in_sentence(names: str) -> str:
    """Return the short name of a method within a sentence, or of each of a pair ``<method> and <method>``."""
    methods = all_methods()
    return " and ".join(methods[name].label if name in methods else name for name in names.split(" and "))


def title_of(name: str) -> str:
    """Return the name of a method in full."""
    return _capitalised(all_methods()[name].title) if name in all_methods() else name


def colour_of(name: str) -> str:
    """Return the colour of a method in figures; grey for one that is not registered."""
    return all_methods()[name].colour if name in all_methods() else "#949494"


def each_method(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with a row for each method that explains every cell in place of a row named with `{method}`.

    In such a row `{method}`, `{label}`, `{title}` and `{description}` stand for those of the method.
    """
    expanded: dict[str, Any] = {}
    for name, row in rows.items():
        if "{method}" not in name:
            expanded[name] = row
            continue
        for method in explaining_methods().values():
            words = {"method": method.name, "label": labels(method.name)}
            words |= {"title": title_of(method.name), "description": method.description}
            expanded[_filled(name, words)] = _filled(row, words)
    return expanded


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    return {key: _filled(entry, words) for key, entry in value.items()} if isinstance(value, Mapping) else value
