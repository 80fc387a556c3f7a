"""Two-layer (leaky) ReLU and squared-ReLU networks with held gates, by loops over samples and neurons."""

from __future__ import annotations

import numpy as np


class TwoLayer:
    """q_i = y_i Σ_k v_k g_ik ⟨u_k, x_i⟩; θ = (u row by row, v)."""

    order = 2.0
    smooth = False

    def __init__(self, x, y, width, leak=0.0):
        self.x, self.y, self.width = np.asarray(x, float), np.asarray(y, float), width
        self.low = np.full(width, leak)
        self.samples = np.arange(len(self.y))
        self.leak = leak

    def parts(self, theta):
        d = self.x.shape[1]
        return theta[: self.width * d].reshape(self.width, d), theta[self.width * d :]

    def heights(self, theta):
        return self.x @ self.parts(theta)[0].T

    def gates(self, theta):
        return np.where(self.heights(theta) > 0, 1.0, self.leak)

    def margins(self, theta, gates):
        u, v = self.parts(theta)
        return np.array(
            [
                self.y[i] * sum(v[k] * gates[i, k] * (u[k] @ self.x[i]) for k in range(self.width))
                for i in range(len(self.y))
            ]
        )

    def rows(self, theta, gates, which):
        u, v = self.parts(theta)
        out = []
        for i in which:
            du = [self.y[i] * v[k] * gates[i, k] * self.x[i] for k in range(self.width)]
            dv = [self.y[i] * gates[i, k] * (u[k] @ self.x[i]) for k in range(self.width)]
            out.append(np.concatenate([np.concatenate(du), dv]))
        return np.array(out).reshape(len(which), len(theta))

    def curvature(self, theta, gates, which, weights):
        d, h = self.x.shape[1], self.width
        out = np.zeros((len(theta), len(theta)))
        for i, weight in zip(which, weights, strict=True):
            for k in range(h):
                part = weight * self.y[i] * gates[i, k] * self.x[i]
                out[k * d : (k + 1) * d, h * d + k] += part
                out[h * d + k, k * d : (k + 1) * d] += part
        return out

    def kinks(self, theta, gates, which, weights, pairs):
        u, v = self.parts(theta)
        d, h = self.x.shape[1], self.width
        heights = np.array([u[k] @ self.x[i] for i, k in pairs])
        rows, jumps = np.zeros((len(pairs), len(theta))), np.zeros((len(pairs), len(theta)))
        for position, (i, k) in enumerate(pairs):
            rows[position, k * d : (k + 1) * d] = self.x[i]
            weight = sum(w for c, w in zip(which, weights, strict=True) if c == i)
            jumps[position, k * d : (k + 1) * d] = weight * self.y[i] * v[k] * self.x[i]
            jumps[position, h * d + k] = weight * self.y[i] * heights[position]
        return heights, rows, jumps


class SquaredRelu:
    """q_i = y_i Σ_k s_k (g_ik ⟨u_k, x_i⟩)²."""

    order = 2.0
    smooth = True

    def __init__(self, x, y, signs, leak=0.0):
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        self.signs, self.leak = np.asarray(signs, float), leak
        self.low = np.full(len(self.signs), leak)
        self.samples = np.arange(len(self.y))

    def heights(self, theta):
        return self.x @ theta.reshape(len(self.signs), -1).T

    def gates(self, theta):
        return np.where(self.heights(theta) > 0, 1.0, self.leak)

    def margins(self, theta, gates):
        return self.y * ((gates * self.heights(theta)) ** 2 @ self.signs)

    def rows(self, theta, gates, which):
        s = gates**2 * self.heights(theta)
        return np.array(
            [(2 * self.y[i] * self.signs * s[i])[:, None] * self.x[i] for i in which]
        ).reshape(len(which), len(theta))

    def curvature(self, theta, gates, which, weights):
        d = self.x.shape[1]
        out = np.zeros((len(theta), len(theta)))
        for i, weight in zip(which, weights, strict=True):
            for k, sign in enumerate(self.signs):
                block = slice(k * d, (k + 1) * d)
                out[block, block] += (
                    2
                    * weight
                    * self.y[i]
                    * sign
                    * gates[i, k] ** 2
                    * np.outer(self.x[i], self.x[i])
                )
        return out

    def kinks(self, theta, gates, which, weights, pairs):
        raise AssertionError("smooth")


def flow(problem, theta, until, change=0.2, steps=100_000):
    """Descent of log Σ e^{−q}, no step of which moves a margin by much more than `change`, until
    q_min ≥ `until`."""
    every = np.arange(len(problem.samples))
    for _ in range(steps):
        gates = problem.gates(theta)
        q = problem.margins(theta, gates)
        if q.min() >= until:
            return theta
        p = np.exp(-(q - q.min()))
        pull = (p / p.sum()) @ problem.rows(theta, gates, every)
        size = np.linalg.norm(theta)
        longest = min(0.02, change / max(1.0, problem.order * q.max())) * size
        theta = theta + min(0.02, longest / np.linalg.norm(pull)) * pull
    raise AssertionError("the flow does not separate")
