"""`workbench browse`: the stored runs and studies on the screen; also plain `workbench`."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import RunsDir, runs_folder, screen_wanted
from workbench.errors import BadInput


def browse(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|STUDY]", help="Open this one, by id, prefix, name or path, or 'last'."
        ),
    ] = None,
    runs_dir: RunsDir = None,
) -> None:
    """Browse, compare, replay, resume and export the stored runs; look through a study."""
    if not screen_wanted(False):
        raise BadInput("browse needs a terminal; without one use: workbench list.")
    from workbench.tui.app import WorkbenchApp, run_app

    folder = runs_folder(runs_dir)
    if what is None:
        run_app(WorkbenchApp.to_browse(folder))
        return
    from workbench.record.folder import find_run_or_study

    run_app(WorkbenchApp.to_look_at(find_run_or_study(folder, what), folder))
