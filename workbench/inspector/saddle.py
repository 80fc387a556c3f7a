"""Saddle, minimum, or something else: a verdict that is certified, or says that it is not.

What decides is the ratio of two rates of the flow. The risk moves at κ = ‖∇𝓛‖²/𝓛 = −d log 𝓛/dt; weights
that stay small grow at L‖w‖^{L−2} N (KH24 Theorem 5.5), other directions at −λ of the Hessian. Near a
saddle κ is far below the fastest escape; on the way down, and where 𝓛 → 0, it is above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.inspector.correlation import Correlation
from workbench.inspector.curvature import Curvature
from workbench.inspector.descent import (
    Descent,
    descent_along_curvature,
    descent_along_kkt,
)
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState

Verdict = Literal["saddle", "minimum", "plateau", "diverging", "moving", "undecided"]

SLOW = 0.1
"""Most κ over the escape rate at a saddle."""
WAY_DOWN = 0.1
"""Most ‖∇𝓛‖ over its running peak at a saddle that is not the origin."""
FITTED = 1e-8
"""A square-loss risk below this share of that at θ = 0 is at its lower bound."""
STILL_GRADIENT = 1e-2
STILL_RISK = 1e-3
"""Standing still: ‖∇𝓛‖ over its peak, and the fall of log 𝓛 expected over a tenth of the time so far."""
NO_ESCAPE = 1e-6
"""max N over Σ|z_i|‖x_i‖^k that counts as zero."""
RECENT = 50
RISES = 0.2
"""Share of the recent records at which the risk rose that speaks of a step that is too large."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict rests on. None: not known here.

    `gradient_relative`: ‖∇𝓛‖ over its running peak. `risk_rate`: κ. `slowness`: κ over the fastest
    confirmed or found escape rate. `risk_relative`: 𝓛/𝓛(0). `ncf_relative`: max N over Σ|z_i|‖x_i‖^k.
    `rises`: share of recent records at which the risk rose.
    """

    grad_norm_log: float
    gradient_relative: float | None
    risk_rate: float
    risk_relative: float
    separated: bool
    ncf_max: float | None
    ncf_relative: float | None
    escape_rate: float | None
    slowness: float | None
    rises: float | None
    descents: tuple[Descent, ...]
    curvature: Curvature | None
    sentences: tuple[str, ...]

    def as_json(self) -> Mapping[str, object]:
        """Numbers and sentences, without arrays."""
        hessian = self.curvature
        return {
            "grad_norm_log": self.grad_norm_log,
            "gradient_relative": self.gradient_relative,
            "risk_rate": self.risk_rate,
            "risk_relative": self.risk_relative,
            "separated": self.separated,
            "ncf_max": self.ncf_max,
            "ncf_relative": self.ncf_relative,
            "escape_rate": self.escape_rate,
            "slowness": self.slowness,
            "rises": self.rises,
            "descents": [{**vars(d), "confirmed": d.confirmed} for d in self.descents],
            "hessian": None
            if hessian is None
            else {k: v for k, v in vars(hessian).items() if k != "vector"},
            "sentences": list(self.sentences),
        }


@dataclass(frozen=True, eq=False)
class Judgement:
    """A verdict with its evidence."""

    verdict: Verdict
    evidence: Evidence


def judge(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    curvature: Curvature | None = None,
) -> Judgement:
    """The verdict on a state; `curvature` is optional, and without it less can be certified."""
    found = _evidence(state, groups, correlation, curvature)
    verdict, reasons = _verdict(state, groups, correlation, found)
    evidence = _with(found, (*reasons, *_facts(state, correlation, found)))
    return Judgement(verdict, evidence)


def _evidence(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    curvature: Curvature | None,
) -> Evidence:
    """Every number, and no sentence yet."""
    with np.errstate(over="ignore", invalid="ignore"):
        kappa = float(np.exp(2.0 * state.grad_norm_log - state.log_risk))
        relative = float(np.exp(state.log_risk - state.log_risk_at_zero))
    past = state.past
    peak = max(past.grad_norm_log, default=-np.inf)
    tried = []
    if correlation is not None and np.isfinite(state.log_risk):
        tried.append(descent_along_kkt(state, groups, correlation))
    if curvature is not None and np.isfinite(state.log_risk):
        tried.append(descent_along_curvature(state, curvature))
    descents = tuple(d for d in tried if d is not None)
    rate = max((d.rate for d in descents), default=None)
    highest = None if correlation is None or not correlation.points else correlation.highest
    recent = np.diff(past.log_risk[-RECENT - 1 :])
    return Evidence(
        grad_norm_log=state.grad_norm_log,
        gradient_relative=float(np.exp(min(0.0, state.grad_norm_log - peak)))
        if len(past.step)
        else None,
        risk_rate=kappa,
        risk_relative=relative,
        separated=_separated(state),
        ncf_max=highest,
        ncf_relative=None
        if highest is None or correlation is None
        else highest / correlation.scale,
        escape_rate=rate,
        slowness=None if not rate else kappa / rate,
        rises=float((recent > 1e-6).mean()) if len(recent) >= 10 else None,
        descents=descents,
        curvature=curvature,
        sentences=(),
    )


def _separated(state: InspectedState) -> bool:
    """Whether a classification loss is below that of one sample at 0: then every margin is positive."""
    if state.loss == "square":
        return False
    summed = state.log_risk - np.log(state.flow_factor)
    return bool(summed < state.log_risk_at_zero - np.log(state.n * state.flow_factor))


def _verdict(
    state: InspectedState, groups: Groups, correlation: Correlation | None, found: Evidence
) -> tuple[Verdict, tuple[str, ...]]:
    if not (np.isfinite(state.theta).all() and state.log_risk < np.inf):
        return "undecided", ("The risk or a weight is no finite number.",)
    if found.separated and (state.order or 0.0) > 0.0:
        return "diverging", (
            "Every sample is separated, so −∇L always points outwards: ‖θ‖ → ∞ and L → 0 "
            "without a critical point.",
        )
    saddle = _saddle(groups, found)
    if saddle:
        return "saddle", saddle
    if state.loss == "square" and found.risk_relative <= FITTED:
        return "minimum", (
            f"The risk is {found.risk_relative:.1e} of that at θ = 0, and no risk is below 0.",
        )
    moving = _moving(state, found)
    if moving:
        return "moving", moving
    return _at_rest(state, groups, correlation, found)


def _saddle(groups: Groups, found: Evidence) -> tuple[str, ...]:
    """Reasons to call it a saddle: a confirmed way down that is faster than the state moves."""
    for d in found.descents:
        slow = found.risk_rate <= SLOW * d.rate
        low = groups.origin or (found.gradient_relative or 0.0) <= WAY_DOWN
        if d.confirmed and slow and low:
            where = {
                "neuron": f"A small neuron of norm {d.size:.2g} along the best KKT direction",
                "joint": f"θ of norm {d.size:.2g} along the best joint KKT direction",
                "hessian": f"A step of {d.size:.2g} either way along the lowest eigenvector",
            }[d.along]
            return (
                f"{where} lowers the risk by {d.fall:.2%}: a way down.",
                f"It grows at {d.rate:.3g} per unit of time while log L falls at "
                f"{found.risk_rate:.3g}: the state stands still against it.",
            )
    return ()


def _moving(state: InspectedState, found: Evidence) -> tuple[str, ...]:
    """Reasons to say that it is on its way, from the records up to here."""
    if found.rises is not None and found.rises > RISES:
        return (
            f"The risk rose at {found.rises:.0%} of the last {RECENT} records: steps are too large, "
            "or minibatches noisy, for the state to settle.",
        )
    relative = found.gradient_relative
    if found.slowness is not None and found.slowness > 1.0 and relative is None:
        return ("The risk falls faster than any weights could escape.",)
    if relative is None:
        return ()
    if relative > STILL_GRADIENT:
        return (f"‖∇L‖ is {relative:.2g} times its running peak: too steep for a state at rest.",)
    ahead = found.risk_rate * 0.1 * _elapsed(state)
    if ahead > STILL_RISK:
        return (
            f"At this rate the risk falls by {-np.expm1(-ahead):.2%} in a tenth of the time so far.",
        )
    return ()


def _elapsed(state: InspectedState) -> float:
    """Flow time since the first record."""
    return float(state.time - state.past.time[0]) if len(state.past.time) else 0.0


def _at_rest(
    state: InspectedState, groups: Groups, correlation: Correlation | None, found: Evidence
) -> tuple[Verdict, tuple[str, ...]]:
    """A state that stands still: minimum if certified, else plateau or undecided."""
    if found.gradient_relative is None and found.risk_rate > 0:
        return "undecided", (
            "No records lead here, so whether the state stands still is not known.",
        )
    hessian = found.curvature
    closed = correlation is not None and correlation.complete and _no_escape(found)
    if closed and correlation is not None and _all_signs(state, correlation):
        return "minimum", (
            "No direction correlates with the residual, of all that neurons of this kind have: the "
            "loss is convex in the output, so no width of them has a lower risk.",
        )
    if hessian is not None and hessian.positive and (closed or not len(groups.small)):
        return "minimum", ("All eigenvalues of the Hessian are positive, and no neuron is small.",)
    if any(d.rate > 0 for d in found.descents):
        return "undecided", (
            "A way down was found that the state does not stand still against, or that the risk "
            "did not confirm.",
        )
    if hessian is None:
        return "undecided", (
            "The state stands still; its curvature has not been computed, so a minimum is not "
            "certified.",
        )
    return "plateau", (
        f"The state stands still; no way down was found, and the smallest eigenvalue "
        f"{hessian.smallest:.2g} ± {hessian.bound:.1g} does not certify a minimum.",
    )


def _no_escape(found: Evidence) -> bool:
    return found.ncf_relative is not None and found.ncf_relative <= NO_ESCAPE


def _all_signs(state: InspectedState, correlation: Correlation) -> bool:
    """Whether the points answer for every neuron that the network has, large ones included."""
    return set(correlation.sets) == {float(s) for s in state.sees}


def _facts(
    state: InspectedState, correlation: Correlation | None, found: Evidence
) -> tuple[str, ...]:
    """Sentences for the numbers that are known."""
    facts = []
    if found.gradient_relative is not None:
        level = found.gradient_relative
        peak = max(state.past.grad_norm_log)
        times = f"{_plain(level, state.grad_norm_log - peak)} times its running peak"
        facts.append(f"‖∇L‖ is {'at its running peak' if level > 0.995 else times}.")
    rate = _plain(found.risk_rate, 2.0 * state.grad_norm_log - state.log_risk)
    facts.append(f"log L falls at {rate} per unit of flow time.")
    if correlation is not None and found.ncf_max is not None:
        how = "exact" if correlation.method == "exact" else "from seeded starts"
        facts.append(
            f"max N of the residual is {found.ncf_max:.4g} ({how}): small weights grow at up to "
            f"{correlation.escape_rate(_size(state, correlation)):.3g}."
        )
    if found.curvature is not None:
        c = found.curvature
        kinks = f", {c.kinks} samples on kinks" if c.kinks else ""
        facts.append(
            f"The smallest Hessian eigenvalue is {c.smallest:.3g} ± {c.bound:.1g} ({c.method}{kinks})."
        )
    return tuple(facts)


def _plain(value: float, log: float) -> str:
    """A number ≥ 0, as a power of ten where a float holds only its logarithm."""
    if value == 0.0 and np.isfinite(log):
        return f"1e{log / np.log(10.0):.0f}"
    return f"{value:.3g}"


def _size(state: InspectedState, correlation: Correlation) -> float:
    """The norm that a joint rate depends on."""
    return float(np.linalg.norm(state.theta)) if correlation.joint else 1.0


def _with(found: Evidence, sentences: tuple[str, ...]) -> Evidence:
    from dataclasses import replace

    return replace(found, sentences=sentences)
