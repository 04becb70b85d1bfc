"""Figure of global warming in the runs of the archive, with the windows of warming levels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from thor.figures import style
from thor.figures.tracking_curves import experiment_colours
from thor.reading.warming_levels import Warming

N_COLUMNS, MOST_PANELS = 3, 9


def warming_curves(runs: Mapping[str, Warming], levels: pd.DataFrame, *, length_years: int) -> "style.Figure":
    """Return the global mean warming of each run, and where levels are reached.

    A panel for each climate model, or for each experiment where there are more than `MOST_PANELS` models.

    Parameters
    ----------
    runs : mapping of str to Warming
        By key, as from `thor.reading.warming_levels.warming_of_runs`. Of a run that continues another, only its own
        years are drawn.
    levels : pandas.DataFrame
        As from `thor.reading.warming_levels.find_levels`.
    length_years : int
        Length of the windows of the levels.
    """
    known = {key: run for key, run in runs.items() if np.isfinite(run.values).all()}
    with style.style():
        if not known:
            missing = "windows.warming_levels, or air temperature, is missing"
            return style.empty_figure(f"No levels of global warming: {missing}.")
        models, experiments = (list(dict.fromkeys(key.split("/")[k] for key in known)) for k in (0, 1))
        colours = experiment_colours(experiments)
        of_panel, names = ("source_id", models) if len(models) <= MOST_PANELS else ("experiment_id", experiments)
        n_columns = min(N_COLUMNS, len(names))
        figure = style.new_figure(2.9 * n_columns, 2.2 * -(-len(names) // n_columns) + 0.4)
        axes = dict(zip(names, style.new_panels(figure, len(names), n_columns, sharex=True, sharey=True), strict=True))
        width = 1.2 if names is models else 0.6
        for level in sorted(set(levels["level"])):
            for ax in axes.values():
                ax.axhline(level, color="0.6", linewidth=0.6, linestyle="--", zorder=0)
        for key, run in known.items():
            model, experiment, _ = key.split("/")
            ax = axes[model if names is models else experiment]
            own = run.years >= run.first_own_year
            if names is models:
                ax.plot(run.years[own], run.values[own], color=colours[experiment], linewidth=0.3, alpha=0.5)
            smooth = run.running_mean(length_years)
            middle = run.years[: smooth.size] + length_years // 2
            ends_here = run.years[: smooth.size] + length_years > run.first_own_year
            ax.plot(middle[ends_here], smooth[ends_here], color=colours[experiment], linewidth=width)
        reached = levels[levels["status"] == "reached"]
        for row in reached.to_dict("records"):
            if row["experiment_id"] in colours and row["source_id"] in models:
                place = row["first_year"] + length_years // 2, row["warming"]
                axes[str(row[of_panel])].plot(*place, "o", color=colours[str(row["experiment_id"])], markersize=3.5)
        for name, ax in axes.items():
            n_models = len({key.split("/")[0] for key in known if key.split("/")[1] == name})
            ax.set_title(name if names is models else f"{name}, {n_models} climate models")
        style.label_edges([*axes.values()], n_columns, x="year", y="warming (K)")
        if names is models:
            for experiment in experiments:
                axes[models[0]].plot([], [], color=colours[experiment], label=experiment)
            style.add_legend(figure, axes[models[0]], n_columns=len(experiments))
        style.letter_panels(axes.values())
        return figure
