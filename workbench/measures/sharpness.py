"""Sharpness λ_max(∇²𝓛) of recorded states, and what a step size is stable below (Cohen et al. 2021)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import Loss, Reduction
from workbench.theory.numerics.lanczos import Largest, largest_eigenvalue

if TYPE_CHECKING:
    from torch import Tensor, nn


class Sharpness:
    """The Hessian of a run's risk on a copy of its network, in float64 on the CPU.

    Measured at steps that are multiples of `every`. `x` (n, …), `y` (n): the samples; the risk is that of the
    data alone, without weight decay. Off kinks the Hessian is autograd's, on them one selection of it.
    """

    def __init__(
        self,
        network: nn.Module,
        x: Array,
        y: Float[np.ndarray, "n ..."],
        loss: Loss,
        reduction: Reduction,
        every: int,
    ) -> None:
        import torch

        from workbench.engine.programs.blocks import samples_a_block
        from workbench.models.network import flatten

        self.every = every
        self._loss, self._reduction = loss, reduction
        self._network = copy.deepcopy(network)
        self._flat = flatten(self._network, torch.float64, torch.device("cpu"))
        self._parameters = [p for p in self._network.parameters() if p.requires_grad]
        self._x = torch.from_numpy(np.asarray(x, dtype=np.float64))
        self._y = torch.from_numpy(np.asarray(y, dtype=np.float64))
        self._block = samples_a_block(self._network, self._x)

    def of(self, network: nn.Module, x: Array, y: Float[np.ndarray, "n ..."]) -> Sharpness:
        """Another network's, with other samples."""
        return Sharpness(network, x, y, self._loss, self._reduction, self.every)

    def at(self, theta: Float[np.ndarray, " P"]) -> Largest:
        """λ_max of ∇²𝓛(θ) with its residual; NaN where the Hessian is not finite."""
        import torch

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        parts = list(
            zip(torch.split(self._x, self._block), torch.split(self._y, self._block), strict=True)
        )
        # One block's graph is built once; of several, one at a time is held.
        whole = self._pulled(*parts[0]) if len(parts) == 1 else None

        def product(v: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
            vector = torch.from_numpy(v)
            if whole is not None:
                return whole(vector)
            found = np.zeros(v.size)
            for x, y in parts:
                found += self._pulled(x, y)(vector)
            return found

        return largest_eigenvalue(product, self._flat.numel())

    def _pulled(self, x: Tensor, y: Tensor) -> Callable[[Tensor], Array]:
        """v ↦ ∇²𝓛_B v of some of the samples, by double backward."""
        import torch

        from workbench.engine.programs.blocks import plain_outputs

        with torch.enable_grad():
            risk = self._loss.risk(plain_outputs(self._network(x)), y)
            if self._reduction == "mean":
                risk = risk / len(self._y)
            first = torch.autograd.grad(
                risk, self._parameters, create_graph=True, materialize_grads=True
            )
            gradient = torch.cat([part.reshape(-1) for part in first])

        def pulled(v: Tensor) -> Array:
            if not gradient.requires_grad:
                return np.zeros(v.numel())
            second = torch.autograd.grad(
                gradient,
                self._parameters,
                v,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            return torch.cat([part.reshape(-1) for part in second]).numpy()

        return pulled


@dataclass(frozen=True)
class Stability:
    """Descent of step size η is stable along an eigenvector of 𝓛's Hessian while λ < factor/η − decay.

    `factor`: 2, with heavy ball β 2(1 + β). `rate`: η where it is fixed, None where the rule records it.
    `decay`: λ of weight decay, which shifts every eigenvalue of what is descended.
    """

    factor: float
    rate: float | None
    decay: float = 0.0

    def threshold(self, rate_log: Float[np.ndarray, " T"] | None, count: int) -> Array:
        """(T) of `count` records; `rate_log`: log η of the steps to them, NaN where there was none."""
        if self.rate is not None:
            return np.full(count, self.factor / self.rate - self.decay)
        if rate_log is None:
            return np.full(count, np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.factor * np.exp(-rate_log) - self.decay
        return np.where(np.isfinite(rate_log), found, np.nan)
