"""Blocks of work on Dask workers: processes of this machine or of a cluster."""

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from thor.core.errors import ConfigError, ThorError, counted
from thor.core.fingerprint import code_version
from thor.core.memory import keep_freed_memory
from thor.core.warn import logging_from

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

_AHEAD = 3
"""Parts handed out per thread of the workers before their results are taken: bounds the memory of both sides."""


@contextmanager
def workers(scheduler: str, *, n_workers: int | None, memory_limit: str | None, timeout_s: float) -> "Iterator[Client]":
    """Give a client of a scheduler whose workers can run THOR; parameters as of `thor.core.compute.Compute`.

    Raises
    ------
    ConfigError
        When the scheduler does not answer, or THOR is not installed there.
    """
    with (
        # Dask repeats tracebacks in the log of this process: failures are raised as errors.
        logging_from(logging.CRITICAL, "distributed"),
        logging_from(logging.CRITICAL, "distributed.client"),
        _client(scheduler, n_workers, memory_limit, timeout_s) as client,
    ):
        _check_workers(client, scheduler)
        yield client


def map_on_workers(
    client: "Client", place: str, function: Callable[..., Any], shared: Any, parts: Sequence[Any], *, description: str
) -> Iterator[Any]:
    """Yield ``function(shared, part)`` for each part, as `thor.core.compute.Map`."""
    import cloudpickle
    import dask

    # A task that unpickles it, not scattered data: it is made again should all workers that hold it die, and no worker
    # has to be there yet.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
        work = client.submit(cloudpickle.loads, cloudpickle.dumps((function, shared)), pure=False)
    left = iter(parts)
    waiting: deque[Future] = deque()
    try:
        for number in range(1, len(parts) + 1):
            with _explaining(place, f"{description}, block {number} of {len(parts)}"):
                # Counted each time: workers come and leave.
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
    keep_freed_memory()  # Dask starts workers that return every array to the system
    function, shared = work
    return function(shared, part)


# -- schedulers ----------------------------------------------------------------------------------------------------
@contextmanager
def _client(scheduler: str, n_workers: int | None, memory_limit: str | None, timeout_s: float) -> "Iterator[Client]":
    import dask
    from distributed import Client, LocalCluster
    from distributed.versions import VersionMismatchWarning

    if scheduler == "local":
        with (
            # A worker that pauses with full memory would wait for ever; that one was ended is reported.
            dask.config.set({"distributed.worker.memory.pause": False}),
            LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                memory_limit=memory_limit or "auto",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    _require_answer(scheduler, timeout_s)
    with warnings.catch_warnings():
        # A table of all packages on all machines; `_check_workers` reports the relevant ones in a line.
        warnings.simplefilter("ignore", VersionMismatchWarning)
        client = Client(scheduler, timeout=timeout_s, set_as_default=False)
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
            "scheduler`), and is this its port (8786), not that of its dashboard? Correct compute.scheduler or "
            "DASK_SCHEDULER_ADDRESS, or set compute.scheduler: threads."
        ) from error


def _n_threads(client: "Client") -> int:
    from distributed import CancelledError

    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise CancelledError(str(error)) from error


def _check_workers(client: "Client", place: str) -> None:
    """Raise ConfigError where THOR is not installed; log how many workers there are, and which have other versions.

    Workers that come later are not checked.
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
    log.info("%s has %s with %s", place, counted(len(workers), "worker"), counted(_n_threads(client), "thread"))
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
    """Report a block whose worker died, ran out of memory or was lost, in a few lines."""
    from dask.utils import format_bytes
    from distributed import CancelledError, KilledWorker

    advice = (
        "Make blocks smaller, or give workers more memory: compute.memory_limit with scheduler local, --memory-limit "
        "of `dask worker` else."
    )
    try:
        yield
    except KilledWorker as error:
        limit = error.last_worker.memory_limit
        raise ConfigError(
            f"{what}: {error.allowed_failures + 1} workers died one after another while they worked on it, most "
            f"likely for want of memory (limit of a worker: {format_bytes(limit) if limit else 'none'}). {advice}"
        ) from error
    except MemoryError as error:
        raise ConfigError(f"{what}: its worker has not enough memory ({error}). {advice}") from error
    except CancelledError as error:
        raise ThorError(
            f"{what}: the scheduler {place} was lost, or was asked to cancel the work. Is it still running? "
            "What was saved before is kept; start it and run again."
        ) from error
