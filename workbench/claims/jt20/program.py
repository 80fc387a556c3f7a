"""JT20 Proposition 4.6: the margin that squared-ReLU networks go to is a linear program's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.cover import COVERS, Cover, covered
from workbench.claims.jt20.late import FORTY, LOGISTIC, Case, LateRun, late_runs
from workbench.claims.lab import Lab
from workbench.claims.limits import RATIO, limits_at_two_depths
from workbench.inspector.margin import margin_certificate
from workbench.inspector.state import InspectedState
from workbench.theory.margin.linear_program import margin_program, squared_relu_features
from workbench.theory.margin.polish import Polished

EXACT = 1e-8
"""Relative gap between a KKT point's margin and the program's value: the point's own residual is 1e−10."""

SQUARED: Mapping[Size, tuple[Case, ...]] = {
    "quick": (LOGISTIC,),
    "full": (
        ("12 squared ReLU, exponential", 2.0, True, ()),
        LOGISTIC,
        ("12 squared ReLU, 40 inputs", 2.0, True, FORTY),
    ),
}


@dataclass(frozen=True, eq=False)
class Program:
    """The margin of a flow at doublings of ln(1/𝓛), and the linear program's value over the neurons'
    directions there; the same at the KKT point of (P) nearby."""

    name: str
    margin: Float[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]
    gap: float
    kkt_margin: float
    kkt_value: float
    kkt_residual: float

    @property
    def still(self) -> float:
        """What the margin can still rise by if its rise falls by 5 % in a doubling at least."""
        return float(self.margin[-1] - self.margin[-2]) * RATIO / (1.0 - RATIO)


@dataclass(frozen=True)
class Found:
    """Flows for the local guarantee, and for the global one."""

    programs: Sequence[Program]
    covers: Sequence[Cover]


def experiment(lab: Lab, size: Size) -> tuple[Found, Path | None]:
    """Flows of squared-ReLU neurons of either sign; on the line and the circle such as cover it."""
    runs = late_runs(lab, size, SQUARED[size])
    covers = late_runs(lab, size, COVERS[size])
    folder = runs[0].run.folder if runs else None
    return Found([_program(run) for run in runs], [covered(run) for run in covers]), folder


def _program(run: LateRun) -> Program:
    margins = run.margins.min(axis=1)
    # The program is solved at the two records about every doubling: enough to interpolate.
    after = np.searchsorted(run.depth, run.doublings).clip(1, len(run.depth) - 1)
    rows = np.unique(np.concatenate([after - 1, after]))
    solved = [margin_program(_features(run, run.theta[row])) for row in rows]
    at = np.log(run.doublings)
    value = np.interp(at, np.log(run.depth[rows]), [program.value for program in solved])
    point = _polished(run)
    exact = margin_program(_features(run, point.theta))
    return Program(
        run.name,
        np.interp(at, np.log(run.depth[rows]), margins[rows]),
        value,
        most(abs(program.gap) / program.value_above for program in [*solved, exact]),
        float((_features(run, point.theta) @ _shares(run, point.theta)).min()),
        exact.value,
        point.outcome.residual if point.outcome.converged else float("nan"),
    )


def _features(run: LateRun, theta: Array) -> Float[np.ndarray, "n H"]:
    """φ_ij at the neurons' directions; 0 for a neuron that is 0."""
    u = run.run.structure.incoming(theta)
    size = np.linalg.norm(u, axis=1, keepdims=True)
    directions = np.divide(u, size, out=np.zeros_like(u), where=size > 0)
    signs = run.run.structure.neuron_signs(theta)
    return squared_relu_features(directions, signs, run.risk.x, run.risk.y)


def _shares(run: LateRun, theta: Array) -> Float[np.ndarray, " H"]:
    """s_j = ‖w_j‖²/‖W‖²."""
    square = np.sum(run.run.structure.incoming(theta) ** 2, axis=1)
    return square / square.sum()


def _polished(run: LateRun) -> Polished:
    """The KKT point of (P) next to the flow's last point."""
    state = InspectedState.of(
        run.risk, run.run.structure, run.theta[-1], order=run.order, learning_rate=1.0
    )
    found = margin_certificate(state).polished
    if found is None:
        raise ValueError("networks of this size are polished")
    return found


def measure(found: Found) -> Measured:
    """What the gap between margin and program goes to, along the flow and at the KKT point; the covers."""
    programs, covers = found.programs, found.covers
    gaps = [(p.value - p.margin) / p.value for p in programs]
    of_gaps = [limits_at_two_depths(gap) for gap in gaps]
    return Measured(
        {
            "margin below the program's value: limit over the fit's error": most(
                deep.above_zero for deep, _ in of_gaps
            ),
            "the same at a quarter of ln(1/𝓛)": most(shallow.above_zero for _, shallow in of_gaps),
            "the fit's error over the gap": most(deep.loose for deep, _ in of_gaps),
            "KKT point: margin apart from the program's value": most(
                abs(p.kkt_value - p.kkt_margin) / p.kkt_value for p in programs
            ),
            "KKT point: residual": most(p.kkt_residual for p in programs),
            "KKT point's value off the flow's margin, over what that can still rise": most(
                abs(p.kkt_value - p.margin[-1]) / p.still for p in programs
            ),
            "program's duality gap": most(p.gap for p in programs),
            "cover: global value − 4ε above the margin: limit over the fit's error": most(
                fit.above_zero for c in covers for fit in limits_at_two_depths(c.bound - c.margin)
            ),
            "cover: 4ε over the global value": most(4.0 * c.epsilon / c.value for c in covers),
        },
        {
            "margin below the program's value, first": most(float(gap[0]) for gap in gaps),
            "margin below the program's value, last": most(float(gap[-1]) for gap in gaps),
            "flow's margin below the KKT point's": most(
                1.0 - float(p.margin[-1]) / p.kkt_margin for p in programs
            ),
            "cover: global value − 4ε of the coarsest": least(c.bound for c in covers),
            "cover: ε of the coarsest": most(c.epsilon for c in covers),
            "cover: ε of the circle's finest": least(c.epsilon for c in covers if c.epsilon > 0),
            "cover: margin over the global value": least(
                float(c.margin[-1]) / c.value for c in covers
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """The margin goes to the program's value; at the KKT point they are one; a cover reaches what it must,
    and is so close that this says something."""
    bounds: list[Bound] = [
        ("margin below the program's value: limit over the fit's error", "≤", 1.0, ""),
        ("the same at a quarter of ln(1/𝓛)", "≤", 1.0, ""),
        ("the fit's error over the gap", "<", 1.0, ""),
        ("KKT point: margin apart from the program's value", "<", EXACT, ""),
        ("KKT point: residual", "≤", 1e-10, ""),
        ("KKT point's value off the flow's margin, over what that can still rise", "≤", 1.0, ""),
        ("program's duality gap", "<", EXACT, ""),
        ("cover: global value − 4ε above the margin: limit over the fit's error", "≤", 1.0, ""),
        ("cover: 4ε over the global value", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-P4.6",
        paper="JT20",
        place="Proposition 4.6",
        statement="For squared ReLU with alternating signs the margin goes to the linear program's value "
        "over the limit directions; with directions that cover the sphere to ε, to the global value − 4ε "
        "at least.",
        method="The flow to 10^−10,000,000 and the KKT point of (P) next to it; the program solved with "
        "both of its certificates; limits by Aitken's extrapolation, at two depths. Covers: four neurons "
        "on the line, where ε = 0, and evenly spread ones on the circle, by γ~, which rises to the "
        "margin's limit.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="margins",
        erratum="The proposition sets θ̄_j = 0 for neurons whose share goes to 0, and asks all θ_j(t_0) to be "
        "within ε of θ̄_j: with one such neuron ε ≥ 1, and the bound says nothing for ‖x‖ ≤ 1. The "
        "neuron's own last direction is meant.",
    ),
)
