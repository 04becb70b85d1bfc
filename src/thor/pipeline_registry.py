"""The registered pipelines: one for each folder of `thor.pipelines`, `__default__` and `study`."""

from importlib import import_module
from importlib.resources import files

from kedro.pipeline import Pipeline

NOT_IN_STUDY = ("idealized_ocean",)
"""Pipelines that make data instead of studying them."""

ON_REQUEST = ("network_search", "cross_validation")
"""Pipelines that run only when they are named."""


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by name; `__default__` is all but those on request, `study` starts from given data."""
    pipelines = {name: _grouped(name) for name in _folders()}
    default = {name: pipeline for name, pipeline in pipelines.items() if name not in ON_REQUEST}
    study = [pipeline for name, pipeline in default.items() if name not in NOT_IN_STUDY]
    return pipelines | {
        "__default__": sum(default.values(), Pipeline([])),
        "study": sum(study, Pipeline([])),
    }


def _grouped(name: str) -> Pipeline:
    """Return a pipeline whose nodes are `<name>.<node>`, tagged with the name and one box of Kedro-Viz.

    Its datasets belong to all pipelines.
    """
    pipeline = import_module(f"thor.pipelines.{name}.pipeline").create_pipeline()
    return Pipeline(pipeline, namespace=name, tags=name, prefix_datasets_with_namespace=False)


def _folders() -> list[str]:
    folder = files("thor").joinpath("pipelines")
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.joinpath("pipeline.py").is_file())
