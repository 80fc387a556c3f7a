"""The composition root: from a configuration to a wired run. The one door for command line, screen,
tests and notebooks.

    from workbench.run.session import Session, load_config
    session = Session.create(load_config("kh24-fig1"), Path("runs"))
    session.start(); session.wait()
    session.history.scalar("log_risk")
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.engine.engine import Engine
from workbench.engine.plan import Plan
from workbench.engine.schedule import RecordSchedule
from workbench.errors import BadInput, StorageError, clean_text
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import recorded_inspection
from workbench.inspector.state import InspectedState
from workbench.presets import load_config
from workbench.protocol.commands import RecordInspection, Stop
from workbench.protocol.events import Event, Failed, Finished, Recorded, RunEvent, Told
from workbench.protocol.inspections import RecordedInspection
from workbench.record.checkpoint import Checkpoint, latest_checkpoint
from workbench.record.folder import create_run_folder, write_config
from workbench.record.history import History
from workbench.record.layouts import coordinates_of, layouts_of
from workbench.record.lock import RunLock
from workbench.record.logfile import LogFile
from workbench.record.reader import RunReader
from workbench.record.recorder import Recorder
from workbench.record.store import RunStore
from workbench.run.experiment import (
    Setup,
    confirmation,
    inspected,
    require_built,
    require_finite_start,
    set_up,
)
from workbench.run.ledger import at_rate_taken, direction_width_of, ledger_of
from workbench.run.stored import (
    require_engine,
    require_rule,
    require_series,
    require_trust,
    stored_buffers,
    stored_config,
    stored_dataset,
    stored_state,
    stored_time_log,
)

__all__ = ["Session", "load_config"]

HISTORY_BLOCK = 2_048

if sys.getswitchinterval() > 1e-3:
    # Chunked engines hold the interpreter in short turns; a shorter interval keeps the screen lively.
    sys.setswitchinterval(5e-4)


class Session:
    """A run being trained: its files, its engine, its history in memory.

    Whoever makes one calls `close`, or uses it as a context manager; that stops the engine with a
    checkpoint and releases the run's lock.
    """

    def __init__(
        self,
        setup: Setup,
        store: RunStore,
        lock: RunLock,
        history: History,
        name: str,
        *,
        attended: bool,
        kept: Sequence[RecordedInspection] = (),
    ) -> None:
        self.setup, self.store, self.lock, self.history = setup, store, lock, history
        self.name = name
        self.config = setup.config
        self.folder = store.folder
        self.events: list[RunEvent] = []
        self.log = LogFile(store.folder)
        config = setup.config
        self.recorder = Recorder(
            store,
            keep=config.checkpoint.keep,
            attributes={
                "engine": setup.program.name,
                "device": str(setup.device),
                "dtype": config.device.dtype,
                "torch": torch.__version__,
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
            setup.program,
            setup.state,
            setup.panel,
            plan,
            setup.output_shape,
            self.recorder,
            [self._view],
            confirmation(setup),
            ledger_of(setup, history, kept),
        )

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
        setup: Setup | None = None,
    ) -> Session:
        """A new run in a folder of its own; nothing is written when the configuration does not fit.

        `attended` says that somebody can answer a pause; `setup` saves setting up the configuration again.
        Raises BadInput or StorageError.
        """
        setup = setup or set_up(config)
        require_built(setup, config)
        require_finite_start(setup)
        name = config.name or preset or config.model.kind
        folder = create_run_folder(runs_dir, name)
        lock = RunLock(folder)
        lock.acquire()
        try:
            text = to_toml(config)
            write_config(folder, text)
            attributes = {
                "run_id": folder.name,
                "name": name,
                "status": "running",
                "preset": preset,
                "config": text,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "device": _device_name(setup.device),
                "dtype": config.device.dtype,
                "torch": torch.__version__,
                "engine": setup.program.name,
                "homogeneity": float("nan") if setup.panel.order is None else setup.panel.order,
                "steps": config.train.steps,
                **(parent or {}),
            }
            store = RunStore.create(
                folder,
                attributes=attributes,
                x=setup.dataset.x,
                y=setup.dataset.y,
                series=layouts_of(setup.panel),
                coordinates=coordinates_of(setup.panel),
                direction_width=direction_width_of(setup),
            )
        except BaseException:
            lock.release()
            raise
        setup.state.notes.extend((setup.state.step, remark) for remark in setup.remarks)
        return cls(setup, store, lock, History(), name, attended=attended)

    @classmethod
    def resume(
        cls, folder: Path, *, steps: int | None = None, trust: bool = False, attended: bool = False
    ) -> Session:
        """Go on with a run from its newest good checkpoint, to the last bit as if never stopped.

        `steps` moves the end. Classes named in the run's files are imported only with `trust`.
        Raises BadInput when there is nothing to do, RunBusy when another process writes the run.
        """
        lock = RunLock(folder)
        lock.acquire()
        try:
            return cls._resume(folder, lock, steps, trust, attended)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _resume(
        cls, folder: Path, lock: RunLock, steps: int | None, trust: bool, attended: bool
    ) -> Session:
        config = stored_config(folder)
        checkpoint = latest_checkpoint(folder)
        at = 0 if checkpoint is None else checkpoint.step
        with RunReader(folder) as reader:
            if reader.status == "diverged":
                raise BadInput(
                    f"run {folder.name} diverged, and would again; fork it with a smaller "
                    f"train.lr: workbench fork {folder.name} --at {at} --set train.lr=…"
                )
            dataset = stored_dataset(reader)
            layouts = {name: reader.shape(name)[1:] for name in reader.series_names()}
            series = frozenset(layouts)
            history = _history_until(reader, checkpoint)
            name = str(reader.attributes.get("name") or folder.name)
            # Killed after its last checkpoint and before its file said so, it has still to finish.
            finished = reader.status == "finished"
        if steps is not None:
            config = parse_config(
                override(parse_toml(to_toml(config), "config"), [f"train.steps={steps}"]), "--steps"
            )
        # Killed before its first record was on disk, it has no risk yet.
        until = config.train.until
        risks = history.scalar("log_risk") if history.length else np.zeros(0)
        if finished and until and len(risks) and risks[-1] <= until.log10_risk * np.log(10.0):
            raise BadInput(
                f"run {folder.name} has reached the risk of its train.until; to go on below it: workbench "
                f"fork {folder.name} --at {at} --set train.until.log10_risk=…"
            )
        if at > config.train.steps or (finished and at == config.train.steps):
            raise BadInput(
                f"run {folder.name} has finished its {config.train.steps:,} steps; "
                "give --steps with a larger number to go on."
            )
        require_trust(config, trust, folder.name)
        if checkpoint is not None:
            require_rule(config, checkpoint.arrays, folder)
        setup = set_up(config, dataset)
        if checkpoint is not None:
            require_engine(setup, checkpoint.attributes.get("engine"), folder)
        require_series(setup, layouts, folder)
        # Measures that came with a later version are not in the file.
        setup = replace(setup, panel=replace(setup.panel, only=series))
        if checkpoint is not None:
            _load(setup, checkpoint.arrays, folder)
        store = RunStore.reopen(folder, direction_width=direction_width_of(setup))
        store.truncate(setup.state.recorded_step + 1, past=setup.state.step)
        with RunReader(folder) as reader:
            kept = reader.inspections()
        store.event(setup.state.step, "resumed", "from the checkpoint of this step")
        if steps is not None:
            write_config(folder, to_toml(config))
        return cls(setup, store, lock, history, name, attended=attended, kept=kept)

    @classmethod
    def fork(
        cls,
        folder: Path,
        at: int,
        runs_dir: Path,
        *,
        settings: Iterable[str] = (),
        trust: bool = False,
        attended: bool = False,
    ) -> Session:
        """A new run that starts from a stored state of another: a checkpoint, or a recorded θ.

        Raises BadInput when no state of that step is stored, or the settings do not fit it.
        """
        old = stored_config(folder)
        values = override(parse_toml(to_toml(old), "config"), settings)
        config = parse_config(values, "--set")
        require_trust(config, trust, folder.name)
        with RunReader(folder) as reader:
            data_kept = config.data == old.data
            setup = set_up(config, stored_dataset(reader) if data_kept else None)
            theta, time = stored_state(folder, reader, at)
            time_log = stored_time_log(folder, reader, at, time)
        buffers = stored_buffers(folder, at) if config.model == old.model else {}
        if theta.size != setup.structure.size:
            raise BadInput(
                f"run {folder.name} has {theta.size:,} parameters and the fork {setup.structure.size:,}; "
                "model and data must keep their sizes."
            )
        if at >= config.train.steps:
            raise BadInput(
                f"--at {at} is not before train.steps = {config.train.steps:,}; set train.steps higher."
            )
        with torch.no_grad():
            setup.state.theta.copy_(torch.from_numpy(theta))
        setup.state.step, setup.state.time, setup.state.time_log = at, time, time_log
        setup.state.memory.update(buffers)
        return cls.create(
            config,
            runs_dir,
            preset="",
            attended=attended,
            parent={"parent": folder.name, "parent_step": at},
            setup=setup,
        )

    # --- life ---

    def start(self) -> None:
        """Start training in the engine's thread."""
        self.engine.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False at the timeout."""
        return self.engine.join(timeout)

    def close(self, timeout: float = 30.0) -> bool:
        """Stop with a checkpoint, join, release the lock; False when the engine did not end in time."""
        if not self.engine.ended:
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
        state = inspected(
            self.setup,
            snapshot.theta,
            step=snapshot.step,
            time=float(snapshot.values["time"]),
            memory=snapshot.memory,
        )
        return at_rate_taken(state, self.history)

    def keep_inspection(self, inspection: Inspection) -> None:
        """Keep an inspection of this run in its file and follow its forecast, also while paused.

        The engine's thread writes it; of two of the same step the later is kept. Raises BadInput when
        the run has ended: then nothing is written any more.
        """
        if self.engine.ended:
            raise BadInput(
                f"run {self.folder.name} is {self.engine.mode}: an inspection is kept while it trains "
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
        self.log.line(event.step, event.kind, event.text)
        if isinstance(event, Finished | Failed):
            # The files are closed: another process, or this one, may go on with the run.
            self.lock.release()


def _history_until(reader: RunReader, checkpoint: Checkpoint | None) -> History:
    """The records a checkpoint knows of, in memory; later ones are recorded again."""
    history = History()
    if checkpoint is None:
        return history
    steps = np.asarray(reader.read("step"))
    count = int(np.searchsorted(steps, int(checkpoint.arrays["recorded_step"]), side="right"))
    names = reader.series_names()
    for start in range(0, count, HISTORY_BLOCK):
        rows = slice(start, min(start + HISTORY_BLOCK, count))
        history.append({name: reader.read(name, rows) for name in names})
    return history


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _load(setup: Setup, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    try:
        setup.state.load(arrays)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"the checkpoint of run {folder.name} does not fit its configuration: {error}."
        ) from error
