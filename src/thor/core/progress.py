"""Progress of long work, with the time left: a bar on a terminal, elsewhere a line in the log every 15 seconds."""

import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)

INTERVAL_S = 15.0
"""Seconds between lines in the log."""

SHORT_S = 5.0
"""Work that takes less than this is not reported."""

_OPEN: dict[int, "_LoggedBar"] = {}
"""The bars that are not drawn, the outermost first."""


def progress_bar(
    steps: Iterable[Any] | None = None,
    *,
    label: str,
    unit: str,
    total: int | None = None,
    scaled: bool = False,
    hidden: bool = False,
) -> Any:
    """Return a bar that yields `steps`, or that is moved with ``update(n)`` inside ``with``.

    Parameters
    ----------
    steps : iterable, optional
    label : str
        What is done.
    unit : str
        Singular noun for one step.
    total : int, optional
        Number of steps, where `steps` does not have it.
    scaled : bool
        State large numbers with prefixes (kB, MB).
    hidden : bool
        Show nothing, and log nothing.
    """
    kind: Any = tqdm if hidden or _draws_bars() else _LoggedBar
    return kind(steps, desc=label, unit=unit, total=total, unit_scale=scaled, leave=False, disable=hidden)


@contextmanager
def logged_progress(describe: Callable[[], str]) -> Iterator[None]:
    """Log the progress of what runs inside, every `INTERVAL_S` seconds; nothing on a terminal, which shows the bars.

    Parameters
    ----------
    describe : callable
        Gives a sentence on work that has no bar; an empty one is not logged.
    """
    if _draws_bars():
        yield
        return
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(INTERVAL_S):
            if sentence := _sentence() or describe():
                log.info("%s", sentence)

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=2)


class _LoggedBar(tqdm):  # type: ignore[type-arg]
    """A bar that counts but is not drawn."""

    def __init__(self, steps: Iterable[Any] | None, **options: Any) -> None:
        super().__init__(steps, **options, file=io.StringIO(), mininterval=0, miniters=1)
        _OPEN[id(self)] = self

    def display(self, *args: Any, **options: Any) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Take it from the open ones."""
        _OPEN.pop(id(self), None)
        super().close()


def _draws_bars() -> bool:
    """Return whether this process has a terminal to itself; one among others would overwrite their bars."""
    return parent_process() is None and sys.stderr.isatty()


def _sentence() -> str:
    """Return the state of the outermost bar that has moved, or else of the outermost one."""
    bars = [bar for bar in list(_OPEN.values()) if bar.total and time.time() - bar.start_t >= SHORT_S]
    moved = [bar for bar in bars if bar.n]
    if not bars:
        return ""
    bar = (moved or bars)[0]
    n, all_steps = bar.n, bar.total or 0
    if bar.unit_scale:
        done, total = tqdm.format_sizeof(n, bar.unit), tqdm.format_sizeof(all_steps, bar.unit)
    else:
        done, total = str(n), f"{all_steps} {bar.unit}s"
    left = f", {time_text((time.time() - bar.start_t) / n * (all_steps - n))} left" if n else ""
    return f"{bar.desc.removesuffix(': ')}: {done} of {total}{left}"


def time_text(seconds: float) -> str:
    """Return a time in whole seconds or, from two minutes on, in minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
