"""KH24 Lemma 5.6 and eq. (15): what holds at a saddle (w̄_n, 0), and what keeps w_n beside it.

Saddles of networks of both families, with and without kinks at w̄_n, and g = (u_1|u_2| − 1)², which has both
a point that eq. (15) holds at and one where it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear, root

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most, on_circle, orders
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.data.synthetic import circle
from workbench.theory.ncf.landscapes import Landscape, clarke_vertices, landscape_gradient
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.min_norm import least_norm

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
FITTED: dict[Size, range] = {"quick": range(3), "full": range(30)}
"""Seeds of the samples whose best few neurons are a saddle of more."""
DIRECTIONS: dict[Size, int] = {"quick": 200, "full": 1_000}
RADII = (1e-2, 1e-3, 1e-4, 1e-5)
"""Distances from w̄_n at which the flow's speed away from it is looked at."""
KINK = 1e-12
"""|x_i·u| over ‖x_i‖‖u‖ that is a kink."""
CRITICAL = 1e-9
"""Distance of 0 to a subdifferential over ‖y‖ that the search for w̄_n leaves."""
FIRST = 0.9
"""Share of order 1 that falls over a tenfold must show; a speed that stays has order 0."""


@dataclass(frozen=True, eq=False)
class Saddle:
    """The square risk of Σ_k H(x; w_k) at `large` (h, p), all other neurons 0."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    kind: NeuronKind
    large: Float[np.ndarray, "h p"]

    def residual(self, w: Float[np.ndarray, "h p"]) -> Float[np.ndarray, " n"]:
        """y − H_n(X; w)."""
        return np.asarray(self.y - Ncf(self.x, self.y, self.kind).outputs(w).sum(axis=0))

    def slope(self, w: Float[np.ndarray, "h p"]) -> Float[np.ndarray, "h p"]:
        """An element of ∂𝓛(w, 0), all of it off kinks."""
        return -Ncf(self.x, self.residual(w), self.kind).gradient(w)

    @property
    def distance_of_zero(self) -> float:
        """The distance of 0 to ∂𝓛(w̄_n, 0): box-constrained least squares over the kinks' slopes."""
        left, slope = self.residual(self.large), self.slope(self.large)
        if self.kind is SQUARED:
            return float(np.linalg.norm(slope))
        total = float(np.sum(slope[:, 0] ** 2))
        for w, s in zip(self.large, slope, strict=True):
            size = np.linalg.norm(self.x, axis=1) * np.linalg.norm(w[1:])
            kinks = np.abs(self.x @ w[1:]) <= KINK * size
            # σ'(0) = c between 0, which `slope` has, and 1.
            columns = -w[0] * (left[kinks, None] * self.x[kinks]).T
            rest = s[1:]
            if kinks.any():
                found = lsq_linear(columns, -s[1:], (0.0, 1.0), tol=1e-15)
                rest = s[1:] + columns @ found.x
            total += float(rest @ rest)
        return float(np.sqrt(total))

    @property
    def descends_by(self) -> float:
        """𝓛(w̄_n, w) over 𝓛(w̄_n, 0) for the best of many small w: below 1 at a saddle."""
        rng = np.random.default_rng(0)
        left = self.residual(self.large)
        tried = rng.standard_normal((1_000, self.large.shape[1]))
        tried *= 0.1 / np.linalg.norm(tried, axis=1, keepdims=True)
        outputs = Ncf(self.x, left, self.kind).outputs(tried)
        return float(np.min(np.sum((left - outputs) ** 2, axis=1)) / np.sum(left**2))

    @property
    def pull_on_zero(self) -> float:
        """‖∂_{w_z}𝓛(w̄_n, 0)‖ for a neuron of weight 0."""
        nothing = np.zeros((1, self.large.shape[1]))
        return float(
            np.linalg.norm(Ncf(self.x, self.residual(self.large), self.kind).gradient(nothing))
        )


Slope = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Beside:
    """By distance r (R): `away`, the largest ⟨w − w̄, ẇ⟩/r over directions, which eq. (15) has below κ r, and
    `pull`, the largest ‖∂𝓛(w, 0)‖."""

    away: Float[np.ndarray, " R"]
    pull: Float[np.ndarray, " R"]


def beside(slope: Slope, at: Array, turns: Float[np.ndarray, "B q"]) -> Beside:
    """Over the directions `turns`, unit vectors of as many numbers as `at`."""
    away, pull = [], []
    for r in RADII:
        found = np.array([slope(at + (r * e).reshape(at.shape)).ravel() for e in turns])
        away.append(float(np.max(-np.sum(found * turns, axis=1))))
        pull.append(float(np.max(np.linalg.norm(found, axis=1))))
    return Beside(np.array(away), np.array(pull))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Saddles with what is beside each, the `smooth` of which have no kink at w̄_n; and g at (1, 1) and (1,
    0)."""

    saddles: Sequence[Saddle]
    smooth: Sequence[Beside]
    kinked: Sequence[Beside]
    held: Beside
    leaving: Beside
    leaving_zero: float


def evidence(size: Size) -> Evidence:
    """Fig. 4's saddle, one on a ridge, fitted ones of both families, and one of orthogonal inputs, on
    kinks."""
    fitted = (_fitted(kind, seed) for kind in (SQUARED, TWO_LAYER) for seed in FITTED[size])
    smooth = [_figure_4(), _ridge(), *fitted]
    kinked = [_orthogonal()]
    rng = np.random.default_rng(0)

    def around(case: Saddle) -> Beside:
        turns = rng.standard_normal((DIRECTIONS[size], case.large.size))
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        return beside(case.slope, case.large, turns)

    def of_g(u: Array) -> Array:
        return landscape_gradient(u[None], Landscape.LEAVING)[0]

    turns = on_circle(np.linspace(0.0, 2 * np.pi, 720, endpoint=False) + 1e-3)
    point = np.array([1.0, 0.0])
    zero = least_norm(clarke_vertices(point, Landscape.LEAVING)).element
    return Evidence(
        [*smooth, *kinked],
        [around(case) for case in smooth],
        [around(case) for case in kinked],
        beside(of_g, np.array([1.0, 1.0]), turns),
        beside(of_g, point, turns),
        float(np.linalg.norm(zero)),
    )


def _figure_4() -> Saddle:
    data = circle(50, 0.0)
    return Saddle(data.x, data.y, SQUARED, np.tile([np.sqrt(0.5), 0.0], (10, 1)))


def _fitted(kind: NeuronKind, seed: int) -> Saddle:
    """A neuron that fits Gaussian samples as well as those near it, off all kinks, where more would fit
    better."""
    rng = np.random.default_rng([seed, 56])
    for _ in range(1_000):
        x, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
        w = _squared(x, y, rng) if kind is SQUARED else _two_layer(x, y, rng)
        case = Saddle(x, y, kind, w[None])
        size = float(np.linalg.norm(w[-2:]))
        clear = np.min(np.abs(x @ w[-2:]) / np.linalg.norm(x, axis=1)) > 2.0 * RADII[0]
        if size > 0.1 and clear and case.distance_of_zero < CRITICAL and case.descends_by < 1.0:
            return case
    raise ValueError("no neuron was fitted")


def _squared(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """A root of the gradient."""
    slope = Saddle(x, y, SQUARED, np.zeros((1, 2))).slope

    def at(u: Array) -> Array:
        return slope(u[None])[0]

    return np.asarray(root(at, rng.standard_normal(2), tol=1e-14).x)


def _two_layer(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Least squares among the samples on one side of a random line; whoever asks sees whether the side
    stays."""
    active = x @ rng.standard_normal(2) > 0
    found = np.linalg.lstsq(x[active], y[active], rcond=None)[0]
    v = np.sqrt(np.linalg.norm(found))
    return np.array([v, *(found / v)])


def _ridge() -> Saddle:
    """One neuron between two peaks of the labels: the flow of w_n alone leaves it, at κ r."""
    x = circle(50, 0.0).x
    peaks = on_circle(np.radians([75.0, -75.0]))
    y = np.sum(np.maximum(x @ peaks.T, 0.0) ** 2, axis=1)
    seen = np.maximum(x[:, 0], 0.0) ** 2
    return Saddle(x, y, SQUARED, np.array([[np.sqrt(y @ seen / (seen @ seen)), 0.0]]))


def _orthogonal() -> Saddle:
    """Orthogonal inputs: one neuron has fitted all positive labels, on the kinks of the others."""
    y = np.array([1.0, 0.7, -0.8, -0.5])
    fitted = np.maximum(y, 0.0)
    v = np.sqrt(np.linalg.norm(fitted))
    return Saddle(np.eye(4), y, TWO_LAYER, np.array([[v, *(fitted / v)]]))


ZERO = "distance of 0 to ∂_{w_n}𝓛(w̄_n, 0) over ‖y‖, largest"
PULL = "‖∂_{w_z}𝓛(w̄_n, 0)‖, largest"
DESCENT = "𝓛(w̄_n, w_z) over 𝓛(w̄_n, 0) for the best small w_z, largest"
SMOOTH = "no kinks: order of ‖∇_{w_n}𝓛(w_n, 0)‖ in ‖w_n − w̄_n‖, least"
AWAY = "speed away from w̄_n over r at the least r, over that at the largest, largest"
HELD = "g at (1, 1): order of the speed away in r"
LEAVING = "g at (1, 0): order of the speed away in r"
LEAVES = "g at (1, 0): speed away at the least r"
LEAVING_ZERO = "g at (1, 0): distance of 0 to ∂g"


def measure(found: Evidence) -> Measured:
    """Criticality, and whether the flow of w_n alone leaves w̄_n at more than κ r."""
    return Measured(
        {
            ZERO: most(c.distance_of_zero / float(np.linalg.norm(c.y)) for c in found.saddles),
            PULL: most(case.pull_on_zero for case in found.saddles),
            DESCENT: most(case.descends_by for case in found.saddles),
            SMOOTH: least(orders(RADII, list(case.pull)).min() for case in found.smooth),
            AWAY: most(map(_kappa_growth, (*found.smooth, *found.kinked))),
            HELD: float(orders(RADII, list(found.held.pull)).min()),
            LEAVING: float(np.abs(orders(RADII, list(found.leaving.away))).max()),
            LEAVES: float(found.leaving.away[-1]),
            LEAVING_ZERO: found.leaving_zero,
        },
        {
            "saddles": float(len(found.saddles)),
            "κ at the largest r, largest": most(
                case.away[0] / RADII[0] for case in (*found.smooth, *found.kinked)
            ),
            "on kinks: ‖∂_{w_n}𝓛‖ at the least r, largest": most(
                case.pull[-1] for case in found.kinked
            ),
        },
    )


def _kappa_growth(case: Beside) -> float:
    """max(κ, 0) at the least r over that at the largest; κ r = the speed away. A flow that only comes nearer
    has κ = 0 at all r."""
    # Rounding of w̄_n stands for κ = 0: a speed that is the same at all r is far above it.
    kappa = np.maximum(case.away, 1e-9) / np.array(RADII)
    return (
        float(kappa[-1] / max(kappa[0], 1e-9 / RADII[-1])) if np.isfinite(kappa).all() else np.nan
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Critical in w_n and w_z, no minimum, held by eq. (15); g's two points as §5.2 has them."""
    bounds: list[Bound] = [
        (ZERO, "<", CRITICAL, ""),
        (PULL, "=", 0.0, ""),
        (DESCENT, "<", 1.0, ""),
        (SMOOTH, "≥", FIRST, ""),
        (AWAY, "≤", 1.0 / FIRST, ""),
        (HELD, "≥", FIRST, ""),
        (LEAVING, "<", 1.0 - FIRST, ""),
        (LEAVES, "≥", 1.0, ""),
        (LEAVING_ZERO, "<", CRITICAL, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-L5.6",
        paper="KH24",
        place="Lemma 5.6, eq. (15)",
        statement="At a saddle (w̄_n, 0) of the square loss 0 ∈ ∂_{w_n}𝓛(w̄_n, 0), and the flow of w_n alone "
        "leaves w̄_n no faster than κ‖w_n − w̄_n‖: by Lipschitz gradients, or on kinks that hold it; for g = "
        "(u_1|u_2| − 1)² that is so at (1, 1) and fails at (1, 0), though 0 ∈ ∂g there.",
        method="Fig. 4's saddle, one neuron on a ridge, best neurons of both families on Gaussian samples, "
        "and one on the kinks of orthogonal inputs; the largest speed away over many directions at "
        "distances 1e−2 to 1e−5.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
