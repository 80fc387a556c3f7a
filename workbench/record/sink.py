"""A new file that HDF5 builds in and whose writes, as HDF5 sees them, never fail.

HDF5 does not get over a failed write: objects that hold what could not be written fail again as they are
let go, where Python drops the error, and the library crashes when the process exits. So the first failure
is kept here and raised by `check`; what is written after it is held in memory, where HDF5 finds it again
until it has closed the file in order. What lies on the disk by then is no file and is removed.

What is small is held as well until a megabyte has come together: HDF5 writes a new run's file in more than
400 pieces, most of them headers of some bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.record.positioned import Positioned

_PAGE = 4096
_MOST_HELD = 256
"""Pages."""
_LARGE = 4 * _PAGE
"""Bytes from which on a write goes to the disk at once."""


class Sink(Positioned):
    """An empty file at `path`, replacing what is there; raises OSError when it cannot be made.

    Whoever has closed the HDF5 file calls `write_out`, then `check`.

    Attributes:
        failure: the first write that failed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.failure: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._held: dict[int, bytearray] = {}
        self._on_disk = 0

    def check(self) -> None:
        """Raise the first failure, if a write has failed."""
        if self.failure is not None:
            raise self.failure

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Take all of `data` at the position; into memory for good once the disk has refused some."""
        view = memoryview(data).cast("B")
        end = self._position + len(view)
        if len(view) >= _LARGE and self.failure is None:
            pages = range(self._position // _PAGE, -(-end // _PAGE))
            if any(number in self._held for number in pages):
                self.write_out()
            self._put(self._position, view)
        if len(view) < _LARGE or self.failure is not None:
            self._hold(self._position, view)
        self._position = end
        self._size = max(self._size, end)
        if len(self._held) > _MOST_HELD and self.failure is None:
            self.write_out()
        return len(view)

    def write_out(self) -> None:
        """Bring to the disk what is held, unless a write has failed; a failure is for `check` to raise."""
        for number, data in _joined(self._held):
            start = number * _PAGE
            self._put(start, memoryview(data)[: max(0, self._size - start)])
        if self.failure is None:
            self._held.clear()

    def _put(self, start: int, view: memoryview) -> None:
        """Write to the disk, unless a write has failed."""
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += os.pwrite(self._descriptor, view[done:], start + done)
        except OSError as error:
            self.failure = error
        self._on_disk = max(self._on_disk, start + done)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        view[:] = self._stored(self._position, len(view))
        for start, stop in _pages(self._position, len(view)):
            page = self._held.get(start // _PAGE)
            if page is not None:
                first = start - self._position
                view[first : first + stop - start] = page[start % _PAGE :][: stop - start]
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file to `size` bytes, by default to the position."""
        self._size = self._position if size is None else size
        if self.failure is None:
            self.write_out()
        try:
            if self.failure is None:
                os.ftruncate(self._descriptor, self._size)
                self._on_disk = self._size
        except OSError as error:
            self.failure = error
        return self._size

    def close(self) -> None:
        """Give the descriptor back."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _stored(self, start: int, size: int) -> bytes:
        """What the disk has from `start` on; zeros where it has nothing, or cannot be read any more."""
        try:
            found = os.pread(self._descriptor, size, start) if start < self._on_disk else b""
        except OSError as error:
            self.failure = self.failure or error
            found = b""
        return found.ljust(size, b"\0")

    def _hold(self, position: int, view: memoryview) -> None:
        for start, stop in _pages(position, len(view)):
            number = start // _PAGE
            page = self._held.get(number)
            if page is None:
                page = self._held[number] = bytearray(self._stored(number * _PAGE, _PAGE))
            page[start % _PAGE : start % _PAGE + stop - start] = view[
                start - position : stop - position
            ]


def _joined(pages: dict[int, bytearray]) -> Iterator[tuple[int, bytes]]:
    """Pages that follow each other as one: the first one's number, and all their bytes."""
    numbers = sorted(pages)
    cuts = [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1] + 1]
    for first, last in pairwise([0, *cuts, len(numbers)]):
        run = numbers[first:last]
        if run:
            yield run[0], b"".join(pages[number] for number in run)


def _pages(position: int, size: int) -> list[tuple[int, int]]:
    """`size` bytes from `position` cut where pages begin: of each part its first byte and where it ends."""
    end = position + size
    cuts = [position, *range((position // _PAGE + 1) * _PAGE, end, _PAGE), end]
    return list(pairwise(cuts))
