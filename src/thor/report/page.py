"""The page itself: templates, style and script beside this file, joined into one self-contained HTML text."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import pandas as pd
import xarray as xr
import yaml

from thor.attribution.methods import all_methods, explaining_methods, labels, title_of
from thor.core.metrics import metrics
from thor.core.variables import variable
from thor.figures.style import LAND_COLOUR, predictor_words, years_text
from thor.report.archive import archive_rows, model_rows
from thor.report.content import captions, ocean_content, regime_styles, small_images, swatches
from thor.report.pictures import change_picture, most_changed, regime_picture
from thor.report.scenarios import scenario_content
from thor.report.settings import ReportSettings
from thor.report.words import PREDICTOR_NAMES, in_order, in_words, level_percent, percent, predictor_name
from thor.tracking import RunDatasets
from thor.tracking.likelihood import LIKELIHOOD_BOUNDS, LIKELIHOOD_RANGES

_SECTION_FILES = {
    "regimes": ("regimes", "vorticity_budget", "regime_balances", "cluster_selection", "clustering_metrics"),
    "skill": ("ensemble_probabilities", "ensemble", "skill_metrics", "network_metrics", "training_history"),
    "uncertainty": ("regime_uncertainty", "calibration_model", "bayesian_network", "calibration_metrics"),
    "explanations": (*explaining_methods(), "explanation_summary", "explanation_agreement", "explanation_metrics"),
    "scenarios": (
        *("scenario_regimes", "input_set_regimes", "forced_response", "model_agreement", "regime_areas"),
        *("member_areas", "model_areas", "regime_transitions", "change_attribution", "term_changes"),
        *("overturning", "regime_properties", "tracking_metrics", "archive_inventory"),
    ),
}
"""Datasets to which each section links."""

_UNIT = re.compile(r"(?<=\d) (?=%|K\b|W\b)")
"""The space between a number and its unit, where no line ends."""


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
    true_regimes: RunDatasets | None = None,
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
    scenario_regimes, true_regimes, regime_areas, tracking_metrics, archive_inventory
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

    loader = PackageLoader("thor.report", "templates")
    blocks: Any = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **blocks)
    environment.filters |= {
        "percent": percent,
        "level_percent": level_percent,
        "predictor_words": predictor_words,
        "years": years_text,
        "terms_in_words": _terms_in_words,
        "with_code": _with_code,
        "as_yaml": lambda tree: yaml.safe_dump(tree, sort_keys=False, allow_unicode=True),
    }
    skill = {**summary["skill"], "predictors": in_order(summary["skill"]["predictors"], PREDICTOR_NAMES)}
    summary = {**summary, "skill": skill, "calibration": in_order(summary["calibration"], PREDICTOR_NAMES)}
    fields = features, vorticity_budget, regimes, split, regime_uncertainty
    areas = regime_areas if regime_areas is not None else pd.DataFrame()
    perfect_model = None if tracking_metrics is None else tracking_metrics["perfect_model"]
    data: dict[str, Any] = {
        "ocean": ocean_content(*fields, attributions or {}, max_cells=settings.max_cells),
        "scenarios": scenario_content(
            scenario_regimes or {}, true_regimes or {}, areas, skill=perfect_model, max_cells=settings.max_run_cells
        ),
        "skill": _skill_chart(skill),
        "method_names": {name: labels(name) for name in all_methods()},
        "method_colours": {name: method.colour for name, method in all_methods().items()},
        "likelihood": _likelihood(),
        "diverging": swatches("cmo.balance"),
        "scenario_files": _links(manifest).get("scenario_regimes", ""),
    }
    of_runs = (name for run in data["scenarios"]["runs"] for name in run["predictors"])
    data["predictor_names"] = {name: predictor_words(name) for name in (*data["ocean"]["predictors"], *of_runs)}
    data["scenarios"]["start"] = most_changed(summary["scenarios"], scenario_regimes or {})
    images = small_images(figures, colours=settings.figure_colours)
    return environment.get_template("report.html.j2").render(
        summary=summary,
        manifest=manifest,
        figures={name: {**entry, "source": images[name]} for name, entry in in_order(figure_index, captions()).items()},
        first_maps=_first_maps(features, regimes, scenario_regimes or {}, summary["scenarios"]),
        files=_links(manifest),
        section_files=_SECTION_FILES,
        not_together=_not_together(mixed),
        glossary=_glossary(summary["regimes"]["long_names"]),
        regime_styles=regime_styles(summary["regimes"]["long_names"]),
        mixed=mixed,
        left_out=left_out,
        archive=archive_rows(archive_inventory),
        models=model_rows(archive_inventory, summary["expected_accuracy"].get("models", {})),
        has_scenarios=bool(data["scenarios"]["runs"]),
        has_truth=any("truth" in run for run in data["scenarios"]["runs"]),
        has_networks=bool(data["ocean"]["predictors"]),
        has_attributions=bool(data["ocean"]["methods"]),
        stride=data["ocean"]["grid"]["stride"],
        predictor_names=PREDICTOR_NAMES,
        explained_by=in_words([method.title for method in explaining_methods().values()]),
        method_names={name: title_of(name) for name in all_methods()},
        scores=metrics("scores"),
        data=_for_script(data),
        land_colour=LAND_COLOUR,
        style=_file("templates", "report.css"),
        script=_file("templates", "viewer.js") + _file("templates", "report.js"),
        plotly=_plotly(),
    )


def _first_maps(
    features: xr.Dataset, regimes: xr.Dataset, runs: RunDatasets, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the map of regimes, and that of the run with the largest change where there is one."""
    key = most_changed(rows, runs)
    change = None if key is None else change_picture(runs[key](), colours=_likelihood()["colours"])
    return [regime_picture(features, regimes), *([change] if change else [])]


def _links(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the path of each file of the manifest below the folder of the data, relative to the report."""
    paths = {name: str(entry["path"]) for name, entry in manifest["datasets"].items()}
    return {name: f"../{quote(path)}" for name, path in paths.items() if not path.startswith(("/", ".."))}


def _not_together(mixed: Sequence[str]) -> list[str]:
    """Return the sections with results that the first sentence of `mixed` names as made from other inputs."""
    words = set(re.findall(r"\w+", mixed[0].partition(", made from")[0])) if mixed else set()
    return [section for section, names in _SECTION_FILES.items() if words & set(names)]


def _glossary(long_names: Mapping[str, str]) -> dict[str, str]:
    """Return the meaning of each term and regime, sorted by term."""
    terms = yaml.safe_load(_file("glossary.yml"))
    regimes = {name: f"Regime: {meaning}." for name, meaning in long_names.items()}
    meanings = {term: _UNIT.sub("\u00a0", meaning) for term, meaning in {**terms, **regimes}.items()}
    return dict(sorted(meanings.items(), key=lambda item: item[0].lower()))


def _terms_in_words(names: Sequence[str]) -> str:
    """Return the terms of a dominant balance; a single one is not balanced by another."""
    return in_words([variable(name).label.lower() for name in names]) + (" alone" if len(names) == 1 else "")


def _with_code(sentence: str) -> Any:
    """Return a sentence as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = enumerate(sentence.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if k % 2 else escape(part) for k, part in parts)


def _skill_chart(skill: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each predictor's accuracy with its interval, in the order of the table."""
    accuracies = ((name, scores["accuracy"]) for name, scores in skill["predictors"].items())
    return [{"name": predictor_name(name), **score} for name, score in accuracies if score["value"] is not None]


def _likelihood() -> dict[str, Any]:
    """Return the classes of the likelihood of a change: bounds, ranges in words and colours."""
    colours, n_classes = swatches("cmo.matter"), len(LIKELIHOOD_RANGES)
    chosen = [colours[round(k * (len(colours) - 1) / (n_classes - 1))] for k in range(n_classes)]
    return {"bounds": list(LIKELIHOOD_BOUNDS), "ranges": list(LIKELIHOOD_RANGES), "colours": chosen}


def _for_script(data: Mapping[str, Any]) -> str:
    """Return the data as JSON that nothing in it can end early."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _file(*place: str) -> str:
    return files("thor.report").joinpath(*place).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    # Nothing may end the script element early.
    return get_plotlyjs().replace("</script", "<\\/script")
