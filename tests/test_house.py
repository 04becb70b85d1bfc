"""The order of the house: each public name means one thing, modules are short, and the prose uses the field's terms."""

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "thor"
MODULES = sorted(PACKAGE.rglob("*.py"))
TRACKED = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
PROSE = [
    REPOSITORY / name
    for name in TRACKED.splitlines()
    if name.startswith(("src/", "docs/", "conf/", "benchmarks/", "notebooks/", "README", "CONTRIBUTING"))
    and name.endswith((".py", ".md", ".yml", ".j2", ".js", ".ipynb"))
]
LONGEST = 300
HOME_MADE = re.compile(r"\b(told|mend(s|ed)?|elect(s|ed)?|surely|fate)\b", re.IGNORECASE)
"""Words that once stood where the field has a term."""


def public_names(module):
    """Classes, functions and constants that a module defines for others."""
    for statement in ast.parse(module.read_text(encoding="utf-8")).body:
        targets = getattr(statement, "targets", [getattr(statement, "target", statement)])
        names = [getattr(target, "name", getattr(target, "id", "_")) for target in targets]
        yield from (name for name in names if not name.startswith("_") and name != "log")


def test_a_public_name_means_one_thing():
    places = defaultdict(set)
    for module in MODULES:
        if "pipelines" not in module.parts:  # each of which has its `create_pipeline`
            # each file of `attribution/methods` registers one `METHOD`
            for name in {*public_names(module)} - {"METHOD"}:
                places[name].add(str(module.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_no_module_is_long(module):
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_only_what_kedro_looks_for_lies_flat():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {
        *("__init__", "__main__", "cli", "pipeline_registry", "settings"),
    }


def test_the_prose_uses_the_terms_of_the_field():
    found = [
        f"{path.relative_to(REPOSITORY)}: {match[0]}"
        for path in PROSE
        for match in HOME_MADE.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
