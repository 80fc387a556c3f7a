"""JT19 Appendix A: W_1 = 0 meets Assumption 1.2, and a start above 𝓡(0) whose risk never goes to 0.

From w_1 = −w_2 the flow of exp(−⟨w_1, w_2⟩) keeps that: r = ‖w_1‖² has ṙ = −2r e^r, so E_1(r) − E_1(r_0) =
2t with the exponential integral E_1, and 𝓡 = e^r → 1 from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import exp1

from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt19.identities import samples
from workbench.claims.jt19.losses import MEETING, layer_slopes, losses
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.toml import parse_config

WIDTH = 3
STARTS: Mapping[Size, tuple[float, ...]] = {"quick": (0.8,), "full": (0.3, 0.8, 1.2)}
"""‖w_1(0)‖."""
PUSH = 1e-3
"""How far beside w_1 = −w_2 the flow is started once more."""
FOLLOWED, GOAL = 250, -4.0
"""Steps of the flow on the line, and log10 of the risk beside it."""
RTOL, ROUGH = 1e-7, 1e-5
"""Tolerance of the flow on the line, and of that beside it."""
KEPT = 1e-6
"""What RTOL leaves of the closed form."""
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Line:
    """The flow from w_1 = −w_2, and the one from `PUSH` beside it."""

    on: TrainedRun
    beside: TrainedRun


@dataclass(frozen=True, eq=False)
class Evidence:
    """`zero` (K): |𝓡(W(0)) − ℓ(0)| for W_1 = 0, relative, `slope` (K): ‖∂𝓡/∂W_1‖_F there over |ℓ'(0)| γ ‖W_L
    ⋯ W_2‖."""

    lines: Sequence[Line]
    zero: Sequence[float]
    slope: Sequence[float]


def experiment(lab: Lab, size: Size) -> tuple[Evidence, Path | None]:
    """Flows of a network of two layers on one sample; W_1 = 0 under six losses and two to four layers."""
    lines = [Line(_flow(lab, norm, 0.0), _flow(lab, norm, PUSH)) for norm in STARTS[size]]
    rows = [_zero_first(name, depth) for name in MEETING for depth in (2, 3, 4)]
    return Evidence(lines, [a for a, _ in rows], [b for _, b in rows]), lines[0].on.folder


def _flow(lab: Lab, norm: float, push: float) -> TrainedRun:
    w = norm * np.array([2.0, -1.0, 2.0]) / 3.0
    second = -w + push * np.array([1.0, 0.0, 0.0])
    train = {"rule": "flow", "rtol": RTOL, "steps": FOLLOWED}
    if push:
        train = {**train, "rtol": ROUGH, "steps": 20_000, "until": {"log10_risk": GOAL}}
    made = {
        "name": f"JT19-A, ‖w_1‖ = {norm}, {'beside' if push else 'on'} the line",
        "data": {"kind": "inline", "x": [[1.0]], "y": [1.0]},
        "model": {"kind": "deep-linear", "width": WIDTH, "depth": 2},
        "init": {"kind": "inline", "values": {"w1": w[:, None].tolist(), "w2": [second.tolist()]}},
        "loss": {"kind": "exponential", "reduction": "mean"},
        "train": train,
        "record": {"every": 4 if not push else 50},
        "checkpoint": {"keep": 1},
        "pause": {"at_saddle": False},
        "device": {"kind": "cpu"},
    }
    return lab.train(parse_config(made, "JT19-A"))


def _zero_first(name: str, depth: int) -> tuple[float, float]:
    """𝓡(W(0)) off ℓ(0), and the slope in W_1 over its lower bound."""
    rng = np.random.default_rng([depth, 1])
    z, svm = samples(rng)
    loss, ones = losses()[name], np.ones(len(z))
    sizes = [z.shape[1], *[WIDTH] * (depth - 1), 1]
    w = [rng.standard_normal((r, c)) for c, r in pairwise(sizes)]
    w[0] = np.zeros_like(w[0])
    outputs = z @ reduce(lambda below, a: a @ below, w)[0]
    pull = loss.residual(outputs, ones)
    first = layer_slopes(w, -pull @ z / len(z))[0]
    risk, zero = (
        float(np.exp(loss.log_risk(q[None], ones, "mean")[0])) for q in (outputs, 0.0 * ones)
    )
    above = float(np.linalg.norm(reduce(lambda a, b: a @ b, w[:0:-1], np.eye(1))))
    bound = float(loss.residual(np.zeros(1), np.ones(1))[0]) * svm.margin * above
    return abs(risk / zero - 1.0), float(np.linalg.norm(first)) / bound


OPPOSITE = "‖w_1 + w_2‖ over ‖w_1‖ along the flow, largest"
ABOVE = "log 𝓡 along the flow, least"
CLOSED = "2t off E_1(‖w_1‖²) − E_1(‖w_1(0)‖²) along the flow, relative, largest"
FALLS = "log 𝓡 at the end over that at the start, largest"
BESIDE = "10⁻³ beside the line: log10 𝓡 at the end, largest"
ZERO = "W_1 = 0: 𝓡(W(0)) off ℓ(0), relative, largest"
SLOPE = "W_1 = 0: ‖∂𝓡/∂W_1‖_F over |ℓ'(0)| γ ‖W_L⋯W_2‖, least"


def measure(found: Evidence) -> Measured:
    """The line kept and the closed form; beside it; and W_1 = 0."""
    rows = [_line(line.on) for line in found.lines]
    return Measured(
        {
            OPPOSITE: most(r[0] for r in rows),
            ABOVE: least(r[1] for r in rows),
            CLOSED: most(r[2] for r in rows),
            FALLS: most(r[3] for r in rows),
            BESIDE: most(line.beside.log_risk[-1] / np.log(10.0) for line in found.lines),
            ZERO: most(found.zero),
            SLOPE: least(found.slope),
        },
        {"t at the end, least": least(line.on.time[-1] for line in found.lines)},
    )


def _line(run: TrainedRun) -> tuple[float, float, float, float]:
    w, v = run.theta[:, :WIDTH], run.theta[:, WIDTH:]
    size = np.linalg.norm(w, axis=1)
    passed = exp1(size**2) - exp1(size[0] ** 2)
    off = np.abs(2.0 * run.time - passed)[1:] / (2.0 * run.time[1:])
    return (
        float(np.max(np.linalg.norm(w + v, axis=1) / size)),
        float(np.min(run.log_risk)),
        float(np.max(off)),
        float(run.log_risk[-1] / run.log_risk[0]),
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """On the line 𝓡 > 1 for ever, though it falls; beside it, and below 𝓡(0), there is a way down."""
    bounds: list[Bound] = [
        (OPPOSITE, "≤", KEPT, ""),
        (ABOVE, "≥", 0.0, ""),
        (CLOSED, "≤", KEPT, ""),
        (FALLS, "<", 1.0, ""),
        (BESIDE, "≤", GOAL, ""),
        (ZERO, "≤", ROUNDING, ""),
        (SLOPE, "≥", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-A",
        paper="JT19",
        place="Appendix A, Assumption 1.2",
        statement="W_1 = 0 with W_L ⋯ W_2 ≠ 0 has 𝓡 = ℓ(0) and a gradient; above 𝓡(0) the flow may never "
        "bring the risk to 0: from w_1 = −w_2 exp(−⟨w_1, w_2⟩) stays above 1.",
        method="Gradient flow of two layers on one sample from w_1 = −w_2, against its closed form, and "
        "from 1e−3 beside it; W_1 = 0 under six losses.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
