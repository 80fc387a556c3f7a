"""Driving a study from the command line: here with a bar on stderr, or in a session of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from commands.channels import lost_output
from commands.patience import wait_for
from workbench.errors import ExitCode, StorageError, WorkbenchError, clean_text
from workbench.record.lock import is_alive, lock_holder
from workbench.record.logfile import LOG_FILE
from workbench.record.schema import STUDY_FILE
from workbench.record.subject import STUDY
from workbench.run import signals
from workbench.tui.widgets.numbers import duration

if TYPE_CHECKING:
    from workbench.config.launcher import BatchTable
    from workbench.study.drive import DriveProgress, StudyEnd

LINE_SECONDS = 60.0
"""Between lines on how far it has come, where stderr is no terminal."""
BEGIN_SECONDS = 120.0
"""How long a driver that was sent off may take to begin."""


def drive_headless(folder: Path, as_json: bool = False, jobs: int = 0) -> None:
    """Drive a study to its end, interruptibly, and exit with the code that says how it went.

    A signal has what runs written as it has come; `resume` goes on from there.
    """
    from workbench.engine.program import StopFlag
    from workbench.study.drive import drive

    flag = StopFlag()

    def stop(name: str) -> None:
        flag.raised = True

    with signals.given_to(stop), _progress(folder) as (show, tell):
        end = drive(folder, jobs=jobs, on_progress=show, stop=flag, tell=tell)
    _tell_end(folder, end, as_json)


def _tell_end(folder: Path, end: StudyEnd, as_json: bool) -> None:
    """The summary on stdout, what else there is to say on stderr, and the exit code."""
    name, code = clean_text(folder.resolve().name, 120), end.exit_code
    counted = {status.value: count for status, count in end.members.items()}
    if as_json:
        found = {"study_id": name, "path": str(folder), "members": counted, "exit_code": int(code)}
        typer.echo(json.dumps(found | {"problem": end.problem or None}))
    else:
        shown = ", ".join(f"{count:,} {status}" for status, count in counted.items())
        typer.echo(f"{name}  {shown}  {clean_text(str(folder))}")
    if lost := lost_output():
        typer.echo(f"workbench: {lost}; the study is in {clean_text(str(folder))}.", err=True)
    if end.problem:
        raise StorageError(f"{end.problem.rstrip('.')}; go on with: workbench resume {name}")
    if code is ExitCode.INTERRUPTED:
        typer.echo(f"workbench: stopped; go on with: workbench resume {name}", err=True)
    elif code is ExitCode.FAILED:
        typer.echo(
            f"workbench: not all members came to their end; who and why: workbench show {name}; "
            f"try them again with: workbench resume {name}",
            err=True,
        )
    if code is not ExitCode.DONE:
        sys.exit(int(code))


def detach(folder: Path, jobs: int = 0) -> None:
    """Send a driver off and print the study's id: as a job of its own where shards go to a batch system, else
    in a session of its own, which no hang-up reaches.

    What it has to say goes to the study's log.

    Raises:
        BadInput: the scheduler does not take it.
        WorkbenchError: it has ended before it could begin, with its own words.
    """
    from workbench.config.launcher import BatchTable
    from workbench.config.study import parse_study
    from workbench.config.toml import read_toml

    log, name = folder / LOG_FILE, clean_text(folder.resolve().name, 120)
    command = [sys.executable, "-m", "commands.main", "resume", str(folder.resolve()), "--headless"]
    path = folder / STUDY_FILE
    launcher = parse_study(read_toml(path), str(path)).launcher
    if isinstance(launcher, BatchTable):
        number = _submit(launcher, command, name, log)
        typer.echo(name)
        typer.echo(f"workbench: driven by job {number}, once it begins; its log is {log}", err=True)
        return
    with open(log, "ab") as words:
        begins = words.tell()
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
    with wait_for(f"sending a driver of {name} off …"):
        until = time.monotonic() + BEGIN_SECONDS
        while (
            process.poll() is None and not _drives(folder, process.pid) and time.monotonic() < until
        ):
            time.sleep(0.05)
    if process.poll() not in (None, int(ExitCode.DONE)):
        with open(log, "rb") as words:
            words.seek(begins)
            said = words.read().decode(errors="replace").strip().splitlines()
        why = said[-1].removeprefix("workbench: ") if said else f"exit code {process.returncode}."
        raise WorkbenchError(why)
    typer.echo(name)
    typer.echo(f"workbench: driven by pid {process.pid}; its log is {log}", err=True)


def _drives(folder: Path, pid: int) -> bool:
    """Whether a process of this machine has the study's claim; another's would be no sign of it."""
    holder = lock_holder(folder, STUDY)
    return holder is not None and holder.pid == pid and is_alive(folder, STUDY)


def _submit(launcher: BatchTable, command: list[str], name: str, log: Path) -> str:
    from workbench.study.launchers.choose import require_launcher
    from workbench.study.launchers.schedulers import submit_driver

    require_launcher(launcher, detached=True)
    return submit_driver(launcher, shlex.join(command), f"workbench-{name}", str(log.resolve()))


Show = Callable[["DriveProgress"], None]
Tell = Callable[[str], None]


@contextmanager
def _progress(folder: Path) -> Iterator[tuple[Show, Tell]]:
    """A bar on stderr with members, member-steps and what is left; lines where that is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, folder) as both:
            yield both
        return
    last = time.monotonic()

    def show(found: DriveProgress) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_SECONDS:
            last = time.monotonic()
            typer.echo(f"workbench: {_line(found)}", err=True)

    is_log = _stderr_is(folder / LOG_FILE)

    def tell(sentence: str) -> None:
        if not is_log:  # which has it already
            typer.echo(f"workbench: {sentence}", err=True)

    yield show, tell


def _stderr_is(log: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samestat(os.fstat(sys.stderr.fileno()), log.stat())
    return False


def _line(found: DriveProgress) -> str:
    share = found.member_steps / max(1, found.member_steps_total)
    left = "" if found.seconds_left is None else f", {duration(found.seconds_left)} left"
    failed = f", {found.members_failed:,} failed" if found.members_failed else ""
    return f"{found.members_over:,} of {found.members:,} members{failed}, {share:.0%}{left}"


@contextmanager
def _bar(console: Any, folder: Path) -> Iterator[tuple[Show, Tell]]:
    from rich.progress import BarColumn, Progress, TextColumn

    progress: Progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[line]}"),
        console=console,
    )
    with progress:
        task = progress.add_task(clean_text(folder.resolve().name, 60), total=None, line="")

        def show(found: DriveProgress) -> None:
            total = max(1, found.member_steps_total)
            progress.update(task, total=total, completed=found.member_steps, line=_line(found))

        def tell(sentence: str) -> None:
            progress.console.print(f"workbench: {sentence}", markup=False, highlight=False)

        yield show, tell
