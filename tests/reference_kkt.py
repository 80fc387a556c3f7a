"""All KKT points of one neuron in rational and 100-digit arithmetic: slow and obvious.

Nothing is shared with the package. Faces are all compositions of the sign vectors of vertices; each face
or cell is solved by itself in fractions; eigenvectors come from mpmath; kinds from values of N around.
`Ambiguous` is raised where 100 digits do not show on which side of a wall
a point is, or where the planes that meet at a face are dependent.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np
from scipy.optimize import linprog

DIGITS = 100
CLEAR = mpmath.mpf(10) ** -60


class Ambiguous(Exception):
    """The reference cannot tell."""


@dataclass(frozen=True)
class Point:
    """An isolated KKT point: direction and value as mpmath numbers."""

    direction: tuple
    value: object
    kind: str


@dataclass(frozen=True)
class Answer:
    """Isolated points; how many flat sets; whether (v = 0, g = 0) is one, and (±1, 0) are points."""

    points: list[Point]
    flat: int
    zero_set: bool = False
    poles: bool | None = False


def sigma(s, leak):
    return s if s > 0 else leak * s


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


PARALLEL = Fraction(1, 10**15)
"""Inputs within this angle of a line count as on it: the one tolerance that lists state."""


def as_fractions(x, z):
    """Inputs and labels as fractions; an input within `PARALLEL` of an earlier one's line is put on it."""
    rows: list[list[Fraction]] = []
    used = x.any(axis=1) & (z != 0)
    x, z = x[used], z[used]
    for row in x.tolist():
        row = [Fraction(value) for value in row]
        for first in rows:
            both = dot(first, first) * dot(row, row)
            if 0 <= both - dot(first, row) ** 2 <= PARALLEL**2 * both and both:
                row = [dot(first, row) / dot(first, first) * value for value in first]
                break
        rows.append(row)
    return rows, [Fraction(value) for value in z.tolist()]


def planes(x, z, leak, power, d):
    """(normal, plus, minus) of every plane that bends N, and of every line that does not."""
    found: dict[tuple, list] = {}
    for row, label in zip(x, z, strict=True):
        lead = next((value for value in row if value), None)
        if lead is None or label == 0:
            continue
        normal = tuple(value / lead for value in row)
        turn = 1 if power == 2 else -1
        weights = found.setdefault(normal, [Fraction(0), Fraction(0)])
        weights[0] += label * sigma(lead, leak) ** power
        weights[1] += turn * label * sigma(-lead, leak) ** power
    bends = [(a, p, q) for a, (p, q) in found.items() if p != q]
    smooth = [(a, p) for a, (p, q) in found.items() if p == q != 0]
    # Planes without effect, so that all together have vertices.
    while missing := null_space([a for a, _, _ in bends], d):
        odd = (Fraction(1, 3 + 2 * i + len(bends)) for i in range(d))
        bends.append(
            (tuple(v + o for v, o in zip(missing[0], odd, strict=True)), Fraction(0), Fraction(0))
        )
    return bends, smooth


def null_space(rows, d):
    """A basis of {u : rows·u = 0} in fractions, by elimination."""
    rows = [list(row) for row in rows]
    pivots = []
    for column in range(d):
        pivot = next((i for i in range(len(pivots), len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        here = len(pivots)
        rows[here], rows[pivot] = rows[pivot], rows[here]
        rows[here] = [v / rows[here][column] for v in rows[here]]
        for i in range(len(rows)):
            if i != here and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[here], strict=True)]
        pivots.append(column)
    basis = []
    for free in (c for c in range(d) if c not in pivots):
        vector = [Fraction(int(c == free)) for c in range(d)]
        for i, column in enumerate(pivots):
            vector[column] = -rows[i][free]
        basis.append(vector)
    return basis


def sign_vector(normals, u):
    heights = [dot(a, u) for a in normals]
    return tuple((h > 0) - (h < 0) for h in heights)


def rays(normals, d):
    """{sign vector: direction} of all vertices, both ends."""
    found = {}
    for some in itertools.combinations(normals, d - 1):
        basis = null_space(some, d)
        if len(basis) == 1:
            for turn in (1, -1):
                u = [turn * value for value in basis[0]]
                found[sign_vector(normals, u)] = u
    return found


def faces(normals, d):
    """Sign vectors of all faces but {0}: everything composed of vertices."""
    corners = list(rays(normals, d))
    known = set(corners)
    fresh = corners
    while fresh:
        found = set()
        for one in fresh:
            for other in corners:
                both = tuple(a or b for a, b in zip(one, other, strict=True))
                if both not in known:
                    known.add(both)
                    found.add(both)
        fresh = list(found)
    return known


def solve(matrix, goal):
    """matrix c = goal by elimination; None where singular."""
    k = len(goal)
    rows = [[*row, b] for row, b in zip(matrix, goal, strict=True)]
    for column in range(k):
        pivot = next((i for i in range(column, k) if rows[i][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(k):
            if i != column and rows[i][column]:
                factor = rows[i][column] / rows[column][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column], strict=True)]
    return [rows[i][k] / rows[i][i] for i in range(k)]


def unit(vector):
    """The vector in mpmath numbers, over its length."""
    vector = [
        mpmath.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else v for v in vector
    ]
    size = mpmath.sqrt(sum(v * v for v in vector))
    return [v / size for v in vector]


def linear(u, x, z, leak):
    """g(u) = Σ z σ(x·u), input by input, in fractions."""
    total = Fraction(0)
    for row, label in zip(x, z, strict=True):
        total += label * sigma(dot(row, u), leak)
    return total


def two_layer(x, z, leak):
    """KKT points of N(v, u) = v Σ z σ(x·u)."""
    with mpmath.workdps(DIGITS):
        return _two_layer(*as_fractions(x, z), Fraction(leak), x.shape[1])


def _two_layer(x, z, leak, d):
    bends, smooth = planes(x, z, leak, 1, d)
    normals = [a for a, _, _ in bends]
    everywhere = faces(normals, d)
    points, dead, values, slopes = [], [], [], []
    for signs in everywhere:
        slope = [Fraction(0)] * d
        for a, p in smooth:
            slope = [s + p * v for s, v in zip(slope, a, strict=True)]
        for (a, p, q), sign in zip(bends, signs, strict=True):
            w = p if sign > 0 else q if sign < 0 else 0
            slope = [s + w * v for s, v in zip(slope, a, strict=True)]
        meet = [bend for bend, sign in zip(bends, signs, strict=True) if sign == 0]
        if not meet:
            slopes.append(slope)
        weights = solve(
            [[dot(a, b) for b, _, _ in meet] for a, _, _ in meet],
            [-dot(a, slope) for a, _, _ in meet],
        )
        if weights is None:
            raise Ambiguous("dependent planes meet")
        if not all(min(p, q) <= c <= max(p, q) for c, (_, p, q) in zip(weights, meet, strict=True)):
            continue
        part = slope
        for c, (a, _, _) in zip(weights, meet, strict=True):
            part = [s + c * v for s, v in zip(part, a, strict=True)]
        if not any(part):
            dead.append(signs)
            continue
        for turn in (1, -1):
            u = [turn * v for v in part]
            if sign_vector(normals, u) == signs:
                points += _lifted(u, turn, x, z, leak, normals, [a for a, _, _ in meet])
                values.append(turn)
    poles = None
    if not dead:
        poles = _zero_in_hull(slopes)
        if poles:
            for v in (1, -1):
                kind = "min" if set(values) == {v} else "max" if set(values) == {-v} else "saddle"
                points.append(Point((mpmath.mpf(v), *[mpmath.mpf(0)] * d), mpmath.mpf(0), kind))
    return Answer(points, _components(dead), set(values) == {1, -1}, poles)


def _lifted(u, turn, x, z, leak, normals, meet):
    """(±1, u)/√2 and kinds from g on every ray across the face, exactly."""
    value = linear(u, x, z, leak)
    assert (value > 0) == (turn > 0)
    changes = []
    d = len(u)
    for j, a in enumerate(meet):
        others = [b for i, b in enumerate(meet) if i != j]
        # The part of a that is orthogonal to the other planes' normals, in their span.
        along = list(a)
        if others:
            c = solve([[dot(p, q) for q in others] for p in others], [dot(p, a) for p in others])
            for weight, b in zip(c, others, strict=True):
                along = [v - weight * w for v, w in zip(along, b, strict=True)]
        for side in (1, -1):
            step = Fraction(1)
            while True:
                moved = [v + side * step * h for v, h in zip(u, along, strict=True)]
                before, after = sign_vector(normals, u), sign_vector(normals, moved)
                if all(one in (0, other) for one, other in zip(before, after, strict=True)):
                    break
                step /= 1024
            changes.append(linear(moved, x, z, leak) - value)
    assert len(changes) == 2 * len(meet) <= 2 * d
    size = mpmath.sqrt(mpmath.mpf(dot(u, u).numerator) / dot(u, u).denominator)
    g = mpmath.mpf(value.numerator) / value.denominator / size
    points = []
    for v in (1, -1):
        up = any(v * change > 0 for change in changes)
        down = any(v * change < 0 for change in changes)
        kind = ("saddle" if up else "max") if v * g > 0 else ("saddle" if down else "min")
        half = mpmath.sqrt(mpmath.mpf(1) / 2)
        direction = (v * half, *(half * value for value in unit(u)))
        points.append(Point(direction, v * g / 2, kind))
    return points


def _components(dead):
    """Connected groups of faces, one in the closure of another."""
    groups: list[set] = []
    for face in dead:
        touching = [
            g
            for g in groups
            if any(
                all(a in (0, b) for a, b in zip(face, other, strict=True))
                or all(b in (0, a) for a, b in zip(face, other, strict=True))
                for other in g
            )
        ]
        groups = [g for g in groups if g not in touching] + [{face}.union(*touching)]
    return len(groups)


def _rank(vectors):
    """Rank of vectors of fractions, by elimination."""
    rows, rank = [list(map(Fraction, v)) for v in vectors], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column] != 0), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            share = rows[i][column] / rows[rank][column]
            rows[i] = [a - share * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def _zero_in_hull(slopes):
    """Whether some convex combination of vectors is 0; None where that is too close to tell.

    A linear program guesses; weights of its basis, or a vector that all have a positive part along,
    prove it in fractions. For d ≤ 3 and few vectors all corners of the cone of such vectors are tried.
    """
    rows = np.array([[float(v) for v in unit(s)] for s in slopes])
    count, d = rows.shape
    fit = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-rows, np.ones((count, 1))]),
        b_ub=np.zeros(count),
        bounds=[(-1, 1)] * d + [(0, 1)],
    )
    side = [Fraction(float(v)) for v in fit.x[:d]]
    if all(dot(side, s) > 0 for s in slopes):
        return False
    ball = linprog(
        np.zeros(count), A_eq=np.vstack([rows.T, np.ones(count)]), b_eq=np.append(np.zeros(d), 1.0)
    )
    if ball.status == 0:
        basis = [slopes[i] for i in np.argsort(-ball.x)[: d + 1]]
        square = [[row[i] for row in basis] for i in range(d)] + [[Fraction(1)] * len(basis)]
        weights = solve(square, [Fraction(0)] * d + [Fraction(1)]) if len(basis) == d + 1 else None
        if weights is not None and min(weights) >= 0:
            return True
    if d > 3 or count > 60 or _rank(slopes) < d:
        # Corners are asked of cones that span the space.
        return None
    corners = [u for at, u in rays(slopes, d).items() if min(at) >= 0]
    middle = [sum(values, Fraction(0)) for values in zip(*corners, strict=True)]
    return not (corners and all(dot(middle, s) > 0 for s in slopes))


def squared(x, z, leak):
    """KKT points of N(u) = Σ z σ(x·u)²."""
    with mpmath.workdps(DIGITS):
        return _squared(*as_fractions(x, z), Fraction(leak), x.shape[1])


def _squared(x, z, leak, d):
    bends, smooth = planes(x, z, leak, 2, d)
    normals = [a for a, _, _ in bends]
    cells = [s for s in faces(normals, d) if all(s)]
    points, pieces, lone = [], [], []
    for signs in cells:
        matrix = [[Fraction(0)] * d for _ in range(d)]
        weighted = [(a, p if s > 0 else q) for (a, p, q), s in zip(bends, signs, strict=True)]
        for a, w in [*weighted, *smooth]:
            matrix = [[matrix[i][j] + w * a[i] * a[j] for j in range(d)] for i in range(d)]
        values, vectors = mpmath.eigsy(
            mpmath.matrix(
                [[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in matrix]
            )
        )
        size = max([abs(v) for v in values]) or mpmath.mpf(1)
        for j in range(d):
            near = [i for i in range(d) if abs(values[i] - values[j]) <= CLEAR * size]
            if len(near) > 1:
                if abs(values[j]) > CLEAR * size:
                    raise Ambiguous("an eigenvalue other than 0 is repeated")
                if near[0] == j:
                    _kernel_pieces(matrix, len(near), normals, signs, d, pieces, lone)
                continue
            if abs(values[j]) <= CLEAR * size:
                (ray,) = null_space(matrix, d)
                for turn in (1, -1):
                    end = [turn * v for v in ray]
                    at = sign_vector(normals, end)
                    if at == signs:
                        higher, lower = (
                            sum(v > values[j] for v in values),
                            sum(v < values[j] for v in values),
                        )
                        kind = "max" if not higher else "min" if not lower else "saddle"
                        points.append(Point(tuple(unit(end)), mpmath.mpf(0), kind))
                    elif all(a in (0, s) for a, s in zip(at, signs, strict=True)):
                        lone.append(end)
                continue
            u = [vectors[i, j] for i in range(d)]
            heights = [sum(_mp(v) * w for v, w in zip(unit(a), u, strict=True)) for a in normals]
            for turn in (1, -1):
                inward = [turn * h * s for h, s in zip(heights, signs, strict=True)]
                if min(inward, default=1) > CLEAR:
                    higher, lower = (
                        sum(v > values[j] for v in values),
                        sum(v < values[j] for v in values),
                    )
                    kind = "max" if not higher else "min" if not lower else "saddle"
                    points.append(Point(tuple(turn * v for v in u), values[j], kind))
                elif min(inward) > -CLEAR:
                    raise Ambiguous("an eigenvector on a wall")
    for ray in lone:
        at = sign_vector(normals, ray)
        if not any(all(a in (0, s) for a, s in zip(at, cell, strict=True)) for cell, _ in pieces):
            raise Ambiguous("a lone ray of a kernel")
    groups: list[set] = []
    for _, corners in pieces:
        touching = [g for g in groups if g & corners]
        groups = [g for g in groups if not g & corners] + [corners.union(*touching)]
    return Answer(points, len(groups))


def _mp(value):
    return (
        value if isinstance(value, mpmath.mpf) else mpmath.mpf(value.numerator) / value.denominator
    )


def _kernel_pieces(matrix, size, normals, signs, d, pieces, lone):
    """The kernel of a cell's matrix cut with the closed cell: a piece with its corner rays, or a ray."""
    basis = null_space(matrix, d)
    if len(basis) != size:
        raise Ambiguous("a kernel in digits that is none in fractions")
    local = [[dot(a, b) for b in basis] for a in normals]
    live = [i for i, row in enumerate(local) if any(row)]
    if not live:
        raise Ambiguous("a kernel without walls")
    corners = {}
    rank = size - len(null_space([local[i] for i in live], size))
    if rank < size:
        raise Ambiguous("a kernel that contains a line of every plane")
    for at, c in rays([local[i] for i in live], size).items():
        if all(a in (0, signs[i]) for a, i in zip(at, live, strict=True)):
            u = [
                sum((w * b[k] for w, b in zip(c, basis, strict=True)), Fraction(0))
                for k in range(d)
            ]
            lead = next(abs(v) for v in u if v)
            corners[tuple(v / lead for v in u)] = u
    if not corners:
        return
    span = d - len(null_space(list(corners.values()), d))
    if span == 1:
        lone.append(next(iter(corners.values())))
    else:
        pieces.append((signs, set(corners)))
