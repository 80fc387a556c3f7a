"""Training without a screen: a progress bar on stderr, one summary at the end."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from commands.channels import lost_output
from commands.patience import wait_for
from workbench.errors import ExitCode, StorageError, WorkbenchError, clean_text
from workbench.run import signals

if TYPE_CHECKING:
    from workbench.run.session import Session

POLL_SECONDS = 0.2


def train_headless(make: Callable[[], Session], as_json: bool) -> None:
    """Train what `make` makes to the end, interruptibly, and exit with the code that says how it went.

    A signal while it is made leaves nothing behind; from then on it stops the run with a checkpoint.
    """
    from workbench.engine.programs.first_use import shown_by
    from workbench.protocol.commands import Stop
    from workbench.run.progress import progress_of

    with shown_by(wait_for):
        session = make()
    with signals.given_to(lambda name: session.engine.send(Stop(name))):
        for notice in filter(None, (session.notice, session.listen())):
            typer.echo(f"workbench: {notice}", err=True)
        with session, progress_of(session) as show:
            session.start()
            while not session.wait(POLL_SECONDS):
                show()
            show()
        _tell_end(session, as_json)


def _tell_end(session: Session, as_json: bool) -> None:
    """The summary on stdout, what else there is to say on stderr, and the exit code."""
    error = session.engine.error
    summary = summary_of(session)
    name, place = (clean_text(str(summary[key])) for key in ("run_id", "path"))
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(f"{name}  {summary['status']}  step {summary['step']:,}", nl=False)
        if summary["log10_risk"] is not None:
            typer.echo(f"  log10 risk {summary['log10_risk']:.4f}", nl=False)
        typer.echo(f"  {place}")
    if lost := lost_output():
        # The run's folder tells the same: its end is no failure for want of a line.
        typer.echo(f"workbench: {lost}; the run is in {place}.", err=True)
    if error is not None:
        raise (
            error
            if isinstance(error, WorkbenchError)
            else StorageError(f"run {session.folder.name} failed: {type(error).__name__}: {error}")
        )
    if session.recorder.warning:
        typer.echo(f"workbench: {session.recorder.warning}", err=True)
    if summary["status"] == "diverged":
        typer.echo(
            "workbench: the run diverged (the risk or a weight is no longer a finite number); "
            "its last good checkpoint is kept. A smaller train.lr may help.",
            err=True,
        )
        sys.exit(int(ExitCode.FAILED))
    if summary["status"] == "stalled":
        snapshot = session.engine.snapshot
        note = snapshot.note if snapshot else ""
        typer.echo(f"workbench: the run stalled: {note}; its last state is kept.", err=True)
        sys.exit(int(ExitCode.FAILED))
    if summary["status"] == "stopped":
        typer.echo(
            f"workbench: stopped with a checkpoint; go on with: workbench resume {name}",
            err=True,
        )
        sys.exit(int(ExitCode.INTERRUPTED))


def summary_of(session: Session) -> dict[str, Any]:
    """What `--json` prints: the end of the run in numbers; a number that is not finite is null."""
    snapshot = session.engine.snapshot
    values = dict(snapshot.values) if snapshot else {}
    log_risk = values.get("log_risk")
    return {
        # Where its file was deleted under it, the folder that keeps it.
        "run_id": session.recorder.folder.name,
        "path": str(session.recorder.folder),
        "status": session.engine.status,
        "step": session.engine.state.step,
        "log10_risk": _finite(None if log_risk is None else log_risk / math.log(10.0)),
        "margin_normalized": _finite(values.get("margin_normalized")),
        "steps_per_second": _finite(session.engine.pace.steps_per_second),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
