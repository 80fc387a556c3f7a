"""A line on stderr for whoever waits longer than a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

import typer

MOMENT = 2.0
"""Seconds without a word."""


@contextmanager
def patience(text: str) -> Iterator[None]:
    """Say `text` on stderr once the block has taken longer than a moment."""
    timer = Timer(MOMENT, lambda: typer.echo(text, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
