"""Saddle, local minimum, minimum, moving, plateau: the one place where a state gets its verdict.

The watch of a run that trains, its events, the inspector's screen and `workbench inspect` all ask here,
and the answer depends on θ and the data alone: not on the way that led there, nor on a clock.

What decides is the ratio of two rates of the flow. The risk moves at κ = ‖∇𝓛‖²/𝓛 = −d log 𝓛/dt; weights
that stay small grow at L‖w‖^{L−2} N (KH24 Theorem 5.5), other directions at −λ of the Hessian. At a saddle
κ is at most a tenth of the rate of a way out that was tried on the risk, and that is still there where what
falls fast has fallen (settle.py): near a minimum it vanishes with the gradient. A way out is one for
the smallest of moves; where every neuron is held (held.py) the same direction is a jump from a local minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from workbench.inspector.held import Held, held_neurons
from workbench.inspector.settle import Settled, settle
from workbench.inspector.state import InspectedState
from workbench.losses.loss import MarginLoss

Verdict = Literal[
    "saddle", "local minimum", "minimum", "plateau", "diverging", "moving", "undecided"
]

SLOW = 0.1
"""Most κ over the escape rate at a saddle."""
FITTED = 1e-8
"""A square-loss risk below this share of that at θ = 0 is at its lower bound."""
AT_REST = 1e-3
"""Most of the risk that may still fall, by what falls fast, at a state at rest."""
NO_ESCAPE = 1e-6
"""max N over Σ|z_i|‖x_i‖^k that counts as zero."""
NO_GAIN = 1e-6
"""Most of the risk that rounding may leave to gain within the distance of a local minimum."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict rests on. None: not known here.

    `risk_rate`: κ. `slowness`: κ over the fastest way out. `escape_rate`: that way's. `risk_relative`:
    𝓛/𝓛(0). `ncf_relative`: max N over Σ|z_i|‖x_i‖^k. `fall_ahead`: share of the risk that is lost where the
    state settles. `held_distance`: within it the risk is nowhere lower. `jump_distance`, `jump_fall`: a move
    that leaves a local minimum, and the share of the risk that it takes off.
    """

    grad_norm_log: float
    risk_rate: float
    risk_relative: float
    separated: bool
    ncf_max: float | None
    ncf_relative: float | None
    escape_rate: float | None
    slowness: float | None
    fall_ahead: float
    held_distance: float | None
    jump_distance: float | None
    jump_fall: float | None
    descents: tuple[Descent, ...]
    curvature: Curvature | None
    sentences: tuple[str, ...]

    @property
    def ways_out(self) -> tuple[Descent, ...]:
        """Those that are ways out, KKT directions before the Hessian's."""
        return tuple(d for d in self.descents if d.way_out)

    def as_json(self) -> Mapping[str, object]:
        """Numbers and sentences, without arrays."""
        own = {
            k: v for k, v in vars(self).items() if k not in ("descents", "curvature", "sentences")
        }
        hessian = self.curvature
        return {
            **own,
            "descents": [
                {**vars(d), "confirmed": d.confirmed, "way_out": d.way_out} for d in self.descents
            ],
            "hessian": None if hessian is None else hessian.as_json(),
            "sentences": list(self.sentences),
        }


@dataclass(frozen=True, eq=False)
class Judgement:
    """A verdict with its evidence. `reasons`: the sentences that decided, first in the evidence."""

    verdict: Verdict
    evidence: Evidence
    reasons: tuple[str, ...] = ()


def judge(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    curvature: Curvature | None = None,
) -> Judgement:
    """The verdict on a state.

    `curvature` is optional. More evidence never takes "saddle" back: each way out counts by itself.
    """
    usable = np.isfinite(state.theta).all() and np.isfinite(state.log_risk)
    settled = settle(state) if usable else Settled.nowhere(state)
    # What is held is known where the risk is convex in the outputs (`held.py`).
    convex = usable and state.loss.convex
    held = held_neurons(settled.state, groups, correlation) if convex else None
    found = _evidence(state, groups, correlation, curvature, settled, held)
    verdict, reasons = _verdict(state, correlation, found, held, settled)
    sentences = (*reasons, *_facts(state, correlation, found))
    return Judgement(verdict, replace(found, sentences=sentences), reasons)


def _evidence(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation | None,
    curvature: Curvature | None,
    settled: Settled,
    held: Held | None,
) -> Evidence:
    """Every number, and no sentence yet."""
    with np.errstate(over="ignore", invalid="ignore"):
        kappa = float(np.exp(2.0 * state.grad_norm_log - state.log_risk))
        relative = float(np.exp(state.log_risk - state.log_risk_at_zero))
    tried = []
    if correlation is not None and np.isfinite(state.log_risk):
        tried.append(descent_along_kkt(state, groups, correlation, settled, held))
    if curvature is not None and np.isfinite(state.log_risk):
        tried.append(descent_along_curvature(state, curvature, settled))
    descents = tuple(d for d in tried if d is not None)
    rate = max((d.lasting_rate for d in descents if d.way_out), default=None)
    jump = next((d for d in descents if d.jump and d.confirmed), None)
    highest = None if correlation is None or not correlation.points else correlation.highest
    return Evidence(
        grad_norm_log=state.grad_norm_log,
        risk_rate=kappa,
        risk_relative=relative,
        separated=_separated(state),
        ncf_max=highest,
        ncf_relative=None
        if highest is None or correlation is None
        else highest / correlation.scale,
        escape_rate=rate,
        slowness=None if not rate else kappa / rate,
        fall_ahead=settled.fall,
        held_distance=_held_distance(settled, held),
        jump_distance=None if jump is None else jump.distance,
        jump_fall=None if jump is None else jump.fall,
        descents=descents,
        curvature=curvature,
        sentences=(),
    )


def _held_distance(settled: Settled, held: Held | None) -> float | None:
    """Distance around the state within which the risk is nowhere lower than where it settles."""
    if held is None or not held.all_held:
        return None
    if held.gain(settled.state.neuron_norm) > NO_GAIN * np.exp(settled.state.log_risk):
        return None
    left = held.distance - settled.distance
    return float(left) if left > 0.0 else None


def _separated(state: InspectedState) -> bool:
    """Whether the summed risk is below the loss of one sample of margin 0: then every margin is positive."""
    if not isinstance(state.loss, MarginLoss):
        return False
    return bool(state.log_risk - np.log(state.flow_factor) < state.loss.log_separating)


def _verdict(
    state: InspectedState,
    correlation: Correlation | None,
    found: Evidence,
    held: Held | None,
    settled: Settled,
) -> tuple[Verdict, tuple[str, ...]]:
    if not (np.isfinite(state.theta).all() and state.log_risk < np.inf):
        return "undecided", ("The risk or a weight is no finite number.",)
    if found.separated and (state.order or 0.0) > 0.0:
        return "diverging", (
            "Every sample is separated, so −∇L always points outwards: ‖θ‖ → ∞ and L → 0 "
            "without a critical point.",
        )
    saddle = _saddle(found)
    if saddle:
        return "saddle", saddle
    if state.loss.regression and found.risk_relative <= FITTED:
        return "minimum", (
            f"The risk is {found.risk_relative:.1e} of that at θ = 0, and no risk is below 0.",
        )
    moving = _moving(found, settled)
    if moving:
        return "moving", moving
    return _at_rest(state, correlation, found, held)


def _saddle(found: Evidence) -> tuple[str, ...]:
    """Reasons to call it a saddle: a way out that is faster than the state moves."""
    for d in found.ways_out:
        if found.risk_rate <= SLOW * d.lasting_rate:
            where = {
                "neuron": f"A small neuron of norm {d.size:.2g} along the best KKT direction",
                "joint": f"θ of norm {d.size:.2g} along the best joint KKT direction",
                "hessian": f"A step of {d.size:.2g} either way along the lowest eigenvector",
            }[d.along]
            if d.followed:
                where = f"Descent from a step of {d.size:.2g} along the lowest eigenvector"
            return (
                f"{where} lowers the risk by {d.fall:.2%}: a way down.",
                f"It grows at {d.lasting_rate:.3g} per unit of time while log L falls at "
                f"{found.risk_rate:.3g}: the state stands still against it.",
            )
    return ()


def _moving(found: Evidence, settled: Settled) -> tuple[str, ...]:
    """Reasons to say that it is on its way."""
    if found.ways_out:
        rate = max(d.lasting_rate for d in found.ways_out)
        return (
            f"log L falls at {found.risk_rate:.3g} per unit of time, and the fastest way out grows at "
            f"{rate:.3g}: at a saddle it would be {1.0 / SLOW:.0f} times as fast or more.",
        )
    if found.fall_ahead > AT_REST:
        return (f"What falls fast takes another {found.fall_ahead:.2%} off the risk: not at rest.",)
    if settled.bend < 0.0 and found.risk_rate > SLOW * -settled.bend:
        return (
            f"log L falls at {found.risk_rate:.3g} per unit of time, and the gradient grows at "
            f"{-settled.bend:.3g}: on its way down.",
        )
    return ()


def _at_rest(
    state: InspectedState,
    correlation: Correlation | None,
    found: Evidence,
    held: Held | None,
) -> tuple[Verdict, tuple[str, ...]]:
    """A state that stands still: minimum or local minimum if certified, else plateau or undecided."""
    hessian = found.curvature
    closed = correlation is not None and correlation.complete and _no_escape(found)
    closed = closed and state.loss.convex
    if closed and correlation is not None and _all_signs(state, correlation):
        return "minimum", (
            "No direction correlates with the residual, of all that neurons of this kind have: the "
            "loss is convex in the output, so no width of them has a lower risk.",
        )
    local = _local_minimum(state, found, held)
    if local:
        return "local minimum", local
    if any(d.confirmed for d in found.descents):
        return "undecided", (
            "A way down was found that a small move does not open, or that fades where the state settles.",
        )
    if hessian is None:
        return "undecided", (
            "The state stands still; its curvature has not been computed, so a minimum is not "
            "certified.",
        )
    if hessian.negative:
        return "plateau", (
            f"The state stands still; the smallest eigenvalue is {hessian.smallest:.2g}, and the way down "
            f"along it takes less than {AT_REST:.1%} off the risk.",
        )
    return "plateau", (
        f"The state stands still; no way down was found, and the smallest eigenvalue "
        f"{hessian.smallest:.2g} ± {hessian.bound:.1g} does not certify a minimum.",
    )


def _local_minimum(state: InspectedState, found: Evidence, held: Held | None) -> tuple[str, ...]:
    """Reasons to call it a local minimum: neurons that are all held, or curvature that is all positive."""
    hessian, near = found.curvature, found.held_distance
    if near is not None and held is not None:
        dead = int((held.dead & (held.reach > 0.0)).sum())
        off = f", {dead:,} of them off on every sample" if dead else ""
        still = (
            f", but for {found.fall_ahead:.1g} of it that still falls"
            if found.fall_ahead > 1e-9
            else ""
        )
        return (
            f"Within {near:.2g} of θ the risk is nowhere lower{still}: all {len(held.reach):,} neurons are "
            f"where no weights nearby correlate with the residual{off}, and the loss is convex in the "
            "output.",
            *_jump(found),
        )
    if hessian is not None and hessian.positive:
        return (
            "All eigenvalues of the Hessian are positive: near θ the risk is higher.",
            *_jump(found),
        )
    if hessian is not None and hessian.positive_but_flat and held is not None:
        stuck = held.dead & (held.reach > 0.0)
        if stuck.any() and int(stuck.sum()) * state.weights.shape[1] == hessian.flat:
            return (
                f"All eigenvalues of the Hessian are positive but for {int(stuck.sum()):,} neurons that "
                f"are off on every sample, the nearest {held.reach[stuck].min():.2g} from the edge of that.",
                *_jump(found),
            )
    return ()


def _jump(found: Evidence) -> tuple[str, ...]:
    """The finite move that leaves a local minimum, if one is known."""
    if found.jump_distance is None or found.jump_fall is None:
        return ()
    return (
        f"A jump of {found.jump_distance:.2g}, a small neuron put along the best KKT direction, would "
        f"lower the risk by {found.jump_fall:.2%}.",
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
    rate = _plain(found.risk_rate, 2.0 * state.grad_norm_log - state.log_risk)
    facts = [f"log L falls at {rate} per unit of flow time."]
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
