"""Ways to make a run's records survive a write that is cut short, each on the same commits.

    python benchmarks/journal_cost.py [--commits 60] [--records 25]

`flushes`: HDF5 alone, rows, a flush, the counters, a flush. `own log`: the same, and before it the rows as
one checksummed frame of a log that the file is rebuilt from. `metadata copy`: the same, and before it what
HDF5 is about to change outside of the rows' chunks goes to a second file. `journal`: what is built in, every
page that differs as one frame; putting it into the file writes its pages once more, a few seconds' worth of
commits at a time. Of every commit: bytes written, milliseconds of the processor. Then every commit is cut at
random bytes, and what the run had before it is read again: how often all of it is there.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np

from workbench.errors import WorkbenchError
from workbench.record.column import Column
from workbench.record.counters import Counters
from workbench.record.journal import JOURNAL_NAME
from workbench.record.layout import LIBVER, SeriesLayout
from workbench.record.positioned import Positioned
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.record.superblock import marked_head, recover

SCALARS = ("time", "log_risk", "rho", "grad_norm_log", "alignment", "path_length")
VECTORS = {"margins": (50,), "neuron_norm": (20,), "neuron_direction": (20, 2), "theta": (40,)}
LAYOUTS = [SeriesLayout(n) for n in SCALARS] + [SeriesLayout(n, s) for n, s in VECTORS.items()]
CUTS = 4

Write = tuple[int, bytes]


class Traced(Positioned):
    """A file in memory that remembers every write; `held` is what it holds."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.held, self.writes = bytearray(content), list[Write]()
        self._size = len(content)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Take all of it."""
        view = bytes(memoryview(data).cast("B"))
        # HDF5 clears the mark of a writer only as it closes.
        view = marked_head(view) if self._position == 0 else view
        self.writes.append((self._position, view))
        put(self.held, self._position, view)
        self._position += len(view)
        self._size = max(self._size, len(self.held))
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Zeros past the end."""
        view = memoryview(buffer).cast("B")
        found = self.held[self._position : self._position + len(view)]
        view[:] = bytes(found).ljust(len(view), b"\0")
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extended with zeros."""
        self._size = self._position if size is None else size
        self.held = self.held[: self._size].ljust(self._size, b"\0")
        return self._size


@dataclass
class Measured:
    """What one way cost and what came back."""

    kilobytes: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    cuts: int = 0
    whole: int = 0


def put(image: bytearray, place: int, data: bytes) -> None:
    """Bytes at a place, zeros before it where the image is shorter."""
    if len(image) < place:
        image.extend(bytes(place - len(image)))
    image[place : place + len(data)] = data


def rows(first: int, count: int) -> dict[str, np.ndarray]:
    """Records whose every number follows from its step."""
    step = np.arange(first, first + count)
    found: dict[str, np.ndarray] = {"step": step}
    for number, layout in enumerate(LAYOUTS):
        place = np.arange(int(np.prod(layout.shape)), dtype=float).reshape(layout.shape)
        phase = 0.01 * step.reshape(-1, *(1 for _ in layout.shape))
        found[layout.name] = np.sin(phase + place + number)
    return found


def begun(folder: Path) -> RunStore:
    """A new recording."""
    folder.mkdir(parents=True)
    attributes = {"run_id": "r", "name": "r", "config": "", "created": "2026-01-01T00:00:00Z"}
    return RunStore.create(folder, attributes=attributes, x=None, y=None, series=LAYOUTS)


def kept(folder: Path, count: int) -> bool:
    """Whether the first `count` records are read as they were taken."""
    try:
        with RunReader(folder) as reader:
            steps = reader.read("step")[:count]
            wanted = rows(0, count)
            return len(steps) == count and all(
                np.array_equal(reader.read(name)[:count], wanted[name]) for name in wanted
            )
    except WorkbenchError:
        return False


def cut(writes: Sequence[Write], place: int) -> list[Write]:
    """The first `place` bytes of the writes."""
    found: list[Write] = []
    for start, data in writes:
        if place <= 0:
            break
        found.append((start, data[:place]))
        place -= len(data)
    return found


def flushes(
    folder: Path, commits: int, count: int, ways: dict[str, Measured], rng: random.Random
) -> None:
    """HDF5 without a journal, and the two rivals that build on it."""
    begun(folder / "start").close()
    under = Traced((folder / "start" / "run.h5").read_bytes())
    file = h5py.File(under, "r+", libver=LIBVER)
    file.swmr_mode = True
    columns = {name: Column(file["series"][name]) for name in rows(0, 1)}
    counters = Counters(file)
    tables = counters.read()[2]
    log, spare = (folder / "log").open("wb"), (folder / "spare").open("wb")
    for commit in range(commits):
        taken, before = rows(commit * count, count), bytes(under.held)
        under.writes = []
        began = time.thread_time()
        for name, column in columns.items():
            column.write(commit * count, np.ascontiguousarray(taken[name], column.dtype))
        file.flush()
        counters.write((commit + 1) * count, 0, tables)
        file.flush()
        spent = time.thread_time() - began
        size = sum(len(data) for _, data in under.writes)

        began = time.thread_time()
        body = b"".join(a.tobytes() for a in taken.values())
        log.write(struct.pack("<QI", len(body), zlib.crc32(body)) + body)
        log.flush()
        logged = time.thread_time() - began

        chunks = chunk_bounds(file, columns)
        meta = [w for w in under.writes if not inside(w[0], chunks)]
        began = time.thread_time()
        old = b"".join(before[place : place + len(data)] for place, data in meta)
        spare.write(struct.pack("<QI", len(old), zlib.crc32(old)) + old)
        spare.flush()
        copied = time.thread_time() - began

        note(ways["flushes"], size, spent)
        note(ways["own log"], size + len(body), spent + logged)
        note(ways["metadata copy"], size + len(old), spent + copied)
        for _ in range(CUTS if commit else 0):
            part = cut(under.writes, rng.randrange(1, size))
            raw = [w for w in part if inside(w[0], chunks)]
            for name, done in (("flushes", part), ("metadata copy", raw)):
                image = bytearray(before)
                for place, data in done:
                    put(image, place, data)
                ways[name].cuts += 1
                ways[name].whole += kept(written(folder / "cut", bytes(image)), commit * count)
            # Frames before the last are whole, whatever became of the file.
            ways["own log"].cuts += 1
            ways["own log"].whole += rebuilt(folder, commit * count, count)


def rebuilt(folder: Path, wanted: int, count: int) -> bool:
    """Whether the log gives the first `wanted` records back."""
    data, place, found = (folder / "log").read_bytes(), 0, 0
    while place < len(data) and found < wanted:
        size, checksum = struct.unpack_from("<QI", data, place)
        body = data[place + 12 : place + 12 + size]
        expected = b"".join(a.tobytes() for a in rows(found, count).values())
        if zlib.crc32(body) != checksum or body != expected:
            return False
        place, found = place + 12 + size, found + count
    return found == wanted


def chunk_bounds(file: Any, columns: dict[str, Column]) -> list[tuple[int, int]]:
    """Where the rows' chunks lie in the file."""
    found = []
    for name in columns:
        low = file["series"][name].id
        for k in range(low.get_num_chunks()):
            info = low.get_chunk_info(k)
            found.append((info.byte_offset, info.byte_offset + info.size))
    return sorted(found)


def inside(place: int, bounds: Sequence[tuple[int, int]]) -> bool:
    """Whether a place lies in one of the stretches."""
    return any(first <= place < end for first, end in bounds)


def written(folder: Path, image: bytes) -> Path:
    """A run folder with that file, as the next writer or reader finds it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "run.h5").write_bytes(image)
    with contextlib.suppress(WorkbenchError):
        recover(folder / "run.h5")
    return folder


def journal(
    folder: Path, commits: int, count: int, ways: dict[str, Measured], rng: random.Random
) -> None:
    """What is built in."""
    store = begun(folder / "run")
    path = folder / "run" / JOURNAL_NAME
    for commit in range(commits):
        taken = rows(commit * count, count)
        before = path.stat().st_size if path.exists() else 0
        began = time.thread_time()
        store.append(taken)
        store.commit()
        spent = time.thread_time() - began
        # Puts it into the file, which writes every page once more, a few seconds' worth at a time.
        grown = path.stat().st_size - before if path.exists() else 0
        if grown > 0:
            note(ways["journal"], grown, spent)
        if not commit or grown <= 0:
            continue
        for _ in range(CUTS):
            shutil.rmtree(folder / "cut", ignore_errors=True)
            shutil.copytree(folder / "run", folder / "cut")
            with (folder / "cut" / JOURNAL_NAME).open("r+b") as file:
                file.truncate(before + rng.randrange(grown))
            ways["journal"].cuts += 1
            ways["journal"].whole += kept(folder / "cut", commit * count)
    store.close()


def note(way: Measured, size: int, seconds: float) -> None:
    """One commit's cost."""
    way.kilobytes.append(size / 1e3)
    way.milliseconds.append(seconds * 1e3)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--records", type=int, default=25)
    given = parser.parse_args()
    ways = {name: Measured() for name in ("flushes", "own log", "metadata copy", "journal")}
    rng = random.Random(0)
    run: Callable[..., None]
    for run in (flushes, journal):
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), given.commits, given.records, ways, rng)
    print(f"{'':14} {'kB a commit':>12} {'ms a commit':>12} {'cuts':>6} {'all there':>10}")
    for name, way in ways.items():
        print(
            f"{name:14} {median(way.kilobytes):12.0f} {median(way.milliseconds):12.2f} "
            f"{way.cuts:6} {way.whole:10}"
        )


if __name__ == "__main__":
    main()
