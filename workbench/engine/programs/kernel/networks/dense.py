"""Dense first layers in compiled code: ⟨u_k, x_i⟩ of some rows, and Σ_i a_ki x_i.

Two rows and four inputs at a time in the first, four rows and four inputs in the second, so that numbers are
used from registers: measured at H = 200, d = 20, n = 200 on one busy core with AVX-512, 17 µs and 15 µs for
0.8 million multiplications and additions each, where plain loops took 62 µs and 40 µs, OpenBLAS 31 and 35 µs.
That holds where rows begin at a line of the cache (`aligned.py`): else the first takes 27 µs.
"""

from __future__ import annotations

from typing import Any

from workbench.engine.programs.kernel.compiled import part

ROWS = 4
"""Most rows of one call of `pulled`."""
KEPT = 1 << 16
"""Numbers of a layer's pre-activations that are kept from the forward pass in any case: half a megabyte."""
CHEAP = 8
"""Inputs up to which more than that are computed again: they come and go faster than memory does."""


def keeps(width: int, d: int, b: int) -> bool:
    """Whether the pre-activations of b samples are kept for the backward pass."""
    return width * b <= KEPT or d > CHEAP


@part
def product(theta: Any, k: Any, d: Any, x: Any, a: Any) -> None:
    """Write ⟨u_k, x_i⟩ (b); u (H, d) lies at the start of θ."""
    for j in range(d):
        u, row = theta[k * d + j], x[j]
        if j == 0:
            for i in range(a.size):
                a[i] = u * row[i]
        else:
            for i in range(a.size):
                a[i] += u * row[i]


@part
def two_products(theta: Any, k: Any, d: Any, x: Any, a: Any, c: Any) -> None:
    """The same of rows k (a) and k + 1 (c); what is left of d over fours comes first."""
    u, v = theta[k * d : (k + 1) * d], theta[(k + 1) * d : (k + 2) * d]
    b, left = a.size, d % 4
    if left == 1:
        x0 = x[0]
        for i in range(b):
            a[i] = u[0] * x0[i]
            c[i] = v[0] * x0[i]
    elif left == 2:
        x0, x1, u0, u1, v0, v1 = x[0], x[1], u[0], u[1], v[0], v[1]
        for i in range(b):
            a[i] = u0 * x0[i] + u1 * x1[i]
            c[i] = v0 * x0[i] + v1 * x1[i]
    elif left == 3:
        x0, x1, x2, u0, u1, u2 = x[0], x[1], x[2], u[0], u[1], u[2]
        v0, v1, v2 = v[0], v[1], v[2]
        for i in range(b):
            a[i] = u0 * x0[i] + u1 * x1[i] + u2 * x2[i]
            c[i] = v0 * x0[i] + v1 * x1[i] + v2 * x2[i]
    else:
        a[:] = 0.0
        c[:] = 0.0
    for j in range(left, d, 4):
        x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        u0, u1, u2, u3 = u[j], u[j + 1], u[j + 2], u[j + 3]
        v0, v1, v2, v3 = v[j], v[j + 1], v[j + 2], v[j + 3]
        for i in range(b):
            a[i] += u0 * x0[i] + u1 * x1[i] + u2 * x2[i] + u3 * x3[i]
            c[i] += v0 * x0[i] + v1 * x1[i] + v2 * x2[i] + v3 * x3[i]


@part
def products(theta: Any, k: Any, rows: Any, d: Any, x: Any, b: Any, into: Any) -> None:
    """Those of rows k to k + rows − 1, one after the other (rows·b)."""
    for r in range(0, rows - 1, 2):
        first, second = into[r * b : (r + 1) * b], into[(r + 1) * b : (r + 2) * b]
        two_products(theta, k + r, d, x, first, second)
    if rows % 2:
        product(theta, k + rows - 1, d, x, into[(rows - 1) * b : rows * b])


@part
def pulled(a: Any, rows: Any, x: Any, d: Any, b: Any, gradient: Any) -> None:
    """Write Σ_i a_ri x_i (rows·d) for a (rows·b), of at most ROWS rows."""
    if rows < ROWS:
        for r in range(rows):
            _one_pulled(a[r * b : (r + 1) * b], x, gradient[r * d : (r + 1) * d])
        return
    a0, a1, a2, a3 = a[:b], a[b : 2 * b], a[2 * b : 3 * b], a[3 * b : 4 * b]
    fours = d - d % 4
    for j in range(0, fours, 4):
        x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
        s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
        for i in range(b):
            s00 += a0[i] * x0[i]
            s01 += a0[i] * x1[i]
            s02 += a0[i] * x2[i]
            s03 += a0[i] * x3[i]
            s10 += a1[i] * x0[i]
            s11 += a1[i] * x1[i]
            s12 += a1[i] * x2[i]
            s13 += a1[i] * x3[i]
            s20 += a2[i] * x0[i]
            s21 += a2[i] * x1[i]
            s22 += a2[i] * x2[i]
            s23 += a2[i] * x3[i]
            s30 += a3[i] * x0[i]
            s31 += a3[i] * x1[i]
            s32 += a3[i] * x2[i]
            s33 += a3[i] * x3[i]
        g = gradient[j:]
        g[0], g[1], g[2], g[3] = s00, s01, s02, s03
        g[d], g[d + 1], g[d + 2], g[d + 3] = s10, s11, s12, s13
        g[2 * d], g[2 * d + 1], g[2 * d + 2], g[2 * d + 3] = s20, s21, s22, s23
        g[3 * d], g[3 * d + 1], g[3 * d + 2], g[3 * d + 3] = s30, s31, s32, s33
    for j in range(fours, d - 1, 2):
        x0, x1 = x[j], x[j + 1]
        s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = 0.0
        for i in range(b):
            s00 += a0[i] * x0[i]
            s01 += a0[i] * x1[i]
            s10 += a1[i] * x0[i]
            s11 += a1[i] * x1[i]
            s20 += a2[i] * x0[i]
            s21 += a2[i] * x1[i]
            s30 += a3[i] * x0[i]
            s31 += a3[i] * x1[i]
        g = gradient[j:]
        g[0], g[1], g[d], g[d + 1] = s00, s01, s10, s11
        g[2 * d], g[2 * d + 1], g[3 * d], g[3 * d + 1] = s20, s21, s30, s31
    if d % 2:
        last = x[d - 1 : d]
        for r in range(ROWS):
            _one_pulled(a[r * b : (r + 1) * b], last, gradient[r * d + d - 1 : r * d + d])


@part
def _one_pulled(a: Any, x: Any, gradient: Any) -> None:
    """Write Σ_i a_i x_ji for every row j of x."""
    for j in range(gradient.size):
        row, total = x[j], 0.0
        for i in range(a.size):
            total += a[i] * row[i]
        gradient[j] = total
