"""JT19 §3: gradient descent with the step sizes of Assumption 3.5, logistic loss, averaged risk.

Rates. ‖∇𝓡(W)‖ ≥ ‖W_L ⋯ W_2‖ ‖∇𝓡(w_prod)‖, and along ū the latter is at least γ times the mean of |ℓ'_i| =
1 − e^{−ℓ_i} ≥ κ ℓ_i, κ = (1 − e^{−n𝓡})/(n𝓡), as no ℓ_i exceeds n𝓡. So by (3.3) 1/𝓡 rises by at least
½ γ² Σ η κ² ‖W_L ⋯ W_2‖²: 𝓡 = O(1/Ση) with its constant. And a risk 𝓡 needs a margin of
−ln(e^{n𝓡} − 1) on every sample, which ∏‖W_k‖_F max‖x_i‖ bounds: the norms grow with ln(1/𝓡).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt19.runs import (
    GAUSSIAN,
    ROUNDING,
    SEEN,
    ZERO_FIRST,
    Chain,
    Table,
    chain,
    config,
    order,
)
from workbench.claims.lab import Lab

CASES: Mapping[Size, tuple[tuple[int, Table, int], ...]] = {
    "quick": ((2, GAUSSIAN, 16_000),),
    "full": (
        (1, GAUSSIAN, 100_000),
        (2, GAUSSIAN, 400_000),
        (2, ZERO_FIRST, 400_000),
        (3, ZERO_FIRST, 400_000),
    ),
}
"""(L, start, steps)."""
FOURFOLD = (1 / 16, 1 / 4, 1.0)
"""Shares of the time Ση at which the limits are looked at."""
ORDER = 0.9
"""Share of an order that a fit over a fourfold must show."""


def _t36(lab: Lab, size: Size) -> tuple[list[Chain], Path | None]:
    found = []
    for depth, init, steps in CASES[size]:
        train = {"rule": "smoothness", "steps": steps}
        made = config(
            f"JT19 step rule, {depth} layers, {init.get('zero', '')}", depth, init, train, every=20
        )
        found.append(chain(lab, made))
    return found, found[0].run.folder


def gradient_squared(case: Chain) -> Array:
    """‖∇𝓡‖² (T) from eq. (2)'s products, for the logistic loss."""
    z = case.data.y[:, None] * case.data.x
    with np.errstate(over="ignore"):
        pull = -1.0 / (1.0 + np.exp(case.product @ z.T))
    slope = pull @ z / len(z)
    total = np.zeros(len(slope))
    depth = len(case.weights)
    for k in range(depth):
        above = np.broadcast_to(np.eye(1), (len(slope), 1, 1))
        for w in case.weights[:k:-1]:
            above = above @ w
        below = slope[:, :, None]
        for w in case.weights[:k]:
            below = w @ below
        total += np.sum(above**2, axis=(1, 2)) * np.sum(below**2, axis=(1, 2))
    return total


def _promised(case: Chain) -> float:
    """The least fall of 𝓡 between records over ½ Ση‖∇𝓡‖², eq. (3.3), by the gradient where it is smaller.

    ‖∇𝓡‖² changes little between two records; the smaller end stands for all steps between them.
    """
    risk, squared = np.exp(case.run.log_risk), gradient_squared(case)
    promised = 0.5 * np.diff(case.run.time) * np.minimum(squared[1:], squared[:-1])
    return float(np.min((risk[:-1] - risk[1:]) / promised))


def _lemma(case: Chain) -> tuple[float, float, float]:
    """Least slack of Lemma C.7's bounds, and of (C.17), over their own right-hand sides."""
    d, start, risk = case.first_d, case.size[0] ** 2, float(np.exp(case.run.log_risk[0]))
    first = 1.0 - np.max(case.rest) / (d + 2.0 * risk)
    beside = (case.size[:, 1:] > 0) & (case.size[:, :-1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        allowed = (d + 3.0 * risk + start[1:] + start[:-1]) / case.size[:, 1:] ** 2
        second = (case.cosines**2 - 1.0 + allowed)[beside]
    squares = case.norms**2 - case.norms[0] ** 2
    apart = np.max(squares, axis=1) - np.min(squares, axis=1)
    third = 1.0 - np.max(apart) / (2.0 * risk)
    return float(first), float(second.min()) if second.size else float("inf"), float(third)


def _rise(case: Chain) -> float:
    """The least rise of 1/𝓡 per fourfold of Ση over what (3.3) promises of it by norms and risk alone."""
    risk, time = np.exp(case.run.log_risk), case.run.time
    whole = len(case.data.y) * risk
    kept = -np.expm1(-whole) / whole
    above = np.broadcast_to(np.eye(1), (len(risk), 1, 1))
    for w in case.weights[:0:-1]:
        above = above @ w
    squared = np.sum(above**2, axis=(1, 2))
    # The smaller end stands for all steps between two records; κ rises while 𝓡 falls.
    steps = np.diff(time) * kept[:-1] ** 2 * np.minimum(squared[1:], squared[:-1])
    promised = 0.5 * case.svm.margin**2 * np.append(0.0, np.cumsum(steps))
    at = _looks(case)
    return float(np.min(np.diff(1.0 / risk[at]) / np.diff(promised[at])))


def _room(case: Chain) -> float:
    """The least ∏‖W_k‖_F max‖x_i‖ over the margin that the risk needs, where it needs one."""
    whole = len(case.data.y) * np.exp(case.run.log_risk)
    needed = -np.log(np.expm1(whole))
    found = np.prod(case.norms, axis=1) * float(np.max(np.linalg.norm(case.data.x, axis=1)))
    return float(np.min((found / needed)[needed > 0])) if (needed > 0).any() else float("nan")


def _looks(case: Chain) -> list[int]:
    """Records at `FOURFOLD`."""
    time = case.run.time
    return [int(np.searchsorted(time, share * time[-1])) for share in FOURFOLD]


def _stalled(case: Chain) -> float:
    """‖W_k‖_F over that a fourfold of Ση later, the largest: below 1 exactly where all grow."""
    norms = case.norms[_looks(case)]
    return float(np.max(norms[:-1] / norms[1:]))


def _orders(case: Chain) -> tuple[float, float]:
    """Over the last fourfold: the order of −ln |⟨w_prod/∏‖W_k‖_F, v_1⟩| in the largest norm, 2 by Lemma
    C.7; and of the angle between v_1 and ū in ln(1/𝓡) over what is due, min(1, 2/L) as for the flow.

    Where every layer has rank one already, nothing is left to fall.
    """
    at = _looks(case)[1:]
    first = np.maximum(-np.log1p(-case.off_first[at]), 0.0)
    heights = [float(h) for h in -case.run.log_risk[at]]
    due = min(1.0, 2.0 / len(case.weights))
    return (
        order(list(np.max(case.norms[at], axis=1)), list(first), SEEN),
        order(heights, [float(a) for a in case.angle[at]], SEEN) / due,
    )


RISE = "rise of 1/𝓡 per fourfold of Ση over ½γ²Σηκ²‖W_L⋯W_2‖², least"
ROOM = "∏‖W_k‖_F max‖x_i‖ over the margin that 𝓡 needs, least"
STALLED = "‖W_k‖_F over that a fourfold of Ση later, largest"
ALIGNED = "order of −ln |⟨w_prod/∏‖W_k‖_F, v_1⟩| in max_k ‖W_k‖_F, least"
TURNED = "order of the angle between v_1 and ū in ln(1/𝓡), least share of what is due"


def t36_measure(evidence: Sequence[Chain]) -> Measured:
    """Eq. (3.3) and Lemma C.7 at every record, and the limits as they are approached."""
    lemma, orders = [_lemma(c) for c in evidence], [_orders(c) for c in evidence]
    return Measured(
        {
            "rise of log 𝓡 between records, largest": most(
                np.max(np.diff(c.run.log_risk)) for c in evidence
            ),
            "fall of 𝓡 over ½ Ση‖∇𝓡‖², least": least(_promised(c) for c in evidence),
            RISE: least(_rise(c) for c in evidence),
            ROOM: least(_room(c) for c in evidence),
            "slack of ‖W_k‖_F² − ‖W_k‖_2² ≤ D + 2𝓡(W(0)), share": least(a for a, _, _ in lemma),
            "slack of Lemma C.7's bound on ⟨v_{k+1}, u_k⟩²": least(b for _, b, _ in lemma),
            "slack of (C.17), share": least(c for _, _, c in lemma),
            STALLED: most(_stalled(c) for c in evidence),
            ALIGNED: least(a for a, _ in orders),
            TURNED: least(b for _, b in orders),
        },
        {
            "log10 of the risk at the end, largest": -least(c.fallen[-1] for c in evidence),
            "Ση at the end, least": least(c.run.time[-1] for c in evidence),
            "1 − |⟨w_prod/∏‖W_k‖_F, v_1⟩| at the end, largest": most(
                c.off_first[-1] for c in evidence
            ),
            "angle between v_1 and ū at the end, degrees, largest": most(
                np.degrees(c.angle[-1]) for c in evidence
            ),
        },
    )


def t36_criterion(measured: Measured) -> tuple[Check, ...]:
    """The risk falls and the norms grow as promised, the bounds hold, the directions come nearer as fast as
    the lemmas have it."""
    bounds: list[Bound] = [
        ("rise of log 𝓡 between records, largest", "≤", 0.0, ""),
        ("fall of 𝓡 over ½ Ση‖∇𝓡‖², least", "≥", 1.0, ""),
        (RISE, "≥", 1.0, ""),
        (ROOM, "≥", 1.0, ""),
        ("slack of ‖W_k‖_F² − ‖W_k‖_2² ≤ D + 2𝓡(W(0)), share", "≥", -ROUNDING, ""),
        ("slack of Lemma C.7's bound on ⟨v_{k+1}, u_k⟩²", "≥", -ROUNDING, ""),
        ("slack of (C.17), share", "≥", -ROUNDING, ""),
        (STALLED, "<", 1.0, ""),
        (ALIGNED, "≥", 2.0 * ORDER, ""),
        (TURNED, "≥", ORDER, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-T3.6",
        paper="JT19",
        place="Theorems 3.6 and 3.7, Lemma C.7, eq. (3.3)",
        statement="With the steps of Assumption 3.5 the risk falls by at least η‖∇𝓡‖²/2 a step, the layers "
        "keep to Lemma C.7's bounds, and risk, norms, alignment and v_1 go to the flow's limits.",
        method="Gradient descent with η = min{1/β(R_t), 1} on 20 separable points, logistic loss, one to "
        "three layers.",
        experiment=_t36,
        measure=t36_measure,
        criterion=t36_criterion,
        figure="layers",
    ),
)
