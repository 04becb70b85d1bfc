"""The agreement and evaluation of the explanation methods in sentences."""

from collections.abc import Mapping
from typing import Any

from thor.attribution.methods import in_sentence
from thor.report.words import capital, interval, number_word, percent, signed


def explanation_sentences(explanations: Mapping[str, Any]) -> list[str]:
    """Return the agreement of the methods, the most faithful one, and where a method did not converge."""
    lines = []
    if signs := {pair: numbers["sign_agreement"] for pair, numbers in explanations["agreement"].items()}:
        least, most = min(signs, key=lambda pair: signs[pair]), max(signs, key=lambda pair: signs[pair])
        lines.append(
            f"Explanation methods agree on the sign of {percent(signs[least])} ({in_sentence(least)}) to "
            f"{percent(signs[most])} ({in_sentence(most)}) of the magnitude of the attributions, mean over the area."
        )
    faithful = {name: entry for name, entry in explanations["faithfulness"].items() if entry.get("value") is not None}
    if faithful:
        best = max(faithful, key=lambda name: faithful[name]["value"])
        entry = faithful[best]
        bounds = interval(entry, factor=1, digits=2, units="")
        lines.append(
            f"{_most_faithful(in_sentence(best), len(faithful))} The attribution of a set of features has a "
            f"correlation of {signed(entry['value'], 2)} with the loss of the networks' evidence for the regime "
            f"without this set (random attributions: {signed(entry['random'], 2)}); its skill, 0 for random "
            f"attributions and 1 for perfect ones, is {signed(entry['skill'], 2)}{bounds}."
        )
    for name, share in explanations["converged"].items():
        if share < 1:
            lines.append(
                f"{capital(in_sentence(name))} did not reach their tolerance with the pairs allowed on "
                f"{percent(1 - share, 1)} of the area (hatched on their map)."
            )
    return lines


def _most_faithful(method: str, n_methods: int) -> str:
    """Return which of the evaluated methods is the most faithful."""
    if n_methods == 1:
        return f"Only {method} was evaluated."
    verb = "are" if method.endswith("s") else "is"
    return f"Of the {number_word(n_methods)} methods, {method} {verb} the most faithful to the networks."
