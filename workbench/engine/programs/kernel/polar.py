"""−d of spectral descent in compiled code: U Vᵀ of every matrix G = U S Vᵀ, see `norms/spectral.py`.

With G lying, short by long, as T (s, L): the eigenvectors W of T Tᵀ (s, s) make the rows of W T nearly
orthogonal, as nearly as squares of singular values are known. What they still have of one another, E, is seen
in their products and taken away: to first order in E that is a product with an (s, s) matrix. Where E is too
large for that, pairs of rows are turned until they are orthogonal (one-sided Jacobi). Singular values and
vectors are then as exact as those of G, and what is rounding is left out as it is there.
"""

from __future__ import annotations

from math import copysign, frexp, ldexp, sqrt
from typing import Any

from workbench.engine.programs.kernel.compiled import part
from workbench.engine.programs.kernel.networks.dense import ROWS, products, pulled

MOST_SIDE = 64
"""Longest shorter side of a matrix: beyond it steps are the eager program's, whose LAPACK works in blocks."""
EPSILON = 2.0**-52
LIFT = 2.0**600
"""What is smaller than its inverse is multiplied by it first: numbers near the least have no exponent."""
FIRST_ORDER = 1e-7
"""The largest E whose square is rounding."""
SQUARES, NUMBERS = 3, 2
"""How many (s, s) and (s) there is room for, beside two (s, L)."""
SWEEPS, ROTATIONS = 40, 60
"""Most of them; they are as good as never needed."""


def room_for(shapes: list[tuple[int, int]], size: int) -> int:
    """How many numbers `polar_factors` works with: the factors themselves (P), and what the largest needs."""
    most = 0
    for rows, columns in shapes:
        short = min(rows, columns)
        most = max(most, 2 * rows * columns + short * (SQUARES * short + NUMBERS))
    return size + most


@part
def polar_factors(layers: Any, along: Any, room: Any) -> Any:
    """Write U Vᵀ of every matrix into `room` (P at its start); the sum of all singular values.

    `layers` (m, 3): where a matrix starts in θ, its rows, its columns. What is no number comes back as it is,
    with the other sign.
    """
    size, total, spoilt = along.size, 0.0, 0.0
    for p in range(size):
        spoilt += along[p] * 0.0
    if spoilt != 0.0:
        for p in range(size):
            room[p] = -along[p]
        return spoilt
    for k in range(layers.shape[0]):
        start, rows, columns = layers[k, 0], layers[k, 1], layers[k, 2]
        stop = start + rows * columns
        total += _polar_factor(along[start:stop], rows, columns, room[start:stop], room[size:])
    return total


@part
def _polar_factor(matrix: Any, rows: Any, columns: Any, factor: Any, room: Any) -> Any:
    """That of one matrix, and the sum of its singular values."""
    largest = 0.0
    for p in range(matrix.size):
        largest = max(largest, abs(matrix[p]))
    if largest == 0.0:
        factor[:] = 0.0
        return 0.0
    lift = LIFT if largest < 1.0 / LIFT else 1.0
    exponent = frexp(largest * lift)[1]
    short, long = min(rows, columns), max(rows, columns)
    area, square = short * long, short * short
    t, b = room[:area], room[area : 2 * area]
    gram = room[2 * area : 2 * area + square]
    turn = room[2 * area + square : 2 * area + 2 * square]
    mixed = room[2 * area + 2 * square : 2 * area + 3 * square]
    lengths = room[2 * area + 3 * square : 2 * area + 3 * square + short]
    beside = room[2 * area + 3 * square + short : 2 * area + 3 * square + 2 * short]
    _lay(matrix, rows, columns, lift, ldexp(1.0, -exponent), t)
    if short == 1:
        lengths[0] = _scaled(t, 0, long)
        _put(t, rows, columns, factor)
        return ldexp(lengths[0], exponent) / lift
    _products_of_rows(t, short, long, gram)
    _eigenvectors(gram, short, turn, lengths, beside)
    products(turn, 0, short, short, t.reshape((short, long)), long, b)
    widest = 0.0
    for k in range(short):
        lengths[k] = _scaled(b, k, long)
        widest = max(widest, lengths[k])
    rounding = widest * long * EPSILON
    _drop(b, short, long, lengths, rounding)
    _products_of_rows(b, short, long, gram)
    if _apart(gram, short, lengths) > FIRST_ORDER:
        products(turn, 0, short, short, t.reshape((short, long)), long, b)
        _turn_rows(b, turn, short, long, rounding)
        for k in range(short):
            lengths[k] = _scaled(b, k, long)
        _drop(b, short, long, lengths, rounding)
        _products_of_rows(b, short, long, gram)
    _correct(gram, turn, short, lengths, mixed)
    products(mixed, 0, short, short, b.reshape((short, long)), long, t)
    _put(t, rows, columns, factor)
    total = 0.0
    for k in range(short):
        total += lengths[k]
    return ldexp(total, exponent) / lift


@part
def _lay(matrix: Any, rows: Any, columns: Any, lift: Any, factor: Any, t: Any) -> None:
    """Write it short by long, times lift · factor."""
    if rows <= columns:
        for p in range(t.size):
            t[p] = matrix[p] * lift * factor
        return
    for i in range(rows):
        for j in range(columns):
            t[j * rows + i] = matrix[i * columns + j] * lift * factor


@part
def _put(t: Any, rows: Any, columns: Any, factor: Any) -> None:
    """Back from short by long."""
    if rows <= columns:
        for p in range(t.size):
            factor[p] = t[p]
        return
    for i in range(rows):
        for j in range(columns):
            factor[i * columns + j] = t[j * rows + i]


@part
def _scaled(b: Any, k: Any, long: Any) -> Any:
    """Row k to norm 1, and its norm before; a row of zeros stays."""
    row, total = b[k * long : (k + 1) * long], 0.0
    for i in range(long):
        total += row[i] * row[i]
    length = sqrt(total)
    if length > 0.0:
        for i in range(long):
            row[i] /= length
    return length


@part
def _drop(b: Any, short: Any, long: Any, lengths: Any, rounding: Any) -> None:
    """Rows whose length is rounding are 0."""
    for k in range(short):
        if not lengths[k] > rounding:
            lengths[k] = 0.0
            b[k * long : (k + 1) * long] = 0.0


@part
def _products_of_rows(t: Any, short: Any, long: Any, gram: Any) -> None:
    """T Tᵀ (s, s)."""
    for k in range(0, short, ROWS):
        rows = min(ROWS, short - k)
        pulled(t[k * long :], rows, t.reshape((short, long)), short, long, gram[k * short :])


@part
def _apart(gram: Any, short: Any, lengths: Any) -> Any:
    """The largest of E = B Bᵀ − I over the rows that are left."""
    found = 0.0
    for i in range(short):
        for j in range(i):
            if lengths[i] > 0.0 and lengths[j] > 0.0:
                found = max(found, abs(gram[i * short + j]))
    return found


@part
def _correct(gram: Any, turn: Any, short: Any, lengths: Any, mixed: Any) -> None:
    """Write Wᵀ K, K = I − E_ij l_j/(l_i + l_j): K B is the polar factor of diag(l) B to first order in E."""
    mixed[:] = 0.0
    for i in range(short):
        if lengths[i] == 0.0:
            continue
        row = gram[i * short : (i + 1) * short]
        for j in range(short):
            if lengths[j] == 0.0:
                row[j] = 0.0
            else:
                own = 1.0 if i == j else 0.0
                row[j] = own - (row[j] - own) * lengths[j] / (lengths[i] + lengths[j])
        for a in range(short):
            share, into = turn[i * short + a], mixed[a * short : (a + 1) * short]
            for j in range(short):
                into[j] += share * row[j]


@part
def _eigenvectors(a: Any, n: Any, w: Any, d: Any, e: Any) -> None:
    """Rows of w (n, n): orthonormal eigenvectors of a symmetric matrix, which is destroyed; d: eigenvalues.

    To a tridiagonal matrix by reflections, and from there by implicit QL steps (Golub, Van Loan, §8.3).
    """
    for k in range(n - 2):
        _reflect(a, n, k, d, e)
    for k in range(n):
        d[k] = a[k * n + k]
        if k == n - 2:
            e[k] = a[k * n + k + 1]
    e[n - 1] = 0.0
    w[:] = 0.0
    for k in range(n):
        w[k * n + k] = 1.0
    for k in range(n - 3, -1, -1):
        v = a[k * n + k + 1 : (k + 1) * n]
        for i in range(k + 1, n):
            row, total = w[i * n + k + 1 : (i + 1) * n], 0.0
            for j in range(v.size):
                total += row[j] * v[j]
            for j in range(v.size):
                row[j] -= total * v[j]
    for first in range(n):
        for _ in range(ROTATIONS):
            last = first
            while last < n - 1 and abs(e[last]) > EPSILON * (abs(d[last]) + abs(d[last + 1])):
                last += 1
            if last == first:
                break
            _ql_step(w, n, d, e, first, last)


@part
def _reflect(a: Any, n: Any, k: Any, d: Any, e: Any) -> None:
    """Row and column k to (…, e_k, 0, …) by I − v vᵀ, ‖v‖² = 2 or v = 0; v is left in the row."""
    v = a[k * n + k + 1 : (k + 1) * n]
    size = v.size
    total = 0.0
    for j in range(size):
        total += v[j] * v[j]
    length = sqrt(total)
    e[k] = -copysign(length, v[0])
    v[0] -= e[k]
    # ‖v‖² is 2 length |v_0| here.
    square = length * abs(v[0])
    factor = 1.0 / sqrt(square) if square > 0.0 else 0.0
    for j in range(size):
        v[j] *= factor
    p, inner = d[:size], 0.0
    for i in range(size):
        row, total = a[(k + 1 + i) * n + k + 1 : (k + 2 + i) * n], 0.0
        for j in range(size):
            total += row[j] * v[j]
        p[i] = total
        inner += total * v[i]
    for j in range(size):
        p[j] -= 0.5 * inner * v[j]
    for i in range(size):
        row = a[(k + 1 + i) * n + k + 1 : (k + 2 + i) * n]
        own, other = v[i], p[i]
        for j in range(size):
            row[j] -= own * p[j] + other * v[j]


@part
def _ql_step(w: Any, n: Any, d: Any, e: Any, first: Any, last: Any) -> None:
    """An implicit QL step on the block from first to last, its turns into the rows of w."""
    g = (d[first + 1] - d[first]) / (2.0 * e[first])
    g = d[last] - d[first] + e[first] / (g + copysign(sqrt(g * g + 1.0), g))
    s = c = 1.0
    p = 0.0
    for i in range(last - 1, first - 1, -1):
        f, b = s * e[i], c * e[i]
        r = sqrt(f * f + g * g)
        e[i + 1] = r
        if r == 0.0:
            d[i + 1] -= p
            e[last] = 0.0
            return
        s, c = f / r, g / r
        g = d[i + 1] - p
        r = (d[i] - g) * s + 2.0 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        upper, lower = w[i * n : (i + 1) * n], w[(i + 1) * n : (i + 2) * n]
        for k in range(n):
            f, b = upper[k], lower[k]
            lower[k] = s * f + c * b
            upper[k] = c * f - s * b
    d[first] -= p
    e[first] = g
    e[last] = 0.0


@part
def _turn_rows(b: Any, turn: Any, short: Any, long: Any, rounding: Any) -> None:
    """Pairs of rows that are no rounding, until all are orthogonal; the same turns to the rows of `turn`."""
    turned = True
    for _ in range(SWEEPS):
        if not turned:
            return
        turned = False
        for i in range(short - 1):
            for j in range(i + 1, short):
                own, other = b[i * long : (i + 1) * long], b[j * long : (j + 1) * long]
                alpha = beta = gamma = 0.0
                for k in range(long):
                    alpha += own[k] * own[k]
                    beta += other[k] * other[k]
                    gamma += own[k] * other[k]
                small = not sqrt(min(alpha, beta)) > EPSILON * rounding
                if small or abs(gamma) <= short * EPSILON * sqrt(alpha) * sqrt(beta):
                    continue
                turned = True
                zeta = (beta - alpha) / (2.0 * gamma)
                t = copysign(1.0, zeta) / (abs(zeta) + sqrt(1.0 + zeta * zeta))
                c = 1.0 / sqrt(1.0 + t * t)
                _rotate(own, other, c, c * t)
                _rotate(
                    turn[i * short : (i + 1) * short], turn[j * short : (j + 1) * short], c, c * t
                )


@part
def _rotate(own: Any, other: Any, c: Any, s: Any) -> None:
    """(own, other) to (c own − s other, s own + c other)."""
    for k in range(own.size):
        first, second = own[k], other[k]
        own[k] = c * first - s * second
        other[k] = s * first + c * second
