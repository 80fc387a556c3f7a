"""`run.journal`: what was committed to `run.h5` and has not been put into it yet.

Pages of 512 bytes of the file to be, in frames, one a commit. A frame is whole or it does not count, so
a commit that was cut off at any byte, by a kill or by the power, leaves the file as it was before, and
one that was not is there whatever became of `run.h5` itself: putting pages in place can be done again.

Layout (little-endian). Header, 36 bytes: magic (8), token of this journal (8), place of a guard in
`run.h5` or −1 (8), the guard's 8 bytes when the journal was begun, crc32 of these. Frame: magic (4),
number of pages (4), number of the frame (8), size of the file afterwards (8), crc32 of these, the token
and the body (4); body: page numbers of 8 bytes each, then the pages.

The guard is the count of committed records: a `run.h5` that holds neither the count at the beginning
nor the one at the end is another state of the run, put there by somebody, and the journal is not its.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Int
from workbench.errors import StorageError, clean_text

JOURNAL_NAME = "run.journal"
PAGE = 512
NO_GUARD = -1
LARGEST = 1 << 30
"""Bytes of the longest journal that is read; one that was written is put in place long before."""

_MAGIC = b"WBJRNL1\n"
_FRAME_MAGIC = b"FRM\n"
_HEADER = struct.Struct("<8s8sq8sI")
_FRAME = struct.Struct("<4sIQQI")
HEADER_SIZE = _HEADER.size


@dataclass(frozen=True)
class Pending:
    """Pages that are committed and may not be in the file: their number to their 512 bytes.

    `size`: the file's size with them, None without any.
    """

    pages: Mapping[int, bytes] = field(default_factory=dict)
    size: int | None = None


NOTHING = Pending()


def header(token: bytes, guard: int, value: bytes) -> bytes:
    """The first bytes of a journal: `token` and `value` have 8 bytes."""
    head = _HEADER.pack(_MAGIC, token, guard, value, 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def frame(
    token: bytes, number: int, numbers: Int[np.ndarray, " k"], bodies: Array, size: int
) -> tuple[bytes, memoryview]:
    """One commit: the pages' numbers and their (k, 512) bytes in their order, and the file's size
    afterwards; as what stands before the pages, and the pages."""
    listed, body = numbers.astype("<u8").tobytes(), bodies.reshape(-1).data
    head = _FRAME.pack(_FRAME_MAGIC, len(numbers), number, size, 0)[:-4]
    crc = zlib.crc32(body, zlib.crc32(listed, zlib.crc32(token + head)))
    return head + crc.to_bytes(4, "little") + listed, body


def pending(folder: Path, base: int) -> Pending:
    """What the journal in `folder` holds for the file open as `base`; nothing where there is none.

    Raises:
        StorageError: it cannot be read, is damaged before its end, or belongs to another state of the file.
    """
    path = folder / JOURNAL_NAME
    name = clean_text(str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        raise StorageError(f"cannot read '{name}': {error.strerror}.") from error
    try:
        with open(descriptor, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise StorageError(f"cannot read '{name}': {error.strerror}.") from error
    if len(content) > LARGEST:
        raise StorageError(f"'{name}' is no journal of a run: it is longer than one gets.")
    if len(content) <= HEADER_SIZE:
        return NOTHING  # cut off as it was begun: nothing had been committed to it
    return _read(content, name, base)


def _read(content: bytes, name: str, base: int) -> Pending:
    magic, token, guard, value, crc = _HEADER.unpack_from(content)
    if magic != _MAGIC or zlib.crc32(content[: HEADER_SIZE - 4]) != crc:
        raise StorageError(
            f"'{name}' is damaged: its beginning does not hold. It has the last seconds of the run; "
            "without that file run.h5 is read as it is."
        )
    pages: dict[int, bytes] = {}
    size, place, number = None, HEADER_SIZE, None
    while (found := _frame_at(content, place, token, number)) is not None:
        number, size, place = found[0], found[1], _collect(content, place, pages)
    if _frame_after(content, place, token):
        raise StorageError(
            f"'{name}' is damaged in its middle: commits that stand behind the damage would be lost. "
            "Without that file run.h5 is read as it is."
        )
    if pages and guard != NO_GUARD and not _guarded(base, guard, value, pages):
        raise StorageError(
            f"'{name}' belongs to another state of run.h5 than the one beside it, which was put there "
            "by somebody; without that file run.h5 is read as it is."
        )
    return Pending(pages, size)


def _frame_at(
    content: bytes, place: int, token: bytes, number: int | None
) -> tuple[int, int] | None:
    """(number, size) of the whole frame at a place that follows frame `number`; None where there is none."""
    if place + _FRAME.size > len(content):
        return None
    magic, count, this, size, crc = _FRAME.unpack_from(content, place)
    end = place + _FRAME.size + count * (8 + PAGE)
    if magic != _FRAME_MAGIC or end > len(content) or number not in (None, this - 1):
        return None
    head, body = place + _FRAME.size - 4, memoryview(content)[place + _FRAME.size : end]
    if zlib.crc32(body, zlib.crc32(token + content[place:head])) != crc:
        return None
    return this, size


def _collect(content: bytes, place: int, pages: dict[int, bytes]) -> int:
    """Add a whole frame's pages, later ones last in the order; where it ends."""
    count = _FRAME.unpack_from(content, place)[1]
    start = place + _FRAME.size
    first = start + 8 * count
    for k, page in enumerate(np.frombuffer(content, "<u8", count, start).tolist()):
        pages.pop(page, None)
        pages[page] = content[first + k * PAGE : first + (k + 1) * PAGE]
    return first + count * PAGE


def _frame_after(content: bytes, place: int, token: bytes) -> bool:
    """Whether a whole frame of this journal stands somewhere behind a place."""
    place = content.find(_FRAME_MAGIC, place + 1)
    while place >= 0:
        if _frame_at(content, place, token, None) is not None:
            return True
        place = content.find(_FRAME_MAGIC, place + 1)
    return False


def _guarded(base: int, guard: int, value: bytes, pages: Mapping[int, bytes]) -> bool:
    """Whether the file holds the guard as at the beginning, as in the pages, or half of each."""
    page, inside = divmod(guard, PAGE)
    there = os.pread(base, 2 * PAGE, page * PAGE).ljust(2 * PAGE, b"\0")
    then = b"".join(pages.get(page + k, there[k * PAGE : (k + 1) * PAGE]) for k in range(2))
    span = slice(inside, inside + 8)
    return all(a in (b, c) for a, b, c in zip(there[span], value, then[span], strict=True))
