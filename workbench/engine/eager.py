"""The eager step program: torch autograd on a flat θ, for any nn.Module. The reference for all others.

Measured (float64, one thread, 20 squared-ReLU neurons, n = 50): within a few per cent of a bare loop
over `torch.autograd.grad`; `torch.func.grad` takes twice as long. Gradients are asked of parameters
that are views of θ, so nothing is copied per step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import grad

from workbench.engine.batches import Minibatches
from workbench.engine.losses import COTANGENTS, log_scale_of, reduction_log
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.rules import StepRule
from workbench.engine.state import EngineState


class EagerProgram:
    """Steps a module whose parameters are views of `state.theta` (see `models.network.flatten`)."""

    name = "eager"

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: str,
        reduction: str,
        rule: StepRule,
        batches: Minibatches | None = None,
    ) -> None:
        self.model = model
        self.parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.x, self.y = x, y
        self.cotangent = COTANGENTS[loss]
        self.reduction = reduction
        self.rule = rule
        self.batches = batches

    def _gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
        """Outputs, the weights' pull-back through the network, and the scale's logarithm."""
        outputs = self.model(x)
        if outputs.ndim == 2 and outputs.shape[1] == 1:
            outputs = outputs[:, 0]
        held = outputs.detach()
        weights, log_scale = self.cotangent(held, y)
        gradients = grad(
            outputs, self.parameters, weights, allow_unused=True, materialize_grads=True
        )
        return held, gradients, log_scale

    def _write(
        self,
        state: EngineState,
        buffer: RowBuffer,
        evaluated: tuple[Tensor, tuple[Tensor, ...], Tensor | None],
    ) -> None:
        """A row from outputs and gradients over all samples at the present θ."""
        outputs, gradients, log_scale = evaluated
        row = buffer.count
        buffer.step[row] = state.step
        buffer.time[row] = state.time
        buffer.theta[row] = state.theta
        buffer.outputs[row] = outputs
        torch.cat([g.reshape(-1) for g in gradients], out=buffer.gradient[row])
        extra = reduction_log(self.reduction, self.y.shape[0])
        buffer.gradient_log_scale[row] = log_scale_of(log_scale, extra, state.theta)
        buffer.count = row + 1

    def evaluate(self, state: EngineState, buffer: RowBuffer) -> None:
        """Write a row of the state as it is, over all samples."""
        self._write(state, buffer, self._gradients(self.x, self.y))

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See StepProgram. With the full batch a record costs no evaluation but the chunk's last."""
        state.step = step0
        full = self.batches is None
        elapsed = self.rule.elapsed()
        due = False
        end = step0 + records * every
        while state.step < end and not stop_flag.raised:
            if due and buffer is not None and not full:
                self.evaluate(state, buffer)
                due = False
            x, y = self._batch(state.step)
            evaluated = self._gradients(x, y)
            if due and buffer is not None:
                self._write(state, buffer, evaluated)
            self._update(evaluated[1], evaluated[2], y.shape[0])
            state.step += 1
            state.time += elapsed
            due = (state.step - step0) % every == 0
        if due and buffer is not None:
            self.evaluate(state, buffer)
        return state.step - step0

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The samples of a step."""
        if self.batches is None:
            return self.x, self.y
        index = self.batches.indices(step)
        return self.x[index], self.y[index]

    def _update(self, gradients: tuple[Tensor, ...], log_scale: Tensor | None, b: int) -> None:
        """θ ← θ − factor · gradient, in place in the parameters, which are θ.

        A minibatch estimates the whole risk: the sum over b samples is scaled by n/b.
        """
        n = self.y.shape[0]
        extra = reduction_log(self.reduction, b)
        number, scale = self.rule.factor(log_scale, extra)
        if self.reduction == "sum" and b != n:
            number *= n / b
        with torch.no_grad():
            if scale is not None:
                torch._foreach_mul_(gradients, scale)
            torch._foreach_add_(self.parameters, gradients, alpha=-number)
