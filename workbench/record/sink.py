"""A new file that HDF5 builds in and whose writes, as HDF5 sees them, never fail.

HDF5 does not get over a failed write: objects that hold what could not be written fail again as they are
let go, where Python drops the error, and the library crashes when the process exits. So the first failure
is kept here and raised by `check`; what is written after it is held in memory, where HDF5 finds it again
until it has closed the file in order. What lies on the disk by then is no file and is removed.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.record.positioned import Positioned

_PAGE = 4096


class Sink(Positioned):
    """An empty file at `path`, replacing what is there; raises OSError when it cannot be made.

    Attributes:
        failure: the first write that failed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.failure: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._late: dict[int, bytearray] = {}

    def check(self) -> None:
        """Raise the first failure, if a write has failed."""
        if self.failure is not None:
            raise self.failure

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data` at the position, into memory once the disk has refused some."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += os.pwrite(self._descriptor, view[done:], self._position + done)
        except OSError as error:
            self.failure = error
        if self.failure is not None:
            self._keep(self._position, view)
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        view[:] = self._stored(self._position, len(view))
        for start, stop in _pages(self._position, len(view)):
            page = self._late.get(start // _PAGE)
            if page is not None:
                first = start - self._position
                view[first : first + stop - start] = page[start % _PAGE :][: stop - start]
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file to `size` bytes, by default to the position."""
        self._size = self._position if size is None else size
        try:
            if self.failure is None:
                os.ftruncate(self._descriptor, self._size)
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
            found = os.pread(self._descriptor, size, start)
        except OSError as error:
            self.failure = self.failure or error
            found = b""
        return found.ljust(size, b"\0")

    def _keep(self, position: int, view: memoryview) -> None:
        for start, stop in _pages(position, len(view)):
            number = start // _PAGE
            page = self._late.get(number)
            if page is None:
                page = self._late[number] = bytearray(self._stored(number * _PAGE, _PAGE))
            page[start % _PAGE : start % _PAGE + stop - start] = view[
                start - position : stop - position
            ]


def _pages(position: int, size: int) -> list[tuple[int, int]]:
    """`size` bytes from `position` cut where pages begin: of each part its first byte and where it ends."""
    end = position + size
    cuts = [position, *range((position // _PAGE + 1) * _PAGE, end, _PAGE), end]
    return list(pairwise(cuts))
