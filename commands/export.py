"""`workbench export`: a run as a file for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Run, RunsDir, runs_folder
from commands.patience import Bar


def export(
    run: Run,
    to: Annotated[Path, typer.Option("--to", help="FILE.h5, .nc, .csv or .npz.")],
    runs_dir: RunsDir = None,
) -> None:
    """Write a run to one file: HDF5, netCDF, CSV or NPZ, by the suffix."""
    from workbench.record.export import export_run
    from workbench.record.folder import resolve_run

    folder = resolve_run(run, runs_folder(runs_dir))
    with Bar(f"export {to.name}") as bar:
        left_out = export_run(folder, to.expanduser(), progress=bar.update)
    typer.echo(str(to))
    for sentence in left_out:
        typer.echo(f"left out: {sentence}", err=True)
