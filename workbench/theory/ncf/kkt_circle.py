"""All KKT points of the constrained NCF of one neuron for d = 2, by sorting the break angles.

Squared ReLU: the critical points of N on the circle (KH24 App. G.1 generalized to any data).
Two-layer ReLU: those of g(u) = Σ z_i σ(x_i·u), lifted by KH24 Lemma H.1 to |v| = ‖u‖ = 1/√2 with
either sign of v, and the KKT points with N = 0. Which points there are and their kinds are decided
exactly about the inputs and labels as the floats they are, but for the tolerances of
`merged_lines.py`; O(n log n).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.candidates import Candidate, certified
from workbench.theory.ncf.certificate import Walls
from workbench.theory.ncf.circle import (
    TURN,
    CircleFunction,
    CriticalItems,
    unit,
)
from workbench.theory.ncf.merged_lines import examined
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import FlatExtent, KktSet, PointKind, by_value, largest_residual
from workbench.theory.numerics.exact_cone import combination
from workbench.theory.numerics.min_norm import least_norm
from workbench.theory.numerics.outcome import End, Outcome


def kkt_circle(ncf: Ncf) -> KktSet:
    """Every KKT point of max N_{z,H}(w), ‖w‖ = 1, for inputs in the plane.

    Raises:
        ValueError: d is not 2, or the data or the leak is unusable.
    """
    f, items = ncf.circle, ncf.critical_items
    if not items.consistent:
        raise ArithmeticError("neighbouring critical points disagree about the slope between them")
    search = _squared if ncf.kind is NeuronKind.SQUARED_RELU else _two_layer
    points = certified(search(ncf), ncf)
    arcs = int(f.real.sum()) or 1
    statistics = {"lines": float(len(ncf.merged_lines.axis)), "cells": float(arcs)}
    return KktSet(
        by_value(points),
        "exact",
        True,
        examined("arc", ncf.merged_lines),
        ncf.kind,
        2,
        Outcome(End.CONVERGED, arcs, largest_residual(points)),
        statistics,
    )


def _kind_on_circle(items: CriticalItems, index: int, sign: int = 1) -> PointKind:
    """Kind of an isolated item of sign·f from the signs of the slope around it."""
    before, after = sign * items.before[index], sign * items.after[index]
    if before > 0 > after:
        return "max"
    return "min" if before < 0 < after else "saddle"


def _walls(f: CircleFunction, items: CriticalItems, index: int) -> Walls:
    """Signs of the lines at an isolated item."""
    return Walls(f.signs(int(items.arc[index]), bool(items.kinks[index])))


def _squared(ncf: Ncf) -> list[Candidate]:
    """Critical items of N as KKT points."""
    f, items = ncf.circle, ncf.critical_items
    candidates: list[Candidate] = []
    for index, basin in enumerate(items.basins()):
        start, end = float(items.start[index]), float(items.end[index])
        u = items.direction[index]
        if items.flat[index]:
            extent = FlatExtent("arc", (start, end), np.eye(2))
            candidates.append(Candidate(u, "flat", extent, float(basin)))
        else:
            kind, walls = _kind_on_circle(items, index), _walls(f, items, index)
            candidates.append(Candidate(u, kind, None, float(basin), walls))
    return candidates


def _two_layer(ncf: Ncf) -> list[Candidate]:
    """Critical items of g lifted to (v, u), and the KKT points with v = 0 or u = 0."""
    f, items = ncf.circle, ncf.critical_items
    candidates: list[Candidate] = []
    rise, fall = items.basins(1), items.basins(-1)
    null = ~items.flat & (items.side == 0)
    for index, (start, end) in enumerate(zip(items.start, items.end, strict=True)):
        both = 0.5 * float(rise[index] + fall[index])
        u = items.direction[index]
        if items.flat[index]:
            extent = FlatExtent("sector", (float(start), float(end)), np.eye(3))
            candidates.append(Candidate(np.append(0.0, u), "flat", extent, both))
        elif null[index]:
            basis = np.array([[1.0, 0.0, 0.0], [0.0, *u]])
            extent = FlatExtent("meridian", None, basis)
            candidates.append(Candidate(np.append(0.0, u), "flat", extent, both))
        else:
            walls = _walls(f, items, index)
            for sign, share in ((1, rise), (-1, fall)):
                on_circle = _kind_on_circle(items, index, sign)
                wanted = "max" if sign * items.side[index] > 0 else "min"
                lifted: PointKind = on_circle if on_circle == wanted else "saddle"
                w = np.append(sign, u) / np.sqrt(2.0)
                candidates.append(Candidate(w, lifted, None, 0.5 * float(share[index]), walls))
    candidates += [Candidate(np.append(0.0, u), "saddle", None, 0.0) for u in unit(_crossings(f))]
    if not (items.flat | null).any():
        candidates += _poles(ncf)
    return candidates


def _crossings(f: CircleFunction) -> Float[Array, " k"]:
    """Angles where g changes sign: there (0, u) is a KKT point with N = 0 (KH24 G.2).

    On a break where g is 0 and not critical, and inside an arc where its signs at both ends differ.
    """
    on_break = (f.level == 0) & (f.before * f.after > 0)
    inside = f.level * np.roll(f.level, -1) < 0
    arc = np.flatnonzero(inside)
    root = np.mod(np.arctan2(f.sine, f.cosine)[arc] + np.pi / 2 - f.breaks[arc], np.pi)
    width = f.widths[arc]
    near = np.where(root - width < np.pi - root, width, 0.0)
    root = np.where(root > width, near, root)
    return np.concatenate([np.mod(f.breaks[arc] + root, TURN), f.breaks[on_break]])


def _poles(ncf: Ncf) -> list[Candidate]:
    """(±1, 0): KKT points iff 0 ∈ ∂g(0) = conv of all slopes s_S; minima or maxima where g ≠ 0.

    Not where the slopes' angles leave a gap above π. Else 0 may be in the hull of the few arcs' slopes
    that float64 finds it in; failing that all are asked as integers.
    """
    f, items = ncf.circle, ncf.critical_items
    slopes = np.column_stack([f.cosine, f.sine])
    angle = np.sort(np.arctan2(f.sine, f.cosine))
    if float(np.diff(angle, append=angle[0] + TURN).max()) > np.pi + 1e-6:
        return []
    exact = ncf.exact_circle.wave[:, 1:]
    zero = np.array([0, 0], dtype=object)
    some, mixed = np.flatnonzero(least_norm(slopes).weights > 0), None
    for arcs in (some, np.arange(len(exact))):
        mixed = combination(zero, exact[arcs])
        if mixed is not None:
            break
    if mixed is None:
        return []
    share = sum(
        (float(w) * (f.signs(int(arcs[i]), False) > 0) for i, w in mixed.items()),
        np.zeros(len(f.line)),
    )
    walls = Walls(np.zeros(len(f.line), dtype=np.int8), share)
    signs = set(items.side.tolist())
    candidates: list[Candidate] = []
    for sign in (1, -1):
        kind: PointKind = "min" if signs == {sign} else "max" if signs == {-sign} else "saddle"
        candidates.append(Candidate(np.array([float(sign), 0.0, 0.0]), kind, None, 0.0, walls))
    return candidates
