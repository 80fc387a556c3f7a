"""The composition root: from a configuration to a wired run. The one door for command line, screen,
tests and notebooks.

    from workbench.run.session import Session, load_config
    session = Session.create(load_config("kh24-fig1"), Path("runs"))
    session.start(); session.wait()
    session.history.scalar("log_risk")
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.engine.engine import Engine
from workbench.engine.plan import Plan
from workbench.engine.program import Evaluation
from workbench.engine.schedule import RecordSchedule
from workbench.errors import BadInput, clean_text
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import recorded_inspection
from workbench.inspector.state import InspectedState
from workbench.presets import load_config
from workbench.protocol.commands import Checkpoint, RecordInspection, Stop
from workbench.protocol.events import (
    MOST_EVENTS,
    Event,
    Failed,
    Finished,
    Recorded,
    RunEvent,
    Told,
    without_the_oldest,
)
from workbench.protocol.inspections import RecordedInspection
from workbench.protocol.status import RunStatus
from workbench.record.aside import set_aside
from workbench.record.data_files import drop_unused
from workbench.record.folder import create_run_folder, remove_start, write_config
from workbench.record.history import History
from workbench.record.layouts import coordinates_of, layouts_of
from workbench.record.lock import RunLock
from workbench.record.logfile import LogFile
from workbench.record.reader import RunReader
from workbench.record.recorder import Recorder
from workbench.record.store import RunStore
from workbench.run import signals
from workbench.run.confirmation import confirmation
from workbench.run.experiment import (
    Experiment,
    evaluated_start,
    experiment_of,
    require_built,
)
from workbench.run.forking import ForkPush, fork_step
from workbench.run.html import session_html
from workbench.run.ledger import direction_width_of, ledger_of, step_size_at
from workbench.run.listener import Listener
from workbench.run.progress import progress_of
from workbench.run.resuming import forked, resumed
from workbench.run.stored import StoredRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Session", "load_config"]

if sys.getswitchinterval() > 1e-3:
    # Chunked engines hold the interpreter in short turns; a shorter interval keeps the screen lively.
    sys.setswitchinterval(5e-4)


class Session:
    """A run being trained: its files, its engine, its history in memory.

    Whoever makes one calls `close`, or uses it as a context manager; that stops the engine with a
    checkpoint and releases the run's lock. `notice`: what whoever resumes a run is to be told, or empty.
    `first`: its first state, evaluated.
    """

    def __init__(
        self,
        experiment: Experiment,
        store: RunStore,
        lock: RunLock,
        history: History,
        name: str,
        *,
        attended: bool,
        kept: Sequence[RecordedInspection] = (),
        notice: str = "",
        first: Evaluation | None = None,
    ) -> None:
        self.experiment, self.store, self.lock, self.history = experiment, store, lock, history
        self.name = name
        self.notice = notice
        self.config = experiment.config
        self.folder = store.folder
        self.events: list[RunEvent] = []
        self.log = LogFile(store.folder)
        config = experiment.config
        self.recorder = Recorder(
            store,
            keep=config.checkpoint.keep,
            attributes={
                "run_id": store.run_id,
                "engine": experiment.program.name,
                "device": str(experiment.device),
                "dtype": config.device.dtype,
                "torch": torch.__version__,
                "parameters": json.dumps(
                    [[p.name, p.shape, p.offset] for p in experiment.start.parameters]
                ),
            },
        )
        below = config.pause.risk_below
        plan = Plan(
            steps=config.train.steps,
            schedule=RecordSchedule(config.record.every),
            checkpoint_every=config.checkpoint.every,
            pause_at=config.pause.at if attended else (),
            pause_log_risk=float(np.log(below)) if below > 0 and attended else None,
            pause_at_saddle=config.pause.at_saddle and attended,
            attended=attended,
        )
        self.engine = Engine(
            experiment.program,
            experiment.state,
            experiment.panel,
            plan,
            experiment.output_shape,
            self.recorder,
            [self._view],
            confirmation(experiment),
            ledger_of(experiment, history, kept),
            first,
        )
        self._listener: Listener | None = None
        # Writing one is refused, and so ends the run: at once, and not at its next record.
        lock.when_lost = lambda: self.engine.send(Checkpoint())

    # --- making one ---

    @classmethod
    def create(
        cls,
        config: RunConfig,
        runs_dir: Path,
        *,
        preset: str = "",
        attended: bool = False,
        parent: Mapping[str, Any] | None = None,
        experiment: Experiment | None = None,
    ) -> Session:
        """A new run in a folder of its own; nothing is written when the configuration does not fit.

        `attended` says that somebody can answer a pause; `experiment` saves making it again.
        Raises BadInput or StorageError.
        """
        experiment = experiment or experiment_of(config)
        require_built(experiment, config)
        first = evaluated_start(experiment)
        asked, config = config.record.every, experiment.config
        name = config.name or preset or config.model.kind
        lock = None
        try:
            with signals.held():
                folder = create_run_folder(runs_dir, name)
                lock = RunLock(folder)
                # A new folder is nobody's: this waits for nothing. Half a claim could not be given back.
                lock.acquire()
            text = to_toml(config)
            write_config(folder, text)
            attributes = {
                "run_id": folder.name,
                "name": name,
                "status": "running",
                "preset": preset,
                "config": text,
                "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
                **_made_of(experiment),
                "record_every": f"{'auto: ' if asked == 'auto' else ''}{config.record.every}",
                **(parent or {}),
            }
            test = experiment.dataset.test
            store = RunStore.create(
                folder,
                attributes=attributes,
                x=experiment.dataset.x,
                y=experiment.dataset.y,
                series=layouts_of(experiment.panel),
                coordinates=coordinates_of(experiment.panel),
                direction_width=direction_width_of(experiment),
                start=experiment.start,
                test=None if test is None else (test.x, test.y),
            )
            experiment.state.notes.extend(
                (experiment.state.step, remark)
                for remark in (*experiment.remarks, lock.notice)
                if remark
            )
            return cls(
                experiment,
                store,
                lock,
                History(),
                name,
                attended=attended,
                notice=lock.notice,
                first=first,
            )
        except BaseException:
            with signals.held():
                if lock is not None:
                    # First the heartbeat: what it writes meanwhile would keep the folder.
                    try:
                        lock.release()
                    finally:
                        remove_start(lock.folder)
                        drop_unused(runs_dir)
            raise

    @classmethod
    def resume(
        cls,
        folder: Path,
        *,
        steps: int | None = None,
        trust: bool = False,
        attended: bool = False,
        restart: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> Session:
        """Go on with a run from its newest good checkpoint, to the last bit as if never stopped.

        `steps` moves the end. Classes named in the run's files are imported only with `trust`. Only with
        `restart` does it go back to its start. Where later checkpoints are damaged or gone, or it
        restarts, all that the run has is set aside first, in a folder inside its own. `tell` is told a
        sentence where it takes a while to see that a writer on another machine is dead.

        Raises BadInput when there is nothing to do, RunBusy when another process writes the run,
        StorageError when it cannot be read or no checkpoint can; its records are then as they were.
        """
        lock = RunLock(folder, tell=tell)
        lock.acquire()
        try:
            return cls._resume(folder, lock, steps, trust, attended, restart)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _resume(
        cls,
        folder: Path,
        lock: RunLock,
        steps: int | None,
        trust: bool,
        attended: bool,
        restart: bool,
    ) -> Session:
        with StoredRun(folder) as run:
            found, begun = resumed(run, steps, trust, restart), run.begun_with
        experiment, state, back = found.experiment, found.experiment.state, found.back
        said = "from the checkpoint of this step" if state.recorded_step >= 0 else "from its start"
        notice = ""
        if back is not None:
            place = set_aside(folder, back.checkpoints)
            said = back.event(place)
            notice = back.notice(folder, state.step, place)
        if found.changed:
            clauses = "; ".join(found.changed)
            said = f"{said}; {clauses}"
            notice = f"{notice} {clauses}: steps from here on are the new code's.".strip()
        if found.moved:
            said = f"{said}; {found.moved}"
            notice = f"{notice} {found.moved}.".strip()
        text = to_toml(experiment.config)
        # First what people read: were it killed between, the next resume takes the end from there.
        if steps is not None:
            write_config(folder, text)
        store = RunStore.reopen(
            folder,
            direction_width=direction_width_of(experiment),
            attributes=None
            if experiment.config == begun
            else {
                "config": text,
                "steps": experiment.config.train.steps,
                **_moved(begun, experiment),
            },
        )
        store.truncate(state.recorded_step + 1, past=state.step)
        with RunReader(folder) as reader:
            kept = reader.inspections()
            told = {event.text for event in reader.events()}
        if lock.took_over is not None:
            said = f"{said}; it was lost ({lock.took_over})"
            notice = (
                f"run {folder.name} was lost ({lock.took_over}) and goes on here. {notice}".strip()
            )
        store.event(state.step, "resumed", said)
        if lock.notice and lock.notice not in told:
            store.event(state.step, "note", lock.notice)
            notice = f"{notice} {lock.notice}".strip()
        if back is not None:
            store.commit(sync=True)
        return cls(
            experiment,
            store,
            lock,
            found.history,
            found.name,
            attended=attended,
            kept=kept,
            notice=notice,
        )

    @classmethod
    def fork(
        cls,
        folder: Path,
        at: int | str,
        runs_dir: Path,
        *,
        settings: Iterable[str] = (),
        push: ForkPush | None = None,
        trust: bool = False,
        attended: bool = False,
    ) -> Session:
        """A new run that starts from a stored state of another: a checkpoint, or a recorded θ.

        `at`: its step, "last", "saddle" (the last one told) or "saddle:1". `push`: moved along one of its KKT
        points first. Raises BadInput when no state of that step is stored, or the settings or the push do not
        fit it.
        """
        with StoredRun(folder) as run:
            values = override(parse_toml(to_toml(run.config), "config"), settings)
            config = parse_config(values, "--set")
            step = fork_step(run, str(at))
            experiment = forked(run, config, step, trust, push)
        how = {} if push is None else {"parent_push": push.options}
        return cls.create(
            config,
            runs_dir,
            preset="",
            attended=attended,
            parent={"parent": folder.name, "parent_step": step, **how},
            experiment=experiment,
        )

    # --- life ---

    def listen(self) -> str:
        """Let other processes of this user on this machine watch the run and steer it: `workbench attach`.

        Before `start`. Returns why they cannot, in a sentence, or an empty text; the run goes on either way.
        """
        self._listener = self._listener or Listener(self.folder, self.engine)
        return self._listener.notice

    def _stop_listening(self, text: str) -> None:
        if self._listener is not None:
            self._listener.close(text)

    def start(self) -> None:
        """Start training in the engine's thread, with as many threads of torch's as the run is to have."""
        torch.set_num_threads(self.config.device.threads)
        self.engine.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False at the timeout."""
        return self.engine.join(timeout)

    def watch(self, every: float = 0.5) -> None:
        """Start it, unless it has begun, and show how far it is, every so many seconds, until it ends or
        pauses.

        In a notebook that is what it shows of itself, else a bar on stderr. Who interrupts the watching (the
        notebook's stop button) has it train on: `watch` again, or `close`.
        """
        if not self.engine.started:
            self.start()
        with progress_of(self) as show:
            while not self.wait(every) and self.engine.status is not RunStatus.PAUSED:
                show()
            show()

    def figure(
        self, name: str, *, x: str | None = None, log_x: bool = False, size: str = "column"
    ) -> Figure:
        """A figure of what its file has by now, as `StoredRun.figure`."""
        with StoredRun(self.folder) as run:
            return run.figure(name, x=x, log_x=log_x, size=size)

    def _repr_html_(self) -> str:
        return session_html(self)

    def close(self, timeout: float = 30.0) -> bool:
        """Stop with a checkpoint, join, release the lock; False when the engine did not end in time.

        One that was never started leaves its files closed, for whoever resumes it.
        """
        if not self.engine.started:
            self.store.close()
            self._stop_listening("it was never started.")
        elif not self.engine.ended:
            self.engine.send(Stop())
        ended = self.engine.join(timeout)
        if ended:
            self.lock.release()
        return ended

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def inspected_state(self) -> InspectedState:
        """The state of the latest snapshot for the inspector; raises BadInput before there is one."""
        snapshot = self.engine.snapshot
        if snapshot is None:
            raise BadInput(f"run {self.folder.name} has not begun.")
        return self.experiment.inspected(
            snapshot.theta,
            step=snapshot.step,
            time=float(snapshot.values["time"]),
            step_size=step_size_at(self.history, snapshot.step),
            memory=snapshot.memory,
        )

    def keep_inspection(self, inspection: Inspection) -> None:
        """Keep an inspection of this run in its file and follow its forecast, also while paused.

        The engine's thread writes it; of two of the same step the later is kept. Raises BadInput when
        the run has ended: then nothing is written any more.
        """
        if self.engine.ended:
            raise BadInput(
                f"run {self.folder.name} is {self.engine.status}: an inspection is kept while it trains "
                "or is paused."
            )
        self.engine.send(RecordInspection(recorded_inspection(inspection)))

    def _view(self, event: Event) -> None:
        """Keep the history of records and the last events for whoever looks."""
        if isinstance(event, Recorded):
            self.history.append(event.rows)
        if not isinstance(event, Told):
            return
        self.events.append(RunEvent(event.step, event.kind, clean_text(event.text)))
        if len(self.events) > MOST_EVENTS:
            self.events = without_the_oldest(self.events)
        if not self.lock.lost:
            self.log.line(event.step, event.kind, event.text)
        if isinstance(event, Finished | Failed):
            # The files are closed: another process, or this one, may go on with the run.
            self._stop_listening(f"the run is {self.engine.status.word}.")
            self.lock.release()


def _moved(begun: RunConfig | None, experiment: Experiment) -> dict[str, str]:
    """What a run's file says of the steps between records, where they change."""
    every = experiment.config.record.every
    same = begun is not None and every == begun.record.every
    return {} if same else {"record_every": str(every)}


def _made_of(experiment: Experiment) -> dict[str, str | int | float]:
    """What a run's file says of how it is trained."""
    config, order = experiment.config, experiment.panel.order
    return {
        "device": _device_name(experiment.device),
        "dtype": config.device.dtype,
        "torch": torch.__version__,
        "engine": experiment.program.name,
        "homogeneity": float("nan") if order is None else order,
        "steps": config.train.steps,
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
