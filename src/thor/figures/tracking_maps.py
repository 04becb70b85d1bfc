"""Maps of regimes through time: every window, how likely they changed, and what climate models agree on."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thor.figures.maps import QUANTILE, map_panels
from thor.figures.mesh import draw_mesh, hatch, outline
from thor.figures.style import colour_map, empty_figure, flags, letter_panels, regime_colours, style, years_text
from thor.tracking.likelihood import LIKELIHOOD, LIKELIHOOD_RANGES, likelihood_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NO_RUN = "There is no archive of climate models, or no run in it has a baseline."


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
            ax.set_title(years_text(label))
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
        Words of `thor.tracking.likelihood.LIKELIHOOD` that a test with known truth supports; only they are written.
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
        title = f"{_run_title(run)},{end}{years_text(str(here['window'].values))} against {years_text(baseline)}"
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
            outline(ax, run, own["forced_change"].values == 1)
            hatch(ax, run, own["applicable"].values == 0)
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


def model_agreement_maps(summary: xr.Dataset | None, *, predictor: str = "ensemble") -> "Figure":
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
            title=f"{summary.attrs['experiment_id']}, {years_text(summary.attrs['window'])}, {predictor}: {models}",
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
        outline(axes[3], summary, own["robustness"].values == 1)
        hatch(axes[3], summary, own["robustness"].values == 2)
        letter_panels(axes)
        return figure


# -- pieces ------------------------------------------------------------------------------------------------------------
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


def _run_title(run: xr.Dataset) -> str:
    return " ".join(str(run.attrs[name]) for name in ("source_id", "experiment_id", "variant_label"))


def _stacked(word: str) -> str:
    return word.replace("_as_", "\nas ").replace("y_", "y\n").replace("_", " ")
