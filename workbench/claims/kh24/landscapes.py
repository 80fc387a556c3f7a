"""KH24 Fig. 2 with Appendix E, Appendix I, Lemma 5.4: where the NCF flow branches and where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.claims.checks import (
    NEAR,
    Bound,
    degrees_between,
    judged,
    least,
    most,
    on_circle,
)
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.flow import integrate
from workbench.claims.lab import Lab
from workbench.config.toml import parse_config
from workbench.presets import read_preset
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.landscapes import (
    Landscape,
    branching_path,
    clarke_vertices,
    landscape_gradient,
    min_norm_subgradient,
)
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.min_norm import least_norm

EPSILONS = (1e-2, 1e-4, 1e-6, 1e-8)
"""How far from the branching line {u_2 = 0, u_1 > 0} flows start."""
LEFT = np.radians(22.5)
"""Angle at which the line counts as left: half way to (1, ±1)/√2."""
LATE = 12.0
"""Time by which directions are within 2e^{−24} of their limits."""
RTOL = 1e-10
STARTS: dict[Size, int] = {"quick": 50, "full": 1000}
ROUNDING = 1e-6
"""Above what finite differences and the integrator leave of an identity, far below a broken one."""
TINY, STEP, STEPS = 1e-8, 5e-3, 1800
"""Start, step size and steps of the trained network: it ends at t = 9, still far from norm 1."""

Field = Callable[[Float[np.ndarray, "B 2"]], Float[np.ndarray, "B 2"]]


def gradient_of_f(u: Float[np.ndarray, "B 2"]) -> Float[np.ndarray, "B 2"]:
    """The gradient of u_1|u_2|, off the line."""
    return landscape_gradient(u, Landscape.BRANCHING)


# --- Fig. 2 --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Branching:
    """Flows of f = u_1|u_2|.

    `ends` (E, 2, 2): directions at `LATE` from (1, ±ε). `escapes` (E, 2): time to leave the line, NaN
    if never. `waiting`: distance of u̇ to ∂f along flows that stay at (1, 0) for a while.
    `closed`: the same along the closed form from random starts. `spread`: distance of two flows from
    starts ε apart over ε e^t, the largest. `points` (K, 3): angle and N of the KKT points.
    `trained`, `expected` (H, 2): directions of the trained network's neurons, and where the flow takes
    them; the last neuron starts on the line.
    """

    ends: Float[np.ndarray, "E 2 2"]
    escapes: Float[np.ndarray, "E 2"]
    waiting: float
    closed: float
    spread: float
    points: Float[np.ndarray, "K 2"]
    trained: Float[np.ndarray, "H 2"]
    expected: Float[np.ndarray, "H 2"]


def f2_experiment(lab: Lab, size: Size) -> tuple[Branching, Path | None]:
    """Flows of f, and a network of ReLU neurons whose NCF is f."""
    return f2_evidence(lab, size)


def f2_evidence(
    lab: Lab, size: Size, field: Field = gradient_of_f
) -> tuple[Branching, Path | None]:
    """Flows along `field` from beside the line, along the closed form elsewhere, and training."""
    flows = [[_from_line(field, s * e) for s in (1.0, -1.0)] for e in EPSILONS]
    rng = np.random.default_rng(0)
    starts = rng.standard_normal((STARTS[size], 2))
    found = kkt_points(Ncf(np.array([[1.0], [-1.0]]), np.ones(2), NeuronKind.TWO_LAYER_RELU))
    w = found.directions
    trained, expected, folder = _trained(lab)
    evidence = Branching(
        np.array([[end for end, _ in pair] for pair in flows]),
        np.array([[time for _, time in pair] for pair in flows]),
        most(_off_inclusion(field, partial(branching_path, leave=k)) for k in (0.0, 1.0, 10.0)),
        most(_off_inclusion(field, partial(exact_flow, z)) for z in starts),
        _spread(starts),
        np.column_stack([np.degrees(np.arctan2(w[:, 1], w[:, 0])), found.values]),
        trained,
        expected,
    )
    return evidence, folder


def _from_line(field: Field, height: float) -> tuple[Array, float]:
    """(direction at `LATE`, time to leave the line) from (1, height); a flow that meets it ends there."""

    def slope(_: float, u: Array) -> Array:
        return field(u[None])[0]

    def left(_: float, u: Array) -> float:
        return abs(float(np.arctan2(u[1], u[0]))) - float(LEFT)

    def met(_: float, u: Array) -> float:
        return float(u[1])

    met.terminal = True  # type: ignore[attr-defined]
    solution = solve_ivp(
        slope,
        (0.0, LATE),
        [1.0, height],
        method="DOP853",
        rtol=RTOL,
        atol=1e-14,
        events=[left, met],
    )
    end = solution.y[:, -1]
    times: list[float] = list(solution.t_events[0]) if solution.t_events else []
    return end / np.linalg.norm(end), times[0] if times else float("nan")


def exact_flow(z: Float[np.ndarray, "2"], t: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 2"]:
    """The flow of f from z off the branching line: hyperbolic until u_2 = 0, then at rest (Lemma E.2)."""
    side, height = np.sign(z[1]), abs(z[1])
    stop = np.inf
    if z[0] < 0 and height < -z[0]:
        stop = float(np.arctanh(-height / z[0]))
    s = np.minimum(t, stop)
    c, h = np.cosh(s), np.sinh(s)
    return np.column_stack([z[0] * c + height * h, side * (height * c + z[0] * h)])


def _off_inclusion(field: Field, path: Callable[[Array], Array]) -> float:
    """Largest distance of u̇ to ∂f along a path, over 1 + ‖u‖, at times off its corners."""
    t, h = np.linspace(0.05, 4.0, 40) + 0.0123, 1e-5
    moved = (path(t + h) - path(t - h)) / (2.0 * h)
    gaps = []
    for u, velocity in zip(path(t), moved, strict=True):
        if abs(u[1]) < 1e-9:
            vertices = clarke_vertices(np.array([u[0], 0.0]), Landscape.BRANCHING)
        elif abs(u[1]) < 2.0 * h * (1.0 + abs(u[0])):
            continue  # the difference quotient straddles the time at which the flow comes to rest
        else:
            vertices = field(u[None])
        gap = np.linalg.norm(least_norm(vertices - velocity).element)
        gaps.append(float(gap / (1.0 + np.linalg.norm(u))))
    return most(gaps)


def _spread(starts: Array, apart: float = 1e-6) -> float:
    """sup over t and starts z of ‖u(t; z + ε e) − u(t; z)‖/(ε e^t), e a seeded direction."""
    t = np.linspace(0.0, 5.0, 50)
    turns = on_circle(np.random.default_rng(1).uniform(0.0, 2 * np.pi, len(starts)))
    return most(
        np.max(
            np.linalg.norm(exact_flow(z + apart * e, t) - exact_flow(z, t), axis=1)
            / (apart * np.exp(t))
        )
        for z, e in zip(starts, turns, strict=True)
    )


def _trained(lab: Lab) -> tuple[Array, Array, Path | None]:
    """Directions (v, u) at the end of a tiny start of the preset, and where the flow takes them."""
    values = read_preset("kh24-fig2")
    start = np.column_stack([values["init"]["values"]["v"], values["init"]["values"]["u"]])
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    tiny = TINY * start
    values["init"]["values"] = {"u": tiny[:, 1:].tolist(), "v": tiny[:, 0].tolist()}
    values["train"] = {**values["train"], "lr": STEP, "steps": STEPS}
    values["name"] = f"KH24-F2, δ={TINY:.0e}"
    values["device"] = {"kind": "cpu"}
    run = lab.train(parse_config(values, "KH24-F2"))
    theta = run.theta[-1]
    w = np.column_stack([run.structure.view(theta, "v"), run.structure.view(theta, "u")[:, 0]])
    expected = np.array([exact_flow(z, np.array([30.0]))[0] for z in start])
    expected[-1] = [1.0, 0.0]
    return _directions(w), _directions(expected), run.folder


def _directions(w: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))


def f2_measure(evidence: Branching) -> Measured:
    """Limits, escape times against artanh(tan 22.5°) − artanh ε, and uniqueness off the line."""
    goals = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2.0)
    epsilons = np.array(EPSILONS)[:, None]
    limit = float(np.arctanh(np.tan(LEFT)))
    formula = limit - np.arctanh(epsilons)
    turned = degrees_between(evidence.trained, evidence.expected)
    known = np.array([[45, 0.5], [-45, 0.5], [0, 0], [180, 0], [135, -0.5], [-135, -0.5]])
    listed = np.column_stack([np.mod(evidence.points[:, 0], 360.0), evidence.points[:, 1]])
    known[:, 0] = np.mod(known[:, 0], 360.0)
    gap = np.abs(listed[:, None] - known[None]).sum(axis=2)
    return Measured(
        {
            "flow from (1, ±ε) off (1, ±1)/√2": most(
                degrees_between(evidence.ends, goals[None]).ravel()
            ),
            "escape time off artanh(tan 22.5°) − artanh ε": most(
                np.abs(evidence.escapes - formula).ravel()
            ),
            "flows that wait at (1, 0) off the inclusion": evidence.waiting,
            "closed form off the inclusion": evidence.closed,
            "off the line: distance of flows over ε e^t": evidence.spread,
            "on the line: distance of the flows' directions, least": least(
                np.linalg.norm(evidence.ends[:, 0] - evidence.ends[:, 1], axis=1)
            ),
            "KKT points off ±45° (½), 0°, 180° (0), ±135° (−½)": most(
                [gap.min(axis=1).max(), gap.min(axis=0).max()]
            ),
            "trained neurons off the flow's limit": most(turned),
        },
        {
            "escape time as ε → 0": limit,
            f"escape time at ε={EPSILONS[-1]:.0e}": float(evidence.escapes[-1, 0]),
            "growth of the escape time per factor 100 in 1/ε": float(
                evidence.escapes[-1, 0] - evidence.escapes[-2, 0]
            ),
        },
    )


def f2_criterion(measured: Measured) -> tuple[Check, ...]:
    """Branching on the line, in a time that stays bounded; a unique flow everywhere else.

    At a smooth saddle the time would grow like ln(1/ε); here the pull off the line is u_1 from the
    start, and the time from (1, ε) to 22.5° is artanh(tan 22.5°) − artanh ε.
    """
    bounds: list[Bound] = [
        ("flow from (1, ±ε) off (1, ±1)/√2", "<", ROUNDING * NEAR, "°"),
        ("escape time off artanh(tan 22.5°) − artanh ε", "<", ROUNDING, ""),
        ("flows that wait at (1, 0) off the inclusion", "<", ROUNDING, ""),
        ("closed form off the inclusion", "<", ROUNDING, ""),
        ("off the line: distance of flows over ε e^t", "≤", 1.0 + ROUNDING, ""),
        ("on the line: distance of the flows' directions, least", "≥", 1.0, ""),
        ("KKT points off ±45° (½), 0°, 180° (0), ±135° (−½)", "<", ROUNDING, ""),
        ("trained neurons off the flow's limit", "<", NEAR, "°"),
    ]
    return judged(measured, bounds)


# --- Appendix I ----------------------------------------------------------------------------------

AWAY, AWAY_TIME = 0.09, 0.1
"""Lemma I.2: ‖u_δ(0.1) − (1, 0)‖ ≥ 0.09."""
AWAY_STEPS = 200
"""Steps up to then; measured again with twice as many."""


@dataclass(frozen=True, eq=False)
class Leaving:
    """g = (u_1|u_2| − 1)²: least ‖s‖ over ∂g at (1 + δ, δ), by δ; the least subgradient at (1, 0); how
    far the flow is from there at t = 0.1, by δ, and again with half the step."""

    delta: Float[np.ndarray, " D"]
    subgradient: Float[np.ndarray, " D"]
    at_saddle: float
    moved: Float[np.ndarray, " D"]
    again: Float[np.ndarray, " D"]


def gradient_of_g(u: Float[np.ndarray, "B 2"]) -> Float[np.ndarray, "B 2"]:
    """The gradient of (u_1|u_2| − 1)², off the line."""
    return landscape_gradient(u, Landscape.LEAVING)


def i1_evidence(size: Size, field: Field = gradient_of_g) -> Leaving:
    """δ spread by its logarithm over (0, 0.1), the ends nearly included."""
    delta = np.geomspace(1e-9, 0.1 - 1e-9, STARTS[size])
    points = np.column_stack([1.0 + delta, delta])
    norms = np.linalg.norm(field(points), axis=1)
    few = points[:: max(1, len(delta) // 25)]
    moved, again = (_moved(field, few, steps) for steps in (AWAY_STEPS, 2 * AWAY_STEPS))
    at_saddle = min_norm_subgradient(np.array([1.0, 0.0]), Landscape.LEAVING)
    return Leaving(delta, norms, float(np.linalg.norm(at_saddle)), moved, again)


def _moved(field: Field, starts: Float[np.ndarray, "D 2"], steps: int) -> Float[np.ndarray, " D"]:
    """‖u(0.1) − (1, 0)‖ along u̇ = −field from every start, in equal steps."""
    horizon = np.array([AWAY_TIME])
    end = integrate(lambda u: -field(u[0])[None], starts, horizon, steps)[-1, 0]
    return np.asarray(np.linalg.norm(end - np.array([1.0, 0.0]), axis=1))


def i1_measure(evidence: Leaving) -> Measured:
    """The least subgradient near the saddle and at it; the least way of the flow."""
    return Measured(
        {
            "‖s‖ over ∂g(1 + δ, δ), least": least(evidence.subgradient),
            "‖∂̄g‖ at (1, 0)": evidence.at_saddle,
            "distance from (1, 0) at t = 0.1, least": least(evidence.moved),
            "share of the distance that is the integrator's": most(
                np.abs(evidence.again / evidence.moved - 1.0)
            ),
        },
        {"paper's own bound 2(1 − 0.11)": 1.78, "δ from": float(evidence.delta[0])},
    )


def i1_criterion(measured: Measured) -> tuple[Check, ...]:
    """Lemma I.1's 1 and Lemma I.2's 0.09."""
    bounds: list[Bound] = [
        ("‖s‖ over ∂g(1 + δ, δ), least", "≥", 1.0, ""),
        ("‖∂̄g‖ at (1, 0)", "≤", 1e-12, ""),
        ("distance from (1, 0) at t = 0.1, least", "≥", AWAY, ""),
        ("share of the distance that is the integrator's", "<", 1e-4, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-F2",
        paper="KH24",
        place="Fig. 2, Appendix E",
        statement="The flow of f = u_1|u_2| branches on {u_2 = 0, u_1 > 0} and nowhere else: it may wait "
        "at (1, 0) for any time, but from (1, ±ε) it leaves in a time bounded as ε → 0, towards "
        "(1, ±1)/√2.",
        method="Flows from (1, ±ε), ε from 1e−2 to 1e−8; the waiting flows (79) and the closed form put "
        "into the inclusion; flows from neighbouring starts; and a network of ReLU neurons on the "
        "inputs ±1, whose NCF is f, trained from 1e−8.",
        experiment=f2_experiment,
        measure=f2_measure,
        criterion=f2_criterion,
        figure="field",
    ),
    Claim(
        id="KH24-I1",
        paper="KH24",
        place="Lemmas I.1 and I.2",
        statement="For g = (u_1|u_2| − 1)² every subgradient at (1+δ, δ), δ in (0, 0.1), has norm ≥ 1, "
        "although 0 is one at (1, 0); the flow from there is 0.09 away at t = 0.1.",
        method="Subgradients and flows for δ from 1e−9 to 0.1.",
        experiment=untrained(i1_evidence),
        measure=i1_measure,
        criterion=i1_criterion,
    ),
)
