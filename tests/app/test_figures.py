"""`thor figures` as a user starts it: what it lists, writes and refuses."""

import re
from pathlib import Path

import pytest
import xarray as xr

from tests.made_fields import make_regimes
from tests.programs import finished
from thor.core.errors import DataError
from thor.datasets.netcdf import write

REPOSITORY = Path(__file__).parents[2]
REGIMES = "regime_clustering_regimes"


@pytest.fixture
def root(tmp_path):
    """The data root of a run that drew one figure: the map of regimes."""
    files = [tmp_path / "root" / name for name in ("05_model_input/regimes.nc", f"08_reporting/figures/{REGIMES}.png")]
    for file in files:
        file.parent.mkdir(parents=True)
    write(make_regimes(), files[0])
    files[1].write_bytes(b"")
    return tmp_path / "root"


def figures(root, *arguments, code=0):
    """Return output and error of the command after checking its exit code."""
    options = ("--env", "test", "--conf-source", REPOSITORY / "conf")
    done = finished("thor", "figures", *options, *arguments, folder=root.parent, THOR_TEST_ROOT=str(root))
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout, done.stderr


def width_cm(pdf):
    """Width of the first page, from its box in points."""
    box = re.search(rb"/MediaBox \[ *[\d.]+ +[\d.]+ +([\d.]+)", pdf.read_bytes())
    return float(box[1]) / 72 * 2.54


def test_the_figures_are_listed_with_their_titles(root):
    out, _ = figures(root)
    assert re.search(rf"^{REGIMES} +Regimes and agreement of clustering runs$", out, re.M)
    out, _ = figures(root, "modelling_skill")
    assert out.split() == ["modelling_skill", *["Scores", "on", "the", "test", "cells"]]


def test_pdf_files_of_both_widths_with_their_numbers(root):
    out, err = figures(root, "--paper", REGIMES, REGIMES)
    assert f"1 figure at 8.9 and 18.3 cm written to {'paper_figures'}/, each with its numbers beside it." in out
    assert "Not written" not in err
    folder = root.parent / "paper_figures"
    files = {f"{REGIMES}.nc", f"{REGIMES}_8.9cm.pdf", f"{REGIMES}_18.3cm.pdf"}
    assert {file.name for file in folder.iterdir()} == files
    for width in (8.9, 18.3):
        assert width_cm(folder / f"{REGIMES}_{width}cm.pdf") == pytest.approx(width, abs=0.01)
    with xr.open_dataset(folder / f"{REGIMES}.nc") as fields:
        assert "flag_meanings" in fields["panel_a"].attrs

    before = {file: file.read_bytes() for file in folder.iterdir()}
    _, err = figures(root, "--paper", REGIMES, code=1)
    assert "are there: --overwrite replaces such files. Or choose another" in " ".join(err.split())
    figures(root, "--paper", REGIMES, "--overwrite")
    assert {file: file.read_bytes() for file in folder.iterdir()} == before  # the same bytes


def test_all_that_can_be_drawn_is_drawn_and_the_rest_is_named(root):
    out, err = figures(root, "--paper", "--width", "12", "--width", "12.0000001", "-o", "new")
    assert "1 figure at 12 cm written to new/" in out
    assert "Not written: modelling_skill: no run has drawn it." in err
    assert sorted(file.name for file in (root.parent / "new").iterdir()) == [f"{REGIMES}.nc", f"{REGIMES}_12cm.pdf"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["regime_clustering_regime"], 1, f"There is no figure 'regime_clustering_regime'. Did you mean '{REGIMES}'?"),
        (["--paper", "--width", "0", REGIMES], 2, "0.0 is not in the range 0<x<=100"),
        (["--paper", "--width", "inf", REGIMES], 2, "inf is not in the range 0<x<=100"),
        (["--paper", "--width", "10000", REGIMES], 2, "10000.0 is not in the range 0<x<=100"),
        (["--paper", "--width", "nan", REGIMES], 2, "nan is no width in cm"),
        (["--width", "8"], 2, "--width, --output and --overwrite are those of PDF files: give --paper too."),
        (["-o", "new", REGIMES], 2, "give --paper too"),
        (["--paper", "--width", "1", REGIMES], 1, "does not fit into 1 cm"),
        (
            ["--paper", "modelling_learning_curves"],
            1,
            "No run has drawn 'modelling_learning_curves': root/08_reporting/figures/",
        ),
        (["--paper", "-o", "file/below", REGIMES], 1, "was not written: a file stands where a folder is needed"),
    ],
)
def test_what_is_refused(root, arguments, code, message):
    (root.parent / "file").write_text("")
    before = sorted(root.parent.iterdir())
    _, err = figures(root, *arguments, code=code)
    assert message in " ".join(err.split()) and len(err.splitlines()) <= 12
    assert [path for path in sorted(root.parent.iterdir()) if path.name != "paper_figures"] == before


def test_no_run_at_all(tmp_path):
    _, err = figures(tmp_path / "empty", "--paper", code=1)
    err = " ".join(err.split())
    assert "No figure is in empty/08_reporting/figures/. Draw them with `thor run --env test" in err


def test_a_figure_whose_inputs_were_removed(root):
    (root / "05_model_input/regimes.nc").unlink()
    assert "Input 'regimes' is missing" in figures(root, "--paper", REGIMES, code=1)[1]


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    import errno

    from matplotlib.figure import Figure

    from thor.app.figures import write_pdf

    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    target = tmp_path / "out" / "a.pdf"

    def full(self, file, **options):
        Path(file).write_bytes(b"%PDF")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(DataError, match="disk is full.*choose another folder with --output"):
        write_pdf(figure, 8.9, {}, target)
    assert list(target.parent.iterdir()) == []
    monkeypatch.undo()
    write_pdf(figure, 8.9, {}, target)
    assert target.read_bytes().startswith(b"%PDF") and width_cm(target) == pytest.approx(8.9, abs=0.01)
