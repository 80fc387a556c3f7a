"""Small convolutional ReLU networks, LL20's CNN and JT20's among them: convolutions as matrix products.

A picture's numbers are rows (channel, pixel) of b contiguous samples, so that the patches under a filter are
copies of whole rows: `patches` (channels·kernel², pixels·b), and a convolution is W times it.

shape: b, S, then seven integers a stage: its kind, channels, height and width of what it takes, channels of
what it gives, kernel, padding; a dense layer takes pictures of one pixel. Then S times 1 where it has a
bias. work: what the stages give, the patches of the convolutions, and room for two stages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from workbench.arrays import Array
from workbench.engine.programs.kernel.blas import in_one_thread
from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, compiled, part
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks.activation import activate, gate
from workbench.models.convolutional import Convolution, Convolutional, Pool
from workbench.models.structure import Structure

CONVOLUTION, POOL, DENSE = 0, 1, 2
MOST_NUMBERS = 1 << 15
"""Of work a sample: with more, the patches of a batch leave the caches."""


@part
def given(stage: Any) -> Any:
    """Height and width of what a stage gives."""
    if stage[0] == POOL:
        return (stage[2] + 1) // 2, (stage[3] + 1) // 2
    grown = 2 * stage[6] - stage[5] + 1
    return stage[2] + grown, stage[3] + grown


@part
def run_of(stage: Any, width: Any, shift: Any) -> Any:
    """The first of a row's outputs that have a pixel `shift` to the right of them, and one past the last."""
    return max(0, -shift), min(width, stage[3] - shift)


@part
def spread(below: Any, stage: Any, patches: Any, b: Any) -> None:
    """Write the patches (channels·kernel², pixels·b) of pictures; zeros around them."""
    height, width = given(stage)
    kernel, padding = stage[5], stage[6]
    patches[:] = 0.0
    row = 0
    for c in range(stage[1]):
        for dy in range(kernel):
            for dx in range(kernel):
                first, stop = run_of(stage, width, dx - padding)
                for y in range(height):
                    above = y + dy - padding
                    if above < 0 or above >= stage[2] or stop <= first:
                        continue
                    to = ((row * height + y) * width + first) * b
                    of = ((c * stage[2] + above) * stage[3] + first + dx - padding) * b
                    count = (stop - first) * b
                    patches[to : to + count] = below[of : of + count]
                row += 1


@part
def gather(patches: Any, stage: Any, out: Any, b: Any) -> None:
    """The transpose of `spread`: add every patch to the pixels it came from."""
    height, width = given(stage)
    kernel, padding = stage[5], stage[6]
    out[:] = 0.0
    row = 0
    for c in range(stage[1]):
        for dy in range(kernel):
            for dx in range(kernel):
                first, stop = run_of(stage, width, dx - padding)
                for y in range(height):
                    above = y + dy - padding
                    if above < 0 or above >= stage[2] or stop <= first:
                        continue
                    at = ((row * height + y) * width + first) * b
                    of = ((c * stage[2] + above) * stage[3] + first + dx - padding) * b
                    count = (stop - first) * b
                    into, what = out[of : of + count], patches[at : at + count]
                    for i in range(count):
                        into[i] += what[i]
                row += 1


@part
def pooled(below: Any, stage: Any, out: Any, b: Any) -> None:
    """The largest of every 2×2 window; NaN is larger than all."""
    height, width = given(stage)
    for c in range(stage[1]):
        for y in range(height):
            for x in range(width):
                to = ((c * height + y) * width + x) * b
                most = out[to : to + b]
                most[:] = -np.inf
                for above in range(2 * y, min(2 * y + 2, stage[2])):
                    for beside in range(2 * x, min(2 * x + 2, stage[3])):
                        of = ((c * stage[2] + above) * stage[3] + beside) * b
                        seen = below[of : of + b]
                        for i in range(b):
                            most[i] = (
                                most[i] if seen[i] <= most[i] or most[i] != most[i] else seen[i]
                            )


@part
def unpooled(slope: Any, below: Any, values: Any, stage: Any, out: Any, b: Any) -> None:
    """Hand each slope to the first of its window that is the largest, as torch does; `slope` is used up."""
    height, width = given(stage)
    for c in range(stage[1]):
        for y in range(height):
            for x in range(width):
                at = ((c * height + y) * width + x) * b
                left, most = slope[at : at + b], values[at : at + b]
                for above in range(2 * y, min(2 * y + 2, stage[2])):
                    for beside in range(2 * x, min(2 * x + 2, stage[3])):
                        of = ((c * stage[2] + above) * stage[3] + beside) * b
                        seen, into = below[of : of + b], out[of : of + b]
                        for i in range(b):
                            other = seen[i] < most[i]
                            into[i] = 0.0 if other else left[i]
                            left[i] = left[i] if other else 0.0


@compiled(FORWARD)
def forward(theta: Any, x: Any, fixed: Any, shape: Any, work: Any, outputs: Any) -> None:
    """See `compiled.FORWARD`."""
    b, count = shape[0], shape[1]
    stages, biased = shape[2 : 2 + 7 * count].reshape(count, 7), shape[2 + 7 * count :]
    below = x.reshape(x.size)
    w = v = 0
    for s in range(count):
        stage = stages[s]
        height, width = given(stage)
        pixels, rows = height * width, stage[4]
        out = work[v : v + rows * pixels * b]
        v += rows * pixels * b
        if stage[0] == POOL:
            pooled(below, stage, out, b)
            below = out
            continue
        columns = stage[1] * stage[5] * stage[5]
        if stage[0] == CONVOLUTION:
            patches = work[v : v + columns * pixels * b]
            v += columns * pixels * b
            spread(below, stage, patches, b)
            below = patches
        weight = theta[w : w + rows * columns].reshape(rows, columns)
        np.dot(weight, below.reshape(columns, pixels * b), out.reshape(rows, pixels * b))
        w += rows * columns
        if biased[s]:
            for j in range(rows):
                out[j * pixels * b : (j + 1) * pixels * b] += theta[w + j]
            w += rows
        if s < count - 1:
            activate(out, 0.0)
        below = out
    classes = stages[count - 1, 4]
    for c in range(classes):
        for i in range(b):
            outputs[i * classes + c] = below[c * b + i]


@compiled(BACKWARD)
def backward(
    theta: Any, x: Any, fixed: Any, shape: Any, work: Any, weights: Any, gradient: Any
) -> None:
    """See `compiled.BACKWARD`. What a stage gave gives way to ∂𝓛/∂ of what went into its activation."""
    b, count = shape[0], shape[1]
    stages, biased = shape[2 : 2 + 7 * count].reshape(count, 7), shape[2 + 7 * count :]
    starts = np.zeros(count, dtype=np.int64)
    v = most = 0
    for s in range(count):
        starts[s] = v
        height, width = given(stages[s])
        size = stages[s, 4] * height * width * b
        most = max(most, size)
        v += size
        if stages[s, 0] == CONVOLUTION:
            v += stages[s, 1] * stages[s, 5] ** 2 * height * width * b
    slope, spare = work[v : v + most], work[v + most : v + 2 * most]
    classes = stages[count - 1, 4]
    for c in range(classes):
        for i in range(b):
            slope[c * b + i] = weights[i * classes + c]
    w = theta.size
    flat = x.reshape(x.size)
    for s in range(count - 1, -1, -1):
        stage = stages[s]
        height, width = given(stage)
        pixels, rows = height * width, stage[4]
        size = rows * pixels * b
        values = work[starts[s] : starts[s] + size]
        taken = stage[1] * stage[2] * stage[3] * b
        below = flat if s == 0 else work[starts[s - 1] : starts[s - 1] + taken]
        if stage[0] == POOL:
            unpooled(slope, below, values, stage, spare, b)
            slope, spare = spare, slope
            continue
        gate(slope, values, 0.0 if s < count - 1 else 1.0)
        rise = values.reshape(rows, pixels * b)
        if biased[s]:
            w -= rows
            for j in range(rows):
                total = 0.0
                line = rise[j]
                for i in range(pixels * b):
                    total += line[i]
                gradient[w + j] = total
        columns = stage[1] * stage[5] * stage[5]
        w -= rows * columns
        seen = below
        if stage[0] == CONVOLUTION:
            start = starts[s] + size
            seen = work[start : start + columns * pixels * b]
        held = seen.reshape(columns, pixels * b)
        np.dot(rise, held.T, gradient[w : w + rows * columns].reshape(rows, columns))
        if s == 0:
            return
        weight = theta[w : w + rows * columns].reshape(rows, columns)
        if stage[0] == CONVOLUTION:
            np.dot(weight.T, rise, held)
            gather(seen, stage, slope[:taken], b)
        else:
            np.dot(weight.T, rise, slope[:taken].reshape(columns, b))


def kernel(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """That of a Convolutional whose last stage is dense and whose work a sample is small."""
    if type(model) is not Convolutional or isinstance(model.plan[-1], Pool | Convolution):
        return None
    channels, height, width = model.image
    stages, biased, room, most = [], [], 0, 0
    layer = 0
    for planned in model.plan:
        if isinstance(planned, Pool):
            stage = [POOL, channels, height, width, channels, 2, 0]
            height, width = -(-height // 2), -(-width // 2)
        elif isinstance(planned, Convolution):
            size, padding = planned.kernel, planned.padding
            stage = [CONVOLUTION, channels, height, width, planned.channels, size, padding]
            height, width = height + 2 * padding - size + 1, width + 2 * padding - size + 1
            room += channels * size**2 * height * width
            channels = planned.channels
        else:
            stage = [DENSE, channels * height * width, 1, 1, planned.width, 1, 0]
            channels, height, width = planned.width, 1, 1
        layer += not isinstance(planned, Pool)
        biased.append(int(not isinstance(planned, Pool) and hasattr(model, f"b{layer}")))
        stages.append(stage)
        room += channels * height * width
        most = max(most, channels * height * width)
    room += 2 * most
    if room > MOST_NUMBERS:
        return None

    in_one_thread()

    def shape(b: int) -> Array:
        return np.concatenate([[b, len(stages)], np.ravel(stages), biased]).astype(np.int64)

    return NetworkKernel(forward, backward, shape, np.zeros(0), lambda b: room * b, channels)
