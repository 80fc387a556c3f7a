"""KH24 Lemmas B.1, C.2, C.5 and C.6: homogeneity of subdifferentials, multipliers, and N(u)/‖u‖².

Exact identities, at random weights of the workbench's own networks, on kinks and off them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.config.models import (
    DeepLinearModel,
    DeepReluModel,
    DiagonalModel,
    ModelTable,
    SquaredReluModel,
    TwoLayerReluModel,
    TwoTrainableReluModel,
)
from workbench.models.build import build_model
from workbench.models.network import flatten
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.min_norm import least_norm

NETWORKS: Mapping[str, tuple[ModelTable, float]] = {
    "squared ReLU": (SquaredReluModel(kind="squared-relu", width=4, signs="alternate"), 2.0),
    "squared leaky ReLU": (SquaredReluModel(kind="squared-relu", width=4, leak=0.3), 2.0),
    "two-layer ReLU": (TwoLayerReluModel(kind="two-layer-relu", width=4), 2.0),
    "two trained layers of three": (
        TwoTrainableReluModel(kind="two-trainable-relu", widths=(4, 3)),
        2.0,
    ),
    "three layers of ReLU": (DeepReluModel(kind="deep-relu", widths=(4, 3)), 3.0),
    "four layers of ReLU": (DeepReluModel(kind="deep-relu", widths=(4, 3, 3)), 4.0),
    "five linear layers": (DeepLinearModel(kind="deep-linear", width=3, depth=5), 5.0),
    "diagonal, three layers": (DiagonalModel(kind="diagonal", depth=3), 3.0),
}
"""Networks of inputs of two numbers, with the L that Lemma B.1 has for them."""
DRAWS: dict[Size, int] = {"quick": 5, "full": 200}
SCALES = (0.0, 0.3, 7.0)
"""c of Lemma B.1."""
ROUNDING = 1e-12
TINY = 1e-300
STEP = 1e-6
"""Of difference quotients, whose own error is about its square."""
DIFFERENCED = 1e-7
ASIDE = 1e-9
"""Distance from a kink at which slopes stand for the limits that span ∂F there."""


@dataclass(frozen=True, eq=False)
class Identities:
    """How far one network is off, relative: `scaled`: ∂F(cw) = c^{L−1}∂F(w); `euler`: w·s = L F(w) off kinks,
    `kinks`: for the vertices and the mean of a set ∂F(w) that is more than a point, whose `widths` say so."""

    name: str
    scaled: float
    euler: float
    kinks: float
    widths: float


Value = Callable[[Array], tuple[float, Array]]


def network_value(table: ModelTable, x: Array, z: Array) -> tuple[Value, int]:
    """θ to (F, a slope) of F(θ) = Σ_i z_i Φ(θ; x_i), by autograd; and the size of θ."""
    model: nn.Module = build_model(table, (x.shape[1],), 1, 0)
    theta = flatten(model, torch.float64, torch.device("cpu"))
    inputs, weights = torch.from_numpy(x), torch.from_numpy(z)

    def value(at: Array) -> tuple[float, Array]:
        with torch.no_grad():
            theta.copy_(torch.from_numpy(at))
        model.zero_grad()
        found = weights @ model(inputs).reshape(-1)
        slopes = torch.autograd.grad(found, [p for p in model.parameters() if p.requires_grad])
        return float(found.detach()), torch.cat([g.reshape(-1) for g in slopes]).numpy()

    return value, theta.numel()


def identities(name: str, size: Size, bend: float = 0.0) -> Identities:
    """One network at random weights; `bend` adds that much of |w_1| to F, of order 1."""
    table, order = NETWORKS[name]
    rng = np.random.default_rng(0)
    # Inputs and weights in whole numbers: x·u is 0 exactly where it is to be.
    x = np.array([[3.0, 4.0], [-1.0, 2.0], [2.0, -5.0], [-3.0, -1.0]])
    z = np.array([1.0, -0.5, 0.75, 2.0])
    plain, count = network_value(table, x, z)

    def value(at: Array) -> tuple[float, Array]:
        found, slope = plain(at)
        first = np.zeros(count)
        first[0] = bend * np.sign(at[0])
        return found + bend * abs(float(at[0])), slope + first

    scaled, euler, kinks, widths = [], [], [], []
    for _ in range(DRAWS[size]):
        w = rng.standard_normal(count)
        f, s = value(w)
        # A network whose units are all dead has F = 0 and s = 0, and every identity.
        length = max(float(np.linalg.norm(s)), TINY)
        for c in SCALES:
            gap = np.linalg.norm(value(c * w)[1] - c ** (order - 1.0) * s)
            scaled.append(float(gap / (max(1.0, c) ** (order - 1.0) * length)))
        euler.append(abs(float(w @ s) - order * f) / (float(np.linalg.norm(w)) * length))
        w[:2] = [-4.0, 3.0]
        f = value(w)[0]
        aside = ASIDE * rng.standard_normal((8, count))
        vertices = np.array([value(w + e)[1] for e in aside])
        elements = np.vstack([vertices, vertices.mean(axis=0)])
        longest = max(float(np.linalg.norm(elements, axis=1).max()), TINY)
        most_long = longest * float(np.linalg.norm(w))
        kinks.append(float(np.max(np.abs(elements @ w - order * f))) / most_long)
        widths.append(float(np.ptp(vertices, axis=0).max()) * float(np.linalg.norm(w)) / most_long)
    return Identities(name, most(scaled), most(euler), most(kinks), most(widths))


@dataclass(frozen=True, eq=False)
class Ratio:
    """One NCF of a neuron, relative: `multiplier`: ⟨u*, s⟩ off 2N(u*) at its KKT points; `same_sign`: how
    often the sign of λ is not that of N. Lemma C.6: `slope`, off difference quotients of N(u)/‖u‖², and
    `forms`, its two forms off each other; `square`: its ‖·‖² off ‖s‖²/‖u‖⁴ − 4N²/‖u‖⁶, `printed`: off the
    sum in its proof; `shortest`: on kinks, the shortest element off the projection of the shortest of ∂N."""

    multiplier: float
    same_sign: float
    slope: float
    forms: float
    square: float
    printed: float
    shortest: float


def ratio(kind: NeuronKind, seed: int, size: Size) -> Ratio:
    """Gaussian samples in the plane with labels of both signs."""
    rng = np.random.default_rng([seed, 6])
    x, z = rng.standard_normal((9, 2)), rng.standard_normal(9)
    ncf = Ncf(x, z, kind)
    # Where u = 0 every input is a kink; there N = 0.
    found_points = [p for p in kkt_points(ncf).points if p.extent is None]
    points = [p for p in found_points if np.linalg.norm(p.direction[-2:]) > ASIDE]
    multiplier, signs, slopes, forms, squares, printed, shortest = [], [], [], [], [], [], []
    for point in points:
        # λu* ∈ ∂N(u*): the element nearest to 2N u*, and its λ by u*.
        wanted = 2.0 * point.value * point.direction
        off = least_norm(_set(ncf, point.direction) - wanted).element
        found = float((wanted + off) @ point.direction)
        multiplier.append(float(np.linalg.norm(off)) / ncf.scale)
        signs.append(float(found * point.value < -ASIDE * ncf.scale**2))
    for _ in range(DRAWS[size]):
        u = rng.standard_normal(ncf.width) * rng.uniform(0.2, 3.0)
        norm = float(np.linalg.norm(u))
        s, n = ncf.gradient(u[None])[0], float(ncf.value(u[None])[0])
        first = s / norm**2 - 2.0 * n * u / norm**4
        second = (s - (s @ u) * u / norm**2) / norm**2
        unit = float(np.linalg.norm(s)) / norm**2
        tried = np.array([_ratio(ncf, u + h * e) for h in (STEP, -STEP) for e in np.eye(len(u))])
        quotient = (tried[: len(u)] - tried[len(u) :]) / (2.0 * STEP)
        slopes.append(float(np.linalg.norm(quotient - first)) / unit)
        forms.append(float(np.linalg.norm(first - second)) / unit)
        length = float(first @ first)
        squares.append(abs(length - (s @ s / norm**4 - 4.0 * n**2 / norm**6)) / unit**2)
        by_proof = s @ s / norm**4 - 4.0 * n**2 / norm**6 + 4.0 * n**2 / norm**8
        printed.append(abs(length - by_proof) / unit**2)
        u[-2:] = float(rng.standard_normal()) * np.array([-x[0, 1], x[0, 0]])
        shortest.append(_shortest(ncf, u))
    return Ratio(*map(most, (multiplier, signs, slopes, forms, squares, printed, shortest)))


def _ratio(ncf: Ncf, u: Array) -> float:
    return float(ncf.value(u[None])[0] / (u @ u))


def _set(ncf: Ncf, w: Array) -> Float[np.ndarray, "k p"]:
    """Vectors whose hull is ∂N(w) for a neuron with at most one kink."""
    s = ncf.gradient(w[None])[0]
    at, size = ncf.x @ w[-2:], np.linalg.norm(ncf.x, axis=1) * np.linalg.norm(w[-2:])
    kinks = np.flatnonzero(np.abs(at) < ASIDE * size)
    if ncf.kind is NeuronKind.SQUARED_RELU or not len(kinks):
        return s[None]
    (k,) = kinks
    slope = np.append(0.0, w[0] * ncf.z[k] * ncf.x[k])
    without = s - slope * (at[k] > 0)
    return np.array([without, without + slope])


def _shortest(ncf: Ncf, u: Array) -> float:
    """∂̄(N/‖u‖²) off (I − ûûᵀ)∂̄N/‖u‖², relative."""
    norm, found = float(np.linalg.norm(u)), _set(ncf, u)
    across = np.eye(len(u)) - np.outer(u, u) / norm**2
    of_set = least_norm(found @ across / norm**2).element
    of_shortest = across @ least_norm(found).element / norm**2
    return float(
        np.linalg.norm(of_set - of_shortest) * norm**2 / np.linalg.norm(found, axis=1).max()
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    networks: Sequence[Identities]
    ratios: Sequence[Ratio]


def evidence(size: Size) -> Evidence:
    """All networks, and NCFs of both families."""
    seeds = range(3 if size == "quick" else 20)
    return Evidence(
        [identities(name, size) for name in NETWORKS],
        [
            ratio(kind, seed, size)
            for kind in (NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU)
            for seed in seeds
        ],
    )


SCALED = "∂F(cw) off c^{L−1}∂F(w), relative, largest"
EULER = "w·s off L F(w), relative, largest"
KINKS = "the same for every s ∈ ∂F(w) on kinks"
WIDTH = "width of ∂F(w) on kinks, relative, largest"
MULTIPLIER = "λ of a KKT point off 2N, relative, largest"
SIGN = "KKT points whose λ has not the sign of N"
SLOPE = "∂(N/‖u‖²) off difference quotients, relative, largest"
FORMS = "its two forms off each other, relative, largest"
SQUARE = "its square off ‖s‖²/‖u‖⁴ − 4N²/‖u‖⁶, relative, largest"
SHORTEST = "its shortest element off the projection of ∂N's, on kinks, relative, largest"


def measure(found: Evidence) -> Measured:
    """The largest error of each identity."""
    networks, ratios = found.networks, found.ratios
    return Measured(
        {
            SCALED: most(n.scaled for n in networks),
            EULER: most(n.euler for n in networks),
            KINKS: most(n.kinks for n in networks),
            WIDTH: most(n.widths for n in networks),
            MULTIPLIER: most(r.multiplier for r in ratios),
            SIGN: most(r.same_sign for r in ratios),
            SLOPE: most(r.slope for r in ratios),
            FORMS: most(r.forms for r in ratios),
            SQUARE: most(r.square for r in ratios),
            SHORTEST: most(r.shortest for r in ratios),
        },
        {
            "networks": float(len(networks)),
            "its square off the sum printed in Lemma C.6's proof, least": least(
                r.printed for r in ratios
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Identities, up to rounding and difference quotients; kinks that are kinks."""
    bounds: list[Bound] = [
        (SCALED, "≤", ROUNDING, ""),
        (EULER, "≤", ROUNDING, ""),
        (KINKS, "≤", DIFFERENCED, ""),
        (WIDTH, "≥", 1e-3, ""),
        (MULTIPLIER, "≤", DIFFERENCED, ""),
        (SIGN, "=", 0.0, ""),
        (SLOPE, "≤", DIFFERENCED, ""),
        (FORMS, "≤", ROUNDING, ""),
        (SQUARE, "≤", ROUNDING, ""),
        (SHORTEST, "≤", DIFFERENCED, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-B1",
        paper="KH24",
        place="Lemma B.1, Corollary B.1.1, Lemmas C.2, C.5 and C.6",
        statement="A network of order L has w·s = L F(w) for every s ∈ ∂F(w), and ∂F(cw) = c^{L−1}∂F(w); so "
        "λ = 2N at KKT points, and ∂(N/‖u‖²) is ∂N across u over ‖u‖², its shortest element that of ∂N.",
        method="Autograd on eight of the workbench's networks of order 2 to 5 at random weights and on "
        "kinks; NCFs of both families of neurons, with all their KKT points in the plane.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
        erratum="The second display of Lemma C.6's proof: the middle term of the square is −8N²/‖u‖⁶ and "
        "the last one +4N²/‖u‖⁶ (‖u‖²/‖u‖⁸), in all ‖s‖²/‖u‖⁴ − 4N²/‖u‖⁶; the lemma itself stands, as "
        "neither depends on s.",
    ),
)
