"""JT19 §3: gradient descent with the step sizes of Assumption 3.5, logistic loss, averaged risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt19_runs import (
    GAUSSIAN,
    ROUNDING,
    ZERO_FIRST,
    Chain,
    Table,
    chain,
    config,
)
from workbench.claims.kh24_checks import Bound, judged, least, most
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


def _limits(case: Chain) -> tuple[float, float, float, float]:
    """Per fourfold of the time: least growth of ‖W_k‖_F; largest of the risk, of 1 − ⟨w_prod/∏, v_1⟩ and of
    the angle to ū over the one before."""
    time = case.run.time
    at = [int(np.searchsorted(time, share * time[-1])) for share in FOURFOLD]
    norms, risk, first, angle = (
        case.norms[at],
        np.exp(case.run.log_risk[at]),
        case.off_first[at],
        case.angle[at],
    )
    # One layer is its own first: nothing is left to fall.
    aligned = first[1:] / first[:-1] if len(case.weights) > 1 else np.zeros(1)
    return (
        float(np.min(norms[1:] / norms[:-1])),
        float(np.max(risk[1:] / risk[:-1])),
        float(np.max(aligned)),
        float(np.max(angle[1:] / angle[:-1])),
    )


def t36_measure(evidence: Sequence[Chain]) -> Measured:
    """Eq. (3.3) and Lemma C.7 at every record, and the limits as they are approached."""
    lemma, limits = [_lemma(c) for c in evidence], [_limits(c) for c in evidence]
    return Measured(
        {
            "rise of log 𝓡 between records, largest": most(
                np.max(np.diff(c.run.log_risk)) for c in evidence
            ),
            "fall of 𝓡 over ½ Ση‖∇𝓡‖², least": least(_promised(c) for c in evidence),
            "slack of ‖W_k‖_F² − ‖W_k‖_2² ≤ D + 2𝓡(W(0)), share": least(a for a, _, _ in lemma),
            "slack of Lemma C.7's bound on ⟨v_{k+1}, u_k⟩²": least(b for _, b, _ in lemma),
            "slack of (C.17), share": least(c for _, _, c in lemma),
            "growth of ‖W_k‖_F per fourfold of Ση, least": least(a for a, _, _, _ in limits),
            "𝓡 over the one before, per fourfold of Ση, largest": most(b for _, b, _, _ in limits),
            "1 − |⟨w_prod/∏‖W_k‖_F, v_1⟩| over the one before, largest": most(
                c for _, _, c, _ in limits
            ),
            "angle between v_1 and ū over the one before, largest": most(d for *_, d in limits),
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
    """The risk falls as promised, the bounds hold, every limit comes nearer."""
    bounds: list[Bound] = [
        ("rise of log 𝓡 between records, largest", "≤", 0.0, ""),
        ("fall of 𝓡 over ½ Ση‖∇𝓡‖², least", "≥", 1.0, ""),
        ("slack of ‖W_k‖_F² − ‖W_k‖_2² ≤ D + 2𝓡(W(0)), share", "≥", -ROUNDING, ""),
        ("slack of Lemma C.7's bound on ⟨v_{k+1}, u_k⟩²", "≥", -ROUNDING, ""),
        ("slack of (C.17), share", "≥", -ROUNDING, ""),
        ("growth of ‖W_k‖_F per fourfold of Ση, least", "≥", 1.0, ""),
        ("𝓡 over the one before, per fourfold of Ση, largest", "<", 1.0, ""),
        ("1 − |⟨w_prod/∏‖W_k‖_F, v_1⟩| over the one before, largest", "<", 1.0, ""),
        ("angle between v_1 and ū over the one before, largest", "<", 1.0, ""),
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
