"""A run in memory for viewers: a bounded number of rows, however long it trains.

Scalars are kept in full up to 131,072 records, and thinned beyond; vectors are thinned sooner. The rows kept
are even along the run, and the early ones dense: over a logarithmic axis the first hundred records are as
wide as the last ten thousand. The last 8,192 records and those of the last `append` are always all there:
what a run decides by is read from them.

One thread appends (the engine's, or whoever follows a file), any other reads. Rows are only ever
added behind what was published, and publishing is one assignment, so a reader never waits and
what it was given never changes. What is to fit together is read from one `still`.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.arrays import Array
from workbench.errors import unknown
from workbench.record.reader import RunReader
from workbench.record.schema import STEP

SCALAR_ROWS = 2**17
"""Rows at which scalars are thinned, to half as many."""
LAST_ROWS = 8192
"""Rows at the end that are never thinned."""
BLOCK = 2**14
"""Records read from a file at once."""
VECTOR_ROWS = 4096
VECTOR_BYTES = 64 * 1024 * 1024
LAST_ONLY = frozenset({"theta"})
"""Series of which a live history keeps only the last row."""


class _Scalar:
    """A growing column; rows before `length` never change."""

    def __init__(self, dtype: np.dtype[np.generic]) -> None:
        self._buffer = np.empty(1024, dtype)
        self._length = 0

    def extend(self, values: Array) -> Array:
        """Add values and return a read-only view of all."""
        end = self._length + len(values)
        if end > len(self._buffer):
            larger = np.empty(max(end, 2 * len(self._buffer)), self._buffer.dtype)
            larger[: self._length] = self._buffer[: self._length]
            self._buffer = larger
        self._buffer[self._length : end] = values
        self._length = end
        return _frozen(self._buffer[:end])

    def thin(self, kept: Array) -> None:
        """Keep the rows of a mask (T,); what was given out stays as it was."""
        found = self._buffer[: self._length][kept[: self._length]]
        self._buffer, self._length = found, len(found)


@dataclass(frozen=True)
class _Thinned:
    """The rows kept, and the last one apart."""

    steps: Array
    values: Array
    last_step: int
    last: Array

    def joined(self) -> tuple[Array, Array]:
        """Steps (K,) and rows (K, …), the last row included."""
        if len(self.steps) and self.steps[-1] == self.last_step:
            return self.steps, self.values
        steps = np.append(self.steps, self.last_step)
        return _frozen(steps), _frozen(np.concatenate([self.values, self.last[None]]))


def kept_rows(rows: Array, stride: int, bound: int) -> Array:
    """Which records (of any numbers ≥ 0) are kept, as a mask: every `stride`-th, and in each doubling of
    the record's number as many as the bound allows, up to 32.

    `stride` is a power of two. What a larger stride keeps, a smaller one has kept.
    """
    digits = max(1, (bound // 64).bit_length())
    # frexp's exponent is the number of binary digits: all but the first few of them must be 0.
    size = np.frexp(rows.astype(np.float64))[1].astype(np.int64)
    early = np.left_shift(1, np.maximum(size - digits, 0))
    return np.asarray((rows % np.minimum(early, stride)) == 0)


class _Vector:
    """Rows kept at a stride that doubles whenever the bound is reached, the early ones more densely."""

    def __init__(self, row: tuple[int, ...], dtype: np.dtype[np.generic], bound: int) -> None:
        self._bound = bound
        self._stride = 1
        self._length = 0
        self._rows = np.empty(min(64, bound), np.int64)
        self._steps = np.empty(min(64, bound), np.int64)
        self._values = np.empty((min(64, bound), *row), dtype)

    def extend(self, rows: Array, steps: Array, values: Array) -> _Thinned:
        """Add records with these numbers, thin if there are too many, and return what is kept."""
        kept = kept_rows(rows, self._stride, self._bound)
        self._keep(rows[kept], steps[kept], values[kept])
        return _Thinned(
            _frozen(self._steps[: self._length]),
            _frozen(self._values[: self._length]),
            int(steps[-1]),
            _frozen(np.array(values[-1])),
        )

    def _keep(self, rows: Array, steps: Array, values: Array) -> None:
        start, end = self._length, self._length + len(steps)
        if end > len(self._steps):
            rows = np.concatenate([self._rows[:start], rows])
            steps = np.concatenate([self._steps[:start], steps])
            values = np.concatenate([self._values[:start], values])
            while len(rows) > self._bound:
                self._stride *= 2
                kept = kept_rows(rows, self._stride, self._bound)
                rows, steps, values = rows[kept], steps[kept], values[kept]
            start, end = 0, len(rows)
            room = min(max(2 * end, 64), self._bound)
            self._rows, self._steps = np.empty(room, np.int64), np.empty(room, np.int64)
            self._values = np.empty((room, *values.shape[1:]), values.dtype)
        self._rows[start:end] = rows
        self._steps[start:end] = steps
        self._values[start:end] = values
        self._length = end


def _frozen(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def vector_bound(row: tuple[int, ...], itemsize: int = 8) -> int:
    """How many rows of a vector are kept: 4096, fewer where they would pass 64 MiB, at least 64."""
    size = itemsize * int(np.prod(row))
    return min(VECTOR_ROWS, max(64, VECTOR_BYTES // max(1, size))) - 1


@dataclass(frozen=True)
class _Published:
    step: Array
    record: Array
    """The number of each row's record, from 0."""
    scalars: Mapping[str, Array] = field(default_factory=dict)
    vectors: Mapping[str, _Thinned] = field(default_factory=dict)
    last: Mapping[str, Array] = field(default_factory=dict)


_RECORD = " record"
"""The column of the records' numbers: no series has a blank in its name."""
_NOTHING = _Published(_frozen(np.empty(0, np.int64)), _frozen(np.empty(0, np.int64)))


class History:
    """The records of a run, for drawing.

    Built empty and fed by `append`, or made from a file by `from_reader`. With a reader, vectors
    are read when they are first asked for.
    """

    def __init__(self) -> None:
        self._scalars: dict[str, _Scalar] = {}
        self._vectors: dict[str, _Vector] = {}
        self._published = _NOTHING
        self._joined: dict[str, tuple[_Thinned, tuple[Array, Array]]] = {}
        self._reader: RunReader | None = None
        self._recorded: frozenset[str] = frozenset()
        self._read: dict[str, tuple[int, tuple[Array, Array]]] = {}
        self._loading = threading.Lock()

    @classmethod
    def from_reader(cls, reader: RunReader) -> History:
        """The history of a recorded run; the reader stays open for the vectors.

        Raises:
            StorageError: the file is damaged.
        """
        history = cls()
        history._reader = reader
        history._take(reader)
        return history

    def update(self) -> int:
        """Look at a followed run again and take what it committed since.

        Returns:
            The number of records now, those that were thinned out included.

        Raises:
            StorageError: the file is damaged.
        """
        if self._reader is not None:
            with self._loading:
                self._reader.refresh()
                self._take(self._reader)
        return self.count

    def _take(self, reader: RunReader) -> None:
        """Add the scalars of records not seen yet; begin anew if the run went back."""
        start = self.count
        if start > reader.n_records or (
            start and reader.read(STEP, slice(start - 1, start))[0] != self.step[-1]
        ):
            self._start_over()
            start = 0
        names = [name for name in reader.series_names() if len(reader.shape(name)) == 1]
        for first in range(start, reader.n_records, BLOCK):
            rows = slice(first, first + BLOCK)
            self._add({name: reader.read(name, rows) for name in names})

    def append(self, rows: Mapping[str, Array]) -> None:
        """Add records: `rows["step"]` (T,), scalars (T,), vectors (T, …). One thread only."""
        if len(rows[STEP]):
            self._add(rows)

    @property
    def step(self) -> Array:
        """The step of every row, (T,), read-only."""
        return self._published.step

    @property
    def length(self) -> int:
        """The number of rows T: of the records, as far as they are not thinned."""
        return len(self._published.step)

    @property
    def count(self) -> int:
        """The number of records that were added."""
        record = self._published.record
        return int(record[-1]) + 1 if len(record) else 0

    @property
    def record(self) -> Array:
        """The number of every row's record, (T,), from 0, read-only: 0, 1, 2, … until they are thinned."""
        return self._published.record

    def still(self) -> History:
        """The history as it is now: what is appended or thinned later is not seen in it."""
        return copy.copy(self)

    def names(self) -> list[str]:
        """Every series there is something of, `step` included."""
        now = self._published
        found = {STEP, *now.scalars, *now.vectors, *now.last}
        if self._reader is not None:
            if not self._recorded:
                # A file's series never change; asking it costs a millisecond.
                self._recorded = frozenset(self._reader.series_names())
            found |= self._recorded
        return sorted(found)

    def has(self, name: str) -> bool:
        """Whether there is such a series."""
        now = self._published
        if name == STEP or name in now.scalars or name in now.vectors or name in now.last:
            return True
        return self._reader is not None and name in self.names()

    def scalars(self) -> list[str]:
        """Every scalar series there is something of, but for `step`."""
        return sorted(self._published.scalars.keys() - {STEP})

    def scalar(self, name: str) -> Array:
        """A scalar series, a value every row, (T,), read-only.

        Of a history that grows meanwhile `step` and two scalars may differ in length: take a `still` of it.

        Raises:
            BadInput: there is no such scalar.
        """
        now = self._published
        if name == STEP:
            return now.step
        if name not in now.scalars:
            raise unknown("scalar series", name, [STEP, *now.scalars])
        return now.scalars[name]

    def vector(self, name: str) -> tuple[Array, Array]:
        """Steps (K,) and rows (K, …) of a vector series, thinned, the first and the last row included.

        K is at most 4096, fewer for wide rows. `theta` has only its last row while live.

        Raises:
            BadInput: there is no such vector.
            StorageError: it had to be read, and the file is damaged.
        """
        now = self._published
        if name in now.last:
            return now.step[-1:], now.last[name][None]
        if name in now.vectors:
            thinned = now.vectors[name]
            known = self._joined.get(name)
            if known is None or known[0] is not thinned:
                known = (thinned, thinned.joined())
                self._joined[name] = known
            return known[1]
        reader = self._reader
        if reader is not None and self.has(name):
            return self._load_vector(reader, name)
        raise unknown("vector series", name, [*now.vectors, *now.last])

    def last(self, name: str) -> Array:
        """The last row of any series; raises BadInput if there is none."""
        now = self._published
        if name in now.scalars or name == STEP:
            return np.asarray(self.scalar(name)[-1])
        if name in now.vectors:
            return now.vectors[name].last
        values: Array = self.vector(name)[1][-1]
        return values

    def nearest(self, step: int) -> int:
        """The row of the record whose step is nearest (the earlier of two), -1 if there is none."""
        steps = self._published.step
        if not len(steps):
            return -1
        after = int(np.searchsorted(steps, step))
        if after == 0:
            return 0
        if after == len(steps) or step - steps[after - 1] <= steps[after] - step:
            return after - 1
        return after

    def _start_over(self) -> None:
        self._scalars, self._vectors, self._joined, self._read = {}, {}, {}, {}
        self._published = _NOTHING

    def _add(self, rows: Mapping[str, Array]) -> None:
        now = self._published
        scalars, vectors, last = dict(now.scalars), dict(now.vectors), dict(now.last)
        steps = np.asarray(rows[STEP], np.int64)
        records = np.arange(self.count, self.count + len(steps))
        if len(now.step) + len(steps) > SCALAR_ROWS:
            self._thin(now.record, len(steps))
        for name, given in rows.items():
            values = np.asarray(given)
            if values.ndim == 1:
                column = self._scalars.setdefault(name, _Scalar(values.dtype))
                scalars[name] = column.extend(values)
            elif name in LAST_ONLY:
                last[name] = _frozen(np.array(values[-1]))
            else:
                kept = self._vectors.setdefault(name, self._new_vector(values))
                vectors[name] = kept.extend(records, steps, values)
        column = self._scalars.setdefault(_RECORD, _Scalar(records.dtype))
        self._published = _Published(
            scalars.pop(STEP), column.extend(records), scalars, vectors, last
        )

    def _thin(self, record: Array, coming: int) -> None:
        """Keep half as many rows as there may be, or fewer where many are coming."""
        recent = record > record[-1:] - LAST_ROWS
        stride, kept = 1, np.ones_like(recent)
        while int(kept.sum()) > max(2 * LAST_ROWS, SCALAR_ROWS // 2 - coming):
            stride *= 2
            kept = recent | kept_rows(record, stride, SCALAR_ROWS // 2)
        for column in self._scalars.values():
            column.thin(kept)

    def _new_vector(self, values: Array) -> _Vector:
        row = values.shape[1:]
        return _Vector(row, values.dtype, vector_bound(row, values.dtype.itemsize))

    def _load_vector(self, reader: RunReader, name: str) -> tuple[Array, Array]:
        """Read the rows of a vector that a live history would keep, once for every length of the history."""
        with self._loading:
            count = min(self.count, reader.n_records)
            known = self._read.get(name)
            if known is not None and known[0] == count:
                return known[1]
            index, stride = np.arange(count), 1
            bound = vector_bound(reader.shape(name)[1:])
            while len(index) > bound:
                stride *= 2
                index = index[kept_rows(index, stride, bound)]
            if count and index[-1] != count - 1:
                index = np.append(index, count - 1)
            found = (_frozen(reader.read(STEP, index)), _frozen(reader.read(name, index)))
            self._read[name] = (count, found)
            return found
