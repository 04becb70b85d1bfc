"""Regimes through time: maps of every window, how likely they change, areas, transitions, and what models agree on."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from thor.figures.curves import BLUE, ORANGE
from thor.figures.maps import QUANTILE, _edges, _nearest_cells, draw_mesh, map_panels
from thor.figures.style import (
    OTHER_COLOURS,
    colour_map,
    empty_figure,
    flags,
    letter_panels,
    new_figure,
    regime_colours,
    style,
)
from thor.ocean.sphere import unit_vectors
from thor.tracking.forced import LIKELIHOOD, likelihood_class
from thor.tracking.metrics import LIKELIHOOD_RANGES
from thor.variables import is_known, variable

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
_NO_RUN = "There is no archive of climate models, or no run in it has a baseline."
_MILLION_KM2 = 1e12
_LEAST = 0.005
_FEW = 1e-3
_STROKES = 3.5
"""Degrees between the strokes of a hatching."""

Skill = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


# -- maps --------------------------------------------------------------------------------------------------------------
def regime_window_maps(run: xr.Dataset | None, *, predictor: str = "ensemble", n_columns: int = 3) -> "Figure":
    """Return a map of the most probable regime for each window of a run, on its own grid.

    Parameters
    ----------
    run : xarray.Dataset or None
        `regime` with CF flags, as from `thor.tracking.track.track_run`; None gives a figure that says there is none.
    predictor : str
    n_columns : int
        Maps beside one another.
    """
    if run is None:
        return empty_figure(_NO_RUN)
    own = run.sel(predictor=predictor)
    names = list(flags(own["regime"]).values())
    labels = [str(label) for label in run["window"].values]
    with style():
        columns = 2 if len(labels) == 4 else min(n_columns, len(labels))
        figure, axes = map_panels(
            len(labels), n_columns=columns, title=f"{_run_title(run)}, {predictor}", grey="land, and cells not used"
        )
        for place, (ax, label) in enumerate(zip(axes, labels, strict=True)):
            mesh = _draw_regimes(ax, own["regime"].isel(window=place), run, names)
            ax.set_title(_years(label))
        _name_regimes(figure, mesh, axes, names)
        letter_panels(axes)
        return figure


def change_likelihood_map(
    run: xr.Dataset | None,
    *,
    window: int = -1,
    predictors: Sequence[str] | None = None,
    supported: Collection[str] = (),
) -> "Figure":
    """Return how likely the regime of each cell differs from its baseline, in the classes of the likelihood scale.

    Parameters
    ----------
    run : xarray.Dataset or None
        `change_probability`, `forced_change`, `applicable`, as from `thor.tracking.track.track_run`; None: no run.
    window : int
        Place in the run.
    predictors : sequence of str, optional
        A map for each; all by default.
    supported : collection of str
        Words of `thor.tracking.forced.LIKELIHOOD` that a test with known truth supports; only they are written.
    """
    if run is None:
        return empty_figure(_NO_RUN)
    here = run.isel(window=window)
    with style():
        baseline = str(here["baseline_window"].values)
        if not baseline:
            return empty_figure(f"{_run_title(run)}: this window is compared with none.")
        predictors = [*map(str, run["predictor"].values)] if predictors is None else predictors
        # One map is too narrow for one line.
        end = "\n" if len(predictors) == 1 else " "
        title = f"{_run_title(run)},{end}{_years(str(here['window'].values))} against {_years(baseline)}"
        if run.attrs.get("parent"):
            title += f" of {str(run.attrs['parent']).split('/')[1]}"
        meaning = (
            f"land, and cells not compared. Outlined: a forced change.{end}Hatched: outside the area of applicability"
        )
        if supported:
            meaning += ".\nNamed: what the test with known truth supports"
        figure, axes = map_panels(len(predictors), n_columns=min(2, len(predictors)), title=title, grey=meaning)
        figure.set_figheight(figure.get_figheight() + (0.7 if supported else 0.3))
        for ax, predictor in zip(axes, predictors, strict=True):
            own = here.sel(predictor=predictor)
            classes = likelihood_class(own["change_probability"].values).astype(float)
            mesh = draw_mesh(ax, run, np.where(classes < 0, np.nan, classes), **_classes_of(len(LIKELIHOOD)))
            _outline(ax, run, own["forced_change"].values == 1)
            _hatch(ax, run, own["applicable"].values == 0)
            ax.set_title(f"Likelihood of a change of regime, {predictor}")
        bar = figure.colorbar(
            mesh, ax=axes, orientation="horizontal", shrink=0.9, aspect=45, pad=0.03, ticks=range(len(LIKELIHOOD))
        )
        words = [_stacked(word) if word in supported else "" for word in LIKELIHOOD]
        texts = [f"{share}\n{word}".strip() for share, word in zip(LIKELIHOOD_RANGES, words, strict=True)]
        bar.ax.set_xticklabels(texts, fontsize=5.5 if len(predictors) == 1 else 6)
        bar.ax.tick_params(length=0)
        if len(axes) > 1:
            letter_panels(axes)
        return figure


def agreement_maps(summary: xr.Dataset | None, *, predictor: str = "ensemble") -> "Figure":
    """Return what climate models agree on in one window: regime, change, and how robust it is.

    Parameters
    ----------
    summary : xarray.Dataset or None
        As from `thor.tracking.multimodel.multimodel_summary`; None: no experiment.
    predictor : str
    """
    if summary is None:
        return empty_figure(_NO_RUN)
    own = summary.sel(predictor=predictor)
    names = str(summary.attrs["regimes"]).split()
    models = ", ".join(map(str, summary["source_id"].values))
    with style():
        figure, axes = map_panels(
            4,
            n_columns=2,
            title=f"{summary.attrs['experiment_id']}, {_years(summary.attrs['window'])}, {predictor}: {models}",
            grey="land, and cells without a model. Outlined in (d): robust change. Hatched: conflicting",
        )
        regime = own["regime"].where(own["regime"] >= 0)
        mesh = draw_mesh(axes[0], summary, regime.values, **_colours_of(names))
        _name_regimes(figure, mesh, axes[0], names)
        for ax, name, title in (
            (axes[1], "agreement_share", "Models that have this regime"),
            (axes[2], "change_probability", "Likelihood of a change of regime, mean over models"),
            (axes[3], "forced_share", "Models that show a forced change"),
        ):
            _draw_share(ax, 100 * own[name].values, summary, full=name != "change_probability")
            ax.set_title(title)
        axes[0].set_title("Regime of most models")
        _outline(axes[3], summary, own["robustness"].values == 1)
        _hatch(axes[3], summary, own["robustness"].values == 2)
        letter_panels(axes)
        return figure


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
            windows = (_years(attribution.attrs[name]) for name in ("window", "baseline_window"))
            run = attribution.attrs["run"].replace("/", " ")
            title = f"{run}, {' against '.join(windows)}, {attribution.attrs['predictor']}"
            figure.suptitle(title, x=0.01, ha="left", fontsize=8)
        letter_panels(axes)
        return figure


# -- pieces of maps ----------------------------------------------------------------------------------------------------
def _draw_regimes(ax: "Axes", labels: xr.DataArray, grid: xr.Dataset, names: Sequence[str]) -> Any:
    values = labels.transpose(*grid["valid"].dims).values.astype(float)
    return draw_mesh(ax, grid, np.where(values < 0, np.nan, values), **_colours_of(names))


def _colours_of(names: Sequence[str]) -> dict[str, Any]:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    return {
        "cmap": ListedColormap(regime_colours(names)),
        "norm": BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)),
    }


def _classes_of(n_classes: int) -> dict[str, Any]:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    shades = colour_map("cmo.amp")(np.linspace(0.0, 0.95, n_classes))
    return {"cmap": ListedColormap(shades), "norm": BoundaryNorm(np.arange(n_classes + 1) - 0.5, n_classes)}


def _name_regimes(figure: "Figure", mesh: Any, axes: Any, names: Sequence[str]) -> None:
    options: dict[str, Any] = (
        {"shrink": 0.6, "aspect": 45} if isinstance(axes, list) else {"shrink": 0.85, "aspect": 35}
    )
    bar = figure.colorbar(mesh, ax=axes, orientation="horizontal", pad=0.03, ticks=range(len(names)), **options)
    bar.ax.set_xticklabels(names, fontsize=7)
    bar.ax.tick_params(length=0)


def _draw_share(ax: "Axes", values: np.ndarray, grid: xr.Dataset, *, full: bool) -> None:
    """Draw percentages, on a bar up to 100 or to what nearly all cells reach."""
    most = np.nanquantile(values, QUANTILE) if np.isfinite(values).any() else 100.0
    highest = 100.0 if full else min(100.0, max(10.0, 10 * np.ceil(most / 10)))
    mesh = draw_mesh(ax, grid, values, cmap=colour_map("cmo.amp"), vmin=0, vmax=highest)
    extend = "max" if highest < 100 else "neither"
    bar = ax.figure.colorbar(mesh, ax=ax, orientation="horizontal", shrink=0.7, aspect=30, pad=0.03, extend=extend)
    bar.set_label("%", fontsize=7)


def _raster(grid: xr.Dataset, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return latitudes and longitudes of the cells that are drawn, and which of them are in the mask."""
    lat, lon = grid["lat"].values, grid["lon"].values
    if lat.ndim == 1:
        return lat, lon, mask
    lat, lon, values = _nearest_cells(lat, lon, mask.astype(float))
    return lat, lon, values == 1


def _outline(ax: "Axes", grid: xr.Dataset, mask: np.ndarray) -> None:
    """Draw the edges between cells in and out of the mask."""
    from cartopy.crs import PlateCarree
    from matplotlib.collections import LineCollection

    lat, lon, inside = _raster(grid, mask)
    lat_edge, lon_edge = np.clip(_edges(lat), -90, 90), _edges(lon)
    row, column = np.nonzero(inside[1:] != inside[:-1])
    ends = [np.stack([lon_edge[column + k], lat_edge[row + 1]], axis=-1) for k in (0, 1)]
    row, column = np.nonzero(inside != np.roll(inside, 1, axis=1))
    ends = [
        np.concatenate([along, np.stack([lon_edge[column], lat_edge[row + k]], axis=-1)])
        for k, along in enumerate(ends)
    ]
    projection = ax.projection  # type: ignore[attr-defined]
    segments = np.stack(
        [projection.transform_points(PlateCarree(), end[:, 0], end[:, 1])[:, :2] for end in ends], axis=1
    )
    # Where the map is cut the two ends of a segment lie on either side of it.
    width = np.ptp(projection.x_limits)
    segments = segments[np.abs(np.diff(segments[..., 0], axis=1)[:, 0]) < 0.25 * width]
    ax.add_collection(LineCollection(segments, colors="black", linewidths=0.6), autolim=False)


def _hatch(ax: "Axes", grid: xr.Dataset, mask: np.ndarray) -> None:
    """Draw strokes, evenly spaced on the sphere, where cells are in the mask."""
    from cartopy.crs import PlateCarree
    from scipy.spatial import cKDTree

    lat, lon, inside = _raster(grid, mask)
    rows = np.arange(-90 + 0.5 * _STROKES, 90, _STROKES)
    counts = np.maximum((360 * np.cos(np.deg2rad(rows)) / _STROKES).astype(int), 1)
    stroke_lat = np.repeat(rows, counts)
    stroke_lon = np.concatenate([(np.arange(n) + 0.5 * (k % 2)) * 360 / n for k, n in enumerate(counts)])
    points = unit_vectors(*np.meshgrid(lat, lon, indexing="ij")).reshape(3, -1).T
    _, nearest = cKDTree(points).query(unit_vectors(stroke_lat, stroke_lon).T)
    chosen = inside.ravel()[nearest]
    ax.scatter(
        stroke_lon[chosen],
        stroke_lat[chosen],
        marker=(2, 2, -45),
        s=9,
        color="0.15",
        linewidths=0.4,
        transform=PlateCarree(),
    )


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
    ax.set_xlabel(f"regime {_years(first['window'])}, before: {_years(first['baseline_window'])}")
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


def _stacked(word: str) -> str:
    return word.replace("_as_", "\nas ").replace("y_", "y\n").replace("_", " ")


def _short(value: float) -> str:
    """Return a number with two significant digits, or as a whole number from ten on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"


def _years(label: str) -> str:
    return label.replace("-", "\N{EN DASH}")


def _run_title(run: xr.Dataset) -> str:
    return " ".join(str(run.attrs[name]) for name in ("source_id", "experiment_id", "variant_label"))
