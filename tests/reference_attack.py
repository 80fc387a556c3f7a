"""Plain attacks, slow and obvious: projected gradient in a ball, and every cell of a two-layer network."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from workbench.theory.numerics.least_distance import least_distance

RADII, STEPS = 14, 20


def projected_gradient(margin, x, box, top, evaluations, seed=0):
    """(k) the least radius of a bisection from `top` (k) at which normalized gradient steps, kept in the
    ball and the box, reach a margin below 0; ∞ where none does. `margin(x)` gives (k) margins.

    `evaluations`: of the margin with its gradient, for one sample in all.
    """
    random = torch.Generator().manual_seed(seed)
    restarts = max(1, evaluations // (RADII * STEPS))
    low, high = torch.zeros(len(x), dtype=x.dtype), top.clone()
    best = torch.full((len(x),), torch.inf, dtype=x.dtype)
    for number in range(RADII):
        radius = high if number == 0 else 0.5 * (low + high)
        hit = torch.zeros(len(x), dtype=torch.bool)
        for restart in range(restarts):
            noise = torch.randn(x.shape, generator=random, dtype=x.dtype)
            delta = _scaled(noise, radius * 0.5) if restart else torch.zeros_like(x)
            for _ in range(STEPS):
                at = _boxed(x + delta, box).requires_grad_(True)
                q = margin(at)
                length = (at.detach() - x).norm(dim=1)
                nearer = (q.detach() < 0) & (length < best)
                best = torch.where(nearer, length, best)
                hit |= q.detach() < 0
                slope = torch.autograd.grad(q.sum(), at)[0]
                delta = delta - _scaled(slope, 2.5 * radius / STEPS)
                too_long = delta.norm(dim=1) > radius
                delta = torch.where(too_long[:, None], _scaled(delta, radius), delta)
        low, high = torch.where(hit, low, radius), torch.where(hit, radius, high)
    return best


def _scaled(v, length):
    return v * (length / v.norm(dim=1).clamp(min=1e-300))[:, None]


def _boxed(x, box):
    return (x if box is None else x.clamp(*box)).detach()


def every_cell(network):
    """The least ‖δ‖ with q(x + δ) ≤ 0 over all gate patterns of a `TwoLayer`; ∞ where no cell has one."""
    h, d = network.weight.shape
    best = np.inf
    for pattern in itertools.product((1.0, -1.0), repeat=h):
        gate = np.array(pattern)
        slope = np.where(gate > 0, max(1.0, network.leak), min(1.0, network.leak))
        pull = (network.c * slope) @ network.weight
        value = float((network.c * slope) @ network.heights) + network.offset
        rows = [gate[:, None] * network.weight, -pull[None]]
        levels = [-gate * network.heights, [value]]
        if np.isfinite(network.low).all():
            rows += [np.eye(d), -np.eye(d)]
            levels += [network.low, -network.high]
        best = min(best, _shortest(np.concatenate(rows), np.concatenate(levels)))
    return best


def _shortest(rows, levels):
    """min ‖δ‖ s.t. rows·δ ≥ levels."""
    empty = np.linalg.norm(rows, axis=1) == 0
    if (levels[empty] > 0).any():
        return np.inf
    rows, levels = rows[~empty], levels[~empty]
    if not (levels > 0).any():
        return 0.0
    found = least_distance(rows, levels)
    return float(np.linalg.norm(found.w)) if found.feasible else np.inf
