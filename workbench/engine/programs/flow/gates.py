"""ReLU gates opened over a stated width, so that a flow along a kink is smooth and its stiffness known.

Where ∂Φ jumps, the flow of a Clarke subdifferential may have to slide along the kink (Filippov), and an
adaptive integrator of the sharp gate chatters until its step is of the order of the tolerance. Here the
gate σ'(s) goes from leak to 1 over |s| ≤ width·max_i|s_i|, the maximum over the samples of that
neuron: the gradient is one of the hull that defines ∂°, at a point that near. Values stay exact.
Taken over: torch.relu, nn.functional.relu and leaky_relu, by whatever module calls them; other kinks
(max-pooling, abs, clamp) stay sharp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from workbench.models.network import leaky

LEAK = 0.01
"""Slope of nn.functional.leaky_relu where it is not given."""
RELU = (torch.relu, torch.Tensor.relu, torch.nn.functional.relu)


class _SoftGate(torch.autograd.Function):
    """σ(s) whose derivative is `gate`."""

    @staticmethod
    def forward(ctx: Any, s: Tensor, leak: float, gate: Tensor) -> Tensor:
        ctx.save_for_backward(gate)
        return leaky(s, leak)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        (gate,) = ctx.saved_tensors
        return slope * gate, None, None


def _gate(s: Tensor, leak: float, width: Tensor) -> Tensor:
    """σ'(s), a cubic over |s| ≤ width."""
    z = (s / width).clamp(-1.0, 1.0)
    share = (0.75 - 0.25 * z * z) * z + 0.5
    return share if leak == 0.0 else share * (1.0 - leak) + leak


class SoftGates(TorchFunctionMode):
    """Opens the gates of every ReLU called inside; keeps what each call saw.

    `before` and `after` hold the tensors s and σ(s), `width` and `leak` what was used, a call an entry.
    `given` repeats the widths of an earlier pass, for single samples under vmap.
    """

    def __init__(self, width: float, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.relative = width
        self.given = given
        self.before: list[Tensor] = []
        self.after: list[Tensor] = []
        self.width: list[Tensor] = []
        self.leak: list[float] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Stand in for the ReLU functions, let the rest pass."""
        named = kwargs or {}
        if func in RELU:
            leak = 0.0
        elif func is torch.nn.functional.leaky_relu:
            leak = float(args[1] if len(args) > 1 else named.get("negative_slope", LEAK))
        else:
            return func(*args, **named)
        s: Tensor = args[0] if args else named["input"]
        if leak == 1.0:
            return s
        width = self._width(s) if self.given is None else self.given[len(self.before)]
        gate = _gate(s.detach(), leak, width)
        out: Tensor
        if self.given is None:
            out = _SoftGate.apply(s, leak, gate)  # type: ignore[no-untyped-call]
        else:
            # Under vmap a custom function costs seconds to load; the same value and slope without one.
            out = s * gate + (leaky(s, leak) - s * gate).detach()
        self.before.append(s)
        self.after.append(out)
        self.width.append(width)
        self.leak.append(leak)
        return out

    def _width(self, s: Tensor) -> Tensor:
        """The width of every neuron or channel (axis 1), of a shape that broadcasts over samples."""
        others = [axis for axis in range(s.ndim) if axis != 1]
        top = s.detach().abs().amax(dim=others, keepdim=True)
        return (self.relative * top).clamp(min=1e-300)
