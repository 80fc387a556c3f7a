"""Certified robustness: how far in L2 a sample surely is from being misclassified (LL20 J.2).

LL20: R(x) ≥ q/β with β a Lipschitz constant of the margin. Here every sample and every other class has
its own β, for the ball in question: the norms of the layers multiplied, units that stay inactive in the
whole ball left out, and the last two layers, where both are dense, taken together with their gates
held. The radius is the largest r found with q_j(x) > r β_j(x, r) for every other class j; where no gate
of a two-layer network can change in that ball it is exact.
Squared ReLU: q(x + δ) ≥ q − ‖∇q‖‖δ‖ − ‖Σ_{y s_k < 0} u_k u_kᵀ‖ ‖δ‖², as their slopes are 2‖u‖²-Lipschitz.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.engine.programs.blocks import plain_outputs
from workbench.inspector.layer_chain import (
    SLACK,
    Chain,
    Convolved,
    Dense,
    Pooled,
    chain_of,
    spectral,
)
from workbench.models.network import described
from workbench.models.structure import Neurons

ROUNDING = 1e-10
"""Of the largest output; taken off every margin before it is compared."""
HALVINGS = 40


def why_no_bound(model: nn.Module, input_shape: tuple[int, ...]) -> str | None:
    """One sentence where nothing is certified, or None."""
    if _squares(model) is not None or chain_of(model, input_shape) is not None:
        return None
    return (
        "No certified bound is known for this network: it is none of the workbench's own chains of "
        "layers."
    )


@torch.no_grad()
def certified_radius(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(k) radii within which samples x (k, …), labels y, keep their class; 0 where q ≤ 0.

    Raises ValueError for networks of which `why_no_bound` says why.
    """
    squares = _squares(model)
    if squares is not None:
        return _squared(model, squares, x, y)
    chain = chain_of(model, tuple(x.shape[1:]))
    if chain is None:
        raise ValueError("no bound is known for this network")
    return _Certifier(chain, x, y).radius()


@torch.no_grad()
def lipschitz_product(model: nn.Module, input_shape: tuple[int, ...]) -> float:
    """β from above, the product of all layers' operator norms; ∞ where the network is no chain."""
    chain = chain_of(model, input_shape)
    if chain is None:
        return float("inf")
    product = 1.0
    for stage in chain.stages:
        product *= stage.norm
    return product


def _squares(model: nn.Module) -> Neurons | None:
    """The neurons of a network that is a sum of s_k σ(u_k·x)², else None."""
    found = described(model)
    neurons = None if found is None else found.neurons
    return neurons if neurons is not None and neurons.ncf == "squared-relu" else None


def _squared(model: nn.Module, neurons: Neurons, x: Tensor, y: Tensor) -> Tensor:
    """The positive root of q − ‖∇q‖ r − M r² = 0."""
    h = x.flatten(1)
    with torch.enable_grad():
        at = h.detach().requires_grad_(True)
        q = y * plain_outputs(model(at))
        slope = torch.autograd.grad(q.sum(), at)[0].norm(dim=1) * SLACK
    q = q.detach()
    q = q - ROUNDING * q.abs()
    bend = torch.zeros_like(q)
    u = model.get_parameter(neurons.incoming)
    signs = torch.tensor(neurons.signs, dtype=u.dtype)
    for label in (-1.0, 1.0):
        against = u[label * signs < 0]
        if len(against):
            bend[y == label] = spectral(against) ** 2 * max(1.0, neurons.leak**2)
    root = (slope.square() + 4.0 * bend * q.clamp(min=0.0)).sqrt() + slope
    return torch.where(q > 0, 2.0 * q / root.clamp(min=1e-300), 0.0) / SLACK


class _Certifier:
    """Bisects for the radius of every sample at once."""

    def __init__(self, chain: Chain, x: Tensor, y: Tensor) -> None:
        self.chain = chain
        outputs, self.heights = chain.forward(x)
        last = chain.stages[-1]
        assert isinstance(last, Dense)
        if outputs.shape[1] == 1:
            # Class 0 of two, −Φ and Φ, would be the same thing: one margin, one row.
            self.toward = y[:, None, None] * last.weight[None]
            q = y[:, None] * outputs
        else:
            label = y.long()
            self.toward = last.weight[label][:, None] - last.weight[None]
            q = outputs.gather(1, label[:, None]) - outputs
            # A class is no rival of itself.
            q.scatter_(1, label[:, None], torch.inf)
        self.q = q - ROUNDING * outputs.abs().amax(dim=1, keepdim=True)
        self.whole = self.toward.norm(dim=2) * SLACK
        self.row_norms = [
            stage.weight.norm(dim=1) * SLACK if isinstance(stage, Dense) else None
            for stage in chain.stages
        ]

    def radius(self) -> Tensor:
        """The largest radius found that is certified."""
        product = 1.0
        for stage in self.chain.stages[:-1]:
            product *= stage.norm
        low = (self.q / (product * self.whole).clamp(min=1e-300)).amin(dim=1).clamp(min=0.0)
        alive = low > 0
        high = torch.where(alive, 2.0 * low, 0.0)
        for _ in range(HALVINGS):
            held = self._holds(high) & alive
            if not bool(held.any()):
                break
            low, high = torch.where(held, high, low), torch.where(held, 2.0 * high, high)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            held = self._holds(middle)
            low, high = torch.where(held, middle, low), torch.where(held, high, middle)
        return low

    def _holds(self, r: Tensor) -> Tensor:
        """Whether q_j > (largest change of q_j in the ball) for every rival class j."""
        stages, heights, leak = self.chain.stages, self.heights, self.chain.leak
        moved = r
        active: Tensor | None = None
        change = torch.full_like(self.q, torch.inf)
        for k, stage in enumerate(stages[:-1]):
            if isinstance(stage, Pooled):
                active = None
                continue
            if isinstance(stage, Convolved):
                moved, active = moved * stage.norm, None
                continue
            reach = self._reach(k, active) * moved[:, None]
            s = heights[k]
            if k == len(stages) - 2:
                change = self._two_layers(stage, s, reach, moved)
            maybe = torch.ones_like(s) if leak != 0.0 else (s + reach > 0).to(s)
            factor = torch.minimum(
                torch.full_like(moved, stage.norm), self._frobenius(stage, maybe, active)
            )
            moved, active = moved * factor, maybe
        toward = self.toward if active is None else self.toward * active[:, None, :]
        plain = toward.norm(dim=2) * SLACK * moved[:, None]
        return (self.q > torch.minimum(plain, change)).all(dim=1)

    def _reach(self, k: int, active: Tensor | None) -> Tensor:
        """(k, out) the norm of every row over the columns that can change."""
        stage, norms = self.chain.stages[k], self.row_norms[k]
        assert isinstance(stage, Dense)
        assert norms is not None
        if active is None:
            return norms.expand(len(self.q), -1)
        return (active @ stage.weight.square().T).sqrt() * SLACK

    @staticmethod
    def _frobenius(stage: Dense, maybe: Tensor, active: Tensor | None) -> Tensor:
        """‖W‖_F over the rows and columns that can change, a sample a number."""
        squares = stage.weight.square()
        columns = squares.sum(dim=1) if active is None else active @ squares.T
        return (maybe * columns).sum(dim=1).sqrt() * SLACK

    def _two_layers(self, stage: Dense, s: Tensor, reach: Tensor, moved: Tensor) -> Tensor:
        """(k, C) the largest change of Σ_i c_i σ(s_i), s = W h + b, for ‖Δh‖ ≤ moved.

        Units whose sign is sure change linearly, together; the others by |c_i| ‖w_i‖ each, or by
        ‖c‖ ‖W‖ together.
        """
        sure = s.abs() >= reach
        gate = torch.where(s > 0, 1.0, self.chain.leak) * sure
        linear = ((self.toward * gate[:, None, :]) @ stage.weight).norm(dim=2) * SLACK
        loose = self.toward.abs() * (~sure)[:, None, :]
        apart = (loose * (reach / moved[:, None].clamp(min=1e-300))[:, None, :]).sum(dim=2)
        together = loose.norm(dim=2) * stage.norm
        return (linear + torch.minimum(apart, together)) * moved[:, None]
