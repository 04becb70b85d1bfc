"""Nodes of `reporting`."""

import logging
from collections.abc import Mapping
from typing import Any

from thor.parameters import Reporting

log = logging.getLogger(__name__)

METHODS = ("relevance", "shapley_values", "lime_weights")


def index_figures(**figures: bytes) -> dict[str, Any]:
    """Return title, caption, alternative text and size of every figure."""
    from thor.report.content import figure_index

    return figure_index(figures)


def summarise_run(**found: Any) -> dict[str, Any]:
    """Return what the run found, in numbers and in sentences."""
    from thor.report.summary import summarise

    return summarise(**found)


def write_manifest(
    run_record: Mapping[str, Any], figures: Mapping[str, Any], summary: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what everything was made from; figures and summary are there to be done before."""
    from thor.report.manifest import manifest

    return manifest(run_record)


def write_report(
    parameters: Reporting,
    figures: Mapping[str, Any],
    summary: Mapping[str, Any],
    manifest: Mapping[str, Any],
    **found: Any,
) -> str:
    """Return the report as one page."""
    from thor.report.page import report_page
    from thor.report.sentences import closing_lines

    page = report_page(
        summary=summary,
        manifest=manifest,
        figure_index=figures,
        figures={name: found.pop(name) for name in figures},
        attributions={name: found.pop(name) for name in METHODS},
        settings=parameters.settings(),
        **found,
    )
    for line in closing_lines(summary):
        log.info("%s", line)
    log.info("Report: %.1f MB, one file.", len(page.encode()) / 1e6)
    return page
