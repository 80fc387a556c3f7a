"""Room for numbers that begins at a line of the processor's cache."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Array

LINE = 64
"""Bytes. Vectors that lie across two lines are read half as fast."""


def aligned(count: int) -> Array:
    """Room for so many float64 numbers."""
    room = np.empty(count + LINE // 8)
    start = -room.ctypes.data // 8 % (LINE // 8)
    return room[start : start + count]
