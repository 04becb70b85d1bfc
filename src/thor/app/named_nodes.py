"""How the pipelines connect their nodes: the datasets of a node are named in its function."""

from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Any

from kedro.pipeline import Node


def named_node(
    function: Callable[..., Any],
    *outputs: str,
    further_inputs: Iterable[str] = (),
    inputs_of: Callable[..., Any] | None = None,
) -> Node:
    """Return a node with the name of its function, whose inputs are the datasets with the names of its arguments.

    Parameters
    ----------
    function : callable
        In a module of a pipeline. Its argument `parameters` takes the settings of that pipeline, `compute` those of
        parallel work.
    *outputs : str
        The dataset that it returns; of several, the keys of the mapping that it returns.
    further_inputs : iterable of str
        Datasets of its `**` argument.
    inputs_of : callable, optional
        The function that its `**` argument is passed on to, whose inputs are also those of the node.
    """
    functions = [function] if inputs_of is None else [function, inputs_of]
    arguments = [argument for each in functions for argument in signature(each).parameters.values()]
    names = [argument.name for argument in arguments if argument.kind is not Parameter.VAR_KEYWORD]
    settings = {"parameters": f"params:{function.__module__.split('.')[-2]}", "compute": "params:compute"}
    inputs = {name: settings.get(name, name) for name in [*names, *further_inputs]}
    returned = outputs[0] if len(outputs) == 1 else {name: name for name in outputs}
    return Node(function, inputs, returned, name=function.__name__)
