"""The results of a run on one page, assembled from the files of the other pipelines.

figures of all pipelines                 -> index_figures  -> figures (captions, alternative texts)
metrics, regimes, uncertainty, inventory -> summarise_run  -> summary
run_record (of the hooks)                -> write_manifest -> manifest
summary, manifest, figures, fields       -> write_report   -> report

Results that are absent, or older than their input by run_record, are left out. Required are features, vorticity_budget,
regimes, split and skill_metrics.
"""

from kedro.pipeline import Pipeline

from thor.app.named_nodes import named_node
from thor.attribution.methods import explaining_methods
from thor.pipelines.reporting import nodes
from thor.report.content import captions

FIGURES = tuple(captions())
NUMBERS = (
    *("vorticity_budget", "regimes", "clustering_metrics", "regime_balances", "split"),
    *("skill_metrics", "bayesian_skill_metrics", "calibration_metrics", "regime_uncertainty", "explanation_metrics"),
    *(*explaining_methods(), "scenario_regimes", "tracking_metrics", "archive_inventory"),
)
FIELDS = (
    *("features", "vorticity_budget", "regimes", "split", "regime_uncertainty", *explaining_methods()),
    *("scenario_regimes", "true_regimes", "regime_areas", "tracking_metrics", "archive_inventory"),
)


def create_pipeline() -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        [
            named_node(nodes.index_figures, "figures", further_inputs=FIGURES),
            named_node(nodes.summarise_run, "summary", further_inputs=NUMBERS),
            named_node(nodes.write_manifest, "manifest"),
            named_node(nodes.write_report, "report", further_inputs=[*FIGURES, *FIELDS]),
        ],
    )
