"""How far a run is, for whoever waits: a bar on stderr, or in a notebook its bar and tables in one place."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.run.html import session_html

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.run.session import Session


@contextmanager
def progress_of(session: Session) -> Iterator[Callable[[], None]]:
    """A function that shows how far it is now; the last look stays.

    A line with step, rate and risk on stderr, nothing where that is no terminal. In a notebook what the
    session shows of itself.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter:
        yield _in_a_notebook(session)
        return
    with _on_a_terminal(session, console) as show:
        yield show


class _Html:
    """HTML that IPython shows."""

    def __init__(self, session: Session) -> None:
        self._html = session_html(session)

    def _repr_html_(self) -> str:
        return self._html


def _in_a_notebook(session: Session) -> Callable[[], None]:
    """rich's own bar needs ipywidgets; a display that is replaced needs what every notebook has."""
    display: Any = importlib.import_module("IPython.display")
    handle = display.display(_Html(session), display_id=True)
    return lambda: handle.update(_Html(session))


@contextmanager
def _on_a_terminal(session: Session, console: Console) -> Iterator[Callable[[], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    progress: Progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[risk]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )

    def show() -> None:
        snapshot = session.engine.snapshot
        if snapshot is None:
            return
        risk = snapshot.values.get("log_risk", math.nan) / math.log(10.0)
        progress.update(
            task,
            completed=session.engine.state.step,
            rate=f"{snapshot.steps_per_second:,.0f} steps/s",
            risk=f"log10 risk {risk:.3f}",
        )

    with progress:
        task = progress.add_task(
            session.folder.name, total=session.config.train.steps, rate="", risk=""
        )
        yield show
