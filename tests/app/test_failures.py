"""A command that is ended by a signal: when, and what a second one does."""

import io
import logging
import signal
import sys
import threading
import time
from contextlib import contextmanager

import click
import pytest
from xarray.backends.locks import CombinedLock

from tests.made_fields import make_features
from thor.app.failures import _interrupt, short_errors, terminate
from thor.datasets.netcdf import read, write


@contextmanager
def handled(number, handler):
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_second_signal_does_not_interrupt_what_the_first_one_ends():
    ended = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            ended.append("files")

    with handled(signal.SIGTERM, terminate), pytest.raises(SystemExit) as caught:
        work()
    assert (caught.value.code, ended) == (143, ["files"])


def test_a_terminal_without_utf8_gets_every_line(monkeypatch, capsys):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    handler = logging.StreamHandler(sys.stdout)
    line = logging.LogRecord("thor", logging.INFO, "", 0, "1863–1864: 3 %", None, None)
    with short_errors():
        handler.handle(line)
        click.echo("R1 → R2, é")
    sys.stdout.flush()
    assert written.getvalue() == "1863?1864: 3 %\nR1 ? R2, é\n".encode("latin-1")
    assert "Logging error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "handler", "error"),
    [(signal.SIGINT, _interrupt, KeyboardInterrupt), (signal.SIGTERM, terminate, SystemExit)],
)
def test_a_signal_waits_until_a_file_is_opened(tmp_path, monkeypatch, number, handler, error):
    """Raised below xarray, an error may leave its locks held; below netCDF4 it may be lost."""
    write(make_features(), tmp_path / "features.nc")
    acquire, signals, reached = CombinedLock.acquire, [number], []

    def acquired(*arguments, **options):
        if signals:
            signal.raise_signal(signals.pop())
            reached.append("the lock")
        return acquire(*arguments, **options)

    def work():
        read(tmp_path / "features.nc")
        threading.Event().wait(60)

    monkeypatch.setattr(CombinedLock, "acquire", acquired)
    started = time.perf_counter()
    with handled(number, handler), pytest.raises(error):
        work()
    assert time.perf_counter() - started < 30, "it waited for what the thread waits for"
    assert reached == ["the lock"]
    assert read(tmp_path / "features.nc").identical(make_features())


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_an_error_of_short_memory_says_what_to_do(error, capsys):
    with pytest.raises(SystemExit) as caught, short_errors():
        raise error
    assert caught.value.code == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "The memory of this machine, or what a limit" in message and "set n_processes: 1" in message
