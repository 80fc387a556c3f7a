"""Is a KKT point of (P) optimal? Verdicts that are certificates (VSS22 Theorems 3.1 to 5.4).

"global": a lower bound by convex duality meets ‖θ~‖². "local": no better point is near, by VSS22's
Theorem 4.3 or the second-order condition. "not local": better feasible points at distances that fall
towards 0, found by search and checked exactly. Whatever none of them proves is "undecided".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.optimality.bounds import group_norm_bound, neuron_bound, product_bound
from workbench.theory.optimality.curvature import local_by_curvature
from workbench.theory.optimality.exact_margins import exact_margins, exact_norm2
from workbench.theory.optimality.families import better_family
from workbench.theory.optimality.far import far_better
from workbench.theory.optimality.layered_network import LayeredNetwork
from workbench.theory.optimality.layers import MATCHES, layer_verdicts
from workbench.theory.optimality.local import local_by_neurons
from workbench.theory.optimality.point import CLEAR, Candidate, candidate
from workbench.theory.optimality.result import Better, LayerVerdict, Optimality, Verdict

__all__ = ["Better", "LayerVerdict", "Optimality", "Verdict", "optimality"]

STARTS = 12
"""Descents that look for a better point far away; a quarter of them above `MANY` parameters."""
MANY = 100
Cancel = Callable[[], bool] | None


def optimality(
    network: LayeredNetwork,
    theta: Float[Array, " P"],
    *,
    starts: int | None = None,
    layers: bool = True,
    cancel: Cancel = None,
) -> Optimality:
    """The verdict on θ (P), which is first scaled so that its least margin is 1.

    `starts`: descents that look for better points far away (0: none; None: `STARTS`). `layers`: also
    Problem (3). `cancel` leaves out what is not done yet; the verdict is then "undecided" unless already
    proved.

    Raises:
        ValueError: θ that does not fit, is not finite, or has a margin that is not above 0.
    """
    point = candidate(network, theta)
    if starts is None:
        starts = STARTS if network.size <= MANY else STARTS // 4
    stopped = cancel if cancel is not None else _never
    bound, by = _bound(point)
    verdicts = layer_verdicts(point) if layers and not stopped() else ()
    better: Better | None = None
    if point.norm2 <= bound * (1.0 + MATCHES):
        verdict: Verdict = "global"
        reason = f"The lower bound of {by} meets ‖θ~‖² = {point.norm2:.10g}."
    else:
        verdict, reason, better = _nearby(point, stopped)
    ratio = 1.0 if better is None else _ratio(point, better)
    notes: tuple[str, ...] = ()
    beyond: Better | None = None
    if verdict != "global" and starts and not stopped():
        far = far_better(point, starts, cancel)
        if far is not None:
            ratio = max(ratio, _ratio(point, far))
            if verdict == "not local":
                beyond = far
                notes = (f"A point farther away has norm² {far.norm2[0]:.6g}.",)
            else:
                better = far
                reason += (
                    f" A feasible point farther away has norm² {far.norm2[0]:.6g}: not global."
                )
    return Optimality(
        verdict=verdict,
        norm2=point.norm2,
        better=better,
        bound=bound,
        ratio=ratio,
        layers=verdicts,
        reason=reason,
        theta=point.theta,
        multipliers=point.multipliers,
        residual=point.residual,
        notes=notes,
        far=beyond,
    )


def holds(network: LayeredNetwork, theta: Float[Array, " P"], norm2: float) -> bool:
    """Whether θ is feasible for (P) and ‖θ‖² ≤ `norm2`, in exact arithmetic; for readers of `Better`."""
    return all(q >= 1 for q in exact_margins(network, theta)) and exact_norm2(theta) <= norm2


def _bound(point: Candidate) -> tuple[float, str]:
    """The best certified lower bound of ‖θ‖², and where it comes from."""
    network = point.network
    found = [
        (
            product_bound(network),
            "the hard-margin SVM, m(1/γ)^{2/m} (VSS22 Theorem 3.1),"
            if network.linear
            else "the layers' norms, |Φ(x)| ≤ ∏‖W_k‖·‖x‖,",
        ),
        (
            neuron_bound(network, point.multipliers),
            "the group-norm problem (7) (VSS22 Theorem 4.2)"
            if network.linear
            else "the multipliers, under which no neuron makes more than its norm,",
        ),
    ]
    if network.linear and point.norm2 > max(found)[0] * (1.0 + MATCHES):
        found.append(
            (
                group_norm_bound(network, point.multipliers),
                "the group-norm problem (7) (VSS22 Theorem 4.2)",
            )
        )
    return max(found)


def _nearby(point: Candidate, stopped: Callable[[], bool]) -> tuple[Verdict, str, Better | None]:
    """Local, not local or undecided."""
    reason = local_by_neurons(point) or local_by_curvature(point)
    if reason is not None:
        return "local", reason, None
    if stopped():
        return "undecided", "The search was cancelled.", None
    better = better_family(point, np.ones(point.network.size, dtype=bool))
    if better is not None:
        reason = f"Better feasible points come arbitrarily near, {better.family}."
        return "not local", reason, better
    if not point.stationary:
        reason = f"The point is no KKT point (relative residual {point.residual:.2g})."
    elif point.clearance <= CLEAR:
        reason = (
            f"A pre-activation of an active sample is {point.clearance:.2g} of what its unit's weights can "
            "make: too near 0 to say on which side of the kink the point lies."
        )
    elif len(point.kinks):
        reason = (
            f"{len(point.kinks)} pre-activations of active samples are 0, where no certificate of a local "
            "optimum applies, and no better family was found."
        )
    else:
        reason = (
            "The Lagrangian is flat in some direction to second order; nothing is proved beyond."
        )
    return "undecided", reason, None


def _ratio(point: Candidate, better: Better) -> float:
    """‖θ~‖ over the least norm among the points."""
    return float(np.sqrt(point.norm2 / better.norm2.min()))


def _never() -> bool:
    return False
