"""M members stepped by tensor operations alone: what a step reads and writes stays on the device, in place.

Between two steps the members' *pass* is at hand: outputs, gradient and risk at θ over all samples, or none of
that with minibatches. A step of the full batch moves θ by the pass and takes the next one, so that a record
is a copy, and a line search knows its risk. All that depends on numbers is decided there, by `torch.where`;
the host decides only what it knows beforehand: which steps end an epoch and which are recorded.
"""

from __future__ import annotations

from math import exp

import torch
from torch import Tensor

from workbench.engine.log_scale import reduction_log
from workbench.engine.program import StopFlag
from workbench.engine.programs.captured.batches import BatchTable
from workbench.engine.programs.captured.direction import Travelled
from workbench.engine.programs.captured.graphs import Graphs
from workbench.engine.programs.captured.passes import Passes, log_risks
from workbench.engine.programs.captured.rows import DeviceRows
from workbench.engine.programs.captured.rules.rule import At, DeviceRule, Reached, wide
from workbench.engine.state import LARGEST_LOG
from workbench.losses.loss import Loss, Reduction

SIZES = (64, 16, 4, 1)
"""Steps of one graph; a gap between records of at most the first has a graph of its own."""


class Stepper:
    """θ (M, P) and samples x (M, n, …), y (M, n), or (1, n, …), (1, n) where all members share them."""

    def __init__(
        self,
        theta: Tensor,
        passes: Passes,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: Reduction,
        rule: DeviceRule,
        batches: BatchTable | None,
    ) -> None:
        self.theta, self.passes, self.x, self.y = theta, passes, x, y
        self.loss, self.reduction, self.rule, self.batches = loss, reduction, rule, batches
        count, n = len(theta), y.shape[1]
        self.n, self.extra = n, reduction_log(reduction, n)
        self.per_epoch = 1 if batches is None else batches.per_epoch
        numbers = theta.new_zeros(4, count, dtype=torch.float64)
        self.time, self.time_log, self.rate_log, self.risk = numbers.unbind()
        self.taken = theta.new_zeros(count, dtype=torch.int64)
        self.alive = theta.new_ones(count, dtype=torch.bool)
        self.travelled = Travelled(theta)
        self.rows: DeviceRows | None = None
        self._pass: tuple[Tensor, Tensor, Tensor | None] | None = None
        self.graphs = Graphs(theta.device, self._lasting)
        # Where one's own θ and samples are gathered from all members' samples, one behind the other.
        self._flat = x.flatten(0, 1), y.flatten(0, 1)
        first = torch.arange(count, device=theta.device) * (n if len(x) > 1 else 0)
        self._first = wide(first)

    def _lasting(self) -> list[Tensor]:
        """Every tensor that a step changes, but the records."""
        found = [self.theta, self.time, self.time_log, self.rate_log, self.risk, self.taken]
        found += [self.alive, *vars(self.travelled).values(), *self.rule.memory.values()]
        found += [part for part in self._pass or () if part is not None]
        found += [] if self.batches is None else [self.batches.place]
        return found + ([] if self.rows is None else [self.rows.place])

    # --- a chunk, as the host sees it ---

    def write_into(self, rows: DeviceRows | None) -> None:
        """Where records go from here on."""
        if rows is not self.rows:
            self.rows = rows
            self.graphs.forget()

    def begin(self, missing: frozenset[str]) -> None:
        """θ, time and memory have been put in place, all but what is `missing` of the memory."""
        self.taken.zero_()
        self.travelled.begin(self.theta)
        if self.batches is None:
            self._look()
        else:
            self.batches.begin()
        if missing and self.batches is not None and self.rule.of_epochs:
            self.risk.copy_(self._whole_risk(self.passes.outputs(self.x)))
        self.rule.hold(self._reached(), missing)

    def advance(self, step0: int, steps: int, every: int, stop: StopFlag) -> int:
        """Steps from step0 with a record after each `every`; returns how many were taken, fewer where the
        flag is raised. Nothing of the device is waited for."""
        taken = 0
        while taken < steps and not stop.raised:
            step = step0 + taken
            most = min(steps - taken, every - taken % every)
            b, most = self._batch_of(step, most)
            size = most if most == every <= SIZES[0] else next(s for s in SIZES if s <= most)
            taken += size
            epoch = self.rule.of_epochs and self.batches is not None
            epoch = epoch and (step0 + taken) % self.per_epoch == 0
            record = self.rows is not None and taken % every == 0
            self._run(size, b, epoch=epoch, record=record)
        return taken

    def _batch_of(self, step: int, most: int) -> tuple[int, int]:
        """How many samples the step's batch has, and how many steps with as many may follow at once."""
        if self.batches is None:
            return self.n, most
        most = min(most, self.batches.left(step, most))
        left = self.per_epoch - step % self.per_epoch
        b = self.batches.samples(step)
        if self.batches.last != self.batches.size:
            most = min(most, 1 if left == 1 else left - 1)
        if self.rule.of_epochs:
            most = min(most, left)
        return b, most

    def _run(self, size: int, b: int, *, epoch: bool, record: bool) -> None:
        def work() -> None:
            self._step(b)

        def then() -> None:
            if epoch:
                self.risk.copy_(self._whole_risk(self.passes.outputs(self.x)))
                self._finish()
            if record:
                self.write_row()

        self.graphs.run((b, epoch, record), size, work, then if epoch or record else None)

    # --- on the device ---

    @torch.no_grad()
    def _step(self, b: int) -> None:
        """One step of every member."""
        if self.batches is None:
            assert self._pass is not None
            (_, gradient, top), risk = self._pass, self.risk - self.extra
        else:
            index = self.batches.next(b) + self._first
            x, y = (samples[index] for samples in self._flat)
            outputs, gradient, top = self._gradients(x, y)
            risk = log_risks(self.loss, outputs, y) if self.rule.of_batch else self.risk
        share = exp(reduction_log(self.reduction, b))
        if self.reduction == "sum" and b != self.n:
            share *= self.n / b
        step = self.rule.step(At(self.theta, gradient, top, risk, b, share))
        self.theta.add_(step.by.masked_fill(wide(~self.alive), 0.0))
        self._pass_time(step.time, step.log_rate)
        self.taken.add_(self.alive)
        self.travelled.arrive(self.theta, self.alive)
        if self.batches is None:
            self._look_on()

    def _pass_time(self, time: Tensor | None, log_rate: Tensor | None) -> None:
        """Let the step's time pass, or its logarithm."""
        if time is not None:
            self.time.add_(time.masked_fill(~self.alive, 0.0))
        if log_rate is None:
            return
        self._put(self.rate_log, log_rate)
        self._put(self.time_log, torch.logaddexp(self.time_log, log_rate))
        self._put(self.time, _time(self.time_log))

    def _put(self, into: Tensor, value: Tensor) -> None:
        """The value of those who are alive."""
        into.copy_(torch.where(self.alive, value, into))

    def _look(self) -> None:
        """The pass at θ over all samples, and the risk of it."""
        outputs, gradient, top = self._gradients(self.x, self.y)
        if self._pass is None:
            # Room of its own: outputs may be many views of one number.
            room = torch.empty_like(outputs, memory_format=torch.contiguous_format)
            self._pass = room.copy_(outputs), gradient, top
        else:
            _copy(self._pass, (outputs, gradient, top))
        if self._needs_risk:
            self.risk.copy_(self._whole_risk(outputs))

    def _look_on(self) -> None:
        """The same after a step, or the pass before it where the rule takes the step back."""
        assert self._pass is not None
        if not self.rule.of_epochs:
            self._look()
            return
        before = self._pass[1].clone(), self._pass[0].clone(), self.risk.clone()
        top = None if self._pass[2] is None else self._pass[2].clone()
        self._look()
        refused = self._finish()
        gradient, outputs, risk = before
        _copy(self._pass, (outputs, gradient, top), refused)
        self.risk.copy_(torch.where(refused, risk, self.risk))

    def _finish(self) -> Tensor:
        """An epoch has ended: which members (M) go back to its start, and who goes on."""
        back = self.rule.finish(self._reached(), self.alive)
        self.theta.copy_(torch.where(wide(back.which), back.theta, self.theta))
        self.travelled.go_back(back.which, self.theta, back.path)
        self.time_log.copy_(torch.where(back.which, back.time_log, self.time_log))
        self.time.copy_(torch.where(back.which, _time(back.time_log), self.time))
        going = self.rule.going_on()
        if going is not None:
            self.alive.logical_and_(going)
        return back.which

    def write_row(self) -> None:
        """A record of every member as it is."""
        assert self.rows is not None
        found = self._pass if self.batches is None else self._gradients(self.x, self.y)
        assert found is not None
        outputs, gradient, top = found
        scale = top if top is not None else gradient.new_zeros(len(gradient))
        numbers = [self.time, self.time_log, self.rate_log, self.travelled.path]
        self.rows.write(
            {
                "theta": self.theta,
                "outputs": outputs,
                "gradient": gradient,
                "gradient_log_scale": scale + self.extra,
            },
            torch.stack([*numbers, self.taken.double()], dim=1),
            self.rule.memory,
        )

    @property
    def _needs_risk(self) -> bool:
        return self.rule.of_batch or self.rule.of_epochs

    def _gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        with torch.enable_grad():
            return self.passes.gradients(x, y)

    def _whole_risk(self, outputs: Tensor) -> Tensor:
        return log_risks(self.loss, outputs, self.y) + self.extra

    def _reached(self) -> Reached:
        return Reached(self.theta, self.risk, self.time_log, self.travelled.path)


def _time(time_log: Tensor) -> Tensor:
    """e^{time_log}, ∞ beyond a float, as `EngineState.set_time_log` has it."""
    return time_log.exp().masked_fill(time_log >= LARGEST_LOG, torch.inf)


def _copy(
    into: tuple[Tensor, Tensor, Tensor | None],
    given: tuple[Tensor, Tensor, Tensor | None],
    where: Tensor | None = None,
) -> None:
    """A pass into the room of another; with `where` (M) those members' alone."""
    for room, value in zip(into, given, strict=True):
        if room is None or value is None:
            continue
        if where is not None:
            value = torch.where(where.view(-1, *(1,) * (room.ndim - 1)), value, room)
        room.copy_(value)
