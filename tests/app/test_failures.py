"""A command that is ended by a signal: when, and what a second one does."""

import signal
from contextlib import contextmanager

import pytest
from xarray.backends.locks import CombinedLock

from tests.made_fields import make_features
from tests.waiting import wait_until
from thor.app.failures import _interrupt, terminate
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
        wait_until(lambda: False)

    monkeypatch.setattr(CombinedLock, "acquire", acquired)
    with handled(number, handler), pytest.raises(error):
        work()
    assert reached == ["the lock"]
    assert read(tmp_path / "features.nc").identical(make_features())
