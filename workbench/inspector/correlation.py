"""The correlation function of the residual at a state: its KKT points, for every sign neurons see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from workbench.arrays import Array, Float
from workbench.inspector.groups import Groups
from workbench.inspector.layer_shares import LayerShare, layer_orders, layer_shares
from workbench.inspector.state import InspectedState
from workbench.models.structure import Matrix
from workbench.theory.ncf.joint import kkt_joint
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import CAP
from workbench.theory.ncf.merged_lines import out_of_range
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktPoint, KktSet

Cancel = Callable[[], bool] | None

WIDE = 64
"""Most input dimensions in which KKT points are searched for."""
MANY = 50_000
"""Most samples for which they are."""
STARTS = 1024
"""Ascents for KKT points where they are not enumerated."""
JOINT_NUMBERS = 4e9
"""Most operations of the joint search, roughly starts × rounds × n × P."""
ROUNDING = 1e-20
"""A risk below this share of that at θ = 0 is rounding, and so is its residual."""


@dataclass(frozen=True, eq=False)
class Correlation:
    """KKT points of max N_z on the unit sphere; all points in one list, as the neurons' targets index it.

    `sets`: by what neurons see (`InspectedState.sees`: the sign of z, or a coordinate of x where neurons are
    `apart`), each with where its points begin in `points`; `sees`: the same by point. `joint`: over the
    whole θ instead of one neuron; `beside`: over that of a second copy of the network, put beside this one.
    `factor`: rates of the run over those of the summed risk. `order`: L. `layers`: of a joint point, how it
    shares its norm among the layers, by point.
    """

    points: tuple[KktPoint, ...]
    sees: tuple[float, ...]
    sets: dict[float, tuple[int, KktSet]]
    joint: bool
    apart: bool
    order: float
    factor: float
    scale: float
    beside: bool = False
    layers: tuple[tuple[LayerShare, ...], ...] = ()

    @property
    def method(self) -> Literal["exact", "multistart"]:
        """How the points were found; exact only if every set was."""
        exact = all(found.method == "exact" for _, found in self.sets.values())
        return "exact" if exact else "multistart"

    @property
    def complete(self) -> bool:
        """Whether every KKT point is listed."""
        return all(found.complete for _, found in self.sets.values())

    @property
    def reason(self) -> str:
        """Why it is complete or not, by set; with the tolerances that were used."""
        return "; ".join(dict.fromkeys(found.reason for _, found in self.sets.values()))

    @property
    def best(self) -> int | None:
        """Index of the point with the largest N, if there is a point."""
        if not self.points:
            return None
        return int(np.argmax([point.value for point in self.points]))

    @property
    def highest(self) -> float:
        """max N over the points; −∞ without any."""
        best = self.best
        return -np.inf if best is None else self.points[best].value

    def sign(self, index: int) -> float:
        """The sign of z that a point's neurons see."""
        return 1.0 if self.apart else self.sees[index]

    def coordinate(self, index: int) -> int | None:
        """The coordinate of x that a point's neurons see, None where they see all."""
        return int(self.sees[index]) if self.apart else None

    def escape_rate(self, size: float = 1.0) -> float:
        """Fastest d log‖w‖/dt = L ‖w‖^{L−2} N of the run's flow, for weights of norm `size`."""
        best = self.best
        return -np.inf if best is None else self.rate_of(best, size)

    def rate_of(self, index: int, size: float = 1.0) -> float:
        """d log‖w‖/dt along a point's direction."""
        return self.order * size ** (self.order - 2.0) * self.points[index].value * self.factor


def why_no_correlation(state: InspectedState, groups: Groups) -> str | None:
    """One sentence where the theory of small weights says nothing here, or None."""
    if state.order is None:
        return (
            "The network is not homogeneous, so the correlation function and its KKT points "
            "say nothing about it."
        )
    if state.order < 1.5:
        return (
            f"The network is {state.order:g}-homogeneous: the origin is no critical point, and no weights "
            "stay small."
        )
    if state.log_risk - state.log_risk_at_zero < np.log(ROUNDING):
        return "The residual is rounding: nothing is left for small neurons to correlate with."
    if state.separable is None:
        if not groups.origin and not sums_neurons(state):
            return _why_not_single(state)
        if not state.risk.batchable:
            return (
                "The joint correlation function is evaluated for the workbench's own networks only."
            )
        if state.structure.size * state.n > JOINT_NUMBERS / 1e5:
            return (
                f"{state.structure.size:,} parameters on {state.n:,} samples are too many for a "
                "joint search for KKT points."
            )
        return None
    # Neurons apart see one number, and to those without a kink all of space is one cell with one slope.
    linear = state.kind is NeuronKind.TWO_LAYER_RELU and state.separable.leak == 1.0
    easy = state.apart or linear
    if (state.x.shape[1] > WIDE and not easy) or state.n > MANY:
        return (
            f"KKT points are searched for up to {WIDE} inputs and {MANY:,} samples; "
            f"here are {state.x.shape[1]:,} and {state.n:,}."
        )
    return out_of_range(state.x, state.z)


def sums_neurons(state: InspectedState) -> bool:
    """Whether outputs (n, k) are a sum over neurons v σ(u·x), v in R^k, whose loss has targets to meet.

    Then small neurons follow Σ_i ⟨r_i, v⟩ σ(u·x_i) of the residual r (n, k) at any saddle (KH24 Theorem 5.5).
    The joint function of a copy of such a network is the sum of its neurons', and has their maximum.
    """
    stages = state.structure.description.stages or ()
    plain = len(stages) == 2 and all(isinstance(stage, Matrix) for stage in stages)
    two = state.order is not None and round(state.order, 6) == 2.0
    return plain and two and state.loss.regression and state.outputs.ndim == 2


def _why_not_single(state: InspectedState) -> str:
    """Why there is no correlation function of single neurons away from the origin."""
    if state.structure.description.inseparable:
        return state.structure.description.inseparable
    if state.outputs.ndim == 2:
        return (
            "Correlation functions of single neurons are computed for networks with one output; this one has "
            f"{state.outputs.shape[1]}."
        )
    return (
        "This network is not known to separate into neurons, so away from the origin no correlation function "
        "of single ones is computed."
    )


def correlation_of(
    state: InspectedState,
    groups: Groups,
    cancel: Cancel = None,
    *,
    cap: int = CAP,
    starts: int = STARTS,
) -> Correlation | None:
    """KKT points of the residual's NCF (KH24 Theorem 5.5), or None where `why_no_correlation` says so.

    Single neurons of a known family: for all that some small neuron sees (all neurons where none is
    small), a sign of z or a coordinate of x. Other homogeneous networks near the origin: the joint
    function over the whole θ; of two layers with several targets (`sums_neurons`) anywhere. `cap`, `starts`:
    of the search (theory/ncf/kkt.py).
    """
    if why_no_correlation(state, groups) is not None:
        return None
    neurons = state.separable
    if neurons is None or state.order is None:
        return replace(_joint(state, starts, cancel), beside=not groups.origin)
    looked = groups.small if len(groups.small) else groups.large
    each: list[tuple[float, KktSet]] = []
    for by in sorted({float(s) for s in state.sees[looked]}, reverse=not state.apart):
        found = kkt_points(state.ncf(by), cap=cap, starts=starts, cancel=cancel)
        each.append((by, found))
    if state.apart:
        # Of many coordinates those that leave first are the ones to see.
        each.sort(key=lambda pair: -max(pair[1].values, default=-np.inf))
    points: list[KktPoint] = []
    sees: list[float] = []
    sets: dict[float, tuple[int, KktSet]] = {}
    for by, found in each:
        sets[by] = (len(points), found)
        points += found.points
        sees += [by] * len(found.points)
    size = np.abs(state.x).max(axis=1) if state.apart else np.linalg.norm(state.x, axis=1)
    scale = float(np.abs(state.z) @ size**state.kind.degree)
    return Correlation(
        tuple(points), tuple(sees), sets, False, state.apart, 2.0, state.flow_factor, scale or 1.0
    )


def _joint(state: InspectedState, most: int, cancel: Cancel) -> Correlation:
    """KKT points over the whole θ from seeded starts."""
    p, order = state.structure.size, float(state.order or 2.0)
    ncf = state.risk.joint(state.z)
    starts = min(most, int(np.clip(JOINT_NUMBERS / (300.0 * state.n * p), 8, 128)))
    found = kkt_joint(
        ncf.value,
        ncf.gradient,
        p,
        order=round(order),
        starts=starts,
        rounds=300,
        invariants=lambda theta: marks_of(state, theta),
        cancel=cancel,
    )
    orders = layer_orders(state.structure, ncf.value, ncf.gradient)
    probe: Float[np.ndarray, "1 P"] = np.ones((1, p)) / np.sqrt(p)
    scale = max([abs(q.value) for q in found.points], default=float(abs(ncf.value(probe)[0])))
    return Correlation(
        found.points,
        (1.0,) * len(found.points),
        {1.0: (0, found)},
        True,
        False,
        order,
        state.flow_factor,
        scale or 1.0,
        layers=tuple(
            layer_shares(state.structure, point.direction, orders, order) for point in found.points
        ),
    )


def marks_of(state: InspectedState, theta: Float[Array, "B P"]) -> Float[Array, "B q"]:
    """Of every parameter that is a matrix the singular values, of others the norm: rotations of hidden units,
    and units that change places, move none of them."""
    parts = []
    for parameter in state.structure.parameters:
        part = state.structure.view(theta, parameter.name)
        flat = part.reshape(len(theta), parameter.shape[0] if len(parameter.shape) > 1 else 1, -1)
        parts.append(np.linalg.svd(flat, compute_uv=False))
    return np.concatenate(parts, axis=1)
