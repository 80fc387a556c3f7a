"""How near a state is to a KKT point of (P): the margin side of the inspector (LL20 §4.3, Lemma C.8).

The paper's own multipliers, the best ones for every δ, the same with every layer scaled by itself
(Appendix G), and the KKT point that polishing finds nearby. A KKT point is no optimum: VSS22 Theorem 3.2
has residual 0 and is no local one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.errors import BadInput
from workbench.inspector.gated_network import GatedNetwork
from workbench.inspector.margin_limit import MarginLimit
from workbench.inspector.margin_norm import OwnNorm, own_norm
from workbench.inspector.state import InspectedState
from workbench.losses.loss import MarginLoss
from workbench.losses.registry import names_where
from workbench.measures.margins import margin_smoothed
from workbench.norms.l2 import L2
from workbench.theory.margin.front import BestMultipliers, Front, FrontSolver, margin_front
from workbench.theory.margin.kkt import PaperCertificate, lemma_bounds, paper_certificate
from workbench.theory.margin.patterned import gates_of
from workbench.theory.margin.polish import Polished, polish
from workbench.theory.margin.problem import (
    MarginPoint,
    Rescaling,
    class_margins,
    layer_rescaling,
    uniform_rescaling,
)
from workbench.theory.numerics.work import Work

Cancel = Callable[[], bool] | None

MOST_NUMBERS = 40_000_000
"""Most numbers in the constraints' gradients; of more constraints the lowest margins are taken."""
LEAST_ROWS = 64
"""Fewer gradients than this (or than all constraints) say too little."""
MOST_POLISHED = 600
"""Most parameters for which polishing is tried: it solves dense systems of that size many times."""
MOST_GATES = 4_000_000
"""Most gates (samples times neurons) for which it is."""
MOST_OPERATIONS = 2e11
"""Operations after which the search for multipliers, and then polishing, is given up: about ten seconds
each. Small networks take a tenth of a second. Gradients that nearly depend on each other (thousands of
samples in the plane), and kinks of max-pooling that no face holds, would take minutes."""


@dataclass(frozen=True, eq=False)
class ScaledCertificate:
    """The certificates at one scaling of θ: `norm2` = ‖θ~‖², the paper's multipliers, and the best
    ones for the paper's δ over the constraints looked at."""

    norm2: float
    paper: PaperCertificate
    best: BestMultipliers


@dataclass(frozen=True, eq=False)
class MarginCertificate:
    """`constraints` (M, 2): sample and other class (0 with one output) of the constraints looked at,
    the lowest `M` of `total`. `uniform` at θ/q_min^{1/L}; `layered` with every layer scaled by itself, None
    for one layer or no orders. `front` at the uniform scaling. `polished`: None where `why_unpolished`.
    `epsilon_bound`, `delta_bound`: Lemma C.8's, NaN where its conditions do not hold yet. `limit`: what the
    theory says of where the direction goes, None where nobody asked. `own`: the same in the norm of the run's
    rule, None where that is ℓ2."""

    order: float
    q_min: float
    constraints: Int[Array, "M 2"]
    total: int
    uniform: ScaledCertificate
    epsilon_bound: float
    delta_bound: float
    layered: ScaledCertificate | None
    front: Front
    polished: Polished | None
    why_unpolished: str
    classes: bool
    notes: tuple[str, ...] = field(default=())
    limit: MarginLimit | None = None
    own: OwnNorm | None = None

    def as_json(self) -> dict[str, Any]:
        """DESIGN's `margin_kkt`, with front, layers and polished point; no NaN or infinity."""
        best, paper = self.uniform.best, self.uniform.paper
        return {
            "epsilon": best.epsilon,
            "delta": best.delta,
            "active": self._names(np.flatnonzero(best.active)),
            "multipliers": best.multipliers[best.active].tolist(),
            "paper_epsilon": paper.epsilon,
            "paper_delta": paper.delta,
            "epsilon_low": best.epsilon_low,
            "epsilon_bound": _number(self.epsilon_bound),
            "delta_bound": _number(self.delta_bound),
            "norm2": self.uniform.norm2,
            "constraints": len(self.constraints),
            "constraints_total": self.total,
            "front": {
                "delta": self.front.delta.tolist(),
                "epsilon": self.front.epsilon.tolist(),
                "epsilon_low": self.front.epsilon_low.tolist(),
                "active": self.front.active.sum(axis=1).tolist(),
            },
            "layers": None if self.layered is None else _scaled_json(self.layered),
            "own_norm": None if self.own is None else self.own.as_json(),
            "polished": self._polished_json(),
            "notes": list(self.notes),
            "limit": None if self.limit is None else self.limit.as_json(),
        }

    def _names(self, which: Int[Array, " k"]) -> list[Any]:
        """Samples, or [sample, class] pairs."""
        chosen = self.constraints[which]
        return chosen.tolist() if self.classes else chosen[:, 0].tolist()

    def _polished_json(self) -> dict[str, Any]:
        found = self.polished
        if found is None:
            return {"found": False, "reason": self.why_unpolished}
        return {
            "found": found.outcome.converged,
            "reason": found.outcome.why_not,
            "residual": found.outcome.residual,
            "angle": found.angle,
            "norm2": found.norm2,
            "theta": found.theta.tolist(),
            "active": self._names(found.active),
            "multipliers": found.multipliers[found.active].tolist(),
            "kinks": found.kinks.tolist(),
        }


def _scaled_json(scaled: ScaledCertificate) -> dict[str, Any]:
    return {
        "epsilon": scaled.best.epsilon,
        "delta": scaled.best.delta,
        "paper_epsilon": scaled.paper.epsilon,
        "paper_delta": scaled.paper.delta,
        "norm2": scaled.norm2,
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def constraint_margins(
    state: InspectedState,
) -> tuple[Float[Array, " M"], Int[Array, "M 2"]]:
    """q_i (or s_ij) of a state, and the (sample, class) they belong to."""
    if state.outputs.ndim == 2:
        return class_margins(state.outputs, state.y)
    index = np.column_stack([np.arange(state.n), np.zeros(state.n, dtype=np.int64)])
    return state.y * state.outputs, index.astype(np.int64)


def why_no_margin(state: InspectedState) -> str | None:
    """One sentence where (P) says nothing of this state, or None."""
    if not isinstance(state.loss, MarginLoss):
        allowed = names_where(lambda loss: isinstance(loss, MarginLoss))
        return (
            f"Problem (P) belongs to losses that fall with the margins ({allowed}); this run has the "
            f"{state.loss.name} loss."
        )
    if state.order is None or not state.order > 0:
        return "The network is not homogeneous, so no scaling of it is feasible for problem (P)."
    from workbench.models.repeatable import draws

    if draws(state.risk.model):
        return (
            "The network draws random numbers in every pass (as dropout does), so that it has no margins of "
            "its own for problem (P) to hold."
        )
    q, index = constraint_margins(state)
    if not np.isfinite(q).all():
        return "The outputs are not finite, and problem (P) needs margins."
    wrong = np.unique(index[q <= 0, 0])
    if len(wrong):
        shown = ", ".join(str(i) for i in wrong[:8]) + (", …" if len(wrong) > 8 else "")
        return (
            f"{len(wrong)} of {state.n} samples are not separated (margin ≤ 0): {shown}; "
            "problem (P) needs every margin above 0."
        )
    p = state.structure.size
    if MOST_NUMBERS // p < min(len(q), LEAST_ROWS):
        return (
            f"{p:,} parameters are too many for the constraints' gradients; "
            f"allowed are {MOST_NUMBERS // LEAST_ROWS:,}."
        )
    return None


def margin_certificate(state: InspectedState, *, cancel: Cancel = None) -> MarginCertificate:
    """The certificates of a separating state; `cancel` leaves out what is not done yet.

    Raises:
        BadInput: `why_no_margin` in a sentence.
    """
    refused = why_no_margin(state)
    if refused is not None:
        raise BadInput(refused)
    assert state.order is not None
    network = GatedNetwork(state)
    q, index = constraint_margins(state)
    most = min(len(q), MOST_NUMBERS // state.structure.size)
    looked = np.sort(np.argsort(q, kind="stable")[:most])
    gates = gates_of(network.heights(state.theta), network.low)
    rows = network.rows(state.theta, gates, looked)
    work = Work(MOST_OPERATIONS, cancel)
    try:
        scaling = uniform_rescaling(state.theta, q, state.order)
        point = MarginPoint.at(state.theta, q[looked], rows, state.order, scaling)
        solver = FrontSolver(point, work)
        uniform = _certified(state, q, solver, scaling)
        layered = _layered(state, q, looked, rows, work)
        own = _in_own_norm(state, q, point, scaling, work)
    except ValueError as error:
        raise BadInput(f"Problem (P) cannot be certified here: {error}.") from error
    front = margin_front(point, (uniform.paper.delta,), work=work, solver=solver)
    polished, why = _polished(network, point, len(q), cancel)
    bounds = _bounds(state, q, uniform.paper.beta)
    return MarginCertificate(
        order=state.order,
        q_min=float(q.min()),
        constraints=index[looked],
        total=len(q),
        uniform=uniform,
        epsilon_bound=bounds[0],
        delta_bound=bounds[1],
        layered=layered,
        front=front,
        polished=polished,
        why_unpolished=why,
        classes=state.outputs.ndim == 2,
        notes=_notes(state, gates, network, q, looked) + _stopped(work),
        own=own,
    )


def _stopped(work: Work) -> tuple[str, ...]:
    """What a search for multipliers that was given up leaves open."""
    if not work.spent:
        return ()
    return (
        f"The search for multipliers stopped after {work.most:,.0f} operations: the least ε lies between ε "
        "and its lower bound.",
    )


def _certified(
    state: InspectedState, q: Float[Array, " M"], solver: FrontSolver, scaling: Rescaling
) -> ScaledCertificate:
    """Both certificates at one scaling; the paper's uses the whole gradient of the risk."""
    logs, pull = _weights(state, q)
    point = solver.point
    paper = paper_certificate(point.theta, q / scaling.q_min, logs, scaling.gradients(pull))
    best = solver.solve(paper.delta)
    return ScaledCertificate(point.norm**2, paper, best)


def _weights(
    state: InspectedState, q: Float[Array, " M"]
) -> tuple[Float[Array, " M"], Float[Array, " P"]]:
    """log w of the constraints, and Σ w_i h_i over the largest w."""
    samples = constraint_margins(state)[1][:, 0]
    logs = _margin_loss(state).log_weights(q, samples)
    # ∇𝓛 = e^s g of the run's risk; the weights are those of the summed risk, over the largest.
    extra = np.log(state.n) if state.reduction == "mean" else 0.0
    return logs, -np.exp(state.gradient_log_scale + extra - logs.max()) * state.gradient


def _in_own_norm(
    state: InspectedState,
    q: Float[Array, " M"],
    point: MarginPoint,
    scaling: Rescaling,
    work: Work,
) -> OwnNorm | None:
    """The certificates in the norm of the run's rule."""
    if isinstance(state.norm, L2):
        return None
    logs, pull = _weights(state, q)
    return own_norm(
        point,
        state.norm,
        q=q / scaling.q_min,
        log_weights=logs,
        pull=scaling.gradients(pull),
        work=work,
    )


def _layered(
    state: InspectedState,
    q: Float[Array, " M"],
    looked: Int[Array, " k"],
    rows: Float[Array, "k P"],
    work: Work,
) -> ScaledCertificate | None:
    """The certificates with every layer scaled by itself; None for one layer, or without orders."""
    orders = _layer_orders(state)
    if orders is None or len(orders) < 2:
        return None
    assert state.order is not None
    layers = []
    for layer, order in zip(state.structure.layers, orders, strict=True):
        parts = [state.structure.parameter(name) for name in layer.parameters]
        index = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        layers.append((index, order))
    if any(not order > 0 for order in orders):
        return None
    scaling = layer_rescaling(state.theta, q, layers)
    point = MarginPoint.at(state.theta, q[looked], rows, state.order, scaling)
    return _certified(state, q, FrontSolver(point, work), scaling)


def _layer_orders(state: InspectedState) -> tuple[float, ...] | None:
    """k_1..k_m as measured on the network, or None."""
    import torch

    from workbench.models.homogeneity import measure_homogeneity

    x = torch.from_numpy(np.ascontiguousarray(state.x, dtype=np.float64))
    return measure_homogeneity(state.risk.model, state.structure, x).layer_orders


def _polished(
    network: GatedNetwork, point: MarginPoint, total: int, cancel: Cancel
) -> tuple[Polished | None, str]:
    """The KKT point nearby, or why it is not looked for."""
    p = len(point.theta)
    if p > MOST_POLISHED:
        return None, f"polishing is done up to {MOST_POLISHED:,} parameters; here are {p:,}"
    if len(point.q) < total:
        return (
            None,
            f"polishing needs all {total:,} constraints, and {len(point.q):,} are looked at",
        )
    gates = len(network.samples) * len(network.low)
    if gates > MOST_GATES:
        return None, f"polishing is done up to {MOST_GATES:,} gates; here are {gates:,}"
    work = Work(MOST_OPERATIONS, cancel)
    found = polish(network, point, work=work)
    if not found.outcome.converged and work.spent:
        why = f"no KKT point was reached in {work.most:,.0f} operations of search"
        found = replace(found, outcome=replace(found.outcome, reason=why))
    return found, ""


def _margin_loss(state: InspectedState) -> MarginLoss:
    """The state's loss, which `why_no_margin` has found to be one of the margin."""
    assert isinstance(state.loss, MarginLoss)
    return state.loss


def _bounds(state: InspectedState, q: Float[Array, " M"], beta: float) -> tuple[float, float]:
    """Lemma C.8's own (ε, δ) at this state."""
    assert state.order is not None
    extra = np.log(state.n) if state.reduction == "mean" else 0.0
    log_risk = state.log_risk + extra
    rho = np.array([np.linalg.norm(state.theta)])
    loss = _margin_loss(state)
    smoothed = margin_smoothed(np.array([log_risk]), rho, state.order, loss)
    return lemma_bounds(
        loss,
        order=state.order,
        log_risk=log_risk,
        margin_smoothed=float(smoothed[0]),
        beta=beta,
        q_ratio=float(q.max() / q.min()),
        constraints=len(q),
    )


def _notes(
    state: InspectedState,
    gates: Float[Array, "n G"],
    network: GatedNetwork,
    q: Float[Array, " M"],
    looked: Int[Array, " k"],
) -> tuple[str, ...]:
    """What a reader of the numbers should know."""
    notes = []
    if len(looked) < len(q):
        notes.append(
            f"The best multipliers look at the {len(looked):,} lowest of {len(q):,} margins."
        )
    if gates.size and not network.smooth:
        notes.append(
            "ε takes one element of ∂q at a kink; where samples sit on kinks the polished point tells more."
        )
    return tuple(notes)
