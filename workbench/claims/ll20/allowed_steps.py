"""Gradient descent of a diagonal network with the largest steps that LL20's (S5) allows, millions of them.

θ ← θ − η ∇𝓛 with η = H(𝓛) = μ/(C_η κ) (E.1), for the exponential loss, summed, and Φ = Σ_j x_j ∏_l w_lj of
order L. −log 𝓛 then grows like the root of the number of steps, so that its powers of ten take compiled code.
With ℓ = −log 𝓛 and ℓ_0 that at t_0, η𝓛 = ℓ_0/(2ℓ) ℓ^{−(2 − 2/L)}/C_η: no number leaves the floats.

What is kept: the state at the first step at or past each height, and over all steps the sum of (22),
Σ (β⁻² − 1) log(ρ(t+1)/ρ(t)), and by how much Lemma E.10's bound on ‖θ^(t+1) − θ^(t)‖ is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types

from workbench.arrays import Float
from workbench.engine.programs.kernel.compiled import F, X, compiled, make_ready
from workbench.measures.margin_discrete import DiscreteMargin, largest_rate

COLUMNS = ("step", "log_time", "log_risk", "sum_22", "used")
"""Of a record, in the order in which compiled code writes them."""


@dataclass(frozen=True, eq=False)
class Descended:
    """K records of a descent: `step`, `log_time` log Σ η, −∞ at first, `log_risk`, θ (K, P), `sum_22` the sum
    of (22) from t_0 on, `used`: the most of Lemma E.10's bound that a step so far has moved the direction."""

    step: Float[np.ndarray, " K"]
    log_time: Float[np.ndarray, " K"]
    log_risk: Float[np.ndarray, " K"]
    sum_22: Float[np.ndarray, " K"]
    used: Float[np.ndarray, " K"]
    theta: Float[np.ndarray, "K P"]


def largest_values(x: Float[np.ndarray, "n d"], order: int) -> tuple[float, float, float]:
    """B_0, B_1, B_2: q, ‖∇q‖ and ‖∇²q‖ of Σ_j x_j ∏_l w_lj on the unit sphere, at most, for L = 1, 2, 3.

    In one coordinate with Σ_l w_l² = s: ∏ w_l ≤ (s/L)^{L/2}; Σ_k ∏_{l≠k} w_l² is s for L = 2 and at most s²/3
    for L = 3; the second derivatives are a swap for L = 2, and a matrix of norm 2√(s/3) at most for L = 3.
    """
    most = float(np.abs(x).max())
    if order == 1:
        longest = float(np.linalg.norm(x, axis=1).max())
        return longest, longest, 0.0
    if order == 2:
        return most / 2.0, most, most
    if order == 3:
        return most * 3.0**-1.5, most * 3.0**-0.5, most * 2.0 * 3.0**-0.5
    raise ValueError(f"bounds are known for orders 1 to 3, not for {order}")


def descend(
    theta: Float[np.ndarray, " P"],
    z: Float[np.ndarray, "n d"],
    order: int,
    heights: Float[np.ndarray, " K"],
    steps: int,
    multiple: float = 1.0,
) -> Descended:
    """Up to `steps` steps from θ (order · d, layer by layer), z = y x; records at t_0 and where −log 𝓛 first
    reaches one of the growing `heights`, and at the end.

    `multiple` 1 is (S5)'s rate.
    """
    make_ready([STEPS])
    start, rho = -_log_risk(theta, z, order), float(np.linalg.norm(theta))
    first = largest_rate(
        np.array([-start]), DiscreteMargin(float(order), start), rho, largest_values(z, order)
    )
    power = 2.0 - 2.0 / order
    # log(η𝓛 ℓ^{3 − 2/L}) is the same at all heights.
    constant = float(first[0]) - start + (1.0 + power) * np.log(start) + np.log(multiple)
    records, states = np.zeros((len(heights) + 2, 5)), np.zeros((len(heights) + 2, len(theta)))
    settings = np.array([order, float(steps), constant, _slope_bound(z, order)])
    room = np.zeros(4 * len(theta) + len(z))
    count = STEPS(
        theta.copy(), z, settings, np.asarray(heights, dtype=float), room, records, states
    )
    kept = records[: int(count)]
    columns = {name: kept[:, k] for k, name in enumerate(COLUMNS)}
    return Descended(**columns, theta=states[: int(count)])


def _slope_bound(z: Float[np.ndarray, "n d"], order: int) -> float:
    return largest_values(z, order)[1]


def _log_risk(theta: Float[np.ndarray, " P"], z: Float[np.ndarray, "n d"], order: int) -> float:
    q = z @ theta.reshape(order, -1).prod(axis=0)
    return float(-q.min() + np.log(np.sum(np.exp(q.min() - q))))


@compiled(types.float64(F, X, F, F, F, X, X))
def STEPS(
    theta: Any, z: Any, settings: Any, heights: Any, room: Any, records: Any, states: Any
) -> Any:
    """θ is moved; the number of records that were written. `room` (4P + n)."""
    size, n, d = theta.shape[0], z.shape[0], z.shape[1]
    order, steps = int(settings[0]), int(settings[1])
    constant, slope = settings[2], settings[3]
    power = 2.0 - 2.0 / settings[0]
    # −∇log 𝓛, per coordinate its sum over samples, and q.
    pull, pulled, q = 0, size, 4 * size
    next_height, count = 0, 0
    log_time, total, used = -np.inf, 0.0, 0.0
    for step in range(steps + 1):
        low = np.inf
        for i in range(n):
            value = 0.0
            for j in range(d):
                product = z[i, j]
                for k in range(order):
                    product *= theta[k * d + j]
                value += product
            room[q + i] = value
            low = min(low, value)
        mass = 0.0
        for i in range(n):
            room[q + i] = np.exp(low - room[q + i])
            mass += room[q + i]
        height = low - np.log(mass)
        reached = next_height < heights.shape[0] and height >= heights[next_height]
        if step == 0 or reached or step == steps:
            records[count, 0], records[count, 1], records[count, 2] = step, log_time, -height
            records[count, 3], records[count, 4] = total, used
            for p in range(size):
                states[count, p] = theta[p]
            count += 1
            while next_height < heights.shape[0] and height >= heights[next_height]:
                next_height += 1
        if step == steps or next_height == heights.shape[0]:
            break
        for j in range(d):
            value = 0.0
            for i in range(n):
                value += room[q + i] * z[i, j]
            room[pulled + j] = value / mass
        square, along, length = 0.0, 0.0, 0.0
        for k in range(order):
            for j in range(d):
                value = room[pulled + j]
                for other in range(order):
                    if other != k:
                        value *= theta[other * d + j]
                room[pull + k * d + j] = value
                here = theta[k * d + j]
                square += here * here
                along += here * value
                length += value * value
        across = 0.0
        for p in range(size):
            rest = room[pull + p] - along / square * theta[p]
            across += rest * rest
        log_rate = constant - (1.0 + power) * np.log(height)
        rate = np.exp(log_rate)
        # ρ(t+1)² = ρ² + 2 rate ⟨θ, pull⟩ + rate² ‖pull‖².
        grown = 0.5 * np.log1p((2.0 * rate * along + rate * rate * length) / square)
        total += across * square / (along * along) * grown
        moved = rate * np.sqrt(across) / (np.sqrt(square) * np.exp(grown))
        smoothed = height / square ** (0.5 * settings[0])
        used = max(used, moved / ((slope / (settings[0] * smoothed) * np.exp(grown) + 1.0) * grown))
        eta = log_rate + height
        log_time = max(log_time, eta) + np.log1p(np.exp(-abs(log_time - eta)))
        for p in range(size):
            theta[p] += rate * room[pull + p]
    return count
