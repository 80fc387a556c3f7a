"""The residual a run ends with, and the KKT points of its correlation function (KH24 §5.2, Fig. 4).

For neurons whose constrained NCF is known; weights are read from the recorded series,
no user code is imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from workbench.arrays import Array
from workbench.figures.series import Along, RunSeries
from workbench.figures.style import drawable
from workbench.models.structure import Structure
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, activation
from workbench.theory.ncf.result import KktPoint

FITTED = 1e-4
"""A sample whose residual is below this share of the largest counts as fitted, its residual as 0:
otherwise what is left of a fit would stir the flat sets of KKT points it makes (KH24 Fig. 4)."""

NO_DIRECTION = 0.02
"""A two-layer neuron with v < 0 may come to rest at u = 0, around which steps of descent jump: its u
has no direction to speak of once it is this small against v."""

NOTHING_LEFT = 1e-9
"""A residual below this share of the labels is rounding, and points nowhere."""


@dataclass(frozen=True, eq=False)
class Neurons:
    """The last recorded neurons: u (H, d), outgoing v (H), trained or fixed at ±1."""

    kind: NeuronKind
    leak: float
    u: Float[Array, "H d"]
    v: Float[Array, " H"]

    def outputs(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """Φ(x_i) = Σ_k v_k σ(u_k·x_i)^p with p = 2 for squared ReLU, else 1."""
        power = 2 if self.kind is NeuronKind.SQUARED_RELU else 1
        return activation(x @ self.u.T, self.leak) ** power @ self.v


def last_neurons(series: RunSeries) -> Neurons | None:
    """The neurons at the last record; None where they have no NCF of their own or not all were kept."""
    return neurons_at(series, slice(-1, None))


def neurons_at(series: RunSeries, record: slice) -> Neurons | None:
    """The same at another record, given as a slice of one."""
    structure = run_structure(series)
    declared = None if structure is None else structure.neurons
    if structure is None or declared is None or declared.ncf is None or declared.apart:
        return None
    kind, leak = NeuronKind(declared.ncf), declared.leak
    if series.has("theta"):
        theta = series.reader.read("theta", record)[0]
        v = structure.outgoing(theta)
        v = structure.neuron_signs(theta) if v is None else v
        return Neurons(kind, leak, structure.incoming(theta), v)
    signs = declared.signs
    if signs is None or not (series.has("neuron_norm") and series.has("neuron_direction")):
        return None
    norm = series.reader.read("neuron_norm", record)[0]
    direction = series.reader.read("neuron_direction", record)[0]
    if not len(norm) == len(direction) == len(signs):
        return None
    return Neurons(kind, leak, norm[:, None] * direction, np.array(signs))


def run_structure(series: RunSeries) -> Structure | None:
    """What the run's network declares; None where it or the loss is the user's own, or without samples."""
    x = series.reader.x
    if series.run.config.own_code or x is None or x.ndim < 2:
        return None
    return series.run.network().structure


def last_residual(series: RunSeries, neurons: Neurons) -> tuple[Array, Array] | None:
    """x (n, d) and z (n) = −ℓ'(Φ(x_i), y_i) at the last record; None where nothing is left of it."""
    x, y = series.reader.x, series.reader.y
    if x is None or y is None or series.loss is None:
        return None
    x = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    y = np.asarray(y, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = neurons.outputs(x)
        z = series.loss.residual(outputs, y)
    if not np.isfinite(z).all() or np.abs(z).max() <= NOTHING_LEFT * np.abs(y).max():
        return None
    return x, z


def escape_points(series: RunSeries) -> list[KktPoint]:
    """The non-negative KKT points of the last residual's NCF, for inputs in the plane.

    Neurons of a fixed negative sign see −z, so its points are added where there are such neurons.
    """
    neurons = last_neurons(series)
    found = None if neurons is None else last_residual(series, neurons)
    if neurons is None or found is None or found[0].shape[1] != 2:
        return []
    x, z = found
    z = np.where(np.abs(z) < FITTED * np.abs(z).max(), 0.0, z)
    fixed = neurons.kind is NeuronKind.SQUARED_RELU
    signs = sorted(set(np.sign(neurons.v))) if fixed else [1.0]
    each = [kkt_points(Ncf(x, s * z, neurons.kind, neurons.leak)) for s in signs]
    points = [p for found in each for p in found.points]
    return [p for p in points if p.value >= -1e-12 * np.abs(z).sum()]


def has_direction(along: Along, shape: tuple[int, ...]) -> Bool[np.ndarray, "K H"]:
    """False where ‖u‖ is below `NO_DIRECTION` of |v|; `shape` (K, H)."""
    structure = run_structure(along.series)
    everywhere = np.ones(shape, dtype=bool)
    if structure is None or structure.neurons is None or not along.series.has("theta"):
        return everywhere
    theta = drawable(along.read("theta"))
    u, v = structure.incoming(theta), structure.outgoing(theta)
    if v is None or v.shape != shape:
        return everywhere
    return np.asarray(np.linalg.norm(u, axis=2) >= NO_DIRECTION * np.abs(v))
