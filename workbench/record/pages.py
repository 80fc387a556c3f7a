"""Changed pages of a file, by their numbers and in the order of their last change.

They lie in one array: a block of thousands is taken, given out and joined without a Python object each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array, Int
from workbench.record.journal import PAGE

_ROOM = 512


class Pages:
    """Pages of 512 bytes that differ from the file's."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}
        self._count = self._changes = 0
        self._bodies = np.empty((_ROOM, PAGE), np.uint8)
        self._numbers = np.empty(_ROOM, np.int64)
        self._changed = np.empty(_ROOM, np.int64)

    @classmethod
    def of(cls, pages: Mapping[int, bytes]) -> Pages:
        """Those of a journal, in their order."""
        found = cls()
        joined = np.frombuffer(b"".join(pages.values()), np.uint8).reshape(-1, PAGE)
        found.put(np.fromiter(pages, np.int64, len(pages)), joined)
        return found

    def __len__(self) -> int:
        return self._count

    @property
    def changes(self) -> int:
        """How many pages have been put so far: what is put later comes `since` that."""
        return self._changes

    def put(self, numbers: Int[np.ndarray, " k"], bodies: Array) -> None:
        """Take pages, (k, 512) bytes; none of them twice."""
        known = self._row
        rows = np.array([known.get(number, -1) for number in numbers.tolist()], np.int64)
        new = np.flatnonzero(rows < 0)
        if len(new):
            rows[new] = np.arange(self._count, self._count + len(new))
            known.update(zip(numbers[new].tolist(), rows[new].tolist(), strict=True))
            self._grow(len(new))
        self._bodies[rows] = bodies
        self._numbers[rows] = numbers
        self._changed[rows] = np.arange(self._changes, self._changes + len(rows))
        self._changes += len(rows)

    def lay_over(self, first: int, bodies: Array) -> None:
        """Put what is kept of the pages from `first` on into (k, 512) bytes."""
        known = self._row
        if not known:
            return
        rows = np.array([known.get(first + k, -1) for k in range(len(bodies))], np.int64)
        kept = np.flatnonzero(rows >= 0)
        if len(kept):
            bodies[kept] = self._bodies[rows[kept]]

    def since(self, changes: int) -> tuple[Int[np.ndarray, " k"], Array]:
        """Numbers and (k, 512) bytes of the pages put since there were that many changes, the last
        put last."""
        found = np.flatnonzero(self._changed[: self._count] >= changes)
        order = found[np.argsort(self._changed[found])]
        return self._numbers[order], self._bodies[order]

    def clear(self) -> None:
        """Forget all of them: the file has them. The count of changes goes on."""
        self._row.clear()
        self._count = 0

    def _grow(self, more: int) -> None:
        """Room for so many more."""
        self._count += more
        if self._count <= len(self._numbers):
            return
        room = max(self._count, 2 * len(self._numbers))
        for name in ("_bodies", "_numbers", "_changed"):
            old = getattr(self, name)
            new = np.empty((room, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
