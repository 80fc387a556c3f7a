"""JT19 Fig. 3's lower bound d^{−1/2} on ‖W‖_2/‖W‖_F, and how far above it a layer of noise already is.

‖W‖_F² = Σσ_i² ≤ min(m, n) ‖W‖_2². For independent entries of one variance ‖W‖_2 → σ(√m + √n) and ‖W‖_F →
σ√(mn): the ratio is (1 + √(d/D)) d^{−1/2}, d and D the smaller and the larger side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained

SHAPES: dict[Size, tuple[tuple[int, int], ...]] = {
    "quick": ((64, 256), (256, 256), (256, 10)),
    "full": ((1024, 4096), (4096, 4096), (4096, 10)),
}
"""Fig. 3's three dense layers, and the same at a sixteenth of their size."""
DRAWS = 3
EDGE = 4.0
"""‖W‖_2's spread about its limit is of order d^{−2/3} of it, relative: this many of them are allowed."""
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class Noise:
    """A shape: `bound` d^{−1/2}; `ratios` (K) of random matrices, `limit` theirs for large sides;
    `flattest`: of one with orthonormal rows or columns, `rank1`: of one of rank one; `edge`: d^{−2/3}."""

    bound: float
    ratios: Float[np.ndarray, " K"]
    limit: float
    flattest: float
    rank1: float
    edge: float


Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


def torch_default(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """PyTorch's start of a dense layer of `shape` (in, out): uniform within 1/√in."""
    return np.asarray(rng.uniform(-1.0, 1.0, shape) / np.sqrt(shape[0]))


def evidence(size: Size, draw: Draw = torch_default) -> list[Noise]:
    """Uniform entries, orthonormal frames, and outer products."""
    found = []
    for shape in SHAPES[size]:
        rng = np.random.default_rng(list(shape))
        small, large = min(shape), max(shape)
        # All σ of a frame are 1, so that 64 columns stand for all of them.
        frame = np.linalg.qr(rng.standard_normal((large, min(small, 64))))[0]
        line = np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1]))
        found.append(
            Noise(
                small**-0.5,
                np.array([ratio(draw(rng, shape)) for _ in range(DRAWS)]),
                (1.0 + np.sqrt(small / large)) * small**-0.5,
                ratio(frame) * np.sqrt(frame.shape[1] / small),
                ratio(line),
                small ** (-2.0 / 3.0),
            )
        )
    return found


def ratio(w: Float[np.ndarray, "m n"]) -> float:
    """‖W‖_2/‖W‖_F, the first by Lanczos on the smaller side."""
    if min(w.shape) <= 64:
        top = float(np.linalg.norm(w, 2))
    else:
        start = np.random.default_rng(0).standard_normal(min(w.shape))
        operator = LinearOperator(w.shape, matvec=lambda x: w @ x, rmatvec=lambda x: w.T @ x)
        top = float(svds(operator, 1, v0=start, return_singular_vectors=False)[0])
    return top / float(np.linalg.norm(w))


ABOVE = "‖W‖_2/‖W‖_F over d^{−1/2}, least"
FLATTEST = "orthonormal frames: the same, off 1, largest"
LIMIT = "noise: the same over 1 + √(d/D), off 1 over d^{−2/3}, largest"
NOISE = "hidden shapes: noise over d^{−1/2}, least"
RANK1 = "rank one: ‖W‖_2/‖W‖_F, off 1, largest"


def measure(found: Sequence[Noise]) -> Measured:
    """The bound, who meets it, and where noise is."""
    return Measured(
        {
            ABOVE: least(min(float(n.ratios.min()), n.flattest, n.rank1) / n.bound for n in found),
            FLATTEST: most(abs(n.flattest / n.bound - 1.0) for n in found),
            LIMIT: most(float(np.max(np.abs(n.ratios / n.limit - 1.0))) / n.edge for n in found),
            NOISE: least(float(n.ratios.min()) / n.bound for n in found[:2]),
            RANK1: most(abs(n.rank1 - 1.0) for n in found),
        },
        {
            f"layer {k + 1}: {what}": value
            for k, n in enumerate(found)
            for what, value in (
                ("d^{−1/2}", n.bound),
                ("‖W‖_2/‖W‖_F of noise", float(np.mean(n.ratios))),
            )
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """d^{−1/2} is the least there is; noise of the hidden shapes is a third and more above it."""
    bounds: list[Bound] = [
        (ABOVE, "≥", 1.0 - ROUNDING, ""),
        (FLATTEST, "≤", ROUNDING, ""),
        (LIMIT, "≤", EDGE, ""),
        (NOISE, "≥", 4.0 / 3.0, ""),
        (RANK1, "≤", ROUNDING, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-F3D",
        paper="JT19",
        place="Fig. 3, the lower bounds d^{−1/2} in §4",
        statement="d^{−1/2}, d the smaller side, is the least ‖W‖_2/‖W‖_F of any layer, which orthonormal "
        "frames have; a layer of noise has (1 + √(d/D)) d^{−1/2}, so that being above d^{−1/2} says nothing "
        "of alignment yet.",
        method="PyTorch's default start in Fig. 3's shapes (quick: a sixteenth of them), frames, outer "
        "products; norms by Lanczos.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
