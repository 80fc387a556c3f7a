"""LL20 Theorem B.4, Lemmas B.5, B.6, C.11 and D.4: what the proofs of Theorems 4.1 and 4.3 rest on.

With h = −log 𝓛 and the exponential loss g(x) = x and K = 1, so that G(e^h) is the integral of
e^s s^{−(2 − 2/L)} from h(t_0) to h.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.runs import flows
from workbench.claims.margin_runs import MarginRun

NETWORKS: dict[Size, tuple[str, ...]] = {"quick": ("L=2",), "full": ("L=2", "L=3", "L=4")}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
TAIL = 60.0
"""e^{−TAIL} is nothing beside 1."""
LATE = 10.0
"""h from which Lemma D.4's constants are asked for."""
TWOFOLD = 4.0
"""Their 4K², K = 1."""
STRIDE = 3
"""Every third record is evaluated."""


def experiment(lab: Lab, size: Size) -> tuple[list[MarginRun], Path | None]:
    """Flows of linear networks."""
    runs = flows(lab, size, NETWORKS[size])
    return runs, runs[0].trained.folder


def log_g(height: float, first: float, order: float) -> float:
    """log G(e^h), by Gauss's rule in u = h − s; −∞ at h = h(t_0)."""
    width = min(height - first, TAIL)
    u = 0.5 * width * (NODES + 1.0)
    values = np.exp(-u) * (height - u) ** (2.0 / order - 2.0)
    with np.errstate(divide="ignore"):
        return float(height + np.log(0.5 * width * (WEIGHTS @ values)))


def largest_slope(run: MarginRun) -> float:
    """B_1 of a linear network of order L ≥ 2: max ‖x_i‖ times the root of e_{L−1}(1/L, …, 1/L), the most that
    Σ_k ∏_{j≠k} ‖W_j‖² is on the unit sphere."""
    longest = float(np.linalg.norm(run.risk.x.reshape(run.samples, -1), axis=1).max())
    return longest * float(run.order ** (1.0 - 0.5 * run.order))


def weighted(run: MarginRun) -> Float[np.ndarray, " T"]:
    """ν/𝓛 = Σ e^{−q_i} q_i/𝓛 at the records."""
    return np.asarray(np.sum(np.exp(-run.q - run.log_risk[:, None]) * run.q, axis=1))


GROWTH = "⟨θ, −∇𝓛⟩ off Lν, most relative (B.4)"
BELOW = "ν over 𝓛 log 1/𝓛, least (B.5)"
SPEED = "‖∇𝓛‖ over B_1 ν/(γ~ρ), most (C.11)"
TIME = "log G(1/𝓛) − log(L² γ~(t_0)^{2/L} (t − t_0)), least (B.6)"
LOW = "G(x) over x (log x)^{2/L − 2}, least (D.4)"
HIGH = "the same, most (D.4)"
ROUNDING = 1e-6
"""Of the gradient's weights, which lose h times the rounding of q/h."""


def _gradient(run: MarginRun) -> tuple[float, float]:
    """B.4 and C.11 over the records."""
    ratio, slope = weighted(run), largest_slope(run)
    off, speed = [], []
    for k in range(0, len(run.rho), STRIDE):
        pull, scale = run.risk.gradient(run.theta[k])
        size = np.exp(scale - run.log_risk[k])
        radial = -float(run.theta[k] @ pull) * size
        off.append(abs(radial / (run.order * ratio[k]) - 1.0))
        allowed = slope * ratio[k] / (run.smoothed[k] * run.rho[k])
        speed.append(float(np.linalg.norm(pull)) * size / allowed)
    return most(off), most(speed)


def _integral(run: MarginRun) -> tuple[float, float, float]:
    """B.6 and D.4 over the records after t_0."""
    height = -run.log_risk
    log_passed = run.time_log[1:] + np.log1p(-np.exp(run.time_log[0] - run.time_log[1:]))
    logs = np.array([log_g(h, float(height[0]), run.order) for h in height[1:]])
    room = logs - 2.0 * np.log(run.order) - 2.0 / run.order * np.log(run.smoothed[0]) - log_passed
    exact = height[1:] + (2.0 / run.order - 2.0) * np.log(height[1:])
    late = height[1:] >= LATE
    ratio = np.exp((logs - exact)[late])
    return least(room), least(ratio), most(ratio)


def measure(runs: Sequence[MarginRun]) -> Measured:
    """The lemmas at the records."""
    gradients, integrals = [_gradient(run) for run in runs], [_integral(run) for run in runs]
    return Measured(
        {
            GROWTH: most(g[0] for g in gradients),
            BELOW: least((weighted(run) / -run.log_risk).min() for run in runs),
            SPEED: most(g[1] for g in gradients),
            TIME: least(i[0] for i in integrals),
            LOW: least(i[1] for i in integrals),
            HIGH: most(i[2] for i in integrals),
        },
        {"−log 𝓛 at the end, least": least(-run.log_risk[-1] for run in runs)},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """An identity, three inequalities, and Lemma D.4's constants."""
    bounds: list[Bound] = [
        (GROWTH, "≤", ROUNDING, ""),
        (BELOW, "≥", 1.0 - ROUNDING, ""),
        (SPEED, "≤", 1.0, ""),
        (TIME, "≥", 0.0, ""),
        (LOW, "≥", 1.0 / TWOFOLD, ""),
        (HIGH, "≤", TWOFOLD, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-B",
        paper="LL20",
        place="Theorem B.4, Lemmas B.5, B.6, C.11 and D.4",
        statement="½ dρ²/dt = Lν with ν ≥ 𝓛 log 1/𝓛; ‖dθ/dt‖ ≤ B_1 ν/(γ~ρ); and "
        "G(1/𝓛) ≥ L² γ~(t_0)^{2/L} (t − t_0) with G(x) = Θ(x (log x)^{2/L − 2}).",
        method="Flows of linear networks to 1e−10000 under the exponential loss, every third record.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="rates",
    ),
)
