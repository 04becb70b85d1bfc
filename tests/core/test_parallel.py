"""Work in processes: results in order, what they log, their errors, and the same last bits as in this process."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import active_children
from multiprocessing.context import ForkProcess
from unittest.mock import Mock

import numpy as np
import psutil
import pytest

from thor.app.failures import terminate
from thor.core.errors import ConfigError, DataError, ThorError
from thor.core.parallel import (
    _on_forked,
    forked_pids,
    forked_workers,
    in_processes,
    n_cores,
    number_of_processes,
    one_thread,
)
from thor.core.warn import warn_once

log = logging.getLogger("thor.tests")

VALUES = np.random.default_rng(3).normal(size=200_000)


def work(number, values):
    log.info("part %d", number)
    warn_once("MADE-1", "a defect")
    if number == 3:
        raise DataError("part 3 cannot be done")
    return os.getpid(), float(values @ values)


@pytest.mark.parametrize("n_processes", [1, 2])
def test_results_and_records_come_in_order(n_processes, caplog):
    warn_once.cache_clear()
    with caplog.at_level(logging.INFO, logger="thor"):
        results = list(in_processes(work, ((number, VALUES) for number in range(3)), n_processes=n_processes))
    processes, sums = zip(*results, strict=True)
    assert (os.getpid() in processes) == (n_processes == 1)
    with one_thread():
        assert set(sums) == {float(VALUES @ VALUES)}
    assert [message for message in caplog.messages if message.startswith("part")] == ["part 0", "part 1", "part 2"]
    assert sum(message.startswith("MADE-1") for message in caplog.messages) == 1


@pytest.mark.parametrize("n_processes", [1, 2])
def test_an_error_is_raised_here_after_what_was_logged_before_it(n_processes, caplog):
    done = in_processes(work, ((number, VALUES) for number in range(2, 4)), n_processes=n_processes)
    with caplog.at_level(logging.INFO, logger="thor"), pytest.raises(DataError, match="part 3") as caught:
        list(done)
    assert "part 3" in caplog.messages
    if n_processes == 2:
        assert "in work" in caught.value.__notes__[0]


def state_of(number):
    return os.getpid(), MADE.get("state")


def forked_children():
    return [child for child in active_children() if isinstance(child, ForkProcess)]


MADE = {}


def test_forked_workers_have_what_was_there_and_end_with_the_block():
    MADE["state"] = "before"
    with forked_workers(2):
        MADE["state"] = "after"
        found = list(in_processes(state_of, ((number,) for number in range(6)), n_processes=2))
        processes, states = zip(*found, strict=True)
        assert set(states) == {"before"}
        assert set(processes) <= {child.pid for child in forked_children()} == forked_pids()
        assert len(forked_children()) == 2
    assert not forked_children()
    MADE.clear()


def test_forked_workers_give_what_this_process_gives(caplog):
    warn_once.cache_clear()
    with forked_workers(2), caplog.at_level(logging.INFO, logger="thor"):
        results = list(in_processes(work, ((number, VALUES) for number in range(3)), n_processes=2))
    with one_thread():
        assert {value for _, value in results} == {float(VALUES @ VALUES)}
    assert [message for message in caplog.messages if message.startswith("part")] == ["part 0", "part 1", "part 2"]
    assert sum(message.startswith("MADE-1") for message in caplog.messages) == 1


def test_an_error_in_a_forked_worker_is_raised_here_and_ends_all(caplog):
    with pytest.raises(DataError, match="part 3") as caught, forked_workers(2):
        list(in_processes(work, ((number, VALUES) for number in range(2, 60)), n_processes=2))
    assert "in work" in caught.value.__notes__[0]
    assert not forked_children()


def test_an_error_while_the_next_task_is_sent_ends_all():
    """In a process of its own, which Python 3.11.2 would let wait for ever: the task is larger than a pipe holds."""
    code = (
        "import numpy as np\nfrom thor.core.parallel import forked_workers, in_processes\n"
        "parts = ((0, np.ones(800_000)) for _ in range(60))\n"
        "with forked_workers(2):\n    list(in_processes(lambda number, values: 1 / number, parts, n_processes=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "ZeroDivisionError: division by zero" in done.stderr


def test_ends_of_the_queue_are_closed_by_one_thread_at_a_time():
    """Slowly: with Python 3.11.2 two threads closed the same one, and the one that failed to waited for ever."""
    code = (
        "import os, time\nfrom multiprocessing.connection import Connection\n"
        "from thor.core.parallel import forked_workers, in_processes\n"
        "def slowly(self):\n    handle = self._handle\n    time.sleep(0.2)\n    os.close(handle)\n"
        "Connection._close = slowly\n"
        "def work(number):\n    time.sleep(60 * number)\n    return 1 / number\n"
        "with forked_workers(2):\n    list(in_processes(work, ((number,) for number in range(4)), n_processes=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "ZeroDivisionError: division by zero" in done.stderr
    assert "Bad file descriptor" not in done.stderr


class OfAnotherLibrary(Exception):
    """One that is not sent to another process, whatever loaded libraries do for other errors."""

    def __init__(self, place, reason):
        super().__init__(f"{place}: {reason}")
        self.lock = threading.Lock()


def ended(how):
    if how == "error":
        raise DataError("no sea")
    if how == "not sent":
        raise OfAnotherLibrary("row 3", "no sea")
    if how in ENDING:
        os.kill(os.getpid(), ENDING[how])
    time.sleep(30)


ENDING = {"killed": signal.SIGKILL, "terminated": signal.SIGTERM}


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("error", DataError, "no sea"),
        ("not sent", ThorError, "OfAnotherLibrary: row 3: no sea"),
        ("killed", ThorError, "ended from outside, by a signal or where memory is short: .*archive_processes"),
        ("terminated", ThorError, "ended from outside, by a signal"),
    ],
)
def test_after_an_error_no_forked_worker_is_left_at_work(how, error, message, terminated):
    with forked_workers(2):
        with pytest.raises(error, match=message):
            list(in_processes(ended, ((way,) for way in (how, "work", "work", "work")), n_processes=2))
        # Not `active_children`: it lists one for which a thread of the pool has waited until that thread notes its end.
        assert not any(map(psutil.pid_exists, forked_pids()))


@pytest.fixture
def terminated():
    """Whatever handles SIGTERM in the process that forks, as that of a node does."""
    previous = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize(
    ("how", "message"),
    [("not sent", "row 3: no sea"), ("killed", "where memory is short"), ("terminated", "by a signal")],
)
def test_workers_that_are_started_afresh_report_the_same(how, message):
    with pytest.raises(ThorError, match=message):
        list(in_processes(ended, ((way,) for way in (how, how)), n_processes=2))


def test_what_waits_for_a_forked_worker_is_not_cancelled_before_all_are_ended():
    """The thread that manages them fails where it then finds cancelled work."""
    futures = [Future(), Future(), Future()]
    futures[0].set_exception(DataError("no sea"))
    left = iter(futures)
    with pytest.raises(DataError, match="no sea"):
        list(_on_forked(Mock(submit=lambda *_: next(left)), [Mock()], [()] * len(futures)))
    assert not any(future.cancelled() for future in futures)


def slept(seconds):
    time.sleep(seconds)


def test_what_stops_the_work_does_not_wait_for_forked_workers():
    started = time.perf_counter()
    with forked_workers(2), suppress(KeyboardInterrupt):
        for _ in in_processes(slept, ((seconds,) for seconds in (0, 300, 300)), n_processes=2):
            raise KeyboardInterrupt
    assert time.perf_counter() - started < 60
    assert not forked_children()


def test_the_number_by_default_is_that_of_the_cores_and_at_most_four():
    assert number_of_processes(None, "n") == min(len(os.sched_getaffinity(0)), 4)
    assert number_of_processes(7, "n") == 7


def test_the_number_of_cores_is_known_on_systems_without_affinity(monkeypatch):
    assert n_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr("os.sched_getaffinity")
    assert n_cores() == os.cpu_count()


@pytest.mark.parametrize("number", [0, -1, 1.5, "two"])
def test_other_numbers_of_processes_are_refused(number):
    with pytest.raises(ConfigError, match="archive_processes of globals.yml must be a whole number from 1, .* got"):
        number_of_processes(number, "archive_processes")
