"""Convolutional ReLU networks with max-pooling: `models.convolutional` for pictures of any size.

Every stage, a convolution or a dense layer, is a sum over *taps*: output o at pixel p is b_o + Σ_t W[o,
column_t] · (input row row_t), over the taps of p that lie within the picture. A row is a number of every
sample of a *tile*; a tile goes through all stages before the next one does.

`shape` is what `cnn_tables` says. `work` holds, for every tile, rows: of each stage before its pool, and
where it has one those behind it and the places of what they hold, 0 to 3 in a window, `DEAD` where all is ≤
0; then room for a gradient, and the inputs. relu'(0) = 0, and of equal numbers in a window the first has the
gradient, as in torch. A tile is filled up with samples of zeros, whose weights are 0.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.compiled import (
    BACKWARD,
    COUNTED,
    FORWARD,
    compiled,
    counted_part,
)
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.cnn_tables import (
    BEHIND,
    BIAS,
    FIELDS,
    HEADER,
    OUTPUTS,
    PIXELS,
    PLACES,
    POOLED,
    RELU,
    ROWS,
    TAPS,
    WEIGHTS,
    WIDTH,
    WINDOWS,
    tables_of,
)
from workbench.engine.programs.kernel.networks.tiles import pull_inputs, pull_weights, sum_taps
from workbench.models.convolutional import Convolutional
from workbench.models.structure import Structure

TILE = 128
"""Most samples that go through the network together, so that the rows of a product stay in the cache."""
DEAD = 4.0


@compiled(FORWARD, COUNTED)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """Outputs (b·C)."""
    b, count, d = shape[0], shape[1], x.shape[0]
    room = work.size // (-(-b // count) * count)
    classes = outputs.size // b
    for low in range(0, b, count):
        tile = work[low * room : (low + count) * room].reshape((room, count))
        here = min(count, b - low)
        given = tile[room - d :]
        for j in range(d):
            given[j, :here] = x[j, low : low + here]
            given[j, here:] = 0.0
        source = given
        for k in range(shape[2]):
            at = _stage(shape, k)
            rows = tile[at[ROWS] : at[ROWS] + at[OUTPUTS] * at[PIXELS]]
            for i in range(rows.shape[0]):
                rows[i] = theta[at[BIAS] + i // at[PIXELS]] if at[BIAS] >= 0 else 0.0
            sum_taps(theta, at[WEIGHTS], at[WIDTH], source, rows, shape, at[TAPS], at[PIXELS])
            source = rows
            if at[POOLED]:
                source = _pool(rows, tile, at, shape)
            elif at[RELU]:
                _relu(rows)
        for c in range(classes):
            for i in range(here):
                outputs[(low + i) * classes + c] = source[c, i]


@compiled(BACKWARD, COUNTED)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """Gradient (P)."""
    b, count, d = shape[0], shape[1], x.shape[0]
    room = work.size // (-(-b // count) * count)
    classes = weights.size // b
    gradient[:] = 0.0
    for low in range(0, b, count):
        tile = work[low * room : (low + count) * room].reshape((room, count))
        last = _stage(shape, shape[2] - 1)[ROWS]
        for c in range(classes):
            for i in range(count):
                beyond = low + i >= b
                tile[last + c, i] = 0.0 if beyond else weights[(low + i) * classes + c]
        for k in range(shape[2] - 1, -1, -1):
            _pull(theta, tile[room - d :], shape, k, tile[: room - d], gradient)


@counted_part
def _stage(shape: Any, k: Any) -> Any:
    """The integers of a stage."""
    return shape[HEADER + k * FIELDS : HEADER + (k + 1) * FIELDS]


@counted_part
def _relu(rows: Any) -> None:
    for row in range(rows.shape[0]):
        h = rows[row]
        for i in range(h.size):
            h[i] = 0.0 if h[i] <= 0.0 else h[i]


@counted_part
def _pull(theta: Any, given: Any, shape: Any, k: Any, tile: Any, gradient: Any) -> None:
    """Through one stage: its weights' gradient, and the pull-back before the ReLU of the stage before."""
    at = _stage(shape, k)
    rows = tile[at[ROWS] : at[ROWS] + at[OUTPUTS] * at[PIXELS]]
    if at[BIAS] >= 0:
        for i in range(rows.shape[0]):
            gradient[at[BIAS] + i // at[PIXELS]] += rows[i].sum()
    if k == 0:
        pull_weights(gradient, at[WEIGHTS], at[WIDTH], given, rows, shape, at[TAPS], at[PIXELS])
        return
    before = _stage(shape, k - 1)
    pixels = before[POOLED] if before[POOLED] else before[PIXELS]
    source = tile[before[BEHIND] : before[BEHIND] + before[OUTPUTS] * pixels]
    pull_weights(gradient, at[WEIGHTS], at[WIDTH], source, rows, shape, at[TAPS], at[PIXELS])
    # Behind a pool the numbers are not needed any more; where there is none they are the gates.
    into = source if before[POOLED] else tile[tile.shape[0] - source.shape[0] :]
    into[:] = 0.0
    pull_inputs(theta, at[WEIGHTS], at[WIDTH], into, rows, shape, at[TAPS], at[PIXELS])
    if before[POOLED]:
        _spread(into, tile, before, shape)
        return
    for row in range(source.shape[0]):
        h, g = source[row], into[row]
        for i in range(h.size):
            h[i] = 0.0 if h[i] <= 0.0 else g[i]


@counted_part
def _pool(rows: Any, tile: Any, at: Any, shape: Any) -> Any:
    """ReLU and pool: the rows behind it; where in its window each of their numbers was is noted."""
    size = at[OUTPUTS] * at[POOLED]
    pooled, places = tile[at[BEHIND] : at[BEHIND] + size], tile[at[PLACES] : at[PLACES] + size]
    for o in range(at[OUTPUTS]):
        for q in range(at[POOLED]):
            top, place = pooled[o * at[POOLED] + q], places[o * at[POOLED] + q]
            windows = at[WINDOWS] + 4 * q
            top[:] = rows[o * at[PIXELS] + shape[windows]]
            place[:] = 0.0
            for j in range(1, 4):
                if shape[windows + j] < 0:
                    continue
                row = rows[o * at[PIXELS] + shape[windows + j]]
                for i in range(top.size):
                    larger = row[i] > top[i] or row[i] != row[i]
                    top[i] = row[i] if larger else top[i]
                    place[i] = float(j) if larger else place[i]
            for i in range(top.size):
                dead = top[i] <= 0.0
                place[i] = DEAD if dead else place[i]
                top[i] = 0.0 if dead else top[i]
    return pooled


@counted_part
def _spread(pooled: Any, tile: Any, at: Any, shape: Any) -> None:
    """The pull-back behind a pool to where its numbers came from; all others are zero."""
    for o in range(at[OUTPUTS]):
        for q in range(at[POOLED]):
            value, place = pooled[o * at[POOLED] + q], tile[at[PLACES] + o * at[POOLED] + q]
            for j in range(4):
                pixel = shape[at[WINDOWS] + 4 * q + j]
                if pixel < 0:
                    continue
                row = tile[at[ROWS] + o * at[PIXELS] + pixel]
                for i in range(value.size):
                    row[i] = value[i] if place[i] == float(j) else 0.0


def _tile(b: int) -> int:
    """How many samples go through together: as many in every tile, a multiple of eight."""
    tiles = -(-b // TILE)
    return -(-b // (8 * tiles)) * 8


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a Convolutional whose pools stand behind convolutions."""
    if type(model) is not Convolutional:
        return None
    tables = tables_of(model, structure)
    if tables is None:
        return None
    rows = tables.rows + tables.spare + prod(model.image)

    def shape(b: int) -> Array:
        return np.concatenate([[b, _tile(b)], tables.integers])

    def work(b: int) -> int:
        return rows * (-(-b // _tile(b)) * _tile(b))

    return NetworkKernel(forward, backward, shape, np.empty(0), work, tables.outputs)
