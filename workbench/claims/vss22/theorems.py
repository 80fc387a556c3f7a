"""VSS22 §3 and §4: is the limit of the flow an optimum of (P)? Fully connected networks and depth 2.

(P): min ½‖θ‖² s.t. y_i Φ(θ; x_i) ≥ 1. Each claim trains from the theorem's start, compares the limit with
the one the theorem names, asks the inspector for its verdict, and looks at the verdict's certificate anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.vss22.certificates import least_height, linear_bound, pattern_bound
from workbench.claims.vss22.judged import (
    LIMIT_BOUNDS,
    families,
    family_bounds,
    others,
    same_limit,
    shorter,
    shorter_by_the_paper,
    shortest,
)
from workbench.claims.vss22.limit import LIMIT, Reached, reach
from workbench.claims.vss22.starts import STARTS

Experiment = Callable[[Lab, Size], tuple[Sequence[Reached], Path | None]]


def experiment_of(claim: str) -> Experiment:
    """Train the claim's starts of that size, each to its limit and verdict."""

    def experiment(lab: Lab, size: Size) -> tuple[Sequence[Reached], Path | None]:
        return reach(lab, claim, STARTS[claim](size))

    return experiment


def criterion_of(*bounds: Bound) -> Callable[[Measured], tuple[Check, ...]]:
    """The limit point, then the bounds."""

    def criterion(measured: Measured) -> tuple[Check, ...]:
        return judged(measured, [*LIMIT_BOUNDS, *bounds])

    return criterion


# --- global: Theorems 3.1 and 4.2 (1) --------------------------------------------------------------


def global_measure(
    bound: Callable[[Reached], float],
) -> Callable[[Sequence[Reached]], Measured]:
    """The limit, the verdict, and ‖θ~‖² over a lower bound that holds for every feasible point."""

    def measure(reached: Sequence[Reached]) -> Measured:
        return Measured(
            {
                **same_limit(reached),
                "verdicts other than 'global'": others(reached, "global"),
                "‖θ~‖² over the convex problem's bound": most(
                    over(_norm2(r), bound(r)) for r in reached
                ),
                "‖θ~‖² over the verdict's bound": most(
                    over(_norm2(r), r.verdict.bound if r.verdict is not None else 0.0)
                    for r in reached
                ),
            },
            {"‖θ~‖², the first run's": _norm2(reached[0])},
        )

    return measure


GLOBAL_BOUNDS: tuple[Bound, ...] = (
    ("verdicts other than 'global'", "=", 0.0, ""),
    ("‖θ~‖² over the convex problem's bound", "≤", 1.0 + LIMIT, ""),
    ("‖θ~‖² over the verdict's bound", "≤", 1.0 + LIMIT, ""),
)


def _norm2(reached: Reached) -> float:
    return float("nan") if reached.polished is None else reached.polished.norm2


def over(value: float, bound: float) -> float:
    """value/bound; NaN where there is no bound."""
    return value / bound if bound > 0 else float("nan")


def _group_bound(reached: Reached) -> float:
    polished = reached.polished
    if polished is None:
        return float("nan")
    return pattern_bound(reached.network, polished.theta, polished.multipliers)


# --- not local: Theorems 3.2, 4.1, 4.2 (2), 4.4, and 5.1 ---------------------------------------------

VERDICT, PAPER = "verdict's points", "paper's points"


def not_local_measure(reached: Sequence[Reached]) -> Measured:
    """The limit, the verdict, its shorter points near the limit, and the proof's."""
    return Measured(
        {
            **same_limit(reached),
            "verdicts other than 'not local'": others(reached, "not local"),
            **families(VERDICT, [shorter(r) for r in reached]),
            **families(PAPER, [shorter_by_the_paper(r) for r in reached]),
        },
        {"‖θ~‖², the first run's": _norm2(reached[0])},
    )


NOT_LOCAL_BOUNDS: tuple[Bound, ...] = (
    ("verdicts other than 'not local'", "=", 0.0, ""),
    *family_bounds(VERDICT),
    *family_bounds(PAPER),
)


def _height(reached: Reached) -> float:
    if reached.polished is None:
        return float("nan")
    return least_height(reached.network, reached.polished.theta)


def non_zero(
    measure: Callable[[Sequence[Reached]], Measured], what: str, value: Callable[[Reached], float]
) -> Callable[[Sequence[Reached]], Measured]:
    """The measure, with one thing more that must not be 0 at θ~."""

    def measured(reached: Sequence[Reached]) -> Measured:
        found = measure(reached)
        return Measured({**found.quantities, what: least(map(value, reached))}, found.observed)

    return measured


NEURON, HEIGHT = "least ‖w_j‖ of a hidden neuron at θ~", "least |pre-activation| at θ~"


def _least_neuron(reached: Reached) -> float:
    if reached.polished is None:
        return float("nan")
    rows = reached.network.places[0]
    theta = reached.polished.theta
    return min(float(np.linalg.norm(theta[row[row >= 0]])) for row in rows)


def not_zero(what: str) -> Bound:
    """More than the limit point is known to."""
    return (what, "≥", LIMIT, "")


# --- Remark 3.1: as far from the optimum as one likes ------------------------------------------------


def ratio_measure(reached: Sequence[Reached]) -> Measured:
    """‖θ~‖/‖θ'‖ in units of (2h)^{−1/2}, which no bound keeps down as h → 0."""
    paper = [shorter_by_the_paper(r) for r in reached]
    found = [shortest(r) for r in reached]
    unit = [float(2.0 * r.network.x[0, 1]) ** 0.5 for r in reached]
    ratios = [f.ratio**-0.5 for f in found]
    return Measured(
        {
            **same_limit(reached),
            f"{VERDICT}: 1 − least margin": most(f.infeasible for f in found),
            f"{PAPER}: 1 − least margin": most(f.infeasible for f in paper),
            "ratio by the paper's point over (2h)^(−1/2), least": least(
                f.ratio**-0.5 * u for f, u in zip(paper, unit, strict=True)
            ),
            "ratio by the verdict's points over (2h)^(−1/2), least": least(
                r * u for r, u in zip(ratios, unit, strict=True)
            ),
        },
        {f"ratio at {r.start.label}": value for r, value in zip(reached, ratios, strict=True)},
    )


# --- Theorem 4.3: local, not global ----------------------------------------------------------------


def local_measure(reached: Sequence[Reached]) -> Measured:
    """The limit, the verdict, the bound within the pattern, and far points that are shorter."""
    far = [shorter(r) for r in reached]
    paper = [shorter_by_the_paper(r) for r in reached]
    return Measured(
        {
            **same_limit(reached),
            "verdicts other than 'local'": others(reached, "local"),
            HEIGHT: least(map(_height, reached)),
            "‖θ~‖² over problem (10)'s bound": most(
                over(_norm2(r), _group_bound(r)) for r in reached
            ),
            f"{VERDICT}: 1 − least margin": most(f.infeasible for f in far),
            f"{VERDICT}: ‖θ'‖² over the limit's, largest": most(f.ratio for f in far),
            f"{PAPER}: 1 − least margin": most(f.infeasible for f in paper),
            f"{PAPER}: ‖θ'‖² over the limit's, largest": most(f.ratio for f in paper),
        },
        {"‖θ~‖/‖θ'‖ known so far": most(f.ratio**-0.5 for f in far)},
    )


CLAIMS = (
    Claim(
        id="VSS22-T3.1",
        paper="VSS22",
        place="Theorem 3.1",
        statement="The flow of a fully connected linear network of any depth ends in a global optimum of "
        "the max-margin problem.",
        method="Preset vss22-3.1 to a risk of 1e−800, polished; the bound is m γ^(−2/m), γ the hard margin. "
        "In full depths 2, 3, 4 on other samples too.",
        experiment=experiment_of("VSS22-T3.1"),
        measure=global_measure(lambda r: linear_bound(r.network)),
        criterion=criterion_of(*GLOBAL_BOUNDS),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T3.2",
        paper="VSS22",
        place="Theorem 3.2",
        statement="Two ReLU neurons on (±1, 1/4), one active on both samples and one on none: the limit is "
        "a KKT point and no local optimum.",
        method="Preset vss22-3.2; in full six random starts under the theorem's conditions too, both losses.",
        experiment=experiment_of("VSS22-T3.2"),
        measure=not_local_measure,
        criterion=criterion_of(*NOT_LOCAL_BOUNDS),
        figure="optimality",
    ),
    Claim(
        id="VSS22-R3.1",
        paper="VSS22",
        place="Remark 3.1",
        statement="As the angle between Theorem 3.2's samples goes to π, ‖θ~‖/‖θ*‖ exceeds every bound.",
        method="Preset vss22-r3.1 with samples (±1, h), h = 1/4 and 1/64, in full also 1/16, 1/256, "
        "1/1024; the ratio to any feasible point bounds the ratio to θ* from below.",
        experiment=experiment_of("VSS22-R3.1"),
        measure=ratio_measure,
        criterion=criterion_of(
            (f"{VERDICT}: 1 − least margin", "=", 0.0, ""),
            (f"{PAPER}: 1 − least margin", "=", 0.0, ""),
            ("ratio by the paper's point over (2h)^(−1/2), least", "≥", 1.0, ""),
            ("ratio by the verdict's points over (2h)^(−1/2), least", "≥", 1.0 - LIMIT, ""),
        ),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T4.1",
        paper="VSS22",
        place="Theorem 4.1",
        statement="A diagonal network of depth 2, linear or ReLU, can end in a KKT point that is no local "
        "optimum.",
        method="Preset vss22-4.1, linear and ReLU; in full both losses.",
        experiment=experiment_of("VSS22-T4.1"),
        measure=not_local_measure,
        criterion=criterion_of(*NOT_LOCAL_BOUNDS),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T4.2a",
        paper="VSS22",
        place="Theorem 4.2 (1), problem (7)",
        statement="A linear network of depth 2 with missing but no shared weights that ends without a "
        "neuron of weight 0 ends in a global optimum.",
        method="Preset vss22-4.2a; the bound is the dual of problem (7), the limit its solution by "
        "sequential quadratic programming. In full both losses.",
        experiment=experiment_of("VSS22-T4.2a"),
        measure=non_zero(global_measure(_group_bound), NEURON, _least_neuron),
        criterion=criterion_of(*GLOBAL_BOUNDS, not_zero(NEURON)),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T4.2b",
        paper="VSS22",
        place="Theorem 4.2 (2)",
        statement="Four ReLU neurons can end, none of them 0, in a KKT point that is no local optimum.",
        method="Preset vss22-4.2b; in full both losses.",
        experiment=experiment_of("VSS22-T4.2b"),
        measure=non_zero(not_local_measure, NEURON, _least_neuron),
        criterion=criterion_of(*NOT_LOCAL_BOUNDS, not_zero(NEURON)),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T4.3",
        paper="VSS22",
        place="Theorem 4.3, Lemma C.6, problem (10)",
        statement="A ReLU network of depth 2 without shared weights whose pre-activations are all non-zero "
        "in the limit ends in a local optimum, which need not be a global one.",
        method="Preset vss22-4.3, in full both losses; the bound is the dual of problem (10), in which the "
        "pattern of activation is held.",
        experiment=experiment_of("VSS22-T4.3"),
        measure=local_measure,
        criterion=criterion_of(
            ("verdicts other than 'local'", "=", 0.0, ""),
            not_zero(HEIGHT),
            ("‖θ~‖² over problem (10)'s bound", "≤", 1.0 + LIMIT, ""),
            (f"{VERDICT}: 1 − least margin", "=", 0.0, ""),
            (f"{VERDICT}: ‖θ'‖² over the limit's, largest", "<", 1.0, ""),
            (f"{PAPER}: 1 − least margin", "=", 0.0, ""),
            (f"{PAPER}: ‖θ'‖² over the limit's, largest", "<", 1.0, ""),
        ),
        figure="optimality",
    ),
    Claim(
        id="VSS22-T4.4",
        paper="VSS22",
        place="Theorem 4.4",
        statement="A network of depth 2 with one filter on two patches, linear or ReLU, can end in a KKT "
        "point that is no local optimum, with all pre-activations non-zero.",
        method="Preset vss22-4.4, ReLU and linear; in full both losses.",
        experiment=experiment_of("VSS22-T4.4"),
        measure=non_zero(not_local_measure, HEIGHT, _height),
        criterion=criterion_of(*NOT_LOCAL_BOUNDS, not_zero(HEIGHT)),
        figure="optimality",
    ),
)
