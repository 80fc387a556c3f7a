"""Adam's two faces on a linear predictor: sign descent's margin without ε, gradient descent's with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.beyond.linear_walks import RuleOf, Walk, Z, limit, walk
from workbench.claims.beyond.steepest_linear import largest
from workbench.claims.checks import Bound, judged
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.engine.rules.adam import AdamRule
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm

STEPS: Mapping[Size, int] = {"quick": 16_000, "full": 400_000}
DECAYS = (0.9, 0.999)
EPSILON = 1.0
NEAR = 0.05
"""Part of the way from the one norm's solution to the other's within which a direction counts as one's."""


def adam(epsilon: float) -> RuleOf:
    """The rule of every step."""
    return lambda length: AdamRule(length, *DECAYS, epsilon)


@dataclass(frozen=True, eq=False)
class Faces:
    """`sharp`: without ε, on ∇log 𝓛, in steps of 0.3/√t; `smooth`: with ε, on ∇𝓛, at the rate 0.3."""

    sharp: Walk
    smooth: Walk


def evidence(size: Size, rule_of: Callable[[float], RuleOf] = adam) -> Faces:
    """Both from θ = 0 on the four samples of TG25-LINEAR."""
    steps = STEPS[size]
    return Faces(
        walk(rule_of(0.0), LInf(), steps, of_log=True),
        walk(rule_of(EPSILON), L2(), steps, power=0.0),
    )


SHARP = "ε = 0: direction it moves in short of ℓ∞'s largest margin, over what ℓ2's solution is"
SHARP_FALLS = (
    "ε = 0: margin of θ in ℓ∞ short of the largest, over that after a quarter of the steps"
)
SMOOTH = "ε > 0: direction it moves in short of ℓ2's largest margin, over what ℓ∞'s solution is"
SMOOTH_FALLS = (
    "ε > 0: margin of θ in ℓ2 short of the largest, over that after a quarter of the steps"
)
BELOW = "ε > 0: ‖∇𝓛‖_∞ over ε, at the last step"


def measure(faces: Faces) -> Measured:
    """Directions and margins over the exact solutions of ℓ∞ and ℓ2."""
    sharp = short_of(faces.sharp, LInf())
    smooth = short_of(faces.smooth, L2())
    q = Z @ faces.smooth.theta[-1]
    slope = float(np.abs(np.exp(-q) @ Z).max())
    return Measured(
        {
            SHARP: moving_short(faces.sharp, LInf()) / solution_short(L2(), LInf()),
            SHARP_FALLS: float(sharp[-1] / sharp[-2]),
            SMOOTH: moving_short(faces.smooth, L2()) / solution_short(LInf(), L2()),
            SMOOTH_FALLS: float(smooth[-1] / smooth[-2]),
            BELOW: slope / EPSILON,
        },
        {
            "steps": float(faces.sharp.steps[-1]),
            "ε = 0: margin in ℓ∞": float(faces.sharp.margins(LInf())[-1]),
            "ε = 0: limit of the margin in ℓ∞": limit(faces.sharp.margins(LInf())),
            "largest margin in ℓ∞": largest(LInf()).margin,
            "ε > 0: margin in ℓ2": float(faces.smooth.margins(L2())[-1]),
            "ε > 0: margin in ℓ2 of the direction it moves in": largest(L2()).margin
            - moving_short(faces.smooth, L2()),
            "largest margin in ℓ2": largest(L2()).margin,
        },
    )


def short_of(one: Walk, norm: Norm) -> Float[np.ndarray, " K"]:
    """What the margins of a walk are short of the largest in a norm."""
    return np.asarray(largest(norm).margin - one.margins(norm))


def moving_short(one: Walk, norm: Norm) -> float:
    """The same of the direction from a quarter of the steps to the last: as θ goes to infinity, it is where
    θ's own direction goes, without what the first steps left behind."""
    moved = one.theta[-1] - one.theta[-2]
    return largest(norm).margin - float((Z @ moved).min()) / float(norm.norm(moved))


def solution_short(other: Norm, norm: Norm) -> float:
    """What the exact solution of another norm is short of the largest margin in a norm."""
    w = largest(other).w
    return largest(norm).margin - float((Z @ w).min()) / float(norm.norm(w))


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Each face near its own solution, nearer than before, the gradient having vanished against ε."""
    bounds: list[Bound] = [
        (SHARP, "≤", NEAR, ""),
        (SHARP_FALLS, "<", 1.0, ""),
        (SMOOTH, "≤", NEAR, ""),
        (SMOOTH_FALLS, "<", 1.0, ""),
        (BELOW, "<", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="TG25-ADAM",
        paper="TG25",
        place="Adam on linear predictors",
        statement="Adam without ε on the gradient of log 𝓛 goes to ℓ∞'s largest margin, as sign descent "
        "does; with ε > 0, against which ∇𝓛 vanishes, it goes to ℓ2's, as gradient descent does.",
        method="The workbench's Adam, β 0.9 and 0.999, on the four samples of TG25-LINEAR: ε = 0 in steps of "
        "0.3/√t, and ε = 1 at the rate 0.3. θ grows with log t there, so that the direction in which it "
        "moves tells more than θ's own.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
