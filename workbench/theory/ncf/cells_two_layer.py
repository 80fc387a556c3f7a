"""KKT points of one two-layer ReLU neuron by enumeration of the faces of {x_i·u = 0}.

Each critical direction u of g(u) = Σ z_i σ(x_i·u) on the sphere with g(u) ≠ 0 gives two KKT points
(±1, u)/√2 of N(v, u) = v g(u) (KH24 Lemma H.1); KKT points with N = 0 are {v = 0, g(u) = 0},
{g = 0 on a face, 0 ∈ ∂g(u)} with any v, and (±1, 0) when 0 ∈ ∂g(0). Faces that float64 cannot rule
out with a bound on its error are decided in integers, so the list is complete and holds nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from workbench.arrays import Array
from workbench.theory.ncf.candidates import Candidate, Candidates
from workbench.theory.ncf.certificate import Walls
from workbench.theory.ncf.exact_lines import ExactLines, RoundedLines, rounded_lines
from workbench.theory.ncf.face_filter import estimated_slopes, possible_faces
from workbench.theory.ncf.face_two_layer import CriticalFace, critical_directions, inside, shares
from workbench.theory.ncf.flat_sets import orthonormal
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.piecewise_linear import PiecewiseLinear, linear
from workbench.theory.ncf.result import FlatExtent, PointKind
from workbench.theory.numerics.arrangement import UNIT, Faces, enumerate_faces
from workbench.theory.numerics.exact_cone import combination
from workbench.theory.numerics.exact_linear import kernel
from workbench.theory.numerics.integers import unit_vector
from workbench.theory.numerics.min_norm import least_norm
from workbench.theory.numerics.outcome import End, Outcome

CHUNK = 65_536
"""Faces worked on at once."""

Cancel = Callable[[], bool] | None


def two_layer_points(ncf: Ncf, cancel: Cancel = None) -> Candidates:
    """All KKT points."""
    exact, g = ncf.exact_lines, linear(ncf.merged_lines)
    rounded = rounded_lines(exact)
    faces = enumerate_faces(exact.axis)
    found, finished = _critical_faces(exact, rounded, faces, cancel)
    dead = [one for one in found if one.sign == 0]
    live = [one for one in found if one.sign != 0]
    candidates = [candidate for one in live for candidate in _lifted(one)]
    if finished:
        candidates += _dead_sets(exact, dead)
        candidates += _zero_set(g, live)
        if not dead:
            candidates += _poles(exact, rounded, faces, live)
    end = End.CONVERGED if finished else End.CANCELLED
    return Candidates(candidates, Outcome(end, len(faces.signs)))


def _critical_faces(
    exact: ExactLines, rounded: RoundedLines, faces: Faces, cancel: Cancel
) -> tuple[list[CriticalFace], bool]:
    """Every face with a critical direction, and whether all faces were looked at."""
    found: list[CriticalFace] = []
    zeros = (faces.signs == 0).sum(axis=1)
    for count in np.unique(zeros).tolist():
        group = faces.signs[zeros == count]
        for begin in range(0, len(group), CHUNK):
            if cancel is not None and cancel():
                return found, False
            block = group[begin : begin + CHUNK]
            if count <= faces.rank:
                block = block[possible_faces(rounded, block, count)]
            for row in block:
                if cancel is not None and cancel():
                    return found, False
                found += critical_directions(exact, row)
    return found, True


def _lifted(found: CriticalFace) -> list[Candidate]:
    """(±1, u)/√2 with their kinds: a maximum needs N > 0 and no first-order ascent off the face."""
    candidates: list[Candidate] = []
    u = unit_vector(found.along)
    for v in (1.0, -1.0):
        rises, falls = (found.rises, found.falls) if v > 0 else (found.falls, found.rises)
        extreme: PointKind = "max" if v * found.sign > 0 else "min"
        kind: PointKind = "saddle" if (rises if extreme == "max" else falls) else extreme
        candidates.append(Candidate(np.append(v, u) / np.sqrt(2.0), kind, walls=found.walls))
    return candidates


def _dead_sets(exact: ExactLines, dead: list[CriticalFace]) -> list[Candidate]:
    """Faces with g = 0 and 0 ∈ ∂g, joined where one lies in the closure of another; any v."""
    label = np.arange(len(dead))
    signs = np.array([found.signs for found in dead])
    for a in range(len(dead)):
        closure = ((signs == signs[a]) | (signs == 0)).all(axis=1)
        for b in np.flatnonzero(closure):
            label[label == label[b]] = label[a]
    candidates: list[Candidate] = []
    for key in np.unique(label):
        group = sorted(
            (dead[i] for i in np.flatnonzero(label == key)), key=lambda f: int((f.signs == 0).sum())
        )
        hull = orthonormal(np.vstack([kernel(exact.axis[one.signs == 0]) for one in group]))
        basis = np.zeros((len(hull) + 1, hull.shape[1] + 1))
        basis[0, 0] = 1.0
        basis[1:, 1:] = hull
        extent = FlatExtent("meridian" if len(hull) == 1 else "face", None, basis)
        members = [np.append(0.0, unit_vector(inside(exact, group[0].signs)))]
        if len(hull) == 1 and not group[0].signs.any():
            members.append(-members[0])
        candidates += [
            Candidate(member, "flat", extent, walls=group[0].walls) for member in members
        ]
    return candidates


def _zero_set(g: PiecewiseLinear, live: list[CriticalFace]) -> list[Candidate]:
    """{v = 0, g(u) = 0} where g changes sign, as one set (KH24 G.2: u ⊥ q)."""
    d = g.axis.shape[1]
    if d < 2 or not {one.sign for one in live} >= {1, -1}:
        return []
    u = np.stack([unit_vector(one.along) for one in live])
    value = np.array([one.sign for one in live]) * np.abs(g.value(u))
    up, down = u[int(value.argmax())], u[int(value.argmin())]
    if up @ down < -0.9:
        aside = np.linalg.svd(up[None])[2][1]
        up, down = (aside, down) if g.value(aside[None])[0] > 0 else (up, aside)
    for _ in range(200):
        middle = up + down
        middle /= np.linalg.norm(middle)
        up, down = (middle, down) if g.value(middle[None])[0] > 0 else (up, middle)
    basis = None
    if len(g.axis) == 0:
        across = np.linalg.svd(g.base[None])[2][1:]
        basis = np.column_stack([np.zeros(len(across)), across])
    return [Candidate(np.append(0.0, down), "flat", FlatExtent("zero-set", None, basis))]


def _poles(
    exact: ExactLines, rounded: RoundedLines, faces: Faces, live: list[CriticalFace]
) -> list[Candidate]:
    """(±1, 0) where 0 ∈ ∂g(0), the hull of all slopes; extrema of N where g ≠ 0 has one sign."""
    mixed = zero_from_slopes(exact, rounded, faces.cells)
    if mixed is None:
        return []
    share = np.array([float(value) for value in mixed])
    walls = Walls(np.zeros(len(exact.axis), dtype=np.int8), share)
    signs = {one.sign for one in live}
    candidates: list[Candidate] = []
    for v in (1, -1):
        kind: PointKind = "min" if signs == {v} else "max" if signs == {-v} else "saddle"
        pole = np.append(float(v), np.zeros(exact.dimension))
        candidates.append(Candidate(pole, kind, walls=walls))
    return candidates


def zero_from_slopes(
    exact: ExactLines, rounded: RoundedLines, cells: Int[Array, "C m"]
) -> list[Fraction] | None:
    """How a convex combination of the slopes of all cells is 0: the share of each line's plus side.

    None, if all have a positive part along one vector, up to errors. Else 0 may be in the hull of the few
    that float64 finds it in; failing that all slopes are asked as integers.
    """
    slope, error = estimated_slopes(rounded, cells)
    slope, first = np.unique(slope, axis=0, return_index=True)
    weights = least_norm(slope).weights
    normal = weights @ slope
    length = float(np.linalg.norm(normal))
    doubt = error[first] + 4 * (exact.dimension + 4) * UNIT * np.linalg.norm(slope, axis=1)
    if (slope @ normal > 2 * length * doubt).all():
        return None
    zero = np.array([0] * exact.dimension, dtype=object)
    for some in (first[weights > 0], np.arange(len(cells))):
        mixed = combination(zero, np.stack([exact.slope(row) for row in cells[some]]))
        if mixed is not None:
            return shares(mixed, cells[some])
    return None
