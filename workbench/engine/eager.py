"""The eager step program: torch autograd on a flat θ, for any nn.Module. The reference for all others.

Measured (float64, one thread, 20 squared-ReLU neurons, n = 50): within a few per cent of a bare loop
over `torch.autograd.grad`; `torch.func.grad` takes twice as long. Gradients are asked of parameters
that are views of θ, so nothing is copied per step.
"""

from __future__ import annotations

from math import exp

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import grad

from workbench.engine.batches import Minibatches
from workbench.engine.events import Outcome
from workbench.engine.losses import COTANGENTS, log_scale_of, reduction_log
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.rules import Evaluated, StepRule
from workbench.engine.state import EngineState
from workbench.measures.log_risk import Loss, log_risk


class EagerProgram:
    """Steps a module whose parameters are views of `state.theta` (see `models.network.flatten`)."""

    name = "eager"

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: str,
        rule: StepRule,
        batches: Minibatches | None = None,
    ) -> None:
        self.model = model
        self.parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.x, self.y = x, y
        self.cotangent = COTANGENTS[loss]
        self.loss = loss
        self.labels = y.detach().cpu().double().numpy()
        self.reduction = reduction
        self.rule = rule
        self.batches = batches

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rule.series

    def _gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
        """Outputs, the weights' pull-back through the network, and the scale's logarithm."""
        outputs = plain_outputs(self.model(x))
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
        row = buffer.note(state)
        buffer.outputs[row] = outputs
        torch.cat([g.reshape(-1) for g in gradients], out=buffer.gradient[row])
        extra = reduction_log(self.reduction, self.y.shape[0])
        buffer.gradient_log_scale[row] = log_scale_of(log_scale, extra, state.theta)

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
        due = False
        end = step0 + records * every

        while state.step < end and not stop_flag.raised:
            if due and buffer is not None and not full:
                self.evaluate(state, buffer)
                due = False
            self.rule.begin(state, self._log_risk_here)
            x, y, labels = self._batch(state.step)
            evaluated = self._gradients(x, y)
            if due and buffer is not None:
                self._write(state, buffer, evaluated)
            self._update(state, evaluated, labels)
            state.step += 1
            self.rule.finish(state, self._log_risk_here)
            due = (state.step - step0) % every == 0
            if self.rule.ended(state) is not None:
                break
        if due and buffer is not None:
            self.evaluate(state, buffer)
        return state.step - step0

    def ended(self, state: EngineState) -> tuple[Outcome, str] | None:
        """As the step rule says."""
        return self.rule.ended(state)

    def _batch(self, step: int) -> tuple[Tensor, Tensor, np.ndarray]:
        """The samples of a step: x, y, and y as an array."""
        if self.batches is None:
            return self.x, self.y, self.labels
        index = self.batches.indices(step)
        return self.x[index], self.y[index], self.labels[index.cpu().numpy()]

    def _update(
        self,
        state: EngineState,
        evaluated: tuple[Tensor, tuple[Tensor, ...], Tensor | None],
        labels: np.ndarray,
    ) -> None:
        """θ ← θ − factor · gradient, in place in the parameters, which are θ.

        A minibatch estimates the whole risk: the sum over b samples is scaled by n/b.
        """
        outputs, gradients, log_scale = evaluated
        n, b = len(self.labels), len(labels)
        share = exp(reduction_log(self.reduction, b))
        if self.reduction == "sum" and b != n:
            share *= n / b
        at = Evaluated(gradients, log_scale, lambda: self._log_risk(outputs, labels), b, share)
        move = self.rule.move(state, at)
        if move.log_rate is not None:
            state.rate_log = move.log_rate
            state.add_time(move.log_rate)
        with torch.no_grad():
            if move.scale is not None:
                torch._foreach_mul_(gradients, move.scale)
            torch._foreach_add_(self.parameters, gradients, alpha=-move.number)

    def _log_risk(self, outputs: Tensor, labels: np.ndarray) -> float:
        """log of the summed risk of those outputs."""
        held = outputs.cpu().double().numpy()
        return float(log_risk(held[None], labels, self.loss, "sum")[0])

    def _log_risk_here(self) -> float:
        """log 𝓛 over all samples at the present θ, with the run's reduction."""
        with torch.no_grad():
            outputs = plain_outputs(self.model(self.x))
        extra = reduction_log(self.reduction, len(self.labels))
        return self._log_risk(outputs, self.labels) + extra


def plain_outputs(outputs: Tensor) -> Tensor:
    """(n) where a network gives (n, 1)."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
