"""The field of gradient flow at a point, in the two charts that the integrator uses.

*Near* (any risk that is not small; the square loss always): y = θ. Square loss: dθ/dt = −∇𝓛. Else
dθ/ds = ∇F, F = −log 𝓛, which is the same curve in the time ds = 𝓛 dt.

*Far* (the data separated, Φ homogeneous of order L): y = u = θ/ρ over x = log ρ,

    du/dx = (G − u⟨u, G⟩)/⟨u, G⟩,   G = Σ_p w_p ∂s_p(u),   w = ∂F/∂s at s = e^{Lx} s(u)

(LL20 §4: dθ/dt = 𝓛 ∇F, and d log ρ/dt = 𝓛 ⟨θ, ∇F⟩/ρ² > 0 once 𝓛 < 1). Only s(u) and e^{Lx} are
evaluated, so no risk is too small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.engine.programs.flow.rosenbrock import Stiffness
from workbench.losses.loss import Loss, Reduction
from workbench.losses.pairs import PairWeights

MOST_ROWS = 256
ROW_NUMBERS = 4_000_000
WORTH = 0.02
"""h times the decay rate of a direction from which it is treated implicitly."""
SLIGHT = 1e-9
"""Weight below which a pair is never looked at for the Jacobian."""


@dataclass(frozen=True, eq=False)
class Pull:
    """What the risk says at a point: `pairs` at scale·Φ, the margins s(point) (m), `pull` G (P), and `seen`,
    what the field keeps of the evaluation for the Jacobian there."""

    pairs: PairWeights
    margins: Float[np.ndarray, " m"]
    pull: Float[np.ndarray, " P"]
    seen: Any = field(repr=False)


@dataclass(frozen=True, eq=False)
class Place:
    """The field at a point, in the far chart or the near one.

    `slope` (P) is dy/dx there. `height` F, `log_norm` log ρ, `log_steep` log ‖∇F(θ)‖², `radial`
    ν = ⟨θ, ∇F(θ)⟩ (of the square loss: of −𝓛) do not depend on the chart. `along` is ⟨u, G⟩ and `scale`
    e^{Lx}; near both are 1.
    """

    far: bool
    point: Float[np.ndarray, " P"]
    slope: Float[np.ndarray, " P"]
    height: float
    log_norm: float
    log_steep: float
    radial: float
    along: float
    scale: float
    pairs: PairWeights
    margins: Float[np.ndarray, " m"]
    seen: Any = field(repr=False)

    @property
    def finite(self) -> bool:
        """Whether the field can be followed from here."""
        return bool(np.isfinite(self.slope).all()) and not np.isnan(self.height)


class Field(ABC):
    """The flow of one risk in both charts; counts its `evaluations`. Labels y (n).

    `engine`: what a run's file says of steps along it.
    """

    engine = "flow"

    def __init__(
        self, y: Float[np.ndarray, " n"], *, loss: Loss, reduction: Reduction, order: float | None
    ) -> None:
        self.y, self.loss, self.order = y, loss, order
        self.log_mean = float(np.log(len(y))) if reduction == "mean" else 0.0
        self.divisor = float(len(y)) if loss.regression and reduction == "mean" else 1.0
        self.evaluations = 0

    @abstractmethod
    def pull(self, point: Float[np.ndarray, " P"], scale: float, whole: bool) -> Pull:
        """Weights at scale·Φ(point), the margins s(point), G; with `whole` all that a Jacobian needs."""

    @abstractmethod
    def jacobian(self, place: Place, h: float, longest: float) -> tuple[Stiffness, float]:
        """The stiff directions at a place for steps of about h, and the largest ‖∂s_p‖² met.

        `longest` is that of the step before: pairs that cannot matter unless it has grown fourfold are
        not looked at.
        """

    def near(self, theta: Float[np.ndarray, " P"]) -> Place:
        """The field at θ (P)."""
        return self._near(theta, whole=True)

    def near_slope(self, theta: Float[np.ndarray, " P"], x: float) -> Float[np.ndarray, " P"]:
        """dθ/dx alone; x is not looked at."""
        return self._near(theta, whole=False).slope

    def far(self, u: Float[np.ndarray, " P"], x: float) -> Place:
        """The field at the direction of u (P), ρ = e^x."""
        return self._far(u, x, whole=True)

    def far_slope(self, u: Float[np.ndarray, " P"], x: float) -> Float[np.ndarray, " P"]:
        """du/dx alone."""
        return self._far(u, x, whole=False).slope

    def _near(self, theta: Float[np.ndarray, " P"], whole: bool) -> Place:
        self.evaluations += 1
        found = self.pull(theta, 1.0, whole)
        pull = found.pull
        with np.errstate(divide="ignore"):
            norm, steep = 0.5 * float(np.log(theta @ theta)), float(np.log(pull @ pull))
        slope = pull / self.divisor
        return Place(
            False, theta, slope, found.pairs.height, norm, steep, float(theta @ pull), 1.0, 1.0,
            found.pairs, found.margins, found.seen,
        )  # fmt: skip

    def _far(self, u: Float[np.ndarray, " P"], x: float, whole: bool) -> Place:
        if self.order is None:
            raise ValueError("the far chart needs a homogeneous network")
        self.evaluations += 1
        u = u / np.sqrt(u @ u)
        scale = float(np.exp(self.order * x))
        found = self.pull(u, scale, whole)
        pull = found.pull
        along = float(u @ pull)
        # Where θ does not move outward there is no chart: the slope is not finite, `along` says so.
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = pull / along - u
            slope -= u * (u @ slope)
        # ∇F(θ) = ρ^{L−1} G.
        with np.errstate(divide="ignore"):
            steep = float(np.log(pull @ pull)) + 2.0 * (self.order - 1.0) * x
        return Place(
            True, u, slope, found.pairs.height, x, steep, scale * along, along, scale,
            found.pairs, found.margins, found.seen,
        )  # fmt: skip

    def rates(self, place: Place, h: float) -> Float[np.ndarray, " m"]:
        """h times the decay rate of every pair's weight, for each unit of ‖∂s_p‖²."""
        # A place without a chart (`along` is 0) has no pair that matters.
        with np.errstate(divide="ignore", invalid="ignore"):
            return h * place.scale * place.pairs.bend / (place.along * self.divisor)

    # --- kinks, where a field is made of pieces ---

    def restore(self, theta: Float[np.ndarray, " P"], kept: Array | None) -> None:
        """Be on the piece that θ lies on; `kept` is what `kinks` gave there."""
        del theta, kept

    def kinks(self, place: Place) -> Array | None:
        """What of the piece of a place θ itself does not say; None where there is nothing."""
        return None

    def begin(self, place: Place, h: float, allowed: float) -> float:
        """Be on the place's piece; how far it may be followed for now, at most h."""
        return h

    def overrun(
        self, place: Place, end: Float[np.ndarray, " P"], h: float, allowed: float
    ) -> float:
        """The part of a step from a place to y = `end` after which kinks passed would be worth more than
        the error allowed; 1: all of it is good."""
        return 1.0

    def land(self, theta: Float[np.ndarray, " P"]) -> None:
        """Be on the piece that a step ending at θ has come to."""
        del theta

    def overdue(self, place: Place, end: Place, h: float, allowed: float) -> float:
        """As `overrun`, for kinks that let go."""
        return 1.0

    def settled(self, place: Place) -> Float[np.ndarray, " P"] | None:
        """Be on the piece on which the flow goes on from a place; its point on that piece, None: as it is."""
        return None
