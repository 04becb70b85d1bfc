"""`make bench`: one table of all benchmarks, from the cheapest of them, and what happens when one fails."""

import ast
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / "benchmarks"
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}


@pytest.fixture
def bench(monkeypatch):
    """The module that runs all."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("run", "rows"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("run")


def table(page):
    """The rows of the first table of a page, by column."""
    lines = [line for line in page.split("\n## ")[0].splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def seconds(text):
    value, unit = text.split(" ")
    return float(value) * UNITS[unit]


def check_ratios(rows):
    compared = [row for row in rows if row["alternative"]]
    for row in compared:
        assert float(row["ratio"]) == pytest.approx(seconds(row["its time"]) / seconds(row["THOR"]), rel=0.06)
    return compared


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.py")))
def test_what_a_script_imports_from_the_library_is_there(script):
    tree = ast.parse((FOLDER / script).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("thor")]
    missing = {
        f"{node.module}.{name.name}"
        for node in imports
        for name in node.names
        if not hasattr(importlib.import_module(node.module), name.name)
        and importlib.util.find_spec(f"{node.module}.{name.name}") is None
    }
    assert not missing


def test_the_cheapest_benchmark_gives_its_table(tmp_path):
    page = tmp_path / "benchmarks.md"
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--quick", "--only", "windows", "--page", str(page)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/1] windows" in done.stdout
    written = page.read_text(encoding="utf-8")
    assert written in done.stdout
    assert "quick form" in written
    rows = check_ratios(table(written))
    assert [row["alternative"] for row in rows] == ["xarray: open_mfdataset, sel, mean", "reading every step once"]
    assert all(5 < float(row["peak memory"].removesuffix(" MB")) < 2000 for row in rows)
    for words in (f"numpy {version('numpy')}", f"tensorflow {version('tensorflow')}", " cores", " GB", "| date |"):
        assert words in written
    assert not re.search(r"/(home|root|tmp|work)/", written)


def fake(folder, name, *, code=0, rows=1):
    row = json.dumps({"what": name, "ours": 0.002, "alternative": "other", "theirs": 0.5, "ratio": 250.0}) + "\n"
    script = f"import sys\nopen(sys.argv[2], 'a').write({row * rows!r})\nsys.exit({code})\n"
    (folder / f"{name}.py").write_text(script)


def test_a_failing_benchmark_is_named_the_others_continue_and_the_page_is_kept(bench, monkeypatch, tmp_path, capsys):
    for name, options in {"first": {}, "second": {"code": 3}, "third": {"rows": 0}, "fourth": {}}.items():
        fake(tmp_path, name, **options)
    page = tmp_path / "page.md"
    page.write_text("the last one")
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "TIMED", dict.fromkeys(("first", "second", "third", "fourth"), ""))
    monkeypatch.setattr(sys, "argv", ["run.py", "--page", str(page)])
    assert bench.main() == 1
    out, err = capsys.readouterr()
    assert "Failed: second, third" in err
    assert page.read_text() == "the last one"
    assert [row["what"] for row in check_ratios(table(out.split("# Benchmarks")[1]))] == ["first", "second", "fourth"]
    for name in ("second", "third"):
        fake(tmp_path, name)
    assert bench.main() == 0
    assert [row["ratio"] for row in table(page.read_text())] == ["250"] * 4


def test_omitted_benchmarks_are_listed_with_their_reason(bench, tmp_path):
    rows = importlib.import_module("rows")
    kept = rows.Rows(tmp_path / "kept.jsonl")
    kept.leave_out("networks on ECCO", "THOR_DATA_MIRROR is not set")
    kept.add("a cost alone", 12.3, peak_memory_mb=456.7)
    found, left_out = rows.read_rows(tmp_path / "kept.jsonl")
    assert found[0].ratio is None
    page = bench.as_page({"networks": bench.Result(found, left_out, 1.0, 0)}, quick=False)
    assert "* networks on ECCO: THOR_DATA_MIRROR is not set." in page
    assert table(page)[0] == dict(zip(bench.HEAD, ("a cost alone", "12.3 s", "", "", "", "457 MB", ""), strict=True))


def test_every_script_is_run_or_stated_and_the_last_table_is_in_the_documentation(bench):
    others = {"run", "rows", "scale_filter", "all_inputs", "same_results", "code_lines"}
    scripts = {path.stem for path in FOLDER.glob("*.py")} - others
    assert scripts == {*bench.TIMED, *bench.ON_REQUEST}
    assert "benchmarks/run.py" in (REPOSITORY / "Makefile").read_text()
    page = (REPOSITORY / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert check_ratios(table(page))
    for name in bench.TIMED:
        assert f"| {name} |" in page, f"{name} has not been measured"
    for name in bench.ON_REQUEST:
        assert f"benchmarks/{name}.py" in page


@pytest.fixture
def results(tmp_path):
    """Two data folders with the same numbers."""
    for side in ("before", "after"):
        folder = tmp_path / side / "08_reporting"
        folder.mkdir(parents=True)
        area = xr.DataArray([1.0, np.nan, 4e14], dims="regime", attrs={"units": "m2", "level": 0.9})
        names = xr.DataArray(["TR", "MD", "NL"], dims="regime")
        if side == "after":
            names = names.astype("S")  # characters in the file
        xr.Dataset({"area": area, "regime": names}, attrs={"made_by": side}).to_netcdf(folder / "areas.nc")
        (folder / "areas.csv").write_text("regime,area\nTR,1.0\nMD,\n")
        (folder / "scores.json").write_text(json.dumps({"accuracy": [0.5, 0.7], "n_cells": 3}))
        np.savez(folder / "weights.npz", kernel=np.ones((2, 3)))
        (folder / "manifest.json").write_text(json.dumps({"seconds": len(side)}))
    return tmp_path


def compare_results(results):
    script = str(FOLDER / "same_results.py")
    command = [sys.executable, script, str(results / "before"), str(results / "after")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


def test_two_versions_with_the_same_numbers_are_the_same(results):
    assert compare_results(results) == (0, "4 of 4 files have the same numbers\n")


@pytest.mark.parametrize(("factor", "code"), [(1 + 1e-8, 0), (1 + 1e-4, 1)])
def test_differences_between_two_versions_are_quantified(results, factor, code):
    (results / "after/08_reporting/scores.json").write_text(json.dumps({"accuracy": [0.5, 0.7 * factor], "n_cells": 3}))
    returned, printed = compare_results(results)
    assert returned == code
    size = re.search(r"scores.json: /accuracy/1: (\S+)\n3 of 4 files", printed)
    assert float(size[1]) == pytest.approx(factor - 1, rel=0.05)


def test_other_names_in_a_file_are_a_failure(results):
    path = results / "after/08_reporting/areas.nc"
    with xr.open_dataset(path) as areas:
        changed = areas.load().assign_coords(regime=["TR", "MD", "SO"])
    changed.to_netcdf(path)
    returned, printed = compare_results(results)
    assert returned == 1 and "areas.nc: regime: inf\n3 of 4 files" in printed


@pytest.mark.parametrize(
    ("file", "text"),
    [("areas.csv", "regime,area\nTR,1.0\nNL,\n"), ("areas.csv", "regime,area\nTR,1.0\nMD,2.0\n"), ("areas.csv", None)],
)
def test_other_labels_missing_values_and_files_are_failures(results, file, text):
    path = results / "after/08_reporting" / file
    path.unlink()
    if text:
        path.write_text(text)
    assert compare_results(results)[0] == 1


def test_docstrings_comments_and_blank_lines_are_not_counted(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    code_lines = importlib.import_module("code_lines").code_lines
    source = (
        '"""Of a\n\nmodule."""\n\nX = 1  # one\n"""Of a constant."""\n\n\n'
        'def f(\n    x,\n):\n    """Return x."""\n    # why\n    return """a\nb"""\n'
    )
    assert code_lines(source) == 6
