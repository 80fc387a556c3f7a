"""Passes over samples in compiled code: outputs and gradients of all of them, or of a batch.

A network comes as two compiled functions, called through pointers: a few nanoseconds a call. Where the
samples are more than one call's room allows they are taken block by block, as in `programs.blocks`.

    theta (P), fixed, work       of the network; `work` has room for the most samples of one call
    x (d, n), samples (n, d)     the samples as columns, and as rows to gather from
    shapes (4, k), block         the network's integers for ALL samples of a call, for a BATCH, for the
                                 LAST_BATCH and the LAST_BLOCK; the most samples of one call, n where it
                                 takes all
    room                         numbers for the gathered samples of one call
    loss, classes                the loss's number and C
"""

from __future__ import annotations

from math import exp, inf, isnan
from typing import Any

from workbench.engine.programs.kernel.compiled import part
from workbench.engine.programs.kernel.losses import cotangent

ALL, BATCH, LAST_BATCH, LAST_BLOCK = range(4)


@part
def gather(samples: Any, first: Any, columns: Any) -> None:
    """Write samples from the first on as columns (d, count)."""
    d, count = columns.shape
    for i in range(count):
        for j in range(d):
            columns[j, i] = samples[first + i, j]


@part
def draw(samples: Any, y: Any, indices: Any, columns: Any, labels: Any) -> None:
    """Write a batch as columns (d, b), and its labels."""
    d, b = columns.shape
    for i in range(b):
        labels[i] = y[indices[i]]
        for j in range(d):
            columns[j, i] = samples[indices[i], j]


@part
def all_outputs(
    forward: Any,
    theta: Any,
    x: Any,
    samples: Any,
    fixed: Any,
    shapes: Any,
    block: Any,
    room: Any,
    work: Any,
    classes: Any,
    outputs: Any,
) -> None:
    """Φ of all samples."""
    n, d = samples.shape
    if block >= n:
        forward(theta, x, fixed, shapes[ALL], work, outputs)
        return
    for first in range(0, n, block):
        count = min(block, n - first)
        shape = shapes[ALL] if count == block else shapes[LAST_BLOCK]
        columns = room[: d * count].reshape((d, count))
        gather(samples, first, columns)
        into = outputs[first * classes : (first + count) * classes]
        forward(theta, columns, fixed, shape, work, into)


@part
def all_gradients(
    forward: Any,
    backward: Any,
    theta: Any,
    x: Any,
    samples: Any,
    y: Any,
    fixed: Any,
    shapes: Any,
    block: Any,
    room: Any,
    work: Any,
    loss: Any,
    classes: Any,
    outputs: Any,
    weights: Any,
    gradient: Any,
    other: Any,
) -> Any:
    """Φ of all samples and the gradient of their summed risk, over a scale whose logarithm is returned.

    `other` (P): room for one block's gradient.
    """
    n, d = samples.shape
    if block >= n:
        forward(theta, x, fixed, shapes[ALL], work, outputs)
        log_scale = cotangent(loss, outputs, y, classes, weights)
        backward(theta, x, fixed, shapes[ALL], work, weights, gradient)
        return log_scale
    top = -inf
    for first in range(0, n, block):
        count = min(block, n - first)
        shape = shapes[ALL] if count == block else shapes[LAST_BLOCK]
        columns = room[: d * count].reshape((d, count))
        gather(samples, first, columns)
        here = slice(first * classes, (first + count) * classes)
        forward(theta, columns, fixed, shape, work, outputs[here])
        scale = cotangent(loss, outputs[here], y[first : first + count], classes, weights[here])
        if first == 0:
            backward(theta, columns, fixed, shape, work, weights[here], gradient)
            top = scale
            continue
        backward(theta, columns, fixed, shape, work, weights[here], other)
        larger = scale if scale > top or isnan(scale) else top
        before, now = exp(top - larger), exp(scale - larger)
        for p in range(gradient.size):
            gradient[p] = gradient[p] * before + other[p] * now
        top = larger
    return top
