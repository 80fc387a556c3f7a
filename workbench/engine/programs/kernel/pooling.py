"""ReLU and max-pooling over 2×2 windows in one pass, and their pull-back, for pictures in either float type.

As torch's `max_pool2d(relu(h), 2, ceil_mode=True)` to the last bit: of equal values in a window the first in
reading order gets the gradient, where all are ≤ 0 none does, NaN is passed on. An odd last row or column is
pooled by itself.
"""

from __future__ import annotations

from typing import Any

from numba import types

from workbench.engine.programs.kernel.compiled import compiled, part

DEAD = 4
"""A window's place where no gradient goes; 0 to 3 are its pixels, row by row."""

PLACES = types.uint8[:, :, ::1]
SINGLE, DOUBLE = types.float32[:, :, ::1], types.float64[:, :, ::1]


@part
def _window(h: Any, p: Any, i: Any, j: Any) -> Any:
    """The largest value of a window and where it is; pixels beyond the picture do not count."""
    rows, columns = h.shape[1], h.shape[2]
    top, at = h[p, 2 * i, 2 * j], 0
    if 2 * j + 1 < columns:
        value = h[p, 2 * i, 2 * j + 1]
        if value > top or value != value:
            top, at = value, 1
    if 2 * i + 1 < rows:
        value = h[p, 2 * i + 1, 2 * j]
        if value > top or value != value:
            top, at = value, 2
        if 2 * j + 1 < columns:
            value = h[p, 2 * i + 1, 2 * j + 1]
            if value > top or value != value:
                top, at = value, 3
    return top, at


@part
def _pool(h: Any, pooled: Any, place: Any) -> None:
    zero = pooled.dtype.type(0.0)
    for p in range(h.shape[0]):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                top, at = _window(h, p, i, j)
                dead = top <= zero
                pooled[p, i, j] = zero if dead else top
                place[p, i, j] = DEAD if dead else at


@part
def _pool_even(h: Any, pooled: Any, place: Any) -> None:
    """The same where both sides are even: without bounds to look at, which lets it run several windows at
    once."""
    zero = pooled.dtype.type(0.0)
    for p in range(h.shape[0]):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                top, at = h[p, 2 * i, 2 * j], 0
                value = h[p, 2 * i, 2 * j + 1]
                if value > top or value != value:
                    top, at = value, 1
                value = h[p, 2 * i + 1, 2 * j]
                if value > top or value != value:
                    top, at = value, 2
                value = h[p, 2 * i + 1, 2 * j + 1]
                if value > top or value != value:
                    top, at = value, 3
                dead = top <= zero
                pooled[p, i, j] = zero if dead else top
                place[p, i, j] = DEAD if dead else at


@part
def _spread(g: Any, place: Any, gradient: Any) -> None:
    rows, columns = gradient.shape[1], gradient.shape[2]
    zero = gradient.dtype.type(0.0)
    for p in range(g.shape[0]):
        for i in range(g.shape[1]):
            below = 2 * i + 1 < rows
            for j in range(columns // 2):
                value, at = g[p, i, j], place[p, i, j]
                gradient[p, 2 * i, 2 * j] = value if at == 0 else zero
                gradient[p, 2 * i, 2 * j + 1] = value if at == 1 else zero
                if below:
                    gradient[p, 2 * i + 1, 2 * j] = value if at == 2 else zero
                    gradient[p, 2 * i + 1, 2 * j + 1] = value if at == 3 else zero
            if columns % 2:
                j = columns // 2
                value, at = g[p, i, j], place[p, i, j]
                gradient[p, 2 * i, 2 * j] = value if at == 0 else zero
                if below:
                    gradient[p, 2 * i + 1, 2 * j] = value if at == 2 else zero


@part
def _pooled(h: Any, pooled: Any, place: Any) -> None:
    if h.shape[1] % 2 == 0 and h.shape[2] % 2 == 0:
        _pool_even(h, pooled, place)
    else:
        _pool(h, pooled, place)


@compiled(types.void(SINGLE, SINGLE, PLACES))
def pool_single(h: Any, pooled: Any, place: Any) -> None:
    """From h (planes, height, width) the pooled pictures and the places of what they hold, both
    (planes, ⌈height/2⌉, ⌈width/2⌉)."""
    _pooled(h, pooled, place)


@compiled(types.void(DOUBLE, DOUBLE, PLACES))
def pool_double(h: Any, pooled: Any, place: Any) -> None:
    """The same in float64."""
    _pooled(h, pooled, place)


@compiled(types.void(SINGLE, PLACES, SINGLE))
def spread_single(g: Any, place: Any, gradient: Any) -> None:
    """From g, the gradient behind the pool, all of the one before it, (planes, height, width)."""
    _spread(g, place, gradient)


@compiled(types.void(DOUBLE, PLACES, DOUBLE))
def spread_double(g: Any, place: Any, gradient: Any) -> None:
    """The same in float64."""
    _spread(g, place, gradient)
