"""A run's network with its (leaky) ReLU gates held: what `theory.margin.polish` asks for.

Every call of a ReLU is caught while the module runs, so any module whose only kinks are (leaky) ReLUs
is held whole; other kinks (max-pooling, absolute values) follow the weights as autograd takes them. The
module must treat samples one by one. float64, on the CPU, on a copy of the network.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.theory.margin.problem import class_margins

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.inspector.state import InspectedState

CHUNK = 128
"""Samples whose gradients are taken at once."""
BLOCK = 64
"""Products with the curvature, or gradients of heights, taken at once."""


class GatedNetwork:
    """`theory.patterned.PatternedMargins` of a state's network; constraints are q_i, or s_ij in the
    order of `class_margins` where there is an output a class (`pairs` (M, 2) then names them)."""

    def __init__(self, state: InspectedState) -> None:
        import torch

        from workbench.models.network import flatten

        if state.order is None:
            raise ValueError("the network is not homogeneous")
        self.order = state.order
        self.smooth = state.structure.description.smooth_gates
        self._model: nn.Module = copy.deepcopy(state.risk.model)
        self._flat = flatten(self._model, torch.float64, torch.device("cpu"))
        self._x = torch.from_numpy(np.ascontiguousarray(state.x, dtype=np.float64))
        self._y = state.y
        self._classes = state.outputs.ndim == 2
        n = len(state.y)
        self.pairs = np.column_stack([np.arange(n), np.zeros(n)]).astype(np.int64)
        if self._classes:
            self.pairs = class_margins(state.outputs, state.y)[1]
        self.samples = self.pairs[:, 0]

    # --- what the gates see ---

    @cached_property
    def low(self) -> Float[Array, " G"]:
        """The gates' slope below 0."""
        _, gates = self._forward(None, slice(0, 1))
        return np.array(gates.low)

    def heights(self, theta: Float[Array, " P"]) -> Float[Array, "n G"]:
        """Pre-activations of every ReLU, side by side."""
        self._put(theta)
        _, gates = self._forward(None, slice(None))
        return gates.joined(len(self._y)).detach().numpy()

    def margins(self, theta: Float[Array, " P"], gates: Float[Array, "n G"]) -> Float[Array, " M"]:
        """q_i, or s_ij, of all constraints."""
        import torch

        self._put(theta)
        with torch.no_grad():
            outputs = self._forward(torch.from_numpy(gates), slice(None))[0].numpy()
        return class_margins(outputs, self._y)[0] if self._classes else self._y * outputs

    # --- derivatives ---

    def rows(
        self, theta: Float[Array, " P"], gates: Float[Array, "n G"], which: Int[Array, " k"]
    ) -> Float[Array, "k P"]:
        """∇q of the constraints `which`, sample by sample."""
        found = np.empty((len(which), len(theta)))
        if not len(which):
            return found
        used, position = np.unique(self.samples[which], return_inverse=True)
        for start in range(0, len(used), CHUNK):
            part = used[start : start + CHUNK]
            jacobian = self._jacobian(theta, gates[part], part)
            mine = np.flatnonzero((position >= start) & (position < start + CHUNK))
            at, constraint = position[mine] - start, which[mine]
            label = self._y[part[at]]
            if self._classes:
                other = self.pairs[constraint, 1]
                found[mine] = jacobian[at, label.astype(np.intp)] - jacobian[at, other]
            else:
                found[mine] = label[:, None] * jacobian[at, 0]
        return found

    def curvature(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
    ) -> Float[Array, "P P"]:
        """∇² of Σ weights q by double backward, in blocks of columns."""
        import torch

        self._put(theta)
        parameters = self._parameters
        total = self._weighted(torch.from_numpy(gates), which, weights)
        first = torch.autograd.grad(total, parameters, create_graph=True, materialize_grads=True)
        gradient = torch.cat([p.reshape(-1) for p in first])
        if not gradient.requires_grad:
            return np.zeros((len(theta), len(theta)))
        return self._pulled(gradient, np.eye(len(theta)))

    def kinks(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
        pairs: Int[Array, "j 2"],
    ) -> tuple[Float[Array, " j"], Float[Array, "j P"], Float[Array, "j P"]]:
        """Heights of gates (sample, gate), their ∇, and ∂/∂gate of ∇Σ weights q."""
        import torch

        self._put(theta)
        used, position = np.unique(pairs[:, 0], return_inverse=True)
        _, seen = self._forward(torch.from_numpy(gates[used]), used)
        heights = seen.joined(len(used))[position, pairs[:, 1]]
        rows = self._pulled(heights, np.eye(len(pairs)))
        jumps = np.zeros_like(rows)
        if len(which):
            held = torch.from_numpy(gates).requires_grad_(True)
            total = self._weighted(held, which, weights)
            slopes = torch.autograd.grad(total, held, create_graph=True, materialize_grads=True)[0]
            chosen = slopes[pairs[:, 0], pairs[:, 1]]
            if chosen.requires_grad:
                jumps = self._pulled(chosen, np.eye(len(pairs)))
        return heights.detach().numpy(), rows, jumps

    # --- torch ---

    @cached_property
    def _parameters(self) -> list[Tensor]:
        return [p for p in self._model.parameters() if p.requires_grad]

    def _put(self, theta: Float[Array, " P"]) -> None:
        import torch

        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(np.asarray(theta, dtype=np.float64)))

    def _forward(self, gates: Tensor | None, samples: Any) -> tuple[Tensor, Any]:
        """Outputs (b) or (b, C) of some samples, and what their gates saw."""
        with held_gates(gates) as seen:
            outputs = self._model(self._x[samples])
        single = outputs.ndim == 2 and outputs.shape[1] == 1
        return (outputs[:, 0] if single else outputs), seen

    def _weighted(
        self, gates: Tensor, which: Int[Array, " k"], weights: Float[Array, " k"]
    ) -> Tensor:
        """Σ weights q over the constraints `which`, as a tensor."""
        import torch

        used, position = np.unique(self.samples[which], return_inverse=True)
        outputs, _ = self._forward(gates[used], used)
        cotangent = np.zeros(tuple(outputs.shape))
        if self._classes:
            label = self._y[used].astype(np.intp)
            np.add.at(cotangent, (position, label[position]), weights)
            np.add.at(cotangent, (position, self.pairs[which, 1]), -weights)
        else:
            np.add.at(cotangent, position, weights * self._y[used][position])
        return torch.sum(outputs * torch.from_numpy(cotangent))

    def _pulled(self, values: Tensor, cotangents: Float[Array, "k m"]) -> Float[Array, "k P"]:
        """Gradients in θ of cotangents · values."""
        import torch

        found = []
        for start in range(0, len(cotangents), BLOCK):
            rows = torch.from_numpy(np.ascontiguousarray(cotangents[start : start + BLOCK]))
            parts = torch.autograd.grad(
                values,
                self._parameters,
                rows,
                retain_graph=True,
                allow_unused=True,
                is_grads_batched=True,
            )
            # Parameters that do not matter come back as None, one for the whole batch.
            whole = [
                torch.zeros(len(rows), p.numel(), dtype=rows.dtype)
                if part is None
                else part.reshape(len(rows), -1)
                for part, p in zip(parts, self._parameters, strict=True)
            ]
            found.append(torch.cat(whole, dim=1).numpy())
        return np.concatenate(found)

    def _jacobian(
        self, theta: Float[Array, " P"], gates: Float[Array, "b G"], samples: Int[Array, " b"]
    ) -> Float[Array, "b C P"]:
        """∂Φ of some samples, each by itself."""
        import torch

        names = [name for name, p in self._model.named_parameters() if p.requires_grad]
        shapes = [p.shape for p in self._parameters]

        def one(flat: Tensor, x: Tensor, held: Tensor) -> Tensor:
            parts = torch.split(flat, [shape.numel() for shape in shapes])
            given = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
            with held_gates(held[None]):
                return torch.func.functional_call(self._model, given, (x[None],)).reshape(-1)

        each = torch.func.vmap(torch.func.jacrev(one), in_dims=(None, 0, 0))
        flat = torch.from_numpy(np.array(theta, dtype=np.float64))
        found: Tensor = each(flat, self._x[samples], torch.from_numpy(gates))
        return found.detach().numpy()


def held_gates(gates: Tensor | None) -> Any:
    """A context in which every (leaky) ReLU writes down what it sees; with gates (b, G) given it gives
    gate · height. Its `low` lists the slopes below 0, `joined(b)` the heights as (b, G)."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    plain = {torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, functional.relu}
    sloped = {functional.leaky_relu, torch._C._nn.leaky_relu}

    class HeldGates(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.heights: list[Tensor] = []
            self.low: list[float] = []
            self.used = 0

        def joined(self, count: int) -> Tensor:
            if not self.heights:
                return torch.zeros(count, 0, dtype=torch.float64)
            return torch.cat(self.heights, dim=1)

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if func not in plain and func not in sloped:
                return func(*args, **kwargs)
            height = args[0] if args else kwargs["input"]
            slope = 0.0
            if func in sloped:
                slope = args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01)
            flat = height.reshape(height.shape[0], -1)
            self.heights.append(flat)
            width = flat.shape[1]
            self.low.extend([float(slope)] * width)
            start, self.used = self.used, self.used + width
            if gates is None:
                return func(*args, **kwargs)
            return (gates[:, start : self.used] * flat).reshape(height.shape)

    return HeldGates()
