"""Whether the KKT point that a separating state heads for is optimal: state → polished point → verdict.

The flow's own point is no KKT point of (P), only near one; so it is polished first (LL20 Theorem 4.4,
theory/margin/polish.py), and the verdict is about what polishing finds (VSS22).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workbench.arrays import Array, Int
from workbench.errors import BadInput
from workbench.inspector.margin import why_no_margin
from workbench.inspector.state import InspectedState
from workbench.models.deep_linear import DeepLinear
from workbench.models.deep_relu import DeepRelu
from workbench.models.diagonal import Diagonal
from workbench.models.shared_patches import SharedPatches
from workbench.models.sparse import Sparse
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.theory.margin.polish import polish
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.optimality.layered_network import (
    LayeredNetwork,
    diagonal_layers,
    full_layers,
    masked_layers,
    patch_layers,
)
from workbench.theory.optimality.point import candidate
from workbench.theory.optimality.verdict import Optimality, optimality

Cancel = Callable[[], bool] | None

MOST_PARAMETERS = 400
"""Most parameters of a network whose verdict is sought: searches take dense systems of that size."""
MOST_SAMPLES = 2_000
KINDS = "deep-linear, deep-relu, diagonal, shared-patches, sparse, two-layer-relu"


def optimality_verdict(state: InspectedState, cancel: Cancel = None) -> Optimality:
    """The verdict on the KKT point of (P) near the state; "undecided" where polishing finds none.

    Raises:
        BadInput: in a sentence, what is missing for (P) or for the theory of VSS22.
    """
    refused = why_no_verdict(state)
    if refused is not None:
        raise BadInput(refused)
    network = layered_network(state)
    rows = network.rows(state.theta, network.gates(state.theta), network.samples)
    q = network.true_margins(state.theta)
    point = MarginPoint.at(state.theta, q, rows, network.order)
    polished = polish(network, point, cancel=cancel)
    if not polished.outcome.converged:
        here = candidate(network, point.theta)
        return Optimality(
            verdict="undecided",
            norm2=here.norm2,
            better=None,
            bound=0.0,
            ratio=1.0,
            layers=(),
            reason=f"No KKT point of (P) was found near the state: {polished.outcome.why_not}.",
            theta=here.theta,
            multipliers=here.multipliers,
            residual=here.residual,
        )
    found = optimality(network, polished.theta, cancel=cancel)
    note = f"The polished KKT point lies {polished.angle:.3g} rad from the state."
    return replace(found, notes=(note, *found.notes))


def why_no_verdict(state: InspectedState) -> str | None:
    """One sentence where no verdict can be sought, or None."""
    refused = why_no_margin(state)
    if refused is not None:
        return refused
    layers = _layers(state)
    if layers is None:
        kind = type(state.risk.model).__name__
        return f"Optimality is decided for the kinds {KINDS}; this network is a {kind}."
    leak = layers[1]
    if not 0.0 <= leak <= 1.0:
        return (
            f"Optimality is decided for leaks in [0, 1]; model.leak is {leak:g}, and the certificates "
            "rest on an activation that never falls."
        )
    if state.outputs.ndim == 2:
        return "Optimality is decided for networks with one output; this one has an output a class."
    if state.structure.size > MOST_PARAMETERS or state.n > MOST_SAMPLES:
        return (
            f"Optimality is sought up to {MOST_PARAMETERS:,} parameters and {MOST_SAMPLES:,} samples; "
            f"here are {state.structure.size:,} and {state.n:,}."
        )
    return None


def layered_network(state: InspectedState) -> LayeredNetwork:
    """The state's network as VSS22 describes networks, with its data.

    Raises:
        BadInput: a kind of network that has no such description.
    """
    found = _layers(state)
    if found is None:
        raise BadInput(f"Optimality is decided for the kinds {KINDS} only.")
    index, leak = found
    names = tuple(layer.name for layer in state.structure.layers)
    x = np.array(state.x, dtype=np.float64).reshape(state.n, -1)
    return LayeredNetwork(index, x, np.array(state.y, dtype=np.float64), leak, names)


def _layers(
    state: InspectedState,
) -> tuple[tuple[Int[Array, "_ _"], ...], float] | None:
    """Where the weights lie in θ, and the leak of σ; None for other kinds."""
    model = state.risk.model
    shapes = [parameter.shape for parameter in state.structure.parameters]
    d = int(np.prod(state.x.shape[1:]))
    match model:
        case DeepLinear():
            return full_layers([d, *(shape[0] for shape in shapes)]), 1.0
        case DeepRelu():
            return full_layers([d, *(shape[0] for shape in shapes)]), model.leak
        case TwoLayerRelu():
            return full_layers([d, shapes[0][0], 1]), model.leak
        case Diagonal():
            return diagonal_layers(d, model.depth), _leak(model.activation)
        case SharedPatches():
            return patch_layers(d, model.patches), _leak(model.activation)
        case Sparse():
            masks = []
            for k, shape in enumerate(model.shapes, start=1):
                mask = np.zeros(shape[0] * shape[1], dtype=bool)
                mask[model.get_buffer(f"place{k}").numpy()] = True
                masks.append(mask.reshape(shape))
            return masked_layers(masks), _leak(model.activation)
    return None


def _leak(activation: str) -> float:
    return 1.0 if activation == "linear" else 0.0
