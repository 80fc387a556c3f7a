"""A headless run sent off in a session of its own, which no hang-up reaches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from commands.patience import wait_for
from workbench.errors import WorkbenchError, clean_text
from workbench.record.lock import lock_holder
from workbench.record.schema import RUN_FILE
from workbench.run.socket_place import SOCKET_NAME

BEGIN_SECONDS = 300.0
"""How long a run that was sent off may take to begin: kernels are compiled at the first use."""
SOCKET_SECONDS = 5.0


def send_off(arguments: Sequence[str], runs_dir: Path) -> None:
    """Start `workbench` with these arguments, which train a run headless, and print the run's id.

    Raises WorkbenchError with its own words where it ends before the run has begun.
    """
    before = _names(runs_dir)
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "commands.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
        with wait_for("sending a run off …"):
            folder = _begun(process, runs_dir, before)
        if folder is None:
            if process.poll() is None:
                raise WorkbenchError(
                    f"the run has not begun in {BEGIN_SECONDS:.0f} s; it is still pid {process.pid}."
                )
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines()
            why = said[-1].removeprefix("workbench: ") if said else f"exit code {process.poll()}."
            raise WorkbenchError(why)
    name = clean_text(folder.name, 120)
    typer.echo(name)
    typer.echo(
        f"workbench: trained by pid {process.pid} in {clean_text(str(folder))}; "
        f"watch and steer it with: workbench attach {name}",
        err=True,
    )


def _begun(process: subprocess.Popen[bytes], runs_dir: Path, before: set[str]) -> Path | None:
    """The folder that the process trains in, once one can attach; None where it ends before, or takes too
    long."""
    until = time.monotonic() + BEGIN_SECONDS
    found: Path | None = None
    while time.monotonic() < until:
        ended = process.poll() is not None
        if found is None:
            new = (runs_dir / name for name in _names(runs_dir) - before)
            found = next((folder for folder in new if _trains(process.pid, folder)), None)
            # Where the file system has no sockets there will be none.
            until = until if found is None else min(until, time.monotonic() + SOCKET_SECONDS)
        if ended or (found is not None and (found / SOCKET_NAME).exists()):
            return found
        time.sleep(0.05)
    return found


def _trains(pid: int, folder: Path) -> bool:
    """Whether the process has begun a run there, and perhaps ended it."""
    holder = lock_holder(folder)
    return holder is not None and holder.pid == pid and (folder / RUN_FILE).exists()


def _names(runs_dir: Path) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(runs_dir) if entry.name[0] != "."}
    except OSError:
        return set()
