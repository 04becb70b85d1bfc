"""Warnings about defects of the data, each logged once in a process, and loggers that are silent for a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

log = logging.getLogger(__name__)


@cache
def warn_once(*parts: str) -> None:
    """Log a warning, its parts joined by colons: often the model or file, and what is wrong with it."""
    log.warning(": ".join(parts))


@contextmanager
def logging_from(level: int, name: str) -> Iterator[None]:
    """Log nothing below a level of one logger inside this context."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
