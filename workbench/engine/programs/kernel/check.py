"""A kernel's outputs and gradient against autograd's on the network itself, before the first step."""

from __future__ import annotations

from math import inf

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array
from workbench.engine.programs.blocks import gradients_of
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.kernel.program import KernelProgram

ALLOWED = 1e-12
"""Of the largest output, or number of the gradient."""
SAMPLES = 256
SPREAD = 0.5
JITTER = 4 * float(np.finfo(np.float64).eps)
ROUNDINGS = 16.0

Pulled = tuple[Array, Array, float]
"""Outputs (b·C) and gradient (P) of some samples' summed risk, over a scale, and that one's logarithm."""


def difference(kernel: KernelProgram, eager: EagerProgram, theta: Tensor) -> str:
    """How a kernel differs from autograd in a clause, empty where it does not.

    Both are evaluated on the first samples, at θ and at θ + N(0, SPREAD²), as the first may be next to 0.
    Beside `ALLOWED` they may differ by some times what a last bit of θ changes: where terms cancel, or a risk
    is as small as e^{−100000}, that is more. θ is left as it was; the eager program's parameters are views
    of it.
    """
    generator = np.random.default_rng(0)
    start = theta.clone()
    try:
        for spread in (0.0, SPREAD):
            theta.copy_(start + spread * torch.from_numpy(generator.standard_normal(len(theta))))
            found, wanted = kernel.pulled(theta.numpy(), SAMPLES), _pulled(eager)
            theta.mul_(1.0 + torch.from_numpy(generator.uniform(-JITTER, JITTER, len(theta))))
            moved = _pulled(eager)
            if error := _apart(found[0], wanted[0], moved[0]):
                return f"its outputs differ from autograd's by {error:.1e} of the largest"
            if error := _apart(*(_gradient(each, wanted[2]) for each in (found, wanted, moved))):
                return f"its gradient differs from autograd's by {error:.1e} of the largest number"
    finally:
        theta.copy_(start)
    return ""


def _apart(kernel: Array, eager: Array, moved: Array) -> float:
    """The largest difference over the largest number where it is more than allowed, else 0."""
    if not (np.isfinite(eager) & np.isfinite(moved)).all():
        # Where autograd overflows nothing can be held against it but that the kernel sees the same.
        return 0.0 if np.array_equal(np.isfinite(kernel), np.isfinite(eager)) else inf
    top, error = float(np.abs(eager).max()), float(np.abs(kernel - eager).max())
    allowed = ALLOWED * top + ROUNDINGS * float(np.abs(moved - eager).max())
    if error <= allowed:
        return 0.0
    return error / top if top > 0.0 else inf


def _gradient(pulled: Pulled, log_scale: float) -> Array:
    """The gradient over another scale."""
    return pulled[1] * np.exp(pulled[2] - log_scale)


def _pulled(eager: EagerProgram) -> Pulled:
    """Autograd's."""
    x, y = eager.x[:SAMPLES], eager.y[:SAMPLES]
    size = min(eager.block, SAMPLES)
    found = gradients_of(eager.model, eager.parameters, x, y, eager.cotangent, size)
    outputs, gradients, scale = found
    flat = torch.cat([g.reshape(-1) for g in gradients])
    return outputs.numpy().ravel(), flat.numpy(), 0.0 if scale is None else float(scale)
