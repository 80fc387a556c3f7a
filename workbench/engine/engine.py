"""The training thread: chunks of steps, then records, events and a snapshot; commands in between.

One thread owns the state. It obeys values on a queue, tells observers what happened, and is ended by
`Stop` and joined. The recorder is an observer whose failure fails the run; viewers only read
`engine.snapshot` or copies of rows.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from workbench.arrays import Array
from workbench.engine.collector import resting
from workbench.engine.goals import Goals
from workbench.engine.gpu_memory import in_words
from workbench.engine.observer import NoObserver, SaddleObserver
from workbench.engine.pace import Pace
from workbench.engine.plan import Plan
from workbench.engine.program import Evaluation, RowBuffer, StepProgram, StopFlag, evaluated
from workbench.engine.saddle_watch import Confirm, seen
from workbench.engine.state import EngineState
from workbench.errors import RecordingGone, StorageError
from workbench.measures.panel import Panel
from workbench.measures.rows import Rows
from workbench.protocol.commands import (
    Checkpoint,
    Command,
    Pause,
    Perturb,
    RecordInspection,
    Resume,
    RunUntil,
    StepN,
    Stop,
)
from workbench.protocol.events import (
    Checkpointed,
    Ending,
    Event,
    Failed,
    Finished,
    Noted,
    Paused,
    Perturbed,
    Recorded,
    Resumed,
    SaddleFound,
    Snapshot,
    Started,
)
from workbench.protocol.status import RunStatus

BUFFER_BYTES = 32 * 2**20
BUFFER_RECORDS = 8192
"""Most records of a chunk: keeping as many takes less than a pause may."""
SNAPSHOT_SECONDS = 0.1
SNAPSHOT_SHARE = 0.02
"""Of a run's time, what evaluating states between two records may take: with many samples that becomes rare,
and what is shown meanwhile is the last record."""


@dataclass(frozen=True)
class Measured:
    """One state of the run, evaluated over all samples, and its series, (1, …) each."""

    rows: Rows
    values: dict[str, Array]


class Engine:
    """Runs a step program to the plan's end in a thread of its own.

    `start`: the first state, where it has been evaluated already.
    """

    def __init__(
        self,
        program: StepProgram,
        state: EngineState,
        panel: Panel,
        plan: Plan,
        output_shape: tuple[int, ...],
        recorder: Callable[[Event], None],
        viewers: Sequence[Callable[[Event], None]] = (),
        confirm: Confirm | None = None,
        observer: SaddleObserver | None = None,
        start: Evaluation | None = None,
    ) -> None:
        self.confirm, self.observer = confirm, observer or NoObserver()
        self.program, self.state, self.panel, self.plan = program, state, panel, plan
        self.recorder, self.viewers = recorder, tuple(viewers)
        numbers = 2 * state.theta.numel() + int(np.prod(output_shape)) + 2
        capacity = int(np.clip(BUFFER_BYTES // (8 * numbers), 1, BUFFER_RECORDS))
        self.buffer = RowBuffer(capacity, state.theta, output_shape)
        self.spare = RowBuffer(1, state.theta, output_shape)
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.stop_flag = StopFlag()
        self.goals = Goals(plan.pause_at, plan.pause_log_risk)
        self.pace = Pace()
        self.status = RunStatus.STARTING
        self.snapshot: Snapshot | None = None
        self.error: BaseException | None = None
        self.viewer_error: Exception | None = None
        self._start, self._moved = start, False
        self._measured: Measured | None = None
        self._snapshot_due = self._evaluation_due = 0.0
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._main, name="engine", daemon=False)

    # --- called from any thread ---

    def start(self) -> None:
        """Start the thread, once, whoever else asks for it at the same moment."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def send(self, command: Command) -> None:
        """Queue a command; a running chunk ends within a step."""
        self.commands.put(command)
        self.stop_flag.raised = True

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; False when it goes on past the timeout."""
        if not self.started:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def started(self) -> bool:
        """Whether the thread was ever started."""
        return self._thread.ident is not None

    @property
    def ended(self) -> bool:
        """Whether the thread has nothing left to do."""
        return self.status.ended

    # --- the thread ---

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as raised:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            error = in_words(raised, self.state.step)
            self.error = error
            if isinstance(error, RecordingGone):
                with suppress(StorageError):
                    self._checkpoint()
            self.status = RunStatus.FAILED
            failed = Failed(self.state.step, error)
            self.recorder(failed)
            self._tell_viewers(failed)
            self._publish(note=str(error))

    def _run(self) -> None:
        state, plan = self.state, self.plan
        self._tell(Started(state.step, self.program.name))
        at_saddle = False
        if state.recorded_step < 0:
            at_saddle = self._record_here()
            self._checkpoint()
        self.status = RunStatus.RUNNING
        self._publish()
        if self.snapshot is not None:
            # A run resumed below its own risk goal has reached it already.
            self.goals.reached(state.step, self.snapshot.values["log_risk"])
        if at_saddle and plan.pause_at_saddle:
            self._pause("saddle")
        with resting():
            while not self.ended:
                self._obey()
                if self.status is not RunStatus.RUNNING:
                    continue
                if state.step >= plan.steps:
                    self._finish(RunStatus.FINISHED)
                else:
                    self._advance()

    def _obey(self) -> None:
        """Carry out every queued command; when paused, wait for one."""
        wait = self.status is RunStatus.PAUSED
        self.stop_flag.raised = False
        while True:
            try:
                command = self.commands.get(block=wait)
            except queue.Empty:
                return
            wait = False
            self._carry_out(command)
            if self.ended:
                return

    def _carry_out(self, command: Command) -> None:
        state = self.state
        match command:
            case Pause(reason):
                self.goals.clear()
                if self.status is RunStatus.RUNNING:
                    self._pause(reason)
            case Resume():
                self.goals.clear()
                self._go()
            case StepN(n):
                self.goals.until(step=state.step + max(1, n))
                self._go()
            case RunUntil(step, log10_risk, saddle):
                log_risk = None if log10_risk is None else log10_risk * float(np.log(10.0))
                self.goals.until(step=step, log_risk=log_risk, saddle=saddle)
                self._go()
            case Perturb(delta, text):
                with torch.no_grad():
                    state.theta += torch.from_numpy(delta).to(state.theta)
                state.watch.disturb()
                # A line search must not go back to a θ from before.
                state.memory.pop("held", None)
                self._moved = True
                self._tell(Perturbed(state.step, text))
                self._tell_all(self.observer.perturbed(state.step))
                # Without it a kill would undo what the events tell.
                self._checkpoint()
                self._publish()
            case RecordInspection(inspection):
                self._tell_all(self.observer.asked(inspection))
            case Checkpoint():
                self._checkpoint()
            case Stop(reason):
                self._finish(RunStatus.STOPPED, reason)

    def _go(self) -> None:
        if self.status is RunStatus.PAUSED:
            self.status = RunStatus.RUNNING
            self.pace.restart()
            self._tell(Resumed(self.state.step))

    def _pause(self, reason: str) -> None:
        self.goals.reached(self.state.step)
        self._checkpoint()
        # Whoever sees the status change must find the step it changed at beside it.
        self._publish()
        self.status = RunStatus.PAUSED
        self._tell(Paused(self.state.step, reason))
        self._publish()

    def _advance(self) -> None:
        """One chunk, its records, and whatever falls due at its end."""
        state, plan = self.state, self.plan
        next_checkpoint = (state.step // plan.checkpoint_every + 1) * plan.checkpoint_every
        limit = min(plan.steps, next_checkpoint, self.goals.next_step(state.step, plan.steps))
        records, every, recorded = plan.schedule.segment(
            state.step, limit, self.pace.chunk_steps(limit - state.step)
        )
        records = min(records, self.buffer.capacity)
        began = time.perf_counter()
        start = state.step
        self._moved = True
        taken = self.program.run_chunk(
            state, start, records, every, self.buffer if recorded else None, self.stop_flag
        )
        reason = self._keep(self.buffer.take()) if recorded else None
        self.pace.took(taken, time.perf_counter() - began)
        if self.ended:
            return
        self._tell_notes()
        end = self.program.ended(state) if reason is None else None
        if end is not None:
            self._finish(*end)
            return
        reason = reason or self.goals.due(state.step)
        if reason is not None:
            self._pause(reason)
        elif state.step == next_checkpoint and state.step < plan.steps:
            self._checkpoint()
        self._publish(rarely=True)

    def _tell_notes(self) -> None:
        """What the step rule had to say of the steps that stand."""
        notes, self.state.notes = self.state.notes, []
        self._tell_all(Noted(step, text) for step, text in notes if step <= self.state.step)

    def _keep(self, rows: Rows) -> str | None:
        """Record rows; where a goal or divergence shows in them, go back to that very record.

        Returns the reason to pause, if any.
        """
        if len(rows) == 0:
            return None
        values = self.panel.compute(rows)
        bad = _first(~np.isfinite(rows.theta).all(axis=1) | ~(values["log_risk"] < np.inf))
        goal = self.goals.risk_reached(values["log_risk"])
        stop = min(i for i in (bad, goal, len(rows)) if i is not None)
        pausing = self.plan.pause_at_saddle or self.goals.asked_saddle
        upto = len(rows) if stop == len(rows) else stop + (stop != bad)
        saddles = seen(self.state.watch, values, upto, rows.theta, self.confirm, first=pausing)
        if pausing and saddles:
            stop = saddles[0].row
        if stop < len(rows):
            values = {name: array[: stop + 1] for name, array in values.items()}
            self._rewind(rows, stop)
        self._hold(rows, values)
        self.state.recorded_step = int(values["step"][-1])
        self._tell(Recorded(self.panel.kept(values)))
        found = [SaddleFound(s.step, s.evidence, rows.theta[s.row]) for s in saddles]
        self._tell_all(self.observer.recorded(values, found))
        if bad is not None and stop == bad:
            self._finish(RunStatus.DIVERGED, "the risk or a weight is no longer a finite number")
            return None
        if stop < len(rows):
            self.goals.reached(self.state.step, float(values["log_risk"][-1]))
            return "saddle" if pausing and saddles else "risk"
        return None

    def _rewind(self, rows: Rows, index: int) -> None:
        """Back to a record of the chunk just done, to the last bit (rows hold θ itself)."""
        with torch.no_grad():
            self.state.theta.copy_(torch.from_numpy(rows.theta[index]))
        self.state.step = int(rows.step[index])
        self.state.time = float(rows.time[index])
        self.state.path_length = float(rows.path_length[index])
        self.state.time_log = float(rows.rule_series["time_log"][index])
        self.state.rate_log = float(rows.rule_series["learning_rate_log"][index])
        self.state.memory = dict(rows.memory[index])

    def _record_here(self) -> bool:
        """A record of the present state; whether it is a saddle, if it is the first."""
        here = self._here()
        rows, values = here.rows, here.values
        saddles = []
        if self.state.recorded_step < 0:
            # The record at a run's end may lie off the schedule: the watch must not depend on it.
            saddles = seen(self.state.watch, values, 1, rows.theta, self.confirm, first=True)
        self.state.recorded_step = self.state.step
        self._tell(Recorded(self.panel.kept(values)))
        found = [SaddleFound(s.step, s.evidence, rows.theta[s.row]) for s in saddles]
        self._tell_all(self.observer.recorded(values, found))
        return bool(saddles)

    def _here(self) -> Measured:
        """The present state, evaluated and measured once, however many ask for it."""
        if self._measured is None or self._moved:
            found, self._start = self._start, None
            found = found or evaluated(self.program, self.state, self.spare)
            self._evaluation_due = time.monotonic() + found.seconds / SNAPSHOT_SHARE
            self._measured = Measured(found.rows, self.panel.compute(found.rows))
            self._moved = False
        return self._measured

    def _hold(self, rows: Rows, values: dict[str, Array]) -> None:
        """Keep the last record: the run is still there unless its chunk was cut short."""
        last = len(values["step"]) - 1
        measured = {name: array[last : last + 1] for name, array in values.items()}
        self._measured = Measured(rows.part(last, last + 1), measured)
        self._moved = int(rows.step[last]) != self.state.step

    def _checkpoint(self) -> None:
        """Hand the whole state over; never one that has diverged between two records."""
        if not bool(torch.isfinite(self.state.theta).all()):
            return
        self._tell(Checkpointed(self.state.step, self.state.to_arrays()))

    def _finish(self, outcome: Ending, text: str = "") -> None:
        """End: a last record and a checkpoint (not of a diverged state), then the event."""
        if outcome is not RunStatus.DIVERGED:
            if outcome is not RunStatus.STOPPED and self.state.recorded_step != self.state.step:
                self._record_here()
            self._checkpoint()
        while not self.commands.empty():
            # After the end nothing is written any more.
            if isinstance(command := self.commands.get(), RecordInspection):
                self._carry_out(command)
        # Closing the files takes a while: whoever sees the end must find the last step beside it.
        self._publish()
        self.status = outcome
        self._tell(Finished(self.state.step, outcome, text))
        self._publish(note=text)

    # --- telling ---

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        """Recorder first, viewers after; a full disk pauses an attended run until there is room."""
        while True:
            try:
                self.recorder(event)
                break
            except StorageError as error:
                if not self.plan.attended or isinstance(error, RecordingGone):
                    raise
                self._wait_for_room(str(error))
        self._tell_viewers(event)

    def _wait_for_room(self, problem: str) -> None:
        """Hold θ in memory until Resume (try again) or Stop (give up, the run fails)."""
        before, self.status = self.status, RunStatus.PAUSED
        self._publish(note=problem)
        waiting = []
        while True:
            command = self.commands.get()
            self.stop_flag.raised = False
            if isinstance(command, RecordInspection):
                waiting.append(command)
            if isinstance(command, Stop):
                raise StorageError(problem)
            if isinstance(command, Resume):
                self.status = before
                for kept in waiting:
                    self.commands.put(kept)
                return

    def _tell_viewers(self, event: Event) -> None:
        """Tell each; one that raises is told nothing more, and the run goes on without it."""
        for viewer in self.viewers:
            try:
                viewer(event)
            except Exception as error:  # noqa: BLE001  (a broken view must not end a run)
                self.viewers = tuple(v for v in self.viewers if v is not viewer)
                self.viewer_error = error

    def _publish(self, *, rarely: bool = False, note: str = "") -> None:
        """Replace the snapshot; `rarely` leaves it when the last is young, and shows the last record where
        evaluating the present state would cost too much."""
        now = time.monotonic()
        rarely = rarely and self.status is RunStatus.RUNNING
        if rarely and now < self._snapshot_due:
            return
        if (
            note
            and self.snapshot is not None
            and self.status in (RunStatus.FAILED, RunStatus.PAUSED)
        ):
            self.snapshot = replace(self.snapshot, status=self.status, note=note)
            return
        shown = self._measured
        if shown is None or (self._moved and not (rarely and now < self._evaluation_due)):
            shown = self._here()
        rows = shown.rows
        rate = self.pace.steps_per_second
        left = self.plan.steps - self.state.step
        self.snapshot = Snapshot(
            step=int(rows.step[0]),
            status=self.status,
            theta=rows.theta[0],
            outputs=rows.outputs[0],
            values=_scalars(shown.values),
            memory=rows.memory[0],
            steps_per_second=rate,
            eta_seconds=left / rate if rate > 0 and self.status is RunStatus.RUNNING else None,
            note=note,
        )
        self._snapshot_due = now + SNAPSHOT_SECONDS


def _scalars(values: dict[str, Array]) -> dict[str, float]:
    """The one-number series of a single row."""
    return {name: float(a[0]) for name, a in values.items() if a.ndim == 1}


def _first(mask: Array) -> int | None:
    """Index of the first true entry."""
    found = np.flatnonzero(mask)
    return int(found[0]) if found.size else None
