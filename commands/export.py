"""`workbench export`: a run as a file for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import Run, RunsDir, runs_folder

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 2.0
"""Seconds of work before a progress bar is worth showing."""


def export(
    run: Run,
    to: Annotated[Path, typer.Option("--to", help="FILE.h5, .nc, .csv or .npz.")],
    runs_dir: RunsDir = None,
) -> None:
    """Write a run to one file: HDF5, netCDF, CSV or NPZ, by the suffix."""
    from workbench.record.export import export_run
    from workbench.record.folder import resolve_run

    folder = resolve_run(run, runs_folder(runs_dir))
    with _Bar(f"export {to.name}") as bar:
        left_out = export_run(folder, to.expanduser(), progress=bar.update)
    typer.echo(str(to))
    for sentence in left_out:
        typer.echo(f"left out: {sentence}", err=True)


class _Bar:
    """A progress bar on stderr that appears only when the work takes longer than `PATIENCE`."""

    def __init__(self, title: str) -> None:
        from time import monotonic

        self._title, self._clock, self._start = title, monotonic, monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, fraction: float) -> None:
        """Told the fraction done, 0 to 1."""
        if self._bar is None and fraction < 1.0 and self._clock() - self._start > PATIENCE:
            from rich.console import Console
            from rich.progress import Progress

            console = Console(stderr=True)
            self._bar = Progress(console=console, disable=not console.is_terminal)
            self._bar.add_task(self._title, total=1.0)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.tasks[0].id, completed=fraction)
