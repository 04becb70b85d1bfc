"""A command that fails or is ended: what a signal does."""

import signal

import pytest

from thor.app.failures import terminate


def test_a_second_signal_does_not_interrupt_what_the_first_one_ends():
    ended = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            ended.append("files")

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(SystemExit) as caught:
            work()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (caught.value.code, ended) == (143, ["files"])
