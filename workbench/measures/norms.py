"""ℓ2 norms of layers and of neurons."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Structure
from workbench.norms.l2 import L2


def layer_norms(theta: Float[np.ndarray, "T P"], structure: Structure) -> Float[np.ndarray, "T m"]:
    """‖θ_k‖_2 of every layer's parameters together."""
    columns = []
    for layer in structure.layers:
        parts = [structure.parameter(name) for name in layer.parameters]
        columns.append(
            L2().norm(np.concatenate([theta[:, p.start : p.stop] for p in parts], axis=1))
        )
    return np.stack(columns, axis=1)


def neuron_norms(
    theta: Float[np.ndarray, "T P"],
    structure: Structure,
    incoming: Float[np.ndarray, "T H"] | None = None,
) -> Float[np.ndarray, "T H"]:
    """√(‖u_k‖² + v_k²), or ‖u_k‖ where no outgoing weight is trained; `incoming`: ‖u_k‖, if known."""
    if incoming is None:
        incoming = L2().norm(structure.incoming(theta))
    outgoing = structure.outgoing(theta)
    return incoming if outgoing is None else np.hypot(incoming, outgoing)
