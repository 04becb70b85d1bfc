"""Methods register themselves, each by its file alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import REPOSITORY
from thor.attribution.methods import all_methods, each_method, explaining_methods, in_sentence, labels, title_of


def test_methods_are_found_in_their_order():
    assert list(explaining_methods()) == ["relevance", "shapley_values", "lime_weights"]
    assert list(all_methods()) == [*explaining_methods(), "integrated_gradients", "gradient_times_input"]


@pytest.mark.parametrize("method", all_methods().values(), ids=lambda method: method.name)
def test_names_are_those_of_datasets_and_colours_differ(method):
    assert method.name.isidentifier() and method.name.islower()
    assert bool(method.settings) == bool(method.parameters)
    assert [other.name for other in all_methods().values() if other.colour == method.colour] == [method.name]


def test_pairs_are_named_and_unknown_methods_keep_their_name():
    assert labels("relevance and lime_weights") == "Relevance and LIME"
    assert in_sentence("gradient_times_input and other") == "gradient times input and other"
    assert title_of("lime_weights") == "Local interpretable model-agnostic explanations (LIME)"


def test_a_row_for_each_method_stands_where_the_marked_row_is():
    rows = each_method({"a": {"b": 1}, "x_{method}": {"file": "{method}.nc", "deep": {"label": "{label}"}}, "z": None})
    assert list(rows) == ["a", "x_relevance", "x_shapley_values", "x_lime_weights", "z"]
    assert rows["x_lime_weights"] == {"file": "lime_weights.nc", "deep": {"label": "LIME"}}


def test_a_method_in_its_own_file_is_found_everywhere():
    """In another process: the folder of methods gets one file more, and nothing else changes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.attribution.methods.with_toy", str(Path(__file__).parent / "added")],
        env=os.environ | {"DO_NOT_TRACK": "1", "PYTHONPATH": str(REPOSITORY / "src")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_registry_is_light_to_import():
    code = (
        "import json, sys; from thor.attribution.methods import all_methods; all_methods(); "
        "print(json.dumps([name for name in ('tensorflow', 'shap', 'lime', 'matplotlib', 'sklearn') "
        "if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert json.loads(done.stdout) == []
