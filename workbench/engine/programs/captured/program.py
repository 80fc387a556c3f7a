"""The captured step program: on a GPU many steps are one CUDA graph, replayed; nothing waits for the host.

The same steps as the eager program's, to the last digits: θ, what a rule remembers, times and records stay
on the device for a whole chunk, and are read once at its end. On the CPU the same tensor operations run one
by one, which is for tests: there the kernels and the eager program are faster. The stop flag is looked at
between two replays, at most 64 steps apart.
"""

from __future__ import annotations

from math import inf, log

import numpy as np
import torch
from torch import Tensor, nn

from workbench.engine.batches import Minibatches
from workbench.engine.log_scale import log_scale_of, reduction_log
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.batches import BatchTable
from workbench.engine.programs.captured.passes import OnePass
from workbench.engine.programs.captured.rows import DeviceRows
from workbench.engine.programs.captured.rules.choose import rule_on_device
from workbench.engine.programs.captured.stepper import Stepper
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.state import EngineState
from workbench.losses.loss import Loss, Reduction
from workbench.protocol.events import Ending


class CapturedProgram:
    """Steps a module whose parameters are views of `state.theta`, x (n, …) and y (n) being where θ is."""

    name = "captured"

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: Reduction,
        rule: StepRule,
        batches: Minibatches | None = None,
    ) -> None:
        self.model, self.x, self.y = model, x, y
        self.loss, self.reduction, self.rule = loss, reduction, rule
        self.batches = batches
        self.passes = OnePass(model, loss, x)
        self._steppers: list[Stepper] = []

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rule.series

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """As the step rule says."""
        return self.rule.ended(state)

    def evaluate(self, state: EngineState, buffer: RowBuffer) -> None:
        """Write a row of the state as it is, over all samples."""
        outputs, gradient, top = self.passes.gradients(self.x[None], self.y[None])
        row = buffer.note(state)
        buffer.outputs[row], buffer.gradient[row] = outputs[0], gradient[0]
        extra = reduction_log(self.reduction, len(self.y))
        scale = log_scale_of(None if top is None else top[0], extra, state.theta)
        buffer.gradient_log_scale[row] = scale

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See StepProgram."""
        stepper = self._stepper(state.theta)
        rows = None if buffer is None else self._rows(stepper, buffer)
        stepper.write_into(rows)
        self._load(stepper, state)
        asked = stepper.advance(step0, records * every, every, stop_flag)
        taken = self._read(stepper, state, step0)
        if buffer is not None and rows is not None:
            _fill(buffer, rows, step0, every, asked // every)
        return taken

    def _stepper(self, theta: Tensor) -> Stepper:
        """The one for this θ: what was recorded reads and writes its memory."""
        if not self._steppers or self._steppers[0].theta.data_ptr() != theta.data_ptr():
            own = theta.view(1, -1)
            self._steppers[:] = [
                Stepper(
                    own,
                    self.passes,
                    self.x[None],
                    self.y[None],
                    loss=self.loss,
                    reduction=self.reduction,
                    rule=rule_on_device([self.rule], own),
                    batches=_table(self.batches, self.x.device),
                )
            ]
        return self._steppers[0]

    def _rows(self, stepper: Stepper, buffer: RowBuffer) -> DeviceRows:
        """Room for records in the buffer's own tensors."""
        names = ("theta", "outputs", "gradient", "gradient_log_scale")
        parts = {name: getattr(buffer, name)[None] for name in names}
        rows = stepper.rows
        if rows is None or not rows.holds(parts):
            rows = DeviceRows(parts, buffer.capacity, stepper.rule.memory)
        rows.begin(buffer.count)
        return rows

    def _load(self, stepper: Stepper, state: EngineState) -> None:
        """What the state says besides θ, to the device."""
        time_log = state.time_log
        if not isinstance(self.rule, ConstantRule) and time_log == -inf and 0.0 < state.time < inf:
            time_log = log(state.time)
        stepper.time.fill_(state.time)
        stepper.time_log.fill_(time_log)
        stepper.rate_log.fill_(state.rate_log)
        stepper.travelled.path.fill_(state.path_length)
        stepper.alive.fill_(True)
        memory = stepper.rule.memory
        for name in memory.keys() & state.memory.keys():
            memory[name].copy_(torch.from_numpy(np.array(state.memory[name]))[None])
        stepper.begin(frozenset(memory.keys() - state.memory.keys()))

    def _read(self, stepper: Stepper, state: EngineState, step0: int) -> int:
        """The steps taken, and what the state says now."""
        numbers = [stepper.time, stepper.time_log, stepper.rate_log, stepper.travelled.path]
        found = torch.cat([*numbers, stepper.taken.double()]).cpu().tolist()
        taken = int(found[4])
        state.step = step0 + taken
        if taken:
            state.time, state.time_log, state.rate_log = found[:3]
            state.memory.update(
                {name: held[0].cpu().numpy().copy() for name, held in stepper.rule.memory.items()}
            )
        state.go_back(found[3])
        return taken


def _table(batches: Minibatches | None, device: torch.device) -> BatchTable | None:
    """The same drawing, by indices that are on the CPU before they go to the device."""
    if batches is None:
        return None
    drawn = Minibatches(batches.n, batches.size, batches.seed, torch.device("cpu"))
    return BatchTable([drawn], device)


def _fill(buffer: RowBuffer, rows: DeviceRows, step0: int, every: int, written: int) -> None:
    """What the buffer holds beside tensors, for as many of the rows written as the run has reached."""
    start = buffer.count
    scalars, memory = rows.read(start + written)
    steps = every * np.arange(1, written + 1)
    count = int((scalars[0, start:, 4] == steps).sum())
    stop = start + count
    for column, name in enumerate(("time", "time_log", "rate_log", "path_length")):
        getattr(buffer, name)[start:stop] = scalars[0, start:stop, column]
    buffer.step[start:stop] = step0 + steps[:count]
    buffer.count = stop
    buffer.remember({name: held[0, :stop] for name, held in memory.items()})
