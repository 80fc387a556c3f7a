"""Slow, obvious numerics of the constrained NCF, to check `workbench.theory` against.

Nothing here is shared with the package: sums run over the data as given, cells are found by probing,
sets by least squares.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

LEAKS = (0.0, 0.1, 0.5, -0.5)


@dataclass(frozen=True)
class Case:
    """One seeded data set with a leak."""

    name: str
    x: np.ndarray
    z: np.ndarray
    leak: float


def sigma(s, leak):
    """Leaky ReLU, as max(s, αs)."""
    return np.maximum(s, leak * s)


def squared(u, x, z, leak):
    """N(u) = Σ z σ(x·u)², sample by sample; u (d,) or (d, B)."""
    return sum(zi * sigma(xi @ u, leak) ** 2 for xi, zi in zip(x, z, strict=True))


def linear(u, x, z, leak):
    """g(u) = Σ z σ(x·u), sample by sample; u (d,) or (d, B)."""
    return sum(zi * sigma(xi @ u, leak) for xi, zi in zip(x, z, strict=True))


def squared_gradient(u, x, z, leak):
    """2 Σ z σ'(x·u) σ(x·u) x, for rows of u."""
    s = u @ x.T
    return 2 * (np.where(s > 0, s, leak**2 * s) * z) @ x


def two_layer_gradient(w, x, z, leak):
    """(Σ z σ(x·u), v Σ z σ'(x·u) x), for rows (v, u)."""
    s = w[:, 1:] @ x.T
    slope = np.where(s > 0, z, leak * z)
    return np.column_stack([np.sum(slope * s, axis=1), w[:, :1] * (slope @ x)])


def make_case(seed: int, d: int = 2, n_max: int = 14) -> Case:
    """A seeded data set; the seed also picks what is odd about it."""
    rng = np.random.default_rng(seed)
    leak = LEAKS[seed % 4]
    n = int(rng.integers(1, n_max))
    x = rng.normal(size=(n, d))
    z = rng.normal(size=n)
    oddity = ("plain", "lattice", "antipodal", "duplicated", "zeros", "positive")[(seed // 4) % 6]
    if oddity == "lattice":
        x = rng.integers(-2, 3, size=(n, d)).astype(float)
        z = rng.integers(-2, 3, size=n).astype(float)
    elif oddity == "antipodal":
        x, z = np.vstack([x, -x[: n // 2]]), np.append(z, rng.choice([1, -1], n // 2) * z[: n // 2])
    elif oddity == "duplicated":
        x, z = (
            np.vstack([x, 3 * x[: n // 2], -0.5 * x[:2]]),
            np.append(z, rng.normal(size=n // 2 + len(x[:2]))),
        )
    elif oddity == "zeros":
        x[rng.random(n) < 0.3] = 0.0
        z[rng.random(n) < 0.3] = 0.0
    elif oddity == "positive":
        z = np.abs(z)
    return Case(f"{seed}-{oddity}-leak{leak}-n{len(x)}-d{d}", x, z, leak)


def grid_extrema(value, count):
    """Angles of strict local maxima and minima of `value(theta)` on an equispaced grid."""
    theta = 2 * np.pi * (np.arange(count) + 0.318) / count
    f = value(theta)
    up, down = f > np.roll(f, 1), f > np.roll(f, -1)
    low, high = f < np.roll(f, 1), f < np.roll(f, -1)
    return theta[up & down], theta[low & high]


def circle_values(x, z, leak, power):
    """θ -> Σ z σ(x·u(θ))^power, accumulated over samples."""

    def value(theta):
        total = np.zeros_like(theta)
        for xi, zi in zip(x, z, strict=True):
            total += zi * sigma(xi[0] * np.cos(theta) + xi[1] * np.sin(theta), leak) ** power
        return total

    return value


def clarke_vertices(u, x, z, leak, probes=400, seed=0, step=1e-6):
    """Gradients of g in the cells that touch u, found by probing around u: conv of them is ∂g(u)."""
    rng = np.random.default_rng(seed)
    near = u + step * rng.normal(size=(probes, len(u)))
    gradients = [np.where(x @ w > 0, z, leak * z) @ x for w in near]
    return np.unique(np.round(gradients, 12), axis=0)


def hull_distance(point, vertices):
    """Distance of a point to the convex hull of the vertices, by bounded least squares."""
    weight = 1e6
    system = np.vstack([vertices.T, weight * np.ones(len(vertices))])
    fit = lsq_linear(system, np.append(point, weight), (0.0, np.inf), method="bvls", tol=1e-14)
    return float(np.linalg.norm(vertices.T @ fit.x / fit.x.sum() - point))


def cells(x, z, d):
    """Sign patterns of all open cells of {x_i·u = 0}, by trying every pattern that a probe can meet."""
    rng = np.random.default_rng(5)
    used = x[(np.linalg.norm(x, axis=1) > 0)]
    if d == 2:
        angles = np.sort(
            np.mod(
                np.concatenate(
                    [np.arctan2(used[:, 1], used[:, 0]) + t for t in (np.pi / 2, -np.pi / 2)]
                ),
                2 * np.pi,
            )
        )
        middle = 0.5 * (angles + np.append(angles[1:], angles[0] + 2 * np.pi))
        probes = (
            np.column_stack([np.cos(middle), np.sin(middle)])
            if len(angles)
            else np.array([[1.0, 0.0]])
        )
    else:
        probes = rng.normal(size=(200_000, d))
        corners = [np.cross(a, b) for a, b in itertools.combinations(used, 2)] if d == 3 else []
        corners = np.array([c / np.linalg.norm(c) for c in corners if np.linalg.norm(c) > 1e-9])
        if len(corners):
            both = np.vstack([corners, -corners])
            probes = np.vstack(
                [probes, (both[:, None] + 1e-5 * rng.normal(size=(40, d))).reshape(-1, d)]
            )
    signs = (probes @ used.T > 1e-12).astype(np.int8)
    clear = (np.abs(probes @ used.T) > 1e-12).all(axis=1)
    return used, np.unique(signs[clear], axis=0).astype(bool)


def in_closed_cell(u, x, pattern, slack=1e-9):
    """Whether u lies in the closure of the cell with this pattern."""
    s = x @ u
    return bool((np.where(pattern, s, -s) >= -slack * np.linalg.norm(x, axis=1)).all())


def squared_kkt(x, z, leak):
    """Isolated KKT directions of one squared-ReLU neuron: eigenvectors of M_S in their closed cell.

    Returns (directions, had_repeated): with a repeated eigenvalue the isolated ones alone are listed.
    """
    d = x.shape[1]
    keep = np.linalg.norm(x, axis=1) > 0
    x, z = x[keep], z[keep]
    found, repeated = [], False
    used, patterns = cells(x, z, d)
    for pattern in patterns:
        weight = np.where(pattern, z, leak**2 * z)
        matrix = (x * weight[:, None]).T @ x
        values, vectors = np.linalg.eigh(matrix)
        for j in range(d):
            others = np.delete(values, j)
            if np.abs(others - values[j]).min() <= 1e-9 * max(1.0, np.abs(z).sum()):
                repeated = True
                continue
            pair = (vectors[:, j], -vectors[:, j])
            found += [u for u in pair if in_closed_cell(u, used, pattern)]
    return dedupe(found), repeated


def dedupe(points, tolerance=1e-6):
    """Distinct points, first come first kept."""
    kept: list[np.ndarray] = []
    for point in points:
        if all(np.linalg.norm(point - other) > tolerance for other in kept):
            kept.append(point)
    return kept


def nearest(point, others):
    """Distance of a point to the nearest of others."""
    return min((float(np.linalg.norm(point - other)) for other in others), default=np.inf)


def two_layer_directions(x, z, leak, tolerance=1e-7):
    """All û in S² with g(û)û ∈ ∂g(û), d = 3, isolated ones: cells, arcs of planes, corners, probed.

    Candidates come from least squares on every face that probing meets; ∂g is probed around each.
    """
    keep = (np.linalg.norm(x, axis=1) > 0) & (z != 0)
    x, z = x[keep], z[keep]
    candidates = []
    used, patterns = cells(x, z, 3)
    for pattern in patterns:
        slope = np.where(pattern, z, leak * z) @ x
        candidates += [slope, -slope]
    for plane in used:
        _, _, turn = np.linalg.svd(plane[None])
        basis = turn[1:]
        inside = used @ basis.T
        inside = inside[np.linalg.norm(inside, axis=1) > 1e-9]
        if len(inside) == 0:
            inside = np.eye(2)
        across = np.arctan2(inside[:, 1], inside[:, 0]) + np.pi / 2
        angles = np.sort(np.mod(np.concatenate([across, across + np.pi]), 2 * np.pi))
        middle = 0.5 * (angles + np.append(angles[1:], angles[:1] + 2 * np.pi))
        for theta in middle:
            u = np.array([np.cos(theta), np.sin(theta)]) @ basis
            slope = np.where(x @ u > 1e-12, z, leak * z) @ x
            part = (slope @ basis.T) @ basis
            candidates += [part, -part]
    for a, b in itertools.combinations(used, 2):
        corner = np.cross(a, b)
        candidates += [corner, -corner]
    scale = np.abs(z) @ np.linalg.norm(x, axis=1)
    found = []
    for c in candidates:
        if np.linalg.norm(c) <= 1e-9 * scale:
            continue
        u = c / np.linalg.norm(c)
        vertices = clarke_vertices(u, x, z, leak, probes=300, step=1e-7)
        if hull_distance(linear(u, x, z, leak) * u, vertices) <= tolerance * scale:
            found.append(u)
    return dedupe(found)


def deep_linear_kkt(x, r, sizes):
    """KKT points of N(θ) = Σ_i ⟨r_i, W_L⋯W_1 x_i⟩ of rank one, on ‖θ‖ = 1: (N, σ, [W_1, …, W_L]), σ falling.

    N = ⟨W_L⋯W_1, M⟩ with M = Σ_i r_i x_iᵀ. λW_k = ∂N/∂W_k gives λ‖W_k‖² = N for every layer, so all have norm
    1/√L, and W_{k+1}ᵀW_{k+1} = W_kW_kᵀ: balanced layers share one set of singular values. Of rank one,
    W_L⋯W_1 = L^{−L/2} a bᵀ with (a, b) singular vectors of M to σ, and N = σ L^{−L/2}. The units between
    are the first of each layer, which any rotation of them may replace.
    """
    m = sum(np.outer(ri, xi) for ri, xi in zip(r, x, strict=True))
    a, sigma, b = np.linalg.svd(m)
    depth = len(sizes) - 1
    found = []
    for j, s in enumerate(sigma):
        layers = [np.zeros((after, before)) for before, after in itertools.pairwise(sizes)]
        for k, w in enumerate(layers):
            left = a[:, j] if k == depth - 1 else np.eye(len(w))[0]
            right = b[j] if k == 0 else np.eye(w.shape[1])[0]
            w[:] = np.outer(left, right) / np.sqrt(depth)
        found.append((s * depth ** (-depth / 2), s, layers))
    return found
