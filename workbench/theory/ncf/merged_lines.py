"""Data merged into distinct hyperplanes: the canonical form of one neuron's NCF.

Inputs on one line through 0 share the hyperplane {x·u = 0}. With a unit vector a_j per line and
s = a_j·u,

    squared ReLU:    N(u) = Σ_j w_j s²        two-layer ReLU:    g(u) = Σ_j w_j s,  N(v, u) = v g(u),

where w_j = plus_j for s > 0 and minus_j for s < 0. For x_i = c a_j with c > 0 the input adds
z_i c^k to plus and α^k z_i c^k to minus; for x_i = −c a_j it adds α^k and 1 in that order for
k = 2, and −α, −1 for k = 1. A line with plus = minus has no kink: N has one formula across it.

Three tolerances make rounding in the data harmless: `NOISE`, `PARALLEL` and `CANCELLED`. Nothing else
is merged: `exact_lines.py` gives the same lines as integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from workbench.arrays import Array
from workbench.theory.ncf.neuron import NeuronKind, check_leak
from workbench.theory.ncf.shared_lines import SharedLine, shared_line
from workbench.theory.numerics.integers import integers

NOISE = 1e-12
"""A label below this share of the largest counts as zero."""

PARALLEL = 1e-15
"""Inputs within this angle (radians) of one line count as on it; float64 tells no finer."""

CANCELLED = 1e-15
"""A line's weights count as zero, or as equal, below this share of what was summed into them."""

LARGEST = 1e100
"""Inputs' largest entries and labels other than 0 must lie between 1/LARGEST and LARGEST."""


@dataclass(frozen=True, eq=False)
class Source:
    """The inputs behind m merged lines: `x` (m, d), `z` (m,) of the one that gives a line its direction.

    `shared`: exact sums by line, of the lines with several inputs. `leak`: α.
    """

    x: Float[Array, "m d"]
    z: Float[Array, " m"]
    shared: Mapping[int, SharedLine]
    leak: float


@dataclass(frozen=True, eq=False)
class MergedLines:
    """m distinct lines with their two weights.

    `axis` (m, d): unit vectors. `plus`, `minus` (m,): the weight on either side. `kinked` (m,):
    where the weights differ. `degree`: k, the power of s. `scale`: Σ_i |z_i| ‖x_i‖^k, which bounds
    |N|, or |g|, on the unit sphere. `merged`: what the tolerances did, in words, "" for nothing.
    """

    axis: Float[Array, "m d"]
    plus: Float[Array, " m"]
    minus: Float[Array, " m"]
    kinked: Bool[Array, " m"]
    degree: int
    scale: float
    source: Source
    merged: str = ""

    @property
    def dimension(self) -> int:
        """d, the dimension of the inputs."""
        return int(self.axis.shape[1])


def check_data(x: Float[Array, "n d"], z: Float[Array, " n"]) -> None:
    """Refuse data that no NCF is defined on.

    Raises:
        ValueError: shapes do not agree, d < 1, or an entry is not finite.
    """
    if x.ndim != 2 or z.ndim != 1 or x.shape[0] != z.shape[0] or x.shape[1] < 1:
        raise ValueError(f"x must be (n, d) and z (n,), got {x.shape} and {z.shape}")
    if not (np.isfinite(x).all() and np.isfinite(z).all()):
        raise ValueError("x and z must be finite")


def out_of_range(x: Float[Array, "n d"], z: Float[Array, " n"]) -> str | None:
    """Why float64 cannot hold the NCF of inputs and labels, or None: z‖x‖² must not over- or underflow."""
    for what, size in (("inputs", np.abs(x).max(axis=1, initial=0.0)), ("labels", np.abs(z))):
        live = size[size > 0]
        if len(live) and not (live.min() >= 1 / LARGEST and live.max() <= LARGEST):
            return (
                f"The sizes of {what} other than 0 must lie between {1 / LARGEST:g} and {LARGEST:g} for "
                f"the correlation function; here they go from {live.min():g} to {live.max():g}."
            )
    return None


def merge_lines(
    x: Float[Array, "n d"], z: Float[Array, " n"], kind: NeuronKind, leak: float
) -> MergedLines:
    """Merge parallel and antipodal inputs and drop those without effect (zero x, zero z, cancelled).

    Raises:
        ValueError: see `check_data` and `check_leak`; or sizes are out of range, see `out_of_range`.
    """
    check_data(x, z)
    check_leak(leak)
    degree = 2 if kind is NeuronKind.SQUARED_RELU else 1
    refused = out_of_range(x, z)
    if refused is not None:
        raise ValueError(refused)
    size = np.linalg.norm(x, axis=1)
    noise = (np.abs(z) <= NOISE * np.abs(z).max(initial=0.0)) & (z != 0)
    used = (size > 0) & (z != 0) & ~noise
    x, z, size = x[used], z[used], size[used]
    leader, close = _leaders(x, size)
    first = np.flatnonzero(leader == np.arange(len(x)))
    plus = z[first] * size[first] ** degree
    minus = leak**degree * plus
    summed = np.abs(plus)
    shared: dict[int, SharedLine] = {}
    for head, members in groups_of(leader):
        j = int(np.searchsorted(first, head))
        shared[j] = line = shared_line(x[members], z[members], degree, leak)
        unit = (Fraction(float(size[head])) / line.length) ** degree
        plus[j], minus[j] = float(line.plus * unit), float(line.minus * unit)
        summed[j] = float(line.summed * unit)
    small = CANCELLED * summed
    kinked = np.abs(plus - minus) > small
    cancelled = sum(
        (line.plus != 0 and abs(plus[j]) <= small[j])
        or (line.minus != 0 and abs(minus[j]) <= small[j])
        or (line.plus != line.minus and not kinked[j])
        for j, line in shared.items()
    )
    plus = np.where(np.abs(plus) <= small, 0.0, plus)
    minus = np.where(kinked, np.where(np.abs(minus) <= small, 0.0, minus), plus)
    kept = (plus != 0) | (minus != 0)
    renamed = np.cumsum(kept) - 1
    source = Source(
        x[first[kept]],
        z[first[kept]],
        {int(renamed[j]): line for j, line in shared.items() if kept[j]},
        leak,
    )
    return MergedLines(
        x[first[kept]] / size[first[kept], None],
        plus[kept],
        minus[kept],
        kinked[kept],
        degree,
        float((np.abs(z) * size**degree).sum()),
        source,
        _said(int(noise.sum()), close, int(cancelled)),
    )


def _said(noise: int, close: int, cancelled: int) -> str:
    """What the tolerances did."""
    parts = []
    if noise:
        parts.append(f"labels below {NOISE:g} of the largest count as zero ({noise})")
    if close:
        parts.append(f"inputs within {PARALLEL:g} rad of one line count as on it ({close})")
    if cancelled:
        parts.append(f"weights that cancel to {CANCELLED:g} count as zero ({cancelled})")
    return "; ".join(parts)


def groups_of(label: Int[Array, " n"]) -> list[tuple[int, Int[Array, " k"]]]:
    """(label, where it stands in rising order) for every label that stands more than once."""
    shared = np.flatnonzero((np.bincount(label) > 1)[label])
    order = shared[np.argsort(label[shared], kind="stable")]
    blocks = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [(int(label[block[0]]), block) for block in blocks if len(block)]


def _leaders(x: Float[Array, "n d"], size: Float[Array, " n"]) -> tuple[Int[Array, " n"], int]:
    """For each input the first one on its line; and how many are near their line and not on it."""
    n = len(x)
    leader = np.arange(n)
    if n == 0:
        return leader, 0
    axis = x / size[:, None]
    probe = np.cos(np.arange(1, x.shape[1] + 1) ** 2)
    upright = np.where(axis @ probe >= 0, 1.0, -1.0)[:, None] * axis
    _, some, near = np.unique(upright.round(13), axis=0, return_index=True, return_inverse=True)
    m = len(some)
    tree = cKDTree(np.vstack([axis[some], -axis[some]]))
    reach = 1e-13 * (1 + np.sqrt(x.shape[1]))
    pairs = tree.query_pairs(reach, output_type="ndarray") % m
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(m, m))
    component = connected_components(graph, directed=False)[1][near.ravel()]
    return leader, sum(_follow(x, block, leader) for _, block in groups_of(component))


def _follow(x: Float[Array, "n d"], block: Int[Array, " k"], leader: Int[Array, " n"]) -> int:
    """Let neighbours follow the first of them within PARALLEL, decided in integers.

    Writes into `leader`; returns how many follow a line that they are near to and not on.
    """
    rows, _ = integers(x[block], by_row=True)
    left = np.arange(len(block))
    close = 0
    shrink = round(1 / PARALLEL) ** 2
    while len(left):
        one, rest = rows[left[0]], rows[left]
        dot = rest.dot(one)
        long = (rest * rest).sum(axis=1) * int(one.dot(one))
        apart = long - dot * dot
        joins = (apart * shrink <= long).astype(bool)
        leader[block[left[joins]]] = block[left[0]]
        close += int((apart[joins] != 0).sum())
        left = left[~joins]
    return close


def examined(part: str, lines: MergedLines) -> str:
    """Why a set is complete: every part was examined, about the data up to the tolerances' say."""
    reason = f"every {part} was examined in exact arithmetic"
    return f"{reason}; {lines.merged}" if lines.merged else reason
