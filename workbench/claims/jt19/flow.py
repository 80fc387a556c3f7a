"""JT19 §2: deep linear networks under gradient flow, averaged risk, down to 1e−10,000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt19.runs import (
    GAUSSIAN,
    GOAL,
    ROUNDING,
    SEEN,
    TENFOLD,
    Chain,
    chain,
    config,
    flow,
    flows,
    order,
)
from workbench.claims.lab import Lab

ORDER = 0.9
"""Share of an order that a fit over two tenfolds must show: the next order's terms take the rest."""

# --- eq. (2.4) -----------------------------------------------------------------------------------

KEPT = 1e-8
"""Relative drift of the flow integrated with rtol 1e−9."""
RATES = (0.08, 0.04, 0.02)
TIME = 16.0


@dataclass(frozen=True, eq=False)
class Conserved:
    """Flows, and descents over the same time with falling step sizes."""

    flows: Sequence[Chain]
    descents: Sequence[Chain]


def _e24(lab: Lab, size: Size) -> tuple[Conserved, Path | None]:
    depths, goal = ((3,), -20.0) if size == "quick" else ((2, 3, 4), -1_000.0)
    found = [
        chain(
            lab, config(f"JT19 (2.4), {depth} layers", depth, GAUSSIAN, flow(goal, 1e-9), every=5)
        )
        for depth in depths
    ]
    descents = []
    for rate in RATES:
        train = {"rule": "constant", "lr": rate, "steps": round(TIME / rate)}
        made = config(f"JT19 (2.4), η = {rate}", 3, GAUSSIAN, train, every=round(1.0 / rate))
        descents.append(chain(lab, made))
    return Conserved(found, descents), found[0].run.folder


def e24_measure(evidence: Conserved) -> Measured:
    """The flow's drift over ‖W‖², and descent's against its bound and its order in the step size."""
    drifts = [float(np.max(c.drift())) for c in evidence.descents]
    # (C.9) and (C.10): ‖P_k‖ + ‖Q_{k+1}‖ ≤ Σ η²‖∇𝓡‖² ≤ 2η(𝓡(0) − 𝓡(t)).
    allowed = [
        2.0 * c.rate * float(np.exp(c.run.log_risk[0]) - np.exp(c.run.log_risk[-1]))
        for c in evidence.descents
    ]
    rates = [c.rate for c in evidence.descents]
    return Measured(
        {
            "flow: drift over ‖W‖_F², largest": most(
                np.max(c.drift() / np.max(c.norms, axis=1) ** 2) for c in evidence.flows
            ),
            "descent: drift over its bound 2η(𝓡(0) − 𝓡(t)), largest": most(
                d / a for d, a in zip(drifts, allowed, strict=True)
            ),
            "descent: order of the drift in η": order(rates, [1.0 / d for d in drifts], 0.0)
            if min(drifts) > 0
            else float("nan"),
        },
        {f"descent: drift, η = {r}": d for r, d in zip(rates, drifts, strict=True)},
    )


def e24_criterion(measured: Measured) -> tuple[Check, ...]:
    """Conserved up to the integrator's tolerance; descent drifts as its step allows."""
    bounds: list[Bound] = [
        ("flow: drift over ‖W‖_F², largest", "≤", KEPT, ""),
        ("descent: drift over its bound 2η(𝓡(0) − 𝓡(t)), largest", "≤", 1.0, ""),
        ("descent: order of the drift in η", "≥", ORDER, ""),
    ]
    return judged(measured, bounds)


# --- Lemma 2.6 -----------------------------------------------------------------------------------


def _flows(lab: Lab, size: Size) -> tuple[list[Chain], Path | None]:
    found = flows(lab, size)
    return found, found[0].run.folder


def _slack(case: Chain) -> tuple[float, float]:
    """The least slack of both bounds over all records, the first one over ‖W_k‖_F²."""
    d = case.first_d
    start = case.size[0] ** 2
    scale = np.maximum(case.norms**2, 1e-300)
    first = float(np.min((d - case.rest) / scale))
    with np.errstate(invalid="ignore", divide="ignore"):
        allowed = (d + start[1:] + start[:-1]) / case.size[:, 1:] ** 2
        second = case.cosines**2 - 1.0 + allowed
    # u_k of a layer that is 0 is any vector: there the bound says nothing.
    beside = (case.size[:, 1:] == 0) | (case.size[:, :-1] == 0)
    kept = second[~beside]
    return first, float(kept.min()) if kept.size else float("nan")


def l26_measure(evidence: Sequence[Chain]) -> Measured:
    """Both bounds at every record."""
    slack = [_slack(case) for case in evidence]
    return Measured(
        {
            "(D − ‖W_k‖_F² + ‖W_k‖_2²)/‖W_k‖_F², least": least(s for s, _ in slack),
            "⟨v_{k+1}, u_k⟩² − 1 + (D + ‖W_{k+1}(0)‖² + ‖W_k(0)‖²)/‖W_{k+1}‖², least": least(
                s for _, s in slack
            ),
            "D = 0: 1 − ‖W_k‖_2/‖W_k‖_F, largest": _balanced(evidence),
        },
        {
            "(‖W_k‖_F² − ‖W_k‖_2²)/D, largest": most(
                np.max(c.rest) / c.first_d for c in evidence if not c.balanced
            )
        },
    )


def l26_criterion(measured: Measured) -> tuple[Check, ...]:
    """The bounds, up to rounding; with D = 0 every layer has rank 1."""
    bounds: list[Bound] = [
        ("(D − ‖W_k‖_F² + ‖W_k‖_2²)/‖W_k‖_F², least", "≥", -ROUNDING, ""),
        (
            "⟨v_{k+1}, u_k⟩² − 1 + (D + ‖W_{k+1}(0)‖² + ‖W_k(0)‖²)/‖W_{k+1}‖², least",
            "≥",
            -ROUNDING,
            "",
        ),
        ("D = 0: 1 − ‖W_k‖_2/‖W_k‖_F, largest", "≤", ROUNDING, ""),
    ]
    return judged(measured, bounds)


def _balanced(evidence: Sequence[Chain]) -> float:
    """The largest 1 − ratio of the runs with D = 0."""
    return most(np.max(case.off_rank1) for case in evidence if case.balanced)


# --- Theorem 2.2 ---------------------------------------------------------------------------------


def _growth(case: Chain) -> float:
    """The least growth of a layer's norm over a tenfold of ln(1/𝓡)."""
    norms = case.norms[case.at(TENFOLD)]
    return float(np.min(norms[1:] / norms[:-1])) if len(norms) > 1 else float("nan")


def _orders(case: Chain) -> tuple[float, float, float]:
    """Orders in ‖W‖_F of the errors in rank 1, between neighbours, and of w_prod along v_1."""
    at = case.at(TENFOLD)
    rank1, pairs = case.off_rank1[at], 1.0 - case.cosines[at]
    norms = case.norms[at]
    # A product of ratios: its logarithm does not saturate where they are far from 1. Squared norms differ by
    # constants (2.5), so that in the largest one every layer's part has at least its own order.
    first = np.maximum(-np.log1p(-case.off_first[at]), 0.0)
    largest = np.max(norms, axis=1)
    return (
        least(order(list(norms[:, k]), list(rank1[:, k]), SEEN) for k in range(norms.shape[1])),
        least(order(list(norms[:, k + 1]), list(pairs[:, k]), SEEN) for k in range(pairs.shape[1])),
        order(list(largest), list(first), SEEN),
    )


def t22_measure(evidence: Sequence[Chain]) -> Measured:
    """The risk's fall, the norms' growth, and how the errors fall with the norms."""
    orders = [_orders(case) for case in evidence]
    return Measured(
        {
            "log10 of the risk at the end, largest": -least(c.fallen[-1] for c in evidence),
            "rise of log 𝓡 between records, largest": most(
                np.max(np.diff(c.run.log_risk)) for c in evidence
            ),
            "growth of ‖W_k‖_F over a tenfold of ln(1/𝓡), least": least(map(_growth, evidence)),
            "order of 1 − ‖W_k‖_2/‖W_k‖_F in ‖W_k‖_F, least": least(o for o, _, _ in orders),
            "order of 1 − |⟨v_{k+1}, u_k⟩| in ‖W_{k+1}‖_F, least": least(o for _, o, _ in orders),
            "order of −ln |⟨w_prod/∏‖W_k‖_F, v_1⟩| in max_k ‖W_k‖_F, least": least(
                o for _, _, o in orders
            ),
            "D = 0: 1 − ‖W_k‖_2/‖W_k‖_F, largest": _balanced(evidence),
        },
        {
            "1 − ‖W_k‖_2/‖W_k‖_F at the end, largest": most(
                np.max(c.off_rank1[-1]) for c in evidence
            ),
            "1 − |⟨v_{k+1}, u_k⟩| at the end, largest": most(
                np.max(1.0 - c.cosines[-1]) for c in evidence
            ),
        },
    )


def t22_criterion(measured: Measured) -> tuple[Check, ...]:
    """Lemma 2.6 makes every error O(1/‖W‖²): order 2."""
    second = 2.0 * ORDER
    bounds: list[Bound] = [
        ("log10 of the risk at the end, largest", "≤", GOAL + 1.0, ""),
        ("rise of log 𝓡 between records, largest", "<", 0.0, ""),
        ("growth of ‖W_k‖_F over a tenfold of ln(1/𝓡), least", "≥", 1.0, ""),
        ("order of 1 − ‖W_k‖_2/‖W_k‖_F in ‖W_k‖_F, least", "≥", second, ""),
        ("order of 1 − |⟨v_{k+1}, u_k⟩| in ‖W_{k+1}‖_F, least", "≥", second, ""),
        ("order of −ln |⟨w_prod/∏‖W_k‖_F, v_1⟩| in max_k ‖W_k‖_F, least", "≥", second, ""),
        ("D = 0: 1 − ‖W_k‖_2/‖W_k‖_F, largest", "≤", ROUNDING, ""),
    ]
    return judged(measured, bounds)


# --- Theorem 2.8, Corollary 2.9 ------------------------------------------------------------------

TURNED = 1e-6
"""1 − |⟨v_1, ū⟩| at a risk of 1e−10,000."""
ANGLE_SEEN = 1e-9
"""Angles below this are the SVM's and the decomposition's own errors."""


def _angle_order(case: Chain) -> float:
    """The order in ln(1/𝓡) that the angle between v_1 and ū must have.

    w_prod's part across ū stays bounded (Lemma 2.11): with D = 0, where v_1 is its direction, the angle is
    O(1/‖w_prod‖), order 1. Else v_1 differs from it by what the rest of W_1, bounded by Lemma 2.6, adds
    through ∠(v_2, u_1) = O(1/‖W‖), O(1/‖W‖²) in all; and ‖W‖^L ~ ln(1/𝓡).
    """
    return 1.0 if case.balanced else min(1.0, 2.0 / len(case.weights))


def t28_measure(evidence: Sequence[Chain]) -> Measured:
    """v_1 against ū, and the margin of the product of the normalized layers against γ."""
    angles, margins = [], []
    for case in evidence:
        at = case.at(TENFOLD)
        heights = [float(case.fallen[t]) for t in at]
        found = order(heights, [float(case.angle[t]) for t in at], ANGLE_SEEN)
        angles.append(found / _angle_order(case))
        margins.append([1.0 - float(case.margin_ratio[t]) for t in at])
    return Measured(
        {
            "1 − |⟨v_1, ū⟩| at the end, largest": most(
                2.0 * np.sin(c.angle[-1] / 2.0) ** 2 for c in evidence
            ),
            "order of the angle between v_1 and ū in ln(1/𝓡), least share of what is due": least(
                angles
            ),
            "margin of the normalized layers over γ, largest": most(
                np.nanmax(c.margin_ratio) for c in evidence
            ),
            "γ's shortfall over the one before, per tenfold of ln(1/𝓡), largest": most(
                b / a for row in margins for a, b in pairwise(row)
            )
            if all(len(row) > 1 for row in margins)
            else float("nan"),
            "D = 0: γ's shortfall at the end, share of γ": most(
                1.0 - c.margin_ratio[-1] for c in evidence if c.balanced
            ),
        },
        {
            "γ's shortfall at the end, share of γ, largest": most(
                1.0 - c.margin_ratio[-1] for c in evidence
            ),
            "gap of the SVM's own certificate, largest": most(c.svm.gap for c in evidence),
        },
    )


def t28_criterion(measured: Measured) -> tuple[Check, ...]:
    """v_1 near ū, approaching it as the lemmas have it; Corollary 2.9's margin from below."""
    bounds: list[Bound] = [
        ("1 − |⟨v_1, ū⟩| at the end, largest", "≤", TURNED, ""),
        (
            "order of the angle between v_1 and ū in ln(1/𝓡), least share of what is due",
            "≥",
            ORDER,
            "",
        ),
        ("margin of the normalized layers over γ, largest", "≤", 1.0 + ROUNDING, ""),
        ("γ's shortfall over the one before, per tenfold of ln(1/𝓡), largest", "<", 1.0, ""),
        ("D = 0: γ's shortfall at the end, share of γ", "≤", 1e-3, ""),
    ]
    return judged(measured, bounds)


_METHOD = (
    "Gradient flow of the averaged exponential and logistic risk to 1e−10,000 (rtol 1e−6), 20 separable "
    "points in the plane, Gaussian starts below the risk of the predictor 0, W_1 = 0, and balanced ones "
    "with D = 0."
)

CLAIMS = (
    Claim(
        id="JT19-E2.4",
        paper="JT19",
        place="eq. (2.4), (2.5); for descent (C.9), (C.10)",
        statement="Gradient flow of a deep linear network conserves W_{k+1}ᵀW_{k+1} − W_kW_kᵀ; gradient "
        "descent moves it by no more than its step size allows.",
        method="The flow with rtol 1e−9; descent over the same time with η = 0.08, 0.04, 0.02.",
        experiment=_e24,
        measure=e24_measure,
        criterion=e24_criterion,
        figure="layers",
    ),
    Claim(
        id="JT19-L2.6",
        paper="JT19",
        place="Lemma 2.6",
        statement="‖W_k‖_F² − ‖W_k‖_2² ≤ D and ⟨v_{k+1}, u_k⟩² ≥ 1 − (D + ‖W_{k+1}(0)‖_2² + ‖W_k(0)‖_2²)/"
        "‖W_{k+1}‖_2² at every time.",
        method=_METHOD,
        experiment=_flows,
        measure=l26_measure,
        criterion=l26_criterion,
        figure="layers",
    ),
    Claim(
        id="JT19-T2.2",
        paper="JT19",
        place="Theorem 2.2",
        statement="The risk falls to 0, every ‖W_k‖_F grows without bound, ‖W_k‖_2/‖W_k‖_F → 1, "
        "|⟨v_{k+1}, u_k⟩| → 1 and |⟨w_prod/∏‖W_k‖_F, v_1⟩| → 1.",
        method=_METHOD,
        experiment=_flows,
        measure=t22_measure,
        criterion=t22_criterion,
        figure="layers",
    ),
    Claim(
        id="JT19-T2.8",
        paper="JT19",
        place="Theorem 2.8, Corollary 2.9",
        statement="|⟨v_1, ū⟩| → 1, ū the hard-margin SVM's direction, and the margin of the product of the "
        "layers, each over its norm, → the largest margin.",
        method=_METHOD,
        experiment=_flows,
        measure=t28_measure,
        criterion=t28_criterion,
        figure="layers",
    ),
)
