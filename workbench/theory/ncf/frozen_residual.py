"""Which small neurons leave a saddle, along which KKT direction, and when, while the residual stands still.

One door to the ways to follow them: in closed form for inputs of one number, on the circle for inputs in the
plane, by integration elsewhere (KH24 Theorem 5.5).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.flow_paths import flow_paths
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.paths import Paths, is_balanced
from workbench.theory.ncf.plane_paths import plane_paths
from workbench.theory.ncf.result import KktSet
from workbench.theory.ncf.scalar_neuron import scalar_paths
from workbench.theory.numerics.outcome import together
from workbench.theory.numerics.work import Work


def frozen_paths(
    weights: Float[Array, "H p"],
    ncf: Ncf,
    found: KktSet,
    radius: float,
    *,
    most: int | None = None,
    work: Work | None = None,
) -> Paths:
    """Paths of neurons on the residual z of `ncf`, whose KKT points are `found`.

    `radius`: may be ∞, which nothing reaches. `most`: how many of the neurons that are not followed on the
    circle are followed at all, the largest first as they are the nearest to leaving. `work`: once spent,
    what is not known yet stays so.

    Raises:
        ValueError: radius is not positive.
    """
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    count = len(weights)
    target = np.full(count, -1, dtype=np.int64)
    escape, angle = np.full(count, np.nan), np.full(count, np.nan)
    plane = np.zeros(count, dtype=bool)
    if ncf.dimension == 2 and found.complete:
        plane = is_balanced(weights, ncf.kind)
    outcomes = []
    rest = np.flatnonzero(~plane)
    rest = rest[np.argsort(-np.linalg.norm(weights[rest], axis=1), kind="stable")][:most]
    far = min(radius, 1e300)
    if plane.any():
        path = plane_paths(weights[plane], ncf, found, radius, cancel=work)
        target[plane], escape[plane] = path.target, path.escape_time
        angle[plane] = path.escape_angle
        outcomes.append(path.outcome)
    if len(rest):
        if ncf.in_closed_form:
            path = scalar_paths(weights[rest], ncf, found, far)
        else:
            path = flow_paths(weights[rest], ncf, found, far, work=work)
        target[rest], escape[rest] = path.target, path.escape_time
        outcomes.append(path.outcome)
    if not np.isfinite(radius):
        escape[~np.isnan(escape)] = np.inf
    return Paths(target, escape, angle, together(outcomes), int(plane.sum()) + len(rest))
