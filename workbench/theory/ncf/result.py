"""What a search for KKT points of the constrained NCF hands back.

A KKT point of max N(w) s.t. ‖w‖ = 1 is a unit w with λw ∈ ∂N(w); Euler gives λ = L N(w) (KH24 §5.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.outcome import Outcome

PointKind = Literal["max", "saddle", "min", "flat"]
Method = Literal["exact", "multistart"]
FlatShape = Literal["arc", "sector", "meridian", "zero-set", "face"]


@dataclass(frozen=True, eq=False)
class FlatExtent:
    """Where a connected flat set of KKT points lies; N is constant on it.

    `shape`:
      "arc": directions at the angles `angles` of the circle (squared ReLU, d = 2);
      "sector": any v, u at the angles `angles` (two-layer ReLU, d = 2, N = 0);
      "meridian": any v, u along one direction of the face spanned by `basis` (two-layer, N = 0);
      "zero-set": v = 0 and any u with Σ z_i σ(x_i·u) = 0 (two-layer, N = 0; KH24 G.2);
      "face": the unit vectors of span(`basis`) inside the closed cell of the point's direction.
    `angles`: (start, end) in radians, start in [0, 2π), end in (start, start + 2π]; else None.
    `basis`: (k, p) orthonormal rows that span the set's linear hull; None where it has none.
    """

    shape: FlatShape
    angles: tuple[float, float] | None = None
    basis: Float[Array, "k p"] | None = None


@dataclass(frozen=True)
class Orbit:
    """KKT points that a symmetry of N maps onto each other, listed as one of them.

    `dimension` of the set they form: 0 where every one is isolated, None where `why_unknown` says why it is
    not certain. `members`: how many different ones a search met. `null`, `next`: what the dimension rests on,
    the largest eigenvalue of the constrained Hessian that counts as 0 and the smallest that does not, by
    size, over the largest; NaN where there is no Hessian.
    """

    dimension: int | None
    members: int
    why_unknown: str = ""
    null: float = float("nan")
    next: float = float("nan")


@dataclass(frozen=True, eq=False)
class KktPoint:
    """One KKT point, or one connected flat set of them with `direction` a member.

    `direction`: (p,) unit; two-layer neurons hold (v, u) with v first.
    `value`: N(direction). `multiplier`: λ = L N.
    `residual`: distance of λ·direction to ∂N(direction), over the scale Σ_i |z_i| ‖x_i‖^k that bounds
    ‖∂N‖ on the sphere (k = 2 squared ReLU, 1 two-layer ReLU). Exact methods take ∂N at the point itself,
    which the direction is next to in float64: where inputs are nearly equal two points may differ by less.
    `kind`: "max" and "min" are local extrema of N on the sphere, strict ones unless flat; "saddle"
    is everything else that is isolated (in d = 2 this includes one-sided inflections).
    `basin`: share of start directions that the NCF ascent flow takes here; exact in d = 2, where
    two-layer starts are the balanced ones |v| = ‖u‖ of either sign, and in d = 1 over all (v, u);
    the share of seeded starts from multistart; nan where it was not computed.
    `kinks`: number of distinct data hyperplanes {x_i·u = 0} through the direction across which N
    has a different formula; 0 inside a cell. `orbit`: the points that this one stands for, None where
    the search knows of no symmetry.
    """

    direction: Float[Array, " p"]
    value: float
    multiplier: float
    residual: float
    kind: PointKind
    basin: float = float("nan")
    extent: FlatExtent | None = None
    kinks: int = 0
    orbit: Orbit | None = None


@dataclass(frozen=True, eq=False)
class KktSet:
    """The KKT points of one constrained NCF, sorted by falling value.

    `complete`: every KKT point is in `points` (flat sets as one point each) and nothing else, of the data
    as given but for the tolerances that `reason` names; `reason` says why, in either case. `outcome`:
    how the search ended, after how many arcs, faces or starts, with the largest residual of a point; one that
    was cancelled hands back what was found. `neuron`: the family, None
    for a joint model. `dimension`: d of the inputs, or p of a joint model. `statistics`: counts of the
    search, by name.
    """

    points: tuple[KktPoint, ...]
    method: Method
    complete: bool
    reason: str
    neuron: NeuronKind | None
    dimension: int
    outcome: Outcome
    statistics: Mapping[str, float] = field(default_factory=dict)

    @property
    def directions(self) -> Float[Array, "K p"]:
        """(K, p) the points' directions as rows."""
        if not self.points:
            d = self.dimension
            return np.zeros((0, d if self.neuron is None else self.neuron.width(d)))
        return np.stack([point.direction for point in self.points])

    @property
    def values(self) -> Float[Array, " K"]:
        """(K,) N at the points, falling."""
        return np.array([point.value for point in self.points], dtype=float)

    def of_kind(self, *kinds: PointKind) -> tuple[KktPoint, ...]:
        """The points whose kind is one of `kinds`, in order."""
        return tuple(point for point in self.points if point.kind in kinds)


def largest_residual(points: Sequence[KktPoint]) -> float:
    """The largest residual of some points, 0 without any."""
    return max((point.residual for point in points), default=0.0)


def by_value(points: list[KktPoint]) -> tuple[KktPoint, ...]:
    """Points sorted by falling value, ties by direction, so that equal inputs list alike."""
    return tuple(sorted(points, key=lambda p: (-round(p.value, 12), tuple(-p.direction.round(9)))))
