"""The writer of `run.h5`, and the protocol that keeps every acknowledged record.

The file is built whole under another name, fsynced, renamed, reopened and switched to SWMR; from
then on nothing but rows and counters is written. A commit appends to every dataset, flushes,
writes the counters, flushes, and what this changed in the file goes to a journal beside it as one frame
(`workbench.record.journaled`): a kill or a power cut at any byte leaves the run as it was after some
commit, `run.h5` torn or not. `commit(sync=True)`, and every few seconds any commit, also puts it into
`run.h5` and fsyncs, for power cuts.

The first failing write ends the recording: the store lets the file go as its last commit left it and
refuses everything until `reopen`. Every commit looks whether `run.h5` is still the file that is written.

The caller holds the run's lock (`workbench.record.lock`) and uses a store from one thread at a
time. To look at a run while it is recorded, from a notebook (the counter first: every shape that
is read after it is at least as long):

    with h5py.File(path, "r", swmr=True) as file: n = int(file["n_committed"][()])
    live = {"engine": "h5netcdf", "driver_kwds": {"swmr": True}}
    ds = xarray.open_dataset(path, group="series", **live).isel(step=slice(n))

On a finished run `xarray.open_dataset(path, group="series", engine="h5netcdf")` is enough; one that was
killed is resumed first, or exported.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput, RecordingGone, StorageError, WorkbenchError, clean_text
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection
from workbench.protocol.status import RunStatus, status_of
from workbench.record import compact
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.buffer import Buffer, checked_rows
from workbench.record.column import Column
from workbench.record.compact import Progress
from workbench.record.counters import Counters
from workbench.record.data_files import HeldFiles, kept_apart
from workbench.record.handle import created, let_go, open_for_appending
from workbench.record.journaled import JournaledFile
from workbench.record.layout import (
    SeriesLayout,
    build,
)
from workbench.record.lock import claim_on
from workbench.record.overlay import H5_ERRORS, reading
from workbench.record.reference import references_in
from workbench.record.schema import RUN_FILE, STEP
from workbench.record.start import Start
from workbench.record.superblock import recover
from workbench.record.table_files import Counts, TableWriter
from workbench.record.texts import STATUS_BYTES, truncated
from workbench.record.values import Value, text_value

BUILD_NAME = ".run.h5.tmp"
COMPACT_NAME = ".run.h5.compact.tmp"

SYNC_SECONDS = 5.0


class RunStore:
    """An open recording. Made by `create` or `reopen`, ended by `finish` or `close`.

    Attributes:
        folder: the run's folder.
        path: its `run.h5`.
        run_id: the run's name for itself, which a renamed folder keeps; empty in a file without.
        n_committed: rows that are on disk for good: what may be acknowledged.
        last_step: the last appended step, -1 before the first.
        gone: whether `run.h5` was found deleted or replaced; `keep_beside` then saves what there is.
        data: the files of its large samples.
    """

    def __init__(self, folder: Path, file: Any, under: JournaledFile) -> None:
        self.folder = folder
        self.path = folder / RUN_FILE
        self._file: Any = file
        self._under = under
        self.run_id = text_value(file.attrs.get("run_id", ""))
        self._failure: str | None = None
        self._claim = claim_on(folder)
        self.gone = False
        group = file["series"]
        self._series = {
            name: Column(dataset)
            for name, dataset in group.items()
            if dataset.maxshape[:1] == (None,)
        }
        self._counters = Counters(file)
        self._events = {key: Column(file["events"][key]) for key in ("step", "kind", "text")}
        self._tables = TableWriter(file)
        self.n_committed, self._n_events, self._n_kept = self._counters.read()
        shortest = min(column.length for column in self._series.values())
        if not 0 <= self.n_committed <= shortest:
            raise StorageError(
                f"'{clean_text(str(self.path))}' is damaged: it counts {self.n_committed} "
                f"records and holds {shortest}."
            )
        last = self._series[STEP].read(max(0, self.n_committed - 1), self.n_committed)
        self.last_step = int(last[0]) if len(last) else -1
        self._buffer = Buffer()
        self._synced_at = time.monotonic()
        self.data = HeldFiles(folder, references_in(file))

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        attributes: Mapping[str, Value],
        x: Array | None,
        y: Array | None,
        series: Sequence[SeriesLayout],
        coordinates: Mapping[str, Array] | None = None,
        direction_width: int | None = None,
        start: Start | None = None,
        test: tuple[Array, Array] | None = None,
    ) -> Self:
        """Build `run.h5` in an existing folder and open it for appending.

        Args:
            attributes: root attributes; `status` is `running` unless given.
            x, y: the data set, first axis n; None to leave them out. Large ones go to a file of their own.
            series: what will be recorded; `step` is added if missing.
            coordinates: values along an axis (quantile levels, indices of a subset); an axis
                without one is numbered from 0.
            direction_width: numbers of the KKT directions of inspections that may be kept; None
                to keep inspections without them.
            start: what only the start gives; None to leave it out.
            test: held-out inputs and labels; None without any.

        Raises:
            BadInput: the folder already has a recording, or the layout does not fit together.
            StorageError: the file cannot be written.
        """
        folder = Path(folder)
        path = folder / RUN_FILE
        if path.exists():
            raise BadInput(f"'{clean_text(str(path))}' exists: a recording is never overwritten.")
        temporary = folder / BUILD_NAME
        kept_x, kept_y = (None if v is None else kept_apart(folder, v) for v in (x, y))
        held_out = (
            None if test is None else (kept_apart(folder, test[0]), kept_apart(folder, test[1]))
        )
        try:
            with created(temporary) as file:
                build(
                    file,
                    attributes=attributes,
                    status=status_of(str(attributes.get("status", RunStatus.RUNNING))),
                    x=kept_x,
                    y=kept_y,
                    series=series,
                    coordinates=coordinates or {},
                    direction_width=direction_width,
                    start=start,
                    test=held_out,
                )
            put_in_place(temporary, path)
            return cls._opened(folder)
        except H5_ERRORS as error:
            raise write_error(path, error) from error
        finally:
            remove_quietly(temporary)

    @classmethod
    def reopen(
        cls,
        folder: Path,
        *,
        direction_width: int | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> Self:
        """Open an earlier recording for appending, whatever state it was left in.

        A killed writer's file is recovered in place; a finished, compressed one, or one without
        tables for inspections, is rewritten under another name and put in its place. The stored
        status becomes `running`. The caller holds the run's lock. `direction_width`: as in
        `create`, for a file that does not say. `attributes`: root attributes that change; the file is
        then rewritten too, as long texts cannot change in place.

        Raises:
            StorageError: there is no recording, it is damaged, or it cannot be written.
        """
        folder = Path(folder)
        path = folder / RUN_FILE
        temporary = folder / BUILD_NAME
        if (claim := claim_on(folder)) is not None:
            claim.check()
        recover(path)
        try:
            for leftover in (BUILD_NAME, COMPACT_NAME):
                (folder / leftover).unlink(missing_ok=True)
            if attributes or compact.must_rewrite(path, direction_width):
                compact.copy_file(
                    path,
                    temporary,
                    packed=False,
                    status=RunStatus.RUNNING,
                    direction_width=direction_width,
                    attributes=attributes,
                )
                put_in_place(temporary, path)
            with reading(path):
                store = cls._opened(folder)
        except OSError as error:
            raise write_error(path, error) from error
        store.set_status(RunStatus.RUNNING)
        return store

    @classmethod
    def _opened(cls, folder: Path) -> Self:
        file, under = open_for_appending(folder / RUN_FILE)
        try:
            return cls(folder, file, under)
        except BaseException:
            let_go(file, under)
            raise

    def append(self, rows: Mapping[str, Array]) -> None:
        """Take records; they are written at 4,096 of them, 8 MiB or a quarter second.

        `rows["step"]` has shape (T,), every other series (T, …); T = 0 does nothing. The arrays
        are copied. A quarter second is noticed at the next append: whoever pauses calls `commit`.

        Raises:
            ValueError: a series is missing, unknown or of the wrong shape, or steps do not rise.
            StorageError: a write failed, now or earlier.
        """
        self._refuse_if_ended()
        taken = checked_rows(rows, self._series, self.last_step)
        if not len(taken[STEP]):
            return
        self._buffer.add(taken)
        self.last_step = int(taken[STEP][-1])
        if self._buffer.due:
            self.commit()

    def event(self, step: int, kind: str, text: str) -> None:
        """Take an event; it is written at the next commit. Long text is cut at 512 bytes."""
        self._refuse_if_ended()
        self._buffer.add_event(step, kind, text)

    def keep(self, kept: RecordedInspection | ForecastOutcome) -> None:
        """Take an inspection, or what became of its forecast; written at the next commit."""
        self._refuse_if_ended()
        self._buffer.kept.append(kept)

    def commit(self, *, sync: bool = False) -> None:
        """Write what was taken; when this returns it survives the process, synced also the power.

        Raises:
            RecordingGone: run.h5 was deleted or replaced; `keep_beside` saves what the run has.
            StorageError: a write failed; nothing since the last commit is acknowledged.
        """
        self._refuse_if_ended()
        with self._writing():
            counts = self._write_rows()
            self._commit(*counts)
            self._buffer.clear()
            self._sync(sync)

    def truncate(self, step: int, *, past: int | None = None) -> None:
        """Forget records with steps ≥ `step`; events and inspections from the first one past the
        step `past` on (`step`, unless given), and outcomes that were decided past it.

        Only the counters change; the forgotten rows are written over as recording goes on.

        Raises:
            StorageError: a write failed.
        """
        self.commit()
        with self._writing():
            steps = self._series[STEP].read(0, self.n_committed)
            kept = int(np.searchsorted(steps, step, side="left"))
            past = step if past is None else past
            later = self._events["step"].read(0, self._n_events) > past
            kept_events = int(later.argmax()) if later.any() else self._n_events
            self._commit(kept, kept_events, self._tables.until(past))
            self._sync(True)
            self.last_step = int(steps[kept - 1]) if kept else -1

    def set_status(self, status: RunStatus) -> None:
        """Change the stored `status` (at most 32 bytes) and flush.

        Overwriting the fixed-length attribute in place is visible to readers and survives kills.
        """
        self._refuse_if_ended()
        raw = np.array(truncated(status.value, STATUS_BYTES), dtype=f"S{STATUS_BYTES}")
        with self._writing():
            h5py.h5a.open(self._file.id, b"status").write(raw)
            self._file.flush()
            self._under.append()

    def carry_over(self, failed: RunStore) -> None:
        """Append what an earlier store of the same run took and could not write.

        For a pause on a full disk: once there is room, `reopen`, then carry over. Records, events
        and inspections that did reach the file are not repeated.

        Raises:
            StorageError: a write failed.
        """
        for rows in failed._buffer.parts:
            new = rows[STEP] > self.last_step
            self.append({name: values[new] for name, values in rows.items()})
        if self._n_events == failed._n_events:
            self._buffer.events.extend(failed._buffer.events)
        if self._n_kept == failed._n_kept:
            self._buffer.kept.extend(failed._buffer.kept)
        self.commit(sync=True)
        failed._buffer.clear()

    def finish(self, status: RunStatus, *, progress: Progress | None = None) -> str | None:
        """Commit, store the final status and replace the file by a compressed copy.

        The copy is read back and compared before it takes the file's place.

        Args:
            progress: told the fraction of the copy that is made, 0 to 1.

        Returns:
            None, or why the copy could not be made (the uncompressed file then stays).

        Raises:
            StorageError: the last records or the status could not be written.
        """
        self.commit(sync=True)
        self.set_status(status)
        self._end()
        temporary = self.folder / COMPACT_NAME
        try:
            compact.copy_file(self.path, temporary, packed=True, status=status, progress=progress)
            compact.compare(self.path, temporary)
            self._require_claim()
            with self._writing():
                self._under.require_in_place()
            put_in_place(temporary, self.path)
        except (StorageError, OSError) as error:
            with self._writing():
                self._under.require_in_place()
            return str(error if isinstance(error, StorageError) else write_error(temporary, error))
        finally:
            remove_quietly(temporary)
            if not self.gone:
                self._under.close()
                self.data.close()
        return None

    def close(self) -> None:
        """Commit with fsync and close, leaving the run to be reopened; twice is once.

        After a failure nothing is written any more: the file is left as the failure left it.
        """
        if self._file is None:
            return
        self.commit(sync=True)
        self._end()
        self._under.close()
        self.data.close()

    def keep_beside(self, target: Path) -> None:
        """Write what a recording whose file is gone has, every record taken included, to a new file.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self._under.copy_to(target)
        except OSError as error:
            raise write_error(target, error) from error
        finally:
            self._let_go()

    def _end(self) -> None:
        """Close the HDF5 file, all of it in place; what is under it stays open."""
        with self._writing():
            self._file.close()
            self._under.append()
            self._under.apply()
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._failure is None:
            self.close()

    def _refuse_if_ended(self) -> None:
        if self._failure is not None:
            raise StorageError(self._failure)
        if self._file is None:
            raise StorageError(f"the recording of '{clean_text(self.folder.name)}' is closed.")
        self._require_claim()

    def _require_claim(self) -> None:
        """Let the file go unless it is still this process's to write."""
        if self._claim is None:
            return
        try:
            with self._writing():
                self._claim.check()
        except WorkbenchError as error:
            self._failure = self._failure or str(error)
            if not self.gone:
                self._let_go()
            raise

    def _write_rows(self) -> tuple[int, int, Counts]:
        """Give HDF5 what was taken; how many rows, events and rows of tables there are with it."""
        buffer = self._buffer
        if buffer.rows:
            for name, column in self._series.items():
                column.write(self.n_committed, buffer.series(name))
        for place, column in enumerate(self._events.values()):
            values = [event[place] for event in buffer.events]
            column.write(self._n_events, np.array(values, dtype=column.dtype))
        counts = self._tables.write(buffer.kept)
        if buffer.rows or buffer.events or buffer.kept:
            self._file.flush()
        return self.n_committed + buffer.rows, self._n_events + len(buffer.events), counts

    def _commit(self, rows: int, events: int, tables: Counts) -> None:
        """Count what was written, and make one frame of all of it."""
        if (rows, events, tables) == (self.n_committed, self._n_events, self._n_kept):
            return
        self._tables.count(tables)
        self._counters.write(rows, events, tables)
        self._file.flush()
        self._under.append()
        self.n_committed, self._n_events, self._n_kept = rows, events, tables

    def _sync(self, now: bool) -> None:
        """Put what is committed into the file, where that is due."""
        if now or self._under.is_long or time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self._under.apply()
            self._synced_at = time.monotonic()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Remember the first failure inside and let the file go as its last commit left it."""
        try:
            yield
        except (*H5_ERRORS, RecordingGone) as error:
            self.gone = isinstance(error, RecordingGone)
            failure = error if isinstance(error, RecordingGone) else write_error(self.path, error)
            self._failure = self._failure or str(failure)
            if not self.gone:
                self._let_go()
            raise failure from error

    def _let_go(self) -> None:
        file, self._file = self._file, None
        let_go(file, self._under)
        self.data.close()
