"""The risk as a function of θ, on a copy of the network: values, gradients, Hessian products.

A copy, because whoever inspects must not move the weights that an engine trains. On the CPU in
float64, whatever the run uses. torch is imported where it is needed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import Loss, Reduction

if TYPE_CHECKING:
    from torch import Tensor, nn

BLOCK_NUMBERS = 4_000_000
"""Most numbers that a batch of Hessian products or of networks holds in one layer."""


@dataclass(frozen=True, eq=False)
class RiskModel:
    """𝓛(θ) for θ (P), samples x (n, …) and labels y (n).

    `model` is only read; it may be training meanwhile.
    """

    model: nn.Module
    x: Array
    y: Float[Array, " n"]
    loss: Loss
    reduction: Reduction

    @cached_property
    def _block(self) -> int:
        """Samples evaluated at once."""
        from workbench.engine.programs.blocks import samples_a_block

        return samples_a_block(self._own[0], self._own[2])

    @cached_property
    def _own(self) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
        """A copy of the network, its flat θ, and the samples as tensors."""
        import torch

        from workbench.models.network import flatten

        model = copy.deepcopy(self.model)
        theta = flatten(model, torch.float64, torch.device("cpu"))
        x = torch.from_numpy(np.ascontiguousarray(self.x, dtype=np.float64))
        return model, theta, x, torch.from_numpy(np.asarray(self.y, dtype=np.float64))

    def outputs(self, theta: Float[Array, " P"]) -> Float[Array, "n ..."]:
        """Φ(θ; x_i), (n) or (n, C)."""
        import torch

        from workbench.engine.programs.blocks import outputs_of
        from workbench.models.repeatable import looking

        model, own, x, _ = self._own
        with torch.no_grad():
            own.copy_(torch.from_numpy(theta))
        with looking(model):
            return outputs_of(model, x, self._block).numpy().copy()

    def outputs_at(self, theta: Float[Array, " P"], x: Array) -> Float[Array, "m ..."]:
        """Φ(θ; x) of other inputs (m, …)."""
        import torch

        from workbench.engine.programs.blocks import outputs_of

        model, own, _, _ = self._own
        with torch.no_grad():
            own.copy_(torch.from_numpy(theta))
        inputs = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))
        return outputs_of(model, inputs, self._block).numpy().copy()

    def log_risk(self, theta: Float[Array, " P"]) -> float:
        """log 𝓛(θ), natural, with the run's reduction."""
        found = self.loss.log_risk(self.outputs(theta)[None], self.y, self.reduction)
        return float(found[0])

    def gradient(self, theta: Float[Array, " P"]) -> tuple[Float[Array, " P"], float]:
        """(g, s) with ∇𝓛 = e^s g: one Clarke selection, kept from underflow."""
        import torch

        from workbench.engine.log_scale import log_scale_of, reduction_log
        from workbench.engine.programs.blocks import gradients_of
        from workbench.models.repeatable import looking

        model, own, x, y = self._own
        with torch.no_grad():
            own.copy_(torch.from_numpy(theta))
        with looking(model):
            _, parts, top = gradients_of(
                model, _parameters(model), x, y, self.loss.cotangent, self._block
            )
        scale = log_scale_of(top, reduction_log(self.reduction, len(self.y)), own)
        return torch.cat([p.reshape(-1) for p in parts]).numpy(), float(scale)

    def hessian_products(
        self, theta: Float[Array, " P"], vectors: Float[Array, "k P"]
    ) -> Float[Array, "k P"]:
        """∇²𝓛(θ) v by double backward (off kinks, one selection on them), in batches."""
        return np.concatenate(list(self.hessian_blocks(theta, vectors)))

    def hessian_blocks(
        self, theta: Float[Array, " P"], vectors: Float[Array, "k P"]
    ) -> Iterator[Float[Array, "b P"]]:
        """The same product block by block, so that a caller can stop between two."""
        import torch

        model, own, x, y = self._own
        with torch.no_grad():
            own.copy_(torch.from_numpy(theta))
        parameters = _parameters(model)
        risk = self.loss.risk(_plain(model(x)), y)
        if self.reduction == "mean":
            risk = risk / len(self.y)
        first = torch.autograd.grad(risk, parameters, create_graph=True, materialize_grads=True)
        gradient = torch.cat([p.reshape(-1) for p in first])
        if not gradient.requires_grad:
            yield np.zeros_like(vectors)
            return
        widest = len(self.y) * max(p.shape[0] if p.ndim else 1 for p in parameters)
        block = max(1, min(64, BLOCK_NUMBERS // max(1, widest)))
        for start in range(0, len(vectors), block):
            rows = torch.from_numpy(np.ascontiguousarray(vectors[start : start + block]))
            parts = torch.autograd.grad(
                gradient,
                parameters,
                rows,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
                is_grads_batched=True,
            )
            yield torch.cat([p.reshape(len(rows), -1) for p in parts], dim=1).numpy()

    @property
    def batchable(self) -> bool:
        """Whether `joint` can evaluate many θ at once: networks that describe themselves."""
        from workbench.models.network import described

        return described(self.model) is not None

    def joint(self, z: Float[Array, "n ..."]) -> JointNcf:
        """N(θ) = Σ_i z_i·Φ(θ; x_i) over batches of θ."""
        return JointNcf(self, z)


@dataclass(frozen=True, eq=False)
class JointNcf:
    """The correlation function of a whole network (KH24 §5, before Corollary 5.4.1)."""

    risk: RiskModel
    z: Float[Array, "n ..."]

    def _sum(self, theta: Any) -> Any:
        """Σ over the batch of N, and N of each θ."""
        import torch

        model, _, x, _ = self.risk._own
        z = torch.from_numpy(np.ascontiguousarray(self.z))
        names = [name for name, p in model.named_parameters() if p.requires_grad]
        shapes = [p.shape for p in _parameters(model)]

        def one(flat: Tensor) -> Tensor:
            parts = torch.split(flat, [s.numel() for s in shapes])
            given = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
            return torch.sum(_plain(torch.func.functional_call(model, given, (x,))) * z)

        return torch.func.vmap(one)(theta)

    def value(self, theta: Float[Array, "B P"]) -> Float[Array, " B"]:
        """N of every row."""
        import torch

        with torch.no_grad():
            return self._sum(torch.from_numpy(np.ascontiguousarray(theta))).numpy()

    def gradient(self, theta: Float[Array, "B P"]) -> Float[Array, "B P"]:
        """One Clarke selection of ∂N for every row."""
        import torch

        rows = torch.from_numpy(np.ascontiguousarray(theta)).requires_grad_(True)
        return torch.autograd.grad(self._sum(rows).sum(), rows)[0].numpy()


def _parameters(model: nn.Module) -> list[Tensor]:
    return [p for p in model.parameters() if p.requires_grad]


def _plain(outputs: Tensor) -> Tensor:
    """(n) where a network gives (n, 1)."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
