"""Reading a run file without opening it through HDF5's own file driver.

`Overlay` is a read-only file object that shows the file with its consistency flags cleared and
its true size as the end of file. h5py reads through it, so that

- a killed writer's file can be read without being changed and without the run's lock;
- a live file can be read: each opening is a snapshot, valid for the rows committed before it;
- a header that a killed writer left half written is seen as it was before, where that can be proved
  (`workbench.record.torn`; only where asked for, as it means a look at the whole file);
- what a journal beside a run's file holds is seen as if it were in it (`workbench.record.journal`);
- damaged metadata fails at once (an SWMR open retries torn metadata, at growing intervals), also
  the global heaps, which have no checksum and on which HDF5 can loop for ever;
- HDF5 never sees the reader and a writer in the same process as the same file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import StorageError, clean_text
from workbench.record.journal import NOTHING, PAGE, pending
from workbench.record.positioned import Positioned
from workbench.record.schema import RUN_FILE
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


class Overlay(Positioned):
    """A file as HDF5 should see it: flags cleared, end of file at the size when opened.

    `restored`: torn headers as they were before, in a file without a journal. `links`: whether the path may
    be one.

    Raises:
        StorageError: the file is missing, unreadable, a folder, empty, or no HDF5 file; or its journal is
            damaged or not its.
    """

    def __init__(self, path: Path, *, restored: bool = False, links: bool = True) -> None:
        super().__init__()
        self._descriptor = -1
        name = clean_text(str(path))
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            self._descriptor = os.open(path, flags if links else flags | os.O_NOFOLLOW)
            # The journal first: a live writer empties it only when the file has it all.
            kept = pending(path.parent, self._descriptor) if path.name == RUN_FILE else NOTHING
            self._size = os.fstat(self._descriptor).st_size if kept.size is None else kept.size
            head = os.pread(self._descriptor, HEAD_SIZE, 0)
            head = kept.pages.get(0, head)[:HEAD_SIZE]
            check_head(head, path)
            self.flagged = is_flagged(head)
            self._pages = kept.pages
            self._patches = {0: patched_head(head, self._size)} if self.flagged else {}
            if restored and not kept.pages:
                self._patches |= restored_headers(self._descriptor)
        except OSError as error:
            self.close()
            raise StorageError(f"cannot read '{name}': {error.strerror}.") from error
        except BaseException:
            self.close()
            raise

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; what lies past the end of the file reads as zeros."""
        view = memoryview(buffer).cast("B")
        start = self._position
        self._fill(view, start)
        self._position += len(view)
        if view[:8] == _HEAP_BEGINS:
            check_global_heap(view, lambda at: self._header_at(start + at))
        return len(view)

    def _header_at(self, place: int) -> bytes:
        found = bytearray(16)
        self._fill(memoryview(found), place)
        return bytes(found)

    def _fill(self, view: memoryview, start: int) -> None:
        """What stands from a place on, the journal's pages and the patches laid over it."""
        wanted, filled = len(view), 0
        while filled < wanted:
            count = os.preadv(self._descriptor, [view[filled:]], start + filled)
            if count == 0:
                view[filled:] = bytes(wanted - filled)
                break
            filled += count
        if self._pages:
            for page in range(start // PAGE, -(-(start + wanted) // PAGE)):
                content = self._pages.get(page)
                if content is not None:
                    _lay(content, page * PAGE, view, start)
        for place, patch in self._patches.items():
            _lay(patch, place, view, start)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()


def _lay(patch: bytes, place: int, view: memoryview, start: int) -> None:
    """Lay the bytes of a place over those of `view`, which begins at `start`."""
    first, last = max(place, start), min(place + len(patch), start + len(view))
    if first < last:
        view[first - start : last - start] = patch[first - place : last - place]


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
