"""The field of gradient flow in two charts, with a Jacobian of low rank for its stiff directions.

*Near* (any risk that is not small; the square loss always): y = θ. Square loss: dθ/dt = −∇𝓛. Else
dθ/ds = ∇F, F = −log 𝓛, which is the same curve in the time ds = 𝓛 dt.

*Far* (the data separated, Φ homogeneous of order L): y = u = θ/ρ over x = log ρ,

    du/dx = (G − u⟨u, G⟩)/⟨u, G⟩,   G = Σ_p w_p ∂s_p(u),   w = ∂F/∂s at s = e^{Lx} s(u)

(LL20 §4: dθ/dt = 𝓛 ∇F, and d log ρ/dt = 𝓛 ⟨θ, ∇F⟩/ρ² > 0 once 𝓛 < 1). Only s(u) and e^{Lx} are
evaluated, so no risk is too small. The stiff part of ∂f/∂y comes from the weights, Aᵀ(∂w/∂s)A with
A = ∂s, and from the gates of ReLU neurons (`gates.py`) that are just opening.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Float, Int
from workbench.engine.programs.blocks import plain_outputs
from workbench.engine.programs.flow.gates import SoftGates
from workbench.engine.programs.flow.rosenbrock import LowRank
from workbench.losses.loss import Loss, Reduction
from workbench.losses.pairs import PairWeights
from workbench.models.network import flatten

MOST_ROWS = 256
ROW_NUMBERS = 4_000_000
WORTH = 0.02
"""h times the decay rate of a direction from which it is treated implicitly."""
SLIGHT = 1e-9
"""Weight below which a pair is never looked at for the Jacobian."""


@dataclass(frozen=True, eq=False)
class Place:
    """The field at a point, in the far chart or the near one.

    `slope` (P) is dy/dx there. `height` F, `log_norm` log ρ, `log_steep` log ‖∇F(θ)‖², `radial`
    ν = ⟨θ, ∇F(θ)⟩ (of the square loss: of −𝓛) do not depend on the chart. `pull` (P) is G, `along`
    ⟨u, G⟩ and `scale` e^{Lx}; near both are 1.
    """

    far: bool
    point: Float[np.ndarray, " P"]
    slope: Float[np.ndarray, " P"]
    height: float
    log_norm: float
    log_steep: float
    radial: float
    along: float
    scale: float
    pairs: PairWeights
    margins: Float[np.ndarray, " m"]
    gates: SoftGates
    gate_pull: tuple[Tensor, ...]

    @property
    def finite(self) -> bool:
        """Whether the field can be followed from here."""
        return bool(np.isfinite(self.slope).all()) and not np.isnan(self.height)


class FlowField:
    """The flow of one risk, on a copy of the network; counts its `evaluations`."""

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
        self.model = copy.deepcopy(model)
        self.theta = flatten(self.model, x.dtype, x.device)
        self.names = [name for name, p in self.model.named_parameters() if p.requires_grad]
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.x, self.y = x, y.detach().cpu().double().numpy()
        self.loss, self.reduction, self.order = loss, reduction, order
        self.gate_width = gate_width
        self.log_mean = float(np.log(len(self.y))) if reduction == "mean" else 0.0
        self.divisor = float(len(self.y)) if loss.regression and reduction == "mean" else 1.0
        self.evaluations = 0

    def near(self, theta: Float[np.ndarray, " P"]) -> Place:
        """The field at θ (P)."""
        return self._near(theta, kinks=True)

    def near_slope(self, theta: Float[np.ndarray, " P"], x: float) -> Float[np.ndarray, " P"]:
        """dθ/dx alone; x is not looked at."""
        return self._near(theta, kinks=False).slope

    def far(self, u: Float[np.ndarray, " P"], x: float) -> Place:
        """The field at the direction of u (P), ρ = e^x."""
        return self._far(u, x, kinks=True)

    def far_slope(self, u: Float[np.ndarray, " P"], x: float) -> Float[np.ndarray, " P"]:
        """du/dx alone."""
        return self._far(u, x, kinks=False).slope

    def _near(self, theta: Float[np.ndarray, " P"], kinks: bool) -> Place:
        pairs, margins, pull, gates, gate_pull = self._pull(theta, 1.0, kinks)
        with np.errstate(divide="ignore"):
            norm, steep = 0.5 * float(np.log(theta @ theta)), float(np.log(pull @ pull))
        slope = pull / self.divisor
        return Place(
            False, theta, slope, pairs.height, norm, steep, float(theta @ pull), 1.0, 1.0,
            pairs, margins, gates, gate_pull,
        )  # fmt: skip

    def _far(self, u: Float[np.ndarray, " P"], x: float, kinks: bool) -> Place:
        if self.order is None:
            raise ValueError("the far chart needs a homogeneous network")
        u = u / np.sqrt(u @ u)
        scale = float(np.exp(self.order * x))
        pairs, margins, pull, gates, gate_pull = self._pull(u, scale, kinks)
        along = float(u @ pull)
        # Where θ does not move outward there is no chart: the slope is not finite, `along` says so.
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = pull / along - u
            slope -= u * (u @ slope)
        # ∇F(θ) = ρ^{L−1} G.
        with np.errstate(divide="ignore"):
            steep = float(np.log(pull @ pull)) + 2.0 * (self.order - 1.0) * x
        return Place(
            True, u, slope, pairs.height, x, steep, scale * along, along, scale,
            pairs, margins, gates, gate_pull,
        )  # fmt: skip

    def _pull(
        self, point: Float[np.ndarray, " P"], scale: float, kinks: bool
    ) -> tuple[
        PairWeights,
        Float[np.ndarray, " m"],
        Float[np.ndarray, " P"],
        SoftGates,
        tuple[Tensor, ...],
    ]:
        """Weights at scale·Φ(point), the margins s(point), G, and what reached every gate."""
        self.evaluations += 1
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(point))
        gates = SoftGates(self.gate_width)
        with gates if self.gate_width else nullcontext():
            outputs = plain_outputs(self.model(self.x))
        held = outputs.detach().cpu().double().numpy()
        pairs = self.loss.pair_weights(scale * held, self.y)
        margins = np.sum((held[pairs.sample] * pairs.cotangent).reshape(len(pairs.sample), -1), 1)
        wanted = [*self.parameters, *gates.after] if kinks else self.parameters
        found = torch.autograd.grad(
            outputs,
            wanted,
            torch.from_numpy(pairs.toward).to(outputs),
            allow_unused=True,
            materialize_grads=True,
        )
        count = len(self.parameters)
        pull = torch.cat([g.reshape(-1) for g in found[:count]]).cpu().double().numpy()
        return pairs, margins, pull, gates, found[count:]

    # --- the Jacobian ---

    def jacobian(self, place: Place, h: float, longest: float) -> tuple[LowRank, float]:
        """The stiff directions at a place for steps of about h, and the largest ‖∂s_p‖² met.

        `longest` is that of the step before: pairs that cannot matter unless it has grown fourfold are
        not looked at.
        """
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
        # A place without a chart (`along` is 0) has no pair that matters.
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = h * place.scale * pairs.bend / (place.along * self.divisor)
            chosen = np.flatnonzero((rate * 4.0 * longest > WORTH) & (pairs.weight > SLIGHT))
        if len(chosen) > most:
            chosen = np.sort(chosen[np.argsort(-pairs.weight[chosen], kind="stable")[:most]])
        rows = self._rows(place.gates, pairs.sample[chosen], pairs.cotangent[chosen], size)
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
        gates, size = place.gates, len(place.point)
        bends, samples, places = [], [], []
        offset = 0
        for s, width, leak, pull in zip(
            gates.before, gates.width, gates.leak, place.gate_pull, strict=True
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
