"""How the pipelines name their nodes and datasets."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node


def named_node(function: Callable[..., Any], inputs: Any, outputs: Any) -> Node:
    """Return a node with the name of its function."""
    return Node(function, inputs, outputs, name=function.__name__)


def by_name(*names: str) -> dict[str, str]:
    """Return datasets whose names are those of arguments, or of results."""
    return dict(zip(names, names, strict=True))
