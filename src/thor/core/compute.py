"""Blocks of work on the threads of this machine, on processes of it, or on the workers of a cluster: one result."""

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import Field, field_validator
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from thor.core.errors import ConfigError, ThorError, did_you_mean
from thor.core.fingerprint import code_version
from thor.core.settings import Count, Positive, Settings
from thor.core.threads import in_threads

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

Shared = TypeVar("Shared")
Part = TypeVar("Part")
Result = TypeVar("Result")

_HERE = ("threads", "local")

_AHEAD = 3
"""Parts handed out per thread of the workers before their results are taken: bounds the memory of both sides."""


class Compute(Settings):
    """Where blocks of work are done. The results are the same everywhere."""

    scheduler: str = Field(
        "threads",
        description="threads: threads of this process; local: processes of this machine; or the address of a Dask "
        "scheduler, such as tcp://host:8786.",
    )
    n_workers: Count | None = Field(
        None, description="Number of threads or local processes; null: one for each core. Ignored with a scheduler."
    )
    memory_limit: str | None = Field(
        None,
        description="Memory of each local process, such as 4 GB, beyond which it is ended and its block repeated by "
        "another; null: its share of this machine. Ignored with threads and with a scheduler.",
    )
    timeout_s: Positive = Field(30.0, description="Time within which a scheduler must answer [s].")

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
            parse_bytes(limit or "0")
        except ValueError:
            raise ValueError(f"must be a size such as '4 GB'; got '{limit}'.") from None
        return limit


class Map(Protocol):
    """Applies a function to parts of some work."""

    def __call__(
        self,
        function: Callable[[Shared, Part], Result],
        shared: Shared,
        parts: Sequence[Part],
        *,
        description: str,
    ) -> Iterator[Result]:
        """Yield ``function(shared, part)`` for each part, in the order of the parts.

        Parameters
        ----------
        function : callable
            Without side effects: a part whose worker dies is done again.
        shared : object
            What all parts need (networks, scalers); each worker gets it once.
        parts : sequence
            Small, such as slices with their inputs.
        description : str
            What progress bar and messages call the work.

        Raises
        ------
        ConfigError
            When workers die of a part again and again, or run out of memory.
        ThorError
            When the scheduler is lost.
        """


@contextmanager
def mapper(settings: Compute) -> Iterator[Map]:
    """Give a function that maps over parts of work where the settings say; workers end with the context.

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
        yield partial(_map_in_threads, settings.n_workers)
        return
    with _quiet(), _client(settings) as client:
        _check_workers(client, settings.scheduler)
        yield partial(_map_on_workers, client, settings.scheduler)


def _map_in_threads(
    n_threads: int | None,
    function: Callable[[Shared, Part], Result],
    shared: Shared,
    parts: Sequence[Part],
    *,
    description: str,
) -> Iterator[Result]:
    done = in_threads(partial(function, shared), parts, n_threads=n_threads)
    yield from _with_bar(done, len(parts), description)


def _map_on_workers(
    client: "Client",
    place: str,
    function: Callable[[Shared, Part], Result],
    shared: Shared,
    parts: Sequence[Part],
    *,
    description: str,
) -> Iterator[Result]:
    import cloudpickle
    import dask

    # A task that unpickles it, not scattered data: it is made again should all workers that hold it die, and no worker
    # has to be there yet.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
        work = client.submit(cloudpickle.loads, cloudpickle.dumps((function, shared)), pure=False)
    yield from _with_bar(_results(client, place, work, parts, description), len(parts), description)


def _results(client: "Client", place: str, work: "Future", parts: Sequence[Part], description: str) -> Iterator[Any]:
    left = iter(parts)
    waiting: deque[Future] = deque()
    try:
        for number in range(1, len(parts) + 1):
            with _explaining(place, f"{description}, block {number} of {len(parts)}"):
                # Asked anew each time: workers come and go.
                ahead = _AHEAD * max(1, _n_threads(client))
                for part in islice(left, max(0, ahead - len(waiting))):
                    waiting.append(client.submit(_apply, work, part, pure=False))
                result = waiting[0].result()
            waiting.popleft()
            yield result
    finally:
        client.cancel(list(waiting))


def _apply(work: tuple[Callable[[Any, Any], Any], Any], part: Any) -> Any:
    # For good: with several threads in a worker, the first to finish would set the others' limit back.
    threadpool_limits(1)
    function, shared = work
    return function(shared, part)


# -- schedulers ----------------------------------------------------------------------------------------------------
@contextmanager
def _client(settings: Compute) -> "Iterator[Client]":
    import dask
    from distributed import Client, LocalCluster
    from distributed.versions import VersionMismatchWarning

    if settings.scheduler == "local":
        with (
            # A worker that pauses with full memory would wait for ever; one that is ended is told of.
            dask.config.set({"distributed.worker.memory.pause": False}),
            LocalCluster(
                n_workers=settings.n_workers,
                threads_per_worker=1,
                memory_limit=settings.memory_limit or "auto",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    _require_answer(settings.scheduler, settings.timeout_s)
    with warnings.catch_warnings():
        # A table of all packages on all machines; `_check_workers` says what matters in a line.
        warnings.simplefilter("ignore", VersionMismatchWarning)
        client = Client(settings.scheduler, timeout=settings.timeout_s, set_as_default=False)
    with client:
        yield client


def _require_answer(address: str, timeout_s: float) -> None:
    """Raise ConfigError unless a scheduler answers: a client would wait for ever for a server of another kind."""
    from distributed import Security
    from distributed.comm import connect

    async def greet() -> None:
        arguments = Security().get_connection_args("client")
        (await asyncio.wait_for(connect(address, timeout=timeout_s, **arguments), timeout_s)).abort()

    try:
        with ThreadPoolExecutor(1) as thread:  # this one may have a running loop, as in notebooks
            thread.submit(asyncio.run, greet()).result()
    except (OSError, ValueError, MemoryError) as error:
        reason = (str(error) or "nothing came").splitlines()[0]
        raise ConfigError(
            f"No Dask scheduler answers at {address} within {timeout_s:g} s: {reason}. Is it running (`dask "
            "scheduler`), and is this its own port (8786), not that of its dashboard? Mend compute.scheduler or "
            "DASK_SCHEDULER_ADDRESS, or set compute.scheduler: threads."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Dask logs in this process, traceback upon traceback: what matters becomes an error."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _n_threads(client: "Client") -> int:
    from distributed import CancelledError

    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise CancelledError(str(error)) from error


def _check_workers(client: "Client", place: str) -> None:
    """Raise ConfigError where THOR is not installed; log how many workers there are, and which have other versions.

    Those that come later are not looked at.
    """
    try:
        client.run_on_scheduler(_versions)
        workers = client.run(_versions)
    except Exception as error:
        raise ConfigError(
            f"The scheduler or the workers of {place} cannot run THOR: {error}. Install the same environment on all "
            "machines."
        ) from error
    if not workers:
        log.warning("%s has no workers yet; work waits until one comes", place)
        return
    log.info("%s has %d workers with %d threads", place, len(workers), _n_threads(client))
    for name, here in _versions().items():
        others = sorted({versions[name] for versions in workers.values()} - {here})
        if others:
            n_others = sum(versions[name] != here for versions in workers.values())
            log.warning(
                "%s: %d of %d workers have %s %s, here is %s; results may differ. Install the same on all machines.",
                *(place, n_others, len(workers), name, ", ".join(others), here),
            )


def _versions() -> dict[str, str]:
    import platform

    import numpy as np

    return {"Python": platform.python_version(), "NumPy": np.__version__, "THOR code": code_version()[:8]}


# -- messages ------------------------------------------------------------------------------------------------------
@contextmanager
def _explaining(place: str, what: str) -> Iterator[None]:
    """Say in a few lines what became of a block whose worker died, ran out of memory or was lost."""
    from distributed import CancelledError, KilledWorker

    advice = (
        "Make blocks smaller, or give workers more memory: compute.memory_limit with scheduler local, --memory-limit "
        "of `dask worker` else."
    )
    try:
        yield
    except KilledWorker as error:
        raise ConfigError(
            f"{what}: {error.allowed_failures + 1} workers died one after another while they worked on it, most "
            f"likely for want of memory (limit of a worker: {_size(error.last_worker.memory_limit)}). {advice}"
        ) from error
    except MemoryError as error:
        raise ConfigError(f"{what}: its worker has not enough memory ({error}). {advice}") from error
    except CancelledError as error:
        raise ThorError(
            f"{what}: the scheduler {place} was lost, or was asked to cancel the work. Is it still running? "
            "What was saved before is kept; start it and run again."
        ) from error


def _with_bar(results: Iterator[Result], total: int, description: str) -> Iterator[Result]:
    return iter(tqdm(results, total=total, desc=description, unit="block", leave=False, disable=None))


def _size(n_bytes: int) -> str:
    from dask.utils import format_bytes

    return format_bytes(n_bytes) if n_bytes else "none"
