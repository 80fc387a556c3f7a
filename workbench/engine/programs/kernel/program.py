"""The kernel step program: a chunk of steps in one call of compiled code, without the interpreter's lock.

Its steps are those of the eager program up to rounding; it is chosen where the network has a kernel, and loss
and rule are known to compiled code. Many may run in threads: each has its own room, and shares nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Float
from workbench.engine.batches import Minibatches
from workbench.engine.log_scale import reduction_log
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.blocks import BLOCK_NUMBERS
from workbench.engine.programs.kernel.aligned import aligned
from workbench.engine.programs.kernel.chunk import chunk, look
from workbench.engine.programs.kernel.compiled import make_ready
from workbench.engine.programs.kernel.losses import code_of
from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.rules import (
    CLOCK_LOG,
    PATH_LENGTH,
    RATE_LOG,
    TIME,
    RuleKernel,
    rule_kernel,
)
from workbench.engine.rules.rule import StepRule
from workbench.engine.state import EngineState
from workbench.losses.loss import Loss, Reduction
from workbench.protocol.events import Ending

MOST_INDICES = 1 << 18
"""Samples of the batches that are drawn at once."""


class KernelProgram:
    """Steps the network of a kernel, with a θ of `size` numbers; x (n, …) and y (n) are float64 on the CPU.

    Raises ValueError where compiled code knows the loss or the rule not.
    """

    name = "kernel"

    def __init__(
        self,
        kernel: NetworkKernel,
        size: int,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: Reduction,
        rule: StepRule,
        batches: Minibatches | None = None,
    ) -> None:
        code, found = code_of(loss), rule_kernel(rule)
        if code is None or found is None:
            raise ValueError("this loss or step rule is not one of compiled code")
        make_ready((kernel.forward, kernel.backward, look, chunk))
        self.x = x
        self.rule = rule
        self.batches = batches
        self.kernel = kernel
        self._rule = found
        n, classes = len(y), kernel.outputs
        self._classes = classes
        samples = np.ascontiguousarray(x.reshape(n, -1).numpy(), dtype=np.float64)
        batch = 0 if batches is None else batches.size
        block = _samples_a_call(kernel, samples.shape[1], n)
        columns = aligned(samples.size if block == n else 0).reshape(-1, n)
        columns[:] = samples.T[: len(columns)]
        left, last = n % batch if batch else 0, n % block
        most = max(block, batch)
        self._batch = batch
        self._network = (
            columns,
            samples,
            y.numpy().astype(np.float64),
            np.ascontiguousarray(kernel.fixed, dtype=np.float64),
            np.stack([kernel.shape(b) for b in (block, batch or n, left or n, last or n)]),
            block,
            aligned(most * samples.shape[1] if batch or block < n else 0),
            aligned(kernel.work(most)),
        )
        self._loss = (code, classes)
        extra = reduction_log(reduction, n)
        self._mean = (int(reduction == "mean"), extra)
        self._extra = extra
        self._outputs, self._ahead, self._weights = (aligned(n * classes) for _ in range(3))
        self._labels = np.empty(batch)
        self._along = aligned(found.room)
        self._of_theta = (aligned(size), aligned(size), aligned(size))

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rule.series

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """As the step rule says."""
        return self.rule.ended(state)

    def evaluate(self, state: EngineState, buffer: RowBuffer) -> None:
        """Write a row of the state as it is, over all samples."""
        theta = state.theta.numpy()
        gradient, other, _ = self._of_theta
        scale = look(
            *self._pointers, theta, *self._network, *self._loss,
            self._outputs, self._weights, gradient, other,
        )  # fmt: skip
        row = buffer.note(state)
        buffer.outputs[row] = torch.from_numpy(self._outputs).reshape(buffer.outputs.shape[1:])
        buffer.gradient[row] = torch.from_numpy(gradient)
        buffer.gradient_log_scale[row] = scale + self._extra

    def pulled(
        self, theta: Float[np.ndarray, " P"], most: int
    ) -> tuple[Float[np.ndarray, " bC"], Float[np.ndarray, " P"], float]:
        """Outputs and gradient at θ of the summed risk of the first samples, over its scale; log of that."""
        samples, y = self._network[1][:most], self._network[2][:most]
        b = len(y)
        outputs, gradient = np.empty(b * self._classes), np.empty(theta.size)
        scale = look(
            *self._pointers, theta, np.ascontiguousarray(samples.T), samples, y, self._network[3],
            self.kernel.shape(b)[None].repeat(4, axis=0), b, np.empty(0),
            np.empty(self.kernel.work(b)), *self._loss,
            outputs, np.empty(outputs.size), gradient, np.empty(theta.size),
        )  # fmt: skip
        return outputs, gradient, float(scale)

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See StepProgram. With the full batch a record costs no pass but the chunk's last."""
        theta = state.theta.numpy()
        memory = self._rule.taken(state.memory, theta.size)
        clock = np.array([state.time, state.time_log, state.rate_log, state.path_length])
        rows = _Rows(buffer, records, memory.size)
        taken, total = 0, records * every
        while taken < total:
            order, steps = self._order(step0 + taken, total - taken)
            now = chunk(
                *self._pointers, theta, *self._network, *self._loss, *self._mean,
                self._rule.code, self._rule.settings, self._rule.layers, memory, clock,
                self._along,
                self._outputs, self._ahead, self._weights, *self._of_theta, self._labels,
                order, self._batch, step0, step0 + taken, steps, every,
                *rows.arrays, stop_flag.shared,
            )  # fmt: skip
            taken += now
            if now < steps:
                break
        if taken:
            self._put(state, step0 + taken, clock, memory)
        if buffer is not None:
            rows.finish(buffer, step0 + every * np.arange(1, taken // every + 1), self._rule)
        return taken

    def _put(self, state: EngineState, step: int, clock: Array, memory: Array) -> None:
        """What a chunk has changed beside θ into the state."""
        state.step = step
        state.time, state.time_log = float(clock[TIME]), float(clock[CLOCK_LOG])
        state.rate_log, state.path_length = float(clock[RATE_LOG]), float(clock[PATH_LENGTH])
        state.memory.update(self._rule.given(memory))

    def _order(self, step: int, steps: int) -> tuple[Array, int]:
        """The samples of the next steps, at most `steps`, in order; and how many steps those are."""
        if self.batches is None:
            return np.empty(0, dtype=np.int64), steps
        steps = min(steps, max(1, MOST_INDICES // self._batch))
        return self.batches.run(step, steps).numpy(), steps

    @property
    def _pointers(self) -> tuple[Any, Any]:
        """The network's two compiled functions."""
        return self.kernel.forward.ready(), self.kernel.backward.ready()


class _Rows:
    """Where a chunk writes its rows: the buffer's own arrays, and the rest beside them."""

    def __init__(self, buffer: RowBuffer | None, records: int, numbers: int) -> None:
        first = 0 if buffer is None else buffer.count
        count = 0 if buffer is None else records
        self.clocks = np.empty((count, 4))
        self.memories = np.empty((count, numbers))
        none = np.empty((0, 0))
        if buffer is None:
            self.arrays = (0, self.clocks, none, none, none, np.empty(0), self.memories)
            return
        rows = slice(first, first + count)
        self.arrays = (
            1,
            self.clocks,
            buffer.theta[rows].numpy(),
            buffer.outputs[rows].reshape(count, -1).numpy(),
            buffer.gradient[rows].numpy(),
            buffer.gradient_log_scale[rows].numpy(),
            self.memories,
        )

    def finish(self, buffer: RowBuffer, steps: Array, rule: RuleKernel) -> None:
        """Count the rows that were written, at those steps, with what is kept beside them."""
        rows = slice(buffer.count, buffer.count + len(steps))
        clocks = self.clocks[: len(steps)]
        buffer.step[rows] = steps
        buffer.time[rows], buffer.time_log[rows] = clocks[:, TIME], clocks[:, CLOCK_LOG]
        buffer.rate_log[rows] = clocks[:, RATE_LOG]
        buffer.path_length[rows] = clocks[:, PATH_LENGTH]
        buffer.remember(rule.given(self.memories[: len(steps)]))
        buffer.count = rows.stop


def _samples_a_call(kernel: NetworkKernel, d: int, n: int) -> int:
    """The most samples, from 1 to n, of which one call needs no more room than a block has."""

    def fit(b: int) -> bool:
        return d * b + kernel.work(b) <= BLOCK_NUMBERS

    if fit(n):
        return n
    low, high = 1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fit(middle) else (low, middle)
    return low
