"""KKT points of networks of order above 2 (Kumar, Haupt, arXiv 2403.08121): how the norm is shared among
layers.

N is homogeneous of order k_j in layer j alone, so ⟨W_j, ∂N/∂W_j⟩ = k_j N at all weights (Euler). At a KKT
point λW_j = ∂N/∂W_j with λ = L N; where N ≠ 0 that leaves ‖W_j‖² = k_j/L.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.euler import Value, network_value
from workbench.config.models import DeepLinearModel, DeepReluModel, DiagonalModel, ModelTable
from workbench.models.build import build_model
from workbench.models.network import structure_of

NETWORKS: Mapping[str, ModelTable] = {
    "three layers of ReLU": DeepReluModel(kind="deep-relu", widths=(5, 4)),
    "four layers of ReLU": DeepReluModel(kind="deep-relu", widths=(5, 4, 4)),
    "three linear layers": DeepLinearModel(kind="deep-linear", width=4, depth=3),
    "diagonal, three layers": DiagonalModel(kind="diagonal", depth=3),
}
"""Networks whose every layer has order 1."""
CUBIC = "v σ(u·x)²"
"""A neuron whose layers have the orders 1 and 2."""
STARTS: dict[Size, int] = {"quick": 4, "full": 100}
STEPS = 1_500
FOUND = 1e-8
"""‖∂N − L N u‖ over ‖∂N‖ of what counts as a KKT point."""
ROUNDING = 1e-12
FEWEST = 0.25
"""Share of the starts that must lead to one: ascents may end where all units are dead, or on a kink."""


@dataclass(frozen=True, eq=False)
class Points:
    """KKT points of one network. `share` of the starts that led to one; `norms`: ‖W_j‖² off k_j/L, largest;
    `multiplier`: ⟨u, ∂N⟩ off L N over |N|; `euler`: ⟨W_j, ∂N/∂W_j⟩ off k_j N at random weights, relative;
    `best`: the largest N; `rank1`: ‖W_j‖_2/‖W_j‖_F there, least over layers; `start`: ‖W_j‖² off k_j/L at
    the starts, largest."""

    name: str
    share: float
    norms: float
    multiplier: float
    euler: float
    best: float
    rank1: float
    start: float


def evidence(size: Size, shifted: float = 0.0) -> list[Points]:
    """Ascents on the sphere from random starts; `shifted` of a fixed vector is added to every slope."""
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((10, 2)), rng.standard_normal(10)
    found = []
    for name, table in NETWORKS.items():
        structure = structure_of(build_model(table, (2,), 1, 0), 2)
        value, count = network_value(table, x, z)
        parts = [(slice(p.start, p.stop), 1.0, p.shape) for p in structure.parameters]
        found.append(_points(name, value, count, parts, STARTS[size], shifted))
    parts = [(slice(0, 1), 1.0, (1,)), (slice(1, 3), 2.0, (2,))]
    found.append(_points(CUBIC, _cubic(x, z), 3, parts, STARTS[size], shifted))
    return found


def _cubic(x: Array, z: Array) -> Value:
    def value(w: Array) -> tuple[float, Array]:
        s = np.maximum(x @ w[1:], 0.0)
        height = float(z @ s**2)
        return float(w[0]) * height, np.append(height, 2.0 * w[0] * (s * z) @ x)

    return value


Part = tuple[slice, float, tuple[int, ...]]


def _points(
    name: str, plain: Value, count: int, parts: Sequence[Part], starts: int, shifted: float
) -> Points:
    rng = np.random.default_rng([count, starts])
    order = sum(k for _, k, _ in parts)
    fixed = rng.standard_normal(count)

    def value(u: Array) -> tuple[float, Array]:
        n, g = plain(u)
        return n, g + shifted * float(np.linalg.norm(g)) * fixed

    norms, multiplier, euler, heights, begun = [], [], [], [], []
    for _ in range(starts):
        u = rng.standard_normal(count)
        u /= np.linalg.norm(u)
        n, g = value(u)
        begun.append(max(abs(float(u[p] @ u[p]) - k / order) for p, k, _ in parts))
        length = max(float(np.linalg.norm(g)), 1e-300)
        euler.append(max(abs(float(u[p] @ g[p]) - k * n) / length for p, k, _ in parts))
        for _ in range(STEPS):
            # Uphill for N > 0, downhill for N < 0: |N| rises.
            n, g = value(u)
            length = float(np.linalg.norm(g))
            if length == 0.0 or np.linalg.norm(g - (g @ u) * u) < 0.1 * FOUND * length:
                break
            u = u + np.sign(n) * g / length
            u /= np.linalg.norm(u)
        n, g = value(u)
        length = float(np.linalg.norm(g))
        if length == 0.0 or np.linalg.norm(g - order * n * u) > FOUND * length or abs(n) < 1e-6:
            continue
        norms.append(max(abs(float(u[p] @ u[p]) - k / order) for p, k, _ in parts))
        multiplier.append(abs(float(u @ g) - order * n) / abs(n))
        heights.append((n, u))
    best, at = max(
        heights, key=lambda pair: abs(pair[0]), default=(float("nan"), np.full(count, np.nan))
    )
    return Points(
        name,
        len(norms) / starts,
        most(norms),
        most(multiplier),
        most(euler),
        abs(best),
        least(_ratio(at[p].reshape(shape)) for p, _, shape in parts if len(shape) == 2),
        most(begun),
    )


def _ratio(w: Array) -> float:
    return float(np.linalg.norm(w, 2) / np.linalg.norm(w)) if np.isfinite(w).all() else float("nan")


SHARE = "starts that lead to a KKT point with N ≠ 0, share, least"
NORMS = "‖W_j‖² off k_j/L at KKT points, largest"
MULTIPLIER = "λ off L N, relative, largest"
EULER = "⟨W_j, ∂N/∂W_j⟩ off k_j N at random weights, relative, largest"
START = "‖W_j‖² off k_j/L at the starts, least over networks"


def measure(found: Sequence[Points]) -> Measured:
    """Norms, multipliers, Euler's identity a layer; the rank of the best point's layers."""
    return Measured(
        {
            SHARE: least(p.share for p in found),
            NORMS: most(p.norms for p in found),
            MULTIPLIER: most(p.multiplier for p in found),
            EULER: most(p.euler for p in found),
            START: least(p.start for p in found),
        },
        {
            f"{p.name}: ‖W_j‖_2/‖W_j‖_F at the best point, least": p.rank1
            for p in found
            if np.isfinite(p.rank1)
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Equal shares by order at KKT points, and not at the starts."""
    bounds: list[Bound] = [
        (SHARE, "≥", FEWEST, ""),
        (NORMS, "≤", 10.0 * FOUND, ""),
        (MULTIPLIER, "≤", 10.0 * FOUND, ""),
        (EULER, "≤", ROUNDING, ""),
        (START, "≥", 1e-2, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24b-KKT",
        paper="KH24b",
        place="KKT points, order above 2",
        statement="At every KKT point with N ≠ 0 of a network of order L the layers share the norm by their "
        "orders, ‖W_j‖² = k_j/L, and λ = L N.",
        method="Ascents of |N| on the sphere: three and four layers of ReLU, linear and diagonal ones, and "
        "v σ(u·x)², whose layers have orders 1 and 2. The rank of the best point's layers is shown, not "
        "judged.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
