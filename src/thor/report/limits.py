"""Limits of the results of a run, in sentences made from its numbers."""

from collections.abc import Mapping
from typing import Any

from thor.report.words import percent


def limit_sentences(numbers: Mapping[str, Any]) -> list[str]:
    """Return the limits of the results; `numbers` are those of `thor.report.summary.summarise`."""
    lines = [
        f"The regimes are those of one training ocean ({numbers['ocean']['title']}); climate models are described by "
        "them, not by regimes of their own.",
        "Networks see sea level, wind stress, depth and position, not the budget: what these do not determine remains "
        "uncertain.",
    ]
    if numbers["uncertainty"]:
        share = percent(numbers["uncertainty"]["not_applicable_share"], 1)
        lines.append(f"On {share} of the area of the training ocean, inputs are unlike the training cells.")
    for name, means in numbers["experiments"].items():
        known = (means["known_truth"] or {}).get("forced", {})
        if means["forced_share"] is None:
            lines.append(f"{name}: changes are not tested against internal variability.")
        elif not known:
            lines.append(f"{name}: precision and recall of forced regime changes are not known.")
        elif known["precision"] is not None:
            lines.append(
                f"{name}: forced regime changes miss {percent(1 - known['recall'])} of the true changes, and "
                f"{percent(1 - known['precision'])} of the marked area did not change (test with known truth)."
            )
    return lines
