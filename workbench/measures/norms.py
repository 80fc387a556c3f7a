"""Norms of θ, of layers, of neurons."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Structure


def norm(a: Float[np.ndarray, "... k"]) -> Float[np.ndarray, "..."]:
    """‖a‖_2 over the last axis, scaled so that neither tiny nor huge entries are lost.

    A row's value does not depend on the other rows, to the last bit: how records were cut into
    chunks must not show.
    """
    top = np.max(np.abs(a), axis=-1, keepdims=True, initial=0.0)
    safe = np.where((top > 0) & np.isfinite(top), top, 1.0)
    scaled = a / safe
    return np.asarray(np.sqrt(np.sum(scaled * scaled, axis=-1)) * safe[..., 0])


def layer_norms(theta: Float[np.ndarray, "T P"], structure: Structure) -> Float[np.ndarray, "T m"]:
    """‖θ_k‖_2 of every layer's parameters together."""
    columns = []
    for layer in structure.layers:
        parts = [structure.parameter(name) for name in layer.parameters]
        columns.append(norm(np.concatenate([theta[:, p.start : p.stop] for p in parts], axis=1)))
    return np.stack(columns, axis=1)


def neuron_norms(theta: Float[np.ndarray, "T P"], structure: Structure) -> Float[np.ndarray, "T H"]:
    """√(‖u_k‖² + v_k²), or ‖u_k‖ where no outgoing weight is trained."""
    incoming = norm(structure.incoming(theta))
    outgoing = structure.outgoing(theta)
    return incoming if outgoing is None else np.hypot(incoming, outgoing)
