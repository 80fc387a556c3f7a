"""The field of any network's gradient flow, by torch's autograd, and the stiff part of its Jacobian.

That part comes from the weights, Aᵀ(∂w/∂s)A with A = ∂s, and from the gates of ReLU neurons (`gates.py`)
that are just opening.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Float, Int
from workbench.engine.programs.blocks import plain_outputs
from workbench.engine.programs.flow.gates import SoftGates
from workbench.engine.programs.flow.place import (
    MOST_ROWS,
    ROW_NUMBERS,
    SLIGHT,
    WORTH,
    Field,
    Place,
    Pull,
)
from workbench.engine.programs.flow.rosenbrock import LowRank
from workbench.losses.loss import Loss, Reduction
from workbench.models.network import flatten


class FlowField(Field):
    """The flow of one risk, on a copy of the network."""

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        loss: Loss,
        reduction: Reduction,
        order: float | None,
        gate_width: float,
    ) -> None:
        labels = y.detach().cpu().double().numpy()
        super().__init__(labels, loss=loss, reduction=reduction, order=order)
        self.model = copy.deepcopy(model)
        self.theta = flatten(self.model, x.dtype, x.device)
        self.names = [name for name, p in self.model.named_parameters() if p.requires_grad]
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.x, self.gate_width = x, gate_width

    def pull(self, point: Float[np.ndarray, " P"], scale: float, whole: bool) -> Pull:
        """See Field; `seen` is the gates and what reached every one of them."""
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(point))
        gates = SoftGates(self.gate_width)
        with gates if self.gate_width else nullcontext():
            outputs = plain_outputs(self.model(self.x))
        held = outputs.detach().cpu().double().numpy()
        pairs = self.loss.pair_weights(scale * held, self.y)
        margins = np.sum((held[pairs.sample] * pairs.cotangent).reshape(len(pairs.sample), -1), 1)
        wanted = [*self.parameters, *gates.after] if whole else self.parameters
        found = torch.autograd.grad(
            outputs,
            wanted,
            torch.from_numpy(pairs.toward).to(outputs),
            allow_unused=True,
            materialize_grads=True,
        )
        count = len(self.parameters)
        pull = torch.cat([g.reshape(-1) for g in found[:count]]).cpu().double().numpy()
        return Pull(pairs, margins, pull, (gates, found[count:]))

    def jacobian(self, place: Place, h: float, longest: float) -> tuple[LowRank, float]:
        """See Field."""
        rows, core, drift, longest = self._pair_rows(place, h, longest)
        kinks, bends = self._kink_rows(place, h)
        size, first = len(rows) + len(kinks), len(rows)
        if len(kinks):
            rows = np.concatenate([rows, kinks])
        whole = np.zeros((size, size))
        whole[:first, :first] = core
        whole[first:, first:] = np.diag(bends)
        radial = np.zeros(size)
        if place.far:
            radial = rows @ place.point
            rows = rows - radial[:, None] * place.point
        drift = np.concatenate([drift, np.zeros(len(kinks))])
        divisor = place.along * self.divisor
        return LowRank(rows, whole, drift, radial, place.slope, divisor), longest

    def _pair_rows(
        self, place: Place, h: float, longest: float
    ) -> tuple[Float[np.ndarray, "k P"], Float[np.ndarray, "k k"], Float[np.ndarray, " k"], float]:
        """∂s_p of the pairs that matter, ∂w/∂s · e^{Lx}, ∂(e^{Lx}s)/∂x · e^{−Lx}, and the largest
        ‖∂s_p‖²."""
        pairs, size = place.pairs, len(place.point)
        most = max(1, min(MOST_ROWS, ROW_NUMBERS // size))
        rate = self.rates(place, h)
        with np.errstate(invalid="ignore", over="ignore"):
            chosen = np.flatnonzero((rate * 4.0 * longest > WORTH) & (pairs.weight > SLIGHT))
        if len(chosen) > most:
            chosen = np.sort(chosen[np.argsort(-pairs.weight[chosen], kind="stable")[:most]])
        rows = self._rows(place.seen[0], pairs.sample[chosen], pairs.cotangent[chosen], size)
        length = np.einsum("kp,kp->k", rows, rows)
        if place.far:
            length -= (rows @ place.point) ** 2
        longest = float(length.max()) if len(length) else longest
        matters = rate[chosen] * length > WORTH
        if not matters.all():
            chosen, rows = chosen[matters], rows[matters]
        drift = np.zeros(len(chosen))
        if place.far and self.order is not None:
            drift = self.order * place.margins[chosen]
        return rows, place.scale * pairs.core(chosen), drift, longest

    def _rows(
        self,
        gates: SoftGates,
        sample: Int[np.ndarray, " k"],
        cotangent: Float[np.ndarray, "k ..."],
        size: int,
    ) -> Float[np.ndarray, "k P"]:
        """∂⟨cotangent, Φ(x_sample)⟩ of every pair, at the point evaluated last."""
        if len(sample) == 0:
            return np.zeros((0, size))
        widths = [w[:1] for w in gates.width]

        def one(parameters: dict[str, Tensor], x: Tensor, cotangent: Tensor) -> Tensor:
            with SoftGates(self.gate_width, widths) if widths else nullcontext():
                out = torch.func.functional_call(self.model, parameters, (x[None],))
            return (plain_outputs(out)[0] * cotangent).sum()

        x = self.x[torch.from_numpy(sample).to(self.x.device)]
        return self._per_sample(one, x, torch.from_numpy(cotangent).to(x))

    def _kink_rows(
        self, place: Place, h: float
    ) -> tuple[Float[np.ndarray, "k P"], Float[np.ndarray, " k"]]:
        """∂s of the pre-activations whose gates are opening where the flow is drawn to the kink, and the
        curvature Σ there: G changes by Σ_b bends_b ∂s_b ⟨∂s_b, δy⟩."""
        (gates, reached), size = place.seen, len(place.point)
        bends, samples, places = [], [], []
        offset = 0
        for s, width, leak, pull in zip(
            gates.before, gates.width, gates.leak, reached, strict=True
        ):
            z = s.detach() / width
            bend = pull * (1.0 - leak) * 0.75 * (1.0 - z * z) / width
            held = ((z.abs() < 1.0) & (bend < 0.0)).reshape(len(s), -1)
            index = torch.nonzero(held)
            bends.append(bend.reshape(len(s), -1)[held])
            samples.append(index[:, 0])
            places.append(index[:, 1] + offset)
            offset += held.shape[1]
        if not bends or not sum(len(b) for b in bends):
            return np.zeros((0, size)), np.zeros(0)
        bend, sample, position = torch.cat(bends), torch.cat(samples), torch.cat(places)
        most = max(1, min(MOST_ROWS, ROW_NUMBERS // size))
        if len(bend) > most:
            keep = torch.sort(torch.sort(bend, stable=True).indices[:most]).values
            bend, sample, position = bend[keep], sample[keep], position[keep]
        widths = [w[:1] for w in gates.width]

        def one(parameters: dict[str, Tensor], x: Tensor, position: Tensor) -> Tensor:
            with SoftGates(self.gate_width, widths) as seen:
                torch.func.functional_call(self.model, parameters, (x[None],))
            flat = torch.cat([s.reshape(-1) for s in seen.before])
            return flat.gather(0, position[None])[0]

        rows = self._per_sample(one, self.x[sample], position)
        curvature = bend.cpu().double().numpy()
        length = np.sum(rows * rows, axis=1)
        worth = -h * curvature * length / (place.along * self.divisor) > WORTH
        return rows[worth], curvature[worth]

    def _per_sample(
        self, one: Callable[..., Tensor], x: Tensor, second: Tensor
    ) -> Float[np.ndarray, "k P"]:
        """Gradients of one(θ, x_i, second_i) for every i, side by side."""
        parameters = dict(zip(self.names, (p.detach() for p in self.parameters), strict=True))
        batched = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))
        found = batched(parameters, x, second)
        rows = torch.cat([found[name].reshape(len(x), -1) for name in self.names], dim=1)
        return rows.cpu().double().numpy()
