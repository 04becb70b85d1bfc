"""Skill of the predictors: confusion matrices, scores with their intervals, learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from thor.core.metrics import metrics
from thor.figures import style
from thor.figures.curves import BLUE, ORANGE
from thor.networks.predictor import of_surface, set_of
from thor.networks.skill import LEFT_OUT_REGION

Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""{predictor: {region: {metric: value}}}."""

LEFT_OUT_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#999999", "#CC79A7")

PAIRED_COLOURS = ("#56B4E9", "#0072B2", "#E69F00", "#D55E00", "#999999", "#333333")
"""A light colour for the surface and a dark one for a further input set, by predictor."""

_LEFT_OUT_METRICS = ("accuracy", "balanced_accuracy", "negative_log_likelihood")
_MEMBERS = ("member_mean", "member_min", "member_max")


def confusion_matrices(skill: Scores) -> "style.Figure":
    """Return the confusion matrix of each predictor in the test region, as shares of the cells with a label.

    Parameters
    ----------
    skill : mapping
        {predictor: {region: {metric: value}}} as from `thor.networks.skill.skill_table`; predictors without a
        confusion matrix are left out.
    """
    test = {name: skill[name]["test"] for name in style.in_reading_order(skill)}
    matrices = {name: entry for name, entry in test.items() if "confusion_matrix" in entry}
    n_columns = 2 if len(matrices) == 4 else min(len(matrices), 3)
    n_rows = -(-len(matrices) // n_columns)
    with style.style():
        figure = style.new_figure(2.9 * n_columns + 0.7, 3.35 * n_rows + 0.3)
        axes = style.new_panels(figure, len(matrices), n_columns)
        for ax, (name, entry) in zip(axes, matrices.items(), strict=True):
            image = _draw_matrix(ax, np.array(entry["confusion_matrix"]), entry["classes"])
            ax.set_xlabel("predicted regime")
            ax.set_title(f"{_words(name)}\naccuracy {100 * entry['accuracy']:.1f} %")
        for ax in axes[::n_columns]:
            ax.set_ylabel("regime by the label")
        figure.colorbar(image, ax=axes, shrink=0.8 / n_rows, aspect=20, pad=0.02, label="cells with this label (%)")
        style.letter_panels(axes)
        style.add_note(figure, "In each cell: share of its row in %, and number of grid cells. Region: test.")
        return figure


def skill_intervals(
    skill: Scores,
    *,
    metrics: Sequence[str] = ("accuracy", "macro_f1", "negative_log_likelihood", "brier_score"),
) -> "style.Figure":
    """Return the scores of all predictors in the test region, with intervals for an unseen ocean, by cells and by area.

    Parameters
    ----------
    skill : mapping
        As for `confusion_matrices`; with `member_mean`, `member_min` and `member_max` one row shows the mean and
        range of single networks. The score by cells of `majority` is written, not drawn.
    metrics : sequence of str
        A panel for each.
    """
    rows = [name for name in style.in_reading_order(skill) if name not in _MEMBERS]
    rows += ["member_mean"] if "member_mean" in skill else []
    with style.style():
        figure = style.new_figure(2.1 * len(metrics) + 1.2, 0.36 * len(rows) + 1.3)
        axes = style.new_panels(figure, len(metrics), len(metrics), sharey=True)
        for ax, metric in zip(axes, metrics, strict=True):
            for row, name in enumerate(rows):
                if name == "majority":
                    # Drawn to scale it would compress all others.
                    score = f"{skill[name]['test'][metric]:.2f}"
                    ax.text(0.02, row, score, va="center", transform=ax.get_yaxis_transform())
                else:
                    _draw_score(ax, row, skill, name, metric)
            _finish_scores(ax, metric, margin=0.08)
        style.name_rows(axes[0], [_words(name) for name in rows])
        style.add_legend(figure, axes[0], n_columns=2)
        style.letter_panels(axes)
        return figure


def left_out_skill(
    skill: Scores, *, colours: Sequence[str] = LEFT_OUT_COLOURS, names: Sequence[str] | None = None
) -> "style.Figure":
    """Return the scores in each ocean of predictors that were trained without it, the Southern Ocean first.

    Parameters
    ----------
    skill : mapping
        As for `confusion_matrices`, with regions `left_out_<basin>`; predictors without any are left out.
    colours : sequence of str
        Of the predictors.
    names : sequence of str, optional
        Order of the predictors.
    """
    left_out = {name: [region for region in skill[name] if region.startswith(LEFT_OUT_REGION)] for name in skill}
    names = [name for name in names or style.in_reading_order(skill) if left_out[name]]
    if not names:
        return style.empty_figure("No scores in oceans left out of training.")
    regions = sorted(left_out[names[0]], key=lambda region: ("southern" not in region, region))
    with style.style():
        figure = style.new_figure(2.3 * len(_LEFT_OUT_METRICS) + 1.6, 0.17 * (len(names) + 1) * len(regions) + 1.2)
        axes = style.new_panels(figure, len(_LEFT_OUT_METRICS), len(_LEFT_OUT_METRICS), sharey=True)
        for ax, metric in zip(axes, _LEFT_OUT_METRICS, strict=True):
            for number, name in enumerate(names):
                colour = colours[number % len(colours)]
                for place, region in enumerate(regions):
                    entry, row = skill[name][region], place + (number + 1) / (len(names) + 1) - 0.5
                    ends = entry.get("intervals", {}).get(metric, {})
                    if ends.get("low") is not None:
                        ax.hlines(row, ends["low"], ends["high"], color=colour, linewidth=1.2, alpha=0.7)
                    if entry[metric] is not None:
                        ax.plot(entry[metric], row, "o", color=colour, markersize=3.5, label=_words(name))
            for place in range(1, len(regions)):
                ax.axhline(place - 0.5, color="0.85", linewidth=0.5)
            _finish_scores(ax, metric, margin=0.06)
        oceans = [style.basin_words(region.removeprefix(LEFT_OUT_REGION)) for region in regions]
        counts = [skill[names[0]][region]["n_cells"] for region in regions]
        labels = [f"{ocean}\n{count:,} cells" for ocean, count in zip(oceans, counts, strict=True)]
        style.name_rows(axes[0], labels)
        style.add_legend(figure, axes[0], n_columns=3)
        style.letter_panels(axes)
        return figure


def input_set_skill(skill: Scores) -> "style.Figure":
    """Return the scores in oceans left out of training of predictors of all input sets; see `left_out_skill`.

    Parameters
    ----------
    skill : mapping
        As for `left_out_skill`.
    """
    by_predictor: dict[str, list[str]] = {}
    for name in skill:
        if name not in of_surface(skill):
            by_predictor.setdefault(set_of(name)[0], []).append(name)
    if not by_predictor:
        return style.empty_figure("There is no input set beside the surface.")
    shown = [name for base in style.in_reading_order(by_predictor) for name in (base, *by_predictor[base])]
    return left_out_skill({name: skill[name] for name in shown}, colours=PAIRED_COLOURS, names=shown)


def learning_curves(history: pd.DataFrame) -> "style.Figure":
    """Return the training and selection loss of every network against the epoch, and the epoch of its kept weights.

    Parameters
    ----------
    history : pandas.DataFrame
        One row for each epoch and network: `epoch`, `network`, `train_loss`, `select_loss` [nat] (NaN once the
        network has stopped), `best_epoch`, whose weights were kept, and `n_inputs`. Without rows: networks trained
        elsewhere.
    """
    with style.style():
        if history.empty:
            return style.empty_figure("No learning curves: these networks were not trained in this run.")
        figure = style.new_figure(4.6, 3.2)
        ax = figure.subplots()
        by_inputs = history.groupby("n_inputs")["network"].unique().sort_index(ascending=False)
        for column, colour, label in (
            ("train_loss", BLUE, "training cells, with all parts of the loss"),
            ("select_loss", ORANGE, "select cells, cross entropy of the regimes"),
        ):
            curves = history.pivot(index="epoch", columns="network", values=column)
            # Epochs are numbered from 0; after the first, one epoch is complete.
            epochs = curves.index.to_numpy() + 1
            ax.plot(epochs, curves.to_numpy(), color=colour, alpha=0.25, linewidth=0.5)
            for networks, line in zip(by_inputs, ("-", "--"), strict=False):
                # After most networks have stopped, the median would be that of a few slow ones.
                running = curves[networks].notna().mean(axis=1) >= 0.5
                median = curves[networks].median(axis=1)
                ax.plot(epochs[running], median[running], line, color=colour, label=label if line == "-" else None)
        best = history[history["epoch"] == history["best_epoch"]]
        if len(by_inputs) > 1:
            ax.plot([], [], "--", color="0.15", label=f"the {len(by_inputs.iloc[1])} networks with fewer inputs")
        ax.plot(best["epoch"] + 1, best["select_loss"], "o", markersize=2.5, color="0.15", label="weights kept")
        # Large losses in the first epochs would hide the others.
        losses = history[["train_loss", "select_loss"]].to_numpy()
        lowest, highest = np.nanmin(losses), np.nanquantile(losses, 0.99)
        ax.set_ylim(lowest - 0.02 * (highest - lowest), highest)
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss (nat)")
        n_networks = history["network"].nunique()
        ax.set_title(f"Learning curves of {n_networks} network{'s' * (n_networks != 1)}, and their median")
        ax.legend()
        return figure


def _draw_matrix(ax: "style.Axes", counts: np.ndarray, names: Sequence[str]) -> Any:
    """Draw the shares of each row in shades of blue, with the numbers of cells, and return the image."""
    shares = 100.0 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(shares, cmap=style.colour_map("Blues"), vmin=0, vmax=100)
    for row, column in np.argwhere(counts):
        ink = "white" if shares[row, column] > 55 else "0.15"
        # Shares below 1 % are rounded to 0; the count shows how many cells they are.
        ax.text(column, row - 0.14, f"{shares[row, column]:.0f}", ha="center", va="center", fontsize=7, color=ink)
        ax.text(column, row + 0.23, f"{counts[row, column]:,}", ha="center", va="center", fontsize=4.8, color=ink)
    ax.set_xticks(range(len(names)), names, rotation=45)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def _finish_scores(ax: "style.Axes", metric: str, *, margin: float) -> None:
    """Add title, label and grid to a panel of scores."""
    score = metrics("scores")[metric]
    ax.set_title(score.label)
    ax.set_xlabel(f"({score.units}), {'higher' if score.higher_is_better else 'lower'} is better")
    ax.grid(axis="x", color="0.9", linewidth=0.5)
    ax.set_axisbelow(True)
    ax.margins(x=margin)


def _draw_score(ax: "style.Axes", row: int, skill: Scores, name: str, metric: str) -> None:
    """Draw the score of one predictor, filled by cells and open by area; single networks with their range."""
    for shift, filled in ((-0.13, True), (0.13, False)):
        entry = skill[name]["test"] if filled else skill[name]["test"]["area_weighted"]
        colour, weighting = (BLUE, "by cells") if filled else (ORANGE, "by area")
        if name == "member_mean":
            bounds = [skill[of]["test"] for of in ("member_min", "member_max")]
            low, high = (of[metric] if filled else of["area_weighted"][metric] for of in bounds)
        else:
            interval = entry.get("intervals", {}).get(metric, {})
            low, high = interval.get("low"), interval.get("high")
        if low is not None and high is not None:
            # The range over networks is not an interval: it is drawn thinner.
            ax.hlines(row + shift, low, high, color=colour, linewidth=0.7 if name == "member_mean" else 1.6, alpha=0.7)
        if entry[metric] is not None:
            form, face = ("o", colour) if filled else ("s", "white")
            mark: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": colour, "markersize": 4}
            ax.plot(entry[metric], row + shift, form, label=weighting, **mark)


def _words(name: str) -> str:
    return "single networks (range)" if name == "member_mean" else style.predictor_words(name)
