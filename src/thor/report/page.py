"""The page itself: templates, style and script beside this file, joined into one self-contained HTML text."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import pandas as pd
import xarray as xr
import yaml

from thor.attribution.methods import all_methods, explaining_methods, labels, title_of
from thor.core.metrics import metrics
from thor.core.variables import variable
from thor.figures.style import LAND_COLOUR
from thor.figures.tracking_curves import EXPERIMENT_COLOURS
from thor.report.archive import archive_rows
from thor.report.content import captions, ocean_content, regime_styles, small_image, swatches
from thor.report.scenarios import scenario_content
from thor.report.settings import ReportSettings
from thor.report.words import PREDICTOR_NAMES, in_order, in_words, percent, predictor_name
from thor.tracking import RunDatasets
from thor.tracking.likelihood import LIKELIHOOD_BOUNDS, LIKELIHOOD_RANGES


def report_page(
    *,
    summary: Mapping[str, Any],
    manifest: Mapping[str, Any],
    figure_index: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, bytes],
    features: xr.Dataset,
    vorticity_budget: xr.Dataset,
    regimes: xr.Dataset,
    split: xr.Dataset,
    regime_uncertainty: xr.Dataset | None = None,
    attributions: Mapping[str, xr.Dataset] | None = None,
    scenario_regimes: RunDatasets | None = None,
    regime_areas: pd.DataFrame | None = None,
    tracking_metrics: Mapping[str, Any] | None = None,
    archive_inventory: pd.DataFrame | None = None,
    mixed: Sequence[str] = (),
    left_out: Sequence[str] = (),
    settings: ReportSettings,
) -> str:
    """Return the report as one HTML text that needs no network.

    Parameters
    ----------
    summary, manifest : mapping
        As from `thor.report.summary.summarise` and `thor.report.manifest.manifest`.
    figure_index, figures : mapping of str
        Captions, as from `thor.report.content.figure_index`, and PNG bytes.
    features, vorticity_budget, regimes, split, regime_uncertainty : xarray.Dataset
        Of the training ocean; the last may be None.
    attributions : mapping of str to xarray.Dataset
        By method; may be empty.
    scenario_regimes, regime_areas, tracking_metrics, archive_inventory
        Of the climate models; without an archive empty or None.
    mixed : sequence of str
        Sentences about results that do not belong together, as from `thor.core.mixing.mixed_results`.
    left_out : sequence of str
        Sentences about what is not in the report.
    settings : ReportSettings

    Notes
    -----
    The same input gives the same text; only the section of the manifest and the notice of `mixed` hold times.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("thor.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "terms_in_words": lambda names: in_words([variable(name).label.lower() for name in names]),
        "with_code": _with_code,
        "as_yaml": lambda tree: yaml.safe_dump(tree, sort_keys=False, allow_unicode=True),
    }
    skill = {**summary["skill"], "predictors": in_order(summary["skill"]["predictors"], PREDICTOR_NAMES)}
    summary = {**summary, "skill": skill, "calibration": in_order(summary["calibration"], PREDICTOR_NAMES)}
    data: dict[str, Any] = {
        "ocean": ocean_content(
            features=features,
            vorticity_budget=vorticity_budget,
            regimes=regimes,
            split=split,
            regime_uncertainty=regime_uncertainty,
            attributions=attributions or {},
            max_cells=settings.max_cells,
        ),
        "scenarios": scenario_content(
            scenario_regimes or {},
            regime_areas if regime_areas is not None else pd.DataFrame(),
            skill=None if tracking_metrics is None else tracking_metrics["perfect_model"],
            max_cells=settings.max_run_cells,
        ),
        "skill": _skill_chart(skill),
        "method_names": {name: labels(name) for name in all_methods()},
        "method_colours": {name: method.colour for name, method in all_methods().items()},
        "experiment_colours": EXPERIMENT_COLOURS,
        "likelihood": _likelihood(),
    }
    return environment.get_template("report.html.j2").render(
        summary=summary,
        manifest=manifest,
        figures={
            name: {**entry, "source": small_image(figures[name], colours=settings.figure_colours)}
            for name, entry in in_order(figure_index, captions()).items()
        },
        regime_styles=regime_styles(summary["regimes"]["long_names"]),
        mixed=mixed,
        left_out=left_out,
        archive=archive_rows(archive_inventory),
        has_scenarios=bool(data["scenarios"]["runs"]),
        has_networks=bool(data["ocean"]["predictors"]),
        has_attributions=bool(data["ocean"]["methods"]),
        stride=data["ocean"]["grid"]["stride"],
        predictor_names=PREDICTOR_NAMES,
        explained_by=in_words([method.title for method in explaining_methods().values()]),
        method_names={name: title_of(name) for name in all_methods()},
        scores=metrics("scores"),
        data=_for_script(data),
        land_colour=LAND_COLOUR,
        style=_template("report.css"),
        script=_template("report.js"),
        plotly=_plotly(),
    )


def _with_code(sentence: str) -> Any:
    """Return a sentence as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = [
        Markup("<code>{}</code>").format(part) if k % 2 else escape(part) for k, part in enumerate(sentence.split("`"))
    ]
    return Markup("").join(parts)


def _skill_chart(skill: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each predictor's accuracy with its interval, in the order of the table."""
    return [
        {"name": predictor_name(name), **scores["accuracy"]}
        for name, scores in skill["predictors"].items()
        if scores["accuracy"]["value"] is not None
    ]


def _likelihood() -> dict[str, Any]:
    """Return the classes of the likelihood of a change: bounds, ranges in words and colours."""
    colours = swatches("cmo.matter")
    n_classes = len(LIKELIHOOD_RANGES)
    return {
        "bounds": list(LIKELIHOOD_BOUNDS),
        "ranges": list(LIKELIHOOD_RANGES),
        "colours": [colours[round(k * (len(colours) - 1) / (n_classes - 1))] for k in range(n_classes)],
    }


def _for_script(data: Mapping[str, Any]) -> str:
    """Return the data as JSON that nothing in it can end early."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _template(name: str) -> str:
    return files("thor.report").joinpath("templates", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    # Nothing may end the script element early.
    return get_plotlyjs().replace("</script", "<\\/script")
