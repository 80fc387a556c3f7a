"""The compiled chunk loop: steps, and a row after each `every`. Compiled once for all networks.

Nothing is allocated in the loop, and the stop flag is looked at before every step. What the arguments are
is said in `passes.py` and `rules.py`; those of the loop itself:

    mean, extra              whether the risk is averaged, and −log n where it is
    clock (4), memory        what the state and the rule remember; both are moved on
    along                    room of the rule, in which it keeps what it goes along
    outputs, ahead, weights  (n·C): at the θ of the gradient, at the θ after it, ∂𝓛/∂Φ over its scale
    gradient, other (P)      the gradient over its scale, room for a block's
    direction (P)            θ^ of the last step
    order, batch, labels     samples in the order of the steps from step0 on, how many a step (0: all), room
    origin                   the step that rows are counted from
    rows, …                  whether any are written, and where: (R, 4), (R, P), (R, n·C), (R, P), (R), (R, M)
"""

from __future__ import annotations

from math import exp, log, nan
from typing import Any

from numba import types

from workbench.engine.programs.kernel.compiled import BACKWARD, FORWARD, F, I, X, compiled, part
from workbench.engine.programs.kernel.copying import copy
from workbench.engine.programs.kernel.losses import cotangent, log_risk
from workbench.engine.programs.kernel.passes import (
    ALL,
    BATCH,
    LAST_BATCH,
    all_gradients,
    all_outputs,
    draw,
)
from workbench.engine.programs.kernel.path import turned
from workbench.engine.programs.kernel.rules import (
    NORMALIZED,
    PATH_LENGTH,
    asks_after,
    asks_before,
    begin,
    decay,
    ended,
    finish,
    move,
    step_by,
)

N = types.int64
PLACES = types.int64[:, ::1]
NETWORK = (
    types.FunctionType(FORWARD),
    types.FunctionType(BACKWARD),
    F,
    X,
    X,
    F,
    F,
    PLACES,
    N,
    F,
    F,
)
"""forward, backward, theta, x, samples, y, fixed, shapes, block, room, work."""
LOSS = (N, N, N, types.float64)
"""loss, classes, mean, extra."""
RULE = (N, F, PLACES, F, F, F)
"""rule, settings, layers, memory, clock, along."""
ROOM = (F, F, F, F, F, F, F)
"""outputs, ahead, weights, gradient, other, direction, labels."""
STEPS = (I, N, N, N, N, N)
"""order, batch, origin, step0, steps, every."""
ROWS = (N, X, X, X, X, F, X)
"""rows, clocks, thetas, row_outputs, gradients, scales, memories."""


@compiled(N(*NETWORK, *LOSS, *RULE, *ROOM, *STEPS, *ROWS, types.uint8[::1]))
def chunk(
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
    mean: Any,
    extra: Any,
    rule: Any,
    settings: Any,
    layers: Any,
    memory: Any,
    clock: Any,
    along: Any,
    outputs: Any,
    ahead: Any,
    weights: Any,
    gradient: Any,
    other: Any,
    direction: Any,
    labels: Any,
    order: Any,
    batch: Any,
    origin: Any,
    step0: Any,
    steps: Any,
    every: Any,
    rows: Any,
    clocks: Any,
    thetas: Any,
    row_outputs: Any,
    gradients: Any,
    scales: Any,
    memories: Any,
    stop: Any,
) -> Any:
    """Take `steps` steps from step0 on unless the stop flag is raised or the rule ends the run; how many.

    With the full batch a row is what the next step's pass gives; `stands`: the gradient is that of the
    present θ; `fresh`: so are outputs and `work`.
    """
    n = y.size
    full, whole = batch == 0, block >= n
    step, taken = step0, 0
    stands = fresh = due = False
    log_scale, risk, used = 0.0, nan, 0
    turned(theta, direction)
    halt = stop[0] != 0
    while taken < steps and not halt:
        if asks_before(rule, memory):
            all_outputs(
                forward, theta, x, samples, fixed, shapes, block, room, work, classes, outputs
            )
            risk = log_risk(loss, outputs, y, classes, weights) + extra
            fresh = full and whole
        begin(rule, layers, memory, theta, clock, risk)
        b = n
        if not full:
            b = min(batch, n - step % -(-n // batch) * batch)
            columns = room[: samples.shape[1] * b].reshape((samples.shape[1], b))
            draw(samples, y, order[used : used + b], columns, labels)
            used += b
            shape = shapes[BATCH] if b == batch else shapes[LAST_BATCH]
            here, target = outputs[: b * classes], labels[:b]
            forward(theta, columns, fixed, shape, work, here)
            log_scale = cotangent(loss, here, target, classes, weights[: b * classes])
            backward(theta, columns, fixed, shape, work, weights[: b * classes], gradient)
        elif fresh:
            here, target = outputs, y
            log_scale = cotangent(loss, outputs, y, classes, weights)
            backward(theta, x, fixed, shapes[ALL], work, weights, gradient)
        else:
            here, target = outputs, y
            if not stands:
                log_scale = all_gradients(
                    forward, backward, theta, x, samples, y, fixed, shapes, block, room, work,
                    loss, classes, outputs, weights, gradient, other,
                )  # fmt: skip
        if due and rows:
            _write(
                (step - origin) // every - 1, clock, theta, outputs, gradient, log_scale + extra,
                memory, clocks, thetas, row_outputs, gradients, scales, memories,
            )  # fmt: skip
        share = exp(-log(b)) if mean else n / b
        batch_risk = nan
        if rule == NORMALIZED:
            batch_risk = log_risk(loss, here, target, classes, weights)
        factor = move(
            rule, settings, layers, memory, gradient, log_scale, batch_risk, b, share, clock, along
        )
        decay(rule, settings, theta)
        step_by(rule, memory, gradient, factor, theta, along)
        step += 1
        taken += 1
        clock[PATH_LENGTH] += turned(theta, direction)
        stands = fresh = False
        if asks_after(rule, settings, step):
            all_outputs(
                forward, theta, x, samples, fixed, shapes, block, room, work, classes, ahead
            )
            risk = log_risk(loss, ahead, y, classes, weights) + extra
            if finish(settings, memory, theta, clock, risk):
                turned(theta, direction)
                stands = full
            elif full and whole:
                copy(ahead, outputs)
                fresh = True
        due = (step - origin) % every == 0
        # Read once: were it raised between two looks at it, a row would be lost.
        halt = stop[0] != 0 or ended(rule, settings, memory)
        if due and rows and (not full or halt or taken == steps):
            # No pass of a next step will give this row.
            if not stands:
                log_scale = all_gradients(
                    forward, backward, theta, x, samples, y, fixed, shapes, block, room, work,
                    loss, classes, outputs, weights, gradient, other,
                )  # fmt: skip
            stands = full
            _write(
                (step - origin) // every - 1, clock, theta, outputs, gradient, log_scale + extra,
                memory, clocks, thetas, row_outputs, gradients, scales, memories,
            )  # fmt: skip
            due = False
    return taken


@part
def _write(
    row: Any,
    clock: Any,
    theta: Any,
    outputs: Any,
    gradient: Any,
    log_scale: Any,
    memory: Any,
    clocks: Any,
    thetas: Any,
    row_outputs: Any,
    gradients: Any,
    scales: Any,
    memories: Any,
) -> None:
    """A row of the state at the θ of the gradient."""
    copy(clock, clocks[row])
    copy(theta, thetas[row])
    copy(outputs, row_outputs[row])
    copy(gradient, gradients[row])
    scales[row] = log_scale
    copy(memory, memories[row])


@compiled(types.float64(*NETWORK, N, N, F, F, F, F))
def look(
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
    """Outputs and gradient of all samples at θ, without a step; the logarithm of the gradient's scale."""
    return all_gradients(
        forward, backward, theta, x, samples, y, fixed, shapes, block, room, work,
        loss, classes, outputs, weights, gradient, other,
    )  # fmt: skip
