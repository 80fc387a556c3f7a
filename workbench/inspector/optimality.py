"""Whether the KKT point that a separating state heads for is optimal: state → polished point → verdict.

The flow's own point is no KKT point of (P), only near one; so it is polished first (LL20 Theorem 4.4,
`theory.margin.polish`), and the verdict is about what polishing finds (VSS22).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from workbench.errors import BadInput
from workbench.inspector.margin import why_no_margin
from workbench.inspector.state import InspectedState
from workbench.models.structure import Matrix
from workbench.norms.l2 import L2
from workbench.theory.margin.polish import polish
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.numerics.work import Work
from workbench.theory.optimality.layered_network import LayeredNetwork
from workbench.theory.optimality.point import candidate
from workbench.theory.optimality.verdict import Optimality, optimality

Cancel = Callable[[], bool] | None

MOST_PARAMETERS = 400
"""Most parameters of a network whose verdict is sought: searches take dense systems of that size."""
MOST_SAMPLES = 2_000
NEEDED = "chains of trained layers without biases, with one activation between"


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
    polished = polish(network, point, work=Work(cancel=cancel))
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
            notes=_about_the_norm(state),
        )
    found = optimality(network, polished.theta, cancel=cancel)
    note = f"The polished KKT point lies {polished.angle:.3g} rad from the state."
    return replace(found, notes=(note, *_about_the_norm(state), *found.notes))


def _about_the_norm(state: InspectedState) -> tuple[str, ...]:
    """Which (P) is meant, where the run's rule is after another."""
    if isinstance(state.norm, L2):
        return ()
    return (
        f"The verdict is about (P) in ℓ2; the run's own rule descends in the {state.norm.symbol} norm and "
        "goes to KKT points of (P) in that norm.",
    )


def why_no_verdict(state: InspectedState) -> str | None:
    """One sentence where no verdict can be sought, or None."""
    refused = why_no_margin(state)
    if refused is not None:
        return refused
    matrices = _matrices(state)
    if matrices is None:
        kind = type(state.risk.model).__name__
        return f"Optimality is decided for {NEEDED}; this network is a {kind}."
    leak = _leak(matrices)
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
    matrices = _matrices(state)
    if matrices is None:
        raise BadInput(f"Optimality is decided for {NEEDED} only.")
    return LayeredNetwork(
        tuple(state.structure.indices(matrix) for matrix in matrices),
        np.array(state.x, dtype=np.float64).reshape(state.n, -1),
        np.array(state.y, dtype=np.float64),
        _leak(matrices),
        tuple(matrix.parameter for matrix in matrices),
    )


def _matrices(state: InspectedState) -> tuple[Matrix, ...] | None:
    """The layers as matrices, every parameter in one of them; None where the network is no such chain."""
    structure = state.structure
    stages = structure.description.stages or ()
    matrices = tuple(stage for stage in stages if isinstance(stage, Matrix) and stage.bias is None)
    trained = [parameter.name for parameter in structure.parameters]
    one = len({matrix.leak for matrix in matrices[:-1]}) <= 1
    if not one or len(matrices) < len(stages):
        return None
    return matrices if sorted(m.parameter for m in matrices) == sorted(trained) else None


def _leak(matrices: tuple[Matrix, ...]) -> float:
    """The slope below 0 of the activation between the layers; 1 where there is none."""
    return matrices[0].leak if len(matrices) > 1 else 1.0
