"""One state of a run as the pictures beside its charts show it: neurons, and N over the circle."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float
from workbench.inspector.circle import Circle, circle_of, circle_reason
from workbench.measures.directions import neuron_angles
from workbench.measures.norms import neuron_norms
from workbench.record.history import History

if TYPE_CHECKING:
    from workbench.run.network import ConfiguredNetwork

# The circle may take this share of the time that passes between two of its computations.
CIRCLE_SHARE = 0.04
# Below this the largest entry of the residual is divided out: KKT points do not depend on it.
LEAST_RESIDUAL = 1e-6


@dataclass(frozen=True, eq=False)
class Moment:
    """One state as the compass and the landscape show it; None where it is not known.

    `scaled`: the circle is that of the residual over its largest entry, which alone is beyond a float.
    `reason`: why there is no circle; `waiting`: there may be one soon, or at another record.
    """

    step: int
    values: Mapping[str, float] = field(default_factory=dict)
    angles: Float[np.ndarray, " H"] | None = None
    norms: Float[np.ndarray, " H"] | None = None
    signs: Float[np.ndarray, " H"] | None = None
    circle: Circle | None = None
    reason: str = ""
    scaled: bool = False
    waiting: bool = False


class CircleKeeper:
    """Computes the circle of a state, not more often than its cost allows."""

    def __init__(self) -> None:
        self._key: tuple[int, int] | None = None
        self._circle: Circle | None = None
        self.scaled = False
        self._ready_at = 0.0

    def of(
        self, network: ConfiguredNetwork, step: int, outputs: Float[np.ndarray, " n"], *, now: bool
    ) -> Circle | None:
        """The circle of a state with these outputs; the last one while a new one would cost too much."""
        key = (step, id(network))
        if key == self._key or (not now and time.monotonic() < self._ready_at):
            return self._circle
        neurons = network.structure.neurons
        if neurons is None:
            return None
        began = time.perf_counter()
        data, loss = network.dataset, network.loss
        z = loss.residual(outputs, data.y)
        self.scaled = not loss.regression and float(np.abs(z).max()) < LEAST_RESIDUAL
        if self.scaled:
            z = loss.scaled_residual(outputs, data.y)
        if np.isfinite(z).all():
            self._circle = circle_of(data.x.reshape(data.n, -1), z, neurons)
        self._key = key
        self._ready_at = time.monotonic() + (time.perf_counter() - began) / CIRCLE_SHARE
        return self._circle


def moment_of(
    network: ConfiguredNetwork,
    step: int,
    theta: Float[np.ndarray, " P"],
    outputs: Float[np.ndarray, "n ..."],
    values: Mapping[str, float],
    keeper: CircleKeeper,
    *,
    now: bool,
) -> Moment:
    """Angles, norms, signs and the circle of a state."""
    structure, d = network.structure, network.dataset.d
    if structure.neurons is None:
        return Moment(step, values, reason="this network declares no neurons")
    norms = neuron_norms(theta[None], structure)[0]
    if structure.incoming(theta).shape[-1] != 2:
        reason = circle_reason(structure.neurons, d, True) or ""
        return Moment(step, values, norms=norms, reason=reason)
    why_not = circle_reason(structure.neurons, d, outputs.ndim == 1)
    return Moment(
        step,
        values,
        angles=neuron_angles(theta[None], structure)[0],
        norms=norms,
        signs=structure.neuron_signs(theta),
        circle=None if why_not else keeper.of(network, step, outputs, now=now),
        scaled=keeper.scaled,
        reason=why_not or "",
    )


def recorded_moment(history: History, row: int, reason: str, *, waiting: bool = True) -> Moment:
    """What a record alone tells: scalars, and the neurons at the nearest row that is in memory."""
    step = int(history.step[row])
    values = {}
    for name in history.names():
        if name != "step" and history.has(name):
            column = _scalar(history, name)
            if column is not None and row < len(column):
                values[name] = float(column[row])
    return Moment(
        step,
        values,
        angles=_row(history, "neuron_angle", step),
        norms=_row(history, "neuron_norm", step),
        reason=reason,
        waiting=waiting,
    )


def _scalar(history: History, name: str) -> Float[np.ndarray, " T"] | None:
    from workbench.record.schema import SERIES

    spec = SERIES.get(name)
    return history.scalar(name) if spec is not None and not spec.dims else None


def _row(history: History, name: str, step: int) -> Float[np.ndarray, " k"] | None:
    """A vector series at the kept step nearest to `step`."""
    if not history.has(name):
        return None
    steps, values = history.vector(name)
    if not len(steps):
        return None
    right = int(np.clip(np.searchsorted(steps, step), 0, len(steps) - 1))
    left = max(0, right - 1)
    best = left if abs(int(steps[left]) - step) < abs(int(steps[right]) - step) else right
    return np.asarray(values[best])
