"""VSS22 Remark 3.1, its last sentence: Theorems 4.1, 4.3, 4.4 and 5.4 too are as far from the optimum as one
likes.

Samples with a number s that is let go: x = (1, s) for Theorem 4.1, whose limit (1, 0), (1, 0) knows nothing
of s while (0, s^{−1/2}) twice is short; (±1, 1/s), (0, −1) for Lemma C.6 and Theorem 5.4, where one neuron
serves two samples that are nearly opposite; (s, 2^{−1/2}, −s, 2^{−1/2}) for Theorem 4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.exact_network import ExactNetwork
from workbench.claims.lab import Lab
from workbench.claims.vss22 import points
from workbench.claims.vss22.certificates import Family
from workbench.claims.vss22.judged import LIMIT_BOUNDS, same_limit, shorter_by_the_paper
from workbench.claims.vss22.limit import Reached, reach
from workbench.claims.vss22.starts import Start

SIZES: dict[Size, tuple[float, ...]] = {"quick": (64.0,), "full": (16.0, 64.0, 256.0, 1024.0)}
"""Values of s."""
Theta = Float[np.ndarray, " P"]


def second_alone(s: float) -> Theta:
    """x = (1, s): w_1 = w_2 = (0, s^{−1/2}); ‖θ'‖² = 2/s."""
    return np.array([0.0, 1.0, 0.0, 1.0]) / np.sqrt(s)


def up_and_down(network: ExactNetwork, reached: Theta) -> Theta:
    """Samples (±1, 1/s), (0, −1): w_1 = (0, √s), v_1 = √s, w_2 = (0, −1), v_2 = 1; ‖θ~‖² = 2s + 2."""
    del reached
    root = float(network.x[0, 1]) ** -0.5
    return np.array([0.0, root, 0.0, -1.0, root, 1.0])


def first_and_the_rest(s: float) -> Theta:
    """u_1 = (1, 0) serves the first sample, u_2 = −(1 + 1/s, 1) the others; ‖θ'‖² < 6."""
    u = np.array([[1.0, 0.0], [-(1.0 + 1.0 / s), -1.0]])
    size = np.sqrt(np.linalg.norm(u, axis=1))
    return np.concatenate([(u / size[:, None]).ravel(), size])


def first_layer_alone(s: float) -> Theta:
    """The same first layer's neurons, with the limit's outgoing weights √s and 1 (Problem 3)."""
    return np.array([s**-0.5, 0.0, -(1.0 + 1.0 / s), -1.0, s**0.5, 1.0])


def one_patch(s: float) -> Theta:
    """w = (s^{−1/2}, 0), v = (s^{−1/2}, 0): the first patch alone; ‖θ'‖² = 2/s."""
    return np.array([1.0, 0.0, 1.0, 0.0]) / np.sqrt(s)


@dataclass(frozen=True)
class Case:
    """A theorem's samples by s, its limit and ‖θ~‖², and shorter points by s; `first`: how many of θ's
    entries are compared, None for all."""

    theorem: str
    preset: str
    target: Callable[[ExactNetwork, Theta], Theta]
    samples: Callable[[float], str]
    norm2: Callable[[float], float]
    better: Callable[[float], Theta]
    first: int | None = None

    @property
    def layer(self) -> slice:
        """The entries that are compared."""
        return slice(0, self.first)


def _lemma_samples(s: float) -> str:
    return f"[[1.0, {1.0 / s}], [-1.0, {1.0 / s}], [0.0, -1.0]]"


CASES = (
    Case(
        "4.1",
        "vss22-4.1",
        points.first_coordinate,
        lambda s: f"[[1.0, {s}]]",
        lambda s: 2.0,
        second_alone,
    ),
    Case(
        "4.3",
        "vss22-4.3",
        up_and_down,
        _lemma_samples,
        lambda s: 2.0 * s + 2.0,
        first_and_the_rest,
    ),
    Case(
        "5.4",
        "vss22-4.3",
        up_and_down,
        _lemma_samples,
        lambda s: 2.0 * s + 2.0,
        first_layer_alone,
        4,
    ),
    Case(
        "4.4",
        "vss22-4.4",
        points.both_patches,
        lambda s: f"[[{s}, {points.ROOT}, {-s}, {points.ROOT}]]",
        lambda s: 2.0,
        one_patch,
    ),
)


@dataclass(frozen=True, eq=False)
class Far:
    """Where a case led at one s, and what the shorter point is, exactly."""

    case: Case
    s: float
    reached: Reached

    @property
    def family(self) -> Family:
        """The shorter point, made feasible exactly."""
        return shorter_by_the_paper(self.reached)

    @property
    def ratio(self) -> float:
        """‖θ~‖/‖θ'‖ of the weights that are compared; NaN where nothing was reached."""
        goal, better = self.reached.goal, self.reached.start.better
        if goal is None or better is None:
            return float("nan")
        part = self.case.layer
        return float(np.linalg.norm(goal[part]) / np.linalg.norm(better(0.0)[part]))

    @property
    def held(self) -> float:
        """The largest change outside these weights."""
        goal, better = self.reached.goal, self.reached.start.better
        if goal is None or better is None:
            return float("nan")
        rest = np.delete(np.abs(better(0.0) - goal), np.arange(len(goal))[self.case.layer])
        return float(rest.max(initial=0.0))


def experiment(lab: Lab, size: Size) -> tuple[list[Far], Path | None]:
    """Every theorem at every s; what two theorems share is trained once."""
    found: list[Far] = []
    known: dict[tuple[str, float], Reached] = {}
    folder = None
    for s in SIZES[size]:
        for case in CASES:
            start = Start(
                case.preset,
                case.target,
                case.norm2(s),
                (f"data.x={case.samples(s)}",),
                f"{case.preset}, s = {s:g}",
                _at(case.better, s),
                (0.0,),
            )
            if (case.preset, s) not in known:
                reached, run = reach(lab, "VSS22-R3.1B", [start])
                known[case.preset, s] = reached[0]
                folder = folder or run
            found.append(Far(case, s, replace(known[case.preset, s], start=start)))
    return found, folder


def _at(better: Callable[[float], Theta], s: float) -> Callable[[float], Theta]:
    return lambda _: better(s)


FEASIBLE = "shorter points: 1 − least margin"
LAYER = "5.4: change outside the first layer"
RATIO = "‖θ~‖/‖θ'‖ over (s/4)^(1/2), least"


def measure(found: Sequence[Far]) -> Measured:
    """The limits, and how many times longer than another feasible point they are."""
    return Measured(
        {
            **same_limit([far.reached for far in found]),
            FEASIBLE: most(far.family.infeasible for far in found),
            LAYER: most(far.held for far in found),
            RATIO: least(far.ratio / np.sqrt(far.s / 4.0) for far in found),
            "theorems": float(len({far.case.theorem for far in found})),
        },
        {f"ratio, Theorem {far.case.theorem}, s = {far.s:g}": far.ratio for far in found},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """‖θ~‖ beyond every multiple of what is feasible, as s grows."""
    bounds: Sequence[Bound] = [
        *LIMIT_BOUNDS,
        (FEASIBLE, "=", 0.0, ""),
        (LAYER, "≤", 1e-12, ""),
        (RATIO, "≥", 1.0, ""),
        ("theorems", "=", float(len(CASES)), ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-R3.1B",
        paper="VSS22",
        place="Remark 3.1, last sentence",
        statement="In Theorems 4.1, 4.3, 4.4 and 5.4 too ‖θ~‖/‖θ*‖, in 5.4 that of the first layer alone, "
        "exceeds every bound for suitable samples.",
        method="Samples with a number s, 64 (full: 16 to 1024); the ratio to a feasible point, which bounds "
        "that to θ* from below, against (s/4)^(1/2).",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="optimality",
    ),
)
