"""Parts of a report that may be absent: their pipeline did not run, or not since its input changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from thor.attribution.methods import explaining_methods
from thor.core.mixing import mismatches, outdated
from thor.report.content import captions


@dataclass(frozen=True)
class ReportPart:
    """The part of the report that one pipeline makes.

    Attributes
    ----------
    title : str
        In words.
    numbers, fields : tuple of str
        Its datasets; its figures start with the name of the pipeline.
    made_from : tuple of str
        Datasets of earlier pipelines: results that are older than one of them, and were made from other content, are
        out of date.
    """

    title: str
    numbers: tuple[str, ...]
    fields: tuple[str, ...]
    made_from: tuple[str, ...]


REPORT_PARTS = {
    "regime_clustering": ReportPart(
        "clustering scores and balances", ("clustering_metrics", "regime_balances"), (), ("regimes",)
    ),
    "uncertainty": ReportPart(
        "calibration and uncertainty",
        ("calibration_metrics", "bayesian_skill_metrics"),
        ("regime_uncertainty",),
        ("regimes", "ensemble"),
    ),
    "explainability": ReportPart(
        "explanations", ("explanation_metrics",), tuple(explaining_methods()), ("regimes", "ensemble")
    ),
    "scenario_tracking": ReportPart(
        "scenarios of climate models",
        ("tracking_metrics",),
        ("scenario_regimes", "regime_areas"),
        ("regimes", "ensemble", "calibration_model", "scenario_features"),
    ),
}
"""By pipeline. All other inputs of a report are required."""


@dataclass(frozen=True)
class LeftOut:
    """Datasets and figures that a report does not show.

    Attributes
    ----------
    missing, outdated : sequence of str
        Absent, and older than their inputs.
    """

    missing: Sequence[str] = ()
    outdated: Sequence[str] = ()

    def __or__(self, other: "LeftOut") -> "LeftOut":
        """Return the union of both."""
        return LeftOut(*(sorted({*a, *b}) for a, b in zip(astuple(self), astuple(other), strict=True)))


NOTHING = LeftOut()


def select(
    found: Mapping[str, Any], record: Mapping[str, Any], *, figures: Collection[str] | None = None
) -> tuple[dict[str, Any], LeftOut]:
    """Return the inputs, with None for those that are absent or out of date, and the names left out.

    Parameters
    ----------
    found : mapping
        Datasets and figures by name, None where there is none.
    record : mapping
        `nodes` and `datasets`, as `thor.core.run_record.RunRecord` keeps them. Data handed over by others have no
        time and count as up to date.
    figures : collection of str, optional
        Figures that are shown: all other figures of the report are left out.
    """
    unseen = [name for name in captions() if name not in figures] if figures is not None else []
    absent = [*(name for name, value in found.items() if value is None), *unseen]
    if "tracking_metrics" in absent and not found.get("scenario_regimes"):
        absent.append("scenario_regimes")  # a collection is empty, not None
    old = [name for name in (*found, *unseen) if _is_outdated(record, name)]
    kept = {name: None if name in old else value for name, value in found.items()}
    return kept, LeftOut(tuple(name for name in absent if name not in old), tuple(old))


def left_out_sentences(left_out: LeftOut) -> list[str]:
    """Return sentences on the parts, datasets and figures that a report leaves out, with their pipelines."""
    sentences = []
    if left_out.missing:
        sentences.append(f"Not computed in this run: {'; '.join(_in_words(left_out.missing, left_out))}.")
    if left_out.outdated:
        parts = "; ".join(_in_words(left_out.outdated, left_out))
        sentences.append(f"Left out, because their input was made again later: {parts}.")
    return sentences


def _in_words(names: Collection[str], left_out: LeftOut) -> list[str]:
    """Return the title of each part without any numbers, and the names of single datasets, with their pipeline."""
    words = []
    for pipeline in dict.fromkeys([*REPORT_PARTS, *map(_pipeline_of, names)]):
        of_pipeline = [name for name in names if _pipeline_of(name) == pipeline]
        part = REPORT_PARTS.get(pipeline)
        whole = part is not None and set(part.numbers) <= {*left_out.missing, *left_out.outdated}
        if of_pipeline:
            named = part.title if part is not None and whole else ", ".join(of_pipeline)
            words.append(f"{named} (pipeline {pipeline})")
    return words


def _is_outdated(record: Mapping[str, Any], name: str) -> bool:
    part, made = REPORT_PARTS.get(_pipeline_of(name)), _made(record, name)
    if part is None or made is None:
        return False
    sources = (_made(record, source) for source in part.made_from)
    if not any(source is not None and source[0] != made[0] and source[1] > made[1] for source in sources):
        return False
    # An input that was made again with the same content changes nothing. Older records do not hold contents.
    has_inputs = "made_from" in record["datasets"][name]
    return not has_inputs or name in outdated(record, {result for result, _ in mismatches(record)})


def _pipeline_of(name: str) -> str:
    """Return the pipeline of a dataset or figure: figures start with it."""
    if name in captions():
        drawing = (*REPORT_PARTS, "data_engineering", "modelling")
        return next(pipeline for pipeline in drawing if name.startswith(pipeline))
    parts = (pipeline for pipeline, part in REPORT_PARTS.items() if name in (*part.numbers, *part.fields))
    return next(parts, "data_engineering")


def _made(record: Mapping[str, Any], name: str) -> tuple[str, datetime] | None:
    """Return in which run a dataset was made, and when."""
    node = record.get("datasets", {}).get(name, {}).get("node")
    entry = record.get("nodes", {}).get(node)
    return (entry["run"], datetime.fromisoformat(entry["finished"])) if entry else None
