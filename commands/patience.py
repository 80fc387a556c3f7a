"""A line or a bar on stderr for whoever waits longer than a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

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


@contextmanager
def wait_for(text: str) -> Iterator[None]:
    """Say `text` on stderr at once, beside a spinner where that is a terminal, until the block is done."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        typer.echo(f"workbench: {text}", err=True)
        yield
        return
    with console.status(text):
        yield


class Bar:
    """A progress bar on stderr that appears only when the work takes longer than a moment."""

    def __init__(self, title: str) -> None:
        from time import monotonic

        self._title, self._clock, self._start = title, monotonic, monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, fraction: float) -> None:
        """Told the fraction done, 0 to 1."""
        if self._bar is None and fraction < 1.0 and self._clock() - self._start > MOMENT:
            from rich.console import Console
            from rich.progress import Progress

            console = Console(stderr=True)
            self._bar = Progress(console=console, disable=not console.is_terminal)
            self._bar.add_task(self._title, total=1.0)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.tasks[0].id, completed=fraction)
