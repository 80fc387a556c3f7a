"""Reading a run file without opening it through HDF5's own file driver.

`Overlay` is a read-only file object that shows the file with its consistency flags cleared and
its true size as the end of file. h5py reads through it, so that

- a killed writer's file can be read without being changed and without the run's lock;
- a live file can be read: each opening is a snapshot, valid for the rows committed before it;
- a header that a killed writer left half written is seen as it was before, where that can be proved
  (`workbench.record.torn`; only where asked for, as it means a look at the whole file);
- damaged metadata fails at once (an SWMR open retries torn metadata, at growing intervals), also
  the global heaps, which have no checksum and on which HDF5 can loop for ever;
- HDF5 never sees the reader and a writer in the same process as the same file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import StorageError, clean_text
from workbench.record.superblock import HEAD_SIZE, check_head, is_flagged, patched_head
from workbench.record.torn import restored_headers

H5_ERRORS = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)
"""What h5py and numpy raise on a file that is damaged or not what it seems."""


_HEAP_BEGINS = b"GCOL\x01\0\0\0"


def check_global_heap(block: memoryview, beyond: Callable[[int], bytes]) -> None:
    """Walk a global heap collection as HDF5 will, and refuse what ends nowhere.

    Layout: 8 bytes of signature and version, 8 of the collection's size; then objects, each of
    2 bytes index, 6 ignored, 8 size, and the data padded to 8. Index 0 is the free space, whose
    size includes its header.

    Args:
        block: the collection or its first part: HDF5 reads the rest afterwards, unseen.
        beyond: the 16 bytes at a place past the block, fewer at the end of the file.

    Raises:
        OSError: an object passes the end of the collection, or has no size at all.
    """
    end = int.from_bytes(block[8:16], "little")
    position = 16
    while position + 16 <= end:
        inside = position + 16 <= len(block)
        header = bytes(block[position : position + 16]) if inside else beyond(position)
        index = int.from_bytes(header[:2], "little")
        size = int.from_bytes(header[8:], "little")
        need = 16 + (size + 7) // 8 * 8 if index else size
        if need < 16 or position + need > end:
            raise OSError("damaged global heap")
        position += need


class Overlay(io.RawIOBase):
    """A file as HDF5 should see it: flags cleared, end of file at the size when opened.

    `restored`: torn headers as they were before.

    Raises:
        StorageError: the file is missing, unreadable, a folder, empty, or no HDF5 file.
    """

    def __init__(self, path: Path, *, restored: bool = False) -> None:
        super().__init__()
        self._descriptor = -1
        name = clean_text(str(path))
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            head = os.pread(self._descriptor, HEAD_SIZE, 0)
            self._size = os.fstat(self._descriptor).st_size
        except OSError as error:
            self.close()
            raise StorageError(f"cannot read '{name}': {error.strerror}.") from error
        try:
            check_head(head, path)
        except StorageError:
            self.close()
            raise
        self.flagged = is_flagged(head)
        self._patches = {0: patched_head(head, self._size)} if self.flagged else {}
        if restored:
            self._patches |= restored_headers(self._descriptor)
        self._position = 0

    def readable(self) -> bool:
        """Always: this is a reader."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; what lies past the end of the file reads as zeros."""
        view = memoryview(buffer).cast("B")
        wanted, filled = len(view), 0
        while filled < wanted:
            count = os.preadv(self._descriptor, [view[filled:]], self._position + filled)
            if count == 0:
                view[filled:] = bytes(wanted - filled)
                break
            filled += count
        for place, patch in self._patches.items():
            first = max(place, self._position)
            last = min(place + len(patch), self._position + wanted)
            if first < last:
                inside = patch[first - place : last - place]
                view[first - self._position : last - self._position] = inside
        self._position += wanted
        if view[:8] == _HEAP_BEGINS:
            start = self._position - wanted
            check_global_heap(view, lambda at: os.pread(self._descriptor, 16, start + at))
        return wanted

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what h5py raises inside into one StorageError that names the file."""
    try:
        yield
    except StorageError:
        raise
    except H5_ERRORS as error:
        reason = clean_text(str(error).strip("'\""), 160)
        raise StorageError(f"'{clean_text(str(path))}' cannot be read: {reason}.") from error
