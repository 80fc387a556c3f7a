"""VSS22 Remark 3.2: Theorems 3.2, 4.1, 4.3, 5.1 and 5.4 hold for samples that are a little off.

The starts are kept, and the limits are those of the samples as they are: within the pattern of activation
that a start has, u_j = v_j w_j is the hard-margin SVM of the samples that neuron j sees. Theorem 5.1's start
is not kept: it lies on a ray that the flow keeps, and leaves if it is off it, w_j ∝ (1, a^{−1/(m−2)}) on
x = (1, a). From (1, 1), off that ray, the flow turns away from the KKT point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.exact_network import ExactNetwork
from workbench.claims.lab import Lab
from workbench.claims.vss22.certificates import least_height, pattern_bound
from workbench.claims.vss22.judged import (
    LIMIT_BOUNDS,
    families,
    family_bounds,
    others,
    same_limit,
    shorter,
    shortest,
)
from workbench.claims.vss22.limit import LIMIT, Reached, reach
from workbench.claims.vss22.starts import Start, Target
from workbench.theory.margin.svm import HardMargin, hard_margin_svm

BY: dict[Size, tuple[float, ...]] = {"quick": (1e-2,), "full": (1e-3, 1e-2, 3e-2)}
"""How far a coordinate of a sample is moved, at most."""
DEPTH = 3
PAIR = ((1.0, 0.25), (-1.0, 0.25))
"""Theorem 3.2's samples."""
THREE = (*PAIR, (0.0, -1.0))
"""Lemma C.6's."""
Theta = Float[np.ndarray, " P"]
Rows = Float[np.ndarray, "n d"]


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Where the starts led: those whose limit is no local optimum, those of Theorem 4.3, whose limit is a
    local one, and Theorem 5.1's own start."""

    not_local: list[Reached]
    local: list[Reached]
    kept: list[Reached]


def shortest_neuron(rows: Rows) -> Float[np.ndarray, " d"]:
    """The shortest u with ⟨u, z_i⟩ ≥ 1 for all rows; NaN where nothing separates them."""
    found = hard_margin_svm(rows)
    if not isinstance(found, HardMargin):
        return np.full(rows.shape[1], np.nan)
    return found.direction / found.margin


def two_neurons(first: Rows, second: Rows | None) -> Theta:
    """θ of two ReLU neurons that see these samples: ‖w_j‖ = v_j, v_j w_j = `shortest_neuron`."""
    u = [shortest_neuron(first), np.zeros(2) if second is None else shortest_neuron(second)]
    v = np.sqrt([np.linalg.norm(row) for row in u])
    w = [row / size if size > 0 else row for row, size in zip(u, v, strict=True)]
    return np.concatenate([*w, v])


def active_on_both(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 3.2: the first neuron sees both samples, the other none."""
    del reached
    return two_neurons(network.x, None)


def one_below(network: ExactNetwork, reached: Theta) -> Theta:
    """Lemma C.6: the first neuron sees the first two samples, the other the third."""
    del reached
    return two_neurons(network.x[:2], network.x[2:])


def first_alone(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 4.1: w_1 = w_2 = (x_1^{−1/2}, 0)."""
    del reached
    return np.array([1.0, 0.0, 1.0, 0.0]) / np.sqrt(network.x[0, 0])


def ray(x: Float[np.ndarray, " 2"], depth: int) -> Float[np.ndarray, " 2"]:
    """(1, c) with x_2 c^{m−1} = x_1 c: coordinates that grow alike."""
    return np.array([1.0, (x[0] / x[1]) ** (1.0 / (depth - 2))])


def along_the_ray(network: ExactNetwork, reached: Theta) -> Theta:
    """Theorem 5.1: every w_j the same multiple of `ray`, with margin 1."""
    del reached
    x, depth = network.x[0], network.depth
    direction = ray(x, depth)
    size = float(x @ direction**depth) ** (-1.0 / depth)
    return np.tile(size * direction, depth)


def starts(size: Size) -> Iterator[tuple[str, Start]]:
    """(kind, start): `not local`, `local`, `kept`."""
    rng = np.random.default_rng(5)
    losses = ("exponential",) if size == "quick" else ("exponential", "logistic")
    for by in BY[size]:
        for loss in losses:
            moved = [
                np.array(x) + by * rng.uniform(-1.0, 1.0, np.shape(x))
                for x in (PAIR, [(1.0, 2.0)], THREE, [(1.0, 1.0)])
            ]
            pair, one, three, flat = moved
            label = f"moved by {by:g}, {loss}"
            yield "not local", _start("vss22-3.2", active_on_both, pair, loss, label)
            yield "not local", _start("vss22-4.1", first_alone, one, loss, label)
            yield "local", _start("vss22-4.3", one_below, three, loss, label)
            deep = _start("vss22-5.1", along_the_ray, flat, loss, label)
            deep = replace(deep, settings=(*deep.settings, f"model.depth={DEPTH}"))
            yield "not local", _from(deep, ray(flat[0], DEPTH), label)
            yield "kept", _from(deep, np.ones(2), f"{label}, its own start")


def _start(preset: str, target: Target, x: Rows, loss: str, label: str) -> Start:
    settings = (f"data.x={x.tolist()}", f"loss.kind={loss}")
    return Start(preset, target, settings=settings, label=f"{preset} {label}")


def _from(start: Start, direction: Float[np.ndarray, " 2"], label: str) -> Start:
    """Theorem 5.1's network from every w_j = `direction`."""
    layers = tuple(f"init.values.w{k + 1}={direction.tolist()}" for k in range(DEPTH))
    return replace(start, settings=(*start.settings, *layers), label=f"vss22-5.1 {label}")


def experiment(lab: Lab, size: Size) -> tuple[Perturbed, Path | None]:
    """All starts; of limits whose norm the samples decide, it is that of the goal."""
    found: dict[str, list[Reached]] = {"not local": [], "local": [], "kept": []}
    folder = None
    for kind, start in starts(size):
        reached, run = reach(lab, "VSS22-R3.2", [start])
        found[kind] += [_measured_norm(r) for r in reached]
        folder = folder or run
    return Perturbed(found["not local"], found["local"], found["kept"]), folder


def _measured_norm(reached: Reached) -> Reached:
    if reached.goal is None:
        return reached
    norm2 = float(reached.goal @ reached.goal)
    return replace(reached, start=replace(reached.start, norm2=norm2))


NOT_LOCAL = "verdicts other than 'not local' (3.2, 4.1, 5.1)"
LOCAL = "verdicts other than 'local' (4.3, 5.4)"
HEIGHT = "least |pre-activation| at θ~ (4.3, 5.4)"
PATTERN = "‖θ~‖² over the bound within its pattern (4.3, 5.4)"
FAR = "far points"
LEAVES = (
    "5.1 from its own start: the angle to the KKT point over that at a tenth of the log-risk, least"
)


def measure(found: Perturbed) -> Measured:
    """The limits, the verdicts and their points; and whether Theorem 5.1's own start is left."""
    reached, local = [*found.not_local, *found.local], found.local
    far = [shortest(r) for r in local]
    return Measured(
        {
            **same_limit(reached),
            NOT_LOCAL: others(found.not_local, "not local"),
            **families("verdict's points", [shorter(r) for r in found.not_local]),
            LOCAL: others(local, "local"),
            HEIGHT: least(
                least_height(r.network, r.polished.theta) if r.polished else np.nan for r in local
            ),
            PATTERN: most(map(_over_pattern, local)),
            f"{FAR}: 1 − least margin": most(f.infeasible for f in far),
            f"{FAR}: ‖θ'‖² over the limit's, largest": most(f.ratio for f in far),
            LEAVES: least(r.still_turning for r in found.kept),
        },
        {"starts": float(len(reached) + len(found.kept))},
    )


def _over_pattern(reached: Reached) -> float:
    polished = reached.polished
    if polished is None:
        return float("nan")
    bound = pattern_bound(reached.network, polished.theta, polished.multipliers)
    return polished.norm2 / bound if bound > 0 else float("nan")


def criterion(measured: Measured) -> tuple[Check, ...]:
    """The theorems' verdicts at the limits of the samples as they are."""
    bounds: Sequence[Bound] = [
        *LIMIT_BOUNDS,
        (NOT_LOCAL, "=", 0.0, ""),
        *family_bounds("verdict's points"),
        (LOCAL, "=", 0.0, ""),
        (HEIGHT, "≥", LIMIT, ""),
        (PATTERN, "≤", 1.0 + LIMIT, ""),
        (f"{FAR}: 1 − least margin", "=", 0.0, ""),
        (f"{FAR}: ‖θ'‖² over the limit's, largest", "<", 1.0, ""),
        (LEAVES, "≥", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-R3.2",
        paper="VSS22",
        place="Remark 3.2",
        statement="With samples that are a little off, Theorems 3.2, 4.1 and 5.1 still end in KKT points "
        "that are no local optimum, and Theorems 4.3 and 5.4 in a local one that is no global one.",
        method="Every coordinate of every sample moved by up to 0.01 (full: 0.001, 0.01 and 0.03, both "
        "losses); limits against the hard-margin SVM of the samples that each neuron sees.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="optimality",
        erratum="for Theorem 5.1 the start has to move with the sample: on x = (1, a) to w_j ∝ (1, "
        "a^{−1/(m−2)}); from the printed start (1, 1) the flow turns away from that KKT point.",
    ),
)
