"""Gradient flow of a few neurons on the square loss, to where it comes to rest.

Between two data hyperplanes the risk ½‖y − Φ‖² is a polynomial in the weights. There steps are those of an
exponential integrator, exact where the flow is linear (Hochbruck, Ostermann, Schweitzer 2009: exprb32, of
order 3 with an error of order 2): they grow as the flow slows, and end as Newton's. A step ends where a
neuron meets a hyperplane (`active_gates.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.theory.ncf.active_gates import ON, Lines, exits, held_projector, pulls_of
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

TOLERANCE = 1e-4
"""Error of a step, over the norm of each neuron."""
AT_REST = 1e-9
"""‖∇𝓛‖ over its highest on the way at which the flow is at rest."""
STEPS = 20_000
"""Most steps of one flow."""
LOCATED = 40
"""Most tries to end a step on a hyperplane."""
EVENTS = 200
"""Most changes of side in a row without a step."""


@dataclass(frozen=True, eq=False)
class ActiveProblem:
    """Φ = Σ_k s_k H(x; w_k) on inputs `x` (n, d) with targets `y` (n), for one neuron family and leak α."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    kind: NeuronKind
    leak: float = 0.0

    @property
    def risk_at_zero(self) -> float:
        """½‖y‖²."""
        return 0.5 * float(self.y @ self.y)


@dataclass(frozen=True, eq=False)
class Rest:
    """Where a flow ended. `weights` (k, p); `outputs` (n); `risk`: ½‖y − Φ‖²; `slope`: ‖∇𝓛‖ within what the
    neurons are held on, over its highest on the way; `bend`: the smallest eigenvalue of ∇²𝓛 there over the
    largest, in size. `time`, `log_risk` (T): of every step, flow time of the summed risk from 0. `held`: how
    many neurons slide along a hyperplane. `outcome`: iterations are steps, the residual is `slope`."""

    weights: Float[Array, "k p"]
    outputs: Float[Array, " n"]
    risk: float
    slope: float
    bend: float
    time: Float[Array, " T"]
    log_risk: Float[Array, " T"]
    held: int
    outcome: Outcome


@dataclass
class ActiveFlow:
    """The weights on their way; `side` (k, m): see `active_gates`."""

    problem: ActiveProblem
    signs: Float[Array, " k"]
    weights: Float[Array, "k p"]
    lines: Lines
    side: Int[Array, "k m"] = field(init=False)
    gates: Float[Array, "k n"] = field(init=False)

    def __post_init__(self) -> None:
        self.two_layer = self.problem.kind is NeuronKind.TWO_LAYER_RELU
        height = self.heights(self.weights)
        self.side = np.where(height >= 0.0, 1, -1).astype(np.int64)
        self.gates = self.lines.gates(self.side, self.problem.leak)
        # A KKT point may lie on hyperplanes, and stay there.
        for k, line in zip(*np.nonzero(np.abs(height) <= ON), strict=True):
            self.arrive(int(k), int(line))

    def heights(self, weights: Float[Array, "k p"]) -> Float[Array, "k m"]:
        """a_ℓ·u_k/‖u_k‖."""
        u = weights[:, 1:] if self.two_layer else weights
        size = np.linalg.norm(u, axis=1, keepdims=True)
        return (u / np.where(size > 0.0, size, 1.0)) @ self.lines.axis.T

    def outputs(self, weights: Float[Array, "k p"]) -> Float[Array, " n"]:
        """Φ (n) as the polynomial of the present sides."""
        if self.two_layer:
            return np.asarray(weights[:, 0] @ (self.gates * (weights[:, 1:] @ self.problem.x.T)))
        return np.asarray(self.signs @ (self.gates * (weights @ self.problem.x.T)) ** 2)

    def residual(self, weights: Float[Array, "k p"]) -> Float[Array, " n"]:
        """y − Φ."""
        return self.problem.y - self.outputs(weights)

    def keep(self, k: int, but: int = -1) -> Float[Array, "d d"]:
        """The projector of neuron k onto what it is held on, without line `but`."""
        held = np.flatnonzero(self.side[k] == 0)
        return held_projector(self.lines.axis[held[held != but]], self.lines.axis.shape[1])

    def velocity(self, weights: Float[Array, "k p"]) -> Float[Array, "k p"]:
        """−∇𝓛 before it is projected."""
        x, z = self.problem.x, self.residual(weights)
        if self.two_layer:
            u = weights[:, 1:]
            v = (self.gates * (u @ x.T)) @ z
            return np.column_stack([v, weights[:, :1] * ((self.gates * z) @ x)])
        return 2.0 * self.signs[:, None] * ((self.gates**2 * (weights @ x.T) * z) @ x)

    def jacobian(self, weights: Float[Array, "k p"]) -> Float[Array, "P P"]:
        """−∇²𝓛 before it is projected."""
        x, z = self.problem.x, self.residual(weights)
        k, p = weights.shape
        if self.two_layer:
            u, v = weights[:, 1:], weights[:, 0]
            own = (self.gates * (u @ x.T))[:, :, None]
            rows = np.concatenate([own, (v[:, None] * self.gates)[:, :, None] * x], axis=2)
        else:
            rows = 2.0 * (self.signs[:, None] * self.gates**2 * (weights @ x.T))[:, :, None] * x
        flat = rows.transpose(1, 0, 2).reshape(len(x), k * p)
        found = -flat.T @ flat
        for j in range(k):
            block = slice(j * p, (j + 1) * p)
            if self.two_layer:
                pull = (self.gates[j] * z) @ x
                found[j * p, j * p + 1 : (j + 1) * p] += pull
                found[j * p + 1 : (j + 1) * p, j * p] += pull
            else:
                inner = 2.0 * self.signs[j] * self.gates[j] ** 2 * z
                found[block, block] += (x * inner[:, None]).T @ x
        return found

    def projector(self) -> Float[Array, "P P"] | None:
        """Of all weights onto what the neurons are held on; None where none is."""
        if not (self.side == 0).any():
            return None
        k, p = self.weights.shape
        whole = np.eye(k * p)
        for j in np.flatnonzero((self.side == 0).any(axis=1)):
            inner = slice((j + 1) * p - self.lines.axis.shape[1], (j + 1) * p)
            whole[inner, inner] = self.keep(int(j))
        return whole

    # --- hyperplanes ---

    def arrive(self, k: int, line: int) -> None:
        """Neuron k is on a line: it is held there, or goes on to a side."""
        z = self.signs[k] * self.residual(self.weights)
        keep = self.keep(k, but=line)
        data = self.problem
        pulls = pulls_of(
            self.lines, line, data.x, data.kind, self.weights[k], self.gates[k], z, data.leak, keep
        )
        self._put(k, line, pulls.side)

    def leave(self) -> bool:
        """Let the first neuron go that is held on a line and would leave it; whether there was one."""
        z = self.residual(self.weights)
        for k in np.flatnonzero((self.side == 0).any(axis=1)):
            held = np.flatnonzero(self.side[k] == 0)
            v = float(self.weights[k, 0])
            data = self.problem
            found = exits(self.lines, held, data.x, v, self.gates[k], z, data.leak)
            if found is not None:
                self._put(int(k), *found)
                return True
        return False

    def _put(self, k: int, line: int, side: int) -> None:
        self.side[k, line] = side
        self.gates = self.lines.gates(self.side, self.problem.leak)
        d = self.lines.axis.shape[1]
        u = self.weights[k, -d:]
        # Exactly on the line, so that what is left of the way there is no crossing.
        self.weights[k, -d:] = u - (u @ self.lines.axis[line]) * self.lines.axis[line]
        if side == 0:
            self.weights[k, -d:] = self.keep(k) @ self.weights[k, -d:]


def flow_to_rest(
    problem: ActiveProblem,
    weights: Float[Array, "k p"],
    signs: Float[Array, " k"],
    *,
    work: Work | None = None,
    told: Callable[[float, float], None] | None = None,
    at_rest: float = AT_REST,
    until: float = np.inf,
) -> Rest:
    """Follow ẇ = −∇𝓛 from `weights` until ‖∇𝓛‖ is `at_rest` of its highest, or time is `until`.

    `signs` (k): s_k, ones where the output weights are trained. `told`: (time, risk) of every step.

    Raises:
        ValueError: there are no neurons.
    """
    if not len(weights):
        raise ValueError("a flow needs at least one neuron")
    flow = ActiveFlow(problem, signs, np.array(weights, dtype=float), Lines.through(problem.x))
    work = work or Work()
    time, times, risks = 0.0, [0.0], [_risk(flow)]
    peak, length, events, end = 0.0, np.inf, 0, End.OUT_OF_STEPS
    steps = 0
    linear = Linear.at(flow)
    while steps < STEPS:
        if work():
            end = End.OUT_OF_STEPS if work.spent else End.CANCELLED
            break
        peak = max(peak, linear.size)
        if linear.size <= at_rest * peak or linear.size == 0.0:
            end = End.CONVERGED
            break
        if time >= until:
            break
        if events > EVENTS:
            end = End.STALLED
            break
        work.add(10.0 * float(len(linear.rate)) ** 3 + flow.gates.size * len(linear.rate))
        taken, length, met = step_of(flow, linear, min(length, until - time))
        steps += 1
        time += taken
        events = events + 1 if met is not None and taken == 0.0 else 0
        if met is not None:
            flow.arrive(*met)
        if flow.leave():
            events += 1
        times.append(time)
        risks.append(_risk(flow))
        if told is not None:
            told(time, risks[-1])
        linear = Linear.at(flow)
    slope = linear.size / peak if peak > 0.0 else 0.0
    rates = linear.rate
    bend = float(-rates.max() / max(np.abs(rates).max(), 1e-300))
    held = int((flow.side == 0).any(axis=1).sum())
    with np.errstate(divide="ignore"):
        logs = np.log(np.array(risks))
    return Rest(
        flow.weights,
        flow.outputs(flow.weights),
        risks[-1],
        slope,
        bend,
        np.array(times),
        logs,
        held,
        Outcome(end, steps, slope),
    )


def _risk(flow: ActiveFlow) -> float:
    z = flow.residual(flow.weights)
    return 0.5 * float(z @ z)


@dataclass(frozen=True, eq=False)
class Linear:
    """The flow at one place: `pull` (P), its `size`, and its linear part as eigenvalues `rate` (P) and
    `basis` (P, P); all within `projector`."""

    rate: Float[Array, " P"]
    basis: Float[Array, "P P"]
    pull: Float[Array, " P"]
    size: float
    projector: Float[Array, "P P"] | None

    @classmethod
    def at(cls, flow: ActiveFlow) -> Linear:
        pull, bend = flow.velocity(flow.weights).reshape(-1), flow.jacobian(flow.weights)
        projector = flow.projector()
        if projector is not None:
            pull, bend = projector @ pull, projector @ bend @ projector
        rate, basis = np.linalg.eigh(0.5 * (bend + bend.T))
        return cls(rate, basis, pull, float(np.linalg.norm(pull)), projector)

    def apply(self, function: Float[Array, " P"], vector: Float[Array, " P"]) -> Float[Array, " P"]:
        """A function of the linear part, by its values at the rates, of a vector."""
        return self.basis @ (function * (self.basis.T @ vector))


def step_of(
    flow: ActiveFlow, linear: Linear, longest: float
) -> tuple[float, float, tuple[int, int] | None]:
    """Take one step: how long it was, how long the next may be, and the neuron and line that it ended at."""
    top = float(np.abs(linear.rate).max())
    growing = float(linear.rate.max())
    most = 1.0 / growing if growing > 1e-9 * top else np.inf
    length = min(longest, most, 1e12 / top if top > 0.0 else 1e12)
    for _ in range(60):
        moved, error = moved_by(flow, linear, length)
        if error <= TOLERANCE:
            break
        length *= max(0.2, 0.9 * float(np.sqrt(TOLERANCE / error)))
    following = length * float(np.clip(0.9 * np.sqrt(TOLERANCE / max(error, 1e-300)), 0.5, 4.0))
    crossed = _crossing(flow, moved)
    if crossed is None:
        flow.weights = moved
        return length, following, None
    low, high = 0.0, length
    for attempt in range(LOCATED):
        met, part = crossed
        if part <= 0.0 and _departs(flow, linear, met):
            return 0.0, following, met
        depth = -float((flow.side * flow.heights(moved)).min())
        if depth <= ON:
            break
        between = part * high
        if attempt % 2 or not low < between < high:
            between = 0.5 * (low + high)
        tried = moved_by(flow, linear, between)[0]
        after = _crossing(flow, tried)
        if after is None:
            low = between
        else:
            high, crossed, moved = between, after, tried
    flow.weights = moved
    return high, following, crossed[0]


def moved_by(flow: ActiveFlow, linear: Linear, h: float) -> tuple[Float[Array, "k p"], float]:
    """The weights a step of h further, and its error over the norm of each neuron."""
    shape = flow.weights.shape
    ahead = h * linear.rate
    move = h * linear.apply(_phi(1, ahead), linear.pull)
    there = flow.weights + move.reshape(shape)
    pull = flow.velocity(there).reshape(-1)
    if linear.projector is not None:
        pull = linear.projector @ pull
    left = pull - linear.pull - linear.apply(linear.rate, move)
    more = (2.0 * h * linear.apply(_phi(3, ahead), left)).reshape(shape)
    size = np.maximum(np.linalg.norm(flow.weights, axis=1), np.linalg.norm(there, axis=1))
    error = np.linalg.norm(more, axis=1) / np.where(size > 0.0, size, 1.0)
    largest = float(error.max())
    return there + more, largest if np.isfinite(largest) else np.inf


def _departs(flow: ActiveFlow, linear: Linear, met: tuple[int, int]) -> bool:
    """Whether a neuron on a line sets out from its side to the other: it may come back to it later."""
    k, line = met
    pull = linear.pull.reshape(flow.weights.shape)[k]
    d = flow.lines.axis.shape[1]
    return bool(flow.side[k, line] * (pull[-d:] @ flow.lines.axis[line]) < 0.0)


def _crossing(flow: ActiveFlow, moved: Float[Array, "k p"]) -> tuple[tuple[int, int], float] | None:
    """The neuron and line that is crossed first on the way to `moved`, and at what part of it."""
    before, after = flow.side * flow.heights(flow.weights), flow.side * flow.heights(moved)
    over = after < -1e-12
    if not over.any():
        return None
    start = np.maximum(before, 0.0)
    part = np.where(over, start / np.where(over, start - after, 1.0), np.inf)
    k, line = np.unravel_index(int(np.argmin(part)), part.shape)
    return (int(k), int(line)), float(part[k, line])


def _phi(order: int, s: Float[Array, " P"]) -> Float[Array, " P"]:
    """φ_1(s) = (e^s − 1)/s, φ_{j+1}(s) = (φ_j(s) − 1/j!)/s, by their series where |s| is small."""
    small = np.abs(s) < 0.5
    safe = np.where(small, 1.0, s)
    with np.errstate(over="ignore"):
        found = np.expm1(safe) / safe
    factorial = 1.0
    for j in range(1, order):
        factorial *= j
        found = (found - 1.0 / factorial) / safe
    term, series = np.ones_like(s), np.zeros_like(s)
    for j in range(1, order + 1):
        term = term / j
    for j in range(order + 1, order + 20):
        series = series + term
        term = term * np.where(small, s, 0.0) / j
    return np.where(small, series, found)
