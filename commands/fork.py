"""`workbench fork`: a new run from a stored state of another."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import (
    Headless,
    Json,
    Run,
    RunsDir,
    Settings,
    Trust,
    runs_folder,
    screen_wanted,
)


def fork(
    run: Run,
    at: Annotated[int, typer.Option("--at", help="Step of the stored state to start from.")],
    settings: Settings = None,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Start a new run from another's state at a step, with some settings changed."""
    from workbench.record.folder import resolve_run

    runs = runs_folder(runs_dir)
    folder = resolve_run(run, runs)
    if screen_wanted(headless or as_json):
        from workbench.tui.app import WorkbenchApp, run_app

        run_app(WorkbenchApp.to_fork(folder, at, list(settings or []), runs, trust))
        return
    from commands.headless import train_headless
    from workbench.run.session import Session

    train_headless(
        lambda: Session.fork(folder, at, runs, settings=settings or (), trust=trust), as_json
    )
