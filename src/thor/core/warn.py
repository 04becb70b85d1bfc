"""Warnings about defects of the data, each logged once in a process."""

import logging
from functools import cache

log = logging.getLogger(__name__)


@cache
def warn_once(*parts: str) -> None:
    """Log a warning, its parts joined by colons: often the model or file, and what is wrong with it."""
    log.warning(": ".join(parts))
