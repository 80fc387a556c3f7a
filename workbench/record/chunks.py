"""How many rows of a dataset lie together in the file."""

from __future__ import annotations

import numpy as np

_LIVE_CHUNK = 64 * 1024
_LIVE_ROWS = 1024
_PACKED_CHUNK = 256 * 1024
_PACKED_ROWS = 16384
LARGEST_CHUNK = 1024 * 1024


def chunk_shape(row: tuple[int, ...], itemsize: int, *, packed: bool) -> tuple[int, ...]:
    """A chunk of bounded bytes: many rows of a narrow series, one row or part of a wide one.

    Live chunks are small, because a commit rewrites the chunk it ends in; packed ones are larger,
    because they compress better.
    """
    shape = [max(1, size) for size in row]
    for axis in range(len(shape)):
        while itemsize * int(np.prod(shape)) > LARGEST_CHUNK and shape[axis] > 1:
            shape[axis] = -(-shape[axis] // 2)
    target, most = (_PACKED_CHUNK, _PACKED_ROWS) if packed else (_LIVE_CHUNK, _LIVE_ROWS)
    rows = target // (itemsize * int(np.prod(shape)))
    return (min(max(rows, 1), most), *shape)
