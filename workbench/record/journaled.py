"""A run file that is only ever changed by whole commits, as a file object that HDF5 writes through.

HDF5 writes one change in dozens of places. Here they stay in memory, as the pages of 512 bytes that
differ from what is there; `append` makes one frame of them in the journal beside the file
(`workbench.record.journal`), and only `apply` puts them into the file, after the journal is on the
disk. So a process may end between any two calls or inside one, and the file with its journal is as
it was after some commit. HDF5 itself never sees a write fail: a full disk is met in `append`, and
`discard` makes it let go of what could not be kept.

Measured, medians of a commit: of 462 kB that HDF5 writes 348 kB of pages differ in a run of 12 series with
many records, and of 463 kB 85 kB in one of 20 series with few.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.errors import RecordingGone, clean_text
from workbench.record.atomic import sync_folder
from workbench.record.journal import JOURNAL_NAME, NO_GUARD, PAGE, frame, header, pending
from workbench.record.pages import Pages
from workbench.record.positioned import Positioned

APPLY_BYTES = 16 * 1024 * 1024
"""A journal this long is put into the file at once."""

_COPY_BYTES = 4 * 1024 * 1024


class JournaledFile(Positioned):
    """An existing file, opened for changes; what a journal beside it holds is put into it first.

    Attributes:
        path: the file.
        guard: the place of the 8 bytes that say which state of the file a journal belongs to.
        replayed: whether the journal held something.
        amend: what to make of bytes that are to stand at the file's very beginning.

    Raises:
        OSError: the file cannot be opened or written.
        StorageError: its journal is damaged or not its.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.guard, self.replayed = path, NO_GUARD, False
        self.amend: Callable[[bytes], bytes] = bytes
        self._journal = -1
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._journal_size = self._number = 0
        self._discarded = False
        self._pages, self._framed = Pages(), 0
        try:
            self._size = self._applied_size = os.fstat(self._descriptor).st_size
            self._committed_size = self._size
            found = pending(path.parent, self._descriptor)
            if found.size is not None:
                self._size, self._pages = found.size, Pages.of(found.pages)
                self._put_in_place()
                self.replayed = True
            (path.parent / JOURNAL_NAME).unlink(missing_ok=True)
        except BaseException:
            os.close(self._descriptor)
            raise

    # --- as HDF5 sees it ---

    def writable(self) -> bool:
        """Always; after `discard` to no effect."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; what lies past the end reads as zeros."""
        view = memoryview(buffer).cast("B")
        first, last = self._position // PAGE, -(-(self._position + len(view)) // PAGE)
        skipped = self._position - first * PAGE
        view[:] = self._read(first, last).reshape(-1).data[skipped : skipped + len(view)]
        self._position += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        """Take bytes at the position; only pages that change are kept."""
        view = memoryview(data).cast("B")
        if self._discarded or not len(view):
            return len(view)
        if self._position == 0:
            view = memoryview(self.amend(bytes(view)))
        first, last = self._position // PAGE, -(-(self._position + len(view)) // PAGE)
        skipped = self._position - first * PAGE
        old = self._read(first, last)
        new = old.copy()
        new.reshape(-1)[skipped : skipped + len(view)] = view
        differs = np.flatnonzero((old.view("<u8") != new.view("<u8")).any(axis=1))
        if len(differs):
            # In the order of their last change, as HDF5 means them to reach the disk.
            self._pages.put(first + differs, new[differs])
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """The size the file is to have; HDF5 asks for it at a flush."""
        if not self._discarded:
            self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Nothing: a flush of HDF5 is not yet a commit."""

    def _read(self, first: int, last: int) -> Array:
        """Pages `first` to `last`, (k, 512) bytes, as they are with every change."""
        found = np.zeros((last - first, PAGE), np.uint8)
        wanted = min(found.size, max(0, self._applied_size - first * PAGE))
        view, filled = found.reshape(-1).data, 0
        while filled < wanted:
            count = os.preadv(self._descriptor, [view[filled:wanted]], first * PAGE + filled)
            if not count:
                break
            filled += count
        self._pages.lay_over(first, found)
        return found

    # --- as the store sees it ---

    @property
    def descriptor(self) -> int:
        """Of the file itself, to look at."""
        return self._descriptor

    @property
    def size(self) -> int:
        """Bytes of the file with every change."""
        return self._size

    def bytes_at(self, place: int, count: int) -> bytes:
        """Bytes of the file with every change, fewer at its end."""
        self.seek(place)
        found = bytearray(max(0, min(count, self._size - place)))
        self.readinto(found)
        return bytes(found)

    def write_at(self, place: int, data: bytes) -> None:
        """Change bytes."""
        self.seek(place)
        self.write(data)

    def append(self) -> None:
        """Commit: afterwards the changes survive the process.

        Raises:
            RecordingGone: the file has been removed or replaced; nothing is written.
            OSError: the journal cannot be written; it is as it was.
        """
        self.require_in_place()
        if self._pages.changes == self._framed and self._size == self._committed_size:
            return
        if self._journal < 0:
            self._begin()
        changed = self._pages.since(self._framed)
        head, body = frame(self._token, self._number + 1, *changed, self._size)
        try:
            _write_all(self._journal, head, self._journal_size)
            _write_all(self._journal, body, self._journal_size + len(head))
        except OSError:
            os.ftruncate(self._journal, self._journal_size)
            raise
        self._number += 1
        self._committed_size = self._size
        self._journal_size += len(head) + len(body)
        self._framed = self._pages.changes

    @property
    def is_long(self) -> bool:
        """Whether what waits in the journal should be put into the file by now."""
        return self._journal_size >= APPLY_BYTES

    def apply(self) -> None:
        """Put what is committed into the file: afterwards it survives a power cut.

        Raises:
            OSError: it cannot be written; it is still in the journal.
        """
        if self._journal < 0:
            return
        os.fsync(self._journal)
        self._put_in_place()
        os.ftruncate(self._journal, 0)
        self._journal_size = 0
        # A new token: after a power cut that undid the cutting, old frames are not taken for this one's.
        self._token = os.urandom(8)
        self._write_header()

    def require_in_place(self) -> None:
        """Raises RecordingGone unless the path still leads to this very file."""
        own = os.fstat(self._descriptor)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino):
            name = clean_text(self.path.parent.name)
            what = "deleted or moved" if there is None else "replaced"
            raise RecordingGone(f"run.h5 of run {name} was {what} while the run was written.")

    def copy_to(self, target: Path) -> None:
        """Write the file with every change to a new file `target`, and fsync it.

        Raises:
            OSError: it exists, or cannot be written.
        """
        with open(target, "xb") as copy:
            for start in range(0, self._size, _COPY_BYTES):
                size = min(_COPY_BYTES, self._size - start)
                first, last = start // PAGE, -(-(start + size) // PAGE)
                copy.write(self._read(first, last).reshape(-1).data[:size])
            copy.flush()
            os.fsync(copy.fileno())

    def discard(self) -> None:
        """Take no more changes; file and journal stay as the last commit left them."""
        self._discarded = True

    def close(self) -> None:
        """Let go of the file, and of the journal where nothing is left in it; twice is once."""
        descriptor, self._descriptor = self._descriptor, -1
        journal, self._journal = self._journal, -1
        if descriptor >= 0:
            os.close(descriptor)
        if journal >= 0:
            os.close(journal)
            if not self._discarded and not len(self._pages):
                with contextlib.suppress(OSError):  # an empty one means nothing
                    os.unlink(self.path.parent / JOURNAL_NAME)
        super().close()

    def _begin(self) -> None:
        """Make the journal; its name is on the disk before anything is acknowledged."""
        path = self.path.parent / JOURNAL_NAME
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._token = os.urandom(8)
        self._journal = os.open(path, flags, 0o666)
        try:
            self._write_header()
            sync_folder(path.parent)
        except OSError:
            os.close(self._journal)
            self._journal = -1
            raise

    def _write_header(self) -> None:
        value = b"\0" * 8 if self.guard == NO_GUARD else os.pread(self._descriptor, 8, self.guard)
        if len(value) < 8:
            raise OSError(f"the file ends before byte {self.guard + 8}")
        head = header(self._token, self.guard, value)
        _write_all(self._journal, head, 0)
        self._journal_size = len(head)

    def _put_in_place(self) -> None:
        """Write the pages to the file and fsync it."""
        numbers, bodies = self._pages.since(0)
        # Those that follow each other are joined where they also lie together.
        cuts = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
        for first, last in pairwise(cuts):
            place = int(numbers[first]) * PAGE if first < last else 0
            run = bodies[first:last].reshape(-1).data
            _write_all(self._descriptor, run[: max(0, self._size - place)], place)
        if os.fstat(self._descriptor).st_size != self._size:
            os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)
        self._applied_size = self._committed_size = self._size
        self._pages.clear()


def _write_all(descriptor: int, data: bytes | memoryview, place: int) -> None:
    """Write every byte: a short write goes on."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, place)
        view, place = view[count:], place + count
