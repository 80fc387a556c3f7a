"""Units of the last hidden layer of a deep network, with the rest fixed: KKT points away from the origin.

Φ(x) = Σ_j v_j σ(u_j·h(x)), h the activations below the last hidden layer. With the rest fixed one unit's
in- and outgoing weights (u, v) are a two-layer neuron on the data h(x_i), exactly: at a saddle of the square
loss small ones follow N = Σ_i z_i v σ(u·h_i) of the residual z (KH24 Theorem 5.5), and grow as order 2 does,
whatever L. A unit of a lower layer acts through the layers above: to first order and off their kinks it is
Σ_i ⟨g_i, v⟩ σ(u·h_i) with g_i in R^k, for which there is no exact search.

Where a unit of that layer is in use at a critical point of a linear network, Σ_i z_i h_i = 0 and so N = 0:
what leaves such a saddle is a chain through all layers, of order L.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.inspector.correlation import MANY, STARTS, WIDE
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState
from workbench.models.structure import Matrix
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import CAP
from workbench.theory.ncf.merged_lines import out_of_range
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktSet

CLIMBS = 1e-9
"""Least N over Σ|z_i|‖h_i‖ that is a way out; below it is rounding."""


@dataclass(frozen=True, eq=False)
class LastUnits:
    """KKT points of a unit (v, u) of `layer`, rest fixed. `norm` (H): √(‖u‖² + v²) of the network's units;
    `scale`: Σ|z_i|‖h_i‖, which bounds N; `factor`: rates of the run over those of the summed risk."""

    layer: str
    norm: Float[Array, " H"]
    found: KktSet
    scale: float
    factor: float

    @property
    def highest(self) -> float:
        """max N over the points; 0 where none is above 0 but for rounding."""
        best = max((point.value for point in self.found.points), default=0.0)
        return best if best > CLIMBS * self.scale else 0.0

    @property
    def rate(self) -> float:
        """d log‖(u, v)‖/dt = 2N along the best, in the run's flow time."""
        return 2.0 * self.highest * self.factor

    def sentence(self) -> str:
        """What a unit of that layer does, in a sentence."""
        how = "exact" if self.found.complete else "from a search that is not complete"
        start = f"One unit of the last hidden layer, {self.layer}, with the rest fixed: "
        if self.highest == 0.0:
            return f"{start}no weights of it grow, max N = 0 ({how})."
        return (
            f"{start}max N = {self.highest:.4g} ({how}), small ones grow at up to {self.rate:.3g}."
        )

    def as_json(self) -> dict[str, Any]:
        """Points with (v, u) as their direction, v first."""
        return {
            "layer": self.layer,
            "norms": self.norm.tolist(),
            "rate": self.rate,
            "complete": self.found.complete,
            "reason": self.found.reason,
            "points": [
                {
                    "direction": point.direction.tolist(),
                    "value": point.value,
                    "residual": point.residual,
                    "kind": point.kind,
                }
                for point in self.found.points
            ],
        }


def last_units(
    state: InspectedState,
    groups: Groups,
    cancel: Callable[[], bool] | None = None,
    *,
    cap: int = CAP,
    starts: int = STARTS,
) -> LastUnits | None:
    """Of three or more plain layers with one output and a loss with targets to meet, away from the origin;
    None for others, and where the search would be out of its range."""
    stages = state.structure.description.stages or ()
    chain = [stage for stage in stages if isinstance(stage, Matrix) and stage.bias is None]
    if len(chain) < max(3, len(stages)) or state.outputs.ndim > 1 or not state.loss.regression:
        return None
    names = {parameter.name for parameter in state.structure.parameters}
    trained = all(stage.place is None and stage.parameter in names for stage in chain[-2:])
    if groups.origin or not trained or not np.isfinite(state.theta).all():
        return None
    h: Float[np.ndarray, "n k"] = state.x.reshape(len(state.x), -1)
    for stage in chain[:-2]:
        if stage.parameter not in names:
            return None
        s = h @ state.structure.matrix(state.theta, stage).T
        h = np.where(s > 0.0, s, stage.leak * s)
    below, out = (state.structure.matrix(state.theta, stage) for stage in chain[-2:])
    leak = chain[-2].leak
    easy = leak == 1.0
    if (h.shape[1] > WIDE and not easy) or len(h) > MANY or out_of_range(h, state.z) is not None:
        return None
    ncf = Ncf(h, state.z, NeuronKind.TWO_LAYER_RELU, leak)
    found = kkt_points(ncf, cap=cap, starts=starts, cancel=cancel)
    norm = np.sqrt(np.sum(below**2, axis=1) + out[0] ** 2)
    scale = float(np.abs(state.z) @ np.linalg.norm(h, axis=1))
    return LastUnits(chain[-2].parameter, norm, found, scale, state.flow_factor)
