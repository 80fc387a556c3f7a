"""The eager step program: torch autograd on a flat θ, for any nn.Module. The reference for all others.

Measured (float64, one thread, 20 squared-ReLU neurons, n = 50): within a few per cent of a bare loop
over `torch.autograd.grad`; `torch.func.grad` takes twice as long. Gradients are asked of parameters
that are views of θ, so nothing is copied per step. What looks at all samples goes through them in blocks
(`blocks.py`), so that the number of samples costs time and no memory. Convolutional networks on the processor
are pulled through by hand (`chain.py`), to the same bits.
"""

from __future__ import annotations

from math import exp

import numpy as np
import torch
from torch import Tensor, nn

from workbench.engine.batches import Minibatches
from workbench.engine.log_scale import log_scale_of, reduction_log
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.blocks import (
    Gradients,
    gradients_of,
    outputs_of,
    plain_outputs,
    pulled,
    samples_a_block,
    summed,
)
from workbench.engine.programs.chain import chain_of
from workbench.engine.rules.rule import Evaluated, StepRule
from workbench.engine.state import EngineState
from workbench.losses.loss import Loss, Reduction
from workbench.models.repeatable import (
    buffers_of,
    is_steady,
    looking,
    put_buffers,
    stepping,
)
from workbench.protocol.events import Ending


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
        reduction: Reduction,
        rule: StepRule,
        batches: Minibatches | None = None,
    ) -> None:
        self.model = model
        self.parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.x, self.y = x, y
        self.cotangent = loss.cotangent
        self.loss = loss
        self.labels = y.detach().cpu().double().numpy()
        self.reduction = reduction
        self.rule = rule
        self.batches = batches
        self.block = samples_a_block(model, x)
        self.steady = is_steady(model)
        self.chain = chain_of(model, x)

    @property
    def series(self) -> tuple[str, ...]:
        """As the step rule says."""
        return self.rule.series

    def _gradients(self, x: Tensor, y: Tensor) -> Gradients:
        """Outputs, the weights' pull-back through the network, and the scale's logarithm."""
        if self.chain is not None:
            return summed(self.chain.gradients_by(self.cotangent), x, y, self.block)
        return gradients_of(self.model, self.parameters, x, y, self.cotangent, self.block)

    def _write(
        self,
        state: EngineState,
        buffer: RowBuffer,
        evaluated: Gradients,
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
        put_buffers(self.model, state.memory)
        self._look(state, buffer)

    def _look(self, state: EngineState, buffer: RowBuffer) -> None:
        """The same while the network holds the state's buffers."""
        self._hold_buffers(state)
        with looking(self.model, state.step):
            evaluated = self._gradients(self.x, self.y)
        self._write(state, buffer, evaluated)

    def _hold_buffers(self, state: EngineState) -> None:
        """The network's buffers into the state, as a row and a checkpoint hold it."""
        if not self.steady:
            state.memory.update(buffers_of(self.model))

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """See StepProgram. With the full batch a record costs no evaluation but the chunk's last, and a
        step that the rule undoes none but that of its risk: the gradients before it still stand. Neither
        holds for a network that draws random numbers or changes buffers: there every step is a pass of its
        own, with what (seed, step) draws."""
        state.step = step0
        state.set_out()
        put_buffers(self.model, state.memory)
        full = self.batches is None
        due = False
        end = step0 + records * every
        stands: Gradients | None = None
        ahead = _Ahead(self) if full and self.steady else None

        def here() -> float:
            return self._log_risk_here(state.step)

        risk = here if ahead is None else ahead.log_risk

        while state.step < end and not stop_flag.raised:
            if due and buffer is not None and not full:
                self._look(state, buffer)
                due = False
            self.rule.begin(state, here)
            x, y, labels = self._batch(state.step)
            if due:
                # A row holds the buffers that its pass began with.
                self._hold_buffers(state)
            evaluated = stands or (ahead and ahead.gradients()) or self._step_gradients(state, x, y)
            if due and buffer is not None:
                self._write(state, buffer, evaluated)
            self._update(state, evaluated, labels)
            state.step += 1
            state.arrive()
            undone = self.rule.finish(state, risk)
            stands = evaluated if undone and ahead is not None else None
            if undone and ahead is not None:
                ahead.forget()
            due = (state.step - step0) % every == 0
            if self.rule.ended(state) is not None:
                break
        if due and buffer is not None:
            self._look(state, buffer)
        self._hold_buffers(state)
        state.travelled()
        return state.step - step0

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """As the step rule says."""
        return self.rule.ended(state)

    def _step_gradients(self, state: EngineState, x: Tensor, y: Tensor) -> Gradients:
        """Those of a step, which may change the network's buffers for good."""
        with stepping(self.model, state.step):
            return self._gradients(x, y)

    def _batch(self, step: int) -> tuple[Tensor, Tensor, np.ndarray]:
        """The samples of a step: x, y, and y as an array."""
        if self.batches is None:
            return self.x, self.y, self.labels
        index = self.batches.indices(step)
        return self.x[index], self.y[index], self.labels[index.cpu().numpy()]

    def _update(
        self,
        state: EngineState,
        evaluated: Gradients,
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
            if move.shrink:
                state.theta.mul_(1.0 - move.shrink)
            if move.direction is not None:
                state.theta.add_(move.direction, alpha=move.number)
                return
            if move.scale is not None:
                torch._foreach_mul_(gradients, move.scale)
            torch._foreach_add_(self.parameters, gradients, alpha=-move.number)

    def _log_risk(self, outputs: Tensor, labels: np.ndarray) -> float:
        """log of the summed risk of those outputs."""
        held = outputs.cpu().double().numpy()
        return float(self.loss.log_risk(held[None], labels, "sum")[0])

    def _log_risk_here(self, step: int) -> float:
        """log 𝓛 over all samples at the present θ, with the run's reduction."""
        with looking(self.model, step):
            return self._whole_risk(self._outputs())

    def _outputs(self) -> Tensor:
        """Those of all samples, without a graph."""
        return outputs_of(self.chain or self.model, self.x, self.block)

    def _whole_risk(self, outputs: Tensor) -> float:
        """log 𝓛 from the outputs of all samples, with the run's reduction."""
        extra = reduction_log(self.reduction, len(self.labels))
        return self._log_risk(outputs, self.labels) + extra


class _Ahead:
    """The risk after a full-batch step, with the graph the next step's gradients are pulled through.

    For a rule that asks for the risk after every step: it costs a forward pass that the next step need
    not repeat. Where the samples take several blocks no graph is held.
    """

    def __init__(self, program: EagerProgram) -> None:
        self.program = program
        self.outputs: Tensor | None = None

    def log_risk(self) -> float:
        """log 𝓛 at the present θ."""
        program = self.program
        if program.block < len(program.x):
            return program._whole_risk(program._outputs())
        self.outputs = plain_outputs(program.model(program.x))
        return program._whole_risk(self.outputs.detach())

    def gradients(self) -> Gradients | None:
        """Those at the θ of the last `log_risk`, None where no graph is held; the graph is used up."""
        outputs, self.outputs = self.outputs, None
        if outputs is None:
            return None
        return pulled(outputs, self.program.parameters, self.program.y, self.program.cotangent)

    def forget(self) -> None:
        """θ has moved since."""
        self.outputs = None
