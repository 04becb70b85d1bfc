"""How right the results for climate models can be expected to be, in sentences."""

from thor.report.model_trust import model_sentences

ERRORS = {"bias": 0.033, "rms_error": 0.034, "n_models": 3, "n_windows": 126}


def sentences(models, *, rate=None, areas=None):
    expected = {"predictor": "average", "models": models, "errors": ERRORS}
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in model_sentences(expected, areas or {}, rate or {})]


def test_equal_accuracies_are_one_number():
    """96.3 and 95.9 % are both 96 %: none is the least."""
    assert sentences({"A": 0.963, "B": 0.959})[0].endswith("predict the correct regime on 96 % of the area.")
    assert sentences({"A": 0.963, "B": 0.92})[0].endswith("on 92 % to 96 % of the area, least in B.")
    assert sentences({"A": 0.963})[0].endswith("on 96 % of the area of A.")


def test_the_coverage_is_said_to_be_that_of_the_experiment_with_the_least():
    numbers = {"half_width_share": 0.0046, "coverage": 0.897, "level": 0.9, "n_models": 3}
    text = sentences({"A": 0.9}, areas={"average": {"change": numbers}})[2]
    assert "plus or minus 0.5 % for its change" in text
    assert text.endswith(
        "contain 90 % of its true areas in the experiment with the lowest coverage (mean of 3 models)."
    )


def test_the_false_rate_is_the_largest_of_all_control_runs():
    text = sentences({"A": 0.9}, rate={"nominal": 0.05, "mean": 0.063, "high": 0.162})[-1]
    assert text.startswith("In the unforced control runs, at most 6 % of the area")
    assert "but up to 16 % in one of twenty pairs" in text
