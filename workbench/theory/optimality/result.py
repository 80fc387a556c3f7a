"""What the question "is this KKT point of (P) optimal?" is answered with (VSS22)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Float

from workbench.arrays import Array

Verdict = Literal["global", "local", "not local", "undecided"]


@dataclass(frozen=True, eq=False)
class Better:
    """Feasible points `theta` (K, P) of strictly smaller norm, both checked in exact arithmetic.

    `norm2` (K): ‖θ‖², rounded up. `distances` (K) to θ~, falling: towards 0 under "not local" (a
    family), one far point otherwise. `family`: how they were made, in words.
    """

    theta: Float[Array, "K P"]
    norm2: Float[Array, " K"]
    distances: Float[Array, " K"]
    family: str

    def as_json(self) -> dict[str, Any]:
        """DESIGN's `better`, with the family's name; `values` are the points."""
        return {
            "norm2": self.norm2.tolist(),
            "distances": self.distances.tolist(),
            "values": self.theta.tolist(),
            "family": self.family,
        }


@dataclass(frozen=True, eq=False)
class LayerVerdict:
    """Problem (3) of VSS22: (P) in the weights of layer `name`, the others fixed.

    `norm2`: ‖u^(l)‖² at θ~. `bound`: a certified lower bound of it over all feasible u^(l), 0 if none.
    `better`: whole points θ that differ from θ~ in this layer only.
    """

    name: str
    verdict: Verdict
    norm2: float
    bound: float
    better: Better | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "norm2": self.norm2,
            "bound": self.bound,
            "better": None if self.better is None else self.better.as_json(),
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class Optimality:
    """The verdict on θ~ for (P): min ½‖θ‖² s.t. q_i(θ) ≥ 1, with what proves it.

    `theta` (P): θ~, scaled so that its least margin is 1. `norm2`: ‖θ~‖². `better`: points of smaller
    norm, if any is known. `bound`: a certified lower bound on ‖θ‖² over all feasible θ, 0 if none.
    `ratio`: ‖θ~‖/‖θ*‖ with θ* the best feasible point known; 1 if that is θ~ itself. `residual`:
    ‖θ~ − Σλ_i h_i‖/‖θ~‖ of the KKT conditions with `multipliers` (n). `layers`: Problem (3), in the order
    of the layers. `far`: the point that `ratio` compares with where it lies beyond a family in `better`.
    """

    verdict: Verdict
    norm2: float
    better: Better | None
    bound: float
    ratio: float
    layers: tuple[LayerVerdict, ...]
    reason: str
    theta: Float[Array, " P"]
    multipliers: Float[Array, " n"]
    residual: float
    notes: tuple[str, ...] = field(default=())
    far: Better | None = None

    def as_json(self) -> dict[str, Any]:
        """DESIGN's `optimal --json`, with ratio, KKT residual and multipliers."""
        return {
            "verdict": self.verdict,
            "norm2": self.norm2,
            "better": None if self.better is None else self.better.as_json(),
            "bound": self.bound,
            "ratio": self.ratio,
            "layers": [layer.as_json() for layer in self.layers],
            "reason": self.reason,
            "residual": self.residual,
            "multipliers": self.multipliers.tolist(),
            "notes": list(self.notes),
            "far": None if self.far is None else self.far.as_json(),
        }
