"""Curves of regimes through time: areas, transitions, how far P(change) can be believed, and what moved regimes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.core.variables import is_known, variable
from thor.figures.curves import BLUE, ORANGE
from thor.figures.style import (
    OTHER_COLOURS,
    colour_map,
    empty_figure,
    letter_panels,
    new_figure,
    style,
    years_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT_COLOURS = {
    "piControl": "#7f7f7f",
    "historical": "#262626",
    "1pctCO2": "#0173B2",
    "abrupt-4xCO2": "#D55E00",
    "ssp126": "#1D3354",
    "ssp245": "#EADD3D",
    "ssp370": "#F21111",
    "ssp585": "#840B22",
}
"""Of the scenarios those of the sixth assessment report of the IPCC."""

_LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_PREDICTOR_COLOURS = (BLUE, ORANGE, *OTHER_COLOURS)
_MILLION_KM2 = 1e12
_LEAST = 0.005
_FEW = 1e-3

Skill = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


# -- areas -------------------------------------------------------------------------------------------------------------
def area_curves(
    areas: pd.DataFrame, *, predictor: str = "ensemble", basin: str = "global", change: bool = False
) -> "Figure":
    """Return the expected area of each regime through time with its interval over networks.

    Parameters
    ----------
    areas : pandas.DataFrame
        As from `thor.tracking.areas.regime_areas`. Variants of a run are averaged. Years of control runs mean
        nothing, so their mean over windows is drawn as a level.
    predictor, basin : str
    change : bool
        Draw the change from the baseline instead. It is paired inside each network: what a network gets wrong before
        and after drops out, and the interval is much narrower.
    """
    columns = ["change_m2", "change_lower", "change_upper"] if change else ["expected_area_m2", "lower", "upper"]
    chosen = areas[(areas["predictor"] == predictor) & (areas["basin"] == basin)].dropna(subset=columns)
    with style():
        if chosen.empty:
            return empty_figure(f"No areas of {predictor} in {basin.replace('_', ' ')}.")
        regimes, models, experiments = (
            list(dict.fromkeys(chosen[column])) for column in ("regime", "source_id", "experiment_id")
        )
        # What all others are read against comes first.
        experiments.sort(key=lambda name: [*EXPERIMENT_COLOURS, name].index(name))
        colours = _experiment_colours(experiments)
        n_columns = 3
        n_rows = -(-len(regimes) // n_columns)
        figure = new_figure(8.6, 2.1 * n_rows + 0.9)
        axes = list(np.atleast_1d(figure.subplots(n_rows, n_columns, sharex=True)).flat)
        for ax in axes[len(regimes) :]:
            figure.delaxes(ax)
        axes = axes[: len(regimes)]
        for ax, regime in zip(axes, regimes, strict=True):
            of_regime = chosen[chosen["regime"] == regime]
            for experiment in experiments:
                for model, line in zip(models, _cycled(_LINE_STYLES, len(models)), strict=True):
                    own = of_regime[(of_regime["source_id"] == model) & (of_regime["experiment_id"] == experiment)]
                    curve = own.groupby(["window_start", "window_end"])[columns].mean() / _MILLION_KM2
                    _draw_area(ax, curve, "control" in experiment.lower(), color=colours[experiment], linestyle=line)
            if change:
                ax.axhline(0, color="0.6", linewidth=0.6, zorder=0)
            ax.set_title(regime)
        for ax in axes[::n_columns]:
            ax.set_ylabel(f"{'change of the' if change else 'expected'} area ($10^6$ km$^2$)")
        for ax in axes[-n_columns:]:
            ax.set_xlabel("year")
            ax.tick_params(labelbottom=True)
        for experiment in experiments:
            axes[0].plot([], [], color=colours[experiment], label=experiment)
        for model, line in zip(models, _cycled(_LINE_STYLES, len(models)), strict=True):
            axes[0].plot([], [], color="0.3", linestyle=line, label=model)
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(experiments) + len(models)
        )
        where = "" if basin == "global" else f" of the {basin.replace('_', ' ')}"
        figure.suptitle(
            f"{'Change of area' if change else 'Area'} of regimes{where}, {predictor}: mean and interval over networks",
            x=0.01,
            ha="left",
            fontsize=8,
        )
        letter_panels(axes)
        return figure


def transition_matrices(transitions: pd.DataFrame, *, predictor: str = "ensemble", n_columns: int = 3) -> "Figure":
    """Return the area that goes from each regime of the baseline to each regime, in the last window of each run.

    Parameters
    ----------
    transitions : pandas.DataFrame
        As from `thor.tracking.areas.regime_transitions`: a panel for each run in it.
    predictor : str
    n_columns : int
        Panels beside one another.
    """
    chosen = transitions[transitions["predictor"] == predictor]
    with style():
        if chosen.empty:
            return empty_figure("No run is compared with a baseline.")
        runs = list(chosen.groupby(["source_id", "experiment_id", "variant_label"], sort=False))
        columns = min(n_columns, len(runs))
        n_rows = -(-len(runs) // columns)
        figure = new_figure(3.3 * columns + 0.6, 3.45 * n_rows + 0.4)
        # What is written below a square panel has to keep clear of the title of the next.
        figure.set_layout_engine("constrained", h_pad=0.12)
        axes = list(np.atleast_1d(figure.subplots(n_rows, columns)).flat)
        for ax in axes[len(runs) :]:
            figure.delaxes(ax)
        axes = axes[: len(runs)]
        last = [of_run[of_run["window_start"] == of_run["window_start"].max()] for _, of_run in runs]
        moved = pd.concat(last)
        moved = moved[moved["regime"] != moved["regime_before"]]
        highest = max(float(moved["area_m2"].max()) / _MILLION_KM2, 1e-9)
        for ax, of_run in zip(axes, last, strict=True):
            image = _draw_transitions(ax, of_run, highest)
        for ax in axes[::columns]:
            ax.set_ylabel("regime before")
        bar = figure.colorbar(image, ax=axes, shrink=0.8 / n_rows, aspect=20, pad=0.02)
        bar.set_label("area that moves ($10^6$ km$^2$)")
        letter_panels(axes)
        figure.supxlabel(
            f"In each cell: area in $10^6$ km$^2$ and its interval over networks ({predictor}); none under {_LEAST:g}. "
            "Grey: area that stays.",
            x=0.01,
            ha="left",
            fontsize=7,
        )
        return figure


# -- skill and reasons -------------------------------------------------------------------------------------------------
def change_reliability(skill: Skill, *, window: str = "all") -> "Figure":
    """Return how often regimes truly change where a change has a certain probability, for each experiment.

    Parameters
    ----------
    skill : mapping
        {experiment: {window: {predictor: scores}}}, the entry `pooled` of
        `thor.tracking.perfect_model.perfect_model_skill`; experiments without a baseline are left out.
    window : str
    """
    drawn = {
        name: {predictor: scores["change"] for predictor, scores in windows[window].items() if "change" in scores}
        for name, windows in skill.items()
        if window in windows
    }
    drawn = {name: changes for name, changes in drawn.items() if changes}
    with style():
        if not drawn:
            return empty_figure("No run whose true change of regimes is known.")
        level = next(iter(next(iter(drawn.values())).values()))["reliability"][0]["level"]
        figure = new_figure(2.7 * len(drawn) + 0.5, 4.2)
        grid = figure.subplots(2, len(drawn), sharex=True, sharey="row", squeeze=False, height_ratios=[3, 1])
        for (above, below), (name, changes) in zip(grid.T, drawn.items(), strict=True):
            above.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
            for number, (predictor, change) in enumerate(changes.items()):
                _draw_change_reliability(above, below, number, len(changes), predictor, change)
            above.set(xlim=(0, 1), ylim=(0, 1))
            above.set_title(name)
            above.legend(loc="best")
            below.set_yscale("log")
            below.set_xlabel("probability of a change (1)")
        grid[0, 0].set_ylabel("share of the area that changed (1)")
        grid[1, 0].set_ylabel("share of the area (%)")
        letter_panels(grid[0])
        figure.supxlabel(
            f"Lines: {100 * level:.0f} % block-bootstrap interval. Open: under {100 * _FEW:g} % of the area.",
            x=0.01,
            ha="left",
            fontsize=7,
        )
        return figure


def change_attribution_bars(attribution: xr.Dataset, *, n_columns: int = 3) -> "Figure":
    """Return which features moved the networks from one regime to another, for each transition.

    Parameters
    ----------
    attribution : xarray.Dataset, dims (transition, feature)
        `mean`, `lower`, `upper` of the attributions; with `area` (transition) [m2] it is written, and with attributes
        `run`, `window`, `baseline_window` and `predictor` they are.
    n_columns : int
        Panels beside one another.
    """
    n_transitions = attribution.sizes["transition"]
    with style():
        if not n_transitions:
            return empty_figure("No cell changes its regime.")
        features = [str(name) for name in attribution["feature"].values]
        columns = min(n_columns, n_transitions)
        n_rows = -(-n_transitions // columns)
        figure = new_figure(2.5 * columns + 1.4, (0.17 * len(features) + 0.55) * n_rows + 0.5)
        axes = list(np.atleast_1d(figure.subplots(n_rows, columns, sharey=True, sharex=True)).flat)
        for ax in axes[n_transitions:]:
            figure.delaxes(ax)
        axes = axes[:n_transitions]
        for place, ax in enumerate(axes):
            _draw_attribution(ax, attribution.isel(transition=place))
        for ax in axes[-columns:]:
            ax.set_xlabel("part of the change of the logit (1)")
            ax.tick_params(labelbottom=True)
        labels = [variable(name).label if is_known(name) else name.replace("_", " ") for name in features]
        axes[0].set_yticks(range(len(features)), labels)
        axes[0].set_ylim(len(features) - 0.5, -0.5)
        if "run" in attribution.attrs:
            windows = (years_text(attribution.attrs[name]) for name in ("window", "baseline_window"))
            run = attribution.attrs["run"].replace("/", " ")
            title = f"{run}, {' against '.join(windows)}, {attribution.attrs['predictor']}"
            figure.suptitle(title, x=0.01, ha="left", fontsize=8)
        letter_panels(axes)
        return figure


# -- pieces ------------------------------------------------------------------------------------------------------------
# -- pieces of curves --------------------------------------------------------------------------------------------------
def _draw_area(ax: "Axes", curve: pd.DataFrame, is_control: bool, **line: Any) -> None:
    if curve.empty:
        return
    if is_control:
        ax.axhline(float(curve.iloc[:, 0].mean()), linewidth=0.9, zorder=1, **line)
        return
    bounds = curve.index.to_frame()
    middle = 0.5 * (bounds["window_start"] + bounds["window_end"] + 1).to_numpy()
    mean, lower, upper = curve.to_numpy().T
    ax.fill_between(middle, lower, upper, color=line["color"], alpha=0.1, linewidth=0)
    ax.plot(middle, mean, marker="o", markersize=2, **line)


def _draw_transitions(ax: "Axes", of_run: pd.DataFrame, highest: float) -> Any:
    names = list(dict.fromkeys(of_run["regime"]))
    mean, lower, upper = (
        of_run.pivot(index="regime_before", columns="regime", values=column).loc[names, names].to_numpy() / _MILLION_KM2
        for column in ("area_m2", "lower", "upper")
    )
    moved = np.where(np.eye(len(names), dtype=bool), np.nan, mean)
    cmap = colour_map("Blues").with_extremes(bad="0.93")
    image = ax.imshow(moved, cmap=cmap, vmin=0, vmax=highest)
    for row, column in np.argwhere(mean >= _LEAST):
        ink = "white" if row != column and mean[row, column] > 0.6 * highest else "0.15"
        ax.text(column, row - 0.14, _short(float(mean[row, column])), ha="center", va="center", fontsize=7, color=ink)
        interval = "\N{EN DASH}".join(_short(float(end[row, column])) for end in (lower, upper))
        ax.text(column, row + 0.22, interval, ha="center", va="center", fontsize=5, color=ink)
    ax.set_xticks(range(len(names)), names, rotation=45)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    first = of_run.iloc[0]
    ax.set_xlabel(f"regime {years_text(first['window'])}, before: {years_text(first['baseline_window'])}")
    ax.set_title(f"{first['source_id']} {first['experiment_id']}")
    return image


def _draw_change_reliability(
    above: "Axes", below: "Axes", number: int, n_predictors: int, predictor: str, change: Mapping[str, Any]
) -> None:
    colour, rows = _PREDICTOR_COLOURS[number], pd.DataFrame(change["reliability"])
    skill = change["brier_skill"]
    label = f"{predictor}, ECE {change['expected_calibration_error']:.3f}"
    label += f",\nBrier skill {skill:.2f}" if skill is not None else ""
    said, happened = rows["mean_probability"].to_numpy(float), rows["observed_frequency"].to_numpy(float)
    low, high = rows["low"].to_numpy(float), rows["high"].to_numpy(float)
    many = (rows["area"] >= _FEW * rows["area"].sum()).to_numpy()
    above.vlines(said, low, high, color=colour, linewidth=0.9, alpha=np.where(many, 0.7, 0.25))
    above.plot(said[many], happened[many], "o-", color=colour, markersize=3, label=label)
    above.plot(said[~many], happened[~many], "o", color=colour, markersize=3, markerfacecolor="white")
    width = (rows["to"] - rows["from"]).to_numpy() / (n_predictors + 0.5)
    below.bar(
        rows["from"] + width * (number + 0.75),
        100 * rows["area"] / rows["area"].sum(),
        width=width,
        color=colour,
    )


def _draw_attribution(ax: "Axes", of_transition: xr.Dataset) -> None:
    mean, lower, upper = (of_transition[name].values for name in ("mean", "lower", "upper"))
    rows = np.arange(len(mean))
    ax.barh(rows, mean, height=0.6, color=np.where(mean >= 0, BLUE, ORANGE))
    ax.hlines(rows, lower, upper, color="0.2", linewidth=0.8)
    ax.axvline(0, color="0.2", linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    title = str(of_transition["transition"].values)
    if "area" in of_transition:
        title += rf", {_short(float(of_transition['area']) / _MILLION_KM2)} $\times$ 10$^6$ km$^2$"
    ax.set_title(title)


def _experiment_colours(experiments: Sequence[str]) -> dict[str, str]:
    spare = iter(OTHER_COLOURS * (1 + len(experiments) // len(OTHER_COLOURS)))
    return {name: EXPERIMENT_COLOURS.get(name) or next(spare) for name in experiments}


def _cycled(values: Sequence[Any], n: int) -> list[Any]:
    return [values[k % len(values)] for k in range(n)]


def _short(value: float) -> str:
    """Return a number with two significant digits, or as a whole number from ten on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"
