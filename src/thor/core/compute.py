"""Blocks of work on the threads of this machine, on processes of it, or on the workers of a cluster: one result."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic import field_validator

from thor.core.errors import did_you_mean
from thor.core.parallel import Input, Output, in_threads
from thor.core.progress import progress_bar
from thor.core.settings import Count, Positive, Settings

Shared = TypeVar("Shared")

_HERE = ("threads", "local")

_LEAST_MEMORY = 100_000_000
"""Memory [bytes] of a process, which takes about this much to import what it needs."""


class Compute(Settings):
    """Where blocks of work are done. The results are the same everywhere."""

    scheduler: str = "threads"
    """threads: threads of this process; local: processes of this machine; or the address of a Dask scheduler, such as
    tcp://host:8786."""
    n_workers: Count | None = None
    """Number of threads or local processes; null: one for each core. Ignored with a scheduler."""
    memory_limit: str | None = None
    """Memory of each local process, such as 4 GB, beyond which it is ended and its block repeated by another; null: its
    share of this machine. Ignored with threads and with a scheduler."""
    timeout_s: Positive = 30.0
    """Time within which a scheduler must answer [s]."""

    @field_validator("scheduler")
    @classmethod
    def _require_place(cls, scheduler: str) -> str:
        if scheduler not in _HERE and "://" not in scheduler:
            raise ValueError(
                f"cannot be '{scheduler}'.{did_you_mean(scheduler, _HERE)} Or give the address of a Dask scheduler, "
                "such as tcp://host:8786."
            )
        return scheduler

    @field_validator("memory_limit")
    @classmethod
    def _require_size(cls, limit: str | None) -> str | None:
        from dask.utils import parse_bytes

        try:
            enough = limit is None or parse_bytes(limit) >= _LEAST_MEMORY
        except ValueError:
            enough = False
        if not enough:
            raise ValueError(f"must be a size such as '4 GB', at least 100 MB; got '{limit}'.")
        return limit


class Map(Protocol):
    """Applies a function to parts of some work."""

    def __call__(
        self, function: Callable[[Shared, Input], Output], shared: Shared, parts: Sequence[Input], *, description: str
    ) -> Iterator[Output]:
        """Yield ``function(shared, part)`` for each part, in the order of the parts.

        Parameters
        ----------
        function : callable
            Without side effects: a part whose worker dies is computed again.
        shared : object
            What all parts need (networks, scalers); each worker gets it once.
        parts : sequence
            Small, such as slices with their inputs.
        description : str
            Name of the work in progress bar and messages.

        Raises
        ------
        ConfigError
            When workers die of a part again and again, or run out of memory.
        ThorError
            When the scheduler is lost.
        """


@contextmanager
def mapper(settings: Compute) -> Iterator[Map]:
    """Yield a function that maps over parts of work at the configured place; workers end with the context.

    Every part is computed with one thread of BLAS, so that its last bits depend neither on the number of workers nor
    on where it is done, as long as machines have the same processors and packages.

    Parameters
    ----------
    settings : Compute

    Raises
    ------
    ConfigError
        When a scheduler does not answer, or THOR is not installed there.
    """
    if settings.scheduler == "threads":
        yield partial(_with_bar, partial(map_in_threads, n_threads=settings.n_workers))
        return
    from thor.core.cluster import map_on_workers, workers

    with workers(**settings.model_dump()) as client:
        yield partial(_with_bar, partial(map_on_workers, client, settings.scheduler))


def _with_bar(
    mapped: Map, function: Callable[[Any, Any], Output], shared: Any, parts: Sequence[Any], *, description: str
) -> Iterator[Output]:
    """Yield what `mapped` does, with a progress bar."""
    done = mapped(function, shared, parts, description=description)
    yield from progress_bar(done, total=len(parts), label=description, unit="block")


def map_in_threads(
    function: Callable[[Shared, Input], Output],
    shared: Shared,
    parts: Sequence[Input],
    *,
    description: str,
    n_threads: int | None = None,
) -> Iterator[Output]:
    """Yield the results for each part, on the threads of this process: a `Map` that shows no progress."""
    return in_threads(partial(function, shared), parts, n_threads=n_threads)
