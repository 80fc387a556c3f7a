"""KH24 Lemma 5.3: where the NCF flow goes.

No training: the flow itself, for neurons in the plane whose KKT points are enumerated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import NEAR, Bound, degrees_between, judged, most, on_circle
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import FlatExtent, KktPoint
from workbench.theory.ncf.sliding import SlidingField
from workbench.theory.numerics.min_norm import least_norm

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU
TOLERANCE = 1e-5
"""Radians a step may be off; measured again with a tenth."""
ROUNDS = 40_000
"""Most steps of the integrator; flows that need more count for nothing."""
SETS: dict[Size, tuple[int, ...]] = {"quick": (3,), "full": tuple(range(5))}
"""Seeds of the data sets; seed 3 has starts that fade."""
STARTS = 50
"""Starts of one data set and family: 100 in all at the quick size."""
LATE, LONG = 8.0, 60.0
"""The flow's time, at least: over 1/|N| of the slowest local maximum of N, and of the highest."""
FADED = 100.0
"""|N| over max |N| that counts as 0, over the tolerance: flows at rest on a kink are that near to it."""

WIDEST = 0.1
"""Angle (radians) of u within which kinks hold at most; where it would be wider, u counts as 0."""

Field = Callable[[Float[np.ndarray, "B p"]], Float[np.ndarray, "B p"]]
Turned = Callable[[Field], Field]


def unturned(field: Field) -> Field:
    return field


# --- Lemma 5.3 -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Flowed:
    """One data set: B starts of norm 1, T rising times.

    `value` (T, B): N(û); `log_norm` (T, B): log‖u‖, so that N(u) = N(û) e^{2 log‖u‖}. `end` (B, p):
    last directions, `other` the same with the other of two tolerances. `top`: max |N| on the sphere.
    `span`: the time between records. `faded`: |N(u)| over `top` below which it counts as 0.
    """

    kind: NeuronKind
    value: Float[np.ndarray, "T B"]
    log_norm: Float[np.ndarray, "T B"]
    end: Float[np.ndarray, "B p"]
    other: Float[np.ndarray, "B p"]
    points: tuple[KktPoint, ...]
    top: float
    span: float
    faded: float


def l53_evidence(size: Size, turned: Turned = unturned) -> list[Flowed]:
    """Gaussian data with labels of both signs; `turned` may bend the gradient's field."""
    cases = []
    for kind in (SQUARED, TWO_LAYER):
        for seed in SETS[size]:
            cases += _flowed(kind, seed, turned)
    return cases


def _flowed(kind: NeuronKind, seed: int, turned: Turned) -> list[Flowed]:
    """The flows of one data set with `TOLERANCE`, and with a tenth of it."""
    rng = np.random.default_rng([seed, 53])
    x, z = rng.standard_normal((12, 2)), rng.standard_normal(12)
    ncf = Ncf(x, z, kind)
    found = kkt_points(ncf)
    top = float(np.abs(found.values).max())
    start = rng.standard_normal((STARTS, kind.width(2)))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    # Local maxima with a small |N| are what takes longest, to grow along or to fade along.
    slowest = min((abs(p.value) for p in found.points if p.value and p.kind == "max"), default=top)
    times = np.linspace(0.0, max(LATE / slowest, LONG / top), 31)
    tolerances = (TOLERANCE, 0.1 * TOLERANCE)
    paths = []
    for tolerance in tolerances:
        field = turned(_ascent(ncf, tolerance))
        paths.append(ncf_flow(start, field, times, tolerance=tolerance, rounds=ROUNDS))
    return [
        Flowed(
            kind,
            np.where(path.reached, [ncf.value(w) for w in path.direction], np.nan),
            path.log_norm,
            path.direction[-1],
            other.direction[-1],
            found.points,
            top,
            float(times[1]),
            FADED * tolerance,
        )
        for path, other, tolerance in zip(paths, paths[::-1], tolerances, strict=True)
    ]


def _ascent(ncf: Ncf, tolerance: float) -> Field:
    """∇N; for two-layer ReLU along the kinks that hold, all of which meet in u = 0.

    A step may leave a kink by `tolerance`, an angle of u that grows as ‖u‖ falls; kinks hold within
    three times that. Where 0 ∈ conv{slopes of all cells} the flow rests in u = 0 once it is there.
    """
    if ncf.kind is SQUARED:
        return ncf.gradient
    lines, cells = ncf.merged_lines, ncf.circle
    least_slope = least_norm(np.column_stack([cells.cosine, cells.sine])).element
    rests = float(np.linalg.norm(least_slope)) < 1e-9 * lines.scale
    widths = 3.0 * tolerance * 10.0 ** np.arange(1, 12)
    fields = [SlidingField(lines, float(width)) for width in widths[widths < WIDEST]]

    def field(w: Float[np.ndarray, "B p"]) -> Float[np.ndarray, "B p"]:
        size = np.linalg.norm(w[:, 1:], axis=1) / np.linalg.norm(w, axis=1)
        decade = np.floor(-np.log10(np.maximum(size, 1e-300))).astype(np.int64)
        gradient = ncf.gradient(w)
        for power, sliding in enumerate(fields):
            rows = np.maximum(decade, 0) == power
            gradient[rows] = sliding.gradient(w[rows])
        if rests:
            gradient[decade >= len(fields)] = 0.0
        return gradient

    return field


def l53_measure(evidence: Sequence[Flowed]) -> Measured:
    """What grows and what fades; directions; that N never falls; what the tolerance changes."""
    grows = [_grows(case) for case in evidence]
    fades = [_fades(case) for case in evidence]
    neither = sum(int(np.sum(~(g | f))) for g, f in zip(grows, fades, strict=True))
    pairs = list(zip(evidence, grows, fades, strict=True))
    return Measured(
        {
            "starts from which N neither grows for ever nor fades": float(neither),
            "growing: off the KKT points with N ≥ 0": most(
                a for case, g, _ in pairs for a in _off(case, case.end[g], 0.0)
            ),
            "growing: d log‖u‖/dt over 2N(û), off 1 by": most(
                a for case, g, _ in pairs for a in _rate_error(case)[g]
            ),
            "fading without vanishing: off the KKT points with N = 0": most(
                [0.0, *(a for case, _, f in pairs for a in _lasting(case, f))]
            ),
            "largest fall of N along a flow": most(_fall(case) for case in evidence),
            "squared ReLU: turn of the ends with a tenth of the tolerance": most(
                degrees_between(case.end[g], case.other[g]).max(initial=0.0)
                for case, g, _ in pairs
                if case.kind is SQUARED
            ),
        },
        {
            "starts": 0.5 * sum(len(case.end) for case in evidence),
            "growing": 0.5 * float(sum(map(np.sum, grows))),
            "fading": 0.5 * float(sum(map(np.sum, fades))),
            "two-layer ReLU: ends that depend on the tolerance": 0.5
            * sum(
                float(np.sum(degrees_between(case.end, case.other) > NEAR))
                for case in evidence
                if case.kind is TWO_LAYER
            ),
        },
    )


def _grows(case: Flowed) -> Array:
    """N(û) > 0, and log N rises by its rate 4N(û) over the last third: N → ∞ (KH24 (32))."""
    third = len(case.value) // 3
    rise = case.log_norm[-1] - case.log_norm[-third]
    return np.asarray((case.value[-1] > case.faded * case.top) & (rise > 1.0))


def _fades(case: Flowed) -> Array:
    """|N(u)| counts as 0 at the end."""
    with np.errstate(over="ignore"):
        size = np.abs(case.value[-1]) * np.exp(2.0 * case.log_norm[-1])
    return np.asarray(size < case.faded * case.top)


def _rate_error(case: Flowed) -> Array:
    """|Δlog‖u‖/(2N(û)Δt) − 1| over the last interval."""
    rate = (case.log_norm[-1] - case.log_norm[-2]) / case.span
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.abs(rate / (2.0 * case.value[-1]) - 1.0))


def _lasting(case: Flowed, fades: Array) -> list[float]:
    """Angles to the KKT points with N = 0 of starts that fade while ‖u‖ stays."""
    stays = fades & (case.log_norm[-1] > -3.0)
    return _off(case, case.end[stays], -1e-9 * case.top, 1e-9 * case.top)


def _off(case: Flowed, w: Array, low: float, high: float = np.inf) -> list[float]:
    """Degrees from each direction to the nearest KKT point with N in [low, high]."""
    wanted = [p for p in case.points if low <= p.value <= high]
    if not wanted:
        return [float("nan")] * len(w)
    gaps = np.stack([degrees_to(p, w) for p in wanted])
    return [float(g) for g in gaps.min(axis=0)]


def degrees_to(point: KktPoint, w: Float[np.ndarray, "B p"]) -> Float[np.ndarray, " B"]:
    """Degrees from unit directions in the plane to a KKT point or to its flat set."""
    extent = point.extent
    if extent is None:
        return degrees_between(w, point.direction[None])
    nearest = w.copy()
    u = w[:, -2:]
    size = np.linalg.norm(u, axis=1, keepdims=True)
    nearest[:, -2:] = size * np.stack([_member(extent, row, point) for row in u]) if len(w) else u
    if w.shape[1] == 2:
        nearest /= np.linalg.norm(nearest, axis=1, keepdims=True)
    return degrees_between(w, nearest)


def _member(extent: FlatExtent, u: Array, point: KktPoint) -> Array:
    """The direction of a flat set's u nearest to u; of a meridian's, its one."""
    if extent.angles is None:
        direction: Array = point.direction[-2:]
        return direction / np.linalg.norm(direction)
    start, end = extent.angles
    angle = float(np.arctan2(u[1], u[0]))
    if np.mod(angle - start, 2 * np.pi) <= end - start:
        return on_circle(np.array([angle]))[0]
    ends = on_circle(np.array([start, end]))
    chosen: Array = ends[int(np.argmax(ends @ u))]
    return chosen


def _fall(case: Flowed) -> float:
    """Largest fall of N(u) between records, over the largest |N(u)| of the two."""
    log_scale = 2.0 * np.maximum(case.log_norm[1:], case.log_norm[:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        before = case.value[:-1] * np.exp(2.0 * case.log_norm[:-1] - log_scale)
        after = case.value[1:] * np.exp(2.0 * case.log_norm[1:] - log_scale)
        return float(np.max((before - after) / case.top))


def l53_criterion(measured: Measured) -> tuple[Check, ...]:
    """∞ or 0, and the directions that go with each."""
    bounds: list[Bound] = [
        ("starts from which N neither grows for ever nor fades", "=", 0.0, ""),
        ("growing: off the KKT points with N ≥ 0", "<", NEAR, "°"),
        ("growing: d log‖u‖/dt over 2N(û), off 1 by", "<", 1e-3, ""),
        ("fading without vanishing: off the KKT points with N = 0", "<", NEAR, "°"),
        ("largest fall of N along a flow", "<", 1e-3, ""),
        ("squared ReLU: turn of the ends with a tenth of the tolerance", "<", 0.1 * NEAR, "°"),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-L5.3",
        paper="KH24",
        place="Lemma 5.3",
        statement="Along every NCF flow N → ∞, and its direction tends to a non-negative KKT point, or "
        "N → 0, and it vanishes or its direction tends to a KKT point with N = 0.",
        method="The flow of single neurons of both families from 100 starts, Gaussian data with labels "
        "of both signs, against the enumerated KKT points; all with two tolerances, as two-layer ReLU "
        "flows may branch and each is a solution.",
        experiment=untrained(l53_evidence),
        measure=l53_measure,
        criterion=l53_criterion,
    ),
)
