"""`workbench export`: a run or a study as a file for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import RunOrStudy, RunsDir, runs_folder
from commands.patience import Bar
from commands.replacing import Yes, require_leave


def export(
    run: RunOrStudy,
    to: Annotated[Path, typer.Option("--to", help="FILE.h5, .nc, .csv or .npz.")],
    runs_dir: RunsDir = None,
    yes: Yes = False,
) -> None:
    """Write a run or a study to one file: HDF5, netCDF, CSV or NPZ, by the suffix. A study's dimensions are
    the keys of its grid; as CSV it has one row a member."""
    from workbench.record.folder import find_run_or_study, holds_study

    folder, target = find_run_or_study(runs_folder(runs_dir), run), to.expanduser()
    require_leave(target, yes)
    with Bar(f"export {to.name}") as bar:
        if holds_study(folder):
            from workbench.study.export import export_study
            from workbench.study.stored import StoredStudy

            left_out = export_study(StoredStudy(folder), target, progress=bar.update)
        else:
            from workbench.record.export import export_run

            left_out = export_run(folder, target, progress=bar.update)
    typer.echo(str(to))
    for sentence in left_out:
        typer.echo(f"left out: {sentence}", err=True)
