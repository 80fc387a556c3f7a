"""`workbench attach`: watch and steer a run that another process trains."""

from __future__ import annotations

from pathlib import Path

import typer

from commands.options import Run, RunsDir, runs_folder, screen_wanted
from workbench.errors import BadInput, clean_text


def attach(run: Run = "last", runs_dir: RunsDir = None) -> None:
    """Watch and steer a run that another process of this machine trains; leaving lets it train on."""
    if not screen_wanted(False):
        raise BadInput("attach needs a terminal; without one use: workbench show RUN.")
    from workbench.record.folder import resolve_run
    from workbench.run.link import Link
    from workbench.run.socket_place import NoSocket

    folder = resolve_run(run, runs_folder(runs_dir))
    try:
        link = Link(folder)
    except NoSocket as error:
        raise _nobody_there(folder, str(error)) from error
    from workbench.tui.app import WorkbenchApp, run_app

    try:
        run_app(WorkbenchApp.to_attach(folder, link))
    finally:
        # Whatever the terminal did: what has become of the run.
        name, state = clean_text(folder.name, 120), link.state
        step = "" if state is None else f" at step {state.step:,}"
        if link.status.ended:
            typer.echo(f"{name}  {link.status}{step}  {clean_text(str(folder))}")
        else:
            how = "waits, paused" if state is not None and state.status.still else "trains on"
            typer.echo(f"detached; {name} {how}{step}: workbench attach {name}")


def _nobody_there(folder: Path, why: str) -> BadInput:
    """Why there is nothing to attach to, and what can be done instead."""
    from workbench.record.lock import is_alive, lock_holder
    from workbench.record.reader import RunReader

    name = clean_text(folder.name, 120)
    if is_alive(folder):
        holder = lock_holder(folder)
        who = f" by {holder}" if holder else ""
        return BadInput(
            f"run {name} is being trained{who}, and cannot be attached to: {why.rstrip('.')}; "
            f"what it records is shown by: workbench browse {name}"
        )
    with RunReader(folder) as reader:
        status = reader.status
    return BadInput(
        f"run {name} is {status}: nothing trains it; look at it with: workbench browse {name}, "
        f"go on with: workbench resume {name}"
    )
