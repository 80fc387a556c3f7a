"""Members of one torch network stepped at once: `torch.func.vmap` over θ, autograd through it.

A member is its own run up to rounding: the same batches, losses and rules, and products of matrices in
another order. Members at rest stay in their place and are computed with the others, so that what one does
changes no bit of another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from math import exp

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from workbench.arrays import Array, Bool, Float
from workbench.engine.batches import Minibatches
from workbench.engine.log_scale import reduction_log
from workbench.engine.member_rows import MemberBuffer
from workbench.engine.members import Members
from workbench.engine.program import StopFlag
from workbench.engine.programs.blocks import BLOCK_NUMBERS, numbers_a_sample, plain_outputs
from workbench.engine.rules.members.rule import EvaluatedMembers, MemberRule
from workbench.losses.loss import Loss, Reduction


class StackedEager:
    """Steps M members of a network whose outputs depend on weights and inputs alone (`is_steady`).

    `x` (n, …) and `y` (n) are those of all members, or have the member's axis in front. `fixed`: buffers and
    frozen weights that differ, by name, (M, …) each. `batches`: one a member, None: the full batch. `a_pass`:
    how many members are evaluated in one go, 0: all.
    """

    name = "eager"

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        count: int,
        loss: Loss,
        reduction: Reduction,
        rule: MemberRule,
        batches: Sequence[Minibatches] | None = None,
        fixed: Mapping[str, Tensor] | None = None,
        a_pass: int = 0,
    ) -> None:
        # Calling it puts tensors in the place of its weights: nobody else may look at it meanwhile.
        self.model = copy.deepcopy(model)
        self.count, self.loss, self.reduction, self.rule = count, loss, reduction, rule
        self.x, self.y, self.batches = x, y, batches
        self.n = y.shape[-1]
        self.labels = y.detach().cpu().double().numpy()
        self.fixed = dict(fixed or {})
        size = a_pass or count
        self.passes = tuple(slice(at, min(at + size, count)) for at in range(0, count, size))
        self._network = vmap(self._call, in_dims=(0, 0, 0 if self.own_samples else None))
        self._batch_network = vmap(self._call)
        self._scaled = loss.cotangent(*_probe(loss))[1] is not None
        self._cotangents = vmap(self._cotangent, in_dims=(0, 0 if self.own_samples else None))
        self._batch_cotangents = vmap(self._cotangent)

    @property
    def own_samples(self) -> bool:
        """Whether every member has samples of its own."""
        return self.y.ndim == 2

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rule.series

    def run_chunk(
        self,
        members: Members,
        step0: int,
        records: int,
        every: int,
        buffer: MemberBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See MemberProgram. With the full batch a record costs no evaluation but the chunk's last."""
        members.step = step0
        members.set_out()
        end = step0 + records * every
        due = False

        def here() -> Float[np.ndarray, " M"]:
            with torch.no_grad():
                parts = [
                    self._outputs(self._leaves(members.theta[of]), of, None) for of in self.passes
                ]
            found = self._log_risks(torch.cat(parts), self.labels)
            return found + reduction_log(self.reduction, self.n)

        while members.step < end and not stop_flag.raised and members.going.any():
            if due and buffer is not None and self.batches is not None:
                self._look(members, buffer, members.going)
                due = False
            self.rule.begin(members, here)
            index = self._batch(members.step)
            evaluated = self._gradients(members, index)
            if due and buffer is not None:
                self._write(members, buffer, evaluated, members.going)
            self._update(members, evaluated, index)
            members.step += 1
            members.arrive()
            self.rule.finish(members, here)
            due = (members.step - step0) % every == 0
            self._end_some(members, buffer if due else None)
        if due and buffer is not None:
            self._look(members, buffer, members.going)
        members.travelled()
        return members.step - step0

    def evaluate(
        self, members: Members, buffer: MemberBuffer, which: Bool[np.ndarray, " M"] | None = None
    ) -> None:
        """See MemberProgram."""
        self._look(members, buffer, np.ones(self.count, dtype=bool) if which is None else which)

    def _end_some(self, members: Members, buffer: MemberBuffer | None) -> None:
        """Put those to rest whom the rule ends, with the row that is due."""
        found = self.rule.ended(members)
        if found is None:
            return
        which, ending = found
        if buffer is not None:
            self._look(members, buffer, which)
        members.travelled()
        for k in np.flatnonzero(which):
            members.rest(int(k), members.step, ending)

    # --- evaluating ---

    def tried(self, theta: Tensor) -> None:
        """A pass and its pull-back at θ (M, P); raises what torch says where the network allows none."""
        self._gradients(Members(theta), None)

    def _leaves(self, theta: Tensor) -> dict[str, Tensor]:
        """The trained weights by name, (m, …) each, views of θ (m, P) that gradients can be asked of."""
        found, start = {}, 0
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad or not parameter.numel():
                continue
            stop = start + parameter.numel()
            shape = (len(theta), *parameter.shape)
            found[name] = theta[:, start:stop].view(shape).detach().requires_grad_()
            start = stop
        return found

    def _call(self, weights: dict[str, Tensor], fixed: dict[str, Tensor], x: Tensor) -> Tensor:
        """Φ(x_i) of one member, (n) or (n, C)."""
        return plain_outputs(functional_call(self.model, {**weights, **fixed}, (x,)))

    def _outputs(self, weights: dict[str, Tensor], of: slice, index: Tensor | None) -> Tensor:
        """Φ of some members, (m, b) or (m, b, C), on the samples `index` (M, b), None: on all."""
        fixed = {name: values[of] for name, values in self.fixed.items()}
        if index is None:
            return self._network(weights, fixed, self.x[of] if self.own_samples else self.x)
        return self._batch_network(weights, fixed, self._picked(self.x, index, of))

    def _picked(self, samples: Tensor, index: Tensor, of: slice) -> Tensor:
        """The samples `index` (M, b) of x or y, for some members, (m, b, …)."""
        if not self.own_samples:
            return samples[index[of]]
        return samples[torch.arange(self.count, device=samples.device)[of, None], index[of]]

    def _batch(self, step: int) -> Tensor | None:
        """The samples of a step, (M, b); None: all."""
        if self.batches is None:
            return None
        return torch.stack([batches.indices(step) for batches in self.batches])

    def _cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and log scale of one member's summed risk."""
        weights, scale = self.loss.cotangent(outputs, y)
        return weights, outputs.new_zeros(()) if scale is None else scale

    def _gradients(
        self, members: Members, index: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Outputs (M, b, …), pulled-back weights (M, P), and the scale's logarithm (M), None: 0."""
        parts = [self._pass(members.theta[of], of, index) for of in self.passes]
        outputs, gradient, scale = (torch.cat(each) for each in zip(*parts, strict=True))
        return outputs, gradient, scale if self._scaled else None

    def _pass(
        self, theta: Tensor, of: slice, index: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same for the members of one pass, whose θ (m, P) is given."""
        weights = self._leaves(theta)
        outputs = self._outputs(weights, of, index)
        held = outputs.detach()
        if index is None:
            cotangent, scale = self._cotangents(held, self.y[of] if self.own_samples else self.y)
        else:
            cotangent, scale = self._batch_cotangents(held, self._picked(self.y, index, of))
        found = torch.autograd.grad(
            outputs,
            list(weights.values()),
            cotangent,
            allow_unused=True,
            materialize_grads=True,
        )
        gradient = torch.cat([g.reshape(len(theta), -1) for g in found], dim=1)
        return held, gradient, scale

    def _log_risks(self, outputs: Tensor, labels: Array) -> Float[np.ndarray, " M"]:
        """log of every member's summed risk of those outputs; labels (b), or (M, b)."""
        held = outputs.cpu().double().numpy()
        if labels.ndim == 1:
            return self.loss.log_risk(held, labels, "sum")
        each = [self.loss.log_risk(o[None], y, "sum")[0] for o, y in zip(held, labels, strict=True)]
        return np.array(each)

    # --- rows and steps ---

    def _look(self, members: Members, buffer: MemberBuffer, which: Bool[np.ndarray, " M"]) -> None:
        """A row over all samples of those members."""
        self._write(members, buffer, self._gradients(members, None), which)

    def _write(
        self,
        members: Members,
        buffer: MemberBuffer,
        evaluated: tuple[Tensor, Tensor, Tensor | None],
        which: Bool[np.ndarray, " M"],
    ) -> None:
        """A row of those members from outputs and gradients over all samples at the present θ."""
        outputs, gradient, scale = evaluated
        extra = reduction_log(self.reduction, self.n)
        tops = gradient.new_zeros(self.count) if scale is None else scale
        buffer.write(
            members,
            which,
            {"theta": members.theta, "outputs": outputs, "gradient": gradient},
            tops + extra,
        )

    def _update(
        self,
        members: Members,
        evaluated: tuple[Tensor, Tensor, Tensor | None],
        index: Tensor | None,
    ) -> None:
        """θ ← θ − number · gradient for all who go on; a minibatch estimates the whole risk."""
        outputs, gradient, scale = evaluated
        b = self.n if index is None else index.shape[1]
        share = exp(reduction_log(self.reduction, b))
        if self.reduction == "sum" and b != self.n:
            share *= self.n / b
        tops = np.zeros(self.count) if scale is None else scale.cpu().double().numpy()
        at = EvaluatedMembers(gradient, tops, self._risk_of(outputs, index), b, share)
        move = self.rule.move(members, at)
        going = members.going
        if move.log_rate is not None:
            members.rate_log = np.where(going, move.log_rate, members.rate_log)
            members.add_time(move.log_rate)
        elif move.time is not None:
            members.time = np.where(going, members.time + move.time, members.time)
        number = torch.from_numpy(move.number).to(gradient)[:, None]
        along = -gradient if move.direction is None else move.direction
        with torch.no_grad():
            theta = members.theta
            if move.shrink is not None:
                theta = theta * torch.from_numpy(1.0 - move.shrink).to(gradient)[:, None]
            if going.all() and theta is members.theta:
                members.theta.addcmul_(number, along)
                return
            # The same operation on the same layout: rounding must not depend on who rests.
            moved = torch.addcmul(theta, number, along)
            steps = torch.from_numpy(going).to(along.device)[:, None]
            members.theta.copy_(torch.where(steps, moved, members.theta))

    def _risk_of(
        self, outputs: Tensor, index: Tensor | None
    ) -> Callable[[], Float[np.ndarray, " M"]]:
        """log of the summed risk of a batch's outputs, when it is asked for."""

        def log_risks() -> Float[np.ndarray, " M"]:
            if index is None:
                return self._log_risks(outputs, self.labels)
            picked = self._picked(self.y, index, slice(None)).cpu().double().numpy()
            return self._log_risks(outputs, picked)

        return log_risks


def members_a_pass(model: nn.Module, x: Tensor, numbers: int = BLOCK_NUMBERS) -> int:
    """How many members' passes over the samples x (n, …) hold no more than `numbers`; 0: of any count."""
    return max(1, numbers // max(1, len(x) * numbers_a_sample(model, x))) if len(x) > 1 else 0


def _probe(loss: Loss) -> tuple[Tensor, Tensor]:
    """Outputs and labels of two samples that any loss takes."""
    labels = torch.tensor([0.0, 1.0] if loss.labels == "classes" else [-1.0, 1.0])
    return torch.zeros((2, 2) if loss.labels == "classes" else 2), labels
