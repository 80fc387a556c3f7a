"""KKT points on their way from an enumerator to the result: with a certificate they become points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import Lines
from workbench.theory.ncf.ncf import NeuronKind
from workbench.theory.ncf.residual import Walls, certify
from workbench.theory.ncf.result import FlatExtent, KktPoint, PointKind


@dataclass(frozen=True, eq=False)
class Draft:
    """A KKT point before its certificate: direction, kind, of a flat set the extent, basin.

    `walls`: the kinked lines through the direction, where these are known exactly.
    """

    direction: Float[Array, " p"]
    kind: PointKind
    extent: FlatExtent | None = None
    basin: float = float("nan")
    walls: Walls | None = None


def certified(drafts: Sequence[Draft], lines: Lines, kind: NeuronKind) -> list[KktPoint]:
    """Drafts with their value, multiplier, residual and number of kinks, computed afresh."""
    if not drafts:
        return []
    directions = np.stack([draft.direction for draft in drafts])
    proof = certify(directions, lines, kind, [draft.walls for draft in drafts])
    return [
        KktPoint(
            draft.direction,
            float(proof.value[b]),
            float(proof.multiplier[b]),
            float(proof.residual[b]),
            draft.kind,
            float(draft.basin),
            draft.extent,
            int(proof.kinks[b]),
        )
        for b, draft in enumerate(drafts)
    ]
