"""Run by the durability tests in a process of its own: writers are forked, killed and checked.

    python kill_writers.py FOLDER KILLS SEED [--counter-first]

Prints one JSON object: kills, records and events acknowledged, reopenings, and what was wrong.
With `--counter-first` the writers count records before writing them; the checks must notice.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import sample_run

from workbench.errors import WorkbenchError
from workbench.protocol.status import RunStatus
from workbench.record.lock import RunLock, is_alive
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.table_files import Counts

COUNTER_FIRST = "--counter-first" in sys.argv


class CountingFirst(RunStore):
    """A writer that is wrong on purpose."""

    def _write_rows(self) -> tuple[int, int, Counts]:
        rows, events = self._buffer.rows, len(self._buffer.events)
        before = self.n_committed, self._n_events, self._n_kept
        self._commit(before[0] + rows, before[1] + events, before[2])
        time.sleep(0.002)
        self.n_committed, self._n_events, self._n_kept = before
        return super()._write_rows()


def write(folder: Path, pipe: int, rng: random.Random) -> None:
    """A writer's life: lock, create or reopen, append, acknowledge, for ever."""
    kind = CountingFirst if COUNTER_FIRST else RunStore
    lock = RunLock(folder)
    lock.acquire()
    if (folder / "run.h5").exists():
        store = kind.reopen(folder)
        if rng.random() < 0.25 and store.n_committed:
            back = rng.randrange(store.n_committed + 1)
            os.write(pipe, f"b {back}\n".encode())
            store.truncate(back)
    else:
        sample_run_store = sample_run.create(folder)
        store = sample_run_store
        if COUNTER_FIRST:
            store.__class__ = CountingFirst
    if rng.random() < 0.25:
        store.append(sample_run.rows(store.last_step + 1, rng.randrange(1, 4000)))
        store.commit()
        os.write(pipe, f"r {store.n_committed}\n".encode())
        store.finish(RunStatus.FINISHED)
        os.write(pipe, b"f\n")
        lock.release()
        os._exit(0)
    while True:
        store.append(sample_run.rows(store.last_step + 1, rng.randrange(1, 60)))
        if rng.random() < 0.2:
            store.event(store.last_step, "note", f"at {store.last_step}")
        kept = store.last_step if rng.random() < 0.5 else -1
        if kept >= 0:
            store.keep(sample_run.inspection(kept))
            if rng.random() < 0.5:
                store.keep(sample_run.outcome(kept, kept))
        if rng.random() < 0.1:
            store.set_status(rng.choice([RunStatus.RUNNING, RunStatus.PAUSED]))
        store.commit(sync=rng.random() < 0.05)
        os.write(pipe, f"r {store.n_committed}\nk {kept}\n".encode())


def acknowledged(text: str, before: int, kept: set[int]) -> tuple[int, set[int]]:
    """The records and steps of inspections acknowledged so far; going back on purpose takes some away."""
    for line in text.splitlines():
        word, _, number = line.partition(" ")
        if word == "r":
            before = int(number)
        elif word == "b":
            before = min(before, int(number))
            kept = {step for step in kept if step <= int(number)}
        elif word == "k" and int(number) >= 0:
            kept = kept | {int(number)}
    return before, kept


def inspect(folder: Path, promised: int, kept: set[int]) -> list[str]:
    """What is wrong with the file a dead writer left, read without touching it."""
    if not (folder / "run.h5").exists():
        return [] if promised == 0 else [f"no file, {promised} records promised"]
    before = (folder / "run.h5").read_bytes()[:48]
    try:
        with RunReader(folder) as reader:
            wrong = sample_run.check(reader)
            if reader.n_records < promised:
                wrong.append(f"{reader.n_records} records, {promised} promised")
            lost = kept - {found.step for found in reader.inspections()}
            if lost:
                wrong.append(f"inspections of the steps {sorted(lost)} are lost")
            if reader.status not in ("lost", "finished"):
                wrong.append(f"status {reader.status}")
            if any(event.text != f"at {event.step}" for event in reader.events()):
                wrong.append("an event differs")
    except WorkbenchError as error:
        return [str(error)]
    if (folder / "run.h5").read_bytes()[:48] != before:
        wrong.append("reading changed the file")
    if is_alive(folder):
        wrong.append("a dead run looks alive")
    return wrong


def kill_one(folder: Path, rng: random.Random) -> tuple[str, bool]:
    """Fork a writer, kill it after a random moment; what it told, and whether it was killed."""
    reading, writing = os.pipe()
    seed = rng.random()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write(folder, writing, random.Random(seed))
        finally:
            os._exit(9)
    os.close(writing)
    time.sleep(rng.choice([0.05, 0.2, 0.5]) * rng.random())
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        told = stream.read()
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the writer failed by itself")
    return told, os.WIFSIGNALED(status)


def main() -> None:
    place, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    report = {"kills": 0, "records": 0, "inspections": 0, "runs": 0, "wrong": []}
    promised, kept, folder = 0, set(), place / "0"
    folder.mkdir()
    while report["kills"] < kills and not report["wrong"]:
        told, killed = kill_one(folder, rng)
        promised, kept = acknowledged(told, promised, kept)
        report["kills"] += killed
        report["wrong"] = inspect(folder, promised, kept)
        with_file = (folder / "run.h5").exists()
        if rng.random() < 0.2 or (with_file and (folder / "run.h5").stat().st_size > 30_000_000):
            shutil.rmtree(folder)
            report["runs"] += 1
            report["records"] += promised
            report["inspections"] += len(kept)
            promised, kept, folder = 0, set(), place / str(report["runs"])
            folder.mkdir()
    report["records"] += promised
    report["inspections"] += len(kept)
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
