"""A convolutional network as integers: which rows a stage sums, which pixels it pools, where its rows lie.

`shape` begins with b, the samples of a tile and the number of stages. A stage has `FIELDS` integers, stage k
from HEADER + k·FIELDS on, that point into the tables behind them all:

    WEIGHTS, BIAS       where they begin in θ; no bias: −1
    OUTPUTS, WIDTH      how many outputs, and weights of each
    PIXELS, POOLED      of an output before and behind the pool; 0: no pool
    RELU                whether one stands behind it
    TAPS                PIXELS + 1 places in `shape`, the taps of pixel p are from the p-th to the next:
                        pairs (row of the input, column of the weight)
    WINDOWS             (POOLED, 4) pixels of a window in reading order, −1 beyond the picture
    ROWS, BEHIND        the first of its rows in `work` before its pool and behind it; without one the same
    PLACES              the first row of the places of what was pooled
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array
from workbench.models.convolutional import Convolution, Convolutional, Pool
from workbench.models.structure import Structure

WEIGHTS, BIAS, OUTPUTS, WIDTH, PIXELS, POOLED, RELU, TAPS, WINDOWS, ROWS, BEHIND, PLACES = range(12)
HEADER, FIELDS = 3, 12
MOST_INTEGERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Tables:
    """`integers` follow b and the tile in `shape`; `rows`: of room for the stages, `spare` for a gradient."""

    integers: Array
    rows: int
    spare: int
    outputs: int


def tables_of(model: Convolutional, structure: Structure) -> Tables | None:
    """Of a network whose pools stand behind convolutions; None for others, and for pictures so large that the
    tables would be."""
    plan = [part for part in model.plan if not isinstance(part, Pool)]
    fields = np.zeros((len(plan), FIELDS), dtype=np.int64)
    tables: list[Array] = []
    end = HEADER + fields.size
    rows = k = 0
    picture = model.image
    poolable = False
    for part in model.plan:
        if isinstance(part, Pool):
            if not poolable:
                return None
            at = fields[k - 1]
            windows = _windows(picture[1], picture[2])
            at[POOLED], at[WINDOWS] = len(windows), end
            at[BEHIND], at[PLACES] = rows, rows + at[OUTPUTS] * len(windows)
            rows = int(at[PLACES] + at[OUTPUTS] * len(windows))
            tables.append(windows.reshape(-1))
            end += windows.size
            picture = (picture[0], -(-picture[1] // 2), -(-picture[2] // 2))
            poolable = False
            continue
        at = fields[k]
        k += 1
        weight = structure.parameter(f"w{k}")
        at[WEIGHTS] = weight.start
        at[BIAS] = structure.parameter(f"b{k}").start if hasattr(model, f"b{k}") else -1
        at[OUTPUTS], at[WIDTH] = weight.shape[0], int(np.prod(weight.shape[1:]))
        kernel = weight.shape[2] if isinstance(part, Convolution) else 0
        padding = part.padding if isinstance(part, Convolution) else 0
        taps = _taps(picture, kernel, padding)
        at[PIXELS], at[RELU], at[TAPS] = len(taps), int(k < model.depth), end
        starts = end + len(taps) + 1 + np.cumsum([0, *(2 * len(t) for t in taps)])
        tables += [starts, np.concatenate(taps).reshape(-1)]
        end = int(starts[-1])
        at[ROWS] = at[BEHIND] = rows
        rows += int(at[OUTPUTS] * at[PIXELS])
        grown = 2 * padding - kernel + 1
        picture = (
            (weight.shape[0], picture[1] + grown, picture[2] + grown)
            if kernel
            else (weight.shape[0], 1, 1)
        )
        poolable = kernel > 0
        if end > MOST_INTEGERS:
            return None
    gates = [at[OUTPUTS] * at[PIXELS] for at in fields[:-1] if not at[POOLED]]
    integers = np.concatenate([[len(plan)], fields.reshape(-1), *tables]).astype(np.int64)
    return Tables(integers, rows, int(max(gates, default=0)), int(fields[-1, OUTPUTS]))


def _taps(picture: tuple[int, int, int], kernel: int, padding: int) -> list[Array]:
    """(taps, 2) of every pixel, in the order of the weights; a dense layer (kernel 0) has one for all."""
    channels, height, width = picture
    if not kernel:
        every = np.arange(channels * height * width)
        return [np.stack([every, every], axis=1)]
    c, i, j = (a.reshape(-1) for a in np.indices((channels, kernel, kernel)))
    columns = np.arange(channels * kernel * kernel)
    found = []
    for y in range(height + 2 * padding - kernel + 1):
        for x in range(width + 2 * padding - kernel + 1):
            row, column = y + i - padding, x + j - padding
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            places = (c * height + row) * width + column
            found.append(np.stack([places[inside], columns[inside]], axis=1))
    return found


def _windows(height: int, width: int) -> Array:
    """(windows, 4) pixels, −1 beyond the picture."""
    found = []
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            pixels = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)]
            found.append([r * width + s if r < height and s < width else -1 for r, s in pixels])
    return np.array(found, dtype=np.int64)
