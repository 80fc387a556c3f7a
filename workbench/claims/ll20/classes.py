"""LL20 Appendix F: margins along the gradient flow of the cross-entropy, several classes of digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench.claims.checks import judged, most, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.flow import monotone, monotone_bounds
from workbench.claims.margin_runs import MarginRun, margin_run
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.theory.margin.front import FrontSolver
from workbench.theory.margin.kkt import paper_certificate_at

LOWEST = 100.0
"""−log10 of the risk to which the flow is followed."""
TENFOLD = (2.0, 20.0, 200.0)
"""−log 𝓛 at which ε is compared."""
PICTURES: Mapping[Size, Mapping[str, Any]] = {
    "quick": {"kind": "digits", "n": 30, "classes": [0, 1, 2]},
    "full": {"kind": "digits", "n": 50},
}
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "linear": {"kind": "deep-linear", "depth": 2, "width": 8},
    "ReLU": {"kind": "deep-relu", "widths": [8]},
}
RTOL = {"linear": 1e-6, "ReLU": 1e-4}

SANDWICH = "(γ̄ − γ~) ρ^L over log(N(C−1)/log 2), most"
EPSILON = "ε for one δ over that a tenfold of −log 𝓛 before, most"


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow, and ε of (P) with a constraint for every sample and wrong class, at `TENFOLD`."""

    run: MarginRun

    @property
    def gap(self) -> float:
        """(γ̄ − γ~) ρ^L over its bound: 𝓛 ≤ N(C−1) e^{−q_min}, and e^𝓛 − 1 ≤ 𝓛/log 2 after t_0."""
        run = self.run
        classes = int(run.risk.y.max()) + 1
        room = np.log(run.samples * (classes - 1) / np.log(2.0))
        return most((run.normalized - run.smoothed) * run.rho**run.order / room)

    @cached_property
    def epsilons(self) -> list[float]:
        """Least ε at `TENFOLD` for the δ of the paper's multipliers at the last of them."""
        at = self.run.by_height(TENFOLD)
        if not len(at):
            return [float("nan")]
        networks, points = zip(*(self.run.point(int(i)) for i in at), strict=True)
        index = int(at[-1])
        samples = networks[-1].samples
        q = points[-1].q * float(self.run.q[index].min())
        delta = paper_certificate_at(points[-1], self.run.loss.log_weights(q, samples)).delta
        return [FrontSolver(point).solve(delta).epsilon for point in points]


def flow_config(network: str, size: Size) -> RunConfig:
    """The flow of one network on pictures of several classes."""
    values = {
        "name": f"LL20-F {network}",
        "data": dict(PICTURES[size]),
        "model": dict(NETWORKS[network]),
        "init": {"kind": "he", "scale": 0.5},
        "loss": {"kind": "cross-entropy", "reduction": "sum"},
        "train": {
            "rule": "flow",
            "rtol": RTOL[network],
            "steps": 20_000,
            "until": {"log10_risk": -LOWEST},
        },
        "record": {"every": 1},
        "checkpoint": {"keep": 1, "every": 20_000},
        "device": {"kind": "cpu"},
    }
    return parse_config(values, "LL20-F")


def experiment(lab: Lab, size: Size) -> tuple[list[Flow], Path | None]:
    """A linear network of order 2 and a ReLU network."""
    flows = [Flow(margin_run(lab, flow_config(network, size))) for network in NETWORKS]
    return flows, flows[0].run.trained.folder


def measure(flows: Sequence[Flow]) -> Measured:
    """What Theorem 4.1 says, the sandwich for classes, and how far from a KKT point of (P)."""
    smooth = flows[0]
    return Measured(
        {
            **monotone([flow.run for flow in flows]),
            SANDWICH: most(flow.gap for flow in flows),
            EPSILON: worst_ratio(smooth.epsilons),
        },
        {
            "records after t_0": float(sum(len(flow.run.rho) for flow in flows)),
            f"ε at −log 𝓛 = {TENFOLD[0]:g}, linear": smooth.epsilons[0],
            f"ε at −log 𝓛 = {TENFOLD[-1]:g}, linear": smooth.epsilons[-1],
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Theorem 4.1's bounds with App. F's γ~; ε falls at every tenfold."""
    bounds = [*monotone_bounds(LOWEST), (SANDWICH, "≤", 1.0, ""), (EPSILON, "<", 1.0, "")]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-F",
        paper="LL20",
        place="Appendix F",
        statement="With the cross-entropy and several classes γ~ = −log(e^𝓛 − 1)/ρ^L never falls along the "
        "flow once 𝓛 < log 2, stays within ρ^−L log(N(C−1)/log 2) below γ̄, and the flow nears a KKT "
        "point of (P) with a constraint for every sample and wrong class.",
        method="Gradient flow to 10^−100 of a linear network of order 2 and a two-layer ReLU network on 50 "
        "handwritten digits of ten classes (quick: 30 of three); every step is compared.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="margins",
        erratum="Appendix F prints the softmax with −Φ_j in its exponents, which would reward wrong "
        "classes; with the margins it defines the exponents must be Φ_j.",
    ),
)
