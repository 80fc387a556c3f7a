"""Orbits of KKT points: sets of them that a symmetry of N makes, each of which is listed as one.

A deep linear network may turn the units of a hidden layer by any rotation, so that its KKT points are no
points but whole spheres; units of a ReLU network may change places. Ends of ascents with equal N and equal
invariants (for a network: the singular values of every layer, which no rotation of units moves) count as one
orbit.

Its dimension is measured: the null space of the constrained Hessian P(∇²N − λI)P at a point, with a gap
behind it (`NOTHING`, `SOMETHING`), whose directions must lead along points of the same N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.flow import Gradient
from workbench.theory.ncf.result import Orbit

Invariants = Callable[[Float[Array, "B p"]], Float[Array, "B q"]]
Value = Callable[[Float[Array, "B p"]], Float[Array, " B"]]

NEAR = 1e-3
"""Unit vectors this near (chord), and invariants, are the same."""
LEVEL = 1e-6
"""So are values of N that differ by this part of the largest."""
NOTHING, SOMETHING = 1e-6, 1e-4
"""Eigenvalues of the constrained Hessian below the one part of the largest are 0; with any between the two
the rank, and so the dimension, is not known."""
AT_REST = 1e-8
"""Largest tangent gradient, over |λ| and the Hessian, at a point whose Hessian is looked at."""
POLISHED = 1e-13
"""The same at one that is polished."""
UNSETTLED = 0.1
"""The same, over |λ|, from which on Newton's method is not tried."""
ALONG = 0.05
"""How far an orbit is followed along directions of the null space, to see that it goes on."""
FOLLOWED = 6
"""Directions in which it is, at random in the null space."""
LOOKED_AT = 4
"""Members of an orbit whose dimension is measured."""
MOST_WEIGHTS = 400
"""Weights up to which the Hessian is computed."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of the ends that count as one, the highest first; `members`: how many of them differ."""

    rows: Int[Array, " k"]
    members: int


def groups_of_ends(
    u: Float[Array, "B p"],
    height: Float[Array, " B"],
    invariants: Invariants | None,
    most: int,
) -> list[Group]:
    """The ends as at most `most` orbits, the highest first; without invariants every distinct end is one."""
    scale = max(float(np.abs(height).max(initial=0.0)), 1e-300)
    marks = u if invariants is None else invariants(u)
    left = np.argsort(-height, kind="stable")
    found: list[Group] = []
    while len(left) and len(found) < most:
        head = left[0]
        same = np.linalg.norm(marks[left] - marks[head], axis=1) <= NEAR
        if invariants is not None:
            same &= np.abs(height[left] - height[head]) <= LEVEL * scale
        rows = left[same]
        found.append(Group(rows, _distinct(u[rows])))
        left = left[~same]
    return found


def _distinct(u: Float[Array, "B p"]) -> int:
    """How many of the unit vectors are no nearer than `NEAR` to one before."""
    left, count = u, 0
    while len(left):
        left = left[np.linalg.norm(left - left[0], axis=1) > NEAR]
        count += 1
    return count


class CountedGradient:
    """A gradient that counts the rows it is asked for; `spent` once there were `most`."""

    def __init__(self, gradient: Gradient, most: float) -> None:
        self.gradient, self.left = gradient, most

    def __call__(self, u: Float[Array, "B p"]) -> Float[Array, "B p"]:
        self.left -= len(u)
        return self.gradient(u)

    @property
    def spent(self) -> bool:
        """Whether no more should be asked."""
        return self.left <= 0


def orbit_of(
    u: Float[Array, "k p"],
    members: int,
    value: Value,
    gradient: CountedGradient,
    rng: np.random.Generator,
) -> Orbit:
    """The orbit of unit KKT points u of N: its dimension is the largest that is certain at some of them.

    Where ReLUs are off, fewer weights may turn, so that points of one orbit may see different dimensions.
    """
    if u.shape[1] > MOST_WEIGHTS:
        return Orbit(None, members, "its Hessian is too large to look at")
    at = np.linspace(0, len(u) - 1, min(len(u), LOOKED_AT)).round().astype(np.int64)
    found: list[Orbit] = []
    for w in u[at]:
        if gradient.spent:
            break
        found.append(_around(w, members, value, gradient, rng))
    if not found:
        return Orbit(None, members, "it would take longer than the search")
    known = [orbit for orbit in found if orbit.dimension is not None]
    return max(known, key=lambda orbit: orbit.dimension or 0) if known else found[0]


def polished(
    w: Float[Array, " p"], value: Value, gradient: CountedGradient
) -> tuple[Float[Array, " p"], float] | None:
    """(w, N) after Newton steps across the null space, where they come to rest beside w; else None."""
    if len(w) > MOST_WEIGHTS or gradient.spent:
        return None
    end = _settled(w, gradient, POLISHED)[0]
    if end is None or np.linalg.norm(end - w) > NEAR:
        return None
    here, there = value(np.stack([w, end]))
    return (end, float(there)) if abs(there - here) <= LEVEL * abs(here) else None


def _around(
    w: Float[Array, " p"],
    members: int,
    value: Value,
    gradient: Gradient,
    rng: np.random.Generator,
) -> Orbit:
    """The orbit of the KKT points around w, or why its dimension is not certain."""
    settled, spectrum, null = _settled(w, gradient)
    if settled is None:
        why = "N has no Hessian there, as on a kink, or the search has not settled"
        return Orbit(None, members, why)
    flat = spectrum <= NOTHING
    below, above = float(spectrum[flat].max(initial=0.0)), float(spectrum[~flat].min(initial=1.0))
    if above < SOMETHING:
        return Orbit(None, members, "the rank of the Hessian is not clear", below, above)
    if len(null) and not _goes_on(settled, null, value, gradient, rng):
        why = "N is flat to second order there, and no set of equal points was found"
        return Orbit(None, members, why, below, above)
    return Orbit(len(null), members, "", below, above)


def _settled(
    w: Float[Array, " p"], gradient: Gradient, rest: float = AT_REST, steps: int = 4
) -> tuple[Float[Array, " p"] | None, Float[Array, " q"], Float[Array, "k p"]]:
    """Newton steps across the null space until w rests: (w, |eigenvalues| over the largest, null space), or
    None for w where it does not come to rest."""
    none = np.zeros(0), np.zeros((0, len(w)))
    for _ in range(steps):
        slope = gradient(w[None])[0]
        multiplier = float(slope @ w)
        tangent = slope - multiplier * w
        if np.linalg.norm(tangent) > UNSETTLED * abs(multiplier):
            return None, *none
        values, vectors = _constrained_hessian(w, gradient, multiplier)
        largest = float(np.abs(values).max(initial=0.0))
        if not largest > 0.0:
            return None, *none
        relative = np.abs(values) / largest
        if np.linalg.norm(tangent) <= rest * max(abs(multiplier), largest):
            return w, relative, vectors.T[relative <= NOTHING]
        bent = relative > NOTHING
        w = w - vectors[:, bent] @ ((vectors[:, bent].T @ tangent) / values[bent])
        w = w / np.linalg.norm(w)
    return None, *none


def _constrained_hessian(
    w: Float[Array, " p"], gradient: Gradient, multiplier: float
) -> tuple[Float[Array, " q"], Float[Array, "p q"]]:
    """Eigenvalues and eigenvectors of P(∇²N − λI)P on the tangent space at w, from central differences."""
    p = len(w)
    basis = np.linalg.qr(np.column_stack([w, np.eye(p)]))[0][:, 1:p]
    step = 1e-5
    ahead = gradient(w[None] + step * basis.T)
    behind = gradient(w[None] - step * basis.T)
    hessian = (ahead - behind) @ basis / (2.0 * step)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T) - multiplier * np.eye(p - 1))
    return values, basis @ vectors


def _goes_on(
    w: Float[Array, " p"],
    null: Float[Array, "k p"],
    value: Value,
    gradient: Gradient,
    rng: np.random.Generator,
) -> bool:
    """Whether steps along the null space lead to other KKT points of the same N."""
    here = float(value(w[None])[0])
    for _ in range(min(FOLLOWED, 2 * len(null))):
        direction = rng.normal(size=len(null)) @ null
        moved = w + ALONG * direction / np.linalg.norm(direction)
        end = _settled(moved / np.linalg.norm(moved), gradient)[0]
        if end is None or np.linalg.norm(end - w) < 0.5 * ALONG:
            return False
        there = float(value(end[None])[0])
        if abs(there - here) > 1e-9 * max(abs(here), abs(there)):
            return False
    return True
