"""VSS22 Lemmas C.1 to C.5: what gradient flow conserves in the networks of the class N, in exact arithmetic.

d/dt ½‖u_l‖² = −Σ_i ℓ'_i ⟨u_l, ∂q_i/∂u_l⟩ of a layer, and the same of a neuron's incoming or outgoing weights:
two of these are equal for every loss and all samples exactly where the products ⟨·, ∂q_i/∂·⟩ are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.exact_network import ExactNetwork, exact_network
from workbench.claims.lab import Lab
from workbench.config.models import (
    DeepLinearModel,
    DeepReluModel,
    DiagonalModel,
    ModelTable,
    SharedPatchesModel,
    SparseModel,
    TwoLayerReluModel,
)
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

MODELS: tuple[tuple[ModelTable, int], ...] = (
    (TwoLayerReluModel(kind="two-layer-relu", width=3), 2),
    (DeepReluModel(kind="deep-relu", widths=(3, 2)), 2),
    (DeepLinearModel(kind="deep-linear", depth=3, width=2), 2),
    (DiagonalModel(kind="diagonal", depth=3, activation="relu"), 3),
    (
        SparseModel(kind="sparse", activation="relu", masks=(((1, 1, 0), (0, 1, 1)), ((1, 1),))),
        3,
    ),
    (SharedPatchesModel(kind="shared-patches", patches=2, activation="relu"), 4),
)
"""Networks of the class N and the numbers of their inputs; the last one shares weights."""
DRAWS: dict[Size, int] = {"quick": 3, "full": 30}
SAMPLES = 4
DRIFT = 1e-5
"""Of ρ²: what the flow's integrator, whose steps err by 1e−7 of ρ, may leave of a conserved number."""


@dataclass(frozen=True, eq=False)
class Balance:
    """Networks with a random θ each; a flow of Lemma C.4, `norms` (T, k, 2) ‖w_j‖² and v_j², `rho2` (T); and
    numbers for Lemma C.5."""

    points: list[tuple[ExactNetwork, Float[np.ndarray, " P"]]]
    norms: Float[np.ndarray, "T k 2"]
    rho2: Float[np.ndarray, " T"]
    lists: list[Float[np.ndarray, " m"]]


def experiment(lab: Lab, size: Size) -> tuple[Balance, Path | None]:
    """Random weights and samples, and the flow of preset vss22-4.2a."""
    rng = np.random.default_rng(7)
    points = []
    for table, d in MODELS:
        for _ in range(DRAWS[size]):
            x, y = rng.standard_normal((SAMPLES, d)), rng.choice([-1.0, 1.0], SAMPLES)
            network = exact_network(table, x, y)
            points.append((network, rng.standard_normal(network.size)))
    settings = ['name="VSS22-C1"', "device.kind=cpu", "record.theta=true"]
    run = lab.train(parse_config(override(read_preset("vss22-4.2a"), settings), "VSS22-C1"))
    first = run.structure.view(run.theta, "w1").reshape(len(run.theta), -1)
    last = run.structure.view(run.theta, "w2").reshape(len(run.theta), -1)
    size2 = np.stack([np.sum(first[:, 2 * j : 2 * j + 2] ** 2, axis=1) for j in range(2)], axis=1)
    lists = [np.exp(rng.standard_normal(m)) for m in (2, 3, 7) for _ in range(DRAWS[size])]
    rho2 = np.sum(run.theta**2, axis=1)
    return Balance(points, np.stack([size2, last**2], axis=2), rho2, lists), run.folder


def pulls(network: ExactNetwork, theta: Float[np.ndarray, " P"]) -> list[dict[int, list[Fraction]]]:
    """θ_p ∂q_i/∂θ_p of every layer by the place p, for all samples i."""
    found = []
    for index in range(network.depth):
        slopes = network.slopes(theta.tolist(), index)
        places = network.layer(index).tolist()
        found.append(
            {
                place: [Fraction(theta[place]) * row[k] for row in slopes]
                for k, place in enumerate(places)
            }
        )
    return found


def between_layers(network: ExactNetwork, theta: Float[np.ndarray, " P"]) -> float:
    """The largest difference of ⟨u_l, ∂q_i/∂u_l⟩ between layers (Lemma C.2)."""
    totals = [
        [sum(values, Fraction(0)) for values in zip(*layer.values(), strict=True)]
        for layer in pulls(network, theta)
    ]
    return float(max(abs(a - b) for x, y in pairwise(totals) for a, b in zip(x, y, strict=True)))


def between_weights(network: ExactNetwork, theta: Float[np.ndarray, " P"]) -> float:
    """The same of the incoming and the outgoing weights of a hidden neuron (Lemmas C.1 and C.3)."""
    layers = pulls(network, theta)
    worst = Fraction(0)
    for index in range(network.depth - 1):
        before, after = network.places[index], network.places[index + 1]
        for neuron in range(len(before)):
            incoming = [layers[index][p] for p in before[neuron].tolist() if p >= 0]
            outgoing = [layers[index + 1][p] for p in after[:, neuron].tolist() if p >= 0]
            for sample in range(len(network.x)):
                gap = sum((v[sample] for v in incoming), Fraction(0)) - sum(
                    (v[sample] for v in outgoing), Fraction(0)
                )
                worst = max(worst, abs(gap))
    return float(worst)


LAYERS = "⟨u_l, ∂q_i/∂u_l⟩ between layers, largest difference"
NEURONS = "the same of a neuron's incoming and outgoing weights, nothing shared"
SHARED = "the same with shared weights, largest"
KEPT = "change of ‖w_j‖² − v_j² along the flow over ρ², most"
BALANCED = "|‖w_j‖² − v_j²|/ρ² at the end, most"
PRODUCT = "Σ a_j² over m (∏ a_j)^{2/m}, least"


def measure(found: Balance) -> Measured:
    """Lemmas C.1, C.2, C.3 at random points, C.4 along a flow, C.5 for random numbers."""
    plain = [(n, t) for n, t in found.points if not n.shares]
    shared = [(n, t) for n, t in found.points if n.shares]
    gap = found.norms[:, :, 0] - found.norms[:, :, 1]
    drift = np.abs(gap - gap[0]) / found.rho2[:, None]
    return Measured(
        {
            LAYERS: most(between_layers(n, t) for n, t in found.points),
            NEURONS: most(between_weights(n, t) for n, t in plain),
            SHARED: most(between_weights(n, t) for n, t in shared),
            KEPT: most(drift.ravel()),
            BALANCED: most(np.abs(gap[-1]) / found.rho2[-1]),
            PRODUCT: least(
                float(np.sum(a * a) / (len(a) * np.exp(2.0 * np.mean(np.log(a)))))
                for a in found.lists
            ),
        },
        {"|‖w_j‖² − v_j²|/ρ² at the start, most": most(np.abs(gap[0]) / found.rho2[0])},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Exactly equal; neuron by neuron only where nothing is shared; and balance in the limit."""
    bounds: Sequence[Bound] = [
        (LAYERS, "=", 0.0, ""),
        (NEURONS, "=", 0.0, ""),
        (SHARED, "≥", 1e-6, ""),
        (KEPT, "≤", DRIFT, ""),
        (BALANCED, "<", 1e-3, ""),
        (PRODUCT, "≥", 1.0 - 1e-12, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-C1",
        paper="VSS22",
        place="Lemmas C.1 to C.5",
        statement="Gradient flow conserves ‖u_l‖² − ‖u_{l+1}‖² of every network in N, and without shared "
        "weights that of every hidden neuron's incoming and outgoing weights, so that these are equal in "
        "the limit.",
        method="⟨u, ∂q_i/∂u⟩ in rational arithmetic at random points of six networks; the flow of preset "
        "vss22-4.2a; the inequality of Lemma C.5 for random numbers.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="norms",
    ),
)
