"""JT19 Theorem 2.2 and Lemma 2.3 for any strictly decreasing loss: exponentials, powers, and slower ones.

The flow's path does not know its own speed: along dW/ds = −∇𝓡/‖∇𝓡‖, s the length of its way, any loss is
followed to weights of any size. Time, where it is asked for, is ∫ds/‖∇𝓡‖.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.jt19 import own_losses
from workbench.claims.jt19.runs import POINTS, Chain, order
from workbench.claims.lab import TrainedRun
from workbench.config.data import GaussianData
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset
from workbench.losses.loss import Loss
from workbench.losses.own import own_loss
from workbench.losses.registry import loss_of
from workbench.models.structure import Description, Layer, Matrix, Parameter, Structure

BUILT = ("exponential", "logistic", "exponential-cubed", "logistic-cubed")
OWN = (own_losses.Reciprocal, own_losses.Root, own_losses.Slow, own_losses.Fast)
FLAT = ("exponential-cubed", "logistic-cubed")
"""Losses with ℓ'(0) = 0: they fail Assumption 1.1 at that one point, where no flow that starts below ℓ(0)
comes again."""
MEETING = (
    *(name for name in BUILT if name not in FLAT),
    *(loss.__name__ for loss in OWN),
)
"""The losses that meet Assumption 1.1."""
CASES: dict[Size, tuple[tuple[int, int], ...]] = {
    "quick": ((2, 0), (3, 0)),
    "full": tuple((depth, seed) for depth in (2, 3, 4) for seed in range(5)),
}
"""(L, seed) of the starts, for every loss."""
WIDTH, SCALE = 4, 0.5
LENGTH, SHORTER, RECORDS = 24.0, 12.0, 121
"""Length of the way, that for `STEEP` losses, and records on it, by its logarithm."""
STEEP = ("exponential-cubed", "logistic-cubed", "Fast")
"""Losses whose logarithm is not Lipschitz: the further out, the stiffer their flow."""
RTOL = 1e-9
DRIFT = 1e-6
"""What the integrator leaves of what is conserved, over ‖W‖²."""
LATE = 1 / 3
"""Orders are fitted over the way from this share of it to its end."""
ORDER = 0.9
"""Share of an order that such a fit must show."""
SEEN = 1e-9
"""1 − ratio and 1 − |cos| below this are the integrator's."""
TINY = 1e-300
"""The least that is above 0: no bound that holds for every loss is known."""
RADII = (1.0, 1.5, 2.0, 3.0)
"""R of Lemma 2.3."""


def losses() -> dict[str, Loss]:
    """The workbench's that fall with the margin, and four of a user's kind."""
    found = {name: loss_of(name) for name in BUILT}
    return found | {c.__name__: own_loss(c(), f"{c.__module__}:{c.__name__}") for c in OWN}


@dataclass(frozen=True, eq=False)
class Path:
    """A flow's way: `chain` at T records, its `time` ∫ds/‖∇𝓡‖; `first` (T): ‖∂𝓡/∂W_1‖_F; `at_zero`: 𝓡(0) =
    ℓ(0)."""

    loss: str
    chain: Chain
    first: Float[np.ndarray, " T"]
    at_zero: float


Bend = Callable[[Array, list[Array]], Array]


def evidence(size: Size, bend: Bend | None = None, names: Sequence[str] = ()) -> list[Path]:
    """Every loss from every start; `bend` turns (velocity, weights) into another velocity."""
    found = losses()
    wanted = names or tuple(found)
    return [_path(name, found[name], *case, bend) for name in wanted for case in CASES[size]]


def _structure(d: int, depth: int) -> Structure:
    sizes = [d, *[WIDTH] * (depth - 1), 1]
    parameters: list[Parameter] = []
    layers, start = [], 0
    for k, (c, r) in enumerate(pairwise(sizes), start=1):
        parameters.append(Parameter(f"w{k}", (r, c), start))
        layers.append(Layer(f"w{k}", (f"w{k}",), matrix=Matrix(f"w{k}", (r, c))))
        start = parameters[-1].stop
    return Structure(tuple(parameters), Description(tuple(layers)))


def layer_slopes(w: list[Array], slope: Float[np.ndarray, " d"]) -> list[Array]:
    """∂𝓡/∂W_k = W_{k+1}ᵀ ⋯ W_Lᵀ ∇𝓡(w_prod)ᵀ W_1ᵀ ⋯ W_{k−1}ᵀ."""
    found = []
    for k in range(len(w)):
        above = reduce(lambda a, b: a @ b, w[:k:-1], np.eye(1))
        below = reduce(lambda a, b: b @ a, w[:k], slope[:, None])
        found.append(above.T @ below.T)
    return found


def _path(name: str, loss: Loss, depth: int, seed: int, bend: Bend | None) -> Path:
    data = load_dataset(GaussianData.model_validate(POINTS))
    structure = _structure(data.d, depth)
    views = [slice(p.start, p.stop) for p in structure.parameters]
    shapes = [p.shape for p in structure.parameters]

    def weights(theta: Array) -> list[Array]:
        return [theta[v].reshape(shape) for v, shape in zip(views, shapes, strict=True)]

    def product(w: list[Array]) -> Array:
        return np.asarray(reduce(lambda below, a: a @ below, w))[0]

    def log_risk(theta: Array) -> float:
        outputs = data.x @ product(weights(theta))
        return float(loss.log_risk(outputs[None], data.y, "mean")[0])

    def velocity(_: float, theta: Array) -> Array:
        w = weights(theta)
        pull = loss.scaled_residual(data.x @ product(w), data.y) @ data.x
        slopes = layer_slopes(w, pull)
        v = np.concatenate([s.ravel() for s in slopes])
        v = v / np.linalg.norm(v)
        return v if bend is None else bend(v, w)

    zero = float(loss.log_risk(np.zeros((1, data.n)), data.y, "mean")[0])
    start = _start(structure.size, seed, lambda theta: log_risk(theta) <= zero)
    length = SHORTER if name in STEEP else LENGTH
    s = np.append(0.0, np.geomspace(1e-3, length, RECORDS))
    with np.errstate(all="ignore"):
        found = solve_ivp(velocity, (0.0, length), start, "LSODA", s, rtol=RTOL, atol=RTOL)
    theta = found.y.T
    risks = np.array([log_risk(row) for row in theta])
    size, first = _speeds(loss, data, [weights(row) for row in theta])
    with np.errstate(divide="ignore", over="ignore"):
        passed = 0.5 * np.diff(s[: len(theta)]) * (1.0 / size[1:] + 1.0 / size[:-1])
    time = np.append(0.0, np.cumsum(passed))
    run = TrainedRun(np.arange(len(theta)), time, risks, theta, structure)
    return Path(name, Chain(run, data), first, float(np.exp(zero)))


def _start(count: int, seed: int, allowed: Callable[[Array], bool]) -> Array:
    """The first Gaussian start of the seed's that meets Assumption 1.2."""
    rng = np.random.default_rng([seed, 22])
    for _ in range(1_000):
        theta = SCALE * rng.standard_normal(count)
        if allowed(theta):
            return theta
    raise ValueError("no start has a risk below that of the predictor 0")


def _speeds(loss: Loss, data: Dataset, w: list[list[Array]]) -> tuple[Array, Array]:
    """‖∇𝓡(W)‖ and ‖∂𝓡/∂W_1‖_F of the averaged risk, 0 where they are below a float."""
    whole, first = [], []
    for layers in w:
        outputs = data.x @ reduce(lambda below, a: a @ below, layers)[0]
        pull = loss.residual(outputs, data.y) @ data.x / data.n
        sizes = [float(np.linalg.norm(s)) for s in layer_slopes(layers, pull)]
        whole.append(float(np.linalg.norm(sizes)))
        first.append(sizes[0])
    return np.array(whole), np.array(first)


# --- Theorem 2.2 ---------------------------------------------------------------------------------

RISE = "rise of log 𝓡 between records, largest"
MARGIN = "order of the least margin in max_k ‖W_k‖_F over L, least"
GROWTH = "‖W_k‖_F at a third of the way over that at its end, largest"
RANK = "order of 1 − ‖W_k‖_2/‖W_k‖_F in ‖W_k‖_F, least"
PAIRS = "order of 1 − |⟨v_{k+1}, u_k⟩| in ‖W_{k+1}‖_F, least"
FIRST = "order of −ln |⟨w_prod/∏‖W_k‖_F, v_1⟩| in max_k ‖W_k‖_F, least"
KEPT = "drift of W_{k+1}ᵀW_{k+1} − W_kW_kᵀ over ‖W‖², largest"
REACHED = "flows that came to the end of their way, share"


def t22_measure(paths: Sequence[Path]) -> Measured:
    """As for the exponential and logistic loss, with the margin for the risk: 𝓡 → 0 exactly where it grows
    without bound."""
    whole = [p.chain for p in paths if len(p.chain.run.step) == RECORDS + 1]
    orders = [_orders(c) for c in whole]
    return Measured(
        {
            REACHED: len(whole) / len(paths),
            RISE: most(np.max(np.diff(c.run.log_risk)) for c in whole),
            MARGIN: least(o[0] for o in orders),
            GROWTH: most(o[1] for o in orders),
            RANK: least(o[2] for o in orders),
            PAIRS: least(o[3] for o in orders),
            FIRST: least(o[4] for o in orders),
            KEPT: most(np.max(c.drift() / np.max(c.norms, axis=1) ** 2) for c in whole),
        },
        {
            "flows": float(len(paths)),
            **{
                f"{name}: angle between v_1 and ū at the end, degrees, largest": most(
                    np.degrees(p.chain.angle[-1]) for p in paths if p.loss == name
                )
                for name in dict.fromkeys(p.loss for p in paths)
            },
        },
    )


def _orders(case: Chain) -> tuple[float, float, float, float, float]:
    """Over the last part of the way: margin over L, growth, rank one, alignment, w_prod along v_1."""
    begin = int(np.searchsorted(np.geomspace(1e-3, 1.0, RECORDS), LATE)) + 1
    at = [begin, (begin + RECORDS) // 2, RECORDS]
    norms, top = case.norms[at], np.max(case.norms[at], axis=1)
    margin = np.min(case.product[at] @ (case.data.y[:, None] * case.data.x).T, axis=1)
    margins = [1.0 / m if m > 0 else float("nan") for m in margin]
    first = np.maximum(-np.log1p(-case.off_first[at]), 0.0)
    rank1, pairs = case.off_rank1[at], 1.0 - case.cosines[at]
    return (
        order(list(top), margins, 0.0) / norms.shape[1],
        float(np.max(norms[0] / norms[-1])),
        least(order(list(norms[:, k]), list(rank1[:, k]), SEEN) for k in range(norms.shape[1])),
        least(order(list(norms[:, k + 1]), list(pairs[:, k]), SEEN) for k in range(pairs.shape[1])),
        order(list(top), list(first), SEEN),
    )


def t22_criterion(measured: Measured) -> tuple[Check, ...]:
    """The limits of Theorem 2.2 with Lemma 2.6's orders, whatever the loss."""
    bounds: list[Bound] = [
        (REACHED, "=", 1.0, ""),
        (RISE, "<", 0.0, ""),
        (MARGIN, "≥", ORDER, ""),
        (GROWTH, "<", 0.5, ""),
        (RANK, "≥", 2.0 * ORDER, ""),
        (PAIRS, "≥", 2.0 * ORDER, ""),
        (FIRST, "≥", 2.0 * ORDER, ""),
        (KEPT, "≤", DRIFT, ""),
    ]
    return judged(measured, bounds)


# --- Lemma 2.3 -----------------------------------------------------------------------------------

INSIDE = "balls B(R) that a flow has not left at its end"
BACK = "times a flow comes back into a ball B(R) after t = 1, most"
SPENT = "time in B(R) after t = 1, times min ‖∂𝓡/∂W_1‖_F² there, over 𝓡(W(0)), largest"
LEAST = "min ‖∂𝓡/∂W_1‖_F in B(R) after t = 1, least over losses, starts and R"
BELOW = "𝓡 at t = 1 over ℓ(0), largest"


def l23_measure(paths: Sequence[Path]) -> Measured:
    """Time in B(R) = {max_k ‖W_k‖_F ≤ R}, and the slope there."""
    rows = [row for path in paths for row in _in_balls(path)]
    return Measured(
        {
            INSIDE: float(sum(stays for stays, _, _, _ in rows)),
            BACK: most(back for _, back, _, _ in rows),
            SPENT: most(spent for _, _, spent, _ in rows),
            LEAST: least(slope for _, _, _, slope in rows),
            BELOW: most(_risk_at_one(path) / path.at_zero for path in paths),
        },
        {"flows and balls": float(len(rows))},
    )


def _risk_at_one(path: Path) -> float:
    run = path.chain.run
    return float(np.exp(np.interp(1.0, run.time, run.log_risk)))


def _in_balls(path: Path) -> list[tuple[bool, float, float, float]]:
    """By R: whether the flow ends inside, how often it comes back, its time there over what is allowed, the
    least slope. R where the flow is outside at t = 1 is left out."""
    run, found = path.chain.run, []
    top = np.max(path.chain.norms, axis=1)
    later = run.time >= 1.0
    for radius in RADII:
        inside = (top <= radius) & later
        if not inside.any():
            continue
        entered = np.flatnonzero(np.diff(inside[later].astype(int)) > 0)
        slope = float(np.min(path.first[inside]))
        # Up to the first record outside: at least all of the time inside.
        last = min(int(np.flatnonzero(inside)[-1]) + 1, len(top) - 1)
        passed = float(run.time[last - 1] - run.time[np.flatnonzero(inside)[0]])
        spent = passed * slope**2 / float(np.exp(run.log_risk[0]))
        found.append((bool(top[-1] <= radius), float(len(entered)), spent, slope))
    return found


def l23_criterion(measured: Measured) -> tuple[Check, ...]:
    """Left for ever, in no more time than 𝓡(W(0)) allows."""
    bounds: list[Bound] = [
        (INSIDE, "=", 0.0, ""),
        (BACK, "≤", 0.0, ""),
        (SPENT, "≤", 1.0, ""),
        (LEAST, "≥", TINY, ""),
        (BELOW, "<", 1.0, ""),
    ]
    return judged(measured, bounds)


_METHOD = (
    "The flow's path by its own length to weights of size 10 to 20, for eight losses: exponential, "
    "logistic, both of a cubed margin (ℓ'(0) = 0), and as classes of a user's 1/(1 + q), √(1 + q²) − q, "
    "1/ln(e + q) and e^{−q − q²}; 20 separable points, Gaussian starts with 𝓡(W(0)) ≤ ℓ(0)."
)

CLAIMS = (
    Claim(
        id="JT19-LOSSES",
        paper="JT19",
        place="Theorem 2.2, Assumption 1.1, eq. (2.4)",
        statement="For any strictly decreasing loss, whatever its tail, the risk goes to 0, all norms grow "
        "together, the layers go to rank one and align, and W_{k+1}ᵀW_{k+1} − W_kW_kᵀ is conserved.",
        method=_METHOD,
        experiment=untrained(evidence),
        measure=t22_measure,
        criterion=t22_criterion,
    ),
    Claim(
        id="JT19-L2.3",
        paper="JT19",
        place="Lemma 2.3, eq. (2.1)",
        statement="After t = 1 ‖∂𝓡/∂W_1‖_F has a lower bound ε(R) in every ball B(R), so that the flow "
        "spends no more than 𝓡(W(0))/ε(R)² of time there and leaves it.",
        method=_METHOD,
        experiment=untrained(evidence),
        measure=l23_measure,
        criterion=l23_criterion,
    ),
)
