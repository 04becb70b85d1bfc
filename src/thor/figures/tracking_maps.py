"""Maps of regimes through time: every window, the likelihood of their change, agreement of models and of input sets."""

from collections.abc import Collection, Sequence

import numpy as np
import xarray as xr

from thor.figures import style
from thor.figures.maps import QUANTILE, bar_below, class_colours, map_panels, name_classes
from thor.figures.mesh import draw_mesh, hatch, outline
from thor.networks.predictor import set_of
from thor.tracking.likelihood import LIKELIHOOD, LIKELIHOOD_RANGES, likelihood_class
from thor.tracking.shown_run import window_to_show

_NO_RUN = "There is no archive of climate models, or no run in it has a baseline."


def regime_window_maps(run: xr.Dataset | None, *, predictor: str = "ensemble") -> "style.Figure":
    """Return a map of the most probable regime for each window of a run, on its native grid.

    Parameters
    ----------
    run : xarray.Dataset or None
        `regime` with CF flags, as from `thor.tracking.track.track_run`; None: a figure with the reason.
    predictor : str
    """
    if run is None:
        return style.empty_figure(_NO_RUN)
    regime = run["regime"].sel(predictor=predictor)
    names = list(style.flags(regime).values())
    labels = [str(label) for label in run["window"].values]
    with style.style():
        columns = 2 if len(labels) == 4 else min(3, len(labels))
        title, grey = f"{style.run_title(run)}, {style.predictor_words(predictor)}", "land, and cells not used"
        figure, axes = map_panels(len(labels), n_columns=columns, title=title, grey=grey)
        for window, (ax, label) in enumerate(zip(axes, labels, strict=True)):
            drawn = regime.isel(window=window)
            mesh = draw_mesh(ax, drawn.where(drawn >= 0), run, **class_colours(style.regime_colours(names)))
            ax.set_title(style.years_text(label))
        name_classes(mesh, axes, names, fontsize=7, shrink=0.6, aspect=45)
        style.letter_panels(axes)
        return figure


def change_likelihood_map(
    run: xr.Dataset | None,
    *,
    predictors: Sequence[str] | None = None,
    supported: Collection[str] = (),
    notes: Sequence[str] = (),
) -> "style.Figure":
    """Return the likelihood that regimes differ from the baseline in the last window with one, in classes of the IPCC.

    Parameters
    ----------
    run : xarray.Dataset or None
        `change_probability`, `forced_shift`, `forced_change`, `applicable`, as from `thor.tracking.track.track_run`;
        None: no run.
    predictors : sequence of str, optional
        A map for each; all by default.
    supported : collection of str
        Words of `thor.tracking.likelihood.LIKELIHOOD` that the test with known truth supports; the others are in
        brackets, and without any known truth none is written.
    notes : sequence of str, optional
        Sentences below the maps: precision and recall of the changes, as from `thor.tracking.detection`.
    """
    if run is None:
        return style.empty_figure(_NO_RUN)
    here = run.isel(window=window_to_show(run))
    with style.style():
        baseline = str(here["baseline_window"].values)
        if not baseline:
            return style.empty_figure(f"{style.run_title(run)}: this window has no baseline.")
        predictors = [*map(str, run["predictor"].values)] if predictors is None else predictors
        # One map is too narrow for one line.
        end = "\n" if len(predictors) == 1 else " "
        window = style.years_text(str(here["window"].values))
        title = f"{style.run_title(run)},{end}{window} against {style.years_text(baseline)}"
        if run.attrs.get("parent"):
            title += f" of {str(run.attrs['parent']).split('/')[1]}"
        least = f"{style.exact_percent(run.attrs['min_probability'])} %"
        brackets = " In brackets: classes that the test with known truth does not support." if supported else ""
        lines = [
            "land, and cells not compared. Black outline: forced regime change (beyond internal variability and "
            f"P(change) of at least {least}). Hatched: outside the area of applicability.{brackets}",
            *notes,
        ]
        meaning = "\n".join(lines).removesuffix(".")
        figure, axes = map_panels(len(predictors), n_columns=min(2, len(predictors)), title=title, grey=meaning)
        n_lines = figure._supxlabel.get_text().count("\n")  # type: ignore[attr-defined]
        more = 0.45 if len(predictors) == 1 else 0.0  # lines of the heading and of the title of the map
        figure.set_figheight(figure.get_figheight() + 0.15 * n_lines + (0.4 if supported else 0.15) + more)
        shades = list(style.colour_map("cmo.amp")(np.linspace(0.0, 0.95, len(LIKELIHOOD))))
        for ax, predictor in zip(axes, predictors, strict=True):
            fields = here.sel(predictor=predictor)
            change = fields["change_probability"]
            classes = change.copy(data=likelihood_class(change.values))
            mesh = draw_mesh(ax, classes.where(classes >= 0), run, **class_colours(shades))
            outline(ax, fields["forced_change"] == 1, run)
            hatch(ax, fields["applicable"] == 0, run)
            ax.set_title(f"Likelihood of a change of regime,{end}{style.predictor_words(predictor)}")
        words = [_stacked(word) if word in supported else f"({_stacked(word)})" for word in LIKELIHOOD]
        words = words if supported else [""] * len(words)
        texts = [f"{share}\n{word}".strip() for share, word in zip(LIKELIHOOD_RANGES, words, strict=True)]
        name_classes(mesh, axes, texts, fontsize=5.5 if len(predictors) == 1 else 6, shrink=0.9, aspect=45)
        if len(axes) > 1:
            style.letter_panels(axes)
        return figure


def model_agreement_maps(
    summary: xr.Dataset | None, *, predictor: str = "ensemble", notes: Sequence[str] = ()
) -> "style.Figure":
    """Return the agreement of climate models in one window: regime, probability of its change, and robustness.

    Parameters
    ----------
    summary : xarray.Dataset or None
        As from `thor.tracking.multimodel.multimodel_summary`; None: no experiment.
    predictor : str
    notes : sequence of str, optional
        As for `change_likelihood_map`.
    """
    if summary is None:
        return style.empty_figure(_NO_RUN)
    fields = summary.sel(predictor=predictor)
    names = str(summary.attrs["regimes"]).split()
    models, votes = list(map(str, summary["source_id"].values)), str(summary.attrs["votes"]).capitalize()
    named = ", ".join(models) if len(models) <= style.MOST_MODELS else f"{len(models)} climate models"
    each = "" if votes == "Models" else ", one vote for each family of models with one ocean code"
    lines = [
        "land, and cells without a model. Outlined in (d): robust, models agree that there is a forced regime change "
        "and on its direction. Strokes: conflicting, they change in different directions.",
        *notes,
    ]
    if not fields["robustness"].max() >= 0:
        lines.append("No agreement of a change is stated: too few models are tested against internal variability.")
    windows = list(map(str, summary["model_window"].values))
    if set(windows) != {summary.attrs["window"]} and len(models) <= style.MOST_MODELS:
        years = (f"{model} {style.years_text(window)}" for model, window in zip(models, windows, strict=True))
        lines.append(f"Years: {'; '.join(years)}.")
    with style.style():
        shown = f"{summary.attrs['experiment_id']}, {style.years_text(summary.attrs['window'])}"
        title = f"{shown}, {style.predictor_words(predictor)}: {named}{each}"
        figure, axes = map_panels(4, n_columns=2, title=title, grey="\n".join(lines).removesuffix("."))
        figure.set_figheight(figure.get_figheight() + 0.3)
        regime = fields["regime"].where(fields["regime"] >= 0)
        _draw_regimes(axes[0], regime, summary, names)
        for ax, name, title in (
            (axes[1], "agreement_share", f"{votes} with this regime"),
            (axes[2], "change_probability", f"Probability of a change of regime, mean over {votes.lower()}"),
            (axes[3], "forced_share", f"{votes} with a forced regime change"),
        ):
            _draw_percentages(ax, 100 * fields[name], summary, full=name != "change_probability")
            ax.set_title(title)
        axes[0].set_title(f"Regime of most {votes.lower()}")
        # Both lie where most models have a forced change, which is drawn dark.
        outline(axes[3], fields["robustness"] == 1, summary, colour="#56B4E9")
        hatch(axes[3], fields["robustness"] == 2, summary, colour="white")
        style.letter_panels(axes)
        return figure


def label_difference_maps(fields: xr.Dataset | None, *, predictor: str) -> "style.Figure":
    """Return maps of the regimes by both sets in one window, the distance of probabilities, and its persistence.

    Parameters
    ----------
    fields : xarray.Dataset or None
        As from `thor.tracking.set_comparison.label_difference`; None: a figure with the reason.
    predictor : str
        Of the further set.
    """
    if fields is None:
        return style.empty_figure("No run of the archive has the features of a further input set in all windows.")
    kind, input_set = set_of(predictor)
    names = list(style.flags(fields["surface"]).values())
    area = fields["areacello"].where(fields["distance"].notnull())
    share = float(area.where(fields["surface"] != fields["set"]).sum() / area.sum())
    with style.style():
        window = style.years_text(str(fields["window"].values))
        title = f"{style.run_title(fields)}, {window}, {style.predictor_words(kind)}"
        grey = f"land, and cells without a regime. Regimes in (a) and (b) differ on {100 * share:.1f} % of the area"
        figure, axes = map_panels(4, n_columns=2, title=title, grey=grey)
        figure.set_figheight(figure.get_figheight() + 0.3)
        for ax, name in zip(axes, ("surface", "set"), strict=False):
            _draw_regimes(ax, fields[name], fields, names)
        for ax, name in zip(axes[2:], ("distance", "window_share"), strict=True):
            _draw_percentages(ax, 100 * fields[name], fields, full=True)
        titles = ["Regimes from the surface alone", f"Regimes with {input_set}", "Difference of the probabilities"]
        for ax, title in zip(axes, [*titles, "Windows in which the regimes differ"], strict=True):
            ax.set_title(title)
        style.letter_panels(axes)
        return figure


def _draw_regimes(ax: "style.Axes", regime: xr.DataArray, grid: xr.Dataset, names: Sequence[str]) -> None:
    mesh = draw_mesh(ax, regime, grid, **class_colours(style.regime_colours(names)))
    name_classes(mesh, ax, names, fontsize=7)


def _draw_percentages(ax: "style.Axes", field: xr.DataArray, grid: xr.Dataset, *, full: bool) -> None:
    """Draw percentages, with a colour bar up to 100 or to the largest value of nearly all cells."""
    values = field.values
    most = np.nanquantile(values, QUANTILE) if np.isfinite(values).any() else 100.0
    highest = 100.0 if full else min(100.0, max(10.0, 10 * np.ceil(most / 10)))
    mesh = draw_mesh(ax, field, grid, cmap=style.colour_map("cmo.amp"), vmin=0, vmax=highest)
    extend = "max" if highest < 100 else "neither"
    bar_below(mesh, ax, extend=extend).set_label("%", fontsize=7)


def _stacked(word: str) -> str:
    return word.replace("_as_", "\nas ").replace("y_", "y\n").replace("_", " ")
