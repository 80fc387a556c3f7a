"""What can be done with the runs of the table: open, resume, fork, export, plot, delete, compare."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from textual import work
from textual.message import Message
from textual.screen import Screen

from workbench.config.toml import split_settings
from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.status import RunStatus
from workbench.record.delete import delete_run
from workbench.record.export import export_run
from workbench.record.lock import is_alive
from workbench.record.summary import RunSummary
from workbench.tui.browse.compare import DiffScreen, config_diff, read_config
from workbench.tui.browse.files import (
    EXPORT_SUFFIXES,
    PLOT_SUFFIXES,
    ForkPoints,
    check_more_steps,
    check_target,
    file_name,
    read_fork_points,
)
from workbench.tui.browse.table import run_title
from workbench.tui.dialogs import Ask, Choose, Confirm
from workbench.tui.unbroken import Unbroken

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


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


class RunActions(Unbroken, Screen[None]):
    """The keys that act on runs; who knows which runs are meant is the screen."""

    job: Job | None = None

    @abstractmethod
    def run_here(self) -> RunSummary | None:
        """The run under the cursor."""

    @abstractmethod
    def marked_runs(self) -> list[RunSummary]:
        """The marked runs, in the order they were marked."""

    @abstractmethod
    def cursor_step(self) -> float | None:
        """The step the charts' cursor is at."""

    @abstractmethod
    def rescan(self) -> None:
        """The runs folder has changed."""

    @property
    def host(self) -> WorkbenchApp:
        """The app, with what it offers to screens."""
        return cast("WorkbenchApp", self.app)

    def refuse(self, text: str) -> None:
        """Say why something cannot be done."""
        self.notify(text, severity="error", timeout=8, markup=False)

    def _readable(self) -> RunSummary | None:
        """The run under the cursor, unless it cannot be read (then that is said)."""
        run = self.run_here()
        if run is None:
            return None
        if run.status is RunStatus.UNREADABLE:
            self.refuse(run.reason or "this run cannot be read.")
            return None
        return run

    def _idle(self) -> RunSummary | None:
        """The run under the cursor, unless somebody is writing it (then that is said)."""
        run = self._readable()
        if run is not None and is_alive(run.path):
            self.refuse(_held(run, "enter follows it"))
            return None
        return run

    # --- looking ---

    def action_open(self) -> None:
        """Replay the run, or follow it while it trains."""
        run = self._readable()
        if run is not None:
            self._guarded(lambda: self.host.open_replay(run.path))

    def action_diff(self) -> None:
        """Compare the configurations of two marked runs."""
        marked = self.marked_runs()
        if len(marked) != 2:
            self.refuse(f"mark two runs with space to compare them; {len(marked)} are marked.")
            return
        try:
            found = config_diff(*(read_config(run.path) for run in marked))
        except WorkbenchError as error:
            self.refuse(str(error))
            return
        left, right = (run_title(run) for run in marked)
        if left == right:
            left, right = (run.run_id for run in marked)
        self.app.push_screen(DiffScreen((left, right), found))

    def action_new(self) -> None:
        """Start a new run."""
        from workbench.tui.launch.screen import LaunchScreen

        self.app.push_screen(LaunchScreen())

    # --- going on ---

    @work(group="dialog", exclusive=True)
    async def action_resume(self) -> None:
        """Go on with the run; a finished one is asked for its new end."""
        run = self._idle()
        if run is None:
            return
        steps = None
        if run.status is RunStatus.FINISHED:
            done = run.step or 0
            answer = await self.app.push_screen_wait(
                Ask(
                    f"'{run_title(run)}' has finished. Go on to which step?",
                    value=str(max(2 * done, 1)),
                    check=check_more_steps(done),
                )
            )
            if answer is None:
                return
            steps = int(answer.replace(",", "").replace("_", ""))
        self._guarded(lambda: self.host.resume_run(run.path, steps))

    @work(group="dialog", exclusive=True)
    async def action_fork(self) -> None:
        """Start a new run from a stored state of this one."""
        run = self._readable()
        points = self._fork_points(run.path) if run is not None else None
        if run is None or points is None:
            return
        cursor = self.cursor_step()
        first = points.nearest(cursor if cursor is not None else run.step or 0)
        answer = await self.app.push_screen_wait(
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
        text = await self.app.push_screen_wait(
            Ask(
                "Settings to change, if any",
                value=self._fork_settings(points, step),
                hint="section.key=value …, for example train.lr=1e-3 init.seed=2",
                check=lambda given: points.check_settings(given, step),
            )
        )
        if text is not None:
            self._guarded(lambda: self.host.fork_run(run.path, step, split_settings(text)))

    def _fork_points(self, folder: Path) -> ForkPoints | None:
        try:
            return read_fork_points(folder)
        except WorkbenchError as error:
            self.refuse(str(error))
            return None

    @staticmethod
    def _fork_settings(points: ForkPoints, step: int) -> str:
        """What a fork cannot do without: an end behind its start."""
        return "" if points.config.train.steps > step else f"train.steps={2 * max(step, 500)}"

    def _guarded(self, act: Callable[[], None]) -> None:
        """Ask the app for something; a refusal is shown here."""
        try:
            act()
        except WorkbenchError as error:
            self.refuse(str(error))

    # --- files ---

    @work(group="dialog", exclusive=True)
    async def action_export(self) -> None:
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
            self._start(job, partial(_export, run.path, target, job))

    @work(group="dialog", exclusive=True)
    async def action_plot(self) -> None:
        """Draw a figure of the run into a file."""
        run = self._readable()
        if run is None or self._busy():
            return
        options = await asyncio.to_thread(_figures)
        figure = await self.app.push_screen_wait(
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
            self._start(job, partial(_plot, run.path, figure, target))

    async def _target(
        self, question: str, value: str, hint: str, suffixes: tuple[str, ...]
    ) -> Path | None:
        """Ask for a file to write, and again before one is replaced."""
        answer = await self.app.push_screen_wait(
            Ask(question, value=value, hint=hint, check=check_target(suffixes))
        )
        if answer is None:
            return None
        target = Path(answer.strip()).expanduser()
        if target.exists():
            shown = clean_text(target.name, 60)
            keep = Confirm(f"'{shown}' exists. Replace it?", yes="replace", no="keep", danger=True)
            if not await self.app.push_screen_wait(keep):
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
            self.post_message(done)

        self.job = job
        self.run_worker(run, thread=True, group="job", exit_on_error=False)

    def on_job_done(self, message: JobDone) -> None:
        """Say how it went."""
        self.job = None
        severity: Literal["error", "information"] = "error" if message.failed else "information"
        self.notify(message.text, severity=severity, timeout=10, markup=False)
        self.rescan()

    # --- deleting ---

    @work(group="dialog", exclusive=True)
    async def action_delete(self) -> None:
        """Delete the run under the cursor, or the marked ones, after asking."""
        run, marked = self.run_here(), self.marked_runs()
        if run is None:
            return
        chosen = [run]
        if marked and [r.run_id for r in marked] != [run.run_id]:
            many = "the marked run" if len(marked) == 1 else f"the {len(marked)} marked runs"
            which = await self.app.push_screen_wait(
                Choose("Delete which?", [("here", f"'{run_title(run)}'"), ("marked", many)])
            )
            if which is None:
                return
            chosen = marked if which == "marked" else chosen
        alive = next((r for r in chosen if is_alive(r.path)), None)
        if alive is not None:
            self.refuse(_held(alive, "stop it before deleting it"))
            return
        what = f"'{run_title(run)}' ({run.run_id})"
        if len(chosen) > 1 or chosen[0] is not run:
            what = f"{len(chosen)} runs" if len(chosen) > 1 else f"'{run_title(chosen[0])}'"
        question = f"Delete {what} for good?"
        if await self.app.push_screen_wait(Confirm(question, yes="delete", no="keep", danger=True)):
            job = Job("deleting")
            runs_dir = self.host.runs_dir
            self._start(job, partial(_delete, [r.path for r in chosen], runs_dir, job))


def _held(run: RunSummary, hint: str) -> str:
    """Why a run whose lock is held is left alone."""
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


def _delete(folders: list[Path], runs_dir: Path, job: Job) -> str:
    for place, folder in enumerate(folders):
        delete_run(folder, runs_dir)
        job.progress((place + 1) / len(folders))
    return f"deleted {folders[0].name if len(folders) == 1 else f'{len(folders)} runs'}."
