"""LL20 Theorems 4.4 and A.9, Corollary 4.5: the flow's limit is a KKT point of (P), and an SVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.limit import FlowLimit
from workbench.claims.ll20.runs import DEEP, DEEP_RTOL, SQUARED, flows
from workbench.theory.margin.tangent_svm import TangentSvm

RESIDUAL = 1e-10
"""The statement's, of the polished point."""
SVM_ANGLE = 1e-6
"""Radians between the limit and the SVM, the statement's."""
ORDER = 0.9
"""Of the order 1 in which δ falls (Lemma C.8)."""
SHARP = 0.5
"""The error of a limit over the last value, above which 0 is no finding."""
NETWORKS = (SQUARED, "L=2", "L=3")
LEMMA_RTOL: Mapping[Size, float] = {"quick": 1e-7, "full": 1e-8}
"""Fine enough for the weights of the gradient down to `LOWEST`: no record is left out."""
FEW = 0.1
"""Share of records that may be left out."""


def experiment(lab: Lab, size: Size) -> tuple[list[FlowLimit], Path | None]:
    """Flows of the exponential loss, as deep as their limits take."""
    return deep_limits(lab, size)


def deep_limits(
    lab: Lab, size: Size, loss: str = "exponential"
) -> tuple[list[FlowLimit], Path | None]:
    """Flows followed until the powers of their approach have settled."""
    rtol = DEEP_RTOL[size]
    runs = flows(lab, size, NETWORKS, loss, lowest=DEEP, rtol=rtol)
    return [FlowLimit(run, rtol) for run in runs], runs[0].trained.folder


# --- Theorem 4.4 ---------------------------------------------------------------------------------

EPSILON = "limit of ε for the paper's δ over its error, most"
EPSILON_ERROR = "that error over ε at the end, most"
DELTA = "order of the paper's δ in log(1/𝓛) over the last tenfold, least"
POLISHED = "residual of the KKT points, most"
NEARING = "limit of the angle to them over its error, most"
NEARING_ERROR = "that error over the angle at the end, most"


def kkt_quantities(limits: Sequence[FlowLimit]) -> dict[str, float]:
    """Where ε, δ and the angle to the KKT points go, and how well that is known."""
    return {
        EPSILON: most(limit.epsilon_limit.off_zero for limit in limits),
        EPSILON_ERROR: most(limit.epsilon_limit.loose for limit in limits),
        DELTA: least(limit.delta_order for limit in limits),
        POLISHED: most(limit.residual for limit in limits),
        NEARING: most(limit.angle_limit.off_zero for limit in limits),
        NEARING_ERROR: most(limit.angle_limit.loose for limit in limits),
    }


KKT_BOUNDS: list[Bound] = [
    (EPSILON, "≤", 1.0, ""),
    (EPSILON_ERROR, "≤", SHARP, ""),
    (DELTA, "≥", ORDER, ""),
    (POLISHED, "≤", RESIDUAL, ""),
    (NEARING, "≤", 1.0, ""),
    (NEARING_ERROR, "≤", SHARP, ""),
]


def t44_measure(limits: list[FlowLimit]) -> Measured:
    """Where ε, δ and the angle to the KKT points go."""
    return Measured(
        kkt_quantities(limits),
        {
            "limit of ε, most": most(abs(limit.epsilon_limit.value) for limit in limits),
            "ε at the end, most": most(limit.epsilons[-1] for limit in limits),
            "power of log(1/𝓛) in ε, least": least(x.epsilon_limit.power for x in limits),
            "δ at the end, most": most(limit.deltas[-1] for limit in limits),
            "angle of the end to the KKT point, most, rad": most(x.angles[-1] for x in limits),
        },
    )


def t44_criterion(measured: Measured) -> tuple[Check, ...]:
    """ε and the angle to KKT points that are there to 1e−10 have the limit 0, and δ falls like 1/log(1/𝓛)."""
    return judged(measured, KKT_BOUNDS)


# --- Theorem A.9, Lemma C.8 ----------------------------------------------------------------------

SMALLEST = "multiplier, least"
LEFT_OUT = "records before −log 𝓛 = b_g, of which the lemma says nothing, share, most"
EPSILON_OVER = "ε of the paper's multipliers over Lemma C.8's, most"
DELTA_OVER = "δ of the paper's multipliers over Lemma C.8's, most"
PASSING = "least β⁻² − 1 over Δlog γ~/(L Δlog ρ), most"
UNSTEADY = "records whose gradient the integrator blurs, left out of that, share, most"


def a9_experiment(lab: Lab, size: Size) -> tuple[list[FlowLimit], Path | None]:
    """The same flows, finer and not as deep."""
    runs = flows(lab, size, NETWORKS, rtol=LEMMA_RTOL[size])
    return [FlowLimit(run, LEMMA_RTOL[size]) for run in runs], runs[0].trained.folder


def lemma_quantities(limits: Sequence[FlowLimit]) -> dict[str, float]:
    """Lemma C.8 at the records."""
    papers = [paper for limit in limits for paper in limit.papers]
    return {
        SMALLEST: least(float(paper.multipliers.min()) for paper, *_ in papers),
        EPSILON_OVER: most(row[1] for row in papers),
        DELTA_OVER: most(row[2] for row in papers),
        LEFT_OUT: most(limit.left_out for limit in limits),
    }


LEMMA_BOUNDS: list[Bound] = [
    (SMALLEST, "≥", 0.0, ""),
    (EPSILON_OVER, "≤", 1.0, ""),
    (DELTA_OVER, "≤", 1.0, ""),
    (LEFT_OUT, "≤", FEW, ""),
]


def a9_measure(limits: list[FlowLimit]) -> Measured:
    """Lemma C.8's ε and δ, Corollary C.10's β, and what a sharper constant would give."""
    return Measured(
        {
            **lemma_quantities(limits),
            PASSING: most(x.passing() for x in limits),
            UNSTEADY: most(1.0 - limit.steady / len(limit.run.rho) for limit in limits),
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
        (PASSING, "≤", 1.0, ""),
        (UNSTEADY, "≤", FEW, ""),
    ]
    return judged(measured, bounds)


# --- Corollary 4.5 -------------------------------------------------------------------------------

SVM = "limit of the flow's angle to it over its error, most"
SVM_ERROR = "that error over the angle at the end, most"


def c45_measure(limits: list[FlowLimit]) -> Measured:
    """The SVM in the tangent features at the limit, and where the flow's angle to it goes."""
    return Measured(
        {
            "limit off the SVM in the features at the limit, most": most(
                limit.svm_angle for limit in limits
            ),
            POLISHED: most(limit.residual for limit in limits),
            SVM: most(limit.svm_limit.off_zero for limit in limits),
            SVM_ERROR: most(limit.svm_limit.loose for limit in limits),
        },
        {
            "SVM's margin over that of the limit − 1, most": most(
                1.0 / limit.svms[-1].margin_ratio - 1.0
                for limit in limits
                if isinstance(limit.svms[-1], TangentSvm)
            ),
            "angle of the end to the SVM, most, rad": most(x.svm_angles[-1] for x in limits),
            "power of log(1/𝓛) in that angle, least": least(x.svm_limit.power for x in limits),
        },
    )


def c45_criterion(measured: Measured) -> tuple[Check, ...]:
    """1e−6 radians at the limit, which the flow goes to: its own angle to the SVM has the limit 0."""
    bounds: list[Bound] = [
        ("limit off the SVM in the features at the limit, most", "<", SVM_ANGLE, "rad"),
        (POLISHED, "≤", RESIDUAL, ""),
        (SVM, "≤", 1.0, ""),
        (SVM_ERROR, "≤", SHARP, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-T4.4",
        paper="LL20",
        place="Theorem 4.4, A.8",
        statement="The flow's limit directions are KKT points of min ½‖θ‖² with all margins at least 1.",
        method="Flows of squared-ReLU neurons and linear networks to 1e−1000000; the least ε at the paper's "
        "δ, and the angle to the KKT point that Newton's method finds next to a record, both extrapolated "
        "from two depths: their limits must be 0 within their errors.",
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
        experiment=a9_experiment,
        measure=a9_measure,
        criterion=a9_criterion,
        figure="margins",
    ),
    Claim(
        id="LL20-C4.5",
        paper="LL20",
        place="Corollary 4.5, Lemma C.13",
        statement="The limit direction is the hard-margin SVM in the features ∇q_i at the limit.",
        method="The KKT points of (P) next to the flows' last records against the SVM in the tangent "
        "features there; the flow's own angle to that, extrapolated from two depths, must have the limit 0 "
        "within its error.",
        experiment=experiment,
        measure=c45_measure,
        criterion=c45_criterion,
        figure="margins",
    ),
)
