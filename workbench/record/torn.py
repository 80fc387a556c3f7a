"""Object headers of which a writer wrote only half, put back as they were before that write.

A process that ends inside a write, as at a power cut, can leave an object header whose first bytes
are new and whose rest, checksum included, is old. HDF5 then refuses everything behind that header.
A series' header changes in one place as records are appended, the first extent of its dataspace,
and the old checksum is still there: so the old extent is found by trying, and the header that comes
out is the one that was there, proved by 32 bits. Headers for which no extent fits are left alone.

Layout of a version 2 object header (little-endian): 0–3 "OHDR", 4 version, 5 flags (bits 0–1: width
of the size; bit 2: messages carry their creation order; bit 4: 4 bytes of attribute limits; bit 5:
16 bytes of times), size of the messages, messages, lookup3 checksum of all before it. A message: type
(1 byte), size (2), flags (1), order (2, where carried), data. A dataspace (type 1) begins with version
2, rank, flags, type, and then the extents of 8 bytes each.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np

from workbench.arrays import Array
from workbench.record.lookup3 import hashed, lookup3

SIGNATURE = b"OHDR\x02"
REACH = 65_536
"""Most rows that one commit can add to, or have added to, a series' extent."""
_DATASPACE = 1
_LONGEST = 65_536
"""Longest header looked at, in bytes: those of series have a few hundred."""


def restored_headers(descriptor: int) -> dict[int, bytes]:
    """Headers of an open file that a torn write left, by offset, as they were before it.

    Reads the whole file; empty where no header is torn, or none can be proved.
    """
    size = os.fstat(descriptor).st_size
    if not size:
        return {}
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as view:
        found = ((start, _restored(view, start, end)) for start, end in _headers(view))
        return {start: header for start, header in found if header is not None}


def _headers(view: mmap.mmap) -> Iterator[tuple[int, int]]:
    """(start, end) of everything that looks like an object header, checksum excluded."""
    start = view.find(SIGNATURE)
    while start >= 0:
        messages, size = _prefix(view, start)
        if 0 < size <= _LONGEST and messages + size + 4 <= len(view):
            yield start, messages + size
        start = view.find(SIGNATURE, start + 1)


def _prefix(view: mmap.mmap, start: int) -> tuple[int, int]:
    """Where the messages of a header begin, and how many bytes they have."""
    flags = view[start + 5] if start + 5 < len(view) else 0
    place = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return place + width, int.from_bytes(view[place : place + width], "little")


def _restored(view: mmap.mmap, start: int, end: int) -> bytes | None:
    """The header with its old extent; None where it is whole, or no extent fits."""
    block, kept = view[start:end], int.from_bytes(view[end : end + 4], "little")
    if lookup3(block) == kept:
        return None
    place = _extent(block, _prefix(view, start)[0] - start)
    if place is None:
        return None
    now = int.from_bytes(block[place : place + 8], "little")
    tried = np.arange(max(0, now - REACH), now + REACH, dtype=np.uint64)
    fits = np.flatnonzero(_checksums(block, place, tried) == kept)
    if len(fits) != 1:
        return None
    extent = int(tried[fits[0]]).to_bytes(8, "little")
    return block[:place] + extent + block[place + 8 :]


def _extent(block: bytes, messages: int) -> int | None:
    """Where the first extent of the dataspace stands in a header; None where it has none."""
    head = 6 if block[5] & 0x04 else 4
    place = messages
    while place + head <= len(block):
        size = int.from_bytes(block[place + 1 : place + 3], "little")
        data = place + head
        if block[place] == _DATASPACE and size >= 12 and block[data] == 2 and block[data + 1] >= 1:
            return data + 4
        place = data + size
    return None


def _checksums(block: bytes, place: int, extents: Array) -> Array:
    """lookup3 of the header with each of the extents (K,) at `place`."""
    padded = block + bytes(-len(block) % 12)
    many = np.broadcast_to(np.frombuffer(padded, np.uint8), (len(extents), len(padded))).copy()
    many[:, place : place + 8] = extents.astype("<u8")[:, None].view(np.uint8)
    words = many.view("<u4").astype(np.uint32)
    return np.asarray(hashed(list(words.T), len(block)))
