"""`workbench browse`: the stored runs on the screen; also plain `workbench`."""

from __future__ import annotations

from commands.options import RunsDir, runs_folder, screen_wanted
from workbench.errors import BadInput


def browse(runs_dir: RunsDir = None) -> None:
    """Browse, compare, replay, resume and export the stored runs."""
    if not screen_wanted(False):
        raise BadInput("browse needs a terminal; without one use: workbench list.")
    from workbench.tui.app import WorkbenchApp, run_app

    run_app(WorkbenchApp.to_browse(runs_folder(runs_dir)))
