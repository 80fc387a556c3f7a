"""Squared (leaky) ReLU neurons of the plane, d = 2, in compiled code: four at a time, nothing kept.

Measured on one busy core: 10,000 neurons and 200 samples, a forward and a backward pass, in 0.37 ms where the
loops over `dense` take 1.6 ms.
"""

from __future__ import annotations

from typing import Any

from workbench.engine.programs.kernel.compiled import part


@part
def plane_outputs(theta: Any, x: Any, signs: Any, leak: Any, outputs: Any) -> None:
    """Write Σ_k s_k σ(⟨u_k, x_i⟩)² (b)."""
    outputs[:] = 0.0
    x0, x1 = x[0], x[1]
    for k in range(0, signs.size - 3, 4):
        u, g = theta[2 * k : 2 * k + 8], signs[k : k + 4]
        a0, a1, b0, b1, c0, c1, d0, d1 = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
        ga, gb, gc, gd = g[0], g[1], g[2], g[3]
        for i in range(outputs.size):
            p, q = x0[i], x1[i]
            a, b, c, d = a0 * p + a1 * q, b0 * p + b1 * q, c0 * p + c1 * q, d0 * p + d1 * q
            a = a if a > 0.0 else leak * a
            b = b if b > 0.0 else leak * b
            c = c if c > 0.0 else leak * c
            d = d if d > 0.0 else leak * d
            outputs[i] += (ga * (a * a) + gb * (b * b)) + (gc * (c * c) + gd * (d * d))
    for k in range(signs.size - signs.size % 4, signs.size):
        a0, a1, ga = theta[2 * k], theta[2 * k + 1], signs[k]
        for i in range(outputs.size):
            a = a0 * x0[i] + a1 * x1[i]
            a = a if a > 0.0 else leak * a
            outputs[i] += ga * (a * a)


@part
def plane_gradient(theta: Any, x: Any, signs: Any, leak: Any, weights: Any, gradient: Any) -> None:
    """Write Σ_i weights_i ∂Φ(x_i)/∂u (H·2)."""
    x0, x1 = x[0], x[1]
    below = leak * leak
    for k in range(0, signs.size - 3, 4):
        u, g = theta[2 * k : 2 * k + 8], gradient[2 * k : 2 * k + 8]
        a0, a1, b0, b1, c0, c1, d0, d1 = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        for i in range(weights.size):
            p, q, w = x0[i], x1[i], weights[i]
            a, b, c, d = a0 * p + a1 * q, b0 * p + b1 * q, c0 * p + c1 * q, d0 * p + d1 * q
            a = w * (a if a > 0.0 else below * a)
            b = w * (b if b > 0.0 else below * b)
            c = w * (c if c > 0.0 else below * c)
            d = w * (d if d > 0.0 else below * d)
            s0 += a * p
            s1 += a * q
            s2 += b * p
            s3 += b * q
            s4 += c * p
            s5 += c * q
            s6 += d * p
            s7 += d * q
        a, b, c, d = 2.0 * signs[k], 2.0 * signs[k + 1], 2.0 * signs[k + 2], 2.0 * signs[k + 3]
        g[0], g[1], g[2], g[3] = a * s0, a * s1, b * s2, b * s3
        g[4], g[5], g[6], g[7] = c * s4, c * s5, d * s6, d * s7
    for k in range(signs.size - signs.size % 4, signs.size):
        a0, a1, s0, s1 = theta[2 * k], theta[2 * k + 1], 0.0, 0.0
        for i in range(weights.size):
            a = a0 * x0[i] + a1 * x1[i]
            a = weights[i] * (a if a > 0.0 else below * a)
            s0 += a * x0[i]
            s1 += a * x1[i]
        gradient[2 * k], gradient[2 * k + 1] = 2.0 * signs[k] * s0, 2.0 * signs[k] * s1
