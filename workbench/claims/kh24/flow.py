"""KH24 Theorems 5.1 and 5.5, Lemma 5.2: what the gradient flow does as its start shrinks.

Squared-ReLU neurons, whose gradient flow is unique. The flows are integrated in the weights over δ:
v = w/δ follows v̇ = Σ −ℓ'(δ²H(x_i; v), y_i) ∇H(x_i; v), which has a limit as δ → 0, the NCF flow, and
loses no digits for the smallest δ. All δ are integrated at once, each up to its own T, by Runge and
Kutta's classical method; every number is measured again with half the step. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import (
    NEAR_COSINE,
    Bound,
    judged,
    least,
    most,
    orders,
    worst_ratio,
)
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.data.synthetic import circle

NEURONS = 20
SEEDS: dict[Size, range] = {"quick": range(1), "full": range(10)}
STEPS = 300
"""Steps up to T; every claim below is also measured with twice as many."""
INTEGRATED = 0.01
"""Share of a measured number that may be the integrator's."""
DELTAS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-12, 1e-24, 1e-48)
"""Sizes of the start in Theorems 5.1 and 5.5; T grows like ln(1/δ), so the limit takes small ones."""
FAR = 2.0
"""The NCF flow is followed to this many times the longest T, for its limit."""
KKT = 1e-6
"""Largest relative residual of what is taken for a KKT point."""

Field = Callable[[Array], Array]
"""The velocity of a batch of states, by δ along the first axis."""
Loss = Literal["square", "logistic"]


@dataclass(frozen=True, eq=False)
class Origin:
    """A network Σ_k s σ(u_k·x)² with s = ±1 near the origin; `start` (H, 2) of norm 1 in all."""

    name: str
    x: Float[np.ndarray, "n 2"]
    y: Float[np.ndarray, " n"]
    loss: Loss
    sign: float
    start: Float[np.ndarray, "H 2"]

    def pull(self, outputs: Array) -> Array:
        """−ℓ'(Φ, y)."""
        if self.loss == "square":
            return self.y - outputs
        return np.asarray(self.y / (1.0 + np.exp(np.clip(self.y * outputs, -700, 700))))

    def field(self, deltas: Sequence[float]) -> Field:
        """v̇ (D, H, 2) for the starts δ v(0); the NCF flow where δ = 0."""
        squared = np.array(deltas)[:, None] ** 2

        def slope(v: Array) -> Array:
            s = np.maximum(v @ self.x.T, 0.0)
            pull = self.pull(squared * self.sign * np.sum(s * s, axis=1))
            return np.asarray(2.0 * self.sign * (s * pull[:, None]) @ self.x)

        return slope

    @property
    def constants(self) -> tuple[float, float]:
        """(β, β~), from above: β = max_u ‖σ(Xu)²‖, as a network's output is a mean of its neurons'."""
        beta = sup_output(self.x)
        lipschitz = 1.0 if self.loss == "square" else 0.25
        return beta, lipschitz * beta + float(np.linalg.norm(self.pull(np.zeros_like(self.y))))


def sup_output(x: Float[np.ndarray, "n 2"], count: int = 20_000) -> float:
    """An upper bound on max_{‖u‖=1} ‖(σ(x_i·u)²)_i‖: a grid, plus half a cell times the slope's bound."""
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    u = np.stack([np.cos(angle), np.sin(angle)])
    seen = float(np.linalg.norm(np.maximum(x @ u, 0.0) ** 2, axis=0).max())
    steepest = float(np.linalg.norm(np.sum(x * x, axis=1)))
    return seen + steepest * np.pi / count


def integrate(field: Field, start: Array, horizon: Array, steps: int) -> Array:
    """(steps + 1, D, …) from one start, row d in equal steps up to horizon[d]."""
    h = (horizon / steps).reshape(-1, *([1] * start.ndim))
    v = np.broadcast_to(start, (len(horizon), *start.shape)).copy()
    path = np.empty((steps + 1, *v.shape))
    path[0] = v
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            one = field(v)
            two = field(v + 0.5 * h * one)
            three = field(v + 0.5 * h * two)
            four = field(v + h * three)
            v = v + h / 6.0 * (one + 2.0 * two + 2.0 * three + four)
            path[k + 1] = v
    return path


def origins(size: Size) -> list[Origin]:
    """Fig. 1's network and labels; the same with output −1, which fades; and ±1 labels, logistic."""
    data = circle(50, 0.0)
    cases = []
    for seed in SEEDS[size]:
        start = np.random.default_rng(seed).standard_normal((NEURONS, 2))
        start /= np.linalg.norm(start)
        sides = np.where(data.x[:, 0] > 0, 1.0, -1.0)
        cases += [
            Origin("square", data.x, data.y, "square", 1.0, start),
            Origin("fading", data.x, data.y, "square", -1.0, start),
            Origin("logistic", data.x, sides, "logistic", 1.0, start),
        ]
    return cases


# --- Lemma 5.2 -----------------------------------------------------------------------------------

C_FIXED = 1e4
"""C of Lemma 5.2: T = ln C/(4ββ~) for all δ up to 1/√C."""
L52_DELTAS = (1e-2, 3e-3, 1e-3, 3e-4)
ORDER = 1.8
"""Fitted orders below 2 by up to this are the next order's at finite δ; first order would be 1."""


@dataclass(frozen=True, eq=False)
class Apart:
    """sup_{t ≤ T} ‖w/δ − u‖ by δ, and again with half the step."""

    name: str
    distance: Float[np.ndarray, " D"]
    again: Float[np.ndarray, " D"]


Dynamics = Callable[[Origin, Sequence[float]], Field]


def true_flow(case: Origin, deltas: Sequence[float]) -> Field:
    """The gradient flow of the risk."""
    return case.field(deltas)


def l52_evidence(size: Size, dynamics: Dynamics = true_flow) -> list[Apart]:
    """Distances between the flow of the risk, as `dynamics` has it, and the NCF flow."""
    return [_apart(case, dynamics) for case in origins(size)]


def _apart(case: Origin, dynamics: Dynamics) -> Apart:
    beta, tilde = case.constants
    horizon = np.log(C_FIXED) / (4.0 * beta * tilde)
    found = []
    for steps in (STEPS, 2 * STEPS):
        u = integrate(case.field([0.0]), case.start, np.array([horizon]), steps)
        every = np.full(len(L52_DELTAS), horizon)
        v = integrate(dynamics(case, L52_DELTAS), case.start, every, steps)
        found.append(np.linalg.norm((v - u).reshape(*v.shape[:2], -1), axis=2).max(axis=0))
    return Apart(case.name, *found)


def l52_measure(evidence: Sequence[Apart]) -> Measured:
    """Order in δ, and the share of the smallest distance that is the integrator's."""
    fitted = [orders(L52_DELTAS, list(case.distance)) for case in evidence]
    return Measured(
        {
            "order in δ, least": least(p.min() for p in fitted),
            "largest distance over the one before, as δ falls": most(
                worst_ratio(list(case.distance)) for case in evidence
            ),
            "share of the distances that is the integrator's": most(
                np.max(np.abs(case.again / case.distance - 1.0)) for case in evidence
            ),
        },
        {f"sup ‖w/δ − u‖ at δ={L52_DELTAS[-1]:.0e}": most(c.distance[-1] for c in evidence)},
    )


def l52_criterion(measured: Measured) -> tuple[Check, ...]:
    """Second order, which the integrator has no part in."""
    bounds: list[Bound] = [
        ("order in δ, least", "≥", ORDER, ""),
        ("largest distance over the one before, as δ falls", "<", 1.0, ""),
        ("share of the distances that is the integrator's", "<", INTEGRATED, ""),
    ]
    return judged(measured, bounds)


# --- Theorem 5.1 ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Limit:
    """The direction at T by δ, for C = 1/δ², so that T = ln(1/δ)/(2ββ~).

    `growth` is sup_t ‖w(t)‖/(δ e^{2ββ~t}), the bound √C δ at every C at once. `size` is ‖w(T)‖/δ.
    `cosine` is 1 − cos to û, the NCF flow's direction; `residual` and `value` certify û as a
    non-negative KKT point. `again` is `cosine` with half the step.
    """

    name: str
    fades: bool
    growth: Float[np.ndarray, " D"]
    size: Float[np.ndarray, " D"]
    cosine: Float[np.ndarray, " D"]
    again: Float[np.ndarray, " D"]
    residual: float
    value: float


def t51_evidence(size: Size, dynamics: Dynamics = true_flow) -> list[Limit]:
    """The flow of the risk up to T for every δ, against the NCF flow's limit."""
    return [_limit(case, dynamics) for case in origins(size)]


def _limit(case: Origin, dynamics: Dynamics) -> Limit:
    beta, tilde = case.constants
    rate = 2.0 * beta * tilde
    field = case.field([0.0])
    horizon = np.log(1.0 / np.array(DELTAS)) / rate
    goal = unit(integrate(field, case.start, FAR * horizon[-1:], 2 * STEPS)[-1, 0])
    v = integrate(dynamics(case, DELTAS), case.start, horizon, STEPS)
    half = integrate(dynamics(case, DELTAS), case.start, horizon, 2 * STEPS)[-1]
    norm = np.linalg.norm(v.reshape(*v.shape[:2], -1), axis=2)
    allowed = np.exp(rate * np.linspace(0.0, 1.0, STEPS + 1)[:, None] * horizon)
    residual, value = stationary(field, goal)
    return Limit(
        case.name,
        case.sign < 0,
        np.max(norm / allowed, axis=0),
        norm[-1],
        np.array([one_minus_cosine(w, goal) for w in v[-1]]),
        np.array([one_minus_cosine(w, goal) for w in half]),
        residual,
        value,
    )


def unit(w: Array) -> Array:
    """w/‖w‖, by the largest entry first: flows reach 1e60."""
    w = w / np.abs(w).max()
    return np.asarray(w / np.linalg.norm(w))


def one_minus_cosine(w: Array, goal: Array) -> float:
    """1 − cos of the angle to a unit vector, as ½‖ŵ − û‖², exact for small angles too."""
    return float(0.5 * np.sum((unit(w) - goal) ** 2))


def stationary(field: Field, goal: Array) -> tuple[float, float]:
    """(‖∇N − 2Nû‖/‖∇N‖, N) at a unit vector, where N is C¹."""
    gradient = field(goal[None])[0]
    value = 0.5 * float(np.sum(gradient * goal))
    return float(np.linalg.norm(gradient - 2.0 * value * goal) / np.linalg.norm(gradient)), value


def t51_measure(evidence: Sequence[Limit]) -> Measured:
    """The bound on the norm; the two alternatives of the theorem as δ falls."""
    turning = [case for case in evidence if not case.fades]
    fading = [case for case in evidence if case.fades]
    return Measured(
        {
            "‖w‖ over √C δ, sup over t ≤ T": most(np.max(case.growth) for case in evidence),
            "1 − cos over the one before, as δ falls": most(
                worst_ratio(_above_rounding(case.cosine)) for case in turning
            ),
            f"1 − cos at δ={DELTAS[-1]:.0e}": most(case.cosine[-1] for case in turning),
            "KKT residual of û": most(case.residual for case in turning),
            "N(û), least": least(case.value for case in turning),
            "where N < 0: ‖w(T)‖/δ over the one before": most(
                worst_ratio(list(case.size)) for case in fading
            ),
            f"where N < 0: ‖w(T)‖/δ at δ={DELTAS[-1]:.0e}": most(c.size[-1] for c in fading),
            "share of 1 − cos that is the integrator's": most(map(_integrated, turning)),
        },
        {
            f"1 − cos at δ={delta:.0e}": most(case.cosine[k] for case in turning)
            for k, delta in enumerate(DELTAS[:-1])
        },
    )


ROUNDING = 1e-20
"""½‖ŵ − û‖² of two directions that are the same to about 1e−10."""


def _above_rounding(values: Array) -> list[float]:
    """The leading values, and the first that rounding limits."""
    low = np.flatnonzero(values < ROUNDING)
    return [float(v) for v in (values[: low[0] + 1] if low.size else values)]


def _integrated(case: Limit) -> float:
    """Largest relative change of 1 − cos by the tighter tolerance, above `NEAR_COSINE`'s 1 %."""
    floor = INTEGRATED * NEAR_COSINE
    return float(np.max(np.abs(case.again - case.cosine) / np.maximum(case.cosine, floor)))


def t51_criterion(measured: Measured) -> tuple[Check, ...]:
    """Small up to T; in the limit within 1° of a non-negative KKT point, or gone."""
    bounds: list[Bound] = [
        ("‖w‖ over √C δ, sup over t ≤ T", "≤", 1.0 + 1e-9, ""),
        ("1 − cos over the one before, as δ falls", "<", 1.0, ""),
        (f"1 − cos at δ={DELTAS[-1]:.0e}", "<", NEAR_COSINE, ""),
        ("KKT residual of û", "<", KKT, ""),
        ("N(û), least", "≥", 0.0, ""),
        ("where N < 0: ‖w(T)‖/δ over the one before", "<", 1.0, ""),
        (f"where N < 0: ‖w(T)‖/δ at δ={DELTAS[-1]:.0e}", "<", NEAR_COSINE, ""),
        ("share of 1 − cos that is the integrator's", "<", INTEGRATED, ""),
    ]
    return judged(measured, bounds)


def _l52(lab: Lab, size: Size) -> tuple[list[Apart], Path | None]:
    del lab
    return l52_evidence(size), None


def _t51(lab: Lab, size: Size) -> tuple[list[Limit], Path | None]:
    del lab
    return t51_evidence(size), None


CLAIMS = (
    Claim(
        id="KH24-T5.1",
        paper="KH24",
        place="Theorem 5.1",
        statement="From δ w_0 the norm stays below √C δ up to T = ln C/(4ββ~), and at T the direction is "
        "near a non-negative KKT point of the constrained NCF, or the weights are near 0; the nearer, "
        "the smaller δ.",
        method="Gradient flow of 20 squared-ReLU neurons on Fig. 1's inputs: square loss, the same with "
        "output −1, logistic loss on ±1 labels; C = 1/δ², δ from 1e−2 to 1e−48, β from above.",
        experiment=_t51,
        measure=t51_measure,
        criterion=t51_criterion,
    ),
    Claim(
        id="KH24-L5.2",
        paper="KH24",
        place="Lemma 5.2",
        statement="Up to T = ln C/(4ββ~) the weights over δ stay near the NCF flow: sup ‖w/δ − u‖ → 0 as "
        "δ → 0, with order 2 where ∇H is locally Lipschitz.",
        method="The flows of the risk and of the NCF from one start, C = 1e4, δ from 1e−2 to 3e−4, "
        "square and logistic loss.",
        experiment=_l52,
        measure=l52_measure,
        criterion=l52_criterion,
    ),
)
