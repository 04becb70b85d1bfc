"""The parts of a report that may be absent: their pipeline did not run, or not since its input was made again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from thor.attribution.methods import explaining_methods
from thor.report.content import captions


@dataclass(frozen=True)
class ReportPart:
    """What one pipeline adds to the report.

    Attributes
    ----------
    title : str
        In words.
    numbers, fields : tuple of str
        Its datasets; its figures start with the name of the pipeline.
    made_from : tuple of str
        Datasets of earlier pipelines: what is older than one of them is out of date.
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
        "explanations",
        ("explanation_metrics",),
        tuple(explaining_methods()),
        ("regimes", "ensemble"),
    ),
    "scenario_tracking": ReportPart(
        "scenarios of climate models",
        ("tracking_metrics",),
        ("scenario_regimes", "regime_areas"),
        ("regimes", "ensemble", "calibration_model", "scenario_features"),
    ),
}
"""By pipeline. All else that a report is made of has to be there."""


@dataclass(frozen=True)
class LeftOut:
    """Datasets and figures that a report does not show.

    Attributes
    ----------
    missing, outdated : sequence of str
        Not there, and older than what they are made from.
    """

    missing: Sequence[str] = ()
    outdated: Sequence[str] = ()

    def __or__(self, other: "LeftOut") -> "LeftOut":
        """Return what either leaves out."""
        return LeftOut(*(sorted({*a, *b}) for a, b in zip(astuple(self), astuple(other), strict=True)))


NOTHING = LeftOut()


def select(
    found: Mapping[str, Any], record: Mapping[str, Any], *, figures: Collection[str] | None = None
) -> tuple[dict[str, Any], LeftOut]:
    """Return what is there and up to date, all else being None, and what is left out.

    Parameters
    ----------
    found : mapping
        Datasets and figures by name, None where there is none.
    record : mapping
        `nodes` and `datasets`, as `thor.core.run_record.RunRecord` keeps them. Of what somebody else made, and handed
        over, no time is known: it counts as up to date.
    figures : collection of str, optional
        Figures that are shown: all others that a report can have are left out.
    """
    unseen = [name for name in captions() if name not in figures] if figures is not None else []
    absent = [*(name for name, value in found.items() if value is None), *unseen]
    if "tracking_metrics" in absent and not found.get("scenario_regimes"):
        absent.append("scenario_regimes")  # a collection is empty, not None
    old = [name for name in (*found, *unseen) if _is_outdated(record, name)]
    kept = {name: None if name in old else value for name, value in found.items()}
    return kept, LeftOut(tuple(name for name in absent if name not in old), tuple(old))


def left_out_sentences(left_out: LeftOut) -> list[str]:
    """Return which parts, or which of their datasets and figures, a report leaves out, and what makes them."""
    sentences = []
    if left_out.missing:
        sentences.append(f"Not computed in this run: {'; '.join(_in_words(left_out.missing, left_out))}.")
    if left_out.outdated:
        parts = "; ".join(_in_words(left_out.outdated, left_out))
        sentences.append(f"Left out, because what they are made from was made again later: {parts}.")
    return sentences


def _in_words(names: Collection[str], left_out: LeftOut) -> list[str]:
    """Return the title of each part without any numbers, and the names of single datasets, with their pipeline."""
    words = []
    for pipeline in dict.fromkeys([*REPORT_PARTS, *map(_pipeline_of, names)]):
        own = [name for name in names if _pipeline_of(name) == pipeline]
        part = REPORT_PARTS.get(pipeline)
        whole = part is not None and set(part.numbers) <= {*left_out.missing, *left_out.outdated}
        if own:
            words.append(f"{part.title if part is not None and whole else ', '.join(own)} (pipeline {pipeline})")
    return words


def _is_outdated(record: Mapping[str, Any], name: str) -> bool:
    part, made = REPORT_PARTS.get(_pipeline_of(name)), _made(record, name)
    if part is None or made is None:
        return False
    sources = (_made(record, source) for source in part.made_from)
    return any(source is not None and source[0] != made[0] and source[1] > made[1] for source in sources)


def _pipeline_of(name: str) -> str:
    """Return the pipeline of a dataset or figure: figures start with it."""
    if name in captions():
        return next(
            pipeline for pipeline in (*REPORT_PARTS, "data_engineering", "modelling") if name.startswith(pipeline)
        )
    parts = (pipeline for pipeline, part in REPORT_PARTS.items() if name in (*part.numbers, *part.fields))
    return next(parts, "data_engineering")


def _made(record: Mapping[str, Any], name: str) -> tuple[str, datetime] | None:
    """Return in which run a dataset was made, and when."""
    node = record.get("datasets", {}).get(name, {}).get("node")
    entry = record.get("nodes", {}).get(node)
    return (entry["run"], datetime.fromisoformat(entry["finished"])) if entry else None
