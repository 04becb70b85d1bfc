"""Wait for what another process does."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], *, timeout: float = 60.0) -> Any:
    """Return what the condition returns once it holds; fail when it does not within the time [s]."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"nothing within {timeout} s"
        time.sleep(0.02)
    return found
