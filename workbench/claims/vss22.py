"""VSS22 §3 and §4: is the limit of the flow an optimum of (P)? Fully connected networks and depth 2.

(P): min ½‖θ‖² s.t. y_i Φ(θ; x_i) ≥ 1. Each claim trains from the theorem's start, compares the limit with
the one the theorem names, asks the inspector for its verdict, and looks at the verdict's certificate anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workbench.claims import vss22_points as points
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.kh24_checks import Bound, judged, least, most
from workbench.claims.lab import Lab
from workbench.claims.vss22_certificates import least_height, linear_bound, pattern_bound
from workbench.claims.vss22_judged import (
    LIMIT_BOUNDS,
    families,
    family_bounds,
    others,
    same_limit,
    shorter,
    shorter_by_the_paper,
)
from workbench.claims.vss22_limit import LIMIT, Reached, Start, reach

LOSSES = ("exponential", "logistic")
Starts = Callable[[Size], Sequence[Start]]
Experiment = Callable[[Lab, Size], tuple[Sequence[Reached], Path | None]]


def experiment_of(claim: str, starts: Starts) -> Experiment:
    """Train the starts of that size, each to its limit and verdict."""

    def experiment(lab: Lab, size: Size) -> tuple[Sequence[Reached], Path | None]:
        return reach(lab, claim, starts(size))

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


def _deep_linear(size: Size) -> list[Start]:
    first = [Start("vss22-3.1", points.aligned_layers)]
    if size == "quick":
        return first
    return first + [
        Start(
            "vss22-3.1",
            points.aligned_layers,
            settings=(f"model.depth={depth}", f"data.seed={seed}", f"loss.kind={loss}"),
            label=f"depth {depth}, seed {seed}",
        )
        for depth, seed, loss in ((2, 2, "exponential"), (3, 3, "exponential"), (4, 4, "logistic"))
    ]


def _sparse(size: Size) -> list[Start]:
    losses = LOSSES[1:] if size == "quick" else LOSSES
    return [
        Start(
            "vss22-4.2a",
            points.group_norm_optimum,
            settings=(f"loss.kind={loss}",),
            label=loss,
        )
        for loss in losses
    ]


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


def _one_neuron(size: Size) -> list[Start]:
    """The preset; in full also random starts that fulfil the theorem's conditions."""
    small = (1e-2, 1e-6, 1e-10)
    first = Start(
        "vss22-3.2", points.one_neuron, 8.0, better=points.second_neuron_helps, small=small
    )
    if size == "quick":
        return [first]
    starts = [first]
    rng = np.random.default_rng(0)
    while len(starts) < 7:
        u, v = rng.standard_normal((2, 2)), rng.standard_normal(2)
        heights = u @ np.array([[1.0, -1.0], [0.25, 0.25]])
        if (heights[0] > 0).all() and (heights[1] < 0).all() and v[0] > 0:
            settings = (
                f"init.values.u={u.tolist()}",
                f"init.values.v={v.tolist()}",
                f"loss.kind={LOSSES[len(starts) % 2]}",
            )
            starts.append(
                Start(
                    first.preset,
                    first.target,
                    8.0,
                    settings,
                    f"start {len(starts)}",
                    first.better,
                    small,
                )
            )
    return starts


def _both(size: Size, key: str, values: Sequence[str], start: Start) -> list[Start]:
    """The start with every value of a setting, and in full with both losses."""
    losses = LOSSES[:1] if size == "quick" else LOSSES
    return [
        Start(
            start.preset,
            start.target,
            start.norm2,
            (f"{key}={value}", f"loss.kind={loss}"),
            f"{value}, {loss}",
            start.better,
            start.small,
        )
        for value in values
        for loss in losses
    ]


def _diagonal(size: Size) -> list[Start]:
    better = points.second_coordinate_helps
    start = Start("vss22-4.1", points.first_coordinate, 2.0, better=better, small=(1e-2, 1e-6, 1e-9))
    return _both(size, "model.activation", ("linear", "relu"), start)


def _cross(size: Size) -> list[Start]:
    better = points.turned_to_neighbours
    start = Start("vss22-4.2b", points.one_a_sample, 8.0, better=better, small=(1e-2, 1e-5))
    return _both(size, "model.width", ("4",), start)


def _patches(size: Size) -> list[Start]:
    better = points.patches_apart
    start = Start("vss22-4.4", points.both_patches, 2.0, better=better, small=(1e-2, 1e-6, 1e-9))
    return _both(size, "model.activation", ("relu", "linear"), start)


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


def _flat(size: Size) -> list[Start]:
    heights = (4, 16, 64) if size == "quick" else (4, 16, 64, 256, 1024)
    return [
        Start(
            "vss22-r3.1",
            points.one_neuron,
            2.0 * h,
            (f"data.x=[[1.0, {1.0 / h}], [-1.0, {1.0 / h}]]",),
            f"h = 1/{h}",
            lambda _, h=h: points.each_its_own(1.0 / h),  # type: ignore[misc]
            (0.0,),
        )
        for h in heights
    ]


def ratio_measure(reached: Sequence[Reached]) -> Measured:
    """‖θ~‖/‖θ'‖ in units of (2h)^{−1/2}, which no bound keeps down as h → 0."""
    paper = [shorter_by_the_paper(r) for r in reached]
    found = [shorter(r) for r in reached]
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


def _kinkless(size: Size) -> list[Start]:
    better = points.far_from_up_and_down
    start = Start("vss22-4.3", points.up_and_down, 10.0, better=better, small=(1.0, 0.4))
    return _both(size, "model.width", ("2",), start)


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
        experiment=experiment_of("VSS22-T3.1", _deep_linear),
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
        experiment=experiment_of("VSS22-T3.2", _one_neuron),
        measure=not_local_measure,
        criterion=criterion_of(*NOT_LOCAL_BOUNDS),
        figure="optimality",
    ),
    Claim(
        id="VSS22-R3.1",
        paper="VSS22",
        place="Remark 3.1",
        statement="As the angle between Theorem 3.2's samples goes to π, ‖θ~‖/‖θ*‖ exceeds every bound.",
        method="Preset vss22-r3.1 with samples (±1, h), h = 1/4, 1/16, 1/64, in full also 1/256 and 1/1024; "
        "the ratio to any feasible point bounds the ratio to θ* from below.",
        experiment=experiment_of("VSS22-R3.1", _flat),
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
        experiment=experiment_of("VSS22-T4.1", _diagonal),
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
        experiment=experiment_of("VSS22-T4.2a", _sparse),
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
        experiment=experiment_of("VSS22-T4.2b", _cross),
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
        experiment=experiment_of("VSS22-T4.3", _kinkless),
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
        experiment=experiment_of("VSS22-T4.4", _patches),
        measure=non_zero(not_local_measure, HEIGHT, _height),
        criterion=criterion_of(*NOT_LOCAL_BOUNDS, not_zero(HEIGHT)),
        figure="optimality",
    ),
)
