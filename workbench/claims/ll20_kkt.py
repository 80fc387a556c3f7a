"""LL20 Theorems 4.4 and A.9, Corollary 4.5: the flow's limit is a KKT point of (P), and an SVM.

The flow nears its limit by about 1/log ρ only, so ε of its own points stays well above 0 at any risk;
the KKT point next to the end is found by `theory.margin_polish` and shown apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.kh24_checks import Bound, judged, least, most, worst_ratio
from workbench.claims.lab import Lab
from workbench.claims.ll20_flow import TENFOLD
from workbench.claims.ll20_runs import RTOL, SQUARED, flows
from workbench.claims.margin_runs import MarginRun, windows
from workbench.theory.margin_front import FrontSolver
from workbench.theory.margin_kkt import PaperCertificate, lemma_bounds, paper_certificate_at
from workbench.theory.margin_polish import Polished, polish
from workbench.theory.margin_problem import log_weights
from workbench.theory.ntk import TangentSvm, angle_between, tangent_svm
from workbench.theory.separability import Inseparable

RESIDUAL = 1e-10
"""The statement's, of the polished point."""
SVM_ANGLE = 1e-6
"""Radians between the limit and the SVM, the statement's."""
NETWORKS = (SQUARED, "L=2", "L=3")
STEADY = 1e-2
"""Relative error of the gradient's weights that is small beside what is measured."""
STRIDE = 5
"""Every fifth record of a flow is certified in Lemma C.8, and the last."""


@dataclass(frozen=True, eq=False)
class Limit:
    """A flow with its `rtol`, its certificates on the way, and the KKT point next to its end."""

    run: MarginRun
    rtol: float = RTOL["quick"]

    @cached_property
    def tenfold(self) -> list[int]:
        """Records at −log 𝓛 = 10, 100, …, and the last one."""
        return sorted({*self.run.by_height(TENFOLD).tolist(), len(self.run.rho) - 1})

    @cached_property
    def epsilons(self) -> list[float]:
        """Least ε at `tenfold`, all for one δ: that of the paper's multipliers at the end, as a front
        trades ε against δ."""
        points = [self.run.point(index)[1] for index in self.tenfold]
        last = log_weights(self.run.q[-1], self.run.loss)
        delta = paper_certificate_at(points[-1], last).delta
        return [FrontSolver(point).solve(delta).epsilon for point in points]

    @cached_property
    def polished(self) -> Polished:
        """The KKT point next to the last record."""
        network, point = self.run.point(len(self.run.rho) - 1)
        return polish(network, point)

    @property
    def residual(self) -> float:
        """‖θ − Σλ_i h_i‖/‖θ‖ and what margins lack of 1, the larger; NaN where none was found."""
        found = self.polished
        return max(found.residual, found.infeasible) if found.found else float("nan")

    @cached_property
    def angles(self) -> list[float]:
        """Radians between θ^ at `tenfold` and the KKT point."""
        return [angle_between(self.run.theta[i], self.polished.theta) for i in self.tenfold]

    @cached_property
    def svm(self) -> TangentSvm | Inseparable:
        """The SVM in the features ∇q at the KKT point."""
        network, _ = self.run.point(len(self.run.rho) - 1)
        point = self.run.point_at(network, self.polished.theta)
        return tangent_svm(point.theta, point.rows)

    @property
    def svm_angle(self) -> float:
        """Radians between the limit and the SVM, from above; NaN where nothing is separated."""
        found = self.svm
        if isinstance(found, Inseparable) or not self.polished.found:
            return float("nan")
        return found.angle + found.angle_error

    @cached_property
    def papers(self) -> list[tuple[PaperCertificate, float, float, float]]:
        """At every `STRIDE`-th record: Lemma C.8's certificate, its ε and δ over the lemma's, and the
        latter with 1/e in place of e."""
        run = self.run
        found = []
        for index in sorted({*range(0, len(run.rho), STRIDE), len(run.rho) - 1}):
            q = run.q[index]
            _, point = run.point(index)
            paper = paper_certificate_at(point, log_weights(q, run.loss))
            epsilon, delta = lemma_bounds(
                run.loss,
                order=run.order,
                log_risk=float(run.log_risk[index]),
                margin_smoothed=float(run.smoothed[index]),
                beta=paper.beta,
                q_ratio=float(q.max() / q.min()),
                constraints=run.samples,
            )
            if np.isfinite(delta):
                sharp = paper.delta / delta * np.e**2
                found.append((paper, paper.epsilon / epsilon, paper.delta / delta, sharp))
        return found

    @cached_property
    def betas(self) -> Float[np.ndarray, " T"]:
        """cos(θ, −∇𝓛) at every record, from the chord, which loses no digits near 1."""
        values = []
        for index, theta in enumerate(self.run.theta):
            gradient = self.run.state(index).gradient
            chord = theta / np.linalg.norm(theta) + gradient / np.linalg.norm(gradient)
            values.append(1.0 - 0.5 * float(chord @ chord))
        return np.array(values)

    def passing(self, count: int = 20) -> float:
        """Corollary C.10 over windows of log ρ: least β⁻² − 1 over Δlog γ~/(L Δlog ρ), the largest.

        An error of rtol in θ^ moves margins by rtol ρ^L, and the weights that make the gradient by about
        −log 𝓛 times rtol: records count while that is below `STEADY`.
        """
        run, beta = self.run, self.betas
        steady = int(np.sum(-run.log_risk * self.rtol < STEADY))
        log_rho, log_margin = np.log(run.rho[:steady]), np.log(run.smoothed[:steady])
        ratios = []
        for a, b in windows(log_rho, count):
            allowed = (log_margin[b] - log_margin[a]) / (run.order * (log_rho[b] - log_rho[a]))
            ratios.append(float(np.min(beta[a : b + 1] ** -2.0 - 1.0) / allowed))
        return most(ratios)


def experiment(lab: Lab, size: Size) -> tuple[list[Limit], Path | None]:
    """Flows of the exponential loss."""
    runs = flows(lab, size, NETWORKS)
    return [Limit(run, RTOL[size]) for run in runs], runs[0].trained.folder


# --- Theorem 4.4 ---------------------------------------------------------------------------------

EPSILON = "ε for one δ over that a tenfold of −log 𝓛 before, most"
POLISHED = "residual of the KKT point, most"
NEARING = "angle to it over that a tenfold before, most"


def kkt_quantities(limits: Sequence[Limit]) -> dict[str, float]:
    return {
        EPSILON: most(worst_ratio(limit.epsilons) for limit in limits),
        POLISHED: most(limit.residual for limit in limits),
        NEARING: most(worst_ratio(limit.angles) for limit in limits),
    }


KKT_BOUNDS: list[Bound] = [
    (EPSILON, "<", 1.0, ""),
    (POLISHED, "≤", RESIDUAL, ""),
    (NEARING, "<", 1.0, ""),
]


def t44_measure(limits: list[Limit]) -> Measured:
    """ε along the flow, and the KKT point at its end."""
    return Measured(
        kkt_quantities(limits),
        {
            "ε at −log 𝓛 = 10, least": least(limit.epsilons[0] for limit in limits),
            "ε at the end, most": most(limit.epsilons[-1] for limit in limits),
            "angle of the end to the KKT point, most, rad": most(x.angles[-1] for x in limits),
        },
    )


def t44_criterion(measured: Measured) -> tuple[Check, ...]:
    """ε falls tenfold by tenfold, towards a KKT point that is there to 1e−10."""
    return judged(measured, KKT_BOUNDS)


# --- Theorem A.9, Lemma C.8 ----------------------------------------------------------------------

SMALLEST = "multiplier, least"
EPSILON_OVER = "ε of the paper's multipliers over Lemma C.8's, most"
DELTA_OVER = "δ of the paper's multipliers over Lemma C.8's, most"


def lemma_quantities(limits: Sequence[Limit]) -> dict[str, float]:
    """Lemma C.8 at the records."""
    papers = [paper for limit in limits for paper in limit.papers]
    return {
        SMALLEST: least(float(paper.multipliers.min()) for paper, *_ in papers),
        EPSILON_OVER: most(row[1] for row in papers),
        DELTA_OVER: most(row[2] for row in papers),
    }


LEMMA_BOUNDS: list[Bound] = [
    (SMALLEST, "≥", 0.0, ""),
    (EPSILON_OVER, "≤", 1.0, ""),
    (DELTA_OVER, "≤", 1.0, ""),
]


def a9_measure(limits: list[Limit]) -> Measured:
    """Lemma C.8's ε and δ, Corollary C.10's β, and what a sharper constant would give."""
    return Measured(
        {
            **lemma_quantities(limits),
            "least β⁻² − 1 over Δlog γ~/(L Δlog ρ), most": most(x.passing() for x in limits),
        },
        {
            "δ over Lemma C.8's with 1/e for e, most": most(
                row[3] for limit in limits for row in limit.papers
            ),
            "ε at the end, most": most(limit.papers[-1][0].epsilon for limit in limits),
            "δ at the end, most": most(limit.papers[-1][0].delta for limit in limits),
        },
    )


def a9_criterion(measured: Measured) -> tuple[Check, ...]:
    """ε ≤ C_1 √(1−β), δ ≤ C_2/log(1/𝓛) at every record, and a β as near to 1 as Corollary C.10 has it."""
    bounds: list[Bound] = [
        *LEMMA_BOUNDS,
        ("least β⁻² − 1 over Δlog γ~/(L Δlog ρ), most", "≤", 1.0, ""),
    ]
    return judged(measured, bounds)


# --- Corollary 4.5 -------------------------------------------------------------------------------


def c45_measure(limits: list[Limit]) -> Measured:
    """The SVM in the tangent features at the limit."""
    return Measured(
        {
            "limit off the SVM in the features at the limit, most": most(
                limit.svm_angle for limit in limits
            ),
            POLISHED: most(limit.residual for limit in limits),
            NEARING: most(worst_ratio(limit.angles) for limit in limits),
        },
        {
            "SVM's margin over that of the limit − 1, most": most(
                1.0 / limit.svm.margin_ratio - 1.0
                for limit in limits
                if isinstance(limit.svm, TangentSvm)
            ),
            "angle of the end to the limit, most, rad": most(x.angles[-1] for x in limits),
        },
    )


def c45_criterion(measured: Measured) -> tuple[Check, ...]:
    """1e−6 radians at the limit, which the flow nears tenfold by tenfold."""
    bounds: list[Bound] = [
        ("limit off the SVM in the features at the limit, most", "<", SVM_ANGLE, "rad"),
        (POLISHED, "≤", RESIDUAL, ""),
        (NEARING, "<", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-T4.4",
        paper="LL20",
        place="Theorem 4.4, A.8",
        statement="The flow's limit directions are KKT points of min ½‖θ‖² with all margins at least 1.",
        method="Flows of squared-ReLU neurons and linear networks to 1e−10000; the least ε of the "
        "(ε, δ)-KKT certificate by tenfolds of −log 𝓛; the KKT point next to the end by Newton's method.",
        experiment=experiment,
        measure=t44_measure,
        criterion=t44_criterion,
        figure="margins",
    ),
    Claim(
        id="LL20-A9",
        paper="LL20",
        place="Theorem A.9, Lemma C.8, Corollary C.10",
        statement="The paper's multipliers make θ/q_min^{1/L} an (ε, δ)-KKT point with ε = C_1 √(1 − β) and "
        "δ = C_2/log(1/𝓛), and β comes as near to 1 as the growth of γ~ allows.",
        method="The multipliers at every fifth record of the flows, β at all.",
        experiment=experiment,
        measure=a9_measure,
        criterion=a9_criterion,
        figure="margins",
    ),
    Claim(
        id="LL20-C4.5",
        paper="LL20",
        place="Corollary 4.5, Lemma C.13",
        statement="The limit direction is the hard-margin SVM in the features ∇q_i at the limit.",
        method="The flows' ends, polished to KKT points of (P), against the SVM in the tangent features "
        "there.",
        experiment=experiment,
        measure=c45_measure,
        criterion=c45_criterion,
        figure="margins",
    ),
)
