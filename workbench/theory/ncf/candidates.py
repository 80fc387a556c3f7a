"""KKT points on their way from an enumerator to the result: with a certificate they become points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.certificate import Walls, certify
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.result import FlatExtent, KktPoint, PointKind
from workbench.theory.numerics.outcome import Outcome


@dataclass(frozen=True, eq=False)
class Candidate:
    """A KKT point before its certificate: direction, kind, of a flat set the extent, basin.

    `walls`: the kinked lines through the direction, where these are known exactly.
    """

    direction: Float[Array, " p"]
    kind: PointKind
    extent: FlatExtent | None = None
    basin: float = float("nan")
    walls: Walls | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an enumerator found. `outcome`: iterations are cells or faces; stalled where something could not
    be decided, with the reason."""

    found: list[Candidate]
    outcome: Outcome


def certified(candidates: Sequence[Candidate], ncf: Ncf) -> list[KktPoint]:
    """Candidates with their value, multiplier, residual and number of kinks, computed afresh."""
    if not candidates:
        return []
    directions = np.stack([candidate.direction for candidate in candidates])
    proof = certify(directions, ncf, [candidate.walls for candidate in candidates])
    return [
        KktPoint(
            candidate.direction,
            float(proof.value[b]),
            float(proof.multiplier[b]),
            float(proof.residual[b]),
            candidate.kind,
            float(candidate.basin),
            candidate.extent,
            int(proof.kinks[b]),
        )
        for b, candidate in enumerate(candidates)
    ]
