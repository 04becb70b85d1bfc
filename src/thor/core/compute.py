"""Blocks of work on the threads of this machine, on processes of it, or on the workers of a cluster: one result."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol, TypeVar

from tqdm import tqdm

from thor.core.errors import ConfigError, did_you_mean
from thor.core.ranges import require_at_least, require_positive
from thor.core.threads import Input, Output, in_threads

Shared = TypeVar("Shared")

_HERE = ("threads", "local")


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where blocks of work are done. The results are the same everywhere.

    Attributes
    ----------
    scheduler : str
        ``threads``: threads of this process; ``local``: processes of this machine; or the address of a Dask scheduler,
        ``tcp://host:8786``.
    n_workers : int or None
        Of `threads` and `local`; None: one for each core. A scheduler has its own.
    memory_limit : str or None
        Of each process of `local`, such as ``4 GB``, beyond which it is ended and its block is computed by another;
        None: its share of this machine. Workers of a scheduler have their own.
    timeout_s : float
        Seconds within which a scheduler has to answer.

    Raises
    ------
    ConfigError
        When a value cannot be used.
    """

    scheduler: str = "threads"
    n_workers: int | None = None
    memory_limit: str | None = None
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.scheduler not in _HERE and "://" not in self.scheduler:
            raise ConfigError(
                f"'scheduler' cannot be '{self.scheduler}'.{did_you_mean(self.scheduler, _HERE)} Or give the address "
                "of a Dask scheduler, such as tcp://host:8786."
            )
        if self.n_workers is not None:
            require_at_least("n_workers", self.n_workers, 1)
        if self.memory_limit is not None:
            _require_size("memory_limit", self.memory_limit)
        require_positive("timeout_s", self.timeout_s)


class Map(Protocol):
    """Applies a function to parts of some work."""

    def __call__(
        self,
        function: Callable[[Shared, Input], Output],
        shared: Shared,
        parts: Sequence[Input],
        *,
        description: str,
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
        yield partial(_with_bar, partial(_map_in_threads, settings.n_workers))
        return
    from thor.core.cluster import map_on_workers, workers

    with workers(**asdict(settings)) as client:
        yield partial(_with_bar, partial(map_on_workers, client, settings.scheduler))


def _with_bar(
    mapped: Map,
    function: Callable[[Shared, Input], Output],
    shared: Shared,
    parts: Sequence[Input],
    *,
    description: str,
) -> Iterator[Output]:
    """Yield what `mapped` does, with a progress bar."""
    done = mapped(function, shared, parts, description=description)
    yield from tqdm(done, total=len(parts), desc=description, unit="block", leave=False, disable=None)


def _map_in_threads(
    n_threads: int | None,
    function: Callable[[Shared, Input], Output],
    shared: Shared,
    parts: Sequence[Input],
    *,
    description: str,
) -> Iterator[Output]:
    return in_threads(partial(function, shared), parts, n_threads=n_threads)


def _require_size(name: str, text: str) -> None:
    from dask.utils import parse_bytes

    try:
        parse_bytes(text)
    except ValueError as error:
        raise ConfigError(f"'{name}' must be a size such as '4 GB', got '{text}'.") from error
