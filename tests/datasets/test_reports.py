"""Figures, metrics and tables: same content, same bytes; nothing unreadable is written."""

import base64
import json
import struct

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from kedro.io import DatasetError

from thor.core.errors import DataError
from thor.datasets import FigureDataset, MetricsDataset, PageDataset, TableDataset


def draw():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


def test_a_figure_has_its_size_and_no_date_or_software(tmp_path):
    one, two = (FigureDataset(filepath=str(tmp_path / f"{n}.png"), dpi=200) for n in "ab")
    one.save(draw())
    two.save(draw())
    content = one.load()
    assert content == two.load()
    assert struct.unpack(">II", content[16:24]) == (400, 200)
    assert b"tEXt" not in content
    assert b"tIME" not in content
    assert base64.b64decode(one.preview()) == content
    two.save(content)
    assert two.load() == content


def test_the_numbers_of_a_figure_lie_beside_it(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(draw())
    assert dataset.beside == [tmp_path / "a.csv"]
    table = pd.read_csv(tmp_path / "a.csv")
    assert table[["kind", "x", "y"]].values.tolist() == [["line", 0, 1], ["line", 1, 0]]
    before = (tmp_path / "a.csv").read_bytes()
    dataset.save(draw())
    assert (tmp_path / "a.csv").read_bytes() == before

    field = draw()
    field.axes[0].lines[0].remove()
    field.axes[0].pcolormesh([[1.0, 2.0]])
    dataset.save(field)
    assert dataset.beside == [tmp_path / "a.nc"], "numbers of an earlier figure do not stay"
    with xr.open_dataset(tmp_path / "a.nc") as fields:
        assert fields["panel_1"].values.tolist() == [[1, 2]]


def test_a_figure_is_closed_after_saving(tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure()
    FigureDataset(filepath=str(tmp_path / "a.png")).save(figure)
    assert figure.number not in plt.get_fignums()


@pytest.mark.parametrize("wrong", [b"GIF89a", "text", {"a": 1}])
def test_what_is_no_figure_is_refused(tmp_path, wrong):
    with pytest.raises(DatasetError, match="takes a matplotlib figure"):
        FigureDataset(filepath=str(tmp_path / "a.png")).save(wrong)
    assert not list(tmp_path.iterdir())


def test_metrics_are_sorted_plain_json(tmp_path):
    dataset = MetricsDataset(filepath=str(tmp_path / "m.json"))
    dataset.save(
        {"z": np.float32(0.5), "a": {2: np.arange(3), "n": np.int64(7)}, "nan": float("nan"), "t": (True, None)}
    )
    assert dataset.load() == {"z": 0.5, "a": {"2": [0, 1, 2], "n": 7}, "nan": None, "t": [True, None]}
    text = (tmp_path / "m.json").read_text()
    assert text.index('"a"') < text.index('"nan"') < text.index('"z"')
    assert text.endswith("}\n")
    assert json.loads(dataset.preview()) == dataset.load()


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"a": {"b": [1.0, np.inf]}}, r"'a.b\[1\]' is infinite"),
        ({"a": object()}, "'a' is a object"),
        ([1, 2], "takes a dict of metrics; got a list"),
    ],
)
def test_metrics_json_cannot_hold_are_refused(tmp_path, metrics, message):
    with pytest.raises(DatasetError, match=message):
        MetricsDataset(filepath=str(tmp_path / "m.json")).save(metrics)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"), [('{"a": ', "is not JSON"), ("[1]", "expected a dict"), ("", "is not JSON")]
)
def test_damaged_metrics_are_named(tmp_path, text, message):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        MetricsDataset(filepath=str(tmp_path / "m.json")).load()


def test_metrics_of_another_encoding_are_named(tmp_path):
    (tmp_path / "m.json").write_bytes('{"a": "é"}'.encode("latin-1"))
    with pytest.raises(DatasetError, match=r"m.json is not JSON: 'utf-8' codec"):
        MetricsDataset(filepath=str(tmp_path / "m.json")).load()


@pytest.mark.parametrize("n_bytes", [0, 10, -1])
def test_a_figure_that_is_cut_off_is_named(tmp_path, n_bytes):
    dataset = FigureDataset(filepath=str(tmp_path / "a.png"))
    dataset.save(draw())
    (tmp_path / "a.png").write_bytes(dataset.load()[:n_bytes])
    with pytest.raises(DatasetError, match=r"a.png is no whole PNG image: [\d,]+ bytes"):
        dataset.load()


def test_a_table_that_is_cut_off_is_named(tmp_path):
    dataset = TableDataset(filepath=str(tmp_path / "t.csv"))
    dataset.save(pd.DataFrame({"name": ["a", "b"], "area": [1.25, 2.5]}))
    for text in ("name,area\na,1.25\nb,2.", "name,area\na,1.25\nb"):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(DatasetError, match=r"t.csv is cut off: row 2 has no end of line"):
            dataset.load()


def test_a_table_of_other_columns_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    assert list(TableDataset(filepath=str(tmp_path / "t.csv")).load()) == ["a", "b"]
    with pytest.raises(DatasetError, match=r"t.csv has no column status, level, but a, b\. Make it again"):
        TableDataset(filepath=str(tmp_path / "t.csv"), columns=["a", "status", "level"]).load()


def test_a_table_keeps_every_digit(tmp_path):
    table = pd.DataFrame({"k": [10, 20], "inertia": [1 / 3, 1e-300], "name": ["a, b", "c"]})
    dataset = TableDataset(filepath=str(tmp_path / "t.csv"))
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table, check_exact=True)
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "k,inertia,name"
    preview = dataset.preview(nrows=1)
    assert preview["columns"] == ["k", "inertia", "name"]
    assert preview["data"][0][0] == 10


def test_an_empty_table_file_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DatasetError, match="is not a CSV table"):
        TableDataset(filepath=str(tmp_path / "t.csv")).load()
    with pytest.raises(DatasetError, match="takes a pandas DataFrame"):
        TableDataset(filepath=str(tmp_path / "t.csv")).save({"a": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a whole HTML document"),
        (b"<!doctype html><html><body>", "is not a whole HTML document"),
        (b"<!doctype html><html>\xff</html>", r"page.html is not UTF-8: .*0xff .*Make it again"),
    ],
)
def test_a_damaged_page_is_named(tmp_path, content, message):
    page = "<!DOCTYPE html>\n<html>20\N{DEGREE SIGN}N</html>\n"
    dataset = PageDataset(filepath=str(tmp_path / "page.html"))
    dataset.save(page)
    assert dataset.load() == page
    (tmp_path / "page.html").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as failure:
        dataset.load()
    assert isinstance(failure.value.__cause__, DataError)


@pytest.mark.parametrize("kind", [FigureDataset, MetricsDataset, TableDataset, PageDataset])
def test_a_missing_file_is_named(tmp_path, kind):
    with pytest.raises(DatasetError, match=r"missing.file does not exist"):
        kind(filepath=str(tmp_path / "missing.file")).load()
