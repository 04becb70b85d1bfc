"""Nodes of `reporting`."""

import logging
from collections.abc import Mapping
from typing import Any

from thor.attribution.methods import explaining_methods
from thor.core.mixing import mixed_results
from thor.report.content import captions, figure_index
from thor.report.manifest import manifest as manifest_of
from thor.report.parts import LeftOut, left_out_sentences, select
from thor.report.settings import ReportSettings

log = logging.getLogger(__name__)


def index_figures(run_record: Mapping[str, Any], **figures: bytes | None) -> dict[str, Any]:
    """Return title, caption, alternative text and size of every figure that is present and up to date."""
    kept, _ = select(figures, run_record)
    return figure_index({name: content for name, content in kept.items() if content is not None})


def summarise_run(
    run_record: Mapping[str, Any], figures: Mapping[str, Any], archive_inventory: Any, **found: Any
) -> dict[str, Any]:
    """Return the results of the run, in numbers and in sentences."""
    from thor.report.summary import summarise

    kept, left_out = select(found, run_record, figures=figures)
    attributions = _explained(kept)
    return summarise(attributions=attributions, archive_inventory=archive_inventory, left_out=left_out, **kept)


def write_manifest(
    run_record: Mapping[str, Any], figures: Mapping[str, Any], summary: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the origin of all results; figures and summary are inputs only to be made first."""
    return manifest_of(run_record)


def write_report(
    parameters: ReportSettings,
    run_record: Mapping[str, Any],
    figures: Mapping[str, Any],
    summary: Mapping[str, Any],
    manifest: Mapping[str, Any],
    archive_inventory: Any,
    true_regimes: Any,
    **found: Any,
) -> str:
    """Return the report as one page."""
    from thor.report.page import report_page
    from thor.report.sentences import closing_lines

    mixed = mixed_results(run_record, found, without={"reporting"})
    drawn = {name: found.pop(name) for name in captions()}
    kept, left_out = select(found, run_record)
    attributions = _explained(kept)
    page = report_page(
        summary=summary,
        manifest=manifest,
        figure_index=figures,
        figures={name: drawn[name] for name in figures},
        attributions=attributions,
        archive_inventory=archive_inventory,
        true_regimes=true_regimes,
        mixed=mixed,
        left_out=left_out_sentences(left_out | LeftOut(**summary["left_out"])),
        settings=parameters,
        **kept,
    )
    for line in closing_lines(summary):
        log.info("%s", line)
    log.info("Report: %.1f MB, one file.", len(page.encode()) / 1e6)
    return page


def _explained(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the attributions that there are by method, and take them out of the inputs."""
    methods = {name: kept.pop(name) for name in explaining_methods()}
    return {name: values for name, values in methods.items() if values is not None}
