"""Progress without a terminal: lines in the log with the time left."""

import io
import logging
import re
import sys
import time

import pytest

from tests.waiting import wait_until
from thor.core import progress
from thor.core.progress import logged_progress, progress_bar, time_text
from thor.core.run_log import LINE_WIDTH, ShortLines


@pytest.fixture
def lines(monkeypatch, caplog):
    """The log of work whose lines come every 0.05 s."""
    monkeypatch.setattr(progress, "INTERVAL_S", 0.05)
    monkeypatch.setattr(progress, "SHORT_S", 0.0)
    caplog.set_level(logging.INFO, logger="thor")
    return caplog


def test_a_loop_logs_what_is_done_and_the_time_left(lines):
    with logged_progress(lambda: "nothing to say"):
        for step in progress_bar(range(4), label="k-means", unit="run"):
            begins = f"k-means: {step} of 4 runs"
            wait_until(lambda begins=begins: any(message.startswith(begins) for message in lines.messages))
    assert "k-means: 0 of 4 runs" in lines.messages
    assert any(re.fullmatch(r"k-means: [123] of 4 runs, 0 s left", message) for message in lines.messages)
    n_lines = len(lines.messages)
    time.sleep(0.15)
    assert len(lines.messages) == n_lines, "it has ended with the work"


def test_of_nested_loops_the_outer_one_is_logged_once_it_has_moved(lines):
    with (
        progress_bar(total=2, label="models", unit="model") as outer,
        progress_bar(total=10, label="files", unit="file") as inner,
    ):
        inner.update(5)
        assert progress._sentence().startswith("files: 5 of 10 files")
        outer.update()
        assert progress._sentence().startswith("models: 1 of 2 models")
    assert progress._sentence() == ""


def test_bytes_have_prefixes_and_hidden_bars_are_not_logged(lines):
    with progress_bar(total=2_500_000, label="packing", unit="B", scaled=True) as bar:
        bar.update(1_200_000)
        assert progress._sentence().startswith("packing: 1.20MB of 2.50MB, ")
    with progress_bar(total=3, label="hidden", unit="step", hidden=True):
        assert progress._sentence() == ""


def test_work_without_a_loop_is_described(lines):
    with logged_progress(lambda: "modelling.fit: 20 s so far"):
        wait_until(lambda: lines.messages)
    assert set(lines.messages) == {"modelling.fit: 20 s so far"}
    lines.clear()
    with logged_progress(lambda: ""):
        time.sleep(0.2)
    assert lines.messages == []


def test_a_loop_that_fails_leaves_no_bar(lines):
    with pytest.raises(ZeroDivisionError):
        [1 / n for n in progress_bar([1, 0], label="loop", unit="step")]
    assert progress._sentence() == ""


def test_a_terminal_gets_the_bar_and_no_lines(lines, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with logged_progress(lambda: "a line"):
        for _ in progress_bar(range(3), label="k-means", unit="run"):
            time.sleep(0.1)
    assert lines.messages == []
    assert "k-means:  33%" in sys.stderr.getvalue()


def test_short_work_is_not_reported(lines, monkeypatch):
    monkeypatch.setattr(progress, "SHORT_S", 5.0)
    with progress_bar(total=2, label="models", unit="model") as bar:
        bar.update()
        assert progress._sentence() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (119.4, "119 s"), (150, "2.5 min")])
def test_times_are_rounded(seconds, text):
    assert time_text(seconds) == text


def test_long_messages_are_continued_below():
    record = logging.LogRecord("thor", logging.INFO, __file__, 0, "word " * 50 + "\nlast", None, None)
    text = ShortLines(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")).format(record).splitlines()
    assert len(text) == 4 and text[-1] == "last"
    assert all(len(line) <= LINE_WIDTH for line in text)
    assert text[1].startswith(" " * 9 + "word")
    assert "".join(text).count("word") == 50
