"""Slow, obvious numerics for optimality: margins by loops, and a search for better points by brute force.

Nothing here comes from `workbench.theory`: a network is its index matrices, leak, data and labels.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.optimize import minimize


def margins(network, theta, number=float):
    """q_i by loops over layers, units and weights; `number` is float or Fraction."""
    found = []
    weights = [number(float(t)) for t in theta]
    leak = number(float(network.leak))
    for x, y in zip(network.x, network.y, strict=True):
        h = [number(float(value)) for value in x]
        for k, index in enumerate(network.index):
            s = [
                sum((weights[e] * h[b] for b, e in enumerate(row) if e >= 0), number(0))
                for row in index.tolist()
            ]
            last = k == len(network.index) - 1
            h = s if last else [t if t > 0 else leak * t for t in s]
        found.append(number(float(y)) * h[0])
    return found


def is_better(network, theta, norm2):
    """Whether θ is feasible and of norm² below `norm2`, in exact arithmetic."""
    feasible = all(q >= 1 for q in margins(network, theta, Fraction))
    return feasible and sum(Fraction(float(t)) ** 2 for t in theta) < norm2


def nearest_norm2(network, theta, radius, tries, random, free=None):
    """The least ‖θ‖² found by SLSQP among feasible points within `radius` of θ, from `tries` random
    starts there, each scaled onto q_min = 1; only the numbers `free` (all, or a layer's) move."""
    best = float(theta @ theta)
    moved = np.arange(len(theta)) if free is None else np.flatnonzero(free)
    order = len(network.index) if free is None else 1

    def at(s):
        found = theta.copy()
        found[moved] += radius * s
        return found

    def excess(s):
        return (np.array(margins(network, at(s))) - 1.0) / radius

    for attempt in range(tries):
        start = random.normal(size=len(moved))
        # Some starts move a few numbers only: neurons that sleep wake by few of their weights.
        if attempt % 2:
            start *= random.random(len(moved)) < 0.5
        start *= random.random() / max(np.linalg.norm(start), 1e-12)
        found = minimize(
            lambda s: (at(s) @ at(s) - theta @ theta) / radius**2,
            start,
            jac=lambda s: 2.0 * at(s)[moved] / radius,
            constraints=[
                {"type": "ineq", "fun": excess},
                {"type": "ineq", "fun": lambda s: 1.0 - s @ s, "jac": lambda s: -2.0 * s},
            ],
            method="SLSQP",
            options={"maxiter": 60, "ftol": 1e-10},
        )
        if not np.isfinite(found.x).all() or found.x @ found.x > 1.5:
            continue
        end = at(found.x)
        least = min(margins(network, end))
        if least > 0:
            end[moved] *= least ** (-1.0 / order)
            best = min(best, float(end @ end))
    return best


def better_nearby(network, theta, random, tries=12, free=None):
    """Whether better points were found at both of two small distances."""
    norm2 = float(theta @ theta)
    return all(
        nearest_norm2(network, theta, radius * np.sqrt(norm2), tries, random, free)
        < norm2 * (1.0 - 1e-5 * radius**2)
        for radius in (1e-2, 1e-3)
    )


def least_anywhere(network, starts, random):
    """The least ‖θ‖² of feasible points that SLSQP finds from random starts."""
    best = np.inf
    size = 1 + max(int(index.max()) for index in network.index)
    for _ in range(starts):
        start = random.normal(size=size)
        found = minimize(
            lambda theta: theta @ theta,
            start * 2.0,
            jac=lambda theta: 2.0 * theta,
            constraints=[
                {"type": "ineq", "fun": lambda theta: np.array(margins(network, theta)) - 1.0}
            ],
            method="SLSQP",
            options={"maxiter": 150},
        )
        least = min(margins(network, found.x)) if np.isfinite(found.x).all() else 0.0
        if least > 0:
            best = min(best, float(found.x @ found.x) * least ** (-2.0 / len(network.index)))
    return best
