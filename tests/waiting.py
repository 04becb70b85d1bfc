"""Wait for what another process does."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, timeout: float = 60.0) -> None:
    """Return when the condition holds; fail when it does not within the time [s]."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"nothing within {timeout} s"
        time.sleep(0.02)
