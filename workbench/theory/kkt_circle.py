"""All KKT points of the constrained NCF of one neuron for d = 2, by sorting the break angles.

Squared ReLU: the critical points of N on the circle (KH24 App. G.1 generalized to any data).
Two-layer ReLU: those of g(u) = Σ z_i σ(x_i·u), lifted by KH24 Lemma H.1 to |v| = ‖u‖ = 1/√2 with
either sign of v, and the KKT points with N = 0. Exact up to rounding; O(n log n).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.circle import (
    FLAT,
    TURN,
    CircleFunction,
    CriticalItems,
    circle_function,
    critical_items,
)
from workbench.theory.draft import Draft, certified
from workbench.theory.lines import merge_lines
from workbench.theory.min_norm import min_norm_element
from workbench.theory.ncf import NeuronKind
from workbench.theory.result import FlatExtent, KktSet, PointKind, by_value


def kkt_circle(
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
    *,
    tolerance: float = FLAT,
) -> KktSet:
    """Every KKT point of max N_{z,H}(w), ‖w‖ = 1, for inputs in the plane.

    `tolerance`: share of Σ_i |z_i| ‖x_i‖^k below which a value or a slope counts as zero; z that is
    noise below it yields flat sets.

    Raises:
        ValueError: d is not 2, or the data or the leak is unusable.
    """
    lines = merge_lines(x, z, kind, leak)
    f = circle_function(lines)
    items = critical_items(f, tolerance)
    squared = kind is NeuronKind.SQUARED_RELU
    drafts = _squared(items) if squared else _two_layer(f, items, tolerance)
    points = certified(drafts, lines, kind)
    reason = (
        "every arc between data lines was examined"
        if items.consistent
        else "slopes of neighbouring critical points disagree within rounding"
    )
    statistics = {
        "lines": float(len(lines.axis)),
        "cells": float(f.real.sum()) or 1.0,
        "max_residual": max((point.residual for point in points), default=0.0),
    }
    return KktSet(
        by_value(points), "exact", items.consistent, reason, kind, leak, 2, statistics=statistics
    )


def unit(angle: float) -> Float[Array, "2"]:
    """(cos θ, sin θ)."""
    return np.array([np.cos(angle), np.sin(angle)])


def _kind_on_circle(items: CriticalItems, index: int, sign: int = 1) -> PointKind:
    """Kind of an isolated item of sign·f from the signs of the slope around it."""
    before, after = sign * items.before[index], sign * items.after[index]
    if before > 0 > after:
        return "max"
    return "min" if before < 0 < after else "saddle"


def _squared(items: CriticalItems) -> list[Draft]:
    """Critical items of N as KKT points."""
    drafts: list[Draft] = []
    for index, basin in enumerate(items.basins()):
        start, end = float(items.start[index]), float(items.end[index])
        if items.flat[index]:
            extent = FlatExtent("arc", (start, end), np.eye(2))
            drafts.append(Draft(unit(0.5 * (start + end)), "flat", extent, float(basin)))
        else:
            drafts.append(Draft(unit(start), _kind_on_circle(items, index), None, float(basin)))
    return drafts


def _two_layer(f: CircleFunction, items: CriticalItems, tolerance: float) -> list[Draft]:
    """Critical items of g lifted to (v, u), and the KKT points with v = 0 or u = 0."""
    drafts: list[Draft] = []
    rise, fall = items.basins(1), items.basins(-1)
    small = tolerance * f.scale
    null = ~items.flat & (np.abs(items.value) <= small)
    for index, (start, end) in enumerate(zip(items.start, items.end, strict=True)):
        both = 0.5 * float(rise[index] + fall[index])
        u = unit(0.5 * float(start + end))
        if items.flat[index]:
            extent = FlatExtent("sector", (float(start), float(end)), np.eye(3))
            drafts.append(Draft(np.append(0.0, u), "flat", extent, both))
        elif null[index]:
            basis = np.array([[1.0, 0.0, 0.0], [0.0, *u]])
            extent = FlatExtent("meridian", None, basis)
            drafts.append(Draft(np.append(0.0, u), "flat", extent, both))
        else:
            for sign, share in ((1, rise), (-1, fall)):
                on_circle = _kind_on_circle(items, index, sign)
                wanted = "max" if sign * items.value[index] > 0 else "min"
                lifted: PointKind = on_circle if on_circle == wanted else "saddle"
                w = np.append(sign, u) / np.sqrt(2.0)
                drafts.append(Draft(w, lifted, None, 0.5 * float(share[index])))
    drafts += [
        Draft(np.append(0.0, unit(angle)), "saddle", None, 0.0)
        for angle in _crossings(f, items, null, small)
    ]
    if not (items.flat | null).any():
        drafts += _poles(f, items, small)
    return drafts


def _crossings(
    f: CircleFunction, items: CriticalItems, null: Array, small: float
) -> Float[Array, " k"]:
    """Angles where g changes sign: there (0, u) is a KKT point with N = 0 (KH24 G.2).

    g is monotone between neighbouring items, so a crossing is a change of sign from one to the next;
    it is found in closed form on the arc where g changes sign.
    """
    sign = np.where(items.flat | null, 0, np.sign(items.value)).astype(np.int64)
    if (
        not ((sign > 0) & (np.roll(sign, -1) < 0)).any()
        and not ((sign < 0) & (np.roll(sign, -1) > 0)).any()
    ):
        return np.zeros(0)
    arcs = np.arange(len(f.breaks))
    at_start = f.wave(f.breaks, arcs)[0]
    end = f.breaks + f.widths
    at_end = f.wave(end, arcs)[0]
    root = np.mod(np.arctan2(f.sine, f.cosine) + np.pi / 2 - f.breaks, np.pi)
    live = np.hypot(f.cosine, f.sine) > small
    inside = live & (np.sign(at_start) * np.sign(at_end) < 0) & (root < f.widths)
    inside &= (np.abs(at_start) > small) & (np.abs(at_end) > small)
    previous = np.mod(arcs - 1, len(arcs))
    on_break = live & live[previous] & (np.abs(at_start) <= small)
    on_break &= f.wave(f.breaks, arcs)[1] * f.wave(f.breaks, previous)[1] > 0
    return np.concatenate([np.mod(f.breaks + root, TURN)[inside], f.breaks[on_break]])


def _poles(f: CircleFunction, items: CriticalItems, small: float) -> list[Draft]:
    """(±1, 0): KKT points iff 0 ∈ ∂g(0) = conv of all slopes s_S; minima or maxima where g ≠ 0."""
    slopes = np.column_stack([f.cosine, f.sine])
    angle = np.sort(np.arctan2(slopes[:, 1], slopes[:, 0]))
    gap = float(np.diff(angle, append=angle[0] + TURN).max())
    if gap > np.pi - 1e-6 and (
        gap > np.pi + 1e-6 or np.linalg.norm(min_norm_element(slopes)) > small
    ):
        return []
    drafts: list[Draft] = []
    for sign in (1.0, -1.0):
        lowest, highest = (sign * items.value).min(), (sign * items.value).max()
        kind: PointKind = "min" if lowest > small else "max" if highest < -small else "saddle"
        drafts.append(Draft(np.array([sign, 0.0, 0.0]), kind, None, 0.0))
    return drafts
