"""The captured program of many members: M runs of one shape inside the same CUDA graph."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Array, Bool
from workbench.engine.batches import Minibatches
from workbench.engine.log_scale import reduction_log
from workbench.engine.member_rows import PARTS, MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StopFlag
from workbench.engine.programs.captured.batches import BatchTable
from workbench.engine.programs.captured.passes import MemberPasses
from workbench.engine.programs.captured.rows import DeviceRows
from workbench.engine.programs.captured.rules.choose import rule_on_device
from workbench.engine.programs.captured.stepper import Stepper
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.losses.loss import Loss, Reduction

NUMBERS = ("time", "time_log", "rate_log", "path_length")


class CapturedMembers:
    """Steps M members of a network that `network_needs_host` lets be; see `MemberProgram`.

    `x` (n, …) and `y` (n) are those of all members, or have the member's axis in front. `rules`: one a
    member, of one kind. `batches`: one a member, None: the full batch. `fixed`: buffers and frozen weights
    that differ, by name, (M, …) each. `a_pass`: how many members are evaluated at once, 0: all.
    """

    name = "captured"

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: Reduction,
        rules: Sequence[StepRule],
        batches: Sequence[Minibatches] | None = None,
        fixed: Mapping[str, Tensor] | None = None,
        a_pass: int = 0,
    ) -> None:
        # Calling it puts tensors in the place of its weights: nobody else may look at it meanwhile.
        self.model = copy.deepcopy(model)
        self.count, self.rules = len(rules), tuple(rules)
        self.x, self.y = (x, y) if y.ndim == 2 else (x[None], y[None])
        self.loss, self.reduction = loss, reduction
        self.batches, self.fixed, self.a_pass = batches, dict(fixed or {}), a_pass
        self._steppers: list[Stepper] = []

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rules[0].series

    def run_chunk(
        self,
        members: Members,
        step0: int,
        records: int,
        every: int,
        buffer: MemberBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See MemberProgram."""
        stepper = self._stepper(members.theta)
        going = members.going
        rows = None if buffer is None else self._rows(stepper, buffer, going)
        stepper.write_into(rows)
        self._load(stepper, members, going)
        taken = stepper.advance(step0, records * every, every, stop_flag)
        members.step = step0 + taken
        steps = self._read(stepper, members, going)
        if buffer is not None and rows is not None:
            _fill(buffer, rows, going, step0, every, taken // every)
        for member in np.flatnonzero(going):
            end = self.rules[member].ended(members.state(int(member)))
            if end is not None:
                members.rest(int(member), step0 + int(steps[member]), end[0])
        return taken

    def tried(self, theta: Tensor) -> None:
        """One pass of the first member on two samples; raises what torch does where it cannot do that."""
        first = {name: values[:1] for name, values in self.fixed.items()}
        passes = MemberPasses(self.model, self.loss, theta[:1], first)
        passes.gradients(self.x[:1, :2], self.y[:1, :2])

    def evaluate(
        self, members: Members, buffer: MemberBuffer, which: Bool[np.ndarray, " M"] | None = None
    ) -> None:
        """Write a row of those members as they are, None: all, those at rest too, without stepping."""
        passes = self._stepper(members.theta).passes
        outputs, gradient, top = passes.gradients(self.x, self.y)
        scale = gradient.new_zeros(self.count) if top is None else top
        buffer.write(
            members,
            np.ones(self.count, dtype=bool) if which is None else which,
            {"theta": members.theta, "outputs": outputs, "gradient": gradient},
            scale + reduction_log(self.reduction, self.y.shape[1]),
        )

    def _stepper(self, theta: Tensor) -> Stepper:
        """The one for this θ: what was recorded reads and writes its memory."""
        if not self._steppers or self._steppers[0].theta.data_ptr() != theta.data_ptr():
            batches = None
            if self.batches is not None:
                on_cpu = torch.device("cpu")
                drawn = [Minibatches(b.n, b.size, b.seed, on_cpu) for b in self.batches]
                batches = BatchTable(drawn, theta.device)
            self._steppers[:] = [
                Stepper(
                    theta,
                    MemberPasses(self.model, self.loss, theta, self.fixed, self.a_pass),
                    self.x,
                    self.y,
                    loss=self.loss,
                    reduction=self.reduction,
                    rule=rule_on_device(self.rules, theta),
                    batches=batches,
                )
            ]
        return self._steppers[0]

    def _rows(self, stepper: Stepper, buffer: MemberBuffer, going: Array) -> DeviceRows:
        """Room for records in the buffer's own tensors; of the rule's memory members keep no rows."""
        parts = {name: getattr(buffer, name) for name in (*PARTS, "gradient_log_scale")}
        rows = stepper.rows
        if rows is None or not rows.holds(parts):
            rows = DeviceRows(parts, buffer.capacity, {})
        rows.begin(int(buffer.written[going].max(initial=0)))
        return rows

    def _load(self, stepper: Stepper, members: Members, going: Array) -> None:
        """What the members' state says besides θ, to the device."""
        time_log = members.time_log
        if not isinstance(self.rules[0], ConstantRule):
            with np.errstate(divide="ignore"):
                first = (time_log == -np.inf) & (members.time > 0.0) & (members.time < np.inf)
                time_log = np.where(first, np.log(members.time), time_log)
        numbers = (members.time, time_log, members.rate_log, members.path_length)
        for room, array in zip(_numbers(stepper), numbers, strict=True):
            room.copy_(torch.from_numpy(array))
        stepper.alive.copy_(torch.from_numpy(going))
        memory = stepper.rule.memory
        for name in memory.keys() & members.memory.keys():
            memory[name].copy_(torch.from_numpy(members.memory[name]))
        stepper.begin(frozenset(memory.keys() - members.memory.keys()))

    def _read(self, stepper: Stepper, members: Members, going: Array) -> Array:
        """The steps that each has taken (M), and what the state of those who went on says now."""
        found = torch.stack([*_numbers(stepper), stepper.taken.double()]).cpu().numpy()
        moved = going & (found[4] > 0)
        for name, array in zip(NUMBERS, found, strict=False):
            setattr(members, name, np.where(moved, array, getattr(members, name)))
        if moved.any():
            for name, held in stepper.rule.memory.items():
                members.memory[name] = held.cpu().numpy().copy()
        return found[4].astype(np.int64)


def _numbers(stepper: Stepper) -> tuple[Tensor, ...]:
    """In the order of NUMBERS."""
    return stepper.time, stepper.time_log, stepper.rate_log, stepper.travelled.path


def _fill(
    buffer: MemberBuffer, rows: DeviceRows, going: Array, step0: int, every: int, records: int
) -> None:
    """What the buffer holds beside tensors, for as many of the rows as each member has reached."""
    start = int(buffer.written[going].max(initial=0))
    stop = start + records
    scalars, _ = rows.read(stop)
    steps = every * np.arange(1, records + 1)
    for column, name in enumerate(NUMBERS):
        getattr(buffer, name)[going, start:stop] = scalars[going, start:, column]
    buffer.step[:, start:stop] = step0 + steps
    reached = (scalars[:, start:, 4] == steps).sum(axis=1)
    buffer.written[going] += reached[going]
