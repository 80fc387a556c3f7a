"""From the engine's events to the run's files. Its failure fails the run: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.errors import RecordingGone, StorageError, WorkbenchError, clean_text
from workbench.protocol.events import (
    Checkpointed,
    Event,
    Failed,
    Finished,
    Forecast,
    Inspected,
    Paused,
    Recorded,
    Resumed,
    Started,
    Told,
)
from workbench.protocol.status import RunStatus
from workbench.record.beside import keep_beside
from workbench.record.checkpoint import prune_checkpoints, save_checkpoint
from workbench.record.lock import RunLock
from workbench.record.schema import STEP
from workbench.record.store import RunStore


class Recorder:
    """Called with every event from the engine's thread.

    Rows are committed before the checkpoint that follows them is written, so a checkpoint never knows
    of records that the file lacks. After a failed write the next call reopens the file and carries over
    what the failed store had taken. Where the file was deleted or replaced, all that the run has goes to a
    new folder beside it, and so does what still comes.
    """

    def __init__(
        self, store: RunStore, *, keep: int, attributes: Mapping[str, str | int | float | bool]
    ) -> None:
        self.store = store
        self.folder: Path = store.folder
        self.keep = keep
        self.attributes = dict(attributes)
        self.warning: str | None = None
        self._broken = False
        self._said: Event | None = None
        self._moved_lock: RunLock | None = None

    def __call__(self, event: Event) -> None:
        """Record one event; raises StorageError when it cannot be."""
        if isinstance(event, Failed):
            self._failed(event)
            return
        try:
            if self._broken:
                self._mend()
            self._record(event)
        except RecordingGone as error:
            raise self._move(error) from error
        except StorageError:
            self._broken = True
            raise

    def _record(self, event: Event) -> None:
        store = self.store
        match event:
            case Recorded(rows):
                # After a failed write the same rows come again; what was carried over is not new.
                new = np.asarray(rows[STEP]) > store.last_step
                if new.all():
                    store.append(rows)
                elif new.any():
                    store.append({name: values[new] for name, values in rows.items()})
            case Checkpointed(step, arrays):
                store.commit(sync=True)
                save_checkpoint(self.folder, step, arrays, self.attributes)
                prune_checkpoints(self.folder, self.keep)
            case Inspected(_, inspection):
                if event is not self._said:
                    store.keep(inspection)
                    self._said = event
                store.commit(sync=True)
            case _:
                self._tell(event)

    def _tell(self, event: Told) -> None:
        """What people are told of, into the file; how durable at once depends on what it is."""
        store = self.store
        if isinstance(event, Forecast) and event.outcome is not None and event is not self._said:
            store.keep(event.outcome)
        self._say(event)
        match event:
            case Started():
                store.commit()
            case Paused():
                store.set_status(RunStatus.PAUSED)
                store.commit(sync=True)
            case Resumed():
                store.set_status(RunStatus.RUNNING)
                store.commit()
            case Forecast():
                store.commit(sync=True)
            case Finished(_, RunStatus.STOPPED):
                store.set_status(RunStatus.STOPPED)
                store.close()
            case Finished(_, outcome):
                self.warning = store.finish(outcome)

    def _say(self, event: Told) -> None:
        """Take an event, once: after a failed write the same one comes again, and was carried over."""
        if event is not self._said:
            self.store.event(event.step, event.kind, event.text)
            self._said = event

    def _mend(self) -> None:
        """Reopen after a failure and write what was taken since the last commit."""
        mended = RunStore.reopen(self.folder)
        mended.carry_over(self.store)
        self.store = mended
        self._broken = False

    def _move(self, gone: RecordingGone) -> RecordingGone:
        """Keep everything in a new folder and write there from now on; the sentence that says so."""
        try:
            place = keep_beside(self.store)
            self._moved_lock = RunLock(place)
            self._moved_lock.acquire()
            self.store, self.folder = RunStore.reopen(place), place
        except StorageError as error:
            self._broken = True
            return RecordingGone(f"{gone} What it has could not be kept: {error}")
        return RecordingGone(
            f"{gone} All its {self.store.n_committed:,} records and its state are kept in "
            f"'{clean_text(str(place))}'; go on with: workbench resume {clean_text(str(place))}"
        )

    def _failed(self, event: Failed) -> None:
        """Say so in the file if it still takes it; the error itself is told elsewhere."""
        try:
            self.store.event(event.step, event.kind, clean_text(event.text))
            self.store.set_status(RunStatus.FAILED)
            self.store.close()
        except WorkbenchError as error:
            self.warning = str(error)
        finally:
            if self._moved_lock is not None:
                self._moved_lock.release()
