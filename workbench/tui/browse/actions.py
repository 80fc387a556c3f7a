"""What can be done with the runs of the table: open, resume, fork, export, plot, delete, compare."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from textual.message import Message
from textual.screen import Screen

from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.delete import delete_run, delete_study
from workbench.record.export import export_run
from workbench.record.lock import is_alive
from workbench.record.summary import RunSummary
from workbench.tui.browse.columns import run_title, twin_tail
from workbench.tui.browse.compare import short_labels
from workbench.tui.browse.diff import MOST_RUNS, DiffScreen, config_diff, read_config
from workbench.tui.browse.files import (
    ForkPoints,
    check_more_steps,
    file_name,
    read_fork_points,
)
from workbench.tui.controls import ask_fork
from workbench.tui.dialogs import Ask, Choose, Confirm
from workbench.tui.routes import Go, OpenReplay, OpenStudy, ResumeRun
from workbench.tui.targets import EXPORT_SUFFIXES, PLOT_SUFFIXES, check_target


class JobDone(Message):
    """A job in a thread has ended, with a sentence on how."""

    def __init__(self, text: str, *, failed: bool = False) -> None:
        super().__init__()
        self.text, self.failed = text, failed


class Job:
    """Something long in a thread: what it is, since when, and how far."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.since = time.monotonic()
        self.fraction: float | None = None

    def progress(self, fraction: float) -> None:
        """Told by the thread."""
        self.fraction = fraction

    def note(self) -> str:
        """A few words once it has taken a moment."""
        if time.monotonic() - self.since < 1.0:
            return ""
        part = "" if self.fraction is None else f" {self.fraction:.0%}"
        return f"{self.title}{part} …"


class Selection(Protocol):
    """Which runs are meant."""

    def run_here(self) -> RunSummary | None:
        """The run under the cursor."""
        ...

    def marked_runs(self) -> list[RunSummary]:
        """The marked runs, in the order they were marked."""
        ...

    def cursor_step(self) -> float | None:
        """The step the charts' cursor is at."""
        ...


class RunActions:
    """What the keys of a screen do with the runs of a folder that are selected there.

    `job`: what goes on in a thread; `JobDone` comes to the screen at its end.
    """

    def __init__(self, screen: Screen[Any], selection: Selection, runs_dir: Path) -> None:
        self.screen = screen
        self.selection = selection
        self.runs_dir = runs_dir
        self.job: Job | None = None

    def refuse(self, text: str) -> None:
        """Say why something cannot be done."""
        self.screen.notify(text, severity="error", timeout=8, markup=False)

    def _readable(self) -> RunSummary | None:
        """The run under the cursor, unless it cannot be read (then that is said)."""
        run = self.selection.run_here()
        if run is None:
            return None
        if run.status is RunStatus.UNREADABLE:
            self.refuse(run.reason or "this run cannot be read.")
            return None
        return run

    def _run(self, instead: str) -> RunSummary | None:
        """The run under the cursor, unless it is a study (then it is said what to do instead)."""
        run = self._readable()
        if run is not None and run.members is not None:
            self.refuse(f"'{run_title(run)}' is a study; {instead}")
            return None
        return run

    def _idle(self, instead: str) -> RunSummary | None:
        """The run under the cursor, unless somebody is writing it, or it is a study (then that is said)."""
        run = self._run(instead)
        if run is not None and is_alive(run.path):
            self.refuse(_held(run, "enter follows it"))
            return None
        return run

    # --- looking ---

    def open(self) -> None:
        """Replay the run, or follow it while it trains."""
        run = self._readable()
        if run is not None:
            study = run.members is not None
            self.screen.post_message(Go(OpenStudy(run.path) if study else OpenReplay(run.path)))

    def diff(self) -> None:
        """Compare the configurations of the marked runs."""
        marked = self.selection.marked_runs()
        if any(run.members is not None for run in marked):
            self.refuse("a study has many configurations; mark two runs or more to compare theirs.")
            return
        if not 2 <= len(marked) <= MOST_RUNS:
            allowed = f"two to {MOST_RUNS} runs"
            self.refuse(f"mark {allowed} with space to compare them; {len(marked):,} are marked.")
            return
        try:
            found = config_diff([read_config(run.path) for run in marked])
        except WorkbenchError as error:
            self.refuse(str(error))
            return
        names = [run_title(run) for run in marked]
        if len(set(names)) < len(names):
            names = [f"{name} {twin_tail(run)}" for name, run in zip(names, marked, strict=True)]
        self.screen.app.push_screen(DiffScreen(short_labels(names), found))

    # --- going on ---

    async def resume(self) -> None:
        """Go on with the run; a finished one is asked for its new end."""
        here = self.selection.run_here()
        instead = f"to go on, in a shell: workbench resume {here.run_id}" if here else ""
        run = self._idle(instead)
        if run is None:
            return
        steps = None
        if run.status is RunStatus.FINISHED:
            done = run.step or 0
            answer = await self.screen.app.push_screen_wait(
                Ask(
                    f"'{run_title(run)}' has finished. Go on to which step?",
                    value=str(max(2 * done, 1)),
                    check=check_more_steps(done),
                )
            )
            if answer is None:
                return
            steps = int(answer.replace(",", "").replace("_", ""))
        self.screen.post_message(Go(ResumeRun(run.path, steps)))

    async def fork(self) -> None:
        """Start a new run from a stored state of this one."""
        run = self._run("enter opens it, and there a member as a run, which can be forked.")
        points = self._fork_points(run.path) if run is not None else None
        if run is None or points is None:
            return
        cursor = self.selection.cursor_step()
        first = points.nearest(cursor if cursor is not None else run.step or 0)
        answer = await self.screen.app.push_screen_wait(
            Ask(
                f"Fork '{run_title(run)}' at which step?",
                value=str(first),
                hint=f"{points.steps.size:,} states from {points.steps[0]:,} to {points.steps[-1]:,}",
                check=points.check_step,
            )
        )
        if answer is None:
            return
        step = int(answer.replace(",", "").replace("_", ""))
        ask_fork(self.screen, run.path, step, points.config)

    def _fork_points(self, folder: Path) -> ForkPoints | None:
        try:
            return read_fork_points(folder)
        except WorkbenchError as error:
            self.refuse(str(error))
            return None

    # --- files ---

    async def export(self) -> None:
        """Write the run as a file for other tools."""
        run = self._readable()
        if run is None or self._busy():
            return
        target = await self._target(
            f"Export '{run_title(run)}' to which file?",
            file_name(run, ".nc"),
            "the ending decides: .h5 and .nc everything, .csv a table, .npz arrays",
            EXPORT_SUFFIXES,
        )
        if target is not None:
            job = Job(f"exporting {run_title(run)}")
            act = _export if run.members is None else _export_study
            self._start(job, partial(act, run.path, target, job))

    async def plot(self) -> None:
        """Draw a figure of the run into a file."""
        run = self._readable()
        if run is None or self._busy():
            return
        options = await asyncio.to_thread(_figures if run.members is None else _study_figures)
        figure = await self.screen.app.push_screen_wait(
            Choose(f"Which figure of '{run_title(run)}'?", options)
        )
        if figure is None:
            return
        target = await self._target(
            "Into which file?",
            file_name(run, f"-{figure}.png"),
            "the ending decides: .png, .pdf or .svg",
            PLOT_SUFFIXES,
        )
        if target is not None:
            job = Job(f"drawing {figure}")
            act = _plot if run.members is None else _plot_study
            self._start(job, partial(act, run.path, figure, target))

    async def _target(
        self, question: str, value: str, hint: str, suffixes: tuple[str, ...]
    ) -> Path | None:
        """Ask for a file to write, and again before one is replaced."""
        answer = await self.screen.app.push_screen_wait(
            Ask(question, value=value, hint=hint, check=check_target(suffixes))
        )
        if answer is None:
            return None
        target = Path(answer.strip()).expanduser()
        if target.exists():
            shown = clean_text(target.name, 60)
            keep = Confirm(f"'{shown}' exists. Replace it?", yes="replace", no="keep", danger=True)
            if not await self.screen.app.push_screen_wait(keep):
                return None
        return target

    def _busy(self) -> bool:
        if self.job is not None:
            self.refuse(f"still {self.job.title}; wait for it.")
        return self.job is not None

    def _start(self, job: Job, act: Callable[[], str]) -> None:
        """Do something long in a thread; `JobDone` comes at its end."""

        def run() -> None:
            try:
                done = JobDone(act())
            except WorkbenchError as error:
                done = JobDone(str(error), failed=True)
            except OSError as error:
                done = JobDone(clean_text(f"{job.title}: {error}."), failed=True)
            self.screen.post_message(done)

        self.job = job
        self.screen.run_worker(run, thread=True, group="job", exit_on_error=False)

    def job_done(self, message: JobDone) -> None:
        """Say how it went."""
        self.job = None
        severity: Literal["error", "information"] = "error" if message.failed else "information"
        self.screen.notify(message.text, severity=severity, timeout=10, markup=False)

    # --- deleting ---

    async def delete(self) -> None:
        """Delete the run under the cursor, or the marked ones, after asking."""
        run, marked = self.selection.run_here(), self.selection.marked_runs()
        if run is None:
            return
        chosen = [run]
        if marked and [r.run_id for r in marked] != [run.run_id]:
            many = "the marked run" if len(marked) == 1 else f"the {len(marked)} marked runs"
            which = await self.screen.app.push_screen_wait(
                Choose("Delete which?", [("here", f"'{run_title(run)}'"), ("marked", many)])
            )
            if which is None:
                return
            chosen = marked if which == "marked" else chosen
        alive = next((r for r in chosen if r.members is None and is_alive(r.path)), None)
        if alive is not None:
            self.refuse(_held(alive, "stop it before deleting it"))
            return
        what = f"'{run_title(run)}' ({run.run_id})"
        if len(chosen) > 1 or chosen[0] is not run:
            what = f"{len(chosen)} runs" if len(chosen) > 1 else f"'{run_title(chosen[0])}'"
        question = f"Delete {what} for good?"
        if await self.screen.app.push_screen_wait(
            Confirm(question, yes="delete", no="keep", danger=True)
        ):
            job = Job("deleting")
            self._start(job, partial(_delete, chosen, self.runs_dir, job))


def _held(run: RunSummary, hint: str) -> str:
    """Why a run whose lock is held, or cannot be looked at, is left alone."""
    if run.status is RunStatus.UNREADABLE:
        return f"'{run_title(run)}' is left alone: {run.reason}"
    if run.status.needs_writer:
        return f"'{run_title(run)}' is training now; {hint}."
    return f"'{run_title(run)}' is still held open by the screen or process that trained it."


def _figures() -> list[tuple[str, str]]:
    """Names and descriptions of the figures; importing what draws them takes a moment."""
    from workbench.figures import FIGURES

    width = max(map(len, FIGURES))
    return [(name, f"{name:<{width}}  {kind.shows}") for name, kind in FIGURES.items()]


def _export(folder: Path, target: Path, job: Job) -> str:
    left_out = export_run(folder, target, progress=job.progress)
    said = f"exported to {clean_text(str(target), 120)}."
    return f"{said} Left out: {' '.join(left_out)}" if left_out else said


def _plot(folder: Path, figure: str, target: Path) -> str:
    from workbench.figures import draw_figure, save_figure
    from workbench.record.reader import RunReader

    with RunReader(folder) as reader:
        save_figure(draw_figure(reader, figure), target)
    return f"drawn to {clean_text(str(target), 120)}."


def _study_figures() -> list[tuple[str, str]]:
    """The same of a study."""
    from workbench.study.figures import STUDY_FIGURES

    width = max(map(len, STUDY_FIGURES))
    return [(name, f"{name:<{width}}  {kind.shows}") for name, kind in STUDY_FIGURES.items()]


def _export_study(folder: Path, target: Path, job: Job) -> str:
    from workbench.study.export import export_study
    from workbench.study.stored import StoredStudy

    left_out = export_study(StoredStudy(folder), target, progress=job.progress)
    said = f"exported to {clean_text(str(target), 120)}."
    return f"{said} Left out: {' '.join(left_out)}" if left_out else said


def _plot_study(folder: Path, figure: str, target: Path) -> str:
    from workbench.figures.save import save_figure
    from workbench.study.figures import draw_study_figure
    from workbench.study.gather import study_dataset
    from workbench.study.stored import StoredStudy

    save_figure(draw_study_figure(study_dataset(StoredStudy(folder)), figure), target)
    return f"drawn to {clean_text(str(target), 120)}."


def _delete(chosen: list[RunSummary], runs_dir: Path, job: Job) -> str:
    for place, run in enumerate(chosen):
        (delete_run if run.members is None else delete_study)(run.path, runs_dir)
        job.progress((place + 1) / len(chosen))
    return f"deleted {chosen[0].run_id if len(chosen) == 1 else f'{len(chosen)} runs'}."
