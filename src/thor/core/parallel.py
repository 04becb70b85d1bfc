"""Blocks of work on all cores of this machine, in threads or in processes; their results in order."""

import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from itertools import starmap
from logging.handlers import QueueHandler
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

from threadpoolctl import ThreadpoolController

from thor.core import warn
from thor.core.errors import ConfigError, ThorError

Input = TypeVar("Input")
Output = TypeVar("Output")

_AHEAD = 2
"""Parts handed out per worker before their results are taken: bounds the memory."""

_MOST_PROCESSES = 4
"""Without a setting: each process holds its part of the work, and the run waits for its longest chain of nodes."""

_IDLE_SECONDS = 5


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes longer than a product of small matrices.
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which products of matrices use one thread.

    On small matrices, threads slow a product down and change the order of its sums.
    """
    return _controller().limit(limits=1)


def n_cores() -> int:
    """Return the number of cores that this process may use; of the machine where the system does not say (macOS)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(
    work: Callable[[Input], Output], parts: Iterable[Input], *, n_threads: int | None = None
) -> Iterator[Output]:
    """Yield ``work(part)`` for each part, in the order of the parts.

    NumPy releases the interpreter's lock while it computes, so threads share the work. Each uses one thread of BLAS,
    which is faster for small matrices and makes results independent of the number of threads.

    Parameters
    ----------
    work : callable
        Without side effects.
    parts : iterable
    n_threads : int, optional
        By default one for each core this process may use.
    """
    n_threads = n_threads or n_cores()
    with one_thread(), ThreadPoolExecutor(n_threads) as pool:
        try:
            yield from _in_order(lambda part: pool.submit(work, part), parts, n_threads)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(submit: Callable[[Input], Future[Output]], parts: Iterable[Input], n_workers: int) -> Iterator[Output]:
    waiting: deque[Future[Output]] = deque()
    for part in parts:
        waiting.append(submit(part))
        if len(waiting) >= _AHEAD * n_workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def number_of_processes(setting: int | None, name: str) -> int:
    """Return how many processes work side by side by this setting; None: one for each core, at most four.

    Raises
    ------
    ConfigError
        For what is no number from 1.
    """
    if setting is None:
        return min(n_cores(), _MOST_PROCESSES)
    if not (isinstance(setting, int) and setting >= 1):
        raise ConfigError(
            f"{name} of globals.yml must be a whole number from 1, or null for one on each core; got {setting!r}."
        )
    return setting


def in_processes(
    work: Callable[..., Output], parts: Iterable[tuple[Any, ...]], *, n_processes: int
) -> Iterator[Output]:
    """Yield ``work(*part)`` for each part, in the order of the parts.

    Each uses one thread of BLAS, so that results do not depend on their number. What they log is logged here when their
    part is done, and a warning of `warn_once` only once.

    Parameters
    ----------
    work : callable
        It and the parts are sent to the processes by cloudpickle.
    parts : iterable of tuple
    n_processes : int
        -1: one for each core; 1: this process. Idle ones end, so that they hold no memory.

    Raises
    ------
    ThorError
        When a process was killed. After this, as after an error of the work, all have ended.
    """
    if n_processes == 1:
        with one_thread():
            yield from starmap(work, parts)
        return
    import joblib  # takes longer to import than many commands

    levels = {name: logging.getLogger(name).getEffectiveLevel() for name in ("", "thor")}
    tasks = ((levels, work, part) for part in parts)
    parallel = joblib.Parallel(n_jobs=n_processes, return_as="generator", idle_worker_timeout=_IDLE_SECONDS)
    done = _on_forked(*_forked, tasks) if _forked else parallel(joblib.delayed(_with_log)(*task) for task in tasks)
    # Closed at once: the traceback of an error would hold it open, and with it the processes at work.
    with closing(done), _explaining_ends():
        for result, records in done:
            for record in records:
                if record.name == warn.log.name:
                    warn.warn_once(record.getMessage())
                else:
                    logging.getLogger(record.name).handle(record)
            if isinstance(result, _Failure):
                raise result.error
            yield result


@contextmanager
def _explaining_ends() -> Iterator[None]:
    try:
        yield
    except BrokenExecutor as error:
        raise ThorError(
            "One of the processes that share the work was ended from outside, by a signal or where memory is short: "
            "then free some, or let fewer of them work (archive_processes in conf/local/globals.yml, n_jobs of the "
            "parameters). Go on afterwards."
        ) from error


class _Forked(NamedTuple):
    pool: ProcessPoolExecutor
    processes: list[BaseProcess]


_forked: _Forked | None = None


@contextmanager
def forked_workers(number: int) -> Iterator[None]:
    """Fork the processes of `in_processes` here: they need no time to import what this one has imported.

    Not where this process has other threads than that of `end_with_parent`: a fork copies the locks that they hold.
    """
    global _forked
    if number == 1:
        yield
        return
    others = active_children()
    with ProcessPoolExecutor(number, mp_context=get_context("fork"), initializer=_begin_forked) as pool:
        if sys.version_info < (3, 11, 5):
            _close_both_ends(pool._call_queue)  # type: ignore[attr-defined]
        pool.submit(int)  # the first task forks all of them
        _forked = _Forked(pool, [process for process in active_children() if process not in others])
        try:
            yield
        finally:
            _forked = None


def _close_both_ends(tasks: Any) -> None:
    """Let the queue of tasks close the end that is read first, as later versions of Python do (gh-94777).

    Until then the thread that sends a task to ended processes waits for ever. To close it from here would not do: that
    thread closes it as well, and if it fails to, it waits for ever too.
    """
    close = tasks.close

    def close_both() -> None:
        tasks._reader.close()
        close()

    tasks.close = close_both


def _begin_forked() -> None:
    # The handler of this process would raise SystemExit, which the pool would send there as the result of the work.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def forked_pids() -> set[int | None]:
    """Return the numbers of the processes of `forked_workers`."""
    return {process.pid for process in _forked.processes} if _forked else set()


def _on_forked(
    pool: ProcessPoolExecutor, processes: list[BaseProcess], tasks: Iterable[tuple[Any, ...]]
) -> Generator[Any, None, None]:
    """Yield what `_with_log` returns for each task; after an error the processes are ended."""
    import cloudpickle

    try:
        for done in _in_order(lambda task: pool.submit(_on_pickled, cloudpickle.dumps(task)), tasks, len(processes)):
            yield cloudpickle.loads(done)
    except BaseException:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        raise


def _on_pickled(task: bytes) -> bytes:
    import cloudpickle

    with one_thread():
        return cloudpickle.dumps(_with_log(*cloudpickle.loads(task)))  # type: ignore[no-any-return]


def end_with_parent() -> None:
    """End this process, from a thread, when the one that started it has ended."""

    def wait_and_end() -> None:
        if parent := parent_process():
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=wait_and_end, name="end with parent", daemon=True).start()


class _Records(list[logging.LogRecord]):
    """Stands for the queue of a `QueueHandler`."""

    put_nowait = list.append


class _Failure(NamedTuple):
    error: Exception


def _with_log(
    levels: dict[str, int], work: Callable[..., Output], part: tuple[Any, ...]
) -> tuple[Output | _Failure, list[logging.LogRecord]]:
    """Return what the work returns or raises, and what it logs."""
    import cloudpickle

    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    records = _Records()
    logging.getLogger().handlers = [QueueHandler(records)]  # type: ignore[arg-type]
    try:
        return work(*part), list(records)
    except Exception as error:  # noqa: BLE001 (raised by the process that waits)
        found = portable(error, cloudpickle)
        found.add_note(f"In a process of its own:\n{traceback.format_exc()}")
        return _Failure(found), list(records)


def portable(error: Exception, pickler: Any = pickle) -> Exception:
    """Return the error, or its text as a ThorError where it cannot be sent to another process by this pickler."""
    try:
        pickler.loads(pickler.dumps(error))
    except Exception:  # noqa: BLE001 (whatever an error of another library raises there)
        return ThorError(f"{type(error).__name__}: {error}")
    return error
