"""Blocks of work on all cores of this machine, their results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Input = TypeVar("Input")
Output = TypeVar("Output")

_AHEAD = 2
"""Parts handed out per thread before their results are taken: bounds the memory."""


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes longer than a product of small matrices.
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which products of matrices use one thread.

    On small matrices, threads slow a product down and change the order of its sums.
    """
    return _controller().limit(limits=1)


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
    n_threads = n_threads or len(os.sched_getaffinity(0))
    with one_thread(), ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Output]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) >= _AHEAD * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
